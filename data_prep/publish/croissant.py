"""Croissant 1.0 metadata of a shard set: its files, and a record set over the index.

mlcommons.org/croissant/1.0; a test reads it back with mlcroissant.
"""

from __future__ import annotations

from typing import Any, Final

from data_prep.publish.config import CardConfig
from iconoclip.files import sha256_of
from iconoclip.shardset import RECORDS_NAME, ShardSet

CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
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

# Column of the index -> type and meaning. Columns that hold lists are left out; the records contain them.
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


def croissant(shardset: ShardSet, config: CardConfig) -> dict[str, Any]:
    """The Croissant description of a shard set, as JSON-LD."""
    manifest = shardset.manifest
    rights = [uri for uri in sorted(manifest.totals.by_rights) if uri != "none"]
    described: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": (
            config.description
            or f"{len(shardset)} images with captions, "
            f"harvested from {len(manifest.totals.by_institution)} institutions."
        ),
        "license": config.licence or rights or ["https://rightsstatements.org/vocab/UND/1.0/"],
        "url": config.url or f"urn:sha256:{shardset.digest}",
        "version": "1.0.0",
        "datePublished": manifest.created_at,
        "inLanguage": sorted(manifest.totals.by_language),
        "creator": [
            {"@type": "sc:Organization", "name": name} for name in sorted(manifest.totals.by_institution)
        ],
        "distribution": _distribution(shardset),
        "recordSet": [_record_set()],
    }
    if config.title:
        described["alternateName"] = config.title
    return described


def _distribution(shardset: ShardSet) -> list[dict[str, Any]]:
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
    return [index, *shards, *sets]


def _record_set() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": (
            "One row per sample; captions, credit lines and provenance are in the records in the shards."
        ),
        "key": {"@id": "samples/key"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"samples/{column}",
                "name": f"samples/{column}",
                "description": description,
                "dataType": data_type,
                "source": {"fileObject": {"@id": RECORDS_NAME}, "extract": {"column": column}},
            }
            for column, (data_type, description) in FIELDS.items()
        ],
    }
