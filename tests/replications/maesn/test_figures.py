"""Ways, latents and tables, drawn of a small learner's own test."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replications.maesn import figures, tables
from shared.analysis.evidence import Evidence, load_evidence
from shared.analysis.statistics import mean_interval
from shared.study.errors import StudyError
from shared.study.schema import Drawing, load_replications

ROOT = Path(__file__).parents[3]


def result_rows(found, experiment, method):
    """Return the results table of what a test reported, `(tasks, episodes)` each."""
    tasks, episodes = found["return"].shape
    index = {"task": np.repeat(np.arange(tasks), episodes), "episode": np.tile(np.arange(episodes), tasks)}
    identity = {"experiment": experiment, "method": method, "seed": 0, "scale": "night", "env_steps": 10}
    return pd.DataFrame(identity | index | {name: values.ravel() for name, values in found.items()})


def evidence_of(rows, experiments, methods, **options):
    """Return evidence with these rows as this machine's runs and all that is published."""
    replication = load_replications(ROOT)["maesn"]
    spec = Drawing(
        title="A title", draw="x", caption="A caption", experiments=experiments, methods=methods, options=options
    )
    empty = load_evidence(replication, spec, "night", ROOT)
    return Evidence(**{**vars(empty), "runs": rows, "reference_runs": rows.iloc[:0]})


@pytest.fixture
def tested(make):
    """Return what a test of MAESN with three batches reported, in the names of its families."""
    learner = make("maesn")
    return learner.adapt(learner.family.test_tasks(2, None), 3, np.random.default_rng(0))


def test_ways_are_drawn_by_method_and_step(tested):
    rows = result_rows(tested, "wheeled", "maesn")
    figure = figures.ways(evidence_of(rows, ["wheeled"], ["maesn", "maesn-fixed"], steps=[0, 2], tasks=1))
    first, last, *missing = figure.axes
    assert [axis.get_title() for axis in figure.axes] == [
        "MAESN, before", "MAESN, 2 steps", "MAESN, z = 0, before", "MAESN, z = 0, 2 steps",
    ]  # fmt: skip
    for axis, step in ((first, 0), (last, 2)):
        way = axis.lines[0]
        np.testing.assert_allclose(way.get_xdata(), [tested[f"x{i:02}"][0, step] for i in range(21)])
        assert len(axis.lines) == 2  # one way and its cross
        assert axis.get_xlabel() == "x (m)"
    assert all(axis.texts[0].get_text() == "no results at this scale" for axis in missing)


@pytest.mark.parametrize(
    ("spread", "told"), [("angle", "angle ± 12.0°, 1.5 m away"), ("place", "x ± 0.25 m, y ± 2.00 m")]
)
def test_it_is_told_how_ways_spread_and_what_counts_is_ringed(tested, spread, told):
    measured = {"angle_spread": 12.0, "distance": 1.5, "x_spread": 0.25, "y_spread": 2.0}
    rows = result_rows(tested | {name: np.full((2, 3), value) for name, value in measured.items()}, "wheeled", "maesn")
    rings = {"spread": spread, "goals": False, "rings": [[1, 0, 0.5]]}
    (axis,) = figures.ways(evidence_of(rows, ["wheeled"], ["maesn"], **rings)).axes
    assert axis.texts[0].get_text() == told
    assert [(ring.center, ring.radius) for ring in axis.patches] == [([1, 0], 0.5)]
    with pytest.raises(StudyError, match="option 'spread': unknown value 'angel'; the nearest valid name is 'angle'"):
        figures.ways(evidence_of(rows, ["wheeled"], ["maesn"], spread="angel"))


def test_paths_of_two_parameters_begin_where_they_start():
    path = pd.DataFrame({"iteration": range(1, 8), "theta/factor": np.linspace(0.08, 0.02, 7), "theta/constant": 0.0})
    identity = {"experiment": "line", "method": "formulation-1", "scale": "night", "env_steps": 10}
    metrics = pd.concat([path.assign(seed=seed, **identity) for seed in (0, 1)], ignore_index=True)
    evidence = evidence_of(metrics.iloc[:0], ["line"], ["formulation-1", "formulation-2"])
    evidence = Evidence(**{**vars(evidence), "metrics": metrics, "reference_metrics": metrics.iloc[:0]})
    drawn, missing = figures.parameter_paths(evidence).axes
    optimum, first, second = drawn.lines
    assert (optimum.get_xdata(), optimum.get_ydata()) == ([0], [0])
    for line in (first, second):
        np.testing.assert_allclose(line.get_xdata(), [0.09, *path["theta/factor"]])
    (arrows,) = drawn.collections  # from every third of eight places to the next
    np.testing.assert_allclose(arrows.U, [-0.03, -0.03])
    assert missing.texts[0].get_text() == "no results at this scale"


def test_latents_are_ellipses_beside_the_prior(tested):
    rows = result_rows(tested, "wheeled-latents", "wheeled-latents")
    figure = figures.latents(evidence_of(rows, ["wheeled-latents"], ["wheeled-latents"]))
    for step, axis in enumerate(figure.axes):
        *own, prior = axis.patches
        assert (prior.get_width(), prior.get_height()) == (2, 2)
        assert [ellipse.get_width() for ellipse in own] == pytest.approx(2 * tested["latent_std0"][:, step])
        assert [ellipse.get_center()[1] for ellipse in own] == pytest.approx(tested["latent_mean1"][:, step])


def test_the_table_of_adaptation_counts_tasks_with_half_of_the_episodes_inside(tested):
    tested["solved"][:, -1] = [0.4, 0.6]
    rows = result_rows(tested, "wheeled", "maesn")
    table = tables.adaptation_table(evidence_of(rows, ["wheeled"], ["maesn", "latent-space"]))
    values = [cell.value for cell in table.cells[0]]
    expected = [tested["return"][:, 0], tested["return"][:, -1], tested["solved"][:, 0], tested["solved"][:, -1]]
    assert values == pytest.approx([*(np.mean(one) for one in expected), 0.5])
    assert np.isnan([cell.value for cell in table.cells[1]]).all()


def test_the_table_of_exploration_has_the_authors_policies_beside_ours(tested):
    rows = result_rows(tested, "wheeled", "maesn")
    measures = {"wheeled": ["angle_spread", "x_spread"]}
    table = tables.exploration_table(evidence_of(rows, ["wheeled"], ["maesn", "maesn-fixed"], measures=measures))
    ours = mean_interval(tested["angle_spread"][None, :, 0], np.random.default_rng(0)).value
    assert [cell.value for cell in table.cells[0]] == pytest.approx([ours, tested["x_spread"][:, 0].mean()])
    assert [[cell.rerun for cell in row] for row in table.cells] == [[19.8, 0.68], [8.3, 0.26]]


def test_the_table_of_latents_has_what_was_meta_learned(make, tested):
    sizes = {"latent/step_mean": np.full((2, 3), 2.5)}
    rows = result_rows(tested | sizes, "wheeled-latents", "wheeled-latents")
    table = tables.latent_table(evidence_of(rows, ["wheeled-latents"], ["wheeled-latents"]))
    shown = {label: row[0] for label, row in zip(table.rows, table.cells, strict=True)}
    assert shown["KL from the prior, nats"].value == 0  # a test on new tasks starts at the prior
    assert shown["mean σ"].value == 1
    assert shown["learned step size of μ"].value == 2.5
    # The authors' policy: (1.87 + 1.41) / 2, and 0.65 nats.
    assert shown["learned step size of μ"].rerun == pytest.approx(1.64, abs=0.01)
    assert shown["KL from the prior, nats"].rerun == pytest.approx(0.65, abs=0.01)
