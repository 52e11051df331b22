"""Snakemake itself on the toy replication: everything at the smallest scale, and what runs again after a change."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.workspace import edit, full_workspace, planned_jobs, snakemake, toy_workspace

# A dozen processes that import torch or matplotlib: seconds on a free machine, minutes on a busy one.
pytestmark = pytest.mark.timeout(900)

SMOKE = ("--config", "scale=smoke")
TOY = "replications/toy"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
DRAWN = {
    "draw figure1 of toy (smoke)",
    "draw table1 of toy (smoke)",
    "test the claims of toy (smoke)",
    "compare toy with its published numbers (smoke)",
    "tabulate the run times of toy (smoke)",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace in which everything has been made at the smallest scale."""
    root = toy_workspace(tmp_path_factory.mktemp("finished"))
    result = snakemake(root, "all", *SMOKE)
    assert result.returncode == 0, result.stdout
    return root


@pytest.fixture
def changed(finished):
    """Edit files of the finished workspace, and take the edits back afterwards."""
    before = {}

    def change(name, old, new):
        file = finished / name
        before.setdefault(file, file.read_text())
        edit(file, old, new)
        return planned_jobs(finished, "all", *SMOKE)

    yield change
    for file, text in before.items():
        file.write_text(text)


@pytest.mark.slow
def test_everything_is_made_once_and_then_there_is_nothing_to_do(finished):
    drawn = {file.name for file in (finished / "figures/smoke/toy").iterdir()}
    tables = {f"{name}.{kind}" for name in ("claims", "comparison", "runtimes") for kind in ("csv", "html", "md")}
    tables |= {f"table1.{kind}" for kind in ("csv", "html", "md", "tex")}
    assert drawn == tables | {"figure1.svg", "figure1.png"}
    assert "habit" in (finished / "figures/smoke/toy/runtimes.md").read_text()
    again = snakemake(finished, "all", *SMOKE)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout


@pytest.mark.slow
def test_comments_rerun_nothing(changed):
    changed(f"{TOY}/counting.py", "import numpy as np", "import numpy as np  # a comment")
    changed("shared/study/runner.py", "CHECKPOINT_FORMAT = 1", "CHECKPOINT_FORMAT = 1  # a comment")
    changed(f"{TOY}/figures.py", '"""One figure and one table."""', '"""Two things."""')
    assert changed(f"{TOY}/replication.yaml", "paper: toy", "# a comment\npaper: toy") == set()


@pytest.mark.slow
def test_a_changed_algorithm_reruns_what_uses_it(changed):
    jobs = changed(f"{TOY}/counting.py", "(paid + 1)", "(paid + 2)")
    retrained = {f"{job} toy/{experiment}/habit seed 0 (smoke)" for job in ("train", "evaluate")
                 for experiment in ("coins", "short-coins")}  # fmt: skip
    # The copycat needs what the habit has learned.
    assert jobs == retrained | {"evaluate toy/coins/copycat seed 0 (smoke)"} | DRAWN


@pytest.mark.slow
def test_a_changed_hyperparameter_reruns_its_runs(changed):
    new = "habit:\n    label: Habit\n    published: Habit\n    learner: habit.Habit\n    iterations: 3"
    jobs = changed(f"{TOY}/replication.yaml", new.removesuffix("\n    iterations: 3"), new)
    assert {job for job in jobs if job.startswith("train")} == {
        "train toy/coins/habit seed 0 (smoke)",
        "train toy/short-coins/habit seed 0 (smoke)",
    }
    assert "evaluate toy/coins/uniform seed 0 (smoke)" not in jobs


@pytest.mark.slow
def test_a_changed_plot_is_drawn_again_and_nothing_is_trained(changed):
    jobs = changed(f"{TOY}/figures.py", "figsize=(4, 3)", "figsize=(5, 3)")
    assert jobs == {"draw figure1 of toy (smoke)", "draw table1 of toy (smoke)"}


@pytest.mark.slow
def test_the_report_is_one_file_that_shows_every_output(finished):
    result = snakemake(finished, "all", *SMOKE, "--report", "report.html")
    assert result.returncode == 0, result.stdout
    report = (finished / "report.html").read_text()
    for output in ("figure1.svg", "table1.html", "claims.html", "comparison.html", "runtimes.html"):
        assert f"figures/smoke/toy/{output}" in report
    assert "Mean return of every method." in report
    assert not re.search(r"""<(script|link|img|iframe)[^>]+(src|href)=["']?(https?:)?//""", report)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_report_opens_in_a_browser(finished):
    result = snakemake(finished, "all", *SMOKE, "--report", "browser.html")
    assert result.returncode == 0, result.stdout
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
    page = (finished / "browser.html").as_uri()
    shown = subprocess.run([CHROMIUM, *options, page], capture_output=True, text=True, check=True).stdout
    body = shown[shown.index("<body") :]
    visible = re.sub(r"<(script|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    assert "Replications of papers of meta-reinforcement learning" in visible
    assert re.search(r">\s*Results\s*<", visible)


@pytest.mark.slow
def test_a_target_runs_only_what_it_needs(tmp_path):
    root = toy_workspace(tmp_path)
    runs = {"train toy/short-coins/habit", "evaluate toy/short-coins/habit", "evaluate toy/short-coins/uniform"}
    expected = {f"{run} seed 0 (smoke)" for run in runs} | {"draw table1 of toy (smoke)"}
    assert planned_jobs(root, "toy_table1", *SMOKE) == expected
    assert planned_jobs(root, "toy", *SMOKE) >= DRAWN
    assert "draw figure1 of toy (hour)" in planned_jobs(root, "toy_figure1")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("all", "--config", "scale=smokey"), "unknown scale 'smokey'; the nearest valid name is 'smoke'"),
        (("toy_figur1", *SMOKE), "unknown target 'toy_figur1'; the nearest valid name is 'toy_figure1'"),
    ],
)
def test_bad_requests_are_refused_in_a_sentence(tmp_path, arguments, sentence):
    result = snakemake(toy_workspace(tmp_path), "--dry-run", *arguments)
    assert result.returncode != 0
    assert result.stdout.splitlines()[-1] == sentence
    assert "Traceback" not in result.stdout


def test_a_mistake_in_a_replication_is_refused_in_a_sentence(tmp_path):
    root = toy_workspace(tmp_path)
    edit(root / f"{TOY}/replication.yaml", "tosses: 10", "toses: 10")
    result = snakemake(root, "--dry-run", "all")
    assert result.returncode != 0
    assert "replications/toy/replication.yaml" in result.stdout.splitlines()[-1]
    assert "'toses'; the nearest valid name is 'tosses'" in result.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["smoke", "hour", "night", "paper"])
def test_the_repository_has_a_plan_at_every_scale(tmp_path, scale):
    root = full_workspace(tmp_path)
    jobs = planned_jobs(root, "all", "--config", f"scale={scale}")
    papers = [folder.parent.name for folder in (root / "replications").glob("*/replication.yaml")]
    assert papers
    assert {f"test the claims of {paper} ({scale})" for paper in papers} <= jobs


@pytest.mark.slow
def test_the_workflow_is_clean(tmp_path):
    result = snakemake(toy_workspace(tmp_path), "--lint")
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_an_interrupted_workflow_continues_its_training(tmp_path):
    root = toy_workspace(tmp_path)
    learner = root / f"{TOY}/habit.py"
    edit(learner, "import numpy as np\n", "import time\nfrom pathlib import Path\n\nimport numpy as np\n")
    edit(learner, "        tasks =", '        Path("training").touch()\n        time.sleep(0.1)\n        tasks =')
    edit(root / f"{TOY}/replication.yaml", "seeds: 1, env_steps: 400", "seeds: 1, env_steps: 10000")
    model = "data/runs/smoke/toy/coins/habit/seed0/model.pt"
    interrupt_when(root / "training", root, model, *SMOKE)
    assert not (root / model).exists()
    result = snakemake(root, model, *SMOKE)
    assert result.returncode == 0, result.stdout
    assert "toy/coins/habit seed 0 (smoke) continues after iteration" in result.stdout
    assert (root / model).exists()


def interrupt_when(file, root, *arguments):
    """Run Snakemake and press Ctrl-C, which reaches every process of the terminal, once `file` is there."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    workflow = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    while not file.exists():
        assert workflow.poll() is None, "the workflow ended before it trained"
        time.sleep(0.05)
    os.killpg(workflow.pid, signal.SIGINT)
    assert workflow.wait() != 0
