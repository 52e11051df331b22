"""VariBAD (Zintgraf et al. 2020), as DREAM's authors have it: a memory that can tell all of a trial's transitions.

As there, the belief is a point and has no prior, and the gradient of the action values does reach it.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from replications.dream.coupled import CoupledConfig, SituatedLearner
from replications.dream.trials import WholeTrials


class Config(CoupledConfig):
    """Hyper-parameters of VariBAD; the published values are in `replication.yaml`."""

    state_weight: float = Field(ge=0, description="weight of the states' errors beside the rewards'")
    decoded: int | None = Field(gt=0, description="transitions decoded from each belief, drawn at random; null: all")


class VariBAD(SituatedLearner):
    """Action values from the present and from a belief that a decoder predicts rewards and next states from."""

    Config = Config

    def make_network(self) -> nn.Module:
        """Return memory, policy, and the decoder, which shares the policy's view of the present."""
        network = super().make_network()
        components = len(self.family.state_sizes) if self.config.state_weight else 0
        network["decoder"] = TransitionDecoder(components, self.family.actions, 64)
        return network

    def losses(self, batch: WholeTrials, recalled: Tensor) -> dict[str, Tensor]:
        """Return the errors of transitions decoded from every belief, summed over a trial's pairs of both.

        Where only some transitions are decoded, they stand for the trial's `lengths`.
        """
        steps, trials = batch.valid.shape
        if self.config.decoded is None:
            chosen = torch.arange(steps, device=self.device).expand(trials, steps).T
            weight = batch.valid
        else:
            draws = torch.rand(self.config.decoded, trials, generator=self.noise).to(self.device)
            chosen = (draws * batch.lengths).long()
            weight = (batch.lengths / self.config.decoded).expand(self.config.decoded, trials)
        network = self.agents["agent"].network
        situations = network["situation"](batch.states, batch.goals)
        errors = network["decoder"](batch, situations, recalled[:-1], chosen, self.config.state_weight)
        return {"decoder_loss": (errors * batch.valid[:, None] * weight).sum() / trials}


class TransitionDecoder(nn.Module):
    """Rewards and, if they have `components`, next states from a belief, the view of a situation, and an action."""

    def __init__(self, components: int, actions: int, belief: int):
        super().__init__()
        self.actions = nn.Embedding(actions, 64)
        self.layers = nn.Sequential(nn.Linear(belief + 64 + 64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.reward, self.state = nn.Linear(128, 1), nn.Linear(128, components) if components else None

    def forward(
        self, batch: WholeTrials, situations: Tensor, beliefs: Tensor, chosen: Tensor, state_weight: float
    ) -> Tensor:
        """Return squared errors `(T, K, N)` of the `chosen` transitions `(K, N)`, from `beliefs` `(T, N, ·)`.

        `situations` `(T + 1, N, 64)` are views of all states. The errors of a next state are those of its integers.
        """
        trials = torch.arange(chosen.shape[1], device=chosen.device)
        transitions = torch.cat([situations[chosen, trials], self.actions(batch.actions[chosen, trials])], dim=-1)
        shape = len(beliefs), *transitions.shape[:2], -1
        features = self.layers(torch.cat([beliefs[:, None].expand(shape), transitions.expand(shape)], dim=-1))
        rewards = (self.reward(features)[..., 0] - batch.rewards[chosen, trials]).square()
        if self.state is None:
            return rewards
        after = batch.states.values[batch.states.where[chosen + 1, trials]].float()
        return rewards + state_weight * (self.state(features) - after).square().sum(dim=-1)
