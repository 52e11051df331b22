"""Tidy results: what an evaluation measured, as Parquet files with the same bytes for the same content."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared.study import paths
from shared.study.errors import StudyError
from shared.study.files import read_json, write_atomically, write_json
from shared.study.run import Protocol, ResolvedRun

if TYPE_CHECKING:
    import pandas as pd

    from shared.study.schema import Replication

IDENTITY = ("experiment", "method", "seed", "scale")
_RESULTS = pa.schema({"env_steps": pa.int64(), "task": pa.int32(), "episode": pa.int32(), "return": pa.float64()})
_METRICS = pa.schema({"iteration": pa.int64(), "env_steps": pa.int64()})
_IDENTITY = pa.schema({name: pa.int64() if name == "seed" else pa.string() for name in IDENTITY})


class Evaluation(NamedTuple):
    """Measures after `env_steps` of training, each `(tasks, episodes)`, `return` among them."""

    env_steps: int
    measures: dict[str, np.ndarray]


def evaluation(
    env_steps: int,
    adapted: np.ndarray | Mapping[str, np.ndarray],
    tasks: int,
    protocol: Protocol,
    run_title: str,
) -> Evaluation:
    """Check what `Learner.adapt` returned and report it by the protocol.

    `report: trial` leaves one column: the sum of the returns, the mean of every other measure. Raises
    `StudyError` for a wrong shape, a missing `return` or a number that is not finite.
    """
    measures = dict(adapted) if isinstance(adapted, Mapping) else {"return": adapted}
    if "return" not in measures:
        raise StudyError(f"{run_title}: adapt() gave no 'return', only {', '.join(measures)}")
    for name, values in measures.items():
        values = np.asarray(values, dtype=np.float64)
        if values.shape != (tasks, protocol.episodes):
            expected = (tasks, protocol.episodes)
            raise StudyError(f"{run_title}: adapt() gave '{name}' of shape {values.shape}, not {expected}")
        if not np.isfinite(values).all():
            raise StudyError(f"{run_title}: adapt() gave a '{name}' that is not finite after {env_steps:,} steps")
        if protocol.report == "trial":
            total = values.sum(axis=1) if name == "return" else values.mean(axis=1)
            values = total[:, None]
        measures[name] = values
    return Evaluation(env_steps, measures)


def results_table(evaluations: Sequence[Evaluation], after: Sequence[pa.Table] = ()) -> pa.Table:
    """Return the rows of the tables `after`, then one row per evaluation, task and episode, in this order."""
    nothing = Evaluation(0, {"return": np.empty((0, 0))})
    tables = [_evaluation_table(one) for one in (nothing, *evaluations)]
    return pa.concat_tables([tables[0], *after, *tables[1:]], promote_options="default")


def metrics_table(columns: Mapping[str, Sequence[float]]) -> pa.Table:
    """Return one row per meta-iteration; `iteration` and `env_steps` as integers, the rest as float64."""
    types = {name: np.int64 if name in _METRICS.names else np.float64 for name in columns}
    return _table({name: np.array(values, types[name]) for name, values in columns.items()})


def table_bytes(table: pa.Table) -> bytes:
    """Serialise a table to Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, atomically."""
    write_atomically(path, table_bytes(table))


def read_table(path: Path) -> pa.Table:
    """Read a Parquet file; raise `StudyError` naming it where it is missing or damaged."""
    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise StudyError(f"{path} cannot be read: {error}") from error


def load_runs(
    replication: "Replication",
    scale: str,
    root: Path,
    experiments: Iterable[str] | None = None,
    methods: Iterable[str] | None = None,
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Return `(results, metrics)` of this machine's runs at `scale`, with identity columns.

    Runs that are not there are left out. `experiments` and `methods` select; None takes all. Metrics are
    present where the run trains.
    """
    runs = [
        run
        for run in replication.runs(scale)
        if (experiments is None or run.experiment in experiments) and (methods is None or run.method in methods)
    ]
    results, metrics = _collect(runs, root)
    return results.to_pandas(), metrics.to_pandas()


def load_reference(paper: str, root: Path) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Return `(results, metrics)` of the shipped reference runs of every scale, with identity columns."""
    folders = sorted((root / paths.reference_folder("*", paper)).parent.parent.glob(f"*/{paper}"))
    tables = []
    for name, schema in ((paths.RESULTS, _RESULTS), (paths.METRICS, _METRICS)):
        shipped = [read_table(folder / name) for folder in folders if (folder / name).is_file()]
        tables.append(_concatenate(schema, shipped).to_pandas())
    return tables[0], tables[1]


class Collected(NamedTuple):
    """Titles of runs: those that `write_reference` collected, those that stay as shipped, those that are missing.

    `outdated` are those of the kept or collected ones that were made with other settings than today's.
    """

    finished: list[str]
    kept: list[str]
    missing: list[str]
    outdated: list[str]


def write_reference(replication: "Replication", scale: str, root: Path) -> Collected:
    """Collect finished runs into `data/reference/<scale>/<paper>/`, beside those that are there.

    A shipped run that this machine has not finished stays, as long as `replication.yaml` declares it. Raises
    `StudyError` where no run is finished.
    """
    runs = replication.runs(scale)
    finished = [run for run in runs if (root / paths.run_folder(run) / paths.MANIFEST).is_file()]
    if not finished:
        raise StudyError(f"no run of {replication.paper} at scale '{scale}' is finished")
    folder = root / paths.reference_folder(scale, replication.paper)
    before = read_json(folder / paths.PROVENANCE)["runs"] if (folder / paths.PROVENANCE).is_file() else []
    manifests = {tuple(manifest["run"][name] for name in IDENTITY): manifest for manifest in before}
    kept = [run for run in runs if run not in finished and _identity(run) in manifests]
    manifests |= {_identity(run): read_json(root / paths.run_folder(run) / paths.MANIFEST) for run in finished}
    shipped = [run for run in runs if run in finished or run in kept]
    for name, schema in ((paths.RESULTS, _RESULTS), (paths.METRICS, _METRICS)):
        old = read_table(folder / name) if kept else None
        tables = [_rows_of(run, old) if run in kept else _run_table(run, name, root) for run in shipped]
        write_table(folder / name, _concatenate(schema, tables))
    content = [manifests[_identity(run)] for run in shipped]
    write_json(folder / paths.PROVENANCE, {"paper": replication.paper, "scale": scale, "runs": content})
    missing = [run for run in runs if run not in shipped]
    outdated = [run for run in shipped if manifests[_identity(run)]["config_hash"] != run.config_hash]
    return Collected(*([run.title for run in some] for some in (finished, kept, missing, outdated)))


def _evaluation_table(one: Evaluation) -> pa.Table:
    tasks, episodes = one.measures["return"].shape
    columns = {
        "env_steps": np.full(tasks * episodes, one.env_steps, dtype=np.int64),
        "task": np.repeat(np.arange(tasks, dtype=np.int32), episodes),
        "episode": np.tile(np.arange(episodes, dtype=np.int32), tasks),
    }
    return _table(columns | {name: values.ravel() for name, values in one.measures.items()})


def _table(columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Wrap numeric arrays. `pa.array` would do, but it imports pandas, and hundreds of jobs would wait for it."""
    arrays = [
        pa.Array.from_buffers(pa.from_numpy_dtype(v.dtype), len(v), [None, pa.py_buffer(np.ascontiguousarray(v))])
        for v in columns.values()
    ]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _collect(runs: Iterable[ResolvedRun], root: Path) -> tuple[pa.Table, pa.Table]:
    runs = list(runs)
    results = [_run_table(run, paths.RESULTS, root) for run in runs]
    metrics = [_run_table(run, paths.METRICS, root) for run in runs]
    return _concatenate(_RESULTS, results), _concatenate(_METRICS, metrics)


def _run_table(run: ResolvedRun, name: str, root: Path) -> pa.Table | None:
    """Return what a run of this machine left in its file `name`, with identity columns; None where it has none."""
    file = root / paths.run_folder(run) / name
    # Metrics of an earlier declaration, by which the run was trained, are none of this one.
    if not file.is_file() or (name == paths.METRICS and not run.trains):
        return None
    return _identified(read_table(file), run)


def _rows_of(run: ResolvedRun, shipped: pa.Table) -> pa.Table:
    """Return one run's rows of shipped tables, in the columns that it has."""
    rows = shipped
    for name, value in zip(IDENTITY, _identity(run), strict=True):
        rows = rows.filter(pc.equal(rows[name], value))
    return rows.select([name for name in rows.column_names if rows[name].null_count < len(rows) or not len(rows)])


def _identity(run: ResolvedRun) -> tuple[str | int, ...]:
    return tuple(getattr(run, name) for name in IDENTITY)


def _identified(table: pa.Table, run: ResolvedRun) -> pa.Table:
    identity = [pa.repeat(pa.scalar(getattr(run, field.name), field.type), len(table)) for field in _IDENTITY]
    return pa.table([*identity, *table.columns], names=[*IDENTITY, *table.column_names])


def _concatenate(schema: pa.Schema, tables: Iterable[pa.Table | None]) -> pa.Table:
    """Stack tables whose further columns may differ; a column that a table lacks is empty there."""
    empty = pa.unify_schemas([_IDENTITY, schema]).empty_table()
    return pa.concat_tables([empty, *(t for t in tables if t is not None)], promote_options="default")
