"""IIIF Manifests (3.0): a candidate for every image on every canvas."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from data_prep.candidate import Candidate, ImageService, Link, Refusal
from data_prep.description import raw
from data_prep.description.captions import Statement
from data_prep.description.raw import describer_of
from data_prep.iiif.annotations import Page, page_annotations, page_links
from data_prep.iiif.descriptive import institution_of, pairs_of, pairs_of_manifest
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of, web_address, whole_number
from data_prep.iiif.painting import Painting, each_view_once, paintings
from data_prep.iiif.ranges import contents_by_canvas
from data_prep.institutions import InstitutionProfile
from iconoclip.record import RawPair, Region, Source

MAX_CANVASES = 50_000


class ManifestReader:
    """Reads one Manifest (3.0). Properties that all its canvases share are read once."""

    def __init__(
        self, manifest: JsonObject, identity: str, profile: InstitutionProfile, record: Any = None
    ) -> None:
        self.manifest = manifest
        self.identity = identity
        self.profile = profile
        self.describer = describer_of(profile)
        self.shared = pairs_of_manifest(manifest, identity, record)
        self.institution = institution_of(manifest, profile)
        self.num_images = 1
        self.seen: set[str] = set()

    def read(self) -> Iterator[Candidate | Link | Refusal]:
        """The candidates, links and refusals of the manifest's canvases, in their order."""
        canvases = objects(self.manifest.get("items"))
        if not canvases:
            yield Refusal(self.identity, "a manifest without canvases", "emptied")
        if len(canvases) > MAX_CANVASES:
            yield Refusal(self.identity, f"more than {MAX_CANVASES} canvases; the rest is left out", "rest")
        self.num_images = max(1, len(canvases))
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
        own = pairs_of(canvas, "canvas", raw.CANVAS_LABEL)
        own += raw.raw_pairs(contents.get(id_of(canvas) or "", []), "canvas")
        candidates: list[Candidate] = []
        painted: list[Region | None] = []
        num_images = 0
        for painting in each_view_once(list(paintings(canvas, self.identity))):
            num_images += 1
            if isinstance(painting, str):
                yield Refusal(name, painting)
                continue
            candidates.append(self._candidate(painting, name, identity, own))
            painted.append(painting.on)
        if num_images == 0:
            yield Refusal(name, "a canvas without an image")
        if candidates and self.profile.regions and "annotations" in canvas:
            yield from self._annotated(canvas, candidates, painted, name)
        else:
            yield from candidates

    def _candidate(self, painting: Painting, name: str, canvas: str | None, own: list[RawPair]) -> Candidate:
        if name in self.seen:
            name = f"{name}#{painting.identity}"
        self.seen.add(name)
        # "X-ray of the panel": the label that distinguishes the images of one page, after their shared texts.
        views = [raw.raw_pair("label", *text, "image", "caption") for text in painting.label]
        views += [raw.raw_pair("rights", text, None, "image", "rights") for text in painting.rights]
        described = self.describer.described([*own, *views, *self.shared], self.num_images)
        return Candidate(
            institution=self.institution,
            source=Source(
                id=name,
                canvas=canvas,
                manifest=self.identity,
                image_service=painting.service.id if painting.service else None,
                image=painting.image_uri,
                homepage=web_address(described.description.homepage),
                region=None if painting.region_space else painting.region,
            ),
            group=self.identity,
            **described.fields,
            num_images=self.num_images,
            service=_sized(painting),
            image_uri=painting.image_uri,
            source_size=painting.size,
            region=painting.region,
            region_space=painting.region_space,
            turn=painting.turn,
        )

    def _annotated(
        self, canvas: JsonObject, candidates: list[Candidate], painted: list[Region | None], name: str
    ) -> Iterator[Candidate | Link | Refusal]:
        """The images of a canvas with the statements of their annotations, then the parts that these
        describe.

        Args:
            painted: the part of the canvas on which each image is painted; None for the whole canvas.
        """
        width, height = whole_number(canvas.get("width")), whole_number(canvas.get("height"))
        is_composed = any(painted)
        page = Page(
            candidates[0],
            (width, height) if width and height else None,
            tuple(zip(painted, candidates, strict=True)) if is_composed else (),
        )
        listed = as_list(canvas.get("annotations"))
        embedded = [item for item in listed if isinstance(item, dict) and item.get("items")]
        said, finds = page_annotations(embedded, page, self.profile, name)
        if said:
            # Statements about the whole canvas apply to each of its images.
            for number, one in enumerate(candidates if is_composed else candidates[:1]):
                described = self.describer.described([*one.raw, *said], self.num_images, one.raw_num_dropped)
                candidates[number] = dataclasses.replace(one, **described.fields)
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
