"""The command: quick help, no torch before it is needed, one message and the right exit code for every mistake."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from pydantic import Field

from iconoclip import cli
from iconoclip.cli import VERBS, Verb, main, read_command_line
from iconoclip.config import Config, positional
from iconoclip.errors import ConfigError, SomeRefused, TryAgainLater


class Trip(Config):
    """A config for the tests below."""

    sources: list[str] = Field(default=[], description="where from", json_schema_extra=positional())
    out: str = Field("here", description="where to")
    dry_run: bool = Field(False, description="look only")
    serve: bool = Field(True, description="serve at the end")


SEEN: list[Trip] = []


def trip(config: Trip) -> int | None:
    SEEN.append(config)
    if config.out == "refused":
        raise SomeRefused("two items refused", where="report.json", remedy="read it")
    if config.out == "full":
        raise TryAgainLater("the disk is full", where="out", remedy="free some space")
    if config.out == "stopped":
        raise KeyboardInterrupt
    if config.out == "bug":
        raise RuntimeError("unexpected")
    return None


@pytest.fixture(autouse=True)
def _with_a_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.iconoclip.test_cli"
    monkeypatch.setitem(sys.modules, here, sys.modules[__name__])
    monkeypatch.setitem(cli.VERBS, "trip", Verb("a trip", f"{here}:Trip", f"{here}:trip"))
    SEEN.clear()


@pytest.mark.parametrize(
    "arguments",
    [
        ["a", "b", "--out", "x", "--dry-run"],
        ["--dry_run", "--out=x", "a", "b"],
        ["--dry-run", "true", "a", "--out", "x", "b"],
        ["--out", "x", "--dry_run=true", "--sources", "[a,b]"],
        ["--out", "x", "--dry-run", "--", "a", "b"],
    ],
)
def test_every_way_to_write_it_means_the_same(arguments: list[str]) -> None:
    assert main(["trip", *arguments]) == 0
    assert [Trip(sources=["a", "b"], out="x", dry_run=True)] == SEEN


def test_a_switch_can_be_turned_off() -> None:
    assert main(["trip", "--no-serve"]) == 0
    assert [Trip(serve=False)] == SEEN


def test_the_command_line_stands_on_top_of_the_file(tmp_path: pytest.TempPathFactory) -> None:
    path = f"{tmp_path}/c.yaml"
    with open(path, "w") as file:  # noqa: PTH123
        file.write("out: file\nsources: [a]\ndry_run: true\n")
    assert main(["trip", "--out", "line", "--config", path]) == 0
    assert [Trip(sources=["a"], out="line", dry_run=True)] == SEEN


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["trip", "--oot", "x"], 2, ["unknown option '--oot'", "did you mean 'out'?"]),
        (["trip", "--out"], 2, ["--out lacks its value"]),
        (["trip", "--dry_run=perhaps"], 2, ["dry_run"]),
        (["trip", "--config", "none.yaml"], 4, ["no such config file", "none.yaml"]),
        (["tripp"], 2, ["unknown verb 'tripp'", "did you mean 'trip'?"]),
        (["trip", "--out", "refused"], 3, ["two items refused", "report.json"]),
        (["trip", "--out", "full"], 75, ["the disk is full", "free some space"]),
        (["trip", "--out", "stopped"], 75, ["interrupted", "run the same command again"]),
        (["trip", "--out", "bug"], 1, ["Traceback", "this is a bug"]),
    ],
)
def test_every_mistake_has_its_message_and_its_code(
    arguments: list[str], code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr().err
    assert all(word in printed for word in words), printed
    assert ("Traceback" in printed) == (code == 1)


def test_print_config_gives_a_commented_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trip", "--print_config"]) == 0
    printed = capsys.readouterr().out
    assert "# where to" in printed
    assert "out: here" in printed


def test_too_many_words() -> None:
    class Short(Config):
        model: str = Field(description="which", json_schema_extra=positional())

    with pytest.raises(ConfigError, match="unexpected argument 'b'"):
        read_command_line(Short, ["a", "b"])


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_its_config_and_explains_every_field(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = cli.resolve(VERBS[name].config)
    undescribed = [field for field, info in model.model_fields.items() if not info.description]
    assert undescribed == []
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"iconoclip {name}" in printed
    assert "fields:" in printed
    # No type of Python's stands in it: it is read by people.
    assert not re.search(r"<class|Annotated|Optional\[|Literal\[|Pydantic|default: null", printed)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["harvest", "--help"], ["train", "--help"], ["serve", "--help"], ["--version"]]
)
def test_help_loads_no_torch(arguments: list[str]) -> None:
    probe = (
        "import sys\nfrom iconoclip.cli import main\n"
        f"code = main({arguments!r})\n"
        "heavy = {'torch', 'faiss', 'lightning', 'open_clip', 'httpx2', 'fastapi', 'webdataset'} & set(sys.modules)\n"
        "sys.exit(9 if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


TALKATIVE = """
import sys
from iconoclip import cli
cli.run = lambda _: [print(f"line {number}") for number in range(100_000)] and 0
sys.exit(cli.main(["trip"]))
"""


def test_a_reader_that_leaves_early_sees_no_traceback_and_no_success() -> None:
    """What follows the lines that were read is unknown: `iconoclip check SET | head` must not say that the set is sound."""
    command = (
        f"{shlex.quote(sys.executable)} -c {shlex.quote(TALKATIVE)} | head -n 1; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["line 0", "141"]
    assert done.stderr == ""


def test_a_pipe_of_ours_that_breaks_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_off(_: Sequence[str]) -> int:
        raise BrokenPipeError(32, "a child hung up")

    monkeypatch.setattr(cli, "run", break_off)
    assert main(["trip"]) == 1
    assert "this is a bug" in capsys.readouterr().err


def test_importing_the_command_is_quick() -> None:
    # Not a benchmark: a guard against a heavy import, with a factor of ten of room.
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", "import iconoclip.cli"], check=True)
    assert time.monotonic() - start < 5
