"""`iconoclip harvest --dry-run` over all real documents: records listed, refusals with reasons, no network,
no crash."""

from __future__ import annotations

import json
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from iconoclip.cli import main
from iconoclip.record import Image, Record

pytestmark = pytest.mark.corpus

# File of material/bad -> how many records it gives, or a word of the reason it is refused for.
BAD: dict[str, int | str] = {
    # Odd, but usable: as many records as there are canvases with an image.
    "iiif-apis__wellcomelibrary-b15404535-empty-license-string-manifest.json": 1,
    "iiif-presentation-api__broken.json": 383,
    "iiif-presentation-api__manifest_annotationListsInvalid.json": 1,
    "mirador__emptyCanvas.json": 238,
    "parser__malformed-image-annotation.json": 1,
    "pv__3_broken_service.json": 1,
    "pv__3_old_cc_license.json": 1,
    "pv__3_old_format_label.json": 1,
    "pv__3_rights_lang_issues.json": 1,
    "pv__3_version2image.json": 1,
    "latin1_oai_dc.xml": "without a manifest and without an image",
    # Nothing usable.
    "iiif-download__manifest_empty.json": "a canvas without an image",
    "php-iiif-prezi-reader__empty-manifest.json": "without canvases",
    "pv__3_broken_choice.json": "painted with Video",
    "pv__3_broken_embedded_annos.json": "painted with Sound",
    "sickle__ListRecordsBroken.xml": "not JSON",
    "tify__invalid.json": "not an object",
    "tify__not-json.json": "not JSON",
    "bom_manifest.json": "without canvases",
    "empty_body.json": "empty",
    "truncated_manifest.json": "truncated",
    "waf_challenge.html": "HTML",
    "oai_repeating_token.xml": "repeats its resumption token",
    # Collections name documents elsewhere, and a dry run over files sends no requests.
    "parser__duplicate-member-collection.json": "not followed",
    "pv__3_broken_collection.json": "not followed",
    "cyclic_collection_a.json": "not followed",
    "cyclic_collection_b.json": "not followed",
}


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to connect or to look up a name fails the test."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def dry_run(*paths: Path, capsys: Any) -> tuple[int, list[dict[str, Any]], list[dict[str, str]]]:
    """Exit code, records and refusals."""
    code = main(["harvest", *map(str, paths), "--dry-run", "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(set(line) in ({"record"}, {"refused"}) for line in lines)
    records = [line["record"] for line in lines if "record" in line]
    return code, records, [line["refused"] for line in lines if "refused" in line]


@pytest.mark.long
def test_every_real_document(material, no_network, capsys):
    folders = [material / name for name in ("manifests", "collections", "cookbook")]
    code, records, refused = dry_run(*folders, capsys=capsys)
    assert code == 3
    assert len(records) > 11_000
    stored = Image(width=1, height=1, sha256="0" * 64)
    for record in records:
        assert record["image"] is None
        Record.model_validate({**record, "image": stored})
    assert len({record["key"] for record in records}) == len(records)
    assert all(entry["source"] and entry["reason"] for entry in refused)
    # A reader that fails would print these words.
    assert not [entry for entry in refused if "a bug in the" in entry["reason"]]
    num_files = sum(1 for folder in folders for path in folder.rglob("*") if path.is_file())
    verdicts = Counter(record["rights"]["train"] for record in records)
    with capsys.disabled():
        print(
            f"\n  {num_files} files, {len(records)} records (may train: {dict(verdicts)}), {len(refused)}"
            " refusals:"
        )
        for reason, count in Counter(entry["reason"].split(":")[0] for entry in refused).most_common(15):
            print(f"  {count:>6}  {reason}")


def test_every_bad_document(material, no_network, capsys):
    """Each broken file alone: a result where it is only unusual, else a reason."""
    assert {path.name for path in (material / "bad").glob("*/*")} >= set(BAD)
    rows = []
    for path in sorted(
        [*(material / "bad" / "manifests").iterdir(), *(material / "bad" / "transport").iterdir()]
    ):
        code, records, refused = dry_run(path, capsys=capsys)
        reasons = "; ".join(dict.fromkeys(entry["reason"] for entry in refused))
        assert code == (2 if not records else 3 if refused else 0)
        assert records or refused, path.name
        assert "a bug in the" not in reasons
        expected = BAD.get(path.name)
        if isinstance(expected, int):
            assert len(records) == expected, path.name
        elif expected is not None:
            assert expected in reasons, path.name
        rows.append(f"  {path.name:<78} {len(records):>4} records  {reasons[:90]}")
    with capsys.disabled():
        print("", *rows, sep="\n")


def test_bad_info_documents_are_no_manifests(material, no_network, capsys):
    code, records, refused = dry_run(material / "bad" / "info", capsys=capsys)
    assert (code, records) == (2, [])
    assert len({entry["source"] for entry in refused}) == 17
