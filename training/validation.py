"""Recall at k on the validation split, per language, with the code of `iconoclip evaluate`."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback

from iconoclip import metrics
from iconoclip.errors import BadInput
from iconoclip.vocabulary import Precision
from training import ranks, sharding
from training.callbacks import Recorder, Stopwatch
from training.config import TrainConfig
from training.data.loader import Batch
from training.data.randomness import shuffled
from training.data.samples import Samples, load
from training.evaluation import embed, retrieval_score
from training.model import LoadedModel
from training.module import ContrastiveModule, averaged, evaluating


def validation_samples(config: TrainConfig) -> tuple[Samples, list[int]] | None:
    """The rows to validate on, or None if the set has no such split."""
    if config.validation.split == "none":
        return None
    try:
        samples = load(config.shardsets, split=config.validation.split, policy=config.data.policy)
    except BadInput:
        return None
    rows = sorted(shuffled(len(samples), 0)[: config.validation.max_samples].tolist())
    return samples, rows


class Validation(Callback):
    """Validates after a number of steps and at the end; each rank embeds and ranks its share."""

    def __init__(
        self,
        loaded: LoadedModel,
        config: TrainConfig,
        precision: Precision,
        recorder: Recorder,
        stopwatch: Stopwatch,
    ) -> None:
        self._loaded, self._config, self._precision = loaded, config, precision
        self._recorder, self._stopwatch = recorder, stopwatch
        self._found = validation_samples(config)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Validate if it is due at this step."""
        assert isinstance(pl_module, ContrastiveModule)
        every = self._config.validation.every
        is_time = pl_module.step == pl_module.num_steps or (every > 0 and pl_module.step % every == 0)
        if not is_time or self._found is None:
            return
        found = self.measure(pl_module)
        if trainer.is_global_zero:
            self._recorder.record(step=pl_module.step, **found)
        self._stopwatch.pause()

    def measure(self, module: ContrastiveModule) -> dict[str, float]:
        """The values validation/LANGUAGE/recall@k of text-to-image retrieval."""
        assert self._found
        samples, rows = self._found
        options: dict[str, Any] = {"device": module.device, "precision": self._precision, "batch_size": 128}
        fields = [name for name, weight in self._config.data.field_weights.items() if weight > 0]
        found: dict[str, float] = {}
        ranks.share_buffers(module.model)
        with evaluating(module), averaged(module), sharding.whole(module):
            images_ND, rows, damaged = embed.embed_images(
                module.model, samples, rows, self._loaded.evaluation_transform(), **options
            )
            for queries in retrieval_score.choose_queries(samples, rows, fields=fields):
                texts_TD = embed.embed_texts(module.model, queries.texts, self._loaded.tokenize, **options)
                scored = retrieval_score.text_to_image(queries, texts_TD, images_ND)
                for k in retrieval_score.CUTOFFS:
                    found[f"validation/{queries.language}/recall@{k}"] = metrics.recall_at_k(scored.ranks, k)
        if damaged:
            found["validation/num_damaged"] = len(damaged)
        return {name: value for name, value in found.items() if np.isfinite(value)}
