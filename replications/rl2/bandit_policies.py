"""Playing Bernoulli bandits (Sec. 3.1): the loop that all baselines of Table 1 share, and their policies.

A policy is in play on a block of bandits and works on arrays `(instances, arms)`. Every arm starts at one
success and one failure, Beta(1, 1), the true prior. A pull changes one arm of each bandit, so that only that
arm's index, bound or posterior is computed anew.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import numpy as np

from replications.rl2.bayes import Plan
from replications.rl2.beta_sampling import BetaSampler
from replications.rl2.tasks import BernoulliBandits

BLOCK_VALUES = 2**17  # arms times posterior samples handled at once: what stays in the cache

Ties = Literal["first", "random"]


class Policy(ABC):
    """A policy in play on a block of bandits; `a`, `b` `(instances, arms)` are the arms' posteriors."""

    def __init__(self, instances: int, arms: int, rng: np.random.Generator):
        self.a = np.ones((instances, arms), dtype=np.int64)
        self.b = np.ones((instances, arms), dtype=np.int64)
        self.rng = rng
        self._rows = np.arange(instances) * arms

    @abstractmethod
    def act(self, pull: int) -> np.ndarray:
        """Choose the arms `(instances,)` of pull `pull` = 1, 2, …"""

    def observe(self, actions: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        """Update the posteriors with one pull, arrays `(instances,)`; return the pulled arms' flat positions."""
        cells = self._rows + actions
        self.a.reshape(-1)[cells] += rewards > 0
        self.b.reshape(-1)[cells] += rewards == 0
        return cells


# How a policy starts, given the number of instances, the number of arms and a generator.
MakePolicy = Callable[[int, int, np.random.Generator], Policy]


def play(
    family: BernoulliBandits,
    make_policy: MakePolicy,
    tasks: np.ndarray,
    pulls: int,
    rng: np.random.Generator,
    samples: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Play one trial of `pulls` pulls on each bandit of `tasks` `(N, arms)`.

    `make_policy(instances, arms, rng)` starts the policy on a block of bandits; `samples`, the values it
    holds per arm, sets the blocks' size. Returns actions (int16) and rewards (float64), each `(N, pulls)`.
    """
    actions = np.empty((len(tasks), pulls), dtype=np.int16)
    rewards = np.empty((len(tasks), pulls))
    block = max(1, BLOCK_VALUES // (samples * family.arms))
    for start in range(0, len(tasks), block):
        rows = slice(start, start + block)
        envs = family.make(len(tasks[rows]))
        envs.set_tasks(tasks[rows])
        envs.reset(seed=int(rng.integers(2**31)))
        policy = make_policy(envs.num_envs, family.arms, rng)
        for t in range(pulls):
            chosen = policy.act(t + 1)
            _, paid, _, _, _ = envs.step(chosen)
            policy.observe(chosen, paid)
            actions[rows, t], rewards[rows, t] = chosen, paid
    return actions, rewards


def best_arms(scores: np.ndarray, ties: Ties, rng: np.random.Generator) -> np.ndarray:
    """Return the arms `(instances,)` of largest score; among equals the first or, if so asked, a random one."""
    if ties == "first":
        return scores.argmax(axis=1)
    largest = scores == scores.max(axis=1, keepdims=True)
    return np.where(largest, rng.random(scores.shape, dtype=np.float32), -1).argmax(axis=1)


class UniformPolicy(Policy):
    """Pulls any arm with the same probability."""

    def act(self, pull: int) -> np.ndarray:
        """Choose arms at random."""
        return self.rng.integers(self.a.shape[1], size=len(self.a))


class IndexPolicy(Policy):
    """Pulls the arm of largest index, a function of the arm's own successes and failures."""

    def __init__(
        self,
        instances: int,
        arms: int,
        rng: np.random.Generator,
        table: np.ndarray,
        ties: Ties,
        epsilon: float = 0.0,
    ):
        super().__init__(instances, arms, rng)
        self._table = table
        self._ties = ties
        self._epsilon = epsilon
        self._index = np.full((instances, arms), table[0, 0])

    def act(self, pull: int) -> np.ndarray:
        """Choose the arms of largest index or, with probability `epsilon` each, random ones."""
        chosen = best_arms(self._index, self._ties, self.rng)
        if self._epsilon > 0:
            explore = self.rng.random(len(chosen)) < self._epsilon
            chosen[explore] = self.rng.integers(self.a.shape[1], size=explore.sum())
        return chosen

    def observe(self, actions: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        """Update posteriors and the pulled arms' indices."""
        cells = super().observe(actions, rewards)
        self._index.reshape(-1)[cells] = self._table[self.a.take(cells) - 1, self.b.take(cells) - 1]
        return cells


class UCB1Policy(Policy):
    """Pulls the arm of largest μ + c √(2 ln t / T) at pull t, with μ = a/T, T = a + b (Auer et al. 2002)."""

    def __init__(self, instances: int, arms: int, rng: np.random.Generator, c: float, ties: Ties):
        super().__init__(instances, arms, rng)
        self._c = c
        self._ties = ties
        self._mean = np.full((instances, arms), 0.5)
        self._width = np.full((instances, arms), np.sqrt(0.5))  # 1/√T
        self._bound = np.empty((instances, arms))

    def act(self, pull: int) -> np.ndarray:
        """Choose the arms of largest upper confidence bound."""
        np.multiply(self._width, self._c * np.sqrt(2 * np.log(pull)), out=self._bound)
        self._bound += self._mean
        return best_arms(self._bound, self._ties, self.rng)

    def observe(self, actions: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        """Update posteriors and the pulled arms' means and widths."""
        cells = super().observe(actions, rewards)
        a = self.a.take(cells)
        total = a + self.b.take(cells)
        self._mean.reshape(-1)[cells] = a / total
        self._width.reshape(-1)[cells] = 1 / np.sqrt(total)
        return cells


class PosteriorSamplingPolicy(Policy):
    """Draws `samples` joint vectors of means from the posterior and acts greedily on the most probable one.

    One sample is Thompson sampling. The densities' normalising constants are common to all samples and left
    out.
    """

    def __init__(self, instances: int, arms: int, rng: np.random.Generator, samples: int):
        super().__init__(instances, arms, rng)
        self._instances = np.arange(instances)
        self._sampler = BetaSampler(samples, instances, arms)
        # With x = sin²θ, log x^(a-1) (1-x)^(b-1) = 2 (a-1) log sin θ + 2 (b-1) log cos θ.
        self._powers = np.zeros((2, instances, arms), dtype=np.float32)

    def act(self, pull: int) -> np.ndarray:
        """Choose the arms with the largest mean in the most probable sample."""
        theta, log_sin, log_cos = self._sampler.draw(self.rng)
        if len(theta) == 1:
            return theta[0].argmax(axis=1)
        density = np.einsum("sik,ik->si", log_sin, self._powers[0])
        density += np.einsum("sik,ik->si", log_cos, self._powers[1])
        return theta[density.argmax(axis=0), self._instances].argmax(axis=1)

    def observe(self, actions: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        """Update posteriors and all that the sampler derives from them."""
        cells = super().observe(actions, rewards)
        a, b = self.a.take(cells), self.b.take(cells)
        self._sampler.update(cells, a, b)
        self._powers.reshape(2, -1)[:, cells] = 2 * (a - 1), 2 * (b - 1)
        return cells


class PlannedPolicy(Policy):
    """Follows the dynamic program's plan, from state to state."""

    def __init__(self, instances: int, arms: int, rng: np.random.Generator, plan: Plan):
        super().__init__(instances, arms, rng)
        self._plan = plan
        self._state = np.zeros(instances, dtype=np.int64)

    def act(self, pull: int) -> np.ndarray:
        """Choose the first arm of the kind that the plan asks for."""
        successes, failures = self._plan.kind[self._state].T[:, :, None]
        return ((self.a - 1 == successes) & (self.b - 1 == failures)).argmax(axis=1)

    def observe(self, actions: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        """Update posteriors and the states."""
        self._state = self._plan.successor[self._state, rewards.astype(np.int64)]
        return super().observe(actions, rewards)
