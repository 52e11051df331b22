import numpy as np
import pytest
import torch

from replications.dream.networks import DuelingHead
from replications.dream.q_learning import annealed, double_q_loss
from replications.dream.tabular import RevealingAction
from replications.dream.tasks import END, CourseMap
from replications.dream.trials import Drawn
from shared.tasks.point_robot import PointRobot
from tests.replications.dream.conftest import LEARNERS

METHODS = list(LEARNERS)


def test_dueling_advantages_have_mean_zero():
    head = DuelingHead(1, 3)
    with torch.no_grad():
        head.value.weight.fill_(2.0), head.value.bias.fill_(1.0)
        head.advantages.weight.copy_(torch.tensor([[1.0], [2.0], [6.0]])), head.advantages.bias.zero_()
    # V = 2 x + 1; advantages x, 2 x, 6 x with mean 3 x: at x = 1 that is 3 - 2, 3 - 1, 3 + 3, at x = 2 5 - 4, …
    assert torch.allclose(head(torch.tensor([[1.0], [2.0]])), torch.tensor([[1.0, 2.0, 6.0], [1.0, 3.0, 11.0]]))


def test_double_q_targets_by_hand():
    # One sequence of two steps. The network prefers action 1 after the first one, where its target says 5.
    q = torch.tensor([[[1.0, 0.0]], [[2.0, 3.0]], [[9.0, 0.0]]], requires_grad=True)
    target_q = torch.tensor([[[7.0, 7.0]], [[8.0, 5.0]], [[100.0, 100.0]]])
    actions = torch.tensor([[0], [1]])
    rewards, done = torch.tensor([[0.5], [-1.0]]), torch.tensor([[0.0], [1.0]])
    loss = double_q_loss(q, target_q, actions, rewards, done, torch.ones(2, 1), 0.9)
    # Errors: 1 - (0.5 + 0.9 · 5) = -4 and 3 - (-1) = 4.
    assert loss.item() == pytest.approx(16.0)
    loss.backward()
    assert torch.allclose(q.grad, torch.tensor([[[-4.0, 0.0]], [[0.0, 4.0]], [[0.0, 0.0]]]))


def test_steps_that_did_not_take_place_do_not_count():
    q = torch.randn(4, 2, 3)
    target_q, actions, rewards = torch.randn(4, 2, 3), torch.randint(3, (3, 2)), torch.randn(3, 2)
    done, valid = torch.zeros(3, 2), torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    done[2, 0] = done[0, 1] = 1.0
    both = double_q_loss(q, target_q, actions, rewards, done, valid, 0.9)
    one, other = (
        double_q_loss(
            q[: steps + 1, [i]],
            target_q[: steps + 1, [i]],
            *(part[:steps, [i]] for part in (actions, rewards, done)),
            torch.ones(steps, 1),
            0.9,
        )
        for i, steps in ((0, 3), (1, 1))
    )
    assert both.item() == pytest.approx((3 * one.item() + other.item()) / 4)


def test_values_of_an_episode_do_not_depend_on_the_others_in_the_batch(make):
    agent = make("dream")
    agent.train()
    batch, alone = (agent.memory.batch(Drawn(np.array(p))).explore for p in (range(6), [4]))
    network = agent.agents["explore"].network
    together, single = network(batch.states, batch.before)[0], network(alone.states, alone.before)[0]
    steps = int(alone.lengths[0]) + 1
    assert torch.allclose(together[:steps, 4], single[:steps, 0], atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_training_goes_on_as_if_it_had_never_stopped(make, name):
    through, stopped = make(name), make(name)
    through.train(), stopped.train()
    again = make(name, seed=1)
    again.load_state_dict(stopped.state_dict())
    assert again.train() == through.train()
    tasks, rng = through.family.test_tasks(5, np.random.default_rng(0)), np.random.default_rng
    ours, theirs = again.adapt(tasks, 2, rng(0)), through.adapt(tasks, 2, rng(0))
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    assert again.env_steps == through.env_steps > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", METHODS)
def test_trains_and_is_tested_on_a_gpu(make, name):
    learner = make(name, device="cuda")
    assert all(np.isfinite(value) for value in learner.train().values())
    assert {p.device.type for agent in learner.agents.values() for p in agent.network.parameters()} == {"cuda"}
    measures = learner.adapt(learner.family.test_tasks(4, np.random.default_rng(0)), 2, np.random.default_rng(0))
    assert measures["return"].shape == (4, 2)


@pytest.mark.parametrize("name", METHODS)
def test_a_test_leaves_the_learner_as_it_was(make, name):
    tested, untested = make(name), make(name)
    tested.adapt(tested.family.test_tasks(4, np.random.default_rng(0)), 2, np.random.default_rng(0))
    assert tested.train() == untested.train()


@pytest.mark.parametrize("name", METHODS)
def test_a_test_is_not_told_the_problem(make, name):
    learner = make(name)
    learner.train()
    tasks = learner.family.test_tasks(8, np.random.default_rng(0))
    before = learner.adapt(tasks, 2, np.random.default_rng(0))
    encoders = [
        parameter
        for agent in learner.agents.values()
        for key, parameter in agent.network.named_parameters()
        if key.startswith("encoder")
    ]
    assert bool(encoders) == (name.startswith("dream") or name == "import")
    with torch.no_grad():
        for parameter in encoders:
            parameter.add_(100.0)
    after = learner.adapt(tasks, 2, np.random.default_rng(0))
    assert all((after[measure] == before[measure]).all() for measure in before)


def test_random_actions_become_rarer_in_a_straight_line(make):
    agent = make("e-rl2").agents["agent"]
    assert agent.epsilon == 1.0
    agent.steps = 2500
    assert agent.epsilon == pytest.approx(0.505)
    agent.steps = 10**6
    assert agent.epsilon == 0.01


@pytest.mark.parametrize(("steps", "rate"), [(0, 0.5), (400, 0.5), (700, 0.25), (1000, 0.0), (1100, 0.0)])
def test_the_learning_rate_stays_then_falls_in_a_straight_line(steps, rate):
    assert annealed(0.5, steps, (400, 1000)) == pytest.approx(rate)
    assert annealed(0.5, steps, None) == 0.5


def test_what_is_annealed_to_nothing_learns_no_more(make):
    learner = make("dream", anneal=(100, 200))
    learner.train()
    weights = [
        {name: value.clone() for name, value in agent.network.state_dict().items()} for agent in learner.agents.values()
    ]
    assert learner.env_steps > 200
    assert learner.agents["exploit"].updates > 0
    learner.train()
    for agent, before in zip(learner.agents.values(), weights, strict=True):
        assert all(torch.equal(value, before[name]) for name, value in agent.network.state_dict().items())


def test_annealing_must_end_after_it_begins(make):
    with pytest.raises(ValueError, match="anneal must be two increasing numbers of steps"):
        make("dream", anneal=(400, 400))


def test_gradient_steps_and_copies_are_due_by_environment_steps(make):
    agent = make("e-rl2").agents["agent"]
    assert agent.advance(39) == (0, False)
    assert agent.advance(42) == (2, False)
    assert agent.advance(120) == (3, True)


def test_other_families_are_refused(make):
    with pytest.raises(ValueError, match="DREAM knows nothing of PointRobot"):
        make("dream", PointRobot())


def test_a_trial_has_two_episodes(make):
    learner = make("dream")
    with pytest.raises(ValueError, match="2 episodes, not 3"):
        learner.adapt(learner.family.test_tasks(2, np.random.default_rng(0)), 3, np.random.default_rng(0))


def test_acting_follows_the_values_that_are_learned(make):
    """Also where explorations end at different times and the memory has to wait for the longest."""
    learner = make("e-rl2", capacity=16, parallel_trials=16, iteration_trials=16)
    tasks, recorded = CourseMap().trials(0, 16), []
    choose, rng = learner.choose, np.random.default_rng(0)

    def choose_at_random(values, epsilon):
        recorded.append(values[0])
        return np.where(rng.random(16) < 0.2, END, choose(values, 1.0))

    learner.choose = choose_at_random
    learner.memory.add(tasks, *learner.play_trials(tasks, greedy=True))
    lengths = learner.memory.episodes.lengths
    assert len(set(lengths[0].tolist())) > 3
    whole = learner.memory.whole(Drawn(np.arange(16)))
    network = learner.agents["agent"].network
    recalled, _ = network["experience"](whole.states, whole.goals, whole.before, whole.earned, whole.begins)
    values = learner.values(network, recalled, whole.states, whole.goals)
    begun = int(lengths[0].max())  # the recorded moment at which the exploitations begin
    for trial in range(16):
        explored, exploited = lengths[:, trial]
        seen = [*recorded[:explored], *recorded[begun : begun + exploited]]
        assert torch.allclose(
            torch.stack([moment[trial] for moment in seen]), values[:-1, trial][: len(seen)], atol=1e-5
        )


def test_exploration_sees_no_goals(make):
    learner = make("dream")
    tasks = learner.family.trials(0, 12)
    elsewhere = tasks.copy()
    elsewhere[:, 1:3] = learner.family.corners[(np.arange(12) + 1) % 4]
    one, other = (learner.play_trials(trials, greedy=True)[0] for trials in (tasks, elsewhere))
    for trial in range(12):
        both = min(one.lengths[trial], other.lengths[trial])  # a goal that is met ends an episode
        assert (one.actions[trial, :both] == other.actions[trial, :both]).all()


@pytest.mark.parametrize("name", ["dream", "e-rl2"])
def test_learns_to_take_the_informative_action(make, name):
    """One of three actions tells which one will pay: a third without exploring, 1 with."""
    settings = {
        "update_every": 4,
        "target_every": 100,
        "epsilon_steps": 1500,
        "iteration_trials": 800,
        "capacity": 2000,
    }
    if name == "dream":
        settings["explore_epsilon_steps"] = 1500
    learner = make(name, RevealingAction(3, looks=1), **settings)
    learner.train()
    measures = learner.adapt(learner.family.test_tasks(50, np.random.default_rng(0)), 2, np.random.default_rng(0))
    assert measures["return"][:, 1].mean() == 1.0
    assert measures["informative"][:, 0].mean() == 1.0


class SmallMap(CourseMap):
    """The course's map with two lines, which end in two corners: two problems, and two goals."""

    problems, state_sizes = 2, (5, 5, 4, 3)
    stops, ends, map_place = ((2, 1), (2, 3)), ((0, 0), (4, 4)), (3, 2)

    def goals(self, problem):
        return np.array(self.ends)

    def draw_goal(self, problem, generator):
        return np.array(self.ends)[generator.randint(2)]


def test_learns_to_read_a_small_map_that_nobody_can_do_without(make):
    """Who knows the stop to the goal rides, 0.7; nobody else earns more than 0.1, by walking: guessing earns 0.05."""
    settings = {
        "update_every": 8,
        "target_every": 500,
        "epsilon_steps": 4000,
        "explore_epsilon_steps": 4000,
        "anneal": (8000, 16000),
        "step_penalty": 0.02,
        "explore_from": 100,
        "exploit_from": 100,
        "capacity": 4000,
        "alike": True,
        "parallel_trials": 32,
        "iteration_trials": 320,
    }
    learner = make("dream-feed-forward", SmallMap(), **settings)
    while learner.env_steps < 16000:
        learner.train()

    def test():
        tasks = learner.family.test_tasks(50, np.random.default_rng(0))
        return learner.adapt(tasks, 2, np.random.default_rng(0))

    measures = test()
    assert measures["map_read"][:, 0].mean() == 1.0
    assert measures["return"][:, 1].mean() > 0.4
    with torch.no_grad():
        learner.agents["explore"].network.head.advantages.bias[END] += 1000.0  # ends every exploration at once
    measures = test()
    assert measures["steps"][:, 0].max() == 1
    assert measures["return"][:, 1].mean() < 0.2
