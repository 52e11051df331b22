# ruff: noqa: NPY002 (the library draws from numpy's global generator, whose state is therefore kept here)
"""Soft actor-critic of Stable-Baselines3 on a family of one task: an independent check of ours.

It has no state-value network (Haarnoja et al. 2018b); its temperature is fixed at 1 and the rewards scaled, as ours. It
explores with uniform actions before it learns, where ours acts with its first policy.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from gymnasium.wrappers import TransformReward
from pydantic import BaseModel, ConfigDict, Field
from stable_baselines3 import SAC

from shared.rl.rollout import Stage
from shared.study.seeds import generator_state, restore_generator
from shared.tasks.family import TaskFamily
from shared.tasks.single import SingleTask

_MEMORY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class Config(BaseModel):
    """Hyper-parameters of soft actor-critic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_size: int = Field(gt=0, description="width of three hidden layers")
    learning_rate: float = Field(gt=0)
    discount: float = Field(gt=0, le=1)
    reward_scale: float = Field(gt=0, description="rewards in the losses, at temperature 1")
    target_rate: float = Field(gt=0, le=1)
    batch_size: int = Field(gt=0)
    iteration_steps: int = Field(gt=0, description="environment steps of one iteration, whole episodes")
    gradient_steps: int = Field(gt=0, description="of one iteration")
    initial_steps: int = Field(ge=0, description="with uniform actions, before anything is trained")
    evaluations: int = Field(gt=0, description="episodes of a test, averaged")


class StableBaselinesSAC:
    """`stable_baselines3.SAC` on the first of `family.train_set`."""

    Config = Config

    def __init__(self, family: TaskFamily, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        if config.iteration_steps % family.horizon:
            raise ValueError(f"iteration_steps must be whole episodes of {family.horizon} steps")
        self.family, self.config, self.device = family, config, device
        self.rng = np.random.default_rng(seed)
        self._globals = self._first_globals(seed)
        self.stage = Stage(family)
        task = SingleTask(family, task=family.train_set[0])
        with self._own_generators():
            self.model = SAC(
                "MlpPolicy",
                TransformReward(task, lambda reward: config.reward_scale * reward),
                learning_rate=config.learning_rate,
                buffer_size=1_000_000,
                learning_starts=config.initial_steps,
                batch_size=config.batch_size,
                tau=config.target_rate,
                gamma=config.discount,
                train_freq=(config.iteration_steps, "step"),
                gradient_steps=config.gradient_steps,
                ent_coef=1.0,
                policy_kwargs={"net_arch": [config.hidden_size] * 3},
                device=device,
            )

    @property
    def env_steps(self) -> int:
        """Environment steps so far."""
        return self.model.num_timesteps

    def train(self) -> dict[str, float]:
        """Play `iteration_steps` steps from a fresh start and take `gradient_steps` gradient steps."""
        before = self.model.replay_buffer.pos
        with self._own_generators():
            self.model.get_env().seed(int(self.rng.integers(2**31)))
            self.model.action_space.seed(int(self.rng.integers(2**31)))
            self.model._last_obs = None  # an iteration begins with an episode, so no simulation has to be remembered
            self.model.learn(self.config.iteration_steps, log_interval=None, reset_num_timesteps=False)
        rewards = self.model.replay_buffer.rewards[before : self.model.replay_buffer.pos] / self.config.reward_scale
        return {"train/return": float(rewards.sum()) * self.family.horizon / self.config.iteration_steps}

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """Play `episodes` episodes with the policy's mean actions; nothing adapts. `(tasks, episodes)`."""
        played = np.repeat(tasks, self.config.evaluations, axis=0)
        returns = np.empty((len(played), episodes))
        for episode in range(episodes):
            one = self.stage.play(played, lambda states: self.model.predict(states, deterministic=True)[0], rng)
            returns[:, episode] = (one.rewards * one.valid).sum(axis=0)
        return returns.reshape(len(tasks), self.config.evaluations, episodes).mean(axis=1)

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimisers, memory, generators and counters."""
        memory, parameters = self.model.replay_buffer, self.model.get_parameters()
        return {
            "parameters": copy.deepcopy(parameters),
            "memory": {name: getattr(memory, name)[: memory.pos].copy() for name in _MEMORY},
            "steps": self.model.num_timesteps,
            "updates": self.model._n_updates,
            "rng": generator_state(self.rng),
            "globals": dict(self._globals),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.model.set_parameters(state["parameters"])
        memory = self.model.replay_buffer
        memory.pos = len(state["memory"]["rewards"])
        for name, values in state["memory"].items():
            getattr(memory, name)[: memory.pos] = values
        self.model.num_timesteps, self.model._n_updates = state["steps"], state["updates"]
        restore_generator(self.rng, state["rng"])
        self._globals = dict(state["globals"])

    def _first_globals(self, seed: np.random.SeedSequence) -> dict[str, Any]:
        numpys, torchs = seed.spawn(2)
        number = int(torchs.generate_state(1)[0])
        states = {
            "numpy": np.random.RandomState(np.random.MT19937(numpys)).get_state(legacy=False),
            "torch": torch.Generator().manual_seed(number).get_state(),
        }
        if self.device.startswith("cuda"):
            states["cuda"] = torch.Generator(self.device).manual_seed(number).get_state()
        return states

    @contextmanager
    def _own_generators(self) -> Iterator[None]:
        """Within the context the global generators, which the library draws from, are this learner's."""
        before = self._read_globals()
        self._write_globals(self._globals)
        try:
            yield
        finally:
            self._globals = self._read_globals()
            self._write_globals(before)

    def _read_globals(self) -> dict[str, Any]:
        states = {"numpy": np.random.get_state(legacy=False), "torch": torch.get_rng_state()}
        return states | ({"cuda": torch.cuda.get_rng_state(self.device)} if self.device.startswith("cuda") else {})

    def _write_globals(self, states: dict[str, Any]) -> None:
        np.random.set_state(states["numpy"])
        torch.set_rng_state(states["torch"])
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self.device)
