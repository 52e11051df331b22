"""Policy-gradient adaptation of all parameters of a policy, and the estimators that it is differentiated through.

What belongs to one task is written for one task, and mapped over all tasks of a meta-batch by `torch.func.vmap`.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad, vmap

from replications.maesn.learner import MetaConfig, MetaPolicyGradient, PolicyConfig, log_ratios, surrogate
from replications.maesn.policies import GaussianPolicy, Parameters
from replications.maesn.rollouts import Advantages, Outputs, Trajectories

Array = np.ndarray
Loss = Callable[[GaussianPolicy, Parameters, "Phase"], Tensor]


class Phase(NamedTuple):
    """What adaptation knows of a batch; all with a leading dimension of tasks, but for a function of one task.

    observations `(K, T, o)`, or `(1, S, o)` of all steps in a sequence; actions `(K, T, a)`; old: the outputs
    `(K, T, 2 · a)` of the policy that played;
    advantages, excess (see `Advantages`), rewards and shares `(K, T)`: those in a mean over the task's steps.
    """

    observations: Tensor
    actions: Tensor
    old: Tensor
    advantages: Tensor
    excess: Tensor
    rewards: Tensor
    shares: Tensor

    def without_gaps(self) -> "Phase":
        """Return the steps that took place as one sequence per task, `(N, 1, S)`, or itself if all did.

        Tasks with fewer steps than others have ones without a share at their end.
        """
        if (self.shares > 0).all():
            return self
        flat = Phase(*(part.flatten(1, 2) for part in self))
        took_place = flat.shares > 0
        order = torch.sort(~took_place, dim=1, stable=True).indices[:, : int(took_place.sum(dim=1).max())]
        rows = torch.arange(len(order), device=order.device)[:, None]
        return Phase(*(part[rows, order][:, None] for part in flat))

    def beginning(self, share: float) -> "Phase":
        """Return the first `share` of the steps as one sequence per task, `(N, 1, S)`."""
        flat = Phase(*(part.flatten(1, 2) for part in self))
        some = max(1, round(share * flat.shares.shape[1]))
        return Phase(*(part[:, None, :some] for part in flat))


def likelihood_loss(policy: GaussianPolicy, parameters: Parameters, phase: Phase) -> Tensor:
    """Return −mean[log π_θ(a|s) A], as MAML's code has it: its derivative neglects that θ draws the samples."""
    log_probs = policy.head.log_prob(policy(parameters, phase.observations), phase.actions)
    return -(phase.shares * log_probs * phase.advantages).sum()


def ratio_loss(policy: GaussianPolicy, parameters: Parameters, phase: Phase) -> Tensor:
    """Return −J^LR = −mean[π_θ(a|s)/π_old(a|s) A] (Rothfuss et al. 2019, Eq. 10): the low-variance curvature.

    Its gradient at the policy that played is that of `likelihood_loss`; its second derivative has one term more.
    """
    outputs = policy(parameters, phase.observations)
    return -surrogate(policy.head, outputs, phase.old, phase.actions, phase.advantages, phase.shares)


def dice_loss(policy: GaussianPolicy, parameters: Parameters, phase: Phase) -> Tensor:
    """Return −J^DICE (Rothfuss et al. 2019, Eq. 7; Foerster et al. 2018), unbiased in all derivatives, and noisier.

    Every excess reward is weighed by the likelihood ratio of all actions up to it.
    """
    outputs = policy(parameters, phase.observations)
    ratios = log_ratios(policy.head, outputs, phase.old, phase.actions).cumsum(dim=-1).exp()
    return -(phase.shares * ratios * phase.excess).sum()


LOSSES: dict[str, Loss] = {"likelihood": likelihood_loss, "ratio": ratio_loss, "dice": dice_loss}


class StepConfig(PolicyConfig):
    """Hyper-parameters of the gradient steps of a test."""

    inner_rate: float = Field(gt=0, description="α, at first")
    learned_rates: bool = Field(description="whether α, one for every adapted parameter, is meta-learned")
    inner_loss: Literal["likelihood", "ratio", "dice"]
    later_rate: float = Field(ge=0, description="factor on α from a test's second step on")


class AdaptationConfig(StepConfig, MetaConfig):
    """Hyper-parameters of all methods that meta-learn where gradient steps start."""

    inner_steps: int = Field(gt=0, description="of meta-training")


class GradientSteps(MetaPolicyGradient):
    """Adapts parameters by gradient steps."""

    Config = StepConfig

    def initial_parameters(self, generator: torch.Generator) -> Parameters:
        """Draw the policy's parameters, and with `learned_rates` a step size for each."""
        start = self.starting_parameters(generator)
        if not self.config.learned_rates:
            return start
        rates = {f"rate/{name}": torch.full_like(start[name], self.config.inner_rate) for name in self.adaptable(start)}
        return start | rates

    def starting_parameters(self, generator: torch.Generator) -> Parameters:
        """Draw what tasks start from; by default the policy's parameters."""
        return self.policy.initial(generator)

    def adaptable(self, parameters: Parameters) -> list[str]:
        """Return the names of what adapts among `parameters`; by default all."""
        return [name for name in parameters if not name.startswith("rate/")]

    # --- One task's view, mapped over tasks ---

    def outputs(self, parameters: Parameters, observations: Tensor) -> Tensor:
        """Return the policy's outputs `(N, K, …, 2 · a)` by every task's parameters."""
        return vmap(self.policy)(parameters, observations)

    def acting(self, parameters: Parameters) -> Outputs:
        """Return the policy with every task's parameters, as a function of observations `(N, K, o)`."""
        return lambda observations: self.outputs(parameters, observations)

    def shared(self, tasks: int) -> Parameters:
        """Return what tasks start from, for each of `tasks`: with a leading dimension."""
        return {
            name: value.expand(tasks, *value.shape)
            for name, value in self.parameters.items()
            if not name.startswith("rate/")
        }

    def phase(self, parameters: Parameters, played: Trajectories, gains: Advantages) -> Phase:
        """Return what adaptation knows of a batch that was `played` with `parameters`."""
        with torch.no_grad():
            old = self.outputs(parameters, played.observations)
        shares = played.shares * len(played.valid)
        return Phase(played.observations, played.actions, old, gains.steps, gains.excess, played.rewards, shares)

    def step(
        self, parameters: Parameters, phase: Phase, factor: float = 1.0, inner_loss: str | None = None
    ) -> Parameters:
        """Return every task's parameters after one step of `factor` times the step size, by default on its own loss."""
        loss, moving = LOSSES[inner_loss or self.config.inner_loss], self.adaptable(parameters)

        def task_loss(moved: Parameters, still: Parameters, phase: Phase) -> Tensor:
            return loss(self.policy, still | moved, phase)

        moved = {name: parameters[name] for name in moving}
        gradients = vmap(grad(task_loss))(moved, parameters, phase)
        return parameters | {name: moved[name] - factor * self.rate(name) * gradients[name] for name in moving}

    def rate(self, name: str) -> Tensor | float:
        """Return the step size of parameter `name`."""
        return self.parameters[f"rate/{name}"] if self.config.learned_rates else self.config.inner_rate

    def adapted(self, phases: list[Phase]) -> Parameters:
        """Return every task's parameters after one step per phase: a function of what is meta-learned."""
        parameters = self.shared(len(phases[0].actions))
        for phase in phases:
            parameters = self.step(parameters, phase)
        return parameters

    # --- Test ---

    def begin(self, tasks: Array) -> Parameters:
        """Return what is meta-learned, for every task."""
        with torch.no_grad():
            return self.shared(len(tasks))

    @torch.no_grad()
    def advance(self, state: Parameters, step: int, tasks: Array, rng: np.random.Generator, last: bool):
        """Play a batch; take a gradient step, smaller from the second on."""
        c = self.config
        played = self.sampler.play(self.acting(state), tasks, c.test_episodes, rng, c.test_sparse, by_steps=True)
        if last:
            return played, state
        phase = self.phase(state, played, self.advantages(played))
        return played, self.step(state, phase, 1.0 if step == 0 else c.later_rate)


class GradientAdaptation(GradientSteps):
    """Meta-learns where gradient steps start; a subclass has the outer step."""

    Config = AdaptationConfig

    def train(self) -> dict[str, float]:
        """Play, adapt, play again; then take the outer step."""
        phases, after = self.sample(self.family.train_tasks(self.config.meta_batch, self.rng))
        returns = {"before/return": episode_return(phases[0]), "after/return": episode_return(after)}
        # DiCE weighs a step by those before it in its episode; to the other losses the order of steps is nothing.
        if self.config.inner_loss != "dice":
            phases, after = [phase.without_gaps() for phase in phases], after.without_gaps()
        metrics = self.outer_step(phases, after)
        std = float(self.parameters["log_std"].detach().exp().mean())
        return returns | {"policy/std": std} | metrics

    def sample(self, tasks: Array) -> tuple[list[Phase], Phase]:
        """Play a meta-batch in `tasks`: a batch before each adaptation step, and one after the last."""
        c, phases = self.config, []
        with torch.no_grad():
            parameters = self.shared(len(tasks))
            for _ in range(c.inner_steps):
                phases.append(self.batch(parameters, tasks))
                parameters = self.step(parameters, phases[-1])
        return phases, self.batch(parameters, tasks)

    def batch(self, parameters: Parameters, tasks: Array) -> Phase:
        """Play a batch in `tasks` with every task's parameters; return what adaptation knows of it."""
        played, gains = self.play(self.acting(parameters), tasks, self.config.episodes, by_steps=True)
        return self.phase(parameters, played, gains)

    @abstractmethod
    def outer_step(self, phases: list[Phase], after: Phase) -> dict[str, float]:
        """Change what is meta-learned, by the batches of adaptation and the one after it; return metrics."""


def episode_return(phase: Phase) -> float:
    """Return the mean return of the episodes of all tasks."""
    return float(phase.rewards.double().sum() / phase.shares.any(dim=-1).sum())
