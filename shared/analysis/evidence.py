"""What a figure, a table or a claim is given: the tidy results it asks for, and the published numbers."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from shared.analysis import statistics
from shared.analysis.published import RERUN, load_published
from shared.analysis.scores import Episode, curve_matrix, evaluation_matrix, final_rows, score_matrix
from shared.analysis.speeds import Speeds, reference_training_speeds, training_speeds
from shared.analysis.statistics import Interval
from shared.study.errors import StudyError, unknown
from shared.study.results import load_reference, load_runs
from shared.study.schema import SCALES

if TYPE_CHECKING:
    from shared.study.schema import Claim, Drawing, Experiment, Replication

REFERENCE = "reference"
THIS_MACHINE = "this machine"
EVALUATION = "evaluation"
GENERATOR_SEED = 20161109  # every interval starts from the same generator, whatever was drawn before it
REQUIRED = object()  # the default of an option that must be given


def read_options(evidence: "Evidence", **defaults: Any) -> dict[str, Any]:
    """Return the `options` of a drawing or claim over `defaults`.

    Raises `StudyError` for a name that is not among them, and for one with the default `REQUIRED` that is missing.
    """
    options = evidence.spec.options
    for name in options:
        if name not in defaults:
            raise StudyError(f"{evidence.replication.file}: {unknown('option', name, defaults)}")
    for name, default in defaults.items():
        if default is REQUIRED and name not in options:
            raise StudyError(f"{evidence.replication.file}: option '{name}' is missing")
    return defaults | options


def interval_generator() -> np.random.Generator:
    """Return a fresh generator for one interval, so that the order of intervals does not matter."""
    return np.random.default_rng(GENERATOR_SEED)


@dataclass(frozen=True)
class Curve:
    """Mean over seeds of a training metric, and its 95 % bootstrap band (NaN for one seed); arrays `(P,)`."""

    env_steps: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int

    def at(self, env_steps: float) -> Interval | None:
        """Interpolate to `env_steps`; None outside the trained range."""
        if not len(self.env_steps) or not self.env_steps[0] <= env_steps <= self.env_steps[-1]:
            return None
        return Interval(*(float(np.interp(env_steps, self.env_steps, y)) for y in (self.value, self.low, self.high)))

    def affine(self, shift: float, scale: float) -> "Curve":
        """Return the curve of `(y - shift) / scale`, for a positive scale."""
        value, low, high = ((y - shift) / scale for y in (self.value, self.low, self.high))
        return Curve(self.env_steps, value, low, high, self.seeds)


@dataclass(frozen=True)
class Evidence:
    """The runs of this machine at one scale, the shipped reference runs, and the paper's published rows.

    `runs` and `metrics` are tidy tables with identity columns `experiment, method, seed, scale`;
    `reference_*` hold several scales. `speeds` are environment steps per second of training, by origin and (experiment,
    method). `spec` is the figure, table or claim of `replication`, below `root`, that asks. With scale `reference`
    nothing of this machine is present.
    """

    paper: str
    scale: str
    runs: pd.DataFrame
    metrics: pd.DataFrame
    reference_runs: pd.DataFrame
    reference_metrics: pd.DataFrame
    speeds: dict[str, Speeds]
    published: pd.DataFrame
    replication: "Replication"
    spec: "Drawing | Claim"
    root: Path

    def narrowed(self, spec: "Drawing | Claim") -> "Evidence":
        """Return what `load_evidence` gives for `spec`, if it asks for nothing beyond this evidence's own spec."""
        methods = _asked_methods(self.replication, spec)
        tables = ("runs", "metrics", "reference_runs", "reference_metrics")
        return replace(
            self, spec=spec, **{name: _select(getattr(self, name), spec.experiments, methods) for name in tables}
        )

    def of(self, origin: str) -> "Evidence":
        """Return this evidence with the runs of `origin` alone: `this machine` or `reference`."""
        hidden = ("reference_runs", "reference_metrics") if origin == THIS_MACHINE else ("runs", "metrics")
        speeds = {place: found if place == origin else {} for place, found in self.speeds.items()}
        return replace(self, speeds=speeds, **{name: getattr(self, name).iloc[:0] for name in hidden})

    def best_runs(self) -> pd.DataFrame:
        """This machine's rows per (experiment, method), else the largest reference scale's; with `origin`."""
        return _best(self.runs, self.reference_runs)

    def best_metrics(self) -> pd.DataFrame:
        """Return the metrics, chosen as in `best_runs`."""
        return _best(self.metrics, self.reference_metrics)

    def experiments(self) -> dict[str, "Experiment"]:
        """Return the experiments that the spec asks for, in its order."""
        return {name: self.replication.experiments[name] for name in self.spec.experiments}

    def methods(self, experiment: str) -> list[str]:
        """Return the methods of `experiment` that the spec asks for, in its order (default: all)."""
        declared = self.replication.experiments[experiment].methods
        return [method for method in self.spec.methods or declared if method in declared]

    def scores(
        self,
        experiment: str,
        method: str,
        column: str = "return",
        episode: Episode = "total",
        origin: str | None = None,
    ) -> np.ndarray:
        """Return `(seeds, tasks)` scores of the final evaluation, `(0, 0)` where there is none.

        `origin` chooses `this machine` or `reference`; by default the best there is, as in `best_runs`.
        """
        key = (experiment, method, column, episode, origin)
        if key not in self._scores:
            self._scores[key] = score_matrix(final_rows(self.cell(experiment, method, origin)), column, episode)
        return self._scores[key]

    def mean(self, experiment: str, method: str, **choice: object) -> Interval | None:
        """Mean final score with its interval (see `statistics.natural_level`); None where there is no run."""
        scores = self.scores(experiment, method, **choice)
        return statistics.mean_interval(scores, interval_generator()) if scores.size else None

    def curve(self, experiment: str, method: str, metric: str, origin: str | None = None) -> Curve | None:
        """Return the training curve of `metric`, a column of the metrics table; None where there is none.

        The metric `evaluation` stands for the mean score of the evaluations while training, as in `published`.
        """
        if metric != EVALUATION:
            return training_curve(self.metrics_cell(experiment, method, origin), metric)
        target = self.replication.experiments[experiment].published
        choice = (target.column, target.episode) if target else ()
        return _curve(*evaluation_matrix(self.cell(experiment, method, origin), *choice))

    def normaliser(self, experiment: str, origin: str | None = None) -> tuple[float, float] | None:
        """Return (shift, scale) that take the floor's mean score to 0 and the ceiling's to 1.

        None where the experiment's `published` has no `normalise`, or one of the two did not run.
        """
        target = self.replication.experiments[experiment].published
        if target is None or target.normalise is None:
            return None
        floor, ceiling = (
            self.scores(experiment, method, target.column, target.episode, origin)
            for method in (target.normalise.floor, target.normalise.ceiling)
        )
        if not floor.size or not ceiling.size or floor.mean() == ceiling.mean():
            return None
        return float(floor.mean()), float(ceiling.mean() - floor.mean())

    def seeds(self, experiment: str, method: str, origin: str | None = None) -> int:
        """Number of seeds that ran."""
        return self.cell(experiment, method, origin)["seed"].nunique()

    def training_speed(self, experiment: str, method: str, origin: str | None = None) -> float | None:
        """Environment steps per second of training; None where nothing was trained for steps."""
        places = (origin,) if origin else (THIS_MACHINE, REFERENCE)
        return next((speed for place in places if (speed := self.speeds[place].get((experiment, method)))), None)

    def scales_used(self) -> list[str]:
        """Name the scales of the best runs, shipped ones marked: `hour`, `night (reference)`."""
        cells = self._runs_cells
        own = {_scale(rows) for rows in cells[THIS_MACHINE].values()}
        shipped = {_scale(rows) for cell, rows in cells[REFERENCE].items() if cell not in cells[THIS_MACHINE]}
        return [name for name in SCALES if name in own] + [
            f"{name} ({REFERENCE})" for name in SCALES if name in shipped
        ]

    def published_value(self, experiment: str, method: str, rerun: bool = False) -> float | None:
        """Return the number that this paper printed for a cell, None where it printed none.

        With `rerun` it is what the authors' released policies earned when they were run again, which nobody published.
        """
        rows = self.published_numbers(experiment, method)
        rows = rows[(rows["kind"] == RERUN) == rerun]
        return float(rows["value"].iloc[0]) if len(rows) else None

    def published_numbers(self, experiment: str, method: str) -> pd.DataFrame:
        """Return the published rows of a cell that are numbers for its score.

        Where there are none, of values along a test (`adaptation`) those of the episode that is the score.
        """
        rows = self.published_rows(experiment, method)
        numbers = rows[rows["x_name"] == ""]
        declared = self.replication.experiments[experiment]
        if len(numbers) or not (declared.published and declared.published.adaptation):
            return numbers
        episode = declared.published.episode
        scored = declared.protocol.episodes - 1 if episode == "last" else episode
        return rows[(rows["x_name"] == declared.published.adaptation) & (rows["x_value"] == scored)]

    def published_nearby(self, experiment: str, method: str, origin: str) -> float | None:
        """Return what published curves of a cell show after as many steps as ours was trained for, the mean of several.

        That is the last point of each source up to then (within 3 %). None where there is none, or no run of ours.
        """
        rows, ours = self.published_rows(experiment, method), self.cell(experiment, method, origin)
        reading = self.replication.experiments[experiment].published
        if reading is None or reading.curve is None or ours.empty:
            return None
        steps = rows["x_value"] * reading.curve.steps_per_x
        rows = rows[(rows["x_name"] == reading.curve.x_name) & (steps <= 1.03 * ours["env_steps"].max())]
        last = rows.sort_values("x_value").groupby(["method", "source"])["value"].last()
        return float(last.mean()) if len(last) else None

    def published_rows(self, experiment: str, method: str, metric: str | None = None) -> pd.DataFrame:
        """Return the published rows of a cell, other papers' quotations of it left out; by default of its metric."""
        target = self.replication.experiments[experiment].published
        names = self.replication.methods[method].published_names
        if target is None:
            return self.published.iloc[:0]
        rows = self._published_settings.get((target.environment, target.setting or ""), self.published.iloc[:0])
        metrics = [metric] if metric else [target.metric, normalised_metric(self.replication, experiment)]
        return rows[rows["metric"].isin(metrics) & rows["method"].isin(names)]

    def cell(self, experiment: str, method: str, origin: str | None = None) -> pd.DataFrame:
        """Return the result rows of one experiment and method, maybe none. `origin` as in `scores`."""
        return self._pick(self._runs_cells, experiment, method, origin)

    def metrics_cell(self, experiment: str, method: str, origin: str | None = None) -> pd.DataFrame:
        """Return the training metrics of one experiment and method, maybe none. `origin` as in `scores`."""
        return self._pick(self._metrics_cells, experiment, method, origin)

    @cached_property
    def _scores(self) -> dict[tuple, np.ndarray]:
        return {}

    @cached_property
    def _published_settings(self) -> dict[tuple[str, str], pd.DataFrame]:
        settings = self.published.groupby(["environment", "setting"], sort=False)
        return {setting: own_rows(rows, self.paper) for setting, rows in settings}

    @cached_property
    def _runs_cells(self) -> "Cells":
        return {THIS_MACHINE: _cells(self.runs), REFERENCE: _cells(largest_scale(self.reference_runs))}

    @cached_property
    def _metrics_cells(self) -> "Cells":
        return {THIS_MACHINE: _cells(self.metrics), REFERENCE: _cells(largest_scale(self.reference_metrics))}

    def _pick(self, cells: "Cells", experiment: str, method: str, origin: str | None) -> pd.DataFrame:
        for place in (origin,) if origin else (THIS_MACHINE, REFERENCE):
            if (experiment, method) in cells[place]:
                return cells[place][experiment, method]
        return self.runs.iloc[:0] if cells is self._runs_cells else self.metrics.iloc[:0]


Cells = dict[str, dict[tuple[str, str], pd.DataFrame]]  # origin -> (experiment, method) -> rows


def load_evidence(replication: "Replication", spec: "Drawing | Claim", scale: str, root: Path) -> Evidence:
    """Read what `spec`, a figure, table or claim of `replication`, asks for at `scale`.

    Besides the methods that it names, those that an experiment's scores are normalised by are loaded. Runs
    that are not there are absent from the tables. Raises `StudyError` for malformed published numbers.
    """
    methods = _asked_methods(replication, spec)
    reference_runs, reference_metrics = (
        _select(table, spec.experiments, methods) for table in load_reference(replication.paper, root)
    )
    if scale == REFERENCE:
        runs, metrics = reference_runs.iloc[:0], reference_metrics.iloc[:0]
    else:
        runs, metrics = load_runs(replication, scale, root, list(spec.experiments), methods)
    shipped = reference_training_speeds(replication.paper, root)
    speeds = {
        THIS_MACHINE: {} if scale == REFERENCE else training_speeds(replication, scale, root),
        REFERENCE: {cell: speed for name in SCALES for cell, speed in shipped.get(name, {}).items()},
    }
    return Evidence(
        paper=replication.paper,
        scale=scale,
        runs=runs,
        metrics=metrics,
        reference_runs=reference_runs,
        reference_metrics=reference_metrics,
        speeds=speeds,
        published=load_published(replication.paper, root),
        replication=replication,
        spec=spec,
        root=root,
    )


def _asked_methods(replication: "Replication", spec: "Drawing | Claim") -> list[str]:
    experiments = [replication.experiments[name] for name in spec.experiments]
    asked = [[*spec.methods, *one.yardsticks] if spec.methods else one.methods for one in experiments]
    return list(dict.fromkeys(chain.from_iterable(asked)))


def training_curve(metrics: pd.DataFrame, metric: str) -> Curve | None:
    """Summarise one experiment and method's metrics as a curve over seeds; None where `metric` is absent."""
    return _curve(*curve_matrix(metrics, metric)) if metric in metrics else None


def _curve(steps: np.ndarray, values: np.ndarray) -> Curve | None:
    if not len(steps):
        return None
    return Curve(steps, *statistics.pointwise_interval(values, interval_generator()), seeds=len(values))


def normalised_metric(replication: "Replication", experiment: str) -> str | None:
    """Return the published name of an experiment's normalised metric, None where none is declared.

    The tables of published numbers name it `normalized_<metric>(<floor>=0;<ceiling>=1)`, with the paper's
    names of the two methods.
    """
    target = replication.experiments[experiment].published
    if target is None or target.normalise is None:
        return None
    ends = [replication.methods[name].published_names for name in (target.normalise.floor, target.normalise.ceiling)]
    if not all(ends):
        return None
    return f"normalized_{target.metric}({ends[0][0]}=0;{ends[1][0]}=1)"


def own_rows(published: pd.DataFrame, paper: str) -> pd.DataFrame:
    """Leave out what other papers print of the same quantity; keep all where no row is of `paper`."""
    own = published["paper"].str.casefold() == paper.casefold()
    return published[own] if own.any() else published


def largest_scale(table: pd.DataFrame) -> pd.DataFrame:
    """Keep, per experiment and method, the rows of the largest scale that is present."""
    if table.empty:
        return table
    rank = table["scale"].astype(str).map({name: index for index, name in enumerate(SCALES)})
    keys = [table["experiment"].astype(str), table["method"].astype(str)]
    return table[rank == rank.groupby(keys).transform("max")]


def _best(own: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    present = pd.MultiIndex.from_frame(own[["experiment", "method"]].drop_duplicates())
    reference = largest_scale(reference)
    covered = pd.MultiIndex.from_frame(reference[["experiment", "method"]]).isin(present)
    parts = [own.assign(origin=THIS_MACHINE), reference[~covered].assign(origin=REFERENCE)]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def _scale(rows: pd.DataFrame) -> str:
    return str(rows["scale"].iloc[0])


def _cells(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    return dict(iter(table.groupby(["experiment", "method"], observed=True, sort=False)))


def _select(table: pd.DataFrame, experiments: list[str], methods: list[str]) -> pd.DataFrame:
    return table[table["experiment"].isin(experiments) & table["method"].isin(methods)]
