"""What the benchmarks share: taking times, and where the time of a training goes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from shared.study.run import ResolvedRun
from shared.study.runner import train

ROOT = Path(__file__).resolve().parents[1]
Parts = Sequence[tuple[type, str, str]]
"""Classes, the methods of theirs that are timed, and what to call that."""


def seconds(call: Callable[[], object]) -> float:
    """Return how long `call()` takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


class Silent:
    """An observer that says nothing."""

    def say(self, sentence: str) -> None:
        """Say nothing."""

    def step(self, step: object) -> None:
        """Note nothing."""


@contextmanager
def clocked(parts: Parts, totals: dict[str, float]) -> Iterator[None]:
    """Add up in `totals` the seconds spent in each of the `parts` of a training, but not in parts within parts."""
    within: list[float] = []  # of each part that is being timed, the seconds of those inside

    def watch(owner: type, name: str, label: str):
        function = getattr(owner, name)

        def timed(*args: object, **kwargs: object) -> object:
            started = time.perf_counter()
            within.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - started
                totals[label] += spent - within.pop()
                if within:
                    within[-1] += spent

        return patch.object(owner, name, timed)

    with ExitStack() as stack:
        for owner, name, label in parts:
            totals[label] = 0.0
            stack.enter_context(watch(owner, name, label))
        yield


def print_profile(run: ResolvedRun, parts: Parts) -> None:
    """Print where the time of `run`'s training by the runner goes, with a checkpoint every minute."""
    totals: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        for name in ("replications", "shared"):
            Path(folder, name).symlink_to(ROOT / name)
        with clocked(parts, totals):
            whole = seconds(lambda: train(run, Path(folder), Silent(), checkpoint_seconds=60.0))
    speed = run.env_steps / whole
    print(f"\n| {run.title}: {whole:.0f} seconds, {speed:,.0f} steps/s | share |\n| --- | --- |")
    for name, spent in (totals | {"everything else": whole - sum(totals.values())}).items():
        print(f"| {name} | {100 * spent / whole:.1f} % |")
