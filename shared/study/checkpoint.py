"""Checkpoints of one run: written atomically, verified when read, the last two kept."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.study.errors import StudyError
from shared.study.files import sha256, write_atomically
from shared.study.state import from_bytes, to_bytes

KEPT = 2
_CHECKSUM = ".sha256"


class Checkpoints:
    """The folder `checkpoints/` of a run: `checkpoint-<iteration>.pt`, each with its checksum beside it."""

    def __init__(self, folder: Path, run_title: str, say: Callable[[str], None]):
        self.folder = folder
        self.run_title = run_title
        self.say = say

    def write(self, iteration: int, content: dict[str, Any]) -> None:
        """Write a checkpoint and forget all but the last two.

        Raises `StudyError` naming the file and the run where the disk is full; the earlier checkpoints stay
        as they were.
        """
        path = self.folder / f"checkpoint-{iteration:09d}.pt"
        data = to_bytes(content)
        try:
            # The checksum goes first: a checkpoint under its final name always has one.
            write_atomically(_checksum_file(path), sha256(data).encode())
            write_atomically(path, data)
        except StudyError as error:
            if not path.exists():
                _checksum_file(path).unlink(missing_ok=True)
            kept = self._paths()
            last = f"the last good checkpoint is {kept[-1].name}" if kept else "there is no earlier checkpoint"
            raise StudyError(f"{self.run_title} stops at iteration {iteration}: {error}; {last}") from error
        for old in self._paths()[:-KEPT]:
            old.unlink()
            _checksum_file(old).unlink(missing_ok=True)

    def latest(self) -> dict[str, Any] | None:
        """Return the newest whole checkpoint, None without one; damaged ones are renamed and reported."""
        for half_written in self.folder.glob(".*.tmp"):
            half_written.unlink()  # by a process that was killed; the run's lock says that none is at work now
        for path in reversed(self._paths()):
            try:
                data = path.read_bytes()
                if not _checksum_file(path).is_file() or _checksum_file(path).read_text() != sha256(data):
                    raise ValueError("its checksum does not match")
                return from_bytes(data)
            except Exception as error:  # whatever is wrong with this one, the one before may be good
                path.rename(path.with_suffix(".damaged"))
                self.say(f"checkpoint {path.name} is damaged ({error}); trying the one before it")
        return None

    def set_aside(self) -> Path:
        """Move all checkpoints to `checkpoints-superseded` beside the folder, replacing what lies there."""
        target = self.folder.with_name(f"{self.folder.name}-superseded")
        shutil.rmtree(target, ignore_errors=True)
        self.folder.rename(target)
        return target

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.pt"))


def _checksum_file(path: Path) -> Path:
    return path.with_suffix(_CHECKSUM)
