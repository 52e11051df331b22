"""Adaptation curves: what a method earns in each episode of a trial, or after each of its adaptation steps."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter, SymmetricalLogLocator

from shared.analysis import statistics
from shared.analysis.evidence import REFERENCE, Evidence, interval_generator, read_options
from shared.analysis.scores import episode_scores, final_rows
from shared.figures import theme
from shared.figures.curves import (
    PUBLISHED_CURVES,
    draw_published_points,
    kind_sample,
    put_legend,
    series_sample,
)
from shared.figures.spec import check_names, method_label, notes, origins, provenance
from shared.figures.theme import Style

BARS = "bars: 95 % bootstrap interval of the mean over seeds and test tasks"
PRINTED_BARS = "of published and rerun values: one standard error"
LINEAR = 2.0  # where a symlog axis becomes linear
MOST_MARKS = 20  # on one curve; more would hide whether it is dashed


@theme.theme()
def adaptation_curves(evidence: Evidence) -> Figure:
    """Draw the mean return of the final evaluation against the episode, a panel per experiment.

    Needs a protocol with `report: episode`. Options: `column` (the measure, default `return`), `x_label`, `y_label`,
    `first` (the number of the first episode, default 1), `levels` (methods that cross the panel as a dashed line, with
    what they earn in the first episode), `y_scale` (`linear` or `symlog`), `published` (the published metric that is
    the column, by default the experiment's where it is of this column). Of experiments whose `published` has
    `adaptation` published values are marked.
    """
    options = read_options(
        evidence,
        column="return",
        x_label="episode of the trial",
        y_label=None,
        first=1,
        levels=(),
        published=None,
        y_scale="linear",
    )
    check_names(evidence, "levels", "method", options["levels"])
    experiments = evidence.experiments()
    looks = theme.styles(method_label(evidence, method) for name in experiments for method in evidence.methods(name))
    figure, axes = theme.panels(len(experiments))
    handles = {}
    for axis, (name, experiment) in zip(axes, experiments.items(), strict=True):
        axis.set_title(experiment.label)
        for method in evidence.methods(name):
            label = method_label(evidence, method)
            look, draw = looks[label], _draw_level if method in options["levels"] else _draw
            kinds = [
                origin for origin in origins(evidence) if draw(axis, evidence, (name, method, origin), options, look)
            ]
            for kind in [*kinds, *_draw_published(axis, evidence, (name, method), options, look)]:
                handles[label] = series_sample(look)
                handles[kind] = kind_sample(kind)
        _finish(axis, options)
    axes[0].set_ylabel(options["y_label"] or options["column"])
    put_legend(figure, handles)
    marked = any(e.published is not None and e.published.adaptation for e in experiments.values())
    printed = [evidence.published_rows(name, method) for name in experiments for method in evidence.methods(name)]
    bars = f"{BARS}; {PRINTED_BARS}" if marked and any("sem" in set(rows["spread"]) for rows in printed) else BARS
    theme.label_line(figure, notes(evidence, bars, published="curves" if marked else "none"))
    return figure


def _draw(axis: Axes, evidence: Evidence, cell: tuple[str, str, str], options: dict[str, Any], style: Style) -> bool:
    """Draw one method of one origin; return whether there was anything to draw."""
    rows = final_rows(evidence.cell(*cell))
    if rows.empty or options["column"] not in rows:
        return False
    episodes, scores = episode_scores(rows, options["column"])
    intervals = [statistics.mean_interval(matrix, interval_generator()) for matrix in scores]
    value, low, high = np.array([[i.value, i.low, i.high] for i in intervals]).T
    reference = cell[-1] == REFERENCE
    every = math.ceil(len(episodes) / MOST_MARKS)
    axis.errorbar(
        episodes + options["first"],
        value,
        yerr=[value - low, high - value],
        color=style.colour,
        marker=style.marker,
        ms=4,
        markevery=every,
        errorevery=every,
        elinewidth=1.0,
        ls="--" if reference else "-",
        alpha=0.55 if reference else 1.0,
    )
    return True


def _draw_level(
    axis: Axes, evidence: Evidence, cell: tuple[str, str, str], options: dict[str, Any], style: Style
) -> bool:
    """Draw what a method of one origin earns in the first episode as a line; return whether there was one."""
    scores = evidence.scores(*cell[:2], options["column"], 0, cell[2])
    if scores.size:
        axis.axhline(float(scores.mean()), color=style.colour, lw=1.0, ls=(0, (6, 2)))
    return bool(scores.size)


def _draw_published(
    axis: Axes, evidence: Evidence, cell: tuple[str, str], options: dict[str, Any], style: Style
) -> list[str]:
    """Mark the published values of a cell; return the kinds of marks."""
    experiment = evidence.replication.experiments[cell[0]]
    target, metric = experiment.published, options["published"]
    if target is None or target.adaptation is None or (metric is None and target.column != options["column"]):
        return []
    rows = evidence.published_rows(*cell, metric)
    rows = rows[(rows["x_name"] == target.adaptation) & (rows["x_value"] < experiment.protocol.episodes)]
    rows = rows.assign(x_value=rows["x_value"] + options["first"])
    kinds = []
    for kind, group in rows.groupby(provenance(evidence, cell[1], rows)):
        draw_published_points(axis, group, 1.0, style)
        kinds.append(PUBLISHED_CURVES.get(str(kind), "published"))
    return kinds


def _finish(axis: Axes, options: dict[str, Any]) -> None:
    if not axis.lines:
        theme.no_results(axis)
        return
    if options["y_scale"] == "symlog":
        axis.set_yscale("symlog", linthresh=LINEAR)
        axis.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=LINEAR, subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel(options["x_label"])
    axis.xaxis.get_major_locator().set_params(integer=True)
