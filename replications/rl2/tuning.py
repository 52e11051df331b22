"""Baselines with one hyper-parameter that is tuned by grid search for each setting, as the paper does (Sec. 3)."""

import numpy as np

from shared.study.learner import Learner


class GridTuned(Learner):
    """A learner whose hyper-parameter is chosen from `config.grid` by the mean total reward of training trials.

    The paper tunes on the score it reports; here tuning meets training tasks only. Goes before the learner's base
    class; `tuning_episodes` says how long a tuning trial is. A grid of one value needs no training.
    """

    parameter: str

    def __init__(self, family, config, seed: np.random.SeedSequence, device: str = "cpu"):
        super().__init__(family, config, seed, device)
        self._value = config.grid[0] if len(config.grid) == 1 else None

    @property
    def tuning_episodes(self) -> int:
        """Episodes of a tuning trial: those of the test trials."""
        return self.config.episodes

    @property
    def value(self) -> float:
        """The hyper-parameter in use; raise `RuntimeError` before tuning."""
        if self._value is None:
            raise RuntimeError(f"{type(self).__name__} has no {self.parameter} yet: tune it with train() first")
        return self._value

    def train(self) -> dict[str, float]:
        """Play the grid on the same training tasks, keep the best value, and return the mean total rewards."""
        rng = np.random.default_rng(self.seed)
        tasks = self.family.train_tasks(self.config.tuning_tasks, rng)
        play_seed = int(rng.integers(2**31))
        scores = {}
        for value in self.config.grid:
            self._value = value
            returns = self.adapt(tasks, self.tuning_episodes, np.random.default_rng(play_seed))
            scores[value] = float(returns.sum(axis=1).mean())
            self.env_steps += returns.size * self.family.horizon
        self._value = max(scores, key=scores.get)
        return {f"tuning/{self.parameter}={value:g}": score for value, score in scores.items()}

    def state_dict(self) -> dict:
        """Return the value in use and the steps spent on tuning."""
        return {"value": self._value, "env_steps": self.env_steps}

    def load_state_dict(self, state: dict) -> None:
        """Take the state of `state_dict` back."""
        self._value = state["value"]
        self.env_steps = state["env_steps"]
