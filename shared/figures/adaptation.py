"""Adaptation curves: what a method earns in each episode of a trial."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shared.analysis import statistics
from shared.analysis.evidence import REFERENCE, Evidence, interval_generator
from shared.analysis.scores import episode_scores, final_rows
from shared.figures import theme
from shared.figures.curves import kind_sample, put_legend, series_sample
from shared.figures.spec import method_label, notes, origins, read_options
from shared.figures.theme import Style

BARS = "bars: 95 % bootstrap interval of the mean over seeds and test tasks"


@theme.theme()
def adaptation_curves(evidence: Evidence) -> Figure:
    """Draw the mean return of the final evaluation against the episode, a panel per experiment.

    Needs a protocol with `report: episode`. Options: `column` (the measure, default `return`), `y_label`.
    """
    options = read_options(evidence, column="return", y_label=None)
    experiments = evidence.experiments()
    looks = theme.styles(method for name in experiments for method in evidence.methods(name))
    figure, axes = theme.panels(len(experiments))
    handles = {}
    for axis, (name, experiment) in zip(axes, experiments.items(), strict=True):
        axis.set_title(experiment.label)
        for method in evidence.methods(name):
            for origin in origins(evidence):
                if _draw(axis, evidence, (name, method, origin), options["column"], looks[method]):
                    handles[method_label(evidence, method)] = series_sample(looks[method])
                    handles[origin] = kind_sample(origin)
        _finish(axis)
    axes[0].set_ylabel(options["y_label"] or options["column"])
    put_legend(figure, handles)
    theme.label_line(figure, notes(evidence, BARS, published="none"))
    return figure


def _draw(axis: Axes, evidence: Evidence, cell: tuple[str, str, str], column: str, style: Style) -> bool:
    """Draw one method of one origin; return whether there was anything to draw."""
    rows = final_rows(evidence.cell(*cell))
    if rows.empty or column not in rows:
        return False
    episodes, scores = episode_scores(rows, column)
    intervals = [statistics.mean_interval(matrix, interval_generator()) for matrix in scores]
    value, low, high = np.array([[i.value, i.low, i.high] for i in intervals]).T
    reference = cell[-1] == REFERENCE
    axis.errorbar(
        episodes + 1,
        value,
        yerr=[value - low, high - value],
        color=style.colour,
        marker=style.marker,
        ms=4,
        elinewidth=1.0,
        ls="--" if reference else "-",
        alpha=0.55 if reference else 1.0,
    )
    return True


def _finish(axis: Axes) -> None:
    if not axis.lines:
        theme.no_results(axis)
        return
    axis.set_xlabel("episode of the trial")
    axis.xaxis.get_major_locator().set_params(integer=True)
