import numpy as np
import pytest
from scipy import integrate, stats

from replications.rl2.beta_sampling import BetaSampler, propose, shape_of, standard_normals


def sampler_of(a, b, samples):
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    sampler = BetaSampler(samples, 1, len(a))
    sampler.update(np.arange(len(a)), a, b)
    return sampler


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 2), (5, 1), (1, 200), (30, 3), (250, 250)])
def test_draws_follow_the_beta_distribution(a, b):
    draws = sampler_of(a, b, 50_000).draw(np.random.default_rng(a * 1000 + b))
    x = np.sin(draws.theta.astype(float).ravel()) ** 2
    assert stats.kstest(x, stats.beta(a, b).cdf).pvalue > 1e-3


def test_a_wrong_posterior_would_be_noticed():
    draws = sampler_of(30, 3, 50_000).draw(np.random.default_rng(0))
    x = np.sin(draws.theta.astype(float).ravel()) ** 2
    assert stats.kstest(x, stats.beta(30, 3.2).cdf).pvalue < 1e-6


def test_draws_of_different_arms_are_independent_and_their_own():
    draws = sampler_of([2, 9], [9, 2], 50_000).draw(np.random.default_rng(0))
    x = np.sin(draws.theta[:, 0].astype(float)) ** 2
    np.testing.assert_allclose(x.mean(axis=0), [2 / 11, 9 / 11], atol=0.003)
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.02


def test_logarithms_belong_to_the_angles():
    theta, log_sin, log_cos = sampler_of([1, 7, 40], [1, 2, 300], 1000).draw(np.random.default_rng(0))
    np.testing.assert_allclose(log_sin, np.log(np.sin(theta.astype(float))), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(log_cos, np.log(np.cos(theta.astype(float))), rtol=1e-4, atol=1e-6)


# The ratio of the areas: ∫ sin^A θ cos^B θ dθ over the envelope's, computed by numerical integration.
@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 8), (1, 500), (300, 200)])
def test_share_of_accepted_proposals(a, b):
    A, B = 2 * a - 1, 2 * b - 1
    peak = (A * np.log(A / (A + B)) + B * np.log(B / (A + B))) / 2
    area, _ = integrate.quad(lambda t: np.exp(A * np.log(np.sin(t)) + B * np.log(np.cos(t)) - peak), 0, np.pi / 2)
    share = area * (np.sqrt(A) + np.sqrt(B)) / np.sqrt(2 * np.pi)
    shape = shape_of(np.array([float(a)]), np.array([float(b)]))
    _, accepted = propose(shape, np.empty((6, 20_000), np.float32), np.random.default_rng(0))
    assert accepted.mean() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("size", [1, 2, 50_001])
def test_standard_normals(size):
    out = np.full(size, np.nan, np.float32)
    standard_normals(out, np.empty_like(out), np.random.default_rng(size))
    assert np.isfinite(out).all()
    if size > 100:
        assert stats.kstest(out, stats.norm.cdf).pvalue > 1e-3
        assert abs(np.corrcoef(out[: size // 2], out[-(size // 2) :])[0, 1]) < 0.02  # the two of a pair
