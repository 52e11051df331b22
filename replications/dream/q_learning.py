"""Deep Q-learning on whole episodes, as DREAM and its neighbours do it (Liu et al. 2021, App. B)."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from replications.dream.networks import Distinct
from replications.dream.problems import ProblemFamily
from replications.dream.trials import EXPLOIT, EXPLORE, Drawn, Episodes, TrialReplay, behaviour, states
from shared.rl.optimise import adam, descend
from shared.study.seeds import generator_state, restore_generator
from shared.tasks.family import TaskFamily

Array = np.ndarray


class QConfig(BaseModel):
    """Hyper-parameters of Q-learning; the published values are in `replication.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float = Field(gt=0)
    anneal: tuple[int, int] | None = Field(
        description="environment steps, of both episodes, between which the learning rate falls to 0; null: it stays"
    )
    discount: float = Field(gt=0, le=1)
    batch_size: int = Field(gt=0, description="trials of one gradient step")
    alike: bool = Field(description="whether the trials of a batch are about as long as each other")
    capacity: int = Field(gt=0, description="trials remembered")
    update_every: int = Field(gt=0, description="environment steps per gradient step")
    target_every: int = Field(gt=0, description="environment steps between copies of the network into its target")
    epsilon_end: float = Field(ge=0, le=1, description="share of random actions in the end; all are random at first")
    epsilon_steps: int = Field(gt=0, description="environment steps until then")
    max_gradient_norm: float = Field(gt=0)
    parallel_trials: int = Field(gt=0, description="trials played side by side, between gradient steps")
    iteration_trials: int = Field(gt=0, description="trials of one meta-iteration")

    @model_validator(mode="after")
    def _annealed_in_time(self) -> "QConfig":
        if self.anneal and not 0 <= self.anneal[0] < self.anneal[1]:
            raise ValueError(f"anneal must be two increasing numbers of steps, got {self.anneal}")
        return self

    @model_validator(mode="after")
    def _whole_rounds(self) -> "QConfig":
        if self.iteration_trials % self.parallel_trials:
            raise ValueError(
                f"iteration_trials must be a multiple of parallel_trials, {self.parallel_trials}, "
                f"got {self.iteration_trials}"
            )
        return self


def double_q_loss(
    q: Tensor, target_q: Tensor, actions: Tensor, rewards: Tensor, done: Tensor, valid: Tensor, discount: float
) -> Tensor:
    """Return the mean squared error of double Q-learning over the steps that are `valid` (van Hasselt et al. 2016).

    `q` and `target_q` `(T + 1, N, actions)` are the values of all states, by the network and by its target; `actions`,
    `rewards`, `done`, `valid` `(T, N)` belong to the steps between states. Only `q` of the actions taken gets a
    gradient.
    """
    with torch.no_grad():
        best = q[1:].argmax(dim=-1, keepdim=True)
        targets = rewards + discount * (1 - done) * target_q[1:].gather(-1, best)[..., 0]
    errors = q[:-1].gather(-1, actions[..., None])[..., 0] - targets
    return (errors.square() * valid).sum() / valid.sum()


def annealed(rate: float, steps: int, between: tuple[int, int] | None) -> float:
    """Return the learning `rate` after `steps`: it falls `between` two numbers of them, in a straight line, to 0."""
    if between is None:
        return rate
    begin, end = between
    return rate * min(1.0, max(0.0, (end - steps) / (end - begin)))


class QAgent:
    """A network that learns action values, with its target and its optimiser; counts environment and gradient steps.

    `epsilon_steps` are those of `config` if nothing else is said.
    """

    def __init__(self, network: nn.Module, config: QConfig, device: str, epsilon_steps: int | None = None):
        self.config, self.steps, self.updates = config, 0, 0
        self.epsilon_steps = epsilon_steps or config.epsilon_steps
        self.network = network.to(device)
        self.target = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = adam(self.network, config.learning_rate)

    @property
    def epsilon(self) -> float:
        """The present share of random actions, which falls in a straight line."""
        c = self.config
        return max(c.epsilon_end, 1 - (1 - c.epsilon_end) * self.steps / self.epsilon_steps)

    def advance(self, steps: int) -> tuple[int, bool]:
        """Count `steps` more environment steps; return the gradient steps now due, and whether to copy the target."""
        c, before = self.config, self.steps
        self.steps += steps
        updates, copies = ((self.steps // every) - (before // every) for every in (c.update_every, c.target_every))
        return updates, copies > 0

    def set_learning_rate(self, rate: float) -> None:
        """Take the coming gradient steps with `rate`."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def descend(self, loss: Tensor) -> None:
        """Take one step down `loss`."""
        descend(loss, self.optimiser, max_norm=self.config.max_gradient_norm)
        self.updates += 1

    def copy_to_target(self) -> None:
        """Make the target what the network is."""
        self.target.load_state_dict(self.network.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimiser and counts."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "target", "optimiser")}
        return parts | {"steps": self.steps, "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name in ("network", "target", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.steps, self.updates = state["steps"], state["updates"]


class TrialLearner(ABC):
    """What learns from trials of two episodes; raises `ValueError` for other families.

    A subclass names its networks in `agents`, plays trials and learns from them. Given the state of a run that was
    `trained` before, it starts with that run's networks.
    """

    agents: dict[str, QAgent]

    def __init__(
        self,
        family: TaskFamily,
        config: QConfig,
        seed: np.random.SeedSequence,
        device: str = "cpu",
        needed: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        if not isinstance(family, ProblemFamily):
            raise ValueError(f"{type(self).__name__} knows nothing of {type(family).__name__}")
        weights, draws, noise = seed.spawn(3)
        self.family, self.config, self.device = family, config, device
        self.rng = np.random.default_rng(draws)
        self.noise = torch.Generator().manual_seed(int(noise.generate_state(1)[0]))
        self.memory = TrialReplay(family, config.capacity)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(weights.generate_state(1)[0]))
            self.agents = self.make_agents()
        if needed:
            for name, agent in self.agents.items():
                agent.load_state_dict(needed["trained"]["agents"][name])

    @abstractmethod
    def make_agents(self) -> dict[str, QAgent]:
        """Return the agents by name, with fresh weights."""

    @abstractmethod
    def play_trials(self, tasks: Array, greedy: bool) -> tuple[Episodes, Episodes]:
        """Play both episodes of `tasks` `(N, task_dim)`; `greedy` as in a test, where problems must not be told."""

    def batches(self, count: int) -> list[Drawn]:
        """Return the trials of `count` gradient steps."""
        return self.memory.draw(count, self.config.batch_size, self.rng, self.config.alike)

    @abstractmethod
    def learn(self, steps: tuple[int, int]) -> list[dict[str, Tensor]]:
        """Take the gradient steps due after `steps` of exploration and of exploitation; return the metrics of each."""

    @property
    def env_steps(self) -> int:
        """Environment steps so far, of both episodes of all trials."""
        return sum(agent.steps for agent in self.agents.values())

    def train(self) -> dict[str, float]:
        """Play trials of the stream of training trials and learn from them, `parallel_trials` at a time."""
        c = self.config
        measures, steps = [], []
        for first in range(self.memory.added, self.memory.added + c.iteration_trials, c.parallel_trials):
            tasks = self.family.trials(first, c.parallel_trials)
            episodes = self.play_trials(tasks, greedy=False)
            self.memory.add(tasks, *episodes)
            rate = annealed(c.learning_rate, self.env_steps, c.anneal)
            for agent in self.agents.values():
                agent.set_learning_rate(rate)
            steps += self.learn(tuple(int(played.lengths.sum()) for played in episodes))
            measures.append([behaviour(self.family, tasks, played) for played in episodes])
        metrics = {}
        for name, phase in (("explore", EXPLORE), ("train", EXPLOIT)):
            for measure in measures[0][phase]:
                metrics[f"{name}/{measure}"] = float(np.mean([one[phase][measure] for one in measures]))
        metrics |= {f"{name}/epsilon": agent.epsilon for name, agent in self.agents.items()}
        for name in sorted({name for step in steps for name in step}):
            metrics[name] = float(torch.stack([step[name] for step in steps if name in step]).mean())
        return metrics

    @torch.no_grad()
    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> dict[str, Array]:
        """Explore for an episode, then exploit for one, greedily; the problem is not told, and nothing is drawn.

        Returns the measures of `trials.behaviour` and `trials.states`, `(tasks, 2)` each; raises `ValueError` for other
        than two episodes.
        """
        if episodes != 2:
            raise ValueError(f"a trial has 2 episodes, not {episodes}")
        played = self.play_trials(tasks, greedy=True)
        measures = [behaviour(self.family, tasks, one) | states(one) for one in played]
        return {name: np.stack([one[name] for one in measures], axis=1) for name in measures[0]}

    def choose(self, values: Tensor, epsilon: float) -> Array:
        """Return the best actions `(N,)` by `values` `(1, N, actions)`, a share `epsilon` of them random instead."""
        best = values[0].argmax(dim=-1).cpu().numpy()
        if not epsilon:
            return best
        random = self.rng.random(len(best)) < epsilon
        return np.where(random, self.rng.integers(values.shape[-1], size=len(best)), best)

    def states(self, codes: Array) -> Distinct:
        """Return states `(1, N)` of which `codes` `(N,)` are the numbers."""
        return Distinct.of(codes[None], self.family.seen, self.device)

    def problems_of(self, tasks: Array) -> Tensor:
        """Return the problems `(N,)` of trials `(N, task_dim)`: for training alone."""
        return torch.from_numpy(tasks[:, 0].astype(np.int64)).to(self.device)

    def odd_trials(self, count: int) -> Tensor:
        """Return which of the next `count` training trials have odd numbers, `(count, 1)`."""
        return torch.arange(self.memory.added, self.memory.added + count, device=self.device)[:, None] % 2 == 1

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal noise."""
        return torch.randn(shape, generator=self.noise).to(self.device)

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimisers, memory, generators and counts."""
        return {
            "agents": {name: agent.state_dict() for name, agent in self.agents.items()},
            "memory": self.memory.state_dict(),
            "rng": generator_state(self.rng),
            "noise": self.noise.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name, agent in self.agents.items():
            agent.load_state_dict(state["agents"][name])
        self.memory.load_state_dict(state["memory"])
        restore_generator(self.rng, state["rng"])
        self.noise.set_state(state["noise"])
