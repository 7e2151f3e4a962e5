"""Public folders of images at an address: https, and buckets of S3 without credentials.

The images are requested one by one with the client of the harvest, which keeps the rate limits of the host.
An object in a public bucket has a plain https address; another S3 server than Amazon's is named by the
environment variable that its own tools read, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from data_prep.iiif.document import web_address
from iconoclip.errors import ConfigError


@dataclass(frozen=True)
class WebFolder:
    """A folder at an address, which ends with a slash."""

    base: str

    def address(self, name: str) -> str:
        """The address of a file in the folder; an address stays as it is."""
        if web_address(name):
            return name
        return self.base + quote(name.replace("\\", "/").lstrip("/"), safe="/%~")


def web_folder(images: Path | str | None) -> WebFolder | None:
    """The folder that a setting names by an address; None for one on this disk.

    Raises:
        ConfigError: an address of another kind.
    """
    # A path keeps one slash of `https://`.
    text = str(images or "")
    scheme, found, rest = text.partition(":/")
    if not found or len(scheme) < 2:
        return None
    rest = rest.lstrip("/").rstrip("/")
    if scheme.lower() in ("http", "https"):
        return WebFolder(f"{scheme.lower()}://{rest}/")
    if scheme.lower() == "s3" and rest:
        return WebFolder(_bucket(rest))
    raise ConfigError(
        f"folders at {scheme}: addresses are not read", where="images", remedy="give a path, https: or s3:"
    )


def public_address(address: str) -> str:
    """The https address of an object in a public bucket of S3; any other address stays as it is."""
    scheme, _, rest = address.partition("://")
    if scheme.lower() != "s3":
        return address
    folder, slash, name = rest.rpartition("/")
    return _bucket(folder) + quote(name) if slash else _bucket(rest)


def _bucket(rest: str) -> str:
    bucket, _, folder = rest.partition("/")
    folder = f"{quote(folder, safe='/')}/" if folder else ""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and urlsplit(endpoint).hostname:
        return f"{endpoint.rstrip('/')}/{bucket}/{folder}"
    return f"https://{bucket}.s3.amazonaws.com/{folder}"
