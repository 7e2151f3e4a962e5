"""OAI-PMH 2.0 responses: records of every format that libraries serve, resumption tokens, deletions.

This module only reads responses; the harvest sends the requests and waits between them. Source:
openarchives.org/OAI/openarchivesprotocol.html, sections 3.5 (flow control) and 3.6 (errors).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from data_prep.candidate import Found, Hides, Link, Refusal, Withdrawal
from data_prep.institutions import InstitutionProfile
from data_prep.sources.dublin_core import dublin_core_record
from data_prep.sources.edm import edm_records
from data_prep.sources.finds import Find, sorted_finds
from data_prep.sources.library_xml import record_of
from data_prep.sources.lido import lido_record
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

MAX_TOKEN_CHARS = 1_500

_WITHOUT_RECORDS = ("Identify", "ListSets", "ListMetadataFormats")


def read_oai_pmh(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Candidates, links (manifests, the next page) and withdrawals of one response. Never raises.

    A link to a manifest carries the record in `context["record"]`, with the identifier that
    a later withdrawal names.

    Args:
        uri: the request; the next one is built from it.
        context: that of the link which led here; `tokens` holds the resumption tokens already sent.
    """
    root = parse_xml(document, uri)
    if isinstance(root, Refusal):
        return Found(refusals=(root,))
    if local_name(root) == "dc":  # a bare record, as some servers answer and tests keep
        return sorted_finds(offers(dublin_core_record(root, uri, profile), profile))
    if local_name(root) != "OAI-PMH":
        return Found(
            refusals=(
                Refusal(uri, f"XML, but <{local_name(root)[:60]}>, not a response of OAI-PMH", "everything"),
            )
        )
    return sorted_finds(_finds(root, uri, profile, context or {}))


def _finds(root: Element, uri: str, profile: InstitutionProfile, context: dict[str, Any]) -> Iterator[Find]:
    for error in children(root, "error"):
        code, words = error.get("code") or "an error without a code", text_of(error)[:300]
        # The response to a list request for an empty list. After any other error the contents are unknown.
        hides: Hides = "emptied" if code == "noRecordsMatch" else "everything"
        yield Refusal(uri, f"{code}{': ' + words if words else ''}", hides)
    for answer in children(root, "ListRecords", "GetRecord", "ListIdentifiers"):
        prefix = _request(root, uri).get("metadataPrefix", context.get("prefix", "oai_dc"))
        if not any(True for _ in children(answer, "record", "header", "resumptionToken")):
            # The last page may contain only a token. For an empty list, the standard has an error.
            yield Refusal(
                uri, f"an empty {local_name(answer)}, without records and without a token", "emptied"
            )
        for item in children(answer, "record"):
            yield from _record(item, uri, profile)
        for item in children(answer, "header"):
            yield from _header(item, uri, str(prefix))
        yield from _next_page(answer, root, uri, {**context, "prefix": prefix})
    for answer in children(root, *_WITHOUT_RECORDS):
        yield Refusal(
            uri,
            f"a response to {local_name(answer)}, which has no records: request ListRecords",
            "everything",
        )
    if not any(
        True
        for _ in children(root, "error", "ListRecords", "GetRecord", "ListIdentifiers", *_WITHOUT_RECORDS)
    ):
        yield Refusal(uri, "a response of OAI-PMH without content", "everything")


def _record(item: Element, uri: str, profile: InstitutionProfile) -> Iterator[Find]:
    header = child(item, "header")
    identifier = text_of(child(header, "identifier")) if header is not None else ""
    if not identifier:
        yield Refusal(uri, "a record without an identifier")
        return
    if _is_deleted(header):
        yield Withdrawal(identifier, text_of(child(header, "datestamp")) or None)
        return
    metadata = child(item, "metadata")
    content = next(children(metadata), None) if metadata is not None else None
    if content is None:
        yield Refusal(identifier, "a record without metadata")
        return
    record = _read_metadata(content, identifier, uri, profile)
    if isinstance(record, Refusal):
        yield record
    else:
        yield from offers(record, profile)


def _read_metadata(
    content: Element, identifier: str, uri: str, profile: InstitutionProfile
) -> CatalogueRecord | Refusal:
    name = local_name(content)
    if (structured := record_of(content, identifier, uri, profile)) is not None:
        return structured
    if name in ("dc", "qualifieddc", "simpledc", "oai_dc", "record", "dcx"):
        return dublin_core_record(content, identifier, profile)
    if name == "RDF":
        records = list(edm_records(content, profile))
        if records:
            records[0].id = identifier
            return records[0]
        return Refusal(identifier, "RDF without an object or an aggregation of EDM")
    if name in ("lido", "lidoWrap"):
        lido = content if name == "lido" else next(descendants(content, "lido"), content)
        record = lido_record(lido, profile)
        record.id = identifier
        return record
    if next(descendants(content, "title", "identifier"), None) is not None and "dc" in {
        local_name(item) for item in content.iter()
    }:
        inner = next(descendants(content, "dc"))
        return dublin_core_record(inner, identifier, profile)
    return Refusal(
        identifier,
        f"metadata in <{name[:60]}>, which is none of Dublin Core, EDM, LIDO, METS, MODS, TEI and DIDL",
    )


def _is_deleted(header: Element) -> bool:
    return (header.get("status") or "").strip().lower() == "deleted"


def _header(header: Element, uri: str, prefix: str) -> Iterator[Find]:
    identifier = text_of(child(header, "identifier"))
    if not identifier:
        yield Refusal(uri, "a header without an identifier")
    elif _is_deleted(header):
        yield Withdrawal(identifier, text_of(child(header, "datestamp")) or None)
    else:
        query = {"verb": "GetRecord", "identifier": identifier, "metadataPrefix": prefix}
        yield Link(_with_query(uri, query), "oai-pmh")


def _next_page(answer: Element, root: Element, uri: str, context: dict[str, Any]) -> Iterator[Find]:
    token = text_of(child(answer, "resumptionToken"))
    if not token:
        return
    if len(token) > MAX_TOKEN_CHARS:
        yield Refusal(uri, f"a resumption token of {len(token)} characters", "rest")
        return
    known = [str(item) for item in context.get("tokens", ()) if isinstance(item, str)]
    if token in known or token == _request(root, uri).get("resumptionToken"):
        yield Refusal(uri, "the repository repeats its resumption token; the list would never end", "rest")
        return
    query = {"verb": local_name(answer), "resumptionToken": token}
    # If a server repeats its tokens, it does so after a few.
    yield Link(
        _with_query(uri, query), "oai-pmh", {"tokens": [*known, token][-8:], "prefix": context["prefix"]}
    )


def _request(root: Element, uri: str) -> dict[str, str]:
    """The arguments of the request: as sent, or otherwise as the response repeats them."""
    echo = child(root, "request")
    arguments = dict(echo.attrib) if echo is not None else {}
    try:
        sent = {name: values[0] for name, values in parse_qs(urlsplit(uri).query, max_num_fields=50).items()}
    except ValueError:
        sent = {}
    return {**arguments, **sent}


def _with_query(uri: str, query: dict[str, str]) -> str:
    """The address of the repository with another query; parameters outside of the
    protocol (an API key) are kept.
    """
    parts = urlsplit(uri)
    of_protocol = {"verb", "identifier", "metadataPrefix", "from", "until", "set", "resumptionToken"}
    kept = {name: values[0] for name, values in parse_qs(parts.query).items() if name not in of_protocol}
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode({**kept, **query}), ""))
