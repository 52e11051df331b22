"""How fast learners trained, from the manifests of their runs."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.study import paths
from shared.study.files import read_json

if TYPE_CHECKING:
    from shared.study.schema import Replication

Speeds = dict[tuple[str, str], float]  # (experiment, method) -> environment steps per second, over all seeds


def training_speeds(replication: "Replication", scale: str, root: Path) -> Speeds:
    """Return the speeds of this machine's runs at `scale` that train for environment steps."""
    files = [root / paths.run_folder(run) / paths.TRAINING for run in replication.runs(scale) if run.env_steps]
    return _speeds(read_json(file) for file in files if file.is_file())


def reference_training_speeds(paper: str, root: Path) -> dict[str, Speeds]:
    """Return the speeds of the shipped reference runs, by scale."""
    speeds = {}
    for file in sorted(root.glob(str(paths.reference_folder("*", paper) / paths.PROVENANCE))):
        content = read_json(file)
        trainings = (run["training"] for run in content["runs"] if run["run"]["env_steps"])
        speeds[content["scale"]] = _speeds(trainings)
    return speeds


def _speeds(trainings: Iterable[dict[str, Any]]) -> Speeds:
    steps, seconds = Counter(), Counter()
    for training in trainings:
        cell = training["run"]["experiment"], training["run"]["method"]
        steps[cell] += training["env_steps"]
        seconds[cell] += training["wall_seconds"]
    return {cell: steps[cell] / seconds[cell] for cell in steps if seconds[cell] > 0}
