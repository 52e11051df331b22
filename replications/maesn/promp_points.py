"""The points on the plane and on a line of ProMP (Rothfuss et al. 2019, Figures 4 and 5), which have no body.

Rewards and observations are those of the authors' code. Distances have no unit.
"""

from abc import abstractmethod
from typing import ClassVar

import gymnasium as gym
import numpy as np

from replications.maesn.maml_tasks import Drawn
from shared.tasks.box_tasks import BoxTasks
from shared.tasks.family import TaskFamily

Array = np.ndarray

CORNERS = np.array([[2.0, 2.0], [2.0, -2.0], [-2.0, 2.0], [-2.0, -2.0]])
NEAR = 1.0  # distance from which a corner counts as visited
VISITS = tuple(f"visits_corner{i}" for i in range(len(CORNERS)))


class Point(Drawn, TaskFamily):
    """A point without a body; a task names one of the places `goals` `(G, task_dim)`. No termination."""

    goals: Array
    stride: float
    states: int

    def __init__(self):
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.task_dim,), np.float64)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (self.states,), np.float64)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw goals."""
        return self.goals[rng.integers(len(self.goals), size=n)]

    @abstractmethod
    def start(self, n: int, rng: np.random.Generator) -> Array:
        """Draw start states `(n, states)`."""

    @abstractmethod
    def move(self, states: Array, strides: Array) -> Array:
        """Return the states `(N, states)` after moves `(N, task_dim)`."""

    @abstractmethod
    def reward(self, before: Array, after: Array, goals: Array) -> Array:
        """Return the rewards `(N,)` of steps between positions `(N, task_dim)`."""

    def observe(self, states: Array) -> Array:
        """Return what policies see of `states` `(N, states)`, by default all."""
        return states.copy()

    def measures(self, states: Array) -> dict[str, Array]:
        """Return what else is worth knowing of `states` `(N, states)`, by default nothing."""
        return {}

    def make(self, num_envs: int) -> "VectorPoint":
        """Return a stepper for `num_envs` points."""
        return VectorPoint(num_envs, self)


class Corner(Point):
    """Go to one of four corners (±2, ±2), 100 steps; the task vector is the corner.

    `info` says which corners are within a distance of 1.
    """

    goals = CORNERS
    horizon = 100
    episode_measures: ClassVar = dict.fromkeys(VISITS, "ever")
    task_dim = 2
    task_labels = (("corner x", 1), ("corner y", 1))
    task_kind = "place"
    position_labels = ("x", "y")

    def measures(self, states: Array) -> dict[str, Array]:
        """Return which corners are near."""
        near = np.linalg.norm(states[:, None, :2] - CORNERS, axis=2) <= NEAR
        return dict(zip(VISITS, near.T.astype(float), strict=True))


class CornerPoint(Corner):
    """Moves by up to 0.2; earns its progress towards the corner where that is the nearest of the four.

    Nothing is earned while |x| + |y| < 0.5. Starts are uniform on [−0.2, 0.2]². Observation `(2,)`: the position.
    """

    stride = 0.2
    states = 2

    def start(self, n: int, rng: np.random.Generator) -> Array:
        """Draw positions around the origin."""
        return rng.uniform(-0.2, 0.2, (n, 2))

    def move(self, states: Array, strides: Array) -> Array:
        """Add the move."""
        return states + strides

    def reward(self, before: Array, after: Array, corners: Array) -> Array:
        """Reward progress beyond the middle, in the corner's own quarter."""
        progress = np.linalg.norm(before - corners, axis=1) - np.linalg.norm(after - corners, axis=1)
        distances = np.linalg.norm(after[:, None] - CORNERS, axis=2)
        nearest = (CORNERS[distances.argmin(axis=1)] == corners).all(axis=1)
        return np.where(nearest & (np.abs(after).sum(axis=1) >= 0.5), progress, 0.0)


class MomentumPoint(Corner):
    """Adds up to 0.1 to its velocity, and that to its position; earns max(0, 2 − distance from the corner).

    Starts are uniform: positions on [−0.2, 0.2]², velocities on [−0.1, 0.1]². Observation `(4,)`: both.
    """

    stride = 0.1
    states = 4

    def start(self, n: int, rng: np.random.Generator) -> Array:
        """Draw positions around the origin, and velocities."""
        return np.concatenate([rng.uniform(-0.2, 0.2, (n, 2)), rng.uniform(-0.1, 0.1, (n, 2))], axis=1)

    def move(self, states: Array, strides: Array) -> Array:
        """Accelerate, then move."""
        velocities = states[:, 2:] + strides
        return np.concatenate([states[:, :2] + velocities, velocities], axis=1)

    def reward(self, before: Array, after: Array, corners: Array) -> Array:
        """Reward being near the corner."""
        return np.maximum(0.0, 2.0 - np.linalg.norm(after - corners, axis=1))


class Line(Point):
    """Jump to a goal g = ±1 on a line: a is the next place, and earns exp(−0.1 (a − g)²); five jumps.

    Jumps lead to [−2, 2], where episodes also start, uniformly. Observation `(1,)`: the square of the place, since the
    policy of ProMP's Figure 5 is linear in it. The task vector is g.
    """

    goals = np.array([[-1.0], [1.0]])
    horizon = 5
    task_dim = 1
    task_labels = (("goal", 1),)
    task_kind = "place"
    position_labels = ("place", "")
    stride = 2.0
    states = 1

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return as many of one goal as of the other, in turn."""
        return self.goals[np.arange(n) % 2]

    def start(self, n: int, rng: np.random.Generator) -> Array:
        """Draw places."""
        return rng.uniform(-self.stride, self.stride, (n, 1))

    def move(self, states: Array, strides: Array) -> Array:
        """Return the places that the actions name."""
        return strides

    def reward(self, before: Array, after: Array, goals: Array) -> Array:
        """Reward being near the goal."""
        return np.exp(-0.1 * (after - goals)[:, 0] ** 2)

    def observe(self, states: Array) -> Array:
        """Return the squares."""
        return states**2


class VectorPoint(BoxTasks):
    """`num_envs` points moved together; one whose episode was cut stands still until its reset."""

    def __init__(self, num_envs: int, family: Point):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self.family = family
        self._rng = np.random.default_rng()
        self._clock = np.zeros(num_envs, dtype=np.int64)
        self._states = np.zeros((num_envs, family.states))
        self._goals = family.goals[:1].repeat(num_envs, axis=0)

    def set_tasks(self, tasks: Array) -> None:
        """Set the goals `(num_envs, task_dim)`; raise `ValueError` where there is none of the family's."""
        tasks, goals = self.checked_tasks(tasks, self.family.task_dim), self.family.goals
        if not (tasks[:, None] == goals).all(axis=2).any(axis=1).all():
            raise ValueError(f"tasks must be among {goals.tolist()}")
        self._goals = tasks.copy()

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Array, dict]:
        """Start new episodes in the tasks that `options["reset_mask"]` names (all by default)."""
        mask = self.checked_mask((options or {}).get("reset_mask"))
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._states[mask] = self.family.start(int(mask.sum()), self._rng)
        self._clock[mask] = 0
        return self.family.observe(self._states), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict]:
        """Move every point whose episode goes on; see `VectorTasks`."""
        actions, dimensions = self.checked_actions(actions), self.family.task_dim
        going = self._clock < self.family.horizon
        after = self.family.move(self._states, self.family.stride * actions)
        after = np.where(going[:, None], after, self._states)
        rewards = self.family.reward(self._states[:, :dimensions], after[:, :dimensions], self._goals) * going
        self._states = after
        self._clock += going
        ended = np.zeros(self.num_envs, dtype=bool)
        info = self.family.measures(after)
        return self.family.observe(after), rewards, ended, self._clock >= self.family.horizon, info

    def positions(self) -> Array:
        """Return where the points are, `(num_envs, 2)`; those on a line have 0 for y."""
        dimensions = self.family.task_dim
        return np.pad(self._states[:, :dimensions], ((0, 0), (0, 2 - dimensions)))
