"""What a person sees of a job."""

import io

import pytest

from shared.study import progress
from shared.study.errors import StudyError
from shared.study.runner import Step


def step(iteration, fraction, seconds, env_steps=None, **metrics):
    return Step(iteration, iteration * 10 if env_steps is None else env_steps, fraction, seconds, metrics)


def test_rate_counts_from_the_first_step_of_this_process():
    rate = progress.Rate()
    assert rate.describe(step(50, 0.5, 1000.0)) == ""
    # 10 iterations of 10 steps took 20 s; the other 40 % will take four times as long.
    assert rate.describe(step(60, 0.6, 1020.0)) == "5 steps/s, 1 min 20 s left"


def test_a_fixed_number_of_iterations_has_no_step_rate():
    rate = progress.Rate()
    rate.describe(step(1, 0.25, 1.0, env_steps=0))
    assert rate.describe(step(2, 0.5, 2.0, env_steps=0)) == "2 s left"


def test_log_lines_come_when_it_is_time_and_at_the_end(walk_run):
    stream = io.StringIO()
    log = progress.LogLines(walk_run(), stream, seconds=1e9)
    log.step(step(1, 1 / 12, 0.1))
    assert stream.getvalue() == ""
    log.step(step(12, 1.0, 1.2, place=1.23456, other=2))
    expected = "walk/line/walk seed 0 (smoke): iteration 12, 120 of 120 steps (100%), 100 steps/s, 0 s left"
    assert stream.getvalue() == f"{expected}, place 1.235, other 2\n"
    eager = progress.LogLines(walk_run("fixed"), stream, seconds=0)
    eager.step(step(1, 1 / 3, 0.1))
    assert stream.getvalue().endswith("iteration 1 of 3 (33%)\n")


def test_a_bar_appears_at_a_terminal_only(walk_run, walk, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress.watching(walk_run(), walk) as observer:
        observer.say("hello")
        observer.step(step(6, 0.5, 1.0, place=0.25))
    shown = terminal.getvalue()
    assert "hello" in shown and "walk/line/walk seed 0 (smoke)" in shown and "50%" in shown and "place 0.25" in shown
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress.watching(walk_run(), walk) as observer:
        assert isinstance(observer, progress.LogLines)


def test_tensorboard_is_named_where_it_is_missing(walk_run, walk, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with (
        pytest.raises(StudyError, match="pip install tensorboard"),
        progress.watching(walk_run(), walk, tensorboard=True),
    ):
        pass


def test_durations_are_readable():
    shown = [progress.duration(seconds) for seconds in (0.4, 59.4, 200, 3600, 7500)]
    assert shown == ["0 s", "59 s", "3 min 20 s", "1 h 00 min", "2 h 05 min"]
