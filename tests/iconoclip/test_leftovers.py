"""What killed processes leave half-written is removed by the next writer; what others still write is not."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iconoclip import leftovers
from iconoclip.files import atomic_write, write_json
from iconoclip.leftovers import locked_folder, remove_leftovers
from tests.without_locks import take_locks_away

# Begins to write a file and a folder, says so, and finishes when a line comes.
WRITER = """
import sys
from pathlib import Path
from iconoclip.files import atomic_write
from iconoclip.leftovers import locked_folder
here = Path(sys.argv[1])
with atomic_write(here / "file") as file, locked_folder(here / "folder") as folder:
    file.write(b"half"), file.flush()
    (folder / "inside").write_text("half")
    print(flush=True)
    sys.stdin.readline()
    folder.rename(here / "folder")
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of writing `file` and `folder`."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        assert len(names(tmp_path)) == 2
        yield process
        process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("target", ["file", "another"])
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path, writer, target):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(names(tmp_path)) == 2
    write_json(tmp_path / target, {})
    assert names(tmp_path) == [target]


def test_files_of_a_running_process_are_kept(tmp_path, writer):
    write_json(tmp_path / "another", {})
    assert len(names(tmp_path)) == 3
    writer.communicate("\n")
    assert writer.returncode == 0
    assert names(tmp_path) == ["another", "file", "folder"]
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "inside").read_text() == "half"


def leave(folder: Path, name: str, age_seconds: float = 0) -> Path:
    path = folder / name
    path.write_text("half")
    then = path.stat().st_mtime - age_seconds
    os.utime(path, (then, then))
    return path


OURS = leftovers.partial_name(Path("x")).name.partition("@")[2]


@pytest.mark.parametrize(
    ("name", "age_seconds", "is_removed"),
    [
        (f".x.123@{OURS}", 0, True),
        (".x.123.partial", 0, True),
        # A lock may not count between nodes: the age decides.
        (".x.123@another-node.partial", 0, False),
        (".x.123@another-node.partial", 3000, False),
        (".x.123@another-node.partial", 4000, True),
        # Names of other temporary files: a shard set's writer, an index's draft, a person's.
        (".x.tar.partial", 100_000, False),
        (".gen-000001.partial", 100_000, False),
        ("x.123.partial", 100_000, False),
        (".partial", 100_000, False),
    ],
)
def test_only_temporary_files_of_ended_processes_go(tmp_path, name, age_seconds, is_removed):
    left = leave(tmp_path, name, age_seconds)
    write_json(tmp_path / "y", {})
    assert left.exists() is not is_removed


@pytest.mark.parametrize(("age_seconds", "is_removed"), [(0, False), (4000, True)])
def test_without_file_locks_the_age_decides(tmp_path, monkeypatch, age_seconds, is_removed):
    take_locks_away(monkeypatch, errno.ENOLCK)
    left = leave(tmp_path, f".x.123@{OURS}", age_seconds)
    write_json(tmp_path / "y", {"a": 1})
    assert (tmp_path / "y").exists()
    assert left.exists() is not is_removed


def test_links_are_not_followed(tmp_path):
    (outside := tmp_path / "outside").mkdir()
    kept = leave(outside, "kept", 100_000)
    (inside := tmp_path / "inside").mkdir()
    (inside / ".x.123.partial").symlink_to(kept)
    (inside / ".z.123.partial").symlink_to(outside)
    write_json(inside / "y", {})
    assert names(outside) == ["kept"]


def test_threads_that_write_one_target_take_turns(tmp_path):
    texts = [str(number) * 10_000 for number in range(10)]

    def write(text: str) -> None:
        with atomic_write(tmp_path / "x") as file:
            for character in text:
                file.write(character.encode())

    with ThreadPoolExecutor(len(texts)) as threads:
        list(threads.map(write, texts))
    assert (tmp_path / "x").read_text() in texts
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_temporary_file_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch, kind):
    """Another process may look in the moment between the creation and the lock."""
    flock = fcntl.flock
    others = iter([True])

    def late(descriptor: int, operation: int) -> None:
        if next(others, False):
            remove_leftovers(tmp_path, now=0)
            assert names(tmp_path) == []
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    if kind == "file":
        write_json(tmp_path / "x", {})
    else:
        with locked_folder(tmp_path / "x") as folder:
            folder.rename(tmp_path / "x")
    assert names(tmp_path) == ["x"]
