import numpy as np
import pytest

from replications.dream.consistency import explorations, fewest_steps, told
from replications.dream.tasks import DistractingBus


def test_rides_take_as_many_steps_as_the_grid_asks_for():
    steps = fewest_steps(DistractingBus(), 0)
    assert steps[frozenset()] == 0
    assert steps[frozenset({0})] == 2
    assert steps[frozenset({0, 1, 2})] == 10
    assert steps[frozenset({0, 1, 2, 3})] == 14
    assert steps[frozenset({0, 1, 2, 4, 5, 6})] == 17
    assert max(map(len, steps)) == 7


def test_information_by_hand():
    # Of four equally likely problems, the first column tells half, the second nothing more of their parity.
    seen, parity = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 0, 1])
    assert told(seen[:, :1], parity) == pytest.approx(0.0)
    assert told(seen[:, 1:], parity) == pytest.approx(np.log(2))
    assert told(seen, np.arange(4)) == pytest.approx(np.log(4))
    assert told(seen[:, :0], np.arange(4)) == pytest.approx(0.0)


def test_useless_lines_tell_of_the_problem_but_do_not_pay():
    by_lines = {one.lines: one for one in explorations(DistractingBus(), [0])}
    assert by_lines[frozenset()].earned == pytest.approx(0.3)
    one, three, useless = (by_lines[frozenset(lines)] for lines in ({0}, {0, 1, 2}, {0, 4, 5, 6}))
    assert (one.tells_latent, one.earned) == (pytest.approx(np.log(4)), pytest.approx(0.5))
    assert (three.tells_latent, three.earned) == (pytest.approx(np.log(24)), pytest.approx(0.8))
    assert (useless.tells_latent, useless.earned) == (one.tells_latent, one.earned)
    assert useless.tells_problem > three.tells_problem
