"""Families whose training and test tasks are fixed sets, as in most of the papers on MuJoCo bodies."""

import numpy as np


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
