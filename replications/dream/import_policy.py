"""IMPORT (Kamienny et al. 2020), as DREAM's authors have it: a memory drawn towards an embedding of the problem.

The policy is told a vector of 64 numbers: what it recalls of the trial or, in every other trial and gradient step of
the training, the embedding of the problem.
"""

import numpy as np
import torch
from torch import Tensor, nn

from replications.dream.coupled import CoupledConfig, SituatedLearner
from replications.dream.networks import ProblemEncoder
from replications.dream.trials import WholeTrials


class IMPORT(SituatedLearner):
    """Action values from the present and from what the memory, or the problem, says of the trial."""

    Config = CoupledConfig

    def make_network(self) -> nn.Module:
        """Return memory, policy, and the embedding of problems."""
        network = super().make_network()
        network["encoder"] = ProblemEncoder(self.family.problems, 64)
        return network

    def told(self, recalled: Tensor, tasks: np.ndarray, greedy: bool) -> Tensor:
        """Return the problems' embeddings in even trials of the training, else what is recalled."""
        if greedy:
            return recalled
        embedded = self.agents["agent"].network["encoder"](self.problems_of(tasks))
        return torch.where(self.odd_trials(len(tasks)), recalled, embedded)

    def learned_with(self, recalled: Tensor, batch: WholeTrials) -> Tensor:
        """Return the problems' embeddings in even gradient steps, else what is recalled; the target has the latter."""
        agent = self.agents["agent"]
        return recalled if agent.updates % 2 else agent.network["encoder"](batch.problems).expand_as(recalled)

    def losses(self, batch: WholeTrials, recalled: Tensor) -> dict[str, Tensor]:
        """Return the squared distance from memory to embedding, summed over the steps of a trial."""
        embedded = self.agents["agent"].network["encoder"](batch.problems).detach()
        away = (recalled[:-1] - embedded).square().sum(dim=-1) * batch.valid
        return {"imitation_loss": away.sum() / len(embedded)}
