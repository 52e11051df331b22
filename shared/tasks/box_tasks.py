"""What steppers with continuous actions check before they do anything."""

import numpy as np

from shared.tasks.family import VectorTasks


class BoxTasks(VectorTasks):
    """N tasks whose actions are vectors in [−1, 1]."""

    def checked_mask(self, mask: np.ndarray | None) -> np.ndarray:
        """Return a reset mask as booleans `(num_envs,)`, all of them for None; raise `ValueError` otherwise."""
        if mask is None:
            return np.ones(self.num_envs, dtype=bool)
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise ValueError(f"reset_mask must be {self.num_envs} booleans, got {mask.dtype}{mask.shape}")
        return mask

    def checked_actions(self, actions: np.ndarray) -> np.ndarray:
        """Return `actions` as float64 `(num_envs, n)`; raise `ValueError` on a wrong shape, NaN, or beyond [−1, 1]."""
        actions = np.asarray(actions, dtype=np.float64)
        shape = (self.num_envs, *self.single_action_space.shape)
        if actions.shape != shape:
            raise ValueError(f"actions must have shape {shape}, got {actions.shape}")
        if not (np.abs(actions) <= 1).all():  # false for NaN
            raise ValueError("actions must be numbers in [-1, 1]")
        return actions
