"""IIIF Change Discovery 1.0: a stream of activities, read backwards from its last page.

The algorithm is that of the standard (iiif.io/api/discovery/1.0, section 3.5, "Activity Streams
Processing Algorithm"): newest first, each document once, stopping at the newest activity that the
previous harvest has seen. A `Refresh` begins a list of all documents: a first harvest needs nothing
older, a later one only older deletions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from data_prep.candidate import Found, Link, Refusal, Withdrawal
from data_prep.iiif.document import JsonObject, as_list, id_of, objects, parse_object, type_of, web_address
from data_prep.institutions import InstitutionProfile
from data_prep.sources.finds import Find, sorted_finds

MAX_ACTIVITIES = 100_000
_GIVES = ("Create", "Update", "Add", "Move")
_TAKES = ("Delete", "Remove")
_READABLE = ("Manifest", "Collection", "")
# The parts of a link's context that one page passes to the page before it.
_STATE = ("since", "only_deletes", "stream", "history")


def read_discovery(
    document: bytes, uri: str, profile: InstitutionProfile, context: dict[str, Any] | None = None
) -> Found:
    """Links to changed documents and withdrawals, newest first. Never raises.

    In this order, the first mention of a document is the newest one: the harvest ignores later links to, and
    withdrawals of, a document that has already occurred in the same walk. The context of a link contains the
    activity's end time as `changed`. The newest time of all is `Found.seen_until`, the `since` of the next
    harvest. Times are in UTC to the millisecond, so that they can be compared as texts.

    Args:
        context: `since` is the time of the newest activity in the previous harvest; reading stops at the
            first older activity. `only_deletes` is set after a Refresh. `stream` is the address of the
            stream, which activities of type Add and Remove must name. `history` belongs to the harvest, and
            is passed from page to page.
    """
    value = parse_object(document, uri)
    if isinstance(value, Refusal):
        return Found(refusals=(value,))
    state = {key: item for key, item in (context or {}).items() if key in _STATE}
    kind = type_of(value)
    activities = objects(value.get("orderedItems"))
    if kind == "OrderedCollection":
        found = sorted_finds(_collection(value, uri, state))
    elif kind == "OrderedCollectionPage":
        found = sorted_finds(_page(value, uri, state))
    elif kind in (*_GIVES, *_TAKES, "Refresh"):
        activities = [value]
        found = sorted_finds(_activities([value], uri, state))
    else:
        reason = f"a {kind[:60] or 'thing without a type'}, not a stream of activities"
        return Found(refusals=(Refusal(uri, reason, "everything"),))
    return replace(found, seen_until=max((_ended(activity) or "" for activity in activities), default=""))


def _collection(value: JsonObject, uri: str, state: dict[str, Any]) -> Iterator[Find]:
    items = objects(value.get("orderedItems"))
    state["stream"] = id_of(value) or uri
    yield from _activities(items, uri, state)
    if state.pop("finished", False):
        return
    if last := web_address(id_of(value.get("last")), uri):
        yield Link(last, "discovery", state)
    elif first := web_address(id_of(value.get("first")), uri):
        yield Link(first, "discovery", state)
    elif not items:
        yield Refusal(uri, "a stream without pages: it names neither `last` nor `first`", "emptied")


def _page(value: JsonObject, uri: str, state: dict[str, Any]) -> Iterator[Find]:
    items = objects(value.get("orderedItems"))
    if not items:
        yield Refusal(uri, "a page without activities", "emptied")
    if len(items) > MAX_ACTIVITIES:
        yield Refusal(uri, f"more than {MAX_ACTIVITIES} activities on one page; the oldest are left out")
    if stream := id_of(next(iter(as_list(value.get("partOf"))), None)):
        state.setdefault("stream", stream)
    yield from _activities(items, uri, state)
    previous = web_address(id_of(value.get("prev")), uri)
    if previous and previous != uri and not state.get("finished"):
        yield Link(previous, "discovery", {key: item for key, item in state.items() if key != "finished"})


def _activities(items: list[JsonObject], uri: str, state: dict[str, Any]) -> Iterator[Find]:
    """The activities of a page from the last to the first. `state` is kept for the page before."""
    since = _utc(state.get("since"))
    seen: set[str] = set()
    for activity in reversed(items[-MAX_ACTIVITIES:]):
        ended = _ended(activity)
        if since is not None and ended is not None and ended < since:
            state["finished"] = True
            return
        if type_of(activity) != "Refresh":
            yield from _activity(activity, uri, seen, state)
        elif since is None:
            state["finished"] = True
            return
        else:
            state["only_deletes"] = True


def _activity(activity: JsonObject, uri: str, seen: set[str], state: dict[str, Any]) -> Iterator[Find]:
    kind = type_of(activity)
    changed = _ended(activity)
    if kind not in (*_GIVES, *_TAKES):
        yield Refusal(
            _name(activity, uri),
            f"an activity of type {kind[:60] or 'none'}, which the standard does not define",
        )
        return
    only_deletes = bool(state.get("only_deletes"))
    if _is_of_another_stream(activity, kind, state.get("stream")) or (only_deletes and kind not in _TAKES):
        return
    # After a Move, the old address is gone, and the target is the new address of the document.
    gone = [activity.get("object")] if kind in (*_TAKES, "Move") else []
    given = [activity.get("target")] if kind == "Move" else [activity.get("object")] if kind in _GIVES else []
    for thing in gone:
        yield from _withdrawal(thing, activity, uri, seen, changed)
    for thing in given:
        yield from _link(thing, activity, uri, seen, changed)


def _is_of_another_stream(activity: JsonObject, kind: str, stream: Any) -> bool:
    """Whether an Add or a Remove names another stream than the one being read."""
    named = (
        id_of(activity.get("target"))
        if kind == "Add"
        else id_of(activity.get("origin"))
        if kind == "Remove"
        else None
    )
    return named is not None and isinstance(stream, str) and named != stream


def _withdrawal(
    thing: Any, activity: JsonObject, uri: str, seen: set[str], changed: str | None
) -> Iterator[Find]:
    for item in as_list(thing):
        address = web_address(id_of(item), uri)
        if address is None:
            yield Refusal(_name(activity, uri), "an activity without the address of its object")
        elif address not in seen:
            seen.add(address)
            yield Withdrawal(address, changed)


def _link(thing: Any, activity: JsonObject, uri: str, seen: set[str], changed: str | None) -> Iterator[Find]:
    items = as_list(thing)
    if not items:
        yield Refusal(_name(activity, uri), "an activity without an object")
    for item in items:
        address = web_address(id_of(item), uri)
        kind = type_of(item)
        if address is None:
            yield Refusal(_name(activity, uri), "an activity without the address of its object")
        elif kind not in _READABLE:
            yield Refusal(address, f"a {kind[:60]} that changed, neither a Manifest nor a Collection")
        elif address not in seen:
            seen.add(address)
            context = {"changed": changed, "type": kind}
            yield Link(address, "presentation", {name: text for name, text in context.items() if text})


def _name(activity: JsonObject, uri: str) -> str:
    return id_of(activity) or uri


def _ended(activity: JsonObject) -> str | None:
    """The end time of an activity, or the next best time that it contains."""
    return _utc(activity.get("endTime") or activity.get("published") or activity.get("startTime"))


def _utc(value: Any) -> str | None:
    """A time in UTC to the millisecond, truncated and not rounded, so that a slightly older activity is read
    twice rather than missed.
    """
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S") + f".{time.microsecond // 1000:03}Z" if time.year >= 1000 else None
    )
