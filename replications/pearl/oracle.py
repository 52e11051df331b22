"""A ceiling on sparse 2-D navigation: a point that knows its goal and walks straight to it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from shared.rl.rollout import Stage
from shared.tasks.point_robot import STRIDE, SparsePointRobot


class Config(BaseModel):
    """There is nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KnowsTheGoal:
    """Walks to the goal with the largest steps that do not pass it; nothing is trained."""

    Config = Config

    def __init__(self, family: SparsePointRobot, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        self.stage = Stage(family)
        self.env_steps = 0

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Walk to each goal `episodes` times; `return` (sparse) and `dense_return`, `(tasks, episodes)`."""
        one = self.stage.play(tasks, lambda places: np.clip((tasks - places) / STRIDE, -1, 1), rng, sparse=True)
        returns = {"return": one.context_rewards.sum(axis=0), "dense_return": one.rewards.sum(axis=0)}
        return {name: np.repeat(values[:, None], episodes, axis=1) for name, values in returns.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: there is no state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take nothing back."""
