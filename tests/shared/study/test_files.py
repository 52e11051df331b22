"""Files are there whole or not at all."""

import subprocess
import sys

import pytest

from shared.study.errors import StudyError
from shared.study.files import exclusive, read_json, write_atomically, write_json


def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    file = tmp_path / "folder" / "file"
    write_atomically(file, b"old")
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(StudyError, match=r"file cannot be written \(3 bytes\): No space left on device"):
            write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(file.parent.iterdir()) == [file]


def test_json_comes_back_and_damage_is_named(tmp_path):
    write_json(tmp_path / "a.json", {"name": "RL²", "values": [1, None]})
    assert read_json(tmp_path / "a.json") == {"name": "RL²", "values": [1, None]}
    (tmp_path / "a.json").write_text('{"name"')
    for name in ("a.json", "b.json"):
        with pytest.raises(StudyError, match=f"{name} cannot be read"):
            read_json(tmp_path / name)


def test_a_dead_process_holds_nothing(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from shared.study.files import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'it'): os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == 9
    with exclusive(tmp_path, "it"), pytest.raises(StudyError, match="it is already"), exclusive(tmp_path, "it"):
        pass
