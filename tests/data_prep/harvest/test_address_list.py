"""A text file of addresses as a source: what it may hold, and that it is harvested like its addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.institutions import profile_for
from data_prep.sources.address_list import MAX_BAD_LINES, is_address_list, read_address_list
from iconoclip.shardset import ShardSet
from tests import commands

CLOCK = "2026-01-02T03:04:05Z"
A, B = "https://a.example/manifest.json", "https://b.example/oai?verb=ListRecords&metadataPrefix=oai_dc"


def read(body: bytes, **context: Any) -> Any:
    return read_address_list(body, "list.txt", profile_for("list.txt"), context or None)


@pytest.mark.parametrize(
    "body",
    [
        f"{A}\n{B}\n".encode(),
        f"{A}\n{B}".encode(),
        f"\ufeff{A}\r\n{B}\r\n".encode(),
        f"{A}\r{B}\r".encode(),
        f"# ours\n\n  {A}  \n\t\n{B} # the catalogue\n#{A}\n".encode(),
        f"{A}\n{B}\n".encode("utf-16"),
        f"{A}\r\n{B}".encode("utf-16"),
    ],
)
def test_the_addresses_of_a_list(body, tmp_path):
    found = read(body)
    assert [(link.uri, link.kind) for link in found.links] == [(A, "unknown"), (B, "oai-pmh")]
    assert found.refusals == ()
    (tmp_path / "sources").write_bytes(body)
    assert is_address_list(tmp_path / "sources")


def test_a_kind_holds_for_all_addresses():
    found = read(b"https://a.example/oai\n", source="oai-pmh")
    assert found.links[0].uri == "https://a.example/oai?verb=ListRecords&metadataPrefix=oai_dc"
    assert found.links[0].kind == "oai-pmh"


def test_a_fragment_is_no_comment():
    assert read(b"https://a.example/x#part\n").links[0].uri == "https://a.example/x#part"


@pytest.mark.parametrize(
    "line",
    [
        "a.example/manifest.json",
        "ftp://a.example/x",
        "file:///etc/passwd",
        "/etc/passwd",
        "other-list.txt",
        f"{A} {B}",
        f"{A}\x0b{B}",
        "https://",
        "https://a.example:99999/x",
        "http://[::1/x",
        "https://a.example/" + "x" * 5_000,
        "javascript:alert(1)",
    ],
)
def test_a_line_that_is_no_address_is_refused_with_its_number(line):
    found = read(f"{A}\n\n{line}\n{B}\n".encode())
    assert [link.uri for link in found.links] == [A, B]
    assert [refusal.source for refusal in found.refusals] == ["list.txt, line 3"]
    assert len(found.refusals[0].reason) < 200


def test_bytes_that_are_no_text_are_refused_by_line():
    found = read(A.encode() + b"\nhttps://a.example/\xff\xfe\n")
    assert [link.uri for link in found.links] == [A]
    assert found.refusals[0].source == "list.txt, line 2"


def test_a_file_of_another_kind_does_not_fill_the_report():
    found = read(f"{A}\n".encode() + b"no address\n" * 50_000)
    assert len(found.refusals) == MAX_BAD_LINES + 2
    assert found.refusals[-1].source == f"list.txt, line {MAX_BAD_LINES + 2}"
    assert found.is_cut


@pytest.mark.parametrize("body", ['{"type": "Manifest"}', "<OAI-PMH/>", "[]"])
def test_a_document_is_no_list_whatever_its_name(body, tmp_path):
    (tmp_path / "document.txt").write_text(body)
    assert not is_address_list(tmp_path / "document.txt")


def harvest(source: object, out: Path, *words: object) -> Any:
    settings = ["--harvested_at", CLOCK, "--max_side_pixels", 64, "--num_workers", 1]
    return commands.run(["harvest", source, *words, "--out", out, *settings])


def files(folder: Path) -> dict[str, bytes]:
    names = ("report.json", "refused.jsonl")
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name not in names}


def test_a_list_is_harvested_like_what_it_names(archive, tmp_path):
    listed = tmp_path / "ours.txt"
    listed.write_text(
        f"# Two of ours\r\n{archive.origin}/manifest/3\r\nnot one\r\n\r\n{archive.origin}/manifest/1\r\n"
    )
    done = harvest(listed, tmp_path / "listed")
    assert done.returncode == 3, done.stderr
    refused = [json.loads(line) for line in (tmp_path / "listed/refused.jsonl").read_text().splitlines()]
    assert [entry["source"] for entry in refused] == [f"{listed}, line 3"]
    named = harvest(f"{archive.origin}/manifest/3", tmp_path / "named", f"{archive.origin}/manifest/1")
    assert named.returncode == 0, named.stderr
    assert files(tmp_path / "listed") == files(tmp_path / "named")


def test_a_refresh_reads_new_lines_and_withdraws_no_removed_ones(archive, reply, tmp_path):
    listed, out = tmp_path / "ours.txt", tmp_path / "out"
    listed.write_text(f"{archive.origin}/manifest/0\n{archive.origin}/manifest/1\n")
    assert harvest(listed, out).returncode == 0
    listed.write_text(f"{archive.origin}/manifest/1\n{archive.origin}/manifest/2\n")
    assert harvest(listed, out, "--refresh").returncode == 0
    numbers = {record.source.manifest.rpartition("/")[2] for record in ShardSet(out).records()}
    assert numbers == {"0", "1", "2"}
    assert ShardSet(out).manifest.tombstones == ()
    archive.routes["/manifest/0"] = reply(status=404)
    assert harvest(listed, out, "--refresh").returncode == 3
    assert [one.reason for one in ShardSet(out).manifest.tombstones] == ["no longer offered by its source"]


def test_a_dry_run_of_a_list_sends_requests(archive, tmp_path):
    listed = tmp_path / "ours.txt"
    listed.write_text(f"{archive.origin}/manifest/5\n")
    done = commands.run(["harvest", listed, "--dry-run", "--json"])
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert archive.paths == ["/manifest/5"]


def test_a_list_of_other_servers_needs_a_contact(tmp_path):
    listed = tmp_path / "ours.txt"
    listed.write_text("http://127.0.0.1:9/x\nhttps://library.example/manifest\n")
    done = harvest(listed, tmp_path / "out")
    assert done.returncode == 2
    assert "contact" in done.stderr
    assert "https://library.example/manifest" in done.stderr


def test_what_a_server_sends_is_no_list(archive, reply, tmp_path):
    archive.routes["/list.txt"] = reply(f"{archive.origin}/manifest/1\n".encode())
    done = harvest(f"{archive.origin}/list.txt", tmp_path / "out")
    assert done.returncode == 2
    assert archive.paths == ["/list.txt"]
