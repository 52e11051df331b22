"""Trust-region pieces against problems whose solution is known."""

import pytest
import torch

from shared.rl.trpo import assign, conjugate_gradient, flatten, line_search, natural_step, unflatten

MATRIX = torch.tensor([[4.0, 1.0], [1.0, 3.0]])


def test_conjugate_gradient_solves_a_two_by_two_system_in_two_steps():
    # [[4, 1], [1, 3]] x = (1, 2) has x = (1/11, 7/11).
    x = conjugate_gradient(lambda v: MATRIX @ v, torch.tensor([1.0, 2.0]), iterations=2)
    torch.testing.assert_close(x, torch.tensor([1 / 11, 7 / 11]))


def test_natural_step_maximises_the_gain_on_the_quadratic_trust_region():
    # Maximise gᵀs subject to sᵀFs/2 = δ: s = √(2δ / gᵀF⁻¹g) F⁻¹g.
    gradient, max_kl = torch.tensor([1.0, 2.0]), 0.01
    step = natural_step(gradient, lambda v: MATRIX @ v, max_kl, iterations=10, damping=0.0)
    assert (step @ MATRIX @ step / 2).item() == pytest.approx(max_kl, rel=1e-5)
    natural = torch.linalg.solve(MATRIX, gradient)
    torch.testing.assert_close(step, natural * torch.sqrt(2 * max_kl / (gradient @ natural)))


def test_line_search_keeps_the_kl_bound():
    # Surrogate x, KL x²: from 0 with a step of 1 the first share of at most √0.1 is 1/4.
    found = line_search(lambda v: (v.item(), v.item() ** 2), torch.zeros(1), torch.ones(1), max_kl=0.1)
    assert (found.share, found.parameters.item()) == (0.25, 0.25)
    assert found.kl <= 0.1


@pytest.mark.parametrize("surrogate", [lambda x: -x, lambda x: float("nan")])
def test_line_search_stays_where_nothing_improves(surrogate):
    found = line_search(lambda v: (surrogate(v.item()), 0.0), torch.zeros(1), torch.ones(1), max_kl=0.1)
    assert (found.share, found.parameters.item()) == (0.0, 0.0)


def test_flat_vectors_round_trip():
    parameters = [torch.nn.Parameter(torch.arange(6.0).view(2, 3)), torch.nn.Parameter(torch.tensor([7.0]))]
    vector = flatten(parameters).detach()
    assert [part.shape for part in unflatten(vector, parameters)] == [(2, 3), (1,)]
    assign(parameters, vector + 1)
    torch.testing.assert_close(flatten(parameters).detach(), vector + 1)
