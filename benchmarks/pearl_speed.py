"""Speed of PEARL's gradient steps against matrix products in the same run, and where the time of an iteration goes.

    python -m benchmarks.pearl_speed

A gradient step's floating-point operations are counted layer by layer; the reference is the rate of products of the
shape of the networks' hidden layers, on one thread, taken in turns with the steps.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import torch

from replications.pearl.actor_critic import ActorCritic
from replications.pearl.pearl import PEARL
from shared.rl.replay import TaskReplay
from shared.rl.rollout import Stage
from shared.study.loading import make_config, make_family
from shared.study.run import ResolvedRun
from shared.study.schema import load_replications
from shared.study.state import to_bytes

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 20
SHAPES = {"cheetah-dir": 1000, "cheetah-vel": 200}  # experiment → environment steps per task in memory


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


def seconds(call: Callable[[], object]) -> float:
    """Return how long `call()` takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def product_rate(rows: int, width: int) -> float:
    """Return floating-point operations per second of one product of `rows` by `width` by `width`."""
    a, b = torch.randn(rows, width), torch.randn(width, width)
    return 2.0 * rows * width * width / median(seconds(lambda: a @ b) for _ in range(5))


def make(run: ResolvedRun, **changes: object) -> PEARL:
    """Construct PEARL as `run` has it, with `changes` to its hyper-parameters."""
    config = make_config(run, ROOT)
    return PEARL(make_family(run, ROOT), config.model_copy(update=changes), np.random.SeedSequence(0))


@contextmanager
def clocked(totals: dict[str, float]) -> Iterator[None]:
    """Add up in `totals` the seconds spent in stepping, in drawing from memory, and in updates."""

    def watch(owner: type, name: str, label: str):
        function = getattr(owner, name)

        def timed(*args: object, **kwargs: object) -> object:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                totals[label] = totals.get(label, 0.0) + time.perf_counter() - started

        return patch.object(owner, name, timed)

    with (
        watch(Stage, "play", "stepping and acting"),
        watch(TaskReplay, "sample", "drawing from memory"),
        watch(TaskReplay, "add", "adding to memory"),
        watch(ActorCritic, "update", "actor, critics and encoder's gradient"),
    ):
        yield


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    torch.set_num_threads(1)
    replication = load_replications(ROOT)["pearl"]
    print("| gradient step | milliseconds | GFLOP | share of the product rate |\n| --- | --- | --- | --- |")
    for experiment, steps in SHAPES.items():
        for scale in ("paper", "night"):
            runs = [r for r in replication.runs(scale) if (r.experiment, r.method, r.seed) == (experiment, "pearl", 0)]
            for run in runs:
                agent = make(run)
                agent._gather(np.arange(len(agent.family.train_set)), steps, recent=True)
                rows = agent.config.meta_batch * agent.config.batch_size
                operations, turns = counted(agent), []
                for _ in range(ROUNDS):
                    turns.append((seconds(agent._gradient_step), product_rate(rows, agent.config.hidden_size)))
                times = [t for t, _ in turns[2:]]
                share = median(operations / t / rate for t, rate in turns[2:])
                print(f"| {experiment}, {scale} | {median(times) * 1e3:.0f} | {operations / 1e9:.2f} | {share:.2f} |")

    run = next(r for r in replication.runs("night") if (r.experiment, r.method) == ("cheetah-dir", "pearl"))
    agent, totals = make(run, gradient_steps=300), {}
    agent.train()
    with clocked(totals):
        # Scaled to the gradient steps that belong to one meta-iteration.
        whole = seconds(agent.train)
    factor = run.hyperparameters["gradient_steps"] / 300
    updating = {k: v for k, v in totals.items() if not k.startswith(("stepping", "adding"))}
    collecting = {k: v for k, v in totals.items() if k not in updating}
    rest = whole - sum(totals.values())
    scaled = collecting | {k: v * factor for k, v in (updating | {"encoder and everything else": rest}).items()}
    print("\n| share of an iteration, cheetah-dir at night | |\n| --- | --- |")
    for name, spent in scaled.items():
        print(f"| {name} | {100 * spent / sum(scaled.values()):.0f} % |")

    started = time.perf_counter()
    size = len(to_bytes(agent.state_dict()))
    print(f"\nCheckpoint after {agent.env_steps:,} environment steps: {size / 2**20:.1f} MB", end=", ")
    print(f"{(time.perf_counter() - started) * 1e3:.0f} ms to serialise")


if __name__ == "__main__":
    main()
