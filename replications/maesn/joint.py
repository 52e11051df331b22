"""What meta-learned policies are compared with: one policy for all tasks, told them or not, and a random one."""

from collections.abc import Callable

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from replications.maesn.adaptation import GradientSteps, Phase, StepConfig, episode_return
from replications.maesn.learner import MetaConfig, MetaPolicyGradient, PolicyConfig, surrogate
from replications.maesn.policies import GaussianPolicy
from replications.maesn.promp import AdamAdaptation
from replications.maesn.rollouts import Advantages, Outputs, Trajectories
from replications.maesn.tasks import SparseFamily
from shared.rl.trpo import TrustRegion, trust_region_step

Array = np.ndarray


class JointConfig(PolicyConfig):
    """Hyper-parameters of a policy that is trained on all tasks at once."""

    tasks: int = Field(gt=0, description="of an iteration, an episode in each")
    max_kl: float = Field(gt=0, description="δ")
    damping: float = Field(ge=0, description="of the Fisher matrix")


class PretrainedConfig(JointConfig, StepConfig):
    """Hyper-parameters of such a policy that a test adapts."""


class RandomPolicy(GradientSteps):
    """A policy as it is drawn, which a test then adapts by gradient steps."""

    def train(self) -> dict[str, float]:
        """Refuse: there is nothing to train."""
        raise RuntimeError("a random policy is not trained")


class Pretrained(GradientSteps):
    """One policy trained by TRPO on many tasks, one episode each; a test adapts it by gradient steps."""

    Config = PretrainedConfig

    def train(self) -> dict[str, float]:
        """Play an episode in each of `tasks` tasks, pooled as if they were one; take a step of TRPO."""
        tasks = self.family.train_tasks(self.config.tasks, self.rng)
        played = pooled(self.sampler.play(self.acting(self.shared(len(tasks))), tasks, 1, self.rng, sparse=False))
        self.env_steps += int(played.valid.sum())
        observations = played.observations
        found = joint_step(self, lambda: self.policy(self.parameters, observations), played, self.advantages(played))
        return found | {"train/return": float(played.measures["return"].mean())}


class AdamPretrainedConfig(StepConfig, MetaConfig):
    """Hyper-parameters of a policy that is trained by Adam on batches of every task, as MAML's are."""

    learning_rate: float = Field(gt=0)


class AdamPretrained(AdamAdaptation):
    """One policy trained by Adam on the mean of tasks' policy gradients: MAML's code, meta-learning switched off.

    The code plays a second batch too, which has no effect; here none is played.
    """

    Config = AdamPretrainedConfig

    def train(self) -> dict[str, float]:
        """Play a batch in every task of a meta-batch; take a step."""
        tasks = self.family.train_tasks(self.config.meta_batch, self.rng)
        batch = self.batch(self.shared(len(tasks)), tasks)
        return {"train/return": episode_return(batch)} | self.outer_step([], batch.without_gaps())

    def outer_step(self, phases: list[Phase], after: Phase) -> dict[str, float]:
        """Maximise the mean over tasks of mean[log π_θ(a|s) A] by one step of Adam; nothing has adapted."""
        objective = self.earned(self.shared(len(after.actions)), after)
        self.ascend(objective)
        return {"outer/objective": float(objective.detach())}


class Oracle(MetaPolicyGradient):
    """One policy trained by TRPO on many tasks, one episode each, that is told which one it is in; nothing adapts."""

    Config = JointConfig

    def make_policy(self, states: int, actions: int) -> GaussianPolicy:
        """Return a policy of observations and task features."""
        told = self.family.features(self.family.train_tasks(1, np.random.default_rng(0))).shape[1]
        return super().make_policy(states + told, actions)

    def told(self, observations: Tensor, tasks: Array) -> Tensor:
        """Return `observations` `(N, K, …, o)` with the features of `tasks` `(N, task_dim)`."""
        features = torch.tensor(self.family.features(tasks), dtype=torch.float32, device=self.device)
        features = features.view(len(tasks), *[1] * (observations.dim() - 2), -1)
        return torch.cat([observations, features.expand(*observations.shape[:-1], -1)], dim=-1)

    def acting(self, tasks: Array) -> Outputs:
        """Return the policy in `tasks`, as a function of observations `(N, K, o)`."""
        return lambda observations: self.policy(self.parameters, self.told(observations, tasks))

    def train(self) -> dict[str, float]:
        """Play an episode in each of `tasks` tasks, pooled as if they were one; take a step of TRPO."""
        tasks = self.family.train_tasks(self.config.tasks, self.rng)
        apart = self.sampler.play(self.acting(tasks), tasks, 1, self.rng, sparse=False)
        self.env_steps += int(apart.valid.sum())
        told = apart._replace(observations=self.told(apart.observations, tasks))
        played = pooled(told)
        found = joint_step(
            self, lambda: self.policy(self.parameters, played.observations), played, self.advantages(played)
        )
        return found | {"train/return": float(played.measures["return"].mean())}

    def begin(self, tasks: Array) -> None:
        """Return nothing: nothing adapts."""

    @torch.no_grad()
    def advance(self, state: None, step: int, tasks: Array, rng: np.random.Generator, last: bool):
        """Play a batch."""
        c = self.config
        return self.sampler.play(self.acting(tasks), tasks, c.test_episodes, rng, c.test_sparse), None


def pooled(played: Trajectories) -> Trajectories:
    """Return one episode of each of N tasks as N episodes of one task."""
    tensors = [part.transpose(0, 1) for part in played[:4]]
    measures = {name: values.T for name, values in played.measures.items()}
    return Trajectories(*tensors, measures, played.places.swapaxes(0, 1))


def joint_step(
    learner: MetaPolicyGradient, outputs: Callable[[], Tensor], played: Trajectories, gains: Advantages
) -> dict[str, float]:
    """Take a step of TRPO up mean[π/π_old · A]; `outputs()` `(1, K, T, 2 · a)` are the policy's where it `played`."""
    c, head = learner.config, learner.policy.head
    with torch.no_grad():
        old = outputs()

    def objective(new: Tensor) -> Tensor:
        return surrogate(head, new, old, played.actions, gains.steps, played.shares)

    parameters = [value for name, value in learner.parameters.items() if not name.startswith("rate/")]
    region = TrustRegion(c.max_kl, damping=c.damping)
    return trust_region_step(parameters, outputs, objective, head, played.shares, region).metrics


class NoConfig(BaseModel):
    """There are no hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Unrewarded:
    """Who never comes near a goal: what sparse rewards then add up to, costs of control and contact apart."""

    Config = NoConfig
    env_steps = 0

    def __init__(self, family: SparseFamily, config: NoConfig, seed: np.random.SeedSequence, device: str = "cpu"):
        self.family = family

    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> dict[str, Array]:
        """Return the level of each task, `(tasks, episodes)`."""
        levels = self.family.unrewarded(tasks)[:, None].repeat(episodes, axis=1)
        return {"return": levels, "solved": np.zeros_like(levels)}

    def state_dict(self) -> dict:
        """Return nothing."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Restore nothing."""
