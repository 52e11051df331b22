"""A run ends with the same bytes however often it was interrupted, and says what stops it."""

import math
import os
import signal
import threading

import numpy as np
import pandas as pd
import pytest

from shared.study import paths, runner
from shared.study.errors import StudyError
from shared.study.files import exclusive, read_json
from shared.study.interruption import Interrupted
from shared.study.state import from_bytes
from tests.workspace import edit

OUTPUTS = (paths.MODEL, paths.METRICS, paths.CURVE, paths.RESULTS)


def folder_of(run, root):
    return root / paths.run_folder(run)


def finish(run, root, observer, **options):
    """Train and evaluate; return the bytes of all outputs."""
    runner.train(run, root, observer, **{"checkpoint_seconds": math.inf, **options})
    runner.evaluate(run, root, observer)
    return {name: (folder_of(run, root) / name).read_bytes() for name in OUTPUTS}


def forget_outputs(run, root):
    for name in (*OUTPUTS, paths.TRAINING, paths.MANIFEST):
        (folder_of(run, root) / name).unlink()


def damage(run, root, which):
    checkpoint = sorted((folder_of(run, root) / paths.CHECKPOINTS).glob("*.pt"))[which]
    data = bytearray(checkpoint.read_bytes())
    data[len(data) // 2] ^= 1
    checkpoint.write_bytes(data)


def test_training_lasts_as_long_as_its_budget(walk, walk_run, observer):
    run = walk_run()
    finish(run, walk, observer)
    metrics = pd.read_parquet(folder_of(run, walk) / paths.METRICS)
    assert metrics["iteration"].tolist() == list(range(1, 13))
    assert metrics["env_steps"].tolist() == list(range(10, 121, 10))
    assert metrics["even"].isna().tolist() == [True, False] * 6
    assert list(metrics.columns) == ["iteration", "env_steps", "place", "even"]
    assert observer.steps[-1].fraction == 1
    assert from_bytes((folder_of(run, walk) / paths.MODEL).read_bytes())["place"] == metrics["place"].iloc[-1]


def test_a_fixed_number_of_iterations_is_a_budget_too(walk, walk_run, observer):
    run = walk_run("fixed")
    finish(run, walk, observer)
    assert len(pd.read_parquet(folder_of(run, walk) / paths.METRICS)) == 3
    assert [step.fraction for step in observer.steps] == [1 / 3, 2 / 3, 1]


def test_results_hold_the_curve_and_the_final_evaluation(walk, walk_run, observer):
    run = walk_run(scale="hour")
    finish(run, walk, observer)
    results = pd.read_parquet(folder_of(run, walk) / paths.RESULTS)
    assert results.groupby("env_steps").size().to_dict() == {0: 6, 40: 6, 80: 6, 120: 15}
    assert list(results.columns) == ["env_steps", "task", "episode", "return", "success"]
    assert results["success"].isin([0.0, 1.0]).all()
    assert results[results["env_steps"] == 120]["task"].tolist() == np.repeat(range(5), 3).tolist()
    assert results[results["env_steps"] == 120]["episode"].tolist() == [0, 1, 2] * 5
    curve = pd.read_parquet(folder_of(run, walk) / paths.CURVE)
    assert curve["env_steps"].max() == 80


def test_a_trial_is_reported_as_one_total(walk, walk_run, observer):
    episodes = walk_run(experiment="trials").model_copy(
        update={"protocol": walk_run().protocol.model_copy(update={"episodes": 4})}
    )
    finish(episodes, walk, observer)
    by_episode = pd.read_parquet(folder_of(episodes, walk) / paths.RESULTS)
    run = walk_run(experiment="trials")
    finish(run, walk, observer)
    results = pd.read_parquet(folder_of(run, walk) / paths.RESULTS)
    assert results["episode"].tolist() == [0] * 6
    np.testing.assert_allclose(results["return"], by_episode.groupby("task")["return"].sum())
    np.testing.assert_allclose(results["success"], by_episode.groupby("task")["success"].mean())


def test_all_methods_and_seeds_meet_the_same_test_tasks(walk_run, walk):
    tasks = [
        runner._test_tasks(run, runner.make_family(run, walk))
        for run in (walk_run(), walk_run("array"), walk_run(scale="hour", seed=1))
    ]
    assert (tasks[0] == tasks[1]).all() and (tasks[0] == tasks[2]).all()


def test_seeds_differ_and_the_same_seed_does_not(walk, walk_run, observer):
    first = finish(walk_run(scale="hour"), walk, observer)
    forget_outputs(walk_run(scale="hour"), walk)
    again = finish(walk_run(scale="hour"), walk, observer, restart=True)
    assert first == again
    assert finish(walk_run(scale="hour", seed=1), walk, observer)[paths.METRICS] != first[paths.METRICS]


@pytest.mark.parametrize("method", ["walk", "array"])
def test_a_crashed_training_continues_to_the_same_bytes(walk, walk_run, observer, monkeypatch, method):
    undisturbed = finish(walk_run(method, scale="hour"), walk, observer)
    folder_of(walk_run(method, scale="hour"), walk).rename(walk / "elsewhere")

    run = walk_run(method, scale="hour", hyperparameters={"crash_at": 9})
    with pytest.raises(MemoryError):
        finish(run, walk, observer, checkpoint_seconds=0)
    monkeypatch.setenv("CALM", "1")
    observer.steps.clear()
    resumed = finish(run, walk, observer)
    assert observer.steps[0].iteration == 9
    assert resumed == undisturbed


def test_a_finished_training_brings_lost_outputs_back_without_training(walk, walk_run, observer):
    run = walk_run("array", scale="hour")
    first = finish(run, walk, observer)
    forget_outputs(run, walk)
    observer.steps.clear()
    assert finish(run, walk, observer) == first
    assert observer.steps == []


def test_a_longer_budget_continues_a_shorter_one(walk, walk_run, observer):
    whole = finish(walk_run(scale="hour"), walk, observer)
    folder_of(walk_run(scale="hour"), walk).rename(walk / "elsewhere")
    finish(walk_run(scale="hour", env_steps=40), walk, observer)
    observer.steps.clear()
    assert finish(walk_run(scale="hour"), walk, observer) == whole
    assert observer.steps[0].iteration == 5


def test_a_shorter_budget_starts_afresh(walk, walk_run, observer):
    short = finish(walk_run(env_steps=35), walk, observer)
    finish(walk_run(), walk, observer)
    assert finish(walk_run(env_steps=35), walk, observer) == short
    assert any("lie beyond its budget" in sentence for sentence in observer.sentences)


def test_changed_settings_or_code_start_afresh_and_keep_the_old_checkpoints(walk, walk_run, observer):
    finish(walk_run(), walk, observer)
    changed = walk_run(hyperparameters={"stride": 0.5})
    observer.steps.clear()
    finish(changed, walk, observer)
    assert observer.steps[0].iteration == 1
    assert "belong to other settings" in observer.sentences[-2]
    assert (folder_of(changed, walk) / "checkpoints-superseded").is_dir()
    learner = walk / "replications/walk/walk.py"
    edit(learner, '"""Move."""', '"""Move on."""  # a comment')
    finish(changed, walk, observer)
    assert "continues after iteration 12" in observer.sentences[-2]
    edit(learner, "0.01 *", "0.02 *")
    finish(changed, walk, observer)
    assert "belong to other code" in observer.sentences[-2]


def test_a_damaged_checkpoint_costs_only_the_time_since_the_one_before(walk, walk_run, observer):
    run = walk_run()
    first = finish(run, walk, observer, checkpoint_seconds=0)
    damage(run, walk, -1)
    observer.steps.clear()
    assert finish(run, walk, observer) == first
    assert [step.iteration for step in observer.steps] == [12]
    assert any("checkpoint-000000012.pt is damaged" in sentence for sentence in observer.sentences)


def test_a_metric_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(walk, walk_run, observer):
    run = walk_run(hyperparameters={"nan_at": 5})
    with pytest.raises(StudyError, match=r"walk/line/walk seed 0 \(smoke\), iteration 5: the metric 'place' is nan"):
        finish(run, walk, observer, checkpoint_seconds=0)
    kept = sorted(path.name for path in (folder_of(run, walk) / paths.CHECKPOINTS).glob("*.pt"))
    assert kept == ["checkpoint-000000003.pt", "checkpoint-000000004.pt"]
    assert not (folder_of(run, walk) / paths.MODEL).exists()


def test_training_that_costs_no_steps_is_refused(walk, walk_run, observer):
    with pytest.raises(StudyError, match="consumed no environment steps"):
        finish(walk_run(hyperparameters={"steps": 0}), walk, observer)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_iteration_with_a_checkpoint(walk, walk_run, observer, signum):
    undisturbed = finish(walk_run(), walk, observer)
    folder_of(walk_run(), walk).rename(walk / "elsewhere")

    def send(step):
        if step.iteration == 4:
            os.kill(os.getpid(), signum)

    handlers = signal.getsignal(signum)
    observer.step = send
    with pytest.raises(Interrupted, match="stopped after iteration 4, 40 steps") as caught:
        finish(walk_run(), walk, observer)
    assert caught.value.exit_code == 128 + signum
    assert signal.getsignal(signum) is handlers
    observer.step = lambda step: None
    assert finish(walk_run(), walk, observer) == undisturbed
    assert "continues after iteration 4" in observer.sentences[-2]


def test_one_run_is_trained_by_one_process_at_a_time(walk, walk_run, observer):
    run = walk_run()
    with exclusive(folder_of(run, walk), "it"), pytest.raises(StudyError, match="already being trained"):
        finish(run, walk, observer)
    finish(run, walk, observer)


def test_training_works_outside_the_main_thread(walk, walk_run, observer):
    thread = threading.Thread(target=finish, args=(walk_run(), walk, observer))
    thread.start()
    thread.join()
    assert (folder_of(walk_run(), walk) / paths.RESULTS).is_file()


def test_evaluation_wants_the_model_of_this_configuration(walk, walk_run, observer):
    run = walk_run()
    with pytest.raises(StudyError, match="not trained yet: replicate train walk/line/walk --seed 0 --scale smoke"):
        runner.evaluate(run, walk, observer)
    finish(run, walk, observer)
    with pytest.raises(StudyError, match="trained with other settings"):
        runner.evaluate(walk_run(hyperparameters={"stride": 0.3}), walk, observer)
    model = folder_of(run, walk) / paths.MODEL
    model.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(StudyError, match="not the file that training wrote"):
        runner.evaluate(run, walk, observer)


def test_more_test_tasks_need_no_new_training(walk, walk_run, observer):
    finish(walk_run(), walk, observer)
    runner.evaluate(walk_run(tasks=9), walk, observer)
    assert pd.read_parquet(folder_of(walk_run(), walk) / paths.RESULTS)["task"].nunique() == 9


def test_manifests_tell_where_results_come_from(walk, walk_run, observer):
    run = walk_run()
    finish(run, walk, observer)
    manifest = read_json(folder_of(run, walk) / paths.MANIFEST)
    assert manifest["run"] == run.model_dump(mode="json")
    assert manifest["config_hash"] == run.config_hash
    assert manifest["packages"]["numpy"] == np.__version__
    assert manifest["hardware"]["cores"] >= 1
    assert manifest["training"]["iterations"] == 12
    assert manifest["training"]["wall_seconds"] > 0
    assert len(manifest["code_digest"]) == 16


def test_wrong_values_are_named(walk, walk_run, observer):
    with pytest.raises(StudyError, match=r"'walk' in 'line' at scale 'smoke': stride: .*valid number.*'fast'"):
        finish(walk_run(hyperparameters={"stride": "fast"}), walk, observer)
    with pytest.raises(StudyError, match=r"experiments\.line\.family: .*'widht'"):
        finish(walk_run(family_config={"widht": 2}), walk, observer)
    with pytest.raises(StudyError, match="device 'gpu' cannot be used"):
        finish(walk_run(), walk, observer, device="gpu")
    with pytest.raises(StudyError, match="does not train; evaluate it"):
        runner.train(walk_run(trains=False), walk, observer, checkpoint_seconds=60)
