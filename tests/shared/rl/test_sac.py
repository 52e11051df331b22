"""Losses of soft actor-critic against numbers worked out by hand on two transitions."""

import pytest
import torch

from shared.rl import sac


def test_targets_stop_at_terminal_states():
    # 1 + 0.9 · 10 where the episode goes on, 2 where it has ended.
    targets = sac.td_targets(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0]), torch.tensor([10.0, 10.0]), 0.9)
    torch.testing.assert_close(targets, torch.tensor([10.0, 2.0]))


def test_critic_loss_adds_the_mean_squares_of_both_critics():
    # ((3 − 1)² + 0²) / 2 + (1² + 3²) / 2 = 2 + 5
    predictions = [torch.tensor([3.0, 2.0]), torch.tensor([2.0, 5.0])]
    assert sac.critic_loss(predictions, torch.tensor([1.0, 2.0])).item() == pytest.approx(7.0)


def test_soft_values_charge_the_log_density():
    values = sac.soft_values(torch.tensor([4.0, 1.0]), torch.tensor([-2.0, 0.5]), 0.5)
    torch.testing.assert_close(values, torch.tensor([5.0, 0.75]))


def test_policy_loss_and_its_gradient():
    log_probs, q = torch.tensor([-1.0, 2.0], requires_grad=True), torch.tensor([3.0, 1.0], requires_grad=True)
    loss = sac.policy_loss(q, log_probs, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx((0.5 * -1 - 3 + 0.5 * 2 - 1) / 2)
    torch.testing.assert_close(log_probs.grad, torch.tensor([0.25, 0.25]))
    torch.testing.assert_close(q.grad, torch.tensor([-0.5, -0.5]))


@pytest.mark.parametrize(("log_probs", "sign"), [([-1.0, -3.0], 1), ([3.0, 1.0], -1)])
def test_temperature_falls_where_the_entropy_exceeds_its_target(log_probs, sign):
    log_temperature = torch.zeros((), requires_grad=True)
    log_probs = torch.tensor(log_probs, requires_grad=True)
    sac.temperature_loss(log_temperature, log_probs, target_entropy=-1.0).backward()
    # d/d log α of −log α · mean(log π + H̄): entropy 2 above the target of −1 gives 3, entropy −2 below it gives −1.
    assert log_temperature.grad.item() == pytest.approx({1: 3.0, -1: -1.0}[sign])
    assert log_probs.grad is None


def test_targets_follow_slowly():
    target, source = torch.tensor([0.0, 10.0]), torch.tensor([1.0, 0.0])
    sac.move_towards([target], [source], 0.1)
    torch.testing.assert_close(target, torch.tensor([0.1, 9.0]))
