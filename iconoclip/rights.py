"""Rights: from any spelling of a statement to its canonical URI, and from that to what is allowed under a
named, versioned policy.

The default is no. The table is an engineering table, not legal advice; it follows the statements' own texts
(creativecommons.org/licenses, rightsstatements.org/page/1.0) and, for research bodies, Article 3 of
Directive (EU) 2019/790.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final, get_args

from iconoclip.record import Display, Redistribute, Rights, Train
from iconoclip.vocabulary import PolicyName

POLICY_VERSION: Final = 1
POLICIES: Final[tuple[PolicyName, ...]] = get_args(PolicyName)

# Longer values are prose: stored, but not interpreted.
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

_STATEMENTS = (
    "InC",
    "InC-OW-EU",
    "InC-EDU",
    "InC-NC",
    "InC-RUU",
    "NoC-CR",
    "NoC-NC",
    "NoC-OKLR",
    "NoC-US",
    "CNE",
    "UND",
    "NKC",
)
_STATEMENT_BY_LOWER = {name.lower(): name for name in _STATEMENTS}
_RIGHTS_STATEMENT = re.compile(
    r"(?:www\.)?rightsstatements\.org/(?:vocab|page|data)/([a-z-]+)(?:/1\.0)?(?:[/?#]|$)", re.IGNORECASE
)
_LICENCE = re.compile(
    r"(?:www\.)?creativecommons\.org/licen[sc]es/(by(?:-nc)?(?:-nd|-sa)?|by-nd-nc)(?:/(\d\.\d))?(?:/([a-z]{2,3}))?(?![a-z-])",
    re.IGNORECASE,
)
_DEDICATION = re.compile(r"(?:www\.)?creativecommons\.org/publicdomain/(mark|zero)(?![a-z-])", re.IGNORECASE)
# A badge, and the pages that explain the two public-domain tools: some libraries link only to these.
_BADGE = re.compile(
    r"(?:i\.creativecommons\.org|licensebuttons\.net)/(l|p)/([a-z-]+)/(\d\.\d)/", re.IGNORECASE
)
_ABOUT = re.compile(
    r"(?:www\.)?creativecommons\.org/(?:about|choose)/(pdm|cc0|mark|zero)(?![a-z0-9-])", re.IGNORECASE
)
_ABOUT_NAMES = {"pdm": "mark", "cc0": "zero", "mark": "mark", "zero": "zero"}
_SCHEME = re.compile(r"^(?:https?:)?//", re.IGNORECASE)
_HREF = re.compile(r"""href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
# Europeana retired these addresses in favour of RightsStatements.org (Europeana Licensing Framework,
# 2015-2016).
_RETIRED_EUROPEANA = {
    "rr-f": "InC", "rr-p": "InC", "rr-r": "InC", "unknown": "UND",
    "out-of-copyright-non-commercial": "NoC-NC",
    "orphan-work-eu": "InC-OW-EU",
    "test-orphan-work-test": "InC-OW-EU",
}  # fmt: skip
_EUROPEANA = re.compile(r"(?:www\.)?europeana\.eu/(?:portal/)?rights/([a-z-]+?)(?:\.html|/|$)", re.IGNORECASE)


def canonical_uri(raw: str | None) -> str | None:
    """The canonical URI of a rights value in any spelling: https, `.de` deeds, HTML links, retired addresses.

    Returns:
        The `http://` URI that the statement's own publisher calls canonical, or None when no statement is
        named, or when the value names several that differ.
    """
    found = {uri for candidate in _candidates(raw or "") if (uri := _one_uri(candidate))}
    return found.pop() if len(found) == 1 else None


def _candidates(raw: str) -> list[str]:
    text = html.unescape(raw[:MAX_RAW_CHARS])
    return _HREF.findall(text) + re.findall(
        r"(?:https?:)?//[^\s<>\"']+|(?<![/.])\b(?:www\.)?(?:creativecommons|rightsstatements)\.org/[^\s<>\"']+",
        text,
    )


def _one_uri(candidate: str) -> str | None:
    # The host must be the publisher's own; an address that only contains such a URL does not name
    # a statement.
    candidate = _SCHEME.sub("", candidate)
    if match := _BADGE.match(candidate):
        folder = "licenses" if match[1].lower() == "l" else "publicdomain"
        candidate = f"creativecommons.org/{folder}/{match[2]}/{match[3]}/"
    if match := _ABOUT.match(candidate):
        return f"http://creativecommons.org/publicdomain/{_ABOUT_NAMES[match[1].lower()]}/1.0/"
    if match := _DEDICATION.match(candidate):
        return f"http://creativecommons.org/publicdomain/{match[1].lower()}/1.0/"
    if match := _LICENCE.match(candidate):
        elements = match[1].lower().replace("by-nd-nc", "by-nc-nd")
        port = f"{match[3].lower()}/" if match[3] and (match[2] or "4.0") < "4" else ""
        return f"http://creativecommons.org/licenses/{elements}/{match[2] or '4.0'}/{port}"
    if match := _EUROPEANA.match(candidate):
        name = _RETIRED_EUROPEANA.get(match[1].lower())
        return f"http://rightsstatements.org/vocab/{name}/1.0/" if name else None
    if match := _RIGHTS_STATEMENT.match(candidate):
        name = _STATEMENT_BY_LOWER.get(match[1].lower())
        return f"http://rightsstatements.org/vocab/{name}/1.0/" if name else None
    return None


def statement(uri: str | None) -> str | None:
    """The short name of a canonical URI's statement ("PDM", "CC-BY-SA", "InC-EDU"), or None when unknown."""
    if uri is None:
        return None
    if "publicdomain/mark" in uri:
        return "PDM"
    if "publicdomain/zero" in uri:
        return "CC0"
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
        attribution: the credit line the source asks for.
        opt_out: reservations seen (TDMRep, noai, ...). Any of them forbids training, under every policy.
    """
    uri = canonical_uri(raw)
    allowed = terms(uri)
    train: Train = "yes" if policy in allowed.train_under else allowed.otherwise
    return Rights(
        raw=raw[:MAX_RAW_CHARS] if raw else None,
        uri=uri,
        policy=f"{policy}@{POLICY_VERSION}",
        train="no" if opt_out else train,
        redistribute=allowed.redistribute,
        display=allowed.display,
        attribution=attribution or None,
        opt_out=opt_out,
    )


def may_train(rights: Rights, policy: PolicyName) -> bool:
    """Decide again, under `policy`, from the canonical URI alone: a permission that a shard set claims
    is not trusted.

    The decision in the record must allow training as well: a stricter harvest stays strict.
    """
    return (
        rights.may_train
        and canonical_uri(rights.raw or rights.uri) == rights.uri
        and policy in terms(rights.uri).train_under
    )
