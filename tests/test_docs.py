"""The documents agree with the code: every command in them is accepted, every file, link, verb and option in
them exists, and what they promise about rights is what the code does."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from iconoclip import cli, verbs
from iconoclip.command_line import read_command_line
from iconoclip.config import shipped_config
from iconoclip.options import options_of
from iconoclip.rights import POLICIES, TERMS
from slurm.chain import Chain, submissions_of
from slurm.site import load_site
from tests.conftest import ROOT

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("slurm/*.md"), *ROOT.glob("configs/**/*.md")]
)
EACH_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
BLOCK = re.compile(r"^```(\w*|{toctree})\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
PACKAGES = ("iconoclip", "data_prep", "training", "retrieval", "slurm", "builtin_collections")
# Options of programs that are not ours: sbatch and srun, ssh-keygen, pytest, and what every verb takes.
OF_OTHERS = {"signal", "cpus_per_task", "ntasks_per_node", "help", "version", "print_config", "config"}


def blocks(document: Path, *languages: str) -> list[str]:
    """The contents of a document's fenced blocks in a language."""
    return [text for language, text in BLOCK.findall(document.read_text()) if language in languages]


def shell_lines(document: Path) -> list[str]:
    """The lines of a document's shell blocks; `\\` joins lines."""
    lines = [
        line
        for block in blocks(document, "sh", "bash", "console")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [line.removeprefix("$ ").strip() for line in lines]


def inline(document: Path) -> list[str]:
    """The texts in backticks outside of the blocks."""
    return [" ".join(text.split()) for text in INLINE.findall(BLOCK.sub("", document.read_text()))]


def commands(document: Path) -> list[str]:
    """The commands in a document's shell blocks that call the program, by its name or as a module; also from
    srun and in what sbatch is to wrap."""
    lines = [line.replace("python -m iconoclip.cli ", "iconoclip ") for line in shell_lines(document)]
    calls = [re.search(r"(?:^|^srun )(iconoclip .*?)(?: &)?$|'(iconoclip [^']*)'", line) for line in lines]
    return [call[1] or call[2] for call in calls if call]


COMMANDS = [pytest.param(line, id=f"{doc.name}: {line[:60]}") for doc in DOCUMENTS for line in commands(doc)]


def words_of(line: str) -> list[str]:
    """The words after the program's name, up to a pipe or another command; a shell variable is a number."""
    words = shlex.split(line, comments=True)[1:]
    end = next((n for n, word in enumerate(words) if word in ("|", "&&", ">", "2>", ";")), len(words))
    return ["0" if word.startswith("$") else word for word in words[:end]]


@pytest.fixture
def named_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to work in that holds the YAML files which the documents name in their first line."""
    monkeypatch.chdir(tmp_path)
    for block in (block for document in DOCUMENTS for block in blocks(document, "yaml")):
        if name := re.match(r"# ([\w-]+\.yaml)", block):
            (tmp_path / name[1]).write_text(block)


@pytest.mark.usefixtures("named_files")
@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one_the_program_takes(line: str) -> None:
    words = words_of(line)
    if words[0] in ("--help", "--version"):
        return
    verb = words[0]
    assert verb in verbs.VERBS
    if "--help" not in words:
        assert isinstance(cli.parse(verb, words[1:]), verbs.resolve(verbs.VERBS[verb].config))


@pytest.mark.usefixtures("named_files")
@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_reads_back_the_config_it_prints(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *words = words_of(line) or [""]
    if verb in verbs.VERBS and "--help" not in words and "--print_config" not in words:
        assert cli.main([verb, *words, "--print_config"]) == 0
        (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
        assert cli.parse(verb, ["--config", str(tmp_path / "printed.yaml")]) == cli.parse(verb, words)


# An option with its value as a table or a sentence writes it: `--hidden SLUG...`, `--public_url URL`.
OPTION = re.compile(
    r"^--(?P<name>[a-z][\w-]*)[ =](?P<value>[A-Z][A-Z_]*|false|true)(?P<dots>\.\.\.| \.\.\.)?$"
)


def test_the_documents_show_what_is_checked_below() -> None:
    """The tests of each document pass for one without options and blocks, so some must have them."""
    shown = [yaml.safe_load(block) for document in DOCUMENTS for block in blocks(document, "yaml")]
    assert any("steps" in values for values in shown)
    assert any("extends" in values for values in shown)
    assert sum(OPTION.match(text) is not None for document in DOCUMENTS for text in inline(document)) > 10


@EACH_DOCUMENT
def test_every_option_in_the_text_is_taken_in_the_documented_form(document: Path) -> None:
    for text in inline(document):
        if not (found := OPTION.match(text)):
            continue
        name = found["name"].replace("-", "_")
        takers = [
            (verb, option)
            for verb in verbs.VERBS
            for option in options_of(verbs.config_model(verb))
            if f"--{name}" in option.names
        ]
        assert takers or name in OF_OTHERS, text
        for verb, option in takers:
            model = verbs.config_model(verb)
            value = found["value"] if found["value"] in ("true", "false") else "5"
            line = [f"--{name}", value, *(["6"] if found["dots"] else [])]
            taken: Any = read_command_line(model, line).values
            for part in option.path:
                taken = taken[part]
            as_switch = {"true": True, "false": False}.get(value, value)
            wanted = {"list": line[1:], "switch": as_switch}.get(option.kind, value)
            assert taken == wanted, text
            assert option.kind == "list" or not found["dots"], text


def test_the_commands_are_found_however_they_are_written() -> None:
    found = [line.split()[1] for line in commands(ROOT / "slurm" / "README.md")]
    assert found == ["train", "encode", "encode"]
    assert len(COMMANDS) > 40


@EACH_DOCUMENT
def test_every_link_has_a_target(document: Path) -> None:
    broken = [
        target for target in LINK.findall(document.read_text()) if not (document.parent / target).exists()
    ]
    assert broken == []


def packages_in(document: Path) -> Iterator[tuple[Path, str]]:
    """The parts of a document that name a package's files without their folder, each with that folder."""
    text = BLOCK.sub("", document.read_text())
    for package, part in re.findall(r"^### (\w+)/.*?\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL):
        yield ROOT / package, part
    if document.parent.parent == ROOT and document.parent.name in PACKAGES and document.name == "README.md":
        yield document.parent, text[text.index("## Modules") :]


@EACH_DOCUMENT
def test_every_file_that_is_named_is_there(document: Path) -> None:
    tops = "|".join((*PACKAGES, "configs", "benchmarks", "docs", "tests"))
    named = [
        name for text in inline(document) for name in re.findall(rf"(?<![\w/.~-])(?:{tops})/[\w./-]*", text)
    ]
    missing = [name for name in named if not (ROOT / name).exists()]
    for package, part in packages_in(document):
        bare = [name for name in INLINE.findall(part) if re.fullmatch(r"\w+(\.py|/)", name)]
        missing += [
            f"{package.name}: {name}"
            for name in bare
            if not any(package.rglob(name.rstrip("/"))) and not (ROOT / name).exists()
        ]
    assert missing == []


def test_bare_names_are_looked_for() -> None:
    assert {package.name for package, _ in packages_in(ROOT / "ARCHITECTURE.md")} == set(PACKAGES)
    assert [package.name for package, _ in packages_in(ROOT / "slurm" / "README.md")] == ["slurm"]


@EACH_DOCUMENT
def test_every_verb_and_option_in_the_text_is_there(document: Path) -> None:
    fields = {field for verb in verbs.VERBS.values() for field in verbs.resolve(verb.config).model_fields}
    unknown = []
    for text in inline(document):
        words = text.split()
        if words[0] == "iconoclip" and len(words) > 1 and words[1].isalpha() and words[1] not in verbs.VERBS:
            unknown.append(text)
        if words[0] in ("iconoclip", "make") or text.startswith("--"):
            options = [name.replace("-", "_") for name in re.findall(r"(?<!\S)--([a-z][\w-]*)", text)]
            unknown += [name for name in options if name.removeprefix("no_") not in fields | OF_OTHERS]
    assert unknown == []


@EACH_DOCUMENT
def test_every_program_of_ours_in_the_text_takes_what_it_is_given(document: Path) -> None:
    wrong = []
    for text in [*inline(document), *shell_lines(document)]:
        if module := re.search(r"\bpython3? -m (\w+(?:\.\w+)*)", text):
            is_ours = module[1].split(".")[0] in PACKAGES
            wrong += [text] if is_ours and importlib.util.find_spec(module[1]) is None else []
        if script := re.search(r"\bbenchmarks/\w+\.py", text):
            source = (ROOT / script[0]).read_text()
            wrong += [
                f"{text}: {option}"
                for option in re.findall(r"(?<!\S)--[\w-]+", text)
                if f'"{option}"' not in source
            ]
    assert wrong == []


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "benchmarks").glob("*.py")))
def test_every_benchmark_says_how_it_is_called(name: str) -> None:
    source = (ROOT / "benchmarks" / name).read_text()
    assert source.startswith('"""')
    if "__main__" in source and "nothing to measure here" not in source:
        calls = re.findall(rf"^    python benchmarks/{re.escape(name)}(.*)$", source, re.MULTILINE)
        options = [option for call in calls for option in re.findall(r"--[\w-]+", call)]
        assert calls
        assert [option for option in options if f'"{option}"' not in source.split('"""', 2)[2]] == []


@EACH_DOCUMENT
def test_every_chain_and_site_that_is_shown_is_one(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The shipped configs that a chain names are named as seen from a checkout.
    monkeypatch.chdir(ROOT)
    for number, block in enumerate(blocks(document, "yaml")):
        values = yaml.safe_load(block)
        if "steps" in values:
            chain = Chain.model_validate({**values, "site": "local"})
            assert len(submissions_of(chain, document.name)) == len(values["steps"])
        elif "extends" in values:
            (tmp_path / f"{number}.yaml").write_text(block)
            assert load_site(str(tmp_path / f"{number}.yaml")).account == values["account"]


def test_the_rights_that_partners_are_promised_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$",
        (ROOT / "docs/partner-guide.md").read_text(),
        re.MULTILINE,
    )
    promised = {
        name.strip().removeprefix("CC ").replace(" ", "-"): row[1:]
        for row in rows
        if row[0] != "statement" and not row[0].startswith("-")
        for name in row[0].split(",")
    }
    short = {"Public-Domain-Mark": "PDM"}
    promised = {
        short.get(name, f"CC-{name}" if name.startswith("BY") else name): row
        for name, row in promised.items()
    }
    assert promised.pop("none")[0] == "no"
    assert set(promised) == set(TERMS)
    for name, (train, pass_on, show) in promised.items():
        terms = TERMS[name]
        under = {policy for policy in POLICIES if f"`{policy}`" in train}
        assert (set(POLICIES) if train.startswith("yes") else under) == terms.train_under, name
        assert train.startswith("after review") == (terms.otherwise == "review"), name
        assert ("credit" in train) == (name in ("CC-BY", "CC-BY-SA", "LO")), name
        ways = {
            "yes": "yes",
            "share-alike": "yes (same licence for BY-SA)",
            "noncommercial": "non-commercial",
            "unaltered": "unaltered only",
            "no": "no",
        }
        assert pass_on.startswith(ways[terms.redistribute][: len(pass_on)]), name
        assert show == {"yes": "yes", "unaltered": "unaltered", "link": "as a link"}[terms.display], name


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text()))
    for document in DOCUMENTS:
        written = [*inline(document), *shell_lines(document)]
        assert {name for text in written for name in re.findall(r"^make ([a-z]+)", text)} <= targets, (
            document.name
        )


def test_every_verb_is_explained_in_the_readme_or_a_guide() -> None:
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    missing = [verb for verb in verbs.VERBS if f"iconoclip {verb}" not in text and f"`{verb}`" not in text]
    assert missing == []


def test_the_shipped_configs_say_what_they_are_for() -> None:
    configs = sorted(
        path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name != "institutions"
    )
    assert configs
    silent = [path.name for path in configs if not path.read_text().startswith("#")]
    assert silent == []
    assert shipped_config("train/demo.yaml").is_file()


def test_the_citation_is_of_this_version_and_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    assert citation["license"] == project["license"]
