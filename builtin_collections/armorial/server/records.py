"""Change stream and OAI-PMH of an archive: its items as the entries that these protocols list."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

from builtin_collections.armorial.collection import Holdings, Item
from builtin_collections.armorial.describe import attribution, blazons, notations, title
from builtin_collections.armorial.server.addresses import Addresses
from builtin_collections.serving.change_stream import Change, ChangeStream
from builtin_collections.serving.oai import Element, Entry, Repository


def change_stream(holdings: Holdings, addresses: Addresses) -> ChangeStream:
    """Every change in the order it ended: each item's creation, and its change or deletion if it had one."""
    found = [(change.ended, item.number, change) for item, change in _changes(holdings, addresses)]
    ordered = sorted(found, key=lambda each: each[:2])
    return ChangeStream(addresses.base, [change for _, _, change in ordered])


def _changes(holdings: Holdings, addresses: Addresses) -> Iterator[tuple[Item, Change]]:
    for item in holdings.by_modified:
        yield item, Change(item.created, "Create", addresses.manifest(item), addresses.record(item))
    for item in holdings.by_modified:
        if item.withdrawn or item.modified > item.created:
            kind: Literal["Delete", "Update"] = "Delete" if item.withdrawn else "Update"
            yield item, Change(item.modified, kind, addresses.manifest(item), addresses.record(item))


def repository(holdings: Holdings, addresses: Addresses) -> Repository:
    """The OAI-PMH repository of an archive; its sets are the rolls."""
    archive = holdings.archive
    return Repository(
        name=archive.name,
        uri=f"{addresses.base}/oai",
        domain=f"{archive.slug.removeprefix('armorial-')}.example.org",
        entries=[
            Entry(
                identifier=item.identifier,
                created=item.created,
                modified=item.modified,
                set_spec=f"roll-{item.roll}",
                describe=partial(_dublin_core, holdings, item, addresses),
                is_deleted=item.withdrawn,
            )
            for item in holdings.by_modified
        ],
        sets={f"roll-{number}": archive.roll.format(number=number) for number in holdings.rolls},
    )


def _dublin_core(holdings: Holdings, item: Item, addresses: Addresses) -> list[Element]:
    archive = holdings.archive
    elements = [Element("title", text, language) for language, text in blazons(item).items()]
    elements += [
        Element("description", title(archive, item), archive.language),
        Element("identifier", addresses.page(item)),
        Element("relation", addresses.manifest(item)),
        *(Element("subject", notation) for notation in notations(item)),
    ]
    if item.painter is not None:
        elements.append(Element("creator", item.painter))
    elements += [
        Element("date", item.date),
        Element("type", archive.object_type, archive.language),
        Element("type", "image"),
        Element("publisher", archive.name),
        Element("source", attribution(archive), archive.language),
    ]
    if item.rights is not None:
        elements.append(Element("rights", item.rights))
    return elements
