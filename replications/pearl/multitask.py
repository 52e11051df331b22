"""Soft actor-critic on many tasks at once, told which one it is in or not: ceiling and floor for PEARL.

The same actor, critics, memory and budget as PEARL's. Where PEARL's networks see a latent, these see the task's
features, standardised over the training tasks, or nothing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from replications.pearl.actor_critic import ActorCriticConfig
from replications.pearl.off_policy import OffPolicyLearner
from shared.rl.optimise import mean_metrics
from shared.study.seeds import generator_state, restore_generator
from shared.tasks.family import TaskFamily


class Config(ActorCriticConfig):
    """Hyper-parameters of multi-task soft actor-critic, named as PEARL's."""

    told: bool = Field(description="whether the networks see the task")
    gradient_steps: int = Field(gt=0, description="of one meta-iteration")
    meta_batch: int = Field(gt=0, description="tasks of one gradient step")
    batch_size: int = Field(gt=0, description="transitions per task")
    initial_steps: int = Field(ge=0, description="in every training task, before anything is trained")
    visits: int = Field(gt=0, description="training tasks visited in one meta-iteration")
    visit_steps: int = Field(gt=0, description="environment steps of one visit")
    evaluations: int = Field(gt=0, description="trials in each test task, averaged")


class MultiTaskSAC(OffPolicyLearner):
    """Soft actor-critic on `family.train_set` `(tasks, task_dim)`."""

    Config = Config

    def __init__(self, family: TaskFamily, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        told = family.features(family.train_set) if config.told else np.empty((len(family.train_set), 0))
        self.centre, self.spread = told.mean(axis=0), told.std(axis=0) + 1e-8
        super().__init__(family, config, told.shape[1], seed, device)

    def train(self) -> dict[str, float]:
        """Play in some of the training tasks, then take the gradient steps of one meta-iteration."""
        c, count = self.config, len(self.family.train_set)
        if self.env_steps == 0:
            self._gather(np.arange(count), c.initial_steps)
        returns = self._gather(self.rng.integers(count, size=c.visits), c.visit_steps)
        steps = [self._gradient_step() for _ in range(c.gradient_steps)]
        return {"train/return": float(returns.mean()), **mean_metrics(steps)}

    def _gather(self, tasks: np.ndarray, steps: int) -> np.ndarray:
        """Play whole episodes for at least `steps` steps in each of `tasks`; return the episodes' returns."""
        returns, left = [np.empty(0)], np.full(len(tasks), steps)
        while (left > 0).any():
            waiting = np.flatnonzero(left > 0)
            players = np.repeat(waiting, -(-left[waiting] // self.family.horizon))
            told = self.describe(self.family.train_set[tasks[players]])

            def act(states: np.ndarray, told: Tensor = told) -> np.ndarray:
                return self.actor_critic.act(states, told, self.normal(len(states), self.layout.actions))

            episodes = self.stage.play(self.family.train_set[tasks[players]], act, self.rng)
            for episode, player in enumerate(players):
                self.replay.store(tasks[player], episodes.rows(episode))
            lengths = np.maximum(episodes.valid.sum(axis=0), 1)
            np.subtract.at(left, players, lengths)
            self.env_steps += int(lengths.sum())
            returns.append((episodes.rewards * episodes.valid).sum(axis=0))
        return np.concatenate(returns)

    def _gradient_step(self) -> dict[str, Tensor]:
        c = self.config
        tasks = self.rng.integers(len(self.family.train_set), size=c.meta_batch)
        rows = self.replay.sample(tasks, c.batch_size, self.rng).to(self.device)
        told = self.describe(self.family.train_set[tasks]).repeat_interleave(c.batch_size, dim=0)
        return self.actor_critic.update(self.layout.batch(rows), told, self.normal(len(told), self.layout.actions))

    def describe(self, tasks: np.ndarray) -> Tensor:
        """Return what the networks see of `tasks` `(N, task_dim)`: `(N, features)`, or `(N, 0)` if not told."""
        if not self.config.told:
            return torch.zeros(len(tasks), 0, device=self.device)
        features = (self.family.features(tasks) - self.centre) / self.spread
        return torch.tensor(features, dtype=torch.float32, device=self.device)

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """Play `episodes` episodes in each task with the policy's mean actions; nothing adapts. `(tasks, episodes)`."""
        played = np.repeat(tasks, self.config.evaluations, axis=0)
        told, returns = self.describe(played), np.empty((len(played), episodes))
        for episode in range(episodes):
            one = self.stage.play(played, lambda states: self.actor_critic.act(states, told, None), rng)
            returns[:, episode] = (one.rewards * one.valid).sum(axis=0)
        return returns.reshape(len(tasks), self.config.evaluations, episodes).mean(axis=1)

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimisers, memory, generators and the step count."""
        return {
            "actor_critic": self.actor_critic.state_dict(),
            "replay": self.replay.state_dict(),
            "rng": generator_state(self.rng),
            "noise": self.noise.get_state(),
            "env_steps": self.env_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.actor_critic.load_state_dict(state["actor_critic"])
        self.replay.load_state_dict(state["replay"])
        restore_generator(self.rng, state["rng"])
        self.noise.set_state(state["noise"])
        self.env_steps = state["env_steps"]
