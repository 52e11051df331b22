import numpy as np
import pytest

from replications.pearl.oracle import Config, KnowsTheGoal
from shared.tasks.point_robot import SparsePointRobot


def test_who_knows_the_goal_earns_what_is_worked_out_by_hand():
    oracle = KnowsTheGoal(SparsePointRobot(), Config(), np.random.SeedSequence(0))
    measures = oracle.adapt(np.array([[0.95, 0.0]]), 3, np.random.default_rng(0))
    # The point is within 0.2 after eight moves: 0.85, 0.95, then 1 for the other eleven.
    np.testing.assert_allclose(measures["return"], [[0.85 + 0.95 + 11] * 3])
    np.testing.assert_allclose(measures["dense_return"], [[-sum(0.95 - 0.1 * t for t in range(1, 10))] * 3])


@pytest.mark.parametrize(("radius", "expected"), [(0.2, 13.4), (0.8, 16.0)])
def test_ceilings_of_both_radii(radius, expected):
    family = SparsePointRobot(radius)
    goals = np.concatenate([family.train_set, family.test_set])
    oracle = KnowsTheGoal(family, Config(), np.random.SeedSequence(0))
    assert oracle.adapt(goals, 1, np.random.default_rng(0))["return"].mean() == pytest.approx(expected, abs=0.1)
