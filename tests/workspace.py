"""A repository in a temporary folder, and Snakemake run in it as a person would."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MACHINERY = ("Snakefile", "environment.yml", "workflow", "profiles", "shared")
PAPERS = ("replications", "data/published", "data/reference")


def toy_workspace(folder: Path) -> Path:
    """Put the workflow, the shared code and the toy replication into `folder`; no other paper."""
    return _copied(MACHINERY, folder, overlay=ROOT / "tests/toy")


def full_workspace(folder: Path) -> Path:
    """Put the repository as it is into `folder`, without what this machine has run."""
    return _copied(MACHINERY + PAPERS, folder)


def _copied(names: tuple[str, ...], folder: Path, overlay: Path | None = None) -> Path:
    left_out = shutil.ignore_patterns("__pycache__", ".snakemake")
    for name in names:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=left_out)
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    if overlay:
        shutil.copytree(overlay, folder, ignore=left_out, dirs_exist_ok=True)
    return folder


def edit(file: Path, old: str, new: str) -> None:
    """Replace the only occurrence of `old` in `file`."""
    text = file.read_text()
    assert text.count(old) == 1, f"{file} holds {text.count(old)} times: {old}"
    file.write_text(text.replace(old, new))


def snakemake(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Snakemake in `root`; its messages, which go to stderr, are in `stdout`."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def planned_jobs(root: Path, *arguments: str) -> set[str]:
    """Return the messages of the jobs that Snakemake would run, such as `train toy/coins/habit seed 0 (smoke)`."""
    result = snakemake(root, "--dry-run", *arguments)
    assert result.returncode == 0, result.stdout
    return set(re.findall(r"^Job \d+: (.*)$", result.stdout, flags=re.MULTILINE))
