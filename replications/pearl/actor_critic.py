"""The actor and critics of PEARL (Rakelly et al. 2019, Sec. 5.1): soft actor-critic, told a latent z beside the state.

This is the first soft actor-critic (Haarnoja et al. 2018a): two critics, a network for the state value with a slowly
following target, the temperature fixed at 1 and the rewards scaled instead.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from shared.networks.mlp import MLP
from shared.networks.squashed_gaussian import gaussian_head, sample
from shared.rl.optimise import adam, descend
from shared.rl.rollout import Batch
from shared.rl.sac import critic_loss, move_towards, policy_loss, soft_values, td_targets, value_loss


class ActorCriticConfig(BaseModel):
    """Hyper-parameters of soft actor-critic; the published values are in `replication.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_size: int = Field(gt=0, description="width of the three hidden layers of every network")
    learning_rate: float = Field(gt=0)
    discount: float = Field(gt=0, le=1)
    reward_scale: float = Field(gt=0)
    target_rate: float = Field(gt=0, le=1, description="τ, the share of V in its target after a step")
    policy_penalty: float = Field(ge=0, description="weight of the mean squares of the policy's mean and log std")


class Encoding(NamedTuple):
    """What trains the encoder besides the critics: its own loss, and its optimiser."""

    loss: Tensor
    optimiser: torch.optim.Optimizer


class ActorCritic:
    """Policy π(a|s, z), critics Q₁, Q₂(s, a, z), value V(s, z) and its target V̄, with their optimisers."""

    def __init__(
        self,
        states: int,
        actions: int,
        latents: int,
        config: ActorCriticConfig,
        generator: torch.Generator,
        device: str,
    ):
        hidden = [config.hidden_size] * 3
        self.config = config
        self.policy = MLP(states + latents, hidden, 2 * actions, generator, head_bound=1e-3).to(device)
        self.critics = nn.ModuleList(MLP(states + actions + latents, hidden, 1, generator) for _ in range(2)).to(device)
        self.value = MLP(states + latents, hidden, 1, generator).to(device)
        self.target = copy.deepcopy(self.value).requires_grad_(False)
        self.optimisers = {
            name: adam(network, config.learning_rate)
            for name, network in (("policy", self.policy), ("critics", self.critics), ("value", self.value))
        }

    def update(
        self, batch: Batch, z: Tensor, noise: Tensor, encoder: Encoding | None = None, through: str = "critics"
    ) -> dict[str, Tensor]:
        """Take one step of every network on `batch`, with latents `z` `(B, latents)` and action noise `(B, A)`.

        The gradient of one loss alone reaches z, and with it the encoder that z comes from, if there is one to train
        here: it descends that loss and its own (Alg. 1, line 19). By default that is the critics' loss; `through` the
        `policy` it is the policy's, which the paper found to be worse (Sec. 4.2).
        """
        c, told = self.config, z.detach()
        to_critics, to_policy = (z if through == name else told for name in ("critics", "policy"))
        mean, log_std = gaussian_head(self.policy(torch.cat([batch.states, to_policy], dim=1)))
        actions, log_probs = sample(mean, log_std, noise)

        with torch.no_grad():
            next_values = self.target(torch.cat([batch.next_states, told], dim=1))[:, 0]
            targets = td_targets(c.reward_scale * batch.rewards, batch.done, next_values, c.discount)
        taken = torch.cat([batch.states, batch.actions, to_critics], dim=1)
        q_loss = critic_loss([critic(taken)[:, 0] for critic in self.critics], targets)
        self._descend("critics", q_loss, encoder if through == "critics" else None)

        with frozen(self.critics):
            drawn = torch.cat([batch.states, actions, to_policy], dim=1)
            q = torch.minimum(*(critic(drawn)[:, 0] for critic in self.critics))
        values = self.value(torch.cat([batch.states, told], dim=1))[:, 0]
        v_loss = value_loss(values, soft_values(q, log_probs))
        self._descend("value", v_loss)
        move_towards(self.target.parameters(), self.value.parameters(), c.target_rate)

        penalty = mean.square().mean() + log_std.square().mean()
        pi_loss = policy_loss(q, log_probs) + c.policy_penalty * penalty
        self._descend("policy", pi_loss, encoder if through == "policy" else None)
        return {
            "critics/loss": q_loss.detach(),
            "value/loss": v_loss.detach(),
            "policy/loss": pi_loss.detach(),
            "policy/entropy": -log_probs.detach().mean(),
        }

    def _descend(self, name: str, loss: Tensor, encoder: Encoding | None = None) -> None:
        if encoder is None:
            descend(loss, self.optimisers[name])
        else:
            descend(loss + encoder.loss, self.optimisers[name], encoder.optimiser)

    @torch.no_grad()
    def act(self, states: np.ndarray, z: Tensor, noise: Tensor | None) -> np.ndarray:
        """Return actions `(N, A)` in `states` `(N, ·)` with latents `(N, latents)`; tanh of the mean without noise."""
        inputs = torch.cat([torch.as_tensor(states, dtype=torch.float32).to(z.device), z], dim=1)
        mean, log_std = gaussian_head(self.policy(inputs))
        actions = torch.tanh(mean) if noise is None else sample(mean, log_std, noise)[0]
        return actions.cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        """Return networks and optimisers."""
        networks = {name: getattr(self, name).state_dict() for name in ("policy", "critics", "value", "target")}
        return networks | {"optimisers": {name: o.state_dict() for name, o in self.optimisers.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name in ("policy", "critics", "value", "target"):
            getattr(self, name).load_state_dict(state[name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within the context, gradients pass through `network` but none are computed for its parameters."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
