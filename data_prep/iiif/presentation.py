"""IIIF Presentation documents -> candidates and links. 2.1 is upgraded to 3.0; then there is one path.

The documents are read as plain JSON, not into iiif-prezi3's models: those take some milliseconds a canvas and refuse
what real servers send. The tests hold the two together: what is upgraded here, iiif-prezi3 accepts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from data_prep.candidate import Candidate, Found, ImageService, Link, Refusal
from data_prep.captions import MAX_CAPTIONS, Statement, captions_from
from data_prep.description import Description, Statements, describe
from data_prep.iiif.annotations import Page, page_annotations, page_links
from data_prep.iiif.document import (
    JsonObject,
    as_list,
    id_of,
    objects,
    parse_object,
    type_of,
    web_address,
    whole_number,
)
from data_prep.iiif.language_map import first_text, texts
from data_prep.iiif.painting import Painting, paintings
from data_prep.iiif.ranges import contents_by_canvas
from data_prep.iiif.upgrade import metadata, upgrade
from data_prep.institutions import InstitutionProfile, host_of, profile_for
from data_prep.plain_text import plain_text
from iconoclip.record import Caption, Date, Institution, Source

MAX_CANVASES = 50_000
MAX_MEMBERS = 500_000
MAX_REFUSALS = 1_000
MAX_DEPTH = 32


def read_presentation(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates of a Manifest, links of a Collection; what cannot be used is refused with its reason. Never raises.

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
        profile = profile_for(identity)
    if kind == "Manifest":
        return _bounded(_ManifestReader(value, identity, profile, (context or {}).get("record")).read())
    if kind == "Canvas":
        alone = {"id": web_address(_first_id(value.get("partOf")), uri) or identity, "items": [value]}
        return _bounded(_ManifestReader(alone, str(alone["id"]), profile).read())
    if kind == "Annotation":
        return _content_state(value, uri)
    if kind == "Collection":
        return _bounded(_collection(value, identity, profile, context or {}))
    return Found(refusals=(Refusal(uri, _not_presentation(value, kind)),))


def _first_id(value: Any) -> str | None:
    return next((identity for item in as_list(value) if (identity := id_of(item))), None)


def _content_state(annotation: JsonObject, uri: str) -> Found:
    """What viewers pass around (Content State 1.0): an annotation whose target is a manifest or a part of one."""
    found: list[Link] = []
    for target in objects(annotation.get("target")):
        part = target["source"] if isinstance(target.get("source"), dict) else target
        name = id_of(part) if type_of(part) in ("Manifest", "Collection") else _first_id(part.get("partOf"))
        if address := web_address(name, uri):
            found.append(Link(address, "presentation"))
    if found:
        return Found(links=tuple(found))
    return Found(refusals=(Refusal(uri, "an Annotation that leads to no manifest"),))


def _not_presentation(value: JsonObject, kind: str) -> str:
    if kind:
        return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind[:60]}, neither a Manifest nor a Collection"
    return "JSON without a type: neither a Manifest nor a Collection"


def _bounded(finds: Iterable[Candidate | Link | Refusal]) -> Found:
    candidates: list[Candidate] = []
    links: list[Link] = []
    refusals: list[Refusal] = []
    for find in finds:
        if isinstance(find, Candidate):
            candidates.append(find)
        elif isinstance(find, Link):
            links.append(find)
        elif len(refusals) < MAX_REFUSALS:
            refusals.append(find)
    return Found(tuple(candidates), tuple(links), tuple(refusals))


def _collection(
    value: JsonObject, identity: str, profile: InstitutionProfile, context: dict[str, Any]
) -> Iterator[Candidate | Link | Refusal]:
    depth = int(context.get("depth", 0)) + 1 if str(context.get("depth", 0)).isdigit() else 1
    members = as_list(value.get("items"))
    pages = [
        page
        for key in ("next", "first")
        if (page := id_of(value.get(key))) and (key == "next" or not members)
    ]
    if depth > MAX_DEPTH:
        yield Refusal(identity, f"collections nested more than {MAX_DEPTH} deep")
        return
    if not members and not pages:
        yield Refusal(identity, "an empty collection")
    if len(members) > MAX_MEMBERS:
        yield Refusal(identity, f"more than {MAX_MEMBERS} members; the rest is left out")
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
        yield Link(address, "presentation", {"depth": depth, **({"label": label[:500]} if label else {})})


def _named(address: str | None) -> str:
    return f": {address[:200]}" if address else ""


def _embedded(
    member: JsonObject, kind: str, address: str, profile: InstitutionProfile, depth: int
) -> Iterator[Candidate | Link | Refusal]:
    """A member that stands whole inside of its collection needs no second request."""
    if kind == "Collection":
        yield from _collection(member, address, profile, {"depth": depth})
    else:
        yield from _ManifestReader(member, address, profile).read()


class _ManifestReader:
    """Reads one Manifest (3.0). What holds for all its canvases is worked out once."""

    def __init__(
        self, manifest: JsonObject, identity: str, profile: InstitutionProfile, record: Any = None
    ) -> None:
        self.manifest = manifest
        self.identity = identity
        self.profile = profile
        statements, rights = statements_of(manifest, profile, identity, profile.manifest_label)
        known, known_rights, known_page = _of_record(record)
        self.shared = describe([*statements, *known], profile, rights or known_rights)
        self.institution = _institution(manifest, profile)
        self.homepage = _homepage(manifest, identity) or web_address(self.shared.homepage) or known_page
        self.date = self.shared.date or _navigation_date(manifest)
        self.seen: set[str] = set()

    def read(self) -> Iterator[Candidate | Link | Refusal]:
        canvases = objects(self.manifest.get("items"))
        if not canvases:
            yield Refusal(self.identity, "a manifest without canvases")
        if len(canvases) > MAX_CANVASES:
            yield Refusal(self.identity, f"more than {MAX_CANVASES} canvases; the rest is left out")
        contents = contents_by_canvas(self.manifest, num_canvases=len(canvases))
        for number, canvas in enumerate(canvases[:MAX_CANVASES], 1):
            if type_of(canvas) in ("Canvas", ""):
                yield from self._canvas(canvas, number, contents)
            else:
                yield Refusal(
                    id_of(canvas) or self.identity, f"a {type_of(canvas)[:60]} where a Canvas should be"
                )

    def _canvas(
        self, canvas: JsonObject, number: int, contents: dict[str, list[Statement]]
    ) -> Iterator[Candidate | Link | Refusal]:
        identity = web_address(id_of(canvas), self.identity)
        name = identity or f"{self.identity}#canvas-{number}"
        own = self._own_description(canvas, contents.get(id_of(canvas) or "", []))
        candidates: list[Candidate] = []
        num_images = 0
        for painting in paintings(canvas, self.identity):
            num_images += 1
            if isinstance(painting, str):
                yield Refusal(name, painting)
                continue
            candidates.append(self._candidate(painting, name, identity, own))
        if num_images == 0:
            yield Refusal(name, "a canvas without an image")
        if candidates and self.profile.regions and "annotations" in canvas:
            yield from self._annotated(canvas, candidates)
        else:
            yield from candidates

    def _own_description(self, canvas: JsonObject, contents: list[Statement]) -> Description:
        if not contents and not any(
            key in canvas for key in ("metadata", "summary", "rights", "requiredStatement")
        ):
            label = [Statement(self.profile.canvas_label, *text) for text in texts(canvas.get("label"))]
            return Description(captions=captions_from(label, self.profile)) if label else Description()
        statements, rights = statements_of(canvas, self.profile, self.identity, self.profile.canvas_label)
        return describe([*statements, *contents], self.profile, rights)

    def _candidate(self, painting: Painting, name: str, canvas: str | None, own: Description) -> Candidate:
        shared = self.shared
        if name in self.seen:
            name = f"{name}#{painting.identity}"
        self.seen.add(name)
        captions = merged_captions(own.captions, shared.captions)
        if painting.label:
            # "X-ray of the panel": it tells one image of a page from another, after what they have in common.
            views = [Statement("caption", *text) for text in painting.label]
            captions = merged_captions(captions, captions_from(views, self.profile))
        return Candidate(
            institution=self.institution,
            source=Source(
                id=name,
                canvas=canvas,
                manifest=self.identity,
                image_service=painting.service.id if painting.service else None,
                image=painting.image_uri,
                homepage=self.homepage,
                region=painting.region,
            ),
            group=self.identity,
            rights_raw=own.rights_raw or shared.rights_raw,
            attribution=own.attribution or shared.attribution,
            captions=captions,
            iconclass=tuple(dict.fromkeys((*own.iconclass, *shared.iconclass))),
            creators=own.creators or shared.creators,
            date=own.date or self.date,
            object_type=own.object_type or shared.object_type,
            service=_sized(painting),
            image_uri=painting.image_uri,
            source_size=painting.size,
            region=painting.region,
        )

    def _annotated(
        self, canvas: JsonObject, candidates: list[Candidate]
    ) -> Iterator[Candidate | Link | Refusal]:
        """The images of a canvas with what annotations say of them, then the parts that they point out."""
        width, height = whole_number(canvas.get("width")), whole_number(canvas.get("height"))
        page = Page(candidates[0], (width, height) if width and height else None)
        listed = as_list(canvas.get("annotations"))
        embedded = [item for item in listed if isinstance(item, dict) and item.get("items")]
        captions, finds = page_annotations(embedded, page, self.profile)
        if captions:
            first = candidates[0]
            candidates[0] = dataclasses.replace(first, captions=merged_captions(first.captions, captions))
        yield from candidates
        yield from finds
        for item in listed:
            if not (isinstance(item, dict) and item.get("items")):
                yield from page_links(item, page, self.identity)


def _sized(painting: Painting) -> ImageService | None:
    """The service, with the size of the image that the manifest told beside it."""
    service = painting.service
    if service is None or service.width or painting.size is None:
        return service
    return dataclasses.replace(service, width=painting.size[0], height=painting.size[1])


def merged_captions(own: tuple[Caption, ...], shared: tuple[Caption, ...]) -> tuple[Caption, ...]:
    """Blazons, then what is said of the page, then what is said of the whole."""
    if not own:
        return shared
    known = {caption.text.casefold() for caption in own}
    both = [*own, *(caption for caption in shared if caption.text.casefold() not in known)]
    return tuple(sorted(both, key=lambda caption: caption.field != "blazon"))[:MAX_CAPTIONS]


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
    rights = [text for value in as_list(resource.get("rights")) for text in _rights_texts(value)]
    return found.items, rights


def _add_pair(found: Statements, pair: JsonObject, profile: InstitutionProfile) -> None:
    for label, _ in texts(pair.get("label")):
        name, language_name = profile.field_of(plain_text(label, 200))
        if name != "ignore":
            for text, language in texts(pair.get("value")):
                found.add(name, text, language_name or language)
            return


def _of_record(record: Any) -> tuple[list[Statement], list[str], str | None]:
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


def _rights_texts(value: Any) -> list[str]:
    if isinstance(value, dict) and (identity := id_of(value)):
        return [identity]
    return [text for text, _ in texts(value)]


def _institution(manifest: JsonObject, profile: InstitutionProfile) -> Institution:
    """The institution; of one known by its host only, the name that the manifest gives its provider."""
    if profile.is_generic:
        for provider in objects(manifest.get("provider")):
            if name := plain_text(first_text(provider.get("label")) or "", 200):
                return Institution(slug=profile.slug, name=name, isil=profile.isil)
    return profile.institution


def _homepage(manifest: JsonObject, identity: str) -> str | None:
    for item in as_list(manifest.get("homepage")):
        if address := web_address(id_of(item), identity):
            return address
    return None


def _navigation_date(manifest: JsonObject) -> Date | None:
    value = manifest.get("navDate")
    if isinstance(value, str) and len(value) >= 10 and value[:4].isdigit() and value[4:5] == "-":
        year = int(value[:4])
        return Date(edtf=value[:10], text=value[:40], earliest=year, latest=year)
    return None
