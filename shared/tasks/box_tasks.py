"""What steppers with continuous actions check before they do anything."""

import numpy as np

from shared.tasks.family import VectorTasks


class BoxTasks(VectorTasks):
    """N tasks whose actions are vectors in [−1, 1]."""

    def checked_actions(self, actions: np.ndarray) -> np.ndarray:
        """Return `actions` as float64 `(num_envs, n)`; raise `ValueError` on a wrong shape, NaN, or beyond [−1, 1]."""
        actions = np.asarray(actions, dtype=np.float64)
        shape = (self.num_envs, *self.single_action_space.shape)
        if actions.shape != shape:
            raise ValueError(f"actions must have shape {shape}, got {actions.shape}")
        if not (np.abs(actions) <= 1).all():  # false for NaN
            raise ValueError("actions must be numbers in [-1, 1]")
        return actions
