"""Documents about pages in a local folder, as institutions deliver them: one per page, named as its image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from data_prep.candidate import Refusal
from data_prep.page_text.documents import read_page_text
from data_prep.page_text.ranges import manifest_pages
from data_prep.page_text.structure import mets_pages
from data_prep.page_text.zones import PageText
from data_prep.sources.xml_document import MAX_XML_BYTES
from iconoclip.errors import MissingRequirement
from iconoclip.page_layout.kinds import PageKind
from iconoclip.record import Record

_SUFFIXES: Final = frozenset({".xml", ".alto", ".hocr", ".html", ".htm", ".xhtml", ".json", ".gz"})
_MAX_FILES: Final = 2_000_000
# Parts of addresses and names that say nothing of the page.
_GENERIC: Final = frozenset(
    {
        "canvas",
        "manifest",
        "iiif",
        "full",
        "max",
        "default",
        "info",
        "native",
        "image",
        "images",
        "presentation",
    }
)
# As words of a name: a study of comets is no METS document.
_METS, _MANIFEST = (re.compile(rf"(?<![a-z]){word}(?![a-z])") for word in ("mets", "manifest"))
_ENDING: Final = re.compile(
    r"(?:\.(?:xml|alto|hocr|x?html?|json|gz|tiff?|jpe?g|png|jp2|webp|gif)|[._-](?:alto|hocr|page|ocr|gt))$"
)


class TextFolder:
    """Finds the document of a page by name: that of its image, its key, or the last parts of its addresses.

    Args:
        folder: with files at any depth. A name that two files share is used for neither. For the kinds of
            pages, files with the word `mets` in their names are read as METS, and JSON with `manifest` as a
            IIIF manifest.

    Raises:
        MissingRequirement: no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise MissingRequirement("no such folder of page texts", where=folder, remedy="check the path")
        self._files: dict[str, Path | None] = {}
        self._kinds: dict[str, PageKind | None] = {}
        self._canvases: dict[str, PageKind] = {}
        self.refusals: list[Refusal] = []
        for number, path in enumerate(sorted(folder.rglob("*"))):
            if number >= _MAX_FILES:
                break
            if path.suffix.lower() in _SUFFIXES and path.is_file():
                if _METS.search(path.name.lower()):
                    self._read_structure(path)
                    continue
                if path.suffix.lower() == ".json" and _MANIFEST.search(path.name.lower()):
                    self._read_ranges(path)
                    continue
                name = normalised(path.name)
                self._files[name] = None if name in self._files else path

    def __len__(self) -> int:
        return sum(path is not None for path in self._files.values())

    def _read_structure(self, path: Path) -> None:
        """Remember the kinds of pages that a METS document tells."""
        data = _bytes_of(path)
        found = data if isinstance(data, Refusal) else mets_pages(data, str(path))
        if isinstance(found, Refusal):
            self.refusals.append(found)
            return
        for address, kind in found:
            for name in map(normalised, _names_in(address)):
                # A name that two pages of different kinds share is ambiguous.
                self._kinds[name] = kind if self._kinds.get(name, kind) == kind else None

    def _read_ranges(self, path: Path) -> None:
        """Remember the kinds of pages that a IIIF manifest tells."""
        data = _bytes_of(path)
        found = data if isinstance(data, Refusal) else manifest_pages(data, str(path))
        if isinstance(found, Refusal):
            self.refusals.append(found)
        else:
            self._canvases.update(found)

    def page_kind(self, record: Record) -> PageKind | None:
        """The kind of page that a METS document or a manifest tells of the page of `record`, if any."""
        for name in names_of(record):
            if (kind := self._kinds.get(normalised(name))) is not None:
                return kind
        return self._canvases.get(record.source.canvas or "")

    def of_record(self, record: Record, size: tuple[int, int]) -> PageText | Refusal | None:
        """The text that the folder has of the page of `record`, in pixels of `size`; None if no file has its
        name."""
        image = record.image
        # Annotations measure on the canvas, which nearly always has the size of the full image.
        full = (image.source_width or image.width, image.source_height or image.height)
        canvas = record.source.canvas or ""
        return self.of_names(names_of(record), size, canvas=canvas, canvas_size=full)

    def of_names(
        self,
        names: Iterator[str] | list[str],
        size: tuple[int, int],
        *,
        canvas: str = "",
        canvas_size: tuple[int, int] | None = None,
    ) -> PageText | Refusal | None:
        """The same for the first of `names` that a file has."""
        for name in names:
            path = self._files.get(normalised(name))
            if path is not None:
                return read_file(path, size, canvas=canvas, canvas_size=canvas_size)
        return None


def read_file(
    path: Path, size: tuple[int, int], *, canvas: str = "", canvas_size: tuple[int, int] | None = None
) -> PageText | Refusal:
    """The page text of a file; a file over the limit of size is refused without reading it."""
    data = _bytes_of(path)
    if isinstance(data, Refusal):
        return data
    return read_page_text(data, str(path), size, canvas=canvas, canvas_size=canvas_size)


def _bytes_of(path: Path) -> bytes | Refusal:
    try:
        num_bytes = path.stat().st_size
        if num_bytes > MAX_XML_BYTES:
            return Refusal(
                str(path), f"larger than {MAX_XML_BYTES // 1_000_000} MB ({num_bytes} bytes)", "everything"
            )
        return path.read_bytes()
    except OSError as error:
        return Refusal(str(path), f"cannot be read: {error.strerror}", "everything")


def normalised(name: str) -> str:
    """A file's or image's name without its folder, its endings and its case."""
    stem = name.rsplit("/", 1)[-1].lower()
    while (shorter := _ENDING.sub("", stem)) != stem and shorter:
        stem = shorter
    return stem


def names_of(record: Record) -> Iterator[str]:
    """The names under which the document of a record's page may be filed, the most particular first."""
    yield record.key
    source = record.source
    for address in (source.id, source.canvas, source.image_service, source.image):
        if address:
            yield from _names_in(address)


def _names_in(address: str) -> Iterator[str]:
    path = unquote(urlsplit(address).path if "://" in address else address)
    parts = [part for part in re.split(r"[/\\]", path) if part and part.lower() not in _GENERIC]
    parts = [
        part for part in parts if not re.fullmatch(r"default\.\w{3,4}|\d+,?|[!^]?\d*,\d*|0|info\.json", part)
    ]
    for count in (2, 3):
        if len(parts) >= count:
            yield from (sign.join(parts[-count:]) for sign in ("_", "-"))
    if parts:
        yield parts[-1]
