"""The policy of soft actor-critic: a Gaussian squashed by tanh (Haarnoja et al. 2018, App. C)."""

import math

import torch
from torch import Tensor

MIN_LOG_STD, MAX_LOG_STD = -20.0, 2.0


def gaussian_head(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Split a network's outputs `(N, 2A)` into mean and log standard deviation `(N, A)`, the latter clamped."""
    mean, log_std = outputs.chunk(2, dim=-1)
    return mean, log_std.clamp(MIN_LOG_STD, MAX_LOG_STD)


def sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return actions tanh(mean + std · noise) `(N, A)` and their log-densities `(N,)`.

    log π(a) = Σ log N(u; mean, std) − log(1 − tanh²u + 10⁻⁶) over the coordinates (Haarnoja et al. 2018, Eq. 21).
    """
    actions = torch.tanh(mean + log_std.exp() * noise)
    gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    return actions, (gaussian - torch.log(1 - actions.square() + 1e-6)).sum(dim=-1)
