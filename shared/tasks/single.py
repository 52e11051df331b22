"""One task at a time as a plain `gymnasium.Env`: for Stable-Baselines3, wrappers, rendering, and a first look."""

from typing import Any

import gymnasium as gym
import numpy as np

from shared.tasks.family import TaskFamily


class SingleTask(gym.Env):
    """A family's task as an environment of its own.

    Parameters
    ----------
    family: the family.
    task: the task vector `(task_dim,)`; None draws a training task at every reset.
    render_mode: `rgb_array` for families with a body, else None.

    `reset(options={"task": …})` starts an episode in another task, which then stays. The task in use is in
    `info["task"]` of every reset. Raises `ValueError` for a task outside the family and for a family without a picture;
    `render` raises `RuntimeError` where there is no OpenGL backend.

    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, family: TaskFamily, task: np.ndarray | None = None, render_mode: str | None = None):
        self._envs = family.make(1)
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode must be 'rgb_array' or None, got {render_mode!r}")
        if render_mode and not hasattr(self._envs, "simulations"):
            raise ValueError(f"{type(family).__name__} has no body to render")
        self.family, self.render_mode = family, render_mode
        self.observation_space, self.action_space = family.observation_space, family.action_space
        if hasattr(self._envs, "simulations"):
            self.metadata = self.metadata | {"render_fps": round(1 / family.dt)}
        self._task = None
        if task is not None:
            self._put(task)
        self._camera = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start an episode; return the observation and an info with the task `(task_dim,)`."""
        super().reset(seed=seed)
        if options and "task" in options:
            self._put(options["task"])
        task = self._task
        if task is None:
            (task,) = self.family.train_tasks(1, self.np_random)
            self._envs.set_tasks(task[None])
        observations, _ = self._envs.reset(seed=int(self.np_random.integers(2**31)))
        return observations[0], {"task": task.copy()}

    def _put(self, task: np.ndarray) -> None:
        """Stay in `task` from now on; a refused one changes nothing."""
        task = np.asarray(task, dtype=np.float64)
        self._envs.set_tasks(task[None])
        self._task = task

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        """Act once."""
        observations, rewards, terminated, truncated, info = self._envs.step(np.asarray(action)[None])
        scalars = {name: values[0] for name, values in info.items()}
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), scalars

    def render(self) -> np.ndarray | None:
        """Return a picture `(240, 320, 3)` of the body, seen by a camera that follows it."""
        if self.render_mode is None:
            return None
        from shared.tasks.camera import Camera  # not above: families without a body need no simulator

        model, data = self._envs.simulations.data(0)
        if self._camera is None:
            self._camera = Camera(model)
        return self._camera.picture(data)

    def close(self) -> None:
        """Free the camera."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
