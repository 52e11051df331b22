"""From names to things: families, learners and functions, imported when a job needs them."""

import ctypes
import importlib
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.study import paths
from shared.study.errors import StudyError, first_error
from shared.study.run import ResolvedRun
from shared.study.seeds import seed_sequence
from shared.study.state import read_state
from shared.tasks.family import TaskFamily

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of <malloc.h>


def load_object(name: str, root: Path) -> Any:
    """Import `package.module:thing`; raise `StudyError` with the reason where that fails."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise StudyError(f"{name} cannot be imported: {error}") from error


def make_family(run: ResolvedRun, root: Path) -> TaskFamily:
    """Construct the task family of a run; raise `StudyError` naming file and key if it refuses."""
    family = load_object(run.family, root)
    try:
        return family(**run.family_config)
    except (TypeError, ValueError) as error:
        file = paths.replication_file(run.paper)
        raise StudyError(f"{file}: experiments.{run.experiment}.family: {error}") from error


def make_config(run: ResolvedRun, root: Path) -> BaseModel:
    """Construct the learner's `Config`; raise `StudyError` naming file, method and key for a wrong value."""
    try:
        return load_object(run.learner, root).Config(**run.hyperparameters)
    except ValidationError as error:
        where = f"{paths.replication_file(run.paper)}: hyper-parameters of '{run.method}' in '{run.experiment}'"
        raise StudyError(f"{where} at scale '{run.scale}': {first_error(error)}") from error


def make_learner(run: ResolvedRun, family: TaskFamily, root: Path, device: str = "cpu") -> Any:
    """Construct the learner of a run, with the states of the runs that it needs.

    Raises `StudyError` for wrong hyper-parameters, an absent device, and a needed run without a model.
    """
    check_device(device)
    config = make_config(run, root)
    seed = seed_sequence(run.paper, run.experiment, run.method, run.seed, "learner")
    needed = {"needed": _needed_states(run, root)} if run.needs else {}
    return load_object(run.learner, root)(family, config, seed, device=device, **needed)


def needed_models(run: ResolvedRun) -> dict[str, Path]:
    """Return, by name, the `model.pt` of each run that `run` needs, relative to the root."""
    runs = {
        name: run.model_copy(update={"experiment": experiment, "method": method})
        for name, (experiment, method) in run.needs.items()
    }
    return {name: paths.run_folder(other) / paths.MODEL for name, other in runs.items()}


def check_device(device: str) -> None:
    """Raise `StudyError` where `device` is not there."""
    if device != "cpu":
        import torch

        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise StudyError(f"device '{device}' cannot be used: {reason}") from error


def limit_threads(threads: int) -> None:
    """Let torch compute on `threads` threads, where anything has imported it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def keep_memory() -> None:
    """Tell the C library to keep the memory that tensors leave for those to come, where it can be told.

    By default glibc returns blocks above 32 MB to the system and asks for them again, page by page: that costs
    elementwise operations on tensors of this size several times what they take themselves.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, -1)


def _needed_states(run: ResolvedRun, root: Path) -> dict[str, Any]:
    models = needed_models(run)
    for name, model in models.items():
        if not (root / model).is_file():
            experiment, method = run.needs[name]
            command = f"replicate train {run.paper}/{experiment}/{method} --seed {run.seed} --scale {run.scale}"
            raise StudyError(f"{run.title} needs {model}, which is not there: {command}")
    return {name: read_state(root / model) for name, model in models.items()}
