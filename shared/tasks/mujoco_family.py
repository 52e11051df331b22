"""Families of MuJoCo tasks: what every body and every task distribution shares, and the stepper under all of them."""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files

import gymnasium as gym
import mujoco
import numpy as np

from shared.tasks.box_tasks import BoxTasks
from shared.tasks.family import TaskFamily
from shared.tasks.simulation import Simulations, with_contact_forces

Array = np.ndarray


class MujocoFamily(TaskFamily):
    """A body, and a distribution over tasks for it.

    Actions lie in [−1, 1] and are mapped linearly to the range of the actuators; reward terms use what comes out, the
    controls. An episode is cut after `horizon` actions (`truncated`), and ends for good (`terminated`) only where
    `judge` says so.

    Subclasses name the model `file` among Gymnasium's, and say how a simulation starts, what is observed, and what is
    rewarded; all on arrays with one row per simulation. `threads` are those that its steppers use: a setting, results
    do not depend on it.
    """

    file: str
    frame_skip: int
    horizon = 200
    fields: Sequence[str] = ()  # derived quantities that observations or rewards read
    parameters: Sequence[str] = ()  # model arrays that differ between tasks
    position_labels = ("x (m)", "y (m)")

    def __init__(self, threads: int = 1):
        self.threads = threads
        low, high = self.model.actuator_ctrlrange.T
        self._middle, self._reach = (high + low) / 2, (high - low) / 2
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.model.nu,), np.float64)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (self.observe(self.simulate(1)).shape[1],), np.float64)

    @cached_property
    def model(self) -> mujoco.MjModel:
        """The compiled model."""
        path = files("gymnasium") / "envs" / "mujoco" / "assets" / self.file
        spec = mujoco.MjSpec.from_file(str(path))
        self.prepare(spec)
        if "cfrc_ext" in self.fields:
            with_contact_forces(spec)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "compiler attribute 'settotalmass' is deprecated")  # Gymnasium's cheetah
            return spec.compile()

    @property
    def dt(self) -> float:
        """Seconds between two actions."""
        return self.model.opt.timestep * self.frame_skip

    def prepare(self, spec: mujoco.MjSpec) -> None:
        """Change the specification of the model where the paper's differs from Gymnasium's file."""

    def simulate(self, count: int) -> Simulations:
        """Return `count` simulations of the body."""
        return Simulations(self.model, count, self.frame_skip, self.fields, self.parameters, self.threads)

    def controls(self, actions: Array, tasks: Array) -> Array:
        """Map actions in [−1, 1] `(N, nu)` to controls `(N, nu)`."""
        return self._middle + self._reach * actions

    @abstractmethod
    def start(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw `n` start states: positions `(n, nq)`, velocities `(n, nv)`."""

    @abstractmethod
    def observe(self, simulations: Simulations) -> Array:
        """Return the observations `(N, observation)`."""

    @abstractmethod
    def place(self, simulations: Simulations) -> Array:
        """Return what velocities are measured from, `(N, …)`; a copy, taken before and after a step."""

    @abstractmethod
    def judge(self, simulations: Simulations, moved: Array, controls: Array, tasks: Array) -> Array:
        """Return the rewards `(N,)` of a step that `moved` the body's place by this much, `(N, …)`."""

    def ended(self, simulations: Simulations) -> Array:
        """Return which episodes end for good, `(N,)`; by default none."""
        return np.zeros(simulations.count, dtype=bool)

    def apply(self, simulations: Simulations, tasks: Array) -> None:
        """Change the simulations' models to those of `tasks` `(N, task_dim)`; by default tasks share their model."""

    @abstractmethod
    def check_tasks(self, tasks: Array) -> None:
        """Raise `ValueError` where `tasks` `(N, task_dim)` are not tasks of this family."""

    def position(self, simulations: Simulations) -> Array:
        """Return where the bodies are, to draw their ways: by default on the ground, `(N, 2)`."""
        return simulations.qpos[:, :2].copy()

    def make(self, num_envs: int) -> "VectorMujoco":
        """Return a stepper for `num_envs` tasks."""
        return VectorMujoco(num_envs, self)


class VectorMujoco(BoxTasks):
    """`num_envs` tasks of a `MujocoFamily` stepped together.

    An episode that has ended stands still until `reset` names it: it keeps its observation and earns nothing. So does
    one whose simulation broke, which is truncated with `info["broken"]` set.
    """

    def __init__(self, num_envs: int, family: MujocoFamily):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self.family = family
        self.simulations = family.simulate(num_envs)
        self._rng = np.random.default_rng()
        self._clock = np.zeros(num_envs, dtype=np.int64)
        self._terminated, self._broken = np.zeros(num_envs, dtype=bool), np.zeros(num_envs, dtype=bool)
        self.set_tasks(family.train_tasks(1, np.random.default_rng(0)).repeat(num_envs, axis=0))
        self.reset()

    def set_tasks(self, tasks: Array) -> None:
        """Put task `tasks[i]` `(task_dim,)` into simulation i, whose state stays as it is."""
        tasks = self.checked_tasks(tasks, self.family.task_dim)
        self.family.check_tasks(tasks)
        self._tasks = tasks.copy()
        self.family.apply(self.simulations, self._tasks)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Array, dict]:
        """Start new episodes in the tasks that `options["reset_mask"]` names (all by default)."""
        mask = self.checked_mask((options or {}).get("reset_mask"))
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.simulations.put(mask, *self.family.start(int(mask.sum()), self._rng))
        self._clock[mask] = 0
        self._terminated[mask] = self._broken[mask] = False
        return self.family.observe(self.simulations), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict]:
        """Act once in every task whose episode goes on.

        Returns observations `(num_envs, observation)`, rewards, `terminated`, `truncated` `(num_envs,)` and an info
        with `broken` `(num_envs,)`.
        """
        actions = self.checked_actions(actions)
        truncated = self._clock >= self.family.horizon
        going = ~(self._terminated | self._broken | truncated)
        controls = self.family.controls(actions, self._tasks)
        before = self.family.place(self.simulations)
        self._broken |= self.simulations.step(controls, going)
        going &= ~self._broken
        moved = self.family.place(self.simulations) - before
        rewards = np.where(going, self.family.judge(self.simulations, moved, controls, self._tasks), 0.0)
        self._terminated |= going & self.family.ended(self.simulations)
        self._clock += going
        truncated = self._broken | (self._clock >= self.family.horizon)
        observations = self.family.observe(self.simulations)
        return observations, rewards, self._terminated.copy(), truncated, {"broken": self._broken.copy()}

    def positions(self) -> Array:
        """Return where the bodies are, `(num_envs, 2)`, in the units of the family's `position_labels`."""
        return self.family.position(self.simulations)
