"""The papers' claims as tests on finished runs."""

import numpy as np

from shared.analysis.claims import ClaimResult, all_of
from shared.analysis.evidence import Evidence, interval_generator
from shared.analysis.statistics import Interval, difference_interval, mean_interval

DRAWS = 2000
FIRST = 0


def adapts_better(evidence: Evidence) -> ClaimResult | None:
    """The first method gains from adaptation, and `times` as much as each of the others (default 1).

    The gain is what the last batch of a test earns beyond the first. Option `at_least`: what it must be.
    """
    options = evidence.spec.options
    (experiment,), (method, *others) = evidence.spec.experiments, evidence.spec.methods
    own = gains(evidence, experiment, method)
    rivals = {name: gains(evidence, experiment, name) for name in others}
    if own is None or any(gained is None for gained in rivals.values()):
        return None
    seeds = evidence.seeds(experiment, method)
    label = evidence.replication.methods[method].label
    found = [_above(mean_interval(own, interval_generator()), f"gain, {label}", options.get("at_least", 0.0), seeds)]
    times = options.get("times", 1)
    for name, gained in rivals.items():
        difference = difference_interval(own, times * gained, interval_generator())
        what = f"gain, {label}, minus {times:g} times that of {evidence.replication.methods[name].label}"
        found.append(_above(difference, what, 0.0, seeds))
    return all_of(*found)


def gains(evidence: Evidence, experiment: str, method: str) -> np.ndarray | None:
    """Return what adaptation gains, `(seeds, tasks)`; None where there is no run."""
    last, first = (evidence.scores(experiment, method, "return", episode) for episode in ("last", FIRST))
    return last - first if last.size else None


def explores_wider(evidence: Evidence) -> ClaimResult | None:
    """Ways of the first method end under more spread angles than those of the second; both in degrees.

    Options: `at_least` of the first, `at_most` of the second, the standard deviations over episodes; either may be
    missing, and then the first's must only be larger.
    """
    options = evidence.spec.options
    (experiment,), (method, other) = evidence.spec.experiments, evidence.spec.methods
    spreads = {name: angle_spread(evidence, experiment, name) for name in (method, other)}
    if None in spreads.values():
        return None
    labels = {name: evidence.replication.methods[name].label for name in spreads}
    seeds = evidence.seeds(experiment, method)
    found = []
    if "at_least" in options:
        found.append(_above(spreads[method], f"angle's spread, {labels[method]}, degrees", options["at_least"], seeds))
    if "at_most" in options:
        what = f"angle's spread, {labels[other]}, degrees"
        found.append(_bounded(spreads[other], what, options["at_most"], "below", seeds))
    if not found:
        wider = Interval(
            spreads[method].value - spreads[other].value,
            spreads[method].low - spreads[other].high,
            spreads[method].high - spreads[other].low,
        )
        found.append(_above(wider, f"angle's spread, {labels[method]} minus {labels[other]}, degrees", 0.0, seeds))
    return all_of(*found)


def angle_spread(evidence: Evidence, experiment: str, method: str) -> Interval | None:
    """Return by how much the angle varies under which episodes end before adaptation, in degrees; None if not run."""
    spreads = evidence.scores(experiment, method, "angle_spread", FIRST)
    return mean_interval(spreads, interval_generator()) if spreads.size else None


def latents_move_apart(evidence: Evidence) -> ClaimResult | None:
    """Training tasks' latents lie near the prior before adaptation (mean KL at most `most` nats) and apart after it."""
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    before, after = (latent_means(evidence, experiment, method, step) for step in (0, 1))
    if before is None:
        return None
    seeds = evidence.seeds(experiment, method)
    divergence = mean_interval(divergences(evidence, experiment, method), interval_generator())
    rng = interval_generator()
    draws = [np.arange(before.shape[1]), *rng.integers(before.shape[1], size=(DRAWS, before.shape[1]))]
    value, *drawn = [float((spread_over(after, tasks) - spread_over(before, tasks)).mean()) for tasks in draws]
    low, high = np.percentile(drawn, [2.5, 97.5])
    apart = Interval(value, min(low, value), max(high, value))
    most = evidence.spec.options["most"]
    return all_of(
        _bounded(divergence, "KL from the prior before adaptation, nats", most, "below", seeds),
        _above(apart, "standard deviation of latent means over tasks, after minus before", 0.0, seeds),
    )


def latent_means(evidence: Evidence, experiment: str, method: str, step: int) -> np.ndarray | None:
    """Return latent means `(seeds, tasks, 2)` after `step` adaptation steps."""
    scores = [evidence.scores(experiment, method, f"latent_mean{j}", step) for j in range(2)]
    return np.stack(scores, axis=-1) if scores[0].size else None


def spread_over(means: np.ndarray, tasks: np.ndarray) -> np.ndarray:
    """Return the standard deviation over `tasks` of latent means `(seeds, tasks, 2)`, mean of both dimensions."""
    return means[:, tasks].std(axis=1).mean(axis=1)


def divergences(evidence: Evidence, experiment: str, method: str) -> np.ndarray:
    """Return KL(N(μ, σ²) ‖ N(0, I)) of every seed's tasks before adaptation, `(seeds, tasks)`."""
    mean = latent_means(evidence, experiment, method, FIRST)
    std = np.stack([evidence.scores(experiment, method, f"latent_std{j}", FIRST) for j in range(2)], axis=-1)
    return 0.5 * (mean**2 + std**2 - 1 - 2 * np.log(std)).sum(axis=-1)


def earns(evidence: Evidence) -> ClaimResult | None:
    """The method's first step of adaptation gains at least `at_least`."""
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    before, after = (evidence.scores(experiment, method, "return", step) for step in (0, 1))
    if not after.size:
        return None
    gained, label = mean_interval(after - before, interval_generator()), evidence.replication.methods[method].label
    what = f"gain of the first step, {label}"
    return _above(gained, what, evidence.spec.options["at_least"], evidence.seeds(experiment, method))


def _above(interval: Interval, statistic: str, threshold: float, seeds: int) -> ClaimResult:
    return _bounded(interval, statistic, threshold, "above", seeds)


def _bounded(interval: Interval, statistic: str, threshold: float, direction: str, seeds: int) -> ClaimResult:
    return ClaimResult(statistic, interval.value, interval.low, interval.high, threshold, direction, seeds)
