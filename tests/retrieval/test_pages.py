"""Pages of a book in an index together with the pictures that `iconoclip segment` cut from them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.record import Record, Region, sample_key
from retrieval.config import EncodeConfig, IndexConfig
from retrieval.encode.verb import encode
from retrieval.engine import SearchEngine
from retrieval.index import index
from retrieval.live.changes import compact, withdraw
from retrieval.questions import Filters, Query

from .conftest import keys, samples_of, write_shardset

SIZE = (1_000, 1_400)
# Of the pages 0 to 3: what they are, and which pictures are on them.
KINDS = ("text", "mixed", "picture", "map")
PICTURES = {1: (("illustration", Region(x=100, y=140, width=500, height=700)),
                ("initial", Region(x=50, y=1_000, width=100, height=100))),
            2: (("photograph", Region(x=0, y=0, width=1_000, height=1_400)),)}  # fmt: skip

Sample = tuple[Record, bytes]


def sized(record: Record) -> Record:
    image = record.image.model_copy(update={"source_width": SIZE[0], "source_height": SIZE[1]})
    return record.model_copy(update={"image": image, "object_type": "book"})


def pictures_of(pages: list[Sample], jpegs: list[Sample]) -> Iterator[tuple[int, Sample]]:
    fresh = iter(jpegs)
    for number, boxes in PICTURES.items():
        page = pages[number][0]
        for kind, region in boxes:
            own, jpeg = next(fresh)
            source = page.source.model_copy(update={"region": region})
            key = sample_key(page.institution.slug, page.source.id, region)
            image = own.image.model_copy(update={"source_width": SIZE[0], "source_height": SIZE[1]})
            changes = {"key": key, "source": source, "object_type": kind, "image": image}
            yield number, (page.model_copy(update=changes), jpeg)


def write_table(path: Path, pages: list[Sample], pictures: list[tuple[int, Sample]]) -> None:
    rows = [
        {
            "key": page.key,
            "kind": kind,
            "boxes": [
                {"kind": record.object_type, "key": record.key} for n, (record, _) in pictures if n == number
            ]
            + ([{"kind": "stamp", "key": None}] if number == 3 else []),
        }
        for number, ((page, _), kind) in enumerate(zip(pages, KINDS, strict=True))
    ]
    boxes = pa.list_(pa.struct([("kind", pa.string()), ("key", pa.string())]))
    schema = pa.schema([("key", pa.string()), ("kind", pa.string()), ("boxes", boxes)])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


class Book:
    """Four pages, three pictures on them, and five pictures that have nothing to do with them; as stores."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self.pages = [(sized(record), jpeg) for record, jpeg in samples_of(range(4))]
        numbered = list(pictures_of(self.pages, samples_of(range(20, 23))))
        self.pictures = [sample for _, sample in numbered]
        self.others = samples_of(range(40, 45))
        for name in ("pages", "pictures", "others"):
            write_shardset(folder / name, getattr(self, name), name)
            encode(
                EncodeConfig(model=str(model), shardset=str(folder / name), out=str(folder / f"{name}-store"))
            )
        write_table(folder / "pictures" / "pages.parquet", self.pages, numbered)

    def index(self, out: str, *names: str, **values: object) -> Path:
        index(IndexConfig(stores=[str(self.folder / f"{name}-store") for name in names],
                          out=str(self.folder / out), **values))  # fmt: skip
        return self.folder / out


def keys_of(samples: list[Sample]) -> list[str]:
    return [record.key for record, _ in samples]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Book:
    return Book(tmp_path_factory.mktemp("book"), model)


@pytest.fixture(scope="module")
def engine(book: Book) -> Iterator[SearchEngine]:
    with SearchEngine.open(book.index("index", "pages", "pictures", "others")) as opened:
        yield opened


def found(engine: SearchEngine, text: str | None = None, **filters: object) -> set[str]:
    return set(keys(engine, Query(text=text, filters=Filters(**filters), fold=False, k=50)))


def test_pictures_only_leaves_out_whole_pages(book: Book, engine: SearchEngine) -> None:
    # The map page has a stamp that is no record: the page itself is the picture.
    kept = {*keys_of(book.pictures), *keys_of(book.others), book.pages[3][0].key}
    whole = set(keys_of(book.pages[:3]))
    assert found(engine) == kept | whole
    assert found(engine, pictures_only=True) == found(engine, "picture:yes") == kept
    assert found(engine, pictures_only=False) == found(engine, "picture:no") == whole
    facets = engine.facets(Filters())
    assert (facets.num_pictures, facets.num_whole_pages) == (len(kept), len(whole))


def test_the_kind_of_a_picture_is_a_filter_of_its_own(book: Book, engine: SearchEngine) -> None:
    illustration, initial, photograph = keys_of(book.pictures)
    assert found(engine, picture_kind="photograph") == {photograph}
    assert found(engine, picture_kind=("initial", "illustration")) == {initial, illustration}
    assert {each.value: each.count for each in engine.facets(Filters()).picture_kind} == {
        "illustration": 1, "initial": 1, "photograph": 1,
    }  # fmt: skip
    for text in ("picture:photograph", "picture:Photos", "bild:fotografie", "image:photographies"):
        assert found(engine, text) == {photograph}, text
    assert found(engine, "picture:initial OR picture:photograph") == {initial, photograph}
    assert illustration not in found(engine, "-picture:illustration")


def test_a_kind_that_nothing_has_is_said(engine: SearchEngine) -> None:
    (hint,) = engine.search(Query(text="picture:mapp")).hints
    assert (hint.code, hint.field) == ("unknown_value", "picture")


def test_a_picture_knows_its_place_and_its_page(book: Book, engine: SearchEngine) -> None:
    hits = {hit.key: hit for hit in engine.search(Query(filters=Filters(picture_kind="illustration"))).hits}
    place = hits[book.pictures[0][0].key].in_page
    assert place is not None
    assert (place.x, place.y, place.width, place.height) == (0.1, 0.1, 0.5, 0.5)
    assert (place.page_width, place.page_height, place.key) == (*SIZE, book.pages[1][0].key)
    item = engine.item(book.pages[1][0].key)
    assert item.record.page is not None
    assert item.record.page.pictures == tuple(keys_of(book.pictures[:2]))
    assert item.hit.in_page is None


def test_a_page_that_is_not_here_is_not_named(book: Book) -> None:
    with SearchEngine.open(book.index("alone", "pictures", "others")) as engine:
        hit = engine.search(Query(filters=Filters(picture_kind="photograph"))).hits[0]
        assert hit.in_page is not None
        assert hit.in_page.key is None
    assert "page" not in book.pictures[0][0].model_dump(mode="json", exclude_defaults=False)


def test_changes_and_compaction_keep_what_is_known_of_pages(book: Book) -> None:
    folder = book.index("changing", "others")
    book.index("changing", "pages", "pictures", add=True)
    whole = set(keys_of(book.pages[:3]))
    with SearchEngine.open(folder) as engine:
        assert found(engine, pictures_only=False) == whole
        withdraw(folder, [book.pages[1][0].key])
        engine.refresh()
        hit = engine.search(Query(filters=Filters(picture_kind="illustration"))).hits[0]
        assert hit.in_page is not None
        assert hit.in_page.key is None, "a withdrawn page is not linked"
    compact(folder, IndexConfig(out=str(folder)))
    with SearchEngine.open(folder) as engine:
        assert found(engine, pictures_only=False) == whole - {book.pages[1][0].key}


def test_a_table_elsewhere_is_given_by_name(book: Book, tmp_path: Path) -> None:
    table = book.folder / "pictures" / "pages.parquet"
    shutil.copy(table, tmp_path / "found.parquet")
    folder = book.index("named", "pages", pages=[str(tmp_path / "found.parquet")])
    with SearchEngine.open(folder) as engine:
        assert found(engine, pictures_only=False) == set(keys_of(book.pages[:3]))
    with pytest.raises(MissingRequirement, match="no such table of pages"):
        book.index("named", "pages", pages=[str(tmp_path / "none.parquet")])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(DamagedData, match="not a table of pages"):
        book.index("named", "pages", pages=[str(tmp_path / "bad.parquet")])
