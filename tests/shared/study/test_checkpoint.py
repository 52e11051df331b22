"""Checkpoints survive crashes, damage and full disks."""

import errno
import os

import pytest

from shared.study.checkpoint import Checkpoints
from shared.study.errors import StudyError


@pytest.fixture
def said():
    return []


@pytest.fixture
def checkpoints(tmp_path, said):
    return Checkpoints(tmp_path / "checkpoints", "walk/line/walk seed 0 (smoke)", said.append)


def names(checkpoints):
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_the_last_two_are_kept_with_their_checksums(checkpoints):
    for iteration in (1, 2, 10):
        checkpoints.write(iteration, {"iteration": iteration})
    assert names(checkpoints) == [
        "checkpoint-000000002.pt",
        "checkpoint-000000002.sha256",
        "checkpoint-000000010.pt",
        "checkpoint-000000010.sha256",
    ]
    assert checkpoints.latest() == {"iteration": 10}


def test_without_checkpoints_there_is_no_latest(checkpoints):
    assert checkpoints.latest() is None


def flip(data):
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


@pytest.mark.parametrize(
    "damage", [flip, lambda data: data[:-7], lambda data: b""], ids=["flipped", "truncated", "empty"]
)
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(checkpoints, said, damage):
    checkpoints.write(1, {"iteration": 1, "text": "x" * 100})
    checkpoints.write(2, {"iteration": 2, "text": "x" * 100})
    newest = checkpoints.folder / "checkpoint-000000002.pt"
    newest.write_bytes(damage(newest.read_bytes()))
    assert checkpoints.latest()["iteration"] == 1
    assert len(said) == 1 and "checkpoint-000000002.pt is damaged" in said[0]
    assert newest.with_suffix(".damaged").is_file()
    checkpoints.write(2, {"iteration": 2})
    assert checkpoints.latest()["iteration"] == 2
    assert len(said) == 1


def test_what_a_killed_process_left_half_written_is_removed(checkpoints):
    checkpoints.write(1, {"iteration": 1})
    (checkpoints.folder / ".checkpoint-000000002.pt.tmp").write_bytes(b"half")
    assert checkpoints.latest() == {"iteration": 1}
    assert names(checkpoints) == ["checkpoint-000000001.pt", "checkpoint-000000001.sha256"]


def test_a_checkpoint_without_its_checksum_is_not_trusted(checkpoints, said):
    checkpoints.write(1, {"iteration": 1})
    (checkpoints.folder / "checkpoint-000000001.sha256").unlink()
    assert checkpoints.latest() is None
    assert len(said) == 1


@pytest.mark.parametrize("failing_write", [1, 2], ids=["checksum", "checkpoint"])
def test_a_full_disk_is_named_and_leaves_the_last_good_checkpoint(checkpoints, monkeypatch, failing_write):
    checkpoints.write(1, {"iteration": 1})
    before = names(checkpoints)
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        # Each file is synchronised once itself and once through its folder.
        if len(calls) == 2 * failing_write - 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(StudyError) as caught:
            checkpoints.write(2, {"iteration": 2})
    sentence = str(caught.value)
    assert "walk/line/walk seed 0 (smoke) stops at iteration 2" in sentence
    assert "checkpoint-000000002" in sentence and "No space left on device" in sentence
    assert "last good checkpoint is checkpoint-000000001.pt" in sentence
    assert names(checkpoints) == before
    assert checkpoints.latest() == {"iteration": 1}


def test_checkpoints_set_aside_replace_older_ones(checkpoints):
    for iteration in (1, 2):
        checkpoints.write(iteration, {"iteration": iteration})
        aside = checkpoints.set_aside()
        assert checkpoints.latest() is None
    assert [path.name for path in aside.glob("*.pt")] == ["checkpoint-000000002.pt"]
