"""The pictures of pages exchanged for those that image services cut, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from data_prep.segment.from_service import NO_SERVICE, SMALLER, NotCut, ServicePictures, WantedPicture
from data_prep.segment.parts import PageResult
from iconoclip.record import Record

MAX_LISTED: Final = 10_000


@dataclass
class Crops:
    """Exchanges pictures, and counts each once, however often a page is read.

    Attributes:
        withdrawn: keys of pictures that must not come back.
        refused: by key of the picture, what the service refused, with the reason.
    """

    service: ServicePictures
    withdrawn: frozenset[str] = frozenset()
    refused: dict[str, NotCut] = field(default_factory=dict)
    _had: set[str] = field(default_factory=set)
    _others: dict[str, NotCut] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)

    def pictures(self, result: PageResult) -> Iterator[WantedPicture]:
        """The pictures of a page that are requested from the service."""
        for number, record, _ in result.regions:
            tilt = result.finding.boxes[number].tilt if result.finding else 0.0
            yield WantedPicture(record, result.size, tilt)

    def replaced(self, result: PageResult) -> PageResult:
        """The page with the pictures of the service, where it gave them."""
        exchanged = tuple(
            (number, *self._exchanged(picture, image))
            for picture, (number, _, image) in zip(self.pictures(result), result.regions, strict=True)
        )
        return replace(result, regions=tuple(one for one in exchanged if one[1].key not in self.withdrawn))

    def _exchanged(self, picture: WantedPicture, image: bytes) -> tuple[Record, bytes]:
        found = self.service.cut(picture)
        key = picture.record.key
        if isinstance(found, NotCut):
            (self.refused if found.is_refused else self._others)[key] = found
            self._places[key] = picture.record.source.image_service or ""
            return picture.record, image
        self._had.add(key)
        return found.record, found.jpeg

    def as_json(self) -> dict[str, Any]:
        """The counts and the refusals, for segment.json."""
        reasons = [found.reason for found in self._others.values()]
        listed = [
            {"key": key, "where": self._places[key], "reason": found.reason}
            for key, found in self.refused.items()
        ]
        return {
            "num_cut": len(self._had),
            "num_without_service": reasons.count(NO_SERVICE),
            "num_smaller": reasons.count(SMALLER),
            "num_refused": len(self.refused),
            "num_open": sum(found.is_open for found in self.refused.values()),
            "refused": listed[:MAX_LISTED],
        }

    def summary(self) -> str:
        """The counts in a sentence."""
        said = self.as_json()
        parts = [f"{said['num_cut']} pictures cut by image services"]
        parts += (
            [f"{said['num_without_service']} of pages without one"] if said["num_without_service"] else []
        )
        parts += [f"{said['num_smaller']} sent smaller than stored"] if said["num_smaller"] else []
        parts += [f"{said['num_refused']} refused"] if said["num_refused"] else []
        return "; ".join(parts)
