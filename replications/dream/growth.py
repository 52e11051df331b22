"""How fast the samples that tabular learners need grow with the number of actions (Prop. 2)."""

import numpy as np

from shared.analysis.evidence import Evidence, interval_generator
from shared.analysis.scores import final_rows
from shared.analysis.statistics import Interval

DRAWS = 2000

LAWS = {
    "|A| log|A|": lambda sizes: sizes * np.log(sizes),
    "|A|² log|A|": lambda sizes: sizes**2 * np.log(sizes),
}


def samples_by_size(evidence: Evidence, method: str, origin: str | None = None) -> dict[int, np.ndarray]:
    """Return the trials that each learner took, `(learners,)`, by the number of actions, where there are runs."""
    samples = {}
    for name, experiment in evidence.experiments().items():
        rows = final_rows(evidence.cell(name, method, origin))
        if len(rows):
            samples[int(experiment.family.arguments["actions"])] = rows["samples"].to_numpy()
    return samples


def fitted_power(x: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the power p of the least-squares fit samples ∝ xᵖ; `samples` is `(sizes, …)`."""
    logs = np.log(np.asarray(x, dtype=float))
    centred = logs - logs.mean()
    return np.tensordot(centred, np.log(samples), axes=1) / (centred @ centred)


def growth(samples: dict[int, np.ndarray], law: str) -> Interval:
    """Return the power of `law` with which mean samples grow; the learners of each size are resampled for the interval.

    `samples` are as `samples_by_size` returns them, of two sizes at least.
    """
    sizes, rng = np.array(sorted(samples)), interval_generator()
    means = np.array([samples[size].mean() for size in sizes])
    draws = np.array([rng.choice(samples[size], (DRAWS, len(samples[size]))).mean(axis=1) for size in sizes])
    scale = LAWS[law](sizes)
    low, high = np.quantile(fitted_power(scale, draws), [0.025, 0.975])
    return Interval(float(fitted_power(scale, means)), float(low), float(high))
