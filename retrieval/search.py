"""`iconoclip search`: a page of results as a table, or as one JSON object."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape as _without_markup
from rich.table import Table

from iconoclip.config_messages import problems_of
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.terminal import safe
from retrieval.answers import Hit, PartlyMatched, Results, SearchHint, Spelling
from retrieval.config import SearchConfig
from retrieval.engine import SearchEngine
from retrieval.questions import MAX_IMAGE_BYTES, Query

MAX_TITLE_CHARS = 160
FILTERS = (
    "language", "earliest", "latest", "dates", "reusable", "rights", "iconclass", "object_type", "creator",
    "place", "has_region", "picture_kind", "pictures_only",
)  # fmt: skip


def search(config: SearchConfig) -> int | None:
    """Run the verb.

    Raises:
        MissingRequirement: there is no index, or its model or a shard set was moved.
        BadInput: a query that cannot be answered.
    """
    with SearchEngine.open(config.index, shardsets=config.shardsets or None, model=config.model) as engine:
        results = engine.search(_query(config))
    if config.json:
        print(results.model_dump_json(indent=2))
    else:
        show(results, Console(width=None if sys.stdout.isatty() else 160))
    return None


def _query(config: SearchConfig) -> Query:
    values = {
        "text": config.text,
        "image": _read_image(config.image),
        "like": tuple(config.like),
        "unlike": tuple(config.unlike),
        "terms": [
            {"text": text, "weight": weight}
            for texts, weight in ((config.plus, 1.0), (config.minus, -1.0))
            for text in texts
        ],
        "k": config.k,
        "cursor": config.cursor,
        "mode": config.mode,
        "fold": config.fold,
        "literal": config.literal,
        "diversity": config.diversity,
        "plain": config.plain,
        "sort": config.sort,
        "filters": {"institution": config.institutions, **{name: getattr(config, name) for name in FILTERS}},
    }
    try:
        return Query.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(problems_of(error))
        raise BadInput(f"not a query: {problems}"[:500], remedy="`iconoclip search --help`") from error


def _read_image(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        if Path(path).stat().st_size > MAX_IMAGE_BYTES:
            raise BadInput("the image file is larger than 20 MB", where=path, remedy="give a smaller one")
        return Path(path).read_bytes()
    except OSError as error:
        raise MissingRequirement(
            f"the image cannot be read: {error.strerror}", where=path, remedy="check the path"
        ) from error


def escape(text: str) -> str:
    """Text from outside: its brackets are not markup, and it has no commands to the terminal."""
    return _without_markup(safe(text))


def show(results: Results, console: Console) -> None:
    """Print a page of results as a table."""
    if results.partly:
        console.print("[yellow]No record here has all of these words.[/]")
        for line in map(_about_part, results.partly):
            console.print(line, highlight=False)
    elif results.matches_well is False:
        nearest = " What comes nearest:" if results.hits else ""
        console.print(f"[yellow]Nothing here matches well.[/]{nearest}")
    for line in _about_spelling(results.spelling):
        console.print(line, highlight=False)
    for hint in results.hints:
        console.print(_said(hint), highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, kind in (("#", "right"), ("score", "right"), ("title", "left"), ("institution", "left"),
                       ("date", "left"), ("rights", "left"), ("link", "left")):  # fmt: skip
        table.add_column(name, justify=kind, overflow="fold", no_wrap=name in ("#", "score"))  # type: ignore[arg-type]
    for hit in results.hits:
        table.add_row(*_cells(hit))
    console.print(table)
    more = f"; the next page: --cursor {results.next_cursor}" if results.next_cursor else ""
    shown = f"{len(results.hits)} of {_total(results)} in {results.took_ms:.0f} ms{more}"
    console.print(shown, style="dim", highlight=False)
    if results.num_possibly:
        console.print(
            f"{results.num_possibly} of them are dated less exactly: they were possibly made in this period"
            " (--dates certainly leaves them out)",
            style="dim",
            highlight=False,
        )


def _total(results: Results) -> str:
    """How many items match: `120 items`, `about 34 items that match`, `no item that matches`."""
    noun = "item" if results.total == 1 else "items"
    if not results.is_ranked:
        return f"{results.total} {noun}"
    about = "" if results.total_is_exact else "about "
    return f"{about}{results.total} {noun} that match" + ("es" if results.total == 1 else "")


def _said(hint: SearchHint) -> str:
    """A hint in one line, with what to search instead."""
    instead = [hint.instead] if hint.instead else list(hint.values)
    meant = " or ".join(f"“{each}”" for each in instead)
    lead = " " if hint.instead else " Did you mean "
    return escape(f"{hint.text}{lead}{meant}{'' if hint.instead else '?'}" if instead else hint.text)


def _about_spelling(spelling: Spelling | None) -> Iterator[str]:
    if spelling is None:
        return
    for each in spelling.corrections:
        searched = " or ".join(f"“{escape(word)}”" for word in each.searched)
        yield f"No record has “{escape(each.typed)}”; searched {searched} instead (--literal true: do not)."
    for word in spelling.unknown:
        yield f"No record has “{escape(word)}”."


def _about_part(part: PartlyMatched) -> str:
    words, missing = (" ".join(map(escape, each)) for each in (part.words, part.missing))
    noun = "record has" if part.total == 1 else "records have"
    return f"{part.total} {noun} “{words}”, but not “{missing}”."


def _cells(hit: Hit) -> tuple[str, ...]:
    title = hit.title if len(hit.title) <= MAX_TITLE_CHARS else f"{hit.title[: MAX_TITLE_CHARS - 1]}…"
    folded = f" (+{hit.num_near_duplicates})" if hit.num_near_duplicates else ""
    link = hit.homepage or hit.manifest or hit.canvas or hit.key
    return tuple(
        escape(text)
        for text in (
            str(hit.rank),
            f"{hit.score:.2f}",
            title + folded,
            hit.institution_name,
            (hit.date or "") + (" (possibly)" if hit.in_period == "possibly" else ""),
            hit.rights.label,
            link,
        )
    )
