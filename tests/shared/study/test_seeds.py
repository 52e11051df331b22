"""Random numbers are fixed by the run and the purpose, and by nothing else."""

import itertools

import numpy as np

from shared.study.seeds import generator, generator_state, restore_generator, seed_sequence, task_generator


def test_streams_are_the_same_everywhere():
    # Recorded once: results that are already shipped depend on this number.
    assert seed_sequence("rl2", "bandit", "rl2", 0, "learner").entropy == 48247342375172750325005384528448901022


def test_every_part_of_the_key_matters():
    keys = list(itertools.product(["a", "b"], ["x", "y"], ["m", None], [0, 1, None], ["learner", "evaluation"]))
    draws = {generator(*key).integers(2**63) for key in keys}
    assert len(draws) == len(keys)


def test_parts_of_the_key_do_not_run_together():
    assert generator("ab", "c", "m", 0, "p").random() != generator("a", "bc", "m", 0, "p").random()


def test_test_tasks_belong_to_the_experiment():
    assert task_generator("rl2", "bandit").random() == task_generator("rl2", "bandit").random()
    assert task_generator("rl2", "bandit").random() != task_generator("rl2", "mdp").random()


def test_a_saved_state_does_not_move_with_its_generator():
    rng = np.random.default_rng(0)
    state = generator_state(rng)
    expected = rng.random(3)
    restore_generator(rng, state)
    assert (rng.random(3) == expected).all()


def test_nothing_touches_the_global_generator():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 (the global generator is what is looked at)
    generator("a", "b", "c", 0, "d").random()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
