"""Reads IIIF Presentation documents into candidates and links. Version 2.1 is upgraded to 3.0 first, so that
there is one code path.

The documents are read as plain JSON, not into iiif-prezi3's models. Their validation takes 0.2 to 0.4 ms per
canvas, about as much as all the reading here, and refuses documents of real servers. The tests check that
iiif-prezi3 accepts the upgraded documents.
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
    """The candidates of a Manifest, or the links of a Collection. Everything else is refused with the reason.
    Never raises.

    Args:
        uri: the address of the document; for a file, its path.
        profile: the institution's profile. For a file whose manifest names a known institution, the profile
            of that institution is used instead.
        context: the context of the link that led here (see data_prep.candidate.Link).
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
    return Found(refusals=(Refusal(uri, _not_presentation(kind), "everything"),))


def _first_id(value: Any) -> str | None:
    return next((identity for item in as_list(value) if (identity := id_of(item))), None)


def _content_state(annotation: JsonObject, uri: str) -> Found:
    """The links of a content state (IIIF Content State 1.0): an annotation whose target is a manifest or a
    part of one. Viewers exchange them."""
    found: list[Link] = []
    for target in objects(annotation.get("target")):
        part = target["source"] if isinstance(target.get("source"), dict) else target
        name = id_of(part) if type_of(part) in ("Manifest", "Collection") else _first_id(part.get("partOf"))
        if address := web_address(name, uri):
            found.append(Link(address, "presentation"))
    if found:
        return Found(links=tuple(found))
    return Found(refusals=(Refusal(uri, "an Annotation that leads to no manifest", "everything"),))


def _not_presentation(kind: str) -> str:
    if kind:
        return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind[:60]}, neither a Manifest nor a Collection"
    return "JSON without a type: neither a Manifest nor a Collection"


def _bounded(finds: Iterable[Candidate | Link | Refusal]) -> Found:
    """Sort finds by their kind. The first thousand refusals of a document are listed, further ones
    counted."""
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
