"""What trained policies do before they adapt, and where their latents lie: tests of runs that were trained before."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field

from replications.maesn.adaptation import AdaptationConfig
from replications.maesn.joint import RandomPolicy
from replications.maesn.maesn import MAESN, Config, Latents
from replications.maesn.maml import MAML
from replications.maesn.rollouts import Outputs

Array = np.ndarray
EVERY = 10  # steps between the places that are kept of a way


class Explorer:
    """Plays single episodes without adaptation and keeps their ways; goes before the class of the trained learner.

    A test has as many episodes as it asks for, in each task: `return`, where they end (`end_x`, `end_y`), the angle of
    that place from the origin in degrees, and every tenth place on the way there (`x00`, `y00` and so on).
    """

    def __init__(self, family, config, seed, device="cpu", needed: Mapping[str, Mapping[str, Any]] | None = None):
        super().__init__(family, config, seed, device)
        if needed:
            self.load_state_dict(needed["trained"])

    def exploring(self, tasks: int, episodes: int, rng: np.random.Generator) -> Outputs:
        """Return the policy that explores, as a function of observations `(tasks, episodes, o)`."""
        return self.acting(self.shared(tasks))

    @torch.no_grad()
    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> dict[str, Array]:
        """Play `episodes` episodes in each task; return measures `(tasks, episodes)`."""
        outputs = self.exploring(len(tasks), episodes, rng)
        played = self.sampler.play(outputs, tasks, episodes, rng, self.config.test_sparse)
        last = (played.valid.sum(dim=2) - 1).cpu().numpy()
        n, k = np.indices(last.shape)
        end = played.places[n, k, last + 1]
        measures = dict(played.measures)
        measures |= {"end_x": end[..., 0], "end_y": end[..., 1]}
        measures["angle"] = np.degrees(np.arctan2(end[..., 1], end[..., 0]))
        for i, step in enumerate(range(0, played.places.shape[2], EVERY)):
            place = played.places[n, k, np.minimum(step, last + 1)]
            measures |= {f"x{i:02}": place[..., 0], f"y{i:02}": place[..., 1]}
        return measures


class MAESNExplorerConfig(Config):
    """Hyper-parameters of MAESN, and how its latents explore."""

    fixed: bool = Field(description="whether the latent is 0, instead of one drawn from N(0, I) per episode")


class MAESNExplorer(Explorer, MAESN):
    """MAESN, or LatentSpace, with latents of the prior or with none to speak of."""

    Config = MAESNExplorerConfig

    def exploring(self, tasks: int, episodes: int, rng: np.random.Generator) -> Outputs:
        """Return the policy with a latent per episode."""
        noise = self.noise(tasks, episodes, rng)
        return self.acting(0 * noise if self.config.fixed else noise)


class MAMLExplorer(Explorer, MAML):
    """MAML before adaptation."""


class RandomExplorer(Explorer, RandomPolicy):
    """A policy as it is drawn."""

    Config = AdaptationConfig


class TrainedLatents(MAESN):
    """MAESN in its training tasks, with the latents that it has learned for them: before and after inner steps."""

    def __init__(self, family, config, seed, device="cpu", needed: Mapping[str, Mapping[str, Any]] | None = None):
        super().__init__(family, config, seed, device)
        if needed:
            self.load_state_dict(needed["trained"])

    def begin(self, tasks: Array) -> Latents:
        """Return the latents of training tasks `tasks` `(N, task_dim)`; raise `ValueError` for others."""
        same = (tasks[:, None] == self.family.train_set).all(axis=2)
        if not same.any(axis=1).all():
            raise ValueError("latents are kept of training tasks alone: the family must have `tested: training`")
        return self.latents(torch.from_numpy(same.argmax(axis=1)).to(self.device))
