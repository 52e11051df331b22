"""Families whose training and test tasks are fixed sets, as in most of the papers on MuJoCo bodies."""

import numpy as np

from shared.tasks.family import TaskFamily


class TaskSets:
    """Draws tasks from `train_set` and `test_set`, arrays `(tasks, task_dim)`; goes before the family's base class.

    Methods that keep something for every training task know it by its index in `train_set`.
    """

    train_set: np.ndarray
    test_set: np.ndarray

    def train_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` training tasks, `(n, task_dim)`: none twice before all have been drawn."""
        passes = max(1, -(-n // len(self.train_set)))
        order = np.concatenate([rng.permutation(len(self.train_set)) for _ in range(passes)])
        return self.train_set[order[:n]]

    def test_tasks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the first `n` test tasks, `(n, task_dim)`; raise `ValueError` where there are not so many."""
        if n > len(self.test_set):
            raise ValueError(f"{type(self).__name__} has {len(self.test_set)} test tasks, not {n}")
        return self.test_set[:n].copy()


def check_task_sets(family: TaskFamily) -> None:
    """Raise `ValueError` where `family` has no fixed set of training tasks for a method to keep something for."""
    if not isinstance(family, TaskSets):
        raise ValueError(f"{type(family).__name__} has no fixed set of training tasks, which this method returns to")
