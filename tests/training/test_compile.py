"""Compiled towers train like plain ones, and no file of a run contains anything of the compiler.

The backend aot_eager traces, differentiates and guards as torch's own choice, inductor, does, and then runs
the graphs as they are.
"""

from __future__ import annotations

import copy
import functools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch._dynamo.utils import counters

from iconoclip.rundir import RunDir
from training.checkpoint import folder as checkpoints
from training.checkpoint.file import read_checkpoint
from training.config import ExportConfig, TrainConfig
from training.export import export
from training.train import train

from .conftest import SMALL_MODEL, changed

MakeConfig = Callable[..., TrainConfig]
pytestmark = pytest.mark.long
THIN_MODEL: dict[str, Any] = copy.deepcopy(SMALL_MODEL)
THIN_MODEL["model_cfg"]["vision_cfg"]["layers"] = 1
# Thirty C++ files, of one to four seconds each.
WRITES_CODE = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "c++", "clang++"))), reason="no C++ compiler: apt-get install -y g++"
)


@pytest.fixture(autouse=True)
def _nothing_compiled_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing compiled earlier counts, neither in this process nor in a cache on disk."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def use(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    """Let everything that compiles from here on use another backend than torch's own choice."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))


def losses(config: TrainConfig) -> list[float]:
    return [line["loss"] for line in RunDir(config.run_dir).metrics() if "loss" in line]


def checkpoint_of(config: TrainConfig) -> dict[str, Any]:
    """The contents of the last checkpoint."""
    path, _ = checkpoints.latest_sound(config.run_dir / "checkpoints")
    assert path
    return read_checkpoint(path)


def names_in(value: Any) -> Iterator[str]:
    """Every key of nested mappings."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield str(name)
            yield from names_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from names_in(part)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=WRITES_CODE)])
def test_a_compiled_run_is_the_plain_one(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    use(monkeypatch, backend)
    (tmp_path / "thin.json").write_text(json.dumps(THIN_MODEL))
    # A locked image tower has no backward pass to compile: that is half of the time.
    values: dict[str, Any] = {
        "model": str(tmp_path / "thin.json"),
        "validation_split": "none",
        "locked": ["image"],
        "captions_per_image": 1,
    }
    plain, compiled = (make_config(run_dir=tmp_path / name, **values) for name in ("plain", "compiled"))
    train(changed(plain, max_steps=3))
    assert not counters["stats"]["unique_graphs"]
    train(changed(compiled, max_steps=3, compile=True))
    # Both towers are compiled, each in one piece: nothing in them breaks the graph.
    assert counters["stats"]["unique_graphs"] == 2
    assert not counters["graph_break"]
    assert backend != "inductor" or counters["inductor"]["fxgraph_cache_miss"] >= 2
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-5)
    assert set(names_in(checkpoint_of(compiled))) == set(names_in(checkpoint_of(plain)))
    assert not any("_orig_mod" in name for name in names_in(checkpoint_of(compiled)))
    export(ExportConfig(run_dir=compiled.run_dir, out=tmp_path / "model"))
    for name, tensor in open_clip.create_model(f"local-dir:{tmp_path / 'model'}").state_dict().items():
        assert torch.equal(tensor, checkpoint_of(compiled)["state_dict"][f"model.{name}"]), name


def test_compiling_may_begin_and_end_in_the_middle_of_a_run(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What begins and ends here is the capture of graphs; that they compute the same is tested above.
    use(monkeypatch, "eager")
    (tmp_path / "thin.json").write_text(json.dumps(THIN_MODEL))
    values: dict[str, Any] = {
        "model": str(tmp_path / "thin.json"),
        "lora_rank": 2,
        "ema_decay": 0.9,
        "gradient_checkpointing": True,
        "micro_batch_size": 4,
        "validation_split": "none",
    }
    whole, pieces = (make_config(run_dir=tmp_path / name, **values) for name in ("whole", "pieces"))
    train(whole)
    for last_step, is_compiled in ((3, False), (11, True), (13, False)):
        train(changed(pieces, max_steps=last_step, compile=is_compiled))
    # Two towers, each with a gradient and without: texts of other lengths are not compiled again.
    assert counters["stats"]["unique_graphs"] == 4
    assert losses(pieces) == pytest.approx(losses(whole), abs=1e-5)
    found, wanted = checkpoint_of(pieces), checkpoint_of(whole)
    assert set(names_in(found)) == set(names_in(wanted))
    for name, tensor in wanted["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][name], tensor, rtol=1e-3, atol=1e-5)
