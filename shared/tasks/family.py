"""The two contracts every task of every paper keeps: a family of tasks, and a vectorised way to step many of them."""

from abc import ABC, abstractmethod

import gymnasium as gym
import numpy as np


class VectorTasks(gym.vector.VectorEnv, ABC):
    """N tasks of one family stepped together on arrays.

    Follows `gymnasium.vector.VectorEnv` with `AutoresetMode.DISABLED`: a finished episode stays finished until
    `reset(options={"reset_mask": mask})` names it. `set_tasks` is the one addition.
    """

    metadata = {"autoreset_mode": gym.vector.AutoresetMode.DISABLED}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, num_envs: int, observation_space: gym.Space, action_space: gym.Space):
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        self.num_envs = num_envs
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = gym.vector.utils.batch_space(observation_space, num_envs)
        self.action_space = gym.vector.utils.batch_space(action_space, num_envs)

    @abstractmethod
    def set_tasks(self, tasks: np.ndarray) -> None:
        """Put task `tasks[i]` into simulation i; `tasks` is `(num_envs, task_dim)`. Takes effect at once."""

    def checked_tasks(self, tasks: np.ndarray, task_dim: int) -> np.ndarray:
        """Return `tasks` as a float64 array of shape `(num_envs, task_dim)`; raise `ValueError` otherwise."""
        tasks = np.asarray(tasks, dtype=np.float64)
        if tasks.shape != (self.num_envs, task_dim):
            raise ValueError(f"tasks must have shape {(self.num_envs, task_dim)}, got {tasks.shape}")
        return tasks

    def checked_mask(self, mask: np.ndarray | None) -> np.ndarray:
        """Return a reset mask as booleans `(num_envs,)`, all of them for None; raise `ValueError` otherwise."""
        if mask is None:
            return np.ones(self.num_envs, dtype=bool)
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise ValueError(f"reset_mask must be {self.num_envs} booleans, got {mask.dtype}{mask.shape}")
        return mask

    def checked_actions(self, actions: np.ndarray) -> np.ndarray:
        """Return discrete `actions` `(num_envs,)`; raise `ValueError` on a wrong shape or an unknown action."""
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise ValueError(f"actions must be {self.num_envs} integers, got {actions.dtype}{actions.shape}")
        if actions.min() < 0 or actions.max() >= self.single_action_space.n:
            raise ValueError(f"actions must lie in 0..{self.single_action_space.n - 1}")
        return actions


class TaskFamily(ABC):
    """A distribution over MDPs with a training split and a test split.

    Attributes
    ----------
    observation_space, action_space: spaces of one task.
    horizon: steps of one episode.
    task_dim: length of the vector that describes one task.
    threads: how many of them the steppers made from now on may use; results do not depend on it.

    """

    observation_space: gym.Space
    action_space: gym.Space
    horizon: int
    task_dim: int
    threads: int = 1

    @abstractmethod
    def train_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` training tasks, `(n, task_dim)`."""

    @abstractmethod
    def test_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` test tasks, `(n, task_dim)`; never overlaps the training split where the paper holds tasks out."""

    def features(self, tasks: np.ndarray) -> np.ndarray:
        """Return what a learner is told of `tasks` `(n, task_dim)` that is told its task: the vectors, `(n, features)`.

        A family overrides it where near tasks have vectors far apart, as angles do.
        """
        return tasks

    @abstractmethod
    def make(self, num_envs: int) -> VectorTasks:
        """Return a stepper for `num_envs` tasks at once."""
