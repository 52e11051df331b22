import gymnasium as gym
import numpy as np
import pytest
import torch
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Independent, Normal, kl_divergence

from shared.networks.heads import Categorical, Gaussian, head_for


def distribution(head, outputs):
    """The same distribution by torch."""
    if isinstance(head, Categorical):
        return TorchCategorical(logits=outputs)
    mean, log_std = outputs.chunk(2, dim=-1)
    return Independent(Normal(mean, log_std.exp()), 1)


@pytest.fixture(params=[Categorical(4), Gaussian(3)], ids=["categorical", "gaussian"])
def head(request):
    return request.param


def outputs_of(head, seed=0):
    return torch.randn(7, 5, head.width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_densities_entropies_and_divergences_are_torchs(head):
    outputs, others = outputs_of(head), outputs_of(head, 1)
    torch.manual_seed(0)
    actions = distribution(head, outputs).sample()
    torch.testing.assert_close(head.log_prob(outputs, actions), distribution(head, outputs).log_prob(actions))
    torch.testing.assert_close(head.entropy(outputs), distribution(head, outputs).entropy())
    expected = kl_divergence(distribution(head, outputs), distribution(head, others))
    torch.testing.assert_close(head.kl(outputs, others), expected)


def test_the_fisher_matrix_is_the_curvature_of_the_divergence(head):
    outputs = outputs_of(head)[0, 0]
    curvature = torch.autograd.functional.hessian(lambda new: head.kl(outputs, new), outputs)
    tangent = torch.linspace(-1, 2, head.width, dtype=torch.float64)
    torch.testing.assert_close(head.fisher(outputs, tangent), curvature @ tangent)


def test_discrete_actions_are_drawn_with_their_probabilities():
    logits = torch.log(torch.tensor([0.1, 0.6, 0.3])).repeat(50_000, 1)
    actions, log_probs = Categorical(3).sample(logits, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(actions) / 50_000, [0.1, 0.6, 0.3], atol=0.01)
    np.testing.assert_allclose(log_probs.exp(), np.array([0.1, 0.6, 0.3])[actions], rtol=1e-5)


def test_continuous_actions_are_drawn_with_their_means_and_deviations():
    outputs = torch.tensor([1.0, -2.0, 0.0, np.log(0.5)], dtype=torch.float32).repeat(50_000, 1)
    actions, log_probs = Gaussian(2).sample(outputs, np.random.default_rng(0))
    np.testing.assert_allclose(actions.mean(axis=0), [1.0, -2.0], atol=0.02)
    np.testing.assert_allclose(actions.std(axis=0), [1.0, 0.5], rtol=0.02)
    torch.testing.assert_close(log_probs, Gaussian(2).log_prob(outputs, torch.from_numpy(actions)))


def test_a_head_for_every_space():
    assert head_for(gym.spaces.Discrete(5)).width == 5
    assert head_for(gym.spaces.Box(-1, 1, (3,))).width == 6
