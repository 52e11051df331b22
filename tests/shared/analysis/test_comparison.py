import math

import numpy as np
import pytest

from shared.analysis.budget import training_budget
from shared.analysis.comparison import COLUMNS, compare, verdict
from shared.analysis.statistics import Interval

NAN = math.nan
CURVE_ROW = {
    "figure": "fig2",
    "method": "Ours",
    "metric": "normalized_total_reward(Random=0;Oracle=1)",
    "x_name": "iteration",
    "kind": "digitised",
}


def point(value: float) -> Interval:
    return Interval(value, value, value)


@pytest.mark.parametrize(
    ("ours", "floor", "expected"),
    [
        # published 6.0 with floor 5.0: s = ours - 5
        (point(6.0), 5.0, "replicated"),
        (point(5.91), 5.0, "replicated"),
        (point(6.09), 5.0, "replicated"),
        (point(5.89), 5.0, "partly"),
        (point(5.49), 5.0, "not replicated"),
        (point(6.11), 5.0, "better"),
        (Interval(5.7, 5.4, 5.95), 5.0, "replicated"),
        (Interval(6.3, 6.08, 6.5), 5.0, "replicated"),
        # without a floor: s = ours / 6
        (point(5.41), None, "replicated"),
        (point(5.39), None, "partly"),
        (point(2.9), None, "not replicated"),
        (point(6.7), None, "better"),
    ],
)
def test_verdict_by_distance_from_the_floor(ours, floor, expected):
    assert verdict(ours, Interval(6.0, NAN, NAN), floor) == expected


def test_verdict_where_less_is_better():
    # floor 100 steps, published 50: 40 steps are better, 70 go 60 % of the way
    published = Interval(50.0, NAN, NAN)
    assert [verdict(point(x), published, 100.0) for x in (40.0, 53.0, 70.0, 90.0)] == [
        "better", "replicated", "partly", "not replicated",
    ]  # fmt: skip


def test_verdict_of_negative_numbers_without_floor():
    published = Interval(-10.0, NAN, NAN)
    assert [verdict(point(x), published) for x in (-8.0, -10.5, -14.0, -20.0)] == [
        "better", "replicated", "partly", "not replicated",
    ]  # fmt: skip


def test_published_spread_widens_the_band():
    assert verdict(point(5.7), Interval(6.0, NAN, NAN), 5.0) == "partly"
    assert verdict(point(5.7), Interval(6.0, 5.8, 6.2), 5.0) == "replicated"


def test_reduced_budget_excuses_failure_only():
    published = Interval(6.0, NAN, NAN)
    assert verdict(point(5.2), published, 5.0, reduced=True) == "reduced budget"
    assert verdict(point(5.8), published, 5.0, reduced=True) == "reduced budget"
    assert verdict(point(6.0), published, 5.0, reduced=True) == "replicated"
    assert verdict(point(6.5), published, 5.0, reduced=True) == "better"


def test_missing_bounds_count_as_the_value_and_zero_needs_no_scale():
    assert verdict(Interval(5.95, NAN, NAN), Interval(6.0, NAN, NAN), 5.0) == "replicated"
    assert verdict(point(0.05), Interval(0.0, NAN, NAN)) == "replicated"
    assert verdict(point(0.2), Interval(0.0, NAN, NAN)) == "better"
    assert verdict(point(5.0), point(5.0), floor=5.0) == "replicated"


def rows(study, scale="hour"):
    return compare(study.replication, scale, study.root).to_dict("records")


def test_one_row_per_published_number_with_exact_columns(study):
    study.publish(
        {"method": "Random", "value": 5.0, "low": 4.9, "high": 5.1, "spread": "ci95"},
        {"method": "Nobody", "value": 7.0},
        {"method": "Random", "value": 5.0, "environment": "Dice"},
        {"method": "Random", "value": 5.0, "metric": "regret"},
    )
    study.run("short", "random", [5, 5, 5, 5])
    table = compare(study.replication, "hour", study.root)
    assert tuple(table.columns) == COLUMNS
    assert table["verdict"].tolist() == ["replicated", "not run", "not run", "not run"]
    first = table.iloc[0]
    assert (first["published_low"], first["published_high"]) == (4.9, 5.1)
    assert (first["ours"], first["seeds"], first["scale"]) == (5.0, 1, "hour")
    assert table["ours"].isna().tolist() == [False, True, True, True]
    assert table["scale"].tolist() == ["hour", "", "", ""]


def test_trained_run_below_paper_budget_is_not_called_a_failure(study):
    study.publish({"method": "Ours", "value": 9.0}, {"method": "Oracle", "value": 9.0})
    for method, level in (("random", 5), ("oracle", 6), ("ours", 6)):
        study.run("short", method, [level] * 4)
        study.run("short", method, [level] * 4, scale="paper")
    assert [row["verdict"] for row in rows(study)] == ["reduced budget", "not replicated"]
    assert [row["verdict"] for row in rows(study, "paper")] == ["not replicated", "not replicated"]


def test_untrained_method_shares_the_budget_of_the_run_that_it_needs(study):
    study.publish({"method": "Transfer", "value": 9.0})
    study.run("short", "random", [5] * 4)
    study.run("short", "transfer", [6] * 4)
    assert rows(study)[0]["verdict"] == "reduced budget"
    budget = training_budget(study.replication, "short", "transfer", "hour")
    assert budget == 1000


def test_first_method_that_ran_answers_for_a_published_name(study):
    study.publish({"method": "Ours", "value": 8.0}, {"method": "Ours (quoted)", "value": 8.0})
    study.run("short", "random", [5] * 4)
    study.run("short", "twin", [8] * 4)
    assert [row["ours"] for row in rows(study)] == pytest.approx([8.0, NAN], nan_ok=True)
    study.run("short", "ours", [7] * 4)
    assert [row["ours"] for row in rows(study)] == [7.0, 7.0]


def test_experiment_without_floor_is_judged_by_ratio(study):
    study.publish({"method": "Ours", "value": 10.0, "setting": "n=20"})
    study.run("long", "random", [5] * 4)
    study.run("long", "ours", [9.2] * 4)
    assert rows(study)[0]["verdict"] == "replicated"


def test_values_along_a_test_are_compared_with_its_episodes_and_reruns_are_not_called_published(study):
    shots = {"method": "Ours", "setting": "n=40", "x_name": "shots"}
    study.publish(
        shots | {"x_value": 0, "value": 4.0},
        shots | {"x_value": 1, "value": 8.0, "low": 7.5, "high": 8.5, "kind": "rerun"},
        shots | {"x_value": 2, "value": 9.0},
    )
    study.run("adapting", "ours", [8] * 4)
    first, second, third = rows(study)
    assert (first["published"], first["ours"], first["verdict"]) == (4.0, 4.0, "replicated")
    assert (second["rerun"], second["rerun_low"], second["rerun_high"]) == (8.0, 7.5, 8.5)
    assert np.isnan([second["published"], second["published_low"], first["rerun"]]).all()
    assert (second["ours"], second["verdict"]) == (4.0, "reduced budget")
    assert third["verdict"] == "not run"


def test_digitised_curve_is_compared_at_equal_environment_steps(study):
    study.publish(
        CURVE_ROW | {"x_value": 2, "value": 0.25},
        CURVE_ROW | {"x_value": 4, "value": 0.9},
        CURVE_ROW | {"x_value": 11, "value": 1.0},
        CURVE_ROW | {"x_value": 4, "value": 1.0, "x_name": "epoch"},
    )
    study.run("short", "random", [5] * 4)
    study.run("short", "oracle", [9] * 4)
    for seed in (0, 1):
        study.train("short", "ours", {100: 5, 300: 7, 500: 7, 1000: 8}, seed=seed)
    found = rows(study)
    # at 200 steps the mean return is 6, a quarter of the way from 5 to 9; training stops before 1,100 steps
    assert [row["ours"] for row in found] == pytest.approx([0.25, 0.5, NAN, NAN], nan_ok=True)
    assert [row["verdict"] for row in found] == ["replicated", "partly", "not run", "not run"]
    assert found[0]["seeds"] == 2


def test_curve_without_floor_or_ceiling_is_not_run(study):
    study.publish(CURVE_ROW | {"x_value": 2, "value": 0.25})
    study.run("short", "random", [5] * 4)
    study.train("short", "ours", {100: 5, 300: 7})
    assert rows(study)[0]["verdict"] == "not run"


def test_reference_is_compared_only_when_asked_for(study):
    study.publish({"method": "Random", "value": 5.0})
    study.run("short", "random", [5] * 4, scale="night")
    study.ship("night")
    assert rows(study, "hour")[0]["verdict"] == "not run"
    row = rows(study, "reference")[0]
    assert (row["verdict"], row["scale"]) == ("replicated", "night")


def test_interval_comes_from_the_tasks_of_one_seed(study):
    study.publish({"method": "Random", "value": 5.0})
    study.run("short", "random", np.tile([4.0, 6.0], 200))
    row = rows(study)[0]
    # 400 tasks of standard deviation 1: the interval reaches 1.96 / 20 to either side
    assert row["ours_low"] == pytest.approx(5 - 0.098, abs=0.01)
    assert row["ours_high"] == pytest.approx(5 + 0.098, abs=0.01)
