"""Where bodies went: notes on every step that a family's steppers make."""

from dataclasses import dataclass, field

import numpy as np

from shared.tasks.family import TaskFamily, VectorTasks


@dataclass
class Recording:
    """The way of the simulations of one stepper in one set of tasks.

    `positions` holds, for every start and step, the places `(num_envs, 2)`, `episodes` the number of each simulation's
    episode at the time `(num_envs,)`, `tasks` the tasks `(num_envs, task_dim)` in use. Bodies also have `states`:
    positions and velocities of all joints, `(num_envs, nq + nv)`.
    """

    tasks: np.ndarray
    positions: list[np.ndarray] = field(default_factory=list)
    episodes: list[np.ndarray] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)

    def paths(self, simulation: int) -> list[np.ndarray]:
        """Return the way `(T + 1, 2)` of each episode of one simulation, in order."""
        numbers = np.array([episodes[simulation] for episodes in self.episodes])
        places = np.array([positions[simulation] for positions in self.positions])
        return [places[numbers == number] for number in np.unique(numbers)]


def record(family: TaskFamily) -> list[Recording]:
    """Let every stepper that `family` makes from now on note where its simulations are.

    Returns the growing list of notes, one for every stepper and every change of its tasks, in order.

    Raises `ValueError` for a family whose steppers have no `positions`.
    """
    if not hasattr(family.make(1), "positions"):
        raise ValueError(f"{type(family).__name__} has no places to draw")
    recordings: list[Recording] = []
    make = family.make

    def make_recorded(num_envs: int) -> VectorTasks:
        envs = make(num_envs)
        episodes = np.full(num_envs, -1)
        current: list[Recording] = []
        step, reset, set_tasks = envs.step, envs.reset, envs.set_tasks

        def begin(tasks: np.ndarray) -> None:
            current.append(Recording(tasks))
            recordings.append(current[-1])

        def note() -> None:
            notes = current[-1]
            notes.positions.append(envs.positions())
            notes.episodes.append(episodes.copy())
            if hasattr(envs, "simulations"):
                notes.states.append(np.concatenate([envs.simulations.qpos, envs.simulations.qvel], axis=1))

        def recorded_reset(*, seed: int | None = None, options: dict | None = None):
            result = reset(seed=seed, options=options)
            mask = (options or {}).get("reset_mask")
            episodes[slice(None) if mask is None else mask] += 1
            note()
            return result

        def recorded_step(actions: np.ndarray):
            result = step(actions)
            note()
            return result

        def recorded_set_tasks(tasks: np.ndarray) -> None:
            set_tasks(tasks)
            if not np.array_equal(tasks, current[-1].tasks):
                begin(np.array(tasks))

        begin(np.full((num_envs, family.task_dim), np.nan))  # until tasks are set
        envs.step, envs.reset, envs.set_tasks = recorded_step, recorded_reset, recorded_set_tasks
        return envs

    family.make = make_recorded
    return recordings
