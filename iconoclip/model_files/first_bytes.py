"""The kinds of files that their first bytes give away.

The patterns are those of the formats' own specifications, as the file(1) command lists them too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from iconoclip.model_files.found import Found, Kind

NUM_BYTES = 1_024
AGAIN = "download it again, and compare its size with that at the source"
PYTORCH = "give the PyTorch weights of the model: model.safetensors or pytorch_model.bin"
UNPACK = "unpack it, and give the folder or the file of weights that is in it"


class Row(NamedTuple):
    """A kind of file.

    Args:
        pattern: of the first bytes.
        kind: of the answer.
        what: the file in words.
        remedy: what to do with it.
    """

    pattern: bytes
    kind: Kind
    what: str
    remedy: str


FIRST_BYTES = (
    Row(
        rb"version https://git-lfs\.github\.com",
        "damaged",
        "a Git LFS pointer, a few lines that stand for the file",
        "run `git lfs pull` in its folder",
    ),
    Row(
        rb"(\.\./)*(\.git)?/?annex/objects/",
        "damaged",
        "a git-annex pointer, one line that stands for the file",
        "run `git annex get` in its folder",
    ),
    Row(
        rb"# xet version",
        "damaged",
        "a Git Xet pointer, a few lines that stand for the file",
        "run `git xet install` and `git lfs pull` in its folder, or download it with `hf download`",
    ),
    Row(
        rb"(?i)(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?(<!doctype html|<html|<head|<body)",
        "damaged",
        "an HTML page, such as the page of a login or of an error",
        "download the file itself, logged in where the site asks for it (`hf download`)",
    ),
    Row(rb"\s*<\?xml.{0,200}<net ", "foreign", "an OpenVINO graph, for inference", PYTORCH),
    Row(rb"\s*<\?xml|\s*<Error>", "damaged", "an XML document, such as the error of a storage", AGAIN),
    Row(
        rb"GGUF|ggml|lmgg|tjgg|fmgg",
        "foreign",
        "a GGUF file, quantised for llama.cpp",
        "give the weights it was made from, as model.safetensors",
    ),
    Row(
        rb"\x08[\x01-\x1f](\x12|\x1a|\x22|\x3a|\x42)",
        "foreign",
        "an ONNX file, a graph for inference",
        "give the PyTorch weights that it was exported from",
    ),
    Row(rb"\x89HDF\r\n\x1a\n", "foreign", "a Keras or TensorFlow file (HDF5)", PYTORCH),
    Row(rb"ftrt", "foreign", "a TensorRT engine, for inference", PYTORCH),
    Row(rb"....TFL3", "foreign", "a TensorFlow Lite file", PYTORCH),
    Row(rb"....ET1\d", "foreign", "an ExecuTorch program", PYTORCH),
    Row(rb"[\x81-\x8f](?:[\xa1-\xbf]|\xd9.)[A-Za-z_]{3}", "foreign", "Flax weights (msgpack)", PYTORCH),
    Row(rb"\x1f\x8b|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|BZh\d|7z\xbc\xaf|Rar!", "foreign", "an archive", UNPACK),
    Row(rb".{257}ustar", "foreign", "a tar archive", UNPACK),
    Row(rb"\x93NUMPY", "foreign", "a single NumPy array", "give all weights of the model in one file"),
    Row(rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|II\*\x00|MM\x00\*", "foreign", "a picture", PYTORCH),
    Row(rb"%PDF-", "foreign", "a PDF document", PYTORCH),
    Row(rb"PAR1|ARROW1|SQLite format", "foreign", "a table", PYTORCH),
    Row(rb"\x7fELF|MZ", "foreign", "a program", PYTORCH),
    # Programs that download in parts first write zeros over the whole length.
    Row(rb"\x00{512}", "damaged", "a file that begins with zeros, as a download that did not end", AGAIN),
)


def by_first_bytes(head: bytes) -> Found | None:
    """The kind of a file that starts with these bytes; None if the table does not know it."""
    for row in FIRST_BYTES:
        if re.match(row.pattern, head, re.DOTALL):
            return Found(row.kind, row.what, row.remedy)
    return None
