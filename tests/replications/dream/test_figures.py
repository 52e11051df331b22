from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from replications.dream import figures
from replications.dream.tasks import DOWN, END, LEFT, RIDE, RIGHT, UP
from replications.dream.trials import behaviour, play, states
from shared.analysis.evidence import THIS_MACHINE
from shared.study.loading import make_family
from shared.study.schema import load_replications

ROOT = Path(__file__).parents[3]


class FakeEvidence:
    """Rows of a scripted policy on the first test trial of `experiment`."""

    def __init__(self, experiment, scripts=([UP, RIDE, LEFT, END], [RIGHT, DOWN, END])):
        self.replication, self.root = load_replications(ROOT)["dream"], ROOT
        self.spec = SimpleNamespace(experiments=[experiment], methods=["dream", "e-rl2"], options={})
        self.family = make_family(self.replication.run(experiment, "dream", 0, "night"), ROOT)
        tasks = self.family.test_tasks(1, np.random.default_rng(0))
        envs, rows = self.family.make(1), []
        envs.set_tasks(tasks)
        for episode, script in enumerate(scripts):
            actions = iter([*script, *[script[0]] * 20])
            played = play(self.family, envs, lambda now, actions=actions: np.array([next(actions)]))
            measures = behaviour(self.family, tasks, played) | states(played)
            row = {"experiment": experiment, "method": "dream", "seed": 0, "env_steps": 10, "task": 0}
            row |= {"episode": episode, "scale": "night"}
            rows.append(row | {name: float(value[0]) for name, value in measures.items()})
        self.rows = pd.DataFrame(rows)
        self.rows["state99"] = np.nan  # of an experiment with longer episodes, in the same table

    def experiments(self):
        return {name: self.replication.experiments[name] for name in self.spec.experiments}

    def cell(self, experiment, method, origin=None):
        return self.rows if method == "dream" and origin == THIS_MACHINE else self.rows[:0]


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(figures, "origins", lambda evidence: [THIS_MACHINE])
    monkeypatch.setattr(figures, "notes", lambda *_, **__: [])


@pytest.mark.parametrize("experiment", ["distracting-bus", "map", "course-map", "cooking"])
def test_ways_are_drawn_as_they_were_gone(plain, experiment):
    evidence = FakeEvidence(experiment)
    figure = figures.ways(evidence)
    explores, exploits, *others = figure.axes
    way = explores.lines[0]
    (x, y), size = evidence.family.start, evidence.family.size
    assert len(way.get_xdata()) == evidence.rows["steps"].iloc[0] + 1
    assert list(way.get_xdata()[:2]) == [x, x]
    assert list(way.get_ydata()[:2]) == [y, min(y + 1, size - 1)]
    assert "return" in exploits.get_xlabel()
    assert all(not axis.patches for axis in others)


def test_ways_in_the_room_are_in_metres_and_the_goal_is_circled(plain):
    evidence = FakeEvidence("sign-room", scripts=([2, 2, 3], [0, 2, 3]))
    figure = figures.ways(evidence)
    task = evidence.family.test_tasks(1, np.random.default_rng(0))[0]
    problem, goal = int(task[0]), int(task[2])
    explores, exploits, *_ = figure.axes
    for axis, start in ((explores, task[3:5]), (exploits, task[6:8])):
        way = next(line for line in axis.lines if line.get_color() == figures.WAY)
        assert (way.get_xdata()[0], way.get_ydata()[0]) == tuple(start / 100)
        assert np.hypot(*(way.get_xydata()[-1] - start / 100)) < 1.5
    circles = [line.get_xydata()[0].tolist() for line in exploits.lines if line.get_color() == figures.GOAL]
    boxes_and_keys = [[[1, 1], [9, 1], [9, 5]], [[5, 1], [1, 5], [1, 9]]]
    assert circles == [boxes_and_keys[goal][problem]]
    assert not any(line.get_color() == figures.GOAL for line in explores.lines)


def test_both_ends_of_a_line_have_its_colour(plain):
    evidence = FakeEvidence("distracting-bus")
    axis = figures.ways(evidence).axes[0]
    family, problem = evidence.family, int(evidence.family.test_tasks(1, np.random.default_rng(0))[0, 0])
    colours = {}
    for patch in axis.patches:
        x, y = (round(corner + 0.4) for corner in patch.get_xy())
        colours[x, y] = patch.get_facecolor()
    for x, y in family.stops:
        there = family.leads[problem, RIDE, family.cell(x, y)]
        assert colours[x, y] == colours[family.x[there], family.y[there]]
    assert len(colours) == 16
