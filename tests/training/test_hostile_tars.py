"""Tars whose headers or metadata are made to harm: reading ends, and what is stated is never lost."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from pathlib import Path

import pytest

from iconoclip.tar_headers import MAX_HEADER_BYTES, BoundedTarInfo
from training.data.tar_rows import TarSettings, content_of

from .conftest import jpeg


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A ustar header whose size may be negative, in the base 256 of GNU tar."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = b"\xff" + (256**11 + size).to_bytes(11, "big") if size < 0 else b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def sample(key: str, facts: object) -> bytes:
    members = {f"{key}.jpg": jpeg("red", "blue", "disc"), f"{key}.txt": b"a lion"}
    members[f"{key}.json"] = json.dumps(facts).encode()
    return b"".join(header(name, len(data)) + padded(data) for name, data in members.items())


BACK = b"17 size=-1000000\n"
ENDLESS = {
    "a file": header("b.jpg", -1024),
    "a folder": header("b", -1024, tarfile.DIRTYPE),
    "a pax header": header("x", len(BACK), tarfile.XHDTYPE) + padded(BACK) + header("b.jpg", 0),
    "a large pax header": header("x", 2 * MAX_HEADER_BYTES, tarfile.XHDTYPE) + bytes(2 * MAX_HEADER_BYTES),
    "a large name": header("x", 2 * MAX_HEADER_BYTES, tarfile.GNUTYPE_LONGNAME) + bytes(2 * MAX_HEADER_BYTES),
}


def test_a_header_with_a_harmful_size_ends_the_reading(tmp_path: Path) -> None:
    assert len(BACK) == 17
    for name, bad in ENDLESS.items():
        data = sample("a", {}) + bad + bytes(1024)
        with (
            tarfile.open(fileobj=io.BytesIO(data), mode="r:", tarinfo=BoundedTarInfo) as tar,
            pytest.raises(tarfile.ReadError, match=r"negative|too large"),
        ):
            list(itertools.islice(tar, 50))
        (tmp_path / "t.tar").write_bytes(data)
        found = content_of(tmp_path / "t.tar", TarSettings())
        assert (len(found.rows), sum(found.left_out.values())) == (1, 1), name
        assert found.left_out["damaged tars: what follows the damage"] == 1, name


def test_a_sample_keeps_the_rights_that_it_states(tmp_path: Path) -> None:
    facts = ({"License": "InC"}, {"RIGHTS": ["x"]}, {"license": ""})
    stated = [sample(f"s{number}", one) for number, one in enumerate(facts, 1)]
    (tmp_path / "t.tar").write_bytes(b"".join([*stated, bytes(1024)]))
    rows = content_of(tmp_path / "t.tar", TarSettings()).rows
    assert {row["name"]: row.get("rights") for row in rows} == {"s1": "InC", "s2": "['x']", "s3": None}


def test_deep_json_costs_its_own_sample_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Python 3.11 reads no list as deep as this; later ones do.
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    monkeypatch.setattr(
        "training.data.tar_rows.json.loads", lambda text: {"caption": deep} if text == "1" else {}
    )
    (tmp_path / "t.tar").write_bytes(sample("a", 1) + sample("b", 2) + bytes(1024))
    found = content_of(tmp_path / "t.tar", TarSettings(caption_keys=("caption",)))
    assert [row["name"] for row in found.rows] == ["b"]
    assert found.left_out["JSON that is damaged"] == 1
