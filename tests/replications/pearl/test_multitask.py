import numpy as np
import torch

from shared.study.state import from_bytes, to_bytes


def test_who_is_told_sees_the_task_standardised(make_multitask):
    told, blind = make_multitask(), make_multitask(told=False)
    torch.testing.assert_close(told.describe(told.family.train_set), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    assert blind.describe(blind.family.train_set).shape == (2, 0)


def test_a_restored_learner_goes_on_alike(make_multitask):
    one, other = make_multitask(seed=0), make_multitask(seed=1)
    one.train()
    other.load_state_dict(from_bytes(to_bytes(one.state_dict())))
    assert one.train() == other.train()
    assert to_bytes(one.state_dict()) == to_bytes(other.state_dict())
    assert one.env_steps == 40 + 2 * 2 * 20


def test_the_told_learns_what_the_blind_cannot(make_multitask):
    settings = {"hidden_size": 64, "learning_rate": 1e-3, "batch_size": 64, "gradient_steps": 100, "visit_steps": 80}
    returns = {}
    for told in (True, False):
        agent = make_multitask(told=told, evaluations=4, **settings)
        for _ in range(10):
            agent.train()
        returns[told] = agent.adapt(agent.family.test_set, 1, np.random.default_rng(0))
    assert returns[True].min() > -6.5  # the best is −4.5
    assert returns[False].mean() < -9
