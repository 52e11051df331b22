"""A figure of ours: a policy meta-trained for trials of one length, met by trials of another."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from replications.rl2.rl2 import TrialEncoder, play_blocks
from shared.networks.recurrent import RecurrentNetwork
from shared.tasks.family import TaskFamily


class Config(BaseModel):
    """The shape of the network that the other run trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_size: int = Field(gt=0)
    candidate: Literal["relu", "tanh"]
    weight_norm: bool
    head_scale: float = Field(ge=0)
    update_bias: float
    inputs: Literal["separate", "transition"]


class Transfer:
    """The frozen policy of another run; nothing is trained here."""

    Config = Config

    def __init__(
        self,
        family: TaskFamily,
        config: Config,
        seed: np.random.SeedSequence,
        device: str = "cpu",
        needed: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        self.encoder = TrialEncoder(family.observation_space, family.action_space, config.inputs)
        self.family = family
        self.env_steps = 0
        self.policy = RecurrentNetwork(
            self.encoder.width,
            config.hidden_size,
            self.encoder.actions,
            torch.Generator(),
            weight_norm=config.weight_norm,
            relu=config.candidate == "relu",
            head_scale=config.head_scale,
            update_bias=config.update_bias,
        ).to(device)
        self.policy.load_state_dict(needed["policy"]["policy"])

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """Play one trial per task with frozen weights and sampled actions; returns `(tasks, episodes)`."""
        return play_blocks(self.policy, self.encoder, self.family, tasks, episodes, rng)

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the weights are the other run's."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take nothing back."""
