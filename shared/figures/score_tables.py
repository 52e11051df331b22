"""The table of a paper's kind: methods by experiments, ours beside published and reference, best in bold."""

import math

from shared.analysis import statistics
from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Evidence, read_options
from shared.figures.points import scored
from shared.figures.spec import check_names, method_label, notes, origins
from shared.figures.tables import Cell, Table

INTERVAL = "±: half the 95 % bootstrap interval of the mean over seeds and test tasks"
NEARBY = "published: after as many environment steps as ours was trained for"
BOLD = "bold: best of its experiment or not significantly worse (one-sided {test} t-test, p = 0.05)"


def score_table(evidence: Evidence) -> Table:
    """Tabulate mean final scores, a row per method and a column per experiment.

    A cell holds this machine's mean, or the reference's where `scale` is `reference`; below it the published
    number and the reference's. Options: `digits` (1), `paired` (t-test on common tasks; false is Welch's test),
    `corner`, `sections` (heading → list of methods; the headings stand above their rows), `unranked` (methods that
    bold passes over, such as an optimum that no learner can reach), `published_curves` (what was published
    are curves: a cell has their values after as many steps as ours was trained for).
    """
    options = read_options(
        evidence, digits=1, paired=False, corner="", sections=None, unranked=(), published_curves=False
    )
    check_names(evidence, "unranked", "method", options["unranked"])
    methods, sections = _rows(evidence, options["sections"])
    ranked = [method for method in methods if method not in options["unranked"]]
    columns = [
        _column(evidence, name, methods, ranked, options["paired"], options["published_curves"])
        for name in evidence.experiments()
    ]
    spec = evidence.spec
    test = "paired" if options["paired"] else "Welch"
    return Table(
        title=spec.title,
        rows=[method_label(evidence, method) for method in methods],
        columns=[experiment.label for experiment in evidence.experiments().values()],
        cells=[list(row) for row in zip(*columns, strict=True)],
        caption=spec.caption,
        corner=options["corner"],
        digits=options["digits"],
        notes=notes(
            evidence,
            INTERVAL,
            [BOLD.format(test=test), NEARBY if options["published_curves"] else ""],
            published="curves" if options["published_curves"] else "numbers",
        ),
        sections=sections,
    )


def settings_table(evidence: Evidence) -> Table:
    """Tabulate a controlled comparison of learners: a row per method, three columns per experiment.

    The final score after equal environment steps; the thousands of steps per second of training; and the training
    return at equal seconds, when the quickest learner has used up its steps, as the mean of the batches of the last
    tenth of the steps until then. Options: `digits` (1), `corner`.
    """
    options = read_options(evidence, digits=1, corner="")
    origin = origins(evidence)[-1]
    experiments = evidence.experiments()
    methods = list(dict.fromkeys(m for name in experiments for m in evidence.methods(name)))
    columns, headings = [], []
    for name, experiment in experiments.items():
        equal_seconds = _returns_at_equal_seconds(evidence, name, origin)
        columns += [
            [_cell(evidence, name, method, origin, bold=False) for method in methods],
            [_number(evidence.training_speed(name, method, origin), 1e-3) for method in methods],
            [_number(equal_seconds.get(method)) for method in methods],
        ]
        headings += [experiment.label, "thousand steps/s", "at equal seconds"]
    return Table(
        title=evidence.spec.title,
        rows=[method_label(evidence, method) for method in methods],
        columns=headings,
        cells=[list(row) for row in zip(*columns, strict=True)],
        caption=evidence.spec.caption,
        corner=options["corner"],
        digits=options["digits"],
        notes=notes(evidence, INTERVAL, published="numbers"),
    )


def _number(value: float | None, factor: float = 1.0) -> Cell:
    return Cell() if value is None else Cell(value * factor)


def _returns_at_equal_seconds(evidence: Evidence, experiment: str, origin: str) -> dict[str, float]:
    """Return the training return of each method that has a curve, after the seconds that the quickest one took."""
    curves = {
        method: (curve, speed)
        for method in evidence.methods(experiment)
        if (curve := evidence.curve(experiment, method, "train/return", origin))
        and (speed := evidence.training_speed(experiment, method, origin))
    }
    if not curves:
        return {}
    seconds = min(curve.env_steps[-1] / speed for curve, speed in curves.values())
    returns = {}
    for method, (curve, speed) in curves.items():
        steps = seconds * speed
        lately = (curve.env_steps > 0.9 * steps) & (curve.env_steps <= steps * (1 + 1e-9))
        if lately.any():
            returns[method] = float(curve.value[lately].mean())
    return returns


def _rows(evidence: Evidence, sections: dict[str, list[str]] | None) -> tuple[list[str], dict[int, str]]:
    """Return the methods in the order of the rows, and the headings by the index of the row below them."""
    if sections is None:
        names = evidence.spec.experiments
        return list(dict.fromkeys(m for name in names for m in evidence.methods(name))), {}
    starts, methods = {}, []
    for heading, members in sections.items():
        check_names(evidence, "sections", "method", members)
        starts[len(methods)] = heading
        methods += members
    return methods, starts


def _column(
    evidence: Evidence, experiment: str, methods: list[str], ranked: list[str], paired: bool, nearby: bool
) -> list[Cell]:
    """Return the cells of one experiment; methods without runs have no number of ours."""
    origin = origins(evidence)[-1]
    column, episode = scored(evidence, experiment)
    scores = {m: evidence.scores(experiment, m, column, episode, origin) for m in ranked}
    bold = statistics.bold_methods({m: array for m, array in scores.items() if array.size}, paired)
    return [_cell(evidence, experiment, method, origin, method in bold, nearby) for method in methods]


def _cell(evidence: Evidence, experiment: str, method: str, origin: str, bold: bool, nearby: bool = False) -> Cell:
    if method not in evidence.methods(experiment):
        return Cell.of(None)
    column, episode = scored(evidence, experiment)
    ours = evidence.mean(experiment, method, column=column, episode=episode, origin=origin)
    published = (
        evidence.published_nearby(experiment, method, origin)
        if nearby
        else evidence.published_value(experiment, method)
    )
    rerun = evidence.published_value(experiment, method, rerun=True)
    shipped = evidence.scores(experiment, method, column, episode, REFERENCE)
    return Cell.of(
        ours,
        bold=bold,
        published=math.nan if published is None else published,
        rerun=math.nan if rerun is None else rerun,
        reference=float(shipped.mean()) if origin == THIS_MACHINE and shipped.size else math.nan,
    )
