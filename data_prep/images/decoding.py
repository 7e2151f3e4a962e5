"""The decoding program: it receives images over a socket and sends back the bytes to store.

    python -m data_prep.images.decoding WANTED FD...

WANTED is a `data_prep.images.store.Wanted` in JSON. Each FD is one end of a Unix socket and gets a separate
process. The processes are forked when the decoders are loaded, and end when their socket is closed.

A message is two lengths of four bytes, big-endian, then a JSON object and bytes. The requests are trusted.
The answers are not, because an image may have taken over the decoder. Therefore there is no pickle, and the
harvest checks the answers like any other outside data.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import struct
import sys
import traceback
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from data_prep.images.mosaic import assembled
from data_prep.images.store import Wanted, opt_out_of, store_image
from iconoclip.pictures import ImageRefused

LENGTHS: Final = struct.Struct(">II")
# Processor time and not elapsed time, so that nothing is refused because the machine is busy or was
# suspended. A limit on the size of an image does not limit the time to decode it.
MAX_SECONDS: Final = 120.0


class Cut(NamedTuple):
    """A part of an image in pixels, origin at the top left."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"


def message(head: dict[str, Any], body: bytes) -> bytes:
    """The bytes of a message for the socket."""
    text = json.dumps(head).encode()
    return b"".join((LENGTHS.pack(len(text), len(body)), text, body))


def serve(end: socket.socket, wanted: Wanted) -> None:
    """Report that the decoders are loaded, then process images until the other end is closed."""
    end.sendall(message({"process": os.getpid()}, b""))
    with end.makefile("rb", buffering=1 << 18) as reader:
        while len(lengths := reader.read(LENGTHS.size)) == LENGTHS.size:
            head_size, body_size = LENGTHS.unpack(lengths)
            head, body = json.loads(reader.read(head_size)), reader.read(body_size)
            # SIGPROF ends the process, even inside a decoder.
            signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
            answer = _answer(head, body, wanted)
            signal.setitimer(signal.ITIMER_PROF, 0)
            end.sendall(message(*answer))


def _answer(head: dict[str, Any], body: bytes, wanted: Wanted) -> tuple[dict[str, Any], bytes]:
    received = body
    crop = Cut(*head["crop"]) if head["crop"] else None
    space = tuple(head["space"]) if head["space"] else None
    try:
        if head["tiles"]:
            body = assembled(received, head["tiles"])
        stored = store_image(body, wanted, crop, space, head["turn"])
    except ImageRefused as refused:
        return {"refused": str(refused)}, b""
    facts = asdict(stored)
    if head["tiles"]:
        facts |= {"source_sha256": hashlib.sha256(received).hexdigest(), "opt_out": opt_out_of(received)}
    jpeg = facts.pop("jpeg")
    # If the received bytes are stored unchanged, they need not be sent back.
    return facts, b"" if jpeg is body else jpeg


def _serve_alone(end: socket.socket, wanted: Wanted) -> int:
    try:
        serve(end, wanted)
    except ConnectionError:
        pass  # the harvest has ended
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main(arguments: list[str]) -> None:
    """Serve each socket in a separate process, and wait until all of them end."""
    # A scheduler sends SIGTERM to every process of a job. The harvest handles it and then closes the sockets.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wanted = Wanted(**json.loads(arguments[0]))
    ends = [socket.socket(fileno=int(number)) for number in arguments[1:]]
    for end in ends:
        if os.fork() == 0:
            for other in ends:
                if other is not end:
                    other.close()
            os._exit(_serve_alone(end, wanted))
    for end in ends:
        end.close()
    for _ in ends:
        os.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
