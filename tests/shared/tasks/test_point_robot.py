"""Points on the plane: rewards by hand, the known returns of optimal play, and what is refused."""

import math

import numpy as np
import pytest

from shared.tasks.point_robot import PointRobot, SparsePointRobot


def test_moves_and_rewards_by_hand():
    env = SparsePointRobot().make(3)
    env.set_tasks(np.array([[1.0, 0.0], [0.0, 0.15], [0.0, 0.35]]))
    observations, _ = env.reset()
    assert observations.tolist() == [[0, 0]] * 3
    observations, rewards, terminated, truncated, info = env.step(np.array([[1.0, 0.5], [0.0, 1.0], [0.0, 1.0]]))
    np.testing.assert_allclose(observations, [[0.1, 0.05], [0, 0.1], [0, 0.1]])
    np.testing.assert_allclose(rewards, [-math.hypot(0.9, 0.05), -0.05, -0.25])
    np.testing.assert_allclose(info["sparse_reward"], [0, 0.95, 0])
    assert not terminated.any() and not truncated.any()


def optimal_returns(family, radius):
    """Returns of heading straight for a known goal, each coordinate as fast as it can."""
    env = family.make(100)
    goals = np.concatenate([family.train_set, family.test_set])
    env.set_tasks(goals)
    positions, _ = env.reset(seed=0)
    dense, sparse = np.zeros(100), np.zeros(100)
    for t in range(20):
        positions, rewards, _, truncated, info = env.step(np.clip((goals - positions) / 0.1, -1, 1))
        dense += rewards
        sparse += info["sparse_reward"]
        assert truncated.all() == (t == 19)
    return dense.mean(), sparse.mean()


def test_optimal_play_earns_what_it_is_known_to_earn():
    dense, sparse = optimal_returns(SparsePointRobot(radius=0.2), 0.2)
    assert dense == pytest.approx(-3.85, abs=0.005)
    assert sparse == pytest.approx(13.4, abs=0.05)
    assert optimal_returns(SparsePointRobot(radius=0.8), 0.8)[1] == pytest.approx(16.0, abs=0.05)


def test_task_sets():
    half_circle = SparsePointRobot()
    goals = np.concatenate([half_circle.train_set, half_circle.test_set])
    assert (len(half_circle.train_set), len(half_circle.test_set)) == (80, 20)
    np.testing.assert_allclose(np.sort(np.arctan2(goals[:, 1], goals[:, 0])), np.linspace(0, math.pi, 100), atol=1e-12)
    legacy = np.random.RandomState(1337)
    drawn = [[legacy.uniform(-1.0, 1.0), legacy.uniform(-1.0, 1.0)] for _ in range(100)]
    square = PointRobot()
    assert np.concatenate([square.train_set, square.test_set]).tolist() == drawn
    starts = square.start(10_000, np.random.default_rng(0))
    assert np.abs(starts).max() <= 1
    np.testing.assert_allclose(starts.std(axis=0), 1 / math.sqrt(3), rtol=0.03)
    paper = SparsePointRobot(goals=200, train=100)
    assert (len(paper.train_set), len(paper.test_set)) == (100, 100)


def test_a_cut_episode_stands_still_until_its_reset():
    env = PointRobot().make(2)
    env.reset(seed=0)
    for _ in range(20):
        before, _, _, truncated, info = env.step(np.full((2, 2), 0.5))
    assert truncated.all() and "sparse_reward" not in info
    after, rewards, *_ = env.step(np.ones((2, 2)))
    assert np.array_equal(before, after) and not rewards.any()
    moved, _ = env.reset(options={"reset_mask": np.array([True, False])})
    assert (moved[0] != after[0]).any() and (moved[1] == after[1]).all()
    *_, truncated, _ = env.step(np.zeros((2, 2)))
    assert truncated.tolist() == [False, True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda env: env.step(np.zeros((2, 3))), r"actions must have shape \(2, 2\)"),
        (lambda env: env.step(np.array([[0, 0], [0, np.nan]])), r"numbers in \[-1, 1\]"),
        (lambda env: env.set_tasks(np.array([[0, 0], [0, np.inf]])), "goals must be finite"),
        (lambda env: env.reset(options={"reset_mask": [True]}), "reset_mask must be 2 booleans"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(call, message):
    env = PointRobot().make(2)
    before, _ = env.reset(seed=0)
    goals = env._goals.copy()
    with pytest.raises(ValueError, match=message):
        call(env)
    assert np.array_equal(env._positions, before)
    assert np.array_equal(env._goals, goals)


@pytest.mark.parametrize("arguments", [{"radius": 0.0}, {"train": 100}])
def test_impossible_families_are_refused(arguments):
    with pytest.raises(ValueError, match="radius must be positive and train between 0 and goals"):
        SparsePointRobot(**arguments)
