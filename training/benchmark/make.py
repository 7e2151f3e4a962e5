"""`iconoclip benchmark make`: freezes a public benchmark from a shard set.

Items are the samples of its splits val and test, which keep groups apart. Only pictures that may be passed on
are copied. A query is a text of an item in a language; every item with an equal text in that language is
relevant. The same set gives the same files, byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from iconoclip.errors import BadInput
from iconoclip.files import sha256_of
from iconoclip.leftovers import locked_folder
from iconoclip.progress import progress
from iconoclip.record import Caption, Record, Redistribute
from iconoclip.rights import may_pass_on, may_train
from iconoclip.shardset import ShardSet
from iconoclip.shardset_open import open_set
from training.benchmark import load as reader
from training.benchmark.config import BenchmarkVerbConfig
from training.benchmark.files import ABOUT_NAME, SUMS_NAME, write_sums

SCHEMA_VERSION: Final = 1
# What may be passed on by anyone for any purpose; the credit line of each item goes with it.
PASSED_ON: Final[frozenset[Redistribute]] = frozenset({"yes", "share-alike"})
WHOLE: Final = ("work", "collection")


@dataclass(frozen=True)
class _Chosen:
    """The items of a benchmark, with their captions."""

    items: list[dict[str, Any]]
    captions: list[tuple[Caption, ...]]
    left_out: dict[str, int]


def make(config: BenchmarkVerbConfig) -> int:
    """Write the benchmark; if the folder holds the same one, only report that.

    Raises:
        BadInput: nothing is left to put into it, or the folder holds something else.
    """
    assert config.out
    owner = open_set(config.target)
    name, target = config.name or owner.manifest.name, config.out
    _check_target(target, config.force)
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked_folder(target) as folder:
        chosen = _write_items(folder, owner, config)
        num_queries = _write_queries(folder, chosen, config)
        if not num_queries:
            raise BadInput(
                "no caption to make queries of",
                where=config.target,
                remedy="widen caption_fields or languages",
            )
        shutil.copyfile(reader.__file__, folder / "load.py")
        about = _about(name, owner, config, chosen, num_queries)
        (folder / ABOUT_NAME).write_text(
            json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        )
        (folder / "README.md").write_text(_readme(about), encoding="utf-8")
        checksum = write_sums(folder)
        if (target / SUMS_NAME).is_file() and sha256_of(target / SUMS_NAME) == checksum:
            print(f"made already: {target}, {checksum}", file=sys.stderr)
            return 0
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    print(
        f"benchmark: {target}, {len(chosen.items):,} items, {sum(num_queries.values()):,} queries",
        file=sys.stderr,
    )
    print(checksum)
    return 0


def _check_target(target: Path, force: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / ABOUT_NAME).is_file():
        raise BadInput("the folder holds something else", where=target, remedy="choose another with --out")
    if not force and not (target / SUMS_NAME).is_file():
        raise BadInput(
            "the benchmark here is not complete", where=target, remedy="write it again with --force"
        )


def _write_items(folder: Path, owner: ShardSet, config: BenchmarkVerbConfig) -> _Chosen:
    left_out: dict[str, int] = defaultdict(int)
    found: list[tuple[dict[str, Any], tuple[Caption, ...]]] = []
    (folder / "pictures").mkdir()
    with progress("freeze", total=len(owner), unit="samples") as meter:
        for record, image in owner.samples():
            meter.advance()
            if record.split not in config.splits:
                continue
            if not may_train(record.rights, config.policy):
                left_out[f"rights: the policy '{config.policy}' says no"] += 1
                continue
            is_passed_on = may_pass_on(record.rights.raw, record.rights.uri, PASSED_ON)
            if not is_passed_on and not config.references:
                left_out["the picture may not be passed on"] += 1
                continue
            file = None
            if is_passed_on:
                file = f"pictures/{record.key}{_ending(image)}"
                (folder / file).write_bytes(image)
            found.append((_item(record, file), record.captions))
    if not found:
        raise BadInput(
            f"no item is left: {dict(left_out) or 'its splits are empty'}", where=config.target,
            remedy="harvest with a share for val and test, or give --references",
        )  # fmt: skip
    found.sort(key=lambda one: one[0]["key"])
    lines = [json.dumps(item, ensure_ascii=False, sort_keys=True) + "\n" for item, _ in found]
    (folder / "items.jsonl").write_text("".join(lines), encoding="utf-8")
    return _Chosen(
        [item for item, _ in found], [captions for _, captions in found], dict(sorted(left_out.items()))
    )


def _ending(image: bytes) -> str:
    return ".png" if image.startswith(b"\x89PNG") else ".webp" if image[8:12] == b"WEBP" else ".jpg"


def _item(record: Record, file: str | None) -> dict[str, Any]:
    return {
        "key": record.key,
        "split": record.split,
        "group": record.group,
        "institution": record.institution.name,
        "rights": record.rights.uri,
        "attribution": record.rights.attribution,
        "address": record.source.image or record.source.image_service,
        "homepage": record.source.homepage,
        "width": record.image.width,
        "height": record.image.height,
        "sha256": record.image.sha256,
        "file": file,
    }


def _write_queries(folder: Path, chosen: _Chosen, config: BenchmarkVerbConfig) -> dict[str, int]:
    """Write queries and judgements; the number of queries by split and language."""
    texts: dict[tuple[str, str], dict[str, tuple[str, set[str]]]] = defaultdict(dict)
    for item, captions in zip(chosen.items, chosen.captions, strict=True):
        for caption in _askable(captions, config):
            text = " ".join(caption.text.split())
            known = texts[item["split"], caption.language].setdefault(text.casefold(), (text, set()))
            known[1].add(item["key"])
    counts: dict[str, int] = {}
    lines = ["id\tsplit\tlanguage\ttext\n"]
    (folder / "qrels").mkdir()
    for (split, language), found in sorted(texts.items()):
        # Some of many: the first by a hash of the text, so that a larger set keeps most of them.
        some = sorted(found.items(), key=lambda one: hashlib.sha256(one[0].encode()).digest())[
            : config.max_queries
        ]
        judged = []
        for number, (_, (text, keys)) in enumerate(some, 1):
            identity = f"{split}-{language}-{number:05d}"
            lines.append(f"{identity}\t{split}\t{language}\t{_quoted(text)}\n")
            judged += [f"{identity} 0 {key} 1\n" for key in sorted(keys)]
        (folder / "qrels" / f"{split}-{language}.txt").write_text("".join(judged), encoding="utf-8")
        counts[f"{split}-{language}"] = len(some)
    (folder / "queries.tsv").write_text("".join(lines), encoding="utf-8")
    return counts


def _quoted(text: str) -> str:
    """A field of a table: quoted where it has a quotation mark (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"' if '"' in text else text


def _askable(captions: tuple[Caption, ...], config: BenchmarkVerbConfig) -> Iterator[Caption]:
    for caption in captions:
        is_wanted = not config.languages or caption.language in config.languages
        is_of_field = not config.caption_fields or caption.field in config.caption_fields
        # The title of a book cannot find one of its pages.
        is_about_it = caption.level not in WHOLE and caption.origin.partition(":")[0] != "machine"
        if is_wanted and is_of_field and is_about_it:
            yield caption


def _about(
    name: str, owner: ShardSet, config: BenchmarkVerbConfig, chosen: _Chosen, num_queries: dict[str, int]
) -> dict[str, Any]:
    rights: dict[str, int] = defaultdict(int)
    for item in chosen.items:
        rights[item["rights"] or "none"] += 1
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "shardset": {"name": owner.manifest.name, "digest": owner.digest},
        "policy": config.policy,
        "licence": config.licence,
        "num_items": len(chosen.items),
        "num_pictures": sum(item["file"] is not None for item in chosen.items),
        "num_groups": len({item["group"] for item in chosen.items}),
        "num_queries": num_queries,
        "rights": dict(sorted(rights.items())),
        "left_out": chosen.left_out,
    }


def _readme(about: dict[str, Any]) -> str:
    queries = "\n".join(f"| {name} | {num:,} |" for name, num in about["num_queries"].items())
    rights = "\n".join(f"| {uri} | {num:,} |" for uri, num in about["rights"].items())
    licence = about["licence"] or "the publisher has stated none yet"
    groups = f"{about['num_items']:,} items in {about['num_groups']:,} groups"
    pictures = f"{about['num_pictures']:,} with their picture here"
    digest = about["shardset"]["digest"]
    return f"""# {about["name"]}

A benchmark for text-to-image retrieval: {groups}, {pictures}.
Groups, such as the pages of a book, are never divided between splits. Made by iconoclip from the shard set
`{about["shardset"]["name"]}` (SHA-256 `{digest}`).

| split and language | queries |
|---|---:|
{queries}

Every item with a text equal to the query is relevant; others may be as well, which is judged as wrong for all
models alike. `qrels/` is in TREC's format. `load.py` reads all of it with plain Python, and
`sha256sum -c SHA256SUMS` checks it. `iconoclip benchmark run` scores a model, embeddings or a TREC run.

Licence of queries and judgements: {licence}. Each picture has the rights of its item in `items.jsonl`, with
the credit line that must be shown:

| rights | items |
|---|---:|
{rights}
"""
