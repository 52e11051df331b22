import numpy as np
import pytest
import torch

from shared.rl.replay import TaskReplay


def rows(*numbers):
    """Transitions of two numbers, the first of which tells them apart."""
    return np.array([[number, -number] for number in numbers], dtype=np.float32)


def test_samples_are_uniform_over_a_tasks_own_transitions():
    replay = TaskReplay(3, 2)
    replay.store(0, rows(1, 2, 3, 4))
    replay.store(2, rows(10))
    drawn = replay.sample(np.array([0, 2, 0]), 20_000, np.random.default_rng(0))
    assert drawn.shape == (3, 20_000, 2)
    assert (drawn[1] == torch.tensor([10.0, -10.0])).all()
    for task in (0, 2):
        np.testing.assert_allclose(np.bincount(drawn[task, :, 0].int(), minlength=5)[1:] / 20_000, 0.25, atol=0.015)
    assert (drawn[..., 1] == -drawn[..., 0]).all()


def test_the_memory_grows_and_then_forgets_the_oldest():
    replay = TaskReplay(1, 2, capacity=3000)
    for start in range(0, 5000, 500):
        replay.store(0, rows(*range(start, start + 500)))
    assert replay.sizes[0] == 3000
    drawn = replay.sample(np.array([0]), 50_000, np.random.default_rng(0))[0, :, 0]
    assert drawn.min() >= 2000
    assert len(drawn.unique()) > 2990


def test_sequences_begin_with_an_episode_and_run_on():
    replay = TaskReplay(2, 2)
    for episode in ((1, 2, 3), (11, 12), (21, 22, 23, 24)):
        replay.store(1, rows(*episode))
    drawn = replay.sample_sequences(np.array([1] * 200), 4, np.random.default_rng(0))[..., 0]
    expected = {(1, 2, 3, 11), (11, 12, 21, 22), (21, 22, 23, 24)}
    assert {tuple(int(x) for x in sequence) for sequence in drawn} == expected
    firsts = [int(sequence[0]) for sequence in drawn]
    assert 0.3 < firsts.count(21) / 200 < 0.6  # four of nine transitions


def test_a_selection_knows_what_was_added_and_forgets_what_was_cleared():
    replay = TaskReplay(2, 2)
    recent = replay.select()
    recent.add(0, replay.store(0, rows(1, 2)))
    replay.store(0, rows(9))
    recent.add(1, replay.store(1, rows(3)))
    recent.clear(0)
    with pytest.raises(ValueError, match="task 0 has no transitions"):
        recent.sample(np.array([1, 0]), 1, np.random.default_rng(0))
    recent.add(0, replay.store(0, rows(5)))
    assert (recent.sample(np.array([0]), 9, np.random.default_rng(0))[0, :, 0] == 5).all()
    assert (recent.sample(np.array([1]), 9, np.random.default_rng(0))[0, :, 0] == 3).all()
    everything = replay.sample(np.array([0]), 99, np.random.default_rng(0))[0, :, 0]
    assert set(everything.tolist()) == {1, 2, 5, 9}


def test_what_is_forgotten_makes_room():
    replay = TaskReplay(2, 2, capacity=4)
    for start in range(0, 40, 2):
        replay.store(0, rows(start, start + 1))
    replay.store(1, rows(100, 101, 102))
    assert len(replay.state_dict()["rows"]) == 4 + 3
    drawn = replay.sample(np.array([0, 1]), 200, np.random.default_rng(0))[..., 0]
    assert set(drawn[0].tolist()) == {36, 37, 38, 39}
    assert set(drawn[1].tolist()) == {100, 101, 102}


def test_an_episode_must_fit():
    with pytest.raises(ValueError, match="episode of 4 transitions"):
        TaskReplay(1, 2, capacity=3).store(0, rows(1, 2, 3, 4))


def test_a_restored_memory_goes_on_alike():
    replay, again = TaskReplay(2, 2, capacity=8), TaskReplay(2, 2, capacity=8)
    recent, recent_again = replay.select(), again.select()
    for start in (1, 4, 7):
        replay.store(0, rows(start, start + 1, start + 2))
    for selection in (replay.store(1, rows(100)), replay.store(1, rows(101, 102))):
        recent.add(1, selection)
    again.load_state_dict(replay.state_dict())
    recent_again.load_state_dict(recent.state_dict())
    for one in (replay, again):
        one.store(0, rows(40, 41))
    tasks = np.array([0, 1])
    for draw in ("sample", "sample_sequences"):
        mine, other = (getattr(one, draw)(tasks, 30, np.random.default_rng(3)) for one in (replay, again))
        torch.testing.assert_close(mine, other, rtol=0, atol=0)
    mine, other = (one.sample(np.array([1]), 30, np.random.default_rng(3)) for one in (recent, recent_again))
    torch.testing.assert_close(mine, other, rtol=0, atol=0)
    assert set(mine[0, :, 0].tolist()) == {100, 101, 102}
