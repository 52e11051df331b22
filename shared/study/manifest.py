"""What a result can be traced back to: settings, code, packages, hardware, seeds, time."""

import os
import platform
import resource
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from shared.study.digest import code_digest
from shared.study.run import ResolvedRun
from shared.study.seeds import seed_sequence

PACKAGES = ("numpy", "scipy", "torch", "gymnasium", "mujoco", "pyarrow", "pydantic", "stable-baselines3")


def describe_job(run: ResolvedRun, root: Path, wall_seconds: float, threads: int, device: str) -> dict[str, Any]:
    """Return what a manifest says of a training or an evaluation that took `wall_seconds` in all."""
    learner_seed = seed_sequence(run.paper, run.experiment, run.method, run.seed, "learner")
    return {
        "run": run.model_dump(mode="json"),
        "config_hash": run.config_hash,
        "training_hash": run.training_hash,
        "code_digest": run_digest(run, root),
        "commit": git_commit(root),
        "seed_entropy": {"learner": str(learner_seed.entropy)},
        "packages": package_versions(),
        "hardware": hardware(device),
        "threads": threads,
        "device": device,
        "wall_seconds": round(wall_seconds, 3),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def learner_digest(run: ResolvedRun, root: Path) -> str:
    """Return the digest of the code of a run's learner and task family: what a checkpoint was computed by."""
    return code_digest([run.learner.partition(":")[0], run.family.partition(":")[0]], root)


def run_digest(run: ResolvedRun, root: Path) -> str:
    """Return the digest of all code that trains and evaluates a run."""
    modules = [run.learner.partition(":")[0], run.family.partition(":")[0], "shared.study.runner"]
    return code_digest(modules, root)


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute results."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def hardware(device: str) -> dict[str, Any]:
    """Return machine, processor, number of usable cores, memory, and the accelerator in use."""
    described = {
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
    }
    if device.startswith("cuda"):
        described["accelerator"] = sys.modules["torch"].cuda.get_device_name(device)
    return described


@cache
def git_commit(root: Path) -> str | None:
    """Return the commit checked out at `root`, with `+changes` where files differ; None outside git."""
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return None
    return f"{commit}+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit


def _git(root: Path, *arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", "-C", root, *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
