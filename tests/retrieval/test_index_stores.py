"""`index` with several stores: every store that is named is used, or the command is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from iconoclip.cli import main
from retrieval.config import EncodeConfig
from retrieval.encode.verb import encode
from retrieval.generation.manifest import current_generation, read_manifest
from tests.retrieval.conftest import samples_of, write_shardset


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """Two shard sets of 20 and 12 items, with a store of images each, and one of captions of the first."""
    folder = tmp_path_factory.mktemp("two")
    for name, numbers in (("a", range(200, 220)), ("b", range(300, 312))):
        shards = write_shardset(folder / f"shards-{name}", samples_of(numbers))
        encode(EncodeConfig(model=str(model), shardset=str(shards), out=str(folder / name)))
    encode(
        EncodeConfig(model=str(model), shardset=str(folder / "shards-a"), out=str(folder / "ca"), side="text")
    )
    return folder


@pytest.mark.parametrize(
    "words",
    [
        "A B --shardset SA --shardset SB",
        "A B --shardset SA SB",
        "A B --shardsets SA SB",
        "A B --shardset=SA --shardsets SB",
        "--shardset SA SB --stores A B",
        "A --shardset SA --shardset SB -- B",
        "A B",
    ],
)
def test_two_stores_with_two_shard_sets_are_both_in_the_index(words: str, two: Path, tmp_path: Path) -> None:
    names = {"A": two / "a", "B": two / "b", "SA": two / "shards-a", "SB": two / "shards-b"}
    parts = [str(names.get(word.split("=")[-1], word)) for word in words.replace("=", " ").split()]
    assert main(["index", "--out", str(tmp_path / "index"), *parts]) == 0
    manifest = read_manifest(current_generation(tmp_path / "index"))
    assert manifest.num_vectors == 20 + 12
    assert [Path(each.path).name for each in manifest.shardsets] == ["shards-a", "shards-b"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("A B --shardset SA", "b and the shard set"),
        ("A B --shardset SB --shardset SA", "have no item in common"),
        ("A --shardset SA --shardset SB", "1 stores but 2 shard sets"),
        ("A --shardset SB", "have no item in common"),
        ("B CA", "no item in common with the stores of images"),
        ("", "no embedding store given"),
        ("A --compact", "`compact` takes no stores"),
    ],
)
def test_stores_that_would_be_ignored_are_refused(
    words: str, said: str, two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"A": "a", "B": "b", "CA": "ca", "SA": "shards-a", "SB": "shards-b"}
    parts = [str(two / names[word]) if word in names else word for word in words.split()]
    assert main(["index", *parts, "--out", str(tmp_path / "index")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "index" / "CURRENT").exists()


def test_a_missing_gpu_is_an_error(
    two: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    words = ["encode", str(model), str(two / "shards-a"), "--out", str(tmp_path / "s"), "--device", "cuda"]
    assert main(words) == 4
    assert "torch sees no GPU" in capsys.readouterr().err


def test_captions_of_the_items_are_joined(two: Path, tmp_path: Path) -> None:
    stores = [str(two / "a"), str(two / "ca")]
    assert main(["index", *stores, "--shardset", str(two / "shards-a"), "--out", str(tmp_path / "i")]) == 0
    assert read_manifest(current_generation(tmp_path / "i")).num_vectors == 20
