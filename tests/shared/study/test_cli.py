"""The command as people and the workflow use it: what it writes, refuses, and survives."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from shared.study import cli, paths
from shared.study.schema import load_replications
from tests.workspace import edit

LONG_RUN = ("walk/trials/walk", "--scale", "paper")
OUTPUTS = (paths.MODEL, paths.METRICS, paths.CURVE, paths.RESULTS)


def replicate(root, *arguments, **options):
    command = [sys.executable, "-m", "shared.study.cli", *arguments]
    return subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True, **options)


def succeed(root, *arguments):
    process = replicate(root, *arguments)
    _, complaints = process.communicate(timeout=200)
    assert process.returncode == 0, complaints
    return complaints


def long_run_folder(root):
    return root / paths.run_folder(load_replications(root)["walk"].run("trials", "walk", 0, "paper"))


def finish(root):
    succeed(root, "train", *LONG_RUN)
    succeed(root, "evaluate", *LONG_RUN)
    return {name: (long_run_folder(root) / name).read_bytes() for name in OUTPUTS}


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def newest(folder):
    return max((path.name for path in (folder / paths.CHECKPOINTS).glob("*.pt")), default="")


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_no_byte(walk):
    undisturbed = finish(walk)
    folder = long_run_folder(walk)
    folder.rename(walk / "elsewhere")
    moments = random.Random(0)
    for _ in range(10):
        before = newest(folder)
        process = replicate(walk, "train", *LONG_RUN, "--checkpoint-seconds", "0.02")
        wait_for(lambda before=before: newest(folder) > before, process)
        time.sleep(moments.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (folder / paths.MODEL).exists(), "the run ended before it was killed ten times"
    assert finish(walk) == undisturbed
    assert list(folder.rglob("*.tmp")) == []


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_and_the_usual_exit_code(walk, signum, code):
    process = replicate(walk, "train", *LONG_RUN, "--checkpoint-seconds", "0.1")
    wait_for(lambda: newest(long_run_folder(walk)), process)
    process.send_signal(signum)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == code
    assert complaints.splitlines()[-1].startswith("replicate: walk/trials/walk seed 0 (paper) stopped after iteration")
    assert "Traceback" not in complaints


def test_baselines_that_do_not_train_do_not_wait_for_torch_or_pandas(toy):
    program = (
        "import sys; from shared.study.cli import main;"
        "assert main(['evaluate', 'toy/coins/uniform', '--scale', 'smoke']) == 0;"
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=toy, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_run_that_needs_another_is_given_its_state(toy):
    assert run(toy, "evaluate", "toy/coins/copycat", "--scale", "smoke") == 2
    succeed(toy, "train", "toy/coins/habit", "--scale", "smoke")
    succeed(toy, "evaluate", "toy/coins/copycat", "--scale", "smoke")
    folder = toy / "data/runs/smoke/toy/coins/copycat/seed0"
    assert sorted(path.name for path in folder.iterdir()) == [paths.MANIFEST, paths.RESULTS]
    # The better coin pays with probability 0.75 on average, ten times.
    assert pd.read_parquet(folder / paths.RESULTS)["return"].mean() == pytest.approx(7.5, abs=1.0)


def run(root, *arguments):
    return cli.main([*arguments, "--root", str(root)])


def test_the_list_names_everything(toy, capsys):
    assert run(toy, "list") == 0
    assert capsys.readouterr().out.startswith("toy        Tossing the better coin")
    assert run(toy, "list", "toy") == 0
    shown = capsys.readouterr().out
    for part in ("toy/coins/habit  seeds 0, 1", "figure figure1", "table table1", "claim claim1"):
        assert part in shown


def test_check_constructs_what_jobs_would(walk, capsys):
    assert run(walk, "check") == 0
    assert "walk: 8 methods of experiments and 0 outputs are in order" in capsys.readouterr().out
    edit(walk / "replications/walk/replication.yaml", "value: 1e-1", "value: quick")
    assert run(walk, "check", "walk") == 2
    assert "hyper-parameters of 'walk' in 'line' at scale 'smoke': stride" in capsys.readouterr().err


MISTAKES = [
    (["train", "toy/coins/habbit"], "'habit'"),
    (["train", "toy/coin/habit"], "'coins'"),
    (["train", "tpy/coins/habit"], "'toy'"),
    (["train", "toy/habit"], "paper/experiment/method, got 'toy/habit'"),
    (["train", "toy/coins/habit", "--scale", "huor"], "'hour'"),
    (["train", "toy/coins/habit", "--seed", "-1"], "seeds at scale 'hour' are 0 to 1"),
    (["train", "toy/coins/habit", "--threads", "0"], "--threads must be at least 1"),
    (["figure", "toy", "figuer1"], "'figure1'"),
    (["table", "toy", "tabel1"], "'table1'"),
    (["claims", "toy", "--scale", "smoek"], "'smoke'"),
    (["compare", "tyo"], "'toy'"),
    (["reference", "toy", "--scale", "refrence"], "valid names are"),
    (["list", "toyy"], "'toy'"),
]


@pytest.mark.parametrize(("arguments", "expected"), MISTAKES)
def test_mistakes_are_answered_in_one_sentence(toy, capsys, arguments, expected):
    assert run(toy, *arguments) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("replicate: ") and complaint.count("\n") == 1
    assert expected in complaint


def test_a_folder_that_is_no_repository_is_named(tmp_path, capsys):
    assert run(tmp_path, "list") == 2
    assert "has no folder 'replications'" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(toy):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = replicate(toy, "list", stdout=write_end)
    os.close(write_end)
    _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
