"""The paper's claims 1–4 as tests on finished runs, how close our numbers are to the printed ones, and our findings.

Unless it says otherwise, a test sees the final scores `(seeds, tasks)` of runs that met the same test tasks, so
differences are paired.
"""

from dataclasses import replace

import numpy as np

from shared.analysis.claims import ClaimResult, all_of
from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Evidence, interval_generator
from shared.analysis.statistics import bootstrap_of_means, difference_interval

PUBLISHED_BLOCK = ("psrl", "opsrl", "ucrl2", "beb", "epsilon-greedy-mdp", "greedy-mdp")
INFORMED_BLOCK = ("psrl-informed", "opsrl-informed", "ucrl2-informed", "beb-informed", "greedy-informed")
PAPER_INSTANCES = 1000  # Sec. 3: instances behind each printed cell
ONE_SIDED_5_PERCENT = 1.645
LEVELS = (0.8, 0.6, 0.4, 0.2)  # of claim 4, on the normalised axis of Figure 3


def common_scores(
    evidence: Evidence, experiment: str, methods: tuple[str, ...] | list[str]
) -> dict[str, np.ndarray] | None:
    """Return the final scores `(seeds, tasks)` of all `methods`, None where there is no place that has them all.

    All come from this machine, or else all from the reference: only then did they meet the same tasks.
    """
    for origin in (THIS_MACHINE, REFERENCE):
        scores = {method: evidence.scores(experiment, method, origin=origin) for method in methods}
        if all(array.size for array in scores.values()):
            return scores
    return None


def margin(
    evidence: Evidence,
    experiment: str,
    method: str,
    others: tuple[str, ...] | list[str],
    threshold: float | None = None,
) -> ClaimResult | None:
    """Test that `method` earns more than the best of `others`, paired over tasks, as a share of what that one earns.

    Without `threshold` it is the paper's own resolution: what a one-sided 5 % test on two samples of 1,000 instances
    cannot tell from zero.
    """
    scores = common_scores(evidence, experiment, [method, *others])
    if scores is None:
        return None
    other = max(others, key=lambda name: scores[name].mean())
    x, y = scores[method], scores[other]
    level = y.mean()
    if threshold is None:
        error = np.sqrt((x.var(axis=1).mean() + y.var(axis=1).mean()) / PAPER_INSTANCES)
        threshold = -ONE_SIDED_5_PERCENT * error / level
    difference = difference_interval(x, y, interval_generator())
    label = evidence.replication.experiments[experiment].label
    return ClaimResult(
        statistic=f"relative gain of {method} over {other}, {label}",
        value=difference.value / level,
        low=difference.low / level,
        high=difference.high / level,
        threshold=threshold,
        direction="above",
        seeds=max(len(x), len(y)),
    )


def near_optimal_bandits(evidence: Evidence) -> ClaimResult | None:
    """Claim 1: in each setting RL² is not significantly worse than the best baseline."""
    results = []
    for experiment in evidence.spec.experiments:
        baselines = [method for method in evidence.methods(experiment) if method != "rl2"]
        results.append(margin(evidence, experiment, "rl2", baselines))
    return all_of(*results)


def beats_gittins_when_short(evidence: Evidence) -> ClaimResult | None:
    """Claim 1, second half: at n = 10 RL² earns more than the Gittins reference.

    Calibrated indices with a tuned discount, unlike the paper's approximation, leave next to nothing to be gained: the
    detail says how much the Bayes-optimal policy, which none can beat, gains over them.
    """
    results = []
    for experiment in evidence.spec.experiments:
        gain = margin(evidence, experiment, "rl2", ["gittins"], 0.0)
        most = margin(evidence, experiment, "bayes-optimal", ["gittins"], 0.0)
        if gain and most:
            gain = replace(gain, detail=f"the most that any policy can gain is {most.value:.4f}")
        results.append(gain)
    return all_of(*results)


def imitation_reaches_gittins(evidence: Evidence) -> ClaimResult | None:
    """Claim 2: RL² falls short of Gittins, and the same network taught by Gittins does not (within 2 %)."""
    (experiment,) = evidence.spec.experiments
    return all_of(
        margin(evidence, experiment, "gittins", ["rl2"], 0.0),
        margin(evidence, experiment, "imitation", ["gittins"], -0.02),
    )


def best_for_few_episodes(evidence: Evidence) -> ClaimResult | None:
    """Claim 3: RL² earns more than the best baseline as published at n = 10 and 25."""
    return all_of(*(margin(evidence, name, "rl2", PUBLISHED_BLOCK, 0.0) for name in evidence.spec.experiments))


def worse_for_many_episodes(evidence: Evidence) -> ClaimResult | None:
    """Claim 3, second half: OPSRL as published earns more than RL² at n = 75 and 100."""
    return all_of(*(margin(evidence, name, "opsrl", ["rl2"], 0.0) for name in evidence.spec.experiments))


def slower_for_more_episodes(evidence: Evidence) -> ClaimResult | None:
    """Claim 4: the more episodes a trial has, the more environment steps RL² needs to reach a normalised level.

    The level is the highest of `LEVELS` that every curve reaches.
    """
    experiments = evidence.spec.experiments
    found = {level: [_steps_to_reach(evidence, name, level) for name in experiments] for level in LEVELS}
    level = next((level for level, needed in found.items() if None not in needed), None)
    if level is None or len(experiments) < 2:
        return None
    labels = {name: evidence.replication.experiments[name].label for name in experiments}
    pairs = zip(experiments, experiments[1:], found[level], found[level][1:], strict=False)
    return all_of(
        *(
            ClaimResult(
                statistic=f"steps to normalised {level:g}, {labels[after]} over {labels[before]}",
                value=more[1] / fewer[1],
                low=more[0] / fewer[2],
                high=more[2] / max(fewer[0], 1.0),
                threshold=1.0,
                direction="above",
                seeds=min(evidence.seeds(name, "rl2") for name in (before, after)),
                detail="interval from the standard error of each batch's mean return",
            )
            for before, after, fewer, more in pairs
        )
    )


def baselines_match(evidence: Evidence) -> ClaimResult | None:
    """Ours: every baseline's mean lies within 2 % of the printed one, or within its sampling error if that is wider.

    The sampling error is three standard errors of the paper's mean over 1,000 instances. Nothing is paired.
    """
    results, beyond = [], []
    for experiment in evidence.spec.experiments:
        for method in evidence.methods(experiment):
            published = evidence.published_value(experiment, method)
            if published is None:
                continue
            scores, ours = evidence.scores(experiment, method), evidence.mean(experiment, method)
            if ours is None:
                results.append(None)
                continue
            tolerance = max(0.02 * published, 3 * np.sqrt(scores.var(axis=1).mean() / PAPER_INSTANCES))
            low, value, high = ((x - published) / tolerance for x in (ours.low, ours.value, ours.high))
            cell = f"{evidence.replication.methods[method].label}, {evidence.replication.experiments[experiment].label}"
            results.append(
                ClaimResult(
                    statistic=f"distance from the printed mean in tolerances, {cell}",
                    value=abs(value),
                    low=0.0 if low <= 0 <= high else min(abs(low), abs(high)),
                    high=max(abs(low), abs(high)),
                    threshold=1.0,
                    direction="below",
                    seeds=0,
                )
            )
            if abs(value) > 1:
                beyond.append(f"{cell}: {ours.value:.1f}, printed {published:.1f}")
    weakest = all_of(*results)
    if weakest is None or not beyond:
        return weakest
    return replace(weakest, detail=f"{weakest.detail}; beyond: {'; '.join(beyond)}")


def near_published(evidence: Evidence) -> ClaimResult | None:
    """Ours: RL² earns at least 97 % of the printed value."""
    results = []
    for experiment in evidence.spec.experiments:
        published, ours = evidence.published_value(experiment, "rl2"), evidence.mean(experiment, "rl2")
        if ours is None or published is None:
            return None
        share = ours.affine(0.0, published)
        label = evidence.replication.experiments[experiment].label
        statistic = f"share of the printed value, {label}"
        seeds = evidence.seeds(experiment, "rl2")
        results.append(ClaimResult(statistic, share.value, share.low, share.high, 0.97, "above", seeds))
    return all_of(*results)


def informed_planners_overtake(evidence: Evidence) -> ClaimResult | None:
    """Our finding: RL² earns less than the best planner that is told the true prior, at every n."""
    shortfalls = (margin(evidence, name, "rl2", INFORMED_BLOCK, 0.0) for name in evidence.spec.experiments)
    return all_of(*(replace(result, direction="below") if result else None for result in shortfalls))


def near_bayes_optimum(evidence: Evidence) -> ClaimResult | None:
    """Our measure of claim 1 at n = 10: RL²'s share of the exact Bayes-optimal value is at least 98.5 %."""
    results = []
    for experiment in evidence.spec.experiments:
        scores = common_scores(evidence, experiment, ["rl2", "bayes-optimal"])
        if scores is None:
            return None
        share = bootstrap_of_means(np.divide, *scores.values(), rng=interval_generator())
        label = evidence.replication.experiments[experiment].label
        seeds = len(scores["rl2"])
        statistic = f"share of the Bayes-optimal policy's reward on the same bandits, {label}"
        results.append(ClaimResult(statistic, share.value, share.low, share.high, 0.985, "above", seeds))
    return all_of(*results)


def _steps_to_reach(evidence: Evidence, experiment: str, level: float) -> tuple[float, float, float] | None:
    """Environment steps to normalised `level`: (earliest, at the mean, latest) within ± 2 standard errors.

    The level may have been reached at any time since the batch before, which is where the earliest begins. None where
    it was not reached for sure.
    """
    normaliser = evidence.normaliser(experiment)
    curve = evidence.curve(experiment, "rl2", "train/return")
    error = evidence.curve(experiment, "rl2", "train/return_se")
    if normaliser is None or curve is None or error is None:
        return None
    shift, scale = normaliser
    target = shift + level * scale
    steps = np.concatenate([[0.0], curve.env_steps])
    crossings = []
    for sign, before in ((2, 1), (0, 0), (-2, 0)):
        above = curve.value + sign * error.value >= target
        if not above.any():
            return None
        crossings.append(float(steps[above.argmax() + 1 - before]))
    return tuple(crossings)
