"""Planning and beliefs against numbers worked out by hand, closed forms, and a linear program."""

import math

import numpy as np
import pytest
from scipy.optimize import linprog

from replications.rl2.planning import (
    Posterior,
    Prior,
    backward_induction,
    confidence_widths,
    extended_value_iteration,
    optimistic_transitions,
    random_argmax,
)


def one_action_mdp(rewards, probability_of_state_1):
    """Two states, one action, which leads to state 1 with the same probability from both."""
    row = [1 - probability_of_state_1, probability_of_state_1]
    transitions = np.array([[[row], [row]]], dtype=np.float32)
    return np.array(rewards, dtype=np.float32).reshape(1, 2, 1), transitions


def zero_posterior(prior, tasks=1, states=2, actions=1):
    return Posterior(prior, tasks, states, actions)


def test_value_iteration_on_a_two_state_mdp():
    # State 0: "stay" pays 1, "go" pays 0 and leads to state 1, where both actions pay 3 and lead back to state 0.
    rewards = np.array([[[1, 0], [3, 3]]], dtype=np.float32)
    transitions = np.array([[[[1, 0], [0, 1]], [[1, 0], [1, 0]]]], dtype=np.float32)
    q = backward_induction(rewards, transitions, horizon=3)
    assert q.shape == (3, 1, 2, 2)
    np.testing.assert_allclose(q[2, 0], [[1, 0], [3, 3]])
    np.testing.assert_allclose(q[1, 0], [[2, 3], [4, 4]])
    np.testing.assert_allclose(q[0, 0], [[4, 4], [6, 6]])


def test_value_iteration_averages_over_successors_and_keeps_mdps_apart():
    rewards, transitions = one_action_mdp([0, 1], 0.25)
    both = backward_induction(np.concatenate([rewards, 2 * rewards]), transitions.repeat(2, axis=0), horizon=2)
    np.testing.assert_allclose(both[0, 0, :, 0], [0.25, 1.25])
    np.testing.assert_allclose(both[0, 1], 2 * both[0, 0])


def test_the_bonus_counts_once_for_each_step_that_remains():
    rewards, transitions = one_action_mdp([0, 0], 0.5)
    q = backward_induction(rewards, transitions, horizon=3, bonus_per_step_to_go=np.full((1, 2, 1), 0.5))
    np.testing.assert_allclose(q[:, 0, :, 0], [[1.5, 1.5], [0.5, 0.5], [0, 0]])  # 2·½ + 1·½, 1·½, 0


def best_row_by_linear_program(row, width, values):
    """Maximise p·values over probability vectors p with |p − row|₁ ≤ width, by splitting p − row in two parts."""
    size = len(row)
    identity, sums = np.eye(size), np.ones((1, 2 * size))
    sums_to_zero = np.concatenate([np.ones(size), -np.ones(size)])[None]
    non_negative = np.concatenate([-identity, identity], axis=1)  # −(up − down) ≤ row
    solution = linprog(
        -np.concatenate([values, -values]),
        A_ub=np.concatenate([non_negative, sums]),
        b_ub=np.append(row, width),
        A_eq=sums_to_zero,
        b_eq=[0],
    )
    return np.dot(row, values) - solution.fun


def test_optimistic_transitions_solve_the_linear_program():
    rng = np.random.default_rng(0)
    transitions = rng.dirichlet(np.full(4, 0.7), (3, 4, 2)).astype(np.float32)
    widths = rng.uniform(0, 2.2, (3, 4, 2)).astype(np.float32)  # beyond 2, the whole simplex is within reach
    values = rng.normal(size=(3, 4)).astype(np.float32)
    optimistic = optimistic_transitions(transitions, widths, values)
    np.testing.assert_allclose(optimistic.sum(axis=-1), 1, atol=1e-5)
    assert optimistic.min() >= 0
    for index in np.ndindex(widths.shape):
        best = best_row_by_linear_program(transitions[index], widths[index], values[index[0]])
        assert optimistic[index] @ values[index[0]] == pytest.approx(best, abs=1e-5)


def test_optimistic_transitions_take_from_the_worst_successors_first():
    row = np.array([0.1, 0.3, 0.2, 0.4], dtype=np.float32).reshape(1, 1, 1, 4).repeat(4, axis=1)
    widths = np.full((1, 4, 1), 0.5, dtype=np.float32)
    values = np.array([[1, 4, 2, 3]], dtype=np.float32)  # worst to best: 0, 2, 3, 1
    # 0.25 moves to state 1: 0.1 from state 0, 0.15 of the 0.2 of state 2
    np.testing.assert_allclose(optimistic_transitions(row, widths, values)[0, 0, 0], [0, 0.55, 0.05, 0.4], atol=1e-6)


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        (False, [[1.2, 2.2], [0.6, 1.6], [0, 1]]),  # probability of state 1: always 0.5 + 0.1
        (True, [[1.5, 2.5], [0.7, 1.7], [0, 1]]),  # 0.6, 0.7, 0.8 on the way back from the last step
    ],
)
def test_extended_value_iteration_by_hand(alias, expected):
    rewards, transitions = one_action_mdp([0, 1], 0.5)
    widths = np.full((1, 2, 1), 0.2, dtype=np.float32)
    q = extended_value_iteration(rewards, transitions, 0 * widths, widths, horizon=3, alias_transitions=alias)
    np.testing.assert_allclose(q[:, 0, :, 0], expected, rtol=1e-5)


def test_aliasing_starts_from_the_last_state_when_all_values_are_still_zero():
    rewards, transitions = one_action_mdp([1, 0], 0.5)
    widths = np.full((1, 2, 1), 0.2, dtype=np.float32)
    q = extended_value_iteration(rewards, transitions, 0 * widths, widths, horizon=2, alias_transitions=True)
    # The last step moves 0.1 to state 1, the step before moves it back to state 0.
    np.testing.assert_allclose(q[0, 0, :, 0], [1.5, 0.5], rtol=1e-5)


def test_aliasing_does_not_keep_a_row_that_was_replaced():
    rewards, transitions = one_action_mdp([1, 0], 0.5)
    widths = np.full((1, 2, 1), 1.2, dtype=np.float32)
    q = extended_value_iteration(rewards, transitions, 0 * widths, widths, horizon=2, alias_transitions=True)
    # 0.5 + 0.6 > 1 for either state: had the row (0, 1) of the last step been kept, state 0 would get 0.6 only.
    np.testing.assert_allclose(q[0, 0, :, 0], [2, 1], rtol=1e-5)
    np.testing.assert_array_equal(transitions, one_action_mdp([1, 0], 0.5)[1])


def test_reward_widths_are_added_at_each_step():
    rewards, transitions = one_action_mdp([0, 1], 0.5)
    widths = np.full((1, 2, 1), 0.3, dtype=np.float32)
    q = extended_value_iteration(rewards, transitions, widths, 0 * widths, horizon=2)
    np.testing.assert_allclose(q[:, 0, :, 0], [[1.1, 2.1], [0.3, 1.3]], rtol=1e-5)


def test_posterior_mean_and_precision_of_a_normal_mean():
    belief = zero_posterior(Prior(reward_mean=1.0, reward_precision=2.0, pseudo_count=1.0))
    for reward in (3.0, 5.0):
        belief.observe(np.array([0]), np.array([0]), np.array([reward]), None)
    np.testing.assert_allclose(belief.reward_means[0, :, 0], [(2 * 1 + 3 + 5) / 4, 1.0])
    np.testing.assert_allclose(belief.reward_precisions[0, :, 0], [4, 2])


def test_posterior_of_a_transition_row_counts_successors_but_not_the_end_of_an_episode():
    belief = zero_posterior(Prior(0.0, 1.0, pseudo_count=0.5), states=3)
    for successor in (0, 0, 2):
        belief.observe(np.array([1]), np.array([0]), np.array([0.0]), np.array([successor]))
    belief.observe(np.array([1]), np.array([0]), np.array([0.0]), None)
    np.testing.assert_allclose(belief.concentrations[0, 1, 0], [2.5, 0.5, 1.5])
    np.testing.assert_allclose(belief.mean()[1][0, 1, 0], np.array([2.5, 0.5, 1.5]) / 4.5, rtol=1e-6)
    assert belief.visits[0, 1, 0] == 4


@pytest.mark.parametrize("pseudo_count", [1.0, 0.5])
def test_samples_have_the_moments_of_the_posterior(pseudo_count):
    tasks = 20_000
    belief = zero_posterior(Prior(1.0, 3.0, pseudo_count), tasks=tasks, states=3)
    here, action = np.zeros(tasks, dtype=int), np.zeros(tasks, dtype=int)
    belief.observe(here, action, np.full(tasks, 5.0), np.full(tasks, 2))
    belief.observe(here, action, np.full(tasks, 5.0), np.full(tasks, 2))
    rewards, transitions = belief.sample(np.random.default_rng(0))
    assert rewards[:, 0, 0].mean() == pytest.approx(13 / 5, abs=0.02)  # (3·1 + 5 + 5) / (3 + 2)
    assert rewards[:, 0, 0].var() == pytest.approx(1 / 5, rel=0.05)
    np.testing.assert_allclose(transitions.sum(axis=-1), 1, rtol=1e-5)
    for row, concentrations in ((0, np.array([0, 0, 2]) + pseudo_count), (1, np.full(3, pseudo_count))):
        mean = concentrations / concentrations.sum()
        variance = mean * (1 - mean) / (concentrations.sum() + 1)
        np.testing.assert_allclose(transitions[:, row, 0].mean(axis=0), mean, atol=0.01)
        np.testing.assert_allclose(transitions[:, row, 0].var(axis=0), variance, rtol=0.08)


def test_confidence_widths_follow_their_formula():
    belief = zero_posterior(Prior(0.0, 1e-4, 1e-5))
    for _ in range(4):
        belief.observe(np.array([0]), np.array([0]), np.array([1.0]), np.array([1]))
    belief.observe(np.array([0]), np.array([0]), np.array([1.0]), None)
    rewards, transitions = confidence_widths(belief, episode=3, delta=0.05)
    log_term = math.log(2 * 2 * 1 * 4 / 0.05)
    visited_and_not = [5, 1], [4, 1]  # an unvisited pair counts as visited once
    np.testing.assert_allclose(rewards[0, :, 0], [math.sqrt(4 * log_term / n) for n in visited_and_not[0]], 1e-4)
    np.testing.assert_allclose(
        transitions[0, :, 0], [math.sqrt(4 * 2 * log_term / n) for n in visited_and_not[1]], 1e-4
    )


def test_an_informative_prior_narrows_the_widths():
    flat, informed = (
        confidence_widths(zero_posterior(Prior(0.0, precision, count)), 1, 0.05)
        for precision, count in ((1e-4, 1e-5), (4.0, 2.0))
    )
    np.testing.assert_allclose(informed[0] / flat[0], 1 / 2, rtol=1e-4)  # worth 4 rewards
    np.testing.assert_allclose(informed[1] / flat[1], 1 / 2, rtol=1e-4)  # worth 2 + 2 transitions


def test_ties_are_broken_uniformly_and_rounding_does_not_break_them():
    scores = np.tile(np.array([1.0, 30.0, 30.0 - 1e-5, 29.9], dtype=np.float32), (20_000, 1))
    chosen = np.bincount(random_argmax(scores, np.random.default_rng(0)), minlength=4)
    assert chosen[0] == chosen[3] == 0
    assert chosen[1] == pytest.approx(10_000, abs=300)
