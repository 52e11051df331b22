"""A gated recurrent unit over whole sequences: value, gradient and directional derivative written out by hand.

The gates follow RL² (Duan et al. 2016, App. A; Cho et al. 2014): update gate z, reset gate r, candidate c,

    z_t = σ(W_z x_t + b_z + U_z h_{t-1})
    r_t = σ(W_r x_t + b_r + U_r h_{t-1})
    c_t = φ(W_c x_t + b_c + U_c (r_t ∘ h_{t-1}))
    h_t = (1 − z_t) ∘ h_{t-1} + z_t ∘ c_t

with φ = ReLU in the paper. The reset gate acts on the state before its product with U_c, so that the input can choose
which parts of the memory are read. Only the part that depends on h is sequential: the input products of all steps, and
the gradient of U over all steps, are one matrix product each. The loops over time are compiled once by TorchScript, so
a pass runs no Python per step. The tangent pass makes a Fisher-vector product cost one tangent and one gradient pass,
without second derivatives.

Shapes: T steps, N sequences, H units. Gates are stored side by side in the order z, r, c.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


def compiled(function: Callable) -> Callable:
    """Compile with TorchScript, quietly: its successor needs a C++ compiler on the user's machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(function)


@compiled
def _forward(inputs: Tensor, recurrent: Tensor, relu: bool) -> tuple[Tensor, Tensor]:
    """Return states `(T+1, N, H)` and gates z|r|c `(T, N, 3H)`."""
    steps, batch, width = inputs.shape
    hidden = width // 3
    states = torch.zeros([steps + 1, batch, hidden], dtype=inputs.dtype, device=inputs.device)
    gates = torch.empty_like(inputs)
    to_gates, to_candidate = recurrent[:, : 2 * hidden].contiguous(), recurrent[:, 2 * hidden :].contiguous()
    kept = torch.empty([batch, hidden], dtype=inputs.dtype, device=inputs.device)
    for t in range(steps):
        sigma, c = gates[t, :, : 2 * hidden], gates[t, :, 2 * hidden :]
        torch.addmm(inputs[t, :, : 2 * hidden], states[t], to_gates, out=sigma)
        sigma.sigmoid_()
        torch.mul(sigma[:, hidden:], states[t], out=kept)
        torch.addmm(inputs[t, :, 2 * hidden :], kept, to_candidate, out=c)
        if relu:
            c.relu_()
        else:
            c.tanh_()
        torch.lerp(states[t], c, sigma[:, :hidden], out=states[t + 1])
    return states, gates


@compiled
def _backward(grad: Tensor, states: Tensor, gates: Tensor, recurrent: Tensor, relu: bool) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to the input products `(T, N, 3H)` and to U `(H, 3H)`."""
    steps, batch, width = gates.shape
    hidden = width // 3
    d_inputs = torch.empty_like(gates)
    kept = torch.empty_like(states[1:])
    d_state = torch.zeros([batch, hidden], dtype=grad.dtype, device=grad.device)
    work = torch.empty_like(d_state)
    d_kept = torch.empty_like(d_state)
    from_gates = recurrent[:, : 2 * hidden].t().contiguous()
    from_candidate = recurrent[:, 2 * hidden :].t().contiguous()
    for back in range(steps):
        # One step's tensors at a time, in buffers that stay in the cache: whole-sequence temporaries halve the speed.
        t = steps - 1 - back
        z, r, c = gates[t, :, :hidden], gates[t, :, hidden : 2 * hidden], gates[t, :, 2 * hidden :]
        d_in = d_inputs[t]
        d_z, d_r, d_c = d_in[:, :hidden], d_in[:, hidden : 2 * hidden], d_in[:, 2 * hidden :]
        d_state.add_(grad[t])
        torch.mul(d_state, z, out=work)
        if relu:
            torch.ops.aten.threshold_backward(work, c, 0.0, grad_input=d_c)
        else:
            torch.ops.aten.tanh_backward(work, c, grad_input=d_c)
        d_state.sub_(work)  # what h_{t-1} gets past the gate: (1 - z) of the gradient
        work.addcmul_(work, z, value=-1.0)
        torch.sub(c, states[t], out=d_z)
        d_z.mul_(work)
        torch.mm(d_c, from_candidate, out=d_kept)
        torch.mul(d_kept, states[t], out=work)
        torch.ops.aten.sigmoid_backward(work, r, grad_input=d_r)
        torch.mul(r, states[t], out=kept[t])
        d_state.addcmul_(d_kept, r)
        d_state.addmm_(d_in[:, : 2 * hidden], from_gates)
    flat = d_inputs.reshape(-1, width)
    d_recurrent = torch.empty_like(recurrent)
    d_recurrent[:, : 2 * hidden] = states[:-1].reshape(-1, hidden).t() @ flat[:, : 2 * hidden]
    d_recurrent[:, 2 * hidden :] = kept.reshape(-1, hidden).t() @ flat[:, 2 * hidden :]
    return d_inputs, d_recurrent


@compiled
def _tangent(
    d_inputs: Tensor, d_recurrent: Tensor, states: Tensor, gates: Tensor, recurrent: Tensor, relu: bool
) -> Tensor:
    """Return the derivative of h_0..h_T `(T+1, N, H)` along tangents of the input products and of U."""
    steps, batch, width = gates.shape
    hidden = width // 3
    to_gates, to_candidate = recurrent[:, : 2 * hidden].contiguous(), recurrent[:, 2 * hidden :].contiguous()
    d_gates, d_candidate = d_recurrent[:, : 2 * hidden].contiguous(), d_recurrent[:, 2 * hidden :].contiguous()
    out = torch.empty_like(states)
    out[0].zero_()
    d_sigma = torch.empty([batch, 2 * hidden], dtype=states.dtype, device=states.device)
    work = torch.empty_like(out[0])
    slope = torch.empty_like(work)
    for t in range(steps):
        z, r, c = gates[t, :, :hidden], gates[t, :, hidden : 2 * hidden], gates[t, :, 2 * hidden :]
        torch.addmm(d_inputs[t, :, : 2 * hidden], out[t], to_gates, out=d_sigma)
        d_sigma.addmm_(states[t], d_gates)
        torch.ops.aten.sigmoid_backward(d_sigma, gates[t, :, : 2 * hidden], grad_input=d_sigma)
        torch.mul(r, states[t], out=work)
        torch.addmm(d_inputs[t, :, 2 * hidden :], work, d_candidate, out=slope)
        torch.mul(r, out[t], out=work)
        work.addcmul_(d_sigma[:, hidden:], states[t])
        slope.addmm_(work, to_candidate)
        if relu:
            torch.ops.aten.threshold_backward(slope, c, 0.0, grad_input=slope)
        else:
            torch.ops.aten.tanh_backward(slope, c, grad_input=slope)
        d_h = out[t + 1]
        torch.lerp(out[t], slope, z, out=d_h)
        torch.sub(c, states[t], out=work)
        d_h.addcmul_(d_sigma[:, :hidden], work)
    return out


@dataclass(frozen=True)
class GRUTrace:
    """What a forward pass leaves behind for the gradient and tangent passes.

    states `(T+1, N, H)` with h_0 = 0 first, gates z|r|c `(T, N, 3H)`.
    """

    states: Tensor
    gates: Tensor
    recurrent: Tensor
    relu: bool

    def backward(self, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Pull dL/dh_1..h_T `(T, N, H)` back to the input products `(T, N, 3H)` and to U `(H, 3H)`."""
        return _backward(grad, self.states, self.gates, self.recurrent, self.relu)

    def tangent(self, d_inputs: Tensor, d_recurrent: Tensor) -> Tensor:
        """Push tangents of the input products and of U forward to h_1..h_T `(T, N, H)`."""
        trace = self.states, self.gates, self.recurrent, self.relu
        return _tangent(d_inputs, d_recurrent, *trace)[1:]


def gru_trace(inputs: Tensor, recurrent: Tensor, relu: bool) -> GRUTrace:
    """Run the recurrence from h_0 = 0 over input products W x + b `(T, N, 3H)` with U `(H, 3H)`."""
    with torch.no_grad():
        recurrent = recurrent.detach()
        return GRUTrace(*_forward(inputs.detach(), recurrent, relu), recurrent, relu)


class _Recurrence(torch.autograd.Function):
    """h_1..h_T as a node of autograd's graph."""

    @staticmethod
    def forward(ctx, inputs: Tensor, recurrent: Tensor, relu: bool) -> Tensor:
        ctx.trace = gru_trace(inputs, recurrent, relu)
        return ctx.trace.states[1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        return *ctx.trace.backward(grad), None


def gru(inputs: Tensor, recurrent: Tensor, relu: bool = True) -> Tensor:
    """Return h_1..h_T `(T, N, H)` from input products W x + b `(T, N, 3H)` and U `(H, 3H)`; differentiable once."""
    return _Recurrence.apply(inputs, recurrent, relu)


def gru_step(inputs: Tensor, state: Tensor, recurrent: Tensor, relu: bool = True) -> Tensor:
    """Return h_t `(N, H)` from the input products of one step `(N, 3H)` and h_{t-1} `(N, H)`; for acting."""
    hidden = state.shape[1]
    sigma = torch.addmm(inputs[:, : 2 * hidden], state, recurrent[:, : 2 * hidden]).sigmoid_()
    c = torch.addmm(inputs[:, 2 * hidden :], sigma[:, hidden:] * state, recurrent[:, 2 * hidden :])
    c = c.relu_() if relu else c.tanh_()
    return torch.lerp(state, c, sigma[:, :hidden])
