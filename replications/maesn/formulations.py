"""ProMP's comparison of two formulations of the meta-gradient where a policy has two parameters (its Figure 5).

Both differentiate E[R(τ')], τ' drawn after one gradient step on trajectories τ, by where that step starts. Formulation
I has the expectation over τ inside the step, θ' = θ + α ∇E[R(τ)]: its derivative credits a trajectory τ with how far
its own gradient points where τ' says. Formulation II has it outside, θ' = θ + α ∇ log π(τ) R(τ): all trajectories are
credited alike, with the mean of R(τ').
"""

import math
from abc import abstractmethod
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from replications.maesn.adaptation import AdaptationConfig, GradientAdaptation, Phase
from replications.maesn.policies import Parameters
from replications.maesn.rollouts import Advantages, Outputs, Trajectories

Array = np.ndarray


class Config(AdaptationConfig):
    """Hyper-parameters of both formulations; without hidden layers a policy has two parameters and a fixed spread."""

    learned_rates: Literal[False] = Field(description="α is not meta-learned")
    learning_rate: float = Field(gt=0, description="of plain gradient ascent")
    start: tuple[float, float] = Field(description="the parameters at first: the factor of the input, the constant")
    optimum: tuple[float, float] = Field(description="from which `distance` is measured")
    credit: float = Field(ge=0, description="weight of what credits trajectories before adaptation; 1 is the formula")
    clipped: bool = Field(description="whether likelihoods are those of the actions that the family got")


class Formulation(GradientAdaptation):
    """Plain gradient ascent on two parameters, by whole returns without a baseline; episodes are all equally long."""

    Config = Config

    def __init__(self, family, config, seed, device="cpu"):
        if config.hidden:
            raise ValueError(f"a policy of two parameters has no hidden layers, got hidden = {list(config.hidden)}")
        super().__init__(family, config, seed, device)

    def initial_parameters(self, generator: torch.Generator) -> Parameters:
        """Return where the figure starts."""
        factor, constant = self.config.start
        start = {"weight0": torch.tensor([[factor]]), "bias0": torch.tensor([constant])}
        return self.policy.initial(generator) | start

    def adaptable(self, parameters: Parameters) -> list[str]:
        """Return the names of the two."""
        return ["weight0", "bias0"]

    def play(self, outputs: Outputs, tasks: Array, episodes: int, by_steps: bool = False):
        """Play training episodes; with `clipped`, the actions in them are those that the family got."""
        played, gains = super().play(outputs, tasks, episodes, by_steps)
        if self.config.clipped:
            played = played._replace(actions=played.actions.clamp(-self.config.reach, self.config.reach))
        return played, gains

    def advantages(self, played: Trajectories) -> Advantages:
        """Return for every step the whole return R of its trajectory, times their number T, so that means are sums."""
        returns = played.rewards.sum(dim=2, keepdim=True) * played.rewards.shape[2]
        last = torch.zeros_like(played.rewards)
        last[:, :, -1:] = returns
        return Advantages(returns.expand_as(played.rewards), returns[:, :, 0], excess=last)

    def outer_step(self, phases: list[Phase], after: Phase) -> dict[str, float]:
        """Take a step up the objective."""
        c, moving = self.config, [self.parameters[name] for name in self.adaptable(self.parameters)]
        (before,) = phases
        plain = self.earned_after(before, after, "likelihood")
        objective = plain + c.credit * self.credit_before(before, after, plain)
        gradients = torch.autograd.grad(objective, moving)
        with torch.no_grad():
            for value, gradient in zip(moving, gradients, strict=True):
                value += c.learning_rate * gradient
        factor, constant = (value.detach().item() for value in moving)
        distance = math.dist((factor, constant), c.optimum)
        return {"theta/factor": factor, "theta/constant": constant, "theta/distance": distance}

    def earned_after(self, before: Phase, after: Phase, inner_loss: str) -> Tensor:
        """Return the mean over tasks of mean[log π_θ'(τ') R(τ')], θ' by a step on `inner_loss` from θ."""
        adapted = self.step(self.shared(len(before.actions)), before, inner_loss=inner_loss)
        log_probs = self.policy.head.log_prob(self.outputs(adapted, after.observations), after.actions)
        return (after.shares * log_probs * after.advantages).sum() / len(after.shares)

    @abstractmethod
    def credit_before(self, before: Phase, after: Phase, plain: Tensor) -> Tensor:
        """Return what credits the trajectories before adaptation; `plain` is the objective without it."""


class FormulationI(Formulation):
    """Credits trajectories τ by α E[R(τ) ∇log π(τ) ∇log π(τ)ᵀ]: what DiCE's estimator has and the likelihood lacks."""

    def credit_before(self, before: Phase, after: Phase, plain: Tensor) -> Tensor:
        """Return the objective through a step by DiCE's estimator minus the plain one."""
        return self.earned_after(before, after, "dice") - plain


class FormulationII(Formulation):
    """Credits all trajectories τ alike: log π_θ(τ) of all, times the mean of R(τ')."""

    def credit_before(self, before: Phase, after: Phase, plain: Tensor) -> Tensor:
        """Return the mean over tasks of Σ log π_θ(τ) · mean R(τ')."""
        outputs = self.outputs(self.shared(len(before.actions)), before.observations)
        log_probs = self.policy.head.log_prob(outputs, before.actions).sum(dim=(1, 2))
        return (log_probs * after.rewards.sum(dim=2).mean(dim=1)).mean()
