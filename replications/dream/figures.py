"""What the generic plots cannot draw for DREAM: samples against the number of actions (Figure 4a), ways."""

import re

import matplotlib.ticker
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from replications.dream.growth import LAWS, growth, samples_by_size
from replications.dream.sign_room import SignRoom
from replications.dream.tasks import Cooking, GridFamily, Map, RideFamily
from replications.dream.views import COLOURS, HALVES, METRE, OBJECTS, SHAPES, SIGN, WALLS
from shared.analysis.evidence import REFERENCE, Evidence, interval_generator
from shared.analysis.scores import final_rows
from shared.analysis.statistics import mean_interval
from shared.figures import theme
from shared.figures.curves import kind_sample, put_legend, series_sample
from shared.figures.spec import method_label, notes, origins
from shared.study.loading import make_family

LINES = ["#0000ff", "#ff00ff", "#d0b000", "#00b8b8"]  # helpful bus lines, and ingredients
USELESS, WAY, AGENT, GOAL = "#808000", "#ff8c00", "#d62728", "#2ca02c"
EPISODES = ("explores", "exploits")
BARS = "bars: 95 % bootstrap interval of the mean over learners"


@theme.theme()
def sample_complexity(evidence: Evidence) -> Figure:
    """Draw the mean number of trials until exploration stays optimal against |A|, both axes logarithmic.

    Thin lines are |A| log|A| and |A|² log|A| through each method's smallest |A|.
    """
    methods = evidence.spec.methods
    looks = theme.styles(methods)
    figure, (axis,) = theme.panels(1)
    handles, slopes = {}, []
    for method in methods:
        label = method_label(evidence, method)
        for origin in origins(evidence):
            samples = samples_by_size(evidence, method, origin)
            if not samples:
                continue
            sizes = np.array(sorted(samples))
            intervals = [mean_interval(samples[size][None], interval_generator()) for size in sizes]
            value, low, high = np.array([[i.value, i.low, i.high] for i in intervals]).T
            line = "--" if origin == REFERENCE else "-"
            axis.errorbar(
                sizes,
                value,
                yerr=[value - low, high - value],
                color=looks[method].colour,
                marker=looks[method].marker,
                ls=line,
            )
            handles[label], handles[origin] = series_sample(looks[method]), kind_sample(origin)
            for law in LAWS.values():
                axis.plot(sizes, value[0] * law(sizes) / law(sizes[0]), color=looks[method].colour, lw=0.5, ls=":")
            if len(sizes) > 1:
                powers = {law: growth(samples, law) for law in LAWS}
                of = " and ".join(f"{p.value:.2f} ({p.low:.2f} to {p.high:.2f}) of {law}" for law, p in powers.items())
                slopes.append(f"{label}: samples grow as the power {of}")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.xaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    axis.set_xlabel("actions |A|")
    axis.set_ylabel("trials until exploration stays optimal")
    if handles:
        put_legend(figure, handles)
    else:
        theme.no_results(axis)
    dotted = ["dotted: |A| log|A|, below, and |A|² log|A|, above"] if handles else []
    theme.label_line(figure, notes(evidence, BARS, [*dotted, *dict.fromkeys(slopes)], published="none"))
    return figure


@theme.theme()
def ways(evidence: Evidence) -> Figure:
    """Draw what the last policies of `methods` do in the first test trial: exploration and exploitation, side by side.

    Both ends of a bus line are squares of one colour, useless lines olive; fridges have the colour of what they hold.
    In the room, seen from above, boxes are squares and keys triangles, and the sign is a bar of the colour that it
    says. The first seed of this machine, or else of the reference.
    """
    (name, experiment), methods = next(iter(evidence.experiments().items())), evidence.spec.methods
    figure, axes = theme.panels(2 * len(methods), columns=4, height=2.2)
    seeds = "first seed, first test trial"
    for method, pair in zip(methods, zip(axes[::2], axes[1::2], strict=True), strict=True):
        rows = next(
            (rows for origin in reversed(origins(evidence)) if len(rows := evidence.cell(name, method, origin))),
            pd.DataFrame(),
        )
        label = method_label(evidence, method)
        for axis, episode in zip(pair, EPISODES, strict=True):
            axis.set_title(f"{label} {episode}")
        if not len(rows):
            for axis in pair:
                theme.no_results(axis)
            continue
        rows = final_rows(rows[rows["seed"] == rows["seed"].min()])
        run = evidence.replication.run(name, method, int(rows["seed"].iloc[0]), str(rows["scale"].iloc[0]))
        family = make_family(run, evidence.root)
        task = family.test_tasks(1, np.random.default_rng(0))[0]
        for episode, axis in enumerate(pair):
            row = rows[(rows["task"] == 0) & (rows["episode"] == episode)].iloc[0]
            if isinstance(family, SignRoom):
                _draw_room(axis, family, task, goal=episode == 1)
            else:
                _draw_grid(axis, family, task, goal=episode == 1)
            steps = int(row["steps"]) + 1
            codes = row[[name for name in row.index if re.fullmatch(r"state\d\d", name)]]
            codes = codes.dropna().to_numpy(int)  # other experiments' episodes may be longer
            xs, ys, *_ = np.unravel_index(codes, family.state_sizes)
            if isinstance(family, SignRoom):
                xs, ys = xs / METRE, ys / METRE
            axis.plot(xs[:steps], ys[:steps], color=WAY, lw=1.0, marker="s", ms=3.0)
            axis.plot(xs[0], ys[0], color=AGENT, marker="s", ms=5.0)
            axis.set_xlabel(f"{steps - 1} steps" + (f", return {row['return']:.2f}" if episode else ""))
    theme.label_line(figure, notes(evidence, f"{experiment.label}: {seeds}", published="none"))
    return figure


def _draw_room(axis: Axes, family: SignRoom, task: np.ndarray, goal: bool) -> None:
    problem, shape = int(task[0]), int(task[2])
    for wall in WALLS:
        axis.plot(*wall.T, color="black", lw=1.0)
    for number, place in enumerate(OBJECTS):
        colour, marker = COLOURS[number % len(COLOURS)], "s" if SHAPES[number] == 0 else "^"
        axis.plot(*place, color=colour, marker=marker, ms=6.0)
        if goal and number % len(COLOURS) == problem and SHAPES[number] == shape:
            axis.plot(*place, color=GOAL, marker="o", ms=13.0, fillstyle="none", mew=2.0)
    half = HALVES[problem]
    axis.plot([SIGN[0]] * 2, [SIGN[1] - half, SIGN[1] + half], color=COLOURS[problem], lw=4.0, solid_capstyle="butt")
    axis.set_xlim(-0.5, 10.5)
    axis.set_ylim(13.5, -0.5)
    axis.spines[:].set_visible(False)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_aspect("equal")


def _draw_grid(axis: Axes, family: GridFamily, task: np.ndarray, goal: bool) -> None:
    problem = int(task[0])
    squares: list[tuple[tuple[float, float], str]] = []
    if isinstance(family, RideFamily):
        for group, ((stops, ends), permutations) in enumerate(zip(family.groups, family.permutations, strict=True)):
            for line, stop in enumerate(stops):
                colour = USELESS if group else LINES[line]
                squares += [(stop, colour), (ends[permutations[problem, line]], colour)]
        if isinstance(family, Map):
            squares.append((family.map_place, "black"))
        if goal:
            squares.append((tuple(task[3:5]), GOAL))
    if isinstance(family, Cooking):
        squares.append((family.pot, "black"))
        held = family.contents[problem]
        squares += [(place, LINES[item]) for place, item in zip(family.fridges, held, strict=True)]
    for (x, y), colour in squares:
        axis.add_patch(Rectangle((x - 0.4, y - 0.4), 0.8, 0.8, color=colour, alpha=0.55, linewidth=0))
    axis.set_xlim(-0.5, family.size - 0.5)
    axis.set_ylim(-0.5, family.size - 0.5)
    axis.set_xticks(np.arange(family.size + 1) - 0.5, labels=[])
    axis.set_yticks(np.arange(family.size + 1) - 0.5, labels=[])
    axis.tick_params(length=0)
    axis.grid(visible=True, color="0.85", lw=0.5)
    axis.set_aspect("equal")
