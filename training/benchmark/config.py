"""The fields of `iconoclip benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from iconoclip.config import Config, positional
from iconoclip.vocabulary import Device, PolicyName, Precision, Slug

EvaluatedSplit = Literal["val", "test"]


class BenchmarkVerbConfig(Config):
    """Freeze a public benchmark from a shard set (make), or score a model or embeddings on one (run)."""

    action: Literal["make", "run"] = Field(
        description="make a benchmark, or run one", json_schema_extra=positional()
    )
    target: str = Field(
        description="make: a shard set; run: the folder of a benchmark", json_schema_extra=positional()
    )
    out: Path | None = Field(
        None, description="make: the folder to write; run: a file for the scores, as JSON"
    )
    name: Slug | None = Field(None, description="make: its name; that of the shard set if not given")
    splits: list[EvaluatedSplit] = Field(
        default_factory=lambda: list[EvaluatedSplit](("val", "test")),
        description="make: splits of the set to include",
        min_length=1,
    )
    policy: PolicyName = Field("open", description="make: rights policy that every sample must pass")
    licence: str | None = Field(
        None, description="make: licence of queries and judgements; your decision, none is assumed"
    )
    references: bool = Field(
        False,
        description="make: also include items whose pictures may not be passed on, by their addresses",
    )
    caption_fields: list[str] = Field(
        default_factory=list, description="make: fields to take queries from; all fields if none is given"
    )
    languages: list[str] = Field(
        default_factory=list, description="languages of the queries; every one if none is given"
    )
    max_queries: int = Field(2000, ge=1, description="make: queries of each language and split, at most")
    split: EvaluatedSplit = Field("test", description="run: the split to score")
    model: str | None = Field(
        None,
        description="run: an open_clip model, as for evaluate; encodes pictures and queries, or queries "
        "alone where embeddings are given",
    )
    pretrained: str | None = Field(
        None, description="run: open_clip's tag of pretrained weights, with an architecture's name"
    )
    embeddings: Path | None = Field(
        None,
        description="run: image vectors: a store of `iconoclip encode`, a folder of clip-retrieval (img_emb/ "
        "and metadata/), or a .npy with --keys_file",
    )
    keys_file: Path | None = Field(
        None, description="run: a file with the key of each row of the .npy, one per line"
    )
    query_embeddings: Path | None = Field(
        None, description="run: a .npy of text vectors, one per line of queries.tsv"
    )
    results: Path | None = Field(
        None, description="run: results of any search engine, as a TREC run: query Q0 key rank score tag"
    )
    pictures_folder: Path | None = Field(
        None, description="run: a folder with KEY.jpg of items that the benchmark has by reference"
    )
    batch_size: int = Field(128, ge=1, description="run: images or texts encoded at once")
    num_workers: int = Field(
        0, ge=0, description="run: processes that load images; 0 loads in the calling process"
    )
    precision: Precision = Field("float32", description="run: float32 or bfloat16")
    device: Device = Field("auto", description="run: the device to compute on")
    force: bool = Field(False, description="make: write again even if the folder holds the same benchmark")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> BenchmarkVerbConfig:
        if self.action == "make":
            if self.out is None:
                raise ValueError("`benchmark make` needs --out, the folder to write")
            return self
        if self.results is None and self.embeddings is None and self.model is None:
            raise ValueError("`benchmark run` needs --model, --embeddings or --results: what is scored")
        if self.embeddings is not None and self.model is None and self.query_embeddings is None:
            raise ValueError("with --embeddings give --model or --query_embeddings: queries need vectors too")
        return self
