import numpy as np
import pytest
import torch

from replications.dream.dream import decoder_loss
from replications.dream.networks import Distinct
from replications.dream.trials import Drawn


@pytest.fixture
def played(make):
    """DREAM after an iteration, and a batch of what it has played."""
    learner = make("dream")
    learner.train()
    return learner, learner.memory.batch(Drawn(np.arange(8)))


def exploit_gradients(learner, loss):
    network = learner.agents["exploit"].network
    network.zero_grad()
    loss.backward()
    return {
        part: any(p.grad is not None and p.grad.abs().sum() > 0 for p in network[part].parameters()) for part in network
    }


def first(states, count):
    return Distinct(states.values, states.where[:count])


def test_exploration_earns_what_each_step_tells(played):
    learner, batch = played
    gains = learner.information_gain(batch)
    decoder, encoder = (learner.agents["exploit"].network[part] for part in ("decoder", "encoder"))
    states, actions = batch.explore.states, batch.explore.actions
    for trial in range(8):
        steps = int(batch.explore.lengths[trial])
        means = encoder(batch.problems)[trial]
        for t in range(steps):
            # Two decodings of nothing but the beginnings, the shorter without the step.
            longer = decoder(first(states, t + 2), actions[: t + 1])[-1, trial]
            shorter = decoder(first(states, t + 1), actions[:t])[-1, trial] if t else decoder(states, actions)[0, trial]
            expected = (means - shorter).square().sum() - (means - longer).square().sum()
            assert gains[t, trial].item() == pytest.approx(expected.item(), abs=1e-4)


def test_an_empty_trajectory_says_the_same_of_every_problem(played):
    learner, batch = played
    decoded = learner.agents["exploit"].network["decoder"](batch.explore.states, batch.explore.actions)
    assert torch.allclose(decoded[0], decoded[0, :1].expand_as(decoded[0]))
    assert not torch.allclose(decoded[-1], decoded[-1, :1].expand_as(decoded[-1]))


def test_decoding_by_hand():
    decoded = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 3.0]], [[9.0, 9.0], [0.0, 0.0]]])
    encoded = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    # The first trajectory has one step: its beginnings are 1 and 0 away; the second has two: 1, 4 and 1.
    assert decoder_loss(decoded, encoded, torch.tensor([1, 2])).item() == pytest.approx((1 + 0 + 1 + 4 + 1) / 5)


def test_decoding_teaches_the_decoder_alone(played):
    learner, batch = played
    network = learner.agents["exploit"].network
    decoded = network["decoder"](batch.explore.states, batch.explore.actions)
    loss = decoder_loss(decoded, network["encoder"](batch.problems), batch.explore.lengths)
    assert exploit_gradients(learner, loss) == {"q": False, "encoder": False, "decoder": True}


def test_exploring_teaches_neither_encoder_nor_decoder(played):
    learner, batch = played
    exploit, explore = learner.agents["exploit"].network, learner.agents["explore"].network
    before = [{k: v.clone() for k, v in net.state_dict().items()} for net in (exploit, explore)]
    learner._explore_step(batch)
    assert all(torch.equal(value, before[0][key]) for key, value in exploit.state_dict().items())
    assert any(not torch.equal(value, before[1][key]) for key, value in explore.state_dict().items())


@pytest.mark.parametrize("told", [True, False])
def test_values_teach_whoever_the_latent_is_from(make, told):
    """Where the bottleneck does not press and decoding is left out, the encoder learns from values alone, if told."""
    learner = make("dream", free_norm=1e6)
    learner.train()
    agent, batch = learner.agents["exploit"], learner.memory.batch(Drawn(np.arange(8)))
    agent.updates = int(told)
    before = {key: value.clone() for key, value in agent.network["encoder"].state_dict().items()}
    learner._exploit_step(batch)
    moved = [not torch.equal(value, before[key]) for key, value in agent.network["encoder"].state_dict().items()]
    gradients = [p.grad for p in agent.network["encoder"].parameters()]
    assert all(moved) or not told
    assert any(g is not None and g.abs().sum() > 0 for g in gradients) == told


def test_the_bottleneck_presses_on_long_latents_alone(make):
    learner = make("dream")
    learner.train()
    agent, batch = learner.agents["exploit"], learner.memory.batch(Drawn(np.arange(8)))
    with torch.no_grad():
        agent.network["encoder"].layers[1].weight.mul_(20.0)
    agent.updates = 0  # the latent is the decoder's: values do not teach the encoder
    norms = [learner._exploit_step(batch)["latent_norm"].item()]
    for _ in range(20):
        agent.updates = 0
        norms.append(learner._exploit_step(batch)["latent_norm"].item())
    assert norms[0] > 10
    assert norms[-1] < norms[0]


def test_without_bottleneck_nothing_presses(make):
    learner = make("dream", bottleneck=False)
    learner.train()
    agent, batch = learner.agents["exploit"], learner.memory.batch(Drawn(np.arange(8)))
    agent.updates = 0
    learner._exploit_step(batch)
    assert all(p.grad is None or p.grad.abs().sum() == 0 for p in agent.network["encoder"].parameters())


def test_targets_are_told_the_problem(played):
    """As in the authors' code, also where the values learned are those of a decoded latent."""
    learner, batch = played
    agent = learner.agents["exploit"]
    losses = []
    for shift in (0.0, 5.0):
        with torch.no_grad():
            agent.target["encoder"].layers[1].bias.add_(shift)
        learner.noise.manual_seed(0)
        agent.updates, state = 0, {key: value.clone() for key, value in agent.network.state_dict().items()}
        losses.append(learner._exploit_step(batch)["loss"].item())
        agent.network.load_state_dict(state)
    assert losses[0] != losses[1]


def test_latents_of_problems_alike_are_told_apart_from_others(make):
    from replications.dream.tasks import DistractingBus

    metrics = make("dream", DistractingBus()).distances()
    assert set(metrics) == {"latent/alike", "latent/different"}
    assert "latent/alike" not in make("dream").distances()  # every problem of the map has a permutation of its own


def test_random_actions_of_exploration_die_out_on_their_own(make):
    learner = make("dream", epsilon_steps=100, explore_epsilon_steps=400)
    for agent in learner.agents.values():
        agent.advance(200)
    assert learner.agents["explore"].epsilon == pytest.approx(1 - 0.99 / 2)
    assert learner.agents["exploit"].epsilon == 0.01
