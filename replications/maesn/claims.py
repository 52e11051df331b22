"""The papers' claims as tests on finished runs."""

import numpy as np

from replications.maesn.learner import WAY
from replications.maesn.promp_tasks import CORNERS
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
    apart = _percentiles(np.array([(spread_over(after, t) - spread_over(before, t)).mean() for t in draws]))
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


def gains_between(evidence: Evidence) -> ClaimResult | None:
    """Between two batches of a test, `first` and `last` (default 0, 1), the method gains `at_least`, or `at_most`."""
    options = evidence.spec.options
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    first, last = options.get("first", 0), options.get("last", 1)
    before, after = (evidence.scores(experiment, method, "return", step) for step in (first, last))
    if not after.size:
        return None
    gained, label = mean_interval(after - before, interval_generator()), evidence.replication.methods[method].label
    what, seeds = f"return of {label} after {last} steps minus that after {first}", evidence.seeds(experiment, method)
    if "at_most" in options:
        return _bounded(gained, what, options["at_most"], "below", seeds)
    return _above(gained, what, options["at_least"], seeds)


def ends_as_high(evidence: Evidence) -> ClaimResult | None:
    """After its last batch the first method earns as much as the second, or less by at most `margin` (default 0).

    With two experiments the second method's run is in the second one, of the same family; the tasks of both count.
    """
    experiments, methods = evidence.spec.experiments, evidence.spec.methods
    scores = [
        evidence.scores(*cell, "return", "last")
        for cell in ((experiments[0], methods[0]), (experiments[-1], methods[1]))
    ]
    if not all(found.size for found in scores):
        return None
    own, other = (evidence.replication.methods[method].label for method in methods)
    common = min(found.shape[1] for found in scores)  # the first test tasks of a family are always the same
    difference = difference_interval(*(found[:, :common] for found in scores), interval_generator())
    threshold = -evidence.spec.options.get("margin", 0.0)
    return _above(
        difference, f"final return, {own} minus {other}", threshold, evidence.seeds(experiments[0], methods[0])
    )


def learns_more(evidence: Evidence) -> ClaimResult | None:
    """The first method's mean of `metric` over training is above that of the others; None with less than two seeds."""
    (experiment,), (method, *others) = evidence.spec.experiments, evidence.spec.methods
    means = {name: training_means(evidence, experiment, name) for name in (method, *others)}
    if any(found.size < 2 for found in means.values()):
        return None
    labels = {name: evidence.replication.methods[name].label for name in means}
    return all_of(*(
        _above(
            difference_interval(means[method][:, None], means[name][:, None], interval_generator(), level="runs"),
            f"mean of {evidence.spec.options['metric']} over training, {labels[method]} minus {labels[name]}",
            0.0,
            len(means[method]),
        )
        for name in others
    ))  # fmt: skip


def training_means(evidence: Evidence, experiment: str, method: str) -> np.ndarray:
    """Return the mean of the option's `metric` over the meta-iterations of every seed, `(seeds,)`."""
    rows = evidence.metrics_cell(experiment, method)
    metric = evidence.spec.options["metric"]
    return rows.groupby("seed")[metric].mean().to_numpy() if metric in rows else np.empty(0)


def noisier(evidence: Evidence) -> ClaimResult | None:
    """The first method's meta-gradients have at least `times` the relative standard deviation of the second's.

    A meta-iteration of each measures it; the interval is over meta-iterations, which are taken as pairs.
    """
    (experiment,), methods = evidence.spec.experiments, evidence.spec.methods
    cells = [evidence.metrics_cell(experiment, method) for method in methods]
    if any("outer/gradient_noise" not in rows for rows in cells):
        return None
    noise, other = (rows.groupby("iteration")["outer/gradient_noise"].mean() for rows in cells)
    ratios = np.log(noise / other).dropna().to_numpy()
    mean = mean_interval(ratios[None], interval_generator())
    labels = [evidence.replication.methods[method].label for method in methods]
    what = f"relative standard deviation of meta-gradients, {labels[0]} over {labels[1]} (geometric mean)"
    ratio = Interval(*np.exp([mean.value, mean.low, mean.high]).tolist())
    return _above(ratio, what, evidence.spec.options["times"], evidence.seeds(experiment, methods[0]))


def visits_all_corners(evidence: Evidence) -> ClaimResult | None:
    """Before adaptation the first method comes near each of the four corners, and the other neglects one of them.

    That is: of the corner that is visited in the fewest episodes, the share of episodes is at least `at_least`, and
    larger than the other method's. An episode visits a corner that its way comes within `radius` of.
    """
    (experiment,), (method, other) = evidence.spec.experiments, evidence.spec.methods
    visits = {name: corner_visits(evidence, experiment, name) for name in (method, other)}
    if any(found is None for found in visits.values()):
        return None
    labels = {name: evidence.replication.methods[name].label for name in visits}
    seeds, rng = evidence.seeds(experiment, method), interval_generator()
    draws = {name: _least_shares(found, rng) for name, found in visits.items()}
    difference = draws[method] - draws[other]
    what = f"share of episodes near the least visited corner, {labels[method]}"
    return all_of(
        _above(_percentiles(draws[method]), what, evidence.spec.options["at_least"], seeds),
        _above(_percentiles(difference), f"{what} minus {labels[other]}", 0.0, seeds),
    )


def corner_visits(evidence: Evidence, experiment: str, method: str) -> np.ndarray | None:
    """Return which corners the first episodes before adaptation came near, `(episodes, 4)`; None if not run."""
    ways = [
        np.stack([evidence.scores(experiment, method, f"{axis}{i:02}", FIRST) for i in range(WAY + 1)], axis=-1)
        for axis in "xy"
    ]
    if not ways[0].size:
        return None
    places = np.stack(ways, axis=-1).reshape(-1, WAY + 1, 1, 2)
    near = np.linalg.norm(places - CORNERS, axis=-1) <= evidence.spec.options["radius"]
    return near.any(axis=1)


def _least_shares(visits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the share of the corner visited least: of all episodes, then of `DRAWS` bootstrap samples of them."""
    samples = [np.arange(len(visits)), *rng.integers(len(visits), size=(DRAWS, len(visits)))]
    return np.array([visits[sample].mean(axis=0).min() for sample in samples])


def _percentiles(draws: np.ndarray) -> Interval:
    """Return the first of `draws` with the 95 % interval of the others."""
    value, (low, high) = float(draws[0]), np.percentile(draws[1:], [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def quicker(evidence: Evidence) -> ClaimResult | None:
    """The first method needs at most `at_most` of the second's seconds for as many environment steps of training."""
    (experiment,), methods = evidence.spec.experiments, evidence.spec.methods
    speeds = [evidence.training_speed(experiment, method) for method in methods]
    if None in speeds:
        return None
    share = speeds[1] / speeds[0]
    labels = [evidence.replication.methods[method].label for method in methods]
    what = f"seconds of training per environment step, {labels[0]} over {labels[1]}"
    return _bounded(
        Interval(share, share, share),
        what,
        evidence.spec.options["at_most"],
        "below",
        evidence.seeds(experiment, methods[0]),
    )


def _above(interval: Interval, statistic: str, threshold: float, seeds: int) -> ClaimResult:
    return _bounded(interval, statistic, threshold, "above", seeds)


def _bounded(interval: Interval, statistic: str, threshold: float, direction: str, seeds: int) -> ClaimResult:
    return ClaimResult(statistic, interval.value, interval.low, interval.high, threshold, direction, seeds)
