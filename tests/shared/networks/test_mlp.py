import torch

from shared.networks.mlp import MLP


def test_layers_are_linear_with_relu_between_them():
    network = MLP(2, [2], 1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.weights[0].copy_(torch.tensor([[1.0, -1.0], [2.0, 0.5]]))
        network.biases[0].copy_(torch.tensor([0.5, 0.0]))
        network.weights[1].copy_(torch.tensor([[3.0], [10.0]]))
        network.biases[1].fill_(-1.0)
    # (1, 1): hidden 3.5 and −0.5 → 0, so 10.5 − 1; (−2, 0): hidden −1.5 → 0 and 2, so 20 − 1.
    torch.testing.assert_close(network(torch.tensor([[1.0, 1.0], [-2.0, 0.0]])), torch.tensor([[9.5], [19.0]]))


def test_first_weights_lie_within_their_bounds():
    network = MLP(50, [400, 100], 20, torch.Generator().manual_seed(0), head_bound=1e-3)
    for weight, bound in zip(network.weights, (400**-0.5, 100**-0.5, 1e-3), strict=True):
        assert 0.99 * bound < weight.abs().max() <= bound
    assert all((bias == torch.tensor(0.1)).all() for bias in network.biases[:2])
    assert network.biases[2].abs().max() <= 1e-3
