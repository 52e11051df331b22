"""Gradient steps: optimisers, one step down a loss, and the means of what many steps report."""

import torch
from torch import Tensor, nn


def adam(network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Return Adam with its usual constants for the parameters of `network`."""
    return torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)


def descend(loss: Tensor, *optimisers: torch.optim.Optimizer, max_norm: float | None = None) -> None:
    """Take one step down `loss` in the parameters of `optimisers`, each with its gradient shortened to `max_norm`."""
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss.backward()
    for optimiser in optimisers:
        if max_norm is not None:
            parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(parameters, max_norm, foreach=True)
        optimiser.step()


def mean_metrics(steps: list[dict[str, Tensor]]) -> dict[str, float]:
    """Return the means of the metrics of several gradient steps."""
    return {name: float(torch.stack([step[name] for step in steps]).mean()) for name in steps[0]}
