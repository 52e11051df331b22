import numpy as np
import pytest
import torch

from shared.rl.replay import TaskReplay


def rows(*numbers):
    """Transitions of two numbers, the first of which tells them apart."""
    return np.array([[number, -number] for number in numbers], dtype=np.float32)


def test_samples_are_uniform_over_a_tasks_own_transitions():
    replay = TaskReplay(3, 2)
    replay.add(0, rows(1, 2, 3, 4))
    replay.add(2, rows(10))
    drawn = replay.sample(np.array([0, 2, 0]), 20_000, np.random.default_rng(0))
    assert drawn.shape == (3, 20_000, 2)
    assert (drawn[1] == torch.tensor([10.0, -10.0])).all()
    for task in (0, 2):
        np.testing.assert_allclose(np.bincount(drawn[task, :, 0].int(), minlength=5)[1:] / 20_000, 0.25, atol=0.015)
    assert (drawn[..., 1] == -drawn[..., 0]).all()


def test_the_memory_grows_and_then_forgets_the_oldest():
    replay = TaskReplay(1, 2, capacity=3000)
    for start in range(0, 5000, 500):
        replay.add(0, rows(*range(start, start + 500)))
    assert replay.sizes[0] == 3000
    drawn = replay.sample(np.array([0]), 50_000, np.random.default_rng(0))[0, :, 0]
    assert drawn.min() >= 2000
    assert len(drawn.unique()) > 2990


def test_sequences_begin_with_an_episode_and_run_on():
    replay = TaskReplay(2, 2)
    for episode in ((1, 2, 3), (11, 12), (21, 22, 23, 24)):
        replay.add(1, rows(*episode))
    drawn = replay.sample_sequences(np.array([1] * 200), 4, np.random.default_rng(0))[..., 0]
    expected = {(1, 2, 3, 11), (11, 12, 21, 22), (21, 22, 23, 24)}
    assert {tuple(int(x) for x in sequence) for sequence in drawn} == expected
    firsts = [int(sequence[0]) for sequence in drawn]
    assert 0.3 < firsts.count(21) / 200 < 0.6  # four of nine transitions


def test_a_cleared_task_is_empty_and_others_are_not():
    replay = TaskReplay(2, 2)
    replay.add(0, rows(1, 2))
    replay.add(1, rows(3))
    replay.clear(0)
    with pytest.raises(ValueError, match="task 0 has no transitions"):
        replay.sample(np.array([1, 0]), 1, np.random.default_rng(0))
    replay.add(0, rows(5))
    assert (replay.sample(np.array([0]), 9, np.random.default_rng(0))[0, :, 0] == 5).all()


def test_an_episode_must_fit():
    with pytest.raises(ValueError, match="episode of 4 transitions"):
        TaskReplay(1, 2, capacity=3).add(0, rows(1, 2, 3, 4))


def test_a_restored_memory_goes_on_alike():
    replay, again = TaskReplay(2, 2, capacity=8), TaskReplay(2, 2, capacity=8)
    for start in (1, 4, 7):
        replay.add(0, rows(start, start + 1, start + 2))
    replay.add(1, rows(100))
    again.load_state_dict(replay.state_dict())
    for one in (replay, again):
        one.add(0, rows(40, 41))
    tasks = np.array([0, 1])
    for draw in ("sample", "sample_sequences"):
        mine, other = (getattr(one, draw)(tasks, 30, np.random.default_rng(3)) for one in (replay, again))
        torch.testing.assert_close(mine, other, rtol=0, atol=0)
