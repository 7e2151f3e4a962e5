"""Text from outside cannot act on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from iconoclip.cli import main
from iconoclip.terminal import safe

HOSTILE = "red \x1b[31m\x1b]0;owned\x07 \x9b2J \u202etxet\u2066"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tête de jeune garçon\tI\nII", "Tête de jeune garçon\tI\nII"),
        ("כותרת \u200f(1899)\u200e", "כותרת \u200f(1899)\u200e"),
        (HOSTILE, "red \ufffd[31m\ufffd]0;owned\ufffd \ufffd2J \ufffdtxet\ufffd"),
        ("one\rtwo\x7f\x00", "one\ufffdtwo\ufffd\ufffd"),
    ],
)
def test_what_would_act_is_replaced(text: str, expected: str) -> None:
    assert safe(text) == expected


def test_an_error_names_a_file_without_acting_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "a\x1b[31mb")]) != 0
    said = capsys.readouterr().err
    assert "a\ufffd[31mb" in said
    assert "\x1b" not in said
