"""`borrow: paper/method`: a method of another paper, completed with what that paper's file says of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.study.errors import StudyError, unknown


def with_borrowed(file: Path, methods: Any, raw: Mapping[str, dict[str, Any]]) -> Any:
    """Complete every method that says `borrow: paper/method` with what that paper's file says of it."""
    if not isinstance(methods, dict):
        return methods
    borrowed = {
        name: _borrow(f"{file}: methods.{name}.borrow", method, raw)
        for name, method in methods.items()
        if isinstance(method, dict) and "borrow" in method
    }
    return methods | borrowed


def _borrow(key: str, method: dict[str, Any], raw: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    paper, _, name = str(method["borrow"]).partition("/")
    if paper not in raw:
        raise StudyError(f"{key}: {unknown('paper', paper, raw)}")
    lender = raw[paper].get("methods") or {}
    if name not in lender:
        raise StudyError(f"{key}: {unknown(f'method of {paper}', name, lender)}")
    if "learner" not in lender[name]:
        raise StudyError(f"{key}: '{paper}/{name}' is itself borrowed; name the method that it borrows")
    learner = lender[name]["learner"]
    if not learner.startswith("shared."):
        learner = f"replications.{paper}.{learner}"
    own = method.get("hyperparameters") or {}
    # What a method needs are runs of its own paper, so the borrower states its own.
    lent = {key: value for key, value in lender[name].items() if key != "needs"}
    hyperparameters = (lent.get("hyperparameters") or {}) | own
    return lent | method | {"learner": learner, "hyperparameters": hyperparameters}
