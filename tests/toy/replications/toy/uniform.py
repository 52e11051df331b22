"""The baseline that does not care which coin it tosses."""

import numpy as np
from pydantic import BaseModel

from replications.toy.play import play


class Uniform:
    """Tosses either coin with the same probability."""

    class Config(BaseModel, extra="forbid"):
        """No hyper-parameters."""

    def __init__(self, family, config, seed, device="cpu"):
        self.family = family
        self.env_steps = 0

    def adapt(self, tasks, episodes, rng):
        """Return `(tasks, episodes)` returns."""
        return play(self.family, np.array([0.5, 0.5]), tasks, episodes, rng)

    def state_dict(self):
        """Nothing is learned."""
        return {}

    def load_state_dict(self, state):
        """Nothing was learned."""
