"""The server of tests/commands.py, and the processes that it forks, which become commands."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import json
import os
import resource
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple, NoReturn

THE_COMMAND = ("-m", "iconoclip.cli")
# A request and its open files in one message: larger than any command line and environment of a test.
MESSAGE_BYTES = 200_000
MAX_FILES = 64
# The packages of this project: a command that names other code in PYTHONPATH imports it from there.
OURS = ("iconoclip", "data_prep", "training", "retrieval", "slurm", "builtin_collections")
# The process that starts further ranks puts its number here, and each compares it with that of its parent.
PARENT_OF_RANK = "ICONOCLIP_RANK_OF"
# What decodes the images of a harvest imports numpy and Pillow, and hundreds of tests harvest.
DECODER = "data_prep.images.decoding"


def serve(link: socket.socket, listener: socket.socket) -> NoReturn:
    """Fork a process per request until the worker closes its end or dies. Forward signals, and report
    exit codes.
    """
    gc.enable()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides when this ends
    running: dict[int, _Running] = {}  # by the descriptor that is ready when it has ended
    followed: dict[int, _Running] = {}  # by the socket through which signals come
    while True:
        # New requests come last: they may get the numbers of descriptors that were closed before them.
        for ready in select.select([*running, *followed, link, listener], [], [])[0]:
            if ready in running:
                ended = running.pop(ready)
                followed.pop(ended.status, None)
                ended.report()
                os.close(ready)
            elif ready in followed:
                if not followed[ready].pass_signal():
                    del followed[ready]
            elif isinstance(ready, socket.socket):
                asking = link if ready is link else listener.accept()[0]
                message, files, _, _ = socket.recv_fds(asking, MESSAGE_BYTES, MAX_FILES)
                if not message and asking is link:
                    os._exit(0)
                if asking is not link:
                    files.append(asking.detach())
                if message:
                    command = _fork(json.loads(message), files)
                    running[os.pidfd_open(command.pid)] = command
                    if command.is_followed:
                        followed[command.status] = command


def _fork(request: dict[str, object], files: list[int]) -> _Running:
    """Fork a command and report its process id. The last of `files` is the socket of the process that waits
    for it.
    """
    *files, status = files
    command = _Running(os.fork(), status, "python" in request)
    if command.pid == 0:
        os.close(status)
        _become(request, files)
    for number in files:
        os.close(number)
    if command.is_followed:
        with contextlib.suppress(OSError):  # it has set its group itself, or has ended
            os.setpgid(command.pid, command.pid)
    # The process that sent the request may have been killed since.
    with contextlib.suppress(OSError):
        os.write(status, str(command.pid).encode())
    return command


class _Running(NamedTuple):
    """A command of a server, and the socket of the process that waits for it."""

    pid: int
    status: int
    is_followed: bool

    def report(self) -> None:
        """Report its exit code and its processor seconds, now that it has ended."""
        _, code, used = os.wait4(self.pid, 0)
        answer = [os.waitstatus_to_exitcode(code), used.ru_utime + used.ru_stime]
        with contextlib.suppress(OSError):
            os.write(self.status, json.dumps(answer).encode())
        os.close(self.status)

    def pass_signal(self) -> bool:
        """Forward the signal that its proxy process got. If the proxy has ended: SIGKILL, and False."""
        message = b""
        with contextlib.suppress(ConnectionError):
            message = os.read(self.status, 100)
        with contextlib.suppress(ProcessLookupError):
            if not message:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                os.kill(self.pid, int(message))
        return bool(message)


def _become(request: dict[str, object], files: list[int]) -> NoReturn:
    """Turn this process, just forked, into the command, and end as Python would.

    `files` are its standard output, its standard error, and the sockets that its last words name.
    """
    if "python" in request:
        os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in zip((1, 2), files[:2], strict=True):
        os.dup2(file, number)
    words = list(request["words"])  # type: ignore[call-overload]
    if sockets := files[2:]:
        words[-len(sockets) :] = [str(number) for number in sockets]
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", buffering=1)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.disable()
    warnings.resetwarnings()
    warnings.simplefilter("ignore", DeprecationWarning)
    sys.excepthook = sys.__excepthook__
    atexit._clear()
    code = 1
    try:
        os.environ.clear()
        os.environ.update(request["env"])  # type: ignore[call-overload]
        os.chdir(str(request["cwd"]))
        if "python" in request and words[:2] != ["-m", DECODER]:
            _take_code_from_path(str(request["python"]))
            if os.environ.get(PARENT_OF_RANK) == request["parent"]:
                os.environ[PARENT_OF_RANK] = str(os.getppid())
        elif words[:3] == [*THE_COMMAND, "train"]:
            sys.executable = str(request["rank_python"])
        if limit := request["max_file_bytes"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # type: ignore[arg-type]
        code = _run_python(words)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:
        # As Python ends: with a traceback, and with 1 unless the program had ended already.
        traceback.print_exc()
    try:
        sys.stdout.flush()
    except OSError:
        code = code or 120  # Python's own code for output that could not be written
    os._exit(code)


def _take_code_from_path(python: str) -> None:
    """Import this project's packages again, those in PYTHONPATH first, and start other ranks as `python`."""
    sys.executable = python
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    sys.path[:0] = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _run_python(words: list[str]) -> int:
    """Do what `python WORDS` does; returns the exit code."""
    is_module = words[0] == "-m"
    name = words[1] if is_module else words[0]
    sys.argv = [name, *words[2 if is_module else 1 :]]
    if not os.environ.get("PYTHONSAFEPATH"):
        sys.path.insert(0, str(Path.cwd()) if is_module else str(Path(name).parent))
    try:
        if is_module:
            sys.modules.pop(name, None)  # runpy warns of what is imported already
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(name, run_name="__main__")
    except SystemExit as leave:
        if leave.code is None or isinstance(leave.code, int):
            return leave.code or 0
        print(leave.code, file=sys.stderr)
        return 1
    return 0
