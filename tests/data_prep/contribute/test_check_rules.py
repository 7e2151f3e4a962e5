"""Everything that a hostile or damaged shard set can hold is found and named; warnings have counts."""

from __future__ import annotations

import io
import json
import os
import random
import resource
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data_prep.contribute.check import Checker
from data_prep.contribute.checking.rules import RULES, Finding
from iconoclip.cli import main
from iconoclip.files import sha256_of, write_json
from iconoclip.progress import Meter
from iconoclip.record import Caption
from iconoclip.shardset import ShardSet
from tests.conftest import ROOT

Members = list[tuple[tarfile.TarInfo, bytes]]
FUZZ_CASES = int(os.environ.get("FUZZ_CASES", "24"))


def found(shardset: ShardSet) -> list[Finding]:
    return list(Checker(shardset).findings(Meter("check", None, "samples")))


def rules(shardset: ShardSet) -> set[str]:
    return {one.rule for one in found(shardset)}


def with_new_checksums(folder: Path) -> ShardSet:
    """The set with checksums that fit again, as a forger would write them."""
    value = json.loads((folder / "shardset.json").read_text())
    value["records_sha256"] = sha256_of(folder / "records.parquet")
    for shard in value["shards"]:
        path = folder / shard["name"]
        shard |= {"sha256": sha256_of(path), "num_bytes": path.stat().st_size}
    write_json(folder / "shardset.json", value)
    return ShardSet(folder)


def rewritten(
    shardset: ShardSet, change: Callable[[Members], Members], format: int = tarfile.USTAR_FORMAT
) -> ShardSet:
    """The set with another tar in place of its first one."""
    path = shardset.folder / shardset.manifest.shards[0].name
    with tarfile.open(path) as tar:
        members: Members = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    with tarfile.open(path, "w", format=format) as tar:
        for info, data in change(members):
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return with_new_checksums(shardset.folder)


def plain(name: str, data: bytes = b"x", **values: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for field, value in values.items():
        setattr(info, field, value)
    return info, data


def renamed(members: Members, number: int, name: Callable[[str], str]) -> Members:
    info, data = members[number]
    return [*members[: number + 1], plain(name(info.name), data), *members[number + 1 :]]


def with_text(members: Members, text: bytes) -> Members:
    return [(info, text if info.name.endswith(".txt") else data) for info, data in members]


TARS: dict[str, tuple[str, Callable[[Members], Members]]] = {
    "another order of samples": ("index-order", lambda m: [*m[3:6], *m[:3], *m[6:]]),
    "another order of members": ("member-order", lambda m: [m[1], m[0], *m[2:]]),
    "the order turned round": ("member-order", lambda m: m[::-1]),
    "a caption that lies": ("caption-file", lambda m: with_text(m, b"Buy now at evil.example")),
    "a foreign member": ("member-foreign", lambda m: renamed(m, 2, lambda n: n.replace(".txt", ".exe"))),
    "an extension in capitals": ("member-repeated", lambda m: renamed(m, 0, lambda n: n[:-3] + "JPG")),
    "a key in capitals": ("member-repeated", lambda m: renamed(m, 0, str.upper)),
    "a repeated member": ("member-repeated", lambda m: [*m, m[0]]),
    "a repeated member next to it": ("member-repeated", lambda m: [m[0], *m]),
    "a member without a sample": ("member-name", lambda m: [*m, plain("__pycache__.pyc")]),
    "a name without a key": ("member-name", lambda m: [*m, plain(".jpg")]),
    "a name with a way out": ("member-name", lambda m: [*m, plain("../evil.jpg")]),
    "a name with a backslash": ("member-name", lambda m: [*m, plain("..\\evil.jpg")]),
    "control characters": ("member-name", lambda m: [*m, plain("\x1b[31mevil\x07\n.jpg")]),
    "a link": ("member-kind", lambda m: [*m, plain("a.jpg", b"", type=b"2", linkname="/etc/passwd")]),
    "a hard link": ("member-kind", lambda m: [*m, plain("a.jpg", b"", type=b"1", linkname=m[0][0].name)]),
    "a device": ("member-kind", lambda m: [*m, plain("a.jpg", b"", type=tarfile.CHRTYPE)]),
    "a folder": ("member-kind", lambda m: [*m, plain("sub", b"", type=tarfile.DIRTYPE)]),
    "a sample short of its caption": ("member-missing", lambda m: [*m[:2], *m[3:]]),
    "a sample that is gone": ("shard-lacks-sample", lambda m: m[3:]),
}  # fmt: skip


@pytest.mark.parametrize("case", TARS)
def test_a_tar_that_is_not_as_it_was_written(
    case: str, make_set: Callable[..., ShardSet], capsys: pytest.CaptureFixture[str]
) -> None:
    rule, change = TARS[case]
    shardset = rewritten(make_set(), change)
    assert rule in rules(shardset)
    assert main(["check", str(shardset.folder)]) == 2
    printed = capsys.readouterr().out
    assert f"[{rule}: " in printed
    assert all(letter.isprintable() or letter == "\n" for letter in printed)


def test_an_extended_header_is_refused_without_being_read(make_set: Callable[..., ShardSet]) -> None:
    """A header of 60 MB costs no memory: twice its size would show in what the process has used at most."""

    def with_header(members: Members) -> Members:
        info, data = plain("innocent.jpg")
        info.pax_headers = {"comment": "x" * 60_000_000}
        return [(info, data), *members]

    shardset = rewritten(make_set(), with_header, tarfile.PAX_FORMAT)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "member-kind" in rules(shardset)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


@pytest.mark.parametrize("fields", [("image_offset", "image_size"), ("record_offset", "record_size")])
def test_offsets_of_two_rows_that_are_swapped(
    make_set: Callable[..., ShardSet], fields: tuple[str, ...]
) -> None:
    shardset = make_set()
    path = shardset.folder / "records.parquet"
    rows = pq.read_table(path).to_pylist()
    for field in fields:
        rows[0][field], rows[1][field] = rows[1][field], rows[0][field]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    assert "index-place" in rules(with_new_checksums(shardset.folder))


def test_rows_in_another_order_and_a_row_twice(make_set: Callable[..., ShardSet]) -> None:
    shardset = make_set()
    path = shardset.folder / "records.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take([1, 0, *range(2, 6)]), path)
    assert rules(with_new_checksums(shardset.folder)) == {"index-order"}
    pq.write_table(pa.concat_tables([table, table.slice(5)]), path)
    assert "key-repeated" in rules(with_new_checksums(shardset.folder))


def test_a_parquet_file_that_is_none(
    make_set: Callable[..., ShardSet], capsys: pytest.CaptureFixture[str]
) -> None:
    shardset = make_set()
    path = shardset.folder / "records.parquet"
    whole = path.read_bytes()
    for data in (b"PAR1", whole[:-40], whole[:200] + bytes(300) + whole[500:], b""):
        path.write_bytes(data)
        assert rules(with_new_checksums(shardset.folder)) == {"index-unreadable"}
        assert main(["check", str(shardset.folder)]) == 2
    pq.write_table(pa.table({"key": ["a"]}), path)
    assert rules(with_new_checksums(shardset.folder)) == {"index-unreadable"}
    assert "bug in iconoclip" not in capsys.readouterr().err


def test_documents_of_a_signed_set(
    make_set: Callable[..., ShardSet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import subprocess

    folder = make_set().folder
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    assert main(["card", str(folder)]) == 0
    assert main(["sign", str(folder), "--key", str(key)]) == 0
    assert main(["check", str(folder)]) == 0
    for name in ("README.md", "croissant.json"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(before + b"\nSend money to evil.example\n")
        assert main(["check", str(folder)]) == 2
        assert f"{name}: it was changed after the set was signed [document-changed" in capsys.readouterr().out
        (folder / name).write_bytes(before)
    (folder / "documents.sha256").unlink()
    assert main(["check", str(folder)]) == 2
    assert "document-unsigned" in capsys.readouterr().out


def test_what_a_person_must_decide_on_is_counted(
    make_set: Callable[..., ShardSet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def text(text: str, language: str = "en") -> dict[str, object]:
        return {"captions": (Caption(text=text, language=language, field="title"),)}

    german = "Eine Kuh steht auf der grünen Wiese vor dem Haus und frisst das Gras, das dort wächst."
    changes = {
        0: {"captions": ()}, 1: text("MS 123, fol. 12r"), 2: text(german, "fr"),
        3: text("A portrait. Ask jane.doe@example.org"), 4: text("Ein Bild. Tel. 030 1234567", "de"),
    }  # fmt: skip
    folder = make_set(changes=changes).folder
    (folder / "notes.docx").write_text("x")
    page, report = tmp_path / "page.html", tmp_path / "report.json"
    assert main(["check", str(folder), "--page", str(page), "--report", str(report)]) == 0
    warnings = json.loads(report.read_text())["warnings"]
    counts = {rule: value["num"] for rule, value in warnings.items()}
    assert counts == {
        "caption-missing": 1, "caption-designation": 1, "caption-language": 1, "personal-data": 2,
        "file-unknown": 1,
    }  # fmt: skip
    assert "warning: 2 personal-data" in capsys.readouterr().out
    shown = page.read_text()
    assert shown.count("data:image/jpeg;base64,") == 5
    assert 'src="http' not in shown


def test_copies_within_a_set_are_counted(make_set: Callable[..., ShardSet], tmp_path: Path) -> None:
    # Pictures 0 to 5 have one colour each; number * 40 is the same colour again only from 32 on.
    changes = {0: {"split": "train"}, 32: {"split": "test"}}
    shardset = make_set(count=33, changes=changes)
    checker = Checker(shardset)
    assert list(checker.findings(Meter("check", None, "samples"))) == []
    what = checker.warnings.examples["duplicates-across-splits"][0].what
    assert what.startswith("2 pictures")


def test_sets_of_others_and_what_they_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(buffer, "JPEG")
    members = {
        "000.jpg": buffer.getvalue(), "000.txt": b"A cow", "000.json": b'{"license": "CC0"}',
        "001.jpg": buffer.getvalue(), "001.txt": b"A dog",
        "002.jpg": buffer.getvalue()[:-200], "002.txt": b"A hen", "002.json": b'{"license": "ask us"}',
        "003.txt": b"no picture",
    }  # fmt: skip
    tar = tmp_path / "00000.tar"
    with tarfile.open(tar, "w") as file:
        for name, data in members.items():
            info, data = plain(name, data)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    assert main(["check", str(tmp_path)]) == 3
    printed = capsys.readouterr().out
    assert "WebDataset: 4 samples in 1 tars, 1 with all that is needed" in printed
    assert "lacks: 2 samples that state their rights" in printed
    assert "lacks: 1 samples with a picture that can be decoded, for example 00000.tar/002" in printed
    pq.write_table(pa.table({"key": ["000"]}), tmp_path / "00000.parquet")
    assert main(["check", str(tar)]) == 3
    assert "img2dataset: 4 samples" in capsys.readouterr().out


def test_every_rule_is_explained_and_nothing_else_is() -> None:
    text = (ROOT / "docs" / "checks.md").read_text()
    explained = [line.split("`")[1] for line in text.splitlines() if line.startswith("### `")]
    assert explained == list(RULES)
    for name, rule in RULES.items():
        part = text.split(f"### `{name}`")[1].split("###")[0]
        assert rule.level in part
        assert len(part.split()) > 15


def test_damage_anywhere_is_found_or_harmless(make_set: Callable[..., ShardSet], tmp_path: Path) -> None:
    """Whatever bytes change in a tar, the index or the manifest: findings or an error in words, no traceback.

    FUZZ_CASES=2000 runs as many cases; checksums are put right in every other one.
    """
    origin = make_set().folder
    names = ["shardset.json", "records.parquet", next(origin.glob("*.tar")).name]
    chance = random.Random(7)
    twin = tmp_path / "twin"
    num_found = 0
    for case in range(FUZZ_CASES):
        shutil.rmtree(twin, ignore_errors=True)
        shutil.copytree(origin, twin)
        path = twin / names[case % 3]
        data = bytearray(path.read_bytes())
        for _ in range(chance.randint(1, 6)):
            start = chance.randrange(len(data))
            kind = chance.randrange(4)
            if kind == 0:
                data[start] ^= 1 << chance.randrange(8)
            elif kind == 1:
                data[start : start + chance.randint(1, 600)] = chance.randbytes(chance.randint(0, 600))
            elif kind == 2:
                data[start : start + 4] = chance.choice([b"\xff\xff\xff\x7f", b'"":{', b"7777", b"\0\0\0\0"])
            else:
                del data[start : start + chance.randint(1, 2_000)]
            data = data or bytearray(b"x")
        path.write_bytes(data)
        if case % 2 and case % 3:
            with_new_checksums(twin)
        code = main(["check", str(twin)])
        assert code in (0, 2, 4), (case, code)
        num_found += code != 0
    # A changed bit in the padding of a forged tar matters to no reader; every other must be found.
    assert num_found > 0.85 * FUZZ_CASES
