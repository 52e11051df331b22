import itertools

import numpy as np
import pytest

from replications.dream.tasks import (
    BUS,
    DOWN,
    DROP,
    END,
    FRIDGE,
    LEFT,
    PICK,
    POT,
    RIDE,
    RIGHT,
    STAY,
    UP,
    Cooking,
    CourseMap,
    DistractingBus,
    Map,
)

FAMILIES = [DistractingBus, Map, CourseMap, Cooking]


def play(family, task, *episodes):
    """Play the actions of each episode in one trial; return observations, rewards and how the last step ended."""
    envs = family.make(1)
    envs.set_tasks(np.array([task], dtype=float))
    for actions in episodes:
        seen, rewards = [envs.reset()[0][0].tolist()], []
        for action in actions:
            observation, reward, terminated, truncated, _ = envs.step(np.array([action]))
            seen.append(observation[0].tolist())
            rewards.append(reward[0])
    return seen, np.array(rewards), bool(terminated[0]), bool(truncated[0])


def test_the_bus_has_53_training_problems_with_every_helpful_permutation_and_523_others():
    family = DistractingBus()
    assert (family.problems, len(family.train_ids), len(family.test_ids)) == (576, 53, 523)
    assert family.train_ids[:3].tolist() == [0, 11, 22]
    assert set(family.train_ids % 24) == set(range(24))
    assert not set(family.train_ids) & set(family.test_ids)


def test_lines_follow_the_lexicographic_permutations_of_the_far_ends():
    family = DistractingBus()
    helpful = list(itertools.permutations([(0, 1), (0, 7), (8, 1), (8, 7)]))
    useless = list(itertools.permutations([(0, 4), (4, 0), (8, 4), (4, 8)]))
    for problem in (0, 5, 23, 24, 137, 575):
        lines = [*zip([(4, 5), (5, 4), (3, 4), (4, 3)], helpful[problem % 24], strict=True)]
        lines += [*zip([(5, 5), (3, 3), (3, 5), (5, 3)], useless[problem // 24], strict=True)]
        for stop, end in lines:
            here, there = family.cell(*stop), family.cell(*end)
            assert family.leads[problem, RIDE, here] == there
            assert family.leads[problem, RIDE, there] == here
        assert (family.leads[problem, RIDE] != np.arange(81)).sum() == 16
    assert (family.status == BUS).sum() == 16


def test_a_bus_takes_its_rider_to_the_far_end_and_the_goal_ends_the_episode():
    # Problem 0: the stop above the start leads to (0, 1), beside the corner (0, 0).
    seen, rewards, terminated, truncated = play(DistractingBus(), [0, 8, 8, 0, 0], [END], [UP, RIDE, DOWN])
    assert seen == [[4, 4, 0, 0, 0], [4, 5, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(rewards, [-0.1, -0.1, 1.0])
    assert (terminated, truncated) == (True, False)


def test_the_first_episode_has_a_goal_of_its_own():
    family = DistractingBus()
    seen, rewards, terminated, _ = play(family, [0, 0, 0, 8, 8], [UP, RIDE, DOWN])
    assert (seen[-1], rewards[-1], terminated) == ([0, 0, 0, 0, 0], 1.0, True)
    seen, rewards, terminated, _ = play(family, [0, 0, 0, 8, 8], [END], [UP, RIDE, DOWN])
    assert (seen[-1], rewards[-1], terminated) == ([0, 0, 0, 8, 8], -0.1, False)


@pytest.mark.parametrize("at", [0, 3, 19])
def test_who_ends_an_episode_pays_for_the_steps_that_are_left(at):
    _, rewards, terminated, truncated = play(DistractingBus(), [0, 8, 8, 0, 0], [STAY] * at + [END])
    assert rewards.sum() == pytest.approx(-2.0)
    assert (terminated, truncated) == (True, False)


def test_time_is_over_after_the_horizon_and_nothing_happens_afterwards():
    _, rewards, terminated, truncated = play(DistractingBus(), [0, 8, 8, 0, 0], [STAY] * 20)
    assert rewards.sum() == pytest.approx(-2.0)
    assert (terminated, truncated) == (False, True)
    seen, rewards, terminated, truncated = play(DistractingBus(), [0, 8, 8, 0, 0], [STAY] * 20 + [LEFT])
    assert (seen[-1][:2], rewards[-1], terminated, truncated) == ([4, 4], 0.0, False, False)


def test_moves_stop_at_the_border():
    seen, *_ = play(DistractingBus(), [0, 8, 8, 0, 8], [LEFT] * 5 + [DOWN] * 5)
    assert seen[5][:2] == [0, 4]
    assert seen[-1][:2] == [0, 0]


def test_the_map_tells_the_problem_to_who_stands_on_it():
    family = Map()
    seen, *_ = play(family, [17, 8, 8, 0, 0], [RIGHT, RIGHT, RIGHT, DOWN, UP])
    assert [one[3] for one in seen] == [0, 0, 0, 0, 18, 0]
    assert family.train_ids.tolist() == family.test_ids.tolist() == list(range(24))


def test_every_corner_ends_an_episode_on_the_course_map():
    # Problem 0: the stop below the start leads to (0, 0).
    for goal, reward in (((0, 0), 1.0), ((4, 4), -0.3)):
        _, rewards, terminated, _ = play(CourseMap(), [0, 0, 4, *goal], [END], [DOWN, RIDE])
        np.testing.assert_allclose(rewards, [-0.3, reward])
        assert terminated
    _, rewards, *_ = play(CourseMap(), [0, 0, 4, 0, 0], [STAY] * 10)
    assert rewards.sum() == pytest.approx(-3.0)


def test_kitchens_hold_the_digits_of_their_number_to_base_four():
    family = Cooking()
    assert family.contents[10].tolist() == [2, 2, 0]
    assert family.contents[57].tolist() == [1, 2, 3]
    assert family.status.reshape(3, 3).tolist() == [[0, 0, 0], [0, POT, 0], [FRIDGE] * 3]
    assert family.test_ids.tolist() == [10]
    assert len(family.train_ids) == 63
    assert set(Cooking(tested="training").test_ids) == set(family.train_ids)
    with pytest.raises(ValueError, match="tested must be"):
        Cooking(tested="all")


def test_a_recipe_is_rewarded_step_by_step():
    # Kitchen 57 holds 1, 2, 3 at (2, 0), (2, 1), (2, 2); the recipe is 2, then 1.
    actions = [RIGHT, PICK, LEFT, DROP, RIGHT, DOWN, PICK, LEFT, UP, DROP]
    seen, rewards, terminated, _ = play(Cooking(), [57, 0, 0, 2, 1], [END], actions)
    np.testing.assert_allclose(rewards, [-0.1, 0.25, -0.1, 0.25, -0.1, -0.1, 0.25, -0.1, -0.1, 0.25])
    assert terminated
    assert seen[2] == [2, 1, FRIDGE, 2, 4, 4, 4, 2, 1]
    assert seen[-1] == [1, 1, POT, 4, 2, 1, 4, 2, 1]


def test_mistakes_in_the_kitchen_cost():
    task = [57, 0, 0, 2, 1]
    _, rewards, *_ = play(Cooking(), task, [END], [RIGHT, UP, PICK, PICK])  # 3 is not wanted
    np.testing.assert_allclose(rewards, [-0.1, -0.1, -0.35, -0.35])
    seen, rewards, *_ = play(Cooking(), task, [END], [RIGHT, PICK, DROP, PICK])  # thrown away, picked up again
    np.testing.assert_allclose(rewards, [-0.1, 0.25, -0.35, 0.25])
    assert [one[3] for one in seen] == [4, 4, 2, 4, 2]
    _, rewards, *_ = play(Cooking(), task, [END], [LEFT, PICK])  # in an empty cell, but still a pick
    np.testing.assert_allclose(rewards, [-0.1, -0.35])


def test_what_is_in_the_hand_stays_there_but_at_an_object():
    task = [57, 0, 0, 2, 1]
    seen, rewards, *_ = play(Cooking(), task, [END], [RIGHT, PICK, LEFT, LEFT, PICK])  # in an empty cell
    np.testing.assert_allclose(rewards, [-0.1, 0.25, -0.1, -0.1, -0.1])
    assert seen[-1][3] == 2
    seen, rewards, *_ = play(Cooking(), task, [END], [RIGHT, PICK, LEFT, PICK])  # at the pot
    np.testing.assert_allclose(rewards, [-0.1, 0.25, -0.1, -0.35])
    assert seen[-1][3] == 4


def test_the_pot_has_three_slots_and_swallows_more():
    fill = [RIGHT, UP, PICK, LEFT, DOWN, DROP]
    seen, *_ = play(Cooking(), [57, 0, 0, 2, 1], [END], fill * 3 + [DROP])
    assert seen[-1][3:7] == [4, 3, 3, 3]


@pytest.mark.parametrize("family", [make() for make in FAMILIES], ids=lambda family: type(family).__name__)
def test_trials_are_those_of_the_published_generators(family):
    tasks = family.trials(5, 3)
    for row, seed in zip(tasks, (5, 6, 7), strict=True):
        assert row[0] == family.train_ids[np.random.RandomState(seed).randint(len(family.train_ids))]
        problem = int(row[0])
        assert row[1:3].tolist() == family.draw_goal(problem, np.random.RandomState(seed - 1)).tolist()
        assert row[3:5].tolist() == family.draw_goal(problem, np.random.RandomState(seed + 1)).tolist()
        assert any((row[3:5] == goal).all() for goal in family.goals(problem))
    np.testing.assert_array_equal(family.trials(6, 2), tasks[1:])
    test = family.test_tasks(100, np.random.default_rng(0))
    assert set(test[:, 0]) <= set(family.test_ids)
    np.testing.assert_array_equal(test[:10], family.test_tasks(10, np.random.default_rng(1)))


@pytest.mark.parametrize("family", [make() for make in FAMILIES], ids=lambda family: type(family).__name__)
def test_many_trials_side_by_side_go_as_each_alone(family):
    rng = np.random.default_rng(0)
    tasks, actions = family.trials(0, 40), rng.integers(9, size=(2, family.horizon, 40))
    actions[actions == END] = STAY
    together, alone = family.make(40), [family.make(1) for _ in range(40)]
    together.set_tasks(tasks)
    for env, task in zip(alone, tasks, strict=True):
        env.set_tasks(task[None])
    for episode in actions:
        starts = [together.reset()[0]], np.stack([env.reset()[0][0] for env in alone])
        np.testing.assert_array_equal(starts[0][0], starts[1])
        assert all(family.observation_space.contains(one) for one in starts[1])
        for step in episode:
            parts = together.step(step)[:4]
            singles = [env.step(step[i : i + 1])[:4] for i, env in enumerate(alone)]
            for part, single in zip(parts, zip(*singles, strict=True), strict=True):
                np.testing.assert_array_equal(part, np.concatenate(single))
            assert all(family.observation_space.contains(one) for one in parts[0])


def test_behaviour_is_counted_once_per_line_and_in_time():
    family = DistractingBus()
    start, stop, end = family.cell(4, 4), family.cell(4, 5), family.cell(0, 1)
    useless = family.cell(5, 5)
    cells = np.array([[start, stop, end, stop, useless, useless]]).T
    actions = np.array([[UP, RIDE, RIDE, STAY, RIDE, RIDE]]).T
    valid = np.array([[True, True, True, True, True, False]]).T
    measures = family.behaviour(np.array([[0, 0, 0, 8, 8]]), cells, actions, valid)
    assert {name: values.tolist() for name, values in measures.items()} == {"helpful_rides": [1], "useless_rides": [1]}
    kitchen = Cooking()
    fridges = kitchen.fridge_cells
    cells, actions = np.array([[fridges[0], fridges[0], fridges[2], 0]]).T, np.array([[PICK, PICK, PICK, PICK]]).T
    opened = kitchen.behaviour(np.zeros((1, 5)), cells, actions, np.ones((4, 1), dtype=bool))
    assert opened["fridges_opened"].tolist() == [2]


def test_a_map_is_read_by_stepping_onto_it():
    family = Map()
    beside, cell = family.cell(7, 4), family.map_cell
    for cells, actions, read in (([beside], [DOWN], 1), ([beside], [UP], 0), ([cell], [STAY], 1)):
        one = family.behaviour(
            np.zeros((1, 5)), np.array([cells]).T, np.array([actions]).T, np.ones((1, 1), dtype=bool)
        )
        assert one["map_read"].tolist() == [read]


def test_impossible_trials_are_refused():
    envs = Cooking().make(1)
    for task in ([64, 0, 0, 0, 0], [0, 0, 0, 4, 0], [0, 0, 0, 0.5, 0], [-1, 0, 0, 0, 0]):
        with pytest.raises(ValueError, match="a trial is integers"):
            envs.set_tasks(np.array([task], dtype=float))


def test_dropping_nothing_fills_nothing():
    seen, *_ = play(Cooking(), [57, 0, 0, 2, 1], [END], [DROP])
    assert seen[-1][3:7] == [4, 4, 4, 4]
