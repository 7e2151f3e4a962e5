"""Europeana's APIs: Search (JSON, with a cursor) and Record (JSON, or EDM in RDF/XML).

Source: europeana.atlassian.net, Search API and Record API documentation. Rights are those in edm:rights of
each record. The data provider is the institution that owns the object, and must be named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

from data_prep.candidate import Found, Link, Refusal
from data_prep.iiif.document import (
    JsonObject,
    as_list,
    id_of,
    objects,
    parse_object,
    web_address,
    whole_number,
)
from data_prep.iiif.image_services import image_service
from data_prep.iiif.language_map import texts
from data_prep.institutions import InstitutionProfile
from data_prep.sources.edm import edm_records
from data_prep.sources.finds import Find, sorted_finds
from data_prep.sources.offers import CatalogueRecord, Image, is_other_file, manifest_in, offers
from data_prep.sources.xml_document import local_name, parse_xml

MANIFESTS = "https://iiif.europeana.eu/presentation"
MAX_ITEMS = 1_000

# Field of a search result or of a proxy -> field of a record. `LangAware` forms are preferred to plain ones.
_SEARCH_FIELDS = (
    ("dcTitleLangAware", "title", "title"),
    ("dcDescriptionLangAware", "dcDescription", "description"),
    ("dcCreatorLangAware", "dcCreator", "creator"),
    ("dcSubjectLangAware", "dcSubject", "subject"),
    ("edmConceptPrefLabelLangAware", "edmConceptPrefLabel", "subject"),
    ("dcTypeLangAware", "dcType", "type"),
    ("", "year", "date"),
)
_PROXY_FIELDS = {
    "dcTitle": "title",
    "dctermsAlternative": "title",
    "dcDescription": "description",
    "dcCreator": "creator",
    "dcSubject": "subject",
    "dctermsMedium": "technique",
    "dctermsCreated": "date",
    "dcDate": "date",
    "dcType": "type",
    "dcLanguage": "text_language",
}


def read_europeana(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates of one response and the link to the next page. Never raises.

    Args:
        uri: the request; the next one is built from it, with its key.
    """
    if document.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return _read_rdf(document, uri, profile)
    value = parse_object(document, uri)
    if isinstance(value, Refusal):
        return Found(refusals=(value,))
    if value.get("success") is False or "error" in value:
        words = str(value.get("error") or value.get("message") or "no reason given")[:300]
        return Found(refusals=(Refusal(uri, f"Europeana answers with an error: {words}", "everything"),))
    if isinstance(value.get("object"), dict):
        return sorted_finds(offers(_record(value["object"], uri, profile), profile))
    if "items" in value:
        return sorted_finds(_search(value, uri, profile))
    return Found(
        refusals=(Refusal(uri, "JSON, but neither a search result nor a record of Europeana", "everything"),)
    )


def _read_rdf(document: bytes, uri: str, profile: InstitutionProfile) -> Found:
    root = parse_xml(document, uri)
    if isinstance(root, Refusal):
        return Found(refusals=(root,))
    records = list(edm_records(root, profile)) if local_name(root) == "RDF" else []
    if not records:
        return Found(
            refusals=(
                Refusal(
                    uri, f"XML, but <{local_name(root)[:60]}> without an aggregation of EDM", "everything"
                ),
            )
        )
    return sorted_finds(find for record in records for find in offers(record, profile))


def _search(value: JsonObject, uri: str, profile: InstitutionProfile) -> Iterator[Find]:
    items = objects(value.get("items"))[:MAX_ITEMS]
    if not items:
        yield Refusal(uri, "a search without results", "emptied")
    for item in items:
        yield from _found_item(item, uri, profile)
    yield from _next_page(value, uri, len(items))


def _found_item(item: JsonObject, uri: str, profile: InstitutionProfile) -> Iterator[Find]:
    identity = id_of(item)
    if not identity:
        yield Refusal(uri, "a search result without an identifier")
        return
    record = CatalogueRecord(_item_address(identity))
    for aware, plain, field in _SEARCH_FIELDS:
        for text, language in texts(item.get(aware)) or texts(item.get(plain)):
            if not text.startswith(("http://", "https://")):
                record.statements.add(field, text, language, aware)
    record.rights = [text for text, _ in texts(item.get("rights"))]
    _name_keeper(record, [text for text, _ in texts(item.get("dataProvider"))])
    record.homepage = next(
        (address for text, _ in texts(item.get("edmIsShownAt")) if (address := web_address(text))), None
    )
    for text, _ in texts(item.get("dctermsIsReferencedBy")):
        if (address := web_address(text)) and (manifest := manifest_in(address, profile)):
            record.manifests.append(manifest)
    for text, _ in texts(item.get("edmIsShownBy")):
        if (address := web_address(text)) and not is_other_file(address):
            record.note_image(address)
    is_image = item.get("type") in ("IMAGE", "TEXT", None)
    if is_image and not record.manifests and not record.images and identity.startswith("/"):
        # Europeana makes a manifest for every record. The `minimal` profile lacks the address of the image.
        record.manifests.append(f"{MANIFESTS}{quote(identity)}/manifest")
    yield from offers(record, profile)


def _item_address(identity: str) -> str:
    return f"http://data.europeana.eu/item{identity}" if identity.startswith("/") else identity


def _name_keeper(record: CatalogueRecord, names: list[str]) -> None:
    names = [name for name in names if not name.startswith("http")]
    if names:
        record.keeper = names[0]
        record.statements.add("attribution", names[0], label="dataProvider")


def _next_page(value: JsonObject, uri: str, num_items: int) -> Iterator[Find]:
    try:
        parts = urlsplit(uri)
        query = {name: values[0] for name, values in parse_qs(parts.query, max_num_fields=100).items()}
    except ValueError:
        return
    cursor = value.get("nextCursor")
    if isinstance(cursor, str) and cursor:
        if cursor == query.get("cursor"):
            yield Refusal(uri, "Europeana repeats its cursor; the list would never end", "rest")
            return
        query.pop("start", None)
        query["cursor"] = cursor
    elif "cursor" in query or not num_items:
        return
    else:
        start = whole_number(query.get("start")) or 1
        total = whole_number(value.get("totalResults"), 10**9) or 0
        if start + num_items > min(total, 1_000):
            # After 1,000 results Europeana supports only paging by cursor.
            if total > 1_000:
                yield Refusal(
                    uri,
                    f"only the first 1,000 of {total} results can be paged: add cursor=* to the request",
                    "rest",
                )
            return
        query["start"] = str(start + num_items)
    yield Link(urlunsplit((*parts[:3], urlencode(query), "")), "europeana")


def _record(item: JsonObject, uri: str, profile: InstitutionProfile) -> CatalogueRecord:
    about = item.get("about")
    record = CatalogueRecord(_item_address(about) if isinstance(about, str) and about else uri)
    labels = _labels(item)
    proxies = sorted(objects(item.get("proxies")), key=lambda proxy: proxy.get("europeanaProxy") is True)
    for proxy in proxies:
        for name, field in _PROXY_FIELDS.items():
            for text, language in texts(proxy.get(name)):
                if "iconclass.org/" in text:
                    record.statements.add("iconclass", text, label=name)
                for label, tag in labels.get(
                    text, [] if text.startswith("http") else [(text, _tag(language))]
                ):
                    record.statements.add(field, label, tag, name)
    services = {id_of_about(service): service for service in objects(item.get("services"))}
    for aggregation in objects(item.get("aggregations")):
        record.rights += [text for text, _ in texts(aggregation.get("edmRights"))]
        _name_keeper(record, [text for text, _ in texts(aggregation.get("edmDataProvider"))])
        record.homepage = record.homepage or web_address(_first(aggregation.get("edmIsShownAt")))
        _note_views(aggregation, services, record, profile)
    return record


def _tag(language: str | None) -> str | None:
    return None if language == "def" else language


def _labels(item: JsonObject) -> dict[str, list[tuple[str, str | None]]]:
    """Address of a concept or an agent -> its labels."""
    return {
        id_of_about(thing): texts(thing.get("prefLabel"))
        for kind in ("concepts", "agents", "timespans")
        for thing in objects(item.get(kind))
    }


def id_of_about(thing: JsonObject) -> str:
    """The address that an object of Europeana's JSON describes."""
    about = thing.get("about")
    return about if isinstance(about, str) else ""


def _first(value: Any) -> str | None:
    return next((text for text, _ in texts(value)), None)


def _note_views(
    aggregation: JsonObject,
    services: dict[str, JsonObject],
    record: CatalogueRecord,
    profile: InstitutionProfile,
) -> None:
    views = {id_of_about(view): view for view in objects(aggregation.get("webResources"))}
    addresses = [text for name in ("edmIsShownBy", "hasView") for text, _ in texts(aggregation.get(name))]
    for text in dict.fromkeys(addresses):
        view = views.get(text, {})
        for referenced, _ in texts(view.get("dctermsIsReferencedBy")):
            if (address := web_address(referenced)) and (manifest := manifest_in(address, profile)):
                record.manifests = list(dict.fromkeys([*record.manifests, manifest]))
        media_type = str(view.get("ebucoreHasMimeType") or "image/")
        if (uri := web_address(text)) and media_type.startswith("image/") and not is_other_file(uri):
            record.images.append(_image(uri, view, services))


def _image(uri: str, view: JsonObject, services: dict[str, JsonObject]) -> Image:
    width, height = whole_number(view.get("ebucoreWidth")), whole_number(view.get("ebucoreHeight"))
    image = Image(uri=uri, size=(width, height) if width and height else None)
    image.rights = [text for text, _ in texts(view.get("webResourceEdmRights"))]
    for address in as_list(view.get("svcsHasService")):
        if isinstance(address, str):
            described = services.get(address, {})
            levels = as_list(described.get("doapImplements")) or ["http://iiif.io/api/image/2/level0.json"]
            image.service = image_service({"@id": address, "profile": levels}, image_uri=uri)
    return image
