"""Tables as data, and their rendering in Markdown, CSV, LaTeX and HTML."""

import csv
import html
import io
import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from shared.analysis.statistics import Interval

_LATEX_CHARACTERS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "$": r"\$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"$|$", "<": r"$<$", ">": r"$>$",
    "±": r"$\pm$", "·": r"$\cdot$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "²": r"$^2$",
    "ε": r"$\varepsilon$", "γ": r"$\gamma$", "λ": r"$\lambda$", "−": r"$-$", "–": "--", "—": "---",
    "→": r"$\rightarrow$", "…": r"\ldots{}",
}  # fmt: skip

CSV_COLUMNS = ("row", "column", "value", "low", "high", "bold", "published", "rerun", "reference", "text")


@dataclass(frozen=True)
class Cell:
    """One entry: our number with its interval, the published one and the reference run's; or plain `text`.

    `rerun` is what the authors' released policies earned when they were run again: not published. `bold` marks our
    number by the table's own rule.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    bold: bool = False
    published: float = math.nan
    rerun: float = math.nan
    reference: float = math.nan
    text: str = ""

    @classmethod
    def of(cls, interval: Interval | None, **rest: object) -> "Cell":
        """Make a cell of an interval, or of its absence."""
        return cls(**rest) if interval is None else cls(interval.value, interval.low, interval.high, **rest)


@dataclass(frozen=True)
class Table:
    """A titled grid of cells; `cells[i][j]` belongs to `rows[i]` and `columns[j]`.

    `corner` heads the row labels, `digits` are the decimals of all numbers (None: five significant digits),
    `notes` are printed below (scale, seeds, interval, sources). `sections` maps the index of a row to a
    heading above it.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    caption: str = ""
    corner: str = ""
    digits: int | None = 2
    notes: Sequence[str] = ()
    sections: dict[int, str] = field(default_factory=dict)

    def __post_init__(self):
        shape = (len(self.rows), len(self.columns))
        found = (len(self.cells), *sorted({len(row) for row in self.cells}))
        if found != shape and self.rows:
            raise ValueError(f"table {self.title!r}: cells {found} do not fit {shape} rows and columns")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, title: str, caption: str = "") -> "Table":
        """Show a data frame as it is: its first column as row labels, numbers to five significant digits."""
        cells = [[_plain_cell(value) for value in row[1:]] for row in frame.itertuples(index=False)]
        labels = [str(value) for value in frame.iloc[:, 0]]
        columns = [str(name) for name in frame.columns]
        return cls(title, labels, columns[1:], cells, caption, corner=columns[0], digits=None)

    def to_markdown(self) -> str:
        """Render as a GitHub table below a heading; published and reference numbers stand under ours."""
        lines = [f"### {self.title}", "", _markdown_row(map(_markdown, [self.corner, *self.columns]))]
        lines += ["| :--- |" + "".join(" :--- |" if left else " ---: |" for left in self._left_columns())]
        for heading, label, entries in self._body(_MARKDOWN):
            if heading:
                lines += [_markdown_row([f"*{heading}*", *[""] * len(self.columns)])]
            lines += [_markdown_row([label, *entries])]
        for text in (self.caption, self._note_line()):
            lines += ["", text] if text else []
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """Render one line per cell with `CSV_COLUMNS`, numbers in full."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for label, cells in zip(self.rows, self.cells, strict=True):
            for column, cell in zip(self.columns, cells, strict=True):
                numbers = [_full(x) for x in (cell.value, cell.low, cell.high)]
                beside = [_full(x) for x in (cell.published, cell.rerun, cell.reference)]
                marks = [str(cell.bold).lower(), *beside, cell.text]
                writer.writerow([label, column, *numbers, *marks])
        return buffer.getvalue()

    def to_latex(self) -> str:
        """Render as a `table` that needs the package booktabs."""
        alignment = "".join("l" if left else "r" for left in self._left_columns())
        lines = [r"\begin{table}", r"  \centering", rf"  \caption{{{_latex(self._full_caption())}}}"]
        lines += [rf"  \begin{{tabular}}{{l{alignment}}}", r"    \toprule"]
        lines += [_latex_row(map(_latex, [self.corner, *self.columns])), r"    \midrule"]
        for heading, label, entries in self._body(_LATEX):
            if heading:
                lines += [rf"    \multicolumn{{{len(alignment) + 1}}}{{l}}{{\emph{{{heading}}}}} \\"]
            stacked = [rf"\shortstack[r]{{{e}}}" if _LATEX.separator in e else e for e in entries]
            lines += [_latex_row([label, *stacked])]
        lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """Render as a page of its own, for the workflow's report."""
        classes = [' class="text"' if left else "" for left in self._left_columns()]
        head = "".join(
            f"<th{kind}>{html.escape(name)}</th>"
            for kind, name in zip(["", *classes], [self.corner, *self.columns], strict=True)
        )
        body = []
        for heading, label, entries in self._body(_HTML):
            if heading:
                body.append(f'<tr><th class="section" colspan="{len(classes) + 1}">{heading}</th></tr>')
            shown = "".join(f"<td{kind}>{entry}</td>" for kind, entry in zip(classes, entries, strict=True))
            body.append(f"<tr><th>{label}</th>{shown}</tr>")
        below = "".join(f"<p>{html.escape(text)}</p>" for text in (self.caption, self._note_line()) if text)
        return _PAGE.format(title=html.escape(self.title), head=head, body="\n".join(body), below=below)

    def _body(self, markup: "_Markup") -> Iterator[tuple[str, str, list[str]]]:
        """Yield for each row the heading above it (or nothing), its label and its entries, all marked up."""
        for index, (label, cells) in enumerate(zip(self.rows, self.cells, strict=True)):
            heading = markup.escape(self.sections.get(index, ""))
            yield heading, markup.escape(label), [self._entry(cell, markup) for cell in cells]

    def _left_columns(self) -> list[bool]:
        """Tell for each column whether it holds text and no number of ours."""
        return [
            any(cell.text for cell in column) and not any(math.isfinite(cell.value) for cell in column)
            for column in zip(*self.cells, strict=True)
        ] or [False] * len(self.columns)

    def _entry(self, cell: Cell, markup: "_Markup") -> str:
        parts = [markup.escape(cell.text)] if cell.text else []
        if math.isfinite(cell.value):
            ours = markup.escape(self._number(cell))
            parts.append(markup.bold.format(ours) if cell.bold else ours)
        beside = (("published", cell.published), ("authors' policy", cell.rerun), ("reference", cell.reference))
        for name, number in beside:
            if math.isfinite(number):
                parts.append(markup.small.format(markup.escape(f"{name} {_decimal(number, self.digits)}")))
        return markup.separator.join(parts) or markup.escape("–")

    def _number(self, cell: Cell) -> str:
        value = _decimal(cell.value, self.digits)
        if not (math.isfinite(cell.low) and math.isfinite(cell.high)):
            return value
        half = (cell.high - cell.low) / 2
        shown = _decimal(half, self.digits)
        if not float(shown):  # a narrow interval is never printed as none at all; rounding errors are none
            shown = f"{half:.1g}" if half > 1e-6 * abs(cell.value) else "0"
        return f"{value} ± {shown}"

    def _note_line(self) -> str:
        return " · ".join(self.notes)

    def _full_caption(self) -> str:
        parts = [self.title.rstrip("."), self.caption.rstrip("."), self._note_line().rstrip(".")]
        return ". ".join(part for part in parts if part) + "."


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 1.5em; color: #222; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #ddd; padding: 0.3em 0.8em; text-align: right; vertical-align: top; }}
th:first-child, .text {{ text-align: left; }}
th.section {{ font-style: italic; font-weight: normal; }}
thead th {{ border-bottom: 2px solid #888; }}
small, p {{ color: #595959; }}
</style>
</head>
<body>
<h2>{title}</h2>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
{below}
</body>
</html>
"""


def _plain_cell(value: object) -> Cell:
    if isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_):
        return Cell(value=float(value))
    return Cell(text=str(value))


def _decimal(number: float, digits: int | None) -> str:
    if digits is None:
        return f"{number:.5g}" if abs(number) < 1e5 else f"{number:.0f}"
    text = f"{number:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _full(number: float) -> str:
    return repr(float(number)) if math.isfinite(number) else ""


def _markdown_row(entries: Iterable[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _markdown(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _latex(text: str) -> str:
    return "".join(_LATEX_CHARACTERS.get(character, character) for character in text)


def _latex_row(entries: Iterable[str]) -> str:
    return f"    {' & '.join(entries)} \\\\"


@dataclass(frozen=True)
class _Markup:
    """How one format joins the parts of an entry, marks them (templates with one blank), and escapes text."""

    separator: str
    bold: str
    small: str
    escape: Callable[[str], str]


_MARKDOWN = _Markup("<br>", "**{}**", "<sub>{}</sub>", _markdown)
_LATEX = _Markup(r" \\ ", r"\textbf{{{}}}", r"\scriptsize {}", _latex)
_HTML = _Markup("<br>", "<strong>{}</strong>", "<small>{}</small>", html.escape)
