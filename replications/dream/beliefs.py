"""Bayes-optimal planning in DREAM's grid worlds: what an episode is worth to who knows some of the problem.

Beliefs are few: which far end belongs to which stop (a partial permutation), or what the opened fridges hold.
"""

import itertools
from collections.abc import Callable
from functools import cache

import numpy as np

from replications.dream.tasks import RIDE, Cooking, RideFamily

Array = np.ndarray
Goal = tuple[int, ...]
Plan = Callable[[tuple[int, ...]], float]
WALKS = range(4)
UNKNOWN = -1


def steps_to_goal(family: RideFamily, leads: Array, goal: Goal) -> Array:
    """Return the fewest steps `(cells,)` from every cell to `goal`, with `leads` `(actions, cells)`."""
    end = family.cell(*goal)
    over = family.ends_episode(np.arange(family.cells), np.full(family.cells, end))
    steps = np.where(np.arange(family.cells) == end, 0.0, np.inf)
    for _ in range(family.cells):
        onwards = 1 + steps[leads[[*WALKS, RIDE]]].min(axis=0)
        steps = np.where(over, steps, np.minimum(steps, onwards))
    return steps


def partial_permutations(size: int) -> list[tuple[int, ...]]:
    """Return every assignment of ends to stops, some `UNKNOWN`; where one stop is left, its end follows."""
    ends = [UNKNOWN, *range(size)]
    assignments = itertools.product(ends, repeat=size)
    once = (one for one in assignments if all(one.count(end) <= 1 for end in range(size)))
    return sorted({completed(one) for one in once})


def completed(assignment: tuple[int, ...]) -> tuple[int, ...]:
    """Return `assignment`, with the last unknown end filled in if there is only one."""
    if assignment.count(UNKNOWN) != 1:
        return assignment
    (last,) = set(range(len(assignment))) - set(assignment)
    return tuple(last if end == UNKNOWN else end for end in assignment)


class RideBeliefs:
    """Beliefs over the far ends of bus lines, each of the first `groups` groups of lines with its own.

    The first group, the helpful lines, is enough: who knows nothing of the useless ones never gains by riding them.
    A plan is an array `(beliefs of each group …, cells)`: what is earned from there on at the beginning of an episode.
    """

    def __init__(self, family: RideFamily, groups: int = 1):
        self.family, self.unknowns, self.groups = family, len(family.stops), family.groups[:groups]
        self.assignments = partial_permutations(self.unknowns)
        self.index = {assignment: number for number, assignment in enumerate(self.assignments)}
        self.start = family.cell(*family.start)

    def value(self, problem: int, known: tuple[int, ...], plan: Array) -> float:
        """Return what `plan` says of the start of an episode in `problem` whose helpful lines `known` are known."""
        true = self.family.permutations[0][problem]
        belief = completed(tuple(int(end) if stop in known else UNKNOWN for stop, end in enumerate(true)))
        nothing = self.index[(UNKNOWN,) * self.unknowns]
        others = (nothing,) * (plan.ndim - 2)
        return float(plan[(self.index[belief], *others, self.start)])

    def plan(self, goal: Goal) -> Array:
        """Return the values `(beliefs, …, cells)` of the Bayes-optimal policy with all steps left."""
        family, groups = self.family, self.groups
        end, cells = family.cell(*goal), np.arange(family.cells)
        over = family.ends_episode(cells, np.full(family.cells, end))
        values = np.zeros([len(self.assignments)] * len(groups) + [family.cells], dtype=np.float32)
        rides = [self._rides(group) for group in groups]
        for _ in range(family.horizon):
            entered = np.where(over, 0, values) - family.step_cost
            entered[..., end] = 1.0
            best = np.max([entered[..., family.leads[0, walk]] for walk in WALKS], axis=0)
            for axis, group in enumerate(rides):
                inner = np.moveaxis(entered, axis, 0)
                into = np.moveaxis(best, axis, 0)  # a view of `best`
                for cell, outcomes in group.items():
                    for belief, possible in enumerate(outcomes):
                        ridden = np.mean([inner[after, ..., there] for after, there in possible], axis=0)
                        into[belief, ..., cell] = np.maximum(into[belief, ..., cell], ridden)
            values = best
        return values

    def _rides(self, group: tuple) -> dict[int, list[list[tuple[int, int]]]]:
        """Return, by cell and belief, what riding may lead to: next beliefs and cells, all equally likely."""
        stops, ends = ([self.family.cell(*place) for place in places] for places in group)
        rides: dict[int, list[list[tuple[int, int]]]] = {cell: [] for cell in (*stops, *ends)}
        for belief in self.assignments:
            for stop, cell in enumerate(stops):
                likely = [belief[stop]] if belief[stop] != UNKNOWN else sorted(set(range(len(ends))) - set(belief))
                rides[cell].append([(self._after(belief, stop, end), ends[end]) for end in likely])
            for end, cell in enumerate(ends):
                unknown = [stop for stop, known in enumerate(belief) if known == UNKNOWN]
                likely = [belief.index(end)] if end in belief else unknown
                rides[cell].append([(self._after(belief, stop, end), stops[stop]) for stop in likely])
        return rides

    def _after(self, belief: tuple[int, ...], stop: int, end: int) -> int:
        return self.index[completed((*belief[:stop], end, *belief[stop + 1 :]))]


class KitchenBeliefs:
    """Beliefs over what the fridges hold; all kitchens are equally likely before the recipe is seen.

    A plan maps what is known of the fridges to the worth of an episode.
    """

    def __init__(self, family: Cooking):
        self.family, self.unknowns = family, len(family.fridges)

    def value(self, problem: int, known: tuple[int, ...], plan: Plan) -> float:
        """Return what `plan` says of an episode in kitchen `problem` whose fridges `known` were opened."""
        held = self.family.contents[problem]
        return plan(tuple(int(held[fridge]) if fridge in known else UNKNOWN for fridge in range(self.unknowns)))

    def plan(self, goal: Goal) -> Plan:
        """Return the function from knowledge to the Bayes-optimal return with the recipe `goal`."""
        family = self.family
        places = [family.cell(*place) for place in family.fridges]
        likely = np.array([(held == goal[0]).sum() * (held == goal[1]).sum() for held in family.contents])

        @cache
        def contents(known: tuple[int, ...], fridge: int) -> list[tuple[int, float]]:
            """Return what an unopened fridge may hold, with probabilities."""
            fits = np.array(
                [all(k in (UNKNOWN, h) for k, h in zip(known, held, strict=True)) for held in family.contents]
            )
            weights = np.bincount(family.contents[:, fridge], weights=likely * fits, minlength=4)
            return [(held, float(weight)) for held, weight in enumerate(weights / weights.sum()) if weight]

        @cache
        def worth(cell: int, stage: int, known: tuple[int, ...], left: int) -> float:
            """Return the value with `left` steps to go; `stage` counts the rewarded steps so far."""
            if stage == 4 or left == 0:
                return 0.0
            options = [worth(int(family.leads[0, walk, cell]), stage, known, left - 1) for walk in WALKS]
            best = max(options) - family.step_cost
            if cell in places and stage % 2 == 0:
                best = max(best, opened(cell, stage, known, left))
            if cell == family.pot_cell and stage % 2 == 1:
                best = max(best, family.reward + worth(cell, stage + 1, known, left - 1))
            return best

        def opened(cell: int, stage: int, known: tuple[int, ...], left: int) -> float:
            """Return the value of picking up in `cell`."""
            fridge = places.index(cell)
            total = 0.0
            for held, probability in [(known[fridge], 1.0)] if known[fridge] != UNKNOWN else contents(known, fridge):
                after = (*known[:fridge], held, *known[fridge + 1 :])
                right = held == goal[stage // 2]
                reward = family.reward if right else -family.penalty
                total += probability * (reward + worth(cell, stage + right, after, left - 1))
            return total

        start = family.cell(*family.start)
        return lambda known: worth(start, 0, known, family.horizon)
