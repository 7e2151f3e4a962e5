"""What is in tars of other programs is trained on, or counted and left out."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iconoclip.errors import (
    BadInput,
    DamagedData,
)
from iconoclip.record import Record
from iconoclip.rights import judge
from iconoclip.withdrawals import add_to_list
from training.config import TrainConfig
from training.data.seen_numbers import SeenNumbers
from training.data.sources import load_for
from training.plan import load_for_training, make_dataset, make_plan

from .conftest import jpeg, make_record
from .tars_of_others import COLOURS, laion_tars, of_tars, plain, write_tar

MakeConfig = Callable[..., TrainConfig]


BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.fixture
def laion(tmp_path: Path) -> Path:
    return laion_tars(tmp_path)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))


def odd_tar(path: Path) -> Record:
    """A tar of samples in every form and with every fault; gives the record that may be trained on."""
    good = jpeg("red", "blue", "disc")
    record = make_record(7, good, {"en": "from a set", "fr": "d'un lot"})
    test_record = make_record(8, good, {"en": "held out"}, split="test")
    closed = make_record(
        9, good, {"en": "closed"}, rights=judge("http://rightsstatements.org/vocab/InC/1.0/")
    )
    facts: list[dict[str, Any]] = [
        {"jpg": good, "txt": "plain"},
        {"png": jpeg("pink", "red", "disc"), "json": {"caption": "a title", "language": "en", "license": BY}},
        {"jpg": good, "json": {"captions": {"de": ["eins", "zwei"], "fr": "un"}}},
        {"jpg": good, "cls": b"1"},
        {"jpg": good, "webp": good, "txt": "two images"},
        {"jpg": good},
        {"txt": "no image"},
        {"jpg": b"\xff\xd8 not an image", "txt": "broken"},
        {"jpg": good, "txt": b"\xff\xfe\xff"},
        {"jpg": good, "json": b"{not json"},
        {"jpg": good, "txt": "mine", "json": {"rights": "all mine, ask me"}},
        {"jpg": good, "json": json.loads(record.model_dump_json())},
        {"jpg": good, "json": json.loads(test_record.model_dump_json())},
        {"jpg": good, "json": json.loads(closed.model_dump_json())},
        {"input.jpg": good, "outputs.txt": "its only text"},
        {
            "jpg": good,
            "en.txt": "an oak",
            "pt-BR.txt": "um carvalho",
            "alt.txt": "not read",
            "raw.txt": "nor this",
        },
    ]
    write_tar(path, [{"__key__": f"s{n}"} | one for n, one in enumerate(facts)])
    with tarfile.open(path, "a") as tar:
        for name in ("s0.jpg", "s0.txt", "README", "__meta__.json"):
            info = tarfile.TarInfo(name)
            info.size = len(good)
            tar.addfile(info, io.BytesIO(good))
        link = tarfile.TarInfo("s99.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return record


def test_what_tars_lack_is_counted_and_never_trained_on(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "odd.tar"
    record = odd_tar(path)
    (tmp_path / "classes.txt").write_text("lion\nunicorn\n")
    source = of_tars(path, name="odd", class_names=str(tmp_path / "classes.txt"))
    samples = load_for(make_config(shardsets=[], **{"data.sources": [source]}))
    texts = {
        (caption.language, text): caption.field
        for row in range(len(samples))
        for number in samples.captions.of_row(row)
        for caption, text in [(samples.captions.kind_of(number), samples.captions.text[number].as_py())]
    }
    assert texts == {
        ("und", "plain"): "caption", ("en", "a title"): "caption", ("de", "eins"): "caption",
        ("de", "zwei"): "caption", ("fr", "un"): "caption", ("und", "unicorn"): "class",
        ("und", "two images"): "caption", ("en", "from a set"): "blazon", ("fr", "d'un lot"): "blazon",
        ("und", "its only text"): "caption", ("en", "an oak"): "caption", ("pt-BR", "um carvalho"): "caption",
    }  # fmt: skip
    assert record.key in samples.keys.to_pylist()
    assert samples.left_out == {
        "rights: the policy 'open' says no": 2,
        "odd: JSON that is damaged": 1,
        "odd: a further text of one sample, whose ending is neither .txt nor a language before it": 2,
        "odd: a second image of one sample": 1,
        "odd: an image that cannot be decoded": 1,
        "odd: members that are no plain files": 1,
        "odd: members without an extension": 1,
        "odd: no caption": 1,
        "odd: no image": 1,
        "odd: text that is not UTF-8": 2,
    }
    assert samples.counts()["by_rights"]["http://creativecommons.org/licenses/by/4.0/"] == 1
    # A key that is withdrawn anywhere is not used from a tar either.
    gone = [record.key, samples.keys[0].as_py()]
    add_to_list(tmp_path / "gone.parquet", gone)
    monkeypatch.setenv("ICONOCLIP_WITHDRAWN", str(tmp_path / "gone.parquet"))
    left = load_for(make_config(shardsets=[], **{"data.sources": [source]}))
    assert left.keys.to_pylist() == [key for key in samples.keys.to_pylist() if key not in gone]


def test_tars_without_a_usable_sample_say_why(make_config: MakeConfig, tmp_path: Path) -> None:
    good = jpeg("red", "blue", "disc")
    image, text = ("a.jpg", good), ("a.txt", b"red")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.jpg", good)
    contents: list[tuple[bytes | list[tuple[str, bytes]], str, str]] = [
        # What the file contains, or its members; the reason; a word of the remedy.
        (b"", "no tar but an empty file", "download"),
        (b"<!DOCTYPE html><html>", "no tar but an HTML page", "download"),
        (b"version https://git-lfs.github.com/spec/v1\n", "no tar but a Git LFS pointer", "download"),
        (gzip.compress(good, mtime=0), "no tar but an archive", "plain .tar"),
        (zipped.getvalue(), "no tar but a zip archive", "plain .tar"),
        (b'{"error": 1}' + bytes(2000), "damaged tars", "download"),
        ([image, ("a.cls", b"7")], "a class whose name is not in class_names", "class_names"),
        ([image, ("a.json", b'{"alt_text": "red"}')], "none of the caption_keys", "caption_keys"),
        ([image, ("b.txt", b"red")], "1: no caption; 1: no image", "--sort=name"),
        (
            [(f"v1.{number}{name}", data) for number in "12" for name, data in (image, text)],
            "a dot within the name",
            "no dot",
        ),
        ([("a.heic", good), text], "no image", "jpg, jpeg, png"),
        ([("a.jpg", b"<html>404"), text], "cannot be decoded", "an error page"),
        ([image, ("a.txt", "écu".encode("latin1"))], "not UTF-8", "iconv"),
        ([image], "no caption", "KEY.txt"),
    ]
    for number, (content, reason, remedy) in enumerate(contents):
        path = tmp_path / f"t{number}.tar"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            with tarfile.open(path, "w") as tar:
                for name, data in content:
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        with pytest.raises(BadInput) as caught:
            load_for(make_config(shardsets=[], **{"data.sources": [of_tars(path)]}))
        assert reason in caught.value.what
        assert remedy in (caught.value.remedy or "")


def test_pictures_of_every_format_are_trained_on(make_config: MakeConfig, tmp_path: Path) -> None:
    """What the reader of tars takes for an image, the loader can decode; patterns name tars too."""
    members: list[dict[str, Any]] = []
    for ending, kind in (
        ("tif", "TIFF"),
        ("gif", "GIF"),
        ("bmp", "BMP"),
        ("jp2", "JPEG2000"),
        ("webp", "WEBP"),
    ):
        file = io.BytesIO()
        Image.new("RGB", (40, 40), COLOURS[len(members)]).save(file, kind)
        members.append({"__key__": ending, ending: file.getvalue(), "txt": f"in {kind}"})
    write_tar(tmp_path / "formats-0.tar", members[:2])
    write_tar(tmp_path / "formats-1.tar", members[2:])
    source = of_tars(tmp_path / "formats-*.tar", name="formats")
    plan = make_plan(make_config(shardsets=[], batch_size=5, **{"data.sources": [source]}))
    assert len(plan.samples) == 5
    batch = make_dataset(plan, load_for_training(plan.config.model, plan.config.loss, 0)).__getitems__(
        [(row, row) for row in range(5)]
    )
    assert (batch.problem, batch.damaged) == (None, ())


def test_a_cut_tar_a_changed_tar_and_the_same_key_twice(
    make_config: MakeConfig, laion: Path, tmp_path: Path
) -> None:
    first, second, third = sorted(laion.glob("*.tar"))
    third.write_bytes(second.read_bytes()[:-15_000])
    (tmp_path / "more").mkdir()
    twice = write_tar(tmp_path / "more" / "twice.tar", [*plain(0, 2), *plain(5, 1), *plain(1, 1)])
    config = make_config(shardsets=[], **{"data.sources": [of_tars(first, third, twice, name="all")]})
    samples = load_for(config)
    assert samples.left_out["all: the key of an earlier sample"] == 1
    assert samples.left_out["all: damaged tars: what follows the damage"] == 1
    assert 10 + 3 < len(samples) < 10 + 10 + 3
    before = samples.sets[0].digest
    assert load_for(config).sets[0].digest == before
    # An index that nobody has opened for two weeks goes when the next one is written.
    old = samples.sets[0].folder
    os.utime(old / "shardset.json", (1e9, 1e9))
    notes = sorted(old.parent.glob("tar-*.json"))
    os.utime(notes[0], (1e9, 1e9))
    write_tar(first, plain(90, 4))
    with pytest.raises(DamagedData, match="has changed"):
        samples.sets[0].verify_shard(samples.sets[0].manifest.shards[0])
    again = load_for(config)
    assert len(again) == len(samples) - 6
    assert again.sets[0].digest != before
    assert not old.exists()
    assert [one for one in notes if not one.exists()] == notes[:1]


def test_keys_that_came_before_are_known_whatever_the_parts() -> None:
    draw, seen, known = np.random.default_rng(4), SeenNumbers(), set[int]()
    for _ in range(60):
        part = draw.integers(-300, 300, draw.integers(0, 40))
        wanted = []
        for number in part.tolist():
            wanted.append(number not in known)
            known.add(number)
        assert seen.add(part).tolist() == wanted
    lengths = [len(one) for one in seen._sorted]
    assert sum(lengths) == len(known)
    # Few arrays, so that each part is compared with few.
    assert all(first > 2 * second for first, second in itertools.pairwise(lengths))
