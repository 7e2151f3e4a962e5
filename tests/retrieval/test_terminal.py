"""`iconoclip encode`, `index` and `search` as a person types them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from iconoclip.cli import main
from retrieval.answers import Results
from retrieval.engine import SearchEngine
from retrieval.questions import Query
from retrieval.search import show


def test_from_shards_to_answers(
    model: Path, shardset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, index = str(tmp_path / "store"), str(tmp_path / "index")
    assert main(["encode", str(model), str(shardset), "--out", store]) == 0
    build = ["index", store, "--shardset", str(shardset), "--model", str(model), "--out", index]
    assert main([*build, "--dry_run", "true"]) == 0
    assert "would index 120 items" in capsys.readouterr().out
    assert not Path(index).exists()
    assert main(build) == 0
    assert main(["encode", str(model), str(shardset), "--out", store]) == 0
    assert main(build) == 0
    said = capsys.readouterr().err
    assert "already holds the 120 vectors" in said
    assert "already holds the index" in said
    assert main(["search", "a blue square number 13", "--index", index]) == 0
    table = capsys.readouterr().out
    assert "a blue square number 13" in table
    assert "The Museum" in table
    assert "https://example.org/museum/6/manifest" in table
    assert "of 1 item that matches" in table
    assert main(["search", "--index", index]) == 0
    assert "of 120 items" in capsys.readouterr().out


def test_json_is_one_object_that_reads_back(index_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "search",
        "Dürer",
        "--index",
        str(index_folder),
        "--mode",
        "keyword",
        "--k",
        "3",
        "--json",
        "true",
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    results = Results.model_validate_json(printed)
    assert len(results.hits) == 3
    assert json.loads(printed)["hits"][0]["rights"]["label"]


def test_filters_and_pages_on_the_command_line(
    index_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["search", "red", "--index", str(index_folder), "--mode", "keyword", "--institution",
    '["library"]',
                 "--reusable", "true", "--k", "2", "--json", "true"]  # fmt: skip
    assert main(arguments) == 0
    first = Results.model_validate_json(capsys.readouterr().out)
    assert {hit.institution for hit in first.hits} == {"library"}
    assert first.next_cursor
    assert main([*arguments, "--cursor", first.next_cursor]) == 0
    second = Results.model_validate_json(capsys.readouterr().out)
    assert {hit.key for hit in first.hits}.isdisjoint(hit.key for hit in second.hits)


def test_texts_are_added_and_subtracted_on_the_command_line(
    index_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def scores(*arguments: str) -> dict[str, float | None]:
        command = [
            "search",
            "a blue square",
            "--index",
            str(index_folder),
            "--mode",
            "semantic",
            "--k",
            "200",
        ]
        assert main([*command, "--fold", "false", "--json", "true", *arguments]) == 0
        return {hit.key: hit.cosine for hit in Results.model_validate_json(capsys.readouterr().out).hits}

    alone, with_red = scores(), scores("--plus", '["red"]', "--minus", '["green"]')
    assert alone.keys() == with_red.keys()
    assert alone != with_red


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["search", "x", "--index", "nowhere"], 4, "iconoclip index"),
        (["search", "x", "--index", "INDEX", "--k", "900"], 2, "k"),
        (["search", "x" * 1001, "--index", "INDEX"], 2, "1000"),
        (["search", "--like", '["nonsense"]', "--index", "INDEX"], 2, "like"),
        (["search", "x", "--earliest", "999999", "--index", "INDEX"], 2, "earliest"),
        (["search", "x", "--plus", '[""]', "--index", "INDEX"], 2, "text"),
        (["search", "--image", "nowhere.jpg", "--index", "INDEX"], 4, "cannot be read"),
        (["index", "nowhere", "--out", "x"], 4, "iconoclip encode"),
        (["index", "--out", "x"], 2, "at least one"),
        (["encode", "nowhere", "SHARDS", "--out", "x"], 4, "no such model directory"),
    ],
)
def test_a_mistake_ends_in_one_message_and_its_code(  # type: ignore[no-untyped-def]
    index_folder: Path, shardset: Path, tmp_path: Path, monkeypatch, capsys, arguments, code, says
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"INDEX": str(index_folder), "SHARDS": str(shardset)}
    assert main([places.get(argument, argument) for argument in arguments]) == code
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from iconoclip.cli import main; main(['search', '--help']);"
        " sys.exit('torch' in sys.modules or 'faiss' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
    )


def test_hostile_titles_do_not_act_on_the_terminal(index_folder: Path) -> None:
    with SearchEngine.open(index_folder) as engine:
        results = engine.search(Query(text="Dürer", mode="keyword", k=1))
    title = "[red]\x1b[31m \x1b]0;owned\x07 \u202etxet"
    hit = results.hits[0].model_copy(update={"title": title, "institution_name": "\x9b2J"})
    printed = io.StringIO()
    show(results.model_copy(update={"hits": [hit]}), Console(file=printed, width=200))
    assert "[red]\ufffd[31m \ufffd]0;owned\ufffd" in printed.getvalue()
    assert not set("\x1b\x9b\x07\u202e") & set(printed.getvalue())
