import numpy as np
import pytest
import torch

from replications.dream.networks import Distinct
from replications.dream.tasks import ACTIONS, END, LEFT, RIDE, RIGHT, STAY, UP, Cooking, CourseMap
from replications.dream.trials import EXPLOIT, EXPLORE, Drawn, TrialReplay, behaviour, play


@pytest.fixture
def family():
    return CourseMap()


def scripted(family, tasks, scripts):
    """Play `scripts`, a list of actions for each trial; waiting after its end."""
    envs = family.make(len(tasks))
    envs.set_tasks(tasks)
    clock = -1

    def act(now):
        nonlocal clock
        clock += 1
        return np.array([script[clock] if clock < len(script) else STAY for script in scripts])

    return play(family, envs, act)


@pytest.fixture
def trials(family):
    """Three trials of the stream with scripted episodes: to the map and the end; a ride; nothing."""
    tasks = family.trials(0, 3)
    explore = scripted(family, tasks, [[RIGHT, RIGHT, END], [END], [STAY] * 10])
    exploit = scripted(family, tasks, [[UP, END], [LEFT, RIDE], [END]])
    memory = TrialReplay(family, 4)
    memory.add(tasks, explore, exploit)
    return tasks, explore, exploit, memory


def test_an_episode_is_as_long_as_it_lasted(family, trials):
    tasks, explore, exploit, _ = trials
    assert explore.lengths.tolist() == [3, 1, 10]
    assert exploit.lengths.tolist() == [2, 2, 1]
    assert (explore.actions[1, 1:] == 0).all()
    assert (explore.rewards[~explore.valid] == 0).all()
    measures = behaviour(family, tasks, explore)
    assert measures["map_read"].tolist() == [1, 0, 0]
    # Ending costs what waiting would: in all -0.3 for each of ten steps.
    assert np.allclose(measures["return"], -3.0)


def test_codes_stand_for_the_states_seen(family, trials):
    tasks, explore, *_ = trials
    x, y, _, shown = np.unravel_index(explore.codes[0], family.state_sizes)
    assert x[:4].tolist() == [2, 3, 4, 4]
    assert (y == 2).all()
    assert shown[:4].tolist() == [0, 0, tasks[0, 0] + 1, tasks[0, 0] + 1]


def test_batches_hold_the_episodes_as_they_were(family, trials):
    tasks, explore, exploit, memory = trials
    batch = memory.batch(Drawn(np.array([2, 0])))
    assert batch.problems.tolist() == tasks[[2, 0], 0].tolist()
    assert batch.goals.values[batch.goals.where].tolist() == tasks[[2, 0], 3:].tolist()
    for phase, sequences, played in ((EXPLORE, batch.explore, explore), (EXPLOIT, batch.exploit, exploit)):
        longest = int(played.lengths[[2, 0]].max())
        assert sequences.actions.shape == (longest, 2)
        assert sequences.lengths.tolist() == played.lengths[[2, 0]].tolist()
        for column, trial in enumerate([2, 0]):
            length = played.lengths[trial]
            states = np.stack(np.unravel_index(played.codes[trial], family.state_sizes), axis=1)
            seen = sequences.states.values[sequences.states.where[:, column]]
            assert seen[: length + 1].tolist() == states[: length + 1].tolist(), phase
            assert sequences.actions[:length, column].tolist() == played.actions[trial, :length].tolist()
            assert sequences.before[: length + 1, column].tolist() == [ACTIONS, *played.actions[trial, :length]]
            assert sequences.done[:, column].tolist() == [float(t == length - 1) for t in range(longest)]
            assert sequences.valid[:, column].tolist() == [float(t < length) for t in range(longest)]
            assert np.allclose(sequences.rewards[:length, column], played.rewards[trial, :length])


def test_whole_trials_join_both_episodes(family, trials):
    tasks, explore, exploit, memory = trials
    whole = memory.whole(Drawn(np.array([0, 1])))
    assert whole.lengths.tolist() == [5, 3]
    states = whole.states.values[whole.states.where]
    assert states[:, 0, :2].tolist() == [[2, 2], [3, 2], [4, 2], [2, 2], [2, 3], [2, 3]]
    assert whole.before[:, 0].tolist() == [ACTIONS, RIGHT, RIGHT, ACTIONS, UP, END]
    assert whole.begins[:, 0].tolist() == [0, 0, 0, 1, 0, 0]
    assert whole.explores[:, 0].tolist() == [1, 1, 1, 0, 0]
    assert whole.done[:, 0].tolist() == [0, 0, 0, 0, 1]
    assert whole.valid[:, 1].tolist() == [1, 1, 1, 0, 0]
    rewards = np.concatenate([explore.rewards[0, :3], exploit.rewards[0, :2]])
    assert np.allclose(whole.rewards[:, 0], rewards)
    assert np.allclose(whole.earned[:, 0], [0, *rewards])
    goals = whole.goals.values[whole.goals.where[:, 0]].tolist()
    assert goals == [tasks[0, 1:3].tolist()] * 3 + [tasks[0, 3:].tolist()] * 3


def test_the_oldest_trials_are_forgotten(family, trials):
    tasks, explore, exploit, memory = trials
    memory.add(tasks, explore, exploit)
    assert len(memory) == 4
    assert memory.added == 6
    assert memory.problems.tolist() == tasks[[1, 2, 2, 0], 0].tolist()


def test_a_memory_comes_back_from_its_state(family, trials):
    *_, memory = trials
    again = TrialReplay(family, 4)
    again.load_state_dict(memory.state_dict())
    ours, theirs = (one.batch(Drawn(np.arange(3))).explore for one in (again, memory))
    assert torch.equal(ours.states.where, theirs.states.where)
    assert torch.equal(ours.rewards, theirs.rewards)
    assert again.added == 3


def test_an_empty_memory_says_so(family):
    with pytest.raises(ValueError, match="no trials"):
        TrialReplay(family, 4).draw(1, 2, np.random.default_rng(0))


def test_trials_of_a_batch_may_be_alike_in_length(trials):
    *_, memory = trials
    mixed, alike = (
        [d.places for d in memory.draw(20, 4, np.random.default_rng(0), choice)] for choice in (False, True)
    )
    assert sorted(np.ravel(mixed)) == sorted(np.ravel(alike))
    spread = [sum(np.ptp(memory.episodes.lengths[0, places]) for places in one) for one in (mixed, alike)]
    assert spread[1] <= 2 * 9 < spread[0]  # lengths are 1, 3 and 10: two batches at most are mixed


def test_every_step_counts_alike_in_batches_alike_in_length(trials):
    *_, memory = trials
    draws = memory.draw(20, 4, np.random.default_rng(0), alike=True)
    for phase, lengths in enumerate([*memory.episodes.lengths, memory.episodes.lengths.sum(axis=0)]):
        # What a single step counts in the mean over its batch, times the batch's weight.
        counts = [draw.weights[phase] / lengths[draw.places].sum() for draw in draws]
        assert np.allclose(counts, counts[0])
        assert np.mean([draw.weights[phase] for draw in draws]) == pytest.approx(1.0)
    assert memory.whole(draws[0]).weight == draws[0].weights[2]
    assert memory.batch(draws[0]).exploit.weight == draws[0].weights[1]


def test_distinct_vectors_are_embedded_once_and_put_where_they_belong():
    family = Cooking()
    codes = np.array([[5, 7], [7, 5], [22499, 5]])
    distinct = Distinct.of(codes, family.seen)
    assert len(distinct.values) == 3
    values = distinct.values[distinct.where].numpy()
    assert (np.ravel_multi_index(tuple(np.moveaxis(values, 2, 0)), family.state_sizes) == codes).all()
