import pandas as pd
import pytest

from shared.figures import theme
from shared.figures.output import save_figure, save_frame, save_table
from shared.figures.tables import Cell, Table


@theme.theme()
def draw():
    figure, (axis,) = theme.panels(1)
    axis.plot([0, 1], [0, 1], label="a line")
    theme.label_line(figure, ["scale: hour"])
    return figure


def test_figures_are_the_same_bytes_each_time(tmp_path):
    first = [path.read_bytes() for path in save_figure(draw(), tmp_path / "one/figure1")]
    second = [path.read_bytes() for path in save_figure(draw(), tmp_path / "two/figure1")]
    assert first == second
    assert first[0].startswith(b"<?xml")
    assert b"<dc:date>" not in first[0]
    assert first[1].startswith(b"\x89PNG")


def test_files_are_named_after_the_stem_with_its_dots(tmp_path):
    table = Table("T", ["a"], ["b"], [[Cell(value=1.0)]])
    names = [path.name for path in save_table(table, tmp_path / "n0.5")]
    assert names == ["n0.5.md", "n0.5.csv", "n0.5.tex", "n0.5.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_frame_is_written_with_its_own_columns(tmp_path):
    frame = pd.DataFrame({"paper": ["x"], "ours": [1 / 3]})
    paths = save_frame(frame, tmp_path / "comparison", "Compared")
    assert paths[0].read_text() == "paper,ours\nx,0.333333\n"
    assert [path.suffix for path in paths] == [".csv", ".md", ".html"]


def test_failed_rendering_leaves_the_old_files_alone(tmp_path):
    stem = tmp_path / "figure1"
    before = [path.read_bytes() for path in save_figure(draw(), stem)]
    broken = draw()
    broken.axes[0].set_title("$unbalanced {$")
    with pytest.raises(ValueError, match=r"unbalanced|Expected|Parse"):
        save_figure(broken, stem)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir(), reverse=True)] == before
