import csv
import io
import math

import pandas as pd
import pytest

from shared.analysis.statistics import Interval
from shared.figures.tables import CSV_COLUMNS, Cell, Table


def table(**change) -> Table:
    cells = [
        [Cell.of(Interval(6.654, 6.6, 6.72), bold=True, published=6.7), Cell.of(None, published=78.3)],
        [Cell(value=5.0, reference=5.01), Cell(text="a|b & c")],
    ]
    return Table(
        **{"title": "Bandits", "rows": ["RL²", "ε-greedy"], "columns": ["n=10", "n=100"], "cells": cells} | change
    )


def test_markdown_shows_ours_in_bold_above_published():
    lines = table(caption="Mean reward.", notes=["scale: hour", "seeds: 3"]).to_markdown().splitlines()
    assert lines[0] == "### Bandits"
    assert lines[2] == "|  | n=10 | n=100 |"
    assert lines[4] == "| RL² | **6.65 ± 0.06**<br><sub>published 6.70</sub> | <sub>published 78.30</sub> |"
    assert lines[5] == r"| ε-greedy | 5.00<br><sub>reference 5.01</sub> | a\|b & c |"
    assert lines[7:] == ["Mean reward.", "", "scale: hour · seeds: 3"]


def test_latex_is_escaped_and_uses_booktabs():
    text = table(caption="100 % of it").to_latex()
    assert r"\caption{Bandits. 100 \% of it.}" in text
    assert r"RL$^2$ & \shortstack[r]{\textbf{6.65 $\pm$ 0.06} \\ \scriptsize published 6.70}" in text
    assert r"a$|$b \& c \\" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1


def test_html_is_escaped():
    page = table(title="a < b").to_html()
    assert "<h2>a &lt; b</h2>" in page
    assert '<td class="text">a|b &amp; c</td>' in page
    assert "<strong>6.65 ± 0.06</strong>" in page


def test_csv_keeps_every_digit():
    rows = list(csv.DictReader(io.StringIO(table().to_csv())))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert rows[0] == {
        "row": "RL²", "column": "n=10", "value": "6.654", "low": "6.6", "high": "6.72", "bold": "true",
        "published": "6.7", "rerun": "", "reference": "", "text": "",
    }  # fmt: skip
    assert (rows[1]["value"], rows[1]["published"]) == ("", "78.3")


def test_sections_stand_above_their_rows():
    markdown = table(sections={1: "Fixed"}).to_markdown().splitlines()
    assert markdown[5] == "| *Fixed* |  |  |"
    assert r"\multicolumn{3}{l}{\emph{Fixed}} \\" in table(sections={1: "Fixed"}).to_latex()
    assert '<th class="section" colspan="3">Fixed</th>' in table(sections={1: "Fixed"}).to_html()


def test_empty_cell_is_a_dash_and_rounded_zero_has_no_sign():
    cells = [[Cell(), Cell(value=-0.001)]]
    assert "| a | – | 0.00 |" in table(rows=["a"], cells=cells).to_markdown()


def test_narrow_interval_is_not_printed_as_none():
    cells = [[Cell(value=6.61, low=6.59, high=6.63), Cell(value=6.6, low=6.6, high=6.6)]]
    assert "| a | 6.6 ± 0.02 | 6.6 ± 0 |" in table(rows=["a"], cells=cells, digits=1).to_markdown()
    rounding = [[Cell(value=0.5, low=0.5 - 4e-9, high=0.5 + 4e-9)]]
    assert "| a | 0.5 ± 0 |" in table(rows=["a"], columns=["b"], cells=rounding, digits=1).to_markdown()


def test_frame_keeps_text_left_and_numbers_right():
    frame = pd.DataFrame(
        {"paper": ["x"], "verdict": ["not run"], "ours": [math.nan], "seeds": [3], "steps": [250000.0]}
    )
    lines = Table.from_frame(frame, "T").to_markdown().splitlines()
    assert lines[3] == "| :--- | :--- | ---: | ---: | ---: |"
    assert lines[4] == "| x | not run | – | 3 | 250000 |"
    empty = Table.from_frame(frame.iloc[:0], "T")
    assert empty.to_markdown().splitlines()[2] == "| paper | verdict | ours | seeds | steps |"


def test_cells_must_fit_rows_and_columns():
    with pytest.raises(ValueError, match=r"table 'Bandits': cells .* do not fit"):
        table(columns=["n=10"])
    with pytest.raises(ValueError, match="do not fit"):
        table(rows=["RL²"])
