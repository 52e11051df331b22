from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from replications.pearl import claims
from shared.analysis.scores import final_rows, score_matrix
from shared.study.schema import load_replications
from shared.tasks.point_robot import SparsePointRobot

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


def test_who_knows_the_goal_earns_what_is_worked_out_by_hand():
    family = SparsePointRobot()
    family.test_set = np.array([[0.95, 0.0]])
    # The point is within 0.2 after eight moves: 0.85, 0.95, then 1 for the other eleven.
    assert claims.best_returns(family) == pytest.approx([0.85 + 0.95 + 11.0])


def test_sample_efficiency_is_the_ratio_of_steps_to_the_same_level():
    pearl = runs([[(1000, 0.0), (2000, 50.0), (3000, 90.0), (4000, 100.0)]])
    rl2 = runs([[(10_000, 0.0), (50_000, 20.0), (90_000, 80.0), (100_000, 85.0)]])
    evidence = FakeEvidence(["cheetah-dir"], ["pearl", "rl2"], {"pearl": pearl, "rl2": rl2})
    result = claims.more_sample_efficient(evidence)
    assert (result.value, result.verdict) == (90_000 / 3000, "reproduced")


def test_a_baseline_that_never_gets_there_gives_a_lower_bound():
    pearl = runs([[(1000, 0.0), (2000, 100.0)]])
    rl2 = runs([[(1000, 0.0), (8000, 10.0)]])
    evidence = FakeEvidence(["cheetah-dir"], ["pearl", "rl2"], {"pearl": pearl, "rl2": rl2})
    result = claims.more_sample_efficient(evidence)
    assert (result.low, result.high) == (4.0, 1e8 / 2000)
    assert result.verdict == "undecided"
    assert "a lower bound" in result.sentence


def test_nothing_is_decided_where_nothing_was_learned_or_run():
    flat = runs([[(1000, 5.0), (2000, 5.0)]])
    evidence = FakeEvidence(["cheetah-dir"], ["pearl", "rl2"], {"pearl": flat, "rl2": flat})
    assert claims.more_sample_efficient(evidence) is None
    empty = FakeEvidence(["cheetah-dir"], ["pearl", "rl2"], {})
    assert claims.more_sample_efficient(empty) is None
    assert claims.better_asymptotically(empty) is None
    empty.spec.methods = ["pearl"]
    assert claims.solves_sparse_navigation(empty) is None


def test_one_domain_may_fall_behind():
    names = ["cheetah-dir", "cheetah-vel", "ant-dir"]
    evidence = FakeEvidence(names, ["pearl", "rl2"], {})
    final = {("cheetah-dir", "pearl"): 160, ("cheetah-vel", "pearl"): 160, ("ant-dir", "pearl"): 90}
    evidence.cell = lambda e, m, origin=None: runs([[(1000, final.get((e, m), 100.0))]])
    assert claims.better_asymptotically(evidence).verdict == "reproduced"
    final["cheetah-vel", "pearl"] = 120
    assert claims.better_asymptotically(evidence).verdict == "not reproduced"


def test_late_episodes_decide_sparse_navigation():
    good, bad = runs([[(1000, 8.0)]], episodes=20), runs([[(1000, 1.0)]], episodes=20)
    evidence = FakeEvidence(["sparse-navigation"], ["pearl"], {"pearl": good, "pearl-deterministic": bad})
    assert claims.solves_sparse_navigation(evidence).verdict == "reproduced"
    evidence.spec.methods = ["pearl", "pearl-deterministic"]
    result = claims.needs_probabilistic_latents(evidence)
    ceiling = claims.best_returns(SparsePointRobot()).mean()
    assert result.value == pytest.approx(7 / ceiling)
    assert result.verdict == "reproduced"


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
