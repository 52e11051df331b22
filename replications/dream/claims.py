"""The paper's claims as tests on finished runs."""

from typing import Any

from replications.dream.consistency import explorations
from replications.dream.growth import growth, samples_by_size
from shared.analysis.claims import ClaimResult, all_of
from shared.analysis.evidence import REQUIRED, Evidence, interval_generator, read_options
from shared.analysis.statistics import Interval, difference_interval
from shared.study.loading import load_object

SIZES = 4  # fewer numbers of actions say nothing of growth
# Shares of what exploring is worth that count as all of it, and as none, but well exploited.
REACHED, LEARNED = 0.9, -0.2
EXPLORATION = 0  # the first episode


def alone_explores(evidence: Evidence) -> ClaimResult | None:
    """Claims 1, 3, 4: the first method earns what who knows the problem earns; who learns end to end does not.

    `methods`: the method, who knows the problem, who knows nothing, and the others, of which at least one must have
    run. What counts is the share of what exploring is worth: 0 for who knows nothing, 1 for who knows the problem. The
    others must have learned what can be had without exploring, and less than half of the rest; with the option `some`,
    a method that knows some of the problem, less than halfway from that method's share to 1. Options `at_least` and
    `at_most`: bounds on what the method does while exploring, by measure.
    """
    (experiment,), (method, known, unknown, *others) = evidence.spec.experiments, evidence.spec.methods
    options = read_options(evidence, some=unknown, at_least={}, at_most={})
    some = options["some"]
    others = [name for name in others if name != some]
    top, bottom, middle = (evidence.mean(experiment, name, episode="last") for name in (known, unknown, some))
    if top is None or bottom is None or middle is None:
        return None
    most = (1 + (middle.value - bottom.value) / (top.value - bottom.value)) / 2
    earned = {name: evidence.mean(experiment, name, episode="last") for name in (method, *others)}
    shares = {
        name: interval.affine(bottom.value, top.value - bottom.value)
        for name, interval in earned.items()
        if interval is not None
    }
    if method not in shares or len(shares) == 1:
        return None

    conditions = []
    for name, share in shares.items():
        statistic = f"share of what exploring is worth, {evidence.replication.methods[name].label}"
        seeds = evidence.seeds(experiment, name)
        if name == method:
            conditions.append(_bound(share, statistic, REACHED, "above", seeds))
        else:
            conditions.append(_bound(share, statistic, most, "below", seeds))
            conditions.append(_bound(share, statistic, LEARNED, "above", seeds))
    return all_of(*conditions, *_behaviour(evidence, experiment, method, options))


def alone_reads(evidence: Evidence) -> ClaimResult | None:
    """Claim 5: the first method earns more than a published number; the others, of which at least one must have run,
    earn less, but have learned not to lose.

    Options: `level`, the experiment and the method of the number; `at_least` and `at_most`, bounds on what the method
    does while exploring, by measure.
    """
    (experiment,), (method, *others) = evidence.spec.experiments, evidence.spec.methods
    options = read_options(evidence, level=REQUIRED, at_least={}, at_most={})
    threshold = evidence.published_value(*options["level"])
    earned = {name: evidence.mean(experiment, name, episode="last") for name in (method, *others)}
    earned = {name: interval for name, interval in earned.items() if interval is not None}
    if threshold is None or method not in earned or len(earned) == 1:
        return None
    conditions = []
    for name, interval in earned.items():
        statistic, seeds = f"return, {evidence.replication.methods[name].label}", evidence.seeds(experiment, name)
        if name == method:
            conditions.append(_bound(interval, statistic, threshold, "above", seeds))
        else:
            conditions.append(_bound(interval, statistic, threshold, "below", seeds))
            conditions.append(_bound(interval, statistic, LEARNED, "above", seeds))
    return all_of(*conditions, *_behaviour(evidence, experiment, method, options))


def _behaviour(evidence: Evidence, experiment: str, method: str, options: dict[str, Any]) -> list[ClaimResult]:
    """Return whether the bounds of `options` `at_least` and `at_most` hold for what is done while exploring."""
    conditions = []
    for option, direction in (("at_least", "above"), ("at_most", "below")):
        for measure, threshold in options[option].items():
            seen = evidence.mean(experiment, method, column=measure, episode=EXPLORATION)
            seeds = evidence.seeds(experiment, method)
            conditions.append(_bound(seen, f"{measure} while exploring", threshold, direction, seeds))
    return conditions


def _bound(interval: Interval, statistic: str, threshold: float, direction: str, seeds: int) -> ClaimResult:
    return ClaimResult(statistic, interval.value, interval.low, interval.high, threshold, direction, seeds)


def ignores_distractions(evidence: Evidence) -> ClaimResult | None:
    """Claim 2: without the bottleneck more useless lines are ridden while exploring, and less is earned."""
    (experiment,), (method, without) = evidence.spec.experiments, evidence.spec.methods
    if not all(evidence.seeds(experiment, name) for name in (method, without)):
        return None
    conditions = []
    for statistic, column, episode, sign in (
        ("useless lines ridden exploring, without the bottleneck minus with it", "useless_rides", EXPLORATION, -1),
        ("return, with the bottleneck minus without it", "return", "last", 1),
    ):
        pair = [evidence.scores(experiment, name, column, episode) for name in (method, without)]
        gain = difference_interval(*pair[::sign], interval_generator())
        seeds = min(map(len, pair))
        conditions.append(ClaimResult(statistic, gain.value, gain.low, gain.high, 0.0, "above", seeds))
    return all_of(*conditions)


def still_explores(evidence: Evidence) -> ClaimResult | None:
    """Claim 8: the method earns at least the option `level` where problems have several identities.

    Options `at_least` and `at_most`: bounds on what it does while exploring, by measure.
    """
    options = read_options(evidence, level=REQUIRED, at_least={}, at_most={})
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    earned = evidence.mean(experiment, method, episode="last")
    if earned is None:
        return None
    bound = _bound(earned, "return", options["level"], "above", evidence.seeds(experiment, method))
    return all_of(bound, *_behaviour(evidence, experiment, method, options))


def is_consistent(evidence: Evidence) -> ClaimResult | None:
    """Claim 7: the explorations that tell most of the latent allow the best exploitation (Prop. 1), by enumeration.

    That would fail where an episode is too short to tell all that exploitation needs, or where what tells most of the
    latent is not what pays. The detail says how few helpful lines are ridden where as much is told of the problem.
    """
    (experiment,) = evidence.experiments().values()
    family = load_object(evidence.replication.qualified(experiment.family.name), evidence.root)()
    possible = explorations(family, [0, family.problems // 2 - 2])
    most = max(one.tells_latent for one in possible)
    telling = [one for one in possible if one.tells_latent > most - 1e-9]
    share = min(one.earned for one in telling) / max(one.earned for one in possible)
    fewer = [one for one in possible if one not in telling]
    return ClaimResult(
        statistic="return after the explorations that tell most of the latent, as a share of the highest",
        value=share,
        low=share,
        high=share,
        threshold=1 - 1e-6,
        direction="above",
        seeds=0,
        detail=f"{len(possible)} explorations fit into an episode; of others, one tells "
        f"{max(one.tells_problem for one in fewer):.2f} nats of the whole problem, but allows "
        f"{max(fewer, key=lambda one: one.tells_problem).earned:.2f} of {max(one.earned for one in possible):.2f}",
    )


def grows_as(evidence: Evidence) -> ClaimResult | None:
    """Claim 6: the samples needed are a power of the law `law` of |A| that lies `direction` (of) 1.

    With the option `least`, of as many actions at least: a law is about many. A learner that went wrong in the second
    half of its trials may do so again: then there is no saying.
    """
    options = read_options(evidence, law=REQUIRED, direction=REQUIRED, least=0)
    (method,), law, least = evidence.spec.methods, options["law"], options["least"]
    samples = samples_by_size(evidence, method)
    counted = {size: samples[size] for size in sorted(samples) if size >= least}
    if len(counted) < SIZES or _undecided(evidence, method):
        return None
    power = growth(counted, law)
    return ClaimResult(
        statistic=f"power of {law} with which the samples of {method} grow",
        value=power.value,
        low=power.low,
        high=power.high,
        threshold=1.0,
        direction=options["direction"],
        seeds=min(map(len, counted.values())),
        detail=", ".join(f"|A| = {size}: {values.mean():.4g}" for size, values in counted.items()),
    )


def _undecided(evidence: Evidence, method: str) -> bool:
    """Return whether some learner was still wrong in the second half of its trials."""
    cells = [evidence.cell(name, method) for name in evidence.spec.experiments]
    return any(len(rows) and (rows["samples"] > rows["env_steps"] / 4).any() for rows in cells)
