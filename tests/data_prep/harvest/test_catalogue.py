"""`iconoclip catalogue`, over real HTTP, through the real command."""

from __future__ import annotations

import json
import re
import signal
import time

import duckdb
import pandas as pd
import pyarrow.parquet as pq

from data_prep.catalogue.columns import SCHEMA
from data_prep.catalogue.files import CATALOGUE_NAME, MANIFEST_NAME
from tests import commands
from tests.conftest import ROOT

from .cataloguing import CLOCK, catalogue, harvest, rows
from .conftest import IN_COPYRIGHT


def test_a_catalogue_lists_everything_and_fetches_no_picture(mixed, tmp_path):
    done = catalogue(mixed.collection, tmp_path)
    assert done.returncode == 3, done.stderr
    assert not [path for path in mixed.paths if path.startswith("/image/")]
    assert sorted(mixed.paths) == sorted(["/collection", *(f"/manifest/{n}" for n in range(12))])
    found = rows(tmp_path)
    assert [row["manifest"] for row in found] == [f"{mixed.origin}/manifest/{n}" for n in range(12)]
    assert [row["ordinal"] for row in found] == list(range(12))
    assert [row["usable"] for row in found] == [n not in (3, 5, 7) for n in range(12)]
    assert "forbids" in found[3]["refused"]
    assert found[7]["refused"] == "rights: missing"
    assert found[3]["rights_raw"] == IN_COPYRIGHT
    first = found[0]
    assert (first["width"], first["height"], first["service_version"], first["service_level"]) == (
        96,
        80,
        3,
        2,
    )
    assert first["image_service"] == f"{mixed.origin}/image/0"
    assert first["canvas"] == f"{mixed.origin}/manifest/0/c"
    assert first["captions"][0]["text"] == first["title"] == "A drawing of a ship"
    assert first["captions"][0]["level"] == "item"
    assert {pair["value"] for pair in first["raw"]} >= {"A drawing of a ship, number 0"}
    assert json.loads((tmp_path / "report.json").read_text())["num_refused"] == 3
    assert pq.read_schema(tmp_path / CATALOGUE_NAME).equals(SCHEMA)


def test_others_read_it_with_duckdb_and_pandas(mixed, tmp_path):
    catalogue(mixed.collection, tmp_path)
    path = tmp_path / CATALOGUE_NAME
    query = f"SELECT count(*) FROM '{path}' WHERE usable AND captions[1].language = 'en'"
    assert duckdb.sql(query).fetchall() == [(9,)]
    assert pd.read_parquet(path)["train"].value_counts().to_dict() == {"yes": 9, "no": 3}


def test_a_dry_run_of_a_catalogue_writes_nothing(mixed, tmp_path):
    done = commands.run(["catalogue", mixed.collection, "--dry-run"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("record ") == 12


def test_a_catalogue_that_is_run_again_requests_nothing_and_refreshes_with_validators(mixed, tmp_path):
    catalogue(mixed.collection, tmp_path / "cat")
    before = (tmp_path / "cat" / CATALOGUE_NAME).read_bytes()
    mixed.requests.clear()
    done = catalogue(mixed.collection, tmp_path / "cat")
    assert done.returncode == 3
    assert "already" in done.stdout
    assert mixed.requests == []
    assert catalogue(mixed.collection, tmp_path / "cat", "--refresh").returncode == 3
    assert len(mixed.paths) == 13
    assert (tmp_path / "cat" / CATALOGUE_NAME).read_bytes() == before


def test_a_killed_catalogue_resumes_and_gives_the_same_bytes(archive, tmp_path):
    assert catalogue(archive.collection, tmp_path / "whole").returncode == 0
    archive.requests.clear()
    words = ["catalogue", archive.collection, "--out", tmp_path / "killed", "--harvested_at", CLOCK]
    slow = commands.Command([*commands.THE_COMMAND, *words, "--network.requests_per_minute", 600])
    deadline = time.monotonic() + 60
    while len(archive.paths) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    assert not (tmp_path / "killed" / CATALOGUE_NAME).exists()
    assert "not complete" in harvest(tmp_path / "killed", tmp_path / "set").stderr
    assert catalogue(archive.collection, tmp_path / "killed").returncode == 0
    for name in (CATALOGUE_NAME, MANIFEST_NAME):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_list_of_addresses_is_catalogued(archive, tmp_path):
    (tmp_path / "ours.txt").write_text(f"{archive.origin}/manifest/1\nno address\n")
    assert catalogue(tmp_path / "ours.txt", tmp_path / "cat").returncode == 3
    assert len(rows(tmp_path / "cat")) == 1


def test_values_that_do_not_fit_a_column_do_not_end_the_catalogue(archive, tmp_path):
    """Numbers beyond any picture, and halves of characters, as hostile or broken documents have them."""
    for number, size in enumerate((10**12, 2**31, -5, 10**30)):
        manifest = archive.manifest(number)
        manifest["label"] = {"en": ["A ship \ud800 in a storm"]}
        manifest["metadata"] = [
            {"label": {"en": ["Date \udfff"]}, "value": {"en": ["99999999999 BC \ud801"]}}
        ]
        canvas = manifest["items"][0]
        canvas["height"] = canvas["items"][0]["items"][0]["body"]["width"] = size
        service = canvas["items"][0]["items"][0]["body"]["service"][0]
        service["sizes"] = [{"width": size, "height": size}]
        service["maxArea"] = service["maxWidth"] = service["width"] = size
        archive.routes[f"/manifest/{number}"] = lambda seen, body=manifest: archive.json(body, seen)
    archive.num_manifests = 5
    done = catalogue(archive.collection, tmp_path / "cat")
    assert done.returncode in (0, 3), done.stderr
    assert f"{archive.origin}/manifest/4" in [row["manifest"] for row in rows(tmp_path / "cat")]
    done = harvest(tmp_path / "cat", tmp_path / "set", "--where", "manifest LIKE '%/4'")
    assert done.returncode == 0, done.stderr


def test_a_folder_of_documents_may_contain_a_file_of_that_name(archive, tmp_path):
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / MANIFEST_NAME).write_text(json.dumps(archive.manifest(1)))
    host = archive.origin.removeprefix("http://")
    done = harvest(tmp_path / "documents", tmp_path / "set", "--network.allow_hosts", host)
    assert done.returncode == 0, done.stderr


def test_a_source_without_images_is_an_error(server, tmp_path):
    done = catalogue(f"{server.origin}/nothing", tmp_path / "cat")
    assert done.returncode == 2
    assert not (tmp_path / "cat" / CATALOGUE_NAME).exists()


def test_the_document_describes_every_column():
    table = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", (ROOT / "docs/catalogue.md").read_text(), re.MULTILINE
    )
    assert table == [(field.name, field.metadata[b"description"].decode()) for field in SCHEMA]
