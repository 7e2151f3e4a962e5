"""The whole pipeline, small: sixty arms, a few steps, every stage over real HTTP, up to the search page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2

from iconoclip.shardset import ShardSet
from tests.demo.conftest import Environment, Walked


def test_an_interrupted_demo_continues(walked: Walked) -> None:
    assert walked.code_when_interrupted == 75, walked.output_when_interrupted
    assert "run the same command again" in walked.output_when_interrupted


def test_the_demo_writes_every_format(walked: Walked) -> None:
    demo = walked.folder / "demo"
    shards = ShardSet(demo / "shards")
    shards.verify()
    assert set(shards.manifest.totals.by_institution) == {path.name for path in (demo / "harvest").iterdir()}
    assert len(shards.manifest.totals.by_institution) == 3
    assert {"en", "fr", "de"} <= set(shards.manifest.totals.by_language)
    assert 0 < shards.manifest.totals.num_trainable < len(shards)
    for name in (
        "run/config.yaml",
        "run/env.json",
        "run/data.json",
        "run/metrics.jsonl",
        "model/open_clip_model.safetensors",
    ):
        assert (demo / name).is_file(), name
    assert json.loads((demo / "evaluation" / "evaluation.json").read_text())


def test_no_coat_is_on_two_sides_of_the_split(walked: Walked) -> None:
    sides: dict[str, set[str]] = {}
    blazons: dict[str, set[str]] = {}
    for row in ShardSet(walked.folder / "demo" / "shards").table(["group", "split", "captions"]).to_pylist():
        sides.setdefault(row["group"], set()).add(row["split"])
        for caption in row["captions"]:
            if caption["field"] == "blazon" and caption["language"] == "en":
                blazons.setdefault(caption["text"], set()).add(row["split"])
    assert blazons
    assert all(len(found) == 1 for found in [*sides.values(), *blazons.values()])


def test_another_collection_is_not_mixed_in(elsewhere: Environment, walked: Walked) -> None:
    others = ["--num-arms", "61", "--num-pages", "24", "--train", "train/smoke.yaml"]
    code, output = elsewhere.run(walked.folder, "iconoclip", "demo", "--no-serve", *others)
    assert code == 2
    assert "another collection" in output


def test_the_page_answers_a_description(walked: Walked) -> None:
    page = walked.page
    deadline = time.monotonic() + 60
    while httpx2.get(f"{page}/api/ready").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    answer = httpx2.get(
        f"{page}/api/search", params={"q": "Azure, a chevron or between three mullets argent", "k": 5}
    )
    assert answer.status_code == 200
    hits = answer.json()["hits"]
    assert len(hits) == 5
    assert all(hit["rights"]["label"] and hit["institution_name"] and hit["manifest"] for hit in hits)
    html = httpx2.get(f"{page}/", headers={"accept": "text/html"})
    assert html.status_code == 200
    assert "<form" in html.text


def test_the_pictures_of_the_book_are_found_on_their_pages(walked: Walked) -> None:
    answer = httpx2.get(f"{walked.page}/api/search", params={"q": "picture:illustration", "k": 50})
    hits = answer.json()["hits"]
    assert hits
    assert {hit["institution"] for hit in hits} == {"emblems-lussigny"}
    assert all(hit["in_page"]["key"] for hit in hits)
    own = [caption for hit in hits for caption in hit["captions"] if caption["level"] == "region"]
    assert own, "printed captions are read from the library's texts"
    facets = httpx2.get(f"{walked.page}/api/facets", params={"institution": "emblems-lussigny"}).json()
    assert facets["num_whole_pages"] > 0
    assert facets["total"] == 24 + sum(kind["count"] for kind in facets["picture_kind"])


MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def times_in(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value that is a time, with its place."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from times_in(part, f"{where}.{name}")
    elif isinstance(value, list):
        for part in value:
            yield from times_in(part, where)
    elif isinstance(value, str) and MOMENT.match(value):
        yield where, value


def test_every_time_in_every_file_has_one_form(walked: Walked) -> None:
    demo = walked.folder / "demo"
    values = [
        (path.name, json.loads(line))
        for path in demo.rglob("*.json*")
        for line in ([path.read_text()] if path.suffix == ".json" else path.read_text().splitlines())
        # Documents of the archives, and the harvest's copies of them, have their own forms.
        if ".harvest" not in path.parts
    ]
    values += [
        ("record", record.model_dump(mode="json")) for record, _ in ShardSet(demo / "shards").samples()
    ]
    found = [time for name, value in values for time in times_in(value, name)]
    names = {where.rpartition(".")[2] for where, _ in found}
    assert {"created_at", "harvested_at", "started_at", "exported_at", "at"} <= names, names
    assert [time for time in found if not WRITTEN.fullmatch(time[1])] == []
