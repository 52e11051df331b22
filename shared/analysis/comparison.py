"""Published numbers beside ours, one row each, with a verdict that a rule decides."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd

from shared.analysis.budget import is_reduced
from shared.analysis.evidence import REFERENCE, THIS_MACHINE, load_evidence, normalised_metric
from shared.analysis.published import RERUN
from shared.analysis.scores import Episode
from shared.analysis.statistics import Interval

if TYPE_CHECKING:
    from shared.study.schema import Replication

COLUMNS = (
    "paper", "figure", "environment", "method", "setting", "metric", "published", "published_low",
    "published_high", "rerun", "rerun_low", "rerun_high", "kind", "ours", "ours_low", "ours_high", "seeds",
    "scale", "verdict",
)  # fmt: skip

REPLICATED, BETTER, PARTLY, NOT_REPLICATED = "replicated", "better", "partly", "not replicated"
REDUCED_BUDGET, NOT_RUN = "reduced budget", "not run"
TOLERANCE = 0.1
PARTLY_FROM = 0.5


@dataclass(frozen=True)
class Counterpart:
    """Our number for a published one; `floor` is the score that verdicts measure from, if there is one."""

    ours: Interval
    floor: float | None
    seeds: int
    scale: str
    reduced: bool


def verdict(ours: Interval, published: Interval, floor: float | None = None, reduced: bool = False) -> str:
    """Judge our interval against a published value with its spread.

    On the scale s = (ours - floor) / (published - floor), on which the published value is 1: `replicated`
    if the interval meets [0.9, 1.1] widened by the published spread, `better` above that, below it `partly`
    for s of at least 0.5, else `not replicated`. Both of the latter read `reduced budget` when training was
    shorter than at paper scale. Without a floor, or where the published value equals it, s = 1 + (ours -
    published) / |published|, which takes larger to be better. Bounds that are NaN (one seed, no spread)
    count as the value.
    """
    ours, published = _closed(ours), _closed(published)
    s, band = _on_scale(ours, published, floor), _on_scale(published, published, floor)
    if s.low > band.high + TOLERANCE:
        return BETTER
    if s.high >= band.low - TOLERANCE:
        return REPLICATED
    if reduced:
        return REDUCED_BUDGET
    return PARTLY if s.value >= PARTLY_FROM else NOT_REPLICATED


def _on_scale(x: Interval, published: Interval, floor: float | None) -> Interval:
    if floor is not None and floor != published.value:
        return x.affine(floor, published.value - floor)
    unit = abs(published.value) or 1.0  # a published zero has no scale of its own: absolute differences are taken
    return x.affine(published.value - unit, unit)


def _closed(x: Interval) -> Interval:
    """Replace missing bounds by the value."""
    low, high = (x.value if math.isnan(bound) else bound for bound in (x.low, x.high))
    return Interval(x.value, low, high)


def compare(replication: "Replication", scale: str, root: Path) -> pd.DataFrame:
    """Set every published number of the paper beside this machine's at `scale` (or the reference's).

    What authors' released policies earned when they were run again stands in columns of its own.

    Returns one row per published number with `COLUMNS`, in the order of the file; `ours` is NaN and the
    verdict `not run` where there is no counterpart. A counterpart is an experiment whose `published` names
    the row's environment, setting and metric (or its normalised form) and a method whose `published` names
    the row's method; where several methods do, the first that ran.
    """
    ours = _Ours(replication, scale, root)
    rows = ours.evidence.published.to_dict("records")
    return pd.DataFrame([_compared(row, ours.counterpart(row)) for row in rows], columns=list(COLUMNS))


def _compared(row: dict[str, Any], counterpart: Counterpart | None) -> dict[str, Any]:
    identity = {column: row[column] for column in COLUMNS[:6]} | {"kind": row["kind"]}
    published = Interval(row["value"], row["low"], row["high"])
    stated = [row["value"], row["low"], row["high"]]
    nothing = [math.nan] * len(stated)
    values = [*nothing, *stated] if row["kind"] == RERUN else [*stated, *nothing]
    numbers = dict(zip(COLUMNS[6:12], values, strict=True))
    if counterpart is None:
        missing = dict.fromkeys(("ours", "ours_low", "ours_high", "seeds"), math.nan)
        return identity | numbers | missing | {"scale": "", "verdict": NOT_RUN}
    ours = counterpart.ours
    return (
        identity
        | numbers
        | {"ours": ours.value, "ours_low": ours.low, "ours_high": ours.high}
        | {"seeds": counterpart.seeds, "scale": counterpart.scale}
        | {"verdict": verdict(ours, published, counterpart.floor, counterpart.reduced)}
    )


class _Ours:
    """Finds our counterparts of published rows."""

    def __init__(self, replication: "Replication", scale: str, root: Path):
        everything = SimpleNamespace(experiments=list(replication.experiments), methods=[])
        self.replication = replication
        self.evidence = load_evidence(replication, everything, scale, root)
        self.origin = REFERENCE if scale == REFERENCE else THIS_MACHINE
        self._means: dict[tuple[str, str, Episode], Interval | None] = {}

    def counterpart(self, row: dict[str, Any]) -> Counterpart | None:
        """Return our number for a published row, None where nothing of ours corresponds or it did not run."""
        found = (self._measure(row, *cell) for cell in self._cells(row))
        return next((counterpart for counterpart in found if counterpart is not None), None)

    def _cells(self, row: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for name, experiment in self.replication.experiments.items():
            target = experiment.published
            if target is None or (target.environment, target.setting or "") != (
                row["environment"],
                row["setting"],
            ):
                continue
            if row["metric"] in (target.metric, normalised_metric(self.replication, name)):
                for method in experiment.methods:
                    if row["method"] in self.replication.methods[method].published_names:
                        yield name, method

    def _measure(self, row: dict[str, Any], experiment: str, method: str) -> Counterpart | None:
        target = self.replication.experiments[experiment].published
        on_curve = bool(row["x_name"])
        in_test = on_curve and row["x_name"] == target.adaptation
        if in_test:
            on_curve = False
            ours = self._mean(experiment, method, int(row["x_value"]))
        else:
            ours = self._curve_value(row, experiment, method) if on_curve else self._mean(experiment, method)
        if ours is None:
            return None
        floor = self._floor(experiment, method)
        if row["metric"] != target.metric:
            ends = self.evidence.normaliser(experiment, self.origin)
            if ends is None:
                return None
            ours, floor = ours.affine(*ends), 0.0
        cell = self.evidence.metrics_cell if on_curve else self.evidence.cell
        rows = cell(experiment, method, self.origin)
        scale = str(rows["scale"].iloc[0])
        reduced = not on_curve and is_reduced(self.replication, experiment, method, scale)
        return Counterpart(ours, floor, rows["seed"].nunique(), scale, reduced)

    def _mean(self, experiment: str, method: str, episode: Episode | None = None) -> Interval | None:
        target = self.replication.experiments[experiment].published
        episode = target.episode if episode is None else episode
        cell = (experiment, method, episode)
        if cell not in self._means:
            self._means[cell] = self.evidence.mean(
                experiment, method, column=target.column, episode=episode, origin=self.origin
            )
        return self._means[cell]

    def _curve_value(self, row: dict[str, Any], experiment: str, method: str) -> Interval | None:
        reading = self.replication.experiments[experiment].published.curve
        if reading is None or reading.x_name != row["x_name"]:
            return None
        curve = self.evidence.curve(experiment, method, reading.metric, self.origin)
        return curve.at(row["x_value"] * reading.steps_per_x) if curve else None

    def _floor(self, experiment: str, method: str) -> float | None:
        target = self.replication.experiments[experiment].published
        name = target.floor or (target.normalise.floor if target.normalise else None)
        mean = self._mean(experiment, name) if name and name != method else None
        return mean.value if mean else None
