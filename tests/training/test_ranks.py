"""Two ranks give the results of one: the same gradients, the same losses, the same order."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

from iconoclip.config import to_yaml
from iconoclip.rundir import RunDir
from tests.commands import Command
from training.checkpoint.file import read_checkpoint
from training.checkpoint.folder import latest_sound
from training.config import TrainConfig
from training.data.samples import load
from training.distill import Taught, distill_loss
from training.losses import ContrastiveLoss, ExtraTexts, Relations
from training.train import train

from .conftest import changed

MakeConfig = Callable[..., TrainConfig]


def batch() -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(3)
    images, texts = (
        torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((8, 6), (8, 2, 6))
    )
    # Captions 0 and 5 are equal, samples 1 and 6 share a group.
    text_numbers = torch.arange(16).view(8, 2)
    text_numbers[5] = text_numbers[0]
    labels = torch.arange(8)[:, None].clone()
    labels[6] = labels[1]
    return images, texts, Relations(torch.arange(8), text_numbers, labels)


def gradients(kind: Any, repeated: Any, part: slice) -> dict[str, torch.Tensor]:
    images, texts, relations = batch()
    teacher = Taught(
        F.normalize(texts[:, 0] + 1, dim=-1), F.normalize(texts, dim=-1), torch.tensor(5.0).double()
    )
    leaves = {
        "images": images[part],
        "texts": texts[part],
        "scale": torch.tensor(8.0).double(),
        "bias": torch.tensor(-3.0).double(),
    }
    for leaf in leaves.values():
        leaf.requires_grad_()
    own = Relations(relations.rows_B[part], relations.texts_BK[part], relations.labels_BR[part])
    unit = F.normalize(leaves["images"], dim=-1), F.normalize(leaves["texts"], dim=-1)
    # A hard negative for each sample: of a row that no sample has, but for one that the first sample has.
    rows, numbers = torch.arange(20, 28)[part], torch.arange(30, 38)[part]
    rows = torch.where(rows == 26, 0, rows)[:, None]
    extra = ExtraTexts(unit[1][:, 1:].roll(1, -1), rows, numbers[:, None], rows[..., None] + 100)
    if kind == "distill":
        loss = distill_loss(*unit, leaves["scale"], Taught(teacher[0][part], teacher[1][part], teacher[2]))
    else:
        bias = leaves["bias"] if "siglip" in kind else None
        name, more = kind.removesuffix("+"), extra if kind.endswith("+") else None
        loss = ContrastiveLoss(name, repeated)(*unit, leaves["scale"], bias, own, more)
    loss.backward()
    return {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None} | {
        "loss": loss.detach()
    }


CASES = [
    ("clip", "negative"), ("clip", "ignore"), ("siglip", "positive"), ("distill", None),
    ("clip+", "ignore"), ("siglip+", "ignore"),
]  # fmt: skip


def one_rank(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    found = [gradients(kind, repeated, slice(4 * rank, 4 * rank + 4)) for kind, repeated in CASES]
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def test_the_gradients_of_two_ranks_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    mp.start_processes(one_rank, (free_port(), str(tmp_path)), nprocs=2, start_method="fork")
    by_rank = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for number, (kind, repeated) in enumerate(CASES):
        whole = gradients(kind, repeated, slice(0, 8))
        ranks = [found[number] for found in by_rank]
        # DDP averages over ranks: a sample's gradient is on one rank only and is halved, a scalar's is on
        # both.
        for name in ("images", "texts"):
            torch.testing.assert_close(
                torch.cat([one[name] for one in ranks]) / 2, whole[name], rtol=0, atol=1e-12
            )
        for name in whole.keys() - {"images", "texts"}:
            torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, whole[name], rtol=0, atol=1e-12)


def launch(
    config: TrainConfig,
    folder: Path,
    words: tuple[str, ...] = ("-m", "iconoclip.cli", "train"),
    *,
    code: int = 0,
    **variables: str,
) -> str:
    """Train in separate processes, as a user would; returns their output.

    The working directory holds a package `training` of the person's own, which no rank may import.
    """
    path = folder / "config.yaml"
    path.write_text(to_yaml(config))
    shadow = folder / "training" / "__init__.py"
    shadow.parent.mkdir(exist_ok=True)
    shadow.write_text("raise SystemExit('a training of the user')")
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        **variables,
    }
    command = Command([*words, "--config", path], cwd=folder, env=environment)
    assert command.wait(200) == code, command.stderr
    return command.stderr


def losses(config: TrainConfig) -> list[float]:
    return [line["loss"] for line in RunDir(config.run_dir).metrics() if "loss" in line]


def scores(config: TrainConfig) -> dict[str, float]:
    """The scores of the last validation."""
    lines = [line for line in RunDir(config.run_dir).metrics() if "validation/en/recall@1" in line]
    return {name: value for name, value in lines[-1].items() if name.startswith("validation/")}


def weights(config: TrainConfig) -> dict[str, torch.Tensor]:
    path, _ = latest_sound(config.run_dir / "checkpoints")
    assert path
    state: dict[str, torch.Tensor] = read_checkpoint(path)["state_dict"]
    return state


STEPS: dict[str, Any] = {"max_steps": 6, "validation_split": "none", "checkpoint_every": 100}


def test_a_run_resumes_with_other_ranks_and_workers(make_config: MakeConfig, tmp_path: Path) -> None:
    changes = STEPS | {"max_steps": 13, "validation_split": "val"}
    alone = make_config(run_dir=tmp_path / "alone", **changes)
    mixed = make_config(run_dir=tmp_path / "mixed", micro_batch_size=3, **changes)
    train(alone)
    train(changed(mixed, max_steps=3))
    launch(changed(mixed, devices=2, num_workers=2), tmp_path)
    # Shards of unequal length, and no rank waits for another's.
    assert len(set(load(mixed.shardsets, split="train", policy="open").shard_lengths)) > 1
    assert len(losses(mixed)) == 13
    assert losses(mixed) == pytest.approx(losses(alone), abs=1e-5)
    assert scores(mixed) == scores(alone)


@pytest.mark.long
def test_sharded_weights_train_like_whole_ones(make_config: MakeConfig, tmp_path: Path) -> None:
    changes = STEPS | {
        "max_steps": 13,
        "epochs": 2,
        "validation_split": "val",
        "ema_decay": 0.9,
        "lora_rank": 2,
        "lora_towers": ["text"],
        "loss": "siglip",
        "gradient_checkpointing": True,
    }
    alone = make_config(run_dir=tmp_path / "alone", **changes)
    sliced = make_config(
        run_dir=tmp_path / "sliced", devices=2, strategy="fsdp", micro_batch_size=2, **changes
    )
    train(alone)
    # Sharded ranks continue a run of one rank, continue from their own checkpoint, and one rank finishes
    # their run.
    one_rank: dict[str, Any] = {"devices": 1, "strategy": "ddp"}
    train(changed(sliced, **one_rank, max_steps=3))
    launch(changed(sliced, max_steps=6), tmp_path)
    launch(changed(sliced, max_steps=9), tmp_path)
    train(changed(sliced, **one_rank))
    assert len(losses(alone)) == 13
    assert losses(sliced) == pytest.approx(losses(alone), abs=1e-5)
    assert scores(sliced) == scores(alone)
    for name, tensor in weights(alone).items():
        torch.testing.assert_close(weights(sliced)[name], tensor, rtol=1e-3, atol=1e-5)


# What SLURM sets in a batch script that was given one task.
BATCH = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


def test_a_run_with_missing_ranks_is_refused_before_the_first_step(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(devices=2, **STEPS)
    said = launch(config, tmp_path, code=2, **BATCH)
    assert "the batch script started one process, but 2 processes" in said
    assert "srun --nodes=1 --ntasks=2 --ntasks-per-node=2 iconoclip train --config" in said
    assert not config.run_dir.exists()


POISON = """
import os, sys, torch
from training.module import ContrastiveModule
from iconoclip.cli import main
plain = ContrastiveModule.loss_of
def poisoned(self, *arguments):
    loss = plain(self, *arguments)
    # The gradient stays finite: only the rank that sees the loss could know.
    return loss + float("inf") if self.step == 1 and os.environ.get("LOCAL_RANK") == "1" else loss
ContrastiveModule.loss_of = poisoned
sys.exit(main(["train", *sys.argv[1:]]))
"""


def test_ranks_skip_a_step_together_and_report_the_keys_of_all(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(devices=2, **(STEPS | {"max_steps": 3}))
    script = tmp_path / "elsewhere" / "poisoned.py"
    script.parent.mkdir()
    script.write_text(POISON)
    launch(config, tmp_path, (str(script),))
    events = [line for line in RunDir(config.run_dir).metrics() if "keys" in line]
    assert [line["step"] for line in events] == [2]
    assert len(set(events[0]["keys"])) == config.schedule.batch_size
    assert all(torch.isfinite(tensor).all() for tensor in weights(config).values())
