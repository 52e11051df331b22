"""Tables beside the curves: what adaptation reaches, how widely policies explore, what was meta-learned of latents."""

import math

import numpy as np

from replications.maesn.claims import FIRST, divergences, latent_means
from shared.analysis.evidence import Evidence, interval_generator, read_options
from shared.analysis.published import RERUN
from shared.analysis.scores import Episode
from shared.analysis.statistics import mean_interval
from shared.figures.score_tables import INTERVAL
from shared.figures.spec import method_label, notes, origins
from shared.figures.tables import Cell, Table
from shared.study.schema import PublishedTarget

SOLVED = 0.5  # share of a batch's episodes inside the radius from which a task counts as solved
PARTS = (  # what a column shows: its heading, the measure, the batch of the test
    ("before", "return", FIRST),
    ("after", "return", "last"),
    ("inside before", "solved", FIRST),
    ("inside after", "solved", "last"),
)
SPREADS = "standard deviations over the first batch's episodes of where they end, without adaptation"


def adaptation_table(evidence: Evidence) -> Table:
    """Tabulate returns before adaptation and after it, the share of episodes inside the radius, and of solved tasks."""
    rows = list(dict.fromkeys(method for name in evidence.spec.experiments for method in evidence.methods(name)))
    read_options(evidence)
    columns, headings = [], []
    for name, experiment in evidence.experiments().items():
        for heading, column, batch in PARTS:
            columns.append([_mean(evidence, name, method, column, batch) for method in rows])
            headings.append(f"{experiment.label}: {heading}")
        columns.append([_solved(evidence, name, method) for method in rows])
        headings.append(f"{experiment.label}: tasks solved")
    solved = f"a task is solved where {SOLVED:.0%} of the last batch's episodes come inside the radius"
    return _table(evidence, rows, headings, columns, [solved])


def exploration_table(evidence: Evidence) -> Table:
    """Tabulate how far apart episodes end before adaptation, beside the authors' policies.

    Option `measures`: columns of the results by experiment.
    """
    options = read_options(evidence, measures={})
    rows = list(dict.fromkeys(method for name in evidence.spec.experiments for method in evidence.methods(name)))
    columns, headings = [], []
    for name, experiment in evidence.experiments().items():
        for measure in options["measures"][name]:
            columns.append([
                _mean(evidence, name, method, measure, FIRST, rerun=_rerun(evidence, name, method, measure))
                for method in rows
            ])  # fmt: skip
            headings.append(f"{experiment.label}: {measure.replace('_', ' ')}")
    return _table(evidence, rows, headings, columns, [SPREADS])


LATENTS = "means over training tasks, dimensions and seeds"
QUANTITIES = {  # what a row shows: its label, its published metrics, of which the mean is taken
    "divergence": ("KL from the prior, nats", ["mean_KL_pre_update_latent_to_unit_gaussian"]),
    "spread": ("σ of means μ over tasks", [f"std_over_tasks_of_latent_mean_dim{j}" for j in range(2)]),
    "std": ("mean σ", [f"mean_latent_sigma_dim{j}" for j in range(2)]),
    "latent/step_mean": ("learned step size of μ", [f"learned_step_size_latent_mean_dim{j}" for j in range(2)]),
    "latent/step_log_std": (
        "learned step size of log σ",
        [f"learned_step_size_latent_logstd_dim{j}" for j in range(2)],
    ),
    "policy/std": ("σ of actions", ["action_std_mean_over_dims"]),
}


def latent_table(evidence: Evidence) -> Table:
    """Tabulate what was meta-learned: training tasks' latents, step sizes, the policy's own noise.

    A column per experiment in training tasks, whose method needs the run that meta-learned.
    """
    columns, headings = [], []
    for name, experiment in evidence.experiments().items():
        (method,) = evidence.methods(name)
        ours, trained = _learned(evidence, name, method), evidence.replication.methods[method].needs["trained"]
        theirs = evidence.replication.methods[trained.split("/")[1]].published_names
        columns.append([
            Cell(ours.get(key, math.nan), rerun=_released(evidence, experiment.published, theirs, metrics))
            for key, (_, metrics) in QUANTITIES.items()
        ])  # fmt: skip
        headings.append(experiment.label)
    return Table(
        title=evidence.spec.title,
        rows=[label for label, _ in QUANTITIES.values()],
        columns=headings,
        cells=[list(row) for row in zip(*columns, strict=True)],
        caption=evidence.spec.caption,
        notes=notes(evidence, extra=[LATENTS], published="none"),
    )


def _learned(evidence: Evidence, experiment: str, method: str) -> dict[str, float]:
    means = latent_means(evidence, experiment, method, FIRST)
    if means is None:
        return {}
    stds = [evidence.scores(experiment, method, f"latent_std{j}", FIRST).mean() for j in range(2)]
    found = {
        "divergence": float(divergences(evidence, experiment, method).mean()),
        "spread": float(means.std(axis=1).mean()),
        "std": float(np.mean(stds)),
    }
    kept = evidence.cell(experiment, method)
    return found | {key: float(kept[key].mean()) for key in QUANTITIES if key in kept}


def _released(evidence: Evidence, target: PublishedTarget, methods: list[str], metrics: list[str]) -> float:
    """Return what the authors' released policies hold: read from their files, not published."""
    rows = evidence.published[evidence.published["environment"] == target.environment]
    rows = rows[rows["method"].isin(methods) & rows["metric"].isin(metrics) & (rows["x_name"] == "")]
    return float(rows["value"].mean()) if len(rows) else math.nan


def _rerun(evidence: Evidence, experiment: str, method: str, metric: str) -> float:
    rows = evidence.published_rows(experiment, method, metric)
    rows = rows[rows["kind"] == RERUN]
    return float(rows["value"].iloc[0]) if len(rows) else math.nan


def _mean(
    evidence: Evidence, experiment: str, method: str, column: str, batch: Episode, rerun: float = math.nan
) -> Cell:
    mean = evidence.mean(experiment, method, column=column, episode=batch, origin=origins(evidence)[-1])
    return Cell.of(mean, rerun=rerun)


def _solved(evidence: Evidence, experiment: str, method: str) -> Cell:
    shares = evidence.scores(experiment, method, "solved", "last", origins(evidence)[-1])
    return Cell.of(mean_interval((shares >= SOLVED).astype(float), interval_generator()) if shares.size else None)


def _table(
    evidence: Evidence, methods: list[str], headings: list[str], columns: list[list[Cell]], extra: list[str]
) -> Table:
    return Table(
        title=evidence.spec.title,
        rows=[method_label(evidence, method) for method in methods],
        columns=headings,
        cells=[list(row) for row in zip(*columns, strict=True)],
        caption=evidence.spec.caption,
        notes=notes(evidence, INTERVAL, extra, published="none"),
    )
