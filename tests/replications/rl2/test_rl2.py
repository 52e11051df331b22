"""RL²: what the network sees, what is kept and reset, and that it learns."""

import copy

import numpy as np
import pytest
import torch

from replications.rl2.imitation import Imitation
from replications.rl2.rl2 import RL2, Standardiser, ppo_update, trpo_update
from replications.rl2.tasks import BernoulliBandits, TabularMDPs
from replications.rl2.transfer import Transfer
from replications.rl2.trials import TrialEncoder, play
from shared.tasks.family import TaskFamily
from shared.tasks.locomotion import HopperDynamics
from shared.tasks.point_robot import PointRobot

SMALL = {
    "episodes": 5,
    "discount": 0.99,
    "gae_lambda": 0.3,
    "hidden_size": 16,
    "candidate": "tanh",
    "weight_norm": False,
    "head_scale": 0.1,
    "update_bias": -2.0,
    "inputs": "separate",
    "learning_signal": "rewards",
    "batch_steps": 2000,
    "minibatch_trials": 50,
    "baseline_minibatch_trials": 50,
    "algorithm": "ppo",
    "entropy_bonus": 0.01,
    "entropy_decay_steps": None,
    "max_kl": 0.01,
    "cg_iterations": 10,
    "cg_damping": 1e-3,
    "fisher_share": 0.3,
    "clip": 0.2,
    "policy_epochs": 4,
    "policy_learning_rate": 0.006,
    "baseline_epochs": 4,
    "baseline_learning_rate": 0.006,
    "baseline_target": "standardised",
    "baseline_lambda": 1.0,
    "learning_rate_decay_steps": None,
    "max_gradient_norm": 0.5,
}


def learner(family, seed=0, **changes):
    return RL2(family, RL2.Config(**SMALL | changes), np.random.SeedSequence(seed))


def parts(agent):
    return agent.policy, agent.encoder


class DeterministicBandits(BernoulliBandits):
    """Two arms, one of which always pays and the other never: two pulls show everything."""

    def __init__(self, pulls):
        super().__init__(2, pulls)

    def train_tasks(self, n, rng):
        first = rng.integers(0, 2, n)
        return np.stack([first, 1 - first], axis=1).astype(float)

    test_tasks = train_tasks


def test_inputs_carry_state_last_action_reward_and_flag():
    family = TabularMDPs(states=3, actions=2, horizon=2)
    tasks = family.test_tasks(4, np.random.default_rng(0))
    trials = play(*parts(learner(family)), family, tasks, 2, np.random.default_rng(1))
    assert trials.inputs.shape == (4, 4, 3 + 2 + 2)
    first = trials.inputs[0]
    np.testing.assert_array_equal(first, np.tile([1, 0, 0, 1, 0, 0, 1], (4, 1)))  # state 0, action 0, reward 0, flag 1
    for t in (1, 2, 3):
        np.testing.assert_array_equal(trials.inputs[t, :, 3:5].argmax(dim=1), trials.actions[t - 1])
        np.testing.assert_array_equal(trials.inputs[t, :, 5], trials.rewards[t - 1])
    np.testing.assert_array_equal(trials.inputs[:, 0, 6], [1, 0, 1, 0])
    # The start of the second episode shows state 0 and still the last reward of the first.
    assert (trials.inputs[2, :, 0] == 1).all() and trials.inputs[2, :, 5].abs().min() > 0


def test_transition_inputs_repeat_the_last_pair_and_its_reward():
    family = TabularMDPs(states=3, actions=2, horizon=2)
    agent = learner(family, inputs="transition")
    trials = play(*parts(agent), family, family.test_tasks(4, np.random.default_rng(0)), 2, np.random.default_rng(1))
    assert trials.inputs.shape == (4, 4, 7 + 2 * 6)
    assert not trials.inputs[0, :, 7:].any()
    for t in (1, 2, 3):
        pairs = trials.inputs[t - 1, :, :3].argmax(dim=1) * 2 + trials.actions[t - 1]
        expected = torch.nn.functional.one_hot(pairs, 6).float()
        torch.testing.assert_close(trials.inputs[t, :, 7:13], expected)
        rewards = torch.from_numpy(trials.rewards[t - 1])
        torch.testing.assert_close(trials.inputs[t, :, 13:], expected * rewards[:, None])


def test_expected_rewards_replace_the_drawn_ones_in_learning_only():
    family = BernoulliBandits(2, 2)
    trials, advantages = [], []
    for signal in ("rewards", "expected_rewards"):
        agent = learner(family, episodes=2, learning_signal=signal, gae_lambda=1.0, baseline_target="raw")
        with torch.no_grad():
            agent.baseline.head_weight.v.zero_()
        trials.append(play(*parts(agent), family, np.full((50, 2), 0.5), 2, np.random.default_rng(0)))
        advantages.append(agent._advantages(trials[-1])[0])
    np.testing.assert_array_equal(trials[0].rewards, trials[1].rewards)
    np.testing.assert_array_equal(trials[1].expected_rewards, 0.5)
    assert advantages[0].std(dim=1).min() > 0.5  # coin flips
    torch.testing.assert_close(advantages[1].std(dim=1), torch.zeros(2))  # their mean does not flip


def test_hidden_state_is_kept_over_episode_ends_and_reset_with_the_trial():
    family = TabularMDPs(states=3, actions=2, horizon=2)
    agent = learner(family)
    tasks = family.test_tasks(3, np.random.default_rng(0))
    trials = play(*parts(agent), family, tasks, 3, np.random.default_rng(1))
    with torch.no_grad():
        whole = torch.log_softmax(agent.policy(trials.inputs), dim=2)
        second_episode_alone = torch.log_softmax(agent.policy(trials.inputs[2:4]), dim=2)
    chosen = whole.gather(2, trials.actions[..., None])[..., 0]
    # The sequence pass starts at zero: equality says that acting carried the state through all three episodes…
    torch.testing.assert_close(chosen, trials.log_probs)
    # …and a pass that starts at the second episode gives something else.
    assert not torch.allclose(second_episode_alone, whole[2:4], atol=1e-4)
    # A new trial starts from zero again: the same draws give the same trial.
    again = play(*parts(agent), family, tasks, 3, np.random.default_rng(1))
    torch.testing.assert_close(again.log_probs, trials.log_probs, rtol=0, atol=0)


def test_advantages_run_over_episode_ends():
    agent = learner(BernoulliBandits(2, 2), episodes=2, baseline_target="raw", gae_lambda=1.0, discount=0.5)
    inputs = torch.zeros(2, 2, 4)
    with torch.no_grad():  # a baseline of zero makes Â the return of the whole trial
        agent.baseline.head_weight.v.zero_()
    trials = play(*parts(agent), agent.family, np.array([[0.0, 0.0], [1.0, 1.0]]), 2, np.random.default_rng(0))
    advantages, targets, _ = agent._advantages(trials._replace(inputs=inputs))
    torch.testing.assert_close(targets, torch.tensor([[0.0, 1.5], [0.0, 1.0]]))
    raw = np.array([[0.0, 1.5], [0.0, 1.0]])
    np.testing.assert_allclose(advantages, (raw - raw.mean()) / raw.std(), atol=1e-6)


def test_standardiser_moves_towards_the_batch():
    standardiser = Standardiser(rate=0.5)
    standardiser.update(np.array([[0.0, 2.0], [4.0, 4.0]]))
    standardiser.update(np.array([[2.0, 4.0], [4.0, 4.0]]))
    np.testing.assert_allclose(standardiser.mean, [[2.0], [4.0]])
    np.testing.assert_allclose(standardiser.spread, [[1.001], [0.001]])


@pytest.mark.parametrize(("algorithm", "iterations"), [("ppo", 12), ("trpo", 30)])
def test_learns_a_two_armed_deterministic_bandit(algorithm, iterations):
    # Optimal: 1/2 on the first pull, then 1 each: 4.5 of 5. An unadapted policy earns 2.5.
    family = DeterministicBandits(pulls=5)
    agent = learner(family, algorithm=algorithm, max_kl=0.05)
    for _ in range(iterations):
        agent.train()
    tasks = family.test_tasks(500, np.random.default_rng(1))
    assert agent.adapt(tasks, 5, np.random.default_rng(2)).sum(axis=1).mean() > 4.2


@pytest.mark.parametrize("algorithm", ["ppo", "trpo"])
def test_trust_region_is_kept(algorithm):
    agent = learner(TabularMDPs(), episodes=2, algorithm=algorithm)
    for _ in range(3):
        metrics = agent.train()
        assert 0 <= metrics["policy/kl"] < 0.05
        assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("algorithm", ["ppo", "trpo"])
def test_restored_learner_continues_bit_for_bit(algorithm):
    family = TabularMDPs()
    one = learner(family, episodes=2, algorithm=algorithm)
    one.train()
    state = copy.deepcopy(one.state_dict())
    two = learner(family, seed=9, episodes=2, algorithm=algorithm)
    two.load_state_dict(state)
    assert one.train() == two.train()
    for a, b in zip(one.policy.parameters(), two.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_adapting_leaves_the_learner_as_it_was():
    family = BernoulliBandits(3, 5)
    agent = learner(family)
    agent.train()
    before = copy.deepcopy(agent.state_dict())
    returns = agent.adapt(family.test_tasks(20, np.random.default_rng(0)), 5, np.random.default_rng(1))
    assert returns.shape == (20, 5)
    after = agent.state_dict()
    assert before["rng"] == after["rng"]
    assert all(torch.equal(before["policy"][name], after["policy"][name]) for name in before["policy"])


def test_a_transferred_policy_plays_as_its_owner():
    family = BernoulliBandits(3, 5)
    owner = learner(family)
    shape = {
        name: SMALL[name] for name in ("hidden_size", "candidate", "weight_norm", "head_scale", "update_bias", "inputs")
    }
    guest = Transfer(family, Transfer.Config(**shape), np.random.SeedSequence(4), needed={"policy": owner.state_dict()})
    tasks = family.test_tasks(20, np.random.default_rng(0))
    ours, theirs = (agent.adapt(tasks, 5, np.random.default_rng(1)) for agent in (guest, owner))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("algorithm", ["ppo", "trpo"])
def test_training_runs_on_a_gpu(algorithm):
    config = RL2.Config(**SMALL | {"algorithm": algorithm})
    agent = RL2(TabularMDPs(4, 2, 3), config, np.random.SeedSequence(0), device="cuda")
    metrics = [agent.train() for _ in range(2)]
    assert all(np.isfinite(list(row.values())).all() for row in metrics)
    assert {p.device.type for p in agent.policy.parameters()} == {"cuda"}
    tasks = agent.family.test_tasks(3, np.random.default_rng(0))
    assert agent.adapt(tasks, 5, np.random.default_rng(1)).shape == (3, 5)


def test_imitation_learns_to_agree_with_its_teacher():
    family = BernoulliBandits(3, 10)
    config = Imitation.Config(
        hidden_size=32,
        candidate="tanh",
        weight_norm=False,
        head_scale=0.1,
        update_bias=-2.0,
        inputs="separate",
        batch_trials=200,
        minibatch_trials=50,
        learning_rate=0.006,
        learning_rate_decay_steps=100_000,
        max_gradient_norm=0.5,
        teacher_discount=0.9,
    )
    student = Imitation(family, config, np.random.SeedSequence(0))
    agreements = [student.train()["policy/agreement"] for _ in range(40)]
    assert agreements[0] < 0.7 < 0.85 < agreements[-1]


def test_bandits_have_no_state_input():
    assert TrialEncoder(*_spaces(BernoulliBandits(5, 10))).width == 5 + 2
    assert TrialEncoder(*_spaces(TabularMDPs())).width == 10 + 5 + 2


def _spaces(family: TaskFamily):
    return family.observation_space, family.action_space


class TwoSides(PointRobot):
    """A point that starts between two goals, of which one counts."""

    horizon = 5

    def __init__(self):
        super().__init__()
        self.train_set = self.test_set = np.array([[0.4, 0.0], [-0.4, 0.0]])

    def start(self, n, rng):
        return np.zeros((n, 2))


def test_continuous_states_and_actions_are_taken_as_they_are():
    family = TwoSides()
    agent = learner(family, episodes=2)
    assert agent.encoder.width == 2 + 2 + 2
    trials = play(*parts(agent), family, family.train_set, 2, np.random.default_rng(0))
    assert trials.actions.shape == (10, 2, 2)
    assert trials.actions.abs().max() > 1  # what was drawn; the point moves by what is within [-1, 1]
    moves = trials.actions[:4].clamp(-1, 1) * 0.1
    torch.testing.assert_close(trials.inputs[1:5, :, :2], moves.cumsum(0))
    torch.testing.assert_close(trials.inputs[1:, :, 2:4], trials.actions[:-1])
    torch.testing.assert_close(trials.inputs[1:, :, 4], torch.from_numpy(trials.rewards[:-1]))
    assert trials.inputs[:, 0, 5].tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert (trials.inputs[5, :, :2] == 0).all()  # a new episode begins at the start
    assert trials.lived is None
    with pytest.raises(ValueError, match="discrete"):
        learner(family, inputs="transition")


def test_continuous_tests_are_played_with_the_mean_action():
    family = TwoSides()
    agent = learner(family, episodes=2)
    returns = [agent.adapt(family.test_set, 2, np.random.default_rng(seed)) for seed in (0, 1)]
    np.testing.assert_array_equal(*returns)


@pytest.mark.parametrize("algorithm", ["ppo", "trpo"])
def test_steps_after_an_early_end_count_for_nothing(algorithm):
    family = HopperDynamics()
    agent = learner(family, episodes=2, batch_steps=1600, minibatch_trials=2, algorithm=algorithm, inputs="separate")
    trials = play(*parts(agent), family, family.train_set[:4], 2, np.random.default_rng(0))
    assert trials.lived is not None
    assert (trials.rewards[~trials.lived.numpy()] == 0).all()
    assert trials.lived[0].all()
    assert trials.lived[200].all()  # the second episode begins for all at once
    assert trials.steps == trials.lived.sum() < 1600
    # What the network would have done while it stood still does not matter to the update.
    wild = trials._replace(actions=torch.where(trials.lived[..., None], trials.actions, 1e3))
    twin = copy.deepcopy(agent)
    update = ppo_update if algorithm == "ppo" else trpo_update
    advantages, _, _ = agent._advantages(trials)
    assert update(agent, trials, advantages) == update(twin, wild, advantages)
    agent.train()
    assert 0 < agent.env_steps < 1600


@pytest.mark.slow
def test_learns_to_find_out_which_side_counts():
    family = TwoSides()
    agent = learner(
        family, episodes=2, hidden_size=32, batch_steps=4000, minibatch_trials=50, gae_lambda=0.9, entropy_bonus=0.0
    )
    for _ in range(40):
        agent.train()
    returns = agent.adapt(family.test_set, 2, np.random.default_rng(0))
    # Who knows the side earns −0.3 − 0.2 − 0.1 = −0.6; who does not is 0.4 away on average, −2 in five steps.
    assert returns[:, 1].mean() > -1.2
    assert returns[:, 1].mean() > returns[:, 0].mean()
