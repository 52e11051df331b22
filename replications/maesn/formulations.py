"""ProMP's comparison of two formulations of the meta-gradient where a policy has two parameters (its Figure 5).

Both differentiate E[R(τ')], τ' drawn after one gradient step on trajectories τ, by where that step starts. Formulation
I has the expectation over τ inside the step, θ' = θ + α ∇E[R(τ)]: its derivative credits a trajectory τ with how far
its own gradient points where τ' says. Formulation II has it outside, θ' = θ + α ∇ log π(τ) R(τ): all trajectories are
credited alike, with the mean of R(τ').
"""

import torch
from pydantic import Field
from torch import Tensor

from replications.maesn.adaptation import AdaptationConfig, GradientAdaptation, Phase
from replications.maesn.policies import Parameters
from replications.maesn.rollouts import Advantages, Trajectories


class Config(AdaptationConfig):
    """Hyper-parameters of both formulations; without hidden layers a policy has two parameters and a fixed spread."""

    learning_rate: float = Field(gt=0, description="of plain gradient ascent")
    start: tuple[float, float] = Field(description="the parameters at first: the factor of the input, the constant")
    optimum: tuple[float, float] = Field(description="from which `distance` is measured")


class FormulationI(GradientAdaptation):
    """Plain gradient ascent on E[R(τ')] through an inner step by DiCE's estimator, with whole returns, no baseline."""

    Config = Config

    def initial_parameters(self, generator: torch.Generator) -> Parameters:
        """Return where the figure starts."""
        factor, constant = self.config.start
        return self.policy.initial(generator) | {
            "weight0": torch.tensor([[factor]]),
            "bias0": torch.tensor([constant]),
        }

    def adaptable(self, parameters: Parameters) -> list[str]:
        """Return the names of the two."""
        return ["weight0", "bias0"]

    def advantages(self, played: Trajectories) -> Advantages:
        """Return for every step the whole return R of its trajectory, times their number T, so that means are sums."""
        returns = played.rewards.sum(dim=2, keepdim=True) * played.rewards.shape[2]
        last = torch.zeros_like(played.rewards)
        last[:, :, -1:] = returns
        return Advantages(returns.expand_as(played.rewards), returns[:, :, 0], excess=last)

    def outer_step(self, phases: list[Phase], after: Phase) -> dict[str, float]:
        """Take a step up the objective."""
        c, moving = self.config, [self.parameters[name] for name in self.adaptable(self.parameters)]
        gradients = torch.autograd.grad(self.objective(phases, after), moving)
        with torch.no_grad():
            for value, gradient in zip(moving, gradients, strict=True):
                value += c.learning_rate * gradient
        now = torch.stack([value.detach().squeeze() for value in moving])
        metrics = {"theta/factor": float(now[0]), "theta/constant": float(now[1])}
        return metrics | {"theta/distance": float(torch.linalg.norm(now - torch.tensor(c.optimum)))}

    def objective(self, phases: list[Phase], after: Phase) -> Tensor:
        """Return the mean over tasks of mean[log π_θ'(τ') R(τ')], θ' a function of θ."""
        outputs = self.outputs(self.adapted(phases), after.observations)
        log_probs = self.policy.head.log_prob(outputs, after.actions)
        return (after.shares * log_probs * after.advantages).sum() / len(after.shares)


class FormulationII(FormulationI):
    """The same through an inner step by the likelihood, plus log π_θ(τ) of all τ times the mean of R(τ')."""

    def objective(self, phases: list[Phase], after: Phase) -> Tensor:
        """Return the objective of formulation I, and what credits the trajectories before adaptation."""
        (before,) = phases
        outputs = self.outputs(self.shared(len(before.actions)), before.observations)
        log_probs = self.policy.head.log_prob(outputs, before.actions).sum(dim=(1, 2))
        earned = after.rewards.sum(dim=2).mean(dim=1)
        return super().objective(phases, after) + (log_probs * earned).mean()
