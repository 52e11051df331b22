import numpy as np
import pytest

from replications.pearl import multitask, pearl
from shared.tasks.point_robot import PointRobot, SparsePointRobot

SETTINGS = {
    "hidden_size": 16,
    "learning_rate": 3e-4,
    "discount": 0.9,
    "reward_scale": 5.0,
    "target_rate": 0.005,
    "policy_penalty": 1e-3,
    "gradient_steps": 2,
    "meta_batch": 3,
    "batch_size": 8,
    "initial_steps": 20,
    "visits": 2,
    "evaluations": 1,
}
PEARL_SETTINGS = SETTINGS | {
    "latent_size": 2,
    "encoder": "probabilistic",
    "encoder_size": 16,
    "encoder_learning_rate": 3e-4,
    "encoder_objective": "critics",
    "kl_weight": 0.1,
    "context_rewards": "dense",
    "context_next_states": False,
    "batch_order": "transitions",
    "context_size": 10,
    "context_order": "transitions",
    "context_source": "recent",
    "prior_steps": 20,
    "posterior_steps": 0,
    "extra_steps": 20,
    "exploration_episodes": 1,
    "record_paths": False,
}


class TwoGoals(PointRobot):
    """A point at the origin, and a goal near on its right or far on its left: nothing but the rewards tells which."""

    horizon = 10

    def __init__(self):
        super().__init__()
        self.train_set = self.test_set = np.array([[0.4, 0.0], [-0.9, 0.0]])

    def start(self, n, rng):
        return np.zeros((n, 2))


class FewGoals(SparsePointRobot):
    """Six of the goals on the half circle, which all can be visited quickly."""

    def __init__(self):
        super().__init__(goals=8, train=6)


@pytest.fixture
def make_pearl():
    def make(family=None, seed=0, device="cpu", **settings):
        config = pearl.Config(**PEARL_SETTINGS | settings)
        return pearl.PEARL(family or TwoGoals(), config, np.random.SeedSequence(seed), device)

    return make


@pytest.fixture
def make_multitask():
    def make(family=None, seed=0, device="cpu", **settings):
        config = multitask.Config(**SETTINGS | {"told": True, "visit_steps": 20} | settings)
        return multitask.MultiTaskSAC(family or TwoGoals(), config, np.random.SeedSequence(seed), device)

    return make


@pytest.fixture
def two_goals():
    return TwoGoals


@pytest.fixture
def few_goals():
    return FewGoals
