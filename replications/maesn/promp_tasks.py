"""The task families of ProMP (Rothfuss et al. 2019) where they differ from PEARL's, on Gymnasium's bodies.

Rewards and observations are those of the authors' code. As there, policies act in [−10, 10], which stands for the
actuators' whole range: that is a hyper-parameter of the learners here (`reach`). Tasks are drawn anew, to train and to
test. Metres, seconds, radians.
"""

import math
from abc import abstractmethod
from typing import ClassVar

import gymnasium as gym
import numpy as np

from replications.maesn.maml_tasks import Drawn
from shared.tasks.box_tasks import BoxTasks
from shared.tasks.family import TaskFamily
from shared.tasks.locomotion import TORSO, check_finite, headings, noisy_start, squared_norms
from shared.tasks.mujoco_family import Moment, MujocoFamily
from shared.tasks.simulation import Simulations

Array = np.ndarray


class Body(Drawn, MujocoFamily):
    """What the bodies share: one number is the task, unless a family says otherwise."""

    task_dim = 1

    def place(self, simulations: Simulations) -> Array:
        """Return how far the body is, `(N, 1)`; a body that leaves its plane overrides it."""
        return simulations.qpos[:, :1].copy()

    def reward(self, moment: Moment) -> Array:
        """Reward the velocity as the task says, minus costs."""
        return self.reward_velocity(moment.moved / self.dt, moment.tasks) - self.costs(moment)

    @abstractmethod
    def reward_velocity(self, velocities: Array, tasks: Array) -> Array:
        """Return what `velocities` `(N, 1)`, or `(N, 2)` on the ground, in m/s earn in `tasks` `(N, task_dim)`."""

    @abstractmethod
    def costs(self, moment: Moment) -> Array:
        """Return what is taken from the reward, `(N,)`."""

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where a task is not finite."""
        check_finite(tasks, "tasks")


class Along:
    """Run along d = ±1: d · v_x; goes before a `Body`."""

    task_labels = (("direction", 1),)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw directions."""
        return rng.choice([-1.0, 1.0], (n, 1))

    def reward_velocity(self, velocities: Array, tasks: Array) -> Array:
        """Return d · v_x."""
        return tasks[:, 0] * velocities[:, 0]


class Heading:
    """Run along a heading θ ~ U(0, 2π): v · (cos θ, sin θ); goes before a `Body`."""

    task_labels = (("heading (rad)", 1),)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw headings."""
        return rng.uniform(0, 2 * math.pi, (n, 1))

    def features(self, tasks: Array) -> Array:
        """Return cosine and sine of the headings, `(n, 2)`."""
        return headings(tasks[:, 0])

    def reward_velocity(self, velocities: Array, tasks: Array) -> Array:
        """Return the velocity along the heading."""
        return (velocities * headings(tasks[:, 0])).sum(axis=1)


class At:
    """Run at v* ~ U(slowest, fastest): −|v_x − v*|; goes before a `Body`."""

    task_labels = (("wanted velocity (m/s)", 1),)
    slowest, fastest = 0.0, 0.0

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw velocities."""
        return rng.uniform(self.slowest, self.fastest, (n, 1))

    def reward_velocity(self, velocities: Array, tasks: Array) -> Array:
        """Return −|v_x − v*|."""
        return -np.abs(velocities[:, 0] - tasks[:, 0])


class Cheetah(Body):
    """Half-cheetah, frame skip 5, 100 actions of 0.05 s, no termination; a control cost of 0.05 ‖a‖².

    Observation `(17,)`: positions without the forward one, velocities.
    """

    file = "half_cheetah.xml"
    frame_skip = 5
    horizon = 100

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions ± 0.1 uniform, velocities 0.1 · N(0, 1)."""
        return noisy_start(self.model, len(tasks), rng, 0.1, None)

    def observe(self, simulations: Simulations) -> Array:
        """Return positions and velocities."""
        return np.concatenate([simulations.qpos[:, 1:], simulations.qvel], axis=1)

    def costs(self, moment: Moment) -> Array:
        """Charge controls."""
        return 0.05 * squared_norms(moment.controls)


class CheetahDirection(Along, Cheetah):
    """Run forwards or backwards; see `Cheetah`."""


class CheetahVelocity(At, Cheetah):
    """Run at a velocity from 0 to 3 m/s; see `Cheetah`."""

    fastest = 3.0


class Ant(Body):
    """Ant, frame skip 5, 100 actions of 0.05 s; pays 1, charges 0.5 ‖a‖² and 0.0005 ‖contacts‖² (clipped to [−1, 1]).

    Terminates where the torso's height leaves [0, 1] or the simulation breaks. Observation `(111,)`: positions without
    those on the ground (13), velocities (14), contacts (84).
    """

    file = "ant.xml"
    frame_skip = 5
    horizon = 100
    fields = ("xpos", "cfrc_ext")
    ends_when_broken = True

    def place(self, simulations: Simulations) -> Array:
        """Return where the torso is on the ground, `(N, 2)`, a simulator step ago, as in the code."""
        return simulations.field("xpos")[:, TORSO, :2].copy()

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions ± 0.1 uniform, velocities 0.1 · N(0, 1)."""
        return noisy_start(self.model, len(tasks), rng, 0.1, None)

    def observe(self, simulations: Simulations) -> Array:
        """Return positions, velocities and contacts."""
        contacts = np.clip(simulations.field("cfrc_ext"), -1, 1).reshape(simulations.count, -1)
        return np.concatenate([simulations.qpos[:, 2:], simulations.qvel, contacts], axis=1)

    def costs(self, moment: Moment) -> Array:
        """Charge controls and contacts; being alive pays."""
        contacts = np.clip(moment.simulations.field("cfrc_ext"), -1, 1)
        return 0.5 * squared_norms(moment.controls) + 0.0005 * squared_norms(contacts) - 1.0

    def ended(self, simulations: Simulations) -> Array:
        """Return where the torso's height is not between 0 and 1."""
        height = simulations.qpos[:, 2]
        return (height < 0.0) | (height > 1.0)


class AntDirection(Along, Ant):
    """Run forwards or backwards; see `Ant`."""


class AntHeading(Heading, Ant):
    """Run along a heading of the plane; see `Ant`."""


class Walker(Body):
    """Walker, frame skip 8, 200 actions of 0.016 s; a control cost of 0.001 ‖a‖².

    Terminates where the height leaves (0.8, 2) or the torso's angle (−1, 1). Observation `(17,)`: positions without the
    forward one, velocities clipped to [−10, 10].
    """

    file = "walker2d.xml"
    frame_skip = 8
    alive: float

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions and velocities ± 0.005 uniform."""
        return noisy_start(self.model, len(tasks), rng, 0.005, 0.005)

    def observe(self, simulations: Simulations) -> Array:
        """Return positions and clipped velocities."""
        return np.concatenate([simulations.qpos[:, 1:], np.clip(simulations.qvel, -10, 10)], axis=1)

    def costs(self, moment: Moment) -> Array:
        """Charge controls; being alive pays."""
        return 0.001 * squared_norms(moment.controls) - self.alive

    def ended(self, simulations: Simulations) -> Array:
        """Return where the torso is too low, too high, or leans too far."""
        height, angle = simulations.qpos[:, 1], simulations.qpos[:, 2]
        return ~((height > 0.8) & (height < 2.0) & (np.abs(angle) < 1.0))


class WalkerDirection(Along, Walker):
    """Run forwards or backwards, being alive pays 1; see `Walker`."""

    alive = 1.0


class WalkerVelocity(At, Walker):
    """Run at a velocity from 0 to 10 m/s, being alive pays 15; see `Walker`."""

    alive = 15.0
    fastest = 10.0


class Humanoid(Body):
    """Humanoid, frame skip 5, 200 actions of 0.015 s; pays 5, charges 0.1 ‖u‖² and min(5·10⁻⁷ ‖contacts‖², 10).

    The code divides 0.25 times the way of the mass centre by one timestep and not by the five of an action: 1.25 v.
    Terminates where the torso's height leaves [1, 2]. Observation `(376,)` as Gymnasium's: positions without those on
    the ground, velocities, inertias and velocities about the mass centre, actuator forces, contact forces.
    """

    file = "humanoid.xml"
    frame_skip = 5
    fields = ("xipos", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions and velocities ± 0.01 uniform."""
        return noisy_start(self.model, len(tasks), rng, 0.01, 0.01)

    def observe(self, simulations: Simulations) -> Array:
        """Return state, inertias, velocities and forces."""
        derived = (simulations.field(name) for name in ("cinert", "cvel", "qfrc_actuator", "cfrc_ext"))
        parts = [simulations.qpos[:, 2:], simulations.qvel, *(x.reshape(simulations.count, -1) for x in derived)]
        return np.concatenate(parts, axis=1)

    def place(self, simulations: Simulations) -> Array:
        """Return where the mass centre is, `(N, 2)`."""
        shares = self.model.body_mass / self.model.body_mass.sum()
        return np.einsum("b,nbi->ni", shares, simulations.field("xipos")[:, :, :2])

    def costs(self, moment: Moment) -> Array:
        """Charge controls and contacts, less than the velocity's reward lacks; being alive pays."""
        contacts = np.minimum(5e-7 * squared_norms(moment.simulations.field("cfrc_ext")), 10.0)
        more = 0.25 * self.reward_velocity(moment.moved / self.dt, moment.tasks)
        return 0.1 * squared_norms(moment.controls) + contacts - 5.0 - more

    def ended(self, simulations: Simulations) -> Array:
        """Return where the torso's height is not between 1 and 2."""
        height = simulations.qpos[:, 2]
        return (height < 1.0) | (height > 2.0)


class HumanoidDirection(Along, Humanoid):
    """Run forwards or backwards; see `Humanoid`."""


class HumanoidHeading(Heading, Humanoid):
    """Run along a heading of the plane; see `Humanoid`."""


class SwimmerVelocity(At, Body):
    """Swim at a velocity from 0.1 to 0.2 m/s, but with the sign of the code: +|v_x − v*| − 10⁻⁴ ‖a‖².

    Frame skip 4, 200 actions of 0.04 s, no termination. Observation `(8,)`: positions without those on the ground,
    velocities.
    """

    file = "swimmer.xml"
    frame_skip = 4
    slowest, fastest = 0.1, 0.2

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions and velocities ± 0.1 uniform."""
        return noisy_start(self.model, len(tasks), rng, 0.1, 0.1)

    def observe(self, simulations: Simulations) -> Array:
        """Return positions and velocities."""
        return np.concatenate([simulations.qpos[:, 2:], simulations.qvel], axis=1)

    def reward_velocity(self, velocities: Array, tasks: Array) -> Array:
        """Return |v_x − v*|."""
        return -super().reward_velocity(velocities, tasks)

    def costs(self, moment: Moment) -> Array:
        """Charge controls."""
        return 1e-4 * squared_norms(moment.controls)


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
