"""The baselines of Table 1 on Bernoulli bandits (Sec. 3.1).

A learner says which policy it plays. The paper tunes hyper-parameters by grid search for each setting; here
`train` runs the grid on training bandits. Where estimates tie, the first arm is pulled unless `ties` says
otherwise: the paper's numbers fit that choice.
"""

from abc import abstractmethod
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from replications.rl2.bandit_policies import (
    IndexPolicy,
    MakePolicy,
    PlannedPolicy,
    PosteriorSamplingPolicy,
    Ties,
    UCB1Policy,
    UniformPolicy,
    play,
)
from replications.rl2.bayes import bayes_optimal_plan, check_length
from replications.rl2.gittins import IndexName, index_table, posterior_table
from replications.rl2.tasks import BernoulliBandits
from replications.rl2.tuning import GridTuned
from shared.study.learner import Learner


class BanditLearner(Learner):
    """Plays one policy; subclasses say which."""

    samples = 1  # values that the policy holds per arm

    class Config(BaseModel):
        """No hyper-parameters."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, family: BernoulliBandits, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        self.family = family
        self.config = config
        self.seed = seed
        self.env_steps = 0

    @abstractmethod
    def policy(self, pulls: int) -> MakePolicy:
        """Return how to start the policy for trials of `pulls` pulls."""

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """Play `episodes` pulls of each bandit `(tasks, arms)`; return the rewards `(tasks, episodes)`."""
        return play(self.family, self.policy(episodes), tasks, episodes, rng, self.samples)[1]

    def state_dict(self) -> dict:
        """Return the learner's state: nothing, it is made anew from its configuration."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Take nothing back."""


class Random(BanditLearner):
    """Pulls arms at random."""

    def policy(self, pulls: int) -> MakePolicy:
        """Return the uniform policy."""
        return UniformPolicy


class Greedy(BanditLearner):
    """Pulls the arm of largest posterior mean."""

    class Config(BanditLearner.Config):
        """How ties are broken."""

        ties: Ties

    def policy(self, pulls: int) -> MakePolicy:
        """Return the index policy of posterior means."""
        return partial(IndexPolicy, table=mean_table(pulls), ties=self.config.ties)


def mean_table(pulls: int) -> np.ndarray:
    """Tabulate posterior means over successes and failures, `(pulls + 1, pulls + 1)`."""
    return posterior_table(lambda a, b: a / (a + b), pulls)


class OptimisticThompsonSampling(BanditLearner):
    """Thompson sampling on the most probable of several joint posterior samples (OTS in Table 1).

    The paper says that the sample of highest probability is taken. Of the possible readings only the joint
    density of all arms' means reproduces the printed column.
    """

    class Config(BanditLearner.Config):
        """Number of joint samples."""

        samples: int = Field(ge=1)

    @property
    def samples(self) -> int:
        """Return the number of joint samples."""
        return self.config.samples

    def policy(self, pulls: int) -> MakePolicy:
        """Return posterior sampling with several samples."""
        return partial(PosteriorSamplingPolicy, samples=self.samples)


class ThompsonSampling(BanditLearner):
    """Pulls the arm of largest mean in a sample of the posterior (Thompson 1933)."""

    def policy(self, pulls: int) -> MakePolicy:
        """Return posterior sampling with one sample."""
        return partial(PosteriorSamplingPolicy, samples=1)


class BayesOptimal(BanditLearner):
    """The policy of largest expected total reward, by dynamic programming: the ceiling of short trials.

    Raises `ValueError` for trials longer than `bayes.MAX_PULLS`.
    """

    def __init__(self, family: BernoulliBandits, config: BaseModel, seed: np.random.SeedSequence, device: str = "cpu"):
        check_length(family.pulls)
        super().__init__(family, config, seed, device)

    def policy(self, pulls: int) -> MakePolicy:
        """Return the plan for this number of pulls."""
        return partial(PlannedPolicy, plan=bayes_optimal_plan(self.family.arms, pulls))


class TunedLearner(GridTuned, BanditLearner):
    """A policy with one hyper-parameter, tuned on training bandits."""

    class Config(BanditLearner.Config):
        """The grid, the training bandits, and how ties are broken."""

        grid: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)
        tuning_tasks: int = Field(ge=1)
        ties: Ties

    @property
    def tuning_episodes(self) -> int:
        """Pulls of a tuning trial: those of the family's trials."""
        return self.family.pulls

    @abstractmethod
    def policy_with(self, value: float, pulls: int) -> MakePolicy:
        """Return how to start the policy with this value of the hyper-parameter."""

    def policy(self, pulls: int) -> MakePolicy:
        """Return the policy with the chosen hyper-parameter."""
        return self.policy_with(self.value, pulls)


class EpsilonGreedy(TunedLearner):
    """Pulls a random arm with probability ε, else the arm of largest posterior mean."""

    parameter = "epsilon"

    class Config(TunedLearner.Config):
        """Tuning of ε and how ties are broken."""

        grid: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(min_length=1)

    def policy_with(self, value: float, pulls: int) -> MakePolicy:
        """Return the index policy of posterior means with exploration."""
        return partial(IndexPolicy, table=mean_table(pulls), ties=self.config.ties, epsilon=value)


class UCB1(TunedLearner):
    """Optimism by confidence bounds whose scale c is tuned."""

    parameter = "c"

    def policy_with(self, value: float, pulls: int) -> MakePolicy:
        """Return UCB1 with this scale."""
        return partial(UCB1Policy, c=value, ties=self.config.ties)


class Gittins(TunedLearner):
    """Pulls the arm of largest Gittins index; the discount is tuned to the trial's length."""

    parameter = "discount"

    class Config(TunedLearner.Config):
        """Tuning of the discount, how ties are broken, and how the index is computed."""

        grid: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1)
        index: IndexName

    def policy_with(self, value: float, pulls: int) -> MakePolicy:
        """Return the index policy of this discount."""
        return partial(IndexPolicy, table=index_table(self.config.index, value, pulls), ties=self.config.ties)


def gittins_trajectories(
    family: BernoulliBandits, n: int, rng: np.random.Generator, discount: float = 0.995
) -> tuple[np.ndarray, np.ndarray]:
    """Play `n` training bandits by calibrated Gittins indices, for a network to imitate (Sec. 3.1).

    Returns actions (int16) and rewards (float64), each `(n, pulls)`.
    """
    tasks = family.train_tasks(n, rng)
    policy = partial(IndexPolicy, table=index_table("calibrated", discount, family.pulls), ties="first")
    return play(family, policy, tasks, family.pulls, rng)
