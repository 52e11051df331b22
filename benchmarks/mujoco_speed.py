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
SECONDS = 1.0  # of each timing, at least


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


def raw_stepper(family: MujocoFamily, count: int) -> Callable[[], int]:
    """Return a function that steps a bare batch through what `family_stepper` does: same models, controls, restarts."""
    envs, actions = _envs(family, count), _actions(family, count)
    batch = envs.simulations._batch
    start, script = batch.state.copy(), []
    for t in range(family.horizon):
        _, _, terminated, truncated, _ = envs.step(actions[t % len(actions)])
        ended = np.flatnonzero(terminated | truncated)
        envs.reset(options={"reset_mask": terminated | truncated})
        script.append((ended, batch.state[ended].copy()))
    batch.state[:] = start
    controls = family.controls(actions, envs._tasks)
    control = batch.bind("ctrl")
    turn = itertools.count()

    def step() -> int:
        t = next(turn) % family.horizon
        control[:] = controls[t % len(actions)]
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


def alternate(sides: dict[str, Callable[[], int]], rounds: int = 5) -> dict[str, float]:
    """Return the best rate of each side over `rounds` in which all take their turn."""
    best = dict.fromkeys(sides, 0.0)
    for _ in range(rounds):
        for name, step in sides.items():
            best[name] = max(best[name], rate(step))
    return best


def gymnasium_stepper(count: int, mode: str) -> tuple[Callable[[], int], Callable[[], None]]:
    """Return a stepper of Gymnasium's half-cheetah and what closes it."""
    envs = gym.make_vec("HalfCheetah-v5", num_envs=count, vectorization_mode=mode)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (50, *envs.action_space.shape)).astype(np.float32)
    turn = itertools.count()

    def step() -> int:
        envs.step(actions[next(turn) % 50])
        return count

    return step, envs.close


def envpool_stepper(count: int, threads: int) -> tuple[Callable[[], int], Callable[[], None]]:
    """Return a stepper of EnvPool's half-cheetah and what closes it."""
    import envpool

    envs = envpool.make("HalfCheetah-v4", env_type="gymnasium", num_envs=count, num_threads=threads)
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
            for threads in (1, 2):
                family = make(threads=threads)
                sides = {"ours": family_stepper(family, count), "bare": raw_stepper(family, count)}
                best = alternate(sides)
                print_row(
                    name, count, threads, *(f"{v:,.0f}" for v in best.values()), f"{best['ours'] / best['bare']:.2f}"
                )

    print()
    print_row("half-cheetah beside", "simulations", "steps/s", "ours, 2 threads", "ratio")
    print_row(*["---"] * 5)
    others = {"SyncVectorEnv": (16, "sync"), "AsyncVectorEnv": (16, "async")}
    if importlib.util.find_spec("envpool"):
        others["EnvPool"] = (128, "envpool")
    for name, (count, mode) in others.items():
        theirs, close = envpool_stepper(count, 2) if mode == "envpool" else gymnasium_stepper(count, mode)
        best = alternate({"ours": family_stepper(HalfCheetahVelocity(threads=2), count), "theirs": theirs}, rounds=3)
        close()
        print_row(name, count, f"{best['theirs']:,.0f}", f"{best['ours']:,.0f}", f"{best['ours'] / best['theirs']:.1f}")

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
