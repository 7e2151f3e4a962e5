"""Makes records from candidates and their images: judges the rights and chooses the split."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

from pydantic import ValidationError

from data_prep.candidate import Candidate, told_apart
from data_prep.config_groups import Storing
from data_prep.ledger.jobs import ImageFacts
from iconoclip.record import Image, Record, Rights, Source, sample_key, split_of
from iconoclip.rights import POLICY_VERSION, judge, read, statement
from iconoclip.vocabulary import PolicyName

# Characters of a rights text that a refusal shows: enough to find it at the source.
MAX_SHOWN_CHARS: Final = 120


@functools.lru_cache(maxsize=10_000)
def _judged(raw: str | None, policy: PolicyName, attribution: str | None, opt_out: tuple[str, ...]) -> Rights:
    return judge(raw, policy=policy, attribution=attribution, opt_out=opt_out)


def rights_of(candidate: Candidate, policy: PolicyName, opt_out: tuple[str, ...] = ()) -> Rights:
    """The rights of a candidate under a policy, with the opt-outs that servers and files stated."""
    return _judged(candidate.rights_raw, policy, candidate.attribution, tuple(sorted(set(opt_out))))


def rights_refusal(rights: Rights, keep: str) -> str | None:
    """Why the rights of an item forbid storing it; None if it may be stored.

    An item is stored if it may be used for training or passed on. The search engine shows items that may only
    be passed on; training leaves them out by its own check.
    """
    if keep == "all" or rights.may_train or rights.redistribute != "no":
        return None
    if rights.opt_out:
        return f"rights: reserved by {', '.join(rights.opt_out)}"
    if rights.uri:
        name = statement(rights.uri)
        return f"rights: forbids: {name} allows neither training nor passing on under {rights.policy}"
    problem = read(rights.raw).problem
    if problem == "forbids":
        return f"rights: forbids: the source reserves its rights: '{_shown(rights.raw)}'"
    return f"rights: {problem}: '{_shown(rights.raw)}'" if rights.raw else "rights: missing"


def refused_for_rights(candidate: Candidate, storing: Storing) -> str | None:
    """The reason why a candidate is refused before its image is requested, or None."""
    try:
        return rights_refusal(rights_of(candidate, storing.policy), storing.keep)
    except ValidationError as error:
        return why_invalid(error)


def _shown(raw: str | None) -> str:
    text = " ".join((raw or "").split())
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "..."


RIGHTS_REMEDIES: Final = {
    "rights: missing": "ask the institution to state the rights in a picture; if you know what holds for all"
    " rows of a table, give --rights",
    "rights: not understood": "write the address or name of a licence (CC BY 4.0, Public Domain Mark 1.0);"
    " if you know what the institution's text means, explain it under `rights` in its profile",
    "rights: contradictory": "ask the institution which of its statements holds",
    "rights: forbids": "another --policy may suit your institution, if its conditions apply to you",
    "rights: reserved": "ask the institution: its servers reserve these pictures from training",
}
"""The remedy for each kind of refusal, by the beginning of its reason."""


def rights_remedy(reason: str) -> str | None:
    """The remedy for a refusal because of rights; None for any other refusal."""
    return next((text for start, text in RIGHTS_REMEDIES.items() if reason.startswith(start)), None)


def source_of(candidate: Candidate, facts: ImageFacts | None, *, is_shared: bool) -> Source:
    """The source of a record: with the region that was cut, and with the image in the identifier if the
    identifier shows several images."""
    source = told_apart(candidate.source) if is_shared else candidate.source
    region = (facts.region if facts else None) or source.region or candidate.region
    return source if region == source.region else source.model_copy(update={"region": region})


class Recorder:
    """Builds the records of one set.

    Args:
        config: policy and split.
        times: when each round over the sources began, ISO 8601.
    """

    def __init__(self, config: Storing, times: Sequence[str]) -> None:
        self.config = config
        self.policy = f"{config.policy}@{POLICY_VERSION}"
        self.created_at = times[-1]
        self._times = times
        self.created_by = created_by()

    def record(
        self,
        candidate: Candidate,
        facts: ImageFacts,
        *,
        group: str | None = None,
        opt_out: tuple[str, ...] = (),
        is_shared: bool = False,
    ) -> Record:
        """The record of a stored item; `group` overrides the candidate's own.

        Args:
            is_shared: whether its identifier shows other images as well.

        Raises:
            ValueError: the data of the source does not fit a record.
        """
        group = group or candidate.group
        source_size = facts.source_size or candidate.source_size or (None, None)
        image = Image(
            width=facts.width,
            height=facts.height,
            sha256=facts.sha256,
            source_width=source_size[0],
            source_height=source_size[1],
            requested=facts.requested,
            received=facts.received,
            source_sha256=facts.source_sha256,
            phash=facts.phash,
        )
        signals = (*facts.opt_out, *opt_out)
        source = source_of(candidate, facts, is_shared=is_shared)
        return Record(
            **self._common(candidate, source, group, signals, self._times[facts.round]),
            source=source.model_copy(update={"image": facts.image or candidate.source.image}),
            image=image,
        )

    def outline(
        self, candidate: Candidate, opt_out: tuple[str, ...] = (), *, is_shared: bool = False
    ) -> dict[str, Any]:
        """The record as far as it is known before the image is fetched: JSON values, `image` null."""
        source = source_of(candidate, None, is_shared=is_shared)
        common = self._common(candidate, source, candidate.group, opt_out, self.created_at)
        fields = {**common, "source": source}
        plain = {name: _json(value) for name, value in fields.items()}
        return {"schema_version": 2, **plain, "image": None}

    def _common(
        self, candidate: Candidate, source: Source, group: str, opt_out: tuple[str, ...], at: str
    ) -> dict[str, Any]:
        config = self.config
        return {
            "key": sample_key(candidate.institution.slug, source.id, source.region),
            "institution": candidate.institution,
            "captions": candidate.captions,
            "iconclass": candidate.iconclass,
            "creators": candidate.creators,
            "date": candidate.date,
            "object_type": candidate.object_type,
            "raw": candidate.raw,
            "raw_num_dropped": candidate.raw_num_dropped,
            "num_images": candidate.num_images,
            "rights": rights_of(candidate, config.policy, opt_out),
            "group": group,
            "split": split_of(
                group,
                val_share=config.split.val_share,
                test_share=config.split.test_share,
                seed=config.split.seed,
            ),
            "harvested_at": at,
            "harvested_by": self.created_by,
        }


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json(part) for part in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def why_invalid(error: ValidationError) -> str:
    """The first thing wrong with a record, for the report."""
    first = error.errors()[0]
    return f"does not fit a record: {'.'.join(map(str, first['loc']))}: {first['msg']}"


def created_by() -> str:
    """Program and version, as records name it."""
    return f"iconoclip {version('iconoclip')}"
