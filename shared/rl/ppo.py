"""Proximal policy optimisation's clipped surrogate (Schulman et al. 2017, Eq. 7)."""

import torch
from torch import Tensor


def clipped_surrogate(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Return min(ρ Â, clip(ρ, 1 − ε, 1 + ε) Â), ρ = π/π_old, to be maximised. All inputs have one shape."""
    ratio = torch.exp(log_prob - old_log_prob)
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def approximate_kl(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """Return Schulman's low-variance estimate of KL(π_old ‖ π) from π_old's own actions: mean of (ρ − 1) − log ρ."""
    log_ratio = log_prob - old_log_prob
    return (torch.expm1(log_ratio) - log_ratio).mean()
