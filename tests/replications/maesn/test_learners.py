"""What all methods share: playing, advantages, tests that leave them as they were, going on after a stop."""

import numpy as np
import pytest
import torch

from replications.maesn import rollouts
from replications.maesn.learner import whereabouts
from replications.maesn.policies import GaussianPolicy
from replications.maesn.rollouts import Sampler, Trajectories, advantages, ended_episodes, normalised
from shared.study.state import from_bytes, to_bytes
from tests.replications.maesn.conftest import METHODS, FewGoals, NearGoals, ShortNavigation

ADAPTS_PARAMETERS = [name for name, (_, settings) in METHODS.items() if "inner_rate" in settings]


@pytest.mark.parametrize(
    ("method", "family"), [*((name, FewGoals) for name in METHODS), *((name, NearGoals) for name in ADAPTS_PARAMETERS)]
)
def test_a_run_that_was_stopped_goes_on_as_one_that_was_not(make, method, family):
    whole, half = make(method, family()), make(method, family())
    for _ in range(4):
        whole.train()
    for _ in range(2):
        half.train()
    resumed = make(method, family(), seed=1)
    resumed.load_state_dict(from_bytes(to_bytes(half.state_dict())))
    for _ in range(2):
        resumed.train()
    assert to_bytes(resumed.state_dict()) == to_bytes(whole.state_dict())
    assert resumed.env_steps == whole.env_steps > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_test_reports_every_adaptation_step_and_leaves_the_learner_as_it_was(make, method):
    learner = make(method)
    learner.train()
    before = to_bytes(learner.state_dict())
    tasks = learner.family.test_tasks(2, None)
    first, again = (learner.adapt(tasks, 3, np.random.default_rng(5)) for _ in range(2))
    assert to_bytes(learner.state_dict()) == before
    for name in ("return", "dense_return", "sparse_return", "solved", "steps"):
        assert first[name].shape == (2, 3)
        np.testing.assert_array_equal(first[name], again[name])
    np.testing.assert_array_equal(first["return"], first["sparse_return"])


@pytest.mark.parametrize("method", METHODS)
def test_all_that_is_meta_learned_changes(make, method):
    learner = make(method)
    before = {name: value.detach().clone() for name, value in learner.parameters.items()}
    for _ in range(3):
        learner.train()
    fixed = {name for name, value in learner.parameters.items() if torch.equal(value, before[name])}
    assert fixed == ({"step_mean", "step_log_std"} if method == "latent-space" else set())


def test_actions_are_clipped_for_the_family_but_not_for_their_likelihood():
    family = FewGoals()
    sampler = Sampler(family, reach=2.0, device="cpu")
    tasks = family.test_tasks(2, None)

    def outputs(observations):
        mean = torch.tensor([6.0, -1.0]).expand(*observations.shape[:2], 2)
        return torch.cat([mean, torch.full_like(mean, -20.0)], dim=-1)

    played = sampler.play(outputs, tasks, 3, np.random.default_rng(0), sparse=False)
    assert played.observations.shape == (2, 3, 8, 2)
    torch.testing.assert_close(played.actions[..., 0], torch.full((2, 3, 8), 6.0))
    np.testing.assert_array_equal(played.measures["clipped"], np.full((2, 3), 0.5))
    # Of a reach of 2, an action of 6 is the whole stride of 0.1, and one of -1 half of it, the other way.
    expected = np.arange(9)[:, None] * [0.1, -0.05]
    np.testing.assert_allclose(played.places, np.broadcast_to(expected, (2, 3, 9, 2)), atol=1e-7)
    away = np.linalg.norm(expected[1:] - tasks[:, None, None], axis=-1)
    np.testing.assert_allclose(played.rewards.numpy(), -np.broadcast_to(away, (2, 3, 8)), atol=1e-6)
    paid = np.where(away <= 0.6, 1 - away, 0).sum(axis=-1)
    np.testing.assert_allclose(played.measures["sparse_return"], np.broadcast_to(paid, (2, 3)), atol=1e-6)


def test_where_episodes_end_early_more_are_played_to_learn_from(monkeypatch):
    sampler = Sampler(ShortNavigation(), reach=1.0, device="cpu")
    tasks = np.array([[0.2, 0.0], [0.0, 0.4]])  # one step to the right is 0.1: the first goal is met in the second

    def to_the_right(observations):
        mean = torch.tensor([1.0, 0.0]).expand(*observations.shape[:2], 2)
        return torch.cat([mean, torch.full_like(mean, -20.0)], dim=-1)

    def play(by_steps):
        return sampler.play(to_the_right, tasks, 2, np.random.default_rng(0), sparse=False, by_steps=by_steps)

    assert play(by_steps=False).valid.sum(dim=2).tolist() == [[2, 2], [8, 8]]
    played = play(by_steps=True)
    assert played.valid.sum(dim=2).tolist() == [[2] * 8, [8, 8] + [0] * 6]
    torch.testing.assert_close(played.rewards[0, :, :2], torch.tensor([[-0.1, 0.0]] * 8), atol=1e-6, rtol=0)
    assert not played.rewards[0, :, 2:].any()
    assert not played.rewards[1, 2:].any()
    np.testing.assert_allclose(played.measures["return"][0], [-0.1] * 8, atol=1e-6)
    for name in ("return", "clipped"):
        assert np.isfinite(played.measures[name][1]).tolist() == [True] * 2 + [False] * 6
    assert played.places.shape == (2, 2, 9, 2)
    np.testing.assert_allclose(whereabouts(played)["distance"], [0.2, 0.8], atol=1e-6)
    # At most a multiple of the episodes that were asked for.
    monkeypatch.setattr(rollouts, "MOST", 3)
    assert play(by_steps=True).valid.sum(dim=2).tolist() == [[2] * 6, [8, 8] + [0] * 4]
    # Every task weighs the same, and within it every step.
    torch.testing.assert_close(played.shares.sum(dim=(1, 2)), torch.tensor([0.5, 0.5]))
    assert torch.isfinite(advantages(played, 0.99, 1.0).steps).all()


def test_streams_are_cut_into_the_episodes_that_ended():
    # Two tasks of two streams. Of the first task: a stream of 1, 2 and 2 steps, and one of 4 that goes on for one more.
    over = np.array([[1, 0, 1, 0, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]], dtype=bool)
    rows, slot, first, length = ended_episodes(over, slots_of_task=2)
    found = [[(slot[e], first[e], length[e]) for e in row if e >= 0] for row in rows]
    assert found == [[(0, 0, 1), (1, 0, 4), (0, 1, 2), (0, 3, 2)], [(2, 0, 5), (3, 0, 2)]]
    assert rows.shape == (2, 4)


def batch(rewards, valid=None):
    """Return trajectories `(1, K, T)` with these rewards and observations that tell nothing."""
    rewards = torch.tensor([rewards], dtype=torch.float32)
    valid = torch.ones_like(rewards, dtype=torch.bool) if valid is None else torch.tensor([valid])
    return Trajectories(torch.zeros(*rewards.shape, 1), torch.zeros(*rewards.shape, 1), rewards, valid, {}, None)


def test_advantages_by_hand():
    # One step: the baseline is the mean, 2; deviations -2, 0, 2 in units of √(8/3).
    found = advantages(batch([[0.0], [2.0], [4.0]]), discount=0.9, gae_lambda=1.0)
    unit = (8 / 3) ** 0.5
    expected = torch.tensor([-2 / unit, 0.0, 2 / unit])
    torch.testing.assert_close(found.episodes[0], expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.steps[0, :, 0], expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.excess[0, :, 0], expected, atol=1e-3, rtol=0)


def test_excess_is_what_a_step_earns_beyond_the_baseline_discounted_from_the_start():
    # Returns to go, discount 0.5: 2 and 2 at the second step, 0 + 1 and 2 + 1 at the first: both values are 2.
    found = advantages(batch([[0.0, 2.0], [2.0, 2.0]]), discount=0.5, gae_lambda=1.0)
    # r₀ + 0.5 · 2 − 2 = ∓1, and 0.5 (2 − 2) = 0; the root of the mean square of (−1, 0, 1, 0) is √½.
    torch.testing.assert_close(found.excess[0], torch.tensor([[-1.0, 0.0], [1.0, 0.0]]) * 2**0.5, atol=1e-3, rtol=0)


def test_steps_that_did_not_take_place_have_no_advantage():
    took_place = [[True, False], [True, True], [True, True]]
    found = advantages(batch([[1.0, 0.0], [3.0, 2.0], [0.0, 1.0]], took_place), 0.9, 1.0)
    assert found.steps[0, 0, 1] == found.excess[0, 0, 1] == 0
    kept = found.steps[0][torch.tensor(took_place)]
    assert kept.mean() == pytest.approx(0, abs=1e-6)
    assert kept.std(correction=0) == pytest.approx(1, abs=1e-4)


def test_normalised_rows_by_hand():
    x = torch.tensor([[1.0, 3.0, 100.0]], dtype=torch.float64)
    valid = torch.tensor([[True, True, False]])
    torch.testing.assert_close(normalised(x, valid), torch.tensor([[-1.0, 1.0, 0.0]]))


def test_shares_give_every_task_the_same_share():
    valid = torch.tensor([[[True, True], [True, False]], [[True, True], [True, True]]])
    zeros = torch.zeros(2, 2, 2)
    shares = Trajectories(zeros, zeros, zeros, valid, {}, None).shares
    torch.testing.assert_close(shares[0], torch.tensor([[1 / 6, 1 / 6], [1 / 6, 0]]))
    torch.testing.assert_close(shares[1], torch.full((2, 2), 1 / 8))


def test_a_policy_by_hand_and_with_parameters_of_every_task():
    policy = GaussianPolicy(2, 1, (2,), "relu")
    parameters = {
        "weight0": torch.tensor([[1.0, -1.0], [0.0, 2.0]]),
        "bias0": torch.tensor([0.5, 0.0]),
        "weight1": torch.tensor([[2.0], [3.0]]),
        "bias1": torch.tensor([-1.0]),
        "log_std": torch.tensor([0.25]),
    }
    x = torch.tensor([[1.0, 1.0], [-1.0, 0.0]])
    # (1, 1): hidden (1.5, 1), mean 2 · 1.5 + 3 − 1 = 5. (−1, 0): hidden (0, 1), mean 2.
    torch.testing.assert_close(policy(parameters, x), torch.tensor([[5.0, 0.25], [2.0, 0.25]]))
    doubled = {name: torch.stack([value, value]) for name, value in parameters.items()}
    torch.testing.assert_close(policy(doubled, x.expand(2, 2, 2)), policy(parameters, x).expand(2, 2, 2))


def test_standard_deviations_have_a_floor():
    policy = GaussianPolicy(1, 1, (2,), "tanh")
    parameters = policy.initial(torch.Generator()) | {"log_std": torch.tensor([-50.0])}
    assert policy(parameters, torch.zeros(1, 1))[0, 1].exp().item() == pytest.approx(1e-6)
