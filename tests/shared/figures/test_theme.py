import matplotlib
import pytest
from matplotlib.lines import Line2D

from shared.figures import theme


def test_styles_tell_twenty_methods_apart():
    looks = theme.styles([f"m{index}" for index in range(20)])
    assert len(set(looks.values())) == 20
    assert len({look.colour for look in list(looks.values())[:10]}) == 10
    assert theme.styles(["a", "b", "a"]) == theme.styles(["a", "b"])


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (5, (2, 3))])
def test_panels_fill_rows(count, shape):
    figure, axes = theme.panels(count)
    assert len(axes) == len(figure.axes) == count
    assert axes[0].get_gridspec().get_geometry() == shape


def test_theme_is_left_behind():
    before = matplotlib.rcParams["svg.hashsalt"]
    with theme.theme():
        assert matplotlib.rcParams["svg.hashsalt"] == "meta-rl-replications"
    assert matplotlib.rcParams["svg.hashsalt"] == before


def test_legend_keeps_groups_on_rows_of_their_own():
    figure, _ = theme.panels(3)
    lines = {name: Line2D([], [], color="red") for name in "abc"}
    theme.legend(figure, lines, {"solid": Line2D([], [])})
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["a", "solid", "b", "", "c", ""]
    theme.legend(figure, {}, {})
    assert len(figure.legends) == 1


def test_long_labels_take_more_rows():
    figure, _ = theme.panels(1)
    theme.legend(figure, {name * 30: Line2D([], []) for name in "abcd"})
    assert figure.legends[0]._ncols == 2


def test_label_line_breaks_after_a_dot_never_before():
    figure, _ = theme.panels(1)
    theme.label_line(figure, ["x" * 80, "", "y" * 80, "z"])
    lines = figure.get_supxlabel().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("·")
    assert lines[1].startswith("y")
