"""Points that move on the plane: the 2-D navigation of PEARL (Rakelly et al. 2019, Sec. 6.3) and its dense sibling.

An action in [−1, 1]² moves the point by up to 0.1 in each coordinate. Observation: the position `(2,)`. Episodes are
cut after 20 actions and, in these families, never terminate. Everything is a length without a unit.
"""

import math
from abc import abstractmethod

import gymnasium as gym
import numpy as np

from shared.tasks.box_tasks import BoxTasks
from shared.tasks.family import TaskFamily
from shared.tasks.task_sets import TaskSets

STRIDE = 0.1


class Points(TaskFamily):
    """Points on the plane, and goals g: −‖position − g‖ after the move. The task vector is `(g_x, g_y)`."""

    horizon = 20
    task_dim = 2
    task_labels = (("goal x", 1), ("goal y", 1))
    task_kind = "place"
    position_labels = ("x", "y")
    radius: float | None = None  # within which the sparse reward is paid; None: there is no sparse reward

    def __init__(self):
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float64)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)

    @abstractmethod
    def start(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` start positions `(n, 2)`."""

    def ended(self, offsets: np.ndarray) -> np.ndarray:
        """Return which episodes end for good at `offsets` `(n, 2)` from the goals, `(n,)`; by default none."""
        return np.zeros(len(offsets), dtype=bool)

    def make(self, num_envs: int) -> "VectorPoints":
        """Return a stepper for `num_envs` points."""
        return VectorPoints(num_envs, self)


class PointRobot(TaskSets, Points):
    """Reach a goal in the square (`point-robot` in PEARL's code).

    Start and goal are uniform on [−1, 1]². Always the same 100 goals, the first 80 to train on and the last 20 to test,
    drawn as the code does (legacy generator, seed 1337).
    """

    def __init__(self):
        super().__init__()
        goals = np.random.RandomState(1337).uniform(-1.0, 1.0, (100, 2))
        self.train_set, self.test_set = goals[:80], goals[80:]

    def start(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` start positions `(n, 2)`."""
        return rng.uniform(-1.0, 1.0, (n, 2))


class SparsePointRobot(PointRobot):
    """Find a goal on the half circle of radius 1, from its centre (`sparse-point-robot` in PEARL's code).

    The reward is −‖position − g‖ after the move; `info["sparse_reward"]` is 1 minus that distance within `radius` of
    the goal and 0 elsewhere. PEARL trains its actor and critic on the first, infers the task from the second, and is
    judged by the second. The task vector is `(g_x, g_y)`. The goals lie at `goals` equal angles from 0 to π, in the
    order into which the code shuffles them (legacy generator, seed 1337); the first `train` are to train on, the others
    to test: 100 and 80 in the code. The paper has radii 0.2 and 0.8, and 100 goals each to train and to test.
    """

    def __init__(self, radius: float = 0.2, goals: int = 100, train: int = 80):
        super().__init__()
        if not (radius > 0 and 0 < train < goals):
            raise ValueError(f"radius must be positive and train between 0 and goals, got {radius}, {train}, {goals}")
        self.radius = radius
        angles = np.linspace(0, math.pi, goals)
        places = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        np.random.RandomState(1337).shuffle(places)
        self.train_set, self.test_set = places[:train], places[train:]

    def start(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the centre `n` times, `(n, 2)`."""
        return np.zeros((n, 2))


class VectorPoints(BoxTasks):
    """`num_envs` points moved together; a point whose episode has ended stands still until its reset."""

    def __init__(self, num_envs: int, family: Points):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self.family = family
        self._rng = np.random.default_rng()
        self._clock = np.zeros(num_envs, dtype=np.int64)
        self._terminated = np.zeros(num_envs, dtype=bool)
        self._positions = np.zeros((num_envs, 2))
        self._goals = family.train_tasks(1, np.random.default_rng(0)).repeat(num_envs, axis=0)

    def set_tasks(self, tasks: np.ndarray) -> None:
        """Set the goals `(num_envs, 2)`; raise `ValueError` where they are not finite."""
        tasks = self.checked_tasks(tasks, self.family.task_dim)
        if not np.isfinite(tasks).all():
            raise ValueError("goals must be finite")
        self._goals = tasks.copy()

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Start new episodes in the tasks that `options["reset_mask"]` names (all by default)."""
        mask = self.checked_mask((options or {}).get("reset_mask"))
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._positions[mask] = self.family.start(int(mask.sum()), self._rng)
        self._clock[mask] = 0
        self._terminated[mask] = False
        return self._positions.copy(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """Move every point whose episode goes on; see `VectorTasks`.

        Families with a `radius` also give `info["sparse_reward"]` `(num_envs,)`.
        """
        actions = self.checked_actions(actions)
        going = ~self._terminated & (self._clock < self.family.horizon)
        self._positions += STRIDE * actions * going[:, None]
        self._clock += going
        offsets = self._positions - self._goals
        rewards = -np.sqrt(np.einsum("ij,ij->i", offsets, offsets)) * going
        info = {}
        if self.family.radius is not None:
            info["sparse_reward"] = np.where(going & (rewards >= -self.family.radius), 1.0 + rewards, 0.0)
        self._terminated |= going & self.family.ended(offsets)
        truncated = self._clock >= self.family.horizon
        return self._positions.copy(), rewards, self._terminated.copy(), truncated, info

    def positions(self) -> np.ndarray:
        """Return where the points are, `(num_envs, 2)`."""
        return self._positions.copy()
