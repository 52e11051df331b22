"""Replay memory for many tasks at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

FIRST_ROOM = 1024


class Transitions:
    """Transitions that a `TaskReplay` keeps, task by task, in the order in which they came.

    Beyond `capacity` transitions of a task, the oldest are left out (and the oldest episode may lack its beginning).
    """

    def __init__(self, memory: "TaskReplay", tasks: int, capacity: int):
        self.capacity = capacity
        self.sizes = np.zeros(tasks, dtype=np.int64)
        self._memory = memory
        self._next = np.zeros(tasks, dtype=np.int64)
        # For each transition of a task: where it lies in the memory, and which one here begins its episode.
        self._places, self._beginnings = np.zeros((2, tasks, min(capacity, FIRST_ROOM)), dtype=np.int32)

    def _append(self, task: int, places: np.ndarray) -> None:
        here = self._make_room(task, len(places))
        self._places[task, here] = places
        self._beginnings[task, here] = self._next[task]
        self._next[task] = (self._next[task] + len(places)) % self.capacity
        self.sizes[task] = min(self.sizes[task] + len(places), self.capacity)

    def sample(self, tasks: np.ndarray, count: int, rng: np.random.Generator) -> Tensor:
        """Draw `count` transitions of each of `tasks` `(M,)`, uniformly with replacement: `(M, count, width)`."""
        return self._take(tasks, self._draw(tasks, count, rng))

    def sample_sequences(self, tasks: np.ndarray, count: int, rng: np.random.Generator) -> Tensor:
        """Draw `count` successive transitions of each of `tasks` `(M,)`, `(M, count, width)`.

        They begin with an episode, drawn in proportion to its length, and go on with the next ones where it is shorter.
        """
        firsts = self._beginnings[tasks[:, None], self._draw(tasks, 1, rng)]
        return self._take(tasks, (firsts + np.arange(count)) % self.sizes[tasks, None])

    def _draw(self, tasks: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        sizes = self.sizes[tasks]
        if not sizes.all():
            raise ValueError(f"task {tasks[sizes == 0][0]} has no transitions to draw from")
        return (rng.random((len(tasks), count)) * sizes[:, None]).astype(np.int64)

    def _take(self, tasks: np.ndarray, here: np.ndarray) -> Tensor:
        return self._memory.rows(self._places[tasks[:, None], here])

    def _make_room(self, task: int, count: int) -> np.ndarray:
        """Return where the next `count` transitions of `task` go, after growing the lists if they are too short."""
        if count > self.capacity:
            raise ValueError(f"an episode of {count} transitions is longer than the capacity of {self.capacity}")
        tasks, room = self._places.shape
        needed = min(int(self._next[task]) + count, self.capacity)
        if needed > room:
            while room < needed:
                room *= 2
            grown = np.zeros((2, tasks, min(room, self.capacity)), dtype=np.int32)
            grown[:, :, : self._places.shape[1]] = self._places, self._beginnings
            self._places, self._beginnings = grown
        return (self._next[task] + np.arange(count)) % self.capacity

    def state_dict(self) -> dict[str, Any]:
        """Return which transitions are selected."""
        used = np.arange(self._places.shape[1]) < self.sizes[:, None]
        lists = {"places": self._places[used], "beginnings": self._beginnings[used]}
        return lists | {"sizes": self.sizes.copy(), "next": self._next.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.sizes, self._next = state["sizes"].copy(), np.zeros_like(state["next"])
        self._make_room(0, int(self.sizes.max()))
        used = np.arange(self._places.shape[1]) < self.sizes[:, None]
        self._places[used], self._beginnings[used] = state["places"], state["beginnings"]
        self._next = state["next"].copy()


class Selection(Transitions):
    """Some of the transitions of a `TaskReplay`."""

    def add(self, task: int, places: np.ndarray) -> None:
        """Append the transitions of one episode of `task`, which lie at `places` `(n,)` in the memory."""
        self._append(task, places)

    def clear(self, task: int) -> None:
        """Leave out all transitions of `task`."""
        self.sizes[task] = self._next[task] = 0


class TaskReplay(Transitions):
    """Transitions of `tasks` tasks, one row of `width` numbers each, kept as float32; grows as it fills."""

    def __init__(self, tasks: int, width: int, capacity: int = 1_000_000):
        super().__init__(self, tasks, capacity)
        self._rows = torch.zeros(FIRST_ROOM, width)
        self._used = 0

    def select(self) -> Selection:
        """Return an empty selection of these transitions; each is kept once, however often it is selected."""
        return Selection(self, len(self.sizes), self.capacity)

    def store(self, task: int, rows: np.ndarray) -> np.ndarray:
        """Append one episode of `task`, `rows` `(n, width)`; return the places where they lie in the memory `(n,)`."""
        here = self._make_room(task, len(rows))
        # What the task must forget makes room for what it remembers; everything else goes to the end.
        fresh = here >= self.sizes[task]
        places = self._places[task, here].astype(np.int64)
        places[fresh] = self._used + np.arange(fresh.sum())
        self._used += int(fresh.sum())
        if self._used > len(self._rows):
            grown = torch.zeros(max(self._used, 2 * len(self._rows)), self._rows.shape[1])
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self._rows[torch.from_numpy(places)] = torch.from_numpy(np.asarray(rows, dtype=np.float32))
        self._append(task, places)
        return places

    def rows(self, places: np.ndarray) -> Tensor:
        """Return the transitions at `places` `(…)` as `(…, width)`."""
        flat = torch.from_numpy(places.reshape(-1).astype(np.int64))
        return self._rows[flat].view(*places.shape, -1)

    def state_dict(self) -> dict[str, Any]:
        """Return all transitions, and whose they are."""
        return super().state_dict() | {"rows": self._rows[: self._used]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self._used = len(state["rows"])
        self._rows = torch.zeros(max(FIRST_ROOM, self._used), state["rows"].shape[1])
        self._rows[: self._used] = state["rows"]
