import numpy as np
import pandas as pd
import pytest

from shared.analysis import evidence as ev
from shared.analysis.evidence import Curve, load_evidence
from shared.study.errors import StudyError


def load(study, experiments=("short",), methods=(), scale="hour"):
    spec = study.drawing(list(experiments), list(methods))
    return load_evidence(study.replication, spec, scale, study.root)


def test_absent_runs_are_absent_not_errors(study):
    evidence = load(study, ["short", "long"])
    assert evidence.runs.empty
    assert evidence.best_runs().empty
    assert evidence.scores("short", "ours").shape == (0, 0)
    assert evidence.mean("short", "ours") is None
    assert evidence.curve("short", "ours", "train/return") is None
    assert evidence.normaliser("short") is None
    assert evidence.scales_used() == []


def test_only_what_the_spec_asks_for_is_loaded_and_what_normalises_it(study):
    for experiment in ("short", "long"):
        for method in ("random", "oracle", "ours", "twin"):
            study.run(experiment, method, [1, 2, 3, 4])
    assert set(load(study, ["short"], ["ours"]).runs["method"]) == {"ours", "random", "oracle"}
    evidence = load(study, ["long"], ["ours"])
    assert set(evidence.runs["experiment"]) == {"long"}
    assert set(evidence.runs["method"]) == {"ours"}
    assert evidence.methods("long") == ["ours"]


def test_narrowed_evidence_is_what_would_have_been_loaded(study):
    for experiment in ("short", "long"):
        for method in ("random", "oracle", "ours", "twin"):
            study.run(experiment, method, [1, 2, 3, 4])
    study.ship("hour")
    study.run("short", "ours", [5, 6, 7, 8])
    spec = study.drawing(["short"], ["ours"])
    narrowed = load(study, ["short", "long"]).narrowed(spec)
    loaded = load_evidence(study.replication, spec, "hour", study.root)
    assert narrowed.spec is spec
    for table in ("runs", "metrics", "reference_runs", "reference_metrics"):
        left, right = (getattr(one, table).reset_index(drop=True) for one in (narrowed, loaded))
        pd.testing.assert_frame_equal(left, right)
    assert narrowed.scores("short", "ours").tolist() == [[5, 6, 7, 8]]


def test_graph_is_told_of_the_runs_that_normalise(study):
    runs = study.replication.spec_runs(study.drawing(["short", "long"], ["ours"]), "hour")
    assert {(run.experiment, run.method) for run in runs} == {
        ("short", "ours"), ("short", "random"), ("short", "oracle"), ("long", "ours"),
    }  # fmt: skip


def test_scores_are_seeds_by_tasks_of_the_trial_or_an_episode(study):
    study.run("short", "ours", [2, 4], seed=0)
    study.run("short", "ours", [6, 8], seed=1)
    evidence = load(study)
    assert evidence.scores("short", "ours").tolist() == [[2, 4], [6, 8]]
    assert evidence.scores("short", "ours", episode="last").tolist() == [[1, 2], [3, 4]]
    assert evidence.seeds("short", "ours") == 2
    assert evidence.mean("short", "ours").value == 5


def test_own_runs_go_before_reference_and_larger_scales_before_smaller(study):
    for scale, level in (("hour", 1.0), ("night", 2.0)):
        study.run("short", "ours", [level], scale=scale)
        study.run("short", "random", [level], scale=scale)
        study.ship(scale)
    study.run("short", "ours", [9.0], scale="smoke")
    evidence = load(study, scale="smoke")
    best = evidence.best_runs().set_index("method")
    assert set(best.loc[["ours"], "origin"]) == {"this machine"}
    assert set(best.loc[["random"], "origin"]) == {"reference"}
    assert evidence.scores("short", "ours").tolist() == [[9.0]]
    assert evidence.scores("short", "random").tolist() == [[2.0]]
    assert evidence.scores("short", "ours", origin="reference").tolist() == [[2.0]]
    assert evidence.scores("short", "random", origin="this machine").size == 0
    assert evidence.scales_used() == ["smoke", "night (reference)"]


def test_reference_scale_sees_nothing_of_this_machine(study):
    study.run("short", "ours", [2.0], scale="night")
    study.ship("night")
    study.run("short", "ours", [9.0])
    evidence = load(study, scale="reference")
    assert evidence.runs.empty
    assert evidence.scores("short", "ours").tolist() == [[2.0]]


def test_curve_is_mean_and_band_over_seeds(study):
    study.train("short", "ours", {100: 1, 200: 2, 300: 3}, seed=0)
    study.train("short", "ours", {100: 3, 200: 4, 300: 9}, seed=1)
    curve = load(study).curve("short", "ours", "train/return")
    assert curve.env_steps.tolist() == [100, 200, 300]
    assert curve.value.tolist() == [2, 3, 6]
    assert curve.low.tolist() == [1, 2, 3]
    assert curve.high.tolist() == [3, 4, 9]
    assert curve.seeds == 2
    assert curve.at(250).value == 4.5
    assert curve.at(99) is None
    assert curve.at(301) is None
    assert load(study).curve("short", "ours", "no such metric") is None


def test_normaliser_takes_floor_to_zero_and_ceiling_to_one(study):
    study.run("short", "random", [4, 6])
    study.run("short", "oracle", [8, 10])
    shift, scale = load(study).normaliser("short")
    assert (shift, scale) == (5, 4)
    curve = Curve(np.array([1.0]), np.array([7.0]), np.array([5.0]), np.array([9.0]), 1).affine(shift, scale)
    assert (curve.value[0], curve.low[0], curve.high[0]) == (0.5, 0.0, 1.0)
    assert load(study, ["long"]).normaliser("long") is None


def test_published_rows_leave_out_other_papers(study):
    study.publish(
        {"method": "Ours", "value": 6.5},
        {"method": "Ours (quoted)", "value": 6.4, "paper": "LATER"},
        {"method": "Ours", "value": 6.0, "setting": "n=20"},
        {"method": "Ours", "value": 0.5, "metric": "normalized_total_reward(Random=0;Oracle=1)",
         "x_name": "iteration", "x_value": 3, "kind": "digitised"},
    )  # fmt: skip
    evidence = load(study, ["short", "long"])
    assert evidence.published_rows("short", "ours")["value"].tolist() == [6.5, 0.5]
    assert evidence.published_value("short", "ours") == 6.5
    assert evidence.published_value("long", "ours") == 6.0
    assert evidence.published_value("short", "random") is None
    assert load(study, ["unpublished"]).published_value("unpublished", "ours") is None


def test_other_papers_rows_stand_where_the_paper_has_none(study):
    study.publish(
        {"method": "Ours", "value": 6.5},
        {"method": "Ours", "value": 6.0, "setting": "n=20", "paper": "LATER"},
    )
    assert load(study, ["long"]).published_value("long", "ours") == 6.0


def test_malformed_published_row_reaches_the_reader(study):
    study.publish({"method": "Ours", "value": "six"})
    with pytest.raises(StudyError, match="line 2, column 'value'"):
        load(study)


def test_intervals_do_not_depend_on_their_order(study):
    study.run("short", "ours", [1, 2, 3, 4])
    study.run("short", "random", [4, 2, 7, 1])
    forward, backward = load(study), load(study)
    first = [forward.mean("short", method) for method in ("ours", "random")]
    second = [backward.mean("short", method) for method in ("random", "ours")]
    assert first == second[::-1]


def test_normalised_metric_is_spelled_with_the_papers_names(study):
    assert ev.normalised_metric(study.replication, "short") == "normalized_total_reward(Random=0;Oracle=1)"
    assert ev.normalised_metric(study.replication, "long") is None
