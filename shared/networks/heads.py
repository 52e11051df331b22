"""Distributions over actions, as functions of a policy network's outputs.

A head reads outputs `(…, width)`: draws, log-densities, entropy, KL divergence, and the Fisher matrix in these outputs.
"""

import math
from typing import Protocol

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor


class Head(Protocol):
    """What a policy needs to know of its distribution."""

    width: int

    def sample(self, outputs: Tensor, rng: np.random.Generator) -> tuple[np.ndarray, Tensor]:
        """Draw one action for each row of `outputs` `(N, width)`; also return their log-densities `(N,)`."""

    def mode(self, outputs: Tensor) -> np.ndarray:
        """Return the most probable action for each row of `outputs` `(N, width)`."""

    def log_prob(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """Return the log-densities `(…)` of `actions` `(…)` or `(…, A)`."""

    def entropy(self, outputs: Tensor) -> Tensor:
        """Return the entropies `(…)`."""

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Return KL(old ‖ new) `(…)`."""

    def fisher(self, outputs: Tensor, tangent: Tensor) -> Tensor:
        """Return the Fisher matrix in the outputs times `tangent` `(…, width)`."""


class Categorical:
    """One of `actions` actions with probabilities softmax(outputs); actions are integers."""

    def __init__(self, actions: int):
        self.width = actions

    def sample(self, outputs: Tensor, rng: np.random.Generator) -> tuple[np.ndarray, Tensor]:
        """Draw by inversion; see `Head`."""
        log_probs = torch.log_softmax(outputs, dim=1)
        cumulative = log_probs.exp().cumsum(dim=1).numpy()
        thresholds = rng.random((len(cumulative), 1), dtype=np.float32) * cumulative[:, -1:]
        # A threshold rounded up to the total would point past the last action.
        actions = np.minimum((cumulative <= thresholds).sum(axis=1), cumulative.shape[1] - 1)
        return actions, log_probs[torch.arange(len(actions)), torch.from_numpy(actions)]

    def mode(self, outputs: Tensor) -> np.ndarray:
        """Return the index of the largest output."""
        return outputs.argmax(dim=1).numpy()

    def log_prob(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """Return log softmax(outputs) at the actions."""
        return torch.log_softmax(outputs, dim=-1).gather(-1, actions[..., None])[..., 0]

    def entropy(self, outputs: Tensor) -> Tensor:
        """Return −Σ p log p."""
        log_probs = torch.log_softmax(outputs, dim=-1)
        return -(log_probs.exp() * log_probs).sum(dim=-1)

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Return Σ p log (p/q)."""
        log_p, log_q = torch.log_softmax(old, dim=-1), torch.log_softmax(new, dim=-1)
        return (log_p.exp() * (log_p - log_q)).sum(dim=-1)

    def fisher(self, outputs: Tensor, tangent: Tensor) -> Tensor:
        """Return (diag(p) − p pᵀ) u."""
        probabilities = torch.softmax(outputs, dim=-1)
        return probabilities * (tangent - (probabilities * tangent).sum(-1, keepdim=True))


class Gaussian:
    """Independent normal coordinates: the outputs are `actions` means, then as many log standard deviations."""

    def __init__(self, actions: int):
        self.width = 2 * actions

    def sample(self, outputs: Tensor, rng: np.random.Generator) -> tuple[np.ndarray, Tensor]:
        """Draw mean + std · noise; see `Head`."""
        mean, log_std = outputs.chunk(2, dim=-1)
        actions = mean + log_std.exp() * torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32))
        return actions.numpy(), self.log_prob(outputs, actions)

    def mode(self, outputs: Tensor) -> np.ndarray:
        """Return the means."""
        return outputs.chunk(2, dim=-1)[0].numpy()

    def log_prob(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """Return the normal log-density, summed over the coordinates."""
        mean, log_std = outputs.chunk(2, dim=-1)
        scaled = (actions - mean) * torch.exp(-log_std)
        return -(0.5 * scaled.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(dim=-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """Return Σ log std + ½ log 2πe."""
        return (outputs.chunk(2, dim=-1)[1] + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=-1)

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Return Σ log σ′/σ + (σ² + (μ − μ′)²) / 2σ′² − ½."""
        (mean, log_std), (new_mean, new_log_std) = old.chunk(2, dim=-1), new.chunk(2, dim=-1)
        squares = torch.exp(2 * log_std) + (mean - new_mean).square()
        return (new_log_std - log_std + 0.5 * squares * torch.exp(-2 * new_log_std) - 0.5).sum(dim=-1)

    def fisher(self, outputs: Tensor, tangent: Tensor) -> Tensor:
        """Return (diag(1/σ²), 2) u: means and log standard deviations do not interact."""
        log_std = outputs.chunk(2, dim=-1)[1]
        d_mean, d_log_std = tangent.chunk(2, dim=-1)
        return torch.cat([d_mean * torch.exp(-2 * log_std), 2 * d_log_std], dim=-1)


def head_for(action_space: gym.Space) -> Head:
    """Return the head for a space of actions: `Categorical` for `Discrete`, `Gaussian` for `Box`."""
    if isinstance(action_space, gym.spaces.Discrete):
        return Categorical(int(action_space.n))
    return Gaussian(action_space.shape[0])
