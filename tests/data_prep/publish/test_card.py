"""The card and the Croissant metadata agree with the set, and other programs can read them."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image as PillowImage

from data_prep.contribute.config import PackConfig
from data_prep.contribute.pack import pack
from data_prep.publish.card import card
from data_prep.publish.config import CardConfig
from iconoclip.cli import main
from iconoclip.shardset import ShardSet
from tests.data_prep.publish.conftest import NAMES, key, picture

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"
BY_NC = "https://creativecommons.org/licenses/by-nc/4.0/"


@pytest.fixture
def shardset(tmp_path) -> ShardSet:
    from PIL import Image

    rows = []
    for number in range(5):
        Image.new("RGB", (40, 30), (number * 50, 80, 120)).save(tmp_path / f"{number}.jpg")
        title = (
            "A ship | with *stars* <script>alert(1)</script> and sails"
            if number == 0
            else f"Eine Kuh auf der Weide {number}"
        )
        rows.append(
            {
                "file": f"{number}.jpg",
                "title": title,
                "lang": "en" if number == 0 else "de",
                "rights": BY_NC if number == 4 else PDM,
            }
        )
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    columns = {"captions": {"title": "title"}, "language": "lang"}
    pack(PackConfig(table=tmp_path, out=tmp_path / "out", institution="kb", columns=columns, num_workers=1))
    return ShardSet(tmp_path / "out")


def test_card_counts_what_the_set_holds(shardset):
    card(CardConfig(shardset=shardset.folder, title="Ships and cows", contact="mail@museum.example"))
    text = (shardset.folder / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    parsed = yaml.safe_load(head)
    assert parsed["pretty_name"] == "Ships and cows"
    assert parsed["language"] == ["de", "en"]
    assert parsed["size_categories"] == ["n<1K"]
    assert "| KB, national library of the Netherlands | 5 |" in body
    assert f"| [PDM]({PDM}) | 4 | yes | yes | no |" in body
    assert "4 samples may be trained on" in body
    assert "mail@museum.example" in body


def test_texts_from_outside_are_escaped(shardset):
    card(CardConfig(shardset=shardset.folder))
    assert "<script>" not in (shardset.folder / "README.md").read_text()


@pytest.mark.parametrize("embed", ["yes", "no"])
def test_croissant_is_valid_and_yields_captions_and_pictures(make_set, embed):
    # Imported here, as it takes half a second and every worker imports this file.
    import mlcroissant

    folder = make_set().folder
    card(CardConfig(shardset=folder, embed=embed, url="https://museum.example/set"))
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    assert dataset.metadata.conforms_to == ["http://mlcommons.org/croissant/1.1"]
    assert not dataset.metadata.issues.errors
    assert not dataset.metadata.issues.warnings
    rows = {_text(row["samples/key"]): row for row in dataset.records("samples")}
    assert set(rows) == {key(number) for number in range(10)} | {key(10, "maison"), key(11, "maison")}
    assert [*map(_text, rows[key(7)]["samples/captions"])] == ["Kuh 7"]
    assert [*map(_text, rows[key(7)]["samples/caption_languages"])] == ["de"]
    if embed == "yes":
        pictures = {name: row["samples/image"] for name, row in rows.items()}
        assert _text(rows[key(10, "maison")]["samples/institution_name"]) == NAMES["maison"]
    else:
        pictures = {_text(row["pictures/key"]): row["pictures/image"] for row in dataset.records("pictures")}
    assert set(pictures) == set(rows)
    assert pictures[key(7)].size == (48, 32)
    assert pictures[key(7)].tobytes() == PillowImage.open(io.BytesIO(picture(7))).tobytes()


def test_croissant_names_the_files_and_the_institutions(make_set):
    folder = make_set().folder
    card(CardConfig(shardset=folder))
    described = json.loads((folder / "croissant.json").read_text())
    assert {one["name"] for one in described["creator"]} == set(NAMES.values())
    named = {
        one["name"]: one["sha256"] for one in described["distribution"] if one["@type"] == "cr:FileObject"
    }
    shards = ShardSet(folder).manifest.shards
    assert all(named[shard.name] == shard.sha256 for shard in shards)


def test_a_withdrawn_sample_is_in_nothing_that_the_card_offers(make_set):
    folder = make_set().folder
    card(CardConfig(shardset=folder))
    assert main(["takedown", str(folder), key(3), "--reason", "asked for"]) == 0
    # Until the card is written again, no document shows it.
    assert not list((folder / "data").glob("*"))
    card(CardConfig(shardset=folder))
    found = [one for path in (folder / "data").iterdir() for one in pq.read_table(path)["key"].to_pylist()]
    assert len(found) == 11
    assert key(3) not in found
    # Without Parquet files Croissant offers no rows: the shards still hold the picture.
    card(CardConfig(shardset=folder, embed="no"))
    assert not (folder / "data").exists()
    assert json.loads((folder / "croissant.json").read_text())["recordSet"] == []


def test_datasets_loads_a_set_whose_first_part_lacks_fields(make_set, tmp_path, monkeypatch):
    folder = make_set().folder
    assert main(["takedown", str(folder), key(3), "--reason", "asked for"]) == 0
    card(CardConfig(shardset=folder))
    assert main(["check", str(folder)]) == 0
    import datasets

    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 9, "val": 1, "test": 1}
    rows = {row["key"]: row for row in loaded["train"]}
    assert key(3) not in rows
    assert rows[key(0)]["date"] is None
    assert rows[key(0)]["captions"] == []
    assert (rows[key(1)]["date"], rows[key(1)]["earliest"]) == ("um 1650", 1645)
    assert rows[key(1)]["captions"][0]["text"] == "Kuh 1"
    assert rows[key(1)]["image"].size == (48, 32)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
