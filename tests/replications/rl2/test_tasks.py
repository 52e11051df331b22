"""The two task families: distributions, dynamics against a scalar re-computation, masks, refusals."""

import numpy as np
import pytest

from replications.rl2.tasks import BernoulliBandits, TabularMDPs


def stepper(family, n=4, seed=0):
    envs = family.make(n)
    envs.set_tasks(family.test_tasks(n, np.random.default_rng(seed)))
    envs.reset(seed=seed)
    return envs


def test_bandit_rewards_follow_the_means_of_the_pulled_arms():
    family = BernoulliBandits(arms=3, pulls=10)
    envs = family.make(30_000)
    envs.set_tasks(np.tile([0.0, 0.3, 1.0], (30_000, 1)))
    envs.reset(seed=1)
    for arm, mean in enumerate([0.0, 0.3, 1.0]):
        obs, rewards, terminated, truncated, _ = envs.step(np.full(30_000, arm))
        assert set(np.unique(rewards)) <= {0.0, 1.0}
        assert abs(rewards.mean() - mean) < 0.015
        assert terminated.all() and not truncated.any() and not obs.any()


def test_bandit_means_are_uniform():
    tasks = BernoulliBandits(5, 10).test_tasks(20_000, np.random.default_rng(0))
    np.testing.assert_allclose([tasks.mean(), tasks.var()], [1 / 2, 1 / 12], atol=0.005)


def test_mdp_tasks_have_the_papers_distribution():
    family = TabularMDPs()
    rewards, transitions = family.unpack(family.test_tasks(2_000, np.random.default_rng(0)))
    np.testing.assert_allclose([rewards.mean(), rewards.std()], [1.0, 1.0], atol=0.01)
    np.testing.assert_allclose(transitions.sum(axis=-1), 1.0)
    # Dirichlet(1, …, 1) over 10 states: each probability is Beta(1, 9), of variance 9 / (100 · 11).
    np.testing.assert_allclose(transitions.var(), 9 / 1100, rtol=0.02)


def test_mdp_transitions_and_rewards_follow_the_task():
    family = TabularMDPs(states=3, actions=2, horizon=5)
    task = np.concatenate([np.arange(6.0), np.tile([0.2, 0.5, 0.3], 6)])
    envs = family.make(40_000)
    envs.set_tasks(np.tile(task, (40_000, 1)))
    envs.reset(seed=2)
    states, rewards, _, _, _ = envs.step(np.ones(40_000, dtype=np.int64))
    np.testing.assert_allclose(np.bincount(states) / 40_000, [0.2, 0.5, 0.3], atol=0.01)
    assert abs(rewards.mean() - 1.0) < 0.02 and abs(rewards.std() - 1.0) < 0.02  # state 0, action 1: mean 1, noise 1
    _, rewards, _, _, _ = envs.step(np.zeros(40_000, dtype=np.int64))
    for state in range(3):  # the reward belongs to the state acted in
        assert abs(rewards[states == state].mean() - 2.0 * state) < 0.03


def test_a_deterministic_mdp_walks_its_path_and_ends_at_the_horizon():
    family = TabularMDPs(states=3, actions=1, horizon=3)
    cycle = np.eye(3)[[1, 2, 0]]
    envs = family.make(2)
    envs.set_tasks(np.tile(np.concatenate([np.zeros(3), cycle.ravel()]), (2, 1)))
    states, _ = envs.reset(seed=0)
    path, ends = [states[0]], []
    for _ in range(3):
        states, _, terminated, _, _ = envs.step(np.zeros(2, dtype=np.int64))
        path.append(states[0])
        ends.append(bool(terminated[0]))
    assert path == [0, 1, 2, 0]
    assert ends == [False, False, True]


def test_reset_touches_only_the_masked_tasks():
    family = TabularMDPs()
    envs = stepper(family, 64)
    for _ in range(3):
        before, *_ = envs.step(np.zeros(64, dtype=np.int64))
    mask = np.arange(64) % 2 == 0
    states, _ = envs.reset(options={"reset_mask": mask})
    assert not states[mask].any()
    np.testing.assert_array_equal(states[~mask], before[~mask])
    for step in range(4, 11):
        *_, terminated, _, _ = envs.step(np.zeros(64, dtype=np.int64))
        np.testing.assert_array_equal(terminated, ~mask & (step >= 10))


@pytest.mark.parametrize("family", [BernoulliBandits(5, 10), TabularMDPs()])
def test_same_seed_same_steps(family):
    runs = []
    for _ in range(2):
        envs = stepper(family, 16, seed=3)
        actions = np.random.default_rng(0).integers(0, 5, (20, 16))
        runs.append([np.concatenate([o, r]) for o, r, *_ in map(envs.step, actions)])
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("family", [BernoulliBandits(5, 10), TabularMDPs()])
@pytest.mark.parametrize("actions", [np.zeros(3, int), np.full(4, 5), np.full(4, -1), np.zeros(4)])
def test_bad_actions_are_refused_and_change_nothing(family, actions):
    envs, twin = stepper(family), stepper(family)
    with pytest.raises(ValueError, match="actions must"):
        envs.step(actions)
    good = np.array([0, 1, 2, 3])
    for ours, theirs in zip(envs.step(good)[:3], twin.step(good)[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_bad_tasks_are_refused():
    with pytest.raises(ValueError, match="shape"):
        BernoulliBandits(5, 10).make(2).set_tasks(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        BernoulliBandits(2, 10).make(1).set_tasks(np.array([[0.5, np.nan]]))
    with pytest.raises(ValueError, match="sum to 1"):
        TabularMDPs(2, 1, 1).make(1).set_tasks(np.zeros((1, 6)))
