import numpy as np
import pytest

from replications.rl2.bayes import MAX_PULLS, bayes_optimal_plan, bayes_optimal_value


def brute_force(counts, pulls):
    """Optimal value by recursion over every arm's own (successes, failures), without using their symmetry."""
    if pulls == 0:
        return 0.0
    values = []
    for arm, (s, f) in enumerate(counts):
        after = [(*counts[:arm], pulled, *counts[arm + 1 :]) for pulled in ((s, f + 1), (s + 1, f))]
        mean = (s + 1) / (s + f + 2)
        values.append(mean * (1 + brute_force(after[1], pulls - 1)) + (1 - mean) * brute_force(after[0], pulls - 1))
    return max(values)


@pytest.mark.parametrize(("arms", "pulls"), [(2, 1), (2, 3), (2, 6), (3, 4), (4, 3)])
def test_value_equals_brute_force(arms, pulls):
    assert bayes_optimal_value(arms, pulls) == pytest.approx(brute_force(((0, 0),) * arms, pulls), abs=1e-12)


def test_two_pulls_by_hand():
    # 1/2 for the first pull; a success makes the arm worth 2/3, after a failure an untried arm is worth 1/2.
    assert bayes_optimal_value(2, 2) == pytest.approx(1 / 2 + (2 / 3 + 1 / 2) / 2)


@pytest.mark.parametrize(("arms", "expected"), [(5, 6.660), (10, 6.714), (50, 6.714)])
def test_value_of_ten_pulls(arms, expected):
    assert bayes_optimal_value(arms, 10) == pytest.approx(expected, abs=5e-4)


def test_arms_beyond_the_number_of_pulls_are_worth_nothing():
    assert bayes_optimal_value(6, 6) == bayes_optimal_value(60, 6)


def test_plan_stays_with_a_success_and_leaves_a_failure():
    plan = bayes_optimal_plan(3, 4)
    after_failure, after_success = plan.successor[0]
    np.testing.assert_array_equal(plan.kind[0], [0, 0])
    np.testing.assert_array_equal(plan.kind[after_success], [1, 0])
    np.testing.assert_array_equal(plan.kind[after_failure], [0, 0])


@pytest.mark.parametrize("pulls", [0, MAX_PULLS + 1])
def test_other_lengths_are_refused(pulls):
    with pytest.raises(ValueError, match=f"for 1 to {MAX_PULLS} pulls, got {pulls}"):
        bayes_optimal_value(5, pulls)
