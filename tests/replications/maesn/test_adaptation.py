"""Adaptation by gradient steps, and the estimators that it is differentiated through."""

import math

import numpy as np
import pytest
import torch
from torch.func import grad, hessian

from replications.maesn.adaptation import Phase, dice_loss, likelihood_loss, ratio_loss
from replications.maesn.policies import GaussianPolicy
from replications.maesn.promp import gradient_noise
from shared.study.errors import StudyError
from tests.replications.maesn.conftest import NearGoals, ShortNavigation

ARMS = 0.2, 1.0  # what the left and the right arm pay


class Bandit(GaussianPolicy):
    """Pulls the right arm where its action, N(θ, 1), is positive: with probability Φ(θ)."""

    def __init__(self):
        super().__init__(1, 1, (), "tanh")

    def __call__(self, parameters, x):
        mean = parameters["theta"].expand(*x.shape[:-1], 1)
        return torch.cat([mean, torch.zeros_like(mean)], dim=-1)


def pulled(theta, pulls, episodes, seed):
    """Return a phase of `episodes` episodes of so many `pulls`, with advantages from the exact values."""
    generator = torch.Generator().manual_seed(seed)
    actions = theta + torch.randn(episodes, pulls, 1, generator=generator, dtype=torch.float64)
    rewards = torch.where(actions[..., 0] > 0, ARMS[1], ARMS[0]).double()
    value = ARMS[0] + (ARMS[1] - ARMS[0]) * phi(theta)
    excess = rewards - value
    to_go = excess.flip(1).cumsum(dim=1).flip(1)
    old = torch.zeros(episodes, pulls, 2, dtype=torch.float64)
    old[..., 0] = theta
    weights = torch.full((episodes, pulls), 1 / episodes, dtype=torch.float64)  # sums of episodes, not means of steps
    return Phase(torch.zeros(episodes, pulls, 1, dtype=torch.float64), actions, old, to_go, excess, rewards, weights)


def phi(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def derivatives(loss, theta, phase):
    """Return the first two derivatives of −`loss` at θ."""
    policy = Bandit()

    def objective(value):
        return -loss(policy, {"theta": value}, phase)

    at = torch.tensor([theta], dtype=torch.float64)
    return grad(objective)(at).item(), hessian(objective)(at).item()


@pytest.mark.parametrize("pulls", [1, 3])
@pytest.mark.parametrize("loss", [ratio_loss, dice_loss])
def test_low_variance_curvature_and_dice_have_the_bandits_own_derivatives(loss, pulls):
    # J(θ) = pulls · (ARMS₀ + (ARMS₁ − ARMS₀) Φ(θ)): J′ = pulls · 0.8 φ(θ), J″ = −θ J′.
    theta = 0.7
    found = np.array([derivatives(loss, theta, pulled(theta, pulls, 40_000, seed)) for seed in range(10)])
    exact = np.array([1, -theta]) * pulls * (ARMS[1] - ARMS[0]) * density(theta)
    errors = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - exact) < 4 * errors + 1e-3).all()


def test_the_likelihood_has_the_first_derivative_alone():
    # ∇² log π = −1 at any action, so that its second derivative is −mean[A] = 0, where J″ = −θ J′ is not.
    theta = 0.7
    found = np.array([derivatives(likelihood_loss, theta, pulled(theta, 1, 40_000, seed)) for seed in range(10)])
    first = (ARMS[1] - ARMS[0]) * density(theta)
    errors = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert abs(found[:, 0].mean() - first) < 4 * errors[0] + 1e-3
    assert abs(found[:, 1].mean()) < 4 * errors[1] + 1e-3
    assert abs(-theta * first) > 20 * errors[1]


@pytest.mark.parametrize("loss", [ratio_loss, dice_loss])
def test_the_meta_gradient_through_a_step_is_the_exact_one(loss):
    # θ' = θ + α J′(θ), and dJ(θ')/dθ = J′(θ') (1 + α J″(θ)).
    theta, rate = 0.7, 2.0
    gap = ARMS[1] - ARMS[0]
    adapted = theta + rate * gap * density(theta)
    exact = gap * density(adapted) * (1 - rate * theta * gap * density(theta))
    found = []
    for seed in range(10):
        phase, policy = pulled(theta, 1, 40_000, seed), Bandit()

        def step(value, phase=phase, policy=policy):
            return value - rate * grad(lambda v: loss(policy, {"theta": v}, phase))(value)

        at = torch.tensor([theta], dtype=torch.float64)
        derivative = torch.func.jacrev(step)(at).item()
        found.append(gap * density(step(at).item()) * derivative)
    assert np.mean(found) == pytest.approx(exact, abs=4 * np.std(found, ddof=1) / math.sqrt(10) + 1e-3)


def test_noise_of_a_gradient_by_hand_and_without_bias():
    # Means (2, 0), deviations ±1 and ±2: variances 2 and 8 of two estimates; ‖mean‖² = 4, of which 10 / 2 is noise.
    found = gradient_noise(torch.tensor([[1.0, 2.0], [3.0, -2.0]]))
    assert found["outer/gradient_variance"] == pytest.approx(10)
    assert found["outer/gradient_signal"] == pytest.approx(-1)
    assert found["outer/gradient_noise"] == pytest.approx((10 / 0.4) ** 0.5)
    generator = torch.Generator().manual_seed(0)
    drawn = [gradient_noise(1 + 4 * torch.randn(10, 5, generator=generator)) for _ in range(2000)]
    assert np.mean([one["outer/gradient_signal"] for one in drawn]) == pytest.approx(5, rel=0.05)
    assert np.mean([one["outer/gradient_variance"] for one in drawn]) == pytest.approx(80, rel=0.05)


def test_noise_is_measured_every_so_often_over_batches_of_the_same_tasks(make, monkeypatch):
    learner = make("lvc-vpg", noise_every=2, noise_rounds=3)
    drawn, play = [], learner.play

    def note(outputs, tasks, episodes, **how):
        drawn.append(tasks)
        return play(outputs, tasks, episodes, **how)

    monkeypatch.setattr(learner, "play", note)
    measured = ["outer/gradient_noise" in learner.train() for _ in range(3)]
    assert measured == [True, False, True]
    assert len(drawn) == 6 + 2 + 6  # two batches in every meta-batch
    assert all((tasks == drawn[0]).all() for tasks in drawn[:6])


def test_dice_is_noisier_than_low_variance_curvature():
    theta, pulls = 0.7, 10
    spreads = {
        loss: np.std([derivatives(loss, theta, pulled(theta, pulls, 200, seed))[1] for seed in range(40)])
        for loss in (ratio_loss, dice_loss)
    }
    assert spreads[dice_loss] > 1.3 * spreads[ratio_loss]


def test_a_step_by_hand(make):
    # A linear policy without inputs to speak of: mean b, σ = 1. −mean[log π A] has the gradient −mean[(a − b) A] in b.
    learner = make("maml", hidden=(), inner_rate=0.5)
    parameters = {name: value.detach().clone() for name, value in learner.shared(2).items()}
    observations = torch.zeros(2, 1, 2, 2)
    actions = torch.tensor([[[[1.0, 0.0], [3.0, 0.0]]], [[[0.0, 2.0], [0.0, 0.0]]]])
    gains = torch.tensor([[[1.0, -2.0]], [[3.0, 1.0]]])
    weights = torch.full((2, 1, 2), 0.5)
    phase = Phase(observations, actions, torch.zeros(2, 1, 2, 4), gains, gains, gains, weights)
    moved = learner.step(parameters, phase)
    # Task 0: mean (1 · 1 − 2 · 3)/2 = −2.5 in the first coordinate; task 1: 3 · 2/2 = 3 in the second.
    torch.testing.assert_close(moved["bias0"], 0.5 * torch.tensor([[-2.5, 0.0], [0.0, 3.0]]))
    # In log σ: mean[A (a² − 1)], per coordinate.
    first = (1 * (1 - 1) - 2 * (9 - 1)) / 2, (1 * (0 - 1) - 2 * (0 - 1)) / 2
    torch.testing.assert_close(moved["log_std"][0], 0.5 * torch.tensor(first))
    half = learner.step(parameters, phase, factor=0.5)
    torch.testing.assert_close(half["bias0"], moved["bias0"] / 2)


def test_a_context_vector_adapts_alone(make):
    learner = make("context-vector")
    tasks = learner.family.test_tasks(2, None)
    played, gains = learner.play(learner.acting(learner.begin(tasks)), tasks, 4)
    before = learner.shared(2)
    moved = learner.step(before, learner.phase(before, played, gains))
    changed = {name for name in moved if not torch.equal(moved[name], before[name])}
    assert changed == {"context"}
    assert not torch.equal(moved["context"][0], moved["context"][1])


def test_later_steps_of_a_test_are_smaller(make, monkeypatch):
    learner = make("maml")
    factors, step = [], learner.step
    monkeypatch.setattr(learner, "step", lambda p, phase, factor: factors.append(factor) or step(p, phase, factor))
    learner.adapt(learner.family.test_tasks(1, None), 4, np.random.default_rng(0))
    assert factors == [1, 0.5, 0.5]


def test_the_outer_objective_is_differentiated_through_the_step(make, monkeypatch):
    learner = make("maml", meta_batch=2, inner_rate=0.5)
    seen = {}

    def record(parameters, outputs, objective, *rest):
        gradients = torch.autograd.grad(objective(outputs()), parameters)
        seen["gradient"] = dict(zip(learner.parameters, gradients, strict=True))
        seen["objective"] = lambda: objective(outputs())
        raise StopIteration

    monkeypatch.setattr("replications.maesn.maml.trust_region_step", record)
    with pytest.raises(StopIteration):
        learner.train()
    for name, value in learner.parameters.items():
        gradient = seen["gradient"][name].flatten()
        entry = gradient.abs().argmax()
        flat, step = value.detach().view(-1), 1e-2
        middle, ends = flat[entry].item(), []
        for end in (middle + step, middle - step):
            flat[entry] = end
            with torch.no_grad():
                ends.append(seen["objective"]().item())
        flat[entry] = middle
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(gradient[entry].item(), rel=0.03, abs=1e-3), name


def test_clipping_and_penalty_of_promp_by_hand(make):
    learner = make("promp", hidden=(), clip=0.3, meta_batch=1)
    # At the policy that played, all ratios are 1 and nothing diverges: the surrogate is the mean advantage.
    tasks = learner.family.train_tasks(1, np.random.default_rng(0))
    before = {name: value.detach() for name, value in learner.shared(1).items()}
    played, gains = learner.play(learner.acting(before), tasks, 4)
    phase = learner.phase(before, played, gains)
    adapted = {name: value.detach() for name, value in learner.step(before, phase).items()}
    played, gains = learner.play(learner.acting(adapted), tasks, 4)
    after = learner.phase(adapted, played, gains)
    clipped, divergence = learner.surrogate([phase], after)
    assert clipped.item() == pytest.approx((after.shares * after.advantages).sum().item(), abs=1e-5)
    assert divergence.item() == pytest.approx(0, abs=1e-6)
    # Move the starting mean by (1, 0): KL ½; ratios beyond 1 ± 0.3 count as if they were at the bound.
    with torch.no_grad():
        learner.parameters["bias0"] += torch.tensor([1.0, 0.0])
        clipped, divergence = learner.surrogate([phase], after)
        moved = learner.step(learner.shared(1), phase)
        new = learner.outputs(moved, after.observations)
        log_prob, old = (learner.policy.head.log_prob(of, after.actions) for of in (new, after.old))
        ratio = (log_prob - old).exp()
        bounded = torch.minimum(ratio * after.advantages, ratio.clamp(0.7, 1.3) * after.advantages)
    assert divergence.item() == pytest.approx(0.5, abs=1e-5)
    assert ((ratio - 1).abs() > 0.3).any()
    assert clipped.item() == pytest.approx((after.shares * bounded).sum().item(), abs=1e-5)


@pytest.mark.parametrize(("divergence", "factor"), [(0.02, 2.0), (0.01, 1.0), (0.005, 0.5)])
def test_an_adaptive_penalty_follows_its_target(make, monkeypatch, divergence, factor):
    learner = make("promp", kl_target=0.01, kl_weight=0.1)
    zero = torch.zeros((), requires_grad=True)
    monkeypatch.setattr(learner, "surrogate", lambda *_: (0 * zero, torch.tensor(divergence) + 0 * zero))
    learner.outer_step([], None)
    assert learner.kl_weight == pytest.approx(0.1 * factor)


def test_the_bonus_of_e_maml_by_hand(make):
    # Two tasks that earn 1 and 3 per step after adaptation: standardised −1 and 1. Their first batches' mean
    # log-likelihoods are those of a standard normal in two dimensions at 0 and at (1, 0).
    learner = make("e-maml", hidden=(), meta_batch=2)
    with torch.no_grad():
        learner.parameters["bias0"].zero_()
    zeros, weights = torch.zeros(2, 1, 1, 2), torch.ones(2, 1, 1)
    actions = torch.tensor([[[[0.0, 0.0]]], [[[1.0, 0.0]]]])
    first = Phase(zeros, actions, torch.zeros(2, 1, 1, 4), *[torch.zeros(2, 1, 1)] * 3, weights)
    after = first._replace(rewards=torch.tensor([[[1.0]], [[3.0]]]))
    log_probs = np.array([-math.log(2 * math.pi), -math.log(2 * math.pi) - 0.5])
    assert learner.bonus([first], after).item() == pytest.approx((log_probs * [-1, 1]).mean(), abs=1e-5)


def test_reptile_moves_towards_the_mean_of_what_tasks_adapt_to(make):
    learner = make("reptile", hidden=(), meta_batch=2, inner_rate=1.0, outer_rate=0.5)
    with torch.no_grad():
        for value in learner.parameters.values():
            value.zero_()
    zeros = torch.zeros(2, 1, 1, 2)
    actions, gains = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 4.0]]]]), torch.ones(2, 1, 1)
    phase = Phase(zeros, actions, torch.zeros(2, 1, 1, 4), gains, gains, gains, torch.ones(2, 1, 1))
    idle = phase._replace(advantages=torch.zeros(2, 1, 1))
    learner.outer_step([phase], idle)
    # Tasks adapt to means (1, 0) and (0, 4), whose mean is (0.5, 2); half of the way is made.
    torch.testing.assert_close(learner.parameters["bias0"].detach(), torch.tensor([0.25, 1.0]))


@pytest.mark.parametrize("method", ["maml", "promp"])
def test_learns_two_dimensional_navigation_in_seconds(make, method):
    from replications.maesn.maml_tasks import Navigation

    class Near(Navigation):
        horizon = 15

    learner = make(
        method, family=Near(), hidden=(32, 32), meta_batch=20, episodes=20, test_episodes=20, test_sparse=False,
        inner_rate=0.5, **({"max_kl": 0.03} if method == "maml" else {"learning_rate": 5e-3, "outer_steps": 5}),
    )  # fmt: skip
    tasks = learner.family.test_tasks(20, np.random.default_rng(0))
    untrained = learner.adapt(tasks, 2, np.random.default_rng(1))["return"].mean(axis=0)
    for _ in range(25):
        learner.train()
    trained = learner.adapt(tasks, 2, np.random.default_rng(1))["return"].mean(axis=0)
    assert trained[1] > trained[0] + 0.3
    assert trained[1] > untrained[1] + 0.5


def test_steps_that_did_not_take_place_do_not_count(make):
    learner = make("maml")
    (before,), whole = learner.sample(learner.family.train_tasks(3, learner.rng))
    assert whole.without_gaps() is whole
    took_place = torch.arange(8) < torch.tensor([[8, 3, 5, 1], [2, 2, 2, 2], [8, 8, 1, 7]])[:, :, None]
    shares = took_place / took_place.sum(dim=(1, 2), keepdim=True)
    before, after = before._replace(shares=shares), whole._replace(shares=shares)
    dense = after.without_gaps()
    assert dense.shares.shape == (3, 1, 24)
    torch.testing.assert_close(dense.shares.sum(dim=(1, 2)), torch.ones(3))
    for loss in (likelihood_loss, ratio_loss):
        for task in range(3):
            one, other = (Phase(*(part[task] for part in phase)) for phase in (after, dense))
            shared = {name: value.detach() for name, value in learner.parameters.items()}
            torch.testing.assert_close(loss(learner.policy, shared, one), loss(learner.policy, shared, other))
    moved, same = (learner.step(learner.shared(3), phase) for phase in (before, before.without_gaps()))
    for name, value in moved.items():
        torch.testing.assert_close(same[name], value)
    torch.testing.assert_close(dense.beginning(0.5).actions, dense.actions[:, :, :12])
    torch.testing.assert_close(whole.beginning(0.5).actions[:, 0], whole.actions[:, :2].flatten(1, 2))


@pytest.mark.parametrize(("loss", "episodes_apart"), [("dice", True), ("ratio", False)])
def test_dice_keeps_episodes_apart_in_the_outer_step(make, monkeypatch, loss, episodes_apart):
    learner, seen = make("lvc-vpg", family=NearGoals(), inner_loss=loss), []

    def note(phases, after):
        seen.extend([*phases, after])
        return {}

    monkeypatch.setattr(learner, "outer_step", note)
    returns = learner.train()
    assert {phase.shares.shape[1] > 1 for phase in seen} == {episodes_apart}
    assert returns["before/return"] < 0


def test_pretraining_follows_the_mean_of_tasks_policy_gradients(make):
    learner = make("pretrained-adam", ShortNavigation())
    tasks = learner.family.train_tasks(3, np.random.default_rng(0))
    batch = learner.batch(learner.shared(3), tasks)
    before = {name: value.detach().clone().requires_grad_() for name, value in learner.parameters.items()}
    earned = 0.0
    for observations, actions, gains in zip(batch.observations, batch.actions, batch.advantages, strict=True):
        mean, log_std = learner.policy(before, observations).chunk(2, dim=-1)
        log_probs = torch.distributions.Normal(mean, log_std.exp()).log_prob(actions).sum(dim=-1)
        earned = earned + (log_probs * gains).mean() / 3
    gradients = torch.autograd.grad(earned, list(before.values()))
    learner.outer_step([], batch)
    for (name, start), gradient in zip(before.items(), gradients, strict=True):
        expected = 1e-3 * gradient / (gradient.abs() + 1e-8)  # Adam's first step
        torch.testing.assert_close(learner.parameters[name].detach(), (start + expected).detach(), atol=2e-5, rtol=0)


def test_returns_of_pretraining_are_means_over_episodes(make):
    learner = make("pretrained-adam", NearGoals())
    found = learner.train()["train/return"]
    assert -8 * 0.9 < found < 0  # eight steps, never as far as 0.9 from the goal


def test_sparse_rewards_are_asked_of_who_pays_them(make):
    learner = make("maml", ShortNavigation())
    with pytest.raises(StudyError, match="'test_sparse': ShortNavigation pays no sparse rewards"):
        learner.adapt(learner.family.test_tasks(2, np.random.default_rng(0)), 2, np.random.default_rng(0))


def test_step_sizes_are_learned_only_where_the_outer_step_can(make):
    with pytest.raises(ValueError, match="learned_rates"):
        make("reptile", learned_rates=True)
