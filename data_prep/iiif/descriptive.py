"""What Manifests and Canvases say of themselves: labels, summaries, metadata pairs, statements, rights."""

from __future__ import annotations

from typing import Any

from data_prep.description.captions import Statement
from data_prep.description.describe import Statements
from data_prep.description.plain_text import plain_text
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, web_address
from data_prep.iiif.language_map import first_text, texts
from data_prep.iiif.upgrade import metadata
from data_prep.institutions import InstitutionProfile
from iconoclip.record import Date, Institution


def statements_of(
    resource: JsonObject, profile: InstitutionProfile, identity: str, label_field: str
) -> tuple[list[Statement], list[str]]:
    """What a Manifest or a Canvas says of itself, and what its rights property holds."""
    found = Statements()
    for text, language in texts(resource.get("label")):
        found.add(label_field, text, language)
    for text, language in texts(resource.get("summary")):
        found.add(profile.summary, text, language)
    pairs = resource.get("metadata")
    for pair in objects(metadata(pairs) if isinstance(pairs, dict) else pairs):
        _add_pair(found, pair, profile)
    for statement in objects(resource.get("requiredStatement")):
        for text, language in texts(statement.get("value")):
            found.add("attribution", text, language)
    return found.items, rights_of(resource)


def _add_pair(found: Statements, pair: JsonObject, profile: InstitutionProfile) -> None:
    for label, _ in texts(pair.get("label")):
        name, language_name = profile.field_of(plain_text(label, 200))
        if name != "ignore":
            for text, language in texts(pair.get("value")):
                found.add(name, text, language_name or language)
            return


def of_record(record: Any) -> tuple[list[Statement], list[str], str | None]:
    """What a catalogue record said of the manifest it led to (see data_prep.sources.offers.as_context)."""
    if not isinstance(record, dict):
        return [], [], None
    statements = [
        Statement(item[0], item[1], item[2] if isinstance(item[2], str) else None)
        for item in as_list(record.get("statements"))
        if isinstance(item, (list, tuple)) and len(item) == 3 and isinstance(item[1], str)
    ]
    rights = [text for text in as_list(record.get("rights")) if isinstance(text, str)]
    return statements, rights, web_address(id_of(record.get("homepage")))


def rights_of(resource: JsonObject) -> list[str]:
    """What a resource's own rights property holds (2.1: license): one address, several, HTML, objects."""
    found: list[str] = []
    for value in as_list(resource.get("rights") or resource.get("license")):
        identity = id_of(value) if isinstance(value, dict) else None
        found += [identity] if identity else [text for text, _ in texts(value)]
    return found


def institution_of(manifest: JsonObject, profile: InstitutionProfile) -> Institution:
    """The institution; of one known by its host only, the name that the manifest gives its provider."""
    if profile.is_generic:
        for provider in objects(manifest.get("provider")):
            if name := plain_text(first_text(provider.get("label")) or "", 200):
                return Institution(slug=profile.slug, name=name, isil=profile.isil)
    return profile.institution


def homepage_of(manifest: JsonObject, identity: str) -> str | None:
    """The page about the object, for people."""
    for item in as_list(manifest.get("homepage")):
        if address := web_address(id_of(item), identity):
            return address
    return None


def navigation_date(manifest: JsonObject) -> Date | None:
    """The date by which viewers sort the object: better than none."""
    value = manifest.get("navDate")
    if isinstance(value, str) and len(value) >= 10 and value[:4].isdigit() and value[4:5] == "-":
        year = int(value[:4])
        return Date(edtf=value[:10], text=value[:40], earliest=year, latest=year)
    return None
