"""MAESN (Gupta et al. 2018): meta-learn a space of latents in which policy gradients find structured exploration.

Reading order: the latents, their score-function step (the inner update), then the learner: the meta-iteration with the
outer objective, and the test. It follows the authors' code.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from replications.maesn.learner import MetaConfig, MetaPolicyGradient, surrogate
from replications.maesn.policies import GaussianPolicy, Parameters
from replications.maesn.rollouts import Advantages, Outputs, Trajectories
from shared.rl.trpo import TrustRegion, trust_region_step
from shared.tasks.task_sets import check_task_sets

Array = np.ndarray


class Latents(NamedTuple):
    """The distribution N(μ, diag e^{2s}) of every task's latent z: `mean` μ and `log_std` s, `(N, d)`."""

    mean: Tensor
    log_std: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """Return z = μ + ε ⊙ e^s `(N, K, d)` for `noise` ε `(N, K, d)`."""
        return self.mean[:, None] + noise * self.log_std.exp()[:, None]

    def kl_to_prior(self) -> Tensor:
        """Return KL(N(μ, e^{2s}) ‖ N(0, I)) of every task, `(N,)`."""
        return 0.5 * (self.mean.square() + (2 * self.log_std).exp() - 1 - 2 * self.log_std).sum(dim=1)


def inner_step(latents: Latents, z: Tensor, advantages: Tensor, step_mean: Tensor, step_log_std: Tensor) -> Latents:
    """Return `latents` after one step of policy gradient in them: the score function of the latents' distribution.

    μ' = μ + α_μ ⊙ mean_k[A_k (z_k − μ)/σ²] and s' = s + α_s ⊙ mean_k[A_k (((z_k − μ)/σ)² − 1)]. `z` `(N, K, d)` were
    drawn from `latents`, `advantages` `(N, K)` are those of whole episodes; step sizes α `(d,)`.
    """
    std = latents.log_std.exp()[:, None]
    deviations = (z - latents.mean[:, None]) / std
    weighted = advantages[..., None]
    mean = latents.mean + step_mean * (weighted * deviations / std).mean(dim=1)
    log_std = latents.log_std + step_log_std * (weighted * (deviations.square() - 1)).mean(dim=1)
    return Latents(mean, log_std)


class State(NamedTuple):
    """What adapts to tasks: their latents. The policy's parameters are the same for all of them."""

    latents: Latents
    parameters: Parameters


def with_latents(observations: Tensor, z: Tensor) -> Tensor:
    """Return observations `(N, K, …, o)` with the latents `z` `(N, K, d)` of their episodes behind them."""
    shape = observations.shape[:-1]
    return torch.cat([observations, z.view(*z.shape[:2], *[1] * (len(shape) - 2), -1).expand(*shape, -1)], dim=-1)


class Config(MetaConfig):
    """Hyper-parameters of MAESN; the published values are in `replication.yaml`."""

    latent_size: int = Field(gt=0, description="d")
    step_size: float = Field(gt=0, description="α of both, at first")
    learned_steps: bool = Field(description="whether step sizes, one per latent dimension, are meta-learned")
    kl_weight: float = Field(ge=0, description="β, of the latents' divergence from the prior")
    max_kl: float = Field(gt=0, description="δ, of the outer step")
    fisher_share: float = Field(gt=0, le=1, description="share of the episodes in Fisher products")
    full_steps: int = Field(gt=0, description="adaptation steps of a test before their size is halved, every time")


class MAESN(MetaPolicyGradient):
    """Model-agnostic exploration with structured noise."""

    Config = Config

    def __init__(self, family, config, seed, device="cpu"):
        check_task_sets(family)
        super().__init__(family, config, seed, device)

    def make_policy(self, states: int, actions: int) -> GaussianPolicy:
        """Return a policy of observations and latents."""
        return super().make_policy(states + self.config.latent_size, actions)

    def initial_parameters(self, generator: torch.Generator) -> Parameters:
        """Draw the policy's parameters and a mean latent for every training task; step sizes are as configured."""
        c = self.config
        shape = (len(self.family.train_set), c.latent_size)
        return self.policy.initial(generator) | {
            "latent_mean": torch.randn(shape, generator=generator),
            "latent_log_std": torch.zeros(shape),
            "step_mean": torch.full((c.latent_size,), c.step_size),
            "step_log_std": torch.full((c.latent_size,), c.step_size),
        }

    # --- What adapts: a state ---

    def known(self, indices: Tensor) -> State:
        """Return what is meta-learned of training tasks `indices` `(N,)`."""
        latents = Latents(self.parameters["latent_mean"][indices], self.parameters["latent_log_std"][indices])
        return State(latents, self.parameters)

    def unknown(self, tasks: int) -> State:
        """Return the prior for each of so many new tasks."""
        zeros = torch.zeros(tasks, self.config.latent_size, device=self.device)
        return State(Latents(zeros, zeros.clone()), self.parameters)

    def step(self, state: State, z: Tensor, played: Trajectories, gains: Advantages, factor: float = 1.0) -> State:
        """Return `state` after a step of `factor` times the meta-learned size, by a batch `played` with latents `z`."""
        steps = (factor * self.parameters[name] for name in ("step_mean", "step_log_std"))
        return state._replace(latents=inner_step(state.latents, z, gains.episodes, *steps))

    def outputs(self, state: State, z: Tensor, observations: Tensor) -> Tensor:
        """Return the policy's outputs for observations `(N, K, …, o)` of episodes with latents `z` `(N, K, d)`."""
        return self.policy(state.parameters, with_latents(observations, z))

    def acting(self, state: State, z: Tensor) -> Outputs:
        """Return the policy with a latent per episode, as a function of observations `(N, K, o)`."""
        return lambda observations: self.outputs(state, z, observations)

    def noise(self, tasks: int, episodes: int, rng: np.random.Generator) -> Tensor:
        """Draw ε `(tasks, episodes, d)`."""
        drawn = rng.standard_normal((tasks, episodes, self.config.latent_size), dtype=np.float32)
        return torch.from_numpy(drawn).to(self.device)

    # --- Meta-training ---

    def train(self) -> dict[str, float]:
        """Play before and after an adaptation in tasks drawn with replacement, then take a step of TRPO."""
        c = self.config
        drawn = self.rng.integers(len(self.family.train_set), size=c.meta_batch)
        tasks, indices = self.family.train_set[drawn], torch.from_numpy(drawn).to(self.device)
        with torch.no_grad():
            first = self.known(indices)
            z = first.latents.at(self.noise(c.meta_batch, c.episodes, self.rng))
        before, before_gains = self.play(self.acting(first, z), tasks, c.episodes)

        def posterior() -> State:
            return self.step(self.known(indices), z, before, before_gains)

        noise = self.noise(c.meta_batch, c.episodes, self.rng)
        with torch.no_grad():
            found = posterior()
        after, after_gains = self.play(self.acting(found, found.latents.at(noise)), tasks, c.episodes)
        return self.outer_step(posterior, indices, noise, after, after_gains) | {
            "before/return": float(before.measures["return"].mean()),
            "after/return": float(after.measures["return"].mean()),
            "latent/moved": float((found.latents.mean - first.latents.mean).norm(dim=1).mean()),
        }

    def outer_step(
        self,
        posterior: Callable[[], State],
        indices: Tensor,
        noise: Tensor,
        after: Trajectories,
        gains: Advantages,
    ) -> dict[str, float]:
        """Maximise mean[π_θ(a|s, μ' + ε σ')/π_old · A] − β mean KL(N(μ, σ²) ‖ N(0, I)) by one step of TRPO.

        `posterior()`, with (μ', σ'), is a function of what is meta-learned, and `noise` ε is held: the gradient
        reaches latents and step sizes through the policy. The latents (μ, σ) are those of training tasks `indices`.
        """
        c, head = self.config, self.policy.head
        some = max(1, round(c.fisher_share * c.episodes))

        def outputs(episodes: int = c.episodes) -> Tensor:
            state = posterior()
            return self.outputs(state, state.latents.at(noise[:, :episodes]), after.observations[:, :episodes])

        def measured() -> tuple[Tensor, Tensor]:
            shares = after.shares[:, :some]
            return outputs(some), shares / shares.sum()

        with torch.no_grad():
            old = outputs()

        def objective(new: Tensor) -> Tensor:
            divergence = self.known(indices).latents.kl_to_prior().mean()
            return surrogate(head, new, old, after.actions, gains.steps, after.shares) - c.kl_weight * divergence

        learned = list(self.meta_learned().values())
        found = trust_region_step(
            learned,
            outputs,
            objective,
            head,
            after.shares,
            TrustRegion(c.max_kl),
            measured if some < c.episodes else None,
        )
        with torch.no_grad():
            divergence = self.known(indices).latents.kl_to_prior().mean()
        return found.metrics | {"latent/kl": float(divergence)} | self.sizes()

    def meta_learned(self) -> Mapping[str, Tensor]:
        """Return what the outer step changes."""
        fixed = () if self.config.learned_steps else ("step_mean", "step_log_std")
        return {name: value for name, value in self.parameters.items() if name not in fixed}

    def sizes(self) -> dict[str, float]:
        """Return the mean step sizes and the mean standard deviation of actions."""
        means = {name: float(self.parameters[name].detach().mean()) for name in ("step_mean", "step_log_std")}
        std = float(self.parameters["log_std"].detach().exp().mean())
        return {f"latent/{name}": value for name, value in means.items()} | {"policy/std": std}

    # --- Test ---

    def begin(self, tasks: Array) -> State:
        """Return the prior for every task."""
        with torch.no_grad():
            return self.unknown(len(tasks))

    @torch.no_grad()
    def advance(self, state: State, step: int, tasks: Array, rng: np.random.Generator, last: bool):
        """Play a batch with latents of `state`; the first `full_steps` steps have their full size."""
        c = self.config
        z = state.latents.at(self.noise(len(tasks), c.test_episodes, rng))
        played = self.sampler.play(self.acting(state, z), tasks, c.test_episodes, rng, c.test_sparse)
        measures = {}
        for name, values in zip(("mean", "std"), (state.latents.mean, state.latents.log_std.exp()), strict=True):
            for j, column in enumerate(values.cpu().double().T.numpy()):
                measures[f"latent_{name}{j}"] = np.repeat(column[:, None], c.test_episodes, axis=1)
        played.measures.update(measures)
        if last:
            return played, state
        factor = 0.5 ** max(0, step + 1 - c.full_steps)
        return played, self.step(state, z, played, self.advantages(played), factor)


class LatentSpace(MAESN):
    """Multi-task TRPO over the same policy and latents: as MAESN, but for the adaptation, which it meets at test alone.

    Its first batch would have no effect, so that none is played: an iteration is half as dear.
    """

    def train(self) -> dict[str, float]:
        """Play in tasks drawn with replacement, with their own latents; take a step of TRPO."""
        c = self.config
        drawn = self.rng.integers(len(self.family.train_set), size=c.meta_batch)
        indices = torch.from_numpy(drawn).to(self.device)
        noise = self.noise(c.meta_batch, c.episodes, self.rng)
        with torch.no_grad():
            known = self.known(indices)
        acting = self.acting(known, known.latents.at(noise))
        played, gains = self.play(acting, self.family.train_set[drawn], c.episodes)
        metrics = self.outer_step(lambda: self.known(indices), indices, noise, played, gains)
        return metrics | {"after/return": float(played.measures["return"].mean())}
