"""The families: splits, rewards re-computed one by one, and the pairing of dense and sparse rewards."""

import math

import mujoco
import numpy as np
import pytest
import torch

from replications.maesn import maml_tasks, promp_points, promp_tasks
from replications.maesn.rollouts import Sampler
from replications.maesn.tasks import AntGoal, BlockPushing, Wheeled
from tests.shared.tasks.instances import made

SPARSE = [Wheeled, AntGoal, BlockPushing]
OTHERS = [
    maml_tasks.Navigation,
    maml_tasks.CheetahDirection,
    maml_tasks.CheetahVelocity,
    maml_tasks.AntDirection,
    maml_tasks.AntVelocity,
    promp_tasks.CheetahDirection,
    promp_tasks.CheetahVelocity,
    promp_tasks.AntDirection,
    promp_tasks.AntHeading,
    promp_tasks.WalkerDirection,
    promp_tasks.WalkerVelocity,
    promp_tasks.HumanoidDirection,
    promp_tasks.HumanoidHeading,
    promp_tasks.SwimmerVelocity,
    promp_points.CornerPoint,
    promp_points.Line,
    promp_points.MomentumPoint,
]
ALL = [pytest.param(one, id=f"{one.__module__.rsplit('.')[-1]}.{one.__name__}") for one in SPARSE + OTHERS]


def playing(family, tasks, steps, seed=0):
    """Return a stepper after random actions, and what the last of them gave."""
    envs, rng = family.make(len(tasks)), np.random.default_rng(seed)
    envs.set_tasks(tasks)
    last = envs.reset(seed=seed)
    for _ in range(steps):
        last = envs.step(rng.uniform(-1, 1, (len(tasks), family.action_space.shape[0])))
    return envs, last


@pytest.mark.parametrize("family", ALL)
def test_tasks_and_steps_have_the_shapes_that_are_declared(family):
    family = made(family)
    tasks = family.test_tasks(5, np.random.default_rng(0))
    assert tasks.shape == (5, family.task_dim)
    _, (observations, rewards, *_, info) = playing(family, tasks, 3)
    assert observations.shape == (5, *family.observation_space.shape)
    assert rewards.shape == (5,)
    assert np.isfinite(observations).all()
    assert np.isfinite(rewards).all()
    assert not info.get("broken", np.zeros(5)).any()


@pytest.mark.parametrize(
    ("family", "observation", "actions", "horizon"),
    [
        (Wheeled, 12, 2, 200),
        (AntGoal, 125, 8, 200),
        (BlockPushing, 26, 3, 100),
        (maml_tasks.CheetahDirection, 20, 6, 200),
    ],
)
def test_sizes_are_those_of_the_code(family, observation, actions, horizon):
    family = made(family)
    assert family.observation_space.shape == (observation,)
    assert family.action_space.shape == (actions,)
    assert family.horizon == horizon
    assert family.dt == pytest.approx(0.01)


@pytest.mark.parametrize("family", SPARSE)
def test_a_hundred_tasks_to_train_on_and_a_hundred_others_to_test(family):
    held_out, training = made(family), family(tested="training")
    assert held_out.train_set.shape == held_out.test_set.shape == (100, held_out.task_dim)
    assert np.abs(held_out.train_set[:, None] - held_out.test_set).max(axis=2).min() > 0
    np.testing.assert_array_equal(training.test_set, held_out.train_set)
    np.testing.assert_array_equal(training.train_set, held_out.train_set)


def test_who_may_be_tested_is_said_where_it_is_not_known():
    with pytest.raises(ValueError, match="tested must be 'held out' or 'training', got 'all'"):
        Wheeled(tested="all")
    with pytest.raises(ValueError, match="pays must be 'dense' or 'sparse', got 'both'"):
        Wheeled(pays="both")


@pytest.mark.parametrize("family", SPARSE)
def test_a_family_that_pays_sparse_rewards_pays_what_others_report(family):
    dense, sparse = made(family), family(pays="sparse")
    _, (_, _, _, _, info) = playing(dense, dense.test_set[:4], 3)
    _, (_, rewards, _, _, _) = playing(sparse, dense.test_set[:4], 3)
    np.testing.assert_array_equal(rewards, info["sparse_reward"])


@pytest.mark.parametrize("family", [Wheeled, AntGoal])
def test_goals_lie_on_the_upper_half_circle(family):
    goals = np.concatenate([made(family).train_set, made(family).test_set])
    np.testing.assert_allclose(np.linalg.norm(goals, axis=1), 2)
    assert (goals[:, 1] > 0).all()
    assert np.degrees(np.arctan2(goals[:, 1], goals[:, 0])).std() == pytest.approx(180 / math.sqrt(12), abs=5)


def test_blocks_lie_in_lanes_of_their_own_and_so_do_their_goals():
    family = made(BlockPushing)
    tasks = np.concatenate([family.train_set, family.test_set])
    tasks = tasks[np.lexsort([tasks[:, 2], *tasks[:, 3:].T])]  # by scene, then by the goal's y, that is by lane
    for scene in tasks.reshape(40, 5, 16):
        assert sorted(scene[:, 0]) == [0, 1, 2, 3, 4]
        assert (scene[:, 3:] == scene[0, 3:]).all()
        places = scene[0, 6:].reshape(5, 2) + np.stack([family.origins, np.zeros(5)], axis=1)
        for lane, (block, goal_x, goal_y) in enumerate(scene[:, :3]):
            x, y = places[int(block)]
            assert 0.35 <= x <= 0.65
            assert 0.75 <= goal_x <= 0.95
            low = -0.5 + 0.2 * lane
            assert low <= min(y, goal_y) <= max(y, goal_y) <= low + 0.2


def test_the_first_test_tasks_are_of_many_scenes():
    assert len(np.unique(made(BlockPushing).test_tasks(30, None)[:, 3:], axis=0)) > 12


def test_rewards_of_the_car_by_hand():
    family = made(Wheeled)
    goals = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    envs = family.make(3)
    envs.set_tasks(goals)
    qpos = np.zeros((3, 6))
    qpos[:, :2] = [[1.5, 0], [0, 1], [0, 1.3]]
    envs.simulations.put(np.ones(3, dtype=bool), qpos, np.zeros((3, 6)))
    _, rewards, _, _, info = envs.step(np.array([[0.5, 0.5], [0.0, 0.0], [0.0, 0.0]]))
    away = [math.hypot(*(place - goal)) for place, goal in zip(envs.simulations.qpos[:, :2], goals, strict=True)]
    # Half of the range is a control of 1 for each wheel: a cost of 0.05 · 2. The second one is 1 away, beyond 0.8.
    assert rewards == pytest.approx([-away[0] - 0.1, -away[1], -away[2]])
    assert info["sparse_reward"] == pytest.approx([-away[0] - 0.1, -2, -away[2]])
    assert info["inside"].tolist() == [1, 0, 1]


def test_rewards_of_the_ant_by_hand():
    goals = np.array([[2.0, 0.0], [0.3, 0.4]])
    envs, _ = playing(made(AntGoal), goals, 30)
    _, rewards, _, _, info = envs.step(np.full((2, 8), 0.25))
    for i, goal in enumerate(goals):
        _, data = envs.simulations.data(i)
        earned = 4 + 0.05 - 0.005 * 8 * 0.25**2 - 0.0005 * (np.clip(data.cfrc_ext, -1, 1) ** 2).sum()
        offset = data.subtree_com[1, :2] - goal
        inside = math.hypot(*offset) <= 0.8
        assert inside == (i == 1) == bool(info["inside"][i])
        assert rewards[i] == pytest.approx(earned - abs(offset).sum(), abs=1e-9)
        paid = earned - (abs(offset).sum() if inside else abs(goal).sum())
        assert info["sparse_reward"][i] == pytest.approx(paid, abs=1e-9)


def test_rewards_of_pushing_by_hand():
    family = made(BlockPushing)
    tasks = family.test_set[:5].copy()
    tasks[1, 1:3] = [0.1, 0.0] + family.blocks(playing(family, tasks, 0)[0].simulations)[1, int(tasks[1, 0])]
    envs, (_, rewards, _, _, info) = playing(family, tasks, 1)
    for i, task in enumerate(tasks):
        away = math.hypot(*(family.blocks(envs.simulations)[i, int(task[0])] - task[1:3]))
        assert rewards[i] == pytest.approx(-5 * away)
        assert info["sparse_reward"][i] == pytest.approx(-5 * (away if away <= 0.2 else math.hypot(*task[1:3])))
    assert info["inside"][1] == 1


def test_blocks_that_moved_are_counted_at_the_end():
    family = made(BlockPushing)
    envs = family.make(1)
    envs.set_tasks(family.test_set[:1])
    envs.reset(seed=0)
    qpos, step = envs.simulations.qpos.copy(), np.zeros((1, 3))
    assert envs.step(step)[-1]["blocks_moved"] == 0
    qpos[0, [3, 6]] += [0.06, -0.07]  # the first block's x, the second one's y
    qpos[0, 7] += 0.04
    envs.simulations.put(np.ones(1, dtype=bool), qpos, np.zeros_like(envs.simulations.qvel))
    assert envs.step(step)[-1]["blocks_moved"] == 2

    def still(observations):
        return torch.cat([torch.zeros(*observations.shape[:2], 3), torch.full((*observations.shape[:2], 3), -20.0)], -1)

    played = Sampler(family, 1.0, "cpu").play(still, family.test_set[:2], 3, np.random.default_rng(0), sparse=True)
    np.testing.assert_array_equal(played.measures["blocks_moved"], np.zeros((2, 3)))


@pytest.mark.parametrize("family", SPARSE)
def test_who_never_comes_near_earns_the_level_of_no_success(family):
    family = made(family)
    envs, (*_, info) = playing(family, family.test_set[:4], 0)
    total, inside = np.zeros(4), np.zeros(4)
    for _ in range(family.horizon):
        *_, info = envs.step(np.zeros((4, family.action_space.shape[0])))
        total += info["sparse_reward"]
        inside += info["inside"]
    outside = inside == 0
    assert outside.any()  # a block may lie near its goal from the beginning
    costs = (family.unrewarded(family.test_set[:4]) - total)[outside]
    contacts = 0.0005 * 84 * family.horizon if family is made(AntGoal) else 0.0  # at most, of all that is shown
    assert (costs >= -1e-9).all()
    assert (costs <= contacts + 1e-9).all()


def test_the_ant_is_shown_its_present_state():
    envs, (observations, *_) = playing(made(AntGoal), made(AntGoal).test_set[:2], 5)
    for i in range(2):
        _, data = envs.simulations.data(i)
        expected = [data.qpos, data.qvel, np.clip(data.cfrc_ext, -1, 1).ravel(), data.xmat[1], data.subtree_com[1]]
        np.testing.assert_allclose(observations[i], np.concatenate(expected), atol=1e-9)


def test_navigation_ends_at_the_goal():
    envs = made(maml_tasks.Navigation).make(2)
    envs.set_tasks(np.array([[0.1, 0.1], [0.3, 0.0]]))
    envs.reset(seed=0)
    _, rewards, terminated, truncated, _ = envs.step(np.ones((2, 2)))
    assert terminated.tolist() == [True, False]
    assert not truncated.any()
    assert rewards == pytest.approx([0, -math.hypot(0.2, 0.1)])
    positions, rewards, *_ = envs.step(np.ones((2, 2)))
    assert positions[0].tolist() == [0.1, 0.1]
    assert rewards[0] == 0


@pytest.mark.parametrize(
    ("family", "task", "expected"),
    [
        (maml_tasks.CheetahDirection, -1.0, lambda v, effort: -v - 0.05 * effort),
        (maml_tasks.CheetahVelocity, 1.5, lambda v, effort: -abs(v - 1.5) - 0.05 * effort),
    ],
)
def test_rewards_of_maml_cheetahs_by_hand(family, task, expected):
    envs, _ = playing(made(family), np.array([[task]]), 20)
    _, rewards, _, _, info = envs.step(np.full((1, 6), 0.5))
    velocity = present_velocity(envs)
    assert info["velocity"][0] == pytest.approx(velocity)
    assert rewards[0] == pytest.approx(expected(velocity, 6 * 0.25))


@pytest.mark.parametrize("family", [maml_tasks.AntDirection, maml_tasks.AntVelocity])
def test_rewards_of_maml_ants_by_hand(family):
    envs, _ = playing(made(family), np.array([[1.0]]), 5)
    _, rewards, *_ = envs.step(np.full((1, 8), 0.1))
    _, data = envs.simulations.data(0)
    velocity = present_velocity(envs)
    earned = velocity if family is maml_tasks.AntDirection else 1 - abs(velocity - 1)
    costs = 0.005 * 8 * 0.1**2 + 0.0005 * (np.clip(data.cfrc_ext, -1, 1) ** 2).sum()
    assert rewards[0] == pytest.approx(earned - costs + 0.05, abs=1e-9)
    assert data.ctrl == pytest.approx(np.full(8, 15.0))  # newton metres, with a gear of 1


def present_velocity(envs):
    """Return the forward velocity of the mass centre: Σ mass · velocity over the mass."""
    model, data = envs.simulations.data(0)
    mujoco.mj_subtreeVel(model, data)
    return data.subtree_linvel[1, 0]


def test_the_corner_point_earns_progress_in_its_own_quarter_alone():
    before = np.array([[0.3, 0.3], [0.3, -0.3], [0.1, 0.1]])
    corners = np.full((3, 2), 2.0)
    rewards = made(promp_points.CornerPoint).reward(before, before + 0.1, corners)
    assert rewards == pytest.approx([math.hypot(1.7, 1.7) - math.hypot(1.6, 1.6), 0, 0])


def test_the_momentum_point_keeps_its_velocity():
    family = made(promp_points.MomentumPoint)
    envs = family.make(1)
    envs.set_tasks(np.array([[2.0, 2.0]]))
    start = envs.reset(seed=0)[0][0]
    assert (np.abs(start) <= [0.2, 0.2, 0.1, 0.1]).all()
    assert (start != 0).all()
    envs.step(np.array([[1.0, 0.5]]))
    observations, rewards, *_, info = envs.step(np.zeros((1, 2)))
    velocity = start[2:] + np.array([0.1, 0.05])
    assert observations[0] == pytest.approx([*(start[:2] + 2 * velocity), *velocity])
    assert rewards[0] == 0
    assert [info[name][0] for name in promp_points.VISITS] == [0, 0, 0, 0]
    assert family.reward(None, np.array([[2.0, 1.0]]), np.array([[2.0, 2.0]])) == pytest.approx([1.0])


def test_corners_that_an_episode_came_near_are_counted():
    family = made(promp_points.CornerPoint)

    def outputs(observations):
        mean = torch.tensor([1.0, -1.0]).expand(*observations.shape[:2], 2)
        return torch.cat([mean, torch.full_like(mean, -20.0)], dim=-1)

    sampler = Sampler(family, 1.0, "cpu")
    played = sampler.play(outputs, family.test_tasks(2, np.random.default_rng(0)), 3, np.random.default_rng(0), False)
    near = np.stack([played.measures[name] for name in promp_points.VISITS], axis=-1)
    np.testing.assert_array_equal(near, np.broadcast_to([0, 1, 0, 0], (2, 3, 4)))  # past (2, −2), and far beyond


def test_there_are_four_corners():
    with pytest.raises(ValueError, match="tasks must be among"):
        made(promp_points.CornerPoint).make(1).set_tasks(np.array([[1.0, 2.0]]))


def test_the_humanoid_is_paid_one_and_a_quarter_of_its_velocity():
    family = made(promp_tasks.HumanoidDirection)
    envs, _ = playing(family, np.array([[1.0]]), 2)
    before, action = family.place(envs.simulations), np.full((1, family.action_space.shape[0]), 0.1)
    _, rewards, *_ = envs.step(action)
    velocity = (family.place(envs.simulations) - before)[0, 0] / 0.015
    contacts = (envs.simulations.field("cfrc_ext") ** 2).sum()
    effort = (family.controls(action, None) ** 2).sum()
    assert rewards[0] == pytest.approx(1.25 * velocity - 0.1 * effort - min(5e-7 * contacts, 10) + 5)


def test_swimmers_flee_the_wanted_velocity():
    family = made(promp_tasks.SwimmerVelocity)
    assert family.reward_velocity(np.array([[0.5, 0.0]]), np.array([[0.1]])) == pytest.approx([0.4])


def test_jumps_on_a_line_by_hand():
    envs = made(promp_points.Line).make(2)
    envs.set_tasks(np.array([[-1.0], [1.0]]))
    first, _ = envs.reset(seed=0)
    assert ((first >= 0) & (first <= 4)).all()
    seen, rewards, _, truncated, _ = envs.step(np.array([[-0.5], [0.25]]))  # of the reach of 2: to −1 and 0.5
    np.testing.assert_allclose(seen, [[1.0], [0.25]])
    np.testing.assert_allclose(rewards, [1.0, np.exp(-0.025)])
    np.testing.assert_allclose(envs.positions(), [[-1.0, 0.0], [0.5, 0.0]])
    assert not truncated.any()
    for _ in range(4):
        *_, truncated, _ = envs.step(np.zeros((2, 1)))
    assert truncated.all()
