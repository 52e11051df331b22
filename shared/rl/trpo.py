"""Trust-region policy optimisation on flat parameter vectors (Schulman et al. 2015, Sec. 6 and App. C).

The caller supplies the outputs of its own policy and the surrogate as functions; steps write into its parameters.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from shared.networks.heads import Head


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """Concatenate tensors into one vector."""
    return torch.cat([t.reshape(-1) for t in tensors])


def unflatten(vector: Tensor, like: Iterable[Tensor]) -> list[Tensor]:
    """Split a vector into tensors of the shapes of `like`."""
    shapes = [t.shape for t in like]
    return [part.view(shape) for part, shape in zip(vector.split([s.numel() for s in shapes]), shapes, strict=True)]


def assign(parameters: Iterable[Tensor], vector: Tensor) -> None:
    """Write a flat vector into parameters in place."""
    parameters = list(parameters)
    with torch.no_grad():
        for parameter, value in zip(parameters, unflatten(vector, parameters), strict=True):
            parameter.copy_(value)


def conjugate_gradient(
    product: Callable[[Tensor], Tensor], b: Tensor, iterations: int, tolerance: float = 1e-10
) -> Tensor:
    """Return x with A x ≈ b for a symmetric positive definite A given by its products."""
    x = torch.zeros_like(b)
    residual, direction = b.clone(), b.clone()
    squared = residual.dot(residual)
    for _ in range(iterations):
        if squared <= tolerance:
            break
        image = product(direction)
        step = squared / direction.dot(image)
        x += step * direction
        residual -= step * image
        previous, squared = squared, residual.dot(residual)
        direction = residual + (squared / previous) * direction
    return x


def linearised(outputs: Tensor, parameters: list[Tensor]) -> tuple[Callable[[Tensor], Tensor], ...]:
    """Return products with the Jacobian J of `outputs` in `parameters`, as functions of vectors: v ↦ J v and w ↦ Jᵀ w.

    Vectors v are as long as all parameters together; w and J v have the shape of `outputs`. J v is the derivative of
    Jᵀ u in u: both products go back through one graph, which is made once.
    """
    u = torch.zeros_like(outputs, requires_grad=True)
    pulled = torch.autograd.grad(outputs, parameters, u, create_graph=True, materialize_grads=True)

    def push(v: Tensor) -> Tensor:
        return torch.autograd.grad(pulled, u, unflatten(v, parameters), retain_graph=True, materialize_grads=True)[0]

    def pull(w: Tensor) -> Tensor:
        return flatten(torch.autograd.grad(outputs, parameters, w, retain_graph=True, materialize_grads=True))

    return push, pull


def natural_step(
    gradient: Tensor, fisher_product: Callable[[Tensor], Tensor], max_kl: float, iterations: int, damping: float
) -> Tensor:
    """Return √(2δ / xᵀFx) x with x ≈ (F + damping·I)⁻¹ g: the natural-gradient step of KL δ to second order."""

    def damped(v: Tensor) -> Tensor:
        return fisher_product(v) + damping * v

    direction = conjugate_gradient(damped, gradient, iterations)
    curvature = direction.dot(damped(direction))
    if curvature <= 0:
        return torch.zeros_like(gradient)
    return torch.sqrt(2 * max_kl / curvature) * direction


class LineSearch(NamedTuple):
    """Where a line search ended: the parameters, the share of the full step, and the values there."""

    parameters: Tensor
    share: float
    surrogate: float
    kl: float

    @property
    def metrics(self) -> dict[str, float]:
        """The values by name; the surrogate is not finite where the outputs were not."""
        return {"outer/surrogate": self.surrogate, "outer/kl": self.kl, "outer/step_share": self.share}


def line_search(
    evaluate: Callable[[Tensor], tuple[float, float]],
    start: Tensor,
    step: Tensor,
    max_kl: float,
    backtracks: int = 10,
    shrink: float = 0.5,
) -> LineSearch:
    """Shrink the step until the surrogate improves on its value at `start` and KL ≤ `max_kl`; else stay at `start`.

    `evaluate(parameters)` returns (surrogate to be maximised, mean KL from the policy at `start`).
    """
    before, _ = evaluate(start)
    share = 1.0
    for _ in range(backtracks):
        surrogate, kl = evaluate(start + share * step)
        if surrogate > before and kl <= max_kl:  # false for NaN, so a broken step is never taken
            return LineSearch(start + share * step, share, surrogate, kl)
        share *= shrink
    return LineSearch(start, 0.0, before, 0.0)


class TrustRegion(NamedTuple):
    """Settings of a step: the largest mean KL, the Fisher products, and the line search."""

    max_kl: float
    cg_iterations: int = 10
    damping: float = 1e-5
    backtracks: int = 15
    shrink: float = 0.8


def trust_region_step(
    parameters: list[Tensor],
    outputs: Callable[[], Tensor],
    objective: Callable[[Tensor], Tensor],
    head: Head,
    weights: Tensor,
    region: TrustRegion,
    measured: Callable[[], tuple[Tensor, Tensor]] | None = None,
) -> LineSearch:
    """Take one step up `objective` in `parameters`, in place, with a mean KL of the policy of at most `region.max_kl`.

    `outputs()` are the policy's, `(…, width)` as `head` reads them, a function of the present parameters;
    `objective(outputs())` is a number, which may depend on the parameters in other ways too. `weights` `(…)` add up to
    1: the share of each output in the mean KL. `measured()` returns outputs and weights of a part of the batch by which
    the Fisher matrix is measured instead of by all.
    """
    now = outputs()
    old = now.detach()
    gradient = flatten(torch.autograd.grad(objective(now), parameters, materialize_grads=True))
    part, shares = measured() if measured else (outputs(), weights)
    at, (push, pull) = part.detach(), linearised(part, parameters)

    def fisher_product(v: Tensor) -> Tensor:
        return pull(shares[..., None] * head.fisher(at, push(v)))

    @torch.no_grad()
    def evaluate(vector: Tensor) -> tuple[float, float]:
        assign(parameters, vector)
        new = outputs()
        return float(objective(new)), float((weights * head.kl(old, new)).sum())

    step = natural_step(gradient, fisher_product, region.max_kl, region.cg_iterations, region.damping)
    found = line_search(evaluate, flatten(parameters).detach(), step, region.max_kl, region.backtracks, region.shrink)
    assign(parameters, found.parameters)
    return found
