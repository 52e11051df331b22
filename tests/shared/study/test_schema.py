"""Declarations become runs; mistakes in them become one sentence with file, key and nearest name."""

import subprocess
import sys

import pytest

from shared.study.errors import StudyError
from shared.study.schema import check_scale, find_replication, load_replications
from tests.workspace import edit

FILE = "replications/toy/replication.yaml"


def refusal(root):
    with pytest.raises(StudyError) as caught:
        load_replications(root)
    return str(caught.value)


def test_runs_follow_the_order_of_the_file_with_seeds_for_what_trains_by_steps(toy):
    runs = load_replications(toy)["toy"].runs("hour")
    assert [(run.experiment, run.method, run.seed) for run in runs] == [
        ("coins", "uniform", 0),
        ("coins", "habit", 0),
        ("coins", "habit", 1),
        ("coins", "copycat", 0),
    ]


def test_a_run_is_resolved_completely(toy):
    run = load_replications(toy)["toy"].run("coins", "habit", 1, "hour")
    assert run.learner == "replications.toy.habit:Habit"
    assert run.family == "replications.toy.tasks:Coins"
    assert run.family_config == {"tosses": 10}
    assert run.hyperparameters == {"batch_tasks": 10}
    assert (run.env_steps, run.iterations, run.evaluate_every, run.tasks, run.curve_tasks) == (2000, None, None, 50, 50)
    assert run.protocol.model_dump() == {"episodes": 2, "report": "episode"}
    copycat = load_replications(toy)["toy"].run("coins", "copycat", 0, "hour")
    assert copycat.needs == {"teacher": ("coins", "habit")}
    assert (copycat.trains, copycat.env_steps) == (False, None)


def test_a_method_may_need_one_of_its_own_experiment(toy):
    edit(toy / FILE, "teacher: coins/habit", "teacher: ./habit")
    everywhere = (toy / FILE).read_text().replace("methods: [uniform, habit]", "methods: [uniform, habit, copycat]")
    (toy / FILE).write_text(everywhere)
    replication = load_replications(toy)["toy"]
    assert replication.run("coins", "copycat", 0, "smoke").needs == {"teacher": ("coins", "habit")}
    assert replication.run("short-coins", "copycat", 0, "smoke").needs == {"teacher": ("short-coins", "habit")}


def test_a_scale_may_construct_the_family_differently(toy):
    smoke = "smoke: {tasks: 20, seeds: 1, env_steps: 400}"
    edit(toy / FILE, smoke, smoke[:-1] + ", family: {tosses: 3}}")
    replication = load_replications(toy)["toy"]
    configs = [replication.run("coins", "habit", 0, scale).family_config for scale in ("smoke", "hour")]
    assert configs == [{"tosses": 3}, {"tosses": 10}]


def test_hyperparameters_resolve_in_the_order_method_experiment_scale(toy):
    smoke = "smoke: {tasks: 20, seeds: 1, env_steps: 400}"
    edit(toy / FILE, smoke, smoke[:-1] + ", hyperparameters: {habit: {batch_tasks: 3}}}")
    edit(
        toy / FILE,
        '    label: "ten tosses"',
        '    label: "ten tosses"\n    hyperparameters: {habit: {batch_tasks: {value: 7, source: ours}}}',
    )
    replication = load_replications(toy)["toy"]
    values = {
        (run.experiment, scale): run.hyperparameters["batch_tasks"]
        for scale in ("smoke", "hour")
        for run in replication.runs(scale)
        if run.method == "habit"
    }
    assert values == {("coins", "smoke"): 3, ("coins", "hour"): 7, ("short-coins", "smoke"): 10}


def test_a_scale_changes_single_methods_and_omits_others(toy):
    hour = "hour: {tasks: 50, seeds: 2, env_steps: 2000}"
    edit(
        toy / FILE,
        hour,
        hour[:-1] + ", omit: [copycat], methods: {habit: {env_steps: 80, seeds: 3, tasks: 9, evaluate_every: 40}}}",
    )
    runs = load_replications(toy)["toy"].runs("hour")
    assert [(run.method, run.seed, run.env_steps, run.tasks) for run in runs] == [
        ("uniform", 0, None, 50),
        *[("habit", seed, 80, 9) for seed in range(3)],
    ]
    assert [run.evaluate_every for run in runs] == [None, 40, 40, 40]


def test_an_experiment_without_a_scale_has_no_runs_there(toy):
    assert {run.experiment for run in load_replications(toy)["toy"].runs("hour")} == {"coins"}
    assert load_replications(toy)["toy"].runs("paper") == []


def test_hashes_tell_what_depends_on_what(walk_run):
    run = walk_run()
    longer = walk_run(env_steps=500)
    assert run.state_hash == longer.state_hash
    assert run.training_hash != longer.training_hash
    more_tasks = walk_run(tasks=50)
    assert run.training_hash == more_tasks.training_hash
    assert run.config_hash != more_tasks.config_hash
    curve = walk_run(scale="hour")
    assert curve.state_hash != walk_run(scale="hour", tasks=50).state_hash
    assert run.state_hash != walk_run(hyperparameters={"stride": 0.2}).state_hash


def test_anchors_merge_and_may_be_overridden(toy):
    smoke = "smoke: {tasks: 20, seeds: 1, env_steps: 400}"
    edit(toy / FILE, smoke, "smoke: {<<: *small, env_steps: 30}")
    edit(
        toy / FILE, "methods:\n  uniform", "definitions: {small: &small {tasks: 4, env_steps: 9}}\nmethods:\n  uniform"
    )
    run = load_replications(toy)["toy"].run("coins", "habit", 0, "smoke")
    assert (run.tasks, run.env_steps) == (4, 30)


def test_the_value_budget_stands_for_the_runs_steps(toy):
    edit(toy / FILE, "batch_tasks: {value: 10,", "batch_tasks: {value: budget,")
    replication = load_replications(toy)["toy"]
    assert replication.run("coins", "habit", 0, "smoke").hyperparameters == {"batch_tasks": 400}
    assert replication.run("short-coins", "habit", 0, "smoke").hyperparameters == {"batch_tasks": 120}
    assert replication.run("coins", "habit", 0, "hour").hyperparameters == {"batch_tasks": 2000}


def test_numbers_with_an_exponent_are_numbers(walk_run):
    assert walk_run().hyperparameters["stride"] == 0.1


def test_a_borrowed_method_comes_with_its_learner_and_values(toy):
    other = toy / "replications/other"
    other.mkdir()
    (other / "replication.yaml").write_text(
        """
paper: other
title: t
authors: a
source: s
methods:
  theirs: {borrow: toy/habit}
  tuned: {borrow: toy/habit, label: Tuned, published: [], hyperparameters: {batch_tasks: {value: 2, source: ours}}}
experiments:
  coins:
    label: coins
    family: {name: tasks.Coins, tosses: 4}
    protocol: {episodes: 1}
    methods: [theirs, tuned]
    scales: {smoke: {tasks: 2, env_steps: 10}}
"""
    )
    (other / "tasks.py").write_text((toy / "replications/toy/tasks.py").read_text())
    assert "methods.theirs.published: there is no file data/published/other.csv" in refusal(toy)
    edit(other / "replication.yaml", "{borrow: toy/habit}", "{borrow: toy/habit, published: []}")
    runs = load_replications(toy)["other"].runs("smoke")
    assert [run.learner for run in runs] == ["replications.toy.habit:Habit"] * 2
    assert [run.hyperparameters for run in runs] == [{"batch_tasks": 10}, {"batch_tasks": 2}]
    edit(other / "replication.yaml", "{borrow: toy/habit, published", "{borrow: toy/habbit, published")
    assert refusal(toy) == (
        "replications/other/replication.yaml: methods.theirs.borrow: "
        "unknown method of toy 'habbit'; the nearest valid name is 'habit'"
    )


MISTAKES = {
    "unknown key": ("env_steps: 400", "env_stepz: 400", "experiments.coins.scales.smoke", "env_steps"),
    "unknown scale": ("hour: {tasks: 50", "huor: {tasks: 50", "experiments.coins.scales", "'huor'", "'hour'"),
    "negative budget": ("env_steps: 400", "env_steps: -400", "coins.scales.smoke.env_steps", "greater than 0", "-400"),
    "no seeds": ("seeds: 2", "seeds: 0", "coins.scales.hour.seeds", "greater than 0"),
    "unknown method": (
        "[uniform, habit, copycat]",
        "[unifrom, habit, copycat]",
        "experiments.coins.methods",
        "'uniform'",
    ),
    "method twice": (
        "[uniform, habit, copycat]",
        "[habit, habit, copycat]",
        "coins.methods",
        "'habit' is listed twice",
    ),
    "unknown learner": ("learner: habit.Habit", "learner: habit.Habbit", "methods.habit.learner", "'Habit'"),
    "unknown module": ("learner: habit.Habit", "learner: habbit.Habit", "no file replications/toy/habbit.py"),
    "unknown family": ("tasks.Coins, tosses: 10", "tasks.Coin, tosses: 10", "coins.family.name", "'Coins'"),
    "unknown family argument": ("tosses: 10", "tosess: 10", "coins.family.tosess", "'tosses'"),
    "unknown family argument of a scale": (
        "seeds: 1, env_steps: 400}",
        "seeds: 1, env_steps: 400, family: {tosess: 3}}",
        "experiments.coins.scales.smoke.family.tosess",
        "'tosses'",
    ),
    "missing family argument": ("tasks.Coins, tosses: 10", "tasks.Coins", "coins.family", "a value for 'tosses'"),
    "unknown hyper-parameter": ("batch_tasks: {", "batch_task: {", "habit.hyperparameters.batch_task", "'batch_tasks'"),
    "budget without steps": (
        "learner: habit.Habit\n    hyperparameters:\n      batch_tasks: {value: 10,",
        "learner: habit.Habit\n    iterations: 3\n    hyperparameters:\n      batch_tasks: {value: budget,",
        "methods.habit.hyperparameters.batch_tasks",
        "'budget' stands for env_steps, and 'habit' has none",
    ),
    "no source": (', source: "ours: enough for the tests"', "", "habit.hyperparameters.batch_tasks.source", "missing"),
    "bare value": ('{value: 10, source: "ours: enough for the tests"}', "10", "habit.hyperparameters.batch_tasks"),
    "unset hyper-parameter": (
        'batch_tasks: {value: 10, source: "ours: enough for the tests"}',
        "{}",
        "methods.habit.hyperparameters",
        "'batch_tasks' has no value",
    ),
    "unknown draw": ("draw: figures.figure1", "draw: figures.figure2", "figures.figure1.draw", "'figure1'"),
    "unknown test": ("test: claims.claim1", "test: claims.clam1", "claims.claim1.test", "'claim1'"),
    "unknown need": ("teacher: coins/habit", "teacher: coins/habbit", "copycat.needs.teacher", "'coins/habit'"),
    "untrained need": ("teacher: coins/habit", "teacher: coins/uniform", "copycat.needs.teacher", "coins/habit"),
    "no budget": (", env_steps: 400", "", "coins.scales.smoke.env_steps", "missing"),
    "no family": ("    family: {name: tasks.Coins, tosses: 10}\n", "", "experiments.coins.family", "missing"),
    "another paper": ("paper: toy", "paper: tyo", "paper", "'toy'"),
    "borrowing by hand": ("learner: habit.Habit", "learner: replications.toy.habit.Habit", "methods.habit", "borrow"),
    "duplicate key": ("paper: toy", "paper: toy\npaper: toy", "line 2", "'paper'", "twice"),
    "no YAML": ("paper: toy", "paper: [toy", "line"),
    "figure and table": ("  table1:\n", "  figure1:\n", "figures.figure1", "table"),
    "a name of a target": ("  table1:\n", "  claims:\n", "tables.claims", "another target"),
    "a name of a path": ("  short-coins:\n", "  short/coins:\n", "experiments.short/coins", "no name"),
    "unpublished floor": ("metric: total_reward}", "metric: total_reward, floor: unifrom}", "published", "'uniform'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_file_key_and_nearest_name(toy, mistake):
    old, new, *expected = MISTAKES[mistake]
    text = (toy / FILE).read_text()
    assert old in text
    (toy / FILE).write_text(text.replace(old, new, 1))
    sentence = refusal(toy)
    assert sentence.startswith(FILE)
    assert "\n" not in sentence
    for part in expected:
        assert part in sentence


def test_a_folder_without_its_files_is_refused(toy):
    (toy / "replications/toy/figures.py").rename(toy / "replications/toy/pictures.py")
    assert "figures.figure1.draw: there is no file replications/toy/figures.py" in refusal(toy)
    (toy / "replications/toy/pictures.py").rename(toy / "replications/toy/figures.py")
    (toy / "data/published/toy.csv").unlink()
    assert "methods.uniform.published: there is no file data/published/toy.csv" in refusal(toy)
    (toy / FILE).unlink()
    assert refusal(toy) == "replications/toy has no file replication.yaml"


def test_what_git_leaves_of_a_removed_paper_is_no_replication(toy):
    (toy / "replications/gone/__pycache__").mkdir(parents=True)
    assert list(load_replications(toy)) == ["toy"]


def test_unknown_names_of_runs_are_refused(toy):
    replications = load_replications(toy)
    toy_replication = replications["toy"]
    questions = [
        (lambda: find_replication(replications, "tpy"), "'toy'"),
        (lambda: check_scale("papre"), "'paper'"),
        (lambda: toy_replication.run("coin", "habit", 0, "hour"), "'coins'"),
        (lambda: toy_replication.run("coins", "habt", 0, "hour"), "'habit'"),
        (lambda: toy_replication.run("coins", "habit", 5, "hour"), "0 to 1"),
        (lambda: toy_replication.run("coins", "habit", -1, "hour"), "0 to 1"),
        (lambda: toy_replication.run("short-coins", "habit", 0, "hour"), "only: smoke"),
    ]
    for ask, expected in questions:
        with pytest.raises(StudyError, match=expected):
            ask()


def test_declarations_are_read_without_importing_what_takes_long(toy):
    program = (
        "import sys; from pathlib import Path; from shared.study.schema import load_replications;"
        "load_replications(Path('.'));"
        "print([m for m in ('torch', 'pandas', 'numpy', 'gymnasium') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=toy, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def need(root, extra, declared):
    """Let the coins need an extra, in a project that declares `declared`."""
    protocol = "    protocol: {episodes: 2, report: episode}"
    edit(root / FILE, protocol, f"{protocol}\n    extra: {extra}")
    (root / "pyproject.toml").write_text(f"[project.optional-dependencies]\n{declared} = []\n")


def test_an_experiment_without_its_extra_is_no_part_of_the_graph_and_says_how_to_get_it(toy):
    declared = load_replications(toy)["toy"].runs("hour")
    need(toy, "no_such_package", "no_such_package")
    replication = load_replications(toy)["toy"]
    assert replication.runs("hour") == declared
    assert replication.possible_runs("hour") == []
    assert replication.spec_runs(next(iter(replication.figures.values())), "hour") == []
    with pytest.raises(StudyError) as caught:
        replication.run("coins", "habit", 0, "hour")
    assert str(caught.value) == (
        f"{FILE}: experiment 'coins' needs the package 'no_such_package': "
        "install it by `pip install -e '.[no_such_package]'`"
    )


def test_an_extra_that_is_installed_changes_nothing(toy):
    need(toy, "numpy", "numpy")
    replication = load_replications(toy)["toy"]
    assert replication.possible_runs("hour") == replication.runs("hour") != []


def test_an_extra_must_be_one_of_the_project(toy):
    need(toy, "miniwrold", "miniworld")
    assert refusal(toy) == (
        f"{FILE}: experiments.coins.extra: unknown extra 'miniwrold'; the nearest valid name is 'miniworld'"
    )
