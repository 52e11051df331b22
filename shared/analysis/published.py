"""The published numbers of a paper: `data/published/<paper>.csv`, every row with its source."""

import csv
import io
import math
from pathlib import Path

import pandas as pd

from shared.study import paths
from shared.study.errors import StudyError, unknown

NUMBER_COLUMNS = ("x_value", "value", "low", "high", "seeds")
COLUMNS = (
    "paper", "figure", "experiment", "environment", "method", "setting", "metric", "x_name", "x_value",
    "value", "low", "high", "spread", "seeds", "kind", "source", "note",
)  # fmt: skip
REQUIRED = ("paper", "environment", "metric", "value", "kind", "source")

KINDS = {
    "table": "printed in a table",
    "text": "printed in the text",
    "raw_data": "released with the authors' code",
    "digitised": "read off a figure",
    "secondary": "quoted by another publication",
    "rerun": "measured by running the authors' released policies again",
    "recalled": "from memory, not checked against the source",
}
RERUN = "rerun"  # of policies, not of numbers: nobody published it
SPREADS = {
    "": "not stated",
    "ci95": "95 % confidence interval",
    "sem": "standard error",
    "std": "standard deviation",
    "range": "lowest and highest",
}


def load_published(paper: str, root: Path) -> pd.DataFrame:
    """Read and check the published numbers of `paper`.

    Returns a table with the file's columns and `line`, its line in the file. Text is never missing (empty
    string); absent numbers are NaN. Raises `StudyError` naming file, line and column of the first bad entry.
    """
    path = root / paths.published_file(paper)
    shown = paths.published_file(paper)
    if not path.is_file():
        raise StudyError(f"{shown} does not exist: it must hold the published numbers of {paper}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(f"{shown} is not UTF-8 text: byte {error.start} cannot be read.") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    _check_header(shown, next(reader, []))
    rows = [_checked_row(shown, reader.line_num, fields) for fields in reader if fields]
    table = pd.DataFrame(rows, columns=[*COLUMNS, "line"])
    return table.astype({column: "float64" for column in NUMBER_COLUMNS})


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            raise StudyError(f"{path}, line 1: {unknown('column', name, COLUMNS)}.")
    for name in COLUMNS:
        if header.count(name) != 1:
            raise StudyError(f"{path}, line 1: column {name!r} must appear once, found {header.count(name)}.")
    if tuple(header) != COLUMNS:
        raise StudyError(f"{path}, line 1: the columns must be, in this order, {','.join(COLUMNS)}.")


def _checked_row(path: Path, line: int, fields: list[str]) -> dict[str, object]:
    where = f"{path}, line {line}"
    if len(fields) != len(COLUMNS):
        raise StudyError(f"{where}: {len(fields)} fields where the {len(COLUMNS)} columns need one each.")
    text = dict(zip(COLUMNS, fields, strict=True))
    for column in REQUIRED:
        if not text[column].strip():
            raise StudyError(f"{where}, column {column!r}: must not be empty.")
    _check_choice(where, "kind", text["kind"], KINDS)
    _check_choice(where, "spread", text["spread"], SPREADS)
    row = text | {column: _number(where, column, text[column]) for column in NUMBER_COLUMNS}
    if bool(row["x_name"]) != math.isfinite(row["x_value"]):
        raise StudyError(f"{where}, column 'x_value': x_name and x_value must be given together.")
    _check_bounds(where, row)
    return row | {"line": line}


def _check_choice(where: str, column: str, value: str, legal: dict[str, str]) -> None:
    if value not in legal:
        raise StudyError(f"{where}, column {column!r}: {unknown(column, value, filter(None, legal))}.")


def _number(where: str, column: str, text: str) -> float:
    if not text:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        raise StudyError(f"{where}, column {column!r}: {text!r} is not a number.") from None
    if not math.isfinite(number):
        raise StudyError(f"{where}, column {column!r}: {text!r} is not finite.")
    if column == "seeds" and (number < 1 or number != int(number)):
        raise StudyError(f"{where}, column 'seeds': must be a positive whole number, got {text!r}.")
    return number


def _check_bounds(where: str, row: dict) -> None:
    if math.isnan(row["low"]) != math.isnan(row["high"]):
        raise StudyError(f"{where}, column 'low': low and high must be given together.")
    if row["low"] > row["value"]:
        raise StudyError(f"{where}, column 'low': {row['low']:g} is above the value {row['value']:g}.")
    if row["high"] < row["value"]:
        raise StudyError(f"{where}, column 'high': {row['high']:g} is below the value {row['value']:g}.")
