"""The paper's claims as tests on finished runs."""

import numpy as np

from replications.dream.growth import LAWS, fitted_power, samples_by_size
from shared.analysis.claims import ClaimResult
from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Evidence, interval_generator

DRAWS = 2000
SIZES = 4  # fewer numbers of actions say nothing of growth


def grows_as(evidence: Evidence) -> ClaimResult | None:
    """Claim 6: the samples needed are a power of the law `law` of |A| that lies `direction` (of) 1.

    The learners of each size are resampled for the interval. A learner that went wrong in the second half of its
    trials may do so again: then there is no saying.
    """
    (method,), law = evidence.spec.methods, LAWS[evidence.spec.options["law"]]
    for origin in (THIS_MACHINE, REFERENCE):
        samples = samples_by_size(evidence, method, origin)
        if len(samples) >= SIZES and not _undecided(evidence, method, origin):
            break
    else:
        return None
    sizes, rng = np.array(sorted(samples)), interval_generator()
    means = np.array([samples[size].mean() for size in sizes])
    draws = np.array([rng.choice(samples[size], (DRAWS, len(samples[size]))).mean(axis=1) for size in sizes])
    low, high = np.quantile(fitted_power(law(sizes), draws), [0.025, 0.975])
    return ClaimResult(
        statistic=f"power of {evidence.spec.options['law']} with which the samples of {method} grow",
        value=float(fitted_power(law(sizes), means)),
        low=float(low),
        high=float(high),
        threshold=1.0,
        direction=evidence.spec.options["direction"],
        seeds=min(map(len, samples.values())),
        detail=", ".join(f"|A| = {size}: {mean:.4g}" for size, mean in zip(sizes, means, strict=True)),
    )


def _undecided(evidence: Evidence, method: str, origin: str) -> bool:
    """Return whether some learner was still wrong in the second half of its trials."""
    cells = [evidence.cell(name, method, origin) for name in evidence.spec.experiments]
    return any(len(rows) and (rows["samples"] > rows["env_steps"] / 4).any() for rows in cells)
