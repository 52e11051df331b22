"""The two formulations of the meta-gradient: against the formulas, and what they do on the line."""

import numpy as np
import pytest

from replications.maesn.formulations import FormulationI, FormulationII
from replications.maesn.promp_points import Line
from shared.study.state import from_bytes, to_bytes

SETTINGS = {
    "hidden": (),
    "activation": "tanh",
    "reach": 2.0,
    "meta_batch": 3,
    "episodes": 4,
    "discount": 1.0,
    "gae_lambda": 1.0,
    "test_episodes": 5,
    "test_sparse": False,
    "inner_rate": 0.1,
    "learned_rates": False,
    "inner_steps": 1,
    "later_rate": 1.0,
    "learning_rate": 0.01,
    "start": (0.09, 0.05),
    "optimum": (0.0, 0.0),
    "inner_loss": "likelihood",
    "credit": 1.0,
    "clipped": False,
}


def make(learner, **changes):
    """Return a small learner of the formulation."""
    return learner(Line(), learner.Config(**(SETTINGS | changes)), np.random.SeedSequence(0))


def parameters(learner):
    """Return the two parameters."""
    return tuple(learner.parameters[name].detach().item() for name in ("weight0", "bias0"))


def parts(theta, phase, task):
    """Return returns `(K,)`, gradients `(K, 2)` and Hessians `(K, 2, 2)` of log π(τ) at `theta`: of a unit Gaussian."""
    x, a = phase.observations[task, :, :, 0].double().numpy(), phase.actions[task, :, :, 0].double().numpy()
    inputs = np.stack([x, np.ones_like(x)], axis=-1)
    gradients = ((a - inputs @ theta)[..., None] * inputs).sum(axis=1)
    return phase.rewards[task].double().sum(dim=1).numpy(), gradients, -np.einsum("kti,ktj->kij", inputs, inputs)


@pytest.mark.parametrize("credit", [1.0, 10.0])
@pytest.mark.parametrize("learner_class", [FormulationI, FormulationII])
def test_the_step_follows_the_formula(learner_class, credit):
    learner, alpha = make(learner_class, credit=credit), 0.1
    theta = np.array([0.09, 0.05])
    phases, after = learner.sample(learner.family.train_tasks(3, learner.rng))
    expected = np.zeros(2)
    for task in range(3):
        returns, gradients, hessians = parts(theta, phases[0], task)
        adapted = theta + alpha * (gradients * returns[:, None]).mean(axis=0)
        later_returns, later_gradients, _ = parts(adapted, after, task)
        post = (later_gradients * later_returns[:, None]).mean(axis=0)
        expected += post + alpha * (hessians * returns[:, None, None]).mean(axis=0) @ post
        if learner_class is FormulationI:
            outer = gradients[:, :, None] * gradients[:, None]
            expected += credit * alpha * (outer * returns[:, None, None]).mean(axis=0) @ post
        else:
            expected += credit * gradients.sum(axis=0) * later_returns.mean()
    learner.outer_step(phases, after)
    moved = np.array(parameters(learner))
    np.testing.assert_allclose((moved - theta) / 0.01, expected / 3, rtol=1e-3)


@pytest.mark.parametrize("clipped", [True, False])
def test_likelihoods_are_those_of_what_was_drawn_or_of_what_was_done(clipped):
    learner = make(FormulationI, clipped=clipped, episodes=50)
    (before,), _ = learner.sample(learner.family.train_tasks(3, learner.rng))
    assert (before.actions.abs().max() <= 2) == clipped


def test_half_of_the_goals_are_on_either_side():
    assert Line().train_tasks(4, np.random.default_rng(0)).tolist() == [[-1.0], [1.0], [-1.0], [1.0]]


def test_there_are_no_hidden_layers():
    with pytest.raises(ValueError, match="no hidden layers, got hidden = \\[16\\]"):
        make(FormulationI, hidden=(16,))


def test_the_spread_stays_and_the_two_parameters_are_reported():
    learner = make(FormulationII)
    metrics = learner.train()
    assert not learner.parameters["log_std"].detach().any()
    place = metrics["theta/factor"], metrics["theta/constant"]
    assert metrics["theta/distance"] == pytest.approx(np.hypot(*place))
    assert place == pytest.approx(parameters(learner))


def test_by_the_formulas_one_comes_nearer_to_the_optimum_and_the_other_is_thrown_about():
    def distance(learner_class):
        learner = make(learner_class, meta_batch=20, episodes=100)
        return np.mean([learner.train()["theta/distance"] for _ in range(60)][30:])

    start = np.hypot(0.09, 0.05)
    assert distance(FormulationI) < start < distance(FormulationII)


def test_a_run_that_was_stopped_goes_on_as_one_that_was_not():
    whole, half, resumed = make(FormulationI), make(FormulationI), make(FormulationI, start=(1.0, 1.0))
    for _ in range(4):
        whole.train()
    for _ in range(2):
        half.train()
    resumed.load_state_dict(from_bytes(to_bytes(half.state_dict())))
    for _ in range(2):
        resumed.train()
    assert to_bytes(resumed.state_dict()) == to_bytes(whole.state_dict())


def test_step_sizes_are_not_learned():
    with pytest.raises(ValueError, match="learned_rates"):
        make(FormulationI, learned_rates=True)
