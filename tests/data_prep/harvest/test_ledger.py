"""The ledger: commits are durable, and the order follows from the documents alone."""

from __future__ import annotations

import random
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import data_prep
from data_prep.candidate import Candidate, Found, Refusal, Withdrawal, key_of
from data_prep.ledger.jobs import (
    CANDIDATE,
    DocumentJob,
    FoundRows,
    ImageFacts,
    ItemJob,
    ItemRow,
    LinkRow,
    Outcome,
)
from data_prep.ledger.ledger import Ledger
from data_prep.ledger.rounds import begin_round
from data_prep.ledger.walk import places, settle, visits
from iconoclip.errors import DamagedData
from iconoclip.record import Institution, Source


def candidate(name: str, title: str = "x", image: str | None = None) -> Candidate:
    source = Source(
        id=f"https://h.example/{name}",
        canvas=None,
        manifest=None,
        image_service=None,
        image=None,
        homepage=None,
        region=None,
    )
    institution = Institution(slug="museum", name="Museum", isil=None)
    return Candidate(
        institution=institution,
        source=source,
        group=title,
        image_uri=image or f"https://h.example/{name}.jpg",
    )


def row(one: Candidate) -> ItemRow:
    return ItemRow(key_of(one), "h.example", CANDIDATE.dump_json(one).decode())


def link(name: str) -> LinkRow:
    return LinkRow(f"https://h.example/{name}", "presentation", "h.example")


def facts() -> ImageFacts:
    return ImageFacts(
        width=9,
        height=9,
        sha256="a" * 64,
        source_sha256="b" * 64,
        phash="0" * 16,
        colours=(0,) * 12,
        received=(9, 9),
    )


def allowed(candidate_json: str) -> None:
    """Rights do not matter here."""


def jobs(ledger: Ledger) -> list[Any]:
    return ledger.pending("h.example", 0, 0, 10_000)


def commit(ledger: Ledger, *outcomes: Outcome) -> None:
    ledger.commit(outcomes, ledger.append(outcomes))


def read(job: Any, links: list[str] = (), items: list[Candidate] = (), **found: Any) -> Outcome:  # type: ignore[assignment]
    rows = FoundRows([row(one) for one in items], [link(name) for name in links])
    return Outcome(job, "fetched", found=Found(**found), rows=rows)


def test_batches_survive_and_the_rest_of_the_spool_is_ignored(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.add_roots([link("top")])
        commit(ledger, read(jobs(ledger)[0], items=[candidate(str(n)) for n in range(4)]))
        first, second, *_ = jobs(ledger)
        commit(ledger, *(Outcome(job, "fetched", jpeg=b"J" * 10, facts=facts()) for job in (first, second)))
        # Written and never committed: the process died here.
        ledger.append([Outcome(jobs(ledger)[0], "fetched", jpeg=b"K" * 10, facts=facts())])
    with Ledger(tmp_path) as ledger:
        assert [job.id for job in jobs(ledger)] == [3, 4]
        assert ledger.spool.path(0).stat().st_size == 20
        commit(ledger, Outcome(jobs(ledger)[0], "fetched", jpeg=b"L" * 10, facts=facts()))
    places_of = sqlite3.connect(tmp_path / "ledger.sqlite").execute(
        "SELECT offset, size FROM items WHERE state = 'fetched'"
    )
    assert places_of.fetchall() == [(0, 10), (10, 10), (20, 10)]
    assert (tmp_path / "spool-000000.bin").read_bytes() == b"J" * 20 + b"L" * 10


def test_foreign_or_damaged_ledgers(tmp_path):
    with Ledger(tmp_path / "old") as ledger:
        ledger.note(schema_version="0")
    with pytest.raises(DamagedData, match="another version"):
        Ledger(tmp_path / "old")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(DamagedData, match="damaged"):
        Ledger(tmp_path / "bad")


# A tree of documents: name -> (names it links to, items it holds). Cycles and duplicates may occur.
TREES = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(
        st.lists(st.sampled_from("abcdefgh"), max_size=4), st.lists(st.integers(0, 12).map(str), max_size=4)
    ),
    min_size=1,
)


@given(TREES, st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_the_order_does_not_depend_on_which_server_answers_first(tree, seed):
    """The same documents read in any order give the same keys in the same order, each with its first
    candidate."""

    def walk(order: random.Random | None) -> list[tuple[str, str]]:
        with Ledger(None) as ledger:
            ledger.add_roots([link("a")])
            while waiting := [job for job in jobs(ledger) if isinstance(job, DocumentJob)]:
                job = order.choice(waiting) if order else waiting[0]
                name = job.uri.rpartition("/")[2]
                links, items = tree.get(name, ([], []))
                commit(ledger, read(job, links, [candidate(item, title=name) for item in items]))
            settle(ledger, allowed)
            groups = dict(
                ledger.database.execute("SELECT key, json_extract(candidate, '$.group') FROM items")
            )
            return [(place.key, groups[place.key]) for place in places(ledger)]

    calm = walk(None)
    assert walk(random.Random(seed)) == calm
    assert [key for key, _ in calm] == list(dict.fromkeys(key for key, _ in calm))
    assert calm == brute_force(tree)


def brute_force(tree: dict[str, tuple[list[str], list[str]]]) -> list[tuple[str, str]]:
    """Breadth first, written out."""
    queue, met, found = ["a"], {"a"}, {}
    for name in queue:
        links, items = tree.get(name, ([], []))
        for item in items:
            found.setdefault(key_of(candidate(item)), name)
        for target in links:
            if target not in met:
                met.add(target)
                queue.append(target)
    return list(found.items())


def test_a_candidate_that_shows_another_image_is_fetched_again():
    with Ledger(None) as ledger:
        ledger.add_roots([link("a")])
        commit(ledger, read(jobs(ledger)[0], ["b", "c"]))
        b, c = jobs(ledger)
        # The later one answers first, and names another image for the same item.
        commit(ledger, read(c, items=[candidate("1", image="https://h.example/other.jpg")]))
        item = next(job for job in jobs(ledger) if isinstance(job, ItemJob))
        commit(ledger, Outcome(item, "fetched", jpeg=b"J", facts=facts()))
        commit(ledger, read(b, items=[candidate("1")]))
        assert settle(ledger, allowed) == 1
        again = next(job for job in jobs(ledger) if isinstance(job, ItemJob))
        assert again.candidate.image_uri == "https://h.example/1.jpg"
        assert settle(ledger, allowed) == 0


def test_the_first_mention_of_a_document_counts():
    """A change stream read from its newest end: a withdrawal hides older links, and not newer ones."""
    with Ledger(None) as ledger:
        ledger.add_roots([link("newest")])
        gone = (Withdrawal("https://h.example/dead"), Withdrawal("https://h.example/back"))
        commit(ledger, read(jobs(ledger)[0], ["back", "older"], withdrawals=gone))
        back, older = jobs(ledger)
        commit(ledger, read(back, items=[candidate("1")]), read(older, ["dead", "back"]))
        dead = jobs(ledger)[0]
        commit(ledger, read(dead, items=[candidate("2")]))
        assert [visit.uri.rpartition("/")[2] for visit in visits(ledger)] == ["newest", "back", "older"]
        assert [place.key for place in places(ledger)] == [key_of(candidate("1"))]


def test_a_document_read_again_replaces_its_links_and_items(tmp_path: Path):
    with Ledger(tmp_path) as ledger:
        ledger.add_roots([link("a")])
        commit(
            ledger,
            read(jobs(ledger)[0], items=[candidate("1"), candidate("2")], refusals=(Refusal("x", "y"),)),
        )
        begin_round(ledger, "2027-01-01T00:00:00Z")
        document = next(job for job in jobs(ledger) if isinstance(job, DocumentJob))
        commit(ledger, read(document, items=[candidate("2")]))
        assert [place.key for place in places(ledger)] == [key_of(candidate("2"))]
        assert ledger.refusals_of(document.id) == []


def test_all_sql_is_in_the_ledger():
    """Code that reads or writes the tables is next to their definition."""
    root = Path(data_prep.__file__).parent
    statement = re.compile(r"[\"'](?:SELECT |INSERT |UPDATE \w+ SET|DELETE FROM|CREATE (?:TEMP )?TABLE)")
    found = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*.py"))
        if path.parent.name != "ledger" and statement.search(path.read_text())
    ]
    assert found == []
    assert any(statement.search(path.read_text()) for path in (root / "ledger").glob("*.py"))
