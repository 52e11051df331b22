"""What can be earned in DREAM's grid worlds, by enumeration: with the problem known, in part, or not at all.

None of these trains. They set the levels that learning curves are read against: where those end who know everything,
where those end who have explored nothing, and where Thompson sampling leads.
"""

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from replications.dream.beliefs import KitchenBeliefs, RideBeliefs, steps_to_goal
from replications.dream.tasks import RIDE, STAY, Cooking, GridFamily, RideFamily
from shared.tasks.family import TaskFamily

Array = np.ndarray
Goal = tuple[int, ...]


class Oracle:
    """A baseline that does not train, on families of the class `knows`; raises `ValueError` for others."""

    class Config(BaseModel):
        """No hyper-parameters."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    knows: type = GridFamily
    env_steps = 0

    def __init__(self, family: TaskFamily, config: BaseModel, seed: np.random.SeedSequence, device: str = "cpu"):
        if not isinstance(family, self.knows):
            raise ValueError(f"{type(self).__name__} knows nothing of {type(family).__name__}")
        self.family, self.config = family, config

    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> Array:
        """Return what the last episode earns in expectation, `(tasks, episodes)`; the others are not played: 0."""
        returns = np.zeros((len(tasks), episodes))
        goals = tasks[:, 1 + self.family.goal_dim :].astype(int).tolist()
        returns[:, -1] = [
            self.value(int(problem), tuple(goal)) for problem, goal in zip(tasks[:, 0], goals, strict=True)
        ]
        return returns

    @abstractmethod
    def value(self, problem: int, goal: Goal) -> float:
        """Return what an episode with `goal` in `problem` earns in expectation."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: there is no state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore nothing."""


class FullInformation(Oracle):
    """The optimal policy of who knows the problem."""

    def value(self, problem: int, goal: Goal) -> float:
        """Return the optimal return."""
        family = self.family
        if isinstance(family, Cooking):
            held = family.contents[problem]
            ways = [min(way for way, one in zip(family.ways, held, strict=True) if one == wanted) for wanted in goal]
            return 4 * family.reward - 2 * family.step_cost * sum(ways)
        steps = steps_to_goal(family, family.leads[problem], goal)[family.cell(*family.start)]
        return 1 - family.step_cost * (steps - 1)


class PartialInformation(Oracle):
    """The Bayes-optimal policy of who knows, from exploring, the far ends of some bus lines or what some fridges hold.

    Averaged over which lines they are; of the fridges, those that are best to know in the training kitchens.
    """

    class Config(BaseModel):
        """How much is known."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        known: int = Field(ge=0, le=4, description="bus lines ridden, or fridges opened, while exploring")

    def __init__(self, family: TaskFamily, config: BaseModel, seed: np.random.SeedSequence, device: str = "cpu"):
        super().__init__(family, config, seed, device)
        self.beliefs = (KitchenBeliefs if isinstance(family, Cooking) else RideBeliefs)(family)
        self._plan = cache(self.beliefs.plan)
        self._known = list(itertools.combinations(range(self.beliefs.unknowns), config.known))
        if not self._known:
            raise ValueError(f"known must not be above {self.beliefs.unknowns}, got {config.known}")
        if isinstance(family, Cooking):
            self._known = [max(self._known, key=self._worth)]

    def value(self, problem: int, goal: Goal) -> float:
        """Return the Bayes-optimal return; expected over the problems that remain, not earned in this one."""
        return float(np.mean([self.beliefs.value(problem, known, self._plan(goal)) for known in self._known]))

    def _worth(self, known: tuple[int, ...]) -> float:
        """Return what `known` fridges are worth in the training kitchens."""
        cases = [(problem, goal) for problem in self.family.train_ids for goal in self.family.goals(problem)]
        return sum(self.beliefs.value(problem, known, self._plan(tuple(goal))) for problem, goal in cases)


class ThompsonSampling(Oracle):
    """Posterior sampling with the exact posterior over the helpful lines: act as if a problem drawn from it were true.

    The upper bound on PEARL (Sec. 6). With `resample`, another problem is drawn as soon as a ride refutes the present
    one; without, only when an episode begins.
    """

    class Config(BaseModel):
        """When problems are drawn."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        resample: bool = Field(description="whether a ride that refutes the drawn problem has another one drawn")

    knows = RideFamily

    def __init__(self, family: TaskFamily, config: BaseModel, seed: np.random.SeedSequence, device: str = "cpu"):
        super().__init__(family, config, seed, device)
        self.leads = family.helpful_leads()  # (permutations, actions, cells)
        self.actions = np.stack([[self._policy(leads, corner) for leads in self.leads] for corner in family.corners])

    def _policy(self, leads: Array, goal: Array) -> Array:
        """Return the optimal actions `(cells,)` in a known problem."""
        steps = steps_to_goal(self.family, leads, tuple(goal))
        useful = [*range(4), RIDE]
        return np.array(useful)[np.argmin(steps[leads[useful]], axis=0)]

    def adapt(self, tasks: Array, episodes: int, rng: np.random.Generator) -> Array:
        """Play `episodes` episodes in each of `tasks`; all that is seen is remembered. Returns `(tasks, episodes)`."""
        envs, rows = self.family.make(len(tasks)), np.arange(len(tasks))
        envs.set_tasks(tasks)
        possible = np.ones((len(tasks), len(self.leads)), dtype=bool)
        returns = np.zeros((len(tasks), episodes))
        for episode in range(episodes):
            envs.reset()
            going, drawn = np.ones(len(tasks), dtype=bool), self._draw(possible, rng)
            corners = (envs.goals[:, None] == self.family.corners).all(axis=2).argmax(axis=1)
            while going.any():
                before = envs.cells.copy()
                actions = np.where(going, self.actions[corners, drawn, before], STAY)
                _, rewards, terminated, truncated, _ = envs.step(actions)
                returns[:, episode] += rewards
                seen = envs.cells[:, None] == self.leads[:, RIDE, before].T  # (tasks, permutations)
                possible &= seen | (actions != RIDE)[:, None]
                if self.config.resample:
                    drawn = np.where(possible[rows, drawn], drawn, self._draw(possible, rng))
                going &= ~(terminated | truncated)
        return returns

    @staticmethod
    def _draw(possible: Array, rng: np.random.Generator) -> Array:
        """Draw one of the `possible` `(tasks, permutations)` for every task."""
        return np.argmax(rng.random(possible.shape) * possible, axis=1)
