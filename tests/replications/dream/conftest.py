import numpy as np
import pytest

from replications.dream.dream import DREAM
from replications.dream.erl2 import ERL2
from replications.dream.import_policy import IMPORT
from replications.dream.tasks import CourseMap
from replications.dream.varibad import VariBAD

SETTINGS = {
    "learning_rate": 1e-3,
    "anneal": None,
    "discount": 0.99,
    "batch_size": 16,
    "alike": False,
    "capacity": 100,
    "update_every": 40,
    "target_every": 200,
    "epsilon_end": 0.01,
    "epsilon_steps": 5000,
    "max_gradient_norm": 10.0,
    "parallel_trials": 8,
    "iteration_trials": 24,
}
DREAM_SETTINGS = SETTINGS | {
    "latent_size": 8,
    "latent_std": 0.1,
    "bottleneck": True,
    "free_norm": 10.0,
    "step_penalty": 0.1,
    "explore_from": 16,
    "exploit_from": 8,
    "exploit_memory": True,
    "explore_epsilon_steps": 5000,
}
COUPLED_SETTINGS = SETTINGS | {"learn_from": 16, "count_exploration": False}
LEARNERS = {
    "dream": (DREAM, DREAM_SETTINGS),
    "dream-feed-forward": (DREAM, DREAM_SETTINGS | {"exploit_memory": False}),
    "dream-alike": (DREAM, DREAM_SETTINGS | {"alike": True}),
    "e-rl2": (ERL2, COUPLED_SETTINGS),
    "import": (IMPORT, COUPLED_SETTINGS),
    "varibad": (VariBAD, COUPLED_SETTINGS | {"state_weight": 0.01, "decoded": 4}),
    "varibad-rewards": (VariBAD, COUPLED_SETTINGS | {"state_weight": 0, "decoded": 4}),
    "varibad-all": (VariBAD, COUPLED_SETTINGS | {"state_weight": 0.01, "decoded": None}),
}


@pytest.fixture
def make():
    """Return a function that makes a learner by the name it has in `LEARNERS`, with some settings changed."""

    def made(name, family=None, seed=0, device="cpu", **changes):
        learner, settings = LEARNERS[name]
        config = learner.Config(**(settings | changes))
        return learner(family or CourseMap(), config, np.random.SeedSequence(seed), device)

    return made
