"""`replicate show` on a paper made for it: a point that walks at random, and a cheetah."""

import os

import pytest
from PIL import Image

import replications
from shared.study.cli import main

DECLARATION = """
paper: roam
title: Roaming
authors: a
source: made up
methods:
  roamer: {label: Roamer, learner: roam.Roamer, trains: false}
  pupil: {label: Pupil, learner: roam.Roamer}
experiments:
  points:
    label: points
    family: {name: shared.tasks.point_robot.SparsePointRobot}
    protocol: {episodes: 2}
    methods: [roamer, pupil]
    scales: {smoke: {tasks: 3, env_steps: 10}}
  cheetah:
    label: cheetah
    family: {name: shared.tasks.locomotion.HalfCheetahDirection}
    protocol: {episodes: 1}
    methods: [roamer]
    scales: {smoke: {tasks: 2}}
"""
ROAMER = """
import numpy as np
from pydantic import BaseModel


class Roamer:
    class Config(BaseModel):
        pass

    def __init__(self, family, config, seed, device="cpu"):
        self.family = family

    def adapt(self, tasks, episodes, rng):
        envs = self.family.make(len(tasks))
        envs.set_tasks(tasks)
        returns = np.zeros((len(tasks), episodes))
        for episode in range(episodes):
            envs.reset(seed=episode)
            for _ in range(self.family.horizon):
                actions = rng.uniform(-1, 1, (len(tasks), *self.family.action_space.shape))
                returns[:, episode] += envs.step(actions)[1]
        return returns
"""


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "replications/roam"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "replication.yaml").write_text(DECLARATION)
    (folder / "roam.py").write_text(ROAMER)
    return tmp_path


def show(root, *arguments):
    return main(["show", *arguments, "--root", str(root), "--scale", "smoke"])


def test_the_ways_of_a_run_are_drawn(root, capsys, monkeypatch):
    monkeypatch.setattr(replications, "__path__", [str(root / "replications"), *replications.__path__])
    assert show(root, "roam/points/roamer") == 0
    assert (root / "figures/smoke/roam/ways-points-roamer-seed0.png").is_file()
    assert "ways-points-roamer-seed0.svg" in capsys.readouterr().out
    assert show(root, "roam/points/pupil") == 2
    assert "roam/points/pupil seed 0 (smoke) is not trained yet: replicate train" in capsys.readouterr().err


def test_a_body_has_a_film_where_rendering_is_possible(root, capsys, monkeypatch):
    monkeypatch.setattr(replications, "__path__", [str(root / "replications"), *replications.__path__])
    film = root / "figures/smoke/roam/ways-cheetah-roamer-seed0.gif"
    if os.environ.get("MUJOCO_GL") == "egl":
        assert show(root, "roam/cheetah/roamer", "--tasks", "1") == 0
        with Image.open(film) as pictures:
            assert pictures.n_frames == 201  # a start and 200 steps of 0.05 s
            assert pictures.info["duration"] == 50
        film.unlink()
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("shared.study.rendering.ctypes.util.find_library", lambda name: None)
    assert show(root, "roam/cheetah/roamer", "--tasks", "1") == 0
    assert "no film: rendering needs an OpenGL backend" in capsys.readouterr().out
    assert not film.exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (["AntGaol"], "unknown family 'AntGaol'; the nearest valid name is 'AntGoal'"),
        (["roam/point"], "unknown experiment 'point'; the nearest valid name is 'points'"),
        (["raom/points"], "unknown paper 'raom'; the nearest valid name is 'roam'"),
        (["roam/points/romer"], "unknown method 'romer'; the nearest valid name is 'roamer'"),
        (["AntGoal", "--tasks", "0"], "--tasks must be at least 1, got 0"),
    ],
)
def test_unknown_names_are_refused(root, capsys, name, sentence):
    assert show(root, *name) == 2
    assert sentence in capsys.readouterr().err


def test_a_family_and_an_experiment(root):
    assert show(root, "SparsePointRobot") == 0
    assert show(root, "roam/points") == 0
    for name in ("SparsePointRobot", "roam-points"):
        assert (root / f"figures/families/{name}.svg").is_file()
