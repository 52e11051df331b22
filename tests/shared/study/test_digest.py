"""The code digest changes with the code that a job runs, and with nothing else."""

import pytest

from shared.study.digest import code_digest, import_closure

FILES = {
    "house/__init__.py": "",
    "house/learner.py": "from house.rl import ppo\n\ndef train():\n    return ppo.update(1)\n",
    "house/lazy.py": "def run():\n    import house.rl.sac\n    return house.rl.sac.update(1)\n",
    "house/rl/__init__.py": "",
    "house/rl/ppo.py": "from .returns import gae\n\ndef update(x):\n    return gae(x) + 1\n",
    "house/rl/sac.py": "import numpy as np\n\ndef update(x):\n    return np.abs(x)\n",
    "house/rl/returns.py": "from ..constants import LIMIT\n\ndef gae(x):\n    return min(x, LIMIT)\n",
    "house/constants.py": "LIMIT = 3\n",
    "house/plots.py": "import house.learner\n",
}


@pytest.fixture
def repository(tmp_path):
    for name, source in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return tmp_path


def edit(repository, name, old, new):
    source = (repository / name).read_text()
    assert old in source
    (repository / name).write_text(source.replace(old, new))


def test_closure_follows_absolute_relative_and_lazy_imports_and_leaves_libraries_out(repository):
    learner = {"house", "house.learner", "house.rl", "house.rl.ppo", "house.rl.returns", "house.constants"}
    assert import_closure(["house.learner"], repository) == learner
    assert import_closure(["house.lazy"], repository) == {"house", "house.lazy", "house.rl", "house.rl.sac"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 3  # chosen by hand"),
        ("LIMIT = 3", '"""The constants."""\n\nLIMIT = 3\n"""As many as fingers on half a hand."""'),
        ("LIMIT = 3", "LIMIT   =   (\n    3\n)"),
    ],
    ids=["comment", "docstring", "layout"],
)
def test_digest_ignores_what_does_not_run(repository, old, new):
    before = code_digest(["house.learner"], repository)
    edit(repository, "house/constants.py", old, new)
    assert code_digest(["house.learner"], repository) == before


def test_a_change_in_an_imported_module_reaches_its_users_and_nobody_else(repository):
    entries = ["house.learner", "house.lazy"]
    before = {entry: code_digest([entry], repository) for entry in entries}
    edit(repository, "house/constants.py", "3", "4")
    after = {entry: code_digest([entry], repository) for entry in entries}
    assert after["house.learner"] != before["house.learner"]
    assert after["house.lazy"] == before["house.lazy"]


def test_a_package_that_is_run_on_the_way_to_a_module_counts(repository):
    before = code_digest(["house.learner"], repository)
    edit(repository, "house/rl/__init__.py", "", "SWITCH = True\n")
    assert code_digest(["house.learner"], repository) != before


def test_what_a_user_of_the_learner_does_leaves_the_learner_alone(repository):
    before = code_digest(["house.learner"], repository)
    edit(repository, "house/plots.py", "import house.learner", "import house.learner, house.lazy")
    assert code_digest(["house.learner"], repository) == before


def test_order_and_repetition_of_entries_do_not_matter(repository):
    once = code_digest(["house.learner", "house.lazy"], repository)
    assert once == code_digest(["house.lazy", "house.learner", "house.learner"], repository)


def test_unknown_entry_is_named(repository):
    with pytest.raises(ModuleNotFoundError, match=r"house\.learnr"):
        code_digest(["house.learnr"], repository)
