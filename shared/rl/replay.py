"""Replay memory for many tasks at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

FIRST_CAPACITY = 1024


class TaskReplay:
    """Transitions of `tasks` tasks, one row of `width` numbers each, kept as float32.

    Rows of a task stay in the order in which they came, episode after episode. The memory grows as it fills; beyond
    `capacity` transitions of a task, the oldest make room (and the oldest episode may have lost its beginning).
    """

    def __init__(self, tasks: int, width: int, capacity: int = 1_000_000):
        self.width, self.capacity = width, capacity
        self.sizes = np.zeros(tasks, dtype=np.int64)
        self._next = np.zeros(tasks, dtype=np.int64)
        room = min(capacity, FIRST_CAPACITY)
        self._rows = torch.zeros(tasks, room, width)
        self._beginnings = np.zeros((tasks, room), dtype=np.int64)  # where the episode of each row begins

    def add(self, task: int, rows: np.ndarray) -> None:
        """Append one episode, `rows` `(n, width)`, to the transitions of `task`."""
        if len(rows) > self.capacity:
            raise ValueError(f"an episode of {len(rows)} transitions is longer than the capacity of {self.capacity}")
        first = self._next[task]
        self._reserve(first + len(rows))
        places = (first + np.arange(len(rows))) % self.capacity
        self._rows[task, torch.from_numpy(places)] = torch.from_numpy(np.asarray(rows, dtype=np.float32))
        self._beginnings[task, places] = first
        self._next[task] = (first + len(rows)) % self.capacity
        self.sizes[task] = min(self.sizes[task] + len(rows), self.capacity)

    def clear(self, task: int) -> None:
        """Forget the transitions of `task`."""
        self.sizes[task] = self._next[task] = 0

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

    def _take(self, tasks: np.ndarray, places: np.ndarray) -> Tensor:
        flat = torch.from_numpy(tasks[:, None] * self._rows.shape[1] + places)
        return self._rows.view(-1, self.width)[flat.view(-1)].view(*flat.shape, self.width)

    def _reserve(self, size: int) -> None:
        tasks, room, _ = self._rows.shape
        if min(size, self.capacity) > room:
            while room < size:
                room *= 2
            room = min(room, self.capacity)
            rows, beginnings = torch.zeros(tasks, room, self.width), np.zeros((tasks, room), dtype=np.int64)
            rows[:, : self._rows.shape[1]] = self._rows
            beginnings[:, : self._beginnings.shape[1]] = self._beginnings
            self._rows, self._beginnings = rows, beginnings

    def state_dict(self) -> dict[str, Any]:
        """Return all transitions, and where the next ones go."""
        used = [slice(0, int(size)) for size in self.sizes]
        return {
            "rows": torch.cat([self._rows[task, rows] for task, rows in enumerate(used)]),
            "beginnings": np.concatenate([self._beginnings[task, rows] for task, rows in enumerate(used)]),
            "sizes": self.sizes.copy(),
            "next": self._next.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.sizes, self._next = state["sizes"].copy(), state["next"].copy()
        self._reserve(int(self.sizes.max()))
        ends = np.cumsum(self.sizes)
        for task, (begin, end) in enumerate(zip(ends - self.sizes, ends, strict=True)):
            self._rows[task, : end - begin] = state["rows"][begin:end]
            self._beginnings[task, : end - begin] = state["beginnings"][begin:end]
