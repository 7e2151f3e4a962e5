"""The fields of `iconoclip segment`. A field's description is its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from data_prep.config_groups import Network, ShardLimits, contact_field
from data_prep.segment.engines.interface import SHIPPED_MODEL
from iconoclip.config import Config, positional
from iconoclip.page_layout.kinds import BoxKind
from iconoclip.vocabulary import SLUG_PATTERN, PolicyName

EngineName = Literal["shipped", "hugging_face", "none"]


class SegmentConfig(Config):
    """Find the pictures on the pages of a shard set, and make a shard set of them."""

    shardset: Path | None = Field(
        None,
        description=(
            "folder of the shard set whose images are pages; or of a catalogue, whose pages are then"
            " downloaded small, into OUT/pages, and only the pictures found on them large"
        ),
        json_schema_extra=positional(),
    )
    where: str | None = Field(
        None, description="only for a catalogue: a SQL condition over its columns, as in harvest"
    )
    page_side_pixels: int = Field(
        1100, ge=200, le=8192, description="only for a catalogue: longer side of a downloaded page"
    )
    out: Path = Field(description="folder of the shard set of pictures; with `train`, the ONNX file to write")
    name: str | None = Field(
        None,
        description="name of the new set; default: the name of the set of pages and `-pictures`",
        pattern=SLUG_PATTERN,
        max_length=64,
    )
    engine: EngineName = Field(
        "shipped",
        description=(
            "what finds the pictures: the model that iconoclip ships; an object-detection model in Hugging"
            " Face's format; or `none`, image processing without a model"
        ),
    )
    model: str | None = Field(
        None,
        description=(
            "for `hugging_face`, a folder or the id of a model on the hub; for `shipped`, another ONNX file"
            " that training wrote"
        ),
    )
    kinds: list[BoxKind] = Field(
        ["illustration", "photograph", "map", "bookplate"],
        description="kinds of boxes that become samples; the others are only listed in pages.parquet",
        min_length=1,
    )
    least_score: float | None = Field(
        None, ge=0, le=1, description="boxes with a lower score are left out; default: the engine's threshold"
    )
    corrections: Path | None = Field(
        None,
        description=(
            "JSONL that a curator wrote or downloaded from report.html: for each page its key, its kind and"
            " its boxes, which replace what the engine finds, and which training learns from"
        ),
    )
    text_folder: Path | None = Field(
        None,
        description=(
            "the institution's documents about the pages (ALTO, hOCR, PAGE XML, IIIF annotations), named as"
            " the images: the pictures they mark come before the engine's, and captions are read from them"
        ),
    )
    ocr: bool = Field(
        False,
        description="read captions with Tesseract, where it is installed, on pages without such a document",
    )
    crop_from: Literal["page", "service"] | None = Field(
        None,
        description=(
            "where the pixels of a picture come from: the stored `page`; or the institution's image"
            " `service`, which has them at full resolution. What the service refuses is cut from the page."
            " Default: the page; for a catalogue the service"
        ),
    )
    max_side_pixels: int = Field(
        512, ge=16, le=8192, description="longer side of a stored picture; nothing is enlarged"
    )
    jpeg_quality: int = Field(90, ge=50, le=100, description="quality of a stored picture")
    contact: str | None = contact_field()
    network: Network = Field(default_factory=Network, description="for `crop_from service`, as in harvest")
    storage: ShardLimits = Field(default_factory=ShardLimits, description="as in harvest")
    num_workers: int | None = Field(
        None,
        ge=0,
        le=256,
        description=(
            "threads that each decode and read a page; 0 works in the calling thread; one per core if not"
            " given"
        ),
    )
    task: int | None = Field(
        None, ge=0, description="number of this task in a job array; it reads its share of the shards"
    )
    num_tasks: int = Field(
        1,
        ge=1,
        le=100_000,
        description="number of tasks in the job array; a call without a task writes the set",
    )
    verify_shards: bool = Field(True, description="compare each shard with its checksum before reading it")
    report_pages: int = Field(
        200, ge=0, le=5_000, description="pages in report.html, the most doubtful ones first"
    )
    created_at: str | None = Field(
        None, description="time to write (ISO 8601, UTC); default: SOURCE_DATE_EPOCH, else now"
    )
    dry_run: bool = Field(
        False, description="print how much would be read, or what would be trained, and stop"
    )
    train: list[Path] = Field(
        [],
        description=(
            "make a page model instead: JSONL files of marked pages (training/pages/truth.py lists the"
            " formats), or of corrected pages of the shard set"
        ),
    )
    train_from: Literal["model", "nothing"] = Field(
        "model",
        description=(
            "for `train`: improve the shipped model, or the one that `model` names; or start from `nothing`,"
            " which needs hundreds of marked pages and tens of thousands of samples"
        ),
    )
    train_layers: Literal["all", "small_things"] = Field(
        "all",
        description=(
            "for `train`: with `small_things`, what finds ornaments, initials and stamps is trained from"
            " nothing, and everything else of the model stays as it is"
        ),
    )
    policy: PolicyName = Field(
        "open", description="for `train`: rights policy that every corrected page must pass"
    )
    num_samples: int = Field(
        1600,
        ge=1,
        le=1_000_000,
        description="for `train`: varied pages that each network learns from",
    )
    num_folds: int = Field(
        3,
        ge=0,
        le=20,
        description=(
            "for `train`: networks that are trained without a share of the documents, to measure and to"
            " calibrate on them; 0 measures nothing, and keeps the calibration of the model that is improved"
        ),
    )
    held_out: Path | None = Field(
        None,
        description=(
            "for `train`: a text file with names of documents, one per line. Instead of folds, one network is"
            " trained without these, measured and calibrated on them, and then learns from them, too"
        ),
    )

    @property
    def start(self) -> Path:
        """The page model that training improves."""
        return Path(self.model) if self.model else SHIPPED_MODEL

    @model_validator(mode="after")
    def _the_engine_has_its_model(self) -> SegmentConfig:
        if self.shardset is None and not self.train:
            raise ValueError("`shardset` is required: the folder of a shard set of pages")
        if self.train_layers != "all" and self.train_from == "nothing":
            raise ValueError("`train_layers small_things` needs a model whose other layers stay")
        if self.num_folds == 1:
            raise ValueError("`num_folds` is 0, or at least 2")
        if self.engine == "hugging_face" and not self.model:
            raise ValueError("`engine hugging_face` needs `model`: a folder, or the id of a model")
        if self.engine == "none" and self.model:
            raise ValueError("`engine none` has no model")
        if self.task is not None and self.task >= self.num_tasks:
            raise ValueError(f"task {self.task} of {self.num_tasks}: tasks are numbered from 0")
        return self
