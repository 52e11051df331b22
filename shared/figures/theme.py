"""One look for every figure: sizes, a colour-blind safe palette, the same bytes each time."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

PANEL_WIDTH, PANEL_HEIGHT, LONE_WIDTH = 3.3, 2.6, 5.6  # inches
MAX_COLUMNS = 3
GREY = "#595959"

_RC = {
    "axes.edgecolor": "#808080",
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.dpi": 100,
    "figure.titlesize": 11,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so every machine draws the same glyphs
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.dpi": 160,
    "svg.fonttype": "path",
    "svg.hashsalt": "meta-rl-replications",
    "xtick.color": "#404040",
    "xtick.labelsize": 8,
    "ytick.color": "#404040",
    "ytick.labelsize": 8,
}

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")


@dataclass(frozen=True)
class Style:
    """How one method, or one experiment, looks in every panel."""

    colour: str
    marker: str


@contextmanager
def theme() -> Iterator[None]:
    """Enter a context, or decorate a function, in which everything drawn or saved has the common look."""
    import seaborn  # here, not above: it takes a second, and most jobs that import this module draw nothing

    with matplotlib.rc_context(seaborn.axes_style("ticks") | seaborn.plotting_context("paper") | _RC):
        yield


@cache
def colours() -> list[str]:
    """Return ten colours that colour-blind readers can tell apart, as hexadecimal codes."""
    import seaborn

    # of seaborn's ten the yellow is too pale for lines on white: black takes its place
    return [*seaborn.color_palette("colorblind").as_hex()[:8], "#000000", "#56b4e9"]


def styles(names: Iterable[str]) -> dict[str, Style]:
    """Give each of `names`, in order, a colour and a marker; after ten, colours return with other markers."""
    return {
        name: Style(
            colours()[index % len(colours())],
            _MARKERS[(index + index // len(colours())) % len(_MARKERS)],
        )
        for index, name in enumerate(dict.fromkeys(names))
    }


def panels(count: int, columns: int = MAX_COLUMNS, height: float = PANEL_HEIGHT) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels of `height` inches, in rows of at most `columns`; a lone one is larger."""
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    width = columns * PANEL_WIDTH
    if count == 1:
        width, height = LONE_WIDTH, height * LONE_WIDTH / PANEL_WIDTH / 1.35
    figure = Figure(figsize=(width, rows * height + 0.9), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def legend(figure: Figure, *groups: Mapping[str, Artist]) -> None:
    """Put one legend above the panels: handles by label, each group on rows of its own."""
    groups = [group for group in groups if group]
    if not groups:
        return
    for columns in range(max(map(len, groups)), 0, -1):
        rows = [row for group in groups for row in _rows(list(group.items()), columns)]
        widths = [0.6 + 0.065 * max(len(label) for label, _ in column) for column in zip(*rows, strict=True)]
        if sum(widths) <= figure.get_figwidth():
            break
    entries = [entry for column in zip(*rows, strict=True) for entry in column]  # matplotlib fills column by column
    figure.legend(
        [handle for _, handle in entries],
        [label for label, _ in entries],
        loc="outside upper center",
        ncols=columns,
    )


def _rows(entries: list[tuple[str, Artist]], columns: int) -> list[list[tuple[str, Artist]]]:
    """Cut `entries` into rows of `columns`, the last filled up with blanks."""
    blank = ("", Line2D([], [], ls=""))
    filled = entries + [blank] * (-len(entries) % columns)
    return [filled[start : start + columns] for start in range(0, len(filled), columns)]


def drop_repeated_labels(axes: list[Axes]) -> None:
    """Label the y-axis only where it differs from that of the panel on the left."""
    labels = [axis.get_ylabel() for axis in axes]
    for index, axis in enumerate(axes):
        if index % MAX_COLUMNS and labels[index] == labels[index - 1]:
            axis.set_ylabel("")


def label_line(figure: Figure, parts: Iterable[str]) -> None:
    """Print below the panels, small, what a reader must know: scale, seeds, interval, sources."""
    text = "\u00a0· ".join(part for part in parts if part)  # a line may end with the dot, not begin with it
    lines = textwrap.wrap(text, int(figure.get_figwidth() * 18))
    figure.supxlabel("\n".join(lines), fontsize=7, color=GREY)


def no_results(axis: Axes) -> None:
    """Mark a panel that has nothing to show, so that an absent run is seen and not overlooked."""
    axis.text(0.5, 0.5, "no results at this scale", transform=axis.transAxes, ha="center", va="center", color=GREY)
    axis.grid(False)
    axis.set_xticks([])
    axis.set_yticks([])
