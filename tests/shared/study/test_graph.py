"""The graph of the toy replication: targets, what each job reads, and what makes it run again."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.study.graph import load_graph
from tests.workspace import edit, toy_workspace

SMOKE = {"scale": "smoke"}
RUNS = "data/runs/smoke/toy"
PUBLISHED = "data/published/toy.csv"


@pytest.fixture
def root(tmp_path):
    return toy_workspace(tmp_path)


def a_run(experiment, method, seed=0, scale="smoke"):
    return SimpleNamespace(scale=scale, paper="toy", experiment=experiment, method=method, seed=str(seed))


def an_item(scale="smoke", **name):
    return SimpleNamespace(scale=scale, paper="toy", **name)


def test_targets_follow_from_the_replication(root):
    targets = load_graph(root, SMOKE).targets()
    parts = ["toy_figure1", "toy_table1", "toy_comparison", "toy_claims", "toy_runtimes"]
    assert list(targets) == ["toy", *parts]
    assert targets["toy_figure1"] == ["figures/smoke/toy/figure1.svg", "figures/smoke/toy/figure1.png"]
    assert targets["toy_table1"] == [f"figures/smoke/toy/table1.{kind}" for kind in ("html", "md", "csv", "tex")]
    assert targets["toy"] == [file for part in parts for file in targets[part]]


def test_another_folder_is_another_paper_and_nothing_else_changes(root):
    before = load_graph(root, SMOKE)
    shutil.copytree(root / "replications/toy", root / "replications/second")
    edit(root / "replications/second/replication.yaml", "paper: toy", "paper: second")
    shutil.copy(root / PUBLISHED, root / "data/published/second.csv")
    after = load_graph(root, SMOKE)
    assert {"second", "second_table1", "second_claims"} <= set(after.targets())
    assert set(after.everything()) == set(before.everything()) | set(after.targets()["second"])


def test_a_drawing_without_runs_at_the_scale_is_refused_and_comes_with_reference_results(root):
    hour = {"scale": "hour"}
    graph = load_graph(root, hour)
    assert "toy_figure1" in graph.targets() and "toy_table1" not in graph.targets()
    with pytest.raises(SystemExit, match="toy_table1 has neither runs at scale 'hour' nor reference results"):
        graph.refuse_target(SimpleNamespace(target="toy_table1"))
    ship_reference(root)
    assert "toy_table1" in load_graph(root, hour).targets()


def ship_reference(root):
    folder = root / "data/reference/night/toy"
    folder.mkdir(parents=True)
    for name in ("results", "metrics"):
        (folder / f"{name}.parquet").write_bytes(b"")


def test_reference_needs_shipped_results_and_no_run(root):
    assert load_graph(root, SMOKE).reference() == []
    ship_reference(root)
    graph = load_graph(root, SMOKE)
    assert "figures/reference/toy/figure1.svg" in graph.reference()
    assert not [file for file in graph.reference() if "runtimes" in file]
    shipped = ["data/reference/night/toy/metrics.parquet", "data/reference/night/toy/results.parquet"]
    assert graph.drawing_inputs(an_item("reference", figure="figure1")) == [PUBLISHED, *shipped]
    assert graph.claims_inputs(an_item("reference")) == [PUBLISHED, *shipped]
    assert graph.comparison_inputs(an_item("reference")) == [PUBLISHED, *shipped]


def test_evaluation_waits_for_its_own_training_and_for_the_runs_it_needs(root):
    graph = load_graph(root, SMOKE)
    trained = [f"{RUNS}/coins/habit/seed0/{name}" for name in ("model.pt", "curve.parquet", "training.json")]
    assert graph.evaluation_inputs(a_run("coins", "habit")) == trained
    assert graph.evaluation_inputs(a_run("coins", "uniform")) == []
    assert graph.evaluation_inputs(a_run("coins", "copycat")) == [f"{RUNS}/coins/habit/seed0/model.pt"]
    assert graph.training_inputs(a_run("coins", "habit")) == []


def test_outputs_read_exactly_the_runs_that_they_name(root):
    graph = load_graph(root, SMOKE)
    habit, uniform, copycat = (f"{RUNS}/coins/{name}/seed0" for name in ("habit", "uniform", "copycat"))
    shown = {f"{uniform}/results.parquet", f"{habit}/results.parquet", f"{habit}/metrics.parquet", PUBLISHED}
    assert set(graph.drawing_inputs(an_item(figure="figure1"))) == shown
    assert set(graph.claims_inputs(an_item())) == shown
    # Only the experiment `coins` has published numbers.
    assert set(graph.comparison_inputs(an_item())) == shown | {f"{copycat}/results.parquet"}
    short = [f"{RUNS}/short-coins/{name}/seed0" for name in ("uniform", "habit")]
    shown = {*(f"{run}/results.parquet" for run in short), f"{short[1]}/metrics.parquet", PUBLISHED}
    assert set(graph.drawing_inputs(an_item(table="table1"))) == shown


def test_run_times_read_the_benchmark_of_every_job(root):
    files = load_graph(root, SMOKE).runtimes_inputs(an_item())
    assert len([file for file in files if file.endswith("train.benchmark.tsv")]) == 2
    assert len([file for file in files if file.endswith("evaluate.benchmark.tsv")]) == 5


def test_every_seed_of_a_larger_scale_is_read(root):
    files = load_graph(root, SMOKE).drawing_inputs(an_item("hour", figure="figure1"))
    seeds = [f"data/runs/hour/toy/coins/habit/seed{seed}/results.parquet" for seed in range(2)]
    assert set(seeds) <= set(files)


CODE = {
    "habit": lambda graph: graph.run_code(a_run("coins", "habit")),
    "uniform": lambda graph: graph.run_code(a_run("coins", "uniform")),
    "figure": lambda graph: graph.drawing_code(an_item(figure="figure1")),
    "claims": lambda graph: graph.claims_code(an_item()),
    "comparison": lambda graph: graph.comparison_code(an_item()),
    "runtimes": lambda graph: graph.runtimes_code(an_item()),
}


@pytest.mark.parametrize(
    ("file", "concerned"),
    [
        ("replications/toy/counting.py", {"habit"}),
        ("replications/toy/play.py", {"habit", "uniform"}),
        ("replications/toy/figures.py", {"figure"}),
        ("replications/toy/claims.py", {"claims"}),
        ("shared/study/runner.py", {"habit", "uniform"}),
        ("shared/figures/output.py", {"figure", "runtimes"}),
        ("shared/analysis/comparison.py", {"comparison"}),
        ("shared/analysis/runtimes.py", {"runtimes"}),
    ],
)
def test_changed_code_concerns_the_jobs_that_import_it(root, file, concerned):
    before = {job: digest(load_graph(root, SMOKE)) for job, digest in CODE.items()}
    path = root / file
    path.write_text(path.read_text() + "\nCHANGED = True\n")
    after = {job: digest(load_graph(root, SMOKE)) for job, digest in CODE.items()}
    assert {job for job in CODE if after[job] != before[job]} == concerned


CONFIG = {
    "train habit": lambda graph: graph.training_config(a_run("coins", "habit")),
    "evaluate habit": lambda graph: graph.evaluation_config(a_run("coins", "habit")),
    "evaluate uniform": lambda graph: graph.evaluation_config(a_run("coins", "uniform")),
    "train short habit": lambda graph: graph.training_config(a_run("short-coins", "habit")),
    "figure": lambda graph: graph.drawing_item(an_item(figure="figure1")),
    "table": lambda graph: graph.drawing_item(an_item(table="table1")),
}


@pytest.mark.parametrize(
    ("old", "new", "concerned"),
    [
        ("value: 10,", "value: 11,", {"train habit", "evaluate habit", "train short habit"}),
        ("episodes: 2", "episodes: 3", {"evaluate habit", "evaluate uniform"}),
        ("Mean return of every method.", "The mean return.", {"figure"}),
        ("label: Habit", "label: Habits", {"figure", "table"}),
        ("made up for the tests", "made up for the test", set()),
        ("ours: enough for the tests", "ours: just enough", set()),
    ],
    ids=["hyper-parameter", "protocol", "caption", "label", "source of the paper", "source of a value"],
)
def test_changed_settings_concern_the_jobs_that_depend_on_them(root, old, new, concerned):
    before = {job: config(load_graph(root, SMOKE)) for job, config in CONFIG.items()}
    edit(root / "replications/toy/replication.yaml", old, new)
    after = {job: config(load_graph(root, SMOKE)) for job, config in CONFIG.items()}
    assert {job for job in CONFIG if after[job] != before[job]} == concerned


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"scale": "nigth"}, "unknown scale 'nigth'; the nearest valid name is 'night'"),
        ({"scael": "night"}, "--config: unknown setting 'scael'; the nearest valid name is 'scale'"),
    ],
)
def test_bad_settings_end_with_a_sentence(root, config, sentence):
    with pytest.raises(SystemExit) as refusal:
        load_graph(root, config)
    assert refusal.value.code == sentence


def test_bad_requests_end_with_a_sentence(root):
    graph = load_graph(root, SMOKE)
    with pytest.raises(SystemExit, match="'habti'; the nearest valid name is 'habit'"):
        graph.training_inputs(a_run("coins", "habti"))
    with pytest.raises(SystemExit, match="unknown paper 'toys'; the nearest valid name is 'toy'"):
        graph.claims_inputs(SimpleNamespace(scale="smoke", paper="toys"))
    with pytest.raises(SystemExit, match="unknown figure 'table1'; valid names are: figure1"):
        graph.drawing_inputs(an_item(figure="table1"))
    with pytest.raises(SystemExit, match="unknown target 'toy_claim'; the nearest valid name is 'toy_claims'"):
        graph.refuse_target(SimpleNamespace(target="toy_claim"))
    with pytest.raises(SystemExit, match="unknown scale 'hours'; the nearest valid name is 'hour'"):
        graph.drawing_inputs(an_item("hours", figure="figure1"))


def test_names_of_drawings_are_a_pattern_that_matches_nothing_where_there_are_none(root):
    graph = load_graph(root, SMOKE)
    assert (graph.any_name("figures"), graph.any_name("tables")) == ("figure1", "table1")
    assert load_graph_without_papers(root).any_name("figures") == "(?!)"


def load_graph_without_papers(root: Path):
    shutil.rmtree(root / "replications/toy")
    return load_graph(root, SMOKE)
