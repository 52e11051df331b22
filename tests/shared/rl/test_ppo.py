"""The clipped surrogate on single numbers, and the KL estimate against the exact divergence."""

import math

import pytest
import torch

from shared.rl.ppo import approximate_kl, clipped_surrogate


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.5, 2.0, 1.2 * 2.0),  # a gain is clipped above 1 + ε
        (1.5, -2.0, 1.5 * -2.0),  # a loss is not
        (0.5, 2.0, 0.5 * 2.0),
        (0.5, -2.0, 0.8 * -2.0),  # clipped below 1 − ε
        (1.1, 2.0, 1.1 * 2.0),
    ],
)
def test_clipping_by_hand(ratio, advantage, expected):
    value = clipped_surrogate(torch.tensor([math.log(ratio)]), torch.zeros(1), torch.tensor([advantage]), 0.2)
    assert value.item() == pytest.approx(expected, rel=1e-6)


def test_kl_estimate_is_unbiased_for_a_two_action_policy():
    old, new = torch.tensor([0.7, 0.3]), torch.tensor([0.5, 0.5])
    # The expectation over old's actions, written out instead of sampled.
    per_action = torch.stack([approximate_kl(new[i : i + 1].log(), old[i : i + 1].log()) for i in range(2)])
    exact = (old * (old / new).log()).sum()
    assert (old * per_action).sum().item() == pytest.approx(exact.item(), rel=1e-6)
