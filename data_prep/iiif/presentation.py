"""IIIF Presentation documents -> candidates and links. 2.1 is upgraded to 3.0; then there is one path.

The documents are read as plain JSON, not into iiif-prezi3's models: their validation takes 0.2 to 0.4 ms per
canvas, about as much as all of the reading here, and refuses what real servers send. The tests hold the two
together: what is upgraded here, iiif-prezi3 accepts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from data_prep.candidate import Candidate, Found, Link, Refusal
from data_prep.iiif.collections import read_collection
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, parse_object, type_of, web_address
from data_prep.iiif.manifests import ManifestReader
from data_prep.iiif.upgrade import upgrade
from data_prep.institutions import InstitutionProfile, host_of, profile_for

MAX_REFUSALS = 1_000


def read_presentation(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates of a Manifest, links of a Collection; what cannot be used is refused with its
    reason. Never raises.

    Args:
        uri: where the document was found; the path, for a file.
        profile: of the institution; for a file whose manifest names a known one, that one's is taken.
        context: that of the link which led here (see data_prep.candidate.Link).
    """
    value = parse_object(document, uri)
    if isinstance(value, Refusal):
        return Found(refusals=(value,))
    value = upgrade(value)
    kind = type_of(value)
    identity = web_address(id_of(value), uri) or uri
    if host_of(uri) is None and profile.is_generic and host_of(identity):
        profile = profile_for(identity).with_composition(profile.composition)
    if kind == "Manifest":
        return _bounded(ManifestReader(value, identity, profile, (context or {}).get("record")).read())
    if kind == "Canvas":
        alone = {"id": web_address(_first_id(value.get("partOf")), uri) or identity, "items": [value]}
        return _bounded(ManifestReader(alone, str(alone["id"]), profile).read())
    if kind == "Annotation":
        return _content_state(value, uri)
    if kind == "Collection":
        found = _bounded(read_collection(value, identity, profile, context or {}))
        return dataclasses.replace(found, is_list=True)
    return Found(refusals=(Refusal(uri, _not_presentation(value, kind), "everything"),))


def _first_id(value: Any) -> str | None:
    return next((identity for item in as_list(value) if (identity := id_of(item))), None)


def _content_state(annotation: JsonObject, uri: str) -> Found:
    """What viewers pass around (Content State 1.0): an annotation whose target is a manifest or a
    part of one."""
    found: list[Link] = []
    for target in objects(annotation.get("target")):
        part = target["source"] if isinstance(target.get("source"), dict) else target
        name = id_of(part) if type_of(part) in ("Manifest", "Collection") else _first_id(part.get("partOf"))
        if address := web_address(name, uri):
            found.append(Link(address, "presentation"))
    if found:
        return Found(links=tuple(found))
    return Found(refusals=(Refusal(uri, "an Annotation that leads to no manifest", "everything"),))


def _not_presentation(value: JsonObject, kind: str) -> str:
    if kind:
        return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind[:60]}, neither a Manifest nor a Collection"
    return "JSON without a type: neither a Manifest nor a Collection"


def _bounded(finds: Iterable[Candidate | Link | Refusal]) -> Found:
    """Finds by their kind; a document with endless faults names the first thousand and counts the rest."""
    candidates: list[Candidate] = []
    links: list[Link] = []
    refusals: list[Refusal] = []
    num_more = 0
    for find in finds:
        if isinstance(find, Candidate):
            candidates.append(find)
        elif isinstance(find, Link):
            links.append(find)
        elif len(refusals) < MAX_REFUSALS:
            refusals.append(find)
        else:
            num_more += 1
    if num_more:
        refusals.append(Refusal(refusals[0].source, f"and {num_more} more refusals in the same document"))
    return Found(tuple(candidates), tuple(links), tuple(refusals))
