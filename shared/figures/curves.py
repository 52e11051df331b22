"""Learning curves: ours, the shipped reference's and the published ones over the same environment steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Curve, Evidence, read_options
from shared.figures import theme
from shared.figures.spec import (
    THIRD_PARTY,
    check_names,
    method_label,
    notes,
    origins,
    provenance,
    read_panels,
)
from shared.figures.theme import Style

BAND = "band: 95 % bootstrap over training seeds"
NO_BAND = "one seed, so no band"
MEAN_LINE = "no training: mean score"
CARRIED_LINE = "trained elsewhere: mean score"
FINAL_LEVEL = "value after the last step"
DEFAULT_METRIC = "train/return"

PUBLISHED_NUMBER = "published (number)"
PUBLISHED_CURVES = {
    "digitised": "published (digitised)",
    "raw_data": "published (released data)",
    "recalled": "published (recalled)",
    "rerun": "authors' released policies, run again",
    THIRD_PARTY: "run by a third party",
}

_HOLLOW = {"ls": "", "marker": "o", "ms": 3.5, "mfc": "white", "mew": 0.9}
_KINDS: dict[str, dict[str, Any]] = {
    THIS_MACHINE: {"ls": "-"},
    REFERENCE: {"ls": "--", "alpha": 0.55},
    MEAN_LINE: {"lw": 1.0, "ls": (0, (6, 2))},
    CARRIED_LINE: {"lw": 3.0, "alpha": 0.55},  # broad: seen below an optimum that it reaches
    FINAL_LEVEL: {"lw": 0.9, "ls": (0, (3, 3))},
    PUBLISHED_NUMBER: {"ls": ":", "lw": 1.2},
    **dict.fromkeys((*PUBLISHED_CURVES.values(), "published"), _HOLLOW),
}
_PUBLISHED = {PUBLISHED_NUMBER, "published", *PUBLISHED_CURVES.values()}


@dataclass(frozen=True)
class Series:
    """One line of a panel: a method on an experiment, under the label it has in the legend."""

    experiment: str
    method: str
    label: str


@theme.theme()
def learning_curves(evidence: Evidence) -> Figure:
    """Draw a training metric against environment steps, a panel per experiment.

    Solid with a band: this machine. Dashed and lighter: the shipped reference runs. Markers: published
    curves. Horizontal: the mean score of methods that do not train, and (dotted) published numbers that
    have no x. Where the experiment's `published` declares `normalise`, everything is on that scale.

    Options: `metric` (the column; default: that of `published.curve`, else `train/return`), `panels` (title
    → list of experiments), `labels` (experiment → its name in the legend), `final_levels` (methods whose last value
    crosses the panel as a dashed line), `x_scale` (`linear` or `log`), `y_label`, `y_limits`.
    """
    options = read_options(
        evidence, metric=None, panels=None, labels={}, final_levels=(), x_scale="linear", y_label=None, y_limits=None
    )
    check_names(evidence, "final_levels", "method", options["final_levels"])
    grouping = read_panels(evidence, options["panels"])
    check_names(evidence, "labels", "experiment", options["labels"])
    series = {title: list(_series(evidence, names, options["labels"])) for title, names in grouping.items()}
    looks = theme.styles(line.label for lines in series.values() for line in lines)
    figure, axes = theme.panels(len(series))
    handles: dict[str, Artist] = {}
    for axis, (title, lines) in zip(axes, series.items(), strict=True):
        axis.set_ylabel(options["y_label"] or _y_label(evidence, lines))
        for line in lines:
            kinds = list(_draw_series(axis, evidence, line, looks[line.label], options["metric"]))
            if line.method in options["final_levels"]:
                kinds += _draw_final_level(axis, evidence, line, looks[line.label], options["metric"])
            for kind in kinds:
                handles[line.label] = series_sample(looks[line.label])
                handles[kind] = kind_sample(kind)
        _finish(axis, title, options)
    theme.drop_repeated_labels(axes)
    put_legend(figure, handles)
    ours_alone = _PUBLISHED.isdisjoint(handles)
    band = BAND if _several_seeds(evidence) else NO_BAND
    theme.label_line(figure, notes(evidence, band, published="none" if ours_alone else "curves"))
    return figure


def draw_curve(axis: Axes, curve: Curve, style: Style, reference: bool = False) -> None:
    """Draw mean and band of `curve`; a reference curve is dashed and lighter."""
    alpha = 0.55 if reference else 1.0
    axis.plot(curve.env_steps, curve.value, color=style.colour, alpha=alpha, ls="--" if reference else "-")
    axis.fill_between(curve.env_steps, curve.low, curve.high, color=style.colour, alpha=0.2 * alpha, linewidth=0)


def draw_published_points(axis: Axes, rows: pd.DataFrame, steps_per_x: float, style: Style) -> None:
    """Mark published points of a curve at their environment steps; whiskers where a spread was printed."""
    x = rows["x_value"] * steps_per_x
    spread = [rows["value"] - rows["low"], rows["high"] - rows["value"]] if rows["low"].notna().any() else None
    axis.errorbar(
        x,
        rows["value"],
        yerr=spread,
        fmt=style.marker,
        color=style.colour,
        ms=3.5,
        mfc="white",
        mew=0.9,
        elinewidth=0.6,
    )


def draw_published_line(axis: Axes, value: float, style: Style) -> None:
    """Draw a published number that belongs to no x as a dotted horizontal line."""
    axis.axhline(value, color=style.colour, ls=":", lw=1.2)


def published_level(evidence: Evidence, experiment: str, method: str) -> float | None:
    """Return the number printed for a cell, on the normalised scale where the experiment declares one."""
    value = evidence.published_value(experiment, method)
    target = evidence.replication.experiments[experiment].published
    if value is None or target is None or target.normalise is None:
        return value
    floor = evidence.published_value(experiment, target.normalise.floor)
    ceiling = evidence.published_value(experiment, target.normalise.ceiling)
    if floor is None or ceiling is None or floor == ceiling:
        return None
    return (value - floor) / (ceiling - floor)


def _draw_series(axis: Axes, evidence: Evidence, line: Series, style: Style, metric: str | None) -> Iterator[str]:
    """Draw all there is of one series; yield the kinds of marks that were made, for the legend."""
    for origin in origins(evidence):
        curve = _curve(evidence, line, metric, origin)
        if curve is not None:
            draw_curve(axis, curve, style, reference=origin == REFERENCE)
            yield origin
    level = _untrained_level(evidence, line)
    if level is not None:
        kind = CARRIED_LINE if evidence.replication.methods[line.method].needs else MEAN_LINE
        axis.axhline(level, color=style.colour, **_KINDS[kind])
        yield kind
    yield from _draw_published(axis, evidence, line, style)


def _draw_final_level(axis: Axes, evidence: Evidence, line: Series, style: Style, metric: str | None) -> list[str]:
    """Draw the last value of a curve across the panel: this machine's, or else the reference's."""
    curves = (_curve(evidence, line, metric, origin) for origin in reversed(origins(evidence)))
    curve = next((curve for curve in curves if curve is not None), None)
    if curve is None:
        return []
    axis.axhline(curve.value[-1], color=style.colour, **_KINDS[FINAL_LEVEL])
    return [FINAL_LEVEL]


def _draw_published(axis: Axes, evidence: Evidence, line: Series, style: Style) -> Iterator[str]:
    target = evidence.replication.experiments[line.experiment].published
    rows = evidence.published_rows(line.experiment, line.method)
    points = rows[rows["x_name"] == target.curve.x_name] if target and target.curve else rows.iloc[:0]
    for kind, group in points.groupby(provenance(evidence, line.method, points)):
        draw_published_points(axis, group, target.curve.steps_per_x, style)
        yield PUBLISHED_CURVES.get(str(kind), "published")
    level = published_level(evidence, line.experiment, line.method)
    if level is not None and points.empty:
        draw_published_line(axis, level, style)
        yield PUBLISHED_NUMBER


def _curve(evidence: Evidence, line: Series, metric: str | None, origin: str) -> Curve | None:
    target = evidence.replication.experiments[line.experiment].published
    declared = target.curve.metric if target and target.curve else DEFAULT_METRIC
    curve = evidence.curve(line.experiment, line.method, metric or declared, origin)
    if curve is None or target is None or target.normalise is None:
        return curve
    ends = evidence.normaliser(line.experiment, origin) or evidence.normaliser(line.experiment)
    return curve.affine(*ends) if ends else None


def _untrained_level(evidence: Evidence, line: Series) -> float | None:
    """Mean score of a method without environment steps of training, on the scale of the panel."""
    replication = evidence.replication
    method, target = replication.methods[line.method], replication.experiments[line.experiment].published
    scores = evidence.scores(line.experiment, line.method, *((target.column, target.episode) if target else ()))
    if (method.trains and method.iterations is None) or not scores.size:
        return None
    if target is None or target.normalise is None:
        return float(scores.mean())
    ends = evidence.normaliser(line.experiment)
    return (float(scores.mean()) - ends[0]) / ends[1] if ends else None


def _series(evidence: Evidence, experiments: list[str], labels: dict[str, str]) -> Iterator[Series]:
    """Name the lines of a panel by method, by experiment, or by both: whatever tells them apart."""
    several_methods = len({method for name in experiments for method in evidence.methods(name)}) > 1
    for name in experiments:
        place = labels.get(name, evidence.replication.experiments[name].label)
        for method in evidence.methods(name):
            own = method_label(evidence, method)
            both = f"{own}, {place}" if several_methods else place
            yield Series(name, method, own if len(experiments) == 1 and not labels else both)


def _several_seeds(evidence: Evidence) -> bool:
    tables = (evidence.metrics, evidence.reference_metrics)
    return any((table["seed"] > 0).any() for table in tables)


def _y_label(evidence: Evidence, lines: list[Series]) -> str:
    target = evidence.replication.experiments[lines[0].experiment].published
    if target is None or target.normalise is None:
        return "return"
    floor, ceiling = (method_label(evidence, m) for m in (target.normalise.floor, target.normalise.ceiling))
    return f"normalised return\n({floor} = 0, {ceiling} = 1)"


def _finish(axis: Axes, title: str, options: dict[str, Any]) -> None:
    axis.set_title(title)
    if not axis.lines:
        theme.no_results(axis)
        return
    axis.set_xscale(options["x_scale"])
    if options["x_scale"] == "log":
        low, high = axis.get_xlim()
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 30 * low else (1.0,)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set_xlabel("environment steps")
    if options["y_limits"]:
        axis.set_ylim(*options["y_limits"])


def series_sample(style: Style) -> Artist:
    """Return the legend's sample of a series."""
    return Line2D([], [], color=style.colour)


def kind_sample(kind: str) -> Artist:
    """Return the legend's sample of a kind of line or mark, whatever the series."""
    return Line2D([], [], **{"color": theme.GREY, **_KINDS[kind]})


def put_legend(figure: Figure, handles: dict[str, Artist]) -> None:
    """Put a legend above the panels: the series in the first rows, what the kinds of line mean below them."""
    kinds = {kind: handles[kind] for kind in _KINDS if kind in handles}
    theme.legend(figure, {label: handles[label] for label in handles if label not in kinds}, kinds)
