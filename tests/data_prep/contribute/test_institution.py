"""`iconoclip institution new`: a profile by options or by questions, which pack then takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.institutions import load_profile
from iconoclip.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_by_options(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--name",
        "Städtisches Museum der Stadt Łódź",
        "--language",
        "pl",
        "--rights",
        "{wolny dostęp: CC0}",
    ]
    assert main(["institution", "new", *words]) == 0
    profile = load_profile("stadtisches-museum-stadt-lodz.yaml")
    assert (profile.slug, profile.language) == ("stadtisches-museum-stadt-lodz", "pl")
    assert profile.rights_uri("Wolny dostęp") == "http://creativecommons.org/publicdomain/zero/1.0/"
    assert main(["institution", "new", *words]) == 2
    assert "there already" in capsys.readouterr().err


def test_by_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["Museum Musterstadt", "", "DE-MUS-1", "de", "frei", "CC BY 4.0", ""])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _="": next(answers))
    assert main(["institution", "new", "--out", "ours.yaml"]) == 0
    profile = load_profile("ours.yaml")
    assert (profile.slug, profile.name, profile.isil) == (
        "museum-musterstadt",
        "Museum Musterstadt",
        "DE-MUS-1",
    )
    assert profile.rights == {"frei": "http://creativecommons.org/licenses/by/4.0/"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name of the institution is missing"),
        (["--name", "M X", "--slug", "kb"], "another institution"),
        (["--name", "M X", "--slug", "Ü"], "no short name"),
        (["--name", "M X", "--language", "german!"], "no language tag"),
        (["--name", "M X", "--rights", "{frei: fast}"], "names no statement"),
    ],
)
def test_impossible_answers_are_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert main(["institution", "new", *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(folder.iterdir())
