"""The recurrent network: acting step by step, its Jacobian, weight normalisation and initialisation."""

import pytest
import torch

from shared.networks.recurrent import RecurrentNetwork, WeightNorm, orthogonal


def network(**options):
    return RecurrentNetwork(4, 6, 3, torch.Generator().manual_seed(0), **options).double()


@pytest.fixture
def inputs():
    return torch.randn(5, 7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_acting_step_by_step_equals_the_sequence_pass(inputs):
    net = network()
    actor = net.actor()
    hidden, outputs = actor.start(7).double(), []
    for x in inputs:
        output, hidden = actor.step(x, hidden)
        outputs.append(output)
    assert torch.allclose(torch.stack(outputs), net(inputs), atol=1e-12)


@pytest.mark.parametrize("weight_norm", [True, False])
def test_jacobian_halves_agree_with_autograd(inputs, weight_norm):
    net = network(weight_norm=weight_norm, relu=False)
    parameters = list(net.parameters())
    outputs, push, pull = net.linearize(inputs)
    cotangent = torch.randn_like(outputs)
    gradients = torch.autograd.grad(net(inputs), parameters, cotangent)
    assert torch.allclose(outputs, net(inputs))
    for ours, theirs in zip(pull(cotangent), gradients, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-10)
    # <u, J v> = <Jᵀ u, v> ties the forward half to the backward one.
    tangents = [torch.randn_like(p) for p in parameters]
    expected = sum((g * t).sum() for g, t in zip(gradients, tangents, strict=True))
    assert torch.allclose((push(tangents) * cotangent).sum(), expected)


def test_weight_norm_keeps_the_first_matrix_and_scales_its_columns():
    matrix = torch.tensor([[3.0, 1.0], [4.0, 0.0]])
    module = WeightNorm(matrix.clone())
    assert torch.allclose(module(), matrix)
    with torch.no_grad():
        module.g.copy_(torch.tensor([10.0, 2.0]))
    assert torch.allclose(module(), torch.tensor([[6.0, 2.0], [8.0, 0.0]]))


def test_recurrent_blocks_start_orthogonal():
    q = orthogonal(8, torch.Generator().manual_seed(0))
    assert torch.allclose(q @ q.t(), torch.eye(8), atol=1e-6)


def test_zero_head_gives_equal_outputs(inputs):
    assert not network(head_scale=0.0)(inputs).any()
