"""IIIF Manifests (3.0): a candidate for every image on every canvas."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from data_prep.candidate import Candidate, ImageService, Link, Refusal
from data_prep.description.captions import MAX_CAPTIONS, Statement, captions_from
from data_prep.description.describe import Description, describe, rights_value
from data_prep.iiif.annotations import Page, page_annotations, page_links
from data_prep.iiif.descriptive import homepage_of, institution_of, navigation_date, of_record, statements_of
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of, web_address, whole_number
from data_prep.iiif.language_map import texts
from data_prep.iiif.painting import Painting, paintings
from data_prep.iiif.ranges import contents_by_canvas
from data_prep.institutions import InstitutionProfile
from iconoclip.record import Caption, Source

MAX_CANVASES = 50_000


class ManifestReader:
    """Reads one Manifest (3.0). What holds for all its canvases is worked out once."""

    def __init__(
        self, manifest: JsonObject, identity: str, profile: InstitutionProfile, record: Any = None
    ) -> None:
        self.manifest = manifest
        self.identity = identity
        self.profile = profile
        statements, rights = statements_of(manifest, profile, identity, profile.manifest_label)
        known, known_rights, known_page = of_record(record)
        self.shared = describe([*statements, *known], profile, rights or known_rights)
        self.institution = institution_of(manifest, profile)
        self.homepage = homepage_of(manifest, identity) or web_address(self.shared.homepage) or known_page
        self.date = self.shared.date or navigation_date(manifest)
        self.seen: set[str] = set()

    def read(self) -> Iterator[Candidate | Link | Refusal]:
        """What the manifest's canvases show, in their order."""
        canvases = objects(self.manifest.get("items"))
        if not canvases:
            yield Refusal(self.identity, "a manifest without canvases", "emptied")
        if len(canvases) > MAX_CANVASES:
            yield Refusal(self.identity, f"more than {MAX_CANVASES} canvases; the rest is left out", "rest")
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
            rights_raw=self._rights_of(painting) or own.rights_raw or shared.rights_raw,
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

    def _rights_of(self, painting: Painting) -> str | None:
        return rights_value(list(painting.rights), [], [], self.profile) if painting.rights else None

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
    """The service, with the size of the image from the manifest."""
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
