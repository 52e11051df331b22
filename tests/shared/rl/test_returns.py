"""Returns and advantages against numbers worked out by hand."""

import numpy as np

from shared.rl.returns import discounted_returns, generalized_advantages

REWARDS = np.array([[1.0], [0.0], [2.0]])
VALUES = np.array([[0.5], [1.0], [1.5]])


def test_discounted_returns_by_hand():
    # 2; 0 + 0.5·2 = 1; 1 + 0.5·1 = 1.5
    np.testing.assert_allclose(discounted_returns(REWARDS, 0.5), [[1.5], [1.0], [2.0]])


def test_advantages_by_hand():
    # γ = 0.5, λ = 0.5, last value 4: δ_2 = 2 + 2 − 1.5 = 2.5; δ_1 = 0 + 0.75 − 1 = −0.25; δ_0 = 1 + 0.5 − 0.5 = 1.
    # Â_2 = 2.5; Â_1 = −0.25 + 0.25·2.5 = 0.375; Â_0 = 1 + 0.25·0.375 = 1.09375.
    advantages = generalized_advantages(REWARDS, VALUES, 4.0, 0.5, 0.5)
    np.testing.assert_allclose(advantages, [[1.09375], [0.375], [2.5]])


def test_lambda_one_is_return_minus_value_and_lambda_zero_the_td_error():
    ones = generalized_advantages(REWARDS, VALUES, 0.0, 0.9, 1.0)
    np.testing.assert_allclose(ones, discounted_returns(REWARDS, 0.9) - VALUES)
    zeros = generalized_advantages(REWARDS, VALUES, 0.0, 0.9, 0.0)
    np.testing.assert_allclose(zeros, REWARDS + 0.9 * np.array([[1.0], [1.5], [0.0]]) - VALUES)
