"""What every method here shares that meta-learns a policy by policy gradients: playing, testing, keeping state."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from replications.maesn.policies import GaussianPolicy, Parameters
from replications.maesn.rollouts import Advantages, Outputs, Sampler, Trajectories, advantages
from shared.networks.heads import Head
from shared.study.seeds import generator_state, restore_generator
from shared.tasks.family import TaskFamily

Array = np.ndarray
WAY = 20  # parts of an episode's way that are kept


class PolicyConfig(BaseModel):
    """Hyper-parameters of all policies here and of their tests; the published values are in `replication.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: tuple[int, ...] = Field(description="widths of the policy's hidden layers")
    activation: Literal["relu", "tanh"]
    reach: float = Field(gt=0, description="actions in ±reach stand for the actuators' whole range")
    discount: float = Field(gt=0, le=1)
    gae_lambda: float = Field(ge=0, le=1)
    test_episodes: int = Field(gt=0, description="episodes of one adaptation step of a test")
    test_sparse: bool = Field(description="whether tests pay the family's sparse rewards")


class MetaConfig(PolicyConfig):
    """Hyper-parameters of all that meta-learns."""

    meta_batch: int = Field(gt=0, description="N, tasks of one meta-iteration")
    episodes: int = Field(gt=0, description="K, episodes side by side per task, before and again after adaptation")


class MetaPolicyGradient(ABC):
    """A learner that adapts by policy gradients, from batches of episodes.

    `parameters` is everything that is meta-learned, by name. A test reports, per adaptation step, means over the
    episodes of its batch: step 0 is what the policy earns before it adapts.
    """

    Config: ClassVar[type[PolicyConfig]]

    def __init__(self, family: TaskFamily, config: PolicyConfig, seed: np.random.SeedSequence, device: str = "cpu"):
        start, draws = seed.spawn(2)
        self.family, self.config, self.device = family, config, device
        self.rng = np.random.default_rng(draws)
        self.env_steps = 0
        self.sampler = Sampler(family, config.reach, device)
        self.policy = self.make_policy(family.observation_space.shape[0], family.action_space.shape[0])
        generator = torch.Generator().manual_seed(int(start.generate_state(1)[0]))
        self.parameters = {
            name: value.to(device).requires_grad_() for name, value in self.initial_parameters(generator).items()
        }

    def make_policy(self, states: int, actions: int) -> GaussianPolicy:
        """Return the policy, by default one of observations alone."""
        return GaussianPolicy(states, actions, self.config.hidden, self.config.activation)

    def initial_parameters(self, generator: torch.Generator) -> Parameters:
        """Draw what is meta-learned; by default the policy's parameters."""
        return self.policy.initial(generator)

    @abstractmethod
    def train(self) -> dict[str, float]:
        """Run one meta-iteration."""

    def play(
        self, outputs: Outputs, tasks: Array, episodes: int, by_steps: bool = False
    ) -> tuple[Trajectories, Advantages]:
        """Play training episodes as `Sampler.play` does, count their steps; return them with their advantages."""
        played = self.sampler.play(outputs, tasks, episodes, self.rng, sparse=False, by_steps=by_steps)
        self.env_steps += int(played.valid.sum())
        return played, self.advantages(played)

    def advantages(self, played: Trajectories) -> Advantages:
        """Return the advantages of `played`."""
        return advantages(played, self.config.discount, self.config.gae_lambda)

    @abstractmethod
    def begin(self, tasks: Array) -> Any:
        """Return what a test of `tasks` adapts, before any step."""

    @abstractmethod
    def advance(self, state: Any, step: int, tasks: Array, rng: np.random.Generator, last: bool):
        """Play a batch with `state`, what adapts; return the batch, and the next state (the same after the `last`)."""

    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> dict[str, Array]:
        """Test on `tasks`: `episodes` batches of `test_episodes`, an adaptation step between two; `(tasks, episodes)`.

        Returns means over the episodes of each batch, and `whereabouts`.
        """
        state, reports = self.begin(tasks), []
        for step in range(episodes):
            played, state = self.advance(state, step, tasks, rng, last=step == episodes - 1)
            reports.append(
                {name: np.nanmean(values, axis=1) for name, values in played.measures.items()} | whereabouts(played)
            )
        return {name: np.stack([report[name] for report in reports], axis=1) for name in reports[0]}

    def state_dict(self) -> dict[str, Any]:
        """Return what is meta-learned, the generator and the step count."""
        return {
            "parameters": {name: value.detach().clone() for name, value in self.parameters.items()},
            "rng": generator_state(self.rng),
            "env_steps": self.env_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(state["parameters"][name])
        restore_generator(self.rng, state["rng"])
        self.env_steps = state["env_steps"]


def whereabouts(played: Trajectories) -> dict[str, Array]:
    """Return where the first episodes of each task, those with `places`, went: measures `(N,)`.

    `angle_spread`, in degrees, and `x_spread`, `y_spread`: standard deviations over episodes of the angle from the
    origin under which they end, and of the place itself; `distance`: how far from the origin, in the mean; `x00`,
    `y00` and so on: the way of the first one, in so many equal parts of the longest episode as `WAY`.
    """
    steps = played.measures["steps"][:, : played.places.shape[1]].astype(int)
    n, k = np.indices(steps.shape)
    ends = played.places[n, k, steps]
    angles = np.degrees(np.arctan2(ends[..., 0], ends[..., 1]))  # from the y axis: goals lie within 90 degrees of it
    found = {
        "angle_spread": angles.std(axis=1),
        "distance": np.linalg.norm(ends, axis=2).mean(axis=1),
        "x_spread": ends[..., 0].std(axis=1),
        "y_spread": ends[..., 1].std(axis=1),
    }
    moments = np.linspace(0, played.places.shape[2] - 1, WAY + 1).round().astype(int)
    for i, moment in enumerate(moments):
        x, y = played.places[n[:, 0], 0, np.minimum(moment, steps[:, 0])].T
        found |= {f"x{i:02}": x, f"y{i:02}": y}
    return found


def log_ratios(head: Head, outputs: Tensor, old: Tensor, actions: Tensor) -> Tensor:
    """Return log π(a) − log π_old(a) of `actions` `(…, a)` by the two policies' outputs `(…, 2 · a)`."""
    return head.log_prob(outputs, actions) - head.log_prob(old, actions)


def surrogate(head: Head, outputs: Tensor, old: Tensor, actions: Tensor, advantages: Tensor, shares: Tensor) -> Tensor:
    """Return the mean of π(a)/π_old(a) A in which each of the advantages `(…)` has its share."""
    return (shares * log_ratios(head, outputs, old, actions).exp() * advantages).sum()
