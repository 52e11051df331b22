import numpy as np
import pytest
import torch
from pydantic import ValidationError

from replications.pearl.actor_critic import ActorCritic, ActorCriticConfig, Encoding
from replications.rl2.tasks import BernoulliBandits
from shared.networks.squashed_gaussian import gaussian_head, sample
from shared.rl.rollout import Batch, Episodes, Layout, Stage
from shared.study.state import from_bytes, to_bytes
from shared.tasks.locomotion import HopperDynamics, WalkerDynamics

CONFIG = ActorCriticConfig(
    hidden_size=16, learning_rate=3e-4, discount=0.9, reward_scale=5.0, target_rate=0.005, policy_penalty=1e-3
)


def actor_critic(latents=2):
    return ActorCritic(3, 2, latents, CONFIG, torch.Generator().manual_seed(0), "cpu")


def batch(rows=6):
    generator = torch.Generator().manual_seed(1)
    s, a, after = (torch.randn(rows, n, generator=generator) for n in (3, 2, 3))
    return Batch(s, a.tanh(), torch.arange(rows) / rows, (torch.arange(rows) % 2).float(), after)


def noise(rows=6):
    return torch.randn(rows, 2, generator=torch.Generator().manual_seed(2))


def parameters(agent):
    networks = {"policy": agent.policy, "critics": agent.critics, "value": agent.value, "target": agent.target}
    return {name: [p.detach().clone() for p in network.parameters()] for name, network in networks.items()}


def test_only_the_critics_loss_reaches_the_latent():
    agent, data = actor_critic(), batch()
    z = torch.full((6, 2), 0.3, requires_grad=True)
    before = parameters(agent)
    # The critics' loss by itself, from the parameters as they are before the update.
    with torch.no_grad():
        y = CONFIG.reward_scale * data.rewards + CONFIG.discount * (1 - data.done) * agent.target(
            torch.cat([data.next_states, z], 1)
        ).squeeze(1)
    loss = sum((c(torch.cat([data.states, data.actions, z], 1)).squeeze(1) - y).square().mean() for c in agent.critics)
    expected = torch.autograd.grad(loss, z)[0]
    agent.update(data, z, noise())
    torch.testing.assert_close(z.grad, expected)
    after = parameters(agent)
    for name in ("policy", "critics", "value", "target"):
        assert any((a != b).any() for a, b in zip(before[name], after[name], strict=True)), name


def test_the_target_network_is_averaged_and_never_descends():
    agent = actor_critic()
    before = parameters(agent)["target"]
    agent.update(batch(), torch.zeros(6, 2), noise())
    for old, new, value in zip(before, agent.target.parameters(), agent.value.parameters(), strict=True):
        torch.testing.assert_close(new, 0.995 * old + 0.005 * value)
        assert not new.requires_grad


def test_the_critics_take_no_step_from_the_policys_loss(monkeypatch):
    # With a critics' loss of zero gradient, the critics stay, though the policy's loss passes through them.
    agent = actor_critic()
    monkeypatch.setattr("replications.pearl.actor_critic.critic_loss", lambda qs, y: 0.0 * sum(q.sum() for q in qs))
    before = parameters(agent)
    agent.update(batch(), torch.zeros(6, 2), noise())
    after = parameters(agent)
    assert all((a == b).all() for a, b in zip(before["critics"], after["critics"], strict=True))
    assert any((a != b).any() for a, b in zip(before["policy"], after["policy"], strict=True))
    assert all(p.requires_grad for p in agent.critics.parameters())


def test_through_the_policy_it_is_the_policys_loss_that_reaches_the_latent():
    agent, data, z = actor_critic(), batch(), torch.full((6, 2), 0.3, requires_grad=True)
    twin = actor_critic()
    twin.update(data, z.detach(), noise())  # leaves the critics as they are when the policy's loss is taken
    agent.critics.load_state_dict(twin.critics.state_dict())
    agent.optimisers["critics"] = torch.optim.SGD(agent.critics.parameters(), lr=0.0)
    agent.update(data, z, noise(), through="policy")
    probe = z.detach().requires_grad_()
    mean, log_std = gaussian_head(actor_critic().policy(torch.cat([data.states, probe], 1)))
    actions, log_probs = sample(mean, log_std, noise())
    q = torch.minimum(*(c(torch.cat([data.states, actions, probe], 1))[:, 0] for c in twin.critics))
    loss = (log_probs - q).mean() + 1e-3 * (mean.square().mean() + log_std.square().mean())
    torch.testing.assert_close(z.grad, torch.autograd.grad(loss, probe)[0])


def test_the_encoder_descends_its_own_loss_and_the_critics():
    agent, weight = actor_critic(), torch.nn.Parameter(torch.tensor([[0.1, -0.2]]))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    z = weight.expand(6, 2)
    own = 3.0 * weight.sum()
    twin = actor_critic()
    probe = z.detach().clone().requires_grad_(True)
    twin.update(batch(), probe, noise())
    start = weight.detach().clone()
    agent.update(batch(), z, noise(), Encoding(own, optimiser))
    torch.testing.assert_close(start - weight.detach(), probe.grad.sum(0, keepdim=True) + 3.0)


def test_terminal_transitions_come_to_the_memory_and_cut_episodes_do_not_look_terminal():
    family = WalkerDynamics()
    stage = Stage(family)
    rng = np.random.default_rng(0)
    wild = np.random.default_rng(1)
    episodes = stage.play(family.train_set[:6], lambda states: wild.uniform(-1, 1, (6, 6)), rng)
    layout = Layout(17, 6)
    fell = 0
    for episode in range(6):
        rows = torch.from_numpy(episodes.rows(episode))
        done = layout.batch(rows[None]).done
        assert len(rows) == episodes.valid[:, episode].sum()
        assert done[:-1].sum() == 0
        assert done[-1] == (len(rows) < family.horizon)
        fell += int(done[-1])
    assert fell > 0


def test_a_row_holds_state_action_reward_done_and_next_state(two_goals):
    family = two_goals()
    rng = np.random.default_rng(0)
    episodes = Stage(family).play(family.train_set, lambda states: np.tile([[1.0, 0.0]], (2, 1)), rng)
    rows, layout = torch.from_numpy(episodes.rows(1)), Layout(2, 2)
    data = layout.batch(rows[None])
    x = torch.arange(10) / 10
    torch.testing.assert_close(data.states, torch.stack([x, torch.zeros(10)], 1))
    torch.testing.assert_close(data.next_states, torch.stack([x + 0.1, torch.zeros(10)], 1))
    torch.testing.assert_close(data.rewards, -(x + 1.0))  # the goal of task 1 lies on the other side
    assert (data.done == 0).all()
    torch.testing.assert_close(layout.context(rows, next_states=False), torch.cat([rows[:, :4], rows[:, 5:6]], 1))
    assert layout.context(rows, next_states=True).shape == (10, 7)


def test_the_schedule_of_a_visit(make_pearl):
    agent = make_pearl(visits=1, initial_steps=20, prior_steps=20, posterior_steps=30, extra_steps=10)
    agent.train()
    # 2 tasks · 20 initial steps, then 20 + 30 + 10 in one task, in episodes of 10.
    assert agent.env_steps == 40 + 60
    visited = int(np.argmax(agent.replay.sizes))
    assert agent.replay.sizes[visited] == 20 + 60
    assert agent.replay.sizes[1 - visited] == 20
    assert agent.recent.sizes[visited] == 20 + 30  # cleared, then prior and posterior data
    assert agent.recent.sizes[1 - visited] == 20  # the initial data


def test_a_task_that_is_visited_twice_forgets_the_first_visit(make_pearl):
    agent = make_pearl(visits=7, prior_steps=10, extra_steps=10)
    agent.train()
    assert agent.env_steps == 40 + 7 * 20
    assert sorted(agent.recent.sizes) == [10, 10]
    assert agent.replay.sizes.sum() == agent.env_steps


def test_the_first_episode_of_a_posterior_phase_has_a_latent_of_the_prior(make_pearl, monkeypatch):
    agent, drawn, asked = make_pearl(), [], []
    monkeypatch.setattr(
        agent, "_sampled", lambda tasks: asked.append(tasks.tolist()) or torch.full((len(tasks), 2), 7.0)
    )
    played = agent._play
    monkeypatch.setattr(agent, "_play", lambda tasks, z: drawn.append(z.clone()) or played(tasks, z))
    agent._gather(np.array([0, 1]), 30, recent=False, posterior=True)
    assert asked == [[0, 0, 1, 1]]  # side by side: nothing is added to what latents are inferred from
    assert [bool((z == 7).all()) for z in drawn[0]] == [False, True, True, False, True, True]
    drawn.clear(), asked.clear()
    agent._gather(np.array([0, 1]), 30, recent=True, posterior=True)
    assert asked == [[0, 1], [0, 1]]  # one after the other: each adds to what the next is inferred from
    assert [len(z) for z in drawn] == [2, 2, 2]


def test_adaptation_explores_with_the_prior_and_then_infers_from_everything(make_pearl, monkeypatch):
    agent, contexts = make_pearl(evaluations=2, exploration_episodes=2), []
    encoder = agent.encoder.forward
    monkeypatch.setattr(agent.encoder, "forward", lambda c, m: contexts.append(tuple(c.shape)) or encoder(c, m))
    seen = []
    act = agent.actor_critic.act
    monkeypatch.setattr(agent.actor_critic, "act", lambda s, z, n: seen.append((z.clone(), n)) or act(s, z, n))
    returns = agent.adapt(agent.family.test_set, 4, np.random.default_rng(0))["return"]
    assert returns.shape == (2, 4)
    assert contexts == [(4, 20, 5), (4, 30, 5)]  # 2 tasks, twice; nothing for the first two episodes
    assert all(n is None for _, n in seen)  # mean actions
    latents = [seen[10 * episode][0] for episode in range(4)]
    assert all((seen[10 * e + t][0] == latents[e]).all() for e in range(4) for t in range(10))  # one per episode
    assert latents[0].unique().numel() == 8  # and one per player


def test_adaptation_leaves_the_learner_as_it_was(make_pearl):
    agent = make_pearl()
    agent.train()
    before = to_bytes(agent.state_dict())
    first, second = (agent.adapt(agent.family.test_set, 3, np.random.default_rng(5))["return"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert to_bytes(agent.state_dict()) == before


VARIANTS = {
    "as published": {},
    "deterministic": {"encoder": "deterministic"},
    "contexts of episodes": {"context_order": "trajectories"},
    "recurrent, transitions": {"encoder": "recurrent", "context_order": "trajectories"},
    "recurrent, trajectories": {
        "encoder": "recurrent",
        "context_order": "trajectories",
        "batch_order": "trajectories",
    },
    "off-policy context": {"context_source": "replay"},
    "batch as context": {"context_source": "batch"},
    "encoder of the policy": {"encoder_objective": "policy"},
    "encoder of a decoder": {"encoder_objective": "reconstruction"},
    "next states": {"context_next_states": True},
    "sparse": {"context_rewards": "sparse", "posterior_steps": 40, "record_paths": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_restored_learner_goes_on_alike(make_pearl, few_goals, variant):
    one, other = (make_pearl(few_goals(), seed, **VARIANTS[variant]) for seed in (0, 1))
    one.train()
    other.load_state_dict(from_bytes(to_bytes(one.state_dict())))
    metrics = [agent.train() for agent in (one, other)]
    assert metrics[0] == metrics[1]
    assert to_bytes(one.state_dict()) == to_bytes(other.state_dict())
    measures = one.adapt(one.family.test_set, 7, np.random.default_rng(0))
    assert all(values.shape == (2, 7) for values in measures.values())
    assert len(measures) == {"sparse": 2 + 40}.get(variant, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("variant", VARIANTS)
def test_training_runs_on_a_gpu(make_pearl, few_goals, variant):
    agent = make_pearl(few_goals(), device="cuda", **VARIANTS[variant])
    metrics = [agent.train() for _ in range(2)]
    assert all(np.isfinite(list(row.values())).all() for row in metrics)
    assert {p.device.type for p in (*agent.encoder.parameters(), *agent.actor_critic.policy.parameters())} == {"cuda"}
    assert agent.adapt(agent.family.test_set, 3, np.random.default_rng(0))["return"].shape == (2, 3)


def test_reconstruction_is_of_rewards_and_next_states_in_units_of_their_spread(make_pearl):
    agent = make_pearl(encoder_objective="reconstruction")
    agent.decoder = lambda inputs: inputs[:, :3]  # as if the state were reward and next state
    batch = Batch(
        states=torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0]]),
        actions=torch.zeros(3, 2),
        rewards=torch.tensor([-100.0, 0.0, 100.0]),  # −1, 0, 1 in units of its spread
        done=torch.zeros(3),
        next_states=torch.tensor([[2.0, 5.0], [4.0, 5.0], [6.0, 5.0]]),  # −1, 0, 1; and always 0
    )
    loss = agent._reconstruction_loss(batch, torch.zeros(3, 2))
    assert loss.item() == pytest.approx((1 + 1 + (3 - 1) ** 2 + 1) / 2, rel=1e-5)


def test_a_deterministic_latent_starts_at_zero_and_repeats_itself(make_pearl):
    agent = make_pearl(encoder="deterministic")
    agent.train()
    returns = agent.adapt(agent.family.test_set, 3, np.random.default_rng(0))["return"]
    assert (agent._prior(torch.ones(4, 2)) == 0).all()
    assert agent._gradient_step()["encoder/kl"] == 0
    assert returns.shape == (2, 3)


def test_paths_are_the_places_after_each_step(make_pearl, few_goals):
    agent = make_pearl(few_goals(), record_paths=True, evaluations=3)
    agent.actor_critic.act = lambda states, z, noise: np.tile([[1.0, -0.5]], (len(states), 1))
    measures = agent.adapt(agent.family.test_set, 2, np.random.default_rng(0))
    np.testing.assert_allclose(measures["x01"], 0.1)
    np.testing.assert_allclose(measures["y20"], -1.0)


def fill(agent):
    """Put rows of 1 into the whole memory, rows of 2 into the recent data, for every task."""
    for task in range(len(agent.family.train_set)):
        agent.replay.store(task, np.full((200, agent.layout.width), 1.0))
        places = agent.replay.store(task, np.full((50, agent.layout.width), 2.0))
        agent.recent.add(task, places)


@pytest.mark.parametrize(("source", "numbers"), [("recent", {2.0}), ("replay", {1.0, 2.0}), ("batch", {1.0, 2.0})])
def test_where_the_context_comes_from(make_pearl, monkeypatch, source, numbers):
    agent, contexts, batches = make_pearl(context_source=source, context_size=40, batch_size=30), [], []
    fill(agent)
    encoder, update = agent.encoder.forward, agent.actor_critic.update
    monkeypatch.setattr(agent.encoder, "forward", lambda c, m: contexts.append(c) or encoder(c, m))
    monkeypatch.setattr(
        agent.actor_critic, "update", lambda b, *rest, **named: batches.append(b) or update(b, *rest, **named)
    )
    for _ in range(5):
        agent._gradient_step()
    assert set(torch.cat([c.unique() for c in contexts]).tolist()) == numbers
    assert set(torch.cat([b.rewards.unique() for b in batches]).tolist()) == {1.0, 2.0}
    assert contexts[0].shape == (3, 30 if source == "batch" else 40, 5)
    same = torch.equal(contexts[0][..., -1].flatten(), batches[0].rewards)
    assert same == (source == "batch")


def test_batches_of_trajectories_and_recurrent_contexts_follow_time(make_pearl, monkeypatch):
    orders = {"batch_order": "trajectories", "context_order": "trajectories"}
    agent, seen = make_pearl(**orders, encoder="recurrent", batch_size=15, context_size=12), {}
    agent._gather(np.array([0, 1]), 40, recent=True)
    encoder, update = agent.encoder.forward, agent.actor_critic.update
    monkeypatch.setattr(agent.encoder, "forward", lambda c, m: seen.update(context=c) or encoder(c, m))
    monkeypatch.setattr(agent.actor_critic, "update", lambda b, *r, **n: seen.update(batch=b) or update(b, *r, **n))
    agent._gradient_step()
    after, states = (x.view(3, 15, 2) for x in (seen["batch"].next_states, seen["batch"].states))
    torch.testing.assert_close(after[:, :9], states[:, 1:10])  # an episode of ten steps from its start
    assert (states[:, [0, 10]] == 0).all()  # and then the next one
    places, moves = seen["context"][..., :2], seen["context"][..., 2:4].clamp(-1, 1) * 0.1
    torch.testing.assert_close(places[:, 1:10], moves[:, :9].cumsum(1))


def test_critics_learn_from_dense_rewards_where_the_context_has_sparse_ones(make_pearl, few_goals):
    family = few_goals()
    family.radius = 0.8  # so wide that first, random ways come across a goal
    agent = make_pearl(family, context_rewards="sparse")
    agent._gather(np.arange(6), 200, recent=True)
    rows = agent.replay.sample(np.arange(6), 500, np.random.default_rng(0))
    data, context = agent.layout.batch(rows), agent.layout.context(rows, next_states=False)
    goals = torch.from_numpy(agent.family.train_set).float().repeat_interleave(500, dim=0)
    distances = (data.next_states - goals).norm(dim=1)
    torch.testing.assert_close(data.rewards, -distances)
    sparse = torch.where(distances <= 0.8, 1 - distances, 0.0)
    torch.testing.assert_close(context[..., -1].flatten(), sparse)
    assert (sparse > 0).any()


def test_recurrent_encoders_refuse_contexts_without_order(make_pearl):
    with pytest.raises(ValidationError, match="context_order must be 'trajectories'"):
        make_pearl(encoder="recurrent")


def test_the_kl_divergence_is_weighted(make_pearl):
    gradients = {}
    for weight in (0.0, 1.0, 3.0):
        agent = make_pearl(kl_weight=weight)
        fill(agent)
        agent._gradient_step()
        gradients[weight] = torch.cat([p.grad.flatten() for p in agent.encoder.parameters()])
    unit = gradients[1.0] - gradients[0.0]
    assert unit.norm() > 0
    torch.testing.assert_close(gradients[3.0] - gradients[0.0], 3 * unit, rtol=1e-3, atol=1e-4)


def test_values_and_policy_follow_the_critics_after_their_step():
    agent, data, z = actor_critic(), batch(), torch.full((6, 2), 0.3)
    by_hand = actor_critic()
    with torch.no_grad():
        y = 5.0 * data.rewards + 0.9 * (1 - data.done) * by_hand.target(torch.cat([data.next_states, z], 1))[:, 0]
    taken = torch.cat([data.states, data.actions, z], 1)
    optimiser = torch.optim.Adam(by_hand.critics.parameters(), lr=3e-4)
    sum((c(taken)[:, 0] - y).square().mean() for c in by_hand.critics).backward()
    optimiser.step()
    mean, log_std = gaussian_head(by_hand.policy(torch.cat([data.states, z], 1)))
    actions, log_probs = sample(mean, log_std, noise())
    q = torch.minimum(*(c(torch.cat([data.states, actions, z], 1))[:, 0] for c in by_hand.critics))
    values = by_hand.value(torch.cat([data.states, z], 1))[:, 0]
    metrics = agent.update(data, z, noise())
    assert metrics["value/loss"].item() == pytest.approx((values - (q - log_probs)).square().mean().item(), rel=1e-4)
    penalty = 1e-3 * (mean.square().mean() + log_std.square().mean())
    assert metrics["policy/loss"].item() == pytest.approx(((log_probs - q).mean() + penalty).item(), rel=1e-4)


def test_early_ends_are_remembered_as_such(make_pearl):
    agent = make_pearl(HopperDynamics(), visits=2, initial_steps=60, prior_steps=60, posterior_steps=60, extra_steps=60)
    agent.train()
    assert agent.env_steps == agent.replay.sizes.sum()
    visited = agent.replay.sizes >= 240
    assert 1 <= visited.sum() <= 2
    assert (agent.replay.sizes >= 60).all()
    rows = agent.replay.sample(np.arange(40), 400, np.random.default_rng(0))
    assert 0 < agent.layout.batch(rows).done.mean() < 0.5
    returns = agent.adapt(agent.family.test_set[:3], 3, np.random.default_rng(0))["return"]
    assert returns.shape == (3, 3)


def test_families_need_training_tasks_to_return_to(make_pearl):
    with pytest.raises(ValueError, match="fixed set of training tasks"):
        make_pearl(BernoulliBandits(2, 3))


@pytest.mark.slow
def test_learns_to_find_out_where_the_goal_is(make_pearl):
    agent = make_pearl(
        hidden_size=32, encoder_size=32, learning_rate=1e-3, encoder_learning_rate=1e-3, target_rate=0.05, discount=0.8,
        reward_scale=20.0, batch_size=32, meta_batch=4, context_size=20, gradient_steps=100, prior_steps=40,
        extra_steps=40, initial_steps=100, evaluations=64,
    )  # fmt: skip
    for _ in range(14):
        agent.train()
    returns = agent.adapt(agent.family.test_set, 2, np.random.default_rng(0))["return"].mean(axis=0)
    # The best for who knows is −0.3 − 0.2 − 0.1 here and −0.8 − 0.7 − … − 0.1 there: −2.1 on average. Who does not know
    # is everywhere 0.65 away on average, −6.5 in ten steps.
    assert returns[0] < -5.5
    assert returns[1] > -4.2


def test_configuration_is_checked(make_pearl):
    with pytest.raises(ValidationError, match="encoder"):
        make_pearl(encoder="variational")
    with pytest.raises(ValidationError, match="latents"):
        make_pearl(latents=5)


def test_episodes_know_which_steps_took_place():
    valid = np.array([[True, True], [True, False]])
    shape = (2, 2)
    episodes = Episodes(
        np.zeros((*shape, 1)), np.zeros((*shape, 1)), np.ones(shape), np.ones(shape), np.zeros((*shape, 1)),
        np.array([[False, True], [False, True]]), valid,
    )  # fmt: skip
    assert [len(episodes.rows(e)) for e in (0, 1)] == [2, 1]
