"""The fields of `encode`, `index`, `search` and `serve`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from iconoclip.config import Config, positional
from iconoclip.vocabulary import Device, Precision

IndexKind = Literal["auto", "exact", "hnsw", "ivf-sq8", "ivf-pq"]
Mode = Literal["hybrid", "semantic", "keyword"]
Sort = Literal["relevance", "oldest", "newest", "title", "maker"]
Dates = Literal["possibly", "certainly"]


class EncodeConfig(Config):
    """Embed the images (or captions) of a shard set with a model."""

    renamed: ClassVar[dict[str, str]] = {"verify": "verify_shards"}

    model: str = Field(
        description="model directory, as `iconoclip export` writes it", json_schema_extra=positional()
    )
    shardset: str = Field(description="shard set folder", json_schema_extra=positional())
    out: str = Field(description="folder of the embedding store")
    side: Literal["image", "text"] = Field("image", description="what to embed: the image, or its captions")
    precision: Precision = Field(
        "auto", description="auto takes bfloat16 if the hardware computes it natively, otherwise float32"
    )
    batch_size: int = Field(
        64,
        ge=1,
        le=4096,
        description=("images per forward pass; a batch may contain images of several shards"),
    )
    num_workers: int | None = Field(
        None,
        ge=0,
        le=256,
        description=(
            "threads that each read, decode and encode a batch; 0 works in the calling thread; "
            "one per core if not given"
        ),
    )
    num_threads: int | None = Field(
        1,
        ge=1,
        le=256,
        description="CPU threads of each worker's forward pass; null means all cores",
    )
    device: Device = Field("auto", description="device of the model; auto takes a GPU if there is one")
    task: int | None = Field(
        None, ge=0, description="number of this task in a job array; it encodes its share of the shards"
    )
    num_tasks: int = Field(
        1,
        ge=1,
        le=100_000,
        description=("number of tasks in the job array; a call without a task assembles the store"),
    )
    verify_shards: bool = Field(True, description="compare each shard with its checksum before reading it")
    dry_run: bool = Field(False, description="print what would be encoded, and stop")


class IndexConfig(Config):
    """Build a search index from embedding stores."""

    renamed: ClassVar[dict[str, str]] = {"shardset": "shardsets"}

    stores: list[str] = Field(
        [],
        description="embedding store folders, all made by one model, of images and of captions; they"
        " stay on disk",
        json_schema_extra=positional(),
    )
    shardsets: list[str] = Field(
        [],
        description="shard set of each store, in the same order, or one for all; default: those the"
        " stores name",
    )
    pages: list[str] = Field(
        [],
        description=(
            "pages.parquet files that `iconoclip segment` wrote: what is on the pages in the shard sets."
            " Files of this name in the folders of the shard sets are read anyway"
        ),
    )
    model: str | None = Field(
        None, description="model directory that made the stores; by default the one they name"
    )
    out: str = Field(description="index folder")
    kind: IndexKind = Field(
        "auto", description="kind of index; auto chooses by size and memory, and prints the reason"
    )
    memory_budget_mb: int = Field(
        800, ge=64, description=("memory that the server may use for vectors, in MB")
    )
    num_probes: int = Field(
        0,
        ge=0,
        le=65536,
        description=("number of lists that an IVF index searches; 0 measures how many the recall needs"),
    )
    target_recall: float = Field(
        0.95, ge=0.5, le=1.0, description="recall@10, compared with exact search, that the index must reach"
    )
    num_threads: int | None = Field(
        None, ge=1, le=256, description="CPU threads of the build; all cores if not given"
    )
    backend: Literal["faiss", "milvus"] = Field("faiss", description="the vector store")
    milvus_uri: str | None = Field(
        None, description="address of a Milvus cluster; by default Milvus Lite in a file of the index"
    )
    add: bool = Field(
        False,
        description=("add the stores to the existing index, without a rebuild, instead of replacing it"),
    )
    compact: bool = Field(
        False, description="fold additions and withdrawals into a new generation of the existing index"
    )
    dry_run: bool = Field(False, description="print what would be built and why, and stop")

    @model_validator(mode="after")
    def _compacting_takes_no_stores(self) -> IndexConfig:
        if self.compact and (self.stores or self.add):
            raise ValueError("`compact` takes no stores: add them first, with `--add`, then compact")
        return self


class SearchConfig(Config):
    """Search an index from the terminal."""

    renamed: ClassVar[dict[str, str]] = {"shardset": "shardsets", "institution": "institutions"}

    text: str | None = Field(
        None,
        description=(
            'what to look for, in any language the model knows; also "exact phrase", -word, OR, creator:NAME,'
            " year:1480..1500, title:, place:, type:, institution:, notation:, language:, rights:,"
            " picture:map"
        ),
        json_schema_extra=positional(),
    )
    index: str = Field(description="index folder")
    shardsets: list[str] = Field([], description="present folders of the shard sets, if they were moved")
    model: str | None = Field(None, description="present folder of the model, if it was moved")
    mode: Mode = Field("hybrid", description="by meaning and words, by meaning alone, or by words alone")
    literal: bool = Field(False, description="search the words as they are typed, never similar ones")
    plain: bool = Field(False, description="read the text as plain words, without operators")
    sort: Sort = Field(
        "relevance", description="order of the results; any other than relevance lists only what matches"
    )
    k: int = Field(10, ge=1, le=200, description="number of results")
    cursor: str | None = Field(None, description="continue after a page, with the cursor that it printed")
    like: list[str] = Field([], description="keys of items that hits should resemble")
    unlike: list[str] = Field([], description="keys of items that hits should not resemble")
    plus: list[str] = Field([], description="further texts that should be in the picture")
    minus: list[str] = Field([], description="further texts that should not be in the picture")
    image: str | None = Field(None, description="image file to search with")
    institutions: list[str] = Field([], description="only items of these institutions, by slug")
    language: list[str] = Field([], description="only items with a caption in one of these languages")
    earliest: int | None = Field(None, description="made in this year or later")
    latest: int | None = Field(None, description="made in this year or earlier")
    dates: Dates = Field(
        "possibly",
        description="whether it is enough that a date overlaps the period, or it must lie within",
    )
    reusable: bool | None = Field(None, description="only items that may be reused")
    rights: list[str] = Field([], description="short names of rights statements: PDM, CC-BY, InC")
    iconclass: list[str] = Field([], description="Iconclass branches, e.g. 25F or 46A122, or words of one")
    object_type: list[str] = Field([], description="kinds of object, as the records name them")
    creator: list[str] = Field([], description="makers, as the records name them")
    place: list[str] = Field([], description="places, as the records name them")
    has_region: bool | None = Field(None, description="only records about a part of an image")
    picture_kind: list[str] = Field(
        [], description="kinds of pictures on pages: illustration, initial, ornament, photograph, map, ..."
    )
    pictures_only: bool | None = Field(
        None, description="leave out whole pages whose pictures are items of their own, or that have none"
    )
    fold: bool = Field(True, description="show near-duplicates as one result with a count")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description=("0: the best first; towards 1: the hits of a page differ more from each other"),
    )
    json: bool = Field(False, description=("print one JSON object instead of a table"))  # type: ignore[assignment]


class ServeConfig(Config):
    """Serve the search page and the API."""

    renamed: ClassVar[dict[str, str]] = {"shardset": "shardsets"}

    index: str = Field(description="index folder", json_schema_extra=positional())
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    shardsets: list[str] = Field([], description="present folders of the shard sets, if they were moved")
    model: str | None = Field(None, description="present folder of the model, if it was moved")
    max_requests: int = Field(
        200, ge=1, le=10_000, description=("requests handled at the same time; further ones are answered 503")
    )
    max_connections: int = Field(
        500,
        ge=2,
        le=100_000,
        description="open connections; a further one closes the one that has been idle for longest",
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        description=(
            "addresses of proxies whose X-Forwarded headers (Proto, For, Host, Prefix) are "
            "trusted, separated by commas"
        ),
    )
    title: str = Field(
        "iconoclip", max_length=120, description=("name of the collection, shown on every page")
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description=(
            "public address behind a reverse proxy: scheme, host and path (which the proxy "
            "strips); by default the address of each request"
        ),
    )
    rate_limit_per_minute: int = Field(
        300, ge=0, le=1_000_000, description="requests per client and minute; 0 means no limit"
    )
    max_upload_bytes: int = Field(
        10_000_000, ge=1_000, le=20_000_000, description="size of an uploaded picture, in bytes"
    )
    max_upload_pixels: int = Field(
        60_000_000, ge=1, le=500_000_000, description="width times height of an uploaded picture"
    )
    fetch_pictures: bool = Field(
        True,
        description=(
            "fetch pictures that users name by address, from hosts of the institutions here; "
            "false: the service sends no requests"
        ),
    )
    cors_origins: list[str] = Field(
        [],
        description=(
            "origins of other sites whose pages may read the API, such as a IIIF viewer; `*` for all"
        ),
    )
    consortium: list[str] = Field([], description="institutions, by slug, that only people with a token see")
    hidden: list[str] = Field([], description="institutions, by slug, that nobody sees")
    token_file: str | None = Field(
        None, description="file with one token per line; each gives access to the consortium's items"
    )
    preload: bool = Field(True, description="load the model in the background at start")


class FederateConfig(Config):
    """Search several iconoclip services on one page, through their public API."""

    services: list[str] = Field(
        description="addresses of the services, each with a name if you like: NAME=https://search.example",
        json_schema_extra=positional(),
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8001, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    title: str = Field("iconoclip", max_length=120, description="name of the federation, shown on every page")
    timeout_seconds: float = Field(
        4.0, ge=0.1, le=60, description="how long to wait for the whole answer of a service"
    )
    private_addresses: bool = Field(
        False,
        description="names of services may lead into a private network; an IP address and `localhost` always"
        " may",
    )
    public_url: str | None = Field(
        None, pattern=r"^https?://[^\s?#]+$", description="public address behind a reverse proxy"
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="addresses of proxies whose X-Forwarded headers are trusted"
    )
    rate_limit_per_minute: int = Field(
        120, ge=0, le=1_000_000, description="requests per client and minute; 0 means no limit"
    )
    max_requests: int = Field(
        100, ge=1, le=10_000, description="requests handled at the same time; further ones are answered 503"
    )
    max_connections: int = Field(
        500, ge=2, le=100_000, description="open connections; a further one closes the longest idle one"
    )
