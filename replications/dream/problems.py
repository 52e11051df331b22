"""What DREAM's task distributions have in common: problems with a goal per episode, met in trials of two episodes.

A trial is one episode of exploration and one of exploitation in the same problem. Which problem it is, an integer, only
a training trial may say. Each episode has a goal of its own, which is seen beside the state; what is earned while
exploring does not count. The task vector is `(problem, goal of the first episode, goal of the later ones)`.

Problems and goals of trial s come from legacy generators seeded by s, as in the authors' code: every run meets the same
stream of training trials, and is tested on the same trials. Where episodes start in several places, the vector goes on
with `(start of the first episode, start of the later ones)`.
"""

from abc import abstractmethod

import gymnasium as gym
import numpy as np

from shared.tasks.family import TaskFamily, VectorTasks

Array = np.ndarray


class ProblemFamily(TaskFamily):
    """Problems whose states, goals and actions are integers; an observation is state and goal.

    What learners see of a state may be something else than its integers: `seen` says what.

    Attributes
    ----------
    problems: how many there are; `train_ids` and `test_ids` are those of the splits.
    actions: how many there are.
    state_sizes, goal_sizes: how many values each integer of the state and of the goal may have.
    width: how many numbers a state is embedded in by DREAM's agents.
    sight: what `seen` gives: `integers`, `rays` or `images`; `networks.embedder` takes it in.
    start_dim: how many numbers say where an episode starts.

    """

    problems: int
    train_ids: Array
    test_ids: Array
    actions: int
    state_sizes: tuple[int, ...]
    goal_sizes: tuple[int, ...]
    width: int = 64
    sight: str = "integers"
    start_dim: int = 0

    def __init__(self):
        self.state_dim, self.goal_dim = len(self.state_sizes), len(self.goal_sizes)
        self.task_dim = 1 + 2 * (self.goal_dim + self.start_dim)
        self.action_space = gym.spaces.Discrete(self.actions)
        self.observation_space = gym.spaces.MultiDiscrete([*self.state_sizes, *self.goal_sizes])
        self._legacy = np.random.RandomState()  # to be seeded: making one takes two hundred times as long

    @abstractmethod
    def draw_goal(self, problem: int, generator: np.random.RandomState) -> Array:
        """Draw the goal `(goal_dim,)` of an episode as the authors' code does."""

    def draw_starts(self, trial: int) -> Array:
        """Draw where both episodes of a trial start, `(2, start_dim)`."""
        return np.empty((2, 0))

    def measures(self, tasks: Array, codes: Array, actions: Array, valid: Array) -> dict[str, Array]:
        """Say what happened in episodes: measures `(N,)`.

        `codes` `(T + 1, N)` are the numbers of all states; `actions` and `valid` `(T, N)` belong to the steps between.
        """
        return {}

    def same_to_exploit(self, problems: Array) -> Array:
        """Return numbers `(N,)`, the same for `problems` `(N,)` that differ in nothing that exploitation needs."""
        return problems

    def seen(self, codes: Array) -> Array:
        """Return what is seen in the states whose numbers are `codes` `(U,)`: their integers `(U, state_dim)`."""
        return np.stack(np.unravel_index(codes, self.state_sizes), axis=1)

    def seen_goals(self, codes: Array) -> Array:
        """Return the goals `(U, goal_dim)` whose numbers are `codes` `(U,)`."""
        return np.stack(np.unravel_index(codes, self.goal_sizes), axis=1)

    def state_codes(self, observations: Array) -> Array:
        """Return the numbers `(N,)` of the states in `observations` `(N, ·)`; `np.unravel_index` undoes it."""
        return np.ravel_multi_index(tuple(observations[:, : self.state_dim].T), self.state_sizes)

    def goal_codes(self, tasks: Array) -> Array:
        """Return the numbers `(2, N)` of the goals of both episodes of trials `(N, task_dim)`."""
        goals = tasks[:, 1 : 1 + 2 * self.goal_dim].astype(np.int64).reshape(len(tasks), 2, self.goal_dim)
        return np.ravel_multi_index(tuple(goals.T), self.goal_sizes)

    def trials(self, first: int, count: int) -> Array:
        """Return `count` trials of the stream of training trials from number `first` on, `(count, task_dim)`."""
        return self._stream(self.train_ids, first, count)

    def train_tasks(self, n: int, rng: np.random.Generator) -> Array:
        """Return `n` successive trials of the stream of training trials, `(n, task_dim)`."""
        return self.trials(int(rng.integers(2**31)), n)

    def test_tasks(self, n: int, rng: np.random.Generator) -> Array:
        """Return the first `n` trials of the test, `(n, task_dim)`: the same for every run."""
        return self._stream(self.test_ids, 0, n)

    def _stream(self, ids: Array, first: int, count: int) -> Array:
        tasks = np.empty((count, self.task_dim))
        for row, seed in enumerate(range(first, first + count)):
            problem = ids[self.seeded(seed).randint(len(ids))]
            goals = [self.draw_goal(problem, self.seeded(s)) for s in (max(0, seed - 1), seed + 1)]
            tasks[row] = problem, *goals[0], *goals[1], *self.draw_starts(seed).ravel()
        return tasks

    def seeded(self, seed: int | list[int]) -> np.random.RandomState:
        """Return the legacy generator that `seed` stands for; it is used up before the next one is asked for."""
        self._legacy.seed(seed)
        return self._legacy


class VectorTrials(VectorTasks):
    """`num_envs` trials; the first episode after `set_tasks` has one goal and start, later ones others.

    A subclass says what begins with an episode (`clear`), what actions do (`act`), and what is seen (`observe`).
    """

    def __init__(self, num_envs: int, family: ProblemFamily):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self.family = family
        self.problems, self.clock = np.zeros((2, num_envs), dtype=np.int64)
        self._goals = np.zeros((num_envs, 2, family.goal_dim), dtype=np.int64)
        self._starts = np.zeros((num_envs, 2, family.start_dim), dtype=np.int64)
        self._episodes = np.full(num_envs, -1)
        self._over = np.ones(num_envs, dtype=bool)

    @property
    def goals(self) -> Array:
        """Goals of the present episodes, `(N, goal_dim)`."""
        return self._goals[np.arange(self.num_envs), np.clip(self._episodes, 0, 1)]

    @property
    def starts(self) -> Array:
        """Where the present episodes start, `(N, start_dim)`."""
        return self._starts[np.arange(self.num_envs), np.clip(self._episodes, 0, 1)]

    def set_tasks(self, tasks: Array) -> None:
        """Set the trials `(num_envs, task_dim)`; raise `ValueError` for what there is not."""
        tasks, family = self.checked_tasks(tasks, self.family.task_dim), self.family
        numbers = tasks.astype(np.int64)
        limits = np.array([family.problems, *family.goal_sizes * 2, *family.state_sizes[: family.start_dim] * 2])
        if (numbers != tasks).any() or (numbers < 0).any() or (numbers >= limits).any():
            raise ValueError(f"a trial is integers from 0 to below {tuple(int(n) for n in limits)}")
        self.problems, goals, starts = np.split(numbers, [1, 1 + 2 * family.goal_dim], axis=1)
        self.problems = self.problems[:, 0]
        self._goals, self._starts = (part.reshape(self.num_envs, 2, -1) for part in (goals, starts))
        self._episodes[:] = -1

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Array, dict]:
        """Start the next episode in the trials that `options["reset_mask"]` names."""
        mask = self.checked_mask((options or {}).get("reset_mask"))
        self._episodes[mask] += 1
        self.clock[mask] = 0
        self._over[mask] = False
        self.clear(mask)
        return self.observe(), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict]:
        """Take `actions[i]` in trial i; finished episodes stand still and earn nothing.

        `terminated`: what the task ends with was met, or the agent ended the episode. `truncated`: its time is over.
        """
        actions, going = self.checked_actions(actions), ~self._over
        self.clock += going
        rewards, ended = self.act(actions, going)
        terminated = going & ended
        truncated = going & ~terminated & (self.clock >= self.family.horizon)
        self._over |= terminated | truncated
        return self.observe(), np.where(going, rewards, 0.0), terminated, truncated, {}

    @abstractmethod
    def clear(self, mask: Array) -> None:
        """Put everything back to where an episode starts, in the trials that `mask` names."""

    @abstractmethod
    def act(self, actions: Array, going: Array) -> tuple[Array, Array]:
        """Let `actions` `(N,)` happen where an episode is `going`; return rewards and which episodes end, `(N,)`."""

    @abstractmethod
    def observe(self) -> Array:
        """Return the observations `(N, ·)`."""
