"""Inference of the latent z from context, transitions of one task (Rakelly et al. 2019, Sec. 4.1 and 6.4).

An encoder maps contexts `(M, N, width)` of M tasks to the mean and the variance of z, `(M, latents)` each. `mask`
`(M, N)` marks the transitions that are there, for contexts of different lengths; they may stand anywhere in the
context, in their order. Without any, the answer is the prior: N(0, I), or 0 for a deterministic latent.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from shared.networks.mlp import MLP

MIN_VARIANCE = 1e-7


def product_of_gaussians(means: Tensor, variances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance `(M, D)` of the normalised product of N Gaussian factors `(M, N, D)` (Eq. 2).

    σ² = 1 / Σ 1/σₙ² and μ = σ² Σ μₙ/σₙ², over the factors that `mask` `(M, N)` marks; N(0, 1) where it marks none.
    """
    precisions = mask[..., None] / variances
    total = precisions.sum(dim=1)
    variance = torch.where(total > 0, 1 / total, 1.0)
    return variance * (precisions * means).sum(dim=1), variance


def kl_to_prior(mean: Tensor, variance: Tensor) -> Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, I)), summed over all entries: tasks and dimensions, as in the authors' code."""
    return 0.5 * (variance + mean.square() - 1 - variance.log()).sum()


class PermutationInvariant(nn.Module):
    """One factor per transition from one MLP: their product, or, with `deterministic` latents, their mean (Fig. 7)."""

    def __init__(self, width: int, hidden: int, latents: int, deterministic: bool, generator: torch.Generator):
        super().__init__()
        self.deterministic = deterministic
        self.factors = MLP(width, [hidden] * 3, latents if deterministic else 2 * latents, generator)

    def forward(self, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of z; see the module."""
        tasks, length, width = context.shape
        outputs = self.factors(context.reshape(-1, width)).view(tasks, length, -1)
        if self.deterministic:
            mean = (mask[..., None] * outputs).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
            return mean, torch.zeros_like(mean)
        means, raw = outputs.chunk(2, dim=2)
        return product_of_gaussians(means, softplus(raw).clamp(min=MIN_VARIANCE), mask)


class Recurrent(nn.Module):
    """An LSTM over the transitions in their order; its last state gives mean and variance (Fig. 5)."""

    def __init__(self, width: int, hidden: int, latents: int, generator: torch.Generator):
        super().__init__()
        self.features = MLP(width, [hidden] * 2, hidden, generator, head_bound=hidden**-0.5)
        self.memory = nn.LSTM(hidden, hidden, batch_first=True)
        with torch.no_grad():
            for parameter in self.memory.parameters():
                parameter.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)
        self.head = MLP(hidden, [], 2 * latents, generator)

    def forward(self, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of z; see the module."""
        order = torch.argsort(mask, dim=1, descending=True, stable=True)  # what is there first, in its order
        context = context.gather(1, order[..., None].expand_as(context))
        features = self.features(context.flatten(0, 1)).relu().view(*context.shape[:2], -1)
        states, _ = self.memory(features)
        lengths = mask.sum(dim=1).long()
        mean, raw = self.head(states[torch.arange(len(lengths)), lengths - 1]).chunk(2, dim=1)
        known = (lengths > 0)[:, None]
        return torch.where(known, mean, 0.0), torch.where(known, softplus(raw).clamp(min=MIN_VARIANCE), 1.0)


def make_encoder(
    kind: Literal["probabilistic", "deterministic", "recurrent"],
    width: int,
    hidden: int,
    latents: int,
    generator: torch.Generator,
) -> nn.Module:
    """Return an encoder of transitions of `width` numbers."""
    if kind == "recurrent":
        return Recurrent(width, hidden, latents, generator)
    return PermutationInvariant(width, hidden, latents, kind == "deterministic", generator)
