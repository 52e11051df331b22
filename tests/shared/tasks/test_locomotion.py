"""The families against scalar re-computations on a plain simulation, and against what PEARL's code draws."""

import math
from types import SimpleNamespace

import mujoco
import numpy as np
import pytest

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
from tests.shared.tasks.instances import made

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


class ConsistentWalker(WalkerDynamics):
    """What MuJoCo derives from masses and inertias follows them."""

    def __init__(self):
        super().__init__(constants=True)


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


def test_velocities_are_measured_beside_the_reward():
    env = made(HalfCheetahVelocity).make(2)
    x = env.simulations.qpos[:, 0].copy()
    *_, info = env.step(np.full((2, 6), 0.5))
    np.testing.assert_allclose(info["velocity"], (env.simulations.qpos[:, 0] - x) / 0.05)
