"""Tidy tables: their shape, their bytes, and their way into the reference results."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from shared.study import paths, runner
from shared.study.errors import StudyError
from shared.study.results import (
    evaluation,
    load_reference,
    load_runs,
    metrics_table,
    read_table,
    results_table,
    table_bytes,
    write_reference,
    write_table,
)
from shared.study.run import Protocol
from shared.study.schema import load_replications

EPISODES = Protocol(episodes=2)
TRIALS = Protocol(episodes=2, report="trial")
RETURNS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def frame(*evaluations):
    return results_table(evaluations).to_pandas()


def test_one_row_per_evaluation_task_and_episode():
    rows = frame(evaluation(0, RETURNS, 3, EPISODES, "run"), evaluation(7, 10 * RETURNS, 3, EPISODES, "run"))
    assert rows["env_steps"].tolist() == [0] * 6 + [7] * 6
    assert rows["task"].tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert rows["episode"].tolist() == [0, 1] * 6
    assert rows["return"].tolist() == [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60]


def test_a_trial_is_the_sum_of_returns_and_the_mean_of_other_measures():
    rows = frame(evaluation(0, {"return": RETURNS, "success": RETURNS}, 3, TRIALS, "run"))
    assert rows["return"].tolist() == [3, 7, 11]
    assert rows["success"].tolist() == [1.5, 3.5, 5.5]
    assert rows["episode"].tolist() == [0, 0, 0]


def test_no_evaluation_gives_an_empty_table_of_the_same_kind():
    empty = results_table([])
    assert len(empty) == 0
    assert empty.schema == results_table([evaluation(0, RETURNS, 3, EPISODES, "run")]).schema


@pytest.mark.parametrize(
    ("adapted", "sentence"),
    [
        (RETURNS.T, r"'return' of shape \(2, 3\), not \(3, 2\)"),
        ({"success": RETURNS}, "no 'return', only success"),
        (np.where(RETURNS > 5, np.inf, RETURNS), "'return' that is not finite after 40 steps"),
    ],
)
def test_what_a_learner_must_not_return(adapted, sentence):
    with pytest.raises(StudyError, match=sentence):
        evaluation(40, adapted, 3, EPISODES, "run")


def test_metrics_keep_their_order_and_types():
    table = metrics_table({"iteration": [1, 2], "env_steps": [5, 10], "loss": [0.5, 1], "gap": [np.nan, 2.0]})
    assert [str(kind) for kind in table.schema.types] == ["int64", "int64", "double", "double"]
    assert table.to_pandas()["loss"].tolist() == [0.5, 1.0]
    assert table.to_pandas()["gap"].isna().tolist() == [True, False]


def test_the_same_table_has_the_same_bytes_and_comes_back(tmp_path):
    tables = [results_table([evaluation(0, RETURNS.copy(), 3, EPISODES, "run")]) for _ in range(2)]
    assert table_bytes(tables[0]) == table_bytes(tables[1])
    write_table(tmp_path / "t.parquet", tables[0])
    assert read_table(tmp_path / "t.parquet").equals(tables[0])


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(StudyError, match=r"t\.parquet cannot be read"):
        read_table(tmp_path / "t.parquet")


@pytest.fixture
def finished(walk, walk_run, observer):
    """Return a study whose smoke runs of `walk` are finished and whose others are not."""
    for experiment in ("line", "trials"):
        run = walk_run(experiment=experiment)
        runner.train(run, walk, observer, checkpoint_seconds=60)
        runner.evaluate(run, walk, observer)
    return walk


def test_runs_are_loaded_with_their_identity_and_absent_ones_left_out(finished):
    replication = load_replications(finished)["walk"]
    results, metrics = load_runs(replication, "smoke", finished)
    assert list(results.columns[:4]) == ["experiment", "method", "seed", "scale"]
    assert results.groupby(["experiment", "method", "seed", "scale"]).size().to_dict() == {
        ("line", "walk", 0, "smoke"): 15,
        ("trials", "walk", 0, "smoke"): 6,
    }
    assert metrics.groupby("experiment").size().to_dict() == {"line": 12, "trials": 3}
    only, _ = load_runs(replication, "smoke", finished, ["trials"], ["walk"])
    assert set(only["experiment"]) == {"trials"}


def test_nothing_loaded_still_has_its_columns(finished):
    replication = load_replications(finished)["walk"]
    results, metrics = load_runs(replication, "paper", finished)
    identity = ["experiment", "method", "seed", "scale"]
    assert list(results.columns) == [*identity, "env_steps", "task", "episode", "return"]
    assert list(metrics.columns) == [*identity, "iteration", "env_steps"]
    assert len(results) == len(metrics) == 0
    assert all(len(table) == 0 for table in load_reference("walk", finished))


def test_finished_runs_become_reference_results_with_their_provenance(finished):
    replication = load_replications(finished)["walk"]
    collected = write_reference(replication, "smoke", finished)
    assert collected.finished == ["walk/line/walk seed 0 (smoke)", "walk/trials/walk seed 0 (smoke)"]
    assert collected.kept == []
    assert collected.missing == ["walk/line/array seed 0 (smoke)", "walk/line/fixed seed 0 (smoke)"]
    for own, shipped in zip(load_runs(replication, "smoke", finished), load_reference("walk", finished), strict=True):
        pd.testing.assert_frame_equal(own, shipped)
    folder = finished / paths.reference_folder("smoke", "walk")
    provenance = json.loads((folder / paths.PROVENANCE).read_text())
    assert [run["run"]["experiment"] for run in provenance["runs"]] == ["line", "trials"]
    before = (folder / paths.RESULTS).read_bytes()
    write_reference(replication, "smoke", finished)
    assert (folder / paths.RESULTS).read_bytes() == before


def test_runs_that_another_machine_shipped_stay_in_the_reference(finished):
    replication = load_replications(finished)["walk"]
    write_reference(replication, "smoke", finished)
    shipped = load_reference("walk", finished)
    folder = finished / paths.reference_folder("smoke", "walk")
    provenance = (folder / paths.PROVENANCE).read_bytes()
    (line,) = [run for run in replication.runs("smoke") if run.title == "walk/line/walk seed 0 (smoke)"]
    shutil.rmtree(finished / paths.run_folder(line))
    collected = write_reference(replication, "smoke", finished)
    assert collected.finished == ["walk/trials/walk seed 0 (smoke)"]
    assert collected.kept == [line.title]
    for before, after in zip(shipped, load_reference("walk", finished), strict=True):
        pd.testing.assert_frame_equal(before, after)
    assert (folder / paths.PROVENANCE).read_bytes() == provenance


def test_shipped_runs_that_were_made_with_other_settings_are_named(finished):
    replication = load_replications(finished)["walk"]
    assert write_reference(replication, "smoke", finished).outdated == []
    (line,) = [run for run in replication.runs("smoke") if run.title == "walk/line/walk seed 0 (smoke)"]
    shutil.rmtree(finished / paths.run_folder(line))
    file = finished / paths.reference_folder("smoke", "walk") / paths.PROVENANCE
    file.write_text(file.read_text().replace(line.config_hash, "0" * 16))
    assert write_reference(replication, "smoke", finished).outdated == [line.title]


def test_shipped_runs_that_are_declared_no_more_leave_the_reference(finished):
    replication = load_replications(finished)["walk"]
    write_reference(replication, "smoke", finished)
    file = finished / paths.reference_folder("smoke", "walk") / paths.PROVENANCE
    file.write_text(file.read_text().replace('"method": "walk"', '"method": "crawl"', 1))
    (line,) = [run for run in replication.runs("smoke") if run.title == "walk/line/walk seed 0 (smoke)"]
    shutil.rmtree(finished / paths.run_folder(line))
    collected = write_reference(replication, "smoke", finished)
    assert collected.kept == []
    assert line.title in collected.missing
    assert set(load_reference("walk", finished)[0]["experiment"]) == {"trials"}


def test_there_is_no_reference_without_finished_runs(walk):
    with pytest.raises(StudyError, match="no run of walk at scale 'night' is finished"):
        write_reference(load_replications(walk)["walk"], "night", walk)
