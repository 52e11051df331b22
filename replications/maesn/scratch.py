"""Learning from scratch in every test task, by its sparse reward: TRPO, REINFORCE, and TRPO with a bonus for novelty.

The paper's third baseline is VIME. Here its place is taken by random network distillation (Burda et al. 2019), which
pays for states that a network cannot predict yet, as VIME pays for what it learns of the dynamics; it is much cheaper.
"""

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from replications.maesn.learner import MetaPolicyGradient, PolicyConfig, surrogate
from replications.maesn.policies import Parameters
from replications.maesn.rollouts import Advantages, Trajectories, advantages
from shared.rl.trpo import TrustRegion, trust_region_step

Array = np.ndarray


class Config(PolicyConfig):
    """Hyper-parameters of learning from scratch."""

    algorithm: Literal["trpo", "reinforce"]
    max_kl: float = Field(gt=0, description="δ, of TRPO")
    learning_rate: float = Field(gt=0, description="of REINFORCE, by Adam")
    bonus: float = Field(ge=0, description="of a step whose novelty is the mean of the first batch; 0: no bonus")


class Novelty:
    """How badly a network predicts what another, random one makes of states: large where it has not been often."""

    def __init__(self, states: int, generator: torch.Generator, device: str):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
            self.random, self.learning = (
                nn.Sequential(nn.Linear(states, 64), nn.ReLU(), nn.Linear(64, 16)).to(device) for _ in range(2)
            )
        self.optimiser = torch.optim.Adam(self.learning.parameters(), lr=1e-3)
        self.unit: float | None = None

    def errors(self, observations: Tensor) -> Tensor:
        """Return the squared errors `(…)` in `observations` `(…, o)`."""
        with torch.no_grad():
            wanted = self.random(observations)
        return (self.learning(observations) - wanted).square().mean(dim=-1)

    def learn(self, observations: Tensor, valid: Tensor) -> Tensor:
        """Return the novelty `(…)` of `observations` relative to the first batch; then take a step of learning."""
        errors = self.errors(observations.clamp(-10, 10))
        mean = (errors * valid).sum() / valid.sum()
        self.optimiser.zero_grad()
        mean.backward()
        self.optimiser.step()
        if self.unit is None:
            self.unit = mean.item() + 1e-12
        return errors.detach() / self.unit


class Scratch(MetaPolicyGradient):
    """Starts with random parameters in every test task, and learns for as many batches as the test has."""

    Config = Config

    def train(self) -> dict[str, float]:
        """Refuse: all learning is in the test."""
        raise RuntimeError("learning from scratch is not trained before a test")

    def begin(self, tasks: Array) -> None:
        """Return nothing: every task has a test of its own."""

    def advance(self, state, step, tasks, rng, last):
        """Refuse: every task has a test of its own."""
        raise RuntimeError("tasks are learned one by one")

    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> dict[str, Array]:
        """Learn each of `tasks` for `episodes` batches of `test_episodes`; return the batches' means."""
        reports = [self._learn(task[None], episodes, rng) for task in tasks]
        return {name: np.stack([report[name] for report in reports]) for name in reports[0]}

    def _learn(self, task: Array, batches: int, rng: np.random.Generator) -> dict[str, Array]:
        """Learn `task` `(1, task_dim)`; return measures `(batches,)`."""
        c = self.config
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        initial = self.policy.initial(generator)
        parameters = {name: value.to(self.device).requires_grad_() for name, value in initial.items()}
        optimiser = torch.optim.Adam(list(parameters.values()), lr=c.learning_rate)
        novelty = Novelty(self.family.observation_space.shape[0], generator, self.device) if c.bonus else None
        reports = []
        for _ in range(batches):
            act = lambda observations: self.policy(parameters, observations)  # noqa: E731
            played = self.sampler.play(act, task, c.test_episodes, rng, c.test_sparse, by_steps=True)
            reports.append({name: np.nanmean(values) for name, values in played.measures.items()})
            if novelty:
                new = novelty.learn(played.observations, played.valid)
                played = played._replace(rewards=played.rewards + c.bonus * new * played.valid)
            self._improve(parameters, optimiser, played, advantages(played, c.discount, c.gae_lambda))
        return {name: np.array([report[name] for report in reports]) for name in reports[0]}

    def _improve(
        self, parameters: Parameters, optimiser: torch.optim.Optimizer, played: Trajectories, gains: Advantages
    ) -> None:
        head, shares = self.policy.head, played.shares

        def outputs() -> Tensor:
            return self.policy(parameters, played.observations)

        if self.config.algorithm == "reinforce":
            optimiser.zero_grad()
            (-(shares * head.log_prob(outputs(), played.actions) * gains.steps).sum()).backward()
            optimiser.step()
            return
        with torch.no_grad():
            old = outputs()

        def objective(new: Tensor) -> Tensor:
            return surrogate(head, new, old, played.actions, gains.steps, shares)

        region = TrustRegion(self.config.max_kl)
        trust_region_step(list(parameters.values()), outputs, objective, head, shares, region)
