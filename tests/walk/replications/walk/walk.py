"""A learner that walks at random, remembers where it was, and misbehaves on request."""

import os
import random
import time

import numpy as np
from pydantic import BaseModel

from shared.study.seeds import generator_state, restore_generator


class Line:
    """Tasks are places on a line, `(n, 1)`."""

    def __init__(self, width: float = 1.0):
        self.width = width

    def test_tasks(self, n, rng):
        """Draw `n` places."""
        return rng.normal(0.0, self.width, size=(n, 1))


class Walk:
    """Every meta-iteration moves one step at random and costs ten environment steps."""

    class Config(BaseModel, extra="forbid"):
        """`array`: keep the trail as an array. `pause`: seconds per iteration."""

        stride: float
        array: bool = False
        pause: float = 0.0
        steps: int = 10
        nan_at: int = 0
        crash_at: int = 0

    def __init__(self, family, config, seed, device="cpu"):
        numpy_seed, python_seed = seed.spawn(2)
        self.config = config
        self.rng = np.random.Generator(np.random.PCG64(numpy_seed))
        self.random = random.Random(int(python_seed.generate_state(1)[0]))
        self.place = 0.0
        self.trail = []
        self.env_steps = 0

    def train(self):
        """Move."""
        time.sleep(self.config.pause)
        self.place += self.config.stride * self.rng.normal() + 0.01 * self.random.random()
        self.trail.append(self.place)
        self.env_steps += self.config.steps
        iteration = len(self.trail)
        if iteration == self.config.crash_at and "CALM" not in os.environ:
            raise MemoryError("out of luck")
        metrics = {"place": float("nan") if iteration == self.config.nan_at else self.place}
        return metrics | ({"even": iteration} if iteration % 2 == 0 else {})

    def adapt(self, tasks, episodes, rng):
        """Return minus the distance to each task, with noise, and whether it is short."""
        distance = np.abs(tasks - self.place) + 0.1 * rng.random((len(tasks), episodes))
        return {"return": -distance, "success": (distance < 1).astype(float)}

    def state_dict(self):
        """Everything."""
        version, numbers, gauss = self.random.getstate()
        return {
            "rng": generator_state(self.rng),
            "random": {"version": version, "numbers": numbers, "gauss": gauss},
            "place": np.float64(self.place),
            "trail": np.array(self.trail) if self.config.array else self.trail,
            "env_steps": self.env_steps,
        }

    def load_state_dict(self, state):
        """Restore everything."""
        restore_generator(self.rng, state["rng"])
        self.random.setstate(tuple(state["random"].values()))
        self.place, self.trail, self.env_steps = state["place"], list(state["trail"]), state["env_steps"]
