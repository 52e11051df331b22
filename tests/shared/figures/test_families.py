"""Task families as pictures: what is drawn in each panel."""

import inspect

import numpy as np

from replications.rl2.tasks import BernoulliBandits, TabularMDPs
from shared.figures.families import draw_families, draw_ways, shared_families
from shared.tasks.locomotion import AntGoal, HalfCheetahVelocity, WalkerDynamics
from shared.tasks.point_robot import SparsePointRobot
from shared.tasks.recording import record


def test_families_are_found_and_abstract_ones_left_out():
    families = shared_families()
    assert {"AntGoal", "HalfCheetahVelocity", "WalkerDynamics", "PointRobot"} <= set(families)
    assert not {"Ant", "HalfCheetah", "RandomDynamics", "MujocoFamily", "TaskFamily"} & set(families)
    assert all(not inspect.isabstract(family) for family in families.values())


def test_places_are_points_values_are_strips_and_multipliers_outlines():
    goal, velocity, walker = AntGoal(), HalfCheetahVelocity(), WalkerDynamics()
    places, strip, outlines = draw_families([goal, velocity, walker]).axes
    train, test = places.lines
    assert np.array_equal(train.get_xydata(), goal.train_set)
    assert np.array_equal(test.get_xydata(), goal.test_set)
    assert (places.get_xlabel(), places.get_title()) == ("goal x (m)", "AntGoal")
    assert np.array_equal(strip.lines[0].get_xdata(), np.sort(velocity.train_set[:, 0]))
    assert strip.get_xlabel() == "wanted velocity (m/s)"
    assert [label.get_text() for label in outlines.get_yticklabels()] == [
        "body_mass", "body_inertia", "geom_friction", "dof_damping"
    ]  # fmt: skip
    assert outlines.get_xscale() == "log"


def test_distributions_without_fixed_sets_are_drawn_from():
    bandits, mdps = draw_families([BernoulliBandits(5, 10), TabularMDPs()]).axes
    assert bandits.get_xlabel() == mdps.get_xlabel() == "entries of the task vector"
    assert len(bandits.patches) == len(mdps.patches) == 2  # an outline per split


def test_ways_of_an_agent_with_its_goal():
    family = SparsePointRobot()
    recordings = record(family)
    envs = family.make(3)
    envs.set_tasks(family.test_set[:3])
    for _ in range(2):
        envs.reset()
        envs.step(np.ones((3, 2)))
    axes = draw_ways(family, recordings[-1], "a test", tasks=2).axes
    assert len(axes) == 2
    ways = [line for line in axes[0].lines if line.get_marker() == "None"]
    np.testing.assert_allclose([way.get_xydata() for way in ways], [[[0, 0], [0.1, 0.1]]] * 2)
    assert ways[0].get_alpha() < ways[1].get_alpha()
    (goal,) = [line for line in axes[0].lines if line.get_marker() == "X"]
    assert np.array_equal(goal.get_xydata()[0], family.test_set[0])
