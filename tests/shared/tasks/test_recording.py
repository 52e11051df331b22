"""Notes on where bodies went, against ways known by hand."""

import numpy as np
import pytest

from replications.rl2.tasks import TabularMDPs
from shared.tasks.locomotion import HalfCheetahDirection
from shared.tasks.point_robot import SparsePointRobot
from shared.tasks.recording import record


def test_ways_are_cut_at_the_resets_that_name_a_simulation():
    family = SparsePointRobot()
    recordings = record(family)
    envs = family.make(2)
    envs.set_tasks(family.test_set[:2])
    envs.reset()
    right, up = np.tile([1.0, 0.0], (2, 1)), np.tile([0.0, 1.0], (2, 1))
    envs.step(right)
    envs.reset(options={"reset_mask": np.array([True, False])})
    envs.step(up)
    _, notes = recordings  # the first are of the time before tasks were set
    assert np.array_equal(notes.tasks, family.test_set[:2])
    first, second = notes.paths(0)
    np.testing.assert_allclose(first, [[0, 0], [0.1, 0]])
    np.testing.assert_allclose(second, [[0, 0], [0, 0.1]])
    (whole,) = notes.paths(1)
    np.testing.assert_allclose(whole, [[0, 0], [0.1, 0], [0.1, 0], [0.1, 0.1]])
    assert notes.states == []


def test_other_tasks_begin_new_notes():
    family = SparsePointRobot()
    recordings = record(family)
    envs = family.make(1)
    for task in family.test_set[:2]:
        envs.set_tasks(task[None])
        envs.reset()
        envs.step(np.ones((1, 2)))
    assert [notes.tasks[0].tolist() for notes in recordings[1:]] == family.test_set[:2].tolist()
    assert [len(notes.positions) for notes in recordings] == [0, 2, 2]


def test_bodies_also_have_states():
    family = HalfCheetahDirection()
    recordings = record(family)
    envs = family.make(2)
    envs.reset(seed=0)
    envs.step(np.zeros((2, 6)))
    (notes,) = recordings
    assert np.array_equal(notes.states[-1][:, :9], envs.simulations.qpos)
    assert np.array_equal(notes.positions[-1], envs.simulations.qpos[:, :2])


def test_families_without_places_are_refused():
    with pytest.raises(ValueError, match="TabularMDPs has no places to draw"):
        record(TabularMDPs())
