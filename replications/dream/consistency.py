"""Is the exploration that DREAM looks for the best one? By enumeration on the distracting bus (Prop. 1, Sec. 5.3).

What matters of an exploration is which bus lines it rides. DREAM's has to tell most of z, which is what exploitation
needs of the problem: the helpful permutation. What it tells of the problem as a whole is another thing.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from replications.dream.beliefs import WALKS, RideBeliefs
from replications.dream.tasks import RIDE, RideFamily

Lines = frozenset[int]


class Exploration(NamedTuple):
    """Lines ridden; what they tell of z and of the whole problem, in nats; what exploiting then earns on average."""

    lines: Lines
    tells_latent: float
    tells_problem: float
    earned: float


def explorations(family: RideFamily, problems: list[int]) -> list[Exploration]:
    """Return what becomes of every set of lines that can be ridden within an episode in each of `problems`."""
    within = [fewest_steps(family, problem) for problem in problems]
    possible = [lines for lines in within[0] if all(lines in steps for steps in within)]
    far_ends = np.concatenate(family.permutations, axis=1)  # (problems, lines)
    needed = family.same_to_exploit(np.arange(family.problems))
    earned = worths(family, {_helpful(family, lines) for lines in possible})
    return [
        Exploration(
            lines,
            told(far_ends[:, sorted(lines)], needed),
            told(far_ends[:, sorted(lines)], np.arange(family.problems)),
            earned[_helpful(family, lines)],
        )
        for lines in possible
    ]


def fewest_steps(family: RideFamily, problem: int) -> dict[Lines, int]:
    """Return the sets of lines that an episode in `problem` is long enough to ride, with the steps that takes."""
    leads, lines = family.leads[problem], family.lines[problem]
    begin = (family.cell(*family.start), frozenset())
    steps, reached = {frozenset(): 0}, {begin}
    front = [begin]
    for step in range(1, family.horizon + 1):
        onwards = []
        for cell, ridden in front:
            for action in (*WALKS, RIDE):
                takes = action == RIDE and lines[cell] >= 0
                after = (int(leads[action, cell]), ridden | {int(lines[cell])} if takes else ridden)
                if after not in reached:
                    reached.add(after)
                    onwards.append(after)
                    steps.setdefault(after[1], step)
        front = onwards
    return steps


def told(seen: np.ndarray, asked: np.ndarray) -> float:
    """Return the information in nats that `seen` `(problems, ·)` has of `asked` `(problems,)`, all equally likely."""
    seen = [tuple(row) for row in seen.tolist()]
    pairs = list(zip(seen, asked.tolist(), strict=True))
    return _entropy(seen) + _entropy(asked.tolist()) - _entropy(pairs)


def worths(family: RideFamily, known: set[Lines]) -> dict[Lines, float]:
    """Return what Bayes-optimal exploitation earns, on average, for each set of helpful lines that is `known`."""
    beliefs = RideBeliefs(family)
    plans = [beliefs.plan(tuple(corner)) for corner in family.corners]
    return {
        lines: float(np.mean([beliefs.value(problem, tuple(lines), plan) for problem in range(24) for plan in plans]))
        for lines in known
    }


def _helpful(family: RideFamily, lines: Lines) -> Lines:
    return frozenset(line for line in lines if line < len(family.stops))


def _entropy(values: list) -> float:
    shares = np.array(list(Counter(values).values())) / len(values)
    return float(-(shares * np.log(shares)).sum())
