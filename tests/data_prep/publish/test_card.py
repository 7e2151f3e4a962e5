"""The card and the Croissant metadata say what the set says, and others can read them."""

from __future__ import annotations

import json

import pytest
import yaml

from data_prep.contribute.config import PackConfig
from data_prep.contribute.pack import pack
from data_prep.publish.card import card
from data_prep.publish.config import CardConfig
from iconoclip.shardset import ShardSet

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
    assert "| kb | 5 |" in body
    assert f"| [PDM]({PDM}) | 4 | yes | yes | no |" in body
    assert "4 samples may be trained on" in body
    assert "mail@museum.example" in body


def test_texts_of_outsiders_are_no_markup(shardset):
    card(CardConfig(shardset=shardset.folder))
    assert "<script>" not in (shardset.folder / "README.md").read_text()


def test_croissant_is_valid_and_yields_the_rows(shardset):
    # Imported here, as it takes half a second and every worker imports this file.
    import mlcroissant

    card(CardConfig(shardset=shardset.folder))
    dataset = mlcroissant.Dataset(shardset.folder / "croissant.json")
    assert not dataset.metadata.issues.errors
    rows = list(dataset.records("samples"))
    assert [_text(row["samples/key"]) for row in rows] == shardset.table(["key"])["key"].to_pylist()
    assert {row["samples/width"] for row in rows} == {40}
    described = json.loads((shardset.folder / "croissant.json").read_text())
    assert described["license"] == sorted([PDM, "http://creativecommons.org/licenses/by-nc/4.0/"])
    named = {
        one["name"]: one["sha256"] for one in described["distribution"] if one["@type"] == "cr:FileObject"
    }
    assert all(named[shard.name] == shard.sha256 for shard in shardset.manifest.shards)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
