import numpy as np
import pytest
import torch

from replications.dream.trials import Drawn


@pytest.fixture
def played(make):
    """Return a function that makes a learner, lets it train, and returns it with a batch of what it has played."""

    def playing(name, **changes):
        learner = make(name, **changes)
        learner.train()
        return learner, learner.memory.whole(Drawn(np.arange(8)))

    return playing


def recalled(learner, batch):
    inputs = batch.states, batch.goals, batch.before, batch.earned, batch.begins
    return learner.agents["agent"].network["experience"](*inputs)[0]


def trained_parts(learner, loss):
    """Return which parts of the network `loss` has a gradient for."""
    network = learner.agents["agent"].network
    network.zero_grad()
    loss.backward()
    return {
        part
        for part in network
        if any(p.grad is not None and p.grad.abs().sum() > 0 for p in network[part].parameters())
    }


@pytest.mark.parametrize("counted", [False, True])
def test_what_exploration_earns_counts_for_rl2_alone(played, counted):
    learner, batch = played("e-rl2", count_exploration=counted)
    state = {key: value.clone() for key, value in learner.agents["agent"].network.state_dict().items()}
    losses = []
    for shift in (0.0, 10.0):
        learner.agents["agent"].network.load_state_dict(state)
        shifted = batch._replace(rewards=batch.rewards + shift * batch.explores)
        losses.append(learner._step(shifted)["agent/loss"].item())
    assert (losses[0] != losses[1]) == counted


def test_imports_memory_is_drawn_to_the_embedding_and_not_the_other_way(played):
    learner, batch = played("import")
    memory = recalled(learner, batch)
    losses = learner.losses(batch, memory)
    embedded = learner.agents["agent"].network["encoder"](batch.problems)
    by_hand = sum(
        (memory[t, trial] - embedded[trial]).square().sum()
        for trial in range(8)
        for t in range(int(batch.lengths[trial]))
    )
    assert losses["imitation_loss"].item() == pytest.approx(by_hand.item() / 8, rel=1e-5)
    assert trained_parts(learner, losses["imitation_loss"]) == {"experience"}


def test_import_is_told_embeddings_in_even_trials_and_in_even_gradient_steps(played):
    learner, batch = played("import")
    network, tasks = learner.agents["agent"].network, learner.family.trials(0, 4)
    memory = torch.zeros(1, 4, 64)
    learner.memory.added = 10
    told = learner.told(memory, tasks, greedy=False)
    embedded = network["encoder"](learner.problems_of(tasks))
    assert torch.equal(told[0, ::2], embedded[::2])
    assert torch.equal(told[0, 1::2], memory[0, 1::2])
    assert torch.equal(learner.told(memory, tasks, greedy=True), memory)
    for updates in (0, 1):
        learner.agents["agent"].updates = updates
        with_it = learner.learned_with(recalled(learner, batch), batch)
        loss = learner.values(network, with_it, batch.states, batch.goals).sum()
        assert trained_parts(learner, loss) == {"head", "situation", "experience" if updates else "encoder"}


def test_varibads_beliefs_learn_to_tell_every_transition(played):
    learner, batch = played("varibad-all")
    memory, network = recalled(learner, batch), learner.agents["agent"].network
    loss = learner.losses(batch, memory)["decoder_loss"]
    situations, by_hand = network["situation"](batch.states, batch.goals), 0.0
    decoder = network["decoder"]
    for trial in range(8):
        steps = range(int(batch.lengths[trial]))
        for belief in steps:
            for t in steps:
                action = decoder.actions(batch.actions[t, trial])
                features = decoder.layers(torch.cat([memory[belief, trial], situations[t, trial], action]))
                after = batch.states.values[batch.states.where[t + 1, trial]].float()
                by_hand += (decoder.reward(features)[0] - batch.rewards[t, trial]).square().item()
                by_hand += 0.01 * (decoder.state(features) - after).square().sum().item()
    assert loss.item() == pytest.approx(by_hand / 8, rel=1e-4)
    assert trained_parts(learner, loss) == {"decoder", "experience", "situation"}


def test_transitions_drawn_at_random_stand_for_all(played, make):
    learner, batch = played("varibad-all")
    some = make("varibad", decoded=4)
    some.agents["agent"].network.load_state_dict(learner.agents["agent"].network.state_dict())
    with torch.no_grad():
        memory = recalled(learner, batch)
        everything = learner.losses(batch, memory)["decoder_loss"].item()
        drawn = np.array([some.losses(batch, memory)["decoder_loss"].item() for _ in range(400)])
    assert drawn.mean() == pytest.approx(everything, abs=4 * drawn.std() / 20)
    assert drawn.std() > 0
