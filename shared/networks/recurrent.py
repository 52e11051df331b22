"""Recurrent sequence-to-vector networks: a GRU with a linear head, over (T, N, inputs)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from shared.networks.gru import gru, gru_step, gru_trace


class WeightNorm(nn.Module):
    """A matrix `(inputs, outputs)` stored as direction v and length g per output column: w = g · v / ‖v‖.

    Salimans and Kingma 2016, without data-dependent initialisation, as in RL² (App. A): g starts at ‖v‖.
    """

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.v = nn.Parameter(matrix)
        self.g = nn.Parameter(matrix.norm(dim=0))

    def forward(self) -> Tensor:
        """Return the matrix `(inputs, outputs)`."""
        return self.v * (self.g / self.v.norm(dim=0))

    def tangent(self, d_v: Tensor, d_g: Tensor) -> Tensor:
        """Return the matrix's derivative along a change of its two parameters."""
        length = self.v.norm(dim=0)
        unit = self.v / length
        return unit * d_g + (self.g / length) * (d_v - unit * (unit * d_v).sum(dim=0))


class Plain(nn.Module):
    """A matrix `(inputs, outputs)` that is its own parameter."""

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.v = nn.Parameter(matrix)

    def forward(self) -> Tensor:
        """Return the matrix `(inputs, outputs)`."""
        return self.v

    def tangent(self, d_v: Tensor) -> Tensor:
        """Return the matrix's derivative along a change of its parameter."""
        return d_v


def xavier(inputs: int, outputs: int, generator: torch.Generator) -> Tensor:
    """Glorot and Bengio's uniform initialisation of an `(inputs, outputs)` matrix."""
    bound = (6.0 / (inputs + outputs)) ** 0.5
    return (torch.rand(inputs, outputs, generator=generator) * 2 - 1) * bound


def orthogonal(size: int, generator: torch.Generator) -> Tensor:
    """Return a random orthogonal `(size, size)` matrix, uniform over rotations and reflections."""
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    return (q * r.diagonal().sign()).float()


class RecurrentNetwork(nn.Module):
    """GRU and linear head; RL²'s policy and baseline networks (App. A).

    Parameters
    ----------
    inputs, hidden, outputs: widths.
    generator: source of the initial weights.
    weight_norm: store all matrices by direction and length.
    relu: candidate activation ReLU (the paper's) or tanh.
    head_scale: factor on the head's initial weights; 0 makes the first policy uniform.
    update_bias: initial bias of the update gate; negative values make the state change slowly at first.

    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        generator: torch.Generator,
        weight_norm: bool = True,
        relu: bool = True,
        head_scale: float = 1.0,
        update_bias: float = 0.0,
    ):
        super().__init__()
        matrix = WeightNorm if weight_norm else Plain
        self.hidden, self.relu = hidden, relu
        self.input_weight = matrix(torch.cat([xavier(inputs, hidden, generator) for _ in range(3)], dim=1))
        self.recurrent_weight = matrix(torch.cat([orthogonal(hidden, generator) for _ in range(3)], dim=1))
        bias = torch.zeros(3 * hidden)
        bias[:hidden] = update_bias
        self.bias = nn.Parameter(bias)
        # A head that starts at zero has no direction to normalise.
        head = xavier(hidden, outputs, generator) * head_scale
        self.head_weight = matrix(head) if head_scale else Plain(head)
        self.head_bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the head's outputs `(T, N, outputs)` over whole sequences `(T, N, inputs)` from h_0 = 0."""
        steps, batch, width = inputs.shape
        products = torch.addmm(self.bias, inputs.reshape(-1, width), self.input_weight())
        states = gru(products.view(steps, batch, -1), self.recurrent_weight(), self.relu)
        outputs = torch.addmm(self.head_bias, states.reshape(-1, self.hidden), self.head_weight())
        return outputs.view(steps, batch, -1)

    def linearize(
        self, inputs: Tensor
    ) -> tuple[Tensor, Callable[[list[Tensor]], Tensor], Callable[[Tensor], list[Tensor]]]:
        """Return the outputs at `inputs` and the two halves of their Jacobian J with respect to the parameters.

        The second item maps one tangent per parameter to J v `(T, N, outputs)`, the third maps a cotangent
        `(T, N, outputs)` to Jᵀ u, one tensor per parameter. Both reuse the one forward pass made here.
        """
        steps, batch, width = inputs.shape
        flat = inputs.reshape(-1, width)
        with torch.no_grad():
            head = self.head_weight().detach()
            products = torch.addmm(self.bias, flat, self.input_weight()).view(steps, batch, -1)
            trace = gru_trace(products, self.recurrent_weight(), self.relu)
            states = trace.states[1:].reshape(-1, self.hidden)
            outputs = torch.addmm(self.head_bias, states, head).view(steps, batch, -1)

        @torch.no_grad()
        def push(tangents: list[Tensor]) -> Tensor:
            d = dict(zip((name for name, _ in self.named_parameters()), tangents, strict=True))
            d_products = torch.addmm(d["bias"], flat, self._matrix_tangent("input_weight", d))
            d_states = trace.tangent(d_products.view(steps, batch, -1), self._matrix_tangent("recurrent_weight", d))
            d_outputs = torch.addmm(d["head_bias"], states, self._matrix_tangent("head_weight", d))
            return d_outputs.addmm_(d_states.reshape(-1, self.hidden), head).view(steps, batch, -1)

        def pull(cotangent: Tensor) -> list[Tensor]:
            flat_cotangent = cotangent.reshape(-1, cotangent.shape[-1])
            d_products, d_recurrent = trace.backward((flat_cotangent @ head.t()).view(steps, batch, -1))
            d_products = d_products.reshape(-1, d_products.shape[-1])
            matrices = [self.input_weight(), self.recurrent_weight(), self.head_weight()]
            gradients = [flat.t() @ d_products, d_recurrent, states.t() @ flat_cotangent]
            modules = (self.input_weight, self.recurrent_weight, self.head_weight)
            weights = [parameter for module in modules for parameter in module.parameters()]
            by_id = dict(zip(map(id, weights), torch.autograd.grad(matrices, weights, gradients), strict=True))
            by_id[id(self.bias)] = d_products.sum(dim=0)
            by_id[id(self.head_bias)] = flat_cotangent.sum(dim=0)
            return [by_id[id(parameter)] for parameter in self.parameters()]

        return outputs, push, pull

    def _matrix_tangent(self, matrix: str, tangents: dict[str, Tensor]) -> Tensor:
        """Return the derivative of one weight matrix along `tangents`, keyed by full parameter name."""
        module = getattr(self, matrix)
        return module.tangent(*(tangents[f"{matrix}.{name}"] for name, _ in module.named_parameters()))

    def actor(self) -> "Actor":
        """Return a step-by-step copy for acting with the current weights."""
        return Actor(self)


class Actor:
    """One-step evaluation of a `RecurrentNetwork` with frozen weights; the caller keeps the state `(N, hidden)`."""

    def __init__(self, network: RecurrentNetwork):
        with torch.no_grad():
            self._input, self._recurrent = network.input_weight(), network.recurrent_weight()
            self._head, self._head_bias = network.head_weight(), network.head_bias.detach()
            self._bias, self._relu, self._hidden = network.bias.detach(), network.relu, network.hidden

    def start(self, batch: int) -> Tensor:
        """Return the state at the start of a trial: zeros `(batch, hidden)`."""
        return torch.zeros(batch, self._hidden, device=self._bias.device)

    @torch.no_grad()
    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the head's outputs `(N, outputs)` and the next state `(N, hidden)` for inputs `(N, inputs)`."""
        state = gru_step(torch.addmm(self._bias, inputs, self._input), state, self._recurrent, self._relu)
        return torch.addmm(self._head_bias, state, self._head), state
