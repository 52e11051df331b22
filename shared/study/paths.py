"""The folder layout, in one place. Every path is relative to the root of the repository."""

from pathlib import Path
from typing import Protocol

MODEL = "model.pt"
METRICS = "metrics.parquet"
CURVE = "curve.parquet"
TRAINING = "training.json"
RESULTS = "results.parquet"
MANIFEST = "manifest.json"
CHECKPOINTS = "checkpoints"
PROVENANCE = "provenance.json"
TRAIN_BENCHMARK = "train.benchmark.tsv"
EVALUATE_BENCHMARK = "evaluate.benchmark.tsv"


class RunIdentity(Protocol):
    """What names a run."""

    paper: str
    experiment: str
    method: str
    seed: int
    scale: str


def default_root() -> Path:
    """Return the repository to work in: the current folder if it holds replications, else this file's."""
    here = Path.cwd()
    return here if (here / "replications").is_dir() else Path(__file__).resolve().parents[2]


def replication_folder(paper: str) -> Path:
    """Return the folder with everything about one paper."""
    return Path("replications") / paper


def replication_file(paper: str) -> Path:
    """Return the file that declares a paper's experiments, figures, tables and claims."""
    return replication_folder(paper) / "replication.yaml"


def published_file(paper: str) -> Path:
    """Return the table of a paper's published numbers."""
    return Path("data/published") / f"{paper}.csv"


def run_folder(run: RunIdentity) -> Path:
    """Return the folder of one run."""
    return Path("data/runs") / run.scale / run.paper / run.experiment / run.method / f"seed{run.seed}"


def reference_folder(scale: str, paper: str) -> Path:
    """Return the folder of the shipped results of one paper at one scale."""
    return Path("data/reference") / scale / paper


def figures_folder(scale: str, paper: str) -> Path:
    """Return where a paper's figures and tables go; those of shipped results have the scale `reference`."""
    return Path("figures") / scale / paper
