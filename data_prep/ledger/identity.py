"""The keys of an item: from its identifier, and from its identifier together with its image.

The sample key is made from the identifier alone, as long as all documents with this identifier show the same
image. If a canvas id shows different images (as in newspapers whose issues number their canvases in the same
way), the image's service or address is added to it. The ledger separates items by `item_key_of` from the
start; data_prep.harvest.shards decides which key a sample gets, when everything has been read.
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
    """The key of a candidate that distinguishes its image from others with the same identifier."""
    return sample_key(
        candidate.institution.slug,
        told_apart(candidate.source).id,
        candidate.source.region or candidate.region,
    )


def item_key_of_json(candidate_json: str | None, key: str) -> str:
    """`item_key_of` for a candidate in JSON; `key` if there is none or it cannot be read."""
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
    """What distinguishes the image from others: its service, otherwise its address; http
    and https count as equal.
    """
    place = source.image_service or source.image or ""
    return f"https://{place.removeprefix('http://')}" if place.startswith("http://") else place
