import numpy as np
import pytest
import torch

from replications.pearl.sb3 import Config, StableBaselinesSAC
from shared.study.state import from_bytes, to_bytes

SETTINGS = {
    "hidden_size": 8, "learning_rate": 3e-4, "discount": 0.9, "reward_scale": 5.0, "target_rate": 0.005,
    "batch_size": 8, "iteration_steps": 20, "gradient_steps": 3, "initial_steps": 10, "evaluations": 2,
}  # fmt: skip


def make(family, seed=0, device="cpu", **settings):
    return StableBaselinesSAC(family(), Config(**SETTINGS | settings), np.random.SeedSequence(seed), device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_training_runs_on_a_gpu(two_goals):
    agent = make(two_goals, device="cuda")
    assert all(np.isfinite(list(agent.train().values())).all() for _ in range(2))
    assert agent.adapt(agent.family.test_set, 2, np.random.default_rng(0)).shape == (2, 2)


def test_a_restored_learner_goes_on_alike(two_goals):
    one, other = make(two_goals), make(two_goals, seed=1)
    one.train()
    other.load_state_dict(from_bytes(to_bytes(one.state_dict())))
    assert one.train() == other.train()
    assert to_bytes(one.state_dict()) == to_bytes(other.state_dict())
    assert one.env_steps == 40


def test_rewards_are_scaled_for_the_losses_and_not_in_what_is_reported(two_goals):
    plain, scaled = (make(two_goals, reward_scale=scale, initial_steps=20) for scale in (1.0, 5.0))
    assert plain.train()["train/return"] == pytest.approx(scaled.train()["train/return"])
    stored = [agent.state_dict()["memory"]["rewards"] for agent in (plain, scaled)]
    np.testing.assert_allclose(stored[1], 5 * stored[0], rtol=1e-6)
    assert stored[0].any()


def test_the_global_generators_stay_as_they_were(two_goals):
    agent = make(two_goals)
    np.random.seed(0)  # noqa: NPY002 (the global generator is what is looked at)
    torch.manual_seed(0)
    expected = np.random.rand(), torch.rand(1)  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    agent.train()
    agent.adapt(agent.family.test_set, 1, np.random.default_rng(0))
    assert np.random.rand() == expected[0]  # noqa: NPY002
    assert torch.rand(1) == expected[1]


def test_iterations_are_whole_episodes(two_goals):
    with pytest.raises(ValueError, match="whole episodes of 10"):
        make(two_goals, iteration_steps=25)
