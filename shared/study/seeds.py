"""Where all random numbers come from: one `SeedSequence` per run and purpose, no global generator."""

import copy
import hashlib
import json
from typing import Any

import numpy as np


def seed_sequence(
    paper: str, experiment: str, method: str | None, seed: int | None, purpose: str
) -> np.random.SeedSequence:
    """Return the seed sequence of one purpose of a run, the same on every machine.

    `method` and `seed` are None for what all methods and seeds of an experiment share.
    """
    key = json.dumps([paper, experiment, method, seed, purpose]).encode()
    return np.random.SeedSequence(int.from_bytes(hashlib.sha256(key).digest()[:16], "little"))


def generator(paper: str, experiment: str, method: str | None, seed: int | None, purpose: str) -> np.random.Generator:
    """Return a fresh generator for one purpose of a run; arguments as in `seed_sequence`."""
    return np.random.Generator(np.random.PCG64(seed_sequence(paper, experiment, method, seed, purpose)))


def task_generator(paper: str, experiment: str) -> np.random.Generator:
    """Return the generator of an experiment's test tasks: all its methods and seeds meet the same ones."""
    return generator(paper, experiment, None, None, "test tasks")


def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """Return the state of a generator as numbers, strings and arrays, fit for a `state_dict`."""
    return copy.deepcopy(rng.bit_generator.state)


def restore_generator(rng: np.random.Generator, state: dict[str, Any]) -> None:
    """Put `rng` into a state that `generator_state` returned; raise `ValueError` for another kind."""
    rng.bit_generator.state = state
