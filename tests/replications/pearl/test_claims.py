from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from replications.pearl import claims
from shared.analysis.scores import final_rows, score_matrix
from shared.analysis.statistics import Interval
from shared.study.schema import load_replications

ROOT = Path(__file__).parents[3]


def runs(curves, episodes=3, tasks=4, gain=0.0):
    """Rows of one cell: `curves` is one list of (env_steps, last return) per seed; other episodes earn `gain` less."""
    rows = [
        (seed, steps, task, episode, last - gain * (episode < episodes - 1))
        for seed, curve in enumerate(curves)
        for steps, last in curve
        for task in range(tasks)
        for episode in range(episodes)
    ]
    columns = ["seed", "env_steps", "task", "episode", "return"]
    return pd.DataFrame(rows, columns=columns).assign(experiment="e", method="m", scale="paper")


class FakeEvidence:
    """What the claims ask of evidence, from given cells: method → rows."""

    def __init__(self, experiments, methods, cells, **options):
        self.replication, self.root = load_replications(ROOT)["pearl"], ROOT
        self.spec = SimpleNamespace(experiments=experiments, methods=methods, options=options)
        self.cells = cells

    def cell(self, experiment, method, origin=None):
        return self.cells.get(method, runs([]))

    def scores(self, experiment, method, column="return", episode="total", origin=None):
        rows = self.cell(experiment, method)
        return score_matrix(final_rows(rows), column, episode) if len(rows) else np.empty((0, 0))


def efficiency(pearl, rl2):
    cells = {"pearl": runs(pearl), "rl2": runs(rl2)}
    return claims.more_sample_efficient(FakeEvidence(["cheetah-dir"], ["pearl", "rl2"], cells))


def test_sample_efficiency_is_the_ratio_of_steps_to_the_same_level():
    # 80 lies three quarters of the way from 50 to 90, and at the start of RL²'s last stretch.
    pearl = [[(1000, 0.0), (2000, 50.0), (3000, 90.0), (4000, 100.0)]] * 2
    rl2 = [[(10_000, 0.0), (50_000, 20.0), (90_000, 80.0), (100_000, 85.0)]] * 2
    result = efficiency(pearl, rl2)
    assert result.value == result.low == result.high == 90_000 / 2750
    assert result.verdict == "reproduced"
    assert efficiency(pearl[:1], rl2[:1]).verdict == "undecided"  # one seed says nothing of others


def test_a_baseline_that_never_gets_there_gives_a_lower_bound():
    pearl, rl2 = [[(1000, 0.0), (2000, 100.0)]] * 2, [[(1000, 0.0), (9000, 10.0)]] * 2
    result = efficiency(pearl, rl2)
    assert (result.low, result.high) == (9000 / 1800, 1e8 / 1800)
    assert result.verdict == "undecided"
    assert "2 of 2 seeds of rl2 not there by the end" in result.sentence


def test_a_slow_seed_of_pearl_counts_with_all_its_training():
    slow = [(1000, 0.0), (2000, 60.0)]
    result = efficiency([[(1000, 0.0), (2000, 100.0)], slow], [[(1000, 0.0), (100_000, 100.0)]] * 2)
    assert result.low == 0
    assert "1 of 2 seeds of pearl" in result.sentence


def test_nothing_was_learned_where_a_first_evaluation_is_as_good():
    assert efficiency([[(1000, 5.0), (2000, 5.0)]] * 2, [[(1000, 0.0), (2000, 9.0)]] * 2) is None
    assert efficiency([[(1000, 0.0), (2000, 10.0)]] * 2, [[(1000, 8.0), (2000, 9.0)]] * 2) is None


def test_nothing_is_decided_where_nothing_was_run():
    empty = FakeEvidence(["cheetah-dir"], ["pearl", "rl2"], {})
    assert claims.more_sample_efficient(empty) is None
    assert claims.better_asymptotically(empty) is None
    assert claims.solves_sparse_navigation(empty) is None


def test_one_domain_may_fall_behind():
    names = ["cheetah-dir", "cheetah-vel", "ant-dir"]
    evidence = FakeEvidence(names, ["pearl", "rl2"], {})
    final = {("cheetah-dir", "pearl"): 160, ("cheetah-vel", "pearl"): 160, ("ant-dir", "pearl"): 90}
    evidence.cell = lambda e, m, origin=None: runs([[(1000, final.get((e, m), 100.0))]])
    assert claims.better_asymptotically(evidence).verdict == "reproduced"
    final["cheetah-vel", "pearl"] = 120
    assert claims.better_asymptotically(evidence).verdict == "not reproduced"


def test_the_best_baseline_counts():
    names = ["cheetah-dir", "cheetah-vel", "ant-dir"]
    evidence = FakeEvidence(names, ["pearl", "rl2", "promp"], {})
    final = {"pearl": 160, "rl2": 100}
    evidence.cell = lambda e, m, origin=None: runs([[(1000, final.get(m, 90.0))]])
    assert claims.better_asymptotically(evidence).verdict == "reproduced"
    final["promp"] = 150
    assert claims.better_asymptotically(evidence).verdict == "not reproduced"


def test_late_episodes_decide_sparse_navigation():
    earned = {"pearl": 8.0, "pearl-deterministic": 1.0, "knows-the-goal": 14.0}
    cells = {method: runs([[(1000, value)]], episodes=20) for method, value in earned.items()}
    evidence = FakeEvidence(["sparse-navigation"], ["pearl", "knows-the-goal"], cells)
    result = claims.solves_sparse_navigation(evidence)
    assert (result.value, result.verdict) == (pytest.approx(8 / 14), "reproduced")
    evidence.spec.methods = list(earned)
    result = claims.needs_probabilistic_latents(evidence)
    assert (result.value, result.verdict) == (pytest.approx(7 / 14), "reproduced")


def test_variants_are_compared_by_their_whole_training():
    fast = runs([[(0, 0.0), (1000, 80.0), (2000, 100.0)]])
    slow = runs([[(0, 0.0), (1000, 20.0), (2000, 100.0), (9000, 1000.0)]])
    methods = ["pearl", "pearl-off-policy"]
    evidence = FakeEvidence(["cheetah-vel"], methods, dict(zip(methods, (fast, slow), strict=True)))
    result = claims.learns_faster(evidence)
    assert result.value == pytest.approx(20.0)  # 60 less at one of three evaluations; what came later does not count
    evidence.cells.pop("pearl-off-policy")
    assert claims.learns_faster(evidence) is None


def test_the_median_seed_must_reach_the_return():
    curves = [[(250_000, 2000.0), (504_000, last)] for last in (900.0, 1100.0, 1200.0)]
    options = {"threshold": 1000, "env_steps": 500_000}
    evidence = FakeEvidence(["cheetah-dir"], ["pearl"], {"pearl": runs(curves)}, **options)
    assert claims.reaches_return(evidence).verdict == "reproduced"
    curves[1][1] = (504_000, 950.0)
    evidence.cells["pearl"] = runs(curves)
    result = claims.reaches_return(evidence)
    assert result.verdict == "not reproduced"
    assert "seeds: 900, 950, 1200" in result.sentence


def test_adaptation_is_the_last_episode_minus_the_first():
    evidence = FakeEvidence(["cheetah-dir"], ["pearl"], {"pearl": runs([[(1, 100.0)]], gain=30.0)}, threshold=20)
    result = claims.gains_by_adaptation(evidence)
    assert (result.value, result.verdict) == (30.0, "reproduced")


def test_two_implementations_may_differ_by_half_of_what_they_learned():
    def ends(ours, theirs):
        cells = {"sac-told": runs([[(1, r)] for r in ours]), "sac-sb3": runs([[(1, r)] for r in theirs])}
        return claims.ends_alike(FakeEvidence(["cheetah-forward"], list(cells), cells))

    assert ends([100.0, 110.0, 90.0], [105.0, 95.0, 115.0]).verdict == "reproduced"
    assert ends([100.0, 110.0, 90.0], [905.0, 995.0, 950.0]).verdict == "not reproduced"
    assert ends([100.0], [100.0, 100.0]) is None


def test_the_published_end_of_a_curve_is_the_papers_own():
    evidence = FakeEvidence(["ant-goal"], ["pearl"], {"pearl": runs([[(1, -150.0)], [(1, -160.0)]])})
    rows = [("PEARL", 1e7, -200.0), ("PEARL (someone)", 2e7, -100.0)]
    evidence.published_rows = lambda e, m: pd.DataFrame(rows, columns=["method", "x_value", "value"])
    evidence.mean = lambda *cell, **choice: Interval(-155.0, -160.0, -150.0)
    result = claims.reaches_published(evidence)
    assert (result.threshold, result.verdict) == (-200.0, "reproduced")


def test_reference_runs_stand_in_where_this_machine_has_none():
    evidence = FakeEvidence(["cheetah-dir"], ["pearl", "rl2"], {})
    shipped = {"pearl": runs([[(1, 160.0)]]), "rl2": runs([[(1, 100.0)]])}
    own = {"pearl": runs([[(1, 0.0)]])}
    evidence.cell = lambda e, m, origin=None: (shipped if origin == "reference" else own).get(m, runs([]))
    evidence.scores = lambda e, m, column="return", episode="total", origin=None: score_matrix(
        evidence.cell(e, m, origin), column, episode
    )
    scores = claims._common(evidence, "cheetah-dir", ["pearl", "rl2"])
    assert scores["pearl"].mean() == 160  # this machine's lone PEARL is not set against the shipped RL²
