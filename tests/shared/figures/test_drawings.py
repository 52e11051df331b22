from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from shared.analysis.evidence import Curve, load_evidence
from shared.figures.adaptation import adaptation_curves
from shared.figures.curves import Series, _untrained_level, learning_curves
from shared.figures.points import method_comparison
from shared.figures.score_tables import _returns_at_equal_seconds, score_table, settings_table
from shared.study.errors import StudyError
from shared.study.schema import PublishedTarget

CURVE_ROW = {
    "figure": "fig2",
    "method": "Ours",
    "metric": "normalized_total_reward(Random=0;Oracle=1)",
    "x_name": "iteration",
    "kind": "digitised",
    "source": "a test, Figure 2",
}


@pytest.fixture
def ran(study):
    """Random earns 5, the oracle 9, ours 8 (7 on the reference), the curve rises from 5 to 9."""
    study.publish(
        {"method": "Random", "value": 5.0},
        {"method": "Oracle", "value": 10.0},
        {"method": "Ours", "value": 7.5},
        CURVE_ROW | {"x_value": 5, "value": 0.4},
        CURVE_ROW | {"x_value": 10, "value": 0.8},
    )
    for scale, ours in (("night", 7), ("hour", 8)):
        study.run("short", "random", [4, 6, 4, 6], scale=scale)
        study.run("short", "oracle", [9] * 4, scale=scale)
        study.run("short", "ours", [ours] * 4, scale=scale)
        study.train("short", "ours", {100: 5, 500: 7, 1000: 9}, scale=scale)
        if scale == "night":
            study.ship(scale)
    return study


def load(study, *arguments, scale="hour", **options):
    return load_evidence(study.replication, study.drawing(*arguments, **options), scale, study.root)


def legend(figure):
    return {text.get_text() for text in figure.legends[0].get_texts()} - {""}


def test_learning_curves_overlay_ours_reference_and_published(ran):
    figure = learning_curves(load(ran, ["short"], ["ours", "random"]))
    axis = figure.axes[0]
    reference, ours, published, *levels = axis.lines
    for line in (reference, ours):
        assert line.get_xdata().tolist() == [100, 500, 1000]
        np.testing.assert_allclose(line.get_ydata(), [0, 0.5, 1])
    assert (ours.get_linestyle(), reference.get_linestyle()) == ("-", "--")
    assert reference.get_alpha() < ours.get_alpha()
    assert published.get_xdata().tolist() == [500, 1000]
    assert published.get_ydata().tolist() == [0.4, 0.8]
    assert [line.get_ydata()[0] for line in levels] == [0, 0]  # random: ours and published, on the normalised scale
    assert axis.get_ylabel() == "normalised return\n(Random = 0, Oracle = 1)"
    assert legend(figure) == {
        "Ours", "Random", "this machine", "reference", "published (digitised)", "published (number)",
        "no training: mean score",
    }  # fmt: skip
    label = figure.get_supxlabel().replace("\n", " ")
    for part in ("scale: hour", "training seeds: 1", "one seed, so no band", "a test, Figure 2 (read off a figure)"):
        assert part in label


def test_runs_of_a_third_party_are_not_the_papers(ran):
    ran.publish(
        {"method": "Random", "value": 5.0},
        {"method": "Oracle", "value": 10.0},
        CURVE_ROW | {"x_value": 5, "value": 0.4},
        CURVE_ROW | {"x_value": 6, "value": 0.5, "method": "Ours (quoted)", "source": "others"},
    )
    figure = learning_curves(load(ran, ["short"], ["ours"]))
    assert {"published (digitised)", "run by a third party"} < legend(figure)
    assert "others (run by a third party)" in figure.get_supxlabel().replace("\n", " ")


def test_final_levels_cross_the_panel(ran):
    axis = learning_curves(load(ran, ["short"], ["ours"], final_levels=["ours"])).axes[0]
    *_, level = axis.lines
    np.testing.assert_allclose(level.get_ydata(), 1.0)  # 9, on a scale from Random's 5 to the oracle's 9
    assert level.get_xdata() == [0, 1]
    assert "value after the last step" in legend(axis.figure)
    with pytest.raises(StudyError, match="unknown method 'our'"):
        learning_curves(load(ran, ["short"], ["ours"], final_levels=["our"]))


def test_evaluations_while_training_are_a_curve_too(ran):
    axis = learning_curves(load(ran, ["short"], ["ours"], metric="evaluation")).axes[0]
    reference, ours = axis.lines[:2]
    assert ours.get_xdata().tolist() == [1000]
    np.testing.assert_allclose((ours.get_ydata()[-1], reference.get_ydata()[-1]), (0.75, 0.5))


@pytest.mark.parametrize(
    ("target", "level"), [(None, 3.0), (PublishedTarget(), 3.0), (PublishedTarget(episode="last"), 2.0)]
)
def test_who_does_not_train_is_drawn_at_the_score_that_counts(target, level):
    method, experiment = SimpleNamespace(trains=False, iterations=None), SimpleNamespace(published=target)
    evidence = SimpleNamespace(
        replication=SimpleNamespace(methods={"m": method}, experiments={"e": experiment}),
        scores=lambda name, method, column="return", episode="total": np.full((1, 2), 2.0 + (episode == "total")),
    )
    assert _untrained_level(evidence, Series("e", "m", "M")) == level


def test_several_seeds_have_a_band(ran):
    ran.run("short", "ours", [8] * 4, seed=1)
    ran.train("short", "ours", {100: 9, 500: 9, 1000: 9}, seed=1)
    figure = learning_curves(load(ran, ["short"], ["ours"]))
    band = figure.axes[0].collections[-1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0, 1)
    assert "95 % bootstrap over training seeds" in figure.get_supxlabel().replace("\n", " ")


def test_reference_scale_draws_reference_only(ran):
    figure = learning_curves(load(ran, ["short"], ["ours"], scale="reference"))
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["--", "None"]
    assert "this machine" not in legend(figure)
    assert "scale: night (reference)" in figure.get_supxlabel()


def test_published_number_without_curve_is_a_level_on_the_normalised_scale(ran):
    ran.publish(*({"method": name, "value": v} for name, v in (("Random", 5.0), ("Oracle", 10.0), ("Ours", 7.5))))
    figure = learning_curves(load(ran, ["short"], ["ours"]))
    assert figure.axes[0].lines[-1].get_ydata()[0] == 0.5
    assert "published (number)" in legend(figure)


def test_panels_group_experiments_under_labels(ran):
    ran.train("long", "ours", {100: 1, 200: 2})
    panels, labels = {"both": ["short", "long"]}, {"short": "k = 5", "long": "k = 10"}
    figure = learning_curves(load(ran, ["short", "long"], ["ours"], panels=panels, labels=labels, x_scale="log"))
    (axis,) = figure.axes
    assert axis.get_title() == "both"
    assert axis.get_xscale() == "log"
    assert {"k = 5", "k = 10"} <= legend(figure)
    assert len({to_hex(line.get_color()) for line in axis.lines}) == 2


def test_panel_without_runs_says_so(ran):
    figure = learning_curves(load(ran, ["short", "unpublished"], ["ours"]))
    assert figure.axes[1].texts[0].get_text() == "no results at this scale"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x_scal": "log"}, "replication.yaml: unknown option 'x_scal'; the nearest valid name is 'x_scale'"),
        ({"labels": {"shrot": "k"}}, "option 'labels': unknown experiment 'shrot'"),
        ({"panels": {"a": ["shrot"]}}, "option 'panels': unknown experiment 'shrot'; .* 'short'"),
    ],
)
def test_wrong_options_are_refused(ran, options, message):
    with pytest.raises(StudyError, match=message):
        learning_curves(load(ran, ["short"], **options))


def test_adaptation_shows_each_episode(ran):
    figure = adaptation_curves(load(ran, ["short"], ["ours"]))
    reference, ours = (container.lines[0] for container in figure.axes[0].containers)
    assert ours.get_xdata().tolist() == [1, 2]
    assert ours.get_ydata().tolist() == [4, 4]
    assert reference.get_ydata().tolist() == [3.5, 3.5]
    assert legend(figure) == {"Ours", "this machine", "reference"}
    empty = adaptation_curves(load(ran, ["long"], ["ours"]))
    assert empty.axes[0].texts[0].get_text() == "no results at this scale"


def test_published_values_along_a_test_are_marked_at_their_episodes(ran):
    shots = {"method": "Ours", "setting": "n=40", "x_name": "shots", "kind": "raw_data"}
    wins = {"metric": "wins", "x_value": 1, "value": 0.5}
    ran.publish(*(shots | {"x_value": x, "value": x + 3.0} for x in range(3)), shots | wins)
    ran.run("adapting", "ours", [8] * 4)
    figure = adaptation_curves(load(ran, ["adapting"], ["ours"], first=0))
    ours, published = (container.lines[0] for container in figure.axes[0].containers)
    assert published.get_xdata().tolist() == ours.get_xdata().tolist() == [0, 1]  # a test has two episodes
    assert published.get_ydata().tolist() == [3, 4]
    assert legend(figure) == {"Ours", "this machine", "published (released data)"}
    other = adaptation_curves(load(ran, ["adapting"], ["ours"], published="wins"))
    assert other.axes[0].containers[1].lines[0].get_ydata().tolist() == [0.5]


def test_sources_are_named_where_something_of_them_is_drawn(ran):
    shots = {"method": "Ours", "setting": "n=40", "x_name": "shots", "x_value": 1}
    ran.publish(shots | {"value": 5.0, "kind": "rerun", "source": "an archive"})
    ran.run("adapting", "ours", [8] * 4)
    evidence = load(ran, ["adapting"], ["ours"])
    assert "an archive" in adaptation_curves(evidence).get_supxlabel()
    assert "an archive" not in learning_curves(evidence).get_supxlabel()


@pytest.mark.parametrize(("files", "told"), [(3, "github:a/b file2.pkl (rel"), (4, "github:a/b, 4 files (rel")])
def test_many_files_of_one_repository_are_counted_and_standard_errors_named(ran, files, told):
    shots = {"method": "Ours", "setting": "n=40", "x_name": "shots", "kind": "raw_data", "spread": "sem"}
    values = {"value": 5.0, "low": 4.0, "high": 6.0}
    ran.publish(*(shots | values | {"x_value": i, "source": f"github:a/b file{i}.pkl"} for i in range(files)))
    ran.run("adapting", "ours", [8] * 4)
    label = adaptation_curves(load(ran, ["adapting"], ["ours"])).get_supxlabel().replace("\n", " ")
    assert told in label
    assert "of published and rerun values: one standard error" in label


def test_tables_show_reruns_of_released_policies_apart_from_published_numbers(ran):
    shots = {"method": "Ours", "setting": "n=40", "x_name": "shots", "x_value": 1}
    ran.publish(
        shots | {"value": 5.0, "kind": "rerun", "source": "a test, Table 2"}, shots | {"value": 6.0, "method": "Random"}
    )
    ran.run("adapting", "ours", [8] * 4)
    table = score_table(load(ran, ["adapting"], ["ours", "random"]))
    (ours,), (random,) = table.cells
    assert (ours.rerun, random.published) == (5.0, 6.0)
    assert np.isnan([ours.published, random.rerun]).all()
    assert "authors' policy 5.0" in table.to_markdown()
    assert table.notes[-1] == (
        "published: a test, Table 1 (printed in a table) · "
        "measured by running the authors' released policies again: a test, Table 2"
    )


def test_points_stand_beside_published(ran):
    figure = method_comparison(load(ran, ["short", "long"], ["ours", "random"]))
    axis, empty = figure.axes
    means = [container.lines[0].get_xdata()[0] for container in axis.containers]
    assert means == [7, 8, 5, 5]
    strokes = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "|"]
    assert strokes == [7.5, 5]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["Ours", "Random"]
    assert legend(figure) == {"this machine", "reference", "published"}
    assert empty.texts[0].get_text() == "no results at this scale"


def test_score_table_has_ours_published_reference_and_bold(ran):
    table = score_table(load(ran, ["short", "long"], sections={"Learned": ["ours"], "Fixed": ["random", "oracle"]}))
    assert list(table.rows) == ["Ours", "Random", "Oracle"]
    assert list(table.columns) == ["n = 10", "n = 20"]
    assert table.sections == {0: "Learned", 1: "Fixed"}
    ours, absent = table.cells[0]
    assert (ours.value, ours.published, ours.reference, ours.bold) == (8, 7.5, 7, False)
    assert table.cells[2][0].bold
    assert np.isnan(absent.value)
    assert "Figure 2" not in " ".join(table.notes)  # the table shows printed numbers, not the curve


def test_a_table_can_show_published_curves_after_as_many_steps_as_ours(ran):
    ran.publish(
        CURVE_ROW | {"x_value": 5, "value": 0.4},
        CURVE_ROW | {"x_value": 10, "value": 0.8},
        CURVE_ROW | {"x_value": 50, "value": 0.9},
        CURVE_ROW | {"x_value": 9, "value": 0.6, "method": "Ours (quoted)", "source": "others"},
    )
    table = score_table(load(ran, ["short"], ["ours", "random"], published_curves=True))
    # Ours ends after 1,000 steps, ten iterations of the paper's.
    assert table.cells[0][0].published == pytest.approx(0.7)
    assert np.isnan(table.cells[1][0].published)
    assert "published: after as many environment steps as ours was trained for" in table.notes
    assert "Figure 2" in " ".join(table.notes)


def test_unranked_methods_leave_bold_to_the_others(ran):
    table = score_table(load(ran, ["short"], ["ours", "random", "oracle"], unranked=["oracle"]))
    assert [row[0].bold for row in table.cells] == [True, False, False]


@pytest.mark.parametrize("options", [{"sections": {"a": ["orcale"]}}, {"unranked": ["orcale"]}])
def test_unknown_methods_in_options_are_refused(ran, options):
    with pytest.raises(StudyError, match="unknown method 'orcale'; the nearest valid name is 'oracle'"):
        score_table(load(ran, ["short"], **options))


@pytest.mark.parametrize("scale", ["hour", "reference"])
def test_settings_are_compared_at_equal_steps_and_equal_seconds(ran, scale):
    table = settings_table(load(ran, ["short", "long"], ["ours", "random"], scale=scale))
    others = ["thousand steps/s", "at equal seconds"]
    assert list(table.columns) == ["n = 10", *others, "n = 20", *others]
    score, speed, quick, *_ = (cell.value for cell in table.cells[0])
    assert score == (8 if scale == "hour" else 7)
    assert speed == pytest.approx(0.1)
    assert quick == 9  # the only learner has used up its steps
    assert np.isnan([cell.value for cell in table.cells[1][1:]]).all()  # Random does not train


def test_a_slow_learner_is_read_before_its_end():
    curve = Curve(np.array([100, 500, 1000]), *[np.array([5.0, 7.0, 9.0])] * 3, seeds=1)
    evidence = SimpleNamespace(
        methods=lambda experiment: ["slow", "quick"],
        curve=lambda *_: curve,
        training_speed=lambda experiment, method, origin: {"slow": 50.0, "quick": 100.0}[method],
    )
    assert _returns_at_equal_seconds(evidence, "short", "this machine") == {"slow": 7.0, "quick": 9.0}


def test_score_table_is_empty_where_an_experiment_has_not_the_method(ran):
    evidence = load(ran, ["short", "long"], ["ours", "oracle"])
    (ours, _), (oracle, _) = score_table(evidence).cells
    assert (ours.published, oracle.published) == (7.5, 10.0)
    ran.replication.experiments["short"].methods.remove("oracle")
    (ours, _), (oracle, _) = score_table(evidence).cells
    assert ours.published == 7.5
    assert np.isnan(oracle.published) and np.isnan(oracle.value)


def test_score_table_of_the_reference(ran):
    table = score_table(load(ran, ["short"], ["ours"], scale="reference"))
    (cell,) = table.cells[0]
    assert cell.value == 7
    assert np.isnan(cell.reference)
