"""Reads EDM, the Europeana Data Model, in RDF/XML as catalogue records.

Source: the EDM definition 5.2.8 and Europeana's profile for IIIF (a svcs:Service on a web resource, or
dcterms:isReferencedBy to a manifest).
"""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.candidate import ImageService
from data_prep.description.captions import Statement
from data_prep.iiif.document import web_address, whole_number
from data_prep.iiif.image_services import image_service
from data_prep.institutions import InstitutionProfile
from data_prep.sources.offers import CatalogueRecord, Image, is_image, is_other_file, manifest_in
from data_prep.sources.xml_document import (
    Element,
    attribute,
    child,
    children,
    language_of,
    local_name,
    text_of,
)

MAX_RECORDS = 10_000

_FIELDS = {
    "title": "title",
    "alternative": "title",
    "description": "description",
    "abstract": "description",
    "subject": "subject",
    "spatial": "subject",
    "medium": "technique",
    "creator": "creator",
    "created": "date",
    "date": "date",
    "type": "type",
    "language": "text_language",
}
# dc:type is the kind of object; edm:type only states whether it is an image, a text, ...
_EDM_TYPE = "{http://www.europeana.eu/schemas/edm/}type"


class _Graph:
    """The resources of one RDF document, by address and by class."""

    def __init__(self, root: Element) -> None:
        self.of_class: dict[str, list[Element]] = {}
        self.by_address: dict[str, list[Element]] = {}
        for item in children(root):
            name = local_name(item)
            if name == "Description":
                kind = child(item, "type")
                name = (attribute(kind, "resource") or "").rpartition("/")[2] if kind is not None else name
            self.of_class.setdefault(name, []).append(item)
            self.by_address.setdefault(attribute(item, "about") or "", []).append(item)

    def resources(self, element: Element, name: str) -> Iterator[str]:
        """The addresses that a property of `element` points to."""
        for item in children(element, name):
            if address := attribute(item, "resource") or text_of(item):
                yield address

    def statements(self, item: Element, field: str) -> Iterator[Statement]:
        """The texts of a property: its own text, or the labels of the concept or agent that it points to."""
        name = local_name(item)
        if text := text_of(item):
            yield Statement(field, text, language_of(item), name)  # type: ignore[arg-type]
            return
        if name == "spatial":
            return  # a place of a gazetteer, in fifty languages
        address = attribute(item, "resource") or ""
        if field == "subject" and "iconclass.org/" in address:
            yield Statement("iconclass", address, None, name)
        for thing in self.by_address.get(address, []):
            for label in children(thing, "prefLabel"):
                if text := text_of(label):
                    yield Statement(field, text, language_of(label), name)  # type: ignore[arg-type]


def edm_records(root: Element, profile: InstitutionProfile) -> Iterator[CatalogueRecord]:
    """The records in an rdf:RDF element, one for each aggregation of a provider."""
    graph = _Graph(root)
    for aggregation in graph.of_class.get("Aggregation", [])[:MAX_RECORDS]:
        yield _record(graph, aggregation, profile)


def _record(graph: _Graph, aggregation: Element, profile: InstitutionProfile) -> CatalogueRecord:
    about = attribute(aggregation, "about") or ""
    cho = next(graph.resources(aggregation, "aggregatedCHO"), about)
    record = CatalogueRecord(cho or about or "an EDM record without an address")
    for element in _descriptions(graph, cho):
        for item in children(element, *_FIELDS):
            if item.tag == _EDM_TYPE:
                continue
            record.statements.items.extend(graph.statements(item, _FIELDS[local_name(item)]))
        for address in graph.resources(element, "isReferencedBy"):
            if manifest := manifest_in(address, profile):
                record.manifests.append(manifest)
    record.rights = list(graph.resources(aggregation, "rights"))
    record.keeper = _name(graph, aggregation, "dataProvider") or _name(graph, aggregation, "provider")
    if record.keeper:
        record.statements.add("attribution", record.keeper, label="dataProvider")
    record.homepage = next(filter(web_address, graph.resources(aggregation, "isShownAt")), None)
    _note_images(graph, aggregation, record, profile)
    return record


def _descriptions(graph: _Graph, cho: str) -> list[Element]:
    """The elements that describe an object: itself, and its provider's proxies before Europeana's own."""
    proxies = [item for item in graph.of_class.get("Proxy", []) if cho in graph.resources(item, "proxyFor")]
    proxies.sort(key=lambda item: text_of(child(item, "europeanaProxy")) == "true")
    of_object = [
        item for item in graph.by_address.get(cho, []) if local_name(item) in ("ProvidedCHO", "Description")
    ]
    if not of_object and not proxies and len(graph.of_class.get("ProvidedCHO", [])) == 1:
        of_object = graph.of_class["ProvidedCHO"]
    return [*of_object, *proxies]


def _name(graph: _Graph, aggregation: Element, name: str) -> str | None:
    for item in children(aggregation, name):
        for statement in graph.statements(item, "attribution"):
            if not statement.text.startswith("http"):
                return statement.text
    return None


def _note_images(
    graph: _Graph, aggregation: Element, record: CatalogueRecord, profile: InstitutionProfile
) -> None:
    main = [address for name in ("isShownBy", "hasView") for address in graph.resources(aggregation, name)]
    # A preview is used if there is no other image.
    addresses = main or list(graph.resources(aggregation, "object"))
    kind = _kind(graph, record.id)
    if kind in ("VIDEO", "SOUND", "3D"):
        record.kind = kind
        return
    for address in dict.fromkeys(addresses):
        views = graph.by_address.get(address, [])
        for view in views:
            for referenced in graph.resources(view, "isReferencedBy"):
                if (manifest := manifest_in(referenced, profile)) and manifest not in record.manifests:
                    record.manifests.append(manifest)
        if image := _image(graph, address, views[0] if views else None):
            record.images.append(image)


def _kind(graph: _Graph, cho: str) -> str:
    """Europeana's type of the object: IMAGE, TEXT, VIDEO, SOUND or 3D; empty if none is stated."""
    kinds = [text_of(kind) for element in _descriptions(graph, cho) for kind in children(element, "type")]
    return next((kind for kind in kinds if kind in ("IMAGE", "TEXT", "VIDEO", "SOUND", "3D")), "")


def _image(graph: _Graph, address: str, view: Element | None) -> Image | None:
    uri = web_address(address)
    if uri is None or is_other_file(uri):
        return None
    image = Image(uri=uri)
    if view is None:
        return image
    media_type = text_of(child(view, "hasMimeType")) or text_of(child(view, "format"))
    if "/" in media_type and not media_type.startswith("image/") and not is_image(uri):
        return None
    width = whole_number(text_of(child(view, "width")))
    height = whole_number(text_of(child(view, "height")))
    image.size = (width, height) if width and height else None
    image.rights = list(graph.resources(view, "rights"))
    image.statements = [
        statement for item in children(view, "description") for statement in graph.statements(item, "caption")
    ]
    for service in graph.resources(view, "has_service"):
        image.service = _service(graph, service, uri)
    return image


def _service(graph: _Graph, address: str, image_uri: str) -> ImageService | None:
    profiles = [
        profile
        for item in graph.by_address.get(address, [])
        for name in ("implements", "conformsTo")
        for profile in graph.resources(item, name)
    ]
    value = {"@id": address, "profile": profiles or ["http://iiif.io/api/image/2/level0.json"]}
    return image_service(value, image_uri=image_uri)
