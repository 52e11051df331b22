"""Speed of DREAM's grid worlds and room, and of training in them, and where the time of a training goes.

    python -m benchmarks.dream_speed

Stepping is compared, in turns, with the authors' way: one problem at a time (the same stepper, for one).
"""

import argparse
from statistics import median

import numpy as np
import torch

from benchmarks.timing import ROOT, print_profile, seconds
from replications.dream.coupled import CoupledLearner
from replications.dream.dream import DREAM
from replications.dream.sign_room import SignRoom
from replications.dream.tabular import RevealingAction
from replications.dream.tasks import Cooking, CourseMap, DistractingBus, GridFamily, Map
from replications.dream.trials import TrialReplay
from shared.study.checkpoint import Checkpoints
from shared.study.schema import load_replications
from shared.tasks.family import TaskFamily

PROBLEMS = 1024
ROUNDS = 9
PARTS = (
    (DREAM, "play_trials", "playing: exploring, exploiting, tests"),
    (CoupledLearner, "play_trials", "playing: both episodes, tests"),
    (GridFamily, "trials", "drawing problems and goals"),
    (TrialReplay, "batch", "drawing batches"),
    (TrialReplay, "whole", "drawing batches of whole trials"),
    (DREAM, "_explore_step", "gradient steps of exploration"),
    (DREAM, "_exploit_step", "gradient steps of exploitation, encoder and decoder"),
    (CoupledLearner, "_step", "gradient steps"),
    (Checkpoints, "write", "checkpoints"),
)


def steps_per_second(family: TaskFamily, count: int) -> float:
    """Return the environment steps per second of `count` problems stepped together, resets included."""
    rng, envs = np.random.default_rng(0), family.make(count)
    tasks = family.train_tasks(count, rng)
    actions = rng.integers(family.action_space.n, size=(family.horizon, count))

    def trial() -> None:
        envs.set_tasks(tasks)
        for _ in range(2):
            envs.reset()
            for chosen in actions:
                envs.step(chosen)

    trial()
    return 2 * family.horizon * count / median(seconds(trial) for _ in range(3))


def print_stepping() -> None:
    """Print how fast every family steps, many problems at once and one alone."""
    print(f"| steps per second | {PROBLEMS} problems | one | ratio |\n| --- | --- | --- | --- |")
    for family in (DistractingBus(), Map(), CourseMap(), Cooking(), SignRoom(), RevealingAction(32)):
        turns = [(steps_per_second(family, PROBLEMS), steps_per_second(family, 1)) for _ in range(ROUNDS)]
        many, one = (median(speeds) for speeds in zip(*turns, strict=True))
        ratio = median(a / b for a, b in turns)
        print(f"| {type(family).__name__} | {many:,.0f} | {one:,.0f} | {ratio:,.0f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    torch.set_num_threads(1)
    print_stepping()
    replication = load_replications(ROOT)["dream"]
    for method, part in (("dream", CoupledLearner), ("e-rl2", DREAM)):
        run = replication.run("distracting-bus", method, 0, "night")
        parts = [one for one in PARTS if one[0] is not part]
        print_profile(run.model_copy(update={"env_steps": 100_000, "evaluate_every": 50_000}), parts)


if __name__ == "__main__":
    main()
