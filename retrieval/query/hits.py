"""Turns a record into a hit: the part of it that people see."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from iconoclip.record import Date, Record, Rights, sample_key
from iconoclip.rights import statement
from retrieval.answers import Hit, Link, PagePlace, Provenance, RightsInfo
from retrieval.config import Dates
from retrieval.generation.columns import NO_RIGHTS, REUSABLE, picture_kind_of

# The names of the statements on creativecommons.org and rightsstatements.org.
STATEMENT_LABELS: Final = {
    "PDM": "Public Domain Mark 1.0",
    "CC0": "CC0 1.0",
    "LO": "Licence Ouverte / Etalab",
    "NoC-NC": "No Copyright - Non-Commercial Use Only",
    "NoC-OKLR": "No Copyright - Other Known Legal Restrictions",
    "NoC-CR": "No Copyright - Contractual Restrictions",
    "NoC-US": "No Copyright - United States",
    "NKC": "No Known Copyright",
    "InC": "In Copyright",
    "InC-EDU": "In Copyright - Educational Use Permitted",
    "InC-NC": "In Copyright - Non-Commercial Use Permitted",
    "InC-OW-EU": "In Copyright - EU Orphan Work",
    "InC-RUU": "In Copyright - Rights-holder(s) Unlocatable or Unidentifiable",
    "CNE": "Copyright Not Evaluated",
    "UND": "Copyright Undetermined",
    NO_RIGHTS: "No rights statement",
}


# An interval of two years in EDTF, or from or until one year.
_INTERVAL: Final = re.compile(r"(?<=^\d{4})/(?:(?=\d{4}$)|\.\.$)|^\.\./(?=\d{4}$)")


def rights_label(name: str | None, uri: str | None = None) -> str:
    """A statement's name for people; the names of licences include the version in their URI."""
    if name is None:
        return STATEMENT_LABELS[NO_RIGHTS]
    if name in STATEMENT_LABELS:
        return STATEMENT_LABELS[name]
    parts = (uri or "").rstrip("/").split("/licenses/")[-1].split("/")
    version = f" {parts[1]}" if len(parts) > 1 else ""
    return name.replace("CC-", "CC ", 1) + version


def rights_info(rights: Rights) -> RightsInfo:
    """The rights of an item, for a hit."""
    name = statement(rights.uri)
    return RightsInfo(
        uri=rights.uri,
        statement=name,
        label=rights_label(name, rights.uri),
        display=rights.display,
        attribution=rights.attribution,
        may_reuse=rights.redistribute in REUSABLE,
    )


def date_text(date: Date | None) -> str | None:
    """The date as the source writes it; otherwise from EDTF or the years."""
    if date is None:
        return None
    if date.text or date.edtf:
        return _INTERVAL.sub("–", date.text or date.edtf or "")
    years = dict.fromkeys("" if year is None else str(year) for year in (date.earliest, date.latest))
    return "–".join(years) or None


def hit_of(
    record: Record,
    *,
    rank: int,
    score: float,
    cosine: float | None = None,
    matched: tuple[str, ...] = (),
    num_near_duplicates: int = 0,
    in_period: Dates | None = None,
    is_here: Callable[[str], bool] = lambda _: False,
) -> Hit:
    """The hit that shows a record. `is_here` says whether an item is in the index, and may be shown."""
    source = record.source
    return Hit(
        rank=rank,
        score=min(1.0, max(0.0, score)),
        cosine=cosine,
        matched=matched,
        key=record.key,
        title=record.title,
        captions=record.captions,
        institution=record.institution.slug,
        institution_name=record.institution.name,
        creators=record.creators,
        date=date_text(record.date),
        in_period=in_period,
        object_type=record.object_type,
        iconclass=record.iconclass,
        rights=rights_info(record.rights),
        manifest=source.manifest,
        canvas=source.canvas,
        homepage=source.homepage,
        image_service=source.image_service,
        region=source.region,
        picture_kind=picture_kind_of(record),
        in_page=_in_page(record, is_here),
        width=record.image.width,
        height=record.image.height,
        links=_links(record),
        provenance=Provenance(
            source=source.id,
            harvested_at=record.harvested_at,
            harvested_by=record.harvested_by,
            rights_judged_by=record.rights.policy,
        ),
        num_near_duplicates=num_near_duplicates,
    )


def page_key_of(record: Record) -> str | None:
    """The key of the whole page that a picture is a part of; None if it is no part."""
    if record.source.region is None:
        return None
    return sample_key(record.institution.slug, record.source.id)


def _in_page(record: Record, is_here: Callable[[str], bool]) -> PagePlace | None:
    """Where a part lies in its page, as far as the size of the page is known."""
    region, page, key = record.source.region, record.image, page_key_of(record)
    if region is None or key is None or not (page.source_width and page.source_height):
        return None
    if region.x + region.width > page.source_width or region.y + region.height > page.source_height:
        return None
    return PagePlace(
        x=region.x / page.source_width,
        y=region.y / page.source_height,
        width=region.width / page.source_width,
        height=region.height / page.source_height,
        key=key if is_here(key) else None,
        page_width=page.source_width,
        page_height=page.source_height,
    )


def _links(record: Record) -> tuple[Link, ...]:
    named = (
        ("page at the institution", record.source.homepage),
        ("IIIF manifest", record.source.manifest),
        ("rights statement", record.rights.uri),
    )
    return tuple(Link(label=label, url=url) for label, url in named if url and _is_web_address(url))


def _is_web_address(url: str) -> bool:
    """Whether an address is http(s). Records come from outside, and a `javascript:` address
    must never become a link.
    """
    return url.startswith(("https://", "http://"))
