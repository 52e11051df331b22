"""MAESN whose inner step moves the policy's parameters too, not the latents alone: what the paper found not to help."""

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad, vmap

from replications.maesn.adaptation import Phase, likelihood_loss
from replications.maesn.maesn import MAESN, State, with_latents
from replications.maesn.maesn import Config as MAESNConfig
from replications.maesn.policies import Parameters
from replications.maesn.rollouts import Advantages, Trajectories


class Config(MAESNConfig):
    """Hyper-parameters of MAESN that adapts everything."""

    weight_rate: float = Field(gt=0, description="step size of the policy's parameters, at first; one for each")


class MAESNOfEverything(MAESN):
    """The inner step moves the latents and, by MAML's step with meta-learned sizes, every parameter of the policy.

    In a `State` of this learner parameters have a leading dimension of tasks.
    """

    Config = Config

    def initial_parameters(self, generator: torch.Generator) -> Parameters:
        """Draw what MAESN has, and a step size for every parameter of the policy."""
        drawn = super().initial_parameters(generator)
        policy = self.policy.initial(torch.Generator())
        rates = {f"rate/{name}": torch.full_like(value, self.config.weight_rate) for name, value in policy.items()}
        self.moving = list(policy)
        return drawn | rates

    def known(self, indices: Tensor) -> State:
        """Return what is meta-learned of training tasks `indices` `(N,)`."""
        return super().known(indices)._replace(parameters=self._shared(len(indices)))

    def unknown(self, tasks: int) -> State:
        """Return the prior, and the policy, for each of so many new tasks."""
        return super().unknown(tasks)._replace(parameters=self._shared(tasks))

    def _shared(self, tasks: int) -> Parameters:
        return {name: self.parameters[name].expand(tasks, *self.parameters[name].shape) for name in self.moving}

    def step(self, state: State, z: Tensor, played: Trajectories, gains: Advantages, factor: float = 1.0) -> State:
        """Return `state` after MAESN's step and one up mean[log π(a|s, z) A] of every task."""
        shares, observations = played.shares * len(played.valid), with_latents(played.observations, z)
        unused = played.actions  # which policy played: the likelihood does not ask
        batch = Phase(observations, played.actions, unused, gains.steps, gains.excess, played.rewards, shares)

        def loss(parameters: Parameters, batch: Phase) -> Tensor:
            return likelihood_loss(self.policy, parameters, batch)

        slopes = vmap(grad(loss))(state.parameters, batch)
        moved = {
            name: value - factor * self.parameters[f"rate/{name}"] * slopes[name]
            for name, value in state.parameters.items()
        }
        return super().step(state, z, played, gains, factor)._replace(parameters=moved)

    def outputs(self, state: State, z: Tensor, observations: Tensor) -> Tensor:
        """Return the outputs of every task's own policy; see `MAESN.outputs`."""
        seen = with_latents(observations, z)
        return self.policy(state.parameters, seen.flatten(1, -2)).view(*seen.shape[:-1], -1)
