"""`iconoclip card`: the dataset card for people (README.md), the same for machines (croissant.json), a
quality report with images (quality.html), and the samples as Parquet for the libraries of others (data/).

Their only sources are shardset.json and the index. Nothing is written by hand, so nothing becomes outdated
unnoticed. The card's front matter is that of the Hugging Face Hub (huggingface.co/docs/hub/datasets-cards).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from data_prep.publish.config import CardConfig, Described
from data_prep.publish.croissant import croissant
from data_prep.publish.embedded import write_embedded
from data_prep.publish.quality import write_quality
from iconoclip.files import atomic_write, write_json
from iconoclip.rights import statement, terms
from iconoclip.shardset import ShardSet
from iconoclip.shardset_manifest import EMBEDDED_FOLDER

CARD_NAME = "README.md"
CROISSANT_NAME = "croissant.json"
NUM_EXAMPLES = 5


def card(config: CardConfig) -> int:
    """Write README.md, croissant.json and quality.html into a shard set's folder.

    Raises:
        MissingRequirement: no shard set there.
        DamagedData: its index does not match its checksum.
    """
    for path in write_documents(ShardSet(config.shardset), config):
        print(path)
    return 0


def write_documents(shardset: ShardSet, config: Described) -> list[Path]:
    """Write the documents of a set into its folder. Returns their paths."""
    embedded = write_embedded(shardset, config.embed)
    names = institution_names(shardset)
    paths = [shardset.folder / CARD_NAME, shardset.folder / CROISSANT_NAME]
    with atomic_write(paths[0]) as file:
        file.write(card_text(shardset, config, names, embedded).encode())
    write_json(paths[1], croissant(shardset, config, names, is_embedded=bool(embedded)))
    return [*paths, write_quality(shardset, config), *embedded]


def institution_names(shardset: ShardSet) -> dict[str, str]:
    """The short names of the institutions in a set, with their names as they write them."""
    table = shardset.table(["institution", "shard", "record_offset", "record_size"])
    names: dict[str, str] = {}
    for row in table.to_batches(max_chunksize=10_000):
        slugs = row["institution"].to_pylist()
        for place, slug in enumerate(slugs):
            if slug not in names:
                where = row.slice(place, 1).to_pylist()[0]
                record = shardset.read_record(where["shard"], where["record_offset"], where["record_size"])
                names[slug] = record.institution.name
    return names


def card_text(
    shardset: ShardSet, config: Described, names: dict[str, str], embedded: Sequence[Path] = ()
) -> str:
    """The dataset card in Markdown.

    Args:
        names: of the institutions, by short name.
        embedded: the Parquet files with pictures.
    """
    facts = _CardFacts(shardset, names)
    title = config.title or shardset.manifest.name
    parts = [
        _head(facts, title, embedded),
        f"# {title}",
        config.description or _summary(facts),
        _counts("Institutions", "institution", facts.institutions),
        _rights(facts, config),
        _counts("Captions", "language (BCP 47)", facts.languages),
        _counts("Caption fields", "field", facts.fields),
        _counts("Splits", "split", facts.splits)
        + "\n\nImages of one object, and near-duplicates across objects, are in the same split.",
        _examples(facts),
        _provenance(shardset),
        _use(shardset, is_embedded=bool(embedded)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


class _CardFacts:
    """Counts over the samples that are not withdrawn."""

    def __init__(self, shardset: ShardSet, names: dict[str, str]) -> None:
        columns = ["institution", "captions", "split", "rights_uri", "train", "opt_out", "earliest", "latest"]
        rows = shardset.table(columns).to_pylist()
        self.num_samples = len(rows)
        self.institutions = Counter(names[row["institution"]] for row in rows)
        self.splits = Counter(row["split"] for row in rows)
        self.rights = Counter(row["rights_uri"] or "none" for row in rows)
        captions = [caption for row in rows for caption in row["captions"]]
        self.languages = Counter(caption["language"] for caption in captions)
        self.fields = Counter(caption["field"] for caption in captions)
        self.origins = Counter(caption["origin"] for caption in captions)
        self.num_trainable = sum(row["train"] == "yes" and not row["opt_out"] for row in rows)
        self.num_reserved = sum(bool(row["opt_out"]) for row in rows)
        years = [year for row in rows for year in (row["earliest"], row["latest"]) if year is not None]
        self.years = (min(years), max(years)) if years else None
        firsts = [row["captions"][0] for row in rows if row["captions"]]
        step = max(1, len(firsts) // NUM_EXAMPLES)
        self.examples = firsts[::step][:NUM_EXAMPLES]


def _head(facts: _CardFacts, title: str, embedded: Sequence[Path]) -> str:
    """The YAML front matter that the Hub reads."""
    languages = sorted(
        {
            tag.split("-")[0]
            for tag in facts.languages
            if tag not in ("und", "zxx", "mul") and len(tag.split("-")[0]) <= 3
        }
    )
    head: dict[str, Any] = {
        "pretty_name": title,
        "license": "other",
        "license_name": "per-item",
        "license_details": "each record carries its own rights statement",
        "task_categories": ["image-to-text", "text-to-image", "zero-shot-image-classification"],
        "tags": ["webdataset", "iiif", "cultural-heritage", "iconography"],
        "size_categories": [_size_category(facts.num_samples)],
        **_configs(embedded),
    }
    if languages:
        head["language"] = languages
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def _configs(embedded: Sequence[Path]) -> dict[str, Any]:
    """What `datasets.load_dataset` reads, a split each. The shards are no such thing: they hold several
    splits and maybe withdrawn samples, and their records differ in their fields."""
    splits = list(dict.fromkeys(path.name.rpartition("-")[0] for path in embedded))
    files = [{"split": split, "path": f"{EMBEDDED_FOLDER}/{split}-*.parquet"} for split in splits]
    return {"configs": [{"config_name": "default", "data_files": files}]} if files else {"viewer": False}


def _size_category(count: int) -> str:
    steps = (
        (1_000, "n<1K"),
        (10_000, "1K<n<10K"),
        (100_000, "10K<n<100K"),
        (1_000_000, "100K<n<1M"),
        (10_000_000, "1M<n<10M"),
    )
    return next((name for limit, name in steps if count < limit), "n>10M")


def _summary(facts: _CardFacts) -> str:
    span = f", from {facts.years[0]} to {facts.years[1]}" if facts.years else ""
    return (
        f"{facts.num_samples} images with {facts.languages.total()} captions in {len(facts.languages)}"
        f" languages, of {len(facts.institutions)} institution{'s' * (len(facts.institutions) != 1)}{span}."
        f" {facts.num_trainable} of them may be trained on under the policy this set was made with."
    )


def _counts(title: str, column: str, counts: Counter[str]) -> str:
    rows = "\n".join(f"| {_cell(name)} | {count} |" for name, count in counts.most_common(50))
    more = f"\n\nand {len(counts) - 50} more." if len(counts) > 50 else ""
    return f"## {title}\n\n| {column} | count |\n|---|---:|\n{rows}{more}" if counts else ""


def _rights(facts: _CardFacts, config: Described) -> str:
    rows = []
    for uri, count in facts.rights.most_common():
        allowed = terms(None if uri == "none" else uri)
        name = statement(uri) or "none"
        link = f"[{name}]({uri})" if uri != "none" else "none"
        credit = "yes" if allowed.needs_attribution else "no"
        rows.append(f"| {link} | {count} | {allowed.redistribute} | {allowed.display} | {credit} |")
    lines = [
        "## Rights",
        "",
        (
            "Every record carries its rights as found, the canonical statement, the verdict and the credit"
            " line. This is an engineering table, not legal advice."
        ),
        "",
        "| statement | samples | may be passed on | may be shown | credit needed |",
        "|---|---:|---|---|---|",
        *rows,
        "",
        (
            f"{facts.num_trainable} samples may be trained on; {facts.num_reserved} carry a machine-readable"
            " reservation (TDMRep, noai, Content-Usage, PLUS) and may not."
        ),
    ]
    if config.contact:
        lines += [
            "",
            (
                f"To have an item withdrawn, write to {config.contact}; withdrawals take effect without a new"
                " release."
            ),
        ]
    return "\n".join(lines)


def _examples(facts: _CardFacts) -> str:
    rows = [
        f"- ({caption['language']}, {caption['field']}) {_cell(caption['text'])[:300]}"
        for caption in facts.examples
    ]
    return "## Captions look like this\n\n" + "\n".join(rows) if rows else ""


def _provenance(shardset: ShardSet) -> str:
    manifest = shardset.manifest
    lines = [
        "## Provenance",
        "",
        (
            f"- made by {manifest.created_by} at {manifest.created_at}, under the rights policy"
            f" `{manifest.policy}`"
        ),
        f"- {len(manifest.shards)} shards; the SHA-256 of each file is in `shardset.json`",
    ]
    lines += [f"- merged from `{parent.name}`, digest `{parent.digest}`" for parent in manifest.parents]
    if manifest.tombstones:
        lines.append(f"- {len(manifest.tombstones)} samples were withdrawn; no reader returns them")
    return "\n".join(lines)


def _use(shardset: ShardSet, *, is_embedded: bool) -> str:
    first = shardset.manifest.shards[0].name if shardset.manifest.shards else ""
    loading = (
        "`datasets.load_dataset` loads this folder: pictures, captions and rights, without withdrawn samples."
        if is_embedded
        else "For `datasets.load_dataset`, write the samples as Parquet: `iconoclip card FOLDER --embed yes`."
    )
    return (
        f"## Use\n\n{loading}\n\nThe shards are plain WebDataset tars: `KEY.jpg`, `KEY.json` (the"
        " record), `KEY.txt` (its first caption).\n\n"
        "```python\nimport webdataset as wds\n\n"
        f'samples = wds.WebDataset("{first}", shardshuffle=False).decode("pil").to_tuple("jpg", "txt",'
        ' "json")\n```\n\n'
        "A plain WebDataset reader ignores verdicts and withdrawals: use `iconoclip.shardset.ShardSet`, or"
        " leave out "
        "samples whose `rights.train` is not `yes` and the keys under `tombstones` in `shardset.json`."
    )


def _cell(text: str) -> str:
    """Untrusted text as a cell of a table: one line, no markup."""
    flat = " ".join(text.split())
    for mark in "\\`*_[]<>|#":
        flat = flat.replace(mark, f"\\{mark}")
    return flat
