"""The fields that say what a table or the samples of tars hold: the meaning of the columns, and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from data_prep.config_groups import Storing
from iconoclip.config import Config, positional


class Columns(Config):
    """The meaning of the columns of a table. A name may be a list of names; the first
    column with a value is used.
    """

    file: str | list[str] = Field(
        default="file",
        description=(
            "path or web address of the image; a pattern names columns in braces, for example {id}.tif"
        ),
    )
    id: str | list[str] | None = Field(
        default=None, description="identifier of the item; default: the file's path"
    )
    captions: dict[str, str | list[str]] = Field(
        default={"title": "title", "caption": "caption", "description": "description"},
        description="caption field -> column(s); a cell may hold a list. Captions appear in this order",
    )
    language: str | list[str] | None = Field(default=None, description="BCP 47 tag of the captions")
    caption_languages: dict[str, str] = Field(
        default={}, description="caption field -> its language, if it differs from `language`"
    )
    rights: str | list[str] | None = Field(
        default="rights", description="rights statement or licence, in any spelling"
    )
    attribution: str | list[str] | None = Field(default=None, description="credit line that must be shown")
    date: str | list[str] | None = Field(
        default=None, description="date of the object, as the institution writes it"
    )
    creators: str | list[str] | None = Field(default=None, description="who made it")
    iconclass: str | list[str] | None = Field(default=None, description="Iconclass notations")
    object_type: str | list[str] | None = Field(default=None, description="kind of object")
    homepage: str | list[str] | None = Field(default=None, description="page about the object")
    raw: str | list[str] | None = Field(
        default=None,
        description=(
            "further columns to keep in every record as they are, for another mapping later; columns that no"
            " field names are not kept"
        ),
    )
    manifest: str | list[str] | None = Field(default=None, description="URI of its IIIF manifest")
    canvas: str | list[str] | None = Field(default=None, description="URI of its IIIF canvas")
    image: str | list[str] | None = Field(
        default=None, description="address the image came from; default: the file's path"
    )
    group: str | list[str] | None = Field(
        default=None,
        description="group whose samples stay in one split; default: the manifest, else the item",
    )
    institution: str | list[str] | None = Field(
        default=None, description="name of the institution, where rows differ"
    )
    regions: str | list[str] | None = Field(
        default=None, description="list of regions of the image, each with a rectangle and labels"
    )
    region_percent: str = Field(default="xywh_percent", description="key of a region's rectangle in percent")
    region_pixels: str = Field(default="xywh", description="key of a region's rectangle in pixels")
    region_label: str = Field(default="label", description="key of a region's text or texts")
    source_width: str | list[str] | None = Field(
        default=None, description="width of the full image at the source"
    )
    source_height: str | list[str] | None = Field(
        default=None, description="height of the full image at the source"
    )


class TableSettings(Storing):
    """What a reader of tables needs to know; `pack` adds where the result goes."""

    table: Path | str = Field(
        description=(
            "a table in CSV, Excel, OpenDocument, JSON, JSONL or Parquet, records in LIDO or MODS, or a"
            " folder that holds one of them next to its images, on this disk or at an address (https://, or"
            " s3:// of a public bucket); or WebDataset tars: a folder of them, a path or address, a brace"
            " list such as shards/{00000..00012}.tar"
        ),
        json_schema_extra=positional(),
    )
    more_tars: list[str] = Field(
        [],
        description="further tars, for brace lists that the shell has expanded",
        json_schema_extra=positional(),
    )
    images: Path | str | None = Field(
        None,
        description=(
            "folder that the paths in the file column are relative to: on this disk, or a public one by its"
            " address (https://HOST/FOLDER/, s3://BUCKET/FOLDER); default: the table's own"
        ),
    )
    near_files: Literal["offer", "use"] = Field(
        "offer",
        description=(
            "files that differ from the table's names in extension, leading zeros, folder or punctuation:"
            " `offer` names them in the report, `use` takes them"
        ),
    )
    sheets: list[str] = Field(
        [], description="sheets of a workbook to read; default: the catalogue, and sheets with its columns"
    )
    encoding: str | None = Field(
        None, description="encoding of a text table, for example cp1252; default: detected"
    )
    delimiter: str | None = Field(
        None,
        description="what separates the columns of a text table; default: detected",
        min_length=1,
        max_length=1,
    )
    columns: Columns = Field(default_factory=Columns, description="meaning of the columns")
    institution: str | None = Field(
        None, description="a shipped profile by name, or a YAML file; or see institution_names"
    )
    institution_names: dict[str, str] = Field(
        {}, description="name of an institution in the table -> its slug"
    )
    rights: str | None = Field(None, description="rights statement of rows without one")
    language: str | None = Field(None, description="BCP 47 tag of captions without one")
    regions: Literal["off", "records"] = Field(
        "off", description="`records`: each region becomes a sample of its own, cut from the image"
    )
    min_region_pixels: int = Field(
        32, description="regions whose shorter side is smaller are left out, and listed", ge=1
    )
    list_separator: str | None = Field(
        None,
        description=(
            "separator of several values in one cell, for example `;`. It divides subjects, persons, places,"
            " techniques, creators, types and notations; titles, descriptions and addresses stay whole"
        ),
    )
    separators: dict[str, str] = Field(
        {},
        description="column -> separator of several values in its cells, whatever the column holds",
    )
    further_columns: dict[str, list[str]] = Field(
        {},
        description=(
            "field -> further columns whose texts are added to those of its own, for example"
            " {subject: [Schlagwort 2]}"
        ),
    )
