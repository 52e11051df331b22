"""A figure of ours: a policy meta-trained for trials of one length, met by trials of another."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from replications.rl2.rl2 import NetworkConfig, make_network
from replications.rl2.trials import TrialEncoder, play_blocks
from shared.tasks.family import TaskFamily


class Transfer:
    """The frozen policy of another run; nothing is trained here."""

    Config = NetworkConfig

    def __init__(
        self,
        family: TaskFamily,
        config: NetworkConfig,
        seed: np.random.SeedSequence,
        device: str = "cpu",
        needed: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        self.encoder = TrialEncoder(family.observation_space, family.action_space, config.inputs)
        self.family = family
        self.env_steps = 0
        self.policy = make_network(self.encoder, self.encoder.head.width, config, torch.Generator()).to(device)
        self.policy.load_state_dict(needed["policy"]["policy"])

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """Play one trial per task with frozen weights and sampled actions; returns `(tasks, episodes)`."""
        return play_blocks(self.policy, self.encoder, self.family, tasks, episodes, rng)

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the weights are the other run's."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take nothing back."""
