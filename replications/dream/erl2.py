"""E-RL² (Stadie et al. 2018), as DREAM's authors have it: RL² whose first episode does not count.

With `count_exploration` it is RL² (Duan et al. 2016): what both episodes earn counts.
"""

from torch import Tensor, nn

from replications.dream.coupled import CoupledConfig, CoupledLearner, Experience
from replications.dream.networks import Distinct, DuelingHead, embedder


class ERL2(CoupledLearner):
    """Action values from the memory of the trial."""

    Config = CoupledConfig

    def make_network(self) -> nn.Module:
        """Return the memory and the head on it."""
        family = self.family
        experience = Experience(embedder(family), family.goal_sizes, family.actions)
        return nn.ModuleDict({"experience": experience, "head": DuelingHead(64, family.actions)})

    def values(self, network: nn.Module, recalled: Tensor, states: Distinct, goals: Distinct) -> Tensor:
        """Return the head's values: the memory has seen state and goal."""
        return network["head"](recalled)
