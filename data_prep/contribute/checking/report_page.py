"""The findings of `iconoclip check` as one page, with the pictures that they concern.

The page holds everything that it shows and loads nothing. It shows only pictures whose rights allow display.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader

from data_prep.contribute.checking.rules import RULES, Finding, Warnings
from data_prep.images.store import Wanted, store_image
from iconoclip.errors import IconoclipError
from iconoclip.files import atomic_write
from iconoclip.pictures import ImageRefused
from iconoclip.shardset import ShardSet

NUM_PICTURES: Final = 60
NUM_ROWS: Final = 500
THUMBNAIL: Final = Wanted(max_side=160, quality=75)


def write_page(path: Path, shardset: ShardSet, findings: list[Finding], warnings: Warnings) -> None:
    """Write the page that shows the findings of a check, with examples."""
    examples = [one for kept in warnings.examples.values() for one in kept]
    environment = Environment(
        loader=PackageLoader("data_prep.contribute"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("check.html").render(
        name=shardset.manifest.name,
        num_samples=shardset.manifest.totals.num_samples,
        findings=findings[:NUM_ROWS],
        num_findings=len(findings),
        by_rule=Counter(one.rule for one in findings).most_common(),
        warnings=warnings.counts.most_common(),
        examples=examples,
        rules=RULES,
        pictures=_pictures(shardset, [*findings[:NUM_ROWS], *examples]),
    )
    with atomic_write(path) as file:
        file.write(page.encode())


def _pictures(shardset: ShardSet, findings: Iterable[Finding]) -> dict[str, str]:
    """Small pictures of the samples that findings are about: where -> JPEG in base64."""
    wanted = {one.where: one.where.rpartition("/")[2].partition(".")[0] for one in findings}
    columns = ["key", "shard", "image_offset", "image_size", "display"]
    pictures: dict[str, str] = {}
    try:
        table = shardset.table(columns)
    except IconoclipError:
        return pictures
    keys = set(wanted.values())
    rows = {
        row["key"]: row
        for batch in table.to_batches(max_chunksize=10_000)
        for row in batch.to_pylist()
        if row["key"] in keys
    }
    for where, key in wanted.items():
        row = rows.get(key)
        if row is None or row["display"] != "yes" or len(pictures) >= NUM_PICTURES:
            continue
        try:
            data = shardset.read_bytes(row["shard"], row["image_offset"], row["image_size"])
            pictures[where] = base64.b64encode(store_image(data, THUMBNAIL).jpeg).decode()
        except (IconoclipError, ImageRefused, OSError, ValueError):
            continue
    return pictures
