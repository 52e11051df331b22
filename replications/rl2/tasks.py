"""RL²'s two array-valued task families (Sec. 3.1 and 3.2): Bernoulli bandits and random tabular MDPs.

Both are stepped tens of thousands of tasks at a time on flat arrays. There is no train/test split in the paper: both
splits are drawn from the same continuous distribution, so that no task is ever met twice.
"""

import gymnasium as gym
import numpy as np

from shared.tasks.family import TaskFamily, VectorTasks


def fast_generator(seed: int | None = None) -> np.random.Generator:
    """Return a generator of the quickest kind that numpy has: drawing noise is most of the steppers' time."""
    return np.random.Generator(np.random.SFC64(seed))


class BernoulliBandits(TaskFamily):
    """Bandits with `arms` Bernoulli arms, success probabilities drawn from U[0, 1] (Sec. 3.1).

    An episode is one pull, a trial is `pulls` episodes of one bandit. The task vector is the arms' means `(arms,)`.
    """

    horizon = 1

    def __init__(self, arms: int, pulls: int):
        if arms < 2 or pulls < 1:
            raise ValueError(f"a bandit needs at least 2 arms and 1 pull, got arms={arms}, pulls={pulls}")
        self.arms = arms
        self.pulls = pulls
        self.task_dim = arms
        self.observation_space = gym.spaces.Discrete(1)
        self.action_space = gym.spaces.Discrete(arms)

    def train_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` bandits, `(n, arms)` success probabilities."""
        return rng.random((n, self.arms))

    def test_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` bandits, `(n, arms)` success probabilities."""
        return rng.random((n, self.arms))

    def make(self, num_envs: int) -> "VectorBandits":
        """Return a stepper for `num_envs` bandits."""
        return VectorBandits(num_envs, self)


class VectorBandits(VectorTasks):
    """`num_envs` bandits pulled together; observations are the constant 0, every pull ends its episode."""

    def __init__(self, num_envs: int, family: BernoulliBandits):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self._rows = np.arange(num_envs) * family.arms
        self._means = np.full(num_envs * family.arms, 0.5)
        self._observations = np.zeros(num_envs, dtype=np.int64)
        self._terminated = np.ones(num_envs, dtype=bool)
        self._truncated = np.zeros(num_envs, dtype=bool)
        self._rng = fast_generator()

    def set_tasks(self, tasks: np.ndarray) -> None:
        """Set the success probabilities `(num_envs, arms)`; raise `ValueError` outside [0, 1]."""
        tasks = self.checked_tasks(tasks, self.single_action_space.n)
        if not (tasks.min() >= 0 and tasks.max() <= 1):
            raise ValueError("success probabilities must lie in [0, 1]")
        self._means = tasks.ravel()

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Start an episode in the tasks that `options["reset_mask"]` names; a bandit has no state to put back."""
        self.checked_mask((options or {}).get("reset_mask"))
        if seed is not None:
            self._rng = fast_generator(seed)
        return self._observations.copy(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """Pull arm `actions[i]` of bandit i; rewards are 0 or 1, `(num_envs,)` float64.

        `info["expected_reward"]` holds the pulled arms' success probabilities.
        """
        actions = self.checked_actions(actions)
        means = self._means.take(self._rows + actions)
        rewards = (self._rng.random(self.num_envs) < means).astype(np.float64)
        info = {"expected_reward": means}
        return self._observations.copy(), rewards, self._terminated.copy(), self._truncated.copy(), info


class TabularMDPs(TaskFamily):
    """Random MDPs: mean rewards N(1, 1), reward noise N(0, 1), transitions Dirichlet(1, …, 1) (Sec. 3.2).

    Episodes last `horizon` steps and start in state 0. The task vector holds the mean rewards `(S·A,)`, then the
    transition probabilities `(S·A·S,)`, both in C order.
    """

    def __init__(self, states: int = 10, actions: int = 5, horizon: int = 10):
        if min(states, actions, horizon) < 1:
            raise ValueError(f"states, actions and horizon must be positive, got {states}, {actions}, {horizon}")
        self.states = states
        self.actions = actions
        self.horizon = horizon
        self.pairs = states * actions
        self.task_dim = self.pairs * (1 + states)
        self.observation_space = gym.spaces.Discrete(states)
        self.action_space = gym.spaces.Discrete(actions)

    def train_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` MDPs, `(n, task_dim)`; the first of them do not depend on how many are drawn."""
        for_rewards, for_transitions = (np.random.default_rng(seed) for seed in rng.integers(2**63, size=2))
        rewards = for_rewards.normal(1.0, 1.0, (n, self.pairs))
        gammas = for_transitions.standard_exponential((n, self.pairs, self.states))
        transitions = gammas / gammas.sum(axis=2, keepdims=True)  # Dirichlet(1, …, 1)
        return np.concatenate([rewards, transitions.reshape(n, -1)], axis=1)

    def test_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` MDPs, `(n, task_dim)`, from the same distribution."""
        return self.train_tasks(n, rng)

    def unpack(self, tasks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Split task vectors into mean rewards `(N, S, A)` and transition probabilities `(N, S, A, S)`."""
        rewards = tasks[:, : self.pairs].reshape(-1, self.states, self.actions)
        return rewards, tasks[:, self.pairs :].reshape(-1, self.states, self.actions, self.states)

    def make(self, num_envs: int) -> "VectorMDPs":
        """Return a stepper for `num_envs` MDPs."""
        return VectorMDPs(num_envs, self)


class VectorMDPs(VectorTasks):
    """`num_envs` tabular MDPs stepped together; observations are state indices `(num_envs,)`."""

    def __init__(self, num_envs: int, family: TabularMDPs):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self._family = family
        self._rows = np.arange(num_envs) * family.pairs
        self._states = np.zeros(num_envs, dtype=np.int64)
        self._clock = np.zeros(num_envs, dtype=np.int64)
        self._truncated = np.zeros(num_envs, dtype=bool)
        self._rng = fast_generator()
        self.set_tasks(family.train_tasks(1, np.random.default_rng(0)).repeat(num_envs, axis=0))

    def set_tasks(self, tasks: np.ndarray) -> None:
        """Set the MDPs `(num_envs, task_dim)`; raise `ValueError` where transition rows do not sum to 1."""
        tasks = self.checked_tasks(tasks, self._family.task_dim)
        rewards, transitions = self._family.unpack(tasks)
        if transitions.min() < 0 or not np.allclose(transitions.sum(axis=-1), 1.0):
            raise ValueError("each row of transition probabilities must be non-negative and sum to 1")
        # A step looks up a row of cumulative probabilities, without the last: a uniform draw above all others means the
        # last state. Finding it in so large a table is most of the time, so what is left over by blocks of eight
        # columns, which are compared and counted as one word, shares the row of the mean reward.
        cumulative = transitions.reshape(-1, self._family.states)[:, :-1].cumsum(axis=-1).astype(np.float32)
        left_over = cumulative.shape[1] % 8
        self._rewards_and_rest = np.concatenate(
            [rewards.reshape(-1, 1).astype(np.float32), cumulative[:, :left_over]], axis=1
        )
        blocks = range(left_over, cumulative.shape[1], 8)
        self._blocks = [np.ascontiguousarray(cumulative[:, start : start + 8]) for start in blocks]

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Put the tasks that `options["reset_mask"]` names (all by default) back to state 0."""
        mask = self.checked_mask((options or {}).get("reset_mask"))
        if seed is not None:
            self._rng = fast_generator(seed)
        self._states[mask] = 0
        self._clock[mask] = 0
        return self._states.copy(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """Act once in every MDP; the reward depends on the state acted in. Terminates at the horizon.

        `info["expected_reward"]` holds the mean rewards of the states and actions.
        """
        pairs = self._rows + self._states * self._family.actions + self.checked_actions(actions)
        found = self._rewards_and_rest.take(pairs, axis=0)
        means = found[:, 0].astype(np.float64)
        rewards = means + self._rng.standard_normal(self.num_envs, dtype=np.float32)
        uniforms = self._rng.random(self.num_envs, dtype=np.float32)
        self._states = np.zeros(self.num_envs, dtype=np.int64)
        for column in found.T[1:]:
            self._states += column < uniforms
        if self._blocks:
            eightfold = uniforms.repeat(8).reshape(-1, 8)
            for block in self._blocks:
                self._states += np.bitwise_count((block.take(pairs, axis=0) < eightfold).view(np.uint64))[:, 0]
        self._clock += 1
        terminated = self._clock >= self._family.horizon
        return self._states.copy(), rewards, terminated, self._truncated.copy(), {"expected_reward": means}
