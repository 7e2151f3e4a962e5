"""A set by reference, and a withdrawal in an institution's own set, and the published copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from iconoclip.cli import main
from iconoclip.shardset import ShardSet
from tests.data_prep.publish.conftest import key, picture


@pytest.mark.parametrize("words", [[], ["--by_reference"]])
def test_what_a_parent_withdraws_leaves_the_published_copy(
    make_set: Callable[..., ShardSet], tmp_path: Path, words: list[str]
) -> None:
    make_set("sets/gallery")
    merged, www = str(tmp_path / "merged"), tmp_path / "www"
    assert main(["merge", str(tmp_path / "sets" / "gallery"), "--out", merged, "--name", "all", *words]) == 0
    assert main(["publish", merged, "--to", str(www)]) == 0
    assert main(["check", str(www)]) == 0
    assert any(picture(3) in path.read_bytes() for path in www.rglob("*.tar"))
    gone = ["takedown", str(tmp_path / "sets" / "gallery"), key(3), "--reason", "a family asked for it"]
    assert main(gone) == 0
    assert main(["publish", merged, "--to", str(www)]) == 0
    assert main(["check", str(www)]) == 0
    for path in (one for one in www.rglob("*") if one.is_file()):
        data = path.read_bytes()
        assert picture(3) not in data, path
        assert str(tmp_path).encode() not in data, path
        assert b"a family asked" not in data, path
    # Subscribers of the published list get it.
    assert key(3) in pq.read_table(www / "withdrawn.parquet")["key"].to_pylist()
    assert len(ShardSet(www)) == 9
