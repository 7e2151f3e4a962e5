"""What an engine that finds pictures on pages does."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from iconoclip.page_layout.findings import Finding

SHIPPED_MODEL: Final = Path(__file__).with_name("pages.onnx")


class PageEngine(Protocol):
    """Finds pictures on pages. `find` may be called by several threads at a time."""

    @property
    def name(self) -> str:
        """A short name for reports and captions."""

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything that decides its findings."""

    def find(self, page: bytes) -> Finding:
        """What is on a page.

        Args:
            page: the bytes of its image, in one of the formats of `iconoclip.pictures`.

        Raises:
            ImageRefused: the image cannot be decoded.
        """
