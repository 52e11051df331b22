"""Where the time of a meta-iteration goes, and stepping against bare `mujoco.batch`.

    python -m benchmarks.maesn_speed

The profile is of one training at `paper`'s sizes, cut to a few meta-iterations, in one thread. Stepping is taken in
turns with the bare batch through the same controls.
"""

import argparse
from statistics import median

import numpy as np
from mujoco.batch import Batch

import replications.maesn.maesn as maesn
import replications.maesn.maml as maml
import shared.rl.trpo as trpo
from benchmarks.timing import ROOT, print_profile, seconds
from replications.maesn.adaptation import GradientSteps
from replications.maesn.learner import MetaPolicyGradient
from replications.maesn.policies import GaussianPolicy
from replications.maesn.rollouts import Sampler
from replications.maesn.tasks import AntGoal, BlockPushing, Wheeled
from shared.study.schema import load_replications
from shared.tasks.mujoco_family import MujocoFamily, VectorMujoco

SIMULATIONS, STEPS, ROUNDS = 1000, 20, 5
ITERATIONS = 3
RUNS = (
    ("wheeled", "maesn", maesn, (maesn, "inner_step")),
    ("cheetah-direction", "maml", maml, (GradientSteps, "step")),
)


def stepping(family: MujocoFamily) -> tuple[float, float]:
    """Return steps per second through the family's stepper, and the median ratio to the bare batch."""
    envs, bare = family.make(SIMULATIONS), Batch(family.model, SIMULATIONS, 1)
    for name in family.fields:
        bare.bind(name)
    rng = np.random.default_rng(0)
    tasks = family.train_tasks(SIMULATIONS, rng)
    envs.set_tasks(tasks)
    actions = rng.uniform(-1, 1, (STEPS, SIMULATIONS, family.model.nu))
    controls = [family.controls(action, tasks) for action in actions]
    times, ratios = [], []
    for _ in range(ROUNDS):
        envs.reset(seed=0)
        bare.bind("qpos")[:], bare.bind("qvel")[:] = envs.simulations.qpos, envs.simulations.qvel

        def play() -> None:
            for action in actions:
                envs.step(action)

        def play_bare() -> None:
            for control in controls:
                bare.bind("ctrl")[:] = control
                bare.step(stage=family.present.value)

        ours, theirs = seconds(play), seconds(play_bare)
        times.append(ours)
        ratios.append(theirs / ours)
    return STEPS * SIMULATIONS / median(times), median(ratios)


def main() -> None:
    """Print both tables."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print("| family | steps per second | of bare stepping |\n| --- | --- | --- |")
    for family in (Wheeled(), BlockPushing(), AntGoal()):
        speed, ratio = stepping(family)
        print(f"| {type(family).__name__} | {speed:,.0f} | {ratio:.2f} |")
    replication = load_replications(ROOT)["maesn"]
    for experiment, method, module, (inner, step) in RUNS:
        run = replication.run(experiment, method, 0, "paper")
        parts = (
            (VectorMujoco, "step", "stepping"),
            (GaussianPolicy, "__call__", "the policy, forwards"),
            (Sampler, "play", "playing: what else there is"),
            (MetaPolicyGradient, "advantages", "advantages and baseline"),
            (inner, step, "inner step, forwards"),
            (trpo, "natural_step", "outer step: Fisher products"),
            (trpo, "line_search", "outer step: line search"),
            (module, "trust_region_step", "outer step: gradient"),
        )
        sizes = run.hyperparameters
        horizon = 200
        batch = 2 * sizes["meta_batch"] * sizes["episodes"] * horizon
        print_profile(run.model_copy(update={"env_steps": ITERATIONS * batch, "evaluate_every": None}), parts)


if __name__ == "__main__":
    main()
