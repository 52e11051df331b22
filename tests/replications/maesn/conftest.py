import numpy as np
import pytest

from replications.maesn import joint, maesn, maml, promp, reptile, weights
from replications.maesn.maml_tasks import Navigation
from shared.tasks.point_robot import SparsePointRobot

SHARED = {
    "hidden": (16, 16),
    "activation": "tanh",
    "reach": 1.0,
    "meta_batch": 3,
    "episodes": 4,
    "discount": 0.99,
    "gae_lambda": 1.0,
    "test_episodes": 5,
    "test_sparse": True,
}
MAESN = {
    "latent_size": 2,
    "step_size": 1.0,
    "learned_steps": True,
    "kl_weight": 0.1,
    "max_kl": 0.01,
    "fisher_share": 1.0,
    "full_steps": 2,
}
GRADIENT = {
    "inner_rate": 0.1,
    "learned_rates": False,
    "inner_steps": 1,
    "inner_loss": "likelihood",
    "later_rate": 0.5,
}
TRPO = GRADIENT | {"max_kl": 0.01, "damping": 1e-5, "fisher_share": 1.0}
ADAM = GRADIENT | {"inner_loss": "ratio", "learning_rate": 1e-3}
PROMP = ADAM | {"outer_steps": 3, "clip": 0.3, "kl_weight": 5e-4, "kl_target": None}
VPG = ADAM | {"noise_every": 0, "noise_rounds": 2}
METHODS = {
    "maesn": (maesn.MAESN, MAESN),
    "latent-space": (maesn.LatentSpace, MAESN | {"learned_steps": False}),
    "maesn-of-everything": (weights.MAESNOfEverything, MAESN | {"weight_rate": 0.1}),
    "maml": (maml.MAML, TRPO),
    "maml-learned-rates": (maml.MAML, TRPO | {"learned_rates": True}),
    "e-maml": (maml.EMAML, TRPO),
    "context-vector": (maml.ContextMAML, TRPO | {"context_size": 3}),
    "lvc-vpg": (promp.VPG, VPG | {"noise_every": 2}),
    "e-maml-vpg": (promp.EMAMLVPG, VPG),
    "promp": (promp.ProMP, PROMP),
    "reptile": (reptile.Reptile, GRADIENT | {"outer_rate": 0.5}),
    "pretrained-adam": (joint.AdamPretrained, {k: v for k, v in ADAM.items() if k != "inner_steps"}),
}


class FewGoals(SparsePointRobot):
    """Eight goals on a half circle, six of them to train on; short episodes."""

    horizon = 8

    def __init__(self):
        super().__init__(radius=0.6, goals=8, train=6)


class ShortNavigation(Navigation):
    """Navigation in eight steps."""

    horizon = 8


class NearGoals(ShortNavigation):
    """Goals so near that a third of the episodes end early, by chance."""

    def draw(self, n, rng):
        return rng.uniform(-0.1, 0.1, (n, 2))

    def ended(self, offsets):
        return (np.abs(offsets) < 0.05).all(axis=1)


@pytest.fixture
def make():
    """Return what makes a small learner by the name of its method."""

    def make(method, family=None, seed=0, **changes):
        learner, settings = METHODS[method]
        config = learner.Config(**(SHARED | settings | changes))
        return learner(family or FewGoals(), config, np.random.SeedSequence(seed))

    return make
