"""One figure and one table."""

from matplotlib.figure import Figure

from shared.analysis.evidence import Evidence
from shared.figures.tables import Cell, Table


def figure1(evidence: Evidence) -> Figure:
    """Mean return of every method as a bar."""
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    means = evidence.best_runs().groupby("method", observed=True)["return"].mean()
    axes.bar(list(means.index.astype(str)), means)
    return figure


def table1(evidence: Evidence) -> Table:
    """Mean return of every method."""
    methods = evidence.methods("short-coins")
    cells = [[Cell.of(evidence.mean("short-coins", method)) for method in methods]]
    return Table("Table 1: short games", ["three tosses"], methods, cells)
