"""Lightning callbacks that the ranks run together before the first step."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from iconoclip.rundir import RunDir
from training.data.verification import VerifiedShards
from training.launch import check_agreement
from training.ranks import joined_list
from training.world import World


class Agreement(Callback):
    """Checks before the first step that all requested ranks have started and that they train the same run."""

    def __init__(self, asked: World, facts: Mapping[str, Any]) -> None:
        self._asked, self._facts = asked, facts

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare them.

        Raises:
            ConfigError: the ranks differ.
        """
        check_agreement(self._asked, self._facts)


class ShardCheck(Callback):
    """Compares shards with their checksums before the first step, each rank its share; of the rest
    each picture is compared when it is read. What an earlier command of the run has compared is not again, so
    that each command comes further.

    Args:
        run: the folder of the run.
        verified: the shards; None if they are not to be compared.
        identity: of the selected samples; recorded with the shards that have been compared.
    """

    def __init__(self, run: RunDir, verified: VerifiedShards | None, identity: str) -> None:
        self._run, self._verified, self._identity = run, verified, identity

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare this rank's share.

        Raises:
            DamagedData: on every rank, if any has found a damaged shard.
        """
        if self._verified is None:
            return
        # The first rank decides: another node may see an older state of the folder.
        self._verified.note(trainer.strategy.broadcast(self._compared_before()))
        if not self._verified.num_left:
            return
        places, problems = self._verified.check_share(trainer.global_rank, trainer.world_size)
        if problems := joined_list(problems):
            raise problems[0]
        self._verified.note(joined_list(places))
        if trainer.is_global_zero:
            self._report(len(self._verified), self._verified.num_left)

    def _compared_before(self) -> list[int]:
        """The places of the shards that earlier commands of the run have compared."""
        assert self._verified is not None
        job = self._run.job
        if job.get("verified_shards") == self._identity:
            return list(range(len(self._verified)))
        part = job.get("verified_part")
        if not isinstance(part, dict) or part.get("samples") != self._identity:
            return []
        return self._verified.places_in(part.get("shards"))

    def _report(self, num: int, num_left: int) -> None:
        assert self._verified is not None
        if not num_left:
            self._run.update_job(verified_shards=self._identity)
            return
        if num_left < num:
            self._run.update_job(
                verified_part={"samples": self._identity, "shards": self._verified.compared()}
            )
        print(
            f"{num - num_left} of {num} shards match their checksums; of the others each picture is compared "
            "when it is read",
            file=sys.stderr,
        )
