"""Speed of PEARL's gradient steps against matrix products in the same run, and where the time of an iteration goes.

    python -m benchmarks.pearl_speed

A gradient step's floating-point operations are counted layer by layer; the reference is the rate of products of the
shape of the networks' hidden layers, on one thread, taken in turns with the steps.
"""

import argparse
import itertools
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.timing import ROOT, print_profile, seconds
from replications.pearl.actor_critic import ActorCritic
from replications.pearl.encoders import PermutationInvariant
from replications.pearl.pearl import PEARL
from shared.rl.replay import TaskReplay, Transitions
from shared.rl.rollout import Stage
from shared.study.checkpoint import Checkpoints
from shared.study.loading import make_config, make_family
from shared.study.run import ResolvedRun
from shared.study.schema import load_replications

ROUNDS = 20
ENV_STEPS = 500_000  # in memory
PARTS = (
    (Stage, "play", "stepping and acting, tests included"),
    (TaskReplay, "store", "adding to memory"),
    (Transitions, "_take", "drawing from memory"),
    (PermutationInvariant, "forward", "update: encoder, forwards"),
    (ActorCritic, "update", "update: everything else"),
    (Checkpoints, "write", "checkpoints"),
)


def layers(inputs: int, hidden: int, outputs: int, depth: int = 3) -> list[int]:
    """Return the numbers of multiplications per row of an MLP's layers."""
    widths = [inputs, *[hidden] * depth, outputs]
    return [a * b for a, b in itertools.pairwise(widths)]


def counted(agent: PEARL) -> float:
    """Return the floating-point operations of one gradient step: two for every multiplication of a needed product.

    A trained network needs three products per layer (outputs, gradients of weights, gradients of inputs), without the
    last in its first layer unless what it is fed is trained too.
    """
    c, states, actions, z = agent.config, agent.layout.states, agent.layout.actions, agent.config.latent_size
    policy = layers(states + z, c.hidden_size, 2 * actions)
    critic, value = (layers(n + z, c.hidden_size, 1) for n in (states + actions, states))
    width = states + actions + 1 + (states if c.context_next_states else 0)
    encoder = layers(width, c.encoder_size, 2 * z)
    trained = {
        "policy": 3 * sum(policy) - policy[0],
        "critics": 2 * 3 * sum(critic),
        "critics of new actions": 2 * 2 * sum(critic),  # outputs and gradients of inputs
        "value": 3 * sum(value) - value[0],
        "target": sum(value),
    }
    context = c.meta_batch * c.context_size * (3 * sum(encoder) - encoder[0])
    return 2.0 * (c.meta_batch * c.batch_size * sum(trained.values()) + context)


def product_rate(rows: int, width: int) -> float:
    """Return floating-point operations per second of one product of `rows` by `width` by `width`."""
    a, b = torch.randn(rows, width), torch.randn(width, width)
    return 2.0 * rows * width * width / median(seconds(lambda: a @ b) for _ in range(5))


def filled(run: ResolvedRun) -> PEARL:
    """Construct PEARL as `run` has it, its memory as full as at the end of `ENV_STEPS` steps (with random numbers)."""
    agent = PEARL(make_family(run, ROOT), make_config(run, ROOT), np.random.SeedSequence(0))
    tasks, rng = len(agent.family.train_set), np.random.default_rng(0)
    for task in range(tasks):
        for _ in range(ENV_STEPS // tasks // agent.family.horizon):
            rows = rng.standard_normal((agent.family.horizon, agent.layout.width), dtype=np.float32)
            places = agent.replay.store(task, rows)
        for start in range(0, 2000, agent.family.horizon):
            agent.recent.add(task, places[0] - start + np.arange(agent.family.horizon))
    return agent


def print_gradient_steps(runs: list[ResolvedRun]) -> None:
    """Print how long gradient steps take, and what share of the rate of matrix products they reach."""
    print("| gradient step | milliseconds | GFLOP | share of the product rate |\n| --- | --- | --- | --- |")
    for run in runs:
        agent = filled(run)
        rows = agent.config.meta_batch * agent.config.batch_size
        turns = [(seconds(agent._gradient_step), product_rate(rows, agent.config.hidden_size)) for _ in range(ROUNDS)][
            2:
        ]
        operations = counted(agent)
        share = median(operations / t / rate for t, rate in turns)
        milliseconds = median(t for t, _ in turns) * 1e3
        print(f"| {run.experiment}, {run.scale} | {milliseconds:.0f} | {operations / 1e9:.2f} | {share:.2f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    torch.set_num_threads(1)
    replication = load_replications(ROOT)["pearl"]
    runs = [
        run
        for scale in ("paper", "night")
        for run in replication.runs(scale)
        if run.experiment in ("cheetah-dir", "cheetah-vel") and (run.method, run.seed) == ("pearl", 0)
    ]
    print_gradient_steps(runs)
    night = next(run for run in runs if (run.experiment, run.scale) == ("cheetah-dir", "night"))
    print_profile(night.model_copy(update={"env_steps": 30_000, "evaluate_every": 25_000}), PARTS)
    agent = filled(night)
    with TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), night.title, print)
        spent = seconds(lambda: checkpoints.write(1, {"learner": agent.state_dict()}))
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    print(f"\nCheckpoint after {ENV_STEPS:,} environment steps: {size / 2**20:.0f} MB, written in {spent:.2f} s")


if __name__ == "__main__":
    main()
