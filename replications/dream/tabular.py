"""Why coupled exploration learns slowly, in tables (Liu et al. 2021, Sec. 5.2, Fig. 4).

There are |A| problems and |A| actions. An episode of exploration is one action: one of them, a*, shows which problem it
is, the others show nothing. An episode of exploitation is one action: one, another in every problem, is rewarded.
Behaviour is uniformly random, values are means of what was seen. How many trials does it take until the exploration
value of a* is the highest, for good?

Many learners, `repetitions`, are simulated side by side; to the runner each is a test task.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from replications.dream.problems import ProblemFamily
from shared.study.seeds import generator_state, restore_generator
from shared.tasks.family import TaskFamily, VectorTasks

Array = np.ndarray


class RevealingAction(ProblemFamily):
    """|A| problems, `actions` actions; the informative action is 0, problem µ pays for action µ.

    With `identities` each problem goes by several numbers: µ, µ + |A|, µ + 2 |A|, …; nothing that is seen or paid tells
    them apart.

    Which action it is and which one pays makes no difference to learners that start from equal values. The state is 0,
    or 1 + µ after the informative action of an exploration; there are no goals. `looks` are steps that an exploration
    goes on for after its action, for those who do not see the state that an episode ends in.
    """

    goal_sizes = (1,)

    def __init__(self, actions: int, looks: int = 0, identities: int = 1):
        if actions < 2:
            raise ValueError(f"actions must be at least 2, got {actions}")
        if identities < 1:
            raise ValueError(f"identities must be at least 1, got {identities}")
        self.horizon = 1 + looks
        self.actions, self.problems = actions, actions * identities
        self.state_sizes = (actions + 1,)
        self.train_ids = self.test_ids = np.arange(self.problems)
        super().__init__()

    def draw_goal(self, problem: int, generator: np.random.RandomState) -> Array:
        """Return the one goal."""
        return np.zeros(1)

    def same_to_exploit(self, problems: Array) -> Array:
        """Return the actions that are paid for."""
        return problems % self.actions

    def measures(self, tasks: Array, codes: Array, actions: Array, valid: Array) -> dict[str, Array]:
        """Return whether the informative action was taken."""
        return {"informative": (actions[0] == 0).astype(float)}

    def make(self, num_envs: int) -> "VectorRevealing":
        """Return a stepper for `num_envs` trials."""
        return VectorRevealing(num_envs, self)


class VectorRevealing(VectorTasks):
    """`num_envs` trials: the first episode after `set_tasks` is exploration, the later ones exploitation."""

    def __init__(self, num_envs: int, family: RevealingAction):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self.family = family
        self._paid, self._shown, self._clock = np.zeros((3, num_envs), dtype=np.int64)
        self._episodes = np.full(num_envs, -1)

    def set_tasks(self, tasks: Array) -> None:
        """Set the trials `(num_envs, 3)`; raise `ValueError` for a problem that there is not."""
        problems = self.checked_tasks(tasks, self.family.task_dim)[:, 0]
        if not np.isin(problems, self.family.train_ids).all():
            raise ValueError(f"problems are integers from 0 to {self.family.problems - 1}")
        self._paid, self._episodes[:] = self.family.same_to_exploit(problems.astype(np.int64)), -1

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Array, dict]:
        """Begin the next episode in the trials that `options["reset_mask"]` names."""
        mask = self.checked_mask((options or {}).get("reset_mask"))
        self._episodes += mask
        self._shown[mask] = self._clock[mask] = 0
        return self._observe(), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict]:
        """Take the one action of an episode, or, after it, look on."""
        actions, exploring, first = self.checked_actions(actions), self._episodes == 0, self._clock == 0
        self._clock += 1
        self._shown = np.where(exploring & first & (actions == 0), 1 + self._paid, self._shown)
        rewards = np.where(~exploring & first & (actions == self._paid), 1.0, 0.0)
        terminated = ~exploring | (self._clock == self.family.horizon)
        return self._observe(), rewards, terminated, np.zeros(self.num_envs, dtype=bool), {}

    def _observe(self) -> Array:
        return np.stack([self._shown, np.zeros_like(self._shown)], axis=1)


class Config(BaseModel):
    """How many learners there are, and how often they are looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repetitions: int = Field(gt=0, description="learners simulated side by side")
    trials: int = Field(gt=0, description="of one meta-iteration")


class TabularLearners:
    """`repetitions` learners with values of exploration `(repetitions, |A|)`, means of what each action led to."""

    Config = Config

    def __init__(self, family: TaskFamily, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        if not isinstance(family, RevealingAction):
            raise ValueError(f"{type(self).__name__} knows nothing of {type(family).__name__}")
        if family.problems > family.actions:
            raise ValueError(f"{type(self).__name__} knows problems by one identity each")
        self.family, self.config, self.size = family, config, family.actions
        self.rng = np.random.Generator(np.random.SFC64(seed))
        self.rows = np.arange(config.repetitions)
        self.trials = 0
        self.explored = np.zeros((config.repetitions, self.size), dtype=np.int64)
        self.values = np.zeros((config.repetitions, self.size))
        self.wrong = np.zeros(config.repetitions, dtype=np.int64)  # the last trial after which a* was not the best

    @property
    def env_steps(self) -> int:
        """Environment steps of one learner: two a trial."""
        return 2 * self.trials

    def train(self) -> dict[str, float]:
        """Let every learner live through some trials."""
        for _ in range(self.config.trials):
            explored, problems, exploited = self.rng.integers(self.size, size=(3, self.config.repetitions))
            earned = self.earned(explored, problems, exploited)
            self.explored[self.rows, explored] += 1
            step = (earned - self.values[self.rows, explored]) / self.explored[self.rows, explored]
            self.values[self.rows, explored] += step
            self.trials += 1
            right = self.values[:, 0] > self.values[:, 1:].max(axis=1)
            self.wrong[~right] = self.trials
        return {
            "explore/informative": float(self.values[:, 0].mean()),
            "explore/others": float(self.values[:, 1:].mean()),
            "explore/right": float((self.wrong < self.trials).mean()),
            "exploit/informed": self.informed(),
        }

    @abstractmethod
    def earned(self, explored: Array, problems: Array, exploited: Array) -> Array:
        """Learn from one trial of every learner, `(repetitions,)` each; return what the exploration has earned."""

    @abstractmethod
    def informed(self) -> float:
        """Return the mean value of exploiting well once the problem was shown."""

    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> dict[str, Array]:
        """Return of learner i, for task i, the trials it took (`samples`) and the value of a* (`return`)."""
        if len(tasks) > self.config.repetitions:
            raise ValueError(f"{len(tasks)} test tasks are more than the {self.config.repetitions} repetitions")
        chosen = np.repeat(np.arange(len(tasks))[:, None], episodes, axis=1)
        return {"return": self.values[chosen, 0], "samples": self.wrong[chosen] + 1.0}

    def tables(self) -> list[str]:
        """Return the names of the arrays that learners keep."""
        return ["explored", "values", "wrong"]

    def state_dict(self) -> dict[str, Any]:
        """Return tables, generator and the number of trials."""
        state = {name: getattr(self, name).copy() for name in self.tables()}
        return state | {"rng": generator_state(self.rng), "trials": self.trials}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name in self.tables():
            setattr(self, name, state[name].copy())
        restore_generator(self.rng, state["rng"])
        self.trials = state["trials"]


class DecodingConfig(Config):
    """How many learners there are, and when their rewards are computed."""

    recomputed: bool = Field(description="whether the decoder has learned from a trial when its reward is computed")


class TabularDREAM(TabularLearners):
    """Exploration earns what it tells of the problem: log |A| once the decoder knows what is shown, else nothing.

    The decoder remembers what was shown with a problem the first time: any later trial earns log |A|, and with
    `recomputed` rewards, which the present decoder gives to all past trials, as in replay, the first one, too.
    """

    Config = DecodingConfig

    def __init__(self, family: TaskFamily, config: DecodingConfig, seed: np.random.SeedSequence, device: str = "cpu"):
        super().__init__(family, config, seed, device)
        self.decoded = np.zeros((config.repetitions, self.size), dtype=bool)
        self.exploited = np.zeros((config.repetitions, self.size), dtype=bool)  # the paying action of µ was found

    def earned(self, explored: Array, problems: Array, exploited: Array) -> Array:
        """Return log |A| where the problem was shown and, unless `recomputed`, had been shown before."""
        shown = explored == 0
        known = self.config.recomputed | self.decoded[self.rows, problems]
        self.decoded[self.rows[shown], problems[shown]] = True
        found = exploited == problems  # told the problem, DREAM learns to exploit whatever was explored
        self.exploited[self.rows[found], problems[found]] = True
        return np.log(self.size) * (shown & known)

    def informed(self) -> float:
        """Return the mean, over problems, of the highest value of exploitation given the problem."""
        return float(self.exploited.mean())

    def tables(self) -> list[str]:
        """Return the names of the arrays that learners keep."""
        return [*super().tables(), "decoded", "exploited"]


class TabularRL2(TabularLearners):
    """Exploration earns the highest value of exploitation after what it has shown, learned from rewards alone.

    What was explored is known when exploiting: an action for the uninformative ones, the problem after a*.
    """

    def __init__(self, family: TaskFamily, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        super().__init__(family, config, seed, device)
        # Rows 0 … |A| − 1: a* has shown problem µ. Then one for every uninformative action.
        shape = (config.repetitions, 2 * self.size - 1, self.size)
        self.exploited, self.exploit_values = np.zeros(shape, dtype=np.int64), np.zeros(shape)

    def earned(self, explored: Array, problems: Array, exploited: Array) -> Array:
        """Return max over a' of the exploitation values after this exploration, this trial's reward included."""
        known = np.where(explored == 0, problems, self.size - 1 + explored)
        where = (self.rows, known, exploited)
        self.exploited[where] += 1
        reward = (exploited == problems).astype(float)
        self.exploit_values[where] += (reward - self.exploit_values[where]) / self.exploited[where]
        return self.exploit_values[self.rows, known].max(axis=1)

    def informed(self) -> float:
        """Return the mean, over problems, of the highest value of exploitation after a* has shown the problem."""
        return float(self.exploit_values[:, : self.size].max(axis=2).mean())

    def tables(self) -> list[str]:
        """Return the names of the arrays that learners keep."""
        return [*super().tables(), "exploited", "exploit_values"]
