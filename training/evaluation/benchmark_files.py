"""Reads the official files of a benchmark, by its description, into samples that `evaluate` measures.

There is one reader of tables, JSON, JSON lines and folders of classes; what differs is data.
Pictures stay where they are: each is a shard of its own, so everything downstream is as with shard sets.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from iconoclip import iconclass
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import sha256_of
from iconoclip.pictures import ImageRefused, header_size
from iconoclip.record import sample_key
from iconoclip.shardset import RECORDS_SCHEMA, ShardSet, ShardSetManifest, Totals
from iconoclip.tar_lists import IMAGES
from training.data.columns import MemorySink
from training.data.samples import Samples
from training.data.selection import COLUMNS, RowWriter
from training.evaluation.benchmark_config import Benchmark, LabelColumn, Place
from training.evaluation.zero_shot import LabelSet

MAX_FILE_BYTES: Final = 2_000_000_000
ROWS_AT_ONCE: Final = 5_000
Row = dict[str, Any]


class PictureFolder(ShardSet):
    """Pictures in a folder, each as a shard of one sample."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.base = folder, str(folder)
        self.manifest = ShardSetManifest(
            name=name, records_sha256="0" * 64, shards=(), totals=Totals(), policy="evaluation",
            created_at="1970-01-01T00:00:00Z", created_by="iconoclip",
        )  # fmt: skip
        self.withdrawn = frozenset()

    def location_of(self, name: str) -> str:
        """The path of a picture, which the name of its shard is."""
        return str(self.folder / name)

    def path_of(self, name: str) -> Path:
        """The path of a picture, which the name of its shard is."""
        return self.folder / name


class BenchmarkFiles:
    """The files of a benchmark in a folder.

    Args:
        name: its name, for keys and messages.
        description: where what is.
        folder: where the reader has put the official files.
    """

    def __init__(self, name: str, description: Benchmark, folder: Path) -> None:
        self.name, self.about, self.folder = name, description, folder
        if not folder.is_dir():
            raise MissingRequirement("no such folder", where=folder, remedy=self._get_it())
        self._names = {one.name: self._names_in(one) for one in description.labels if one.names_file}

    @property
    def splits(self) -> list[str]:
        """The splits whose files are there."""
        return [split for split, file in self.about.files.items() if (self.folder / file).exists()]

    def digest(self, splits: Sequence[str]) -> str:
        """A checksum of the description, of the files of annotations, and of which pictures of some splits
        are there, with their sizes.

        Raises:
            MissingRequirement, BadInput: as for `samples`.
        """
        found = hashlib.sha256(self.about.model_dump_json().encode())
        for split in self.splits:
            path = self.folder / self.about.files[split]
            if path.is_file():
                found.update(sha256_of(path).encode())
            else:
                names = sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())
                found.update("\n".join(names).encode())
        for split in splits:
            for raw in self._rows(split):
                found.update(f"{self._size_of_picture(raw)}\n".encode())
        return found.hexdigest()

    def _size_of_picture(self, raw: Mapping[str, Any]) -> int:
        """The bytes of a row's picture; -1 if it is not there."""
        path = self._picture(raw)
        try:
            return path.stat().st_size if path else -1
        except OSError:
            return -1

    def samples(self, split: str) -> Samples:
        """The pictures of a split with their captions and labels.

        Raises:
            MissingRequirement: a file or all pictures are missing.
            BadInput: a file is not as described.
        """
        left_out, rows, keys = Counter[str](), list[Row](), set[str]()
        example = ""
        for raw in self._rows(split):
            path = self._picture(raw)
            if path is None or not path.is_file():
                left_out["the picture is missing"] += 1
                example = example or (str(path) if path else "a path that leaves the folder, or is none")
                continue
            with self._as_described(path):
                row = self._row(raw, path, split)
            if row is None:
                left_out["the picture cannot be decoded"] += 1
            elif row["key"] in keys:
                left_out["the key of an earlier row"] += 1
            else:
                keys.add(row["key"])
                rows.append(row)
        if not rows:
            what = f"none of its {left_out.total():,} pictures is there" if left_out else f"no row of {split}"
            raise MissingRequirement(
                f"{self.about.title}: {what}", where=example or self.folder, remedy=self._get_it()
            )
        if left_out["the picture is missing"]:
            num = left_out["the picture is missing"]
            print(f"{self.about.title}: {num:,} pictures are missing, such as {example}", file=sys.stderr)
        # A shard per picture, in the order of the file.
        writer = RowWriter(sink := MemorySink())
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            schema = pa.schema([RECORDS_SCHEMA.field(name) for name in COLUMNS])
            writer.write(0, pa.Table.from_pylist(part, schema=schema))
        facts = writer.finish(dict(left_out), {})
        return Samples((PictureFolder(self.folder, self.name),), sink.columns(facts), self.digest([split]))

    def label_sets(self, splits: Sequence[str]) -> list[LabelSet]:
        """The classes of each zero-shot test: all labels of some splits."""
        found = []
        for label in self.about.labels:
            if not label.prompts:
                continue
            names = sorted(
                {one for split in splits for raw in self._rows(split) for one in self._labels(raw, label)}
            )
            if len(names) > 1:
                classes = {name: {language: [name] for language in label.prompts} for name in names}
                found.append(
                    LabelSet(
                        name=label.name, of=f"field:{label.name}", prompts=label.prompts, classes=classes
                    )
                )
        return found

    def _get_it(self) -> str:
        files = ", ".join(dict.fromkeys(self.about.files.values()))
        return f"put {files} and the pictures ({self.about.image}) there; from {self.about.homepage}"

    def _rows(self, split: str) -> Iterator[Row]:
        file = self.about.files.get(split) or self.about.files.get("all")
        if file is None:
            known = ", ".join(self.about.files)
            raise BadInput(
                f"{self.about.title} has no split '{split}'", where="split", remedy=f"it has {known}"
            )
        path = self.folder / file
        if not path.exists():
            raise MissingRequirement(f"{self.about.title}: no {file}", where=path, remedy=self._get_it())
        if path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
            raise BadInput("the file is too large to be this benchmark's", where=path)
        readers = {"csv": self._csv, "json": self._json, "jsonl": self._jsonl, "folders": self._folders}
        with self._as_described(path):
            for row in readers[self.about.format](path):
                if not isinstance(row, dict):
                    raise TypeError(f"a row is no object: {str(row)[:80]}")
                if self.about.files.get(split) is None and self._split_of(row) != split:
                    continue
                yield row

    @contextlib.contextmanager
    def _as_described(self, path: Path) -> Iterator[None]:
        """Explain what a file has that its description does not expect.

        Raises:
            BadInput: a column is missing, or a value is of another kind.
        """
        try:
            yield
        except (ValueError, KeyError, TypeError, csv.Error, RecursionError) as error:
            raise BadInput(
                f"not as {self.about.title} describes it: {type(error).__name__}: {error}",
                where=path,
                remedy="take the official file, or describe yours in a YAML file (see docs/training.md)",
            ) from error

    def _split_of(self, row: Mapping[str, Any]) -> str:
        column = self.about.split_column
        return str(row[column]) if column else self.about.default_split

    def _csv(self, path: Path) -> Iterator[Row]:
        csv.field_size_limit(1_000_000)
        with path.open(encoding=self.about.encoding, newline="") as file:
            yield from csv.DictReader(file, delimiter=self.about.separator, strict=False)

    def _json(self, path: Path) -> Iterator[Row]:
        found = json.loads(path.read_text(encoding=self.about.encoding))
        for key in self.about.rows:
            found = found[key]
        if isinstance(found, dict):
            for key, value in found.items():
                yield {"__key__": key, **(value if isinstance(value, dict) else {"__value__": value})}
        else:
            yield from found

    def _jsonl(self, path: Path) -> Iterator[Row]:
        with path.open(encoding=self.about.encoding) as file:
            yield from (json.loads(line) for line in file if line.strip())

    def _folders(self, path: Path) -> Iterator[Row]:
        for folder in sorted(one for one in path.iterdir() if one.is_dir()):
            for file in sorted(folder.rglob("*")):
                if file.is_file() and file.suffix.lower().lstrip(".") in IMAGES:
                    relative = file.relative_to(self.folder).as_posix()
                    yield {"__key__": relative, "__file__": relative, "__class__": folder.name}

    def _picture(self, raw: Mapping[str, Any]) -> Path | None:
        relative = self.about.image
        for name, value in raw.items():
            relative = relative.replace(f"{{{name}}}", str(value))
        path = self.folder / relative
        try:
            is_inside = path.resolve().is_relative_to(self.folder.resolve())
            path.is_file()
        # A name with a NUL, or one that is too long for any file.
        except (OSError, ValueError):
            return None
        return path if is_inside else None

    def _row(self, raw: Row, path: Path, split: str) -> Row | None:
        try:
            width, height = header_size(path)
        except ImageRefused:
            return None
        notations = [str(one) for one in values_at(raw, self.about.notations or "")]
        captions = list(self._captions(raw, notations))
        key = sample_key("benchmark", f"{self.name}/{raw[self.about.id]}")
        row: Row = dict.fromkeys(COLUMNS)
        institution = str(raw.get(self.about.institution or "") or self.name)
        return row | {
            "key": key,
            "shard": path.relative_to(self.folder).as_posix(),
            "image_offset": 0,
            "image_size": path.stat().st_size,
            "institution": institution,
            "captions": captions,
            "iconclass": notations,
            "group": key,
            "split": split,
            "train": "no",
            "display": "link",
            "opt_out": [],
            "width": width,
            "height": height,
        }

    def _captions(self, raw: Row, notations: Sequence[str]) -> Iterator[Row]:
        for caption in self.about.captions:
            walks = "{language}" in _keys(caption.column)
            for language in self.about.languages if walks else [caption.language]:
                for text in values_at(raw, caption.column, language):
                    if isinstance(text, str) and text.strip():
                        yield _caption(text.strip(), language, caption.field)
        for notation in notations:
            for language in self.about.languages:
                if text := iconclass.label(notation, language):
                    yield _caption(text, language, "subject", "iconclass")
        for label in self.about.labels:
            for name in self._labels(raw, label):
                yield _caption(name, "und", label.name)

    def _labels(self, raw: Mapping[str, Any], label: LabelColumn) -> list[str]:
        found: list[str] = []
        for value in values_at(raw, label.column):
            parts = str(value or "").split(label.separator) if label.separator else [str(value or "")]
            for part in parts:
                name = part.rpartition(label.levels)[2] if label.levels else part
                name = self._names.get(label.name, {}).get(name.strip(), name)
                if name := name.replace("_", " ").strip():
                    found.append(name)
        return list(dict.fromkeys(found))

    def _names_in(self, label: LabelColumn) -> dict[str, str]:
        path = self.folder / str(label.names_file)
        if not path.is_file():
            return {}
        lines = path.read_text(encoding="utf-8").splitlines()
        return {code: names.partition(",")[0] for code, _, names in (line.partition(" ") for line in lines)}


def _caption(text: str, language: str, field: str, origin: str = "institution") -> Row:
    empty = dict.fromkeys(("language_source", "level", "role"))
    return empty | {"text": text, "language": language, "field": field, "origin": origin}


def values_at(row: Any, place: Place, language: str = "") -> list[Any]:
    """The values at a place in a row: lists are walked through, and a missing key gives none."""
    found = [row]
    for key in _keys(place):
        name = language if key == "{language}" else key
        found = [one[name] for one in _flat(found) if isinstance(one, dict) and name in one]
    return [] if not _keys(place) else _flat(found)


def _flat(values: list[Any]) -> list[Any]:
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _keys(place: Place) -> list[str]:
    """The keys of a place; an empty one has none."""
    return [place] * bool(place) if isinstance(place, str) else place
