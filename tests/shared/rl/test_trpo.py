"""Trust-region pieces against problems whose solution is known."""

import pytest
import torch

from shared.networks.heads import Gaussian
from shared.rl.trpo import (
    TrustRegion,
    assign,
    conjugate_gradient,
    flatten,
    line_search,
    linearised,
    natural_step,
    trust_region_step,
    unflatten,
)

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


def test_jacobian_products_of_a_function_with_a_known_jacobian():
    # y = (x₀², 3 x₁) at (2, 5): J = diag(4, 3); a third parameter plays no part.
    x, idle = torch.tensor([2.0, 5.0], requires_grad=True), torch.ones(1, requires_grad=True)
    push, pull = linearised(torch.stack([x[0] ** 2, 3 * x[1]]), [x, idle])
    torch.testing.assert_close(push(torch.tensor([1.0, 1.0, 9.0])), torch.tensor([4.0, 3.0]))
    torch.testing.assert_close(pull(torch.tensor([1.0, 2.0])), torch.tensor([4.0, 6.0, 0.0]))


def test_jacobian_products_are_those_of_forward_and_reverse_mode_on_a_network():
    torch.manual_seed(0)
    weights, x = torch.randn(3, 2, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)

    def network(w):
        return torch.tanh(x @ w)

    v, w = torch.randn(6, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    leaf = weights.clone().requires_grad_()
    push, pull = linearised(network(leaf), [leaf])
    torch.testing.assert_close(push(v), torch.func.jvp(network, (weights,), (v.view(3, 2),))[1])
    torch.testing.assert_close(pull(w), torch.func.vjp(network, weights)[1](w)[0].flatten())


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_trust_region_step_on_a_quadratic(share):
    # A Gaussian policy whose two means are the parameters, with standard deviation 1: KL = ‖θ − θ₀‖²/2. Up the gradient
    # (3, 4) the step of KL 0.02 is 0.2 · (0.6, 0.8), and measured by one of two equal outputs it is the same.
    theta, region = torch.tensor([1.0, -1.0], requires_grad=True), TrustRegion(max_kl=0.02001, damping=0.0)
    head, weights = Gaussian(2), torch.tensor([0.5, 0.5])

    def outputs(rows=2):
        return torch.cat([theta, torch.zeros(2)]).expand(rows, 4)

    measured = (lambda: (outputs(1), torch.ones(1))) if share < 1 else None
    gradient = torch.tensor([3.0, 4.0])
    found = trust_region_step([theta], outputs, lambda new: new[0, :2] @ gradient, head, weights, region, measured)
    torch.testing.assert_close(theta.detach(), torch.tensor([1.12, -0.84]), atol=1e-4, rtol=0)
    assert found.share == 1.0
    assert found.kl == pytest.approx(0.02, abs=2e-5)


def test_a_step_that_does_not_help_is_not_taken():
    theta = torch.zeros(1, requires_grad=True)
    head = Gaussian(1)
    # Up the gradient at 0, but worse at any step that the line search tries.
    found = trust_region_step(
        [theta],
        lambda: torch.cat([theta, torch.zeros(1)])[None],
        lambda new: new[0, 0] - 1e6 * new[0, 0] ** 2,
        head,
        torch.ones(1),
        TrustRegion(max_kl=0.01),
    )
    assert (found.share, theta.item()) == (0.0, 0.0)
