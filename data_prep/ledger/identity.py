"""What an item is called: by its identifier, and by its identifier and the image it shows.

The identifier alone makes the sample key, as long as everybody who uses it shows the same image. Where the
same canvas id shows different images (newspapers whose issues number their canvases alike), the image's
service or address joins the identifier. The ledger keeps items apart from the first by `item_key_of`;
data_prep.harvest.shards decides which name a sample gets, once everything has been read.
"""

from __future__ import annotations

from data_prep.candidate import Candidate
from data_prep.ledger.jobs import CANDIDATE
from iconoclip.record import Source, sample_key


def key_of(candidate: Candidate) -> str:
    """The sample key of a candidate whose identifier shows one image."""
    return sample_key(
        candidate.institution.slug, candidate.source.id, candidate.source.region or candidate.region
    )


def item_key_of(candidate: Candidate) -> str:
    """The key of a candidate that tells its image from others of the same identifier."""
    return sample_key(
        candidate.institution.slug,
        told_apart(candidate.source).id,
        candidate.source.region or candidate.region,
    )


def item_key_of_json(candidate_json: str | None, key: str) -> str:
    """`item_key_of` a candidate in JSON; `key` where there is none or it cannot be read."""
    try:
        return item_key_of(CANDIDATE.validate_json(candidate_json or ""))
    except ValueError:
        return key


def told_apart(source: Source) -> Source:
    """The source with its image in its identifier."""
    image = image_of(source)
    return (
        source
        if source.id.endswith(f"#{image}")
        else source.model_copy(update={"id": f"{source.id}#{image}"})
    )


def image_of(source: Source) -> str:
    """What tells the image from another: its service, else its address; http and https are the same."""
    place = source.image_service or source.image or ""
    return f"https://{place.removeprefix('http://')}" if place.startswith("http://") else place
