"""What an evaluation measures on: shard sets, or the official files of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iconoclip.shardset_open import open_set
from training.config import EvaluateConfig
from training.data.samples import Samples, load
from training.evaluation import zero_shot
from training.evaluation.benchmark_config import benchmark_named
from training.evaluation.benchmark_files import BenchmarkFiles

if TYPE_CHECKING:
    from training.evaluation.retrieval_score import LanguageQueries


@dataclass(frozen=True)
class Inputs:
    """Samples, queries and classes."""

    config: EvaluateConfig
    benchmark: BenchmarkFiles | None = None

    @property
    def where(self) -> str:
        """Where the samples are, for messages."""
        return str(self.config.data) if self.benchmark else ", ".join(self.config.shardsets)

    def samples(self, split: str) -> Samples:
        """The samples of a split.

        Raises:
            IconoclipError: it has none, or files are missing.
        """
        if self.benchmark:
            return self.benchmark.samples(split)
        return load(self.config.shardsets, split=split, policy=self.config.policy)

    def queries(self, samples: Samples, rows: Sequence[int]) -> list[LanguageQueries]:
        """The queries of some rows: one caption of each language; of a benchmark all of them."""
        # Imported here: it imports torch, which a finished evaluation does not need.
        from training.evaluation.retrieval_score import choose_queries

        fields = self.config.caption_fields
        if self.benchmark and not fields:
            about = self.benchmark.about
            fields = [one.field for one in about.captions] + (["subject"] if about.notations else [])
            if not fields:
                return []
        return choose_queries(
            samples, rows, fields=fields, languages=self.config.languages, every=self.benchmark is not None
        )

    def label_sets(self) -> list[zero_shot.LabelSet]:
        """The classes of zero-shot tests."""
        found = [zero_shot.read_labels(path) for path in self.config.labels]
        return found + (self.benchmark.label_sets([self.config.split]) if self.benchmark else [])

    @property
    def probes(self) -> list[str]:
        """What is probed; of a benchmark that has files to train on, what its description states."""
        if self.benchmark and not self.config.probes and "train" in self.benchmark.splits:
            return self.benchmark.about.probes
        return self.config.probes

    def facts(self) -> dict[str, Any]:
        """What the numbers are about: names and digests."""
        if self.benchmark is None:
            sets = [open_set(one) for one in self.config.shardsets]
            return {"shardsets": [{"name": one.manifest.name, "digest": one.digest} for one in sets]}
        about = self.benchmark.about
        splits = [self.config.split, *(["train"] if self.probes else [])]
        return {
            "shardsets": [{"name": about.title, "digest": self.benchmark.digest(splits)}],
            "benchmark": self.config.benchmark,
            "citation": about.citation,
            "unverified": about.unverified,
            "published": [
                one.model_dump() for one in about.published if one.split == self.config.split
            ],
        }  # fmt: skip


def inputs_of(config: EvaluateConfig) -> Inputs:
    """What a config names.

    Raises:
        ConfigError, MissingRequirement: no such benchmark, or no such folder.
    """
    if config.benchmark is None:
        return Inputs(config)
    assert config.data is not None
    return Inputs(config, BenchmarkFiles(config.benchmark, benchmark_named(config.benchmark), config.data))
