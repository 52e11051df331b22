"""Speed of RL²: the training loop against torch's fused GRU on the same shapes, and the task families alone.

    python -m benchmarks.rl2_speed

Ratios are taken within one run, on one thread. The reference counts the forward and backward sequence passes of one
meta-iteration and asks what they would take at the rate of `torch.nn.GRU` with a linear head.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from replications.rl2.rl2 import RL2
from replications.rl2.tasks import BernoulliBandits, TabularMDPs
from shared.study.schema import load_replications

ROOT = Path(__file__).resolve().parents[1]
IN_PARALLEL = 10_000


def best_seconds(function, repeats: int) -> float:
    """Return the shortest of `repeats` timings of `function()` after one that warms up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def steps_per_second(family, steps: int = 50) -> float:
    """Environment steps per second of one family, with the resets at episode ends."""
    rng = np.random.default_rng(0)
    envs = family.make(IN_PARALLEL)
    envs.set_tasks(family.train_tasks(IN_PARALLEL, rng))
    actions = rng.integers(0, family.action_space.n, (steps, IN_PARALLEL))
    everyone = {"reset_mask": np.ones(IN_PARALLEL, dtype=bool)}

    def run():
        envs.reset(seed=0)
        for t, action in enumerate(actions, 1):
            envs.step(action)
            if family.horizon > 1 and t % family.horizon == 0:
                envs.reset(options=everyone)

    return steps * IN_PARALLEL / best_seconds(run, 40)


def fused_seconds(width: int, hidden: int, outputs: int, steps: int, trials: int, backward: bool) -> float:
    """Seconds of one pass of `torch.nn.GRU` and a linear head over `(steps, trials, width)`."""
    gru, head = torch.nn.GRU(width, hidden), torch.nn.Linear(hidden, outputs)
    inputs = torch.randn(steps, trials, width)

    def run():
        with torch.set_grad_enabled(backward):
            loss = head(gru(inputs)[0]).square().mean()
            if backward:
                loss.backward()

    return best_seconds(run, 3)


def training_ratio(experiment: str, method: str) -> tuple[float, float]:
    """Return (environment steps per second of training, share of the fused GRU's rate)."""
    run = load_replications(ROOT)["rl2"].run(experiment, method, 0, "night")
    family_name = run.family.split(":")[1]
    family = {"BernoulliBandits": BernoulliBandits, "TabularMDPs": TabularMDPs}[family_name](**run.family_config)
    config = RL2.Config(**run.hyperparameters)
    learner = RL2(family, config, np.random.SeedSequence(0))
    seconds = best_seconds(learner.train, 3)

    steps = config.episodes * family.horizon
    trials, block = config.batch_steps // steps, min(config.minibatch_trials, config.batch_steps // steps)
    width, actions = learner.encoder.width, learner.encoder.actions
    shape = (width, config.hidden_size)
    forward = {n: fused_seconds(*shape, n, steps, block, False) / block for n in (1, actions)}
    both = {n: fused_seconds(*shape, n, steps, block, True) / block for n in (1, actions)}
    # Per trial: acting, the baseline's values, and the updates.
    counted = forward[actions] + forward[1] + config.baseline_epochs * both[1]
    if config.algorithm == "ppo":
        counted += config.policy_epochs * both[actions]
    else:
        # A Fisher product is one tangent pass and one gradient pass without its forward pass: as much as both passes.
        counted += both[actions] + config.fisher_share * (config.cg_iterations + 1) * both[actions]
        counted += config.fisher_share * 2 * forward[actions]
    return trials * steps / seconds, trials * counted / seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    torch.set_num_threads(1)
    print("| tasks | million steps/s at 10,000 in parallel |\n| --- | --- |")
    for name, family in (("bandits, k=5", BernoulliBandits(5, 10)), ("bandits, k=50", BernoulliBandits(50, 10))):
        print(f"| {name} | {steps_per_second(family) / 1e6:.1f} |")
    print(f"| tabular MDPs | {steps_per_second(TabularMDPs()) / 1e6:.1f} |")
    print("\n| training | steps/s | share of the fused GRU's rate |\n| --- | --- | --- |")
    for experiment, method in (
        ("bandit-k5-n10", "rl2"),
        ("bandit-k10-n100", "rl2"),
        ("tabular-n10", "rl2"),
        ("ablation-tabular", "rl2-trpo"),
        ("bandit-k5-n10", "rl2-published"),
    ):
        rate, share = training_ratio(experiment, method)
        print(f"| {experiment}/{method} | {rate:,.0f} | {share:.2f} |")


if __name__ == "__main__":
    main()
