"""Mistakes as people see them: one sentence that says what is wrong, where, and what would be right."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError


class StudyError(Exception):
    """A mistake or an obstacle that the reader can act on: one sentence, shown without a traceback."""


def unknown(kind: str, name: object, valid: Iterable[object]) -> str:
    """Say that `name` is no valid `kind`, with the nearest valid name, or all of them where none is near."""
    names = [str(option) for option in valid]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if near:
        return f"unknown {kind} '{name}'; the nearest valid name is '{near[0]}'"
    return f"unknown {kind} '{name}'; valid names are: {', '.join(names) or '(none)'}"


def first_error(error: ValidationError) -> str:
    """Turn a validation error into `key: what is wrong`, with the number of further mistakes."""
    errors = error.errors()
    # A union reports one error per member; the one that went deepest is about what the writer meant.
    first = max(errors, key=lambda e: (e["type"] == "unknown_key", e is errors[0]))
    where = ".".join(str(part) for part in first["loc"])
    given = first["input"]
    scalar = isinstance(given, int | float | str) and first["type"] != "unknown_key"
    shown = f", got {given!r}" if scalar else ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where}: {_plain(first)}{shown}{more}" if where else f"{_plain(first)}{shown}{more}"


def _plain(error: Mapping[str, Any]) -> str:
    message = {"missing": "this key is missing"}.get(error["type"], error["msg"])
    return message.replace("Input should be", "must be")
