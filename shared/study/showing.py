"""`replicate show`: the tasks of families, and the ways that an agent takes in them."""

from pathlib import Path

import numpy as np

from shared.figures.families import draw_families, draw_ways, shared_families
from shared.figures.output import save_figure
from shared.study import paths
from shared.study.errors import StudyError, unknown
from shared.study.loading import make_family, make_learner
from shared.study.run import ResolvedRun
from shared.study.schema import find_replication, load_replications
from shared.study.seeds import generator, task_generator
from shared.study.state import read_state
from shared.tasks.family import TaskFamily
from shared.tasks.recording import Recording, record

FAMILIES = Path("figures/families")
FRAMES_PER_SECOND = 25


def show_families(root: Path) -> list[Path]:
    """Draw the tasks of every shared family into one figure; return the files."""
    return save_figure(draw_families([make() for make in shared_families().values()]), root / FAMILIES / "families")


def show_family(name: str, root: Path) -> list[Path]:
    """Draw the tasks of a shared family, or of an experiment `paper/experiment`; return the files.

    Raises `StudyError` with the nearest valid name.
    """
    if "/" not in name:
        families = shared_families()
        if name not in families:
            raise StudyError(unknown("family", name, families))
        return save_figure(draw_families([families[name]()]), root / FAMILIES / name)
    paper, _, experiment = name.partition("/")
    replication = find_replication(load_replications(root), paper)
    if experiment not in replication.experiments:
        raise StudyError(f"{replication.file}: {unknown('experiment', experiment, replication.experiments)}")
    scale = next(iter(replication.experiments[experiment].scales))
    run = next(run for run in replication.runs(scale) if run.experiment == experiment)
    return save_figure(draw_families([make_family(run, root)]), root / FAMILIES / f"{paper}-{experiment}")


def show_run(run: ResolvedRun, root: Path, tasks: int) -> list[Path]:
    """Let a finished run adapt to the first of its test tasks, and draw its ways; return the files.

    A body's last episode in the first task becomes a GIF where rendering is possible. Raises `StudyError` where the run
    has to be trained first, or its family has no places to draw.
    """
    family = make_family(run, root)
    try:
        recordings = record(family)
    except ValueError as error:
        raise StudyError(f"{run.title}: {error}") from error
    learner = make_learner(run, family, root)
    folder = root / paths.run_folder(run)
    if run.trains:
        if not (folder / paths.MODEL).is_file():
            command = f"replicate train {run.name} --seed {run.seed} --scale {run.scale}"
            raise StudyError(f"{run.title} is not trained yet: {command}")
        learner.load_state_dict(read_state(folder / paths.MODEL))
    chosen = family.test_tasks(run.tasks, task_generator(run.paper, run.experiment))[:tasks]
    before = len(recordings)
    learner.adapt(
        chosen, run.protocol.episodes, generator(run.paper, run.experiment, run.method, run.seed, "evaluation")
    )
    recording = next((notes for notes in recordings[before:] if len(notes.positions) > 1), None)
    if recording is None:
        raise StudyError(f"{run.title}: adapt() set no tasks and took no steps, so there are no ways to draw")
    stem = root / paths.figures_folder(run.scale, run.paper) / f"ways-{run.experiment}-{run.method}-seed{run.seed}"
    files = save_figure(draw_ways(family, recording, run.title), stem)
    return files + (_film(family, recording, stem.with_suffix(".gif")) if recording.states else [])


def _film(family: TaskFamily, recording: Recording, file: Path) -> list[Path]:
    """Write the last episode of the first task as a GIF; nothing, with a sentence, where rendering is impossible."""
    import imageio

    from shared.tasks.camera import Camera

    simulations = family.simulate(1)
    family.apply(simulations, recording.tasks[:1])
    numbers = np.array([episodes[0] for episodes in recording.episodes])
    states = np.array([states[0] for states in recording.states])[numbers == numbers[-1]]
    nq = family.model.nq
    try:
        camera = Camera(family.model)
    except RuntimeError as error:
        print(f"no film: {error}")
        return []
    pictures = []
    every = max(1, round(1 / FRAMES_PER_SECOND / family.dt))
    for state in states[::every]:
        simulations.put(np.array([True]), state[None, :nq], state[None, nq:])
        pictures.append(camera.picture(simulations.data(0)[1]))
    camera.close()
    imageio.mimsave(file, pictures, duration=1000 * every * family.dt, loop=0)
    return [file]
