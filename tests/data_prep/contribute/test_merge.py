"""Several sets become one: streamed, parents named, withdrawals kept, verdicts computed again."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from data_prep.contribute.config import MergeConfig, TakedownConfig
from data_prep.contribute.merge import merge
from data_prep.contribute.takedown import takedown
from data_prep.images.store import Wanted, store_image
from iconoclip.errors import BadInput, ConfigError, DamagedData
from iconoclip.record import Rights
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet, ShardSetWriter
from tests.data_prep.contribute.conftest import sample

CLOCK = "2026-02-03T00:00:00Z"


def merged(tmp_path, *sets: ShardSet, **values: object) -> ShardSet:
    out = tmp_path / "merged"
    merge(MergeConfig(shardsets=[one.folder for one in sets], out=out, created_at=CLOCK, **values))
    return ShardSet(out)


def keys(shardset: ShardSet) -> list[str]:
    return [record.key for record, _ in shardset.samples()]


def test_order_parents_and_totals(make_set, tmp_path):
    one, two = make_set("one", 4), make_set("two", 3)
    both = merged(tmp_path, one, two)
    both.verify()
    assert keys(both) == keys(one) + keys(two)
    assert [(parent.name, parent.digest) for parent in both.manifest.parents] == [
        ("one", one.digest),
        ("two", two.digest),
    ]
    assert both.manifest.totals.by_institution == {"one": 4, "two": 3}


def test_a_repeated_merge_says_so_and_changes_nothing(make_set, tmp_path, capsys):
    one, two = make_set("one"), make_set("two")
    digest = merged(tmp_path, one, two).digest
    assert merged(tmp_path, one, two).digest == digest
    assert "merged already" in capsys.readouterr().out


def test_same_input_same_bytes(make_set, tmp_path):
    one, two = make_set("one"), make_set("two")
    assert merged(tmp_path / "a", one, two).digest == merged(tmp_path / "b", one, two).digest


def test_withdrawn_in_one_is_withdrawn_in_all(make_set, tmp_path):
    one, two = make_set("one", 4), make_set("two", 3)
    gone = keys(one)[1]
    takedown(TakedownConfig(shardset=one.folder, keys=[gone], reason="the heir asked"))
    both = merged(tmp_path, ShardSet(one.folder), two)
    assert gone not in keys(both)
    assert len(both) == 6
    # The reason is in the log of the set it was withdrawn from, and in no other.
    assert [(stone.key, stone.reason) for stone in both.manifest.tombstones] == [(gone, "withdrawn")]


def test_key_in_two_sets(make_set, tmp_path):
    one = make_set("one", 4)
    twin = tmp_path / "twin"
    twin.mkdir()
    for path in one.folder.iterdir():
        (twin / path.name).write_bytes(path.read_bytes())
    with pytest.raises(BadInput, match=r"4 keys occur in two sets \(4: nothing differs\)"):
        merged(tmp_path, one, ShardSet(twin))
    assert not (tmp_path / "merged" / "shardset.json").exists()
    assert keys(merged(tmp_path, one, ShardSet(twin), duplicates="first")) == keys(one)


def test_verdicts_are_computed_again(make_set, tmp_path):
    by_nc = "https://creativecommons.org/licenses/by-nc/4.0/"
    liar = Rights(
        raw="In copyright",
        uri=judge(by_nc).uri,
        policy="open@1",
        train="yes",
        redistribute="yes",
        display="yes",
    )
    one = make_set("one", 3, {0: {"rights": judge(by_nc)}, 1: {"rights": liar}})
    rights = [record.rights for record, _ in merged(tmp_path, one, policy="noncommercial").samples()]
    assert [verdict.train for verdict in rights] == ["yes", "no", "yes"]
    assert {verdict.policy for verdict in rights} == {"noncommercial@1"}


def test_group_stays_on_one_side(make_set, tmp_path):
    one = make_set("one", 2, {0: {"group": "shared", "split": "test"}})
    two = make_set("two", 2, {0: {"group": "shared", "split": "train"}})
    splits = {record.split for record, _ in merged(tmp_path, one, two).samples() if record.group == "shared"}
    assert splits == {"test"}


def altered(data: bytes, number: int) -> bytes:
    """A copy of a picture as other institutions have it: brighter, duller, grey, smaller, with a cast."""
    image = Image.open(io.BytesIO(data))
    copies = [
        ImageEnhance.Brightness(image).enhance(0.8), ImageEnhance.Contrast(image).enhance(0.7),
        image.convert("L").convert("RGB"), image.resize((image.width // 2, image.height // 2)),
        ImageEnhance.Color(image).enhance(0.6),
    ]  # fmt: skip
    buffer = io.BytesIO()
    copies[number % len(copies)].save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def scene(number: int) -> bytes:
    """A picture with structure of its own: coloured rectangles by chance."""
    chance = random.Random(number)
    image = Image.new("RGB", (128, 96), tuple(chance.randrange(256) for _ in range(3)))
    for _ in range(12):
        left, top = chance.randrange(100), chance.randrange(70)
        colour = tuple(chance.randrange(256) for _ in range(3))
        image.paste(colour, (left, top, left + chance.randrange(8, 60), top + chance.randrange(8, 50)))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def write_set(folder: Path, slug: str, pictures: list[bytes]) -> ShardSet:
    with ShardSetWriter(folder, name=slug, policy="open@1", created_at=CLOCK, created_by="a test") as writer:
        for number, data in enumerate(pictures):
            stored = store_image(data, Wanted())
            record, _ = sample(slug, number)
            facts = {"width": stored.width, "height": stored.height, "sha256": stored.sha256}
            image = record.image.model_copy(update={**facts, "phash": stored.phash})
            writer.add(record.model_copy(update={"image": image}), stored.jpeg)
    return ShardSet(folder)


def test_no_copy_of_a_picture_is_on_two_sides_of_the_split(tmp_path, capsys):
    """40 pictures, altered copies of them in another set, and one file under 40 records of a third."""
    pictures = [scene(number) for number in range(40)]
    one = write_set(tmp_path / "one", "one", pictures)
    two = write_set(tmp_path / "two", "two", [altered(data, number) for number, data in enumerate(pictures)])
    three = write_set(tmp_path / "three", "three", [scene(99)] * 40)
    both = merged(tmp_path, one, two, three)
    records = {record.key: record for record, _ in both.samples()}
    pairs = [
        (records[sample("one", number)[0].key], records[sample("two", number)[0].key]) for number in range(40)
    ]
    # Splits of both sets differ before: they follow from addresses.
    before = [(sample("one", n)[0].split, sample("two", n)[0].split) for n in range(40)]
    assert sum(mine != other for mine, other in before) >= 10
    assert all(mine.split == other.split and mine.group == other.group for mine, other in pairs)
    assert len({mine.group for mine, _ in pairs}) == 40
    coins = [records[sample("three", number)[0].key] for number in range(40)]
    assert len({(coin.group, coin.split) for coin in coins}) == 1
    assert "79 groups were joined" in capsys.readouterr().out


def test_damaged_parent(make_set, tmp_path):
    one = make_set("one")
    path = one.folder / one.manifest.shards[0].name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedData):
        merged(tmp_path, one)
    assert not (tmp_path / "merged").exists()


def test_into_itself_or_over_another(make_set, tmp_path):
    one, two = make_set("one"), make_set("two")
    with pytest.raises(ConfigError, match="into itself"):
        merge(MergeConfig(shardsets=[one.folder, two.folder], out=one.folder))
    merged(tmp_path, one)
    with pytest.raises(ConfigError, match="another shard set"):
        merged(tmp_path, one, two)
