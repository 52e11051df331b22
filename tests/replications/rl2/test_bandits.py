import numpy as np
import pytest
from pydantic import ValidationError

from replications.rl2 import bandits
from replications.rl2.bayes import MAX_PULLS, bayes_optimal_value
from replications.rl2.tasks import BernoulliBandits

TUNING = {"tuning_tasks": 300, "ties": "first"}
CONFIGS = {
    "Random": {},
    "Greedy": {"ties": "first"},
    "ThompsonSampling": {},
    "OptimisticThompsonSampling": {"samples": 20},
    "BayesOptimal": {},
    "EpsilonGreedy": {**TUNING, "grid": [0.05]},
    "UCB1": {**TUNING, "grid": [0.2]},
    "Gittins": {**TUNING, "grid": [0.98], "index": "calibrated"},
}
# Table 1 of the paper, n = 100 and k = 10.
PUBLISHED = {
    "Random": 49.9,
    "Gittins": 82.8,
    "ThompsonSampling": 76.7,
    "OptimisticThompsonSampling": 81.4,
    "UCB1": 82.4,
    "EpsilonGreedy": 77.4,
    "Greedy": 77.1,
}


def learner_of(name, arms=3, pulls=8, **changes):
    learner = getattr(bandits, name)
    config = learner.Config(**{**CONFIGS[name], **changes})
    return learner(BernoulliBandits(arms, pulls), config, np.random.SeedSequence(1))


@pytest.mark.parametrize("name", CONFIGS)
def test_adapt_is_deterministic_and_leaves_the_learner_as_it_was(name):
    learner = learner_of(name)
    tasks = learner.family.test_tasks(20, np.random.default_rng(0))
    before = learner.state_dict()
    first, second = (learner.adapt(tasks, 8, np.random.default_rng(5)) for _ in range(2))
    other = learner.adapt(tasks, 8, np.random.default_rng(6))
    assert first.shape == (20, 8)
    assert set(np.unique(first)) <= {0.0, 1.0}
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert learner.state_dict() == before
    assert learner.env_steps == 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_total_reward(name):
    learner = learner_of(name, arms=10, pulls=100)
    instances = 400 if name == "OptimisticThompsonSampling" else 1500  # the slow one
    tasks = learner.family.test_tasks(instances, np.random.default_rng(0))
    total = learner.adapt(tasks, 100, np.random.default_rng(1)).sum(axis=1)
    assert total.mean() == pytest.approx(PUBLISHED[name], rel=0.02)


@pytest.mark.parametrize("index", ["whittle", "brezzi_lai"])
def test_closed_form_indices_come_close_to_the_calibrated_ones(index):
    exact, approximate = (learner_of("Gittins", 5, 100, index=name) for name in ("calibrated", index))
    tasks = exact.family.test_tasks(2000, np.random.default_rng(0))
    totals = [
        learner.adapt(tasks, 100, np.random.default_rng(1)).sum(axis=1).mean() for learner in (exact, approximate)
    ]
    assert totals[1] == pytest.approx(totals[0], rel=0.015)


def test_bayes_optimal_play_earns_its_value():
    learner = learner_of("BayesOptimal", arms=5, pulls=10)
    tasks = learner.family.test_tasks(20_000, np.random.default_rng(0))
    total = learner.adapt(tasks, 10, np.random.default_rng(1)).sum(axis=1)
    standard_error = total.std() / np.sqrt(len(total))
    assert total.mean() == pytest.approx(bayes_optimal_value(5, 10), abs=3 * standard_error)


def test_bayes_optimal_refuses_long_trials():
    with pytest.raises(ValueError, match=f"for 1 to {MAX_PULLS} pulls, got 100"):
        learner_of("BayesOptimal", pulls=100)


def test_random_ties_help_greedy():
    first, random = (learner_of("Greedy", 10, 100, ties=ties) for ties in ("first", "random"))
    tasks = first.family.test_tasks(2000, np.random.default_rng(0))
    gain = random.adapt(tasks, 100, np.random.default_rng(1)) - first.adapt(tasks, 100, np.random.default_rng(1))
    assert gain.sum(axis=1).mean() > 0.5  # about 1.4


def test_tuning_runs_the_grid_and_keeps_the_best():
    learner = learner_of("UCB1", arms=5, pulls=20, grid=[0.1, 5.0, 50.0])
    metrics = learner.train()
    assert list(metrics) == ["tuning/c=0.1", "tuning/c=5", "tuning/c=50"]
    assert learner.value == 0.1
    assert metrics["tuning/c=0.1"] == max(metrics.values())
    assert learner.env_steps == 3 * 300 * 20


@pytest.mark.parametrize(
    ("name", "grid", "metric"),
    [("EpsilonGreedy", [0.0, 0.9], "tuning/epsilon=0"), ("Gittins", [0.9, 0.99], "tuning/discount=0.9")],
)
def test_tuned_learner_reports_its_own_parameter(name, grid, metric):
    assert metric in learner_of(name, grid=grid).train()


def test_state_dict_carries_the_tuning():
    tuned, fresh = (learner_of("UCB1", grid=[0.1, 1.0]) for _ in range(2))
    tuned.train()
    fresh.load_state_dict(tuned.state_dict())
    tasks = tuned.family.test_tasks(50, np.random.default_rng(0))
    results = [learner.adapt(tasks, 8, np.random.default_rng(1)) for learner in (tuned, fresh)]
    np.testing.assert_array_equal(*results)
    assert fresh.env_steps == tuned.env_steps == 2 * 300 * 8


def test_untuned_learner_says_so():
    learner = learner_of("UCB1", grid=[0.1, 0.2])
    with pytest.raises(RuntimeError, match=r"UCB1 has no c yet: tune it with train\(\) first"):
        learner.adapt(learner.family.test_tasks(2, np.random.default_rng(0)), 8, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("Gittins", {"grid": [1.0]}),
        ("EpsilonGreedy", {"grid": [1.5]}),
        ("UCB1", {"grid": []}),
        ("UCB1", {"ties": "last"}),
        ("Gittins", {"index": "exact"}),
        ("OptimisticThompsonSampling", {"samples": 0}),
        ("Random", {"samples": 3}),
    ],
)
def test_bad_hyperparameters_are_refused(name, change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        learner_of(name, **change)


def test_gittins_trajectories_stay_with_success_and_leave_failure():
    family = BernoulliBandits(3, 5)
    actions, rewards = bandits.gittins_trajectories(family, 400, np.random.default_rng(0), discount=0.9)
    assert actions.shape == rewards.shape == (400, 5)
    assert (actions[:, 0] == 0).all()
    np.testing.assert_array_equal(actions[:, 1], np.where(rewards[:, 0] == 1, 0, 1))
    again, _ = bandits.gittins_trajectories(family, 400, np.random.default_rng(0), discount=0.9)
    np.testing.assert_array_equal(actions, again)
