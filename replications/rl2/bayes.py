"""The exact Bayes-optimal policy of short Bernoulli bandits, the ceiling of Table 1's first rows.

With the true prior, U[0, 1] on every arm, expected total reward depends on the posteriors alone, and arms
with equal posteriors are exchangeable. A state of the dynamic program is therefore the multiset of
(successes, failures) of the arms pulled so far: about 2 300 of them in a trial of 10 pulls, whatever the
number of arms.
"""

from typing import NamedTuple

import numpy as np

MAX_PULLS = 14  # states grow by a factor of about 1.7 with every pull; 14 take about a second

State = tuple[tuple[int, int], ...]
UNTRIED = (0, 0)


class Plan(NamedTuple):
    """The optimal policy; states are numbered through all pulls, 0 is the start.

    value: expected total reward from the start.
    kind: `(states, 2)`, successes and failures of the arms to pull (any of them is as good).
    successor: `(states, 2)`, the state that follows a reward of 0 and of 1.
    """

    value: float
    kind: np.ndarray
    successor: np.ndarray


def bayes_optimal_value(arms: int, pulls: int) -> float:
    """Return the largest expected total reward of any policy; raise `ValueError` beyond `MAX_PULLS` pulls."""
    return bayes_optimal_plan(arms, pulls).value


def bayes_optimal_plan(arms: int, pulls: int) -> Plan:
    """Solve `pulls` pulls of `arms` arms by backward induction; `ValueError` beyond `MAX_PULLS` pulls."""
    check_length(pulls)
    levels = _reachable(arms, pulls)
    first = np.cumsum([0] + [len(level) for level in levels])
    kind = np.zeros((first[pulls], 2), dtype=np.int64)
    successor = np.zeros((first[pulls], 2), dtype=np.int64)
    values = dict.fromkeys(levels[pulls], 0.0)
    for pulled in reversed(range(pulls)):
        numbers = {state: first[pulled + 1] + i for i, state in enumerate(levels[pulled + 1])}
        level_values = {}
        for i, state in enumerate(levels[pulled], start=first[pulled]):
            level_values[state], kind[i] = max(_action_values(state, arms, values))
            successor[i] = [numbers[_pull(state, tuple(kind[i].tolist()), reward)] for reward in (0, 1)]
        values = level_values
    # States after the last pull have no row: there is nothing left to decide.
    successor[first[pulls - 1] :] = 0
    return Plan(values[()], kind, successor)


def check_length(pulls: int) -> None:
    """Raise `ValueError` where the dynamic program would be too large."""
    if not 1 <= pulls <= MAX_PULLS:
        raise ValueError(f"the Bayes-optimal policy is computed for 1 to {MAX_PULLS} pulls, got {pulls}")


def _reachable(arms: int, pulls: int) -> list[list[State]]:
    """List the states after 0, 1, …, `pulls` pulls."""
    levels = [[()]]
    for _ in range(pulls):
        following = {
            _pull(state, kind, reward): None
            for state in levels[-1]
            for kind in _kinds(state, arms)
            for reward in (0, 1)
        }
        levels.append(list(following))
    return levels


def _kinds(state: State, arms: int) -> list[tuple[int, int]]:
    """List the different posteriors among the arms, as (successes, failures)."""
    untried = [UNTRIED] if len(state) < arms else []
    return untried + list(dict.fromkeys(state))


def _pull(state: State, kind: tuple[int, int], reward: int) -> State:
    """Return the state after one arm of `kind` paid `reward`."""
    arms = list(state)
    if kind != UNTRIED:
        arms.remove(kind)
    successes, failures = kind
    arms.append((successes + reward, failures + 1 - reward))
    return tuple(sorted(arms))


def _action_values(state: State, arms: int, values: dict[State, float]) -> list[tuple[float, tuple[int, int]]]:
    """List the expected reward to come of pulling an arm of each kind, with the kind."""
    scored = []
    for kind in _kinds(state, arms):
        mean = (kind[0] + 1) / (kind[0] + kind[1] + 2)
        after = mean * (1 + values[_pull(state, kind, 1)]) + (1 - mean) * values[_pull(state, kind, 0)]
        scored.append((after, kind))
    return scored
