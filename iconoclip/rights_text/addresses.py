"""Addresses of statements: every spelling of a licence's or a statement's address -> its canonical URI."""

from __future__ import annotations

import re
from typing import Final

_STATEMENTS: Final = (
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
    r"(?:www\.)?creativecommons\.org/licen[sc]es/(by(?:-nc)?(?:-nd|-sa)?|by-nd-nc)(?:/([1-4]\.[015]))?(?!/\d|[.\d@])(?:/([a-z]{2,3}))?(?![a-z@-])",
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
# The Licence Ouverte of the French state, versions 1.0 and 2.0: the publisher's page is of both. SPDX lists
# the latter as etalab-2.0 (spdx.org/licenses/etalab-2.0.html).
LICENCE_OUVERTE: Final = "https://www.etalab.gouv.fr/licence-ouverte-open-licence/"
_LICENCE_OUVERTE = re.compile(
    r"(?:www\.)?etalab\.gouv\.fr/(?:licence-ouverte-open-licence|wp-content/uploads/[\d/]{1,12}"
    r"(?:ETALAB-)?(?:Licence_Ouverte|Open_Licence|Open-Licence|Licence-Ouverte)[\w.-]{0,20}\.pdf)/?(?:[?#]|$)"
    r"|github\.com/etalab/licence-ouverte/blob/master/(?:LO|open-licence)\.md$"
    r"|spdx\.org/licenses/etalab-2\.0(?:-en)?(?:\.html)?$",
    re.IGNORECASE,
)
# Europeana retired these addresses in favour of RightsStatements.org (Europeana Licensing Framework,
# 2015-2016).
_RETIRED_EUROPEANA = {
    "rr-f": "InC", "rr-p": "InC", "rr-r": "InC", "unknown": "UND",
    "out-of-copyright-non-commercial": "NoC-NC",
    "orphan-work-eu": "InC-OW-EU",
    "test-orphan-work-test": "InC-OW-EU",
}  # fmt: skip
_EUROPEANA = re.compile(r"(?:www\.)?europeana\.eu/(?:portal/)?rights/([a-z-]+?)(?:\.html|/|$)", re.IGNORECASE)


_ADDRESS = re.compile(
    r"(?:https?:)?//[^\s<>\"']+|(?<![/.])\b(?:www\.)?(?:creativecommons|rightsstatements)\.org/[^\s<>\"']+",
    re.IGNORECASE,
)
# Pages with the general conditions of an institution. Such an address is no statement about one object.
_TERMS = re.compile(
    r"terms|conditions?|condiciones|condizioni|condicoes|nutzung|bedingungen|voorwaarden|vilkar|villkor|ehdot|warunki"
    r"|podminky|regulamin|policy|policies|legal|impressum|rights_and_use",
    re.IGNORECASE,
)
_STATEMENT_LIKE = re.compile(
    r"licen[cs]|lizenz|licenz|copyright|publicdomain|public-domain|creativecommons|rightsstatement|opencontent"
    r"|opendatacommons|/rights/|droits",
    re.IGNORECASE,
)


def addresses_in(text: str) -> list[str]:
    """The addresses in a text, as written. Those of statements need no scheme."""
    return _ADDRESS.findall(text)


def is_about_terms(address: str) -> bool:
    """Whether an address leads to general conditions, by the words in it."""
    return _TERMS.search(address) is not None


def is_statement_like(address: str) -> bool:
    """Whether an address that is no known statement may be one, by the words in it."""
    return _STATEMENT_LIKE.search(address) is not None and not is_about_terms(address)


def statement_uri(address: str) -> str | None:
    """The canonical URI of the statement at `address`; None if it is not the address of a statement."""
    # The host must be the publisher's own; an address that only contains such a URL does not name
    # a statement.
    candidate = _SCHEME.sub("", address)
    if match := _BADGE.match(candidate):
        folder = "licenses" if match[1].lower() == "l" else "publicdomain"
        candidate = f"creativecommons.org/{folder}/{match[2]}/{match[3]}/"
    if match := _ABOUT.match(candidate):
        return f"http://creativecommons.org/publicdomain/{_ABOUT_NAMES[match[1].lower()]}/1.0/"
    if match := _DEDICATION.match(candidate):
        return f"http://creativecommons.org/publicdomain/{match[1].lower()}/1.0/"
    if _LICENCE_OUVERTE.match(candidate):
        return LICENCE_OUVERTE
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
