"""What a paper's runs cost on this machine, from the benchmark files of the workflow.

As a program, `python -m shared.analysis.runtimes <paper> --scale <scale>` writes `runtimes.{csv,md,html}`
beside the paper's figures.
"""

import argparse
from pathlib import Path

import pandas as pd

from shared.figures.output import save_frame
from shared.study import paths
from shared.study.run import ResolvedRun
from shared.study.schema import find_replication, load_replications

COLUMNS = ("experiment", "method", "runs", "train (s)", "evaluate (s)", "CPU (s)", "peak memory (MB)")


def read_benchmark(file: Path) -> dict[str, float]:
    """Return `s`, `cpu_time` (both in seconds) and `max_rss` (MB) of one job.

    Snakemake samples a process now and then, so that the shortest jobs have no memory or processor time: NaN.
    """
    row = pd.read_csv(file, sep="\t", na_values=["-", "NA"]).iloc[-1]
    return {name: float(row[name]) for name in ("s", "cpu_time", "max_rss")}


def runtimes(runs: list[ResolvedRun], root: Path) -> pd.DataFrame:
    """Tabulate the cost of `runs`: `COLUMNS`, one row per experiment and method and a last row for all.

    Seconds are summed over seeds, memory is the largest of any job. Runs without benchmarks are left out.
    """
    jobs = pd.DataFrame([job for run in runs for job in _jobs(run, root)])
    if jobs.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    groups = jobs.groupby(["experiment", "method"], sort=False)
    rows = [_row(experiment, method, group) for (experiment, method), group in groups]
    return pd.DataFrame([*rows, _row("all", "all", jobs)], columns=list(COLUMNS))


def _jobs(run: ResolvedRun, root: Path) -> list[dict[str, object]]:
    folder = root / paths.run_folder(run)
    files = {"train": folder / paths.TRAIN_BENCHMARK, "evaluate": folder / paths.EVALUATE_BENCHMARK}
    identity = {"experiment": run.experiment, "method": run.method, "run": str(folder)}
    return [identity | {"job": job} | read_benchmark(file) for job, file in files.items() if file.is_file()]


def _row(experiment: str, method: str, jobs: pd.DataFrame) -> tuple[object, ...]:
    seconds = jobs.groupby("job")["s"].sum()
    return (
        experiment,
        method,
        jobs["run"].nunique(),
        f"{seconds.get('train', 0.0):.1f}",
        f"{seconds.get('evaluate', 0.0):.1f}",
        f"{jobs['cpu_time'].sum():.1f}",
        f"{jobs['max_rss'].max():.0f}",
    )


def main() -> None:
    """Write the table of one paper at one scale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paper")
    parser.add_argument("--scale", required=True)
    arguments = parser.parse_args()
    root = paths.default_root()
    replication = find_replication(load_replications(root), arguments.paper)
    frame = runtimes(replication.possible_runs(arguments.scale), root)
    folder = root / paths.figures_folder(arguments.scale, replication.paper)
    save_frame(frame, folder / "runtimes", f"Run times of {replication.title} at scale {arguments.scale}")


if __name__ == "__main__":
    main()
