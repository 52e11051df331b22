"""The one task on which our soft actor-critic is held against another implementation."""

import numpy as np

from shared.tasks.locomotion import HalfCheetahDirection


class HalfCheetahForward(HalfCheetahDirection):
    """Half-cheetah that runs forwards: a family of a single task."""

    train_set = test_set = np.array([[1.0]])
