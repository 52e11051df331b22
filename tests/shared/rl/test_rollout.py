import numpy as np

from shared.rl.rollout import Stage
from shared.tasks.locomotion import HopperDynamics
from shared.tasks.point_robot import SparsePointRobot


def test_episodes_end_at_the_horizon_and_sparse_rewards_are_told_apart():
    family = SparsePointRobot()
    goals = np.array([[0.3, 0.0], [-1.0, 0.0]])
    episodes = Stage(family).play(
        goals, lambda s: np.clip(goals - s, -0.1, 0.1) / 0.1, np.random.default_rng(0), sparse=True
    )
    assert episodes.rewards.shape == (20, 2)
    assert episodes.valid.all()
    assert not episodes.terminated.any()
    np.testing.assert_allclose(episodes.rewards[:4, 0], [-0.2, -0.1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(episodes.context_rewards[1:4, 0], [0.9, 1, 1], atol=1e-12)
    assert (episodes.context_rewards[:8, 1] == 0).all()
    np.testing.assert_array_equal(episodes.observations[1:], episodes.next_observations[:-1])


def test_steps_after_the_end_do_not_count():
    family = HopperDynamics()
    wild = np.random.default_rng(0)
    episodes = Stage(family).play(family.train_set[:8], lambda s: wild.uniform(-1, 1, (8, 3)), np.random.default_rng(1))
    lengths = episodes.valid.sum(axis=0)
    assert len(episodes.valid) == lengths.max() < family.horizon  # nobody plays on when all have ended
    assert len(set(lengths)) > 1
    for episode, length in enumerate(lengths):
        assert episodes.valid[:length, episode].all()
        assert episodes.terminated[length - 1, episode]
        assert not episodes.terminated[: length - 1, episode].any()


def test_the_same_seed_gives_the_same_episodes_whatever_was_played_before():
    family, stage = HopperDynamics(), None
    for _ in range(2):
        stage = stage or Stage(family)
        rng = np.random.default_rng(5)
        one = stage.play(family.train_set[:3], lambda s: np.tanh(s[:, :3]), rng)
        stage.play(family.train_set[3:6], lambda s: np.tanh(s[:, :3]), np.random.default_rng(9))
        again = stage.play(family.train_set[:3], lambda s: np.tanh(s[:, :3]), np.random.default_rng(5))
        np.testing.assert_array_equal(one.observations, again.observations)
