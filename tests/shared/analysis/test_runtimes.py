"""Run times are gathered from Snakemake's benchmark files."""

import math

import pytest

from shared.analysis.runtimes import COLUMNS, read_benchmark, runtimes
from shared.study.paths import EVALUATE_BENCHMARK, TRAIN_BENCHMARK, run_folder
from shared.study.run import Protocol, ResolvedRun

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def a_run(method, seed, trains):
    return ResolvedRun(
        paper="toy", experiment="coins", method=method, seed=seed, scale="smoke", trains=trains,
        learner="a.b:C", family="a.b:D", family_config={}, hyperparameters={}, protocol=Protocol(episodes=1),
        tasks=1, curve_tasks=1, env_steps=1, iterations=None, evaluate_every=None, needs={},
    )  # fmt: skip


def write_benchmark(root, run, name, seconds, memory, cpu):
    folder = root / run_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"{HEADER}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t0\t0\t50.0\t{cpu}\n")


def test_seconds_are_summed_over_seeds_and_memory_is_the_largest(tmp_path):
    first, second, plain = a_run("habit", 0, True), a_run("habit", 1, True), a_run("uniform", 0, False)
    write_benchmark(tmp_path, first, TRAIN_BENCHMARK, 10.0, 300.0, 9.0)
    write_benchmark(tmp_path, second, TRAIN_BENCHMARK, 20.0, 500.0, 18.0)
    write_benchmark(tmp_path, first, EVALUATE_BENCHMARK, 1.0, 100.0, 0.5)
    write_benchmark(tmp_path, second, EVALUATE_BENCHMARK, 2.0, 100.0, 0.5)
    write_benchmark(tmp_path, plain, EVALUATE_BENCHMARK, 4.0, 50.0, 2.0)
    table = runtimes([first, second, plain], tmp_path)
    assert table.values.tolist() == [
        ["coins", "habit", 2, "30.0", "3.0", "28.0", "500"],
        ["coins", "uniform", 1, "0.0", "4.0", "2.0", "50"],
        ["all", "all", 3, "30.0", "7.0", "30.0", "500"],
    ]


def test_a_job_too_short_to_be_sampled_has_no_memory(tmp_path):
    run = a_run("uniform", 0, False)
    write_benchmark(tmp_path, run, EVALUATE_BENCHMARK, 0.4, "NA", "-")
    benchmark = read_benchmark(tmp_path / run_folder(run) / EVALUATE_BENCHMARK)
    assert benchmark["s"] == pytest.approx(0.4)
    assert math.isnan(benchmark["max_rss"]) and math.isnan(benchmark["cpu_time"])
    assert runtimes([run], tmp_path)["evaluate (s)"].tolist() == ["0.4", "0.4"]


def test_runs_without_benchmarks_make_an_empty_table(tmp_path):
    table = runtimes([a_run("habit", 0, True)], tmp_path)
    assert table.empty
    assert tuple(table.columns) == COLUMNS
