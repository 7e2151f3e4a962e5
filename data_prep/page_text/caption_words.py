"""What the words of a text next to a picture say: that it is a caption ("Fig. 3. ..."), or something else.

The words are those of printed books in the languages of European libraries.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# Words that need a number to be a label, and those that name a picture by themselves, too.
_SHORT: Final = (
    r"f[il1][gq]g?|abb|afb|taf|tab|pl|tav|l[aàá]m|ill(?:us)?|grav|est|phot|embl?|obr|rys|ryc|sl|kép|att|pav"
    r"|рис|табл|εικ|πίν"
)
_LONG: Final = (
    r"figur[ae]|figuur|abbildung|afbeelding|tafel|tabula|planche|plansch|plate|plaat|prent|tavola|l[aá]mina"
    r"|illustration|ilustraci[oó]n|gravure|gravura|grabado|estampa|photo(?:graphie|graph)?|fotograf[ií]a|emblem[ae]?"
    r"|embl[eè]me|sinnbild|maps?|carte|karte|kaart|mappa|mapa|bilde?|billede|bildtafel|obr[aá]zek|rysunek|rycina|kuva"
    r"|slika|ábra|tábla|mynd|irudia|joonis|zīm|рисунок|карта|таблица|фото|εικόνα|πίνακας|[şs]ekil|resim|levha"
)
_NUMBER: Final = r"(?:\d{1,4}(?:\s?[a-z]\b)?|[ivxlcdm]{1,9}\b|[a-z]\b)"
_NUMBERED: Final = re.compile(
    rf"\W{{0,3}}(?:(?:{_SHORT}|{_LONG})\b[.,:\s]{{0,3}}(?:n[°ºor.]{{1,2}}\s?)?{_NUMBER}"
    rf"|\d{{1,4}}\s?\.?\s?(?:{_SHORT}|{_LONG})\b"
    # A number alone tells nothing of the picture.
    rf"|n(?:[°º]|[or]\.)\s?\d{{1,4}}(?=\W+\w))",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(rf"\W{{0,3}}(?:{_LONG})\b", re.IGNORECASE)
# "Fig. 3 shows how": a sentence continues in small letters. "Fig. 1 et 2." does not.
_GOES_ON: Final = re.compile(
    r"\s+(?!(?:et|und|and|e|y|en|i|och|og|a|à|bis|u)\b\W*[\divxlc])[^\W\d_A-ZÀ-ÞА-Я]{2,}"
)
_LAST: Final = re.compile(rf"(?:^|\s)(?:{_SHORT}|{_LONG})\b[.,:\s]{{0,3}}{_NUMBER}\W*$", re.IGNORECASE)

_ORDINAL: Final = (
    r"(?:premi|second|secund|deuxi|troisi|tiers|quatri|cinqui|si[xz]i|septi|huiti|neu[fv]|dixi|prim|terti|terz|tercer"
    r"|quart|quint|sext|erst|ander|zwe[iy]t|dritt|viert|fünfft?|first|third|fourth|fifth|перв|втор|трет)\w*"
)
_PART: Final = (
    r"(?:chapitre|chap\.|livre|partie|kapitel|capitel|buch|the?il|abschnitt|capitolo|libro|parte|cap[ií]tulo|chapter"
    r"|book|part|section|liber|caput|cap\.|hoofdstuk|deel|boek|глава|часть|книга|kapitola|rozdzia[łl]|canto|chant|acte"
    r"|sc[eè]ne|actus)"
)
_HEADING: Final = re.compile(
    rf"\W{{0,3}}(?:{_PART}\s*(?:\d{{1,3}}|[ivxlcj]{{1,8}}\b|{_ORDINAL}|\W*$)|(?:(?:the|das|der|die|le|la|il|el|het)\s+)?{_ORDINAL}\s+{_PART}\b)"
    r"|\W{0,3}(?:pr[eé]face|avant.propos|introduction|introduzione|einleitung|vorrede|vorwort|prefazione"
    r"|pr[oó]logo|prologue|proemio|praefatio|au lecteur|ad lectorem|an den leser|to the reader|table|index"
    r"|register|errata|fin|finis|ende|the end|laus deo|argument|conclusion)\W*$",
    re.IGNORECASE,
)
# Who printed a book, where and when: at the foot of a title page, below its picture.
_IMPRINT: Final = re.compile(
    r"\b(?:ap[uv]d|chez|appresso|typographi\w*|officina|printed|stationers?|impensis|s[uv]mptib[uv]s|exc[uv]d\w+|gedruckt"
    r"|verleg\w*|imprim\w+|libraires?|heredes|her[ei]tiers|eredi)\b|\bM[DC][CDLXVI]{2,10}\b",
    re.IGNORECASE,
)
# Who drew, cut, printed or photographed it.
_CREDIT: Final = re.compile(
    r"\b(?:del(?:in)?|sculps?|sc|fec(?:it)?|inv(?:en)?|pinx(?:it)?|exc(?:ud)?|gez|gest|lith)\.(?:\W|$)"
    r"|^\W{0,3}(?:phot(?:o|ogr)?|foto|clich[eé]|h[eé]liog|lith|imp|impr|aufn(?:ahme)?)\b[.:\s]{1,3}(?=[A-ZÀ-Þ])",
    re.IGNORECASE,
)
_MAX_CREDIT_WORDS: Final = 7
# What the library adds to its scans.
_SCAN: Final = re.compile(
    r"gallica|bnf\.fr|digiti[sz]ed\s+by|digitalisiert|numéris[eé]|archive\.org|©|copyright|https?:|\bwww\.|\burn:|\bark:",
    re.IGNORECASE,
)
_ONLY_NUMBERS: Final = re.compile(
    r"[\W\d_]{0,14}"
    r"|\W{0,4}m{0,4}(?:c[md]|d?c{0,4})(?:x[cl]|l?x{0,4})(?:i[xv]|v?[ij]{0,4})\W{0,4}",
    re.IGNORECASE,
)
_PAGE: Final = re.compile(
    r"\W*(?:pp?|pag|page|p[aá]gina|pagina|s|seite|fol|ff?|bl|blatt|str|strana|sid|стр|с)\.?\s?(?:\d{1,4}|[ivxlc]{1,7})"
    r"\s?[rv]?[°º]?\W*",
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(
    r"\W*(?:[A-Z]{1,2}|[A-Z][a-z]{1,2}|[a-z]{1,2}|[*†¶§])\W?\s?(?:\d|[ij]{1,4}|iv|v)\W*"
)
_LEADERS: Final = re.compile(
    r"[.·…‥_](?:\s?[.·…‥_]){3,}+\W{0,4}(?:\d{1,4}|[ivxlc]{1,7})?\W{0,3}$", re.IGNORECASE
)
_FOOTNOTE: Final = re.compile(r"\W{0,2}(?:\(\s?\d{1,2}\s?\)|\*|†|[¹²³⁴⁵])\s")
_FOLIO: Final = re.compile(r"\d{1,4}\W*\s|.*\s\W*(?:\d{1,3}|[ivxlc]{2,8})\W*$", re.IGNORECASE)


def has_label(text: str) -> bool:
    """Whether a text begins as captions do: "Fig. 3. A ship", "3. ábra", "Planche"."""
    found = _NUMBERED.match(text)
    if found is not None:
        return _GOES_ON.match(text, found.end()) is None
    return _NAMED.match(text) is not None


def is_only_label(text: str) -> bool:
    """Whether a text is a label and nothing else: "Pl. IV."."""
    found = _NUMBERED.match(text)
    return found is not None and not re.search(r"\w", text[found.end() :])


def for_caption(lines: Sequence[str]) -> float:
    """How much the words speak for a caption: a label at the start, or one that a title comes before."""
    if has_label(" ".join(lines)):
        return 2.2
    return 1.2 if any(has_label(line) for line in lines[1:3]) or _LAST.search(lines[-1]) else 0.0


def against_caption(lines: Sequence[str]) -> float:
    """How much the words speak against a caption: a number, a list, a heading, an imprint."""
    text = " ".join(lines)
    if any(map(_LEADERS.search, lines)) or _SCAN.search(text) or _PAGE.fullmatch(text):
        return 8.0
    if _ONLY_NUMBERS.fullmatch(text):
        return 8.0
    if has_label(text):
        return 0.0
    if _SIGNATURE.fullmatch(text):
        return 8.0
    if _HEADING.match(text):
        return 4.0
    if _CREDIT.search(text) and len(text.split()) <= _MAX_CREDIT_WORDS:
        return 4.0
    if _FOOTNOTE.match(text):
        return 3.0
    return 2.5 if _IMPRINT.search(text) else 0.0


def has_folio(text: str) -> bool:
    """Whether a text begins or ends with a number, as running heads do."""
    return _FOLIO.match(text) is not None
