"""The task families of MAESN (Gupta et al. 2018): driving, walking and pushing towards goals that are not observed.

Meta-training has a dense reward; a test pays `info["sparse_reward"]`, which knows the distance within a radius of the
goal alone and is a constant elsewhere. `info["inside"]` says whether the radius is reached. One simulator step per
action, as in the old rllab environments. 100 tasks to train on and 100 others to test, drawn once from seeds of ours by
the rule of the authors' code (whose own draws are in its files). With `tested: training`, tests are on the former; with
`pays: sparse` the sparse reward is the reward, for learners that know of one alone.

Metres, seconds, radians.
"""

import math
from abc import abstractmethod
from typing import ClassVar, Literal, get_args

import mujoco
import numpy as np

from replications.maesn import bodies
from shared.tasks.locomotion import TORSO, check_finite, headings, squared_norms
from shared.tasks.mujoco_family import Moment, MujocoFamily
from shared.tasks.simulation import Present, Simulations
from shared.tasks.task_sets import TaskSets

Array = np.ndarray
TASKS = 100
Tested = Literal["held out", "training"]
Pays = Literal["dense", "sparse"]


class SparseFamily(TaskSets, MujocoFamily):
    """Tasks with a dense reward to train on and a sparse one to be tested by."""

    frame_skip = 1
    episode_measures: ClassVar[dict[str, str]] = {}  # of `measures`: of an episode, its "last" or whether it "ever" was

    def __init__(self, tested: Tested = "held out", pays: Pays = "dense"):
        if tested not in get_args(Tested):
            raise ValueError(f"tested must be 'held out' or 'training', got '{tested}'")
        if pays not in get_args(Pays):
            raise ValueError(f"pays must be 'dense' or 'sparse', got '{pays}'")
        self.pays = pays
        self.train_set, held_out = self.draw_sets()
        self.test_set = self.train_set if tested == "training" else held_out
        super().__init__()

    @abstractmethod
    def draw_sets(self) -> tuple[Array, Array]:
        """Return training and test tasks, `(TASKS, task_dim)` each."""

    @abstractmethod
    def unrewarded(self, tasks: Array) -> Array:
        """Return what an episode earns that never reaches the radius, costs of control and contact apart, `(N,)`."""

    def reward(self, moment: Moment) -> Array:
        """Return the rewards that the family pays, `(N,)`."""
        dense, sparse, _ = self._rewards(moment)
        return sparse if self.pays == "sparse" else dense

    def measures(self, moment: Moment) -> dict[str, Array]:
        """Return the sparse rewards, and whether the radius is reached."""
        _, sparse, inside = self._rewards(moment)
        return {"sparse_reward": sparse, "inside": inside.astype(float)}

    @abstractmethod
    def _rewards(self, moment: Moment) -> tuple[Array, Array, Array]:
        """Return dense rewards, sparse rewards, and whether the radius is reached, `(N,)` each."""

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where tasks are not finite."""
        check_finite(tasks, "tasks")

    def noisy_start(self, start: Array, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return `n` states near `start` `(nq,)`: positions ± 0.01 · N(0, 1), velocities 0.1 · N(0, 1)."""
        qpos = start + 0.01 * rng.normal(size=(n, self.model.nq))
        return qpos, 0.1 * rng.normal(size=(n, self.model.nv))


def half_circle(radius: float, seed: int) -> tuple[Array, Array]:
    """Return training and test goals `(TASKS, 2)` at random angles, uniform on (0, π), of the upper half circle."""
    angles = np.random.default_rng(seed).uniform(0, math.pi, 2 * TASKS)
    goals = radius * headings(angles)
    return goals[:TASKS], goals[TASKS:]


class Wheeled(SparseFamily):
    """Drive to a goal g on a half circle of radius 2: −‖(x, y) − g‖ − 0.05 ‖u‖², u the motors' controls in [−2, 2].

    Sparse: beyond a distance of 0.8 from the goal, ‖g‖ = 2 stands for the distance. Observation `(12,)`: positions (x,
    y, z, yaw, wheels) and velocities. 200 steps of 0.01 s, no termination. The task vector is g.
    """

    task_dim = 2
    task_labels = (("goal x (m)", 1), ("goal y (m)", 1))
    task_kind = "place"
    radius = 0.8

    def draw_sets(self) -> tuple[Array, Array]:
        """Return goals at random angles."""
        return half_circle(2.0, seed=1)

    def specification(self) -> mujoco.MjSpec:
        """Return the car."""
        return bodies.wheeled()

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states around the origin."""
        return self.noisy_start(np.zeros(self.model.nq), len(tasks), rng)

    def observe(self, simulations: Simulations) -> Array:
        """Return positions and velocities."""
        return np.concatenate([simulations.qpos, simulations.qvel], axis=1)

    def place(self, simulations: Simulations) -> Array:
        """Return where the car is, `(N, 2)`."""
        return simulations.qpos[:, :2].copy()

    def _rewards(self, moment: Moment) -> tuple[Array, Array, Array]:
        costs = 0.05 * squared_norms(moment.controls)
        away = np.linalg.norm(moment.simulations.qpos[:, :2] - moment.tasks, axis=1)
        inside = away <= self.radius
        far = np.linalg.norm(moment.tasks, axis=1)
        return -away - costs, -np.where(inside, away, far) - costs, inside

    def unrewarded(self, tasks: Array) -> Array:
        """Return −2 per step."""
        return -self.horizon * np.linalg.norm(tasks, axis=1)


class AntGoal(SparseFamily):
    """Walk to a goal g on a half circle of radius 2: 4.05 − ‖c − g‖₁ − 0.005 ‖a‖² − 0.0005 ‖contacts‖².

    c is the place of the mass centre; contacts are clipped to [−1, 1]. Sparse: at a Euclidean distance beyond 0.8,
    ‖g‖₁ stands for ‖c − g‖₁. Gymnasium's ant with motors of gear 30. Observation `(125,)`: positions (15), velocities
    (14), contacts (84), the torso's rotation matrix (9), the mass centre (3). 200 steps of 0.01 s; terminates where the
    torso's height leaves [0.2, 1] or the simulation breaks. The task vector is g.
    """

    task_dim = 2
    task_labels = (("goal x (m)", 1), ("goal y (m)", 1))
    task_kind = "place"
    fields = ("cfrc_ext", "xmat", "subtree_com")
    present = Present.FORCES
    ends_when_broken = True
    radius = 0.8
    stance = np.array([0, 0, 0.55, 1, 0, 0, 0, 0, 1, 0, -1, 0, -1, 0, 1])

    def draw_sets(self) -> tuple[Array, Array]:
        """Return goals at random angles."""
        return half_circle(2.0, seed=2)

    def specification(self) -> mujoco.MjSpec:
        """Return the ant with weaker motors."""
        return bodies.ant(gear=30)

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states around a stance on four feet."""
        return self.noisy_start(self.stance, len(tasks), rng)

    def observe(self, simulations: Simulations) -> Array:
        """Return state, contacts, rotation and mass centre."""
        return observe_ant(simulations)

    def place(self, simulations: Simulations) -> Array:
        """Return where the mass centre is, `(N, 2)`."""
        return simulations.field("subtree_com")[:, TORSO, :2].copy()

    def _rewards(self, moment: Moment) -> tuple[Array, Array, Array]:
        contacts = np.clip(moment.simulations.field("cfrc_ext"), -1, 1)
        earned = 4.05 - 0.005 * squared_norms(moment.controls) - 0.0005 * squared_norms(contacts)
        offsets = moment.simulations.field("subtree_com")[:, TORSO, :2] - moment.tasks
        away, far = np.abs(offsets).sum(axis=1), np.abs(moment.tasks).sum(axis=1)
        inside = np.linalg.norm(offsets, axis=1) <= self.radius
        return earned - away, earned - np.where(inside, away, far), inside

    def unrewarded(self, tasks: Array) -> Array:
        """Return 4.05 − ‖g‖₁ per step, of an episode that lasts."""
        return self.horizon * (4.05 - np.abs(tasks).sum(axis=1))

    def ended(self, simulations: Simulations) -> Array:
        """Return where the torso's height is not between 0.2 and 1."""
        return fallen(simulations)


def observe_ant(simulations: Simulations) -> Array:
    """Return the ant's positions, velocities, clipped contacts, rotation matrix and mass centre, `(N, 125)`."""
    contacts = np.clip(simulations.field("cfrc_ext"), -1, 1).reshape(simulations.count, -1)
    rotation = simulations.field("xmat")[:, TORSO].reshape(simulations.count, -1)
    centre = simulations.field("subtree_com")[:, TORSO]
    return np.concatenate([simulations.qpos, simulations.qvel, contacts, rotation, centre], axis=1)


def fallen(simulations: Simulations) -> Array:
    """Return where an ant's height is not between 0.2 and 1, `(N,)`."""
    height = simulations.qpos[:, 2]
    return (height < 0.2) | (height > 1.0)


class BlockPushing(SparseFamily):
    """Push one of five blocks to its goal g, with a fork: −5 ‖block − g‖; nothing says which block it is.

    Sparse: beyond a distance of 0.2 of block and goal, ‖g‖ stands for it. Observation `(26,)`: the fork's x, y and
    angle, the blocks' places (10), velocities (13). 100 steps of 0.01 s, no termination; starts are the task's own,
    without noise.

    The task vector is (block 0 to 4, g_x, g_y, 13 start positions as the joints count them). 20 scenes of five tasks
    each, one per block: blocks lie in five lanes, 0.2 wide, from y = −0.5 on, one in each, and so do their goals,
    farther away in the block's own lane.
    """

    horizon = 100
    task_dim = 16
    task_labels = (("block", 1), ("goal x (m)", 1), ("goal y (m)", 1), ("start (m)", 13))
    radius = 0.2
    episode_measures: ClassVar = {"blocks_moved": "last"}
    scenes = TASKS // bodies.BLOCKS
    origins = bodies.BLOCK_SPACING * np.arange(1, bodies.BLOCKS + 1)

    def draw_sets(self) -> tuple[Array, Array]:
        """Return the tasks of 20 scenes to train on and of 20 others, each in random order."""
        rng = np.random.default_rng(3)
        training, test = (np.concatenate([self._scene(rng) for _ in range(self.scenes)]) for _ in range(2))
        return rng.permutation(training), rng.permutation(test)

    def _scene(self, rng: np.random.Generator) -> Array:
        """Draw one scene's tasks `(5, 16)`, lane by lane."""
        lanes = np.arange(bodies.BLOCKS)
        lows = -0.5 + 0.2 * lanes
        in_lane = rng.permutation(bodies.BLOCKS)  # the block of each lane
        starts = np.stack([rng.uniform(0.35, 0.65, bodies.BLOCKS), rng.uniform(lows, lows + 0.2)], axis=1)
        goals = np.stack([rng.uniform(0.75, 0.95, bodies.BLOCKS), rng.uniform(lows, lows + 0.2)], axis=1)
        places = np.empty((bodies.BLOCKS, 2))
        places[in_lane] = starts
        places[:, 0] -= self.origins
        qpos = np.concatenate([np.zeros(3), places.ravel()])
        return np.concatenate([in_lane[:, None], goals, np.tile(qpos, (bodies.BLOCKS, 1))], axis=1)

    def specification(self) -> mujoco.MjSpec:
        """Return fork and blocks."""
        return bodies.pusher()

    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return the tasks' own start positions, at rest."""
        return tasks[:, 3:], np.zeros((len(tasks), self.model.nv))

    def blocks(self, simulations: Simulations) -> Array:
        """Return where the blocks are, `(N, 5, 2)`."""
        places = simulations.qpos[:, 3:].reshape(-1, bodies.BLOCKS, 2).copy()
        places[:, :, 0] += self.origins
        return places

    def observe(self, simulations: Simulations) -> Array:
        """Return fork, blocks and velocities."""
        places = self.blocks(simulations).reshape(simulations.count, -1)
        return np.concatenate([simulations.qpos[:, :3], places, simulations.qvel], axis=1)

    def place(self, simulations: Simulations) -> Array:
        """Return where the fork is, `(N, 2)`."""
        return simulations.qpos[:, :2].copy()

    def _rewards(self, moment: Moment) -> tuple[Array, Array, Array]:
        block, goals = moment.tasks[:, 0].astype(int), moment.tasks[:, 1:3]
        places = self.blocks(moment.simulations)[np.arange(len(block)), block]
        away = np.linalg.norm(places - goals, axis=1)
        inside = away <= self.radius
        return -5 * away, -5 * np.where(inside, away, np.linalg.norm(goals, axis=1)), inside

    def measures(self, moment: Moment) -> dict[str, Array]:
        """Return also how many blocks lie more than 5 cm from where they started."""
        starts = moment.tasks[:, 6:].reshape(-1, bodies.BLOCKS, 2)
        now = moment.simulations.qpos[:, 3:].reshape(starts.shape)
        moved = np.linalg.norm(now - starts, axis=2) > 0.05
        return super().measures(moment) | {"blocks_moved": moved.sum(axis=1).astype(float)}

    def unrewarded(self, tasks: Array) -> Array:
        """Return −5 ‖g‖ per step."""
        return -5 * self.horizon * np.linalg.norm(tasks[:, 1:3], axis=1)

    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where tasks are not finite or name no block."""
        super().check_tasks(tasks)
        if not np.isin(tasks[:, 0], np.arange(bodies.BLOCKS)).all():
            raise ValueError(f"blocks must be 0 to {bodies.BLOCKS - 1}")
