"""The `replicate` command: every job of the workflow by hand.

    replicate list rl2
    replicate train rl2/bandit-k5-n10/rl2 --seed 0 --scale hour
    replicate compare rl2

What a subcommand needs is imported when it runs, so that a mistake in its arguments is answered at once.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.study import paths
from shared.study.errors import StudyError, unknown
from shared.study.rendering import choose_backend
from shared.study.schema import (
    DEFAULT_SCALE,
    SCALES,
    Drawing,
    Replication,
    check_scale,
    find_replication,
    load_replications,
)

if TYPE_CHECKING:
    from shared.study.run import ResolvedRun

REFERENCE = "reference"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Arguments = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; return the exit code: 0, 2 after a mistake, 128 + n after signal n."""
    parsed = parser().parse_args(arguments)
    parsed.root = Path(parsed.root).resolve() if parsed.root else paths.default_root()
    if str(parsed.root) not in sys.path:
        sys.path.insert(0, str(parsed.root))
    try:
        parsed.command(parsed)
        sys.stdout.flush()
    except StudyError as error:
        print(f"replicate: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 2)
    except KeyboardInterrupt:
        print("replicate: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`replicate list | head`); the interpreter must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="replicate", description="Every job of the replications, by hand.")
    commands = top.add_subparsers(required=True, metavar="command")
    listing = _command(commands, "list", show, "what there is: papers, or one paper's runs, figures, tables, claims")
    listing.add_argument("paper", nargs="?")
    checking = _command(commands, "check", check, "construct every family and learner without running anything")
    checking.add_argument("paper", nargs="?")
    _training_options(_job_command(commands, "train", train, "train a run, or continue its training"))
    _job_command(commands, "evaluate", evaluate, "test a run on its experiment's test tasks")
    showing = _command(
        commands, "show", show_tasks, "draw the tasks of families, or the ways of a run in its test tasks"
    )
    showing.add_argument("name", nargs="?", help="a family, paper/experiment or paper/experiment/method; default: all")
    showing.add_argument("--seed", type=int, default=0)
    showing.add_argument("--tasks", type=int, default=9, help="test tasks whose ways are drawn (default 9)")
    for kind, function in (("figure", draw_figure), ("table", draw_table)):
        drawing = _command(commands, kind, function, f"draw one {kind} of a paper")
        drawing.add_argument("paper")
        drawing.add_argument("name", metavar=kind)
    for name, function, text in (
        ("claims", test_claims, "decide every claim of a paper"),
        ("compare", compare, "set every published number of a paper beside ours"),
        ("reference", collect_reference, "collect finished runs into data/reference"),
    ):
        _command(commands, name, function, text).add_argument("paper")
    return top


def show(arguments: Arguments) -> None:
    """`replicate list [paper]`."""
    replications = load_replications(arguments.root)
    if arguments.paper is None:
        for paper, replication in replications.items():
            print(f"{paper:10} {replication.title} ({replication.source})")
        return
    replication = find_replication(replications, arguments.paper)
    check_scale(arguments.scale)
    print(f"runs at scale '{arguments.scale}':")
    for run, seeds in _seeds_by_run(replication.runs(arguments.scale)).items():
        print(f"  {run}  seeds {', '.join(map(str, seeds))}")
    for section in ("figures", "tables"):
        for name, drawing in getattr(replication, section).items():
            print(f"{section[:-1]} {name}: {drawing.title}")
    for name, claim in replication.claims.items():
        print(f"claim {name}: {claim.statement}")


def check(arguments: Arguments) -> None:
    """`replicate check [paper]`: import what the declarations name, and construct what the jobs would."""
    from shared.study.loading import load_object, make_config, make_family

    replications = load_replications(arguments.root)
    papers = [arguments.paper] if arguments.paper else list(replications)
    for replication in [find_replication(replications, paper) for paper in papers]:
        runs = [run for scale in SCALES for run in replication.runs(scale) if run.seed == 0]
        for run in runs:
            make_family(run, arguments.root)
            make_config(run, arguments.root)
        specs = [*replication.figures.values(), *replication.tables.values(), *replication.claims.values()]
        for spec in specs:
            function = spec.draw if isinstance(spec, Drawing) else spec.test
            load_object(replication.qualified(function), arguments.root)
        print(f"{replication.paper}: {len(runs)} methods of experiments and {len(specs)} outputs are in order")


def train(arguments: Arguments) -> None:
    """`replicate train paper/experiment/method --seed k --scale s`."""
    run = _run(arguments)
    _limit_threads(arguments.threads)
    from shared.study import runner
    from shared.study.progress import watching

    options = {"log_seconds": arguments.log_seconds, "tensorboard": arguments.tensorboard}
    with watching(run, arguments.root, **options) as observer:
        runner.train(
            run,
            arguments.root,
            observer,
            checkpoint_seconds=arguments.checkpoint_seconds,
            threads=arguments.threads,
            device=arguments.device,
            restart=arguments.restart,
        )


def evaluate(arguments: Arguments) -> None:
    """`replicate evaluate paper/experiment/method --seed k --scale s`."""
    run = _run(arguments)
    _limit_threads(arguments.threads)
    from shared.study import runner
    from shared.study.progress import watching

    with watching(run, arguments.root) as observer:
        runner.evaluate(run, arguments.root, observer, threads=arguments.threads, device=arguments.device)


def show_tasks(arguments: Arguments) -> None:
    """`replicate show [family | paper/experiment | paper/experiment/method]`."""
    if arguments.tasks < 1:
        raise StudyError(f"--tasks must be at least 1, got {arguments.tasks}")
    run = _named_run(arguments.name, arguments) if (arguments.name or "").count("/") == 2 else None
    choose_backend()
    from shared.study import showing

    if run:
        files = showing.show_run(run, arguments.root, arguments.tasks)
    elif arguments.name:
        files = showing.show_family(arguments.name, arguments.root)
    else:
        files = showing.show_families(arguments.root)
    for file in files:
        print(file.relative_to(arguments.root))


def draw_figure(arguments: Arguments) -> None:
    """`replicate figure paper figure --scale s`."""
    replication, stem = _output(arguments, arguments.name)
    _known("figure", arguments.name, replication.figures, replication)
    from shared.figures.output import save_figure

    save_figure(_draw(replication, replication.figures[arguments.name], arguments), stem)


def draw_table(arguments: Arguments) -> None:
    """`replicate table paper table --scale s`."""
    replication, stem = _output(arguments, arguments.name)
    _known("table", arguments.name, replication.tables, replication)
    from shared.figures.output import save_table

    save_table(_draw(replication, replication.tables[arguments.name], arguments), stem)


def test_claims(arguments: Arguments) -> None:
    """`replicate claims paper --scale s`."""
    replication, stem = _output(arguments, "claims")
    from shared.analysis.claims import evaluate_claims
    from shared.figures.output import save_frame

    claims = evaluate_claims(replication, arguments.scale, arguments.root)
    save_frame(claims, title=f"Claims: {replication.title}", stem=stem)


def compare(arguments: Arguments) -> None:
    """`replicate compare paper --scale s`."""
    replication, stem = _output(arguments, "comparison")
    from shared.analysis import comparison
    from shared.figures.output import save_frame

    compared = comparison.compare(replication, arguments.scale, arguments.root)
    save_frame(compared, title=f"Published and ours: {replication.title}", stem=stem)


def collect_reference(arguments: Arguments) -> None:
    """`replicate reference paper --scale s`."""
    from shared.study.results import write_reference

    check_scale(arguments.scale)
    replication = find_replication(load_replications(arguments.root), arguments.paper)
    collected = write_reference(replication, arguments.scale, arguments.root)
    folder = paths.reference_folder(arguments.scale, arguments.paper)
    print(f"{len(collected.finished)} runs collected in {folder}, {len(collected.kept)} kept as they were")
    for title in collected.outdated:
        print(f"made with other settings than those of {replication.file}: {title}")
    for title in collected.missing:
        print(f"not finished: {title}")


def _command(
    commands: argparse._SubParsersAction, name: str, function: Callable[[Arguments], None], text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function)
    command.add_argument("--scale", default=DEFAULT_SCALE, help=f"{', '.join(SCALES)} (default {DEFAULT_SCALE})")
    command.add_argument("--root", help="the repository; default: the current folder if it is one")
    return command


def _job_command(
    commands: argparse._SubParsersAction, name: str, function: Callable[[Arguments], None], text: str
) -> argparse.ArgumentParser:
    command = _command(commands, name, function, text)
    command.add_argument("run", metavar="paper/experiment/method")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1, help="computing threads (default 1)")
    command.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, …")
    return command


def _training_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--checkpoint-seconds", type=float, default=60.0, help="wall time between checkpoints (default 60)"
    )
    command.add_argument("--log-seconds", type=float, default=30.0, help="time between log lines (default 30)")
    command.add_argument("--restart", action="store_true", help="set old checkpoints aside and start afresh")
    command.add_argument("--tensorboard", action="store_true", help="write metrics for TensorBoard too")


def _run(arguments: Arguments) -> "ResolvedRun":
    if arguments.threads < 1:
        raise StudyError(f"--threads must be at least 1, got {arguments.threads}")
    return _named_run(arguments.run, arguments)


def _named_run(name: str, arguments: Arguments) -> "ResolvedRun":
    parts = name.split("/")
    if len(parts) != 3:
        raise StudyError(f"a run is named paper/experiment/method, got '{name}'")
    paper, experiment, method = parts
    replication = find_replication(load_replications(arguments.root), paper)
    return replication.run(experiment, method, arguments.seed, arguments.scale)


def _output(arguments: Arguments, name: str) -> tuple[Replication, Path]:
    """Return the paper's replication and the path of an output, without its suffix."""
    if arguments.scale != REFERENCE:
        check_scale(arguments.scale)
    replication = find_replication(load_replications(arguments.root), arguments.paper)
    return replication, arguments.root / paths.figures_folder(arguments.scale, arguments.paper) / name


def _known(kind: str, name: str, valid: dict[str, Drawing], replication: Replication) -> None:
    if name not in valid:
        raise StudyError(f"{replication.file}: {unknown(kind, name, valid)}")


def _draw(replication: Replication, drawing: Drawing, arguments: Arguments) -> object:
    from shared.analysis.evidence import load_evidence
    from shared.study.loading import load_object

    draw = load_object(replication.qualified(drawing.draw), arguments.root)
    return draw(load_evidence(replication, drawing, arguments.scale, arguments.root))


def _seeds_by_run(runs: list["ResolvedRun"]) -> dict[str, list[int]]:
    seeds: dict[str, list[int]] = {}
    for run in runs:
        seeds.setdefault(run.name, []).append(run.seed)
    return seeds


def _limit_threads(threads: int) -> None:
    """Limit the threads of numerical libraries; they read these variables when they are first imported."""
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)


if __name__ == "__main__":
    sys.exit(main())
