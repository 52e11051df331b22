"""Soft actor-critic as pure functions: with a state-value network (Haarnoja et al. 2018a) and without (2018b).

All inputs are `(N,)`, one entry per transition. `log_probs` are log π(ã|s) of actions ã that the policy draws now, `q`
is the smaller of the critics' values of (s, ã). Who computes a loss decides, by detaching, whom it trains.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def td_targets(rewards: Tensor, terminated: Tensor, next_values: Tensor, discount: float) -> Tensor:
    """Return y = r + γ (1 − done) V(s′) (2018a, Eq. 8); `terminated` is 1 where the episode ended for good, else 0."""
    return rewards + discount * (1 - terminated) * next_values


def soft_values(q: Tensor, log_probs: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    """Return min_i Q_i(s, ã) − α log π(ã|s), a sample of V(s): V's target (2018a, Eq. 3), or V itself (2018b)."""
    return q - temperature * log_probs


def critic_loss(predictions: Iterable[Tensor], targets: Tensor) -> Tensor:
    """Return Σ_i mean (Q_i(s, a) − y)² over the critics (2018a, Eq. 7 without its ½)."""
    return sum((q - targets).square().mean() for q in predictions)


def value_loss(values: Tensor, targets: Tensor) -> Tensor:
    """Return mean (V(s) − target)² for targets from `soft_values` (2018a, Eq. 5 without its ½); none reaches them."""
    return (values - targets.detach()).square().mean()


def policy_loss(q: Tensor, log_probs: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    """Return mean (α log π(ã|s) − min_i Q_i(s, ã)), whose gradient passes through ã (2018a, Eq. 12)."""
    return (temperature * log_probs - q).mean()


def temperature_loss(log_temperature: Tensor, log_probs: Tensor, target_entropy: float) -> Tensor:
    """Return −log α · mean (log π + H̄), which raises α where the entropy is below H̄ (2018b, Eq. 18, in log α)."""
    return -log_temperature * (log_probs.detach() + target_entropy).mean()


@torch.no_grad()
def move_towards(targets: Iterable[Tensor], sources: Iterable[Tensor], rate: float) -> None:
    """Average `sources` into `targets` in place: θ̄ ← (1 − τ) θ̄ + τ θ."""
    torch._foreach_lerp_(list(targets), list(sources), rate)
