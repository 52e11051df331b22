"""Tests of runs that were trained before: by dense rewards, with a latent that is held, in the training tasks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from replications.maesn.maesn import MAESN, State
from replications.maesn.maml import MAML
from shared.study.errors import StudyError

Array = np.ndarray
Needed = Mapping[str, Mapping[str, Any]]


def trained_state(needed: Needed) -> Mapping[str, Any]:
    """Return the state of the run that `needs` calls "trained"; raise `StudyError` where there is none."""
    if "trained" not in needed:
        given = ", ".join(needed) or "nothing"
        raise StudyError(f"key 'needs': a test of a trained run needs one that is called 'trained', got {given}")
    return needed["trained"]


class Trained(MAESN):
    """MAESN, or LatentSpace, as another run has left it: its final state is `needed["trained"]`."""

    def __init__(self, family, config, seed, device="cpu", *, needed: Needed):
        super().__init__(family, config, seed, device)
        self.load_state_dict(trained_state(needed))


class TrainedMAML(MAML):
    """MAML as another run has left it: its final state is `needed["trained"]`."""

    def __init__(self, family, config, seed, device="cpu", *, needed: Needed):
        super().__init__(family, config, seed, device)
        self.load_state_dict(trained_state(needed))


class FixedLatent(Trained):
    """The latent is the mean of its distribution in every episode: what explores is the policy's noise alone."""

    def noise(self, tasks: int, episodes: int, rng: np.random.Generator) -> Tensor:
        """Return zeros `(tasks, episodes, d)`."""
        return torch.zeros(tasks, episodes, self.config.latent_size, device=self.device)


class TrainedLatents(Trained):
    """A test in training tasks, which starts with the latents that were meta-learned for them."""

    def begin(self, tasks: Array) -> State:
        """Return the latents of training tasks `tasks` `(N, task_dim)`; raise `ValueError` for others."""
        same = (tasks[:, None] == self.family.train_set).all(axis=2)
        if not same.any(axis=1).all():
            raise ValueError("latents are kept of training tasks alone: the family must have `tested: training`")
        with torch.no_grad():
            return self.known(torch.from_numpy(same.argmax(axis=1)).to(self.device))

    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> dict[str, Array]:
        """Test as `MAESN` does; report the meta-learned step sizes and the policy's noise besides."""
        found = super().adapt(tasks, episodes, rng)
        return found | {name: np.full((len(tasks), episodes), value) for name, value in self.sizes().items()}
