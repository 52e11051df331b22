"""Speed of the MuJoCo families, with observations, rewards and resets, against what is under them and beside them.

    python -m benchmarks.mujoco_speed

Ratios are taken within one run, the two sides alternating: against bare stepping of `mujoco.batch.Batch` through the
same models, controls and restarts, against Gymnasium's vector environments, and against EnvPool where it is installed.
Resident memory is that of a process of its own.
"""

import argparse
import importlib.util
import itertools
import multiprocessing
import time
from collections.abc import Callable
from statistics import median

import gymnasium as gym
import numpy as np
import psutil

from shared.tasks.locomotion import AntDirection, HalfCheetahVelocity, HumanoidDirection, WalkerDynamics
from shared.tasks.mujoco_family import MujocoFamily
from shared.tasks.point_robot import SparsePointRobot

FAMILIES = {
    "cheetah": HalfCheetahVelocity,
    "ant": AntDirection,
    "walker": WalkerDynamics,
    "humanoid": HumanoidDirection,
}
COUNTS = (16, 128, 1024)
SECONDS, ROUNDS = 0.2, 25  # of each turn, at least; turns of each side
Script = list[tuple[np.ndarray, np.ndarray]]  # per step: which simulations start anew, and where


def rate(step: Callable[[], int]) -> float:
    """Return environment steps per second of `step()`, which returns how many it made."""
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        steps += step()
    return steps / (time.perf_counter() - started)


def family_stepper(family: MujocoFamily, count: int) -> Callable[[], int]:
    """Return a function that acts at random in `count` tasks and resets the episodes that end."""
    envs, actions = _envs(family, count), _actions(family, count)
    turn = itertools.count()

    def step() -> int:
        _, _, terminated, truncated, _ = envs.step(actions[next(turn) % len(actions)])
        ended = terminated | truncated
        if ended.any():
            envs.reset(options={"reset_mask": ended})
        return count

    return step


def restarts(family: MujocoFamily, count: int) -> Script:
    """Return which simulations `family_stepper` restarts in an episode, and in which states."""
    envs, actions, script = _envs(family, count), _actions(family, count), []
    for t in range(family.horizon):
        _, _, terminated, truncated, _ = envs.step(actions[t % len(actions)])
        ended = terminated | truncated
        envs.reset(options={"reset_mask": ended})
        script.append((np.flatnonzero(ended), envs.simulations._batch.state[ended].copy()))
    return script


def raw_stepper(family: MujocoFamily, count: int, script: Script) -> Callable[[], int]:
    """Return a function that steps a bare batch through what `family_stepper` does: same models, controls, restarts."""
    envs = _envs(family, count)
    batch = envs.simulations._batch
    controls = family.controls(_actions(family, count), envs._tasks)
    control = batch.bind("ctrl")
    turn = itertools.count()

    def step() -> int:
        t = next(turn) % family.horizon
        control[:] = controls[t % len(controls)]
        batch.step(nstep=family.frame_skip)
        ended, states = script[t]
        if len(ended):
            batch.state[ended] = states
        return count

    return step


def _envs(family: MujocoFamily, count: int):
    envs = family.make(count)
    envs.set_tasks(family.train_tasks(count, np.random.default_rng(0)))
    envs.reset(seed=0)
    return envs


def _actions(family: MujocoFamily, count: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (50, count, family.model.nu))


def compare(ours: Callable[[], int], theirs: Callable[[], int]) -> tuple[float, float, float]:
    """Let both take turns; return the median rate of each and the median of the ratios of neighbouring turns."""
    turns = [(rate(ours), rate(theirs)) for _ in range(ROUNDS)]
    rates = (median(side) for side in zip(*turns, strict=True))
    return *rates, median(mine / other for mine, other in turns)


def gymnasium_stepper(count: int, name: str) -> tuple[Callable[[], int], Callable[[], None]]:
    """Return a stepper of Gymnasium's half-cheetah and what closes it."""
    mode = "sync" if name == "SyncVectorEnv" else "async"
    envs = gym.make_vec("HalfCheetah-v5", num_envs=count, vectorization_mode=mode)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (50, *envs.action_space.shape)).astype(np.float32)
    turn = itertools.count()

    def step() -> int:
        envs.step(actions[next(turn) % 50])
        return count

    return step, envs.close


def envpool_stepper(count: int, name: str) -> tuple[Callable[[], int], Callable[[], None]]:
    """Return a stepper of EnvPool's half-cheetah on two threads and what closes it."""
    import envpool

    envs = envpool.make("HalfCheetah-v4", env_type="gymnasium", num_envs=count, num_threads=2)
    envs.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (50, count, 6))
    turn = itertools.count()

    def step() -> int:
        envs.step(actions[next(turn) % 50])
        return count

    return step, envs.close


def memory(name: str, count: int, queue: multiprocessing.Queue) -> None:
    """Put the megabytes that `count` simulations add to a process into `queue`."""
    family = FAMILIES[name]()
    before = psutil.Process().memory_info().rss
    step = family_stepper(family, count)
    for _ in range(3):
        step()
    queue.put((psutil.Process().memory_info().rss - before) / 2**20)


def print_row(*cells: object) -> None:
    """Print one row of a Markdown table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    print_row("body", "simulations", "threads", "steps/s", "bare batch", "ratio")
    print_row(*["---"] * 6)
    for name, make in FAMILIES.items():
        for count in COUNTS:
            family = make()
            family.threads = 2
            script = restarts(family, count)
            for family.threads in (1, 2):
                mine, bare, ratio = compare(family_stepper(family, count), raw_stepper(family, count, script))
                print_row(name, count, family.threads, f"{mine:,.0f}", f"{bare:,.0f}", f"{ratio:.2f}")

    print()
    print_row("half-cheetah beside", "simulations", "steps/s", "ours, 2 threads", "ratio")
    print_row(*["---"] * 5)
    others = [("SyncVectorEnv", 16), ("SyncVectorEnv", 128), ("AsyncVectorEnv", 16), ("AsyncVectorEnv", 64)]
    if importlib.util.find_spec("envpool"):
        others.append(("EnvPool", 128))
    cheetah = HalfCheetahVelocity()
    cheetah.threads = 2
    for name, count in others:
        stepper = envpool_stepper if name == "EnvPool" else gymnasium_stepper
        theirs, close = stepper(count, name)
        mine, other, ratio = compare(family_stepper(cheetah, count), theirs)
        close()
        print_row(name, count, f"{other:,.0f}", f"{mine:,.0f}", f"{ratio:.1f}")

    points = SparsePointRobot().make(4096)
    points.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 4096, 2))

    def wander() -> int:
        for action in actions:
            points.step(action)
        points.reset()
        return actions.shape[0] * 4096

    print(f"\nPoint robots, 4,096 together: {max(rate(wander) for _ in range(5)) / 1e6:.1f} million steps/s")
    context = multiprocessing.get_context("spawn")
    for name in FAMILIES:
        queue = context.Queue()
        process = context.Process(target=memory, args=(name, 1024, queue))
        process.start()
        print(f"Memory of 1,024 simulations of the {name}: {queue.get():,.0f} MB")
        process.join()


if __name__ == "__main__":
    main()
