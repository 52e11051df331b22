"""The profiles say what Snakemake and the workflow understand; executor plugins are not needed to check that."""

from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from tests.workspace import ROOT

PROFILES = {file.parent.name: yaml.safe_load(file.read_text()) for file in ROOT.glob("profiles/*/profile.yaml")}


def test_there_is_a_profile_for_this_machine_and_two_kinds_of_cluster():
    assert set(PROFILES) == {"default", "slurm", "kubernetes"}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_key_is_an_option_of_snakemake(name):
    options = {option for action in get_argument_parser()._actions for option in action.option_strings}
    assert {f"--{key}" for key in PROFILES[name]} <= options


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_killed_jobs_are_started_again_and_one_failure_does_not_stop_the_others(name):
    profile = PROFILES[name]
    assert profile["rerun-incomplete"] and profile["keep-going"] and profile["retries"] >= 1


def test_the_default_profile_needs_no_flag_and_the_others_name_their_executor():
    assert PROFILES["default"]["cores"] == "all"
    assert PROFILES["slurm"]["executor"] == "slurm"
    assert PROFILES["kubernetes"]["executor"] == "kubernetes"


def test_resources_are_set_for_rules_that_exist():
    rules = "".join(Path(file).read_text() for file in ROOT.glob("workflow/rules/*.smk"))
    for profile in PROFILES.values():
        assert all(f"rule {rule}:" in rules for rule in profile.get("set-resources", {}))
