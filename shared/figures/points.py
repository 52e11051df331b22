"""Points with intervals: the methods of each experiment side by side, beside what was published."""

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Evidence, read_options
from shared.analysis.scores import Episode
from shared.figures import theme
from shared.figures.spec import method_label, notes, origins
from shared.figures.theme import Style

WHISKERS = "whiskers: 95 % bootstrap interval of the mean over seeds and test tasks"
PUBLISHED = "published"
_OFFSET = 0.17  # rows are one unit apart; where there are both, this machine is above, the reference below


@theme.theme()
def method_comparison(evidence: Evidence) -> Figure:
    """Draw the mean final score of every method as a point with its interval, a panel per experiment.

    Filled: this machine. Hollow and lighter: the shipped reference runs. Vertical stroke: the published
    number. Options: `x_label`, `x_limits`.
    """
    options = read_options(evidence, x_label="mean total return", x_limits=None)
    experiments = evidence.experiments()
    methods = list(dict.fromkeys(method for name in experiments for method in evidence.methods(name)))
    looks = theme.styles(methods)
    figure, axes = theme.panels(len(experiments), height=0.9 + 0.27 * len(methods))
    handles: dict[str, Artist] = {}
    for index, (axis, (name, experiment)) in enumerate(zip(axes, experiments.items(), strict=True)):
        axis.set_title(experiment.label)
        for row, method in enumerate(methods):
            handles |= _draw(axis, evidence, (name, method), row, looks[method])
        first_in_row = index % theme.MAX_COLUMNS == 0
        _finish(axis, [method_label(evidence, m) if first_in_row else "" for m in methods], options)
    theme.legend(figure, {kind: handles[kind] for kind in (THIS_MACHINE, REFERENCE, PUBLISHED) if kind in handles})
    theme.label_line(figure, notes(evidence, WHISKERS, published="numbers"))
    return figure


def _draw(axis: Axes, evidence: Evidence, cell: tuple[str, str], row: int, style: Style) -> dict[str, Artist]:
    """Draw one method of one experiment; return samples of the kinds of marks made, for the legend."""
    samples: dict[str, Artist] = {}
    column, episode = scored(evidence, cell[0])
    means = {
        origin: mean
        for origin in origins(evidence)
        if (mean := evidence.mean(*cell, column=column, episode=episode, origin=origin)) is not None
    }
    offset = _OFFSET if len(means) > 1 else 0.0
    for origin, mean in means.items():
        reference = origin == REFERENCE
        look = {"marker": "o", "ms": 4.5, "alpha": 0.6 if reference else 1.0}
        axis.errorbar(
            [mean.value],
            [row + (offset if reference else -offset)],
            xerr=[[mean.value - mean.low], [mean.high - mean.value]],
            color=style.colour,
            mfc="white" if reference else style.colour,
            elinewidth=1.4,
            **look,
        )
        samples[origin] = Line2D([], [], color=theme.GREY, ls="", mfc="white" if reference else theme.GREY, **look)
    published = evidence.published_value(*cell)
    if published is not None:
        stroke = {"marker": "|", "ms": 13, "mew": 1.6, "color": "black", "ls": "", "zorder": 1.9}  # below the points
        axis.plot([published], [row], **stroke)
        samples[PUBLISHED] = Line2D([], [], **stroke | {"ms": 9})
    return samples


def scored(evidence: Evidence, experiment: str) -> tuple[str, Episode]:
    """Return which column and episode are an experiment's score."""
    target = evidence.replication.experiments[experiment].published
    return (target.column, target.episode) if target else ("return", "total")


def _finish(axis: Axes, labels: list[str], options: dict) -> None:
    if not axis.lines:
        theme.no_results(axis)
        return
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.grid(False, axis="y")
    axis.set_xlabel(options["x_label"])
    if options["x_limits"]:
        axis.set_xlim(*options["x_limits"])
