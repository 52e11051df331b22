"""Multilayer perceptrons with ReLU, over rows of inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """ReLU layers of the widths `hidden` and a linear output layer.

    Weights are drawn as in the authors' code of PEARL and of SAC before it: hidden ones from U(±1/√outputs), with
    biases of 0.1; the output layer's, biases too, from U(±`head_bound`).
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int, generator: torch.Generator, head_bound: float = 3e-3
    ):
        super().__init__()
        widths = [inputs, *hidden, outputs]
        bounds = [width**-0.5 for width in hidden] + [head_bound]
        # Stored (inputs, outputs), so that no pass has to transpose.
        self.weights = nn.ParameterList(
            _uniform((rows, columns), bound, generator)
            for rows, columns, bound in zip(widths[:-1], widths[1:], bounds, strict=True)
        )
        biases = [torch.full((width,), 0.1) for width in hidden] + [_uniform((outputs,), head_bound, generator)]
        self.biases = nn.ParameterList(biases)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `(N, inputs)` to `(N, outputs)`."""
        *hidden, (weight, bias) = zip(self.weights, self.biases, strict=True)
        for w, b in hidden:
            x = torch.addmm(b, x, w).relu_()
        return torch.addmm(bias, x, weight)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound
