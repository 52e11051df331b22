"""MAML with TRPO (Finn et al. 2017), E-MAML (Stadie et al. 2018), and MAML of a context vector alone."""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from replications.maesn.adaptation import AdaptationConfig, GradientAdaptation, Phase
from replications.maesn.learner import surrogate
from replications.maesn.policies import GaussianPolicy, Parameters
from shared.rl.trpo import TrustRegion, trust_region_step


class Config(AdaptationConfig):
    """Hyper-parameters of MAML; the published values are in `replication.yaml`."""

    max_kl: float = Field(gt=0, description="δ, of the outer step")
    damping: float = Field(ge=0, description="of the Fisher matrix")
    fisher_share: float = Field(gt=0, le=1, description="share of the steps in Fisher products")


class MAML(GradientAdaptation):
    """Meta-learns where gradient steps start, by TRPO through these steps (Finn et al. 2017, Algorithm 3)."""

    Config = Config

    def outer_step(self, phases: list[Phase], after: Phase) -> dict[str, float]:
        """Maximise the mean over tasks of mean[π_θ'(a|s)/π_old(a|s) A], θ' a function of θ, by one step of TRPO."""
        c, head = self.config, self.policy.head
        part = after.beginning(c.fisher_share)

        def outputs(of: Phase = after) -> Tensor:
            return self.outputs(self.adapted(phases), of.observations)

        def objective(new: Tensor) -> Tensor:
            gained = surrogate(head, new, after.old, after.actions, after.advantages, after.shares) / len(after.shares)
            return gained + self.bonus(phases, after)

        def measured() -> tuple[Tensor, Tensor]:
            return outputs(part), part.shares / part.shares.sum()

        found = trust_region_step(
            list(self.parameters.values()),
            outputs,
            objective,
            head,
            after.shares / len(after.shares),
            TrustRegion(c.max_kl, damping=c.damping),
            measured if c.fisher_share < 1 else None,
        )
        return found.metrics

    def bonus(self, phases: list[Phase], after: Phase) -> Tensor | float:
        """Return what else the outer step maximises; here nothing."""
        return 0.0


class EMAML(MAML):
    """MAML that also credits the actions before adaptation with what was earned after it (Stadie et al. 2018)."""

    def bonus(self, phases: list[Phase], after: Phase) -> Tensor:
        """Return mean_i[mean Ã_i · mean log π_θ(a⁰|s⁰)]."""
        return exploration_bonus(self, phases[0], after)


def exploration_bonus(learner: GradientAdaptation, first: Phase, after: Phase) -> Tensor:
    """Return the mean over tasks of mean Ã_i · mean log π_θ(a⁰|s⁰), as in the code of ProMP.

    Ã are the rewards after adaptation, standardised over the whole meta-batch; a⁰ the actions of the `first` batch.
    """
    earned = (after.shares * after.rewards).sum(dim=(1, 2))
    spread = (after.shares * (after.rewards - earned.mean()).square()).sum(dim=(1, 2)).mean().sqrt()
    standardised = (earned - earned.mean()) / (spread + 1e-8)
    outputs = learner.outputs(learner.shared(len(earned)), first.observations)
    log_probs = (first.shares * learner.policy.head.log_prob(outputs, first.actions)).sum(dim=(1, 2))
    return (standardised * log_probs).mean()


class ContextPolicy(GaussianPolicy):
    """A policy whose parameters have a `context`, which is an input like the observation."""

    def __init__(self, context: int, inputs: int, *shape):
        super().__init__(inputs + context, *shape)
        self.context = context

    def initial(self, generator: torch.Generator) -> Parameters:
        """Draw parameters; the context starts at 0."""
        return super().initial(generator) | {"context": torch.zeros(self.context)}

    def __call__(self, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Return outputs; of one task, see `GaussianPolicy`."""
        context = parameters["context"].expand(*x.shape[:-1], -1)
        return super().__call__(parameters, torch.cat([x, context], dim=-1))


class ContextConfig(Config):
    """Hyper-parameters of MAML of a context vector."""

    context_size: int = Field(gt=0)


class ContextMAML(MAML):
    """Adapts a context vector alone; all else is the same for all tasks (Finn et al. 2017, Tables 4 and 5)."""

    Config = ContextConfig

    def make_policy(self, states: int, actions: int) -> GaussianPolicy:
        """Return a policy of observations and context."""
        return ContextPolicy(self.config.context_size, states, actions, self.config.hidden, self.config.activation)

    def adaptable(self, parameters: Parameters) -> list[str]:
        """Return the context's name."""
        return ["context"]
