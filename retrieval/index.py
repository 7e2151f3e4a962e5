"""`iconoclip index`: builds the next generation of an index from embedding stores and their shard sets."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from iconoclip.errors import BadInput, DamagedData
from iconoclip.progress import progress
from retrieval.config import IndexConfig
from retrieval.encode.modeldir import ModelDirectory
from retrieval.faiss_index import choose
from retrieval.generation.assembly import IndexDescription, write_generation
from retrieval.generation.manifest import CURRENT_NAME, current_generation, read_manifest
from retrieval.generation.stores import StoreSource
from retrieval.live.changes import add, compact, only_writer
from retrieval.live.log import LiveLog

FORMAT = 2


def index(config: IndexConfig) -> int | None:
    """Run the verb.

    Raises:
        MissingRequirement: a store, shard set or model does not exist.
        BadInput: the stores were made by different models, or not by this one.
        DamagedData: a checksum differs.
    """
    out = Path(config.out)
    if config.compact:
        _compact(out, config)
        return None
    # Items withdrawn from this index stay withdrawn, unless they are added again explicitly.
    skip = frozenset() if config.add else LiveLog(out).withdrawn()
    source = StoreSource(config.stores, config.shardsets, skip, config.pages)
    if config.add:
        print(f"{add(out, source)} items added to {out}", file=sys.stderr)
        return None
    model = _model_of(source, config)
    facts = IndexDescription(
        model=str(model.folder.resolve()),
        model_digest=source.model_digest,
        shardsets=source.references,
        inputs_digest=_inputs_digest(source, config),
        # A rebuild starts from the given stores; earlier additions are not part of it.
        compacted_through=LiveLog(out).last_seq(),
    )
    choice = choose(source.num_items, source.dimension, config.memory_budget_mb, config.kind)
    if _is_finished(out, facts.inputs_digest):
        print(f"{out} already holds the index of these stores", file=sys.stderr)
        return None
    if config.dry_run:
        print(f"would index {source.num_items} items into {out}; {choice.why}")
        return None
    # Imported here: torch takes seconds to import, and finished work does not need it.
    from retrieval.encode.encoder import Encoder

    encoder = Encoder(model.folder, num_threads=config.num_threads)
    num_passes = 2 if choice.kind == "exact" else 3
    with only_writer(out), progress("index", total=num_passes * source.num_items, unit="steps") as meter:
        folder = write_generation(out, source, facts, config, encoder.encode_texts, meter)
    manifest = read_manifest(folder)
    print(
        f"{manifest.num_vectors} items in {folder}; {manifest.why}; recall@10 {manifest.recall_at_10}",
        file=sys.stderr,
    )
    return None


def _compact(out: Path, config: IndexConfig) -> None:
    folder = compact(out, config)
    said = f"{out} has no changes to fold in" if folder is None else f"changes folded into {folder}"
    print(said, file=sys.stderr)


def _model_of(source: StoreSource, config: IndexConfig) -> ModelDirectory:
    model = ModelDirectory(config.model or source.model)
    if model.digest != source.model_digest:
        raise BadInput(
            f"the stores were made by another model ({source.model})",
            where=model.folder,
            remedy="give that one with --model, or encode again with this one",
        )
    return model


def _inputs_digest(source: StoreSource, config: IndexConfig) -> str:
    """The digest of everything that the result depends on. Later withdrawals are not part of it: the
    engine applies them itself.
    """
    inputs = {
        "format": FORMAT,
        "stores": [
            [pair.store.manifest.vectors_sha256, pair.store.manifest.keys_sha256] for pair in source.pairs
        ],
        "captions": [store.manifest.vectors_sha256 for store in source.caption_stores],
        "shardsets": [reference.model_dump() for reference in source.references],
        "model": source.model_digest,
        **({"pages": digests} if (digests := source.pages.digests) else {}),
        "settings": [
            config.kind,
            config.memory_budget_mb,
            config.num_probes,
            config.target_recall,
            config.backend,
        ],
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _is_finished(out: Path, inputs_digest: str) -> bool:
    if not (out / CURRENT_NAME).is_file():
        return False
    try:
        return read_manifest(current_generation(out)).inputs_digest == inputs_digest
    except DamagedData:
        # The manifest is damaged or of an older format: this build replaces it.
        return False
