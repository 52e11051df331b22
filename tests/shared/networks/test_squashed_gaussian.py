import torch
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from shared.networks.squashed_gaussian import gaussian_head, sample


def test_log_densities_are_those_of_a_squashed_normal():
    generator = torch.Generator().manual_seed(0)
    mean, log_std, noise = (torch.randn(500, 3, generator=generator) * s for s in (0.5, 0.3, 1.0))
    actions, log_probs = sample(mean, log_std, noise)
    normal = Independent(Normal(mean, log_std.exp()), 1)
    exact = TransformedDistribution(normal, [TanhTransform(cache_size=1)])
    expected = exact.log_prob(exact.transforms[0](mean + log_std.exp() * noise))
    torch.testing.assert_close(actions, torch.tanh(mean + log_std.exp() * noise))
    inside = actions.abs().amax(dim=1) < 0.99  # nearer to the edge the 10⁻⁶ in the density's correction counts
    assert inside.sum() > 300
    torch.testing.assert_close(log_probs[inside], expected[inside], atol=1e-3, rtol=1e-3)


def test_log_deviations_are_clamped():
    mean, log_std = gaussian_head(torch.tensor([[1.0, 2.0, 5.0, -30.0]]))
    torch.testing.assert_close(mean, torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(log_std, torch.tensor([[2.0, -20.0]]))
