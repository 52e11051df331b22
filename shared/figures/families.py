"""Task families seen: which tasks there are to train and to test on."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import shared.tasks
from shared.figures import theme
from shared.tasks.family import TaskFamily
from shared.tasks.recording import Recording

SHOWN = 2000  # tasks drawn from a split that is a distribution and no fixed set
FEW = 300  # so many different values are drawn one by one
SPLITS = {"training tasks": ("train_set", "train_tasks"), "test tasks": ("test_set", "test_tasks")}


def shared_families() -> dict[str, type[TaskFamily]]:
    """Return the families of `shared/tasks` by name: every class there that can be made without arguments."""
    families = {}
    for module in pkgutil.iter_modules(shared.tasks.__path__, "shared.tasks."):
        for name, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            own = thing.__module__ == module.name
            if own and issubclass(thing, TaskFamily) and not inspect.isabstract(thing):
                families[name] = thing
    return families


@theme.theme()
def draw_families(families: Iterable[TaskFamily]) -> Figure:
    """Draw the tasks of each family, a panel each: places as points, everything else as values on a line or outlines.

    What the entries of a task vector are is said by the family's `task_labels`, pairs of a label and a number of
    entries, which are pooled; and by its `task_kind`: `place`, `multipliers` (on a logarithmic scale) or `values`.
    """
    families = list(families)
    figure, axes = theme.panels(len(families))
    looks = theme.styles(SPLITS)
    for axis, family in zip(axes, families, strict=True):
        axis.set_title(type(family).__name__)
        tasks = {split: _tasks(family, *names) for split, names in SPLITS.items()}
        labels = getattr(family, "task_labels", (("entries of the task vector", family.task_dim),))
        if task_kind(family) == "place":
            _draw_places(axis, tasks, labels, looks)
        else:
            _draw_values(axis, tasks, labels, looks, logarithmic=task_kind(family) == "multipliers")
    samples = {split: Line2D([], [], color=look.colour, marker=look.marker, ls="") for split, look in looks.items()}
    theme.legend(figure, samples)
    return figure


def task_kind(family: TaskFamily) -> str:
    """Return what the task vectors of a family are: `place`, `multipliers` or `values`."""
    return getattr(family, "task_kind", "values")


def _tasks(family: TaskFamily, fixed: str, draw: str) -> np.ndarray:
    """Return the tasks of one split, all of them if it is a fixed set."""
    if hasattr(family, fixed):
        return getattr(family, fixed)
    return getattr(family, draw)(SHOWN, np.random.default_rng(0))


def _draw_places(axis: Axes, tasks: dict[str, np.ndarray], labels: tuple, looks: dict[str, theme.Style]) -> None:
    for split, points in tasks.items():
        axis.plot(*points.T, color=looks[split].colour, marker=looks[split].marker, ls="", ms=3, alpha=0.7)
    (x_label, _), (y_label, _) = labels
    axis.set(xlabel=x_label, ylabel=y_label, aspect="equal")


def _draw_values(
    axis: Axes, tasks: dict[str, np.ndarray], labels: tuple, looks: dict[str, theme.Style], logarithmic: bool
) -> None:
    """Draw the values of each split, or their outline where they are many; labels one above the other."""
    low, high = min(part.min() for part in tasks.values()), max(part.max() for part in tasks.values())
    edges = np.geomspace(low, high, 21) if logarithmic else np.linspace(low, high, 21)
    ends = np.cumsum([width for _, width in labels])
    for shift, (split, part) in enumerate(tasks.items()):
        look = looks[split]
        for row, pooled in enumerate(np.split(part, ends[:-1], axis=1)):
            values = np.unique(pooled)
            if len(values) <= FEW:
                height = row + 0.3 + 0.3 * shift
                axis.plot(values, np.full(len(values), height), look.marker, color=look.colour, ms=4, alpha=0.7)
            else:
                heights, _ = np.histogram(pooled, bins=edges)
                axis.stairs(0.8 * heights / heights.max() + row, edges, baseline=row, color=look.colour, lw=1.2)
    if logarithmic:
        axis.set_xscale("log", base=2)
    lone = len(labels) == 1
    axis.set(xlabel=labels[0][0] if lone else ("multiplier" if logarithmic else "value"), ylim=(-0.05, len(labels)))
    axis.set_yticks([] if lone else np.arange(len(labels)) + 0.4, [] if lone else [label for label, _ in labels])


@theme.theme()
def draw_ways(family: TaskFamily, recording: Recording, title: str, tasks: int = 9) -> Figure:
    """Draw the ways of an agent in the first `tasks` tasks of a recording, a panel each, later episodes darker.

    Where the task is a place, it is marked.
    """
    tasks = min(tasks, len(recording.tasks))
    figure, axes = theme.panels(tasks)
    colour = theme.colours()[0]
    is_place = task_kind(family) == "place"
    for index, axis in enumerate(axes):
        paths = recording.paths(index)
        for number, path in enumerate(paths, 1):
            axis.plot(*path.T, color=colour, alpha=0.25 + 0.75 * number / len(paths), lw=1)
            axis.plot(*path[0], color=colour, marker=".", ms=3)
        if is_place:
            axis.plot(*recording.tasks[index], color=theme.colours()[1], marker="X", ms=7)
        x_label, y_label = family.position_labels
        axis.set(xlabel=x_label, ylabel=y_label, aspect="equal" if is_place else "auto")
        if len(recording.tasks[index]) == 1:
            axis.set_title(f"{family.task_labels[0][0]} = {recording.tasks[index, 0]:.2f}")
        else:
            axis.set_title(f"test task {index}")
    theme.label_line(figure, [title, "the later an episode, the darker its way"])
    return figure
