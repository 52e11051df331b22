"""The task families of ProMP (Rothfuss et al. 2019) where they differ from PEARL's, on Gymnasium's bodies.

Rewards and observations are those of the authors' code. As there, policies act in [−10, 10], which stands for the
actuators' whole range: that is a hyper-parameter of the learners here (`reach`). Tasks are drawn anew, to train and to
test. Metres, seconds, radians.
"""

import math
from abc import abstractmethod

import numpy as np

from replications.maesn.maml_tasks import Drawn
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
