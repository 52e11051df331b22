import numpy as np
import pytest
import torch

from shared.study.state import from_bytes, to_bytes
from shared.tasks.locomotion import HumanoidDirection
from shared.tasks.point_robot import PointRobot


def test_who_is_told_sees_the_task_standardised(make_multitask):
    told, blind = make_multitask(), make_multitask(told=False)
    torch.testing.assert_close(told.describe(told.family.train_set), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    assert blind.describe(blind.family.train_set).shape == (2, 0)


def test_headings_are_told_as_directions(make_multitask):
    class Headings(PointRobot):
        features = HumanoidDirection.features

    family = Headings()
    family.train_set = np.stack([np.linspace(0.1, 2 * np.pi - 0.1, 12), np.zeros(12)], axis=1)
    told = make_multitask(family)
    assert told.actor_critic.value.weights[0].shape[0] == 2 + 2
    known = told.describe(family.train_set)
    assert (known[0] - known[-1]).norm() < 0.3  # neighbours, the circle being closed
    assert (known[0] - known[6]).norm() > 2.5  # opposite


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("told", [True, False])
def test_training_runs_on_a_gpu(make_multitask, told):
    agent = make_multitask(told=told, device="cuda")
    assert all(np.isfinite(list(agent.train().values())).all() for _ in range(2))
    assert {p.device.type for p in agent.actor_critic.policy.parameters()} == {"cuda"}
    assert agent.adapt(agent.family.test_set, 2, np.random.default_rng(0)).shape == (2, 2)


def test_a_restored_learner_goes_on_alike(make_multitask):
    one, other = make_multitask(seed=0), make_multitask(seed=1)
    one.train()
    other.load_state_dict(from_bytes(to_bytes(one.state_dict())))
    assert one.train() == other.train()
    assert to_bytes(one.state_dict()) == to_bytes(other.state_dict())
    assert one.env_steps == 40 + 2 * 2 * 20


@pytest.mark.slow
def test_the_told_learns_what_the_blind_cannot(make_multitask):
    settings = {"learning_rate": 1e-3, "target_rate": 0.05, "discount": 0.8, "reward_scale": 20.0, "batch_size": 32}
    settings |= {"hidden_size": 32, "gradient_steps": 100, "visit_steps": 80}
    returns = {}
    for told in (True, False):
        agent = make_multitask(told=told, evaluations=4, **settings)
        for _ in range(16):
            agent.train()
        returns[told] = agent.adapt(agent.family.test_set, 1, np.random.default_rng(0))
    assert returns[True].mean() > -3.2  # the best is −2.1
    assert returns[False].mean() < -6.49  # who is not told is nowhere nearer than 0.65 on average, in ten steps
