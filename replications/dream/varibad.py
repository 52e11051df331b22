"""VariBAD (Zintgraf et al. 2020), as DREAM's authors have it: a memory that can tell all of a trial's transitions.

As there, the belief is a point and has no prior, and the gradient of the action values does reach it.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from replications.dream.coupled import CoupledConfig, CoupledLearner, Experience, Situation
from replications.dream.networks import Distinct, DuelingHead
from replications.dream.trials import WholeTrials


class Config(CoupledConfig):
    """Hyper-parameters of VariBAD; the published values are in `replication.yaml`."""

    state_weight: float = Field(ge=0, description="weight of the states' errors beside the rewards'")
    decoded: int | None = Field(gt=0, description="transitions decoded from each belief, drawn at random; null: all")


class VariBAD(CoupledLearner):
    """Action values from the present and from a belief that a decoder predicts rewards and next states from."""

    Config = Config

    def make_network(self) -> nn.Module:
        """Return memory, policy on it, and decoder."""
        states, goals, actions = self.family.state_sizes, self.family.goal_sizes, self.family.actions
        return nn.ModuleDict(
            {
                "experience": Experience(states, goals, actions),
                "situation": Situation(states, goals),
                "head": nn.Sequential(nn.ReLU(), nn.Linear(64 + 64, 64), DuelingHead(64, actions)),
                "decoder": TransitionDecoder(states, goals, actions, 64),
            }
        )

    def values(self, network: nn.Module, recalled: Tensor, states: Distinct, goals: Distinct) -> Tensor:
        """Return action values of the belief and of the present."""
        return network["head"](torch.cat([recalled, network["situation"](states, goals)], dim=-1))

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
        errors = self.agents["agent"].network["decoder"](batch, recalled, chosen, self.config.state_weight)
        within = torch.arange(steps + 1, device=self.device)[:, None] <= batch.lengths
        return {"decoder_loss": (errors * within[:, None] * weight).sum() / trials}


class TransitionDecoder(nn.Module):
    """Rewards and next states from a belief and a state, goal and action."""

    def __init__(self, states: tuple[int, ...], goals: tuple[int, ...], actions: int, belief: int):
        super().__init__()
        self.situation, self.actions = Situation(states, goals), nn.Embedding(actions, 64)
        self.layers = nn.Sequential(nn.Linear(belief + 64 + 64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.reward, self.state = nn.Linear(128, 1), nn.Linear(128, len(states))

    def forward(self, batch: WholeTrials, beliefs: Tensor, chosen: Tensor, state_weight: float) -> Tensor:
        """Return squared errors `(T + 1, K, N)` of the `chosen` transitions `(K, N)`, from `beliefs` `(T + 1, N, ·)`.

        The errors of a next state are those of its integers.
        """
        trials = torch.arange(chosen.shape[1], device=chosen.device)
        situations = self.situation(batch.states, batch.goals)[chosen, trials]
        transitions = torch.cat([situations, self.actions(batch.actions[chosen, trials])], dim=-1)
        shape = len(beliefs), *transitions.shape[:2], -1
        told = torch.cat([beliefs[:, None].expand(shape), transitions.expand(shape)], dim=-1)
        features = self.layers(told)
        after = batch.states.values[batch.states.where[chosen + 1, trials]].float()
        rewards = (self.reward(features)[..., 0] - batch.rewards[chosen, trials]).square()
        return rewards + state_weight * (self.state(features) - after).square().sum(dim=-1)
