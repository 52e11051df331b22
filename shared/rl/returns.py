"""Returns and advantages over time-major arrays `(T, N)`."""

import numpy as np


def discounted_returns(rewards: np.ndarray, discount: float) -> np.ndarray:
    """Return Σ_l γ^l r_{t+l} `(T, N)` up to the end of the sequence."""
    returns = np.empty_like(rewards)
    tail = np.zeros_like(rewards[0])
    for t in range(len(rewards) - 1, -1, -1):
        tail = rewards[t] + discount * tail
        returns[t] = tail
    return returns


def generalized_advantages(
    rewards: np.ndarray, values: np.ndarray, last_value: np.ndarray | float, discount: float, gae_lambda: float
) -> np.ndarray:
    """Return Â_t = Σ_l (γλ)^l δ_{t+l} with δ_t = r_t + γ V_{t+1} − V_t, `(T, N)`.

    Schulman et al. 2016, Eq. 16. `last_value` is V after the last step: 0 where the sequence ends for good. The
    sequence is cut nowhere else: for RL² it is the whole trial, over episode ends (Duan et al. 2016, Sec. 2.2).
    """
    advantages = np.empty_like(rewards)
    running = np.zeros_like(rewards[0])
    next_value = np.broadcast_to(np.asarray(last_value, dtype=values.dtype), rewards[0].shape)
    for t in range(len(rewards) - 1, -1, -1):
        delta = rewards[t] + discount * next_value - values[t]
        running = delta + discount * gae_lambda * running
        advantages[t] = running
        next_value = values[t]
    return advantages
