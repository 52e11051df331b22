"""What the generic plots cannot draw for PEARL: the ways of its points on the plane (Figure 4, top)."""

import re

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from shared.analysis.evidence import Evidence
from shared.analysis.scores import final_rows
from shared.figures import theme
from shared.figures.spec import method_label, notes, origins
from shared.study.loading import make_family

PANELS = 8  # test tasks shown


@theme.theme()
def trajectories(evidence: Evidence) -> Figure:
    """Draw where the last policy went: a panel of episodes with latents of the prior, then a panel per test task.

    Shows the first seed of the first experiment and method, of this machine or else of the reference.
    """
    name, method = next(iter(evidence.experiments())), evidence.spec.methods[0]
    rows = next(
        (rows for origin in reversed(origins(evidence)) if len(rows := evidence.cell(name, method, origin))),
        pd.DataFrame({"seed": []}),
    )
    rows = final_rows(rows[rows["seed"] == 0]) if len(rows) else rows
    tasks = sorted(rows["task"].unique())[:PANELS] if len(rows) else []
    figure, axes = theme.panels(1 + len(tasks), height=2.1)
    if not len(rows):
        theme.no_results(axes[0])
        return figure
    run = evidence.replication.run(name, method, 0, str(rows["scale"].iloc[0]))
    family = make_family(run, evidence.root)
    goals = family.test_set[: rows["task"].max() + 1]
    explores = run.hyperparameters["exploration_episodes"]
    _draw_panel(axes[0], rows[rows["episode"] < explores], goals, family.radius, None)
    axes[0].set_title("latents of the prior")
    for axis, task in zip(axes[1:], tasks, strict=True):
        _draw_panel(axis, rows[rows["task"] == task], goals, family.radius, int(task))
        axis.set_title(f"test task {task}")
    theme.label_line(figure, notes(evidence, f"{method_label(evidence, method)}, first seed", published="none"))
    return figure


def _draw_panel(axis: Axes, rows: pd.DataFrame, goals: np.ndarray, radius: float, task: int | None) -> None:
    for index, goal in enumerate(goals):
        axis.add_patch(Circle(goal, radius, color="#0072b2", alpha=0.75 if index == task else 0.12, linewidth=0))
    xs, ys = (rows[sorted(c for c in rows if re.fullmatch(rf"{letter}\d\d", c))].to_numpy() for letter in "xy")
    brightness = rows["episode"].to_numpy() / max(rows["episode"].max(), 1)
    colours = matplotlib.colormaps["plasma"](0.9 * brightness)
    for way_x, way_y, colour in zip(xs, ys, colours, strict=True):
        axis.plot([0, *way_x], [0, *way_y], color=colour, lw=0.7)
        axis.plot(way_x[-1], way_y[-1], marker="x", ms=4, color=colour)
    axis.set_aspect("equal")
    axis.set_xlim(-1.25, 1.25)
    axis.set_ylim(-0.35, 1.25)
