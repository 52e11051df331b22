"""ProMP (Rothfuss et al. 2019), and the plain policy gradients that it is compared with: LVC-VPG and E-MAML-VPG."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from replications.maesn.adaptation import AdaptationConfig, GradientAdaptation, Phase
from replications.maesn.maml import exploration_bonus
from replications.maesn.policies import Parameters
from shared.rl.ppo import clipped_surrogate
from shared.rl.trpo import flatten

Array = np.ndarray


class AdamConfig(AdaptationConfig):
    """Hyper-parameters of an outer step by Adam."""

    learning_rate: float = Field(gt=0)


class AdamAdaptation(GradientAdaptation):
    """What is meta-learned follows Adam."""

    Config = AdamConfig

    def __init__(self, family, config, seed, device="cpu"):
        super().__init__(family, config, seed, device)
        self.optimiser = torch.optim.Adam(list(self.parameters.values()), lr=config.learning_rate)

    def ascend(self, objective: Tensor) -> None:
        """Take one step up `objective`."""
        self.optimiser.zero_grad()
        (-objective).backward()
        self.optimiser.step()

    def earned(self, parameters: Parameters, batch: Phase) -> Tensor:
        """Return the mean over tasks of mean[log π(a|s) A], whose gradient is that of what policies earn."""
        log_probs = self.policy.head.log_prob(self.outputs(parameters, batch.observations), batch.actions)
        return (batch.shares * log_probs * batch.advantages).sum() / len(batch.shares)

    def state_dict(self) -> dict[str, Any]:
        """Return all state, the optimiser's too."""
        return super().state_dict() | {"optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.optimiser.load_state_dict(state["optimiser"])


class VPGConfig(AdamConfig):
    """Hyper-parameters of VPG."""

    noise_every: int = Field(ge=0, description="meta-iterations between measurements of the gradient's noise; 0: none")
    noise_rounds: int = Field(gt=1, description="meta-batches of one measurement, all of the same tasks")


class VPG(AdamAdaptation):
    """One step of vanilla policy gradient through adaptation: LVC-VPG where the inner loss is the ratio."""

    Config = VPGConfig

    def __init__(self, family, config, seed, device="cpu"):
        super().__init__(family, config, seed, device)
        self.iterations = 0
        self.gradients: list[Tensor] = []

    def sample(self, tasks: Array) -> tuple[list[Phase], Phase]:
        """Play a meta-batch, or `noise_rounds` of them to measure the gradient's noise; return the last one."""
        c = self.config
        measures = c.noise_every and self.iterations % c.noise_every == 0
        self.gradients = []
        for _ in range(c.noise_rounds if measures else 1):
            played = super().sample(tasks)
            if measures:
                gradient = torch.autograd.grad(self.objective(*played), list(self.parameters.values()))
                self.gradients.append(flatten(gradient))
        return played

    def outer_step(self, phases: list[Phase], after: Phase) -> dict[str, float]:
        """Maximise the mean over tasks of mean[log π_θ'(a|s) A] by one step of Adam."""
        objective = self.objective(phases, after)
        self.ascend(objective)
        self.iterations += 1
        noise = gradient_noise(torch.stack(self.gradients)) if self.gradients else {}
        return {"outer/objective": float(objective.detach())} | noise

    def state_dict(self) -> dict[str, Any]:
        """Return all state, the count of meta-iterations too."""
        return super().state_dict() | {"iterations": self.iterations}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.iterations = state["iterations"]

    def objective(self, phases: list[Phase], after: Phase) -> Tensor:
        """Return the mean over tasks of mean[log π_θ'(a|s) A], θ' a function of θ."""
        return self.earned(self.adapted(phases), after)


def gradient_noise(gradients: Tensor) -> dict[str, float]:
    """Return what independent estimates `(n, d)` of a gradient say of its noise (Sec. 7.2, Fig. 3).

    `gradient_variance` is Σ_j Var g_j; `gradient_signal` estimates ‖E g‖² without bias, as ‖mean g‖² minus an n-th of
    the variance, and may be negative; `gradient_noise` is the relative standard deviation √(variance / signal), in
    which the signal is a tenth of ‖mean g‖² at least.
    """
    variance, mean_square = float(gradients.var(dim=0).sum()), float(gradients.mean(dim=0).square().sum())
    signal = mean_square - variance / len(gradients)
    return {
        "outer/gradient_variance": variance,
        "outer/gradient_signal": signal,
        "outer/gradient_noise": (variance / max(signal, 0.1 * mean_square)) ** 0.5,
    }


class EMAMLVPG(VPG):
    """VPG that also credits the actions before adaptation, see `maml.EMAML`."""

    def objective(self, phases: list[Phase], after: Phase) -> Tensor:
        """Return the objective of VPG plus the exploration bonus."""
        return super().objective(phases, after) + exploration_bonus(self, phases[0], after)


class Config(AdamConfig):
    """Hyper-parameters of ProMP; the published values are in `replication.yaml`."""

    outer_steps: int = Field(gt=0, description="gradient steps of one meta-iteration")
    clip: float = Field(gt=0, description="ε")
    kl_weight: float = Field(ge=0, description="η, of the divergence of θ from the policy that played")
    kl_target: float | None = Field(gt=0, description="of an adaptive η, which is doubled or halved; null: η stays")


class ProMP(AdamAdaptation):
    """Proximal meta-policy search: several clipped steps per batch, near the policy that played before adaptation."""

    Config = Config

    def __init__(self, family, config, seed, device="cpu"):
        super().__init__(family, config, seed, device)
        self.kl_weight = config.kl_weight

    def outer_step(self, phases: list[Phase], after: Phase) -> dict[str, float]:
        """Take `outer_steps` steps of Adam up J^ProMP (Eq. 12), without playing again."""
        c = self.config
        for _ in range(c.outer_steps):
            clipped, divergence = self.surrogate(phases, after)
            self.ascend(clipped - self.kl_weight * divergence)
        with torch.no_grad():
            divergence = float(self.surrogate(phases, after)[1])
        if c.kl_target is not None:
            self.kl_weight *= 2.0 if divergence > 1.5 * c.kl_target else 0.5 if divergence < c.kl_target / 1.5 else 1.0
        return {"outer/objective": float(clipped.detach()), "inner/kl": divergence, "inner/kl_weight": self.kl_weight}

    def surrogate(self, phases: list[Phase], after: Phase) -> tuple[Tensor, Tensor]:
        """Return the clipped surrogate after adaptation (Eq. 11), and KL(π_θo ‖ π_θ) on the batches of adaptation.

        Both are means over tasks; the divergence is one over adaptation steps, too.
        """
        parameters, divergences = self.shared(len(after.shares)), []
        for phase in phases:
            outputs = self.outputs(parameters, phase.observations)
            divergences.append((phase.shares * self.policy.head.kl(phase.old, outputs)).sum() / len(phase.shares))
            parameters = self.step(parameters, phase)
        outputs = self.outputs(parameters, after.observations)
        log_probs, old = (self.policy.head.log_prob(of, after.actions) for of in (outputs, after.old))
        clipped = clipped_surrogate(log_probs, old, after.advantages, self.config.clip)
        return (after.shares * clipped).sum() / len(after.shares), torch.stack(divergences).mean()

    def state_dict(self) -> dict[str, Any]:
        """Return all state, η too."""
        return super().state_dict() | {"kl_weight": self.kl_weight}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.kl_weight = state["kl_weight"]
