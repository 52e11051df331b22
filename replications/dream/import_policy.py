"""IMPORT (Kamienny et al. 2020), as DREAM's authors have it: a memory drawn towards an embedding of the problem.

The policy is told a vector of 64 numbers: what it recalls of the trial or, in every other trial and gradient step of
the training, the embedding of the problem.
"""

import numpy as np
import torch
from torch import Tensor, nn

from replications.dream.coupled import CoupledConfig, CoupledLearner, Experience, Situation
from replications.dream.networks import Distinct, DuelingHead, ProblemEncoder
from replications.dream.trials import WholeTrials


class IMPORT(CoupledLearner):
    """Action values from the present and from what the memory, or the problem, says of the trial."""

    Config = CoupledConfig

    def make_network(self) -> nn.Module:
        """Return memory, embedding of problems, and the policy on either."""
        states, goals, actions = self.family.state_sizes, self.family.goal_sizes, self.family.actions
        return nn.ModuleDict(
            {
                "experience": Experience(states, goals, actions),
                "encoder": ProblemEncoder(self.family.problems, 64),
                "situation": Situation(states, goals),
                "head": nn.Sequential(nn.ReLU(), nn.Linear(64 + 64, 64), DuelingHead(64, actions)),
            }
        )

    def values(self, network: nn.Module, recalled: Tensor, states: Distinct, goals: Distinct) -> Tensor:
        """Return action values of the vector `recalled`, and of the present."""
        return network["head"](torch.cat([recalled, network["situation"](states, goals)], dim=-1))

    def told(self, recalled: Tensor, tasks: np.ndarray, greedy: bool) -> Tensor:
        """Return the problems' embeddings in even trials of the training, else what is recalled."""
        if greedy:
            return recalled
        even = torch.arange(self.memory.added, self.memory.added + len(tasks), device=self.device) % 2 == 0
        problems = torch.from_numpy(tasks[:, 0].astype(np.int64)).to(self.device)
        return torch.where(even[:, None], self.agents["agent"].network["encoder"](problems), recalled)

    def learned_with(self, recalled: Tensor, batch: WholeTrials) -> Tensor:
        """Return the problems' embeddings in even gradient steps, else what is recalled; the target has the latter."""
        agent = self.agents["agent"]
        return recalled if agent.updates % 2 else agent.network["encoder"](batch.problems).expand_as(recalled)

    def losses(self, batch: WholeTrials, recalled: Tensor) -> dict[str, Tensor]:
        """Return the squared distance from memory to embedding, summed over the steps of a trial."""
        embedded = self.agents["agent"].network["encoder"](batch.problems).detach()
        within = torch.arange(len(recalled), device=recalled.device)[:, None] <= batch.lengths
        away = (recalled - embedded).square().sum(dim=-1) * within
        return {"imitation_loss": away.sum() / len(embedded)}
