"""What every drawing takes from its declaration: options, series, and the line that says what is shown."""

from collections.abc import Iterable
from typing import Literal

import pandas as pd

from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Evidence
from shared.analysis.published import KINDS, RERUN
from shared.study.errors import StudyError, unknown

FILES = 3  # of one repository; if there are more, a note only counts them
THIRD_PARTY = "run by a third party"
Published = Literal["curves", "numbers", "none"]  # rows shown: curves, else the number; the number; none


def read_panels(evidence: Evidence, panels: dict[str, list[str]] | None) -> dict[str, list[str]]:
    """Return the experiments in each panel by its title; by default each has a panel of its own."""
    if panels is None:
        return {experiment.label: [name] for name, experiment in evidence.experiments().items()}
    for names in panels.values():
        check_names(evidence, "panels", "experiment", names)
    return panels


def check_names(evidence: Evidence, option: str, kind: Literal["experiment", "method"], names: Iterable[str]) -> None:
    """Raise `StudyError` for a name in an option that is no experiment, or no method, of the figure or table."""
    experiments = evidence.spec.experiments
    methods = [method for name in experiments for method in evidence.methods(name)]
    valid = experiments if kind == "experiment" else dict.fromkeys(methods)
    for name in names:
        if name not in valid:
            raise StudyError(f"{evidence.replication.file}: option '{option}': {unknown(kind, name, valid)}")


def method_label(evidence: Evidence, method: str) -> str:
    """Return how a method is called in figures and tables."""
    return evidence.replication.methods[method].label


def notes(
    evidence: Evidence, interval: str = "", extra: Iterable[str] = (), published: Published = "curves"
) -> list[str]:
    """Say what a drawing shows: scale, seeds, the interval, and the sources of the published rows shown."""
    lines = [f"scale: {', '.join(evidence.scales_used()) or evidence.scale}", seeds_note(evidence)]
    return [line for line in [*lines, interval, *extra, sources_note(evidence, published)] if line]


def seeds_note(evidence: Evidence) -> str:
    """Say how many training seeds stand behind the methods that train."""
    counts = {
        evidence.seeds(experiment, method)
        for experiment in evidence.spec.experiments
        for method in evidence.methods(experiment)
        if evidence.replication.methods[method].trains
    } - {0}
    if not counts:
        return ""
    span = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return f"training seeds: {span}"


def sources_note(evidence: Evidence, published: Published) -> str:
    """Name the sources of the published rows of the cells shown, and how each was come by."""
    if published == "none":
        return ""
    sources = {}
    for experiment in evidence.spec.experiments:
        for method in evidence.methods(experiment):
            rows = evidence.published_rows(experiment, method)
            along = rows["x_name"] != ""
            curves = published == "curves" and along.any()
            rows = rows[along] if curves else evidence.published_numbers(experiment, method)
            sources |= dict(zip(rows["source"], provenance(evidence, method, rows), strict=True))
    named = [f"{source} ({KINDS.get(kind, kind)})" for source, kind in _briefly(sources).items() if kind != RERUN]
    rerun = [source for source, kind in sources.items() if kind == RERUN]
    parts = [f"{what}: {'; '.join(names)}" for what, names in (("published", named), (KINDS[RERUN], rerun)) if names]
    return " · ".join(parts)


def _briefly(sources: dict[str, str]) -> dict[str, str]:
    """Return kinds by source, of `sources`; of many files of one repository only how many they are."""
    groups: dict[tuple[str, str], list[str]] = {}
    for source, kind in sources.items():
        first = source.split(" ")[0]
        groups.setdefault((first if first.startswith("github:") else source, kind), []).append(source)
    return {
        name: kind
        for (first, kind), group in groups.items()
        for name in (group if len(group) <= FILES else [f"{first}, {len(group)} files"])
    }


def provenance(evidence: Evidence, method: str, rows: pd.DataFrame) -> pd.Series:
    """Say of each published row how it was come by: its kind, or that others than the paper's authors ran the method.

    A method's first published name is the paper's own; rows under further names are of third parties.
    """
    names = evidence.replication.methods[method].published_names
    return rows["kind"].where(rows["method"].isin(names[:1]), THIRD_PARTY)


def origins(evidence: Evidence) -> list[str]:
    """Return what can be shown: the shipped reference first, so that this machine's runs lie on top."""
    return [REFERENCE] if evidence.scale == REFERENCE else [REFERENCE, THIS_MACHINE]
