"""The command: quick help, torch only when needed, one message and the right exit code for every mistake."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import Field

from iconoclip import cli, command_line, verbs
from iconoclip.cli import main
from iconoclip.command_line import read_command_line
from iconoclip.config import Config, positional
from iconoclip.errors import ConfigError, SomeRefused, TryAgainLater
from iconoclip.options import Option, options_of
from iconoclip.verbs import VERBS, Verb


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
    monkeypatch.setitem(verbs.VERBS, "trip", Verb("a trip", f"{here}:Trip", f"{here}:trip"))
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


def test_the_command_line_overrides_the_file(tmp_path: pytest.TempPathFactory) -> None:
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


@pytest.mark.parametrize("words", [["help", "trip"], ["trip", "--help"], ["trip", "a", "-h"]])
def test_help_of_a_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: iconoclip trip [SOURCES ...] [--config FILE]")
    assert "--serve, --no_serve" in printed
    assert SEEN == []


def test_too_many_words() -> None:
    class Short(Config):
        model: str = Field(description="which", json_schema_extra=positional())

    with pytest.raises(ConfigError, match="unexpected argument 'b'"):
        read_command_line(Short, ["a", "b"])


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_its_config_and_explains_every_field(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = verbs.resolve(VERBS[name].config)
    undescribed = [field for field, info in model.model_fields.items() if not info.description]
    assert undescribed == []
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"iconoclip {name}" in printed
    assert "fields:" in printed
    # It names no Python type: people read it.
    assert not re.search(r"<class|Annotated|Optional\[|Literal\[|Pydantic|default: null", printed)


TALKATIVE = """
import sys
from iconoclip import cli, verbs
cli.run = lambda _: [print(f"line {number}") for number in range(100_000)] and 0
sys.exit(cli.main(["trip"]))
"""


def test_a_reader_that_leaves_early_sees_no_traceback_and_no_success() -> None:
    """The rest of the output is unknown: `iconoclip check SET | head` must not report a sound set."""
    command = (
        f"{shlex.quote(sys.executable)} -c {shlex.quote(TALKATIVE)} | head -n 1; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["line 0", "141"]
    assert done.stderr == ""


def test_a_broken_internal_pipe_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_off(_: Sequence[str]) -> int:
        raise BrokenPipeError(32, "a child hung up")

    monkeypatch.setattr(cli, "run", break_off)
    assert main(["trip"]) == 1
    assert "this is a bug" in capsys.readouterr().err


def test_importing_the_command_is_quick() -> None:
    # Not a benchmark: a guard against a heavy import, with a tolerance of a factor of ten.
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", "import iconoclip.cli"], check=True)
    assert time.monotonic() - start < 5


# What a verb needs at least, for the round trip below; the documents' commands make it too.
LEAST = {
    "demo": "", "harvest": "https://example.org/c --out x", "pack": "table.csv --out x", "check": "A",
    "catalogue": "https://example.org/c --out x",
    "texts": "A --out x", "segment": "A --out x",
    "sign": "A --key k", "merge": "A B --out x", "remap": "A", "takedown": "A k1 k2 --reason because",
    "card": "A", "publish": "A --to folder", "institution": "new",
    "train": "A B --run_dir r", "evaluate": "m A B --out x", "export": "r --out x", "seen": "r k1 k2",
    "report": "r", "benchmark": "make A --out x",
    "encode": "m A --out x", "index": "a b --out x", "search": "'a ship' --index i", "serve": "i",
    "federate": "https://a.example B=https://b.example",
    "submit": "train train/demo.yaml shardsets=A", "chain": "c.yaml", "status": "", "logs": "r -f",
    "resume": "r",
    "cancel": "r", "doctor": "",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(VERBS) - {"trip"}))
def test_every_verb_reads_back_the_config_it_prints(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(LEAST[name])
    assert main([name, *words, "--print_config"]) == 0
    path = tmp_path / "c.yaml"
    path.write_text(capsys.readouterr().out)
    assert cli.parse(name, ["--config", str(path)]) == cli.parse(name, words)


def test_ctrl_c_while_a_dataclass_is_made_is_code_75_too(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(
        "import os, signal\n"
        "from iconoclip import cli\n"
        "def run(arguments):\n"
        "    exec('os.kill(os.getpid(), signal.SIGINT)\\nfor turn in range(100): pass')\n"
        "cli.run = run\n"
        "cli.console()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 75, done
    assert "interrupted" in done.stderr


def test_the_package_is_the_command() -> None:
    words = [sys.executable, "-m", "iconoclip", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("iconoclip ")


def test_a_folder_with_the_name_of_a_package_does_not_hide_it(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("raise SystemExit(99)")
    words = [sys.executable, "-m", "iconoclip", "train", "--print_config"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _targets() -> list[str]:
    """Every "package.module:name" that iconoclip names as text, because it may not import a stage."""
    package = Path(verbs.__file__).parent
    trees = [ast.parse(path.read_text()) for path in package.glob("*.py")]
    texts = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z_]+(\.\w+)+:\w+", text)]


def test_every_function_and_config_that_is_named_as_text_exists():
    targets = _targets()
    assert len(targets) > 2 * len(VERBS)
    root = Path(verbs.__file__).parents[1]
    for target in targets:
        module, _, name = target.partition(":")
        tree = ast.parse((root / f"{module.replace('.', '/')}.py").read_text())
        defined = {getattr(node, "name", None) for node in tree.body}
        assert name in defined, target


@pytest.mark.parametrize("verb", ["harvest", "train"])
def test_options_are_read_alike_however_few_are_typed(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = verbs.config_model(verb)
    options = list(options_of(model))
    lines = [
        [word for number, option in enumerate(options[start::7]) for word in _typed_as(option, number)]
        for start in range(7)
    ]
    few = [command_line.read_command_line(model, line) for line in lines]
    monkeypatch.setattr(command_line, "_typed", lambda options, _: options)
    assert few == [command_line.read_command_line(model, line) for line in lines]
    assert sum(len(one.values) for one in few) > 10


def _typed_as(option: Option, number: int) -> list[str]:
    """An option in one of the forms in which people type it."""
    name = option.names[number % len(option.names)]
    name = name.replace("_", "-") if number % 2 else name
    if option.kind == "switch":
        *parents, own = name.lstrip("-").split(".")
        return [[name], [f"--{'.'.join((*parents, f'no-{own}'))}"], [name, "false"]][number % 3]
    if option.kind == "mapping":
        return [f"{name}.key", "5"]
    return [f"{name}=5"] if number % 3 else [name, "5"]
