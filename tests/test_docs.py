"""The documents tell the truth: every command in them is one the program takes, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from iconoclip import cli
from iconoclip.config import shipped_config
from tests.conftest import ROOT

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("slurm/*.md"), *ROOT.glob("configs/**/*.md")]
)
BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")


def commands(document: Path) -> list[str]:
    """The command lines that start with iconoclip in the shell blocks of a document; `\\` joins lines."""
    lines = [
        line
        for block in BLOCK.findall(document.read_text())
        for line in block.replace("\\\n", " ").splitlines()
    ]
    stripped = [line.removeprefix("$ ").strip() for line in lines]
    return [line for line in stripped if line.startswith("iconoclip ")]


COMMANDS = [pytest.param(line, id=f"{doc.name}: {line[:60]}") for doc in DOCUMENTS for line in commands(doc)]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one_the_program_takes(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    words = words[
        : next((n for n, word in enumerate(words) if word in ("|", "&&", ">", "2>", ";")), len(words))
    ]
    if words[0] in ("--help", "--version"):
        return
    verb = words[0]
    assert verb in cli.VERBS
    if "--help" not in words:
        assert isinstance(cli.parse(verb, words[1:]), cli.resolve(cli.VERBS[verb].config))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = [
        target for target in LINK.findall(document.read_text()) if not (document.parent / target).exists()
    ]
    assert broken == []


def test_every_make_target_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= named <= targets


def test_every_verb_is_explained_in_the_readme_or_a_guide() -> None:
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    missing = [verb for verb in cli.VERBS if f"iconoclip {verb}" not in text and f"`{verb}`" not in text]
    assert missing == []


def test_the_shipped_configs_say_what_they_are_for() -> None:
    configs = sorted(
        path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name != "institutions"
    )
    assert configs
    silent = [path.name for path in configs if not path.read_text().startswith("#")]
    assert silent == []
    assert shipped_config("train/demo.yaml").is_file()
