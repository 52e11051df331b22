"""The families against scalar re-computations on a plain simulation, and against what PEARL's code draws."""

import math
from types import SimpleNamespace

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.tasks import locomotion
from shared.tasks.locomotion import (
    AntDirection,
    AntGoal,
    HalfCheetahDirection,
    HalfCheetahVelocity,
    HopperDynamics,
    HumanoidDirection,
    WalkerDynamics,
)

FAMILIES = (
    HalfCheetahDirection,
    HalfCheetahVelocity,
    AntDirection,
    AntGoal,
    HumanoidDirection,
    WalkerDynamics,
    HopperDynamics,
)
BY_NAME = [pytest.param(family, id=family.__name__) for family in FAMILIES]
_MADE = {}


class ConsistentWalker(WalkerDynamics):
    """What MuJoCo derives from masses and inertias follows them."""

    def __init__(self):
        super().__init__(constants=True)


def made(family):
    """One instance per family: compiling a model takes longer than most tests."""
    if family not in _MADE:
        _MADE[family] = family()
    return _MADE[family]


def clip(x):
    return min(max(x, -1.0), 1.0)


def costs(data, u, control, contact):
    contacts = sum(clip(f) ** 2 for row in data.cfrc_ext for f in row)
    return control * sum(x * x for x in u) + contact * contacts


def mass_centre(model, data):
    total = sum(model.body_mass)
    return [sum(m * p[i] for m, p in zip(model.body_mass, data.xipos, strict=True)) / total for i in range(2)]


def snapshot(model, data):
    return SimpleNamespace(x=data.qpos[0], torso=data.xpos[1].copy(), centre=mass_centre(model, data))


# Rewards and ends as PEARL's dossier of its code has them: (before, model, data, u, task) -> reward, ended.
def cheetah_direction(before, model, data, u, task):
    return task[0] * (data.qpos[0] - before.x) / 0.05 - 0.05 * sum(x * x for x in u), False


def cheetah_velocity(before, model, data, u, task):
    return -abs((data.qpos[0] - before.x) / 0.05 - task[0]) - 0.05 * sum(x * x for x in u), False


def ant_direction(before, model, data, u, task):
    velocity = [(data.xpos[1][i] - before.torso[i]) / 0.05 for i in range(2)]
    along = velocity[0] * math.cos(task[0]) + velocity[1] * math.sin(task[0])
    return along - costs(data, u, 0.5, 0.0005) + 1, not 0.2 <= data.qpos[2] <= 1.0


def ant_goal(before, model, data, u, task):
    distance = sum(abs(data.xpos[1][i] - task[i]) for i in range(2))
    return -distance - costs(data, u, 0.1, 0.0005), False


def humanoid_direction(before, model, data, u, task):
    way = [after - start for after, start in zip(mass_centre(model, data), before.centre, strict=True)]
    along = way[0] * math.cos(task[0]) + way[1] * math.sin(task[0])
    contacts = sum(f * f for row in data.cfrc_ext for f in row)
    reward = 0.25 * along / 0.003 - 0.1 * sum(x * x for x in u) - min(5e-7 * contacts, 10) + 5
    return reward, not 1.0 <= data.qpos[2] <= 2.0


def walker(before, model, data, u, task):
    reward = (data.qpos[0] - before.x) / 0.016 + 1 - 0.001 * sum(x * x for x in u)
    return reward, not (0.8 < data.qpos[1] < 2.0 and abs(data.qpos[2]) < 1.0)


def hopper(before, model, data, u, task):
    reward = (data.qpos[0] - before.x) / 0.016 + 1 - 0.001 * sum(x * x for x in u)
    return reward, not (data.qpos[1] > 0.7 and abs(data.qpos[2]) < 0.2)


def flat(*arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


SCALAR = {
    HalfCheetahDirection: (cheetah_direction, lambda d: flat(d.qpos[1:], d.qvel, d.xpos[1])),
    HalfCheetahVelocity: (cheetah_velocity, lambda d: flat(d.qpos[1:], d.qvel, d.xpos[1])),
    AntDirection: (ant_direction, lambda d: flat(d.qpos[2:], d.qvel)),
    AntGoal: (ant_goal, lambda d: flat(d.qpos, d.qvel, np.clip(d.cfrc_ext, -1, 1))),
    HumanoidDirection: (
        humanoid_direction,
        lambda d: flat(d.qpos[2:], d.qvel, d.cinert, d.cvel, d.qfrc_actuator, d.cfrc_ext),
    ),
    WalkerDynamics: (walker, lambda d: flat(d.qpos[1:], np.clip(d.qvel, -10, 10))),
    HopperDynamics: (hopper, lambda d: flat(d.qpos[1:], np.clip(d.qvel, -10, 10))),
}
WIDTHS = {
    HalfCheetahDirection: 20, HalfCheetahVelocity: 20, AntDirection: 27, AntGoal: 113, HumanoidDirection: 376,
    WalkerDynamics: 17, HopperDynamics: 11,
}  # fmt: skip


def changed_model(family, task):
    """Return the model of one task, made by hand."""
    model = family.model.__copy__()
    if isinstance(family, locomotion.RandomDynamics):
        start = 0
        for name in ("body_mass", "body_inertia", "geom_friction", "dof_damping"):
            array = getattr(model, name)
            array[:] = array * task[start : start + array.size].reshape(array.shape)
            start += array.size
        assert start == len(task)
        if family.constants:
            mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


@pytest.mark.parametrize("family", [*BY_NAME, pytest.param(ConsistentWalker, id="ConsistentWalker")])
def test_rewards_ends_and_observations_equal_a_scalar_computation(family):
    judge, observe = SCALAR[WalkerDynamics if family is ConsistentWalker else family]
    family = made(family)
    rng = np.random.default_rng(0)
    tasks = family.train_tasks(3, rng)
    env = family.make(3)
    env.set_tasks(tasks)
    observations, _ = env.reset(seed=0)
    models = [changed_model(family, task) for task in tasks]
    loops = []
    for i, model in enumerate(models):
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = env.simulations.qpos[i], env.simulations.qvel[i]
        mujoco.mj_forward(model, data)
        loops.append(data)
        np.testing.assert_allclose(observations[i], observe(data), rtol=0, atol=1e-12)
    low, high = family.model.actuator_ctrlrange.T
    gone = [False] * 3
    for _ in range(40):
        actions = rng.uniform(-1, 1, (3, family.model.nu))
        observations, rewards, terminated, truncated, _ = env.step(actions)
        for i, (model, data) in enumerate(zip(models, loops, strict=True)):
            if gone[i]:
                assert (rewards[i], terminated[i]) == (0, True)
                continue
            before = snapshot(model, data)
            u = [low[j] + (high[j] - low[j]) * (actions[i, j] + 1) / 2 for j in range(model.nu)]
            data.ctrl[:] = u
            for _ in range(family.frame_skip):
                mujoco.mj_step(model, data)
            reward, gone[i] = judge(before, model, data, u, tasks[i])
            assert rewards[i] == pytest.approx(reward, abs=1e-9)
            assert terminated[i] == gone[i]
            np.testing.assert_allclose(observations[i], observe(data), rtol=0, atol=1e-9)
        assert not truncated.any()


@pytest.mark.parametrize("family", BY_NAME)
def test_shapes(family):
    width = WIDTHS[family]
    family = made(family)
    assert family.observation_space.shape == (width,)
    assert family.make(2).reset()[0].shape == (2, width)
    assert family.action_space.shape == (family.model.nu,)
    assert family.horizon == 200
    for tasks in (family.train_set, family.test_set):
        assert tasks.shape[1] == family.task_dim
        family.check_tasks(tasks)


THRESHOLDS = [
    (AntDirection, 2, 0.2, "below"),
    (AntDirection, 2, 1.0, "above"),
    (HumanoidDirection, 2, 1.0, "below"),
    (HumanoidDirection, 2, 2.0, "above"),
    (WalkerDynamics, 1, 0.8, "from below"),
    (WalkerDynamics, 1, 2.0, "from above"),
    (WalkerDynamics, 2, 1.0, "from above"),
    (WalkerDynamics, 2, -1.0, "from below"),
    (HopperDynamics, 1, 0.7, "from below"),
    (HopperDynamics, 2, 0.2, "from above"),
    (HopperDynamics, 2, -0.2, "from below"),
    (HopperDynamics, 3, 100.0, "from above"),
    (HopperDynamics, 6, -100.0, "from below"),
]


@pytest.mark.parametrize(("family", "coordinate", "threshold", "side"), THRESHOLDS)
def test_episodes_end_exactly_at_their_thresholds(family, coordinate, threshold, side):
    """`from below`: the threshold itself ends an episode too."""
    family = made(family)
    simulations = family.simulate(3)
    values = [np.nextafter(threshold, -np.inf), threshold, np.nextafter(threshold, np.inf)]
    simulations.put(np.ones(3, dtype=bool), np.tile(family.model.qpos0, (3, 1)), np.zeros((3, family.model.nv)))
    part, index = (simulations.qpos, coordinate) if coordinate < family.model.nq else (simulations.qvel, 0)
    part[:, index] = values
    ended = {"below": [True, False, False], "above": [False, False, True]}
    ended |= {"from below": [True, True, False], "from above": [False, True, True]}
    assert family.ended(simulations).tolist() == ended[side]


NOISE = {
    HalfCheetahDirection: (0.1, None), HalfCheetahVelocity: (0.1, None), AntDirection: (0.1, None),
    AntGoal: (0.1, None), HumanoidDirection: (0.01, 0.01), WalkerDynamics: (0.005, 0.005),
    HopperDynamics: (0.005, 0.005),
}  # fmt: skip


@pytest.mark.parametrize("family", BY_NAME)
def test_starts_scatter_as_they_should(family):
    positions, velocities = NOISE[family]
    family = made(family)
    qpos, qvel = family.start(family.train_tasks(4000, np.random.default_rng(1)), np.random.default_rng(0))
    offsets = qpos - family.model.qpos0
    assert np.abs(offsets).max() <= positions
    assert np.abs(offsets.mean(axis=0)).max() < 5 * positions / math.sqrt(3 * 4000)
    np.testing.assert_allclose(offsets.std(axis=0), positions / math.sqrt(3), rtol=0.05)
    spread = velocities / math.sqrt(3) if velocities else 0.1
    np.testing.assert_allclose(qvel.std(axis=0), spread, rtol=0.06)
    assert np.abs(qvel.mean(axis=0)).max() < 5 * spread / math.sqrt(4000)
    if velocities:
        assert np.abs(qvel).max() <= velocities


def test_task_sets_are_those_of_the_code():
    velocities = made(HalfCheetahVelocity)
    legacy = np.random.RandomState(1337)  # what `np.random.seed(1337)` seeds
    assert velocities.train_set[:, 0].tolist() == [legacy.uniform(0, 3) for _ in range(100)]
    assert velocities.test_set.mean() == pytest.approx(1.418, abs=1e-3)  # known of the authors' test tasks
    assert (len(velocities.train_set), len(velocities.test_set)) == (100, 30)
    assert made(AntDirection).train_set[:, 0].tolist() == [0, math.pi]
    goals = np.concatenate([made(AntGoal).train_set, made(AntGoal).test_set])
    assert goals.shape == (180, 2)
    assert np.linalg.norm(goals, axis=1).max() <= 3
    assert made(WalkerDynamics).task_dim == 65
    assert (len(made(WalkerDynamics).train_set), len(made(WalkerDynamics).test_set)) == (40, 10)


def test_goals_are_uniform_on_the_disc():
    assert np.array_equal(AntGoal(tasks=100).test_set, made(AntGoal).test_set)
    assert np.array_equal(AntGoal(tasks=100).train_set, made(AntGoal).train_set[:100])
    goals = AntGoal(tasks=20_000).train_set
    radii = np.linalg.norm(goals, axis=1)
    assert (radii <= 1.5).mean() == pytest.approx(0.25, abs=0.015)  # a quarter of the area
    assert np.abs(goals.mean(axis=0)).max() < 0.05


def test_velocities_beyond_those_of_training():
    medium = HalfCheetahVelocity(train_range=(0.0, 2.5), test_range=(2.5, 3.0))
    legacy = np.random.RandomState(1337)
    assert medium.train_set[:, 0].tolist() == legacy.uniform(0, 2.5, 100).tolist()
    assert medium.test_set[:, 0].tolist() == legacy.uniform(2.5, 3, 30).tolist()


def test_multipliers_are_powers_of_their_bases():
    family = made(WalkerDynamics)
    drawn = family.draw(2000, np.random.default_rng(0))
    bases = np.array([1.5] * (8 + 24 + 24) + [1.3] * 9)
    exponents = np.log(drawn) / np.log(bases)
    assert np.abs(exponents).max() <= 3
    np.testing.assert_allclose(exponents.mean(axis=0), 0, atol=0.2)
    np.testing.assert_allclose(exponents.std(axis=0), math.sqrt(3), rtol=0.05)
    assert np.abs(np.corrcoef(exponents.T) - np.eye(65)).max() < 0.12


def test_training_tasks_come_once_before_they_come_again():
    family = made(HalfCheetahVelocity)
    tasks = family.train_tasks(250, np.random.default_rng(0))
    assert len(np.unique(tasks[:100])) == len(np.unique(tasks[100:200])) == 100
    assert np.array_equal(family.test_tasks(7, np.random.default_rng(0)), family.test_set[:7])
    with pytest.raises(ValueError, match="HalfCheetahVelocity has 30 test tasks, not 31"):
        family.test_tasks(31, np.random.default_rng(0))


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


def test_velocities_are_measured_beside_the_reward():
    env = made(HalfCheetahVelocity).make(2)
    x = env.simulations.qpos[:, 0].copy()
    *_, info = env.step(np.full((2, 6), 0.5))
    np.testing.assert_allclose(info["velocity"], (env.simulations.qpos[:, 0] - x) / 0.05)


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
    one, many = AntGoal(threads=1), AntGoal(threads=threads)
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
