"""Croissant 1.1 metadata of a shard set: its files, and a record set with captions and pictures.

docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html; a test reads it back with mlcroissant. The record
set is over the Parquet files with pictures where they are there. Otherwise it is over the index, which has
the captions, and a second one has the pictures of the shards. Neither leaves out withdrawn samples, so a set
with withdrawn samples and without Parquet files has no record set.
"""

from __future__ import annotations

from typing import Any, Final

from data_prep.publish.config import Described
from iconoclip.files import sha256_of
from iconoclip.shardset import RECORDS_NAME, ShardSet
from iconoclip.shardset_manifest import EMBEDDED_FOLDER

CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

# Column -> type and meaning. All are columns of the index, and of the Parquet files but for shard, split,
# width and height.
FIELDS: Final[dict[str, tuple[str, str]]] = {
    "key": ("sc:Text", "The sample key; the names of a shard's members begin with it."),
    "shard": ("sc:Text", "The shard that contains the sample."),
    "institution": ("sc:Text", "Short name of the institution that holds the object."),
    "group": ("sc:Text", "Samples of one group stay on one side of a split."),
    "split": ("sc:Text", "train, val or test."),
    "rights_uri": ("sc:URL", "Canonical URI of the rights statement."),
    "train": ("sc:Text", "Verdict: may a model be trained on it: yes, review or no."),
    "display": ("sc:Text", "Verdict: may the image be shown: yes, unaltered or link."),
    "earliest": ("sc:Integer", "First year of making."),
    "latest": ("sc:Integer", "Last year of making."),
    "object_type": ("sc:Text", "Kind of object, as the institution writes it."),
    "width": ("sc:Integer", "Width of the stored image in pixels."),
    "height": ("sc:Integer", "Height of the stored image in pixels."),
    "image_sha256": ("sc:Text", "SHA-256 of the stored image."),
}
# Columns of the Parquet files alone.
MORE_FIELDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("sc:Text", "The first caption."),
    "date": ("sc:Text", "The date as the institution writes it."),
    "institution_name": ("sc:Text", "Name of the institution that holds the object."),
    "homepage": ("sc:URL", "Page about the object."),
    "rights": ("sc:Text", "Short name of the rights statement."),
    "attribution": ("sc:Text", "The credit line that must be shown."),
    "redistribute": ("sc:Text", "Verdict: may the image be passed on."),
}
_CAPTIONS: Final = {
    "captions": ("text", "Texts about the picture."),
    "caption_languages": ("language", "The language of each caption, as a BCP 47 tag."),
    "caption_fields": ("field", "What kind of text each caption is."),
}
EMBEDDED_ID: Final = "embedded"
NOT_EMBEDDED: Final = frozenset({"shard", "split", "width", "height"})


def croissant(
    shardset: ShardSet, config: Described, names: dict[str, str], *, is_embedded: bool
) -> dict[str, Any]:
    """The Croissant description of a shard set, as JSON-LD.

    Args:
        names: of the institutions, by short name.
        is_embedded: whether there are Parquet files with pictures (data_prep.publish.embedded).
    """
    manifest = shardset.manifest
    rights = [uri for uri in sorted(manifest.totals.by_rights) if uri != "none"]
    described: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": manifest.name,
        "description": (
            config.description
            or f"{len(shardset)} images with captions, "
            f"of {', '.join(sorted(names.values())[:5])}"
            f"{f' and {len(names) - 5} more institutions' if len(names) > 5 else ''}."
        ),
        "license": config.licence or rights or ["https://rightsstatements.org/vocab/UND/1.0/"],
        "url": config.url or f"urn:sha256:{shardset.digest}",
        "citeAs": _citation(shardset, config, names),
        "version": "1.0.0",
        "datePublished": manifest.created_at,
        "inLanguage": sorted(manifest.totals.by_language),
        "creator": [{"@type": "sc:Organization", "name": name} for name in sorted(set(names.values()))],
        "distribution": _distribution(shardset, is_embedded=is_embedded),
        "recordSet": _record_sets(shardset, is_embedded=is_embedded),
    }
    if config.title:
        described["alternateName"] = config.title
    return described


def _citation(shardset: ShardSet, config: Described, names: dict[str, str]) -> str:
    """How to cite the set: who, what, when, and the digest that tells this state of it from others."""
    who = "; ".join(sorted(set(names.values()))[:5]) + (" and others" if len(names) > 5 else "")
    manifest = shardset.manifest
    title = config.title or manifest.name
    where = f" {config.url}" if config.url else ""
    return f"{who}: {title} ({manifest.created_at[:4]}), shard set sha256:{shardset.digest}.{where}"


def _distribution(shardset: ShardSet, *, is_embedded: bool) -> list[dict[str, Any]]:
    manifest = shardset.manifest
    index = {
        "@type": "cr:FileObject",
        "@id": RECORDS_NAME,
        "name": RECORDS_NAME,
        "contentUrl": RECORDS_NAME,
        "contentSize": f"{(shardset.folder / RECORDS_NAME).stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": sha256_of(shardset.folder / RECORDS_NAME),
    }
    shards = [
        {
            "@type": "cr:FileObject",
            "@id": shard.name,
            "name": shard.name,
            "contentUrl": shard.name,
            "contentSize": f"{shard.num_bytes} B",
            "encodingFormat": "application/x-tar",
            "sha256": shard.sha256,
        }
        for shard in manifest.shards
    ]
    inside = [{"@id": shard.name} for shard in manifest.shards]
    kinds = (
        ("images", "image/jpeg", "*.jpg"),
        ("records", "application/json", "*.json"),
        ("captions", "text/plain", "*.txt"),
    )
    sets = [
        {
            "@type": "cr:FileSet",
            "@id": f"{name}-in-shards",
            "name": f"{name}-in-shards",
            "containedIn": inside,
            "encodingFormat": media_type,
            "includes": pattern,
        }
        for name, media_type, pattern in kinds
    ]
    embedded = {
        "@type": "cr:FileSet",
        "@id": EMBEDDED_ID,
        "name": EMBEDDED_ID,
        "description": "The samples with their pictures, one file or more per split.",
        "encodingFormat": "application/x-parquet",
        "includes": f"{EMBEDDED_FOLDER}/*.parquet",
    }
    return [index, *shards, *sets, *([embedded] if is_embedded else [])]


def _record_sets(shardset: ShardSet, *, is_embedded: bool) -> list[dict[str, Any]]:
    if is_embedded:
        columns = {name: FIELDS[name] for name in FIELDS if name not in NOT_EMBEDDED} | MORE_FIELDS
        source = {"fileSet": {"@id": EMBEDDED_ID}}
        picture = _field("samples", "image", "sc:ImageObject", "The picture.", source, "image", "bytes")
        return [_samples(columns, source, [picture])]
    if shardset.withdrawn:
        return []
    return [_samples(FIELDS, {"fileObject": {"@id": RECORDS_NAME}}, []), _pictures()]


def _samples(
    columns: dict[str, tuple[str, str]], source: dict[str, Any], more: list[dict[str, Any]]
) -> dict[str, Any]:
    """The record set with one row per sample."""
    plain = [_field("samples", name, kind, text, source, name) for name, (kind, text) in columns.items()]
    captions = [
        {**_field("samples", name, "sc:Text", text, source, "captions", part), "repeated": True}
        for name, (part, text) in _CAPTIONS.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "One row per sample; the records in the shards say more of it.",
        "key": {"@id": "samples/key"},
        "field": [*more, *plain, *captions],
    }


def _pictures() -> dict[str, Any]:
    """The pictures in the shards by the key of their sample."""
    source = {"fileSet": {"@id": "images-in-shards"}}
    key = {**source, "extract": {"fileProperty": "filename"}, "transform": {"regex": "^(.*)\\.jpg$"}}
    content = {**source, "extract": {"fileProperty": "content"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "The pictures by the key of their sample.",
        "key": {"@id": "pictures/key"},
        "field": [
            _described_field("pictures/key", "sc:Text", "The key of the sample.", key),
            _described_field("pictures/image", "sc:ImageObject", "The picture.", content),
        ],
    }


def _field(
    group: str, name: str, kind: str, text: str, source: dict[str, Any], column: str, part: str | None = None
) -> dict[str, Any]:
    """A field over a column; `part` names a member of the objects that the column holds."""
    found: dict[str, Any] = {**source, "extract": {"column": column}}
    if part:
        found["transform"] = {"jsonPath": part}
    return _described_field(f"{group}/{name}", kind, text, found)


def _described_field(identity: str, kind: str, text: str, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field", "@id": identity, "name": identity, "description": text, "dataType": kind,
        "source": source,
    }  # fmt: skip
