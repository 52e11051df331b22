"""The view of one task: Gymnasium's and Stable-Baselines3's own checks, the task in use, and rendering."""

import os

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_sb3

from replications.rl2.tasks import BernoulliBandits, TabularMDPs
from shared.tasks import locomotion
from shared.tasks.point_robot import PointRobot, SparsePointRobot
from shared.tasks.single import SingleTask

FAMILIES = {
    "cheetah direction": locomotion.HalfCheetahDirection,
    "cheetah velocity": locomotion.HalfCheetahVelocity,
    "ant direction": locomotion.AntDirection,
    "ant goal": locomotion.AntGoal,
    "humanoid direction": locomotion.HumanoidDirection,
    "walker dynamics": locomotion.WalkerDynamics,
    "hopper dynamics": locomotion.HopperDynamics,
    "point": PointRobot,
    "sparse point": SparsePointRobot,
    "bandit": lambda: BernoulliBandits(3, 10),
    "tabular": TabularMDPs,
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.filterwarnings("ignore::UserWarning")  # observations without bounds, which is what they are
def test_it_passes_the_checks_of_gymnasium_and_stable_baselines(name):
    env = SingleTask(FAMILIES[name]())
    check_env(env, skip_render_check=True)
    check_for_sb3(env)


def test_a_given_task_stays_and_another_may_be_named():
    family = locomotion.HalfCheetahVelocity()
    env = SingleTask(family, task=[1.5])
    assert [env.reset(seed=seed)[1]["task"].tolist() for seed in (0, 1)] == [[1.5], [1.5]]
    assert env.reset(options={"task": [0.25]})[1]["task"] == [0.25]
    assert env.reset()[1]["task"] == [0.25]
    drawn = {float(SingleTask(family).reset(seed=seed)[1]["task"][0]) for seed in range(8)}
    assert len(drawn) > 4 and drawn <= set(family.train_set[:, 0].tolist())
    with pytest.raises(ValueError, match="must not be negative"):
        env.reset(options={"task": [-1.0]})
    assert env.reset()[1]["task"] == [0.25]
    with pytest.raises(ValueError, match="must not be negative"):
        SingleTask(family, task=[-1.0])


def test_it_does_what_the_vectorised_family_does():
    family = locomotion.AntGoal()
    env, envs = SingleTask(family, task=family.test_set[3]), family.make(1)
    envs.set_tasks(family.test_set[3:4])
    observation, _ = env.reset(seed=7)
    seed = int(np.random.Generator(np.random.PCG64(7)).integers(2**31))
    observations, _ = envs.reset(seed=seed)
    assert np.array_equal(observation, observations[0])
    for action in np.random.default_rng(0).uniform(-1, 1, (5, 8)):
        one, many = env.step(action), envs.step(action[None])
        assert np.array_equal(one[0], many[0][0])
        assert one[1:4] == (many[1][0], many[2][0], many[3][0])


def test_an_sb3_agent_trains_on_it():
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    env = gym.wrappers.TimeLimit(SingleTask(PointRobot()), 20)
    agent = stable_baselines3.PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=1, device="cpu", seed=0)
    agent.learn(128)
    assert agent.num_timesteps == 128


@pytest.mark.skipif(os.environ.get("MUJOCO_GL") != "egl", reason="no EGL to render with")
def test_rendering_gives_a_picture():
    env = SingleTask(locomotion.HalfCheetahDirection(), render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    for _ in range(10):
        env.step(np.ones(6))
    assert first.shape == (240, 320, 3)
    assert first.std() > 0
    assert (env.render() != first).any()
    env.close()


def test_without_a_backend_rendering_says_what_to_install(monkeypatch):
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    env = SingleTask(locomotion.HalfCheetahDirection(), render_mode="rgb_array")
    env.reset(seed=0)
    with pytest.raises(RuntimeError, match="rendering needs an OpenGL backend: without a screen, install EGL"):
        env.render()


def test_what_cannot_be_rendered_is_refused():
    with pytest.raises(ValueError, match="PointRobot has no body to render"):
        SingleTask(PointRobot(), render_mode="rgb_array")
    with pytest.raises(ValueError, match="render_mode must be 'rgb_array' or None, got 'human'"):
        SingleTask(locomotion.HalfCheetahDirection(), render_mode="human")
    assert SingleTask(PointRobot()).render() is None
