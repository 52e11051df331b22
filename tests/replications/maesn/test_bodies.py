"""The bodies against what the old rllab models do under MuJoCo 4.0.0, from rest and without noise."""

import mujoco
import numpy as np
import pytest

from replications.maesn import bodies
from replications.maesn.tasks import AntGoal


def moved(spec, controls, steps, start=None):
    """Return the positions after `steps` of constant `controls`."""
    model = spec.compile()
    data = mujoco.MjData(model)
    if start is not None:
        data.qpos[:] = start
    data.ctrl[:] = controls
    mujoco.mj_step(model, data, steps)
    return data.qpos


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ((2, 2), {0: (6.251, 3), 3: (-0.012, 3)}),
        ((1, 1), {0: (3.149, 3)}),
        ((2, -2), {3: (33.4, 1)}),
        ((2, 1), {0: (0.607, 3), 1: (1.863, 3)}),
        ((0, 0), {2: (-0.0031, 4)}),
    ],
)
def test_the_car_drives_as_the_old_one(controls, expected):
    qpos = moved(bodies.wheeled(), controls, 200)
    for coordinate, (value, digits) in expected.items():
        assert qpos[coordinate] == pytest.approx(value, abs=0.51 * 10**-digits)


def test_the_wheels_of_the_car_turn_as_the_old_ones():
    assert moved(bodies.wheeled(), (2, 2), 200)[4:] == pytest.approx([66.5, 66.5], abs=0.06)


def test_the_car_and_the_marker_that_it_lacks_weigh_fourteen_kilograms():
    masses = bodies.wheeled().compile().body_mass
    assert masses[1:] == pytest.approx([4.989, 2.612, 2.612], abs=5e-4)
    assert masses.sum() + 3.786 == pytest.approx(14, abs=1e-3)


@pytest.mark.parametrize(("controls", "coordinate", "expected"), [((0, 2, 0), 1, 3.631), ((0, 0, 2), 2, 3.680)])
def test_the_fork_moves_as_the_old_one_where_no_block_is_in_its_way(controls, coordinate, expected):
    assert moved(bodies.pusher(), controls, 100)[coordinate] == pytest.approx(expected, abs=5e-4)


def test_a_block_that_is_pushed_stays_ahead_of_the_fork():
    start = np.zeros(13)
    start[6::2] = 5.0  # the other blocks are far away; the first lies 0.2 ahead
    qpos = moved(bodies.pusher(), (2, 0, 0), 100, start)
    ahead = bodies.BLOCK_SPACING + qpos[3] - qpos[0]
    assert qpos[3] > 0.5
    assert 0.045 < ahead < 0.1  # in the fork: no nearer than its radius and half of the block
    assert np.abs(qpos[5:] - start[5:]).max() < 1e-9


@pytest.mark.parametrize(
    ("control", "steps", "expected"),
    [
        (0.0, 200, {2: 0.5675, 7: 0.0, 8: 0.974, 10: -0.974, 12: -0.974, 14: 0.974}),
        (0.5, 100, {0: 0.028, 2: 0.522}),
    ],
)
def test_the_ant_stands_and_walks_as_the_old_one(control, steps, expected):
    qpos = moved(bodies.ant(gear=30), control, steps, AntGoal.stance)
    for coordinate, value in expected.items():
        assert qpos[coordinate] == pytest.approx(value, abs=6e-4)


@pytest.mark.filterwarnings("ignore:compiler attribute 'settotalmass'")
def test_the_velocity_of_the_mass_centre_is_that_of_its_place():
    model = bodies.with_velocity_of_mass_centre(bodies.gymnasium_body("half_cheetah.xml")).compile()
    data = mujoco.MjData(model)
    data.qvel[0] = 1.5
    mujoco.mj_forward(model, data)
    assert data.subtree_linvel[1] == pytest.approx([1.5, 0, 0])
