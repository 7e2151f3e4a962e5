"""Reads objects of S3, of Amazon or of any server that speaks its protocol, with pyarrow's client.

The client that fsspec names for such addresses, s3fs, and the one that publishes, boto3, want different
versions of the same library, and pip takes minutes to find some that fit. pyarrow is installed anyway, and
has a client of its own.

Credentials and the server's address are where the tools of S3 have them: AWS_ACCESS_KEY_ID, ~/.aws,
AWS_ENDPOINT_URL_S3. Without credentials, public buckets are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

SCHEME: Final = "s3://"
# Where credentials are: keys, a profile, or what a cluster or a cloud gives its jobs.
_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_STATED: Final = re.compile(r"HTTP status (\d{3})")
_NAMED: Final = re.compile(r"AWS Error ([A-Z_]+)")
_STATUSES: Final = {
    "ACCESS_DENIED": 403, "INVALID_ACCESS_KEY_ID": 403, "SIGNATURE_DOES_NOT_MATCH": 403,
    "UNRECOGNIZED_CLIENT": 403, "INVALID_CLIENT_TOKEN_ID": 403, "EXPIRED_TOKEN": 403,
    "NO_SUCH_BUCKET": 404, "NO_SUCH_KEY": 404, "RESOURCE_NOT_FOUND": 404,
    "SLOW_DOWN": 503, "THROTTLING": 503, "SERVICE_UNAVAILABLE": 503,
}  # fmt: skip


def file_system(address: str, *, connect_seconds: float, silence_seconds: float) -> tuple[Any, str]:
    """The fsspec file system for an `s3://` address, and the path in it.

    Args:
        address: the address of an object.
        connect_seconds: timeout of a connection.
        silence_seconds: timeout without data.
    """
    path = address[len(SCHEME) :]
    bucket = path.partition("/")[0]
    return _file_system(bucket, connect_seconds, silence_seconds, _settings(os.environ)), path


def _settings(environment: Mapping[str, str]) -> tuple[tuple[str, str | bool], ...]:
    """What the environment says of servers and credentials, as options of pyarrow's client."""
    found: dict[str, str | bool] = {}
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts = urlsplit(endpoint if "//" in endpoint else f"https://{endpoint}")
        found |= {"endpoint_override": parts.netloc + parts.path.rstrip("/"), "scheme": parts.scheme}
    region = next((environment[name] for name in _REGIONS if environment.get(name)), None)
    if region:
        found["region"] = region
    files = (
        environment.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        environment.get("AWS_CONFIG_FILE", "~/.aws/config"),
    )
    if not any(environment.get(name) for name in _CREDENTIALS):
        found["anonymous"] = not any(Path(name).expanduser().is_file() for name in files)
    return tuple(sorted(found.items()))


@lru_cache(maxsize=16)
def _file_system(
    bucket: str, connect_seconds: float, silence_seconds: float, settings: tuple[tuple[str, str | bool], ...]
) -> Any:
    # Imported here: most commands read no object storage, and the client takes half a second.
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import S3FileSystem, resolve_s3_region

    options: dict[str, Any] = dict(settings)
    if "region" not in options and "endpoint_override" not in options:
        options["region"] = resolve_s3_region(bucket)
    return ArrowFSWrapper(
        S3FileSystem(connect_timeout=connect_seconds, request_timeout=silence_seconds, **options)
    )


def status_in(message: str) -> int | None:
    """The HTTP status that an error of pyarrow's client is about, from its message; None for other errors."""
    if (stated := _STATED.search(message)) is not None:
        return int(stated[1])
    named = _NAMED.search(message)
    return None if named is None else _STATUSES.get(named[1])
