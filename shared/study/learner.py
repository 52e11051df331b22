"""The contract of a learner: a method of meta-reinforcement learning, or a baseline.

A learner knows its task family, its hyper-parameters and its random numbers. It knows nothing of files,
budgets, logging, other runs or the workflow; `shared.study.runner` owns those.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import pydantic

from shared.tasks.family import TaskFamily

Measures = np.ndarray | Mapping[str, np.ndarray]


class Learner(Protocol):
    """What the runner asks of every method.

    A method whose declaration names other runs under `needs` takes one more keyword argument, `needed`:
    a mapping from each name to the final `state_dict` of that run.
    """

    Config: ClassVar[type[pydantic.BaseModel]]
    """Every hyper-parameter with its type; refuses unknown names."""

    env_steps: int
    """Environment steps that training has consumed so far; 0 for a baseline that does not train."""

    def __init__(
        self,
        family: TaskFamily,
        config: pydantic.BaseModel,
        seed: np.random.SeedSequence,
        device: str = "cpu",
    ) -> None: ...

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> Measures:
        """Meet `tasks` `(tasks, task_dim)` for `episodes` episodes each, by the paper's meta-test procedure.

        Returns the undiscounted returns `(tasks, episodes)`, or a mapping with these under `return` and
        further measures of the same shape (a success rate, say). Leaves the learner as it was.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return all state: parameters, optimisers, replay, generators, counters.

        Tensors, arrays, numbers, strings, None, and nested dicts, lists and tuples of these.
        """

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; training then goes on as if it had never stopped."""


class TrainableLearner(Learner, Protocol):
    """A learner with something to train, be it only a grid of hyper-parameters."""

    def train(self) -> dict[str, float]:
        """Run one meta-iteration and return its metrics, finite numbers under stable names."""
