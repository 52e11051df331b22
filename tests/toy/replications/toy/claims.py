"""The toy's only claim."""

from shared.analysis.claims import ClaimResult
from shared.analysis.evidence import Evidence


def claim1(evidence: Evidence) -> ClaimResult | None:
    """A habit's mean return lies above that of tossing at random."""
    habit, uniform = evidence.scores("coins", "habit"), evidence.scores("coins", "uniform")
    if not habit.size or not uniform.size:
        return None
    gain = habit.mean(axis=0) - uniform.mean(axis=0)
    return ClaimResult(
        statistic="mean gain in return",
        value=float(gain.mean()),
        low=float(gain.mean() - gain.std()),
        high=float(gain.mean() + gain.std()),
        threshold=0.0,
        direction="above",
        seeds=len(habit),
    )
