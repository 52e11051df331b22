"""The stepper under all bodies: what it refuses, how episodes end, and that simulations do not know of each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.tasks.locomotion import (
    AntDirection,
    AntGoal,
    HalfCheetahDirection,
    HalfCheetahVelocity,
    HumanoidDirection,
    WalkerDynamics,
)
from tests.shared.tasks.instances import made


def state(env):
    return [array.copy() for array in (env.simulations.qpos, env.simulations.qvel, env._clock, env._tasks)]


def same(before, env):
    return all(np.array_equal(a, b) for a, b in zip(before, state(env), strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda env: env.step(np.zeros((3, 5))), r"actions must have shape \(3, 6\), got \(3, 5\)"),
        (lambda env: env.step(np.full((3, 6), np.nan)), r"actions must be numbers in \[-1, 1\]"),
        (lambda env: env.step(np.full((3, 6), 1.001)), r"actions must be numbers in \[-1, 1\]"),
        (lambda env: env.set_tasks(np.ones((3, 2))), r"tasks must have shape \(3, 1\), got \(3, 2\)"),
        (lambda env: env.set_tasks(np.full((3, 1), 0.5)), "directions must be 1 or -1"),
        (lambda env: env.reset(options={"reset_mask": np.ones(2, dtype=bool)}), "reset_mask must be 3 booleans"),
        (lambda env: env.reset(options={"reset_mask": np.ones(3)}), "reset_mask must be 3 booleans"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(call, message):
    env = made(HalfCheetahDirection).make(3)
    env.step(np.full((3, 6), 0.5))
    before = state(env)
    with pytest.raises(ValueError, match=message):
        call(env)
    assert same(before, env)


@pytest.mark.parametrize(
    ("family", "task", "message"),
    [
        (HalfCheetahVelocity, [-1.0], "wanted velocities must not be negative, got -1"),
        (HalfCheetahVelocity, [np.nan], "wanted velocities must be finite"),
        (AntDirection, [np.inf], "headings must be finite"),
        (AntGoal, [np.nan, 0.0], "goals must be finite"),
        (HumanoidDirection, [np.nan], "headings must be finite"),
        (WalkerDynamics, [0.0] * 65, r"multipliers must lie in \[0.001, 1000\], got 0 to 0"),
        (WalkerDynamics, [1.0] * 64 + [1e300], "multipliers must lie in"),
        (WalkerDynamics, [1.0] * 64 + [np.nan], "multipliers must be finite"),
    ],
)
def test_tasks_outside_the_family_are_refused(family, task, message):
    env = made(family).make(2)
    before = state(env)
    with pytest.raises(ValueError, match=message):
        env.set_tasks(np.array([task, task]))
    assert same(before, env)


def test_a_broken_episode_is_truncated_and_stands_still_until_its_reset():
    env = made(HalfCheetahDirection).make(3)
    env.reset(seed=0)
    last = env.step(np.full((3, 6), 0.3))[0]
    env.simulations.qvel[1] = np.nan
    for _ in range(3):
        observations, rewards, terminated, truncated, info = env.step(np.full((3, 6), 0.3))
        assert info["broken"].tolist() == truncated.tolist() == [False, True, False]
        assert rewards[1] == 0
        assert np.array_equal(observations[1], last[1])
        assert np.isfinite(observations).all()
        assert not terminated.any()
    assert np.array_equal(env.reset(options={"reset_mask": np.array([True, False, False])})[0][1], last[1])
    env.reset(options={"reset_mask": np.array([False, True, False])})
    assert not env.step(np.full((3, 6), 0.3))[4]["broken"].any()


def test_an_ant_that_breaks_ends_for_good():
    env = made(AntDirection).make(2)
    env.simulations.qvel[0] = np.inf
    _, rewards, terminated, truncated, info = env.step(np.zeros((2, 8)))
    assert info["broken"].tolist() == terminated.tolist() == [True, False]
    assert not truncated.any() and rewards[0] == 0


class Waypoints(HalfCheetahDirection):
    """Pays 1 for every first step beyond a millimetre from the start: something to remember."""

    def remember(self, count):
        return {"paid": np.zeros(count)}

    def reward(self, moment):
        new = (np.abs(moment.simulations.qpos[:, 0]) > 0) & (moment.memory["paid"] == 0)
        moment.memory["paid"] += new
        return new.astype(float)


def test_what_a_family_remembers_of_an_episode_is_forgotten_at_its_reset():
    env = Waypoints().make(2)
    actions = np.full((2, 6), 0.5)
    assert [env.step(actions)[1].tolist() for _ in range(2)] == [[1, 1], [0, 0]]
    env.reset(options={"reset_mask": np.array([False, True])})
    assert env.step(actions)[1].tolist() == [0, 1]


def test_time_outs_truncate_and_do_not_terminate():
    family = made(HalfCheetahDirection)
    env = family.make(2)
    env.reset(seed=0)
    for t in range(family.horizon):
        *_, terminated, truncated, _ = env.step(np.zeros((2, 6)))
        assert truncated.tolist() == [t == family.horizon - 1] * 2
        assert not terminated.any()
    before = state(env)
    _, rewards, _, truncated, _ = env.step(np.ones((2, 6)))
    assert same(before, env)
    assert truncated.all() and not rewards.any()


class ShortWalk(WalkerDynamics):
    """Episodes so short that they are cut often."""

    horizon = 4


def copy_start(together, env, index):
    """Start an episode in `env`, which has one simulation, where simulation `index` of `together` starts its own."""
    env.reset()
    state = (array[index : index + 1] for array in (together.simulations.qpos, together.simulations.qvel))
    env.simulations.put(np.array([True]), *state)


CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.integers(0, 2**31)),
        st.tuples(st.just("reset"), st.lists(st.booleans(), min_size=4, max_size=4)),
        st.tuples(st.just("set_tasks"), st.integers(0, 2**31)),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(calls=CALLS)
def test_whatever_is_called_each_simulation_does_what_it_would_do_alone(calls):
    family = made(ShortWalk)
    together, alone = family.make(4), [family.make(1) for _ in range(4)]
    together.reset(seed=1)
    for i, env in enumerate(alone):
        env.set_tasks(together._tasks[i : i + 1])
        copy_start(together, env, i)
    for call, value in calls:
        rng = np.random.default_rng(value if call != "reset" else 0)
        if call == "step":
            actions = rng.uniform(-1, 1, (4, 6))
            outcome = together.step(actions)
            for i, env in enumerate(alone):
                single = env.step(actions[i : i + 1])
                assert all(
                    np.array_equal(part[0], whole[i]) for part, whole in zip(single[:4], outcome[:4], strict=True)
                )
        elif call == "reset":
            mask = np.array(value)
            untouched = together.simulations.qpos[~mask].copy()
            together.reset(options={"reset_mask": mask})
            assert np.array_equal(together.simulations.qpos[~mask], untouched)
            for i in np.flatnonzero(mask):
                copy_start(together, alone[i], i)
        else:
            before = together.simulations.qpos.copy()
            tasks = family.draw(4, rng)
            together.set_tasks(tasks)
            assert np.array_equal(together.simulations.qpos, before)
            for i, env in enumerate(alone):
                env.set_tasks(tasks[i : i + 1])


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_and_neighbours_change_nothing(threads):
    one, many = AntGoal(), AntGoal()
    many.threads = threads
    tasks = one.train_set[:8]
    outcomes = []
    for family, count in ((one, 8), (many, 8), (many, 3)):
        env = family.make(count)
        env.set_tasks(tasks[:count])
        env.reset(seed=3)
        starts = family.start(tasks, np.random.default_rng(0))
        env.simulations.put(np.ones(count, dtype=bool), *(array[:count] for array in starts))
        actions = np.random.default_rng(1).uniform(-1, 1, (10, 8, 8))
        outcomes.append([env.step(a[:count])[:2] for a in actions])
    for (o1, r1), (o2, r2), (o3, r3) in zip(*outcomes, strict=True):
        assert np.array_equal(o1, o2) and np.array_equal(r1, r2)
        assert np.array_equal(o1[:3], o3) and np.array_equal(r1[:3], r3)
