import sys
from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest
import torch

from replications.dream import views
from replications.dream.networks import Distinct, embedder
from replications.dream.sign_room import END, FORWARD, LEFT, REACH, RIGHT, SignRoom, hits_wall
from replications.dream.trials import play

needs_miniworld = pytest.mark.skipif(find_spec("miniworld") is None, reason="the extra 'miniworld' is not installed")
BOX, KEY = 0, 1
BLUE, RED, GREEN = range(3)
EAST, NORTH, WEST, SOUTH = 0, 18, 36, 54  # headings; north is towards -z


def room_at(problem=BLUE, goal=BOX, pose=(450, 500, EAST)):
    """A stepper in an episode of exploitation that starts at `pose`."""
    envs = SignRoom().make(1)
    envs.set_tasks(np.array([[problem, goal, goal, *pose, *pose]]))
    envs.reset()
    envs.reset()
    return envs


def walk(envs, *actions):
    for action in actions:
        result = envs.step(np.array([action]))
    return result


@pytest.mark.parametrize(
    ("problem", "goal", "earned"), [(BLUE, BOX, 1), (BLUE, KEY, -1), (RED, BOX, -1), (GREEN, KEY, -1)]
)
def test_touching_the_right_thing_pays(problem, goal, earned):
    """The blue box stands at (1, 1) and is touched from nearer than 0.8/√2 + 0.4 + 0.77 = 1.736 m."""
    envs = room_at(problem, goal, (281, 100, WEST))
    observation, reward, terminated, truncated, _ = walk(envs, LEFT)
    assert (reward[0], terminated[0], truncated[0]) == (0, False, False)
    walk(envs, RIGHT)
    observation, reward, terminated, _, _ = walk(envs, FORWARD)
    assert observation[0, :2].tolist() == [211, 100]
    assert (reward[0], terminated[0]) == (earned, True)
    assert walk(envs, FORWARD)[1][0] == 0  # it is over


def test_a_key_is_touched_from_farther_than_a_box():
    """0.7355 + 0.4 + 0.77 = 1.906 m from the middle of the blue key at (5, 1)."""
    assert walk(room_at(goal=KEY, pose=(500, 291, NORTH)), LEFT)[1][0] == 0
    assert walk(room_at(goal=KEY, pose=(500, 290, NORTH)), LEFT)[1][0] == 1


def test_walls_stop_and_the_way_down_does_not():
    assert walk(room_at(pose=(700, 550, SOUTH)), FORWARD)[0][0, :2].tolist() == [700, 550]
    assert walk(room_at(pose=(500, 600, SOUTH)), FORWARD)[0][0, :2].tolist() == [500, 670]
    assert hits_wall(np.array([[0.39, 3.0], [0.41, 3.0], [6.3, 6.3], [5.5, 6.6]])).tolist() == [
        True,
        False,
        True,
        False,
    ]


def test_contact_in_the_last_step_counts():
    envs = room_at(goal=BOX, pose=(281, 100, WEST))
    walk(envs, *[LEFT, RIGHT] * 9, LEFT)
    walk(envs, RIGHT)  # the twentieth: over in time
    assert walk(envs, FORWARD)[1][0] == 0
    envs = room_at(goal=BOX, pose=(281, 100, WEST - 9))
    _, reward, terminated, truncated, _ = walk(envs, *[LEFT, RIGHT] * 9, LEFT, FORWARD)
    assert (reward[0], terminated[0], truncated[0]) == (1, True, False)


def test_eight_turns_to_the_left_are_a_full_one():
    envs = room_at()
    headings = [walk(envs, LEFT)[0][0, 2] for _ in range(8)]
    assert headings == [9, 18, 27, 36, 45, 54, 63, 0]
    assert walk(envs, RIGHT)[0][0, 2] == 63


def test_an_episode_is_over_in_time_or_when_it_is_ended():
    envs = room_at()
    assert walk(envs, *[LEFT] * 19)[3][0] == np.False_
    assert walk(envs, LEFT)[3][0] == np.True_
    _, reward, terminated, truncated, _ = walk(room_at(), END)
    assert (reward[0], terminated[0], truncated[0]) == (0, True, False)


def test_trials_start_where_the_code_lets_them():
    tasks = SignRoom().trials(0, 3000)
    for x, z, heading in (tasks[:, 3:6].T, tasks[:, 6:].T):
        assert (x.min(), x.max()) == (360, 539)
        assert (z.min(), z.max()) == (360, 639)
        assert (heading.min(), heading.max()) == (0, 71)
    assert not (tasks[:, 3:6] == tasks[:, 6:]).all(axis=1).any()
    assert np.bincount(tasks[:, 0].astype(int)).min() > 900
    starts = tasks[:, 3:5] / views.METRE
    distances = np.linalg.norm(starts[:, None] - views.OBJECTS, axis=2)
    assert (distances > views.RADII + 0.4 + 0.77).all()
    assert not hits_wall(starts).any()


def test_the_problem_shows_where_the_sign_is_in_view_alone():
    rng, family = np.random.default_rng(0), SignRoom()
    tasks = family.trials(0, 300)
    actions = rng.integers(3, size=(family.horizon, 300))
    seen = []
    for problem in range(3):
        tasks[:, 0] = problem
        envs = family.make(300)
        envs.set_tasks(tasks)
        episodes = play(family, envs, lambda now: actions[now.time])
        *poses, signs = np.unravel_index(episodes.codes, family.state_sizes)
        assert set(np.unique(signs)) == {0, 1 + problem}
        seen.append((np.stack(poses), np.where(signs > 0, 1, 0)))
    for poses, _ in seen[1:]:
        np.testing.assert_array_equal(poses, seen[0][0])
    # GREEN is a longer word than BLUE, and that is longer than RED.
    blue, red, green = (shown for _, shown in seen)
    assert ((red <= blue) & (blue <= green)).all()


@pytest.mark.parametrize(
    ("place", "heading", "in_view"),
    [
        ((8, 10.25), EAST, True),
        ((8, 10.25), WEST, False),
        ((2, 10.25), EAST, True),
        ((8, 5), SOUTH, False),  # behind the barrier
        ((4.5, 5), SOUTH + 9, True),  # down through the opening
        ((4.5, 5), EAST, False),
    ],
)
def test_the_sign_is_in_view_from(place, heading, in_view):
    seen = views.sign_in_view(np.array([place]), np.array([heading]), np.array([BLUE]))
    assert seen.tolist() == [in_view]


def test_walls_are_as_far_as_they_are():
    places = np.array([[8.0, 5.0], [5.0, 6.0]])
    rays = views.directions(np.array([[EAST, NORTH, SOUTH], [EAST, WEST, SOUTH]]))
    np.testing.assert_allclose(views.wall_distances(places, rays), [[2, 5, 1.5], [5, 5, 7]])


def columns(pose):
    return views.Rays().seen(np.array([pose]))[0].reshape(20, 7)


def test_rays_tell_things_by_colour_shape_and_distance():
    """From (5, 4) towards -z the blue key, at (5, 1), is in the middle columns, 3 - 0.3 m away, before the wall."""
    ahead = columns((500, 400, NORTH, 0))
    for column in ahead[9:11]:
        assert column[1:].tolist() == [1, 0, 0, 0, 1, 0]
        assert column[0] == pytest.approx(1 / 3.7, abs=2e-3)
    assert ahead[:8, 1:].sum() == ahead[12:, 1:].sum() == 0
    red_box = columns((700, 100, EAST, 0))[10]
    assert red_box[1:].tolist() == [0, 1, 0, 1, 0, 0]
    assert red_box[0] == pytest.approx(1 / (1 + 2 - 0.45), abs=2e-3)


def test_rays_from_right_to_left_are_columns_from_the_end():
    """From (5, 4) towards -z the red box, at (9, 1), is on the right, and the blue one, at (1, 1), on the left."""
    wide = columns((500, 400, NORTH, 0))
    assert wide[:, 4].sum() == 0  # both are 53 degrees aside
    right, left = columns((500, 400, NORTH - 5, 0)), columns((500, 400, NORTH + 5, 0))
    assert right[16:, 2].any()
    assert left[:4, 1].any()


@pytest.mark.parametrize("sign", [1, 2, 3])
def test_the_sign_has_the_colour_that_it_says(sign):
    near = columns((800, 1025, EAST, sign))
    assert near[10].tolist()[1:] == [*np.eye(3)[sign - 1], 0, 0, 1]
    assert not columns((800, 1025, EAST, 0))[:, 6].any()


def test_what_is_seen_from_the_upper_room_does_not_tell_the_problem():
    """Nor what is seen from below with the sign out of view; what is seen of the sign does."""
    rng, family = np.random.default_rng(0), SignRoom()
    places, headings = rng.uniform((0.5, 0.5), (9.5, 12.5), size=(4000, 2)).round(2), rng.integers(72, size=4000)
    views_of, in_view = [], []
    for problem in range(3):
        in_view.append(views.sign_in_view(places, headings, np.full(4000, problem)))
        poses = np.column_stack([100 * places, headings, (1 + problem) * in_view[-1]]).round().astype(int)
        views_of.append(family.view.seen(poses))
    same = (views_of[0] == views_of[1]).all(axis=1) & (views_of[1] == views_of[2]).all(axis=1)
    upper = places[:, 1] < 6.5
    assert same[upper].all()
    assert (in_view[0] & upper).sum() > 100
    assert same[~in_view[2]].all()
    assert same[in_view[1] & ~upper].mean() < 0.03  # between two rays


def test_reading_the_sign_counts_in_the_lower_rooms_alone():
    family = SignRoom()
    above, read, unseen = (450, 500, 63, 1), (800, 1025, 0, 1), (800, 1025, 0, 0)
    poses = np.array([[above, read, unseen, unseen], [above, unseen, unseen, read], [unseen, unseen, read, unseen]])
    codes = np.ravel_multi_index(tuple(poses.transpose(2, 0, 1)), family.state_sizes)
    valid = np.array([[True] * 4, [True, True, False, True]])
    measures = family.measures(np.zeros((4, 9)), codes, np.zeros((2, 4), int), valid)
    assert measures["sign_read"].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("name", ["dream", "e-rl2", "import", "varibad-rewards"])
def test_methods_learn_from_views(make, name):
    through, stopped = make(name, SignRoom()), make(name, SignRoom())
    through.train(), stopped.train()
    again = make(name, SignRoom(), seed=1)
    again.load_state_dict(stopped.state_dict())
    metrics = through.train()
    assert again.train() == metrics
    losses = [value for name, value in metrics.items() if name.endswith("loss")]
    assert np.isfinite(losses).all()
    assert min(losses) > 0


def test_there_is_no_other_view():
    with pytest.raises(ValueError, match="view must be 'rays' or 'images', got 'sounds'"):
        SignRoom("sounds")


def test_a_trial_must_be_in_the_room():
    envs = SignRoom().make(1)
    with pytest.raises(ValueError, match="integers from 0 to below"):
        envs.set_tasks(np.array([[0, 0, 2, 400, 400, 0, 400, 400, 0]]))


@pytest.fixture
def fresh():
    """No painter, now and afterwards."""
    views.painter.cache_clear()
    yield
    views.painter.cache_clear()


def test_images_say_what_they_need(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, "pyglet", None)
    with pytest.raises(ValueError, match=r"no package 'pyglet': install it by `pip install -e '.\[miniworld\]'`"):
        SignRoom("images").make(1)


@needs_miniworld
def test_graphics_that_fail_are_said_to(monkeypatch, fresh):
    def fail(*_, **__):
        raise RuntimeError("no display")

    monkeypatch.setattr(gym, "make", fail)
    with pytest.raises(ValueError, match=r"MiniWorld cannot draw here \(RuntimeError: no display\)"):
        SignRoom("images").make(1)


@pytest.fixture(scope="module")
def images():
    family = SignRoom("images")
    family.make(1)
    return family


def is_close_call(places):
    """Whether a centimetre decides what happens at `places` `(2,)`."""
    around = places + 0.01 * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    touches = np.linalg.norm(around[:, None] - views.OBJECTS, axis=2) < REACH
    return np.ptp(hits_wall(around).astype(int)) > 0 or np.ptp(touches.astype(int), axis=0).any()


@needs_miniworld
def test_moves_and_contacts_are_those_of_miniworld(images):
    """Random walks in both, step by step from the same places; they then differ by less than a centimetre."""
    theirs = gym.make("MiniWorld-Sign-v0", color_index=RED, goal=KEY).unwrapped
    rng = np.random.default_rng(0)
    contacts, blocked = 0, 0
    for pose in images.trials(0, 60)[:, 3:6].astype(int):
        theirs.reset(seed=0)
        theirs.agent.pos, theirs.agent.dir = np.array([pose[0] / 100, 0, pose[1] / 100]), np.radians(5 * pose[2])
        ours = room_at(RED, KEY, pose)
        for action in rng.choice([LEFT, RIGHT, FORWARD], p=[0.2, 0.1, 0.7], size=20):
            before = theirs.agent.pos.copy()
            if is_close_call((before + 0.7 * theirs.agent.dir_vec)[[0, 2]]):
                continue
            _, reward, over, *_ = theirs.step(action)
            _, our_reward, our_over, *_ = walk(ours, action)
            blocked += action == FORWARD and (theirs.agent.pos == before).all()
            np.testing.assert_allclose(ours.places[0] / 100, theirs.agent.pos[[0, 2]], atol=0.006)
            assert (our_reward[0], our_over[0]) == (reward, over)
            if over:
                contacts += 1
                break
            theirs.agent.pos[[0, 2]] = ours.places[0] / 100
    assert contacts > 10
    assert blocked > 10


@needs_miniworld
def test_images_are_those_of_miniworld(images):
    theirs = gym.make("MiniWorld-Sign-v0", color_index=GREEN).unwrapped
    theirs.reset(seed=0)
    theirs.agent.pos, theirs.agent.dir = np.array([8.0, 0, 10.0]), 0.0
    poses = [(800, 1000, 0, 3), (800, 1000, 0, 1), (800, 1000, 0, 0), (400, 400, NORTH, 0), (700, 400, EAST, 0)]
    ours = images.view.seen(np.array(poses))
    theirs._render_static()  # worlds of one process share what is compiled for drawing
    np.testing.assert_array_equal(ours[0], theirs.render_obs())
    assert (ours[1] != ours[0]).any()
    assert (ours[2] != ours[1]).any()
    for image, (x, z, heading, _) in zip(ours[3:], poses[3:], strict=True):
        theirs.agent.pos, theirs.agent.dir = np.array([x / 100, 0, z / 100]), np.radians(5 * heading)
        np.testing.assert_array_equal(image, theirs.render_obs())


@needs_miniworld
def test_methods_learn_from_images(images, make):
    embed = embedder(images)(128)
    codes = np.ravel_multi_index((450, 500, [0, 18], 0), images.state_sizes)
    embedded = embed(Distinct.of(codes[None], images.seen))
    assert embedded.shape == (1, 2, 128)
    assert not torch.equal(embedded[0, 0], embedded[0, 1])
    learner = make("dream", images, explore_from=8, parallel_trials=4, iteration_trials=8)
    learner.train()
    assert learner.train()["explore/loss"] > 0
