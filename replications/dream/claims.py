"""The paper's claims as tests on finished runs."""

import numpy as np

from replications.dream.growth import LAWS, fitted_power, samples_by_size
from replications.dream.tabular import RevealingAction
from shared.analysis.claims import ClaimResult, all_of
from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Evidence, interval_generator
from shared.analysis.statistics import Interval, difference_interval

DRAWS = 2000
SIZES = 4  # fewer numbers of actions say nothing of growth
REACHED, MISSED = 0.9, 0.5  # shares of what exploring is worth that count as all of it, and as not the most of it
EXPLORATION = 0  # the first episode


def alone_explores(evidence: Evidence) -> ClaimResult | None:
    """Claims 1, 3, 4: the first method earns what who knows the problem earns; who learns end to end does not.

    `methods`: the method, who knows the problem, who knows nothing, and the others, of which at least one must have
    run. What counts is the share of what exploring is worth: 0 for who knows nothing, 1 for who knows the problem. With
    the option `looks_at`, a measure of exploration whose mean must be 0.9 at least.
    """
    (experiment,), (method, known, unknown, *others) = evidence.spec.experiments, evidence.spec.methods
    top, bottom = (evidence.mean(experiment, name, episode="last") for name in (known, unknown))
    if top is None or bottom is None:
        return None

    def share(name: str) -> Interval | None:
        earned = evidence.mean(experiment, name, episode="last")
        return earned and earned.affine(bottom.value, top.value - bottom.value)

    own, theirs = share(method), {name: share(name) for name in others}
    theirs = {name: interval for name, interval in theirs.items() if interval is not None}
    if own is None or not theirs:
        return None
    labels = {name: evidence.replication.methods[name].label for name in (method, *theirs)}
    statistic = "share of what exploring is worth, {}"
    conditions = [_bound(evidence, method, own, statistic.format(labels[method]), REACHED, "above")]
    conditions += [
        _bound(evidence, name, interval, statistic.format(labels[name]), MISSED, "below")
        for name, interval in theirs.items()
    ]
    if measure := evidence.spec.options.get("looks_at"):
        looked = evidence.mean(experiment, method, column=measure, episode=EXPLORATION)
        conditions.append(_bound(evidence, method, looked, f"{measure} while exploring", REACHED, "above"))
    return all_of(*conditions)


def ignores_distractions(evidence: Evidence) -> ClaimResult | None:
    """Claim 2: without the bottleneck more useless lines are ridden while exploring, and less is earned."""
    (experiment,), (method, without) = evidence.spec.experiments, evidence.spec.methods
    conditions = []
    for statistic, column, episode, sign in (
        ("useless lines ridden while exploring, without the bottleneck minus with it", "useless_rides", 0, -1),
        ("return, with the bottleneck minus without it", "return", "last", 1),
    ):
        pair = [evidence.scores(experiment, name, column=column, episode=episode) for name in (method, without)]
        if not all(scores.size for scores in pair):
            return None
        gain = difference_interval(*pair[::sign], interval_generator())
        seeds = min(map(len, pair))
        conditions.append(ClaimResult(statistic, gain.value, gain.low, gain.high, 0.0, "above", seeds))
    return all_of(*conditions)


def is_consistent(evidence: Evidence) -> ClaimResult | None:
    """Claim 7: the exploration that tells most of the problem leads to the highest return there is (Prop. 1).

    By enumeration of all problems, explorations and exploitations of the tabular families, played in their stepper.
    """
    shares = {}
    for name, experiment in evidence.experiments().items():
        told, earned = told_and_earned(RevealingAction(**experiment.family.arguments))
        shares[name] = earned[np.argmax(told)] / earned.max()
    worst = min(shares.values())
    return ClaimResult(
        statistic="return after the exploration that tells most, as a share of the highest",
        value=worst,
        low=worst,
        high=worst,
        threshold=1.0,
        direction="above",
        seeds=0,
        detail=f"enumerated for {len(shares)} sizes",
    )


def told_and_earned(family: RevealingAction) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each exploration, what it tells of the problem in nats and what can be earned thereafter `(A,)`."""
    size = family.actions
    problems, explored, exploited = (part.ravel() for part in np.indices((size, size, size)))
    envs = family.make(len(problems))
    envs.set_tasks(np.stack([problems, *np.zeros((2, len(problems)))], axis=1))
    envs.reset()
    shown, *_ = envs.step(explored)
    envs.reset()
    _, rewards, *_ = envs.step(exploited)
    shown, rewards = (part.reshape(size, size, size) for part in (shown[:, 0], rewards))  # (problems, explored, exploited)
    told, earned = np.zeros(size), np.zeros(size)
    for action in range(size):
        for sight in np.unique(shown[:, action]):
            here = shown[:, action, 0] == sight
            told[action] += here.mean() * (np.log(size) - np.log(here.sum()))
            earned[action] += here.mean() * rewards[here, action].mean(axis=0).max()
    return told, earned


def _bound(
    evidence: Evidence, method: str, interval: Interval, statistic: str, threshold: float, direction: str
) -> ClaimResult:
    (experiment,) = evidence.spec.experiments
    seeds = evidence.seeds(experiment, method)
    return ClaimResult(statistic, interval.value, interval.low, interval.high, threshold, direction, seeds)


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
