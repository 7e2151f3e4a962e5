"""The program that decodes: images come over a socket, what is to be stored goes back.

    python -m data_prep.images.decoding WANTED FD...

WANTED is a `data_prep.images.store.Wanted` in JSON; each FD is the end of a Unix socket, and gets a process of its own. They
are forked off when the decoders are loaded, and end when the other end of their socket is closed, whoever closed it.

A message is two lengths of four bytes, big-endian, then a JSON object and bytes. What comes in is trusted, what goes out
need not be: an image that takes a decoder over gets no further than into a process without files or connections, which
can answer with wrong pixels and nothing else. Hence no pickle.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from data_prep.images.store import ImageRefused, StoredImage, Wanted, store_image

LENGTHS: Final = struct.Struct(">II")


class Cut(NamedTuple):
    """A part of an image in pixels, origin at the top left."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"


def message(head: dict[str, Any], body: bytes) -> bytes:
    """A message as it goes over the socket."""
    text = json.dumps(head).encode()
    return b"".join((LENGTHS.pack(len(text), len(body)), text, body))


def serve(end: socket.socket, wanted: Wanted) -> None:
    """Say that the decoders are loaded, then answer image after image until the other end is closed."""
    end.sendall(message({"process": os.getpid()}, b""))
    with end.makefile("rb", buffering=1 << 18) as reader:
        while len(lengths := reader.read(LENGTHS.size)) == LENGTHS.size:
            head_size, body_size = LENGTHS.unpack(lengths)
            head, body = json.loads(reader.read(head_size)), reader.read(body_size)
            end.sendall(message(*_answer(head, body, wanted)))


def _answer(head: dict[str, Any], body: bytes, wanted: Wanted) -> tuple[dict[str, Any], bytes]:
    crop = Cut(*head["crop"]) if head["crop"] else None
    space = tuple(head["space"]) if head["space"] else None
    try:
        stored = store_image(body, wanted, crop, space)
    except ImageRefused as refused:
        return {"refused": str(refused)}, b""
    facts = asdict(stored)
    jpeg = facts.pop("jpeg")
    # What is kept as it came need not go back.
    return facts, b"" if jpeg is body else jpeg


def stored_image(facts: dict[str, Any], jpeg: bytes) -> StoredImage:
    """What was answered.

    Raises:
        TypeError, KeyError: not an answer.
    """
    lists = ("received", "colours", "opt_out")
    return StoredImage(**{**facts, **{name: tuple(facts[name]) for name in lists}, "jpeg": jpeg})


def main(arguments: list[str]) -> None:
    """Serve each socket in a process of its own, and wait for all of them to end."""
    wanted = Wanted(**json.loads(arguments[0]))
    ends = [socket.socket(fileno=int(number)) for number in arguments[1:]]
    for end in ends:
        if os.fork() == 0:
            for other in ends:
                if other is not end:
                    other.close()
            try:
                serve(end, wanted)
            except (ConnectionError, EOFError):
                pass  # the harvest is gone, or wants no more
            finally:
                os._exit(0)
    for end in ends:
        end.close()
    for _ in ends:
        os.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
