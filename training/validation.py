"""Recall at k on the validation split, per language, with the code of `iconoclip evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback

from iconoclip import metrics
from iconoclip.errors import BadInput
from iconoclip.vocabulary import PolicyName, Precision
from training import ranks, sharding
from training.callbacks import Recorder, Stopwatch
from training.config_groups import ValidationConfig
from training.data.loader import Batch
from training.data.randomness import shuffled
from training.data.samples import Samples, load
from training.evaluation import embed, retrieval_score
from training.evaluation.nearest import NearestCaptions
from training.model import LoadedModel
from training.module import ContrastiveModule, averaged, evaluating


def validation_samples(
    shardsets: Sequence[str], config: ValidationConfig, policy: PolicyName
) -> tuple[Samples, list[int]] | None:
    """The rows to validate on, or None if the sets have no such split."""
    if config.split == "none" or not shardsets:
        return None
    try:
        samples = load(shardsets, split=config.split, policy=policy)
    except BadInput:
        return None
    rows = sorted(shuffled(len(samples), 0)[: config.max_samples].tolist())
    return samples, rows


class Validation(Callback):
    """Validates after a number of steps and at the end; each rank embeds and ranks its share.

    Args:
        loaded: the model with its transform and its tokenizer.
        found: the samples and the rows of them to validate on; without them, nothing is done.
        every: steps between validations; 0 for the end only.
        fields: the fields to take captions from; all if empty.
        precision: of the forward passes.
        recorder: takes the values.
        stopwatch: is paused meanwhile.
        nearest: records the nearest captions of some pictures.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        found: tuple[Samples, list[int]] | None,
        every: int,
        fields: Sequence[str],
        precision: Precision,
        recorder: Recorder,
        stopwatch: Stopwatch,
        nearest: NearestCaptions | None = None,
    ) -> None:
        self._loaded, self._found, self._every, self._fields = loaded, found, every, fields
        self._precision, self._recorder, self._stopwatch = precision, recorder, stopwatch
        self._nearest = nearest

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Validate if it is due at this step."""
        assert isinstance(pl_module, ContrastiveModule)
        is_due = self._every > 0 and pl_module.step % self._every == 0
        is_time = is_due or pl_module.step == pl_module.num_steps
        if not is_time or self._found is None:
            return
        found = self.measure(pl_module)
        if trainer.is_global_zero:
            self._recorder.record(step=pl_module.step, **found)
            if self._nearest:
                self._nearest.write(pl_module.step)
        self._stopwatch.pause()

    def measure(self, module: ContrastiveModule) -> dict[str, float]:
        """The values validation/LANGUAGE/recall@k of text-to-image retrieval."""
        assert self._found
        samples, rows = self._found
        options: dict[str, Any] = {"device": module.device, "precision": self._precision, "batch_size": 128}
        found: dict[str, float] = {}
        ranks.share_buffers(module.model)
        with evaluating(module), averaged(module), sharding.whole(module):
            images_ND, rows, damaged = embed.embed_images(
                module.model, samples, rows, self._loaded.evaluation_transform(), **options
            )
            for queries in retrieval_score.choose_queries(samples, rows, fields=self._fields):
                texts_TD = embed.embed_texts(module.model, queries.texts, self._loaded.tokenize, **options)
                if self._nearest:
                    self._nearest.see(queries, texts_TD, images_ND, samples, rows)
                scored = retrieval_score.text_to_image(queries, texts_TD, images_ND)
                for k in retrieval_score.CUTOFFS:
                    found[f"validation/{queries.language}/recall@{k}"] = metrics.recall_at_k(scored.ranks, k)
        if damaged:
            found["validation/num_damaged"] = len(damaged)
        return {name: value for name, value in found.items() if np.isfinite(value)}
