"""Reptile (Nichol et al. 2018): the first-order relative of MAML."""

from typing import Literal

import torch
from pydantic import Field

from replications.maesn.adaptation import AdaptationConfig, GradientAdaptation, Phase


class Config(AdaptationConfig):
    """Hyper-parameters of Reptile."""

    learned_rates: Literal[False] = Field(description="α is not meta-learned")
    outer_rate: float = Field(gt=0, le=1, description="ε, the share of the way to the adapted parameters")


class Reptile(GradientAdaptation):
    """Moves towards the mean of what tasks adapt to; the batch after adaptation makes for one more step."""

    Config = Config

    @torch.no_grad()
    def outer_step(self, phases: list[Phase], after: Phase) -> dict[str, float]:
        """Set θ to θ + ε mean_i(θ'_i − θ)."""
        adapted = self.adapted([*phases, after])
        moved = 0.0
        for name, value in self.parameters.items():
            change = self.config.outer_rate * (adapted[name].mean(dim=0) - value)
            value += change
            moved += float(change.square().sum())
        return {"outer/moved": moved**0.5}
