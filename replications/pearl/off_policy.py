"""What PEARL and multi-task soft actor-critic share: actor and critics, memory of every training task, and noise."""

import numpy as np
import torch
from torch import Tensor

from replications.pearl.actor_critic import ActorCritic, ActorCriticConfig
from shared.rl.replay import TaskReplay
from shared.rl.rollout import Layout, Stage
from shared.tasks.family import TaskFamily
from shared.tasks.task_sets import check_task_sets


class OffPolicyLearner:
    """Soft actor-critic told `latents` numbers, on the fixed set of training tasks `family.train_set`.

    Raises `ValueError` for a family without such a set.
    """

    def __init__(
        self, family: TaskFamily, config: ActorCriticConfig, latents: int, seed: np.random.SeedSequence, device: str
    ):
        check_task_sets(family)
        weights, draws, noise = seed.spawn(3)
        self.weights = torch.Generator().manual_seed(int(weights.generate_state(1)[0]))
        states, actions = (space.shape[0] for space in (family.observation_space, family.action_space))
        self.family, self.config, self.device = family, config, device
        self.layout = Layout(states, actions)
        self.actor_critic = ActorCritic(states, actions, latents, config, self.weights, device)
        self.rng = np.random.default_rng(draws)
        self.noise = torch.Generator().manual_seed(int(noise.generate_state(1)[0]))
        self.replay = TaskReplay(len(family.train_set), self.layout.width)
        self.stage = Stage(family)
        self.env_steps = 0

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal noise."""
        return torch.randn(shape, generator=self.noise).to(self.device)
