"""Episodes of a latent-conditioned policy, many at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shared.tasks.family import TaskFamily, VectorTasks

Act = Callable[[np.ndarray], np.ndarray]


class Episodes(NamedTuple):
    """N episodes side by side, time-major `(T, N, …)`; `valid` `(T, N)` says which steps took place.

    `context_rewards` are what a task is inferred from: the family's sparse rewards where it has them, else `rewards`.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    context_rewards: np.ndarray
    next_observations: np.ndarray
    terminated: np.ndarray
    valid: np.ndarray

    def rows(self, episode: int) -> np.ndarray:
        """Return the steps of one episode as rows (s, a, r, context reward, done, s′), `(steps, width)`."""
        valid = self.valid[:, episode]
        parts = [self.observations, self.actions, self.rewards, self.context_rewards, self.terminated]
        columns = [part[valid, episode].reshape(valid.sum(), -1) for part in (*parts, self.next_observations)]
        return np.concatenate(columns, axis=1, dtype=np.float32)


class Batch(NamedTuple):
    """B transitions: `(B, ·)` states and actions, `(B,)` rewards and `done`."""

    states: Tensor
    actions: Tensor
    rewards: Tensor
    done: Tensor
    next_states: Tensor


class Layout:
    """Where the parts of a transition stand in the rows of `Episodes`: s, a, reward, context reward, done, s′."""

    def __init__(self, states: int, actions: int):
        self.states, self.actions = states, actions
        self.width = 2 * states + actions + 3

    def batch(self, rows: Tensor) -> Batch:
        """Return rows `(M, B, width)` of M tasks as one batch of M · B transitions."""
        rows, s, a = rows.flatten(0, 1), self.states, self.states + self.actions
        return Batch(rows[:, :s], rows[:, s:a], rows[:, a], rows[:, a + 2], rows[:, a + 3 :])

    def context(self, rows: Tensor, next_states: bool) -> Tensor:
        """Return rows `(…, width)` as contexts `(…, ·)` of (s, a, context reward), and s′ if asked for (Sec. 4.1)."""
        a = self.states + self.actions
        parts = [rows[..., :a], rows[..., a + 1 : a + 2]]
        return torch.cat([*parts, rows[..., a + 3 :]] if next_states else parts, dim=-1)


class Stage:
    """Plays episodes in tasks of one family; keeps its steppers, by how many episodes they play at once."""

    def __init__(self, family: TaskFamily):
        self.family = family
        self._steppers: dict[int, VectorTasks] = {}

    def play(self, tasks: np.ndarray, act: Act, rng: np.random.Generator, sparse: bool = False) -> Episodes:
        """Play one episode in each of `tasks` `(N, task_dim)`; `act` maps observations to actions, one row per task.

        A step in which a simulation broke did not take place: the episode ends with the one before, for good where the
        family says that breaking terminates it.
        """
        count = len(tasks)
        if count not in self._steppers:
            self._steppers[count] = self.family.make(count)
        envs = self._steppers[count]
        envs.set_tasks(tasks)
        observations, _ = envs.reset(seed=int(rng.integers(2**63)))
        going = np.ones(count, dtype=bool)
        steps = []
        for _ in range(self.family.horizon):
            actions = act(observations)
            after, rewards, terminated, truncated, info = envs.step(actions)
            broke = going & info["broken"] if "broken" in info else np.zeros(count, dtype=bool)
            context_rewards = info["sparse_reward"] if sparse else rewards
            if broke.any() and steps:
                steps[-1][-2][broke & terminated] = True
            steps.append((observations, actions, rewards, context_rewards, after, terminated.copy(), going & ~broke))
            observations = after
            going = going & ~(terminated | truncated)
            if not going.any():
                break
        return Episodes(*(np.stack(part) for part in zip(*steps, strict=True)))
