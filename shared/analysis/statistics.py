"""Aggregates and intervals of score arrays, after Agarwal et al. 2021 (arXiv:2108.13264).

A score array is `(..., runs, tasks)`: every statistic reduces the last two axes and keeps the leading ones,
so that a bootstrap evaluates thousands of resamples in one call. All randomness comes from the `Generator`
that is passed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import special

Statistic = Callable[..., np.ndarray]
Level = Literal["runs", "tasks", "runs and tasks"]

CONFIDENCE = 0.95
RESAMPLES = 2000
MANY_TASKS = 1000  # from here on, a mean over resampled tasks is as good as normal
CHUNK_ELEMENTS = 2_000_000  # resampled scores held at once: 16 MB, however many tasks there are


@dataclass(frozen=True)
class Interval:
    """A statistic and the bounds of its interval, in the unit of the scores."""

    value: float
    low: float
    high: float

    def affine(self, shift: float, scale: float) -> "Interval":
        """Return the interval of `(x - shift) / scale`; a negative scale swaps the bounds."""
        value, low, high = ((x - shift) / scale for x in (self.value, self.low, self.high))
        return Interval(value, min(low, high), max(low, high))


def mean(scores: np.ndarray) -> np.ndarray:
    """Mean over runs and tasks."""
    return np.mean(scores, axis=(-2, -1))


def median(scores: np.ndarray) -> np.ndarray:
    """Median over tasks of each task's mean over runs."""
    return np.median(np.mean(scores, axis=-2), axis=-1)


def iqm(scores: np.ndarray) -> np.ndarray:
    """Interquartile mean: the mean of the middle half of all runs × tasks."""
    flat = np.sort(np.reshape(scores, (*np.shape(scores)[:-2], -1)), axis=-1)
    cut = flat.shape[-1] // 4
    return np.mean(flat[..., cut : flat.shape[-1] - cut], axis=-1)


def optimality_gap(scores: np.ndarray, gamma: float = 1.0) -> np.ndarray:
    """Mean amount by which scores fall short of `gamma`; scores above it count as `gamma`."""
    return gamma - mean(np.minimum(scores, gamma))


def score_profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of runs × tasks above each of `thresholds` `(K,)`; returns `(..., K)`."""
    above = np.asarray(scores)[..., None] > np.asarray(thresholds)
    return np.mean(above, axis=(-3, -2))


def average_score_profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of tasks whose mean over runs is above each of `thresholds` `(K,)`; returns `(..., K)`."""
    above = np.mean(scores, axis=-2)[..., None] > np.asarray(thresholds)
    return np.mean(above, axis=-2)


def probability_of_improvement(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Probability that a run of `x` beats a run of `y` on the same task, ties one half, averaged over tasks.

    `x` is `(..., runs_x, tasks)` and `y` `(..., runs_y, tasks)`. Per task this is the Mann-Whitney statistic
    divided by `runs_x * runs_y`.
    """
    left, right = np.asarray(x)[..., :, None, :], np.asarray(y)[..., None, :, :]
    return np.mean((left > right) + 0.5 * (left == right), axis=(-3, -2, -1))


def checked_scores(scores: np.ndarray) -> np.ndarray:
    """Return `scores` as float64 `(runs, tasks)`; raise `ValueError` if empty, not finite or not 2-D."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.size == 0:
        raise ValueError(f"scores must be a non-empty (runs, tasks) array, got shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} scores are not finite")
    return scores


def natural_level(*scores: np.ndarray) -> Level:
    """What an interval must resample: tasks alone when no array has a second run, else runs and tasks."""
    return "runs and tasks" if any(len(array) > 1 for array in scores) else "tasks"


def bootstrap(
    statistic: Statistic,
    *scores: np.ndarray,
    rng: np.random.Generator,
    level: Level | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Percentile bootstrap interval of `statistic(*scores)`.

    Parameters
    ----------
    statistic: reduces arrays `(..., runs, tasks)` to `(...)`.
    scores: `(runs, tasks)` arrays. Where tasks are resampled they must have the same tasks in the same order:
        the same draw is used for all (a paired comparison); runs are drawn for each array independently.
    level: `runs` draws runs independently within each task and keeps the tasks (the stratified bootstrap);
        `tasks` draws tasks and keeps the runs; `runs and tasks` draws both (tasks crossed with runs, so
        that the interval holds for new seeds on new tasks). Default: `natural_level`.

    Raises `ValueError` for empty or non-finite scores and for arrays of unequal numbers of tasks.

    """
    arrays = [checked_scores(array) for array in scores]
    if len({array.shape[1] for array in arrays}) != 1:
        raise ValueError(f"arrays must share their tasks, got shapes {[array.shape for array in arrays]}")
    level = level or natural_level(*arrays)
    chunk = max(1, CHUNK_ELEMENTS // sum(array.size for array in arrays))
    draws = []
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        draws.append(statistic(*_resampled(arrays, level, size, rng)))
    return _percentile_interval(statistic(*arrays), np.concatenate(draws), confidence)


def _percentile_interval(value: np.ndarray, draws: np.ndarray, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))


def _resampled(arrays: list[np.ndarray], level: Level, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return `size` resamples of each `(runs, tasks)` array, `(size, runs, tasks)`."""
    tasks = arrays[0].shape[1]
    if level == "runs":
        return [
            np.take_along_axis(array[None], rng.integers(len(array), size=(size, *array.shape)), axis=1)
            for array in arrays
        ]
    columns = rng.integers(tasks, size=(size, 1, tasks), dtype=np.int32)
    if level == "tasks":
        return [array[np.arange(len(array))[:, None], columns] for array in arrays]
    if level == "runs and tasks":
        return [array[rng.integers(len(array), size=(size, len(array), 1)), columns] for array in arrays]
    raise ValueError(f"level must be one of {get_args(Level)}, got {level!r}")


def bootstrap_of_means(
    combine: Statistic,
    *scores: np.ndarray,
    rng: np.random.Generator,
    level: Level | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """`bootstrap` of `combine(mean(x), mean(y), …)`, quick where there are thousands of tasks.

    The runs' means over `MANY_TASKS` or more resampled tasks are drawn from their joint normal limit, whose covariance
    is that of the scores over tasks divided by their number; runs are resampled one by one as ever.
    """
    arrays = [checked_scores(array) for array in scores]
    level = level or natural_level(*arrays)
    tasks = arrays[0].shape[1]
    if level == "runs" or tasks < MANY_TASKS or any(array.shape[1] != tasks for array in arrays):
        options = {"rng": rng, "level": level, "resamples": resamples, "confidence": confidence}
        return bootstrap(lambda *resampled: combine(*map(mean, resampled)), *arrays, **options)
    stacked = np.concatenate(arrays)
    covariance = np.cov(stacked, ddof=0).reshape(len(stacked), len(stacked)) / tasks
    drawn = rng.multivariate_normal(stacked.mean(axis=1), covariance, size=resamples)  # (resamples, runs)
    ends = np.cumsum([len(array) for array in arrays])
    means = []
    for runs in np.split(drawn, ends[:-1], axis=1):
        if level == "runs and tasks":
            runs = np.take_along_axis(runs, rng.integers(runs.shape[1], size=runs.shape), axis=1)
        means.append(runs.mean(axis=1))
    return _percentile_interval(combine(*map(mean, arrays)), combine(*means), confidence)


def mean_interval(scores: np.ndarray, rng: np.random.Generator, **options: object) -> Interval:
    """Interval of the mean of `(runs, tasks)` scores at the natural level; `options` as in `bootstrap`."""
    return bootstrap_of_means(lambda x: x, scores, rng=rng, **options)


def difference_interval(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, **options: object) -> Interval:
    """Interval of mean(x) - mean(y), paired over the common tasks; `options` as in `bootstrap`."""
    return bootstrap_of_means(np.subtract, x, y, rng=rng, **options)


def pointwise_interval(values: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and 95 % percentile bootstrap bounds over seeds at every point of curves `(seeds, points)`.

    Returns three arrays `(points,)`. A single seed has no spread: its bounds are NaN, not zero.
    """
    value = values.mean(axis=0)
    if len(values) == 1:
        missing = np.full_like(value, np.nan)
        return value, missing, missing
    draws = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return value, low, high


def one_sided_p(best: np.ndarray, other: np.ndarray, paired: bool) -> float:
    """P-value of the t-test whose alternative is that `best` has the larger mean.

    Both are `(runs, tasks)`; runs are averaged first, so that the sample is the tasks. `paired` uses the
    differences on common tasks, otherwise Welch's test for independent samples of unequal variance.
    """
    x, y = (checked_scores(array).mean(axis=0) for array in (best, other))
    if paired and len(x) != len(y):
        raise ValueError(f"a paired test needs the same tasks, got {len(x)} and {len(y)}")
    difference, error, freedom = _paired_t(x, y) if paired else _welch_t(x, y)
    if error == 0:  # the t statistic is 0/0 or infinite: the sign of the difference decides
        return 0.0 if difference > 0 else 1.0
    return float(special.stdtr(freedom, -difference / error))


def _paired_t(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Mean difference, its standard error and the degrees of freedom, from differences on common tasks."""
    d = x - y
    return d.mean(), _standard_error(d), len(d) - 1


def _welch_t(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Difference of means, its standard error and the degrees of freedom, from samples of unequal variance."""
    a, b = _standard_error(x) ** 2, _standard_error(y) ** 2
    terms = a**2 / max(len(x) - 1, 1) + b**2 / max(len(y) - 1, 1)  # a lone score has no variance of its own
    freedom = (a + b) ** 2 / terms if terms > 0 else np.inf
    return x.mean() - y.mean(), np.sqrt(a + b), freedom


def _standard_error(x: np.ndarray) -> float:
    return 0.0 if np.ptp(x) == 0 else x.std(ddof=1) / np.sqrt(len(x))


def bold_methods(scores: dict[str, np.ndarray], paired: bool = False, alpha: float = 0.05) -> set[str]:
    """Names to print in bold: the largest mean and all not significantly below it (one-sided, level `alpha`).

    The rule of Duan et al. 2016 (arXiv:1611.02779), Tables 1 and 2. `scores` maps names to `(runs, tasks)`.
    """
    if not scores:
        return set()
    best = max(scores, key=lambda name: float(mean(scores[name])))
    return {name for name, array in scores.items() if name == best or one_sided_p(scores[best], array, paired) >= alpha}
