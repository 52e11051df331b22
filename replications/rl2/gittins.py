"""Gittins indices of Bernoulli arms with Beta posteriors: exact by calibration, and two closed forms.

The index ν(a, b) of an arm with posterior Beta(a, b) is the known rate of reward that is worth as much as the
arm when rewards are discounted by β for ever. Playing the arm of largest index is optimal for that problem,
and the paper's strong reference for trials of finite length (Sec. 3.1), with β chosen for each length.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np

IndexName = Literal["calibrated", "whittle", "brezzi_lai"]

GRID_POINTS = 401  # within 0.0003 of the exact index for β = 0.95, within 0.001 for β = 0.99, mostly far closer
LOOKAHEAD = 500


@lru_cache(maxsize=16)
def index_table(name: IndexName, discount: float, pulls: int) -> np.ndarray:
    """Return the indices of all posteriors that a trial of `pulls` pulls can reach.

    Entry `[s, f]` of the table `(pulls + 1, pulls + 1)` belongs to s successes and f failures, posterior
    Beta(1 + s, 1 + f); entries with s + f > pulls are nan. The table is kept for the next caller and read-only.
    Raises `ValueError` unless 0 < discount < 1.
    """
    if not 0 < discount < 1:
        raise ValueError(f"the discount of a Gittins index must lie in (0, 1), got {discount}")
    table = _TABLES[name](discount, pulls)
    table.flags.writeable = False  # shared by all callers
    return table


def calibrated(discount: float, pulls: int, lookahead: int = LOOKAHEAD, grid_points: int = GRID_POINTS) -> np.ndarray:
    """Return the table of indices by calibration against retirement rates (Gittins et al. 2011, ch. 8).

    For every rate λ of a grid, backward induction over the posteriors of one arm gives the value, per unit of
    discounted time, of playing it with the option to retire on λ:

        W(s, f) = max(λ, μ (1 - β + β W(s+1, f)) + (1 - μ) β W(s, f+1)),   μ = (s + 1)/(s + f + 2).

    The index is the λ at which playing on is worth exactly λ, found by linear interpolation between grid points. The
    recursion starts from max(λ, μ), as if the arm were known from then on, m pulls after the trial's end, where
    β^m = 1e-6 or m = `lookahead`, whichever is earlier.
    """
    longest = pulls + min(lookahead, math.ceil(math.log(1e-6) / math.log(discount)))
    rates = np.linspace(0.0, 1.0, grid_points)
    table = np.full((pulls + 1, pulls + 1), np.nan)
    value = np.maximum(rates, _means(longest))
    for pulled in range(longest - 1, -1, -1):
        means = _means(pulled)
        play_on = means * (1 - discount + discount * value[1:]) + (1 - means) * discount * value[:-1]
        if pulled <= pulls:
            successes = np.arange(pulled + 1)
            table[successes, pulled - successes] = _last_crossing(rates, play_on - rates)
        value = np.maximum(rates, play_on, out=play_on)
    return table


def _means(pulled: int) -> np.ndarray:
    """Return the posterior means `(pulled + 1, 1)` after 0, …, `pulled` successes in `pulled` pulls."""
    return ((np.arange(pulled + 1) + 1) / (pulled + 2))[:, None]


def _last_crossing(rates: np.ndarray, advantage: np.ndarray) -> np.ndarray:
    """Return the rates `(rows,)` at which the rows of `advantage` `(rows, rates)` fall through zero."""
    last = (advantage > 0).sum(axis=1) - 1
    rows = np.arange(len(advantage))
    above, below = advantage[rows, last], advantage[rows, last + 1]
    return rates[last] + above / (above - below) * (rates[last + 1] - rates[last])


def whittle(a: np.ndarray, b: np.ndarray, discount: float) -> np.ndarray:
    """Return Whittle's closed-form approximation to ν(a, b) (Whittle 1982), element by element.

    With N = a + b, μ = a/N, c = -ln β:  ν ≈ μ + μ(1-μ) / (N √((2c + 1/N) μ(1-μ)) + μ - 1/2).
    """
    total = a + b
    mean = a / total
    spread = mean * (1 - mean)
    return mean + spread / (total * np.sqrt((1 / total - 2 * np.log(discount)) * spread) + mean - 0.5)


def brezzi_lai(a: np.ndarray, b: np.ndarray, discount: float) -> np.ndarray:
    """Return the closed-form approximation of Brezzi & Lai (2002) to ν(a, b), element by element.

    ν ≈ μ + σ ψ(s) with the posterior's mean μ and standard deviation σ = √(μ(1-μ)/(a+b+1)), and
    s = σ² / (μ(1-μ) c), c = -ln β.
    """
    mean = a / (a + b)
    deviation = np.sqrt(mean * (1 - mean) / (a + b + 1))
    return mean + deviation * _psi(-1 / ((a + b + 1) * np.log(discount)))


def _psi(s: np.ndarray) -> np.ndarray:
    """Return Brezzi & Lai's piecewise approximation ψ(s) to the boundary of the stopping problem, s > 0."""
    root = np.sqrt(s)
    log_s = np.log(np.maximum(s, 15.0))  # the last piece is used beyond 15 only
    pieces = [root / np.sqrt(2), 0.49 - 0.11 / root, 0.63 - 0.26 / root, 0.77 - 0.58 / root]
    tail = np.sqrt(2 * log_s - np.log(log_s) - np.log(16 * np.pi))
    return np.select([s <= 0.2, s <= 1, s <= 5, s <= 15], pieces, tail)


def posterior_table(index: Callable[[np.ndarray, np.ndarray], np.ndarray], pulls: int) -> np.ndarray:
    """Tabulate `index(a, b)` over s successes and f failures, s + f ≤ `pulls`, as `index_table` does."""
    successes, failures = np.indices((pulls + 1, pulls + 1))
    table = index(successes + 1.0, failures + 1.0)
    return np.where(successes + failures <= pulls, table, np.nan)


_TABLES = {
    "calibrated": calibrated,
    "whittle": lambda discount, pulls: posterior_table(lambda a, b: whittle(a, b, discount), pulls),
    "brezzi_lai": lambda discount, pulls: posterior_table(lambda a, b: brezzi_lai(a, b, discount), pulls),
}
