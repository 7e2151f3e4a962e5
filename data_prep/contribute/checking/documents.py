"""The documents of a signed set: README.md, croissant.json, quality.html and the reports.

`shardset.json` lists the checksums of the data, and is signed. The documents are written later and may be
written again, so they have a list of their own, `documents.sha256`, in the format of `sha256sum -c`, with a
signature by the same key. Without it somebody could change what a signed set says about itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data_prep.contribute.checking.rules import Finding
from data_prep.contribute.signatures import (
    DOCUMENTS_NAME,
    DOCUMENTS_SIGNATURE_NAME,
    SIGNED_DOCUMENTS,
    key_of,
    signed_documents,
    wrong_documents_signature,
)
from iconoclip.files import sha256_of
from iconoclip.shardset import MANIFEST_NAME, RECORDS_NAME, SIGNATURE_NAME, ShardSet
from iconoclip.shardset_manifest import EMBEDDED_FOLDER
from iconoclip.withdrawals import LIST_NAME

MAX_LIST_BYTES: Final = 100_000
_KNOWN: Final = (
    MANIFEST_NAME, RECORDS_NAME, LIST_NAME, SIGNATURE_NAME, DOCUMENTS_NAME, DOCUMENTS_SIGNATURE_NAME,
    *SIGNED_DOCUMENTS,
)  # fmt: skip
_EMBEDDED: Final = re.compile(rf"{EMBEDDED_FOLDER}/(train|val|test)-[0-9]{{5}}\.parquet")
# Of version control and of file managers; and what people and programs said of the samples.
_HARMLESS: Final = re.compile(r"annotations|\..*|Thumbs\.db|desktop\.ini", re.IGNORECASE)


def unknown_files(shardset: ShardSet) -> list[str]:
    """The names in a set's folder that are not of the format."""
    known = {*_KNOWN, *(shard.name for shard in shardset.manifest.shards)}
    names = sorted(path.name for path in shardset.folder.iterdir())
    embedded = shardset.folder / EMBEDDED_FOLDER
    if embedded.is_dir() and not embedded.is_symlink():
        names.remove(EMBEDDED_FOLDER)
        names += sorted(f"{EMBEDDED_FOLDER}/{path.name}" for path in embedded.iterdir())
        known |= {name for name in names if _EMBEDDED.fullmatch(name)}
    return [name for name in names if name not in known and not _HARMLESS.fullmatch(name)]


def findings_of(shardset: ShardSet) -> Iterator[Finding]:
    """What is wrong with the documents of a signed set; nothing for a set without a signature."""
    if not (shardset.folder / SIGNATURE_NAME).is_file():
        return
    there = signed_documents(shardset.folder)
    listed = _listed(shardset.folder / DOCUMENTS_NAME)
    if listed is None:
        for name in there:
            yield Finding(name, "document-unsigned", "the signature of the set does not cover it")
        return
    wrong = wrong_documents_signature(shardset)
    if wrong or key_of(shardset.folder / SIGNATURE_NAME) != key_of(
        shardset.folder / DOCUMENTS_SIGNATURE_NAME
    ):
        yield Finding(DOCUMENTS_NAME, "document-changed", wrong or "signed with another key than the set")
        return
    for name in there:
        if name not in listed:
            yield Finding(name, "document-unsigned", "the signature of the set does not cover it")
        elif sha256_of(shardset.folder / name) != listed[name]:
            yield Finding(name, "document-changed", "it was changed after the set was signed")
    for name in sorted(listed.keys() - set(there)):
        yield Finding(name, "document-changed", "it was there when the set was signed, and is not now")


def _listed(path: Path) -> dict[str, str] | None:
    if not path.is_file() or path.stat().st_size > MAX_LIST_BYTES:
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = [line.split("  ", 1) for line in lines if "  " in line]
    return {name: digest for digest, name in pairs}
