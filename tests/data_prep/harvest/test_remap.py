"""A set that is mapped again offline equals a fresh harvest with that mapping, byte for byte."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep.contribute.check import check
from data_prep.contribute.config import CheckConfig, PackConfig, RemapConfig, SignConfig, TakedownConfig
from data_prep.contribute.pack import pack
from data_prep.contribute.remap import Mapper, remap
from data_prep.contribute.sign import sign
from data_prep.contribute.takedown import takedown
from data_prep.harvest.config import HarvestConfig
from data_prep.harvest.verb import harvest
from iconoclip.errors import BadInput, ConfigError, MissingRequirement, SomeRefused
from iconoclip.record import Record
from iconoclip.shardset import SIGNATURE_NAME, ShardSet
from tests.data_prep.harvest.conftest import PDM, Archive, Reply, Seen

CLOCK = "2026-01-02T03:04:05Z"
OLD = Path(__file__).parents[2] / "iconoclip" / "sets" / "before_raw_pairs"
PLAIN = {"slug": "marsh", "name": "Museum of Marshes", "language": "en"}
# Another mapping of the same pairs: labels, a trimmed title, a template, a role that becomes a caption.
OTHER = {
    **PLAIN,
    "labels": {"subject": ["things seen"], "date": ["made about"], "creator": ["hand"], "note": ["remark"]},
    "trim": [r"\s*\(marsh collection\)"],
    "composition": {
        "captions": ["descriptive", "title", "note"],
        "templates": {"en": {"sentences": ["{subject}, by {creator}, {date}"]}},
    },
}


class Catalogued(Archive):
    """An archive whose manifests have metadata, two pages each, and a region on the first."""

    def _image(self, seen: Seen) -> Reply:
        if not seen.path.endswith("/info.json"):
            return super()._image(seen)
        service = {
            "@context": "http://iiif.io/api/image/3/context.json",
            "id": self.origin + seen.path.removesuffix("/info.json"),
            "type": "ImageService3",
            "profile": "level2",
            "width": 96,
            "height": 80,
        }
        return self.json(service, seen)

    def manifest(self, number: int) -> dict[str, Any]:
        value = super().manifest(number)
        (first,) = value["items"]
        second = {**first, "id": f"{first['id']}2", "label": {"en": [f"Heron {number} at dusk"]}}
        comment = {
            "id": f"{first['id']}/note",
            "type": "Annotation",
            "motivation": "commenting",
            "target": f"{first['id']}#xywh=0,0,48,40",
            "body": {"type": "TextualBody", "value": f"A coot with {number + 2} young", "language": "en"},
        }
        notes = {"id": f"{first['id']}/notes", "type": "AnnotationPage", "items": [comment]}
        said = {
            "Things seen": ["Coots", "Reeds; Water"],
            "Made about": ["ca. 1650"],
            "Hand": ["Fenn, Ann, 1610-1671"],
            "Remark": ["Rarely shown"],
        }
        return {
            **value,
            "label": {"en": [f"Birds, volume {number} (marsh collection)"]},
            "metadata": [{"label": {"en": [name]}, "value": {"en": texts}} for name, texts in said.items()],
            "items": [{**first, "annotations": [notes]}, second],
        }


@dataclass(frozen=True)
class Made:
    """Sets that were harvested once for all tests, from one archive."""

    archive: Archive
    plain_set: Path
    other_set: Path
    plain: str
    other: str


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("made")
    paths = []
    for name, values in (("plain", PLAIN), ("other", OTHER)):
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values))
        paths.append(str(path))
    archive = Catalogued(num_manifests=3)
    sets = [harvested(archive, folder / Path(path).stem, path) for path in paths]
    yield Made(archive, *sets, *paths)
    archive.stop()


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    """A copy of the set that was harvested with the plain profile."""
    shutil.copytree(made.plain_set, tmp_path / "a")
    return tmp_path / "a"


def harvested(archive: Archive, out: Path, institution: str, **values: Any) -> Path:
    config = {"harvested_at": CLOCK, "max_side_pixels": 64, "num_workers": 1, **values}
    # Items for which a mapping gives no caption are refused, and the rest is stored.
    with contextlib.suppress(SomeRefused):
        harvest(HarvestConfig(sources=[archive.collection], out=out, institution=institution, **config))
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix in (".tar", ".parquet") or path.name == "shardset.json"
    }


def test_remapping_equals_a_fresh_harvest_and_sends_no_request(made, folder, tmp_path, capsys):
    fresh = files(made.other_set)
    assert files(folder) != fresh
    before, num_asked = files(folder), len(made.archive.requests)

    assert remap(RemapConfig(shardset=folder, institution=made.other, dry_run=True)) == 0
    shown = capsys.readouterr().out
    assert "9 of 9 records change" in shown
    assert "+ work, subject, en: Coots; Reeds; Water, by Ann Fenn, ca. 1650" in shown
    assert "- work, title, en: Birds, volume 0 (marsh collection)" in shown
    assert "date: none -> 'ca. 1650' (1650 to 1650)" in shown
    assert files(folder) == before

    assert remap(RemapConfig(shardset=folder, institution=made.other, yes=True)) == 0
    assert files(folder) == fresh
    assert len(made.archive.requests) == num_asked
    assert check(CheckConfig(shardset=folder)) == 0

    assert remap(RemapConfig(shardset=folder, institution=made.plain, yes=True)) == 0
    assert files(folder) == before


def test_another_composition_equals_a_fresh_harvest_with_it(made, folder, tmp_path, capsys):
    path = tmp_path / "titles.yaml"
    path.write_text(yaml.safe_dump({"captions": ["title"], "sentence": []}))
    fresh = harvested(made.archive, tmp_path / "b", made.plain, composition=str(path))
    assert remap(RemapConfig(shardset=folder, institution=made.plain, composition=str(path), yes=True)) == 0
    assert "3  left out: an annotation that describes nothing" in capsys.readouterr().out
    assert files(folder) == files(fresh)


def test_nothing_is_written_without_confirmation(made, folder):
    before = files(folder)
    with pytest.raises(ConfigError, match="not confirmed"):
        remap(RemapConfig(shardset=folder, institution=made.other))
    assert files(folder) == before


def test_the_signature_of_the_previous_set_is_removed_and_named(made, folder, tmp_path, capsys):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    sign(SignConfig(shardset=folder, key=key))
    remap(RemapConfig(shardset=folder, institution=made.other, yes=True))
    assert not (folder / SIGNATURE_NAME).exists()
    assert "`iconoclip sign` signs the set again" in capsys.readouterr().out


def test_withdrawn_items_stay_withdrawn(made, folder):
    # A detail, because a page takes its details with it.
    record = next(one for one in ShardSet(folder).records() if one.source.region is not None)
    takedown(TakedownConfig(shardset=folder, keys=[record.key], reason="asked by its maker"))
    remap(RemapConfig(shardset=folder, institution=made.other, yes=True))
    after = ShardSet(folder)
    assert after.withdrawn == {record.key}
    assert len(list(after.records())) == len(after) == 8


def test_a_table_with_another_mapping_equals_a_fresh_pack(tmp_path, picture):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.jpg").write_bytes(picture(1, (120, 90)))
    table = tmp_path / "in" / "table.csv"
    table.write_text(f"file,Titel,Motiv,rights\n1.jpg,Ein Reiher im Schilf,Reiher; Schilf,{PDM}\n")

    def packed(out: Path, field: str) -> Path:
        columns = {"captions": {"title": "Titel", field: "Motiv"}}
        values = {"institution": "kb", "language": "de", "harvested_at": CLOCK, "num_workers": 1}
        assert pack(PackConfig(table=table, out=out, columns=columns, **values)) == 0
        return out

    folder = packed(tmp_path / "a", "caption")
    fresh = packed(tmp_path / "b", "subject")
    config = RemapConfig(shardset=folder, institution="kb", read_as={"Motiv": "subject"}, yes=True)
    assert remap(config) == 0
    assert files(folder) == files(fresh)
    (record,) = ShardSet(folder).records()
    assert [one.text for one in record.captions] == ["Ein Reiher im Schilf", "Reiher; Schilf"]


def test_a_column_that_was_only_kept_can_be_mapped_later(tmp_path, picture):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.jpg").write_bytes(picture(1, (120, 90)))
    table = tmp_path / "in" / "table.csv"
    table.write_text(
        f"file,title,Motiv,Versicherungswert,rights\n1.jpg,Ein Reiher,Schilf,9000 Gulden,{PDM}\n"
    )
    values = {"institution": "kb", "language": "de", "harvested_at": CLOCK, "num_workers": 1}
    folder = tmp_path / "out"
    assert pack(PackConfig(table=table, out=folder, columns={"raw": "Motiv"}, **values)) == 0
    (record,) = ShardSet(folder).records()
    assert [one.text for one in record.captions] == ["Ein Reiher"]
    assert [pair.label for pair in record.raw] == ["title", "Motiv", "rights"]
    assert remap(RemapConfig(shardset=folder, read_as={"Motiv": "subject"}, yes=True)) == 0
    (record,) = ShardSet(folder).records()
    assert [(one.text, one.language) for one in record.captions] == [("Ein Reiher. Schilf", "de")]


def test_a_set_of_an_older_version_has_nothing_to_map(tmp_path):
    shutil.copytree(OLD, tmp_path / "old")
    with pytest.raises(BadInput, match="keeps what its source said"):
        remap(RemapConfig(shardset=tmp_path / "old", yes=True))
    with pytest.raises(MissingRequirement):
        remap(RemapConfig(shardset=tmp_path / "none"))


def test_a_killed_remap_is_finished_by_the_next_call(made, folder, monkeypatch):
    fresh = files(made.other_set)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("iconoclip.replacing.unseal", killed)
        with pytest.raises(KeyboardInterrupt):
            remap(RemapConfig(shardset=folder, institution=made.other, yes=True))
    assert remap(RemapConfig(shardset=folder, institution=made.other, yes=True)) == 0
    assert files(folder) == fresh


@pytest.mark.parametrize(("num_dropped", "train"), [(0, "yes"), (3, "no")])
def test_a_refusal_stays_where_a_record_does_not_keep_all_pairs(
    made: Made, folder: Path, num_dropped: int, train: str
) -> None:
    shardset = ShardSet(folder)
    record = next(iter(shardset.records()))
    refused = record.rights.model_copy(update={"train": "no"})
    record = record.model_copy(update={"raw_num_dropped": num_dropped, "rights": refused})
    mapped = Mapper(RemapConfig(shardset=folder, institution=made.plain), shardset).mapped(record)
    # A refused record that was kept: the set holds all.
    assert isinstance(mapped, Record)
    assert mapped.rights.train == train
