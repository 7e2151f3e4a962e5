"""IIIF Collections (3.0): their members, page by page, with a limit on the depth of nesting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data_prep.candidate import Candidate, Link, Refusal
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of, web_address, whole_number
from data_prep.iiif.language_map import first_text
from data_prep.iiif.manifests import ManifestReader
from data_prep.institutions import InstitutionProfile

MAX_MEMBERS = 500_000
MAX_DEPTH = 32


def read_collection(
    value: JsonObject, identity: str, profile: InstitutionProfile, context: dict[str, Any]
) -> Iterator[Candidate | Link | Refusal]:
    """Links to the members of a Collection and to its further pages, and candidates from embedded members.

    Args:
        context: `depth` is the number of collections that contain this one.
    """
    depth = (whole_number(context.get("depth")) or 0) + 1
    members = as_list(value.get("items"))
    pages = [
        page
        for key in ("next", "first")
        if (page := id_of(value.get(key))) and (key == "next" or not members)
    ]
    if depth > MAX_DEPTH:
        yield Refusal(identity, f"collections nested more than {MAX_DEPTH} deep", "rest")
        return
    if not members and not pages:
        yield Refusal(identity, "an empty collection", "emptied")
    if len(members) > MAX_MEMBERS:
        yield Refusal(identity, f"more than {MAX_MEMBERS} members; the rest is left out", "rest")
    seen: set[str] = set()
    for member in members[:MAX_MEMBERS]:
        yield from _member(member, identity, profile, depth, seen)
    for page in pages:
        if address := web_address(page, identity):
            # A further page of the same collection is no deeper than this one.
            yield Link(address, "presentation", {"depth": depth - 1})


def _member(
    member: Any, collection: str, profile: InstitutionProfile, depth: int, seen: set[str]
) -> Iterator[Candidate | Link | Refusal]:
    kind = type_of(member)
    address = web_address(id_of(member), collection)
    if kind not in ("Manifest", "Collection", ""):
        yield Refusal(
            address or collection, f"a {kind[:60]} in a collection, neither a Manifest nor a Collection"
        )
    elif isinstance(member, dict) and objects(member.get("items")) and depth < MAX_DEPTH:
        yield from _embedded(member, kind, address or collection, profile, depth)
    elif address is None:
        yield Refusal(collection, f"a member without an http address{_named(id_of(member))}")
    elif address == collection:
        yield Refusal(collection, "a collection that lists itself")
    elif address not in seen:
        seen.add(address)
        label = first_text(member.get("label")) if isinstance(member, dict) else None
        known = {"type": kind, "label": label[:500] if label else None}
        yield Link(
            address, "presentation", {"depth": depth, **{key: text for key, text in known.items() if text}}
        )


def _named(address: str | None) -> str:
    return f": {address[:200]}" if address else ""


def _embedded(
    member: JsonObject, kind: str, address: str, profile: InstitutionProfile, depth: int
) -> Iterator[Candidate | Link | Refusal]:
    """A member that is embedded completely in its collection needs no second request."""
    if kind == "Collection":
        yield from read_collection(member, address, profile, {"depth": depth})
    else:
        yield from ManifestReader(member, address, profile).read()
