"""The linear baseline of rllab (Duan et al. 2016, "Benchmarking deep RL"): a value function fitted to one batch."""

import torch
from torch import Tensor

CLIP = 10.0  # observations beyond it look like it


def features(observations: Tensor) -> Tensor:
    """Return what the baseline is linear in, `(…, T, 2 · o + 4)`, of observations `(…, T, o)` of whole episodes.

    Observations, their squares, powers of time in units of 100 steps, and a constant.
    """
    clipped = observations.double().clamp(-CLIP, CLIP)
    time = torch.arange(observations.shape[-2], dtype=torch.float64, device=observations.device) / 100
    powers = torch.stack([time, time**2, time**3, torch.ones_like(time)], dim=-1)
    return torch.cat([clipped, clipped**2, powers.expand(*clipped.shape[:-1], 4)], dim=-1)


def linear_values(observations: Tensor, returns: Tensor, valid: Tensor, ridge: float = 1e-5) -> Tensor:
    """Fit the baseline to the returns of each of N tasks by ridge regression; return its values `(N, K, T)`.

    `observations` `(N, K, T, o)` of K episodes per task; `returns` and `valid` `(N, K, T)`: steps that are not valid
    are neither fitted nor given a value but 0. Where a fit is not finite all are tried again, up to four times, with
    ten times the `ridge`. Raises `FloatingPointError` if one still is not.
    """
    x = (features(observations) * valid[..., None]).flatten(1, 2)
    y = (returns.double() * valid).flatten(1, 2)
    gram, moment = x.mT @ x, x.mT @ y[..., None]
    diagonal = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    for attempt in range(5):
        weights, failed = torch.linalg.solve_ex(gram + ridge * 10**attempt * diagonal, moment)
        if not failed.any() and torch.isfinite(weights).all():
            break
    else:
        raise FloatingPointError("the linear baseline has no finite fit: are observations and returns finite?")
    return (x @ weights).view(returns.shape)
