"""The recurrence against a step-by-step loop, autograd's numerical gradients and finite differences."""

import pytest
import torch

from shared.networks.gru import gru, gru_step, gru_trace

STEPS, BATCH, HIDDEN = 6, 3, 4


def loop(inputs, recurrent, relu):
    state, states = torch.zeros(BATCH, HIDDEN, dtype=inputs.dtype), []
    for products in inputs:
        state = gru_step(products, state, recurrent, relu)
        states.append(state)
    return torch.stack(states)


@pytest.fixture
def operands():
    generator = torch.Generator().manual_seed(3)
    shapes = (STEPS, BATCH, 3 * HIDDEN), (HIDDEN, 3 * HIDDEN)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


def test_one_step_follows_the_equations_by_hand():
    # One unit, h = 0.5, input products z, r, c = 0, 0, 1 and U = (0, 0, 2): both gates are 1/2, the candidate is
    # relu(1 + 2 · (1/2 · 0.5)) = 1.5, so h' = 0.5 · 0.5 + 0.5 · 1.5 = 1.
    state = gru_step(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5]]), torch.tensor([[0.0, 0.0, 2.0]]))
    assert state.item() == pytest.approx(1.0)


def test_reset_gate_selects_memory_before_the_product():
    # Two units with h = (1, 1). A reset gate of (1, 0) lets the candidate read the first unit alone: U_c swaps the
    # units, so the candidates are (0, 1), and with an open update gate h' = (0, 1).
    recurrent = torch.zeros(2, 6)
    recurrent[:, 4:] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    products = torch.tensor([[50.0, 50.0, 50.0, -50.0, 0.0, 0.0]])
    torch.testing.assert_close(gru_step(products, torch.ones(1, 2), recurrent), torch.tensor([[0.0, 1.0]]))


@pytest.mark.parametrize("relu", [True, False])
def test_sequence_equals_the_step_loop(operands, relu):
    assert torch.allclose(gru(*operands, relu), loop(*operands, relu), atol=1e-12)


@pytest.mark.parametrize("relu", [True, False])
def test_gradient_equals_numerical_gradient(operands, relu):
    assert torch.autograd.gradcheck(lambda x, u: gru(x, u, relu), operands)


@pytest.mark.parametrize("relu", [True, False])
def test_tangent_equals_finite_difference(operands, relu):
    x, u = (operand.detach() for operand in operands)
    dx, du = torch.randn_like(x), torch.randn_like(u)
    step = 1e-6
    difference = (loop(x + step * dx, u + step * du, relu) - loop(x - step * dx, u - step * du, relu)) / (2 * step)
    assert torch.allclose(gru_trace(x, u, relu).tangent(dx, du), difference, atol=1e-7)
