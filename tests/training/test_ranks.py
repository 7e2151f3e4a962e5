"""Two ranks do what one does: the same gradients, the same losses, the same order."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
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
from training.config import TrainConfig
from training.losses import ContrastiveLoss, Relations
from training.train import train


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
    leaves = {
        "images": images[part],
        "texts": texts[part],
        "scale": torch.tensor(8.0).double(),
        "bias": torch.tensor(-3.0).double(),
    }
    for leaf in leaves.values():
        leaf.requires_grad_()
    own = Relations(relations.rows_B[part], relations.texts_BK[part], relations.labels_BR[part])
    loss = ContrastiveLoss(kind, repeated)(
        F.normalize(leaves["images"], dim=-1), F.normalize(leaves["texts"], dim=-1), leaves["scale"],
        leaves["bias"] if kind == "siglip" else None, own,
    )  # fmt: skip
    loss.backward()
    return {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None} | {
        "loss": loss.detach()
    }


CASES = [("clip", "negative"), ("clip", "ignore"), ("siglip", "positive")]


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
        # DDP averages over ranks: a sample's gradient is on one rank only and is halved, a scalar's is on both.
        for name in ("images", "texts"):
            torch.testing.assert_close(
                torch.cat([one[name] for one in ranks]) / 2, whole[name], rtol=0, atol=1e-12
            )
        for name in whole.keys() - {"images", "texts"}:
            torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, whole[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("micro", [None, 2])
def test_two_ranks_train_like_one(
    make_config: Callable[..., TrainConfig], tmp_path: Path, micro: int | None
) -> None:
    changes: dict[str, Any] = {"max_steps": 6, "validation_split": "none", "log_every": 1}
    alone = make_config(run_dir=tmp_path / "alone", **changes)
    together = make_config(run_dir=tmp_path / "together", devices=2, micro_batch_size=micro, **changes)
    train(alone)
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(together))
    words = [sys.executable, "-m", "iconoclip.cli", "train", "--config", str(path)]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    ours, theirs = ([line["loss"] for line in RunDir(one.run_dir).metrics()] for one in (alone, together))
    assert len(theirs) == 6
    assert theirs == pytest.approx(ours, abs=1e-5)
