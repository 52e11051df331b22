"""Trials of DREAM: playing them, remembering them, and drawing batches of them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from replications.dream.networks import Distinct
from replications.dream.problems import ProblemFamily
from shared.tasks.family import VectorTasks

Array = np.ndarray
EXPLORE, EXPLOIT = range(2)  # a trial's episodes


class Moment(NamedTuple):
    """What N agents know before they act.

    Steps taken so far; numbers of the present states, the actions that led there and what these earned, and who is
    still at it: all `(N,)`. At an episode's beginning the action is one more than the last that there is.
    """

    time: int
    codes: Array
    before: Array
    earned: Array
    going: Array


Act = Callable[[Moment], Array]


class Episodes(NamedTuple):
    """N episodes of at most T steps, side by side.

    codes `(N, T + 1)`: numbers of the states seen, see `state_sizes` of a family; the last one repeated after the end.
    actions, rewards `(N, T)`; lengths `(N,)`, in steps.
    """

    codes: Array
    actions: Array
    rewards: Array
    lengths: Array

    @property
    def valid(self) -> Array:
        """Which steps took place, `(N, T)`."""
        return np.arange(self.actions.shape[1]) < self.lengths[:, None]


def play(family: ProblemFamily, envs: VectorTasks, act: Act) -> Episodes:
    """Play one episode in each trial of `envs`; `act` chooses actions `(N,)`."""
    count, horizon = envs.num_envs, family.horizon
    codes = np.empty((count, horizon + 1), dtype=np.int32)
    actions = np.zeros((count, horizon), dtype=np.int8)
    rewards, lengths = np.zeros((count, horizon), dtype=np.float32), np.zeros(count, dtype=np.int16)
    observations, _ = envs.reset()
    codes[:] = family.state_codes(observations)[:, None]
    before, reward, going = np.full(count, family.actions), np.zeros(count), np.ones(count, dtype=bool)
    for t in range(horizon):
        chosen = np.where(going, act(Moment(t, codes[:, t], before, reward, going)), 0)
        observations, reward, terminated, truncated, _ = envs.step(chosen)
        codes[:, t + 1 :] = family.state_codes(observations)[:, None]
        actions[:, t], rewards[:, t] = chosen, reward
        lengths += going
        before, going = chosen, going & ~(terminated | truncated)
        if not going.any():
            break
    return Episodes(codes, actions, rewards, lengths)


def behaviour(family: ProblemFamily, tasks: Array, episodes: Episodes) -> dict[str, Array]:
    """Return what happened in `episodes`, measures `(N,)`: their return, their steps, and what the family counts."""
    counts = family.measures(tasks, episodes.codes.T, episodes.actions.T.astype(np.int64), episodes.valid.T)
    return {"return": episodes.rewards.sum(axis=1), "steps": episodes.lengths.astype(float)} | counts


def states(episodes: Episodes) -> dict[str, Array]:
    """Return the states before and after each step of `episodes`: measures `state00`, `state01` and so on, `(N,)`."""
    return {f"state{t:02}": codes.astype(float) for t, codes in enumerate(episodes.codes.T)}


class Sequences(NamedTuple):
    """A batch of B episodes as tensors, time first, as long as the longest.

    states, before `(T + 1, B)`: the latter are the actions that led there, see `Moment`; actions, rewards, done, valid
    `(T, B)`, the last three as floats; lengths `(B,)`; weight of the mean over the steps of this batch.
    """

    states: Distinct
    before: Tensor
    actions: Tensor
    rewards: Tensor
    done: Tensor
    valid: Tensor
    lengths: Tensor
    weight: float


class Batch(NamedTuple):
    """B trials: problems `(B,)`, goals of the exploitation `(B,)`, and both episodes."""

    problems: Tensor
    goals: Distinct
    explore: Sequences
    exploit: Sequences


class WholeTrials(NamedTuple):
    """A batch of B trials, both episodes joined, as tensors, time first, T steps in all.

    The last state of the exploration is left out: what follows the step that led there is the exploitation's first one.

    problems `(B,)`; states, goals `(T + 1, B)`; before, earned, begins `(T + 1, B)`: the actions that led there, what
    they earned, and 1 where the exploitation begins; actions, rewards, explores, done, valid `(T, B)`, the last three
    as floats; lengths `(B,)`; weight of the mean over the steps of this batch.
    """

    problems: Tensor
    states: Distinct
    goals: Distinct
    before: Tensor
    earned: Tensor
    begins: Tensor
    actions: Tensor
    rewards: Tensor
    explores: Tensor
    done: Tensor
    valid: Tensor
    lengths: Tensor
    weight: float


class Drawn(NamedTuple):
    """The trials of one gradient step.

    places `(B,)` in the memory; weights of the means over steps of exploration, of exploitation, and of both.
    """

    places: Array
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)


class TrialReplay:
    """The last `capacity` trials, of two episodes each."""

    def __init__(self, family: ProblemFamily, capacity: int):
        self.family, self.capacity, self.added = family, capacity, 0
        self.episodes = Episodes(
            np.zeros((2, capacity, family.horizon + 1), dtype=np.int32),
            np.zeros((2, capacity, family.horizon), dtype=np.int8),
            np.zeros((2, capacity, family.horizon), dtype=np.float32),
            np.zeros((2, capacity), dtype=np.int16),
        )
        self.problems = np.zeros(capacity, dtype=np.int32)
        self.goals = np.zeros((2, capacity), dtype=np.int32)

    def __len__(self) -> int:
        """Return how many trials are remembered."""
        return min(self.added, self.capacity)

    def add(self, tasks: Array, explore: Episodes, exploit: Episodes) -> None:
        """Remember trials `tasks` `(N, task_dim)` with both of their episodes."""
        places = (self.added + np.arange(len(tasks))) % self.capacity
        for kept, *new in zip(self.episodes, explore, exploit, strict=True):
            kept[:, places] = new
        self.problems[places] = tasks[:, 0]
        self.goals[:, places] = self.family.goal_codes(tasks)
        self.added += len(tasks)

    def draw(self, batches: int, size: int, rng: np.random.Generator, alike: bool = False) -> list[Drawn]:
        """Draw `batches` times `size` trials with replacement; raise `ValueError` from an empty memory.

        With `alike`, the trials of a batch are about as long as each other, so that little has to be padded: all are
        drawn together, sorted by their steps of exploration, then of exploitation, cut, and shuffled batch by batch.
        Losses are means over the steps of a batch; weights then make every step count alike, as it does in mixed ones.
        """
        if not self.added:
            raise ValueError("there are no trials to draw from")
        places = rng.integers(len(self), size=(batches, size))
        if not alike or not batches:
            return [Drawn(batch) for batch in places]
        explore, exploit = self.episodes.lengths[:, places.ravel()]
        places = rng.permutation(places.ravel()[np.lexsort((exploit, explore))].reshape(batches, size))
        lengths = self.episodes.lengths[:, places].astype(float)
        steps = np.stack([*lengths, lengths.sum(axis=0)]).mean(axis=2)  # (3, batches)
        weights = (steps / steps.mean(axis=1, keepdims=True)).T
        return [Drawn(batch, tuple(row)) for batch, row in zip(places, weights.tolist(), strict=True)]

    def whole(self, drawn: Drawn, device: str = "cpu") -> WholeTrials:
        """Return the trials `drawn` with their episodes joined."""
        places, (*_, weight) = drawn
        first, second = self.episodes.lengths[:, places].astype(np.int64)
        lengths = first + second
        time = np.arange(lengths.max() + 1)[:, None]
        phase = (time >= first).astype(np.int64)
        step = np.minimum(time - phase * first, self.family.horizon)
        codes, goals = self.episodes.codes[phase, places, step], self.goals[phase, places]
        step = np.minimum(step[:-1], self.family.horizon - 1)
        actions, rewards = (part[phase[:-1], places, step] for part in self.episodes[1:3])
        before = np.concatenate([np.full((1, len(places)), self.family.actions), actions])
        earned = np.concatenate([np.zeros((1, len(places))), rewards])
        past, time = time == first, time[:-1]
        before[past] = self.family.actions
        floats = earned, past, rewards, time < first, time == lengths - 1, time < lengths
        earned, begins, *floats = (torch.from_numpy(part.astype(np.float32)).to(device) for part in floats)
        integers = (torch.from_numpy(part.astype(np.int64)).to(device) for part in (before, actions))
        before, actions = integers
        return WholeTrials(
            torch.from_numpy(self.problems[places].astype(np.int64)).to(device),
            Distinct.of(codes, self.family.seen, device),
            Distinct.of(goals, self.family.seen_goals, device),
            before,
            earned,
            begins,
            actions,
            *floats,
            torch.from_numpy(lengths).to(device),
            weight,
        )

    def batch(self, drawn: Drawn, device: str = "cpu") -> Batch:
        """Return the trials `drawn`, episode by episode."""
        places = drawn.places
        return Batch(
            torch.from_numpy(self.problems[places].astype(np.int64)).to(device),
            Distinct.of(self.goals[EXPLOIT, places], self.family.seen_goals, device),
            *(self._sequences(phase, places, drawn.weights[phase], device) for phase in (EXPLORE, EXPLOIT)),
        )

    def _sequences(self, phase: int, places: Array, weight: float, device: str) -> Sequences:
        lengths = self.episodes.lengths[phase, places].astype(np.int64)
        longest = lengths.max()
        codes = self.episodes.codes[phase, places, : longest + 1].T
        before = np.full((longest + 1, len(places)), self.family.actions)
        before[1:] = self.episodes.actions[phase, places, :longest].T
        time = np.arange(longest)[:, None]
        floats = self.episodes.rewards[phase, places, :longest].T, time == lengths - 1, time < lengths
        before = torch.from_numpy(before).to(device)
        return Sequences(
            Distinct.of(codes, self.family.seen, device),
            before,
            before[1:],
            *(torch.from_numpy(part.astype(np.float32)).to(device) for part in floats),
            torch.from_numpy(lengths).to(device),
            weight,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all trials."""
        used = len(self)
        episodes = {name: kept[:, :used].copy() for name, kept in self.episodes._asdict().items()}
        trials = {"problems": self.problems[:used].copy(), "goals": self.goals[:, :used].copy()}
        return episodes | trials | {"added": self.added}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.added = state["added"]
        used = len(self)
        for name, kept in (self.episodes._asdict() | {"goals": self.goals}).items():
            kept[:, :used] = state[name]
        self.problems[:used] = state["problems"]
