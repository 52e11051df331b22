"""Watching a job: log lines with rate and time left, a bar at a terminal, TensorBoard on request."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from shared.study import paths
from shared.study.errors import StudyError
from shared.study.run import ResolvedRun
from shared.study.runner import Observer, Step


class Rate:
    """Speed and remaining time, from what this process has done since its first step."""

    def __init__(self) -> None:
        self.first: Step | None = None

    def describe(self, step: Step) -> str:
        """Return `25,100 steps/s, 1 min 52 s left`; empty at the first step, which tells no speed."""
        if self.first is None:
            self.first = step
        seconds = step.trained_seconds - self.first.trained_seconds
        progress = step.fraction - self.first.fraction
        if seconds <= 0 or progress <= 0:
            return ""
        left = duration(seconds * (1 - step.fraction) / progress)
        steps = step.env_steps - self.first.env_steps
        return f"{steps / seconds:,.0f} steps/s, {left} left" if steps else f"{left} left"


class LogLines:
    """One line every `seconds`, and one at the end of the budget."""

    def __init__(self, run: ResolvedRun, stream: TextIO, seconds: float):
        self.run, self.stream, self.seconds = run, stream, seconds
        self.rate = Rate()
        self.last_line = time.monotonic()

    def say(self, sentence: str) -> None:
        """Write a sentence as a line."""
        print(sentence, file=self.stream, flush=True)

    def step(self, step: Step) -> None:
        """Write a line if it is time for one."""
        rate = self.rate.describe(step)
        now = time.monotonic()
        if now - self.last_line >= self.seconds or step.fraction >= 1:
            self.last_line = now
            self.say(f"{self.run.title}: {progress_line(self.run, step, rate)}")


class Bar:
    """A progress bar over the budget."""

    def __init__(self, run: ResolvedRun, stream: TextIO):
        from tqdm import tqdm

        form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
        self.bar = tqdm(total=1.0, desc=run.title, file=stream, bar_format=form, dynamic_ncols=True)

    def say(self, sentence: str) -> None:
        """Write a sentence above the bar."""
        self.bar.write(sentence, file=self.bar.fp)

    def step(self, step: Step) -> None:
        """Move the bar."""
        if step.iteration and self.bar.n == 0:
            self.bar.initial = step.fraction  # what an earlier process did must not count as this one's speed
        self.bar.set_postfix_str(short_metrics(step.metrics), refresh=False)
        self.bar.update(step.fraction - self.bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()


class TensorBoard:
    """Writes every metric for TensorBoard, and passes everything on to another observer."""

    def __init__(self, folder: Path, onward: Observer):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise StudyError("--tensorboard needs the package tensorboard: pip install tensorboard") from error
        self.writer = SummaryWriter(folder)
        self.onward = onward

    def say(self, sentence: str) -> None:
        """Pass a sentence on."""
        self.onward.say(sentence)

    def step(self, step: Step) -> None:
        """Write the metrics of a meta-iteration against environment steps."""
        for name, value in step.metrics.items():
            self.writer.add_scalar(name, value, step.env_steps)
        self.onward.step(step)

    def close(self) -> None:
        """Flush what is written."""
        self.writer.close()


@contextmanager
def watching(
    run: ResolvedRun, root: Path, *, log_seconds: float = math.inf, tensorboard: bool = False
) -> Iterator[Observer]:
    """Give an observer on the standard error stream: a bar where that is a terminal, else log lines.

    `log_seconds` lie between log lines. With `tensorboard`, metrics go to the run's folder too; raises `StudyError`
    where that is not installed.
    """
    stream = sys.stderr
    at_terminal = run.trains and stream.isatty()
    observer = Bar(run, stream) if at_terminal else LogLines(run, stream, log_seconds)
    watchers = [observer]
    if tensorboard:
        watchers.append(TensorBoard(root / paths.run_folder(run) / "tensorboard", observer))
    try:
        yield watchers[-1]
    finally:
        for watcher in watchers:
            if not isinstance(watcher, LogLines):
                watcher.close()


def progress_line(run: ResolvedRun, step: Step, rate: str) -> str:
    """Return how far a training is, how fast, and its first metrics."""
    if run.iterations is not None:
        done = f"iteration {step.iteration} of {run.iterations}"
    else:
        done = f"iteration {step.iteration}, {step.env_steps:,} of {run.env_steps:,} steps"
    parts = [f"{done} ({step.fraction:.0%})", rate, short_metrics(step.metrics)]
    return ", ".join(part for part in parts if part)


def short_metrics(metrics: dict[str, float], most: int = 3) -> str:
    """Return the first few metrics as `name value`."""
    return ", ".join(f"{name} {value:.4g}" for name, value in list(metrics.items())[:most])


def duration(seconds: float) -> str:
    """Return `42 s`, `3 min 20 s` or `2 h 05 min`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
