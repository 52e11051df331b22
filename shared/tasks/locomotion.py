"""The locomotion families of PEARL (Rakelly et al. 2019, App. B) and their relatives, on Gymnasium's bodies.

Rewards, observations and task sets are those of the authors' code, which ran MuJoCo 1.31 (bodies with random dynamics)
and 1.50 (the others). What differs now: MuJoCo 4 integrates free and ball joints by another Runge-Kutta scheme, so that
Ant and Humanoid trajectories are not the old ones; contact forces, which are zero since MuJoCo 2.0 unless asked for,
are asked for. Metres, seconds, radians.

As in the old environments, quantities that are derived from the state (body positions, inertias, contact forces) are
read as the simulator leaves them, which is for a moment before the present state; see `Simulations`.
"""

import math
from abc import abstractmethod

import mujoco
import numpy as np

from shared.tasks.mujoco_family import Moment, MujocoFamily
from shared.tasks.simulation import Simulations
from shared.tasks.task_sets import TaskSets

Array = np.ndarray
TORSO = 1  # the first body after the world, in every model here


def squared_norms(x: Array) -> Array:
    """Return the squared Euclidean norm of each row of `x` `(N, …)`, `(N,)`."""
    flat = x.reshape(len(x), -1)
    return np.einsum("ij,ij->i", flat, flat)


def headings(angles: Array) -> Array:
    """Return unit vectors `(N, 2)` at `angles` `(N,)` from the x axis."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def check_finite(tasks: Array, what: str) -> None:
    """Raise `ValueError` where `tasks` are not finite; `what` they are is for the sentence."""
    if not np.isfinite(tasks).all():
        raise ValueError(f"{what} must be finite")


def noisy_start(model: mujoco.MjModel, n: int, rng: np.random.Generator, positions: float, velocities: float | None):
    """Return `n` start states near the model's own: positions ± U, velocities ± U or (None) 0.1 · N(0, 1)."""
    qpos = model.qpos0 + rng.uniform(-positions, positions, (n, model.nq))
    qvel = rng.uniform(-velocities, velocities, (n, model.nv)) if velocities else 0.1 * rng.normal(size=(n, model.nv))
    return qpos, qvel


class HalfCheetah(TaskSets, MujocoFamily):
    """Gymnasium's half-cheetah (timestep 0.01, frame skip 5); never terminates.

    Observation `(20,)`: positions without the forward one (8), velocities (9), position of the torso (3). The last
    holds the forward position itself, as in the code of MAML and its successors.
    """

    file = "half_cheetah.xml"
    frame_skip = 5
    fields = ("xpos",)
    position_labels = ("x (m)", "height above the start (m)")
    control_cost = 0.05

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions ± 0.1 uniform, velocities 0.1 · N(0, 1)."""
        return noisy_start(self.model, len(tasks), rng, 0.1, None)

    def observe(self, simulations: Simulations) -> Array:
        """Return positions, velocities and the torso's place, `(N, 20)`."""
        return np.concatenate([simulations.qpos[:, 1:], simulations.qvel, simulations.field("xpos")[:, TORSO]], axis=1)

    def place(self, simulations: Simulations) -> Array:
        """Return the forward positions `(N,)`."""
        return simulations.qpos[:, 0].copy()

    def reward(self, moment: Moment) -> Array:
        """Reward the forward velocity as the task says, minus 0.05 ‖a‖²."""
        velocities = moment.moved / self.dt
        return self.reward_velocity(velocities, moment.tasks[:, 0]) - self.control_cost * squared_norms(moment.controls)

    @abstractmethod
    def reward_velocity(self, velocities: Array, tasks: Array) -> Array:
        """Return what forward `velocities` `(N,)` in m/s earn in `tasks` `(N,)`."""

    def measures(self, moment: Moment) -> dict[str, Array]:
        """Return the forward velocity in m/s."""
        return {"velocity": moment.moved / self.dt}


class HalfCheetahDirection(HalfCheetah):
    """Run forwards or backwards: d · v − 0.05 ‖a‖² with d = ±1 (Half-Cheetah-Fwd-Back).

    The task vector is `(d,)`; the two tasks are training and test tasks alike.
    """

    task_dim = 1
    task_labels = (("direction", 1),)
    train_set = test_set = np.array([[1.0], [-1.0]])

    def reward_velocity(self, velocities: Array, directions: Array) -> Array:
        """Return d · v."""
        return directions * velocities

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where a direction is neither 1 nor −1."""
        if not (np.abs(tasks) == 1).all():
            raise ValueError("directions must be 1 or -1")


class HalfCheetahVelocity(HalfCheetah):
    """Run at a wanted velocity: −|v − v*| − 0.05 ‖a‖² (Half-Cheetah-Vel).

    The task vector is `(v*,)`, drawn from U(0, 3): always the same 130, the first 100 to train on and the last 30 to
    test, drawn as the authors' code does (legacy generator, seed 1337). Test velocities may have a range of their own,
    drawn next from the same stream: MIER's extrapolation (Mendonca et al. 2020).
    """

    task_dim = 1
    task_labels = (("wanted velocity (m/s)", 1),)

    def __init__(self, train_range: tuple[float, float] = (0.0, 3.0), test_range: tuple[float, float] | None = None):
        legacy = np.random.RandomState(1337)
        self.train_set = legacy.uniform(*train_range, (100, 1))
        self.test_set = legacy.uniform(*(test_range or train_range), (30, 1))
        super().__init__()

    def reward_velocity(self, velocities: Array, wanted: Array) -> Array:
        """Return −|v − v*|."""
        return -np.abs(velocities - wanted)

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where a velocity is not finite or negative."""
        check_finite(tasks, "wanted velocities")
        if tasks.min() < 0:
            raise ValueError(f"wanted velocities must not be negative, got {tasks.min():g}")


class Ant(TaskSets, MujocoFamily):
    """Gymnasium's ant (timestep 0.01, frame skip 5, Runge-Kutta); contact forces are clipped to [−1, 1]."""

    file = "ant.xml"
    frame_skip = 5
    fields = ("xpos", "cfrc_ext")
    control_cost: float
    contact_cost = 0.0005

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions ± 0.1 uniform, velocities 0.1 · N(0, 1)."""
        return noisy_start(self.model, len(tasks), rng, 0.1, None)

    def place(self, simulations: Simulations) -> Array:
        """Return the places of the torso on the ground, `(N, 2)`."""
        return simulations.field("xpos")[:, TORSO, :2].copy()

    def reward(self, moment: Moment) -> Array:
        """Reward what the task says, minus the costs of controls and contacts."""
        contacts = np.clip(moment.simulations.field("cfrc_ext"), -1, 1)
        costs = self.control_cost * squared_norms(moment.controls) + self.contact_cost * squared_norms(contacts)
        places = moment.simulations.field("xpos")[:, TORSO, :2]
        return self.reward_place(places, moment.moved / self.dt, moment.tasks) - costs

    @abstractmethod
    def reward_place(self, places: Array, velocities: Array, tasks: Array) -> Array:
        """Return what `places` (m) and `velocities` (m/s) of the torso, both `(N, 2)`, earn in `tasks`."""


class AntDirection(Ant):
    """Run along the heading θ ∈ {0, π}: v · (cos θ, sin θ) − 0.5 ‖a‖² − 0.0005 ‖contacts‖² + 1 (Ant-Fwd-Back).

    Observation `(27,)`: positions without those on the ground (13), velocities (14). Terminates where the simulation
    breaks or the torso's height leaves [0.2, 1]. The task vector is `(θ,)`; the two tasks are training and test tasks
    alike. (The released configuration of PEARL draws two random headings; the paper's task is this one.)
    """

    task_dim = 1
    task_labels = (("heading (rad)", 1),)
    control_cost = 0.5
    ends_when_broken = True
    train_set = test_set = np.array([[0.0], [math.pi]])

    def observe(self, simulations: Simulations) -> Array:
        """Return positions and velocities, `(N, 27)`."""
        return np.concatenate([simulations.qpos[:, 2:], simulations.qvel], axis=1)

    def reward_place(self, places: Array, velocities: Array, tasks: Array) -> Array:
        """Return the velocity along the heading, plus 1 for being alive."""
        return (velocities * headings(tasks[:, 0])).sum(axis=1) + 1.0

    def ended(self, simulations: Simulations) -> Array:
        """Return where the torso's height is not between 0.2 and 1."""
        height = simulations.qpos[:, 2]
        return (height < 0.2) | (height > 1.0)

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where a heading is not finite."""
        check_finite(tasks, "headings")


class AntGoal(Ant):
    """Go to a goal g: −(|x − g_x| + |y − g_y|) − 0.1 ‖a‖² − 0.0005 ‖contacts‖² (Ant-Goal-2D); never terminates.

    Observation `(113,)`: positions (15), velocities (14), clipped contact forces (84). The task vector is
    `(g_x, g_y)`, uniform on the disc of radius 3; 150 training tasks as in the code (the paper says 100) and 30 test
    tasks, drawn once from a seed of ours (the code's are not fixed).
    """

    task_dim = 2
    task_labels = (("goal x (m)", 1), ("goal y (m)", 1))
    task_kind = "place"
    control_cost = 0.1
    radius = 3.0

    def __init__(self, tasks: int = 150):
        # The test goals are drawn first, so that they do not depend on the number of training tasks.
        drawn = np.random.default_rng(1337).random((30 + tasks, 2))
        goals = self.radius * np.sqrt(drawn[:, :1]) * headings(2 * math.pi * drawn[:, 1])
        self.test_set, self.train_set = goals[:30], goals[30:]
        super().__init__()

    def observe(self, simulations: Simulations) -> Array:
        """Return positions, velocities and clipped contact forces, `(N, 113)`."""
        contacts = np.clip(simulations.field("cfrc_ext"), -1, 1).reshape(simulations.count, -1)
        return np.concatenate([simulations.qpos, simulations.qvel, contacts], axis=1)

    def reward_place(self, places: Array, velocities: Array, tasks: Array) -> Array:
        """Return minus the Manhattan distance from the goal."""
        return -np.abs(places - tasks).sum(axis=1)

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where a goal is not finite."""
        check_finite(tasks, "goals")


class HumanoidDirection(TaskSets, MujocoFamily):
    """Run along a heading θ: 1.25 v · (cos θ, sin θ) − 0.1 ‖a‖² − min(5·10⁻⁷ ‖contacts‖², 10) + 5 (Humanoid-Direc-2D).

    Gymnasium's humanoid (timestep 0.003, frame skip 5, Runge-Kutta). The velocity is that of the centre of mass; the
    code divides 0.25 times its way by one timestep and not by the five of an action, hence 1.25. Observation `(376,)`:
    positions without those on the ground (22), velocities (23), inertias and velocities about the centre of mass (140,
    84), actuator forces (23), contact forces (84). Terminates where the torso's height leaves [1, 2]. The task vector
    is `(θ,)`, θ ~ U(0, 2π): 100 training and 30 test tasks, drawn once from a seed of ours (the code's are not fixed).
    """

    task_dim = 1
    task_labels = (("heading (rad)", 1),)
    file = "humanoid.xml"
    frame_skip = 5
    fields = ("xipos", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def __init__(self):
        headings_ = np.random.default_rng(1337).uniform(0, 2 * math.pi, (130, 1))
        self.train_set, self.test_set = headings_[:100], headings_[100:]
        super().__init__()
        self._mass_shares = self.model.body_mass / self.model.body_mass.sum()

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions and velocities ± 0.01 uniform."""
        return noisy_start(self.model, len(tasks), rng, 0.01, 0.01)

    def observe(self, simulations: Simulations) -> Array:
        """Return state, inertias, velocities and forces, `(N, 376)`."""
        derived = (simulations.field(name) for name in ("cinert", "cvel", "qfrc_actuator", "cfrc_ext"))
        parts = [simulations.qpos[:, 2:], simulations.qvel, *(x.reshape(simulations.count, -1) for x in derived)]
        return np.concatenate(parts, axis=1)

    def features(self, tasks: Array) -> Array:
        """Return cosine and sine of the headings, `(n, 2)`."""
        return headings(tasks[:, 0])

    def place(self, simulations: Simulations) -> Array:
        """Return the places of the centre of mass on the ground, `(N, 2)`."""
        return np.einsum("b,nbi->ni", self._mass_shares, simulations.field("xipos")[:, :, :2])

    def reward(self, moment: Moment) -> Array:
        """Reward the way along the heading and being alive; charge controls and contacts."""
        contact_cost = np.minimum(5e-7 * squared_norms(moment.simulations.field("cfrc_ext")), 10.0)
        forward = 0.25 * self._way(moment) / self.model.opt.timestep
        return forward - 0.1 * squared_norms(moment.controls) - contact_cost + 5.0

    def measures(self, moment: Moment) -> dict[str, Array]:
        """Return the velocity along the heading in m/s."""
        return {"velocity": self._way(moment) / self.dt}

    def _way(self, moment: Moment) -> Array:
        return (moment.moved * headings(moment.tasks[:, 0])).sum(axis=1)

    def ended(self, simulations: Simulations) -> Array:
        """Return where the torso's height is not between 1 and 2."""
        height = simulations.qpos[:, 2]
        return (height < 1.0) | (height > 2.0)

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where a heading is not finite."""
        check_finite(tasks, "headings")


PARAMETERS = {"body_mass": 1.5, "body_inertia": 1.5, "geom_friction": 1.5, "dof_damping": 1.3}


class RandomDynamics(TaskSets, MujocoFamily):
    """Run forwards in a body of one's own: v + 1 − 0.001 ‖a‖², with every mass, inertia, friction and damping changed.

    The task vector holds one multiplier for every entry of `PARAMETERS`, in this order: masses (one per body), inertias
    (three per body), frictions (three per geom), dampings (one per degree of freedom), each 1.5^u (dampings 1.3^u) with
    u ~ U(−3, 3). 40 training and 10 test tasks, drawn once from a seed of ours (the code's are not fixed). Timestep
    0.004 and frame skip 4, as in `rand_param_envs`, Runge-Kutta. As there, what MuJoCo derives from masses and inertias
    when it compiles a model stays that of the unchanged body; with `constants` it is derived anew.

    Observation: positions without the forward one, velocities clipped to [−10, 10].
    """

    frame_skip = 4
    parameters = tuple(PARAMETERS)
    task_kind = "multipliers"
    position_labels = ("x (m)", "height (m)")

    def __init__(self, constants: bool = False):
        self.constants = constants
        self._shapes = {name: getattr(self.model, name).shape for name in PARAMETERS}
        self.task_dim = sum(math.prod(shape) for shape in self._shapes.values())
        self.task_labels = tuple((name, math.prod(shape)) for name, shape in self._shapes.items())
        drawn = self.draw(50, np.random.default_rng(1337))
        self.train_set, self.test_set = drawn[:40], drawn[40:]
        super().__init__()

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw `n` tasks `(n, task_dim)` from the distribution."""
        widths = [np.full(math.prod(self._shapes[name]), base) for name, base in PARAMETERS.items()]
        return np.concatenate(widths) ** rng.uniform(-3, 3, (n, self.task_dim))

    def specification(self) -> mujoco.MjSpec:
        """Return Gymnasium's body with the timestep raised from 0.002 to 0.004."""
        spec = super().specification()
        spec.option.timestep = 0.004
        return spec

    def apply(self, simulations: Simulations, tasks: Array) -> None:
        """Multiply the model's parameters by those of the tasks, one product per number."""
        ends = np.cumsum([math.prod(shape) for shape in self._shapes.values()])
        pieces = zip(self._shapes.items(), np.split(tasks, ends[:-1], axis=1), strict=True)
        values = {name: getattr(self.model, name) * piece.reshape(-1, *shape) for (name, shape), piece in pieces}
        simulations.assign(values, self.constants)

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states: positions and velocities ± 0.005 uniform."""
        return noisy_start(self.model, len(tasks), rng, 0.005, 0.005)

    def observe(self, simulations: Simulations) -> Array:
        """Return positions and clipped velocities."""
        return np.concatenate([simulations.qpos[:, 1:], np.clip(simulations.qvel, -10, 10)], axis=1)

    def place(self, simulations: Simulations) -> Array:
        """Return the forward positions `(N,)`."""
        return simulations.qpos[:, 0].copy()

    def reward(self, moment: Moment) -> Array:
        """Reward the forward velocity and being alive; charge controls."""
        return moment.moved / self.dt + 1.0 - 0.001 * squared_norms(moment.controls)

    @abstractmethod
    def ended(self, simulations: Simulations) -> Array:
        """Return which bodies have fallen."""

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where a multiplier is beyond what a simulation bears."""
        check_finite(tasks, "multipliers")
        if tasks.min() < 1e-3 or tasks.max() > 1e3:
            raise ValueError(f"multipliers must lie in [0.001, 1000], got {tasks.min():g} to {tasks.max():g}")


class WalkerDynamics(RandomDynamics):
    """Walker with random dynamics (Walker-2D-Params), 65 multipliers; see `RandomDynamics`.

    Terminates where the height leaves (0.8, 2) or the torso's angle (−1, 1). Observation `(17,)`.
    """

    file = "walker2d.xml"

    def ended(self, simulations: Simulations) -> Array:
        """Return where the torso is too low, too high, or leans too far."""
        height, angle = simulations.qpos[:, 1], simulations.qpos[:, 2]
        return ~((height > 0.8) & (height < 2.0) & (np.abs(angle) < 1.0))


class HopperDynamics(RandomDynamics):
    """Hopper with random dynamics (`rand_param_envs`; not in the PEARL paper); see `RandomDynamics`.

    Terminates where the height is 0.7 or less, the torso leans by 0.2 or more, the simulation breaks, or the state, its
    first two coordinates apart, reaches 100. Observation `(11,)`.
    """

    file = "hopper.xml"
    ends_when_broken = True

    def ended(self, simulations: Simulations) -> Array:
        """Return where the body has fallen or its state has run away."""
        state = np.concatenate([simulations.qpos, simulations.qvel], axis=1)
        sane = (np.abs(state[:, 2:]) < 100).all(axis=1)
        return ~(sane & (simulations.qpos[:, 1] > 0.7) & (np.abs(simulations.qpos[:, 2]) < 0.2))
