"""Claim 2 of RL² (Sec. 3.1): the same network, taught by Gittins-index trajectories instead of reinforcement."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from replications.rl2.bandits import gittins_trajectories
from replications.rl2.rl2 import NetworkConfig, gradient_step, make_network
from replications.rl2.tasks import BernoulliBandits
from replications.rl2.trials import TrialEncoder, play_blocks
from shared.study.seeds import generator_state, restore_generator


class Config(NetworkConfig):
    """Hyper-parameters of the imitation; the paper prints none."""

    batch_trials: int = Field(gt=0, description="fresh teacher trials per meta-iteration")
    minibatch_trials: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    learning_rate_decay_steps: int = Field(gt=0)
    max_gradient_norm: float = Field(gt=0)
    teacher_discount: float = Field(gt=0, lt=1, description="discount of the teacher's Gittins indices")


def encode_trials(encoder: TrialEncoder, actions: np.ndarray, rewards: np.ndarray) -> Tensor:
    """Return the inputs `(T, N, width)` of bandit trials from actions and rewards `(N, T)`."""
    trials, steps = actions.shape
    inputs = torch.zeros(steps, trials, encoder.width)
    state, flags = np.zeros(trials, np.int64), np.ones(trials, np.float32)
    last_states, before = None, (np.zeros(trials, np.int64), np.zeros(trials, np.float32))
    for t in range(steps):
        encoder.write(inputs[t], state, last_states, *before, flags)
        last_states, before = state, (actions[:, t].astype(np.int64), rewards[:, t].astype(np.float32))
    return inputs


class Imitation:
    """RL²'s policy network trained by cross-entropy on fresh trajectories of a Gittins teacher."""

    Config = Config

    def __init__(self, family: BernoulliBandits, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        weights, trials = seed.spawn(2)
        self.family, self.config, self.device = family, config, device
        self.rng = np.random.default_rng(trials)
        self.env_steps = 0
        self.encoder = TrialEncoder(family.observation_space, family.action_space, config.inputs)
        generator = torch.Generator().manual_seed(int(weights.generate_state(1)[0]))
        self.policy = make_network(self.encoder, self.encoder.head.width, config, generator).to(device)
        self.optimiser = torch.optim.Adam(self.policy.parameters(), lr=config.learning_rate, eps=1e-5)

    def train(self) -> dict[str, float]:
        """Let the teacher play a batch of training bandits and pass over it once."""
        c = self.config
        actions, rewards = gittins_trajectories(self.family, c.batch_trials, self.rng, c.teacher_discount)
        inputs = encode_trials(self.encoder, actions, rewards).to(self.device)
        targets = torch.from_numpy(actions.T.astype(np.int64)).to(self.device)
        self.env_steps += rewards.size
        factor = 1 - 0.9 * min(1.0, self.env_steps / c.learning_rate_decay_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = c.learning_rate * factor
        losses, agreed = [], []
        order = torch.from_numpy(self.rng.permutation(c.batch_trials)).to(self.device)
        for chosen in order.split(c.minibatch_trials):
            logits, wanted = self.policy(inputs[:, chosen]), targets[:, chosen]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
            gradient_step(self.optimiser, loss, c.max_gradient_norm)
            losses.append(float(loss.detach()))
            agreed.append(float((logits.detach().argmax(dim=2) == wanted).float().mean()))
        return {
            "train/teacher_return": float(rewards.sum(axis=1).mean()),
            "policy/cross_entropy": float(np.mean(losses)),
            "policy/agreement": float(np.mean(agreed)),
        }

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """Play one trial per task with frozen weights and sampled actions; returns `(tasks, episodes)`."""
        return play_blocks(self.policy, self.encoder, self.family, tasks, episodes, rng)

    def state_dict(self) -> dict[str, Any]:
        """Return network, optimiser, generator and step count."""
        return {
            "policy": self.policy.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rng": generator_state(self.rng),
            "env_steps": self.env_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.policy.load_state_dict(state["policy"])
        self.optimiser.load_state_dict(state["optimiser"])
        restore_generator(self.rng, state["rng"])
        self.env_steps = state["env_steps"]
