"""Families that many tests share: compiling a model takes longer than most tests."""

from functools import cache

from shared.tasks.family import TaskFamily


@cache
def made(family: type[TaskFamily]) -> TaskFamily:
    """Return the one instance of `family`."""
    return family()
