import numpy as np
import pytest

from replications.rl2 import bandit_policies
from replications.rl2.bandit_policies import (
    IndexPolicy,
    PlannedPolicy,
    PosteriorSamplingPolicy,
    UCB1Policy,
    UniformPolicy,
    best_arms,
    play,
)
from replications.rl2.bandits import mean_table
from replications.rl2.bayes import bayes_optimal_plan
from replications.rl2.gittins import index_table
from replications.rl2.tasks import BernoulliBandits


def replay(policy, history):
    """Let every instance of `policy` observe the same (arm, reward) pairs, then act."""
    instances = len(policy.a)
    for arm, reward in history:
        policy.observe(np.full(instances, arm), np.full(instances, float(reward)))
    return policy.act(len(history) + 1)


def index_policy(table, instances=1, arms=3, ties="first", epsilon=0.0):
    return IndexPolicy(instances, arms, np.random.default_rng(0), table, ties, epsilon)


@pytest.mark.parametrize(
    ("history", "arm"),
    [
        ([], 0),
        ([(0, 0)], 1),  # means 1/3, 1/2, 1/2
        ([(0, 1)], 0),  # 2/3, 1/2, 1/2
        ([(0, 1), (0, 0)], 0),  # 1/2 thrice
        ([(0, 0), (1, 0)], 2),
        ([(0, 0), (1, 0), (2, 0), (2, 1), (0, 0)], 2),  # 1/4, 1/3, 2/4
    ],
)
def test_greedy_on_hand_worked_histories(history, arm):
    assert replay(index_policy(mean_table(10)), history) == [arm]


def test_gittins_prefers_the_untried_arm_where_greedy_is_indifferent():
    history = [(0, 1), (0, 0)]
    assert replay(index_policy(mean_table(10)), history) == [0]
    assert replay(index_policy(index_table("calibrated", 0.9, 10)), history) == [1]


def test_gittins_follows_the_published_order_of_indices():
    # β = 0.9: ν(2, 1) = 0.8001 > ν(1, 1) = 0.7029 > ν(1, 2) = 0.5001.
    table = index_table("calibrated", 0.9, 10)
    assert replay(index_policy(table), [(1, 1)]) == [1]
    assert replay(index_policy(table), [(0, 0)]) == [1]
    assert replay(index_policy(table, arms=2), [(0, 0), (1, 1)]) == [1]


@pytest.mark.parametrize(("c", "arm"), [(1.0, 0), (2.0, 1)])
def test_ucb1_by_hand(c, arm):
    # After one success of arm 0, at t = 2: 2/3 + c·1.1774/√3 against 1/2 + c·1.1774/√2,
    # that is 1.346 against 1.333 for c = 1 and 2.026 against 2.165 for c = 2.
    policy = UCB1Policy(1, 2, np.random.default_rng(0), c, "first")
    assert replay(policy, [(0, 1)]) == [arm]


def test_epsilon_greedy_explores_at_its_rate():
    chosen = replay(index_policy(mean_table(10), instances=40_000, arms=4, epsilon=0.4), [(2, 1)])
    shares = np.bincount(chosen, minlength=4) / 40_000
    np.testing.assert_allclose(shares, [0.1, 0.1, 0.7, 0.1], atol=0.01)


def test_random_ties_are_uniform_over_the_best_arms_only():
    scores = np.tile([1.0, 2.0, 2.0, 0.0, 2.0], (30_000, 1))
    shares = np.bincount(best_arms(scores, "random", np.random.default_rng(0)), minlength=5) / 30_000
    np.testing.assert_allclose(shares, [0, 1 / 3, 1 / 3, 0, 1 / 3], atol=0.012)
    assert (best_arms(scores, "first", np.random.default_rng(0)) == 1).all()


def test_uniform_policy_ignores_the_history():
    chosen = replay(UniformPolicy(40_000, 4, np.random.default_rng(0)), [(0, 1), (0, 1)])
    np.testing.assert_allclose(np.bincount(chosen) / 40_000, 0.25, atol=0.01)


def test_thompson_sampling_chooses_with_the_probability_of_being_best():
    # X ~ Beta(2, 1), Y ~ Beta(1, 2): P(X > Y) = ∫ 2x (2x - x²) dx = 5/6.
    chosen = replay(PosteriorSamplingPolicy(40_000, 2, np.random.default_rng(0), samples=1), [(0, 1), (1, 0)])
    assert (chosen == 0).mean() == pytest.approx(5 / 6, abs=0.008)


def optimistic_by_brute_force(a, b, samples, instances, rng):
    """The joint-density reading spelled out, on the generator's own Beta draws."""
    x = rng.beta(a, b, size=(samples, instances, len(a)))
    density = np.prod(x ** (a - 1) * (1 - x) ** (b - 1), axis=-1)
    return x[density.argmax(axis=0), np.arange(instances)].argmax(axis=1)


@pytest.mark.parametrize("samples", [2, 20])
def test_optimistic_sampling_against_brute_force(samples):
    history = [(0, 1), (0, 1), (0, 0), (1, 1), (2, 0)]  # posteriors (3, 2), (2, 1), (1, 2), (1, 1)
    chosen = replay(PosteriorSamplingPolicy(20_000, 4, np.random.default_rng(0), samples), history)
    a, b = np.array([3, 2, 1, 1]), np.array([2, 1, 2, 1])
    expected = optimistic_by_brute_force(a, b, samples, 20_000, np.random.default_rng(1))
    shares, brute = (np.bincount(arms, minlength=4) / 20_000 for arms in (chosen, expected))
    np.testing.assert_allclose(shares, brute, atol=0.015)
    thompson = optimistic_by_brute_force(a, b, 1, 20_000, np.random.default_rng(2))
    assert np.abs(shares - np.bincount(thompson, minlength=4) / 20_000).max() > 0.03  # density does matter


def test_planned_policy_switches_after_a_failure_and_stays_after_a_success():
    for history, arm in [([], 0), ([(0, 0)], 1), ([(0, 1)], 0), ([(0, 0), (1, 0)], 2)]:
        policy = PlannedPolicy(2, 4, np.random.default_rng(0), bayes_optimal_plan(4, 6))
        assert (replay(policy, history) == arm).all()


def test_every_instance_keeps_its_own_posterior():
    policy = index_policy(mean_table(5), instances=2)
    policy.observe(np.array([0, 2]), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(policy.a, [[1, 1, 1], [1, 1, 2]])
    np.testing.assert_array_equal(policy.b, [[2, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(policy.act(2), [1, 2])


def test_play_pays_what_the_chosen_arms_pay_across_blocks(monkeypatch):
    monkeypatch.setattr(bandit_policies, "BLOCK_VALUES", 21)  # blocks of 7 three-armed bandits
    family = BernoulliBandits(3, 6)
    tasks = np.random.default_rng(0).integers(0, 2, (50, 3)).astype(float)  # arms that always or never pay
    actions, rewards = play(family, UniformPolicy, tasks, 6, np.random.default_rng(1))
    np.testing.assert_array_equal(rewards, np.take_along_axis(tasks, actions.astype(int), axis=1))
    assert len(np.unique(actions, axis=0)) > 40  # blocks do not repeat each other
