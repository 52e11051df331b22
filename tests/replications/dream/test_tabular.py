import numpy as np
import pytest

from replications.dream.tabular import RevealingAction, TabularDREAM, TabularRL2
from shared.study.state import from_bytes, to_bytes


def make(learner, actions=4, repetitions=300, trials=50, seed=0, recomputed=False):
    settings = {"repetitions": repetitions, "trials": trials}
    if learner is TabularDREAM:
        settings["recomputed"] = recomputed
    return learner(RevealingAction(actions), learner.Config(**settings), np.random.SeedSequence(seed))


def scripted(learner, explored, problems, exploited):
    """Return what every trial's exploration earned, for one learner."""
    rows = zip(explored, problems, exploited, strict=True)
    return [learner.earned(*(np.array([number]) for number in row))[0] for row in rows]


def test_dream_earns_log_a_from_the_second_sight_of_a_problem():
    learner = make(TabularDREAM, repetitions=1)
    earned = scripted(learner, [0, 1, 0, 0, 0], [2, 2, 2, 3, 3], [0] * 5)
    np.testing.assert_allclose(earned, [0, 0, np.log(4), 0, np.log(4)])


def test_recomputed_rewards_need_a_single_sight():
    learner = make(TabularDREAM, repetitions=1, recomputed=True)
    earned = scripted(learner, [0, 1, 0, 0, 0], [2, 2, 2, 3, 3], [0] * 5)
    np.testing.assert_allclose(earned, np.log(4) * np.array([1, 0, 1, 1, 1]))
    many = make(TabularDREAM, actions=8, repetitions=2000, trials=200, recomputed=True)
    many.train()
    samples = many.wrong + 1.0  # until the informative one of eight actions is drawn
    assert samples.mean() == pytest.approx(8, abs=4 * samples.std() / 2000**0.5)


def test_rl2_earns_the_best_mean_reward_after_what_it_has_seen():
    learner = make(TabularRL2, actions=3, repetitions=1)
    # Exploring action 1 shows nothing: action 0 then pays in one of two trials, action 2 in its only one.
    assert scripted(learner, [1, 1, 1], [0, 1, 2], [0, 0, 2]) == [1.0, 0.5, 1.0]
    # Action 0 shows the problem: values of problem 1 and 2 are apart.
    assert scripted(learner, [0, 0, 0], [1, 2, 1], [1, 1, 0]) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("learner", [TabularDREAM, TabularRL2])
def test_wrong_is_the_last_trial_after_which_another_action_seemed_better(learner):
    one = make(learner, actions=2, repetitions=1, trials=1)
    history = []
    for _ in range(200):
        one.train()
        history.append(one.values[0, 0] > one.values[0, 1])
    last = max(trial for trial, right in enumerate(history, 1) if not right)
    assert one.wrong[0] == last
    measures = one.adapt(np.zeros((1, 1)), 1, np.random.default_rng(0))
    assert measures["samples"].tolist() == [[last + 1]]


@pytest.mark.parametrize(("actions", "dream"), [(2, 5), (4, 12), (8, 33)])
def test_dream_needs_as_many_samples_as_it_takes_to_see_a_problem_twice(actions, dream):
    learner = make(TabularDREAM, actions=actions, repetitions=2000, trials=60 * actions)
    learner.train()
    # Draws until the first repetition, each of which takes |A| trials on average: 1 + Σ_k Π_{i<k} (1 − i/|A|).
    draws = 1 + sum(np.prod(1 - np.arange(1, k) / actions) for k in range(1, actions + 1))
    samples = learner.wrong + 1.0
    assert samples.mean() == pytest.approx(draws * actions, abs=4 * samples.std() / 2000**0.5)
    assert samples.mean() == pytest.approx(dream, rel=0.1)


def test_rl2_needs_many_more():
    learner = make(TabularRL2, actions=4, repetitions=500, trials=2000)
    learner.train()
    assert (learner.wrong + 1).mean() == pytest.approx(125, rel=0.1)
    assert learner.wrong.max() < 1000


@pytest.mark.parametrize("learner", [TabularDREAM, TabularRL2])
def test_a_restored_learner_goes_on_alike(learner):
    one, other = make(learner, seed=0), make(learner, seed=1)
    one.train()
    other.load_state_dict(from_bytes(to_bytes(one.state_dict())))
    assert one.train() == other.train()
    assert to_bytes(one.state_dict()) == to_bytes(other.state_dict())
    assert one.env_steps == 200


def test_a_trial_shows_the_problem_after_the_informative_action_alone():
    envs = RevealingAction(3).make(2)
    envs.set_tasks(np.array([[1, 0, 0], [2, 0, 0]]))
    assert envs.reset()[0].tolist() == [[0, 0], [0, 0]]
    observations, rewards, terminated, truncated, _ = envs.step(np.array([0, 2]))
    assert (observations[:, 0].tolist(), rewards.tolist()) == ([2, 0], [0, 0])
    assert terminated.all() and not truncated.any()
    envs.reset()
    observations, rewards, *_ = envs.step(np.array([1, 0]))
    assert (observations[:, 0].tolist(), rewards.tolist()) == ([0, 0], [1, 0])
    with pytest.raises(ValueError, match="problems are integers from 0 to 2"):
        envs.set_tasks(np.array([[3, 0, 0], [0, 0, 0]]))


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="actions must be at least 2"):
        RevealingAction(1)
    with pytest.raises(ValueError, match="more than the 300 repetitions"):
        make(TabularDREAM).adapt(np.zeros((301, 1)), 1, np.random.default_rng(0))


def test_identities_of_a_problem_differ_in_nothing_but_their_number():
    family = RevealingAction(3, identities=2)
    assert family.train_ids.tolist() == [0, 1, 2, 3, 4, 5]
    envs = family.make(6)
    envs.set_tasks(np.column_stack([np.arange(6), np.zeros((6, 2))]))
    envs.reset(options={"reset_mask": np.ones(6, dtype=bool)})
    shown = envs.step(np.zeros(6, dtype=int))[0][:, 0]
    assert shown.tolist() == [1, 2, 3, 1, 2, 3]
    envs.reset(options={"reset_mask": np.ones(6, dtype=bool)})
    assert envs.step(np.array([0, 1, 2, 0, 0, 0]))[1].tolist() == [1, 1, 1, 1, 0, 0]
    assert family.same_to_exploit(np.arange(6)).tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(ValueError, match="identities must be at least 1, got 0"):
        RevealingAction(3, identities=0)
    with pytest.raises(ValueError, match="knows problems by one identity each"):
        TabularRL2(family, TabularRL2.Config(repetitions=1, trials=1), np.random.SeedSequence(0))
