import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from replications.pearl.encoders import kl_to_prior, make_encoder, product_of_gaussians


def test_product_of_two_gaussians_by_hand():
    # N(0, 1) · N(3, 2): precision 1 + ½, variance ⅔, mean ⅔ · (0 + 3/2) = 1.
    means, variances = torch.tensor([[[0.0], [3.0]]]), torch.tensor([[[1.0], [2.0]]])
    mean, variance = product_of_gaussians(means, variances, torch.ones(1, 2))
    assert (mean.item(), variance.item()) == pytest.approx((1.0, 2 / 3))


def test_product_is_proportional_to_the_densities():
    generator = torch.Generator().manual_seed(0)
    means, variances = torch.randn(4, 6, 1, generator=generator), torch.rand(4, 6, 1, generator=generator) + 0.3
    mask = torch.tensor([[1.0, 1, 1, 1, 1, 1], [1, 0, 1, 0, 1, 1], [0, 0, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0]])
    mean, variance = product_of_gaussians(means, variances, mask)
    points = torch.linspace(-2, 2, 9)
    logs = (mask[..., None] * Normal(means, variances.sqrt()).log_prob(points)).sum(dim=1)
    differences = logs - Normal(mean, variance.sqrt()).log_prob(points)
    torch.testing.assert_close(differences, differences[:, :1].expand(-1, 9), atol=1e-4, rtol=1e-4)


def test_divergence_is_summed_over_tasks_and_dimensions():
    mean, variance = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 4.0], [0.25, 1.0]])
    expected = kl_divergence(Normal(mean, variance.sqrt()), Normal(torch.zeros(2, 2), torch.ones(2, 2))).sum()
    assert kl_to_prior(mean, variance).item() == pytest.approx(expected.item())
    # By hand: ½ for a mean of 1; ½ (4 − 1 − log 4); ½ (¼ − 1 − log ¼); ½ · 4 for a mean of 2.
    by_hand = 0.5 + 0.5 * (3 - np.log(4)) + 0.5 * (-0.75 + np.log(4)) + 2
    assert expected.item() == pytest.approx(by_hand)


def contexts():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 7, 4, generator=generator), torch.tensor([[1.0] * 7, [1, 1, 0, 1, 0, 0, 1], [0, 1] + [0] * 5])


@pytest.mark.parametrize("kind", ["probabilistic", "deterministic", "recurrent"])
def test_what_the_mask_hides_does_not_matter(kind):
    encoder = make_encoder(kind, 4, 16, 2, torch.Generator().manual_seed(0))
    context, mask = contexts()
    mean, variance = encoder(context, mask)
    assert mean.shape == variance.shape == (3, 2)
    again = encoder(torch.where(mask[..., None] > 0, context, 99.0), mask)
    torch.testing.assert_close(again, (mean, variance))
    for task in range(3):
        alone = context[task, mask[task] > 0][None]
        torch.testing.assert_close(encoder(alone, torch.ones(1, alone.shape[1]))[0][0], mean[task])


@pytest.mark.parametrize(
    ("kind", "invariant"), [("probabilistic", True), ("deterministic", True), ("recurrent", False)]
)
def test_only_the_recurrent_encoder_sees_the_order(kind, invariant):
    encoder = make_encoder(kind, 4, 16, 2, torch.Generator().manual_seed(0))
    context, _ = contexts()
    means = [encoder(c, torch.ones(3, 7))[0] for c in (context, context.flip(1))]
    assert torch.allclose(*means, atol=1e-7) == invariant


def test_a_deterministic_latent_has_no_variance_and_others_have():
    context, mask = contexts()
    variances = {
        kind: make_encoder(kind, 4, 16, 2, torch.Generator().manual_seed(0))(context, mask)[1]
        for kind in ("probabilistic", "deterministic", "recurrent")
    }
    assert (variances["deterministic"] == 0).all()
    assert (variances["probabilistic"] > 0).all()
    assert (variances["recurrent"] > 0).all()
    # Seven factors are narrower than one.
    assert (variances["probabilistic"][0] < variances["probabilistic"][2]).all()
