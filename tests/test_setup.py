"""One set of packages, said three times: the lock, the conda environment and the ranges of pyproject.toml."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text().splitlines()
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def locked_versions():
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LOCK)}


def test_lock_pins_every_package_exactly_and_names_no_host():
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in LOCK)
    assert len(locked_versions()) == len(LOCK)


def test_lock_runs_on_a_machine_without_gpu():
    assert locked_versions()["torch"] == "2.13.0"
    assert not [name for name in locked_versions() if name.startswith(("nvidia", "cuda", "triton"))]


@pytest.mark.parametrize("line", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
def test_lock_satisfies_pyproject(line):
    requirement = Requirement(line)
    assert requirement.specifier.contains(locked_versions()[canonicalize_name(requirement.name)])


def test_conda_environment_is_the_lock():
    *plain, pip = ENVIRONMENT["dependencies"]
    assert pip["pip"] == LOCK
    assert plain == ["python=3.11", "pip"]
    assert PROJECT["requires-python"] == ">=3.11,<3.12"


def test_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_refuses_another_python_in_one_sentence(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    other = tmp_path / "python3.12"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    command = ["make", "test", f"PYTHON={other}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert f"Python 3.11 is needed and '{other}' is not it" in result.stderr
    assert not (tmp_path / ".venv").exists()
