"""Small studies in temporary folders, and a way to import their code inside the test process."""

import shutil
import sys

import pytest

from shared.study.schema import load_replications
from tests.workspace import ROOT


class Watcher:
    """An observer that remembers."""

    def __init__(self):
        self.sentences = []
        self.steps = []

    def say(self, sentence):
        self.sentences.append(sentence)

    def step(self, step):
        self.steps.append(step)


@pytest.fixture
def observer():
    return Watcher()


def small_workspace(root, study):
    """Put a study of `tests/` into `root`; `shared` in it is this repository's."""
    shutil.copytree(ROOT / "tests" / study, root, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "shared").symlink_to(ROOT / "shared")
    return root


@pytest.fixture
def toy(tmp_path):
    return small_workspace(tmp_path / "toy", "toy")


@pytest.fixture
def walk(tmp_path):
    """Return the root of a study of random walks whose code can be imported here."""
    root = small_workspace(tmp_path / "walk", "walk")
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "replications"}
    path = list(sys.path)
    sys.path.insert(0, str(root))
    yield root
    sys.path[:] = path
    for name in [name for name in sys.modules if name.split(".")[0] == "replications"]:
        del sys.modules[name]
    sys.modules.update(saved)


@pytest.fixture
def walk_run(walk):
    """Return a function that gives a run of the random walks, with other settings where asked."""

    def run(method="walk", experiment="line", scale="smoke", seed=0, **changed):
        found = load_replications(walk)["walk"].run(experiment, method, seed, scale)
        hyperparameters = found.hyperparameters | changed.pop("hyperparameters", {})
        return found.model_copy(update={"hyperparameters": hyperparameters, **changed})

    return run
