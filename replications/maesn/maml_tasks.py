"""The task families of MAML (Finn et al. 2017, Sec. 5.3): 2-D navigation, half-cheetahs and ants of the old rllab.

One simulator step per action. Training tasks are drawn anew, test tasks from the same distribution. Derived quantities
are those of the present state. Metres, seconds, radians.
"""

from abc import abstractmethod

import mujoco
import numpy as np

from replications.maesn import bodies
from replications.maesn.tasks import AntGoal, fallen, observe_ant
from shared.tasks.locomotion import TORSO, check_finite, squared_norms
from shared.tasks.mujoco_family import Moment, MujocoFamily
from shared.tasks.point_robot import Points
from shared.tasks.simulation import Present, Simulations

Array = np.ndarray


class Drawn:
    """Training and test tasks are drawn from one distribution by `draw`; goes before the family's base class."""

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw `n` tasks, `(n, task_dim)`."""

    def train_tasks(self, n: int, rng: np.random.Generator) -> Array:
        """Draw `n` training tasks, `(n, task_dim)`."""
        return self.draw(n, rng)

    def test_tasks(self, n: int, rng: np.random.Generator) -> Array:
        """Draw `n` test tasks, `(n, task_dim)`."""
        return self.draw(n, rng)


class Navigation(Drawn, Points):
    """Go to a goal g of [−0.5, 0.5]² from the origin: −‖position − g‖ after the move.

    (The paper's text has the square of the distance, the code that made its figures the distance.) Terminates within
    0.01 of the goal in both coordinates; 100 steps. The task vector is g.
    """

    horizon = 100

    def start(self, n: int, rng: np.random.Generator) -> Array:
        """Return the origin `n` times, `(n, 2)`."""
        return np.zeros((n, 2))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw goals from the square."""
        return rng.uniform(-0.5, 0.5, (n, 2))

    def ended(self, offsets: Array) -> Array:
        """Return where the goal is met."""
        return (np.abs(offsets) < 0.01).all(axis=1)


class Runner(Drawn, MujocoFamily):
    """A body that is rewarded by the forward velocity v of its mass centre."""

    frame_skip = 1
    present = Present.MOTION
    task_dim = 1

    def place(self, simulations: Simulations) -> Array:
        """Return where the mass centre is, `(N, 3)`."""
        return simulations.field("subtree_com")[:, TORSO].copy()

    def forward(self, simulations: Simulations) -> Array:
        """Return v in m/s, `(N,)`."""
        return simulations.field("subtree_linvel")[:, TORSO, 0]

    def reward(self, moment: Moment) -> Array:
        """Reward the velocity as the task says, minus costs."""
        earned = self.reward_velocity(self.forward(moment.simulations), moment.tasks[:, 0])
        return earned - self.costs(moment)

    @abstractmethod
    def reward_velocity(self, velocities: Array, tasks: Array) -> Array:
        """Return what `velocities` `(N,)` in m/s earn in `tasks` `(N,)`."""

    @abstractmethod
    def costs(self, moment: Moment) -> Array:
        """Return what is taken from the reward, `(N,)`."""

    def measures(self, moment: Moment) -> dict[str, Array]:
        """Return the forward velocity in m/s."""
        return {"velocity": self.forward(moment.simulations).copy()}

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states near the body's own: positions ± 0.01 · N(0, 1), velocities 0.1 · N(0, 1)."""
        qpos = self.stance + 0.01 * rng.normal(size=(len(tasks), self.model.nq))
        return qpos, 0.1 * rng.normal(size=(len(tasks), self.model.nv))

    @property
    def stance(self) -> Array:
        """The positions around which episodes start, `(nq,)`."""
        return self.model.qpos0

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where a task is not finite."""
        check_finite(tasks, "tasks")


class Direction:
    """d · v, d = ±1; goes before a `Runner`."""

    task_labels = (("direction", 1),)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw directions."""
        return rng.choice([-1.0, 1.0], (n, 1))

    def reward_velocity(self, velocities: Array, directions: Array) -> Array:
        """Return d · v."""
        return directions * velocities


class Velocity:
    """−|v − v*|, v* uniform from 0 to `fastest`; goes before a `Runner`."""

    task_labels = (("wanted velocity (m/s)", 1),)
    fastest: float

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw velocities."""
        return rng.uniform(0, self.fastest, (n, 1))

    def reward_velocity(self, velocities: Array, wanted: Array) -> Array:
        """Return −|v − v*|."""
        return -np.abs(velocities - wanted)


class Cheetah(Runner):
    """Gymnasium's half-cheetah (timestep 0.01), 200 steps, no termination; a control cost of 0.05 ‖a‖².

    Observation `(20,)`: positions without the forward one (8), velocities (9), mass centre (3).
    """

    fields = ("subtree_com", "subtree_linvel")

    def specification(self) -> mujoco.MjSpec:
        """Return the body."""
        return bodies.with_velocity_of_mass_centre(bodies.gymnasium_body("half_cheetah.xml"))

    def observe(self, simulations: Simulations) -> Array:
        """Return positions, velocities and mass centre."""
        centre = simulations.field("subtree_com")[:, TORSO]
        return np.concatenate([simulations.qpos[:, 1:], simulations.qvel, centre], axis=1)

    def costs(self, moment: Moment) -> Array:
        """Charge controls."""
        return 0.05 * squared_norms(moment.controls)


class CheetahDirection(Direction, Cheetah):
    """Run forwards or backwards; see `Cheetah`."""


class CheetahVelocity(Velocity, Cheetah):
    """Run at a velocity from 0 to 2 m/s; see `Cheetah`."""

    fastest = 2.0


class Ant(Runner):
    """Gymnasium's ant with motors of gear 1 and controls in ±150, timestep 0.02, 200 steps.

    Charges 0.005 ‖a/150‖² and 0.0005 ‖contacts‖² (clipped to [−1, 1]), pays 0.05 for being alive. Terminates where the
    torso's height leaves [0.2, 1] or the simulation breaks. Observation `(125,)` as MAESN's ant.
    """

    fields = ("cfrc_ext", "xmat", "subtree_com", "subtree_linvel")
    present = Present.FORCES
    ends_when_broken = True
    torque = 150.0
    stance = AntGoal.stance

    def specification(self) -> mujoco.MjSpec:
        """Return the body."""
        spec = bodies.ant(gear=1, reach=self.torque)
        spec.option.timestep = 0.02
        for geom in spec.geoms:
            geom.solimp[:3] = 0.8, 0.8, 0.01
        return bodies.with_velocity_of_mass_centre(spec)

    def observe(self, simulations: Simulations) -> Array:
        """Return state, contacts, rotation and mass centre."""
        return observe_ant(simulations)

    def costs(self, moment: Moment) -> Array:
        """Charge controls and contacts; being alive pays."""
        contacts = np.clip(moment.simulations.field("cfrc_ext"), -1, 1)
        effort = squared_norms(moment.controls / self.torque)
        return 0.005 * effort + 0.0005 * squared_norms(contacts) - 0.05

    def ended(self, simulations: Simulations) -> Array:
        """Return where the torso's height is not between 0.2 and 1."""
        return fallen(simulations)


class AntDirection(Direction, Ant):
    """Run forwards or backwards; see `Ant`."""


class AntVelocity(Velocity, Ant):
    """Run at a velocity from 0 to 3 m/s: 1 − |v − v*|; see `Ant`."""

    fastest = 3.0

    def reward_velocity(self, velocities: Array, wanted: Array) -> Array:
        """Return 1 − |v − v*|."""
        return 1 + super().reward_velocity(velocities, wanted)
