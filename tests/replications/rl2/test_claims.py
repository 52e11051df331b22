"""The claims' tests on made-up scores whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from replications.rl2 import claims
from shared.analysis.evidence import Curve
from shared.analysis.statistics import mean_interval


class FakeEvidence:
    """Scores by (experiment, method), one seed over 400 tasks; and training curves."""

    origin = "this machine"

    def __init__(self, levels, curves=None, noise=1.0, published=None):
        rng = np.random.default_rng(0)
        luck = rng.normal(0, noise, 400)  # of the task, shared by all methods
        self._scores = {cell: (level + luck + rng.normal(0, 0.1, 400))[None] for cell, level in levels.items()}
        experiments = list(dict.fromkeys(experiment for experiment, _ in levels))
        self.spec = SimpleNamespace(experiments=experiments)
        labels = {name: SimpleNamespace(label=name) for name in experiments}
        names = {method: SimpleNamespace(label=method) for _, method in levels}
        self.replication = SimpleNamespace(experiments=labels, methods=names)
        self._curves = curves or {}
        self._published = published or {}

    def scores(self, experiment, method, origin="this machine"):
        return self._scores.get((experiment, method), np.zeros((0, 0))) if origin == self.origin else np.zeros((0, 0))

    def mean(self, experiment, method):
        scores = self.scores(experiment, method)
        return mean_interval(scores, np.random.default_rng(0)) if scores.size else None

    def published_value(self, experiment, method):
        return self._published.get((experiment, method))

    def methods(self, experiment):
        return [method for name, method in self._scores if name == experiment]

    def seeds(self, experiment, method):
        return 1

    def curve(self, experiment, method, metric):
        return self._curves.get((experiment, metric))

    def normaliser(self, experiment):
        return 0.0, 1.0


def bandit(rl2, gittins=10.0, greedy=9.0):
    return FakeEvidence({("short", "gittins"): gittins, ("short", "greedy"): greedy, ("short", "rl2"): rl2})


@pytest.mark.parametrize(
    ("rl2", "verdict"),
    [(10.5, "reproduced"), (9.99, "reproduced"), (9.5, "not reproduced")],
)
def test_near_optimal_allows_what_a_thousand_instances_cannot_tell_from_the_best(rl2, verdict):
    # Two samples of 1,000 with unit spread: 1.645 · √(2 / 1000) / 10 = 0.74 % of the best.
    result = claims.near_optimal_bandits(bandit(rl2))
    assert result.verdict == verdict
    assert result.threshold == pytest.approx(-0.0074, rel=0.1)
    assert result.value == pytest.approx((rl2 - 10) / 10, abs=0.002)


def test_beating_gittins_needs_a_positive_gain():
    assert claims.beats_gittins_when_short(bandit(10.2)).verdict == "reproduced"
    assert claims.beats_gittins_when_short(bandit(9.8)).verdict == "not reproduced"


def test_missing_runs_leave_a_claim_untested():
    missing = FakeEvidence({("short", "gittins"): 10.0})
    assert claims.near_optimal_bandits(missing) is None
    assert claims.beats_gittins_when_short(missing) is None
    assert claims.imitation_reaches_gittins(missing) is None
    assert claims.near_bayes_optimum(missing) is None


@pytest.mark.parametrize(
    ("rl2", "imitation", "verdict"),
    [(9.0, 9.95, "reproduced"), (9.0, 9.0, "not reproduced"), (10.5, 10.0, "not reproduced")],
)
def test_imitation_closes_the_gap(rl2, imitation, verdict):
    evidence = FakeEvidence({("long", "gittins"): 10.0, ("long", "rl2"): rl2, ("long", "imitation"): imitation})
    assert claims.imitation_reaches_gittins(evidence).verdict == verdict


def mdps(rl2, opsrl, informed):
    levels = {("n10", method): opsrl - 1 for method in claims.PUBLISHED_BLOCK}
    levels |= {("n10", method): informed - 1 for method in claims.INFORMED_BLOCK}
    return FakeEvidence(levels | {("n10", "opsrl"): opsrl, ("n10", "beb-informed"): informed, ("n10", "rl2"): rl2})


def test_blocks_are_compared_by_their_best_member():
    evidence = mdps(rl2=12.0, opsrl=11.0, informed=13.0)
    assert "over opsrl" in claims.best_for_few_episodes(evidence).statistic
    assert claims.best_for_few_episodes(evidence).verdict == "reproduced"
    assert claims.worse_for_many_episodes(evidence).verdict == "not reproduced"
    assert claims.informed_planners_overtake(evidence).verdict == "reproduced"


def test_share_of_the_bayes_optimum():
    evidence = FakeEvidence({("short", "bayes-optimal"): 10.0, ("short", "rl2"): 9.9})
    result = claims.near_bayes_optimum(evidence)
    assert (result.verdict, result.value) == ("reproduced", pytest.approx(0.99, abs=0.002))


def curve(steps, values):
    values = np.array(values, dtype=float)
    return Curve(np.array(steps), values, values, values, seeds=1)


@pytest.mark.parametrize(("slow", "verdict"), [([0.1, 0.5, 0.9], "reproduced"), ([0.1, 0.9, 0.9], "undecided")])
def test_learning_speed_compares_the_steps_to_a_level(slow, verdict):
    steps, error = [100, 200, 300], curve([100, 200, 300], [0.01] * 3)
    evidence = FakeEvidence(
        {("n10", "rl2"): 1.0, ("n25", "rl2"): 1.0},
        {
            ("n10", "train/return"): curve(steps, [0.1, 0.9, 0.95]),
            ("n25", "train/return"): curve(steps, slow),
            ("n10", "train/return_se"): error,
            ("n25", "train/return_se"): error,
        },
    )
    result = claims.slower_for_more_episodes(evidence)
    assert result.verdict == verdict
    assert result.value == (1.5 if verdict == "reproduced" else 1.0)


def test_learning_speed_is_read_at_the_highest_level_that_all_reach():
    steps, error = [100, 200, 300], curve([100, 200, 300], [0.01] * 3)
    returns = {"n10": [0.5, 0.9, 0.95], "n25": [0.1, 0.3, 0.5]}
    curves = {(name, "train/return"): curve(steps, values) for name, values in returns.items()}
    curves |= {(name, "train/return_se"): error for name in returns}
    evidence = FakeEvidence({(name, "rl2"): 1.0 for name in returns}, curves)
    result = claims.slower_for_more_episodes(evidence)
    assert "normalised 0.4" in result.statistic
    assert result.value == 3.0
    curves[("n25", "train/return")] = curve(steps, [0.0, 0.1, 0.1])
    assert claims.slower_for_more_episodes(evidence) is None


@pytest.mark.parametrize(
    ("greedy", "verdict", "named"),
    # 2 % of 10 are 0.2, three standard errors of 1,000 instances of spread 1 are 0.095.
    [(10.15, "reproduced", False), (10.4, "not reproduced", True), (9.6, "not reproduced", True)],
)
def test_baselines_are_held_to_the_printed_numbers(greedy, verdict, named):
    levels = {("short", "ts"): 10.0, ("short", "greedy"): greedy, ("short", "ours"): 1.0}
    evidence = FakeEvidence(levels, noise=0.1, published={("short", "ts"): 10.0, ("short", "greedy"): 10.0})
    result = claims.baselines_match(evidence)
    assert result.verdict == verdict
    assert ("beyond: greedy, short" in result.detail) == named
    assert result.value == pytest.approx(abs(greedy - 10) / 0.2, abs=0.1)


def test_sampling_error_of_the_printed_mean_widens_the_tolerance():
    evidence = FakeEvidence({("short", "ts"): 10.0}, noise=4.0, published={("short", "ts"): 10.3})
    assert claims.baselines_match(evidence).value < 1.3 < 0.3 / 0.2


def test_share_of_the_printed_value():
    evidence = FakeEvidence({("short", "rl2"): 9.8}, noise=0.1, published={("short", "rl2"): 10.0})
    assert claims.near_published(evidence).verdict == "reproduced"
    assert claims.near_published(evidence).value == pytest.approx(0.98, abs=0.005)
    assert claims.near_published(FakeEvidence({("short", "ts"): 1.0})) is None


def test_methods_are_compared_within_one_place():
    evidence = bandit(10.2)
    evidence.origin = "reference"
    assert claims.beats_gittins_when_short(evidence).verdict == "reproduced"
    here, there = evidence.scores("short", "rl2", "reference")[:, :50], evidence.scores("short", "gittins", "reference")
    cells = {("rl2", "this machine"): here, ("gittins", "reference"): there}
    evidence.scores = lambda experiment, method, origin: cells.get((method, origin), np.zeros((0, 0)))
    assert claims.beats_gittins_when_short(evidence) is None
