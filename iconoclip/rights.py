"""Rights: from any spelling of a statement to its canonical URI, and from that to what is allowed under a
named, versioned policy.

The default is no. The table is an engineering table, not legal advice; it follows the statements' own texts
(creativecommons.org/licenses, rightsstatements.org/page/1.0) and, for research bodies, Article 3 of
Directive (EU) 2019/790.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final, Literal, get_args

from iconoclip.clock import this_year
from iconoclip.record import Display, Redistribute, Rights, Train
from iconoclip.rights_text.addresses import LICENCE_OUVERTE
from iconoclip.rights_text.reading import PartKind, is_closed, parts_of, presupposes_copyright
from iconoclip.vocabulary import PolicyName

POLICY_VERSION: Final = 1
POLICIES: Final[tuple[PolicyName, ...]] = get_args(PolicyName)

# Longer values are prose: they are stored, but not interpreted. The part that is cut off might restrict the
# rest.
MAX_RAW_CHARS = 5_000


@dataclass(frozen=True)
class Terms:
    """What a statement allows. `train_under` names the policies under which training is allowed."""

    train_under: frozenset[PolicyName]
    redistribute: Redistribute
    display: Display
    otherwise: Train = "no"
    needs_attribution: bool = False


_EVERY: Final[frozenset[PolicyName]] = frozenset(POLICIES)
_NONCOMMERCIAL: Final[frozenset[PolicyName]] = frozenset({"noncommercial", "research"})
_RESEARCH: Final[frozenset[PolicyName]] = frozenset({"research"})
_NOBODY: Final[frozenset[PolicyName]] = frozenset()

TERMS: Final[dict[str, Terms]] = {
    "PDM": Terms(_EVERY, "yes", "yes"),
    "CC0": Terms(_EVERY, "yes", "yes"),
    "CC-BY": Terms(_EVERY, "yes", "yes", needs_attribution=True),
    # Its text names CC BY, OGL and ODC-BY as compatible: any use, also commercial, with credit.
    "LO": Terms(_EVERY, "yes", "yes", needs_attribution=True),
    "CC-BY-SA": Terms(_EVERY, "share-alike", "yes", needs_attribution=True),
    "CC-BY-NC": Terms(_NONCOMMERCIAL, "noncommercial", "yes", needs_attribution=True),
    "CC-BY-NC-SA": Terms(_NONCOMMERCIAL, "noncommercial", "yes", needs_attribution=True),
    "CC-BY-ND": Terms(_NOBODY, "unaltered", "unaltered", otherwise="review", needs_attribution=True),
    "CC-BY-NC-ND": Terms(_NOBODY, "unaltered", "unaltered", otherwise="review", needs_attribution=True),
    "NoC-NC": Terms(_NONCOMMERCIAL, "noncommercial", "yes"),
    "NoC-OKLR": Terms(_NONCOMMERCIAL, "noncommercial", "yes"),
    "NoC-CR": Terms(_NOBODY, "no", "link", otherwise="review"),
    "NoC-US": Terms(_NOBODY, "no", "link", otherwise="review"),
    "NKC": Terms(_NOBODY, "no", "link", otherwise="review"),
    "InC-EDU": Terms(_RESEARCH, "no", "link"),
    "InC-NC": Terms(_RESEARCH, "no", "link"),
    "InC": Terms(_RESEARCH, "no", "link"),
    "InC-OW-EU": Terms(_RESEARCH, "no", "link"),
    "CNE": Terms(_RESEARCH, "no", "link"),
    "InC-RUU": Terms(_NOBODY, "no", "link"),
    "UND": Terms(_NOBODY, "no", "link"),
}
UNKNOWN: Final = Terms(_NOBODY, "no", "link")


@dataclass(frozen=True)
class Reading:
    """The meaning of a rights value as a whole."""

    uri: str | None
    """The canonical URI of its statement; None if it makes none that is understood."""
    problem: Problem | None = None


Problem = Literal["missing", "not understood", "contradictory", "forbids", "conditions elsewhere"]
"""Why a value is no plain statement. `conditions elsewhere`: it names a statement and links to general
conditions that nobody has checked, so a person must decide."""


def canonical_uri(raw: str | None) -> str | None:
    """The canonical URI of a rights value in any spelling: https, `.de` deeds, HTML links,
    retired addresses, names.

    Returns:
        The `http://` URI that the statement's publisher calls canonical; None if the value names no
        statement, names several different ones, or contains anything else that is not understood.
    """
    return read(raw).uri


def read(raw: str | None, *, year: int | None = None) -> Reading:
    """The meaning of `raw`, which is one value or several with ` | ` between them.

    If there are several statements, the strictest counts. If one value is not understood, none counts,
    because it might be a restriction. A credit line is compatible with a licence, but contradicts "no
    copyright".

    Args:
        year: the current year; without one, that of the clock. A value that names a later one is a condition.
    """
    return _read(raw, this_year() if year is None else year)


@functools.lru_cache(maxsize=10_000)
def _read(raw: str | None, year: int) -> Reading:
    if not raw or not raw.strip():
        return Reading(None, "missing")
    if len(raw) >= MAX_RAW_CHARS:
        return Reading(None, "not understood")
    parts = parts_of(raw, year)
    kinds = {part.kind for part in parts}
    uris = {part.uri for part in parts if part.uri}
    uri = _strictest(uris)
    if uri is not None and is_closed(uri):
        kinds -= {"forbids", "notice", "terms-page"}
    if "forbids" in kinds:
        return Reading(None, "forbids")
    if "not-understood" in kinds:
        return Reading(None, "not understood")
    if uri is None:
        return Reading(None, "contradictory" if uris else _PROBLEM_ALONE[_loudest(kinds)])
    if "notice" in kinds and not all(map(presupposes_copyright, uris)):
        return Reading(None, "contradictory")
    return Reading(uri, "conditions elsewhere" if "terms-page" in kinds else None)


_PROBLEM_ALONE: Final[dict[str, Problem]] = {
    "notice": "forbids", "terms-page": "not understood", "silent": "missing",
}  # fmt: skip


def _loudest(kinds: set[PartKind]) -> str:
    return next((kind for kind in _PROBLEM_ALONE if kind in kinds), "silent")


_SHOWING: Final[tuple[Display, ...]] = ("yes", "unaltered", "link")


def _strictest(uris: set[str]) -> str | None:
    """The URI whose terms are all at least as strict as those of the others; None if there is none."""
    return next((uri for uri in sorted(uris) if all(_is_as_strict(uri, other) for other in uris)), None)


def _is_as_strict(uri: str, other: str) -> bool:
    mine, others = terms(uri), terms(other)
    if statement(uri) == statement(other):
        return True
    return (
        mine.train_under <= others.train_under
        and (mine.redistribute in ("no", others.redistribute) or others.redistribute == "yes")
        and _SHOWING.index(mine.display) >= _SHOWING.index(others.display)
    )


def statement(uri: str | None) -> str | None:
    """The short name of a canonical URI's statement ("PDM", "CC-BY-SA", "InC-EDU"), or None when unknown."""
    if uri is None:
        return None
    if "publicdomain/mark" in uri:
        return "PDM"
    if "publicdomain/zero" in uri:
        return "CC0"
    if uri == LICENCE_OUVERTE:
        return "LO"
    if "/licenses/" in uri:
        return "CC-" + uri.split("/licenses/")[1].split("/")[0].upper()
    name = uri.rstrip("/").split("/")[-2] if "rightsstatements.org" in uri else ""
    return name if name in TERMS else None


def terms(uri: str | None) -> Terms:
    """What the statement of a canonical URI allows; an unknown or missing one allows only a link."""
    return TERMS.get(statement(uri) or "", UNKNOWN)


def judge(
    raw: str | None,
    *,
    policy: PolicyName = "open",
    attribution: str | None = None,
    opt_out: tuple[str, ...] = (),
) -> Rights:
    """The rights of one item: the value found, its meaning, and the decision under `policy`.

    Args:
        raw: the value as found at the source.
        policy: `open` (open licences only), `noncommercial`, or `research` (a research organisation under
            Article 3 of Directive (EU) 2019/790).
        attribution: the credit line that the source requires.
        opt_out: reservations seen (TDMRep, noai, ...). Any of them forbids training, under every policy.
    """
    reading = read(raw)
    allowed = terms(reading.uri)
    train: Train = "yes" if policy in allowed.train_under else allowed.otherwise
    if train == "yes" and reading.problem:
        train = "review"
    return Rights(
        raw=raw[:MAX_RAW_CHARS] if raw else None,
        uri=reading.uri,
        policy=f"{policy}@{POLICY_VERSION}",
        train="no" if opt_out else train,
        redistribute=allowed.redistribute,
        display=allowed.display,
        attribution=attribution or None,
        opt_out=opt_out,
    )


def judged_again(rights: Rights, policy: PolicyName) -> Rights:
    """The verdict under `policy`; training is a plain yes only if the record's own verdict does not deny it.

    A record from a stricter policy may gain permissions: its raw value and reservations decide. One whose URI
    differs from what its raw value means gains none.
    """
    verdict = judge(
        rights.raw or rights.uri, policy=policy, attribution=rights.attribution, opt_out=rights.opt_out
    )
    if verdict.uri != rights.uri:
        return verdict.model_copy(update={"train": "no", "redistribute": "no", "display": "link"})
    return verdict


def may_train(rights: Rights, policy: PolicyName) -> bool:
    """Decide again, under `policy`, from the raw value alone: a permission that a shard set claims
    is not trusted.

    The decision in the record must allow training as well: a stricter harvest stays strict.
    """
    reading = read(rights.raw or rights.uri)
    return rights.may_train and reading == Reading(rights.uri) and policy in terms(rights.uri).train_under


def may_pass_on(raw: str | None, uri: str | None, allowed: frozenset[Redistribute]) -> bool:
    """Whether a picture may be passed on, decided again from the statement that its record quotes.

    Args:
        raw: the value as found.
        uri: the canonical URI that the record states for it; it must be what the value means.
        allowed: the kinds of permission that suffice.
    """
    return read(raw or uri) == Reading(uri) and terms(uri).redistribute in allowed
