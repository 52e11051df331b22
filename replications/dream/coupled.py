"""What E-RL², RL², IMPORT and VariBAD share: one recurrent agent for both episodes of a trial (Liu et al. 2021).

They learn to explore end to end, from what exploitation earns: the memory is carried from one episode into the next,
and so is the discounted return.
"""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from replications.dream.networks import Distinct, DuelingHead, Embed, GridEmbedder, Memory, embedder
from replications.dream.q_learning import QAgent, QConfig, TrialLearner, double_q_loss
from replications.dream.trials import EXPLOIT, EXPLORE, Episodes, Moment, WholeTrials, play
from shared.tasks.family import VectorTasks

Array = np.ndarray


class CoupledConfig(QConfig):
    """Hyper-parameters of an agent for whole trials; the published values are in `replication.yaml`."""

    learn_from: int = Field(gt=0, description="trials played before learning begins")
    count_exploration: bool = Field(description="whether what exploration earns counts; it is seen in any case")


class Experience(nn.Module):
    """The memory of a trial: states, goals, actions, rewards and the end of an episode, step by step."""

    def __init__(self, embed: Embed, goals: Sequence[int], actions: int, memory: int = 64):
        super().__init__()
        self.states, self.goals, self.actions = embed(64), GridEmbedder(goals), nn.Embedding(actions + 1, 16)
        self.earned, self.begins = nn.Linear(1, 16), nn.Embedding(2, 16)
        self.layer, self.memory = nn.Linear(64 + 64 + 3 * 16, 64), nn.LSTM(64, memory)

    def forward(
        self,
        states: Distinct,
        goals: Distinct,
        before: Tensor,
        earned: Tensor,
        begins: Tensor,
        memory: Memory | None = None,
    ) -> tuple[Tensor, Memory]:
        """Return what is recalled `(T, N, memory)` and the memory thereafter, for inputs `(T, N)` as `WholeTrials`."""
        parts = [self.states(states), self.goals(goals), self.actions(before)]
        parts += [self.earned(earned[..., None]), self.begins(begins.long())]
        return self.memory(self.layer(torch.relu(torch.cat(parts, dim=-1))), memory)


class Situation(nn.Module):
    """The present state and goal, 64 numbers, for those whose policy sees them besides its memory."""

    def __init__(self, embed: Embed, goals: Sequence[int]):
        super().__init__()
        self.states, self.goals, self.layer = embed(64), GridEmbedder(goals), nn.Linear(64 + 64, 64)

    def forward(self, states: Distinct, goals: Distinct) -> Tensor:
        """Return embeddings `(T, N, 64)`."""
        return self.layer(torch.relu(torch.cat([self.states(states), self.goals(goals)], dim=-1)))


class CoupledLearner(TrialLearner):
    """One Q-network for whole trials. A subclass says what the network is, and what it learns besides values."""

    @abstractmethod
    def make_network(self) -> nn.Module:
        """Return the network, with an `experience` of its own."""

    @abstractmethod
    def values(self, network: nn.Module, recalled: Tensor, states: Distinct, goals: Distinct) -> Tensor:
        """Return action values `(T, N, actions)` of what is `recalled` `(T, N, memory)` and of the present."""

    def told(self, recalled: Tensor, tasks: Array, greedy: bool) -> Tensor:
        """Return what the policy is told while it plays `tasks`: what is recalled `(1, N, memory)`."""
        return recalled

    def learned_with(self, recalled: Tensor, batch: WholeTrials) -> Tensor:
        """Return what the policy is told in the next gradient step: what is recalled `(T + 1, N, memory)`."""
        return recalled

    def losses(self, batch: WholeTrials, recalled: Tensor) -> dict[str, Tensor]:
        """Return what is learned besides values: losses, added to that of the values."""
        return {}

    def make_agents(self) -> dict[str, QAgent]:
        """Return the one agent."""
        return {"agent": QAgent(self.make_network(), self.config, self.device)}

    @torch.no_grad()
    def play_trials(self, tasks: Array, greedy: bool) -> tuple[Episodes, Episodes]:
        """Play the two episodes one after the other, with one memory."""
        envs = self.family.make(len(tasks))
        envs.set_tasks(tasks)
        explored, memory = self._play(envs, tasks, greedy)
        return explored, self._play(envs, tasks, greedy, explored, memory)[0]

    def _play(
        self,
        envs: VectorTasks,
        tasks: Array,
        greedy: bool,
        explored: Episodes | None = None,
        memory: Memory | None = None,
    ) -> tuple[Episodes, Memory]:
        """Play one episode; the second one follows what was `explored`, and goes on with its `memory`."""
        agent, phase = self.agents["agent"], EXPLORE if explored is None else EXPLOIT
        epsilon = 0.0 if greedy else agent.epsilon
        goals = Distinct.of(self.family.goal_codes(tasks)[phase][None], self.family.seen_goals, self.device)

        def act(now: Moment) -> Array:
            nonlocal memory
            begins, earned = explored is not None and now.time == 0, now.earned
            if begins:
                earned = explored.rewards[np.arange(len(tasks)), explored.lengths.astype(np.int64) - 1]
            inputs = (
                torch.as_tensor(part[None], dtype=kind, device=self.device)
                for part, kind in (
                    (now.before, torch.int64),
                    (earned, torch.float32),
                    (np.full(len(tasks), begins), torch.float32),
                )
            )
            states = self.states(now.codes)
            recalled, after = agent.network["experience"](states, goals, *inputs, memory)
            memory = after if memory is None else self._kept(now.going, after, memory)
            told = self.told(recalled, tasks, greedy)
            return self.choose(self.values(agent.network, told, states, goals), epsilon)

        return play(self.family, envs, act), memory

    def _kept(self, going: Array, after: Memory, before: Memory) -> Memory:
        """Return the memories `after` a step for who took it, those of `before` for who is done."""
        mask = torch.from_numpy(going).to(self.device)[:, None]
        return tuple(torch.where(mask, new, old) for new, old in zip(after, before, strict=True))

    def learn(self, steps: tuple[int, int]) -> list[dict[str, Tensor]]:
        """Take the gradient steps that are due, once there are trials enough."""
        agent, metrics = self.agents["agent"], []
        updates, copy = agent.advance(sum(steps))
        if self.memory.added >= self.config.learn_from:
            metrics = [self._step(self.memory.whole(drawn, self.device)) for drawn in self.batches(updates)]
        if copy:
            agent.copy_to_target()
        return metrics

    def _step(self, batch: WholeTrials) -> dict[str, Tensor]:
        agent, c = self.agents["agent"], self.config
        inputs = batch.states, batch.goals, batch.before, batch.earned, batch.begins
        recalled, _ = agent.network["experience"](*inputs)
        q = self.values(agent.network, self.learned_with(recalled, batch), batch.states, batch.goals)
        with torch.no_grad():
            target_q = self.values(agent.target, agent.target["experience"](*inputs)[0], batch.states, batch.goals)
        rewards = batch.rewards if c.count_exploration else batch.rewards * (1 - batch.explores)
        losses = {"loss": double_q_loss(q, target_q, batch.actions, rewards, batch.done, batch.valid, c.discount)}
        self_taught = self.losses(batch, recalled)
        agent.descend(batch.weight * losses["loss"] + sum(self_taught.values()))
        return {f"agent/{name}": loss.detach() for name, loss in (losses | self_taught).items()}


class SituatedLearner(CoupledLearner):
    """A policy on the present, and on a vector of 64 numbers that the memory holds of the trial."""

    def make_network(self) -> nn.Module:
        """Return the memory and the policy on it."""
        family = self.family
        return nn.ModuleDict(
            {
                "experience": Experience(embedder(family), family.goal_sizes, family.actions),
                "situation": Situation(embedder(family), family.goal_sizes),
                "head": nn.Sequential(nn.ReLU(), nn.Linear(64 + 64, 64), DuelingHead(64, family.actions)),
            }
        )

    def values(self, network: nn.Module, recalled: Tensor, states: Distinct, goals: Distinct) -> Tensor:
        """Return action values of the vector `recalled` and of the present."""
        return network["head"](torch.cat([recalled, network["situation"](states, goals)], dim=-1))
