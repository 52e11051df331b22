"""Tests of runs that were trained before."""

import numpy as np
import pytest
import torch

from replications.maesn import trained
from shared.study.errors import StudyError
from tests.replications.maesn.conftest import MAESN, METHODS, SHARED, TRPO, FewGoals


def again(learner, run, settings, **changes):
    """Return `learner` with what `run` has learned."""
    config = learner.Config(**(SHARED | settings | changes))
    return learner(FewGoals(), config, np.random.SeedSequence(9), needed={"trained": run.state_dict()})


@pytest.mark.parametrize(
    ("learner", "method", "settings"), [(trained.Trained, "maesn", MAESN), (trained.TrainedMAML, "maml", TRPO)]
)
def test_a_test_by_dense_rewards_adapts_what_was_trained(make, learner, method, settings):
    assert issubclass(learner, METHODS[method][0])
    run = make(method)
    run.train()
    tasks = run.family.test_tasks(2, None)
    dense = again(learner, run, settings, test_sparse=False).adapt(tasks, 3, np.random.default_rng(1))
    np.testing.assert_array_equal(dense["return"], dense["dense_return"])
    same = again(learner, run, settings).adapt(tasks, 3, np.random.default_rng(1))
    np.testing.assert_array_equal(same["return"], run.adapt(tasks, 3, np.random.default_rng(1))["return"])
    assert (same["dense_return"] != dense["dense_return"])[:, 1:].any()  # other rewards, other steps


def test_a_held_latent_is_the_mean_in_every_episode(make):
    fixed = again(trained.FixedLatent, make("maesn"), MAESN)
    assert (fixed.noise(2, 3, np.random.default_rng(0)) == 0).all()
    found = fixed.adapt(fixed.family.test_tasks(2, None), 3, np.random.default_rng(0))
    assert (found["latent_mean0"] == 0).all()  # every latent is the mean: there is nothing to learn from


def test_training_tasks_start_with_their_own_latents(make):
    run = make("maesn")
    run.train()
    known = again(trained.TrainedLatents, run, MAESN)
    tasks = known.family.train_set[[4, 1]]
    found = known.adapt(tasks, 2, np.random.default_rng(0))
    means = run.parameters["latent_mean"].detach()[torch.tensor([4, 1])]
    np.testing.assert_allclose(found["latent_mean1"][:, 0], means[:, 1])
    sizes = run.sizes()
    assert found["latent/step_mean"] == pytest.approx(np.full((2, 2), sizes["latent/step_mean"]))
    with pytest.raises(ValueError, match="latents are kept of training tasks alone"):
        known.adapt(known.family.test_tasks(1, None), 1, np.random.default_rng(0))


@pytest.mark.parametrize(("learner", "settings"), [(trained.Trained, MAESN), (trained.TrainedMAML, TRPO)])
def test_a_trained_run_must_be_needed_by_its_name(learner, settings):
    config = learner.Config(**(SHARED | settings))
    with pytest.raises(StudyError, match="that is called 'trained', got policy"):
        learner(FewGoals(), config, np.random.SeedSequence(0), needed={"policy": {}})
