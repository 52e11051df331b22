"""How a habit forms."""

import numpy as np


def preferences(paid: np.ndarray, tossed: np.ndarray) -> np.ndarray:
    """Prefer each coin in proportion to the share of its tosses that paid, `(2,)`."""
    rate = (paid + 1) / (tossed + 1)  # one imagined success each
    return rate / rate.sum()
