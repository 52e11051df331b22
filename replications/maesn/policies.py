"""Gaussian policies as functions of their parameters, of which every task may have its own."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from shared.networks.heads import Gaussian

Parameters = dict[str, Tensor]
MIN_LOG_STD = math.log(1e-6)


class GaussianPolicy:
    """π_θ(a|x) = N(m_θ(x), diag e^{2ρ}): a perceptron's mean and standard deviations that do not depend on x.

    Outputs are as `shared.networks.heads.Gaussian` reads them: means, then log standard deviations.
    """

    def __init__(self, inputs: int, actions: int, hidden: Sequence[int], activation: Literal["relu", "tanh"]):
        self.widths = [inputs, *hidden, actions]
        self.head = Gaussian(actions)
        self.activate = {"relu": torch.relu, "tanh": torch.tanh}[activation]

    def initial(self, generator: torch.Generator) -> Parameters:
        """Draw parameters: weights by Xavier's uniform rule, biases 0, log standard deviations 0."""
        parameters = {}
        for layer, (rows, columns) in enumerate(zip(self.widths[:-1], self.widths[1:], strict=True)):
            bound = math.sqrt(6 / (rows + columns))
            parameters[f"weight{layer}"] = bound * (2 * torch.rand((rows, columns), generator=generator) - 1)
            parameters[f"bias{layer}"] = torch.zeros(columns)
        return parameters | {"log_std": torch.zeros(self.widths[-1])}

    def __call__(self, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Return outputs `(…, S, 2 · actions)` of inputs `(…, S, inputs)`.

        Parameters have the shapes of `initial`, or all of them a leading dimension of tasks, which x then has too.
        """
        layers = len(self.widths) - 1
        for layer in range(layers):
            x = x @ parameters[f"weight{layer}"] + parameters[f"bias{layer}"].unsqueeze(-2)
            if layer < layers - 1:
                x = self.activate(x)
        log_std = parameters["log_std"].clamp(min=MIN_LOG_STD).unsqueeze(-2).expand_as(x)
        return torch.cat([x, log_std], dim=-1)
