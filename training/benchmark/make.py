"""`iconoclip benchmark make`: freezes a public benchmark from a shard set.

Items are the samples of its splits val and test, which keep groups apart. Only pictures that may be passed on
are copied. A query is a text of an item in a language; every item with an equal text in that language is
relevant. The same set gives the same files, byte by byte.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from iconoclip.disk_full import disk_full_is_an_answer
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
from training.benchmark.spool import Spool

SCHEMA_VERSION: Final = 1
# What may be passed on by anyone for any purpose; the credit line of each item goes with it.
PASSED_ON: Final[frozenset[Redistribute]] = frozenset({"yes", "share-alike"})
WHOLE: Final = ("work", "collection")
SPOOL_NAME: Final = ".spool.sqlite"


def make(config: BenchmarkVerbConfig) -> int:
    """Write the benchmark; if the folder holds the same one, only report that.

    Raises:
        BadInput: nothing is left to put into it, or the folder holds something else.
        TryAgainLater: the disk is full.
    """
    assert config.out
    owner = open_set(config.target)
    name, target = config.name or owner.manifest.name, config.out
    _check_target(target, config.force)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        disk_full_is_an_answer(target),
        locked_folder(target) as folder,
        Spool(folder / SPOOL_NAME) as spool,
    ):
        left_out = _write_items(folder, owner, config, spool)
        num_queries = _write_queries(folder, spool, config)
        if not num_queries:
            raise BadInput(
                "no caption to make queries of",
                where=config.target,
                remedy="widen caption_fields or languages",
            )
        shutil.copyfile(reader.__file__, folder / "load.py")
        about = _about(name, owner, config, num_queries) | spool.counts() | {"left_out": left_out}
        (folder / ABOUT_NAME).write_text(
            json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        )
        (folder / "README.md").write_text(_readme(about), encoding="utf-8")
        spool.remove()
        checksum = write_sums(folder)
        if (target / SUMS_NAME).is_file() and sha256_of(target / SUMS_NAME) == checksum:
            print(f"made already: {target}, {checksum}", file=sys.stderr)
            return 0
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    print(
        f"benchmark: {target}, {about['num_items']:,} items, {sum(num_queries.values()):,} queries",
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


def _write_items(folder: Path, owner: ShardSet, config: BenchmarkVerbConfig, spool: Spool) -> dict[str, int]:
    """Write pictures and items, and collect texts; returns how many were left out, by reason."""
    left_out: dict[str, int] = defaultdict(int)
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
            texts = ((one.language, one.text) for one in _askable(record.captions, config))
            spool.add(_item(record, file), texts)
    with (folder / "items.jsonl").open("w", encoding="utf-8") as output:
        num = sum(bool(output.write(line + "\n")) for line in spool.lines())
    if not num:
        raise BadInput(
            f"no item is left: {dict(left_out) or 'its splits are empty'}", where=config.target,
            remedy="harvest with a share for val and test, or give --references",
        )  # fmt: skip
    return dict(sorted(left_out.items()))


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


def _write_queries(folder: Path, spool: Spool, config: BenchmarkVerbConfig) -> dict[str, int]:
    """Write queries and judgements; the number of queries by split and language."""
    counts: dict[str, int] = {}
    (folder / "qrels").mkdir()
    with (folder / "queries.tsv").open("w", encoding="utf-8") as queries:
        queries.write("id\tsplit\tlanguage\ttext\n")
        for split, language in spool.languages():
            name, number = f"{split}-{language}", 0
            with (folder / "qrels" / f"{name}.txt").open("w", encoding="utf-8") as judged:
                for number, one in enumerate(spool.questions(split, language, config.max_queries), 1):
                    identity = f"{name}-{number:05d}"
                    queries.write(f"{identity}\t{split}\t{language}\t{_quoted(one.text)}\n")
                    judged.writelines(f"{identity} 0 {key} 1\n" for key in one.keys)
            counts[name] = number
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
    name: str, owner: ShardSet, config: BenchmarkVerbConfig, num_queries: dict[str, int]
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "shardset": {"name": owner.manifest.name, "digest": owner.digest},
        "policy": config.policy,
        "licence": config.licence,
        "num_queries": num_queries,
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
