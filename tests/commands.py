"""Runs command lines of `iconoclip` in processes that have torch imported already (forked.py).

Importing torch, lightning and open_clip costs about ten seconds of a slow processor. Each test worker
therefore forks a server once its tests are collected, with all that they imported and before any of them ran;
the server forks a process per command. A command reads its arguments, its environment and its working folder,
writes to its own standard streams, gets signals and returns its exit code as any process does.

To fork a process takes longer the more memory it has: 40 ms with torch, on a slow processor. What needs no
torch is therefore forked from a second server, which was forked before the tests were collected.

Programs that start Python themselves, such as SLURM, get the program of `write_python`: a process of it
sends its arguments, environment and streams to a server, forwards signals, and ends as the command does. When
it is killed, the command is killed.

So do the further ranks that Lightning starts for a training of a command.

This does not test the start of Python itself: variables that a library reads while it is imported,
and which modules a command imports. Tests of these start Python with `subprocess`; so does torchrun.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from iconoclip.verbs import VERBS
from tests.forked import DECODER, THE_COMMAND, serve

NO_SERVER = "no server: pytest starts them around collection, see tests/conftest.py"
# These import torch.
WITH_TORCH = ("train", "evaluate", "export", "encode", "index", "search", "serve", "demo")
# What SLURM starts of these, a server forks; all else starts with the Python of this environment.
HANDED_OVER = ("train", "evaluate", "export", "encode", "index")
PYTHON = """\
#!{python} -IS
import json, os, signal, socket, sys

words = [word for word in sys.argv[1:] if word not in ("-u", "-P")]
sockets = [int(word) for word in words[3:]] if words[:2] == ["-m", {decoder!r}] else []
if not sockets and (words[:2] != ["-m", "iconoclip.cli"] or words[2:3] == [] or words[2] not in {verbs}):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect({light!r} if sockets else {full!r})
request = {{"words": words, "cwd": os.getcwd(), "env": dict(os.environ)}}
request |= {{"max_file_bytes": None, "python": __file__, "parent": str(os.getppid())}}
socket.send_fds(server, [json.dumps(request).encode()], [1, 2, *sockets])
for number in sockets:
    os.close(number)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT):
    signal.signal(number, lambda number, frame: server.send(str(number).encode()))
pid, code = int(server.recv(100)), json.loads(server.recv(100))[0]
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""

_processor_seconds = 0.0


class _Server(NamedTuple):
    """A process that forks commands, and what reaches it: this process by `link`, all others by `address`."""

    link: socket.socket
    pid: int
    address: str


_light: _Server | None = None
_full: _Server | None = None
_rank_python: Path | None = None


def processor_seconds() -> float:
    """Processor seconds of all commands that ended; the system does not count them as children of this
    process."""
    return _processor_seconds


def start_light_server() -> None:
    """Fork the server of commands without torch, before the tests and torch are imported."""
    global _light, _rank_python
    from data_prep.images.decoders import Decoders

    for name, verb in VERBS.items():
        if name not in WITH_TORCH:
            import_module(verb.config.partition(":")[0])
            import_module(verb.function.partition(":")[0])
    warm()
    _rank_python = Path(tempfile.mkdtemp(prefix="iconoclip-")) / "python"
    Decoders.PROGRAM = (str(_rank_python), "-m", DECODER)
    _light = _start()


def start_full_server() -> None:
    """Fork the server of all other commands; what is imported now is imported in every command."""
    global _full
    _full = _start()
    write_python(Path(python_program()))


def _start() -> _Server:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # No file: the kernel forgets the address together with its last process.
    address = f"\0iconoclip-{os.getpid()}-{secrets.token_hex(8)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(64)
    pid = os.fork()
    if pid == 0:
        for end in (ours, _light and _light.link):
            if end:
                end.close()
        try:
            serve(theirs, listener)
        finally:
            os._exit(1)  # never back into the tests, whatever happened
    theirs.close()
    listener.close()
    return _Server(ours, pid, address)


def warm() -> None:
    """Import and read once what each harvest does: what decodes images, the model that detects languages, and
    the vocabulary of labels."""
    import_module("PIL.JpegImagePlugin")
    import_module(DECODER)
    from data_prep.description.languages import guess
    from data_prep.description.page_labels import is_page_label

    assert guess("A shepherd and his flock, in the evening light of the Campagna") == "en"
    assert is_page_label("fol. 3r")


def stop_servers() -> None:
    """End the servers of this process, if there are any; commands that still run are left alone."""
    global _light, _full, _rank_python
    for server in (_light, _full):
        if server is not None:
            server.link.shutdown(socket.SHUT_RDWR)  # others may have copies of it
            server.link.close()
            os.waitpid(server.pid, 0)
    _light = _full = None
    if _rank_python is not None:
        shutil.rmtree(_rank_python.parent)
        _rank_python = None


def python_program() -> str:
    """The program of `write_python` that this process wrote for its own commands."""
    assert _rank_python is not None, NO_SERVER
    return str(_rank_python)


def write_python(file: Path) -> Path:
    """Write a program that replaces Python where another program starts a command; returns its path. For
    everything else it behaves as the Python of this environment.
    """
    assert _light is not None, NO_SERVER
    assert _full is not None, NO_SERVER
    words = {"python": sys.executable, "verbs": HANDED_OVER, "decoder": DECODER}
    file.write_text(PYTHON.format(**words, light=_light.address, full=_full.address))
    file.chmod(0o755)
    return file


class Command:
    """A command that was started. Its output is kept in memory files, so that it never waits for a reader."""

    def __init__(
        self,
        words: Sequence[object],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        max_file_bytes: int | None = None,
    ) -> None:
        """Start Python with `words`: `-m MODULE ARGUMENT...` or `SCRIPT ARGUMENT...`.

        `max_file_bytes` simulates a full disk: no file may grow past it.
        """
        self.words = [str(word) for word in words]
        self.returncode: int | None = None
        self._streams = [os.memfd_create(name) for name in ("stdout", "stderr")]
        # This kind of socket keeps the borders between messages.
        self._status, status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {
            "words": self.words,
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
            "max_file_bytes": max_file_bytes,
            "rank_python": str(_rank_python),
        }
        server = _light if self._is_light() else _full
        assert server is not None, NO_SERVER
        socket.send_fds(server.link, [json.dumps(request).encode()], [*self._streams, status.fileno()])
        status.close()
        self.pid = int(self._message(60))

    def _is_light(self) -> bool:
        return tuple(self.words[:2]) == THE_COMMAND and self.words[2:3] not in ([verb] for verb in WITH_TORCH)

    @property
    def stdout(self) -> str:
        """What it wrote to its standard output so far."""
        return _text(self._streams[0])

    @property
    def stderr(self) -> str:
        """What it wrote to its standard error so far."""
        return _text(self._streams[1])

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float = 120) -> int:
        """Wait for its end. Returns its exit code, or minus the number of the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: it still ran after `timeout` seconds, and was killed.
        """
        global _processor_seconds
        if self.returncode is None:
            message = self._message(timeout)
            if not message:
                self.send_signal(signal.SIGKILL)
                self._message(60)
                raise subprocess.TimeoutExpired(self.words, timeout, self.stdout, self.stderr)
            self.returncode, seconds = json.loads(message)
            _processor_seconds += seconds
        return self.returncode

    def _message(self, timeout: float) -> bytes:
        """The next message of its supervisor; empty if none comes in time."""
        ready, _, _ = select.select([self._status], [], [], timeout)
        return self._status.recv(100) if ready else b""

    def __del__(self) -> None:
        for number in self._streams:
            os.close(number)


def run(
    words: Sequence[object],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
    max_file_bytes: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `iconoclip` with `words` to its end; see Command for the options.

    Raises:
        subprocess.TimeoutExpired: it still ran after `timeout` seconds, and was killed.
    """
    command = Command([*THE_COMMAND, *words], cwd=cwd, env=env, max_file_bytes=max_file_bytes)
    code = command.wait(timeout)
    return subprocess.CompletedProcess(command.words, code, command.stdout, command.stderr)


def _text(number: int) -> str:
    return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")
