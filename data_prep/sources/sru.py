"""SRU searchRetrieve responses, 1.1 to 2.0, with Dublin Core records (Gallica, KB)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from data_prep.candidate import Found, Link, Refusal
from data_prep.institutions import InstitutionProfile
from data_prep.sources.dublin_core import dublin_core_record
from data_prep.sources.finds import Find, sorted_finds
from data_prep.sources.library_xml import record_of
from data_prep.sources.offers import CatalogueRecord, offers
from data_prep.sources.xml_document import (
    Element,
    child,
    children,
    descendants,
    local_name,
    parse_xml,
    text_of,
)


def read_sru(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates and links of one response, and the link to the next page. Never raises.

    Args:
        uri: the request; the next one is built from it.
    """
    root = parse_xml(document, uri)
    if isinstance(root, Refusal):
        return Found(refusals=(root,))
    if local_name(root) not in ("searchRetrieveResponse", "explainResponse"):
        return Found(
            refusals=(
                Refusal(uri, f"XML, but <{local_name(root)[:60]}>, not a response of SRU", "everything"),
            )
        )
    return sorted_finds(_finds(root, uri, profile))


def _finds(root: Element, uri: str, profile: InstitutionProfile) -> Iterator[Find]:
    num_found = 0
    for diagnostic in descendants(root, "diagnostic"):
        words = " ".join(
            text for name in ("message", "details") if (text := text_of(child(diagnostic, name)))
        )
        reason = f"the server answers with a diagnostic: {words[:300] or 'without a message'}"
        yield Refusal(uri, reason, "everything")
    records = child(root, "records")
    for number, item in enumerate(children(records, "record") if records is not None else (), 1):
        num_found += 1
        record = _record(item, f"{uri}#record-{number}", profile)
        if isinstance(record, Refusal):
            yield record
        else:
            yield from offers(record, profile)
    if num_found:
        yield from _next_page(root, uri, num_found)
    elif not any(True for _ in descendants(root, "diagnostic")):
        yield Refusal(uri, "a response of SRU without records", "emptied")


def _record(item: Element, fallback: str, profile: InstitutionProfile) -> CatalogueRecord | Refusal:
    data = child(item, "recordData")
    content = _content(data, fallback) if data is not None else None
    if content is None:
        return Refusal(fallback, "a record without data")
    if isinstance(content, Refusal):
        return content
    if (structured := record_of(content, _identity(item, content), fallback, profile)) is not None:
        return structured
    record = dublin_core_record(content, _identity(item, content) or fallback, profile)
    if record.id == fallback and record.homepage:
        record.id = record.homepage
    return record


def _content(data: Element, name: str) -> Element | Refusal | None:
    """The element inside recordData; if the packing is `string`, it is escaped there."""
    content = next(children(data), None)
    text = (data.text or "").strip()
    return parse_xml(text.encode(), name) if content is None and text.startswith("<") else content


def _identity(item: Element, content: Element) -> str | None:
    """The record's own identifier. Gallica returns the same word, `ark`, for every record,
    which is not an identifier.
    """
    for element in (*descendants(content, "recordIdentifier"), *children(item, "recordIdentifier")):
        text = text_of(element)
        if len(text) > 3:
            return text
    return None


def _next_page(root: Element, uri: str, num_found: int) -> Iterator[Link]:
    total, stated = text_of(child(root, "numberOfRecords")), text_of(child(root, "nextRecordPosition"))
    query = {name: values[0] for name, values in _query(uri).items()}
    start = int(query["startRecord"]) if query.get("startRecord", "").isdigit() else 1
    following = int(stated) if stated.isdigit() else start + num_found
    # A position that does not advance would cause an endless loop.
    if following <= start or (total.isdigit() and following > int(total)):
        return
    parts = urlsplit(uri)
    address = urlunsplit((*parts[:3], urlencode({**query, "startRecord": str(following)}), ""))
    yield Link(address, "sru")


def _query(uri: str) -> dict[str, list[str]]:
    try:
        return parse_qs(urlsplit(uri).query, max_num_fields=100)
    except ValueError:
        return {}
