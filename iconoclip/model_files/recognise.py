"""What a file of weights is. Folders are in `folders.py`."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

from iconoclip.model_files.first_bytes import AGAIN, NUM_BYTES, PYTORCH, by_first_bytes
from iconoclip.model_files.folders import of_folder
from iconoclip.model_files.found import Found
from iconoclip.model_files.names import QUANTISED, by_names
from iconoclip.model_files.pickled import (
    LEGACY_MAGIC,
    names_in_legacy_file,
    names_in_plain_pickle,
    names_in_torch_zip,
)

# The bound of the safetensors library itself.
MAX_HEADER_BYTES = 100_000_000
MAX_INDEX_BYTES = 50_000_000
CUT_SHORT = "{} that is damaged or cut short"


def recognise(path: str | Path) -> Found:
    """What is at this path: how it is read, or why it is not and what to do.

    It reads the first bytes and the names of the tensors, never the tensors.
    """
    path = Path(path)
    if not path.exists():
        if path.is_symlink():
            remedy = "copy the files that the links lead to as well (`cp -rL`), or download them again"
            return Found("absent", "a link to a file that is not here", remedy)
        if re.match(r"\w+:/", str(path)):
            return Found("absent", "a file at an address is not read", "download it, and give its path")
        return Found("absent", "no such file", "check the path")
    try:
        return of_folder(path) if path.is_dir() else _of_file(path)
    except PermissionError:
        return Found("absent", "the file may not be read", "ask its owner for the right to read it")
    # A damaged zip archive or pickle makes the readers raise errors of many classes.
    except Exception:
        return Found("damaged", CUT_SHORT.format("a file"), AGAIN)


def _of_file(path: Path) -> Found:
    with path.open("rb") as file:
        head = file.read(NUM_BYTES)
    if not head:
        return Found("damaged", "an empty file", AGAIN)
    if head.startswith(b"PK\x03\x04"):
        return _of_zip(path)
    if head.startswith(LEGACY_MAGIC):
        return by_names(names_in_legacy_file(path), is_pickle=True) or Found(
            "torch", "weights of an old torch"
        )
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _of_plain_pickle(path)
    if (header := _safetensors_header(head)) is not None:
        return _of_safetensors(path, header)
    return by_first_bytes(head) or _of_text(path, head)


def _of_zip(path: Path) -> Found:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            last = {name.rpartition("/")[2] for name in names}
            if "data.pkl" in last:
                if "constants.pkl" in last or any("/code/" in name for name in names):
                    return Found("torchscript", "a TorchScript archive")
                found = by_names(names_in_torch_zip(archive), is_pickle=True)
                return found or Found("torch", "weights of torch")
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return Found("damaged", CUT_SHORT.format("a zip archive"), AGAIN)
    if names and all(name.endswith(".npy") for name in names):
        arrays = [name.removesuffix(".npy") for name in names]
        return by_names(arrays) or Found("npz", "weights of big_vision")
    if any("exported_program" in name or name.endswith("archive_format") for name in names):
        remedy = "give the weights that it was exported from"
        return Found("foreign", "a program that torch.export wrote", remedy)
    return Found("foreign", "a zip archive", "unpack it, and give the folder or the file of weights in it")


def _of_plain_pickle(path: Path) -> Found:
    try:
        names_in_plain_pickle(path)
    except ValueError:
        return Found("damaged", CUT_SHORT.format("a pickle"), AGAIN)
    remedy = "save the weights with torch.save() or as safetensors, and give that file"
    return Found("foreign", "a pickle that torch did not write, which may run code", remedy)


def _safetensors_header(head: bytes) -> int | None:
    """The length of the header, if the file starts as one of safetensors does."""
    if len(head) < 9 or head[8:9] != b"{":
        return None
    length = int(struct.unpack("<Q", head[:8])[0])
    return length if length <= MAX_HEADER_BYTES else None


def _of_safetensors(path: Path, length: int) -> Found:
    damaged = Found("damaged", CUT_SHORT.format("a safetensors file"), AGAIN)
    with path.open("rb") as file:
        file.seek(8)
        text = file.read(length)
    try:
        header = json.loads(text)
        end = max(
            (one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"), default=0
        )
    except (ValueError, RecursionError, KeyError, TypeError, IndexError, AttributeError):
        return damaged
    if len(text) != length or 8 + length + end != path.stat().st_size:
        return damaged
    names = [name for name in header if name != "__metadata__"]
    if any(header[name].get("dtype") in ("I8", "U8") for name in names if name.endswith(".weight")):
        return QUANTISED
    return by_names(names) or Found("safetensors", "weights as safetensors")


def _of_text(path: Path, head: bytes) -> Found:
    if head.lstrip()[:1] in (b"{", b"["):
        return _of_json(path)
    if b"\x00" not in head and all(byte >= 0x20 or byte in b"\t\r\n" for byte in head):
        return Found("damaged", "a text file", AGAIN)
    what = f"a file of an unknown kind (it starts with {head[:8].hex(' ')})"
    return Found("damaged", what, f"{PYTORCH}; if it is one of these, {AGAIN}")


def _of_json(path: Path) -> Found:
    values: Any = None
    if path.stat().st_size <= MAX_INDEX_BYTES:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            return Found("damaged", "a text file", AGAIN)
    if isinstance(values, dict) and isinstance(values.get("weight_map"), dict):
        return by_names(values["weight_map"]) or Found("sharded", "an index of sharded weights")
    if isinstance(values, dict) and {"embed_dim", "vision_cfg"} & set(values.get("model_cfg", values) or {}):
        remedy = "give it as the model's name, and the file of weights as `pretrained`"
        return Found("foreign", "the config of a model", remedy)
    return Found("damaged", "a JSON document, such as the error of a server", AGAIN)
