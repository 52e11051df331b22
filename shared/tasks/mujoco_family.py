"""Families of MuJoCo tasks: what every body and every task distribution shares, and the stepper under all of them."""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import NamedTuple

import gymnasium as gym
import mujoco
import numpy as np

from shared.tasks.box_tasks import BoxTasks
from shared.tasks.family import TaskFamily
from shared.tasks.simulation import Present, Simulations, with_contact_forces

Array = np.ndarray


class Moment(NamedTuple):
    """What a reward may depend on, after an action; N simulations.

    `moved` `(N, …)` is by how much the body's place changed, `controls` `(N, nu)` what the actuators got, `tasks`
    `(N, task_dim)` the tasks, `memory` the family's arrays by name, `(N, …)` each, to read and to write.
    """

    simulations: Simulations
    moved: Array
    controls: Array
    tasks: Array
    memory: dict[str, Array]


class MujocoFamily(TaskFamily):
    """A body, and a distribution over tasks for it.

    Actions lie in [−1, 1] and are mapped linearly to the range of the actuators; reward terms use what comes out, the
    controls. (The papers' environments clip what lies outside: here that is the policy's business, so that an action
    is what was done.) An episode is cut after `horizon` actions (`truncated`), and ends for good (`terminated`) only
    where `ended` says so.

    Subclasses name the model `file` among Gymnasium's, or make a `specification` of their own, and say how a simulation
    starts, what is observed, and what is rewarded; all on arrays with one row per simulation.
    """

    file: str
    frame_skip: int
    horizon = 200
    fields: Sequence[str] = ()  # derived quantities that observations or rewards read
    present = Present.NOTHING  # which of them are of the present state; others are as the simulator leaves them
    parameters: Sequence[str] = ()  # model arrays that differ between tasks
    ends_when_broken = False  # whether a simulation that breaks terminates its episode; otherwise it truncates it
    position_labels = ("x (m)", "y (m)")

    def __init__(self):
        low, high = self.model.actuator_ctrlrange.T
        self._middle, self._reach = (high + low) / 2, (high - low) / 2
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.model.nu,), np.float64)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, self.observe(self.simulate(1)).shape[1:], np.float64)

    @cached_property
    def model(self) -> mujoco.MjModel:
        """The compiled model."""
        spec = self.specification()
        if "cfrc_ext" in self.fields:
            with_contact_forces(spec)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "compiler attribute 'settotalmass' is deprecated")  # Gymnasium's cheetah
            return spec.compile()

    @cached_property
    def dt(self) -> float:
        """Seconds between two actions."""
        return self.model.opt.timestep * self.frame_skip

    def specification(self) -> mujoco.MjSpec:
        """Return what the model is compiled from: by default Gymnasium's file, as it is."""
        return mujoco.MjSpec.from_file(str(files("gymnasium") / "envs" / "mujoco" / "assets" / self.file))

    def simulate(self, count: int) -> Simulations:
        """Return `count` simulations of the body."""
        return Simulations(self.model, count, self.frame_skip, self.fields, self.parameters, self.threads, self.present)

    def controls(self, actions: Array, tasks: Array) -> Array:
        """Map actions in [−1, 1] `(N, nu)` to controls `(N, nu)`."""
        return self._middle + self._reach * actions

    @abstractmethod
    def start(self, tasks: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw start states for `tasks` `(n, task_dim)`: positions `(n, nq)`, velocities `(n, nv)`."""

    @abstractmethod
    def observe(self, simulations: Simulations) -> Array:
        """Return the observations `(N, observation)`."""

    @abstractmethod
    def place(self, simulations: Simulations) -> Array:
        """Return what velocities are measured from, `(N, …)`; a copy, taken before and after a step."""

    @abstractmethod
    def reward(self, moment: Moment) -> Array:
        """Return the rewards `(N,)`."""

    def measures(self, moment: Moment) -> dict[str, Array]:
        """Return what else is worth knowing, `(N,)` each, by its name in `info`; by default nothing."""
        return {}

    def ended(self, simulations: Simulations) -> Array:
        """Return which episodes end for good, `(N,)`; by default none."""
        return np.zeros(simulations.count, dtype=bool)

    def remember(self, count: int) -> dict[str, Array]:
        """Return arrays of zeros `(count, …)` for what rewards must know of an episode; it starts with zeros."""
        return {}

    def apply(self, simulations: Simulations, tasks: Array) -> None:
        """Change the simulations' models to those of `tasks` `(N, task_dim)`; by default tasks share their model."""

    @abstractmethod
    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where `tasks` `(N, task_dim)` are not tasks of this family."""

    def position(self, simulations: Simulations) -> Array:
        """Return where the bodies are, to draw their ways: `(N, 2)`, in the units of `position_labels`."""
        return simulations.qpos[:, :2].copy()

    def make(self, num_envs: int) -> "VectorMujoco":
        """Return a stepper for `num_envs` tasks."""
        return VectorMujoco(num_envs, self)


class VectorMujoco(BoxTasks):
    """`num_envs` tasks of a `MujocoFamily` stepped together.

    An episode that has ended stands still until `reset` names it: it keeps its observation and earns nothing. So does
    one whose simulation broke in this step, which is no step to learn from; `info["broken"]` names it.
    """

    def __init__(self, num_envs: int, family: MujocoFamily):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self.family = family
        self.simulations = family.simulate(num_envs)
        self._rng = np.random.default_rng()
        self._memory = family.remember(num_envs)
        self._clock = np.zeros(num_envs, dtype=np.int64)
        self._terminated, self._broken = np.zeros(num_envs, dtype=bool), np.zeros(num_envs, dtype=bool)
        self._observations = family.observe(self.simulations)
        self.set_tasks(family.train_tasks(1, np.random.default_rng(0)).repeat(num_envs, axis=0))
        self.reset()

    def set_tasks(self, tasks: Array) -> None:
        """Put task `tasks[i]` `(task_dim,)` into simulation i, whose state stays as it is."""
        tasks = self.checked_tasks(tasks, self.family.task_dim)
        self.family.check_tasks(tasks)
        self.family.apply(self.simulations, tasks)
        self._tasks = tasks.copy()

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Array, dict]:
        """Start new episodes in the tasks that `options["reset_mask"]` names (all by default)."""
        mask = self.checked_mask((options or {}).get("reset_mask"))
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.simulations.put(mask, *self.family.start(self._tasks[mask], self._rng))
        self._clock[mask] = 0
        self._terminated[mask] = self._broken[mask] = False
        for array in self._memory.values():
            array[mask] = 0
        return self._observe(), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict]:
        """Act once in every task whose episode goes on.

        Returns observations `(num_envs, observation)`, rewards, `terminated`, `truncated` `(num_envs,)` and an info
        with `broken` and the family's measures `(num_envs,)`.
        """
        actions = self.checked_actions(actions)
        going = ~(self._terminated | self._broken | (self._clock >= self.family.horizon))
        controls = self.family.controls(actions, self._tasks)
        before = self.family.place(self.simulations)
        broken = self.simulations.step(controls, going)
        going &= ~broken
        self._broken |= broken
        moved = self.family.place(self.simulations) - before
        moment = Moment(self.simulations, moved, controls, self._tasks, self._memory)
        rewards = np.where(going, self.family.reward(moment), 0.0)
        info = {name: np.where(going, values, 0.0) for name, values in self.family.measures(moment).items()}
        self._terminated |= going & self.family.ended(self.simulations)
        if self.family.ends_when_broken:
            self._terminated |= broken
        self._clock += going
        truncated = (self._broken & ~self._terminated) | (self._clock >= self.family.horizon)
        info["broken"] = self._broken.copy()
        return self._observe(), rewards, self._terminated.copy(), truncated, info

    def _observe(self) -> Array:
        """Return the observations; a broken simulation has none, so its last one stands."""
        observations = self.family.observe(self.simulations)
        if self._broken.any():
            observations[self._broken] = self._observations[self._broken]
        self._observations = observations
        return observations.copy()

    def positions(self) -> Array:
        """Return where the bodies are, `(num_envs, 2)`, in the units of the family's `position_labels`."""
        return self.family.position(self.simulations)
