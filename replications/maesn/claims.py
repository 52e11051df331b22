"""The papers' claims as tests on finished runs."""

from collections.abc import Iterable

import numpy as np

from replications.maesn.promp_points import VISITS
from shared.analysis.claims import ClaimResult, all_of
from shared.analysis.evidence import REQUIRED, Evidence, interval_generator, read_options
from shared.analysis.statistics import Interval, difference_interval, mean_interval

DRAWS = 2000
FIRST = 0
BOUNDLESS = 1e9


def adapts_better(evidence: Evidence) -> ClaimResult | None:
    """The first method gains from adaptation, and `times` as much as each of the others (default 1).

    The gain is what the last batch of a test earns beyond the first. Options: `at_least`, what it must be;
    `others_at_most`, what those of others may be; `solved`, by how much the share of episodes that reach the goal must
    rise: costs of control alone can be saved, too.
    """
    options = read_options(evidence, at_least=0.0, others_at_most=None, solved=None, times=1)
    (experiment,), (method, *others) = evidence.spec.experiments, evidence.spec.methods
    own = gains(evidence, experiment, method)
    rivals = {name: gains(evidence, experiment, name) for name in others}
    if own is None or any(gained is None for gained in rivals.values()):
        return None
    seeds = evidence.seeds(experiment, method)
    label = evidence.replication.methods[method].label
    found = [_above(mean_interval(own, interval_generator()), f"gain, {label}", options["at_least"], seeds)]
    if options["solved"] is not None:
        rise = mean_interval(gains(evidence, experiment, method, "solved"), interval_generator())
        found.append(_above(rise, f"rise of the share of episodes inside, {label}", options["solved"], seeds))
    times, limit = options["times"], options["others_at_most"]
    for name, gained in rivals.items():
        theirs, their_seeds = evidence.replication.methods[name].label, evidence.seeds(experiment, name)
        what = f"gain, {label}, minus {times:g} times that of {theirs}"
        found.append(_above(_difference(own, times * gained), what, 0.0, min(seeds, their_seeds)))
        if limit is not None:
            level = mean_interval(gained, interval_generator())
            found.append(_bounded(level, f"gain, {theirs}", limit, "below", their_seeds))
    return all_of(*found)


def gains(evidence: Evidence, experiment: str, method: str, column: str = "return") -> np.ndarray | None:
    """Return what adaptation gains, `(seeds, tasks)`; None where there is no run."""
    last, first = (evidence.scores(experiment, method, column, episode) for episode in ("last", FIRST))
    return last - first if last.size else None


def explores_wider(evidence: Evidence) -> ClaimResult | None:
    """Ways of the first method end under more spread angles than those of the second; both in degrees.

    Options: `at_least` of the first, `at_most` of the second, the standard deviations over episodes; without either,
    the first's must only be larger. `distance`: how far from the origin the first's ways must end, in metres: who stays
    there ends under any angle.
    """
    options = read_options(evidence, at_least=None, at_most=None, distance=None)
    (experiment,), (method, other) = evidence.spec.experiments, evidence.spec.methods
    spreads = {name: angle_spread(evidence, experiment, name) for name in (method, other)}
    if None in spreads.values():
        return None
    labels = {name: evidence.replication.methods[name].label for name in spreads}
    seeds, their_seeds = (evidence.seeds(experiment, name) for name in (method, other))
    found = []
    if options["distance"] is not None:
        away = mean_interval(evidence.scores(experiment, method, "distance", FIRST), interval_generator())
        found.append(_above(away, f"distance from the origin, {labels[method]}, metres", options["distance"], seeds))
    if options["at_least"] is not None:
        found.append(_above(spreads[method], f"angle's spread, {labels[method]}, degrees", options["at_least"], seeds))
    if options["at_most"] is not None:
        what = f"angle's spread, {labels[other]}, degrees"
        found.append(_bounded(spreads[other], what, options["at_most"], "below", their_seeds))
    if options["at_least"] is None and options["at_most"] is None:
        wider, what = _minus(spreads[method], spreads[other]), f"{labels[method]} minus {labels[other]}"
        found.append(_above(wider, f"angle's spread, {what}, degrees", 0.0, min(seeds, their_seeds)))
    return all_of(*found)


def angle_spread(evidence: Evidence, experiment: str, method: str) -> Interval | None:
    """Return by how much the angle varies under which episodes end before adaptation, in degrees; None if not run."""
    spreads = evidence.scores(experiment, method, "angle_spread", FIRST)
    return mean_interval(spreads, interval_generator()) if spreads.size else None


def latents_move_apart(evidence: Evidence) -> ClaimResult | None:
    """Training tasks' latents lie near the prior before adaptation (mean KL at most `most` nats) and apart after it.

    Apart: the standard deviation of their means over tasks grows by at least `apart`; noise alone makes it grow a bit.
    """
    options = read_options(evidence, most=REQUIRED, apart=REQUIRED)
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    before, after = (latent_means(evidence, experiment, method, step) for step in (0, 1))
    if before is None:
        return None
    seeds = evidence.seeds(experiment, method)
    divergence = mean_interval(divergences(evidence, experiment, method), interval_generator())
    rng = interval_generator()
    draws = [np.arange(before.shape[1]), *rng.integers(before.shape[1], size=(DRAWS, before.shape[1]))]
    apart = _percentiles(np.array([(spread_over(after, t) - spread_over(before, t)).mean() for t in draws]))
    return all_of(
        _bounded(divergence, "KL from the prior before adaptation, nats", options["most"], "below", seeds),
        _above(apart, "standard deviation of latent means over tasks, after minus before", options["apart"], seeds),
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
    """Between two batches of a test, `first` and `last` (default 0, 1), the method gains `at_least`.

    With the option `share` that is at least this share of what it gains until its last batch.
    """
    options = read_options(evidence, first=0, last=1, at_least=REQUIRED, share=None)
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    first, last = options["first"], options["last"]
    gained, label = step_gain(evidence, experiment, method, first, last), evidence.replication.methods[method].label
    if gained is None:
        return None
    what, seeds = f"return of {label} after {last} steps minus that after {first}", evidence.seeds(experiment, method)
    conditions = [_above(gained, what, options["at_least"], seeds)]
    if options["share"] is not None:
        before, after, end = (evidence.scores(experiment, method, "return", step) for step in (first, last, "last"))
        rest = mean_interval(after - before - options["share"] * (end - before), interval_generator())
        conditions.append(_above(rest, f"{what}, minus {options['share']:g} of the gain in the end", 0.0, seeds))
    return all_of(*conditions)


def as_published(evidence: Evidence) -> ClaimResult | None:
    """Along a test the method's returns are the published ones, all within a standard error of the difference.

    Of published values and standard errors by step; ours are over test tasks.
    """
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    found, rows = [], evidence.published_rows(experiment, method)
    for row in rows[rows["spread"] == "sem"].itertuples():
        scores = evidence.scores(experiment, method, "return", int(row.x_value))
        if not scores.size:
            continue  # the test has fewer steps, or did not take place
        error = np.hypot((row.high - row.low) / 2, scores.std(ddof=1) / np.sqrt(scores.size))
        away = abs(scores.mean() - row.value) / error
        what = f"standard errors between ours and published after {int(row.x_value)} steps"
        found.append(_bounded(Interval(away, away, away), what, 1.0, "below", evidence.seeds(experiment, method)))
    return all_of(*found) if found else None


def step_gain(evidence: Evidence, experiment: str, method: str, first: int, last: int) -> Interval | None:
    """Return what a method's batch `last` earns beyond its batch `first`; None where there is no run."""
    before, after = (evidence.scores(experiment, method, "return", step) for step in (first, last))
    return mean_interval(after - before, interval_generator()) if after.size else None


def fails_where_another_adapts(evidence: Evidence) -> ClaimResult | None:
    """By its first step the first method gains `at_most`, the second `at_least`: there is something to learn."""
    options = read_options(evidence, at_most=REQUIRED, at_least=REQUIRED)
    (experiment,), (method, other) = evidence.spec.experiments, evidence.spec.methods
    found = []
    for name, limit, direction in ((method, options["at_most"], "below"), (other, options["at_least"], "above")):
        gained = step_gain(evidence, experiment, name, 0, 1)
        if gained is None:
            return None
        what = f"gain by the first step, {evidence.replication.methods[name].label}"
        found.append(_bounded(gained, what, limit, direction, evidence.seeds(experiment, name)))
    return all_of(*found)


def ends_as_high(evidence: Evidence) -> ClaimResult | None:
    """After a batch of a test the first method has as much as each of the others, or less by at most `margin` (0).

    Options: `column` (the return), `batches` (of the first method and of the others; the last one), `at_least`: what
    the first must have. With two experiments the others' runs are in the second one, of the same family; the tasks of
    both count.
    """
    options = read_options(evidence, column="return", batches=["last", "last"], at_least=None, margin=0.0)
    experiments, (method, *others) = evidence.spec.experiments, evidence.spec.methods
    column, batches = options["column"], options["batches"]
    label, seeds = evidence.replication.methods[method].label, evidence.seeds(experiments[0], method)
    own = evidence.scores(experiments[0], method, column, batches[0])
    found = []
    for name in others:
        theirs = evidence.scores(experiments[-1], name, column, batches[1])
        if not (own.size and theirs.size):
            return None
        what = f"{column}, {label} minus {evidence.replication.methods[name].label}"
        both = min(seeds, evidence.seeds(experiments[-1], name))
        found.append(_above(_difference(own, theirs), what, -options["margin"], both))
    if options["at_least"] is not None:
        found.append(_above(mean_interval(own, interval_generator()), f"{column}, {label}", options["at_least"], seeds))
    return all_of(*found)


def trains_as_high(evidence: Evidence) -> ClaimResult | None:
    """In the last tenth of training the first method's `metric` is as high as the second's, to within `margin`.

    The interval is over seeds and meta-iterations.
    """
    options = read_options(evidence, metric=REQUIRED, margin=REQUIRED)
    (experiment,), methods = evidence.spec.experiments, evidence.spec.methods
    metric, ends = options["metric"], []
    for method in methods:
        rows = evidence.metrics_cell(experiment, method)
        if metric not in rows or rows[metric].isna().all():
            return None
        late = [run[run["env_steps"] > 0.9 * run["env_steps"].max()] for _, run in rows.groupby("seed")]
        common = min(map(len, late))  # where episodes end early, seeds differ in steps and in iterations
        ends.append(np.stack([run.sort_values("env_steps")[metric].to_numpy()[-common:] for run in late]))
    labels = [evidence.replication.methods[method].label for method in methods]
    own, other = (mean_interval(end, interval_generator()) for end in ends)
    difference = _minus(own, other)
    what = f"{metric} at the end of training, {labels[0]} minus {labels[1]}"
    return _above(difference, what, -options["margin"], _fewest_seeds(evidence, experiment, methods))


def learns_more(evidence: Evidence) -> ClaimResult | None:
    """The first method's mean of `metric` over training is above that of the others; None with less than two seeds.

    With the option `less` it is below.
    """
    options = read_options(evidence, metric=REQUIRED, less=False)
    (experiment,), (method, *others) = evidence.spec.experiments, evidence.spec.methods
    means = {name: training_means(evidence, experiment, name, options["metric"]) for name in (method, *others)}
    if any(found.size < 2 for found in means.values()):
        return None
    labels = {name: evidence.replication.methods[name].label for name in means}
    return all_of(*(
        _bounded(
            difference_interval(means[method][:, None], means[name][:, None], interval_generator(), level="runs"),
            f"mean of {options['metric']} over training, {labels[method]} minus {labels[name]}",
            0.0,
            "below" if options["less"] else "above",
            min(len(means[method]), len(means[name])),
        )
        for name in others
    ))  # fmt: skip


def training_means(evidence: Evidence, experiment: str, method: str, metric: str) -> np.ndarray:
    """Return the mean of `metric` over the meta-iterations of every seed, `(seeds,)`."""
    rows = evidence.metrics_cell(experiment, method)
    return rows.groupby("seed")[metric].mean().to_numpy() if metric in rows else np.empty(0)


def noisier(evidence: Evidence) -> ClaimResult | None:
    """The first method's meta-gradients have at least `times` the relative standard deviation of the second's.

    That of a run is √(Σ variance / Σ signal) over the meta-iterations that measured it, see `promp.gradient_noise`; the
    interval is over these.
    """
    options = read_options(evidence, times=REQUIRED)
    (experiment,), methods = evidence.spec.experiments, evidence.spec.methods
    columns = ["outer/gradient_variance", "outer/gradient_signal"]
    cells = [evidence.metrics_cell(experiment, method) for method in methods]
    if any(not set(columns) <= set(rows) for rows in cells):
        return None
    measured, rng = [rows[columns].dropna().to_numpy() for rows in cells], interval_generator()
    if not all(map(len, measured)):
        return None
    first, second = (_relative_noise(rows, rng) for rows in measured)
    # Without a signal noise is all there is: a sample then says that the ratio is boundless, or nothing.
    if np.isnan(first[0]) or np.isnan(second[0]):
        return None
    ratios = np.where(np.isnan(second), 0.0, np.where(np.isnan(first), BOUNDLESS, first / second))
    labels = [evidence.replication.methods[method].label for method in methods]
    what = f"relative standard deviation of meta-gradients, {labels[0]} over {labels[1]}"
    return _above(_percentiles(ratios), what, options["times"], _fewest_seeds(evidence, experiment, methods))


def _relative_noise(measured: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return √(Σ variance / Σ signal) of rows `(n, 2)`, then of bootstrap samples of them; NaN without a signal."""
    samples = np.concatenate([np.arange(len(measured))[None], rng.integers(len(measured), size=(DRAWS, len(measured)))])
    variance, signal = measured[samples].sum(axis=1).T
    return np.sqrt(np.where(signal > 0, variance / np.where(signal > 0, signal, 1.0), np.nan))


def visits_all_corners(evidence: Evidence) -> ClaimResult | None:
    """Before adaptation the first method comes near each of the four corners, and the other neglects one of them.

    That is: of the corner that is visited in the fewest episodes, the share of episodes is at least `at_least`, and
    larger than the other method's.
    """
    options = read_options(evidence, at_least=REQUIRED)
    (experiment,), (method, other) = evidence.spec.experiments, evidence.spec.methods
    visits = {name: corner_visits(evidence, experiment, name) for name in (method, other)}
    if any(found is None for found in visits.values()):
        return None
    labels = {name: evidence.replication.methods[name].label for name in visits}
    seeds, rng = evidence.seeds(experiment, method), interval_generator()
    draws = {name: _least_shares(found, rng) for name, found in visits.items()}
    difference, both = draws[method] - draws[other], _fewest_seeds(evidence, experiment, visits)
    what = f"share of episodes near the least visited corner, {labels[method]}"
    return all_of(
        _above(_percentiles(draws[method]), what, options["at_least"], seeds),
        _above(_percentiles(difference), f"{what} minus {labels[other]}", 0.0, both),
    )


def corner_visits(evidence: Evidence, experiment: str, method: str) -> np.ndarray | None:
    """Return shares of episodes before adaptation that came near each corner, `(batches, 4)`; None if not run."""
    shares = [evidence.scores(experiment, method, name, FIRST) for name in VISITS]
    return np.stack(shares, axis=-1).reshape(-1, len(VISITS)) if shares[0].size else None


def _least_shares(visits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the share of the corner visited least: over all batches, then over `DRAWS` bootstrap samples of them."""
    samples = [np.arange(len(visits)), *rng.integers(len(visits), size=(DRAWS, len(visits)))]
    return np.array([visits[sample].mean(axis=0).min() for sample in samples])


def _percentiles(draws: np.ndarray) -> Interval:
    """Return the first of `draws` with the 95 % interval of the others."""
    value, (low, high) = float(draws[0]), np.percentile(draws[1:], [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def quicker(evidence: Evidence) -> ClaimResult | None:
    """The first method needs at most `at_most` of the second's seconds for as many environment steps of training."""
    options = read_options(evidence, at_most=REQUIRED)
    (experiment,), methods = evidence.spec.experiments, evidence.spec.methods
    speeds = [evidence.training_speed(experiment, method) for method in methods]
    if None in speeds:
        return None
    share = speeds[1] / speeds[0]
    labels = [evidence.replication.methods[method].label for method in methods]
    what = f"seconds of training per environment step, {labels[0]} over {labels[1]}"
    seeds = _fewest_seeds(evidence, experiment, methods)
    return _bounded(Interval(share, share, share), what, options["at_most"], "below", seeds)


def _fewest_seeds(evidence: Evidence, experiment: str, methods: Iterable[str]) -> int:
    """Return how many seeds the one of `methods` has that has the fewest."""
    return min(evidence.seeds(experiment, method) for method in methods)


def _difference(own: np.ndarray, theirs: np.ndarray) -> Interval:
    """Return the mean of scores `(seeds, tasks)` minus that of others; the tasks that both have count."""
    common = min(own.shape[1], theirs.shape[1])  # the first test tasks of a family are always the same
    return difference_interval(own[:, :common], theirs[:, :common], interval_generator())


def _minus(own: Interval, other: Interval) -> Interval:
    """Return the difference of two means, with the widest interval that theirs allow."""
    return Interval(own.value - other.value, own.low - other.high, own.high - other.low)


def _above(interval: Interval, statistic: str, threshold: float, seeds: int) -> ClaimResult:
    return _bounded(interval, statistic, threshold, "above", seeds)


def _bounded(interval: Interval, statistic: str, threshold: float, direction: str, seeds: int) -> ClaimResult:
    return ClaimResult(statistic, interval.value, interval.low, interval.high, threshold, direction, seeds)
