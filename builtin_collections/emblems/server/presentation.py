"""IIIF Presentation 3.0 documents of the volumes: a Collection, and a Manifest with ranges for each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from builtin_collections.emblems import words
from builtin_collections.emblems.book import Volume, view_of
from builtin_collections.emblems.server.texts import FORMATS, TextFormat
from builtin_collections.serving.presentation3 import Document, canvas, published, text

NAME = "Bibliothèque du prieuré de Lussigny"
LANGUAGE = "fr"
NOTICE = "Établissement fictif : livres, images et textes sont dessinés pour la démonstration."
RIGHTS = "http://creativecommons.org/publicdomain/mark/1.0/"
_SORT_NAMES = {"plate": "Planche", "map": "Carte", "music": "Musique", "emblem": "Emblème", "title": "Titre"}


@dataclass(frozen=True)
class Addresses:
    """The URLs below `base` (scheme, host and port; no slash at the end). Only this class makes them."""

    base: str

    def collection(self) -> str:
        """The Collection of all volumes."""
        return f"{self.base}/collection/top"

    def manifest(self, book: Volume) -> str:
        """The Manifest of a volume."""
        return f"{self.base}/iiif/{book.name}/manifest"

    def canvas(self, book: Volume, number: int) -> str:
        """The Canvas of an image, from 0; an identifier, nothing is served there."""
        return f"{self.base}/iiif/{book.name}/canvas/f{number + 1}"

    def image(self, book: Volume, number: int) -> str:
        """The image service of an image."""
        return f"{self.base}/image/{book.name}-f{number + 1}"

    def text(self, book: Volume, number: int, kind: TextFormat) -> str:
        """The document with the text of an image."""
        ending = {"alto": "xml", "alto-mm10": "xml", "hocr": "html", "annotations": "json"}[kind]
        return f"{self.base}/{kind}/{book.name}-f{number + 1}.{ending}"


def text_format(book: Volume) -> TextFormat:
    """The format in which the institution has the text of a volume."""
    return FORMATS[book.number % len(FORMATS)]


def title(book: Volume) -> str:
    """The title in the catalogue."""
    lines = " ".join(words.title_lines(book.style.language)).replace("V", "U").capitalize()
    return f"{lines}, tome {words.roman(book.number + 1)}"


def year(book: Volume) -> int:
    """The year in which a volume says it was printed."""
    rng = random.Random(f"year {book.seed} {book.number}")
    return book.style.century * 100 - rng.randint(1, 99)


def manifest(book: Volume, addresses: Addresses) -> Document:
    """The Manifest of a volume: a Canvas for each image, Ranges for its plates and emblems."""
    pairs = {
        "Titre": title(book),
        "Date": str(year(book)),
        "Langue": book.style.language,
        "Type de document": "Livre imprimé" if book.style.body.kind != "hand" else "Manuscrit",
        "Cote": f"LUS {book.number + 1}",
    }
    return published(
        {
            "id": addresses.manifest(book),
            "type": "Manifest",
            "label": text(LANGUAGE, title(book)),
            "metadata": [
                {"label": text(LANGUAGE, label), "value": text("none", value)}
                for label, value in pairs.items()
            ],
            "requiredStatement": {
                "label": text("en", "Attribution"),
                "value": text(LANGUAGE, f"{NAME}. {NOTICE}"),
            },
            "rights": RIGHTS,
            "provider": [_provider(addresses)],
            "behavior": ["paged"],
            "items": [_canvas(book, number, addresses) for number in range(len(book.sheets))],
            "structures": _ranges(book, addresses),
        }
    )


def _provider(addresses: Addresses) -> Document:
    page = {"id": f"{addresses.base}/", "type": "Text", "label": text(LANGUAGE, NAME), "format": "text/html"}
    return {"id": f"{addresses.base}/", "type": "Agent", "label": text(LANGUAGE, NAME), "homepage": [page]}


def _canvas(book: Volume, number: int, addresses: Addresses) -> Document:
    return canvas(
        addresses.canvas(book, number),
        book.sheets[number].label,
        addresses.image(book, number),
        view_of(book, number).size,
        **_text_links(book, number, addresses),
    )


def _text_links(book: Volume, number: int, addresses: Addresses) -> Document:
    """The link to the text of the page, in one of the ways that institutions use: `seeAlso`, `rendering` or
    `annotations`."""
    kind = text_format(book)
    address = addresses.text(book, number, kind)
    if kind == "annotations":
        return {"annotations": [{"id": address, "type": "AnnotationPage"}]}
    if kind == "hocr":
        link = {"type": "Text", "label": text("en", "OCR of this page"), "format": "text/vnd.hocr+html"}
        return {"rendering": [{"id": address, **link}]}
    profile = f"http://www.loc.gov/standards/alto/v{4 if kind == 'alto' else 2}/alto.xsd"
    return {"seeAlso": [{"id": address, "type": "Dataset", "format": "application/xml", "profile": profile}]}


def _ranges(book: Volume, addresses: Addresses) -> list[Document]:
    """A table of contents: title page, plates, maps, music, emblems."""
    found: list[Document] = []
    for number, sheet in enumerate(book.sheets):
        name = _SORT_NAMES.get(sheet.sorts[0])
        if name is None:
            continue
        label = name if sheet.sorts[0] == "title" else f"{name}, {sheet.label}"
        found.append(
            {
                "id": f"{addresses.base}/iiif/{book.name}/range/{len(found) + 1}",
                "type": "Range",
                "label": text(LANGUAGE, label),
                "items": [{"id": addresses.canvas(book, number), "type": "Canvas"}],
            }
        )
    return found


def top_collection(books: Sequence[Volume], addresses: Addresses) -> Document:
    """The Collection of all volumes."""
    return published(
        {
            "id": addresses.collection(),
            "type": "Collection",
            "label": text(LANGUAGE, NAME),
            "summary": text(LANGUAGE, NOTICE),
            "provider": [_provider(addresses)],
            "items": [
                {"id": addresses.manifest(book), "type": "Manifest", "label": text(LANGUAGE, title(book))}
                for book in books
            ],
        }
    )
