"""Iconclass notations: find them in text, resolve them to labels."""

from __future__ import annotations

from collections.abc import Iterable

from iconoclip.record import Caption


def find_notations(text: str) -> tuple[str, ...]:
    """The notations in `text`."""
    return ()


def captions_of(notations: Iterable[str]) -> tuple[Caption, ...]:
    """Labels of notations as captions."""
    return ()
