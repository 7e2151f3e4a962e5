"""Which samples may be used: rights judged again, withdrawals respected, plain WebDataset as a reader."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.errors import BadInput, DamagedData, MissingRequirement, RightsForbid
from iconoclip.files import write_json
from iconoclip.record import Caption, Rights
from iconoclip.rights import judge
from iconoclip.shardset import ShardSet, Tombstone, with_tombstones
from training.config_groups import DataConfig
from training.data.captions import CaptionSampler, caption_weights
from training.data.columns import FileSink, checksums, mapped
from training.data.images import Crop, decode
from training.data.loader import TrainingSamples, make_loader
from training.data.numbers import caption_numbers, notation_numbers, text_numbers
from training.data.order import EpochOrder, Schedule
from training.data.samples import Samples, load
from training.data.selection import COLUMNS, select
from training.data.storage import ShardReader
from training.evaluation.retrieval_score import choose_queries

from .conftest import PUBLIC_DOMAIN, jpeg, make_record, shapes, write_set

DATA = jpeg("red", "blue", "disc")
BY_NC = "http://creativecommons.org/licenses/by-nc/4.0/"


def lying(raw: str | None, uri: str | None, **changes: Any) -> Rights:
    """A verdict of yes, whatever the statement says."""
    values = {
        "raw": raw,
        "uri": uri,
        "policy": "open@1",
        "train": "yes",
        "redistribute": "yes",
        "display": "yes",
    }
    return Rights.model_validate(values | changes)


def test_the_verdicts_of_a_shard_set_are_not_trusted(tmp_path: Path) -> None:
    verdicts = {
        "free": judge(PUBLIC_DOMAIN),
        "says yes without a statement": lying(None, None),
        "says yes for what is in copyright": lying(None, "http://rightsstatements.org/vocab/InC/1.0/"),
        "names another statement than it found": lying(BY_NC, PUBLIC_DOMAIN),
        "opted out": lying(PUBLIC_DOMAIN, PUBLIC_DOMAIN, opt_out=("tdmrep",)),
        "to be reviewed": lying(PUBLIC_DOMAIN, PUBLIC_DOMAIN, train="review"),
        "non-commercial": judge(BY_NC, policy="noncommercial"),
    }
    samples = [
        (make_record(n, DATA, {"en": name}, rights=rights), DATA)
        for n, (name, rights) in enumerate(verdicts.items())
    ]
    folder = write_set(tmp_path / "set", samples)
    kept = load([str(folder)], split="train", policy="open")
    assert kept.captions.text.to_pylist() == ["free"]
    assert kept.left_out == {"rights: the policy 'open' says no": 6}
    wider = load([str(folder)], split="train", policy="noncommercial")
    assert wider.captions.text.to_pylist() == ["free", "non-commercial"]


def test_nothing_left_after_the_policy_is_a_message(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", [(make_record(0, DATA, {"en": "a"}, rights=judge(None)), DATA)])
    with pytest.raises(RightsForbid, match="leaves none of the 1 samples"):
        load([str(folder)], split="train", policy="open")


def test_a_withdrawn_key_is_removed_from_every_set(tmp_path: Path) -> None:
    samples = shapes()[:4]
    first, second = write_set(tmp_path / "one", samples), write_set(tmp_path / "two", samples)
    manifest = ShardSet(second).manifest
    key = samples[1][0].key
    withdrawn = with_tombstones(manifest, [Tombstone(key=key, reason="asked to", at="2026-01-02T00:00:00Z")])
    write_json(second / "shardset.json", withdrawn.model_dump(mode="json"))
    kept = load([str(first), str(second)], split="all", policy="open")
    assert kept.keys.to_pylist() == [one.key for one, _ in samples if one.key != key]


def test_a_split_without_samples_and_no_set_at_all(tmp_path: Path, shapes_set: Path) -> None:
    with pytest.raises(BadInput, match="no sample in the split 'test'"):
        load([str(shapes_set)], split="test", policy="open")
    with pytest.raises(MissingRequirement, match="no shard set here"):
        load([str(tmp_path / "nowhere")], split="train", policy="open")


def test_images_are_read_from_where_the_index_says(shapes_set: Path) -> None:
    samples = load([str(shapes_set)], split="all", policy="open")
    reader = ShardReader(samples)
    stored = {record.key: image for record, image in ShardSet(shapes_set).samples()}
    assert len(samples.shards) > 2
    assert {key: reader.image_bytes(row) for row, key in enumerate(samples.keys.to_pylist())} == stored


def test_a_short_shard_is_named(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", shapes()[:5])
    shard = next(folder.glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:3000])
    samples = load([str(folder)], split="all", policy="open")
    with pytest.raises(DamagedData, match="shorter than the index states"):
        ShardReader(samples).image_bytes(len(samples) - 1)


def test_plain_webdataset_reads_the_same_samples(shapes_set: Path) -> None:
    urls = sorted(str(path) for path in shapes_set.glob("*.tar"))
    dataset = (
        webdataset.WebDataset(urls, shardshuffle=False)
        .decode("pil")
        .to_tuple("__key__", "jpg", "txt", "json")
    )
    found = {key: (image.size, text, values["key"]) for key, image, text, values in dataset}
    assert found == {
        r.key: ((r.image.width, r.image.height), r.title, r.key) for r, _ in ShardSet(shapes_set).samples()
    }


def make_dataset(shapes_set: Path, **changes: Any) -> TrainingSamples:
    samples = load([str(shapes_set)], split="train", policy="open")
    weights = caption_weights(samples.captions, language_temperature=1, field_weights={}, origin_weights={})
    captions = CaptionSampler(samples.captions, weights, num_captions=1, seed=0)
    tokenize = lambda texts: torch.tensor([[len(text), sum(map(ord, text))] for text in texts])  # noqa: E731
    return TrainingSamples(samples, captions, Crop(32, "squash", min_area=0.5), tokenize, seed=0, **changes)


@pytest.mark.parametrize("changes", [{"num_workers": 2}, {"cache_megabytes": 10}, {"num_ranks": 2}])
def test_batches_are_the_same_with_any_number_of_workers(shapes_set: Path, changes: dict[str, int]) -> None:
    cache, ranks, workers = (
        changes.get("cache_megabytes", 0),
        changes.get("num_ranks", 1),
        changes.get("num_workers", 0),
    )
    order = EpochOrder(load([str(shapes_set)], split="train", policy="open").shard_lengths, 0, 4, 3)
    schedule = Schedule(order, 8)

    def batches(rank: int, num_ranks: int, num_workers: int, megabytes: int) -> list[Any]:
        dataset = make_dataset(shapes_set, cache_megabytes=megabytes)
        return list(
            make_loader(
                dataset,
                schedule,
                first_step=2,
                num_steps=14,
                rank=rank,
                num_ranks=num_ranks,
                num_workers=num_workers,
            )
        )

    wanted = batches(0, 1, 0, 0)
    by_rank = [batches(rank, ranks, workers, cache) for rank in range(ranks)]
    assert len(wanted) == 12
    for step, batch in enumerate(wanted):
        for name in ("images_BSS3", "tokens_BKL", "rows_B", "texts_BK", "carried_BM"):
            together = torch.cat([getattr(batches[step], name) for batches in by_rank])
            assert torch.equal(together, getattr(batch, name)), name


def test_captions_are_drawn_by_weight_and_without_replacement() -> None:
    texts = {"en": "a", "fr": "b", "de": "c"}
    captions = load_captions([texts] * 2)
    weights = np.array([6.0, 3.0, 0.0] * 2)
    single = CaptionSampler(captions, weights, num_captions=1, seed=0)
    draws = single.draw([0] * 6000, np.arange(6000))[:, 0]
    assert np.mean(draws == 0) == pytest.approx(2 / 3, abs=0.02)  # standard error 0.006
    assert 2 not in draws
    pairs = CaptionSampler(captions, np.ones(6), num_captions=3, seed=0).draw([0, 1], np.arange(2))
    assert [sorted(pair) for pair in pairs.tolist()] == [[0, 1, 2], [3, 4, 5]]


def test_the_texts_of_an_image_are_known_whatever_is_drawn() -> None:
    captions = load_captions([{"en": "Portrait", "fr": "Bildnis"}, {"de": "bildnis "}, {"en": "A view"}])
    (view, none), (portrait, first), (second, nothing) = captions.texts_of(np.array([2, 0, 1])).tolist()
    assert none == nothing == -1
    # Case and spacing make no other text.
    assert first == second
    assert len({view, portrait, first}) == 3
    assert min(view, portrait, first) >= 0


def test_a_language_temperature_favours_rare_languages() -> None:
    captions = load_captions([{"en": "a"}] * 3 + [{"fr": "b"}])
    plain = caption_weights(captions, language_temperature=1, field_weights={}, origin_weights={})
    assert plain[:].tolist() == [1, 1, 1, 1]
    # Shares 3/4 and 1/4; the weight is share^(1/2 - 1), so rare French weighs sqrt(3) times English.
    warm = caption_weights(captions, language_temperature=2, field_weights={}, origin_weights={})
    assert warm[3] / warm[0] == pytest.approx(3**0.5)
    by_field = caption_weights(
        captions, language_temperature=1, field_weights={"blazon": 0.5}, origin_weights={"institution": 0.1}
    )
    assert by_field[:].tolist() == pytest.approx([0.05] * 4)


def test_iconclass_and_machine_captions_have_their_own_weights(tmp_path: Path) -> None:
    origins = ("institution", "iconclass", "machine:captioner-7", "machine:other")
    captions = tuple(Caption(text=name, language="en", field="title", origin=name) for name in origins)
    folder = write_set(tmp_path / "set", [(make_record(0, DATA, {}, captions=captions), DATA)])
    found = load([str(folder)], split="train", policy="open").captions
    chosen = {"iconclass": 0.25, "machine": 0.5, "machine:captioner-7": 0.0}
    weights = caption_weights(found, language_temperature=1, field_weights={}, origin_weights=chosen)
    assert weights[:].tolist() == [1, 0.25, 0, 0.5]
    drawn = CaptionSampler(found, weights, num_captions=1, seed=0).draw([0] * 7000, np.arange(7000))[:, 0]
    # Shares 4/7, 1/7, 0, 2/7; standard error 0.006.
    shares = np.bincount(drawn, minlength=4) / 7000
    assert shares == pytest.approx([4 / 7, 1 / 7, 0, 2 / 7], abs=0.02)


def load_captions(texts: list[dict[str, str]]) -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_set(Path(folder) / "set", [(make_record(n, DATA, one), DATA) for n, one in enumerate(texts)])
        return load([f"{folder}/set"], split="train", policy="open").captions


def test_crops_stay_inside_and_keep_their_area() -> None:
    generator = np.random.default_rng(0)
    for mode, (width, height) in itertools.product(
        ("squash", "shortest", "longest"), ((640, 480), (480, 640), (100, 100))
    ):
        crop = Crop(64, mode, min_area=0.6, aspect_jitter=1.2)
        frame = {
            "squash": width * height,
            "shortest": min(width, height) ** 2,
            "longest": max(width, height) ** 2,
        }[mode]
        size = (width, height) if mode != "longest" else (max(width, height),) * 2
        for draws in generator.random((50, 4)):
            left, top, right, bottom = crop.box(*size, draws)
            assert -1e-6 <= left <= right <= size[0] + 1e-6
            assert -1e-6 <= top <= bottom <= size[1] + 1e-6
            # The jitter may cost up to its factor where a side is already whole.
            assert 0.6 / 1.2 - 1e-6 <= (right - left) * (bottom - top) / frame <= 1 + 1e-6


def test_a_large_image_is_decoded_small() -> None:
    data = jpeg("red", "blue", "disc", size=(1600, 1200))
    assert decode(data, min_side=100, where="").size == (200, 150)
    assert decode(data, min_side=1000, where="").size == (1600, 1200)


@pytest.mark.parametrize("data", [b"", b"not an image", DATA[:200], b"GIF89a" + bytes(100)])
def test_what_is_no_image_is_refused_by_key(data: bytes) -> None:
    with pytest.raises(DamagedData, match="cannot be decoded") as caught:
        decode(data, min_side=10, where="north-0123")
    assert caught.value.where == "north-0123"


def test_an_error_in_the_loading_thread_reaches_the_step_that_waits(shapes_set: Path) -> None:
    dataset = make_dataset(shapes_set)
    schedule = Schedule(EpochOrder((50,), 0), 8)
    dataset._reader.image_bytes = lambda row: b"not an image"  # type: ignore[method-assign]
    batch = next(iter(make_loader(dataset, schedule, first_step=0, num_steps=3)))
    # It comes with the batch, so that all ranks can end together; other errors are raised.
    assert isinstance(batch.problem, DamagedData)
    assert "cannot be decoded" in batch.problem.what
    dataset._reader.image_bytes = lambda row: 1 // 0  # type: ignore[assignment, method-assign]
    with pytest.raises(ZeroDivisionError):
        next(iter(make_loader(dataset, schedule, first_step=0, num_steps=3)))


def test_captions_about_the_whole_work_weigh_less_and_are_asked_with_last(tmp_path: Path) -> None:
    said = [("work", "A book of birds"), ("page", "A heron"), ("region", "Its nest")]
    captions = tuple(
        Caption(text=text, language="en", field="title", level=level, role="title") for level, text in said
    )
    pages = [captions, captions[:1], (Caption(text="Of an older set", language="en", field="title"),)]
    records = [(make_record(n, DATA, {}, captions=one), DATA) for n, one in enumerate(pages)]
    samples = load([str(write_set(tmp_path / "set", records))], split="train", policy="open")
    weights = caption_weights(
        samples.captions,
        language_temperature=1,
        field_weights={},
        origin_weights={},
        level_weights=DataConfig().level_weights,
        role_weights={"title": 0.5},
    )
    assert weights[:].tolist() == pytest.approx([0.15, 0.5, 0.5, 0.15, 1])
    (queries,) = choose_queries(samples, range(3))
    assert queries.texts == ("A heron", "A book of birds", "Of an older set")
    assert queries.levels == {"page": 1, "unknown": 1, "work": 1}


@pytest.mark.long
def test_texts_of_more_than_two_gigabytes_are_one_table(tmp_path: Path) -> None:
    """As many as ten million pictures have. The pieces are one in memory until they are joined."""
    captions = (Caption(text="x" * 4_000, language="en", field="title"),)
    records = [(make_record(n, DATA, {}, captions=captions), DATA) for n in range(100)]
    one = ShardSet(write_set(tmp_path / "set", records))
    piece = pa.concat_tables(list(one.batches(COLUMNS)) * 50).combine_chunks()

    class Long:
        """An index of 110 times these rows, with other keys and shards."""

        withdrawn, base = frozenset[str](), "long"

        def batches(self, columns: list[str]) -> Iterator[pa.Table]:
            for number in range(110):
                keys = pa.chunked_array([[f"{number}-{row}" for row in range(len(piece))]])
                shards = pa.chunked_array([[f"{number:06d}.tar"] * len(piece)])
                yield piece.set_column(0, "key", keys).set_column(1, "shard", shards).select(columns)

    (tmp_path / "columns").mkdir()
    sink = FileSink(tmp_path / "columns")
    with sink.opened():
        facts = select([Long()], split="all", policy="open", sink=sink)  # type: ignore[list-item]
    flat = Samples((), mapped(tmp_path / "columns", facts, checksums(tmp_path / "columns"))).captions
    assert len(flat) == 550_000
    assert flat.text.nbytes > 2**31
    assert flat.text[549_999].as_py() == "x" * 4_000


NOTATIONS = st.sampled_from(["25F23(LION)", "11H", "é", "46A122(A)", ""])


@given(st.lists(st.none() | st.lists(NOTATIONS, max_size=4)))
def test_pictures_with_the_same_notations_have_the_same_number(rows: list[list[str] | None]) -> None:
    numbers = notation_numbers(pa.array(rows, pa.list_(pa.string()))).tolist()
    sets = ["|".join(sorted(row or [])) for row in rows]
    for one, number in zip(sets, numbers, strict=True):
        same = [other for other, known in zip(sets, numbers, strict=True) if known == number]
        assert set(same) == {one}
        assert len(same) == (sets.count(one) if one else 1)
    assert all((number < 0) == (not one) for one, number in zip(sets, numbers, strict=True))


TEXTS = st.lists(st.none() | st.text(max_size=30) | st.sampled_from(["a" * 8, "a" * 9, "a" * 5_000]))


@given(TEXTS, st.integers(0, 3))
def test_texts_have_the_same_number_where_they_are_equal(texts: list[str | None], skipped: int) -> None:
    # A slice begins within the array's bytes, and each text's number depends on that text alone.
    array = pa.array(texts, pa.string())[skipped:]
    numbers = text_numbers(array).tolist()
    plain = [text or "" for text in texts[skipped:]]
    assert numbers == [text_numbers(pa.array([text])).tolist()[0] for text in plain]
    assert len(set(numbers)) == len(set(plain))
    assert all(0 <= number < 2**63 for number in numbers)


def test_the_numbers_of_texts_never_change() -> None:
    """Ranks on different machines compare them, each with its own build of the libraries."""
    mask, golden, first = 2**64 - 1, 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9

    def chained(state: int, word: int) -> int:
        """Splitmix64 over whole numbers of Python."""
        state = (state + golden + word * first) & mask
        state = ((state ^ (state >> 30)) * first) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        return state ^ (state >> 31)

    for text in ("", "é", "Portrait", "Portrait of a lady"):
        data = text.encode()
        state = chained(0, len(data))
        for start in range(0, len(data), 8):
            state = chained(state, int.from_bytes(data[start : start + 8], "little"))
        assert text_numbers(pa.array([text])).tolist() == [state >> 1]
    spaced = pa.array(["a", " A\t VIEW ", None, "of  the\n\ntown", "x"])
    wanted = pa.array(["a", "a view", "", "of the town", "x"])
    assert caption_numbers(spaced).tolist() == text_numbers(wanted).tolist()
