"""Training and evaluating one run: budget, evaluation cadence, metrics, checkpoints, resumption, signals.

A training killed at any instant and started again ends with the same bytes in `model.pt`, `metrics.parquet`,
`curve.parquet` and `results.parquet` as one that was never killed (same machine, same number of threads).
"""

import math
import time
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from shared.study import paths
from shared.study.checkpoint import Checkpoints
from shared.study.errors import StudyError
from shared.study.files import exclusive, read_json, sha256, write_atomically, write_json
from shared.study.interruption import Interrupted, stop_requests
from shared.study.loading import keep_memory, limit_threads, make_family, make_learner, needed_models
from shared.study.manifest import describe_job, learner_digest
from shared.study.results import (
    Evaluation,
    evaluation,
    metrics_table,
    read_table,
    results_table,
    table_bytes,
    write_table,
)
from shared.study.run import ResolvedRun
from shared.study.seeds import generator, task_generator
from shared.study.state import read_state, to_bytes
from shared.tasks.family import TaskFamily

CHECKPOINT_FORMAT = 1
OUTPUTS = (paths.MODEL, paths.METRICS, paths.CURVE)


class Step(NamedTuple):
    """How far a training is: the `fraction` of its budget, and the seconds this took in all processes."""

    iteration: int
    env_steps: int
    fraction: float
    trained_seconds: float
    metrics: dict[str, float]


class Observer(Protocol):
    """Whoever watches a job."""

    def say(self, sentence: str) -> None:
        """Tell a person something that happened once."""

    def step(self, step: Step) -> None:
        """Note the end of a meta-iteration."""


class History:
    """What training has produced so far besides the learner's state: metrics by column, and the curve."""

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {"iteration": [], "env_steps": []}
        self.curve: list[Evaluation] = []
        self.seconds = 0.0

    @property
    def iteration(self) -> int:
        """Meta-iterations done."""
        return len(self.columns["iteration"])

    def append(self, row: dict[str, float]) -> None:
        """Add the metrics of a meta-iteration; a column that a row lacks is NaN there."""
        done = self.iteration
        for name in row:
            self.columns.setdefault(name, [math.nan] * done)
        for name, values in self.columns.items():
            values.append(row.get(name, math.nan))

    def state(self) -> dict[str, Any]:
        """Return everything, fit for a checkpoint."""
        curve = [{"env_steps": one.env_steps, "measures": one.measures} for one in self.curve]
        return {"columns": self.columns, "curve": curve, "seconds": self.seconds}

    def restore(self, state: dict[str, Any]) -> None:
        """Become what `state` returned."""
        self.columns = state["columns"]
        self.curve = [Evaluation(one["env_steps"], one["measures"]) for one in state["curve"]]
        self.seconds = state["seconds"]


def train(
    run: ResolvedRun,
    root: Path,
    observer: Observer,
    *,
    checkpoint_seconds: float,
    threads: int = 1,
    device: str = "cpu",
    restart: bool = False,
) -> None:
    """Train `run` to the end of its budget, from its last good checkpoint on, and write its outputs.

    `checkpoint_seconds` is wall time and changes no result. `restart` sets existing checkpoints aside.

    Raises
    ------
    Interrupted: SIGINT or SIGTERM came; a checkpoint is written.
    StudyError: the run does not train, is being trained already, cannot be constructed, gave a metric that is
        not finite, or its checkpoint could not be written.

    """
    if not run.trains:
        raise StudyError(f"{run.title} does not train; evaluate it: replicate evaluate {run.name}")
    folder = root / paths.run_folder(run)
    with exclusive(folder, run.title):
        family, learner = _make(run, root, threads, device)
        training = _Training(run, root, family, learner, observer)
        training.resume(restart)
        training.to_the_end(checkpoint_seconds)
        training.write_outputs(threads, device)


def evaluate(run: ResolvedRun, root: Path, observer: Observer, *, threads: int = 1, device: str = "cpu") -> None:
    """Test `run` on the test tasks of its experiment and write `results.parquet` and `manifest.json`.

    Raises `StudyError` where the run has to be trained first, or its model is not what its training wrote.
    """
    started = time.perf_counter()
    folder = root / paths.run_folder(run)
    training = _finished_training(run, folder) if run.trains else None
    family, learner = _make(run, root, threads, device)
    curve = []
    if training:
        learner.load_state_dict(read_state(folder / paths.MODEL))
        curve = [read_table(folder / paths.CURVE)]
    final = _adapt(run, learner, _test_tasks(run, family))
    write_table(folder / paths.RESULTS, results_table([final], after=curve))
    manifest = describe_job(run, root, time.perf_counter() - started, threads, device)
    write_json(folder / paths.MANIFEST, manifest | {"training": training})
    mean = final.measures["return"].mean()
    observer.say(f"{run.title}: mean return {mean:.4g} over {run.tasks:,} test tasks")


class _Training:
    """One training in this process: the learner, its history, and its checkpoints."""

    def __init__(self, run: ResolvedRun, root: Path, family: TaskFamily, learner: Any, observer: Observer):
        self.run, self.root, self.learner, self.observer = run, root, learner, observer
        self.folder = root / paths.run_folder(run)
        self.history = History()
        self.checkpoints = Checkpoints(self.folder / paths.CHECKPOINTS, run.title, observer.say)
        self.saved_iteration = 0
        self.identity = {
            "format": CHECKPOINT_FORMAT,
            "settings": run.state_hash,
            "code": learner_digest(run, root),
            "needed runs": {name: sha256((root / m).read_bytes()) for name, m in needed_models(run).items()},
        }
        self.curve_tasks = _test_tasks(run, family)[: run.curve_tasks] if run.evaluate_every else None

    @property
    def finished(self) -> bool:
        """Whether the budget is used up."""
        if self.run.iterations is not None:
            return self.history.iteration >= self.run.iterations
        return self.learner.env_steps >= self.run.env_steps

    def resume(self, restart: bool) -> None:
        """Continue from the newest good checkpoint, unless it is of no use to this run: then set it aside."""
        content = self.checkpoints.latest()
        if content is None:
            return
        reason = "as asked" if restart else self._obstacle(content)
        if reason:
            aside = self.checkpoints.set_aside().relative_to(self.root)
            self.observer.say(f"{self.run.title} starts afresh, {reason}; its old checkpoints are in {aside}")
            return
        self.history.restore(content["history"])
        self.learner.load_state_dict(content["learner"])
        self.saved_iteration = self.history.iteration
        self.observer.say(f"{self.run.title} continues after iteration {self.history.iteration}")

    def to_the_end(self, checkpoint_seconds: float) -> None:
        """Train until the budget is used up; after a signal write a checkpoint and raise `Interrupted`."""
        last_saved = time.monotonic()
        with stop_requests() as request:
            while not self.finished:
                self._iterate()
                if time.monotonic() - last_saved >= checkpoint_seconds or request.signum:
                    self._save()
                    last_saved = time.monotonic()
                if request.signum and not self.finished:
                    done = f"iteration {self.history.iteration}, {self.learner.env_steps:,} steps"
                    sentence = f"{self.run.title} stopped after {done}; the same command continues it"
                    raise Interrupted(sentence, request.signum)
            # Kept after the end: lost outputs come back at once, and a longer budget goes on from here.
            self._save()

    def write_outputs(self, threads: int, device: str) -> None:
        """Write the model, the metrics, the curve and, last, the manifest that vouches for them."""
        contents = {
            paths.MODEL: to_bytes(self.learner.state_dict()),
            paths.METRICS: table_bytes(metrics_table(self.history.columns)),
            paths.CURVE: table_bytes(results_table(self.history.curve)),
        }
        for name, content in contents.items():
            write_atomically(self.folder / name, content)
        job = describe_job(self.run, self.root, self.history.seconds, threads, device)
        job |= {
            "iterations": self.history.iteration,
            "env_steps": int(self.learner.env_steps),
            "outputs": {name: sha256(content) for name, content in contents.items()},
        }
        write_json(self.folder / paths.TRAINING, job)

    def _iterate(self) -> None:
        started = time.perf_counter()
        if self._evaluation_is_due():
            self.history.curve.append(_adapt(self.run, self.learner, self.curve_tasks))
        before = self.learner.env_steps
        metrics = {name: float(value) for name, value in self.learner.train().items()}
        self._check(metrics, before)
        row = {"iteration": self.history.iteration + 1, "env_steps": int(self.learner.env_steps)}
        self.history.append(row | metrics)
        self.history.seconds += time.perf_counter() - started
        self.observer.step(Step(row["iteration"], row["env_steps"], self._fraction(), self.history.seconds, metrics))

    def _evaluation_is_due(self) -> bool:
        """Whether the next multiple of `evaluate_every` is reached.

        Asked before an iteration and never at the end, whose evaluation is the run's final one; a longer
        budget then evaluates there as if it had been meant from the start.
        """
        every = self.run.evaluate_every
        if every is None:
            return False
        last = self.history.curve[-1].env_steps if self.history.curve else -1
        return self.learner.env_steps >= (last // every + 1) * every

    def _check(self, metrics: dict[str, float], steps_before: int) -> None:
        place = f"{self.run.title}, iteration {self.history.iteration + 1}"
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise StudyError(f"{place}: the metric '{name}' is {value}; the last good checkpoint is kept")
            if name in ("iteration", "env_steps"):
                raise StudyError(f"{place}: train() gave a metric '{name}', a name that the runner uses itself")
        if self.run.env_steps is not None and self.learner.env_steps <= steps_before:
            raise StudyError(f"{place}: train() consumed no environment steps, so the budget would last for ever")

    def _fraction(self) -> float:
        if self.run.iterations is not None:
            return self.history.iteration / self.run.iterations
        return min(self.learner.env_steps / self.run.env_steps, 1.0)

    def _save(self) -> None:
        if self.saved_iteration != self.history.iteration:
            content = {
                "identity": self.identity,
                "history": self.history.state(),
                "learner": self.learner.state_dict(),
            }
            self.checkpoints.write(self.history.iteration, content)
            self.saved_iteration = self.history.iteration

    def _obstacle(self, content: dict[str, Any]) -> str | None:
        """Return why a checkpoint is of no use to this run, None where it is."""
        identity = content["identity"]
        changed = [name for name, value in self.identity.items() if identity.get(name) != value]
        if changed:
            return f"since its checkpoints belong to other {' and '.join(changed)}"
        columns = content["history"]["columns"]
        before_last = [0, *columns["env_steps"]][-2]
        if self.run.iterations is not None:
            too_long = len(columns["iteration"]) > self.run.iterations
        else:
            too_long = before_last >= self.run.env_steps
        return "since its checkpoints lie beyond its budget" if too_long else None


def _make(run: ResolvedRun, root: Path, threads: int, device: str) -> tuple[TaskFamily, Any]:
    """Construct the family and the learner of a run; both, and torch, use `threads` threads."""
    family = make_family(run, root)
    family.threads = threads
    learner = make_learner(run, family, root, device)
    limit_threads(threads)
    keep_memory()
    return family, learner


def _test_tasks(run: ResolvedRun, family: TaskFamily) -> np.ndarray:
    return family.test_tasks(run.tasks, task_generator(run.paper, run.experiment))


def _adapt(run: ResolvedRun, learner: Any, tasks: np.ndarray) -> Evaluation:
    """Test the learner as it is now; the same random numbers at every point of the curve."""
    rng = generator(run.paper, run.experiment, run.method, run.seed, "evaluation")
    adapted = learner.adapt(tasks, run.protocol.episodes, rng)
    return evaluation(int(learner.env_steps), adapted, len(tasks), run.protocol, run.title)


def _finished_training(run: ResolvedRun, folder: Path) -> dict[str, Any]:
    """Return the manifest of the training that made this run's model, after checking that it did."""
    command = f"replicate train {run.name} --seed {run.seed} --scale {run.scale}"
    if not all((folder / name).is_file() for name in (paths.TRAINING, *OUTPUTS)):
        raise StudyError(f"{run.title} is not trained yet: {command}")
    training = read_json(folder / paths.TRAINING)
    if training["training_hash"] != run.training_hash:
        raise StudyError(f"{run.title} was trained with other settings than it has now: {command}")
    for name in (paths.MODEL, paths.CURVE):
        if sha256((folder / name).read_bytes()) != training["outputs"][name]:
            raise StudyError(f"{folder / name} is not the file that training wrote: {command}")
    return training
