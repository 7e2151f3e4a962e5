"""Change Discovery: the standard's algorithm, on a stream of three pages and compared with brute force."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.candidate import Found, Link, Withdrawal
from data_prep.institutions import InstitutionProfile
from data_prep.sources.discovery import read_discovery

STREAM = "https://example.org/activity/all"
ANY = InstitutionProfile(slug="example", name="Example Museum")


def read(value: Any, uri: str = STREAM, context: dict[str, Any] | None = None) -> Found:
    return read_discovery(json.dumps(value).encode(), uri, ANY, context)


def thing(name: str, kind: str = "Manifest") -> dict[str, str]:
    return {"id": f"https://example.org/m/{name}", "type": kind}


def activity(kind: str, name: str, day: int, **more: Any) -> dict[str, Any]:
    ended = {"type": kind, "endTime": f"2026-01-{day:02d}T00:00:00Z"}
    return {**ended, **({} if kind == "Refresh" else {"object": thing(name)}), **more}


def pages(activities: list[dict[str, Any]], size: int) -> dict[str, dict[str, Any]]:
    """A stream's documents by their address."""
    chunks = [activities[start : start + size] for start in range(0, len(activities), size)] or [[]]
    names = [f"https://example.org/activity/page-{number}" for number in range(len(chunks))]
    documents: dict[str, dict[str, Any]] = {}
    for number, chunk in enumerate(chunks):
        documents[names[number]] = {
            "id": names[number],
            "type": "OrderedCollectionPage",
            "partOf": {"id": STREAM, "type": "OrderedCollection"},
            "orderedItems": chunk,
            **({"prev": {"id": names[number - 1]}} if number else {}),
        }
    documents[STREAM] = {
        "id": STREAM,
        "type": "OrderedCollection",
        "last": {"id": names[-1]},
        "first": {"id": names[0]},
    }
    return documents


def walk(
    activities: list[dict[str, Any]], since: str | None = None, size: int = 2
) -> list[Link | Withdrawal]:
    """Read a whole stream as the harvest does: the first mention of a document is the last one of the
    stream."""
    documents = pages(activities, size)
    waiting = [Link(STREAM, "discovery", {"since": since} if since else {})]
    said: dict[str, Link | Withdrawal] = {}
    while waiting:
        link = waiting.pop(0)
        found = read(documents[link.uri], link.uri, link.context)
        for item in (*found.links, *found.withdrawals):
            if isinstance(item, Link) and item.kind == "discovery":
                waiting.append(item)
            else:
                said.setdefault(item.uri if isinstance(item, Link) else item.source_id, item)
    return list(said.values())


def names(finds: list[Link | Withdrawal]) -> list[str]:
    return [
        ("+" + find.uri if isinstance(find, Link) else "-" + find.source_id).replace(
            "https://example.org/m/", ""
        )
        for find in finds
    ]


def test_newest_first_and_each_document_once() -> None:
    stream = [
        activity("Create", "a", 1),
        activity("Create", "b", 2),
        activity("Update", "a", 3),
        activity("Delete", "b", 4),
    ]
    assert sorted(names(walk(stream))) == ["+a", "-b"]


def test_a_later_harvest_stops_at_what_it_has_seen() -> None:
    stream = [
        activity("Create", "a", 1),
        activity("Create", "b", 2),
        activity("Create", "c", 3),
        activity("Create", "d", 4),
    ]
    assert sorted(names(walk(stream, since="2026-01-03T00:00:00Z", size=1))) == ["+c", "+d"]


def test_before_a_refresh_only_deletions_count() -> None:
    stream = [
        activity("Create", "a", 1), activity("Update", "b", 2), activity("Delete", "c", 3),
        activity("Refresh", "", 4), activity("Update", "b", 5),
    ]  # fmt: skip
    # A first harvest ends at the Refresh: the list after it is complete.
    assert names(walk(stream)) == ["+b"]
    assert sorted(names(walk(stream, since="2026-01-01T00:00:00Z"))) == ["+b", "-c"]


def test_a_move_leaves_the_old_address() -> None:
    moved = activity("Move", "old", 2, target=thing("new"))
    assert sorted(names(walk([activity("Create", "old", 1), moved]))) == ["+new", "-old"]


def test_add_and_remove_concern_the_stream_they_name() -> None:
    stream = [
        activity("Add", "a", 1, target={"id": STREAM}), activity("Add", "b", 2, target={"id": "https://example.org/other"}),
        activity("Remove", "c", 3, origin={"id": STREAM}), activity("Remove", "d", 4, origin={"id": "https://example.org/other"}),
        activity("Add", "e", 5),
    ]  # fmt: skip
    assert sorted(names(walk(stream))) == ["+a", "+e", "-c"]


def test_the_time_of_the_change_is_kept_with_the_link() -> None:
    late = {**activity("Update", "a", 5), "endTime": "2026-01-05T01:30:00.123456+01:00"}
    found = read({"type": "OrderedCollectionPage", "orderedItems": [activity("Update", "b", 4), late]})
    assert [link.context for link in found.links] == [
        {"changed": "2026-01-05T00:30:00.123Z", "type": "Manifest"},
        {"changed": "2026-01-04T00:00:00.000Z", "type": "Manifest"},
    ]
    assert found.seen_until == "2026-01-05T00:30:00.123Z"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"type": "OrderedCollection"}, "neither `last` nor `first`"),
        ({"type": "OrderedCollectionPage"}, "without activities"),
        ({"type": "Update"}, "without an object"),
        ({"type": "Update", "object": {"id": "nowhere"}}, "a thing without a type"),
        ({"type": "Like", "object": thing("a")}, "a Like, not a stream"),
        ({"type": "OrderedCollectionPage", "orderedItems": [activity("Like", "a", 1)]}, "type Like"),
        ({"type": "Update", "object": thing("a", "Canvas")}, "a Canvas that changed"),
        ([], "a list"),
    ],
)
def test_unusable_activities_are_refused(value: Any, reason: str) -> None:
    found = read(value, "file.json" if "nowhere" in str(value) else STREAM)
    assert found.links == ()
    assert found.refusals
    assert reason in found.refusals[0].reason or "without the address" in found.refusals[0].reason


_KINDS = st.sampled_from(["Create", "Update", "Delete", "Refresh", "Move"])


@settings(max_examples=150, deadline=None)
@given(
    kinds=st.lists(st.tuples(_KINDS, st.sampled_from("abc"), st.sampled_from("xyz")), max_size=12),
    since=st.none() | st.integers(1, 12),
    size=st.integers(1, 5),
)
def test_pages_of_any_size_give_what_the_algorithm_gives(
    kinds: list[tuple[str, str, str]], since: int | None, size: int
) -> None:
    stream = [
        activity(kind, name, day, **({"target": thing(target)} if kind == "Move" else {}))
        for day, (kind, name, target) in enumerate(kinds, 1)
    ]
    expected: dict[str, str] = {}
    only_deletes = False
    for day in range(len(stream), 0, -1):  # section 3.5.2, over the whole stream at once
        kind, name, target = kinds[day - 1]
        if since is not None and day < since:
            break
        if kind == "Refresh":
            if since is None:
                break
            only_deletes = True
        elif kind == "Delete":
            expected.setdefault(name, "-")
        elif not only_deletes and kind == "Move":
            expected.setdefault(name, "-")
            expected.setdefault(target, "+")
        elif not only_deletes:
            expected.setdefault(name, "+")
    found = walk(stream, f"2026-01-{since:02d}T00:00:00Z" if since else None, size)
    assert sorted(names(found)) == sorted(sign + name for name, sign in expected.items())
