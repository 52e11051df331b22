"""Two coins to toss: the first pays more often than the second, in every task."""

import gymnasium as gym
import numpy as np

from shared.tasks.family import TaskFamily, VectorTasks


class Coins(TaskFamily):
    """Task vectors `(2,)`: probabilities that each coin pays, drawn from U[0.5, 1] and U[0, 0.5]."""

    def __init__(self, tosses: int):
        self.horizon = tosses
        self.task_dim = 2
        self.observation_space = gym.spaces.Discrete(1)
        self.action_space = gym.spaces.Discrete(2)

    def train_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `(n, 2)` probabilities."""
        return rng.random((n, 2)) / 2 + [0.5, 0.0]

    def test_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `(n, 2)` probabilities."""
        return self.train_tasks(n, rng)

    def make(self, num_envs: int) -> "VectorCoins":
        """Return `num_envs` pairs of coins."""
        return VectorCoins(num_envs, self)


class VectorCoins(VectorTasks):
    """Pairs of coins tossed together."""

    def __init__(self, num_envs: int, family: Coins):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self.horizon = family.horizon

    def set_tasks(self, tasks: np.ndarray) -> None:
        """Put the probabilities `tasks` `(num_envs, 2)` into the coins."""
        self.probabilities = self.checked_tasks(tasks, 2)

    def reset(self, *, seed=None, options=None):
        """Begin all episodes; `options` are of no use, since all end together."""
        super().reset(seed=seed)
        self.tossed = 0
        return np.zeros(self.num_envs, dtype=np.int64), {}

    def step(self, actions: np.ndarray):
        """Toss the chosen coins."""
        chosen = self.probabilities[np.arange(self.num_envs), self.checked_actions(actions)]
        rewards = (self.np_random.random(self.num_envs) < chosen).astype(np.float64)
        self.tossed += 1
        ended = np.full(self.num_envs, self.tossed >= self.horizon)
        return np.zeros(self.num_envs, dtype=np.int64), rewards, ended, np.zeros_like(ended), {}
