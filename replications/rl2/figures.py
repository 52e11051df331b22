"""What the generic plots cannot draw for RL²: the grids on which the baselines' hyper-parameters were tuned."""

from matplotlib.figure import Figure

from shared.analysis.evidence import Evidence
from shared.figures import theme
from shared.figures.spec import method_label, notes

PREFIX = "tuning/"


@theme.theme()
def tuning(evidence: Evidence) -> Figure:
    """Draw the mean training return of every grid value relative to the grid's best, a panel per method.

    One line per experiment; the chosen value of each is filled. A note names choices at an edge of their grid, beyond
    which something better may lie (0 is no such edge: nothing lies below it).
    """
    methods = list(dict.fromkeys(m for name in evidence.spec.experiments for m in evidence.methods(name)))
    labels = {name: experiment.label for name, experiment in evidence.experiments().items()}
    looks = theme.styles(labels.values())
    figure, axes = theme.panels(len(methods))
    handles, at_edges = {}, []
    for axis, method in zip(axes, methods, strict=True):
        axis.set_title(method_label(evidence, method))
        parameters = set()
        for name in evidence.spec.experiments:
            grid = _grid(evidence, name, method)
            if not grid:
                continue
            parameter, values, shares = grid
            places = values
            if parameter == "discount":  # the grid is dense near 1
                axis.set_xscale("log")
                places, parameter = [1 / (1 - value) for value in values], "1 / (1 − discount)"
            parameters.add(parameter)
            look = looks[labels[name]]
            (line,) = axis.plot(places, shares, color=look.colour, marker=look.marker, mfc="white", lw=1)
            best = max(range(len(values)), key=shares.__getitem__)
            axis.plot(places[best], shares[best], color=look.colour, marker=look.marker, ls="")
            handles[labels[name]] = line
            if best in (0, len(values) - 1) and values[best] > 0 and len(values) > 1:
                at_edges.append(f"{method_label(evidence, method)} at {labels[name]} ({values[best]:g})")
        if parameters:
            axis.set_xlabel(", ".join(sorted(parameters)))
            axis.set_ylim(top=1.005)
        else:
            theme.no_results(axis)
    axes[0].set_ylabel("share of the grid's best mean return")
    theme.legend(figure, handles)
    edges = [f"chosen at an edge of the grid: {'; '.join(at_edges)}"] if at_edges else []
    theme.label_line(figure, notes(evidence, "", ["filled: the value chosen, on training tasks", *edges]))
    return figure


def _grid(evidence: Evidence, experiment: str, method: str) -> tuple[str, list[float], list[float]] | None:
    """Return the tuned parameter's name, its grid, and the scores relative to the best; None without a run."""
    rows = evidence.metrics_cell(experiment, method)
    columns = [column for column in rows.columns if column.startswith(PREFIX) and rows[column].notna().any()]
    if not columns:
        return None
    pairs = sorted((float(column.split("=")[1]), float(rows[column].iloc[0])) for column in columns)
    best = max(score for _, score in pairs)
    return columns[0][len(PREFIX) :].split("=")[0], [v for v, _ in pairs], [score / best for _, score in pairs]
