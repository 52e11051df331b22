"""DREAM's grid worlds on arrays (Liu et al. 2021, Sec. 6): distracting bus, map, cooking, the course's small map."""

import itertools
from abc import abstractmethod
from typing import Literal

import numpy as np

from replications.dream.problems import ProblemFamily, VectorTrials

Array = np.ndarray
Places = tuple[tuple[int, int], ...]

LEFT, UP, RIGHT, DOWN, STAY, RIDE, END, PICK, DROP = range(9)
ACTIONS = 9
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # by action, the first four
NOTHING, BUS, POT, FRIDGE = range(4)  # what is seen of an agent's cell


class GridFamily(ProblemFamily):
    """Problems on `size` × `size` cells, with nine actions of which no task needs all.

    The state is `(x, y, status, …)`. An episode ends at its goal, after `horizon` steps, or when the agent ends it,
    which costs as much as waiting for its end would.

    Attributes
    ----------
    size, start: cells per side, and where every episode starts.
    step_cost: what an action costs that is not rewarded.

    """

    size: int
    start: tuple[int, int]
    horizon = 20
    step_cost = 0.1
    actions = ACTIONS

    def __init__(self):
        super().__init__()
        self.cells = self.size**2
        self.x, self.y = np.divmod(np.arange(self.cells), self.size)
        self.status = np.full(self.cells, NOTHING)
        # Where an action leads: (problems, actions, cells). Most lead nowhere.
        self.leads = np.tile(np.arange(self.cells), (self.problems, ACTIONS, 1))
        for action, (dx, dy) in enumerate(MOVES):
            x, y = (np.clip(place + step, 0, self.size - 1) for place, step in ((self.x, dx), (self.y, dy)))
            self.leads[:, action] = self.cell(x, y)

    def cell(self, x: Array | int, y: Array | int) -> Array | int:
        """Return the number of the cell at `(x, y)`."""
        return x * self.size + y

    @abstractmethod
    def goals(self, problem: int) -> Array:
        """Return the goals `(G, goal_dim)` of which an episode in `problem` has one, all equally likely."""

    @abstractmethod
    def behaviour(self, tasks: Array, cells: Array, actions: Array, valid: Array) -> dict[str, Array]:
        """Say what happened in episodes: measures `(N,)` of `cells`, `actions`, `valid`, all `(T, N)`."""

    def measures(self, tasks: Array, codes: Array, actions: Array, valid: Array) -> dict[str, Array]:
        """Return `behaviour`."""
        x, y, *_ = np.unravel_index(codes[:-1], self.state_sizes)
        return self.behaviour(tasks, self.cell(x, y), actions, valid)


class RideFamily(GridFamily):
    """Reach a corner of the grid, quickly by the right bus: +1 and the end there, −`step_cost` for other steps.

    A bus line joins a stop near the start with a far end; which far end it is differs between problems, and nothing
    that is seen tells, but riding. Permutation p of the far ends belongs to problem p of the helpful lines.
    """

    stops: Places
    ends: Places

    def __init__(self):
        last = self.size - 1
        self.corners = np.array([(0, 0), (last, last), (0, last), (last, 0)])
        self.goal_sizes = (self.size, self.size)
        super().__init__()
        self.groups: list[tuple[Places, Places]] = []  # stops and far ends of lines of one kind
        self.permutations: list[Array] = []  # of every group: which far end belongs to a stop, (problems, lines)
        self.lines = np.full((self.problems, self.cells), -1)  # which line stops in a cell
        self.connect(self.stops, self.ends, np.arange(self.problems) % 24)

    def connect(self, stops: Places, ends: Places, numbers: Array) -> None:
        """Join `stops` with `ends`, in problem µ as permutation `numbers[µ]` of the ends says."""
        permutations = np.array(list(itertools.permutations(range(len(ends)))))[numbers]
        rows, first = np.arange(self.problems), sum(len(group[0]) for group in self.groups)
        for line, stop in enumerate(stops):
            here, there = self.cell(*stop), self.cell(*np.array(ends)[permutations[:, line]].T)
            self.leads[rows, RIDE, here], self.leads[rows, RIDE, there] = there, here
            self.lines[rows, here] = self.lines[rows, there] = first + line
        self.status[[self.cell(*place) for place in (*stops, *ends)]] = BUS
        self.groups.append((stops, ends))
        self.permutations.append(permutations)

    def helpful_leads(self) -> Array:
        """Return where actions lead in the 24 problems of the helpful lines alone, `(24, actions, cells)`."""
        leads = self.leads[:24].copy()
        useless = self.lines[:24] >= len(self.stops)
        leads[:, RIDE][useless] = np.tile(np.arange(self.cells), (24, 1))[useless]
        return leads

    def goals(self, problem: int) -> Array:
        """Return the four corners."""
        return self.corners

    def draw_goal(self, problem: int, generator: np.random.RandomState) -> Array:
        """Draw a corner."""
        return self.corners[generator.randint(4)]

    def same_to_exploit(self, problems: Array) -> Array:
        """Return the helpful permutations."""
        return problems % 24

    def make(self, num_envs: int) -> "VectorRides":
        """Return a stepper for `num_envs` trials."""
        return VectorRides(num_envs, self)

    def ends_episode(self, cells: Array, goals: Array) -> Array:
        """Return which of the `cells` `(N,)` end an episode with the goal cells `(N,)`."""
        return cells == goals

    def behaviour(self, tasks: Array, cells: Array, actions: Array, valid: Array) -> dict[str, Array]:
        """Return how many different lines were ridden."""
        lines = self.lines[tasks[:, 0].astype(np.int64), cells]
        ridden = [((lines == line) & (actions == RIDE) & valid).any(axis=0) for line in range(self.lines.max() + 1)]
        helpful = np.sum(ridden[: len(self.stops)], axis=0, dtype=float)
        useless = np.sum(ridden[len(self.stops) :], axis=0, dtype=float) * np.ones(len(tasks))
        return {"helpful_rides": helpful, "useless_rides": useless}


class DistractingBus(RideFamily):
    """Four helpful bus lines to cells beside the corners, and four useless ones to the middles of the sides.

    Problem µ has helpful permutation µ mod 24 and useless permutation ⌊µ/24⌋; every eleventh of the 576 is for
    training, the other 523 for the test.
    """

    size, start, problems = 9, (4, 4), 576
    state_sizes = (9, 9, 4)
    stops = ((4, 5), (5, 4), (3, 4), (4, 3))
    ends = ((0, 1), (0, 7), (8, 1), (8, 7))
    useless_stops = ((5, 5), (3, 3), (3, 5), (5, 3))
    useless_ends = ((0, 4), (4, 0), (8, 4), (4, 8))

    def __init__(self):
        super().__init__()
        self.connect(self.useless_stops, self.useless_ends, np.arange(self.problems) // 24)
        self.train_ids = np.arange(0, self.problems, 11)
        self.test_ids = np.setdiff1d(np.arange(self.problems), self.train_ids)


class Map(RideFamily):
    """The helpful lines alone, and a map that shows which problem it is to who stands on it; no problem is held out."""

    size, start, problems = 9, (4, 4), 24
    state_sizes = (9, 9, 4, 25)
    stops, ends = DistractingBus.stops, DistractingBus.ends
    map_place = (7, 3)

    def __init__(self):
        super().__init__()
        self.train_ids = self.test_ids = np.arange(self.problems)
        self.map_cell = self.cell(*self.map_place)

    def make(self, num_envs: int) -> "VectorMaps":
        """Return a stepper for `num_envs` trials."""
        return VectorMaps(num_envs, self)

    def behaviour(self, tasks: Array, cells: Array, actions: Array, valid: Array) -> dict[str, Array]:
        """Return how many lines were ridden and whether the map was read.

        An episode's last cell is not in `cells`, but is looked at where it differs from the one before by a step.
        """
        problems = tasks[:, 0].astype(np.int64)
        reached = self.leads[problems, actions, cells]
        read = (((cells == self.map_cell) | (reached == self.map_cell)) & valid).any(axis=0)
        return super().behaviour(tasks, cells, actions, valid) | {"map_read": read.astype(float)}


class CourseMap(Map):
    """The map on 5 × 5 cells, from the authors' course: lines end in the corners, every corner ends an episode."""

    size, start = 5, (2, 2)
    state_sizes = (5, 5, 4, 25)
    horizon, step_cost = 10, 0.3
    stops = ((2, 1), (3, 2), (2, 3), (1, 2))
    ends = ((0, 0), (0, 4), (4, 4), (4, 0))
    map_place = (4, 2)

    def ends_episode(self, cells: Array, goals: Array) -> Array:
        """Return which of the `cells` `(N,)` are corners."""
        return np.isin(cells, self.cell(*self.corners.T))


class Cooking(GridFamily):
    """Bring two ingredients to the pot in the order of a recipe; what is in which fridge is the problem.

    The fridges of problem µ hold its digits to base 4. Picking up at a fridge puts its ingredient into the hand,
    dropping at the pot fills its first empty slot, dropping elsewhere throws away. A recipe is drawn from what the
    fridges hold, with replacement. Each of the four steps of a recipe earns 0.25 (first ingredient in the hand, in the
    pot, second one in the hand, in the pot), a wrong pick or a lost ingredient costs 0.35. Kitchen 10 is held out;
    `tested` says whether the test takes place in the `held-out` or in the `training` kitchens.
    """

    size, start, problems = 3, (1, 1), 64
    empty = 4
    state_sizes = (3, 3, 4, 5, 5, 5, 5)
    goal_sizes = (4, 4)
    pot, fridges = (1, 1), ((2, 0), (2, 1), (2, 2))
    reward, penalty = 0.25, 0.35

    def __init__(self, tested: Literal["held-out", "training"] = "held-out"):
        if tested not in ("held-out", "training"):
            raise ValueError(f"tested must be 'held-out' or 'training', got {tested!r}")
        super().__init__()
        self.contents = np.arange(self.problems)[:, None] // 4 ** np.arange(3) % 4  # (problems, fridges)
        self.fridge_cells = np.array([self.cell(*place) for place in self.fridges])
        self.pot_cell = self.cell(*self.pot)
        self.status[self.fridge_cells] = FRIDGE
        self.status[self.pot_cell] = POT
        self.ways = [abs(x - self.pot[0]) + abs(y - self.pot[1]) for x, y in self.fridges]  # steps from the pot
        self.held = np.full((self.problems, self.cells), self.empty)  # what a cell gives
        self.held[:, self.fridge_cells] = self.contents
        held_out = np.array([10])
        self.train_ids = np.setdiff1d(np.arange(self.problems), held_out)
        self.test_ids = held_out if tested == "held-out" else self.train_ids

    def goals(self, problem: int) -> Array:
        """Return the nine ordered pairs of the fridges' contents."""
        return np.array(list(itertools.product(self.contents[problem], repeat=2)))

    def draw_goal(self, problem: int, generator: np.random.RandomState) -> Array:
        """Draw two of the fridges' contents."""
        return generator.choice(self.contents[problem], 2)

    def make(self, num_envs: int) -> "VectorKitchens":
        """Return a stepper for `num_envs` trials."""
        return VectorKitchens(num_envs, self)

    def behaviour(self, tasks: Array, cells: Array, actions: Array, valid: Array) -> dict[str, Array]:
        """Return how many different fridges were opened."""
        opened = [((cells == fridge) & (actions == PICK) & valid).any(axis=0) for fridge in self.fridge_cells]
        return {"fridges_opened": np.sum(opened, axis=0, dtype=float)}


class VectorGrids(VectorTrials):
    """Trials of `GridFamily`."""

    def __init__(self, num_envs: int, family: GridFamily):
        super().__init__(num_envs, family)
        self.cells = np.full(num_envs, family.cell(*family.start))

    def clear(self, mask: Array) -> None:
        """Put agents back to the start."""
        self.cells[mask] = self.family.cell(*self.family.start)

    def act(self, actions: Array, going: Array) -> tuple[Array, Array]:
        """Move, and judge; who ends the episode pays for the time that is left."""
        self.cells = np.where(going, self.family.leads[self.problems, actions, self.cells], self.cells)
        rewards, reached = self.judge(actions, going)
        ended = actions == END
        return rewards - ended * self.family.step_cost * (self.family.horizon - self.clock), reached | ended

    @abstractmethod
    def judge(self, actions: Array, going: Array) -> tuple[Array, Array]:
        """Return the rewards `(N,)` of `actions` that have just moved the agents, and where the goal is reached."""

    def seen(self) -> list[Array]:
        """Return what a task shows of its state besides place and status, arrays `(N,)`."""
        return []

    def observe(self) -> Array:
        """Return place, status, what else is seen, and the goal."""
        family = self.family
        state = [family.x[self.cells], family.y[self.cells], family.status[self.cells], *self.seen()]
        return np.concatenate([np.stack(state, axis=1), self.goals], axis=1)


class VectorRides(VectorGrids):
    """Trials of `RideFamily`."""

    def judge(self, actions: Array, going: Array) -> tuple[Array, Array]:
        """Reward being in the goal's corner."""
        goals = self.family.cell(*self.goals.T)
        rewards = np.where(self.cells == goals, 1.0, -self.family.step_cost)
        return rewards, self.family.ends_episode(self.cells, goals)


class VectorMaps(VectorRides):
    """Trials of `Map`."""

    def seen(self) -> list[Array]:
        """Return the number of the problem, from 1 on, where the agent stands on the map, else 0."""
        return [np.where(self.cells == self.family.map_cell, self.problems + 1, 0)]


class VectorKitchens(VectorGrids):
    """Trials of `Cooking`."""

    def __init__(self, num_envs: int, family: Cooking):
        super().__init__(num_envs, family)
        self.hand = np.full(num_envs, family.empty)
        self.slots = np.full((num_envs, 3), family.empty)
        self.stage = np.zeros(num_envs, dtype=np.int64)

    def clear(self, mask: Array) -> None:
        """Empty hand and pot, too."""
        super().clear(mask)
        self.hand[mask] = self.slots[mask] = self.family.empty
        self.stage[mask] = 0

    def judge(self, actions: Array, going: Array) -> tuple[Array, Array]:
        """Move ingredients, then reward progress in the recipe."""
        family = self.family
        picks, drops = going & (actions == PICK), going & (actions == DROP)
        held = family.held[self.problems, self.cells]
        # Picking up at the pot gives nothing, and that is then in the hand; in an empty cell nothing is picked up.
        at_object = family.status[self.cells] != NOTHING
        self.hand = np.where(picks & at_object, held, self.hand)
        filled = (self.slots != family.empty).sum(axis=1)
        into = np.flatnonzero(drops & (self.cells == family.pot_cell) & (self.hand != family.empty) & (filled < 3))
        self.slots[into, filled[into]] = self.hand[into]
        self.hand = np.where(drops, family.empty, self.hand)

        first, second = self.goals.T
        wanted = np.where(self.stage < 2, first, second)
        in_hand = self.hand == wanted
        in_pot = (self.slots[:, 0] == first) & ((self.stage < 2) | (self.slots[:, 1] == second))
        carrying = self.stage % 2 == 1
        progress = np.where(carrying, in_pot, in_hand)
        failure = ~progress & np.where(carrying, ~in_hand, picks)
        rewards = np.select([progress, failure], [family.reward, -family.penalty], -family.step_cost)
        stage = self.stage + progress - (failure & carrying)
        self.stage = np.where(going, stage, self.stage)
        return rewards, self.stage == 4

    def seen(self) -> list[Array]:
        """Return what is in the hand and in the pot's slots."""
        return [self.hand, *self.slots.T]
