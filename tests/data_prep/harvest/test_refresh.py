"""A refresh never withdraws what could not be read, and afterwards equals a fresh harvest."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.verb import harvest
from iconoclip.config import as_tree
from iconoclip.errors import BadInput, MissingRequirement, SomeRefused
from iconoclip.shardset import ShardSet
from tests.data_prep.harvest.worlds import FakePool, InlineDecoders, World, histories, slot

CLOCK = "2026-02-01T00:00:00Z"
# Fewer in the usual run; ICONOCLIP_TREES=500 for the long one.
NUM_TREES = int(os.environ.get("ICONOCLIP_TREES", "25"))


def config(sources: list[str], out: Path, **values: Any) -> HarvestConfig:
    defaults: dict[str, Any] = {
        "harvested_at": CLOCK, "max_side_pixels": 32, "network.retry_seconds": 0.0001, "num_workers": 1,
        "network.max_attempts": 1,
    }  # fmt: skip
    return HarvestConfig(sources=sources, out=out, **as_tree(defaults | values))


def identifiers(out: Path) -> set[str]:
    try:
        return {record.source.id for record, _ in ShardSet(out).samples()}
    except MissingRequirement:
        return set()


def notes_of(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "report.json").read_text())["notes"])


def contents(out: Path) -> dict[str, Any]:
    """All but the report, and the tombstones of what existed once."""
    files: dict[str, Any] = {
        path.name: path.read_bytes()
        for path in out.iterdir()
        if path.is_file() and path.name not in ("report.json", "shardset.json", "README.md", "croissant.json")
    }
    manifest = json.loads((out / "shardset.json").read_text())
    return files | {
        "shardset.json": {name: value for name, value in manifest.items() if name != "tombstones"}
    }


# A class scope is one test here, and hypothesis takes it; the tests at the end need real connections.
@pytest.fixture(scope="class")
def from_memory() -> Iterator[None]:
    """Without sockets, processes and pauses, only the harvest itself runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data_prep.network.fetch.CheckedPool", FakePool)
        patch.setattr("data_prep.harvest.session.Decoders", InlineDecoders)
        patch.setattr("data_prep.harvest.engine.MAX_ROUNDS", 1)
        patch.setattr("data_prep.harvest.engine.SECONDS_BETWEEN_COMMITS", 0.0)
        patch.setattr("data_prep.network.hosts.PAGES_OF_A_FIREWALL", 10_000)
        patch.setattr("data_prep.network.hosts.FAILURES_TO_PAUSE", 10_000)
        yield


def run(world: World, out: Path, **values: Any) -> bool:
    """Harvest a world. Returns whether everything could be read."""
    FakePool.world = world
    try:
        return harvest(config(world.sources, out, **values)) == 0
    except SomeRefused:
        return False
    except BadInput:
        return False


@settings(max_examples=NUM_TREES)
@given(histories())
def test_nothing_that_exists_is_withdrawn_and_healing_gives_a_fresh_harvest(from_memory, history):
    with tempfile.TemporaryDirectory() as folder:
        out, fresh = Path(folder) / "out", Path(folder) / "fresh"
        for world, is_refresh in history:
            before = identifiers(out)
            run(world, out, refresh=is_refresh)
            if is_refresh or not before:
                lost = (before & world.existing()) - identifiers(out)
                assert not lost, world
        healed = World(**{**vars(history[-1][0]), "faults": {}})
        run(healed, out, refresh=True)
        run(healed, fresh)
        assert identifiers(out) == healed.existing()
        assert contents(out) == contents(fresh)


@pytest.mark.parametrize(("collections", "place", "fault"), [
    ({"root": [["m6", "m0"], ["m1"]]}, "/c/root/1", "empty"),
    ({"root": [["m6", "a"]], "a": [["m1"]]}, "/c/a/0", "404"),
], ids=["an empty page", "a missing collection"])  # fmt: skip
def test_a_new_list_that_is_wrong_once_withdraws_nothing(from_memory, tmp_path, collections, place, fault):
    out = tmp_path / "out"
    assert run(World({"root": [["m6", "m1"]]}), out)
    moved = World(collections)
    assert not run(World(collections, faults={slot(place): fault}), out, refresh=True)
    assert identifiers(out) == moved.existing()
    assert notes_of(out)["kept_though_not_listed"] == 1
    assert run(moved, out, refresh=True)
    assert run(moved, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("collections", [
    {"root": [["m6"], []]}, {"root": [["m6", "a"]], "a": [[]]},
], ids=["a further page", "a new collection"])  # fmt: skip
def test_a_new_list_that_is_empty_twice_is_accepted(from_memory, tmp_path, collections):
    world = World(collections)
    run(World({"root": [["m6", "m1"]]}), tmp_path)
    for num_kept in (1, 0):
        run(world, tmp_path, refresh=True)
        assert len(identifiers(tmp_path)) == 1 + num_kept
        assert notes_of(tmp_path)["kept_though_not_listed"] == num_kept


def test_a_link_to_a_collection_that_is_missing_twice_does_not_stop_a_withdrawal(from_memory, tmp_path):
    run(World({"root": [["m6", "m1"]]}), tmp_path)
    dangling = World({"root": [["m6", "a"]]})
    for num_kept in (1, 0):
        run(dangling, tmp_path, refresh=True)
        assert len(identifiers(tmp_path)) == 1 + num_kept


def test_a_new_list_that_is_empty_is_accepted_at_once_where_withdrawals_are_confirmed(from_memory, tmp_path):
    run(World({"root": [["m6", "m1"]]}), tmp_path)
    emptied = World({"root": [["m6"], []]})
    run(emptied, tmp_path, refresh=True, confirm_withdrawals=True)
    assert identifiers(tmp_path) == emptied.existing()


def test_a_page_behind_a_new_token_that_is_empty_once_withdraws_nothing(from_memory, tmp_path):
    pages = {"collections": {"root": [["m6"]]}, "catalogue": [[0], [1]]}
    assert run(World(**pages), tmp_path)
    later = World(**pages, generation=1)
    later.faults = {slot("/oai?verb=ListRecords&resumptionToken=1-1"): "empty"}
    assert not run(later, tmp_path, refresh=True)
    assert identifiers(tmp_path) == later.existing()


def test_an_empty_list_in_the_first_harvest_does_not_stop_the_first_withdrawal(from_memory, tmp_path):
    run(World({"root": [["m6", "m1"], []]}), tmp_path)
    assert notes_of(tmp_path)["kept_though_not_listed"] == 0
    later = World({"root": [["m6"], []]})
    run(later, tmp_path, refresh=True)
    assert identifiers(tmp_path) == later.existing()


# Through real connections


TROUBLES: dict[str, dict[str, Any]] = {
    "forbidden": {"status": 403},
    "unauthorized": {"status": 401},
    "broken": {"status": 500},
    "a firewall's page": {"body": b"<!DOCTYPE html><title>Just a moment...</title>"},
    "an error object": {"body": b'{"error": "quota exceeded, try later"}'},
    "cut off": {"body": b'{"type": "Collection", "items": [{"id": "http://127'},
    "an empty collection": {"body": b'{"id": "http://x.example/", "type": "Collection", "items": []}'},
    "not modified": {"status": 304, "headers": {"Content-Length": "0"}},
    "no list any more": {"status": 404},
}


def paged(archive: Any) -> None:
    """Four manifests on two pages."""
    for page in (0, 1):
        items = [{"id": f"{archive.origin}/manifest/{2 * page + n}", "type": "Manifest"} for n in (0, 1)]
        value: dict[str, Any] = {"id": f"{archive.origin}/page/{page}", "type": "Collection", "items": items}
        if page == 0:
            value["next"] = {"id": f"{archive.origin}/page/1", "type": "Collection"}
        archive.routes[f"/page/{page}"] = lambda seen, value=value: archive.json(value, seen)


@pytest.mark.parametrize("place", ["/page/0", "/page/1", "/manifest/2", "/image/3/"])
def test_trouble_of_every_kind_keeps_what_was_harvested(archive, tmp_path, reply, place):
    paged(archive)
    harvest(config([f"{archive.origin}/page/0"], tmp_path / "out"))
    before = identifiers(tmp_path / "out")
    assert len(before) == 4
    is_list = place.startswith("/page")
    good = archive.routes.get(place)
    for name, values in TROUBLES.items():
        if not is_list and name == "no list any more":
            continue  # an object that answers 404 no longer exists
        answer = reply(**values)
        if place.startswith("/image"):
            archive.prefixes = {place: answer, **archive.prefixes}
        else:
            archive.routes[place] = answer
        with pytest.raises(SomeRefused):
            harvest(config([f"{archive.origin}/page/0"], tmp_path / "out", refresh=True))
        assert identifiers(tmp_path / "out") == before, name
    archive.prefixes.pop(place, None)
    archive.routes.pop(place, None)
    if good:
        archive.routes[place] = good
    # Every run requests what could not be read, also one without --refresh.
    assert harvest(config([f"{archive.origin}/page/0"], tmp_path / "out")) == 0
    harvest(config([f"{archive.origin}/page/0"], tmp_path / "fresh"))
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_absence_counts_once_every_list_was_read_to_its_end(archive, tmp_path, reply):
    paged(archive)
    settings_of = config([f"{archive.origin}/page/0"], tmp_path)
    harvest(settings_of)
    items = [{"id": f"{archive.origin}/manifest/0", "type": "Manifest"}]
    pages = {"id": f"{archive.origin}/page/0", "type": "Collection", "items": items}
    pages["next"] = {"id": f"{archive.origin}/page/1", "type": "Collection"}
    good = archive.routes["/page/1"]
    archive.routes["/page/0"] = lambda seen: archive.json(pages, seen)
    archive.routes["/page/1"] = reply(status=500)
    with pytest.raises(SomeRefused):
        harvest(settings_of.model_copy(update={"refresh": True}))
    # Manifest 1 may have moved to the page that nobody could read.
    assert len(identifiers(tmp_path)) == 4
    assert notes_of(tmp_path)["kept_though_not_listed"] == 1
    archive.routes["/page/1"] = good
    assert harvest(settings_of) == 0
    assert len(identifiers(tmp_path)) == 3


def test_a_refresh_that_would_withdraw_much_of_a_large_set_asks_first(archive, tmp_path, reply, capsys):
    archive.num_manifests = 110
    settings_of = config([archive.collection], tmp_path)
    harvest(settings_of)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for number in range(12):
        archive.routes[f"/manifest/{number}"] = reply(status=404)
    again = settings_of.model_copy(update={"refresh": True})
    with pytest.raises(BadInput, match="would withdraw 12 of 110") as stopped:
        harvest(again)
    assert stopped.value.exit_code == 2
    assert "--confirm-withdrawals" in str(stopped.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    gone = (tmp_path / ".harvest" / "withdrawals.jsonl").read_text().splitlines()
    assert len(gone) == 12
    for number in range(6):
        del archive.routes[f"/manifest/{number}"]
    with pytest.raises(SomeRefused):
        harvest(again)
    assert len(identifiers(tmp_path)) == 104


def test_a_withdrawal_that_was_confirmed_is_carried_out(archive, tmp_path, reply):
    archive.num_manifests = 110
    settings_of = config([archive.collection], tmp_path)
    harvest(settings_of)
    for number in range(12):
        archive.routes[f"/manifest/{number}"] = reply(status=410)
    with pytest.raises(BadInput, match="would withdraw"):
        harvest(settings_of.model_copy(update={"refresh": True}))
    with pytest.raises(SomeRefused):
        harvest(settings_of.model_copy(update={"confirm_withdrawals": True}))
    assert len(identifiers(tmp_path)) == 98
    assert len(ShardSet(tmp_path).manifest.tombstones) == 12
