"""The GPUs that a process sees are those of all processes of its node, or it says why not."""

from __future__ import annotations

import pytest
import torch

from iconoclip.errors import MissingRequirement
from iconoclip.vocabulary import Device
from training.hardware import check_gpus
from training.world import Launcher, Started, World


@pytest.mark.parametrize(
    ("kind", "seen", "launcher", "says"),
    [
        ("auto", 4, "srun", None),
        # More GPUs than processes: a job on a part of a node.
        ("auto", 8, "torchrun", None),
        ("cpu", 1, "srun", None),
        # A machine without GPUs trains on its cores.
        ("auto", 0, "itself", None),
        # SLURM 23.11 binds each task to its GPU where GPUs are requested per task.
        ("auto", 1, "srun", "--gpus-per-node=4 or --gres=gpu:4"),
        ("cuda", 2, "itself", "set devices to 2"),
    ],
)
def test_hidden_gpus_are_noticed_before_the_ranks_meet(
    monkeypatch: pytest.MonkeyPatch, kind: Device, seen: int, launcher: Launcher, says: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    if says is None:
        check_gpus(kind, World(4), Started(launcher, 4))
    else:
        with pytest.raises(MissingRequirement, match=f"sees {seen} of the 4 GPUs") as caught:
            check_gpus(kind, World(4), Started(launcher, 4))
        assert says in str(caught.value)
