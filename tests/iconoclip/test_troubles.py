"""No error of a user or a machine is called a bug: each kind has its message and its exit code."""

from __future__ import annotations

import errno
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pytest
import yaml
from pydantic import TypeAdapter

from iconoclip import cli
from iconoclip.errors import BadInput, TryAgainLater
from iconoclip.troubles import as_iconoclip_error


def os_error(number: int) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number), "some/file")

    return fail


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise error

    return fail


def wrapped(inner: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("the writer failed") from inner

    return fail


CASES: list[tuple[str, Callable[[], Any], int, str]] = [
    ("full disk", os_error(errno.ENOSPC), 75, "the disk is full"),
    ("quota", os_error(errno.EDQUOT), 75, "quota"),
    ("input/output", os_error(errno.EIO), 75, "disk or the network file system failed"),
    ("stale handle", os_error(errno.ESTALE), 75, "lost this file"),
    ("no permission", os_error(errno.EACCES), 4, "no permission"),
    ("not permitted", os_error(errno.EPERM), 4, "no permission"),
    ("read-only", os_error(errno.EROFS), 4, "read-only"),
    ("no locks", os_error(errno.ENOLCK), 4, "no file locks"),
    ("not supported", os_error(errno.ENOSYS), 4, "does not support"),
    ("number unknown to us", os_error(errno.EUCLEAN), 4, "the system refuses this"),
    ("too many files", os_error(errno.EMFILE), 75, "too many open files"),
    ("name too long", os_error(errno.ENAMETOOLONG), 2, "too long"),
    ("missing file", lambda: Path("/nowhere/file").read_text(), 4, "no such file"),
    ("folder for a file", lambda: Path("/").read_text(), 2, "this is a folder"),
    ("file for a folder", lambda: Path(sys.executable, "x").read_text(), 2, "is a file, not a folder"),
    ("refused", lambda: socket.create_connection(("127.0.0.1", 1)), 75, "refuses connections"),
    ("timeout", raising(TimeoutError("timed out")), 75, "took too long"),
    ("reset", raising(ConnectionResetError(errno.ECONNRESET, "reset")), 75, "closed the connection"),
    ("name of a host", raising(socket.gaierror(-2, "Name or service not known")), 75, "name of a server"),
    ("memory", raising(MemoryError()), 75, "memory"),
    (
        "torch's writer",
        raising(
            RuntimeError(
                "[enforce fail at inline_container.cc:815] . PytorchStreamWriter failed writing file data/3:"
                " file write failed"
            )
        ),
        75,
        "cannot be written",
    ),
    ("torch's writer, at its end", raising(RuntimeError("unexpected pos 64 vs 0")), 75, "cannot be written"),
    ("torch's allocator", raising(RuntimeError("DefaultCPUAllocator: can't allocate memory")), 75, "memory"),
    (
        "torch's loader",
        raising(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")),
        75,
        "worker",
    ),
    ("faiss", raising(RuntimeError("Error in write: No space left on device")), 75, "the disk is full"),
    ("a worker killed", raising(BrokenProcessPool("terminated abruptly")), 75, "worker process"),
    ("a wrapped full disk", wrapped(OSError(errno.ENOSPC, "No space left")), 75, "the disk is full"),
    ("a wrapped answer", wrapped(TryAgainLater("the port is in use")), 75, "the port is in use"),
    ("SQLite, full", raising(sqlite3.OperationalError("database or disk is full")), 75, "the disk is full"),
    ("SQLite, in use", raising(sqlite3.OperationalError("database is locked")), 75, "another process"),
    ("SQLite, damaged", raising(sqlite3.DatabaseError("database disk image is malformed")), 2, "damaged"),
    ("YAML", lambda: yaml.safe_load("a: ["), 2, "not valid YAML: line"),
    ("JSON", lambda: json.loads("{"), 2, "not valid JSON in line 1"),
    ("Parquet", raising(pa.ArrowInvalid("Could not open Parquet input source")), 2, "damaged"),
    ("tar", raising(tarfile.ReadError("truncated header")), 2, "damaged"),
    ("zip", raising(zipfile.BadZipFile("File is not a zip file")), 2, "damaged"),
    ("not UTF-8", lambda: b"\xff".decode(), 2, "not UTF-8"),
    ("a short file", raising(EOFError()), 2, "ends too early"),
    ("a value", lambda: TypeAdapter(int).validate_python("x"), 2, "'x' is not a whole number"),
    ("a package", lambda: __import__("no_such_package_here"), 4, "no_such_package_here"),
    ("a program", lambda: subprocess.run(["false"], check=True), 4, "a program failed"),
    ("a missing program", lambda: subprocess.run(["/no/such/program"]), 4, "no such file"),
]


@pytest.mark.parametrize(("name", "fail", "code", "words"), CASES, ids=[case[0] for case in CASES])
def test_every_error_has_its_message_and_its_code(
    name: str,
    fail: Callable[[], Any],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "run", lambda _: fail())
    assert cli.main(["search"]) == code, name
    printed = capsys.readouterr().err
    assert words in printed
    assert "bug" not in printed
    assert "Traceback" not in printed
    assert "validation error" not in printed


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"), KeyError("x"), AssertionError(), RuntimeError("shape mismatch"), RecursionError(),
        ModuleNotFoundError("No module named 'iconoclip.nowhere'", name="iconoclip.nowhere"),
        ModuleNotFoundError("No module named 'yaml.nowhere'", name="yaml.nowhere"), BrokenPipeError(32, "x"),
    ],
    ids=repr,
)  # fmt: skip
def test_bugs_are_still_called_bugs(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "run", raising(error))
    assert cli.main(["search"]) == 1
    assert "this is a bug" in capsys.readouterr().err


def test_the_traceback_can_be_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "run", os_error(errno.ENOSPC))
    monkeypatch.setenv(cli.TRACEBACK_SWITCH, "1")
    assert cli.main(["search"]) == 75
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "some/file" in printed


def test_the_file_is_named_and_an_answer_is_kept() -> None:
    trouble = as_iconoclip_error(OSError(errno.ENOSPC, "full", "out/shard.tar"))
    assert trouble is not None
    assert trouble.where == "out/shard.tar"
    known = BadInput("x", where="y", remedy="z")
    assert as_iconoclip_error(known) is known


def test_a_disk_that_is_really_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")

    def write(_: object) -> int:
        with Path("/dev/full").open("w") as file:
            file.write("x" * 100_000)
        return 0

    monkeypatch.setattr(cli, "run", write)
    assert cli.main(["search"]) == 75
    assert "the disk is full" in capsys.readouterr().err
