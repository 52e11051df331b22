"""The linear baseline against fits that are known."""

import pytest
import torch

from shared.rl.linear_baseline import features, linear_values


def test_features_by_hand():
    observations = torch.tensor([[2.0], [-30.0]])
    expected = torch.tensor([[2, 4, 0, 0, 0, 1], [-10, 100, 0.01, 1e-4, 1e-6, 1]], dtype=torch.float64)
    torch.testing.assert_close(features(observations), expected)


def test_values_of_each_task_are_its_own_where_returns_are_linear_in_the_features():
    generator = torch.Generator().manual_seed(0)
    observations = torch.randn(2, 6, 5, 1, generator=generator)
    slopes = torch.tensor([3.0, -2.0])[:, None, None]
    returns = slopes * observations[..., 0] + 1
    valid = torch.ones(2, 6, 5, dtype=torch.bool)
    torch.testing.assert_close(linear_values(observations, returns, valid), returns.double(), atol=1e-3, rtol=0)


def test_steps_that_did_not_take_place_have_no_say():
    generator = torch.Generator().manual_seed(0)
    observations = torch.randn(1, 8, 4, 1, generator=generator)
    returns = 2 * observations[..., 0]
    valid = torch.ones(1, 8, 4, dtype=torch.bool)
    valid[:, :, 3] = False
    wild = returns.clone()
    wild[:, :, 3] = 1e6
    values = linear_values(observations, wild, valid)
    torch.testing.assert_close(values[:, :, :3], returns[:, :, :3].double(), atol=1e-3, rtol=0)
    assert (values[:, :, 3] == 0).all()


def test_features_that_never_change_do_not_spoil_the_fit():
    observations = torch.zeros(1, 4, 3, 2)
    values = linear_values(observations, torch.full((1, 4, 3), 5.0), torch.ones(1, 4, 3, dtype=torch.bool))
    torch.testing.assert_close(values, torch.full((1, 4, 3), 5.0, dtype=torch.float64), atol=1e-3, rtol=0)


def test_returns_that_are_not_finite_have_no_fit():
    observations, valid = torch.randn(1, 4, 3, 1), torch.ones(1, 4, 3, dtype=torch.bool)
    with pytest.raises(FloatingPointError, match="no finite fit"):
        linear_values(observations, torch.full((1, 4, 3), torch.nan), valid)
