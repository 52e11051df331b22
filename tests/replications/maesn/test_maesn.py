"""MAESN: the inner step, the outer gradient, the test, and that it learns."""

import math

import numpy as np
import pytest
import torch

from replications.maesn.maesn import Latents, inner_step
from replications.maesn.trained import FixedLatent
from tests.replications.maesn.conftest import FewGoals


def test_divergence_from_the_prior_by_hand():
    latents = Latents(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), torch.tensor([[0.0, 0.0], [math.log(2), 0.0]]))
    # ½ (1 + 4 + 4 + 1 − 2 − 2 log 2) = 4 − log 2
    torch.testing.assert_close(latents.kl_to_prior(), torch.tensor([0.0, 4 - math.log(2)]).float())


def test_the_inner_step_by_hand():
    # σ = 2; z − μ = ±2: deviations ±1. Advantages 1 and −1 move μ by mean[A (z − μ)/σ²] = 0.5, and s by
    # mean[A (1 − 1)] = 0.
    latents = Latents(torch.tensor([[1.0]]), torch.tensor([[2.0]]).log())
    moved = inner_step(
        latents, torch.tensor([[[3.0], [-1.0]]]), torch.tensor([[1.0, -1.0]]), torch.tensor([4.0]), torch.tensor([1.0])
    )
    torch.testing.assert_close(moved.mean, torch.tensor([[3.0]]))
    torch.testing.assert_close(moved.log_std, latents.log_std)


def test_the_inner_step_is_the_gradient_of_the_likelihood_of_what_was_drawn():
    generator = torch.Generator().manual_seed(0)
    mean, log_std, z, advantages = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 2), (3, 2), (3, 7, 2), (3, 7))
    )
    mean.requires_grad_()
    log_std.requires_grad_()
    likelihood = torch.distributions.Normal(mean[:, None], log_std.exp()[:, None]).log_prob(z).sum(dim=-1)
    gradients = torch.autograd.grad((likelihood * advantages).mean(dim=1).sum(), [mean, log_std])
    rates = torch.tensor([0.5, 2.0], dtype=torch.float64), torch.tensor([1.0, 3.0], dtype=torch.float64)
    moved = inner_step(Latents(mean, log_std), z, advantages, *rates)
    for after, before, gradient, rate in zip(moved, (mean, log_std), gradients, rates, strict=True):
        torch.testing.assert_close(after - before, rate * gradient)


def test_the_inner_step_estimates_the_gradient_of_what_latents_earn():
    # Reward −(z − 3)² with z ~ N(1, 0.5²): expected reward −((μ − 3)² + σ²), with gradients 4 in μ and −2 σ² in log σ.
    generator = torch.Generator().manual_seed(0)
    latents = Latents(torch.tensor([[1.0]]).double(), torch.tensor([[0.5]]).double().log())
    z = latents.at(torch.randn(1, 400_000, 1, generator=generator, dtype=torch.float64))
    rewards = -((z[..., 0] - 3) ** 2)
    one = torch.ones(1, dtype=torch.float64)
    moved = inner_step(latents, z, rewards - rewards.mean(), one, one)
    assert (moved.mean - latents.mean).item() == pytest.approx(4, abs=0.05)
    assert (moved.log_std - latents.log_std).item() == pytest.approx(-0.5, abs=0.05)


def test_advantages_that_cancel_make_the_derivative_of_the_mean_one():
    latents = Latents(torch.tensor([[0.3]], requires_grad=True), torch.zeros(1, 1))
    z, advantages = torch.tensor([[[1.0], [-2.0], [0.5]]]), torch.tensor([[1.0, 0.5, -1.5]])
    moved = inner_step(latents, z, advantages, torch.tensor([2.0]), torch.tensor([1.0]))
    assert torch.autograd.grad(moved.mean.sum(), latents.mean)[0].item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("method", ["maesn", "maesn-of-everything"])
def test_the_outer_gradient_reaches_everything_along_the_reparameterised_path(make, monkeypatch, method):
    learner = make(method, meta_batch=2, episodes=3)
    seen = {}

    def record(parameters, outputs, objective, head, weights, region, measured):
        gradient = torch.autograd.grad(objective(outputs()), parameters)
        seen["gradient"] = dict(zip(learner.meta_learned(), gradient, strict=True))
        seen["objective"] = lambda: objective(outputs())
        raise StopIteration

    monkeypatch.setattr("replications.maesn.maesn.trust_region_step", record)
    with pytest.raises(StopIteration):
        learner.train()
    # Central differences of the objective in some entries of all that is meta-learned.
    for name, value in learner.meta_learned().items():
        gradient = seen["gradient"][name].flatten()
        for entry in gradient.abs().topk(min(2, gradient.numel())).indices:
            flat, step = value.detach().view(-1), 1e-2
            middle = flat[entry].item()
            ends = []
            for end in (middle + step, middle - step):
                flat[entry] = end
                with torch.no_grad():
                    ends.append(seen["objective"]().item())
            flat[entry] = middle
            assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(gradient[entry].item(), rel=0.02, abs=2e-4), name
    assert all(gradient.abs().max() > 0 for gradient in seen["gradient"].values())


def test_where_everything_adapts_weights_follow_the_gradient_of_their_own_task(make):
    learner = make("maesn-of-everything", weight_rate=0.5)
    tasks, z = learner.family.train_set[:2], torch.zeros(2, 4, 2)
    state = learner.unknown(2)
    played, gains = learner.play(learner.acting(state, z), tasks, 4)
    with torch.no_grad():
        moved = learner.step(state, z, played, gains, factor=0.5).parameters
    for task in range(2):
        own = {name: learner.parameters[name].detach().clone().requires_grad_() for name in learner.moving}
        seen = torch.cat([played.observations[task], torch.zeros(4, 8, 2)], dim=-1)
        log_probs = learner.policy.head.log_prob(learner.policy(own, seen), played.actions[task])
        (log_probs * gains.steps[task]).mean().backward()
        for name, value in own.items():
            torch.testing.assert_close(moved[name][task], value.detach() + 0.25 * value.grad)


def test_steps_of_a_test_are_halved(make, monkeypatch):
    learner = make("maesn")
    factors, step = [], learner.step

    def note(state, z, played, gains, factor):
        factors.append(factor)
        return step(state, z, played, gains, factor)

    monkeypatch.setattr(learner, "step", note)
    learner.adapt(learner.family.test_tasks(1, None), 6, np.random.default_rng(0))
    assert factors == [1, 1, 0.5, 0.25, 0.125]


def test_a_test_starts_with_the_prior_and_moves_by_sparse_rewards_alone(make):
    learner = make("maesn", test_episodes=20)
    learner.train()
    found = learner.adapt(learner.family.test_tasks(2, None), 2, np.random.default_rng(0))
    assert (found["latent_mean0"][:, 0] == 0).all()
    assert (found["latent_std1"][:, 0] == 1).all()
    # Too far away from all goals to be paid: nothing moves.
    still = make("maesn", family=FewGoals())
    still.family.radius = 1e-6
    unpaid = still.adapt(still.family.test_tasks(2, None), 3, np.random.default_rng(0))
    assert (unpaid["return"] == 0).all()
    assert (unpaid["latent_mean0"] == 0).all()


def test_families_without_a_set_of_training_tasks_are_refused(make):
    from replications.maesn.maml_tasks import Navigation

    with pytest.raises(ValueError, match="Navigation has no fixed set of training tasks"):
        make("maesn", family=Navigation())


def test_latents_learn_to_reach_goals_that_a_policy_without_them_cannot_tell_apart(make):
    settings = {"hidden": (32, 32), "meta_batch": 12, "episodes": 20, "max_kl": 0.03, "test_episodes": 30}
    learner = make("maesn", test_sparse=False, **settings)
    tasks = learner.family.test_tasks(2, None)

    def final_return(tested):
        return tested.adapt(tasks, 4, np.random.default_rng(1))["return"][:, -1].mean()

    untrained = final_return(learner)
    for _ in range(40):
        learner.train()
    held = FixedLatent(
        learner.family, learner.config, np.random.SeedSequence(0), needed={"trained": learner.state_dict()}
    )
    assert final_return(learner) > untrained + 1.5
    assert final_return(learner) > final_return(held) + 1.5
