"""What is known of an institution beyond its documents: hosts and their limits, labels, titles, quirks.

All of it is data, one YAML file an institution under configs/institutions/. Adding an institution means adding a
file; an unknown one gets a generic profile named after its host.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field

from iconoclip.config import Config, load, shipped_config
from iconoclip.record import SLUG_PATTERN, Institution

FOLDER = "institutions"


class HostLimit(Config):
    """How much a host bears."""

    requests_per_minute: float = Field(
        60, gt=0, description="requests a minute to this host, all workers together"
    )
    concurrency: int = Field(2, ge=1, le=64, description="requests under way to this host at one time")
    cool_down_seconds: float = Field(
        60, ge=0, description="pause after the host answered 429 or 503 without Retry-After"
    )
    refusal_is_final: bool = Field(
        False, description="a 403 of this host refuses the item for good, not the pace"
    )


class InstitutionProfile(Config):
    """What the readers and the fetcher need to know about one institution."""

    slug: str = Field(
        description="short name in lower case; first part of every sample key",
        pattern=SLUG_PATTERN,
        max_length=64,
    )
    name: str = Field(description="name as the institution writes it")
    isil: str | None = Field(None, description="ISO 15511 identifier, where known")
    hosts: dict[str, HostLimit] = Field(
        {}, description="host name -> its limits; a name stands for its subdomains too"
    )
    language: str | None = Field(
        None, description="BCP 47 tag of texts that carry none and are too short to tell"
    )
    fields: dict[str, str] = Field({}, description="metadata label, lower case -> caption field, or `ignore`")

    @property
    def institution(self) -> Institution:
        """The institution as a record names it."""
        return Institution(slug=self.slug, name=self.name, isil=self.isil)


def load_profile(name_or_path: str | Path) -> InstitutionProfile:
    """A shipped profile by name (`gallica`), or one from a YAML file.

    Raises:
        MissingRequirement: no such profile.
        ConfigError: the file or a value in it is not valid.
    """
    text = str(name_or_path)
    path = Path(text) if text.endswith((".yaml", ".yml")) else shipped_config(f"{FOLDER}/{text}.yaml")
    return load(InstitutionProfile, path)


@functools.lru_cache(maxsize=4096)
def profile_for(uri: str) -> InstitutionProfile:
    """The profile of the institution whose host serves `uri`; a generic one when no shipped profile names it."""
    host = urlsplit(uri).hostname or "local"
    slug = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")[:64].strip("-") or "local"
    return InstitutionProfile(slug=slug, name=host)
