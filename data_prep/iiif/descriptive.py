"""The descriptive properties of Manifests and Canvases: labels, summaries, metadata, statements, rights."""

from __future__ import annotations

from typing import Any

from data_prep.description import raw
from data_prep.description.levels import NAVIGATION_DATE
from data_prep.description.plain_text import plain_text
from data_prep.description.raw import raw_pair
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of, web_address
from data_prep.iiif.language_map import first_text, texts
from data_prep.iiif.upgrade import metadata
from data_prep.institutions import InstitutionProfile
from iconoclip.record import Institution, PairLevel, RawPair

_MAX_COLLECTIONS = 10


def pairs_of(resource: JsonObject, level: PairLevel, label_field: str) -> list[RawPair]:
    """The descriptive properties of a Manifest or a Canvas, unchanged.

    Args:
        label_field: the field of the label (data_prep.description.raw).
    """
    found = [raw_pair("label", *text, level, label_field) for text in texts(resource.get("label"))]
    found += [raw_pair("summary", *text, level, raw.SUMMARY) for text in texts(resource.get("summary"))]
    pairs = resource.get("metadata")
    for pair in objects(metadata(pairs) if isinstance(pairs, dict) else pairs):
        label = raw.LABELS_JOIN.join(dict.fromkeys(text for text, _ in texts(pair.get("label"))))
        found += [raw_pair(label, *text, level) for text in texts(pair.get("value"))]
    for statement in objects(resource.get("requiredStatement")):
        found += [
            raw_pair("requiredStatement", *text, level, "attribution")
            for text in texts(statement.get("value"))
        ]
    return found + [raw_pair("rights", text, None, level, "rights") for text in rights_of(resource)]


def pairs_of_manifest(manifest: JsonObject, identity: str, record: Any = None) -> list[RawPair]:
    """The properties of a Manifest, and those of the catalogue record that led to it.

    Args:
        record: see data_prep.sources.offers.as_context.
    """
    found = pairs_of(manifest, "manifest", raw.MANIFEST_LABEL)
    for item in as_list(manifest.get("homepage")):
        if address := web_address(id_of(item), identity):
            found.append(raw_pair("homepage", address, None, "manifest", "homepage"))
            break
    if isinstance(value := manifest.get("navDate"), str) and value:
        found.append(raw_pair("navDate", value, None, "manifest", NAVIGATION_DATE))
    return found + _pairs_of_collections(manifest) + _pairs_of_record(record)


def _pairs_of_collections(manifest: JsonObject) -> list[RawPair]:
    """The properties that a manifest gives of the collections that contain it (in 2.1: within)."""
    found: list[RawPair] = []
    for item in objects(manifest.get("partOf"))[:_MAX_COLLECTIONS]:
        if type_of(item) in ("Collection", ""):
            found += pairs_of(item, "collection", raw.COLLECTION_LABEL)
    # The rights of a collection apply to the list, not to the pictures.
    return [pair for pair in found if pair.field not in ("rights", "attribution")]


def _pairs_of_record(record: Any) -> list[RawPair]:
    if not isinstance(record, dict):
        return []
    found = [
        raw_pair(str(label), text, language if isinstance(language, str) else None, "record", str(field))
        # Ledgers of older versions contain no label.
        for field, text, language, label in (
            [*item, item[0]][:4]
            for item in as_list(record.get("statements"))
            if isinstance(item, (list, tuple)) and 3 <= len(item) <= 4
        )
        if isinstance(text, str)
    ]
    found += [
        raw_pair("rights", text, None, "record", "rights")
        for text in as_list(record.get("rights"))
        if isinstance(text, str)
    ]
    if page := web_address(id_of(record.get("homepage"))):
        found.append(raw_pair("homepage", page, None, "record", "homepage"))
    return found


def rights_of(resource: JsonObject) -> list[str]:
    """The values of a resource's rights property (in 2.1: license): one address, several, HTML, objects."""
    found: list[str] = []
    for value in as_list(resource.get("rights") or resource.get("license")):
        identity = id_of(value) if isinstance(value, dict) else None
        found += [identity] if identity else [text for text, _ in texts(value)]
    return found


def institution_of(manifest: JsonObject, profile: InstitutionProfile) -> Institution:
    """The institution. If only its host is known, its name is the provider's name in the manifest."""
    if profile.is_generic:
        for provider in objects(manifest.get("provider")):
            if name := plain_text(first_text(provider.get("label")) or "", 200):
                return Institution(slug=profile.slug, name=name, isil=profile.isil)
    return profile.institution
