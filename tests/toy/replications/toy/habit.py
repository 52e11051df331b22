"""The method: toss the coin that used to pay."""

import numpy as np
from pydantic import BaseModel

from replications.toy.counting import preferences
from replications.toy.play import play


class Habit:
    """Counts over the training tasks how often each coin pays."""

    class Config(BaseModel, extra="forbid"):
        """`batch_tasks`: training tasks of one meta-iteration."""

        batch_tasks: int

    def __init__(self, family, config, seed, device="cpu"):
        self.family = family
        self.config = config
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.paid = np.zeros(2)
        self.tossed = np.zeros(2)
        self.env_steps = 0

    def train(self):
        """Toss both coins of a batch of tasks `horizon` times each."""
        tasks = self.family.train_tasks(self.config.batch_tasks, self.rng)
        self.paid += self.rng.binomial(self.family.horizon, tasks).sum(axis=0)
        self.tossed += self.family.horizon * len(tasks)
        self.env_steps += 2 * self.family.horizon * len(tasks)
        return {"train/return": float(self.paid.sum() / self.tossed.sum())}

    def adapt(self, tasks, episodes, rng):
        """Return `(tasks, episodes)` returns."""
        return play(self.family, preferences(self.paid, self.tossed), tasks, episodes, rng)

    def state_dict(self):
        """Counts and the generator."""
        state = self.rng.bit_generator.state["state"]
        generator = {name: str(value) for name, value in state.items()}
        return {"paid": self.paid, "tossed": self.tossed, "env_steps": self.env_steps, "generator": generator}

    def load_state_dict(self, state):
        """Restore what `state_dict` gave."""
        self.paid, self.tossed = np.array(state["paid"]), np.array(state["tossed"])
        self.env_steps = int(state["env_steps"])
        restored = self.rng.bit_generator.state
        restored["state"] = {name: int(value) for name, value in state["generator"].items()}
        self.rng.bit_generator.state = restored
