"""The paper's claims 1–7 as tests on finished runs, and what we ask of ours besides.

Scores are `(seeds, tasks)`; methods of one experiment met the same test tasks, so differences are paired.
"""

import numpy as np

from shared.analysis.claims import ClaimResult, all_of
from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Evidence, interval_generator
from shared.analysis.scores import evaluation_matrix, final_rows, score_matrix
from shared.analysis.statistics import bootstrap_of_means, difference_interval
from shared.study.loading import load_object
from shared.tasks.point_robot import STRIDE, SparsePointRobot

BASELINE_STEPS = 1e8  # Fig. 9: what the paper's on-policy baselines were trained for
PROGRESS = 0.8  # share of PEARL's whole improvement that marks a level as learned
LATE_EPISODES = slice(9, 20)  # of 20: the tenth and later


def more_sample_efficient(evidence: Evidence) -> ClaimResult | None:
    """Claim 1: the baseline needs at least 20 times the environment steps for 80 % of what PEARL learns.

    Where it has not got there by the end of its training, its steps are a lower bound, and the interval reaches to the
    budget of the paper's baselines.
    """
    method, baseline = evidence.spec.methods
    results = []
    for experiment in evidence.spec.experiments:
        curves = {name: _evaluations(evidence, experiment, name) for name in (method, baseline)}
        if any(curve is None for curve in curves.values()):
            results.append(None)
            continue
        (steps, values), (their_steps, their_values) = curves.values()
        start, end = values[:, 0].mean(), values[:, -1].mean()
        level = start + PROGRESS * (end - start)
        own = [_first_at(steps, row, level) for row in values]
        if end <= start or None in own:
            results.append(None)
            continue
        theirs = [_first_at(their_steps, row, level) for row in their_values]
        reached = None not in theirs
        theirs = [their_steps[-1] if one is None else one for one in theirs]
        results.append(
            ClaimResult(
                statistic=f"steps to {level:.0f}, {baseline} over {method}, {_label(evidence, experiment)}",
                value=np.mean(theirs) / np.mean(own),
                low=min(theirs) / max(own),
                high=(max(theirs) if reached else max(BASELINE_STEPS, their_steps[-1])) / min(own),
                threshold=20.0,
                direction="above",
                seeds=min(len(own), len(theirs)),
                detail="" if reached else f"a lower bound: {baseline} was still below at {their_steps[-1]:.3g} steps",
            )
        )
    return all_of(*results)


def better_asymptotically(evidence: Evidence) -> ClaimResult | None:
    """Claim 2: PEARL ends at least 50 % above the baseline in all six domains but one."""
    method, baseline = evidence.spec.methods
    results = []
    for experiment in evidence.spec.experiments:
        scores = _common(evidence, experiment, [method, baseline])
        if scores is None:
            return None
        gain = difference_interval(scores[method], scores[baseline], interval_generator())
        unit = abs(scores[baseline].mean())
        results.append(_above(f"relative gain, {_label(evidence, experiment)}", gain.affine(0.0, unit), 0.5, scores))
    results.sort(key=lambda result: result.margin[0])
    return all_of(*results[1:])


def solves_sparse_navigation(evidence: Evidence) -> ClaimResult | None:
    """Claim 3: from the tenth episode on PEARL earns at least half of what one earns who knows the goal."""
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    late = _late_returns(evidence, experiment, [method])
    if late is None:
        return None
    ceiling = best_returns(_family(evidence, experiment))[: late[method].shape[1]]
    share = bootstrap_of_means(np.divide, late[method], ceiling[None], rng=interval_generator())
    return _above("share of the return of who knows the goal, episodes 10 to 20", share, 0.5, late)


def needs_probabilistic_latents(evidence: Evidence) -> ClaimResult | None:
    """Claim 6: on sparse navigation a deterministic latent costs a tenth of what one earns who knows the goal."""
    (experiment,), (method, other) = evidence.spec.experiments, evidence.spec.methods
    late = _late_returns(evidence, experiment, [method, other])
    if late is None:
        return None
    ceiling = best_returns(_family(evidence, experiment)).mean()
    gain = difference_interval(late[method], late[other], interval_generator()).affine(0.0, ceiling)
    return _above("gain as a share of the return of who knows the goal, episodes 10 to 20", gain, 0.1, late)


def learns_faster(evidence: Evidence) -> ClaimResult | None:
    """Claims 4, 5 and 7: the first method earns more than each of the others, averaged over training.

    Averaged over all evaluations while training, up to where the shortest of the trainings ended.
    """
    first, *others = evidence.spec.methods
    results = []
    for experiment in evidence.spec.experiments:
        for other in others:
            scores = _averaged_over_training(evidence, experiment, [first, other])
            if scores is None:
                results.append(None)
                continue
            gain = difference_interval(scores[first], scores[other], interval_generator())
            label = evidence.replication.methods[other].label
            results.append(_above(f"gain in mean return while training over {label}", gain, 0.0, scores))
    return all_of(*results)


def reaches_return(evidence: Evidence) -> ClaimResult | None:
    """Ours: the median seed's return after adaptation is at least `threshold` within `env_steps`."""
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    threshold, limit = (evidence.spec.options[name] for name in ("threshold", "env_steps"))
    evaluations = _evaluations(evidence, experiment, method)
    if evaluations is None:
        return None
    steps, values = evaluations
    within = steps <= 1.03 * limit  # an iteration ends a little after a round number
    seeds = np.sort(values[:, within][:, -1])
    middle = float(np.median(seeds))
    return ClaimResult(
        statistic=f"return of the median seed after {steps[within][-1]:,.0f} steps",
        value=middle,
        low=middle,
        high=middle,
        threshold=threshold,
        direction="above",
        seeds=len(seeds),
        detail=f"seeds: {', '.join(f'{seed:.0f}' for seed in seeds)}",
    )


def gains_by_adaptation(evidence: Evidence) -> ClaimResult | None:
    """Ours: the last episode earns at least `threshold` more than the first, whose latent is the prior's."""
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    last, first = (evidence.scores(experiment, method, episode=episode) for episode in ("last", 0))
    if not last.size:
        return None
    gain = difference_interval(last, first, interval_generator())
    statistic = "return after adaptation minus return with a latent of the prior"
    return _above(statistic, gain, evidence.spec.options["threshold"], {method: last})


def ends_alike(evidence: Evidence) -> ClaimResult | None:
    """Ours: two implementations of one algorithm end within twice the pooled standard deviation of their seeds."""
    (experiment,), methods = evidence.spec.experiments, evidence.spec.methods
    scores = _common(evidence, experiment, methods)
    if scores is None or any(len(array) < 2 for array in scores.values()):
        return None
    seeds = [array.mean(axis=1) for array in scores.values()]
    spread = np.sqrt(np.mean([own.var(ddof=1) for own in seeds]))
    distance = abs(seeds[0].mean() - seeds[1].mean()) / max(spread, 1e-12)
    error = np.sqrt(sum(1 / len(own) for own in seeds))  # of a difference of means, in units of the spread
    return ClaimResult(
        statistic="distance of the mean returns in standard deviations of the seeds",
        value=distance,
        low=max(distance - 1.96 * error, 0.0),
        high=distance + 1.96 * error,
        threshold=2.0,
        direction="below",
        seeds=min(map(len, seeds)),
        detail=", ".join(
            f"{name}: {own.mean():.0f} ± {own.std(ddof=1):.0f}" for name, own in zip(methods, seeds, strict=True)
        ),
    )


def reaches_published(evidence: Evidence) -> ClaimResult | None:
    """The last value that is published of the curve of an experiment is reached."""
    (experiment,), (method,) = evidence.spec.experiments, evidence.spec.methods
    ours = evidence.mean(experiment, method, episode="last")
    own_name = evidence.replication.methods[method].published_names[0]
    rows = evidence.published_rows(experiment, method)
    rows = rows[rows["method"] == own_name].sort_values("x_value")
    if ours is None or rows.empty:
        return None
    threshold = float(rows["value"].iloc[-1])
    scores = {method: evidence.scores(experiment, method, episode="last")}
    return _above(f"return after adaptation, {_label(evidence, experiment)}", ours, threshold, scores)


def best_returns(family: SparsePointRobot) -> np.ndarray:
    """Return what one earns in each of `family.test_set` who walks straight to its goal, `(tasks,)` sparse returns."""
    places, returns = np.zeros_like(family.test_set), np.zeros(len(family.test_set))
    for _ in range(family.horizon):
        places = places + np.clip(family.test_set - places, -STRIDE, STRIDE)
        distances = np.linalg.norm(family.test_set - places, axis=1)
        returns += np.where(distances <= family.radius, 1 - distances, 0.0)
    return returns


def _above(statistic: str, interval, threshold: float, scores: dict[str, np.ndarray]) -> ClaimResult:
    seeds = min(len(array) for array in scores.values())
    return ClaimResult(statistic, interval.value, interval.low, interval.high, threshold, "above", seeds)


def _label(evidence: Evidence, experiment: str) -> str:
    return evidence.replication.experiments[experiment].label


def _family(evidence: Evidence, experiment: str):
    declared = evidence.replication.experiments[experiment].family
    return load_object(evidence.replication.qualified(declared.name), evidence.root)(**declared.arguments)


def _common(evidence: Evidence, experiment: str, methods: list[str]) -> dict[str, np.ndarray] | None:
    """Return the last episodes' scores of all `methods`, from this machine or else from the reference."""
    for origin in (THIS_MACHINE, REFERENCE):
        scores = {method: evidence.scores(experiment, method, episode="last", origin=origin) for method in methods}
        if all(array.size for array in scores.values()):
            return _same_tasks(scores)
    return None


def _late_returns(evidence: Evidence, experiment: str, methods: list[str]) -> dict[str, np.ndarray] | None:
    """Return the mean returns `(seeds, tasks)` of the late episodes, from this machine or else from the reference."""
    for origin in (THIS_MACHINE, REFERENCE):
        rows = {method: final_rows(evidence.cell(experiment, method, origin)) for method in methods}
        if all(len(one) for one in rows.values()):
            late = {
                method: one[(one["episode"] >= LATE_EPISODES.start) & (one["episode"] < LATE_EPISODES.stop)]
                for method, one in rows.items()
            }
            count = LATE_EPISODES.stop - LATE_EPISODES.start
            return _same_tasks({method: score_matrix(one) / count for method, one in late.items()})
    return None


def _averaged_over_training(evidence: Evidence, experiment: str, methods: list[str]) -> dict[str, np.ndarray] | None:
    """Return last-episode scores `(seeds, tasks)`, averaged over the evaluations up to the shortest training's end."""
    for origin in (THIS_MACHINE, REFERENCE):
        rows = {method: evidence.cell(experiment, method, origin) for method in methods}
        if all(len(one) for one in rows.values()):
            end = 1.03 * min(one["env_steps"].max() for one in rows.values())
            averaged = {}
            for method, one in rows.items():
                last = one[(one["episode"] == one["episode"].max()) & (one["env_steps"] <= end)]
                table = last.groupby(["seed", "task"], observed=True)["return"].mean().unstack("task")
                averaged[method] = table.dropna(axis="columns").to_numpy()
            return _same_tasks(averaged)
    return None


def _same_tasks(scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keep the tasks that all have; fewer test tasks are the first of more."""
    count = min(array.shape[1] for array in scores.values())
    return {method: array[:, :count] for method, array in scores.items()}


def _evaluations(evidence: Evidence, experiment: str, method: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return `(env_steps (P,), returns of the last episode (seeds, P))` of the evaluations, None without runs."""
    steps, values = evaluation_matrix(evidence.cell(experiment, method), "return", "last")
    return (steps, values) if len(steps) else None


def _first_at(steps: np.ndarray, values: np.ndarray, level: float) -> float | None:
    reached = np.flatnonzero(values >= level)
    return float(steps[reached[0]]) if len(reached) and steps[reached[0]] > 0 else None
