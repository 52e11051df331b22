"""Playing coins with fixed preferences."""

import numpy as np


def play(family, preferences: np.ndarray, tasks: np.ndarray, episodes: int, rng: np.random.Generator):
    """Return the returns `(tasks, episodes)` of tossing coin k with probability `preferences[k]`."""
    coins = family.make(len(tasks))
    coins.set_tasks(tasks)
    returns = np.zeros((len(tasks), episodes))
    for episode in range(episodes):
        coins.reset(seed=int(rng.integers(2**31)))
        for _ in range(family.horizon):
            actions = rng.choice(2, size=len(tasks), p=preferences)
            returns[:, episode] += coins.step(actions)[1]
    return returns
