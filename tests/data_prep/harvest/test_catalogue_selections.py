"""Harvests of selections from a catalogue, over real HTTP, through the real command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.catalogue.files import CATALOGUE_NAME, MANIFEST_NAME, open_catalogue
from data_prep.catalogue.where import selected
from iconoclip.errors import ConfigError
from iconoclip.shardset import ShardSet
from tests import commands

from .cataloguing import HARVEST, catalogue, files, harvest, records, rows


@pytest.fixture
def intricate(mixed: Any) -> Any:
    """The mixed archive, with one identifier for the images of two manifests, and a reserved manifest."""
    answers = {number: mixed.manifest(number) for number in (0, 1, 4)}
    for number in (0, 1):
        answers[number]["items"][0]["id"] = f"{mixed.origin}/the-canvas"

    def reserved(seen: Any) -> Any:
        answer = mixed.json(answers[4], seen)
        return type(answer)(answer.body, answer.status, {**answer.headers, "tdm-reservation": "1"})

    mixed.routes["/manifest/0"] = lambda seen: mixed.json(answers[0], seen)
    mixed.routes["/manifest/1"] = lambda seen: mixed.json(answers[1], seen)
    mixed.routes["/manifest/4"] = reserved
    return mixed


@pytest.mark.long
def test_a_harvest_of_all_of_it_is_the_harvest_of_the_source(intricate, tmp_path):
    assert harvest(intricate.collection, tmp_path / "direct").returncode == 3
    catalogue(intricate.collection, tmp_path / "cat")
    intricate.requests.clear()
    done = harvest(tmp_path / "cat", tmp_path / "set")
    assert done.returncode == 3, done.stderr
    assert files(tmp_path / "set") == files(tmp_path / "direct")
    assert all(path.startswith("/image/") for path in intricate.paths)
    assert len(intricate.paths) == 9
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("set", "direct")]
    assert reports[0]["by_reason"] == reports[1]["by_reason"]
    found = rows(tmp_path / "cat")
    direct = records(tmp_path / "direct")
    assert [row["key"] for row in found if row["usable"]] == list(direct)
    assert found[4]["opt_out"] == ["tdmrep"]
    assert found[0]["source_id"] != found[1]["source_id"]
    # One of the two images of an identifier, alone: it has the key that it has next to the other.
    assert harvest(tmp_path / "cat", tmp_path / "one", "--where", "ordinal = 1").returncode == 0
    assert records(tmp_path / "one").items() <= direct.items()


def test_selections_add_up_to_the_harvest_of_the_source(mixed, tmp_path):
    harvest(mixed.collection, tmp_path / "direct")
    catalogue(mixed.collection, tmp_path / "cat")
    direct = records(tmp_path / "direct")
    mixed.requests.clear()
    out = tmp_path / "set"
    done = harvest(tmp_path / "cat", out, "--where", "usable AND ordinal >= 8")
    assert done.returncode == 0, done.stderr
    assert len(mixed.paths) == 4
    assert records(out).items() <= direct.items()
    assert len(records(out)) == 4
    # The same again requests nothing; another selection fetches what it adds, and withdraws nothing.
    assert harvest(tmp_path / "cat", out, "--where", "usable AND ordinal >= 8").returncode == 0
    assert len(mixed.paths) == 4
    assert harvest(tmp_path / "cat", out, "--where", "usable AND ordinal < 3").returncode == 0
    assert len(mixed.paths) == 7
    assert ShardSet(out).manifest.tombstones == ()
    assert harvest(tmp_path / "cat", out, "--where", "usable").returncode == 0
    assert len(mixed.paths) == 9
    assert records(out) == direct
    assert files(out) == files(tmp_path / "direct")
    notes = json.loads((out / "report.json").read_text())["notes"]
    assert notes["selections"] == ["usable AND ordinal >= 8", "usable AND ordinal < 3", "usable"]


def test_another_size_into_another_folder(mixed, tmp_path):
    catalogue(mixed.collection, tmp_path / "cat")
    out = tmp_path / "small"
    where = "list_contains(list_transform(raw, lambda p: p.value), 'A drawing of a ship, number 1')"
    done = harvest(tmp_path / "cat", out, "--where", where, "--max_side_pixels", 32)
    assert done.returncode == 0, done.stderr
    assert [record.image.width for record, _ in ShardSet(out).samples()] == [32]


@pytest.mark.long
def test_a_selection_of_what_is_refused_says_so(mixed, tmp_path):
    catalogue(mixed.collection, tmp_path / "cat")
    done = harvest(tmp_path / "cat", tmp_path / "set", "--where", "ordinal IN (2, 3)")
    assert done.returncode == 3
    assert len(records(tmp_path / "set")) == 1
    done = harvest(tmp_path / "cat", tmp_path / "none", "--where", "ordinal = 3")
    assert done.returncode == 2
    assert "rights" in done.stderr


def test_a_dry_run_of_a_selection_contacts_nobody(mixed, tmp_path):
    catalogue(mixed.collection, tmp_path / "cat")
    mixed.requests.clear()
    done = commands.run(["harvest", tmp_path / "cat", "--where", "ordinal < 2", "--dry-run", "--json"])
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert mixed.requests == []


BAD = [
    "no_such_column = 1",
    "usable AND",
    "usable) OR (true; DROP TABLE catalogue",
    "true; SELECT 1",
    "usable UNION SELECT 1",
    "'a text'",
    "count(*) > 1",
    "ordinal = (SELECT count(*) FROM read_text('/etc/passwd'))",
    "ordinal = (SELECT count(*) FROM read_csv('http://127.0.0.1:1/x'))",
    "ordinal = (SELECT count(*) FROM 'x.parquet')",
    "ordinal = (SELECT count(*) FROM table_of_the_program)",
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of one manifest on the disk."""
    folder = tmp_path_factory.mktemp("small")
    manifest = {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": "https://a.example/m", "type": "Manifest", "label": {"en": ["A ship in a storm"]},
        "rights": "http://creativecommons.org/publicdomain/mark/1.0/",
        "items": [{"id": "https://a.example/c", "type": "Canvas", "width": 10, "height": 10, "items": [
            {"id": "https://a.example/p", "type": "AnnotationPage", "items": [
                {"id": "https://a.example/a", "type": "Annotation", "motivation": "painting",
                 "target": "https://a.example/c",
                 "body": {"id": "https://a.example/i.jpg", "type": "Image", "width": 10, "height": 10}}]}]}],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    done = catalogue(folder / "manifest.json", folder / "cat")
    assert done.returncode == 0, done.stderr
    return folder / "cat"


@pytest.mark.parametrize("where", BAD)
def test_an_invalid_condition_is_refused_with_the_columns(small, where):
    table_of_the_program = pa.table({"a": [1]})
    with pytest.raises(ConfigError) as refused:
        selected(open_catalogue(small), where)
    assert "rights_uri" in str(refused.value)
    assert table_of_the_program.num_rows == 1


def test_the_command_refuses_it_before_it_writes_anything(small, tmp_path):
    done = harvest(small, tmp_path / "set", "--where", "no_such_column = 1")
    assert done.returncode == 2
    assert "no_such_column" in done.stderr
    assert "rights_uri" in done.stderr
    assert not (tmp_path / "set").exists()


def test_the_settings_of_the_database_stay_as_they_are(small):
    """Any condition, even an unexpected one, sees only the one table."""
    assert list(selected(open_catalogue(small), "current_setting('enable_external_access') = false")) == [0]
    assert list(selected(open_catalogue(small), "current_setting('lock_configuration')")) == [0]


@pytest.mark.parametrize(
    "where",
    [
        "width = (SELECT max(width) FROM catalogue)",
        "key IN (SELECT key FROM catalogue WHERE ordinal = 0)",
        "COLUMNS('^(ordinal)$') = 0",
        "WIDTH IS DISTINCT FROM 1",
        '"Ordinal" = 0',
    ],
)
def test_a_condition_may_query_the_table_again_and_name_columns_in_any_way(small, where):
    assert list(selected(open_catalogue(small), where)) == [0]


def test_a_misspelt_column_leads_to_the_one_that_was_meant(small):
    with pytest.raises(ConfigError) as refused:
        selected(open_catalogue(small), "lastest < 1900")
    assert '"latest"' in refused.value.what


def test_a_condition_that_selects_nothing_says_so(small, tmp_path):
    done = harvest(small, tmp_path / "set", "--where", "latest < 1500")
    assert done.returncode == 2
    assert "no row" in done.stderr
    assert not (tmp_path / "set").exists()


def test_a_condition_needs_a_catalogue(archive, tmp_path):
    done = harvest(archive.collection, tmp_path / "set", "--where", "usable")
    assert done.returncode == 2
    assert "iconoclip catalogue" in done.stderr
    assert archive.requests == []


def test_a_catalogue_is_not_mixed_with_other_sources_or_folders(small, archive, tmp_path):
    done = harvest(small, tmp_path / "set", "--dry_run", "false", "--composition", "other")
    assert done.returncode == 2
    done = commands.run(["harvest", small, archive.collection, "--out", tmp_path / "set", *HARVEST])
    assert done.returncode == 2
    assert "iconoclip merge" in done.stderr
    assert harvest(archive.collection, small).returncode == 2
    assert harvest(archive.collection, tmp_path / "set").returncode == 0
    assert catalogue(archive.collection, tmp_path / "set").returncode == 2


def test_damaged_catalogues_are_not_read(small, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small, copy)
    (copy / CATALOGUE_NAME).write_bytes((copy / CATALOGUE_NAME).read_bytes()[:-30] + b"x" * 30)
    done = harvest(copy, tmp_path / "set")
    assert done.returncode == 2
    assert "checksum" in done.stderr
    (copy / MANIFEST_NAME).unlink()
    assert "not complete" in harvest(copy, tmp_path / "set").stderr
    assert "cannot be read" in harvest(copy / CATALOGUE_NAME, tmp_path / "set").stderr
    pq.write_table(pa.table({"file": ["a.jpg"]}), tmp_path / "table.parquet")
    assert "iconoclip pack" in harvest(tmp_path / "table.parquet", tmp_path / "set").stderr
    broken = pq.read_table(small / CATALOGUE_NAME)
    place = broken.schema.get_field_index("candidate")
    pq.write_table(broken.set_column(place, "candidate", pa.array(["{}"])), tmp_path / "broken.parquet")
    done = harvest(tmp_path / "broken.parquet", tmp_path / "set")
    assert done.returncode == 2
    assert "holds no candidate" in done.stderr


def test_the_result_of_a_query_is_a_catalogue_too(mixed, tmp_path):
    catalogue(mixed.collection, tmp_path / "cat")
    path = tmp_path / "mine.parquet"
    query = f"SELECT * FROM '{tmp_path}/cat/{CATALOGUE_NAME}' WHERE ordinal IN (1, 10) ORDER BY ordinal DESC"
    duckdb.sql(f"COPY ({query}) TO '{path}'")
    host = mixed.origin.removeprefix("http://")
    done = harvest(path, tmp_path / "set", "--network.allow_hosts", host)
    assert done.returncode == 0, done.stderr
    manifests = [record.source.manifest for record, _ in ShardSet(tmp_path / "set").samples()]
    assert manifests == [f"{mixed.origin}/manifest/{n}" for n in (1, 10)]


def test_a_copied_catalogue_does_not_lead_into_the_private_network(mixed, tmp_path):
    catalogue(mixed.collection, tmp_path / "cat")
    shutil.copytree(tmp_path / "cat", tmp_path / "copy")
    mixed.requests.clear()
    assert harvest(tmp_path / "copy", tmp_path / "set").returncode == 2
    assert mixed.requests == []


@pytest.mark.long
def test_a_refreshed_catalogue_withdraws_only_what_the_source_withdrew(archive, reply, tmp_path):
    catalogue(archive.collection, tmp_path / "cat")
    out = tmp_path / "set"
    assert harvest(tmp_path / "cat", out, "--where", "ordinal < 6").returncode == 0
    before = records(out)
    # A manifest that cannot be read keeps its rows; one that is gone loses them, and new ones are listed.
    archive.routes["/manifest/1"] = reply(b"no", 500)
    archive.routes["/manifest/2"] = reply(b"gone", 404)
    archive.num_manifests = 13
    done = catalogue(archive.collection, tmp_path / "cat", "--refresh", "--network.max_attempts", 1)
    assert done.returncode == 3, done.stderr
    assert [row["manifest"].rpartition("/")[2] for row in rows(tmp_path / "cat")] == [
        str(n) for n in range(13) if n != 2
    ]
    assert harvest(tmp_path / "cat", out, "--where", "ordinal = 11").returncode == 0
    after = records(out)
    gone = [key for key in before if key not in after]
    assert len(gone) == 1
    assert [one.key for one in ShardSet(out).manifest.tombstones] == gone
    assert len(after) == 6


@pytest.mark.long
def test_a_refresh_requests_the_pictures_of_the_set_only(archive, tmp_path):
    catalogue(archive.collection, tmp_path / "cat")
    out = tmp_path / "set"
    harvest(tmp_path / "cat", out, "--where", "ordinal < 2")
    archive.requests.clear()
    assert harvest(tmp_path / "cat", out, "--where", "ordinal < 2", "--refresh").returncode == 0
    assert sorted(path.split("/")[2] for path in archive.paths) == ["0", "1"]
    assert all("if-none-match" in seen.headers for seen in archive.requests if "/image/" in seen.path)


@pytest.mark.long
def test_the_tasks_of_an_array_share_a_selection(mixed, tmp_path):
    catalogue(mixed.collection, tmp_path / "cat")
    assert harvest(tmp_path / "cat", tmp_path / "one", "--where", "ordinal < 9").returncode == 3
    codes = [
        harvest(
            tmp_path / "cat", tmp_path / "two", "--where", where, "--num_tasks", 2, "--task", n
        ).returncode
        for where in ("ordinal < 4", "ordinal < 9")
        for n in (0, 1)
    ]
    assert codes == [0, 3, 0, 3]
    assert files(tmp_path / "two") == files(tmp_path / "one")
