"""The baselines of Table 2 on random tabular MDPs (Sec. 3.2), thousands of MDPs at a time.

Each learner plans at the start of an episode, from what it has seen in the trial so far, and then acts greedily on its
action values with ties broken at random. The paper runs the agents of the TabulaRL package, whose beliefs start at
mean reward 0 although the MDPs' mean rewards are drawn around 1. Prior, bonus and planning variant are therefore
configuration: one block of methods repeats what was evidently run, another one is given the true prior.
"""

from abc import abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat

from replications.rl2.planning import (
    Posterior,
    Prior,
    backward_induction,
    confidence_widths,
    extended_value_iteration,
    random_argmax,
)
from replications.rl2.tasks import TabularMDPs, VectorMDPs
from replications.rl2.tuning import GridTuned
from shared.study.learner import Learner

Array = np.ndarray
BLOCK = 500  # MDPs held in memory at once; larger blocks leave the cache and are slower


class TabularLearner(Learner):
    """Plans once an episode and acts greedily; subclasses say what they believe and how they plan."""

    class Config(BaseModel):
        """No hyper-parameters."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, family: TabularMDPs, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        self.family = family
        self.config = config
        self.seed = seed
        self.env_steps = 0

    @abstractmethod
    def begin(self, tasks: np.ndarray) -> Any:
        """Return the belief with which a trial in `tasks` `(N, task_dim)` starts."""

    @abstractmethod
    def plan(self, belief: Any, episode: int, rng: np.random.Generator) -> np.ndarray:
        """Return action values `(H, N, S, A)` for episode `episode` = 1, 2, …"""

    def observe(self, belief: Any, states: Array, actions: Array, rewards: Array, successors: Array | None) -> None:
        """Update the belief in place with one step of every MDP, arrays `(N,)`; see `Posterior.observe`."""

    def act(self, scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Choose actions `(N,)` given the action values `(N, A)` of the present states."""
        return random_argmax(scores, rng)

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """Play a trial of `episodes` episodes in each task; return the undiscounted returns `(tasks, episodes)`."""
        blocks = np.split(tasks, range(BLOCK, len(tasks), BLOCK))
        return np.concatenate([self._play_trial(block, episodes, rng) for block in blocks])

    def _play_trial(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        env = self.family.make(len(tasks))
        env.set_tasks(tasks)
        env.reset(seed=int(rng.integers(2**31)))
        belief = self.begin(tasks)
        returns = np.empty((len(tasks), episodes))
        for episode in range(episodes):
            q = self.plan(belief, episode + 1, rng)
            returns[:, episode] = self._play_episode(env, q, belief, rng)
        return returns

    def _play_episode(self, env: VectorMDPs, q: np.ndarray, belief: Any, rng: np.random.Generator) -> np.ndarray:
        rows = np.arange(env.num_envs)
        states, _ = env.reset()
        returns = np.zeros(env.num_envs)
        for q_h in q:
            actions = self.act(q_h[rows, states], rng)
            successors, rewards, terminated, _, _ = env.step(actions)
            # All episodes end together. The state after the last step is never shown: nothing is learnt from it.
            self.observe(belief, states, actions, rewards, None if terminated.all() else successors)
            returns += rewards
            states = successors
        return returns

    def state_dict(self) -> dict:
        """Return the learner's state: nothing, it is made anew from its configuration."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Take nothing back."""


class Random(TabularLearner):
    """Uniformly random actions: all actions are worth the same."""

    def begin(self, tasks: np.ndarray) -> int:
        """Believe nothing; only the number of tasks is kept."""
        return len(tasks)

    def plan(self, belief: int, episode: int, rng: np.random.Generator) -> np.ndarray:
        """Return zeros, so that each action is chosen as a tie."""
        return np.zeros((self.family.horizon, belief, self.family.states, self.family.actions), dtype=np.float32)


class Optimal(TabularLearner):
    """The optimal policy of the known MDP: a ceiling, not a learner."""

    def begin(self, tasks: np.ndarray) -> np.ndarray:
        """Solve the true MDPs."""
        rewards, transitions = self.family.unpack(tasks)
        return backward_induction(rewards.astype(np.float32), transitions.astype(np.float32), self.family.horizon)

    def plan(self, belief: np.ndarray, episode: int, rng: np.random.Generator) -> np.ndarray:
        """Return the true optimal action values."""
        return belief


class BayesianLearner(TabularLearner):
    """Keeps conjugate posteriors of mean rewards and transitions over a trial."""

    class Config(TabularLearner.Config):
        """The prior: each mean reward is N(mean, 1/precision), each transition row symmetric Dirichlet."""

        prior_mean: float
        prior_precision: float = Field(gt=0)
        prior_count: float = Field(gt=0)

    def begin(self, tasks: np.ndarray) -> Posterior:
        """Return the prior for every task."""
        prior = Prior(self.config.prior_mean, self.config.prior_precision, self.config.prior_count)
        return Posterior(prior, len(tasks), self.family.states, self.family.actions)

    def observe(self, belief: Any, states: Array, actions: Array, rewards: Array, successors: Array | None) -> None:
        """Update the posteriors in place with one step of every MDP, arrays `(N,)`."""
        belief.observe(states, actions, rewards, successors)


class Greedy(BayesianLearner):
    """Acts optimally in the posterior-mean MDP."""

    def plan(self, belief: Posterior, episode: int, rng: np.random.Generator) -> np.ndarray:
        """Solve the posterior-mean MDPs."""
        return backward_induction(*belief.mean(), self.family.horizon)


class OPSRL(BayesianLearner):
    """Optimistic posterior sampling (Osband & Van Roy 2016): per action value, the best of several sampled MDPs."""

    class Config(BayesianLearner.Config):
        """Prior and number of sampled MDPs."""

        # Gamma draws of a much smaller shape all underflow in float32 and leave no transition row to normalise.
        prior_count: float = Field(ge=0.05)
        samples: int = Field(ge=1)

    def plan(self, belief: Posterior, episode: int, rng: np.random.Generator) -> np.ndarray:
        """Solve `samples` MDPs drawn from each posterior and return the element-wise maximum of their values."""
        q = backward_induction(*belief.sample(rng), self.family.horizon)
        for _ in range(self.config.samples - 1):
            np.maximum(q, backward_induction(*belief.sample(rng), self.family.horizon), out=q)
        return q


class PSRL(OPSRL):
    """Posterior sampling (Strens 2000; Osband et al. 2013): acts optimally in one sampled MDP."""

    class Config(OPSRL.Config):
        """Prior; the number of sampled MDPs is one."""

        samples: Literal[1] = 1


class TunedLearner(GridTuned, BayesianLearner):
    """A Bayesian learner with one hyper-parameter, tuned on training MDPs."""

    class Config(BayesianLearner.Config):
        """Prior, the grid, and the tuning trials."""

        grid: tuple[NonNegativeFloat, ...] = Field(min_length=1)
        tuning_tasks: int = Field(ge=1)
        episodes: int = Field(ge=1)  # length of a tuning trial: that of the test trials


class EpsilonGreedy(TunedLearner):
    """Greedy on the posterior mean, but uniformly random with probability ε at each step."""

    parameter = "epsilon"

    class Config(TunedLearner.Config):
        """Prior and tuning; the grid is one of probabilities."""

        grid: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(min_length=1)

    plan = Greedy.plan

    def act(self, scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Choose the best actions or, with probability ε each, random ones, `(N,)`."""
        explore = rng.random(len(scores)) < self.value
        return np.where(explore, rng.integers(scores.shape[1], size=len(scores)), random_argmax(scores, rng))


class BEB(TunedLearner):
    """Bayesian exploration bonus (Kolter & Ng 2009): the posterior-mean MDP plus a bonus falling as 1/n.

    The package writes β = 2 H² · scaling; the grid is one of β.
    """

    parameter = "beta"

    class Config(TunedLearner.Config):
        """Tuning and the form of the bonus."""

        bonus: Literal["tabularl", "visits"]

    def plan(self, belief: Posterior, episode: int, rng: np.random.Generator) -> np.ndarray:
        """Solve the posterior-mean MDPs with bonuses."""
        per_step, per_step_to_go = self.bonuses(belief)
        rewards, transitions = belief.mean()
        return backward_induction(rewards + per_step, transitions, self.family.horizon, per_step_to_go)

    def bonuses(self, belief: Posterior) -> tuple[np.ndarray, np.ndarray | float]:
        """Return the bonus of each step and the bonus per step that remains after it, each `(N, S, A)`.

        `visits`: β / (1 + n), where Kolter & Ng let n count the prior's pseudo-observations as well.
        `tabularl`: 1 / (1 + precision) for the rewards, whatever β, and β H / (1 + Σ concentrations) for the
        transitions, times the steps that remain.
        """
        if self.config.bonus == "visits":
            return self.value / (1 + belief.visits), 0.0
        totals = belief.concentrations.sum(axis=-1)
        return 1 / (1 + belief.reward_precisions), self.value * self.family.horizon / (1 + totals)


class UCRL2(TunedLearner):
    """Optimism over confidence sets (Jaksch et al. 2010) around the posterior mean, with rescaled widths."""

    parameter = "scaling"

    class Config(TunedLearner.Config):
        """Tuning, failure probability, and whether planning repeats the package's aliasing."""

        delta: float = Field(gt=0, lt=1)
        alias_transitions: bool

    def plan(self, belief: Posterior, episode: int, rng: np.random.Generator) -> np.ndarray:
        """Solve the most optimistic MDPs within the widths."""
        widths = confidence_widths(belief, episode, self.config.delta)
        reward_widths, transition_widths = (self.value * width for width in widths)
        return extended_value_iteration(
            *belief.mean(), reward_widths, transition_widths, self.family.horizon, self.config.alias_transitions
        )
