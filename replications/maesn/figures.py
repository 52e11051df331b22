"""What the generic plots cannot draw: ways, where latents lie, and how two parameters move in training."""

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle, Ellipse

from shared.analysis.evidence import Evidence, read_options
from shared.analysis.scores import final_rows
from shared.figures import theme
from shared.figures.spec import method_label, notes, origins
from shared.study.errors import StudyError, unknown
from shared.study.loading import load_object

RADIUS = 2.0  # of the half circle of goals
SPREADS = {
    "angle": "angle ± {angle_spread:.1f}°, {distance:.1f} m away",
    "place": "x ± {x_spread:.2f} m, y ± {y_spread:.2f} m",
}


@theme.theme()
def ways(evidence: Evidence) -> Figure:
    """Draw where policies go: a panel per method of the experiment and adaptation step, a line per test task.

    Shows the first seed. Options: `steps` (of adaptation, default none: [0]), `limits` (x from, x to, y from, y to),
    `goals` (whether the half circle of goals is drawn), `spread` (of where episodes end, what is told: by default the
    `angle` and how far from the origin; `place`; or null), `tasks` (how many; default all), `rings` (circles that are
    drawn besides: x, y, radius).
    """
    defaults = {"steps": [0], "limits": (-2.5, 2.5, -1.5, 2.5), "goals": True, "spread": "angle", "tasks": None}
    options = read_options(evidence, **defaults, rings=())
    if options["spread"] not in (*SPREADS, None):
        wrong = unknown("value", options["spread"], SPREADS)
        raise StudyError(f"{evidence.replication.file}: option 'spread': {wrong}")
    (experiment,) = evidence.experiments()
    panels = [(method, step) for method in evidence.methods(experiment) for step in options["steps"]]
    name = evidence.replication.experiments[experiment].family.name
    x_label, y_label = load_object(evidence.replication.qualified(name), evidence.root).position_labels
    figure, axes = theme.panels(len(panels), height=2.3)
    for axis, (method, step) in zip(axes, panels, strict=True):
        after = f", {step} step{'s' * (step > 1)}" if step else ", before" if len(options["steps"]) > 1 else ""
        axis.set_title(method_label(evidence, method) + after)
        rows = newest(evidence, experiment, method)
        if rows.empty:
            theme.no_results(axis)
            continue
        rows = rows[rows["episode"] == step].head(options["tasks"] or len(rows))
        _draw_ways(axis, rows)
        if options["spread"]:
            told = SPREADS[options["spread"]].format(**rows.mean(numeric_only=True))
            axis.text(0.02, 0.02, told, transform=axis.transAxes, fontsize=7)
        if options["goals"]:
            axis.add_patch(Arc((0, 0), 2 * RADIUS, 2 * RADIUS, theta1=0, theta2=180, color="0.6", lw=1.5, zorder=0))
        for *centre, radius in options["rings"]:
            axis.add_patch(Circle(centre, radius, fill=False, color="0.6", lw=1.5, zorder=0))
        left, right, bottom, top = options["limits"]
        axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel=x_label, ylabel=y_label)
    told = "first seed; the first episode of each test task's batch, a cross where it ends"
    theme.label_line(figure, notes(evidence, told, published="none"))
    return figure


def newest(evidence: Evidence, experiment: str, method: str) -> pd.DataFrame:
    """Return the final rows of the first seed: of this machine, or else of the reference; empty without either."""
    for origin in reversed(origins(evidence)):
        rows = evidence.cell(experiment, method, origin)
        if len(rows):
            return final_rows(rows[rows["seed"] == rows["seed"].min()])
    return pd.DataFrame()


def _draw_ways(axis: Axes, rows: pd.DataFrame) -> None:
    xs, ys = (rows[sorted(c for c in rows if re.fullmatch(rf"{letter}\d\d", c))].to_numpy() for letter in "xy")
    for x, y in zip(xs, ys, strict=True):
        (line,) = axis.plot(x, y, lw=0.7, alpha=0.8)
        axis.plot(x[-1], y[-1], marker="x", ms=3, color=line.get_color())


@theme.theme()
def latents(evidence: Evidence) -> Figure:
    """Draw training tasks' latents in two dimensions, before and after one inner step: a row per experiment.

    An ellipse per task: its centre μ, its half-axes σ; the prior as a thick circle. The first method, its first seed.
    """
    names = list(evidence.experiments())
    figure, axes = theme.panels(2 * len(names), columns=2, height=2.4)
    for experiment, pair in zip(names, np.reshape(axes, (-1, 2)), strict=True):
        rows = newest(evidence, experiment, evidence.methods(experiment)[0])
        label = evidence.replication.experiments[experiment].label
        reach = 4.0 if rows.empty else max(4.0, rows[["latent_mean0", "latent_mean1"]].abs().to_numpy().max() + 1)
        for axis, (step, name) in zip(pair, ((0, "before"), (1, "after one step")), strict=True):
            axis.set_title(f"{label}:\n{name}")
            if rows.empty:
                theme.no_results(axis)
                continue
            _draw_latents(axis, rows[rows["episode"] == step], reach)
    theme.label_line(figure, notes(evidence, "ellipses: one standard deviation; black: the prior", published="none"))
    return figure


def _draw_latents(axis: Axes, rows: pd.DataFrame, reach: float) -> None:
    columns = rows[["latent_mean0", "latent_mean1", "latent_std0", "latent_std1"]].to_numpy()
    for x, y, width, height in columns:
        axis.add_patch(Ellipse((x, y), 2 * width, 2 * height, fill=False, color="#0072b2", alpha=0.25, lw=0.6))
    axis.plot(*columns[:, :2].T, ".", color="#0072b2", ms=3)
    axis.add_patch(Ellipse((0, 0), 2, 2, fill=False, color="black", lw=1.4))
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="z₁", ylabel="z₂")


@theme.theme()
def parameter_paths(evidence: Evidence) -> Figure:
    """Draw how two parameters move over meta-training: a panel per method, a line per seed, and the optimum.

    The first seed has an arrow every third meta-iteration, darker with time. Options: `limits` (as `ways` has them).
    """
    limits = read_options(evidence, limits=(-0.06, 0.12, -0.05, 0.09))["limits"]
    (experiment,) = evidence.experiments()
    methods = evidence.methods(experiment)
    figure, axes = theme.panels(len(methods), columns=2, height=2.6)
    for axis, method in zip(axes, methods, strict=True):
        axis.set_title(method_label(evidence, method))
        left, right, bottom, top = limits
        axis.set(xlim=(left, right), ylim=(bottom, top), xlabel="factor θ₀", ylabel="constant θ₁")
        rows = next(
            (rows for o in reversed(origins(evidence)) if len(rows := evidence.metrics_cell(experiment, method, o))),
            None,
        )
        if rows is None:
            theme.no_results(axis)
            continue
        settings = evidence.replication.run(experiment, method, 0, str(rows["scale"].iloc[0])).hyperparameters
        axis.plot(*settings["optimum"], marker="*", ms=11, color="black", ls="none", zorder=3)
        for seed, path in rows.sort_values("iteration").groupby("seed", sort=True):
            places = np.vstack([settings["start"], path[["theta/factor", "theta/constant"]]])
            axis.plot(*places.T, lw=0.6, color="0.75", zorder=1)
            if seed == rows["seed"].min():
                _draw_arrows(axis, places[::3])
    told = "arrows: every third meta-iteration of the first seed, darker with time; grey: all seeds; star: the optimum"
    theme.label_line(figure, notes(evidence, told, published="none"))
    return figure


def _draw_arrows(axis: Axes, places: np.ndarray) -> None:
    """Draw an arrow from each of `places` `(n, 2)` to the next one."""
    moves = np.diff(places, axis=0)
    look = {"cmap": "viridis_r", "angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.008, "zorder": 2}
    axis.quiver(*places[:-1].T, *moves.T, np.arange(len(moves)), **look)
