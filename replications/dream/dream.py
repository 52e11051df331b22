"""DREAM (Liu et al. 2021): explore to find out what exploitation, which is told the problem, makes use of.

Reading order: the hyper-parameters; then the learner: playing a trial, the gradient steps of exploitation (with the
encoder of problems and the decoder of trajectories) and of exploration. Where paper and authors' code differ, this
follows the code, which made the figures; what is ours is in the README.
"""

from collections.abc import Callable

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from replications.dream.networks import (
    Distinct,
    ExploitationQ,
    ExplorationQ,
    ProblemEncoder,
    TrajectoryDecoder,
    embedder,
)
from replications.dream.q_learning import QAgent, QConfig, TrialLearner, double_q_loss
from replications.dream.trials import EXPLOIT, EXPLORE, Batch, Episodes, Moment, play
from shared.tasks.family import VectorTasks

Array = np.ndarray


class Config(QConfig):
    """Hyper-parameters of DREAM; the published values are in `replication.yaml`."""

    latent_size: int = Field(gt=0)
    latent_std: float = Field(ge=0, description="ρ, of the latent given a problem")
    bottleneck: bool = Field(description="whether the encoder is made to forget what exploitation does not need")
    free_norm: float = Field(ge=0, description="‖f_ψ(µ)‖² below which the bottleneck does not press")
    step_penalty: float = Field(description="c, taken from the exploration reward of every step")
    explore_epsilon_steps: int = Field(gt=0, description="`epsilon_steps` of exploration, which learns later")
    explore_from: int = Field(gt=0, description="trials played before exploration learns")
    exploit_from: int = Field(gt=0, description="trials played before exploitation learns")
    exploit_memory: bool = Field(description="whether exploitation recalls the episode's past")


class DREAM(TrialLearner):
    """Decoupled reward-free exploration and execution in meta-reinforcement learning."""

    Config = Config

    def make_agents(self) -> dict[str, QAgent]:
        """Return the exploration agent, and the exploitation agent with encoder and decoder."""
        c, family = self.config, self.family
        explore = ExplorationQ(embedder(family), family.actions, family.width)
        exploit = nn.ModuleDict(
            {
                "q": ExploitationQ(
                    *(embedder(family), family.goal_sizes, family.actions, c.latent_size),
                    *(c.exploit_memory, family.width),
                ),
                "encoder": ProblemEncoder(family.problems, c.latent_size),
                "decoder": TrajectoryDecoder(embedder(family), family.actions, c.latent_size),
            }
        )
        return {
            "explore": QAgent(explore, c, self.device, c.explore_epsilon_steps),
            "exploit": QAgent(exploit, c, self.device),
        }

    # --- Playing ---

    @torch.no_grad()
    def play_trials(self, tasks: Array, greedy: bool) -> tuple[Episodes, Episodes]:
        """Explore, then exploit with z from the decoder; while training, every other trial has z from the encoder."""
        envs = self.family.make(len(tasks))
        envs.set_tasks(tasks)
        explored = self._explore(envs, 0.0 if greedy else self.agents["explore"].epsilon)
        decoded = self._decode(explored)
        if greedy:
            return explored, self._exploit(envs, tasks, lambda: decoded, 0.0)
        told, encoded = self.odd_trials(len(tasks)), self.agents["exploit"].network["encoder"](self.problems_of(tasks))

        def latents() -> Tensor:
            return torch.where(told, self._blur(encoded), decoded)

        return explored, self._exploit(envs, tasks, latents, self.agents["exploit"].epsilon)

    def _explore(self, envs: VectorTasks, epsilon: float) -> Episodes:
        q, memory = self.agents["explore"].network, None

        def act(now: Moment) -> Array:
            nonlocal memory
            values, memory = q(self.states(now.codes), torch.from_numpy(now.before[None]).to(self.device), memory)
            return self.choose(values, epsilon)

        return play(self.family, envs, act)

    def _exploit(self, envs: VectorTasks, tasks: Array, latents: Callable[[], Tensor], epsilon: float) -> Episodes:
        q, memory = self.agents["exploit"].network["q"], None
        goals = Distinct.of(self.family.goal_codes(tasks)[EXPLOIT], self.family.seen_goals, self.device)

        def act(now: Moment) -> Array:
            nonlocal memory
            values, memory = q(self.states(now.codes), goals, latents()[None], memory)
            return self.choose(values, epsilon)

        return play(self.family, envs, act)

    def _decode(self, explored: Episodes) -> Tensor:
        """Return what whole episodes of exploration say of z, `(N, latent)`."""
        states = Distinct.of(explored.codes.T, self.family.seen, self.device)
        actions = torch.from_numpy(explored.actions.T.astype(np.int64)).to(self.device)
        decoded = self.agents["exploit"].network["decoder"](states, actions)
        return decoded[explored.lengths.astype(np.int64), np.arange(len(explored.lengths))]

    def _blur(self, means: Tensor) -> Tensor:
        """Draw latents from N(`means`, ρ²)."""
        return means + self.config.latent_std * self.normal(*means.shape)

    # --- Learning ---

    def learn(self, steps: tuple[int, int]) -> list[dict[str, Tensor]]:
        """Take the gradient steps of exploration, then those of exploitation, once there are trials enough."""
        c, metrics = self.config, []
        taken = {
            "explore": (steps[EXPLORE], self._explore_step, c.explore_from),
            "exploit": (steps[EXPLOIT], self._exploit_step, c.exploit_from),
        }
        for name, (count, update, begin) in taken.items():
            updates, copy = self.agents[name].advance(count)
            for drawn in self.batches(updates if self.memory.added >= begin else 0):
                reports = update(self.memory.batch(drawn, self.device))
                metrics.append({f"{name}/{key}": value for key, value in reports.items()})
            if copy:
                self.agents[name].copy_to_target()
        return metrics

    def _explore_step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step of the exploration agent, whose rewards are computed anew from today's encoder and decoder."""
        agent, steps = self.agents["explore"], batch.explore
        rewards = self.information_gain(batch) - self.config.step_penalty
        with torch.no_grad():
            target_q, _ = agent.target(steps.states, steps.before)
        q, _ = agent.network(steps.states, steps.before)
        loss = double_q_loss(q, target_q, steps.actions, rewards, steps.done, steps.valid, self.config.discount)
        agent.descend(steps.weight * loss)
        return {"loss": loss.detach(), "reward": (rewards * steps.valid).sum() / steps.valid.shape[1]}

    @torch.no_grad()
    def information_gain(self, batch: Batch) -> Tensor:
        """Return how much nearer each step of exploration brings g_ω(τ) to f_ψ(µ), `(T, N)` (Eq. 5).

        With Gaussians this is the gain in log q(z|τ), but for the factor 1/2ρ², which the authors' code leaves out.
        """
        exploit = self.agents["exploit"].network
        decoded = exploit["decoder"](batch.explore.states, batch.explore.actions)
        away = (decoded - exploit["encoder"](batch.problems)).square().sum(dim=-1)
        return away[:-1] - away[1:]

    def _exploit_step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step of the exploitation agent, the encoder and the decoder; z is the encoder's every other time."""
        c, agent, steps = self.config, self.agents["exploit"], batch.exploit
        network, target = agent.network, agent.target
        encoded = network["encoder"](batch.problems)
        decoded = network["decoder"](batch.explore.states, batch.explore.actions)
        length = len(steps.before)
        told = agent.updates % 2 == 1
        final = decoded[batch.explore.lengths, torch.arange(len(encoded), device=self.device)]
        z = (self._blur(encoded) if told else final).expand(length, -1, -1)
        q, _ = network["q"](steps.states, batch.goals, z)
        with torch.no_grad():
            told_z = self._blur(target["encoder"](batch.problems)).expand(length, -1, -1)
            target_q, _ = target["q"](steps.states, batch.goals, told_z)
        td = double_q_loss(q, target_q, steps.actions, steps.rewards, steps.done, steps.valid, c.discount)
        decoding = decoder_loss(decoded, encoded, batch.explore.lengths)
        norm = encoded.square().sum(dim=1)
        bottleneck = norm.clamp(min=c.free_norm).mean() if c.bottleneck else torch.zeros((), device=self.device)
        agent.descend(steps.weight * td + batch.explore.weight * decoding + bottleneck)
        return {"loss": td.detach(), "decoder_loss": decoding.detach(), "latent_norm": norm.detach().mean()}

    # --- What is looked at ---

    def train(self) -> dict[str, float]:
        """As every learner of trials; also say how far apart problems are, and those alike to who exploits."""
        return super().train() | self.distances()

    @torch.no_grad()
    def distances(self) -> dict[str, float]:
        """Return the mean distance of f_ψ between problems alike to who exploits, and between others (Sec. 5.1)."""
        ids = self.family.train_ids
        means = self.agents["exploit"].network["encoder"](torch.from_numpy(ids).to(self.device)).cpu().double()
        apart = torch.cdist(means, means).numpy()
        kinds = self.family.same_to_exploit(ids)
        alike = (kinds[:, None] == kinds) & ~np.eye(len(ids), dtype=bool)
        metrics = {"latent/different": float(apart[kinds[:, None] != kinds].mean())}
        return metrics | ({"latent/alike": float(apart[alike].mean())} if alike.any() else {})


def decoder_loss(decoded: Tensor, encoded: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean of ‖g_ω(τ) − f_ψ(µ)‖² over trajectories and all their beginnings; f_ψ gets no gradient.

    `decoded` `(T + 1, N, latent)`, `encoded` `(N, latent)`, `lengths` `(N,)` in steps.
    """
    away = (decoded - encoded.detach()).square().sum(dim=-1)
    within = torch.arange(len(away), device=away.device)[:, None] <= lengths
    return (away * within).sum() / within.sum()
