"""Names of people in catalogues: the name for readers, and the role of the person.

The name as given stays in the record. `Blatter, Vincent (1843-....). Dessinateur` is shown as Vincent
Blatter, draughtsman. The words for roles are data: people_roles.tsv.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Final

MAX_NAME_CHARS: Final = 300

_IDENTIFIER = re.compile(
    r"\s*(?:--\s*)?[(\[]?\s*\b(?:GND|ISNI|VIAF|ULAN|RKD|BnF|IdRef|LCNAF|ORCID|Wikidata|DBNL|NTA|PND)\b[: ]*"
    r"[\dXx /:-]*[)\]]?|\s*\(?https?://\S+\)?|\s*\(?\bQ\d{3,}\b\)?"
    # as in MARC: "(DE-588)11852786X"
    r"|\s*\([A-Z][\w-]{1,11}\)\s?\d[\dXx-]{4,}"
)
# Only in brackets and with digits: text that is no name may contain "BnF" or "RKD".
_IDENTIFIER_IN_BRACKETS = re.compile(
    r"\s*[(\[](?:GND|ISNI|VIAF|ULAN|RKD|BnF|IdRef|LCNAF|ORCID|Wikidata|DBNL|NTA|PND)\b[: ]*"
    r"(?:Q?\d[\dXx /:-]*|https?://[^)\]\s]+)[)\]]"
)
_YEAR = r"(?:\d{1,4}[?.]*|\d{2}(?:\.\.|--)\??|\.{3,4}|[xX]{2,4}|\d{4}/\d{1,4}|present)"
_ABOUT = (
    r"(?:ca?\.?|circa|um|vers|na|voor|nach|vor|after|before|b\.|d\.|born|died|fl\.|active|act\.|tätig|nachweisbar|actif|actief|attivo|attiva|activo|ativo|werkzaam|verksam|virksom|působil|czynny|documented|doc\.|geb\.|gest\.|né|née"
    r"|†|\*)"
)
_ABOUTS = rf"(?:{_ABOUT}\s*)*"
_LIFE = re.compile(
    rf"[,;\s]*[(\[]?\s*{_ABOUTS}(?:{_YEAR}\s*[-–—/]\s*{_ABOUTS}(?:{_YEAR})?|[-–—]\s*{_ABOUTS}{_YEAR}"
    rf"|(?:{_ABOUT}\s*)+{_YEAR}|\d{{4}}\??)\s*(?:;[^)\]]*)?[)\]]?(?=$|[\s.,;(])",
    re.IGNORECASE,
)
# With brackets in it: "(Japanese, Tokyo (Edo) 1797-1858 Tokyo (Edo))"
_IN_BRACKETS = r"(?:[^()\[\]<>]|\([^()]*\))*"
# "[Dürer, Albrecht]": the cataloguer knows the name from elsewhere.
_IN_SQUARE_BRACKETS = re.compile(r"\[([^\[\]]+)\]")
_DATED_NOTE = re.compile(rf"\s*[(\[<]{_IN_BRACKETS}\d{{2}}{_IN_BRACKETS}[)\]>]")
# "Teniers, David (II)", "Merian, Matthäus (d. Ä.)"
_NUMBERED = (
    r"(?:I{1,3}|IV|V|d\. ?[ÄJ]\.?|[Tt]he (?:Elder|Younger)|de[rn] (?:Ältere|Jüngere)|de (?:Oude|Jonge)"
    r"|l['’]Ancien|le Jeune|il (?:Vecchio|Giovane)|padre|figlio|père|fils)"
)
_NOTE = re.compile(rf"\s*[(\[<](?!{_NUMBERED}\))[^()\[\]<>]{{2,80}}[)\]>]\s*$")
# "Vincent van Gogh, Dutch", "Georges Seurat French, 1859-1891": American museums add whose citizen it was.
_NATIONALITY = re.compile(
    r"(?:,\s*|\s+(?=\w+(?:-\w+)?,?\s*[(\[]?(?:ca?\.? |born |active )?\d{4}))"
    r"(?:(?:American|Australian|Austrian|Belgian|British|Canadian|Chinese|Czech|Danish|Dutch|English|Finnish|Flemish"
    r"|French|German|Greek|Hungarian|Indian|Iranian|Irish|Italian|Japanese|Korean|Mexican|Netherlandish|Norwegian"
    r"|Persian|Polish|Portuguese|Romanian|Russian|Scottish|Spanish|Swedish|Swiss|Turkish|Ukrainian|Welsh)"
    r"(?:-(?=[A-Z])|\b))+(?=[\s,;(\[]|$)"
)
# "Thomas Moran, born Bolton, England 1837-died Santa Barbara, CA 1926"
_BORN_AND_DIED = re.compile(r",\s+(?:born|b\.)\s+[^;]{0,80}\d{4}[^;]{0,80}$")
# "Peter Scheemakers, active in Britain"
_PLACE_OF_WORK = re.compile(
    r"[,;]\s*(?:active|working|worked|born|died|tätig|actif|actief|werkzaam|verksam|virksom|attivo|attiva|activo"
    r"|ativo)\s+(?:in|at|à|en|te|i|a|em)\s+[^\W\d_][^\d;()]{1,60}$",
    re.IGNORECASE,
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s.])(?:[A-ZÄÖÜÉÅØŁŠŽČ\u0391-\u03a9\u0410-\u042f]|jr|sr|dr|st|Chr|Joh|Fr|Wm|Th|Ph|Jos|Alex|Chas|Geo|Jas|Thos|Edw|Aug|Ferd|Wilh|Mich|Benj|Sam|Co|Inc|Ltd|Bros|Corp|Cie|Gebr|Nachf|[A-Z][a-z]{1,3}sz|sz)$"
)


@dataclass(frozen=True)
class Person:
    """A person in the creator field of a catalogue."""

    given: str
    """The name as the catalogue writes it."""
    name: str
    """The name for readers: without identifier and life dates, first name first."""
    role: str | None = None
    """A role of people_roles.tsv, if one is stated."""
    role_words: str = ""
    """The words for the role as the catalogue writes them."""

    @property
    def credited(self) -> str:
        """The name as a credit: with the words that say that another hand made the work, or may have. "after
        Peter Paul Rubens" is not by him.
        """
        if self.role not in PREPOSITIONS or _words_in(self.role_words) in _words_in(self.name):
            return self.name
        is_before = _words_in(self.given.lstrip("(")).startswith(_words_in(self.role_words))
        return f"{self.role_words} {self.name}" if is_before else f"{self.name} ({self.role_words})"


@functools.lru_cache(maxsize=16_384)
def person(given: str) -> Person:
    """The person that `given` names. A text that is no name of one person is kept as it is."""
    text = " ".join(given[:MAX_NAME_CHARS].split())
    if match := _IN_SQUARE_BRACKETS.fullmatch(text):
        text = match[1]
    if text.count(": ") > 1 or (";" in text and len(people_in(text)) > 1):
        return Person(given, text)
    text = _PLACE_OF_WORK.sub("", _without_nationality(_BORN_AND_DIED.sub("", _IDENTIFIER.sub("", text))))
    text, role, words = _without_role(text)
    text = _LIFE.sub("", _DATED_NOTE.sub("", text))
    text, other, other_words = _without_role(text)
    while _NOTE.search(text) and len(_NOTE.sub("", text)) > 1:
        text = _NOTE.sub("", text)
    text = _PLACE_OF_WORK.sub("", _LIFE.sub("", text)).strip(" ,;:-|")
    if text.endswith(".") and not _ABBREVIATION.search(text[:-1]):
        text = text[:-1]
    name = _first_name_first(text.strip(" ,;")) or given.strip()
    return Person(given, name, role or other, words or other_words)


def _words_in(text: str) -> str:
    return " ".join(text.casefold().split())


def _without_nationality(text: str) -> str:
    """A name of two or more words without the nationality. "Smith, Dutch" is an inverted name."""
    match = _NATIONALITY.search(text)
    before = text[: match.start()].rpartition(": ")[2] if match else ""
    # In an inverted name, "French" without a comma is a first name: "Lawrence, Robert French, 1841-1932".
    is_first_name = match is not None and "," in before and not match[0].startswith(",")
    is_after_a_name = len(before.split()) > 1 and not is_first_name
    return text[: match.start()] + text[match.end() :] if match and is_after_a_name else text


def is_no_name(text: str) -> bool:
    """Whether a text in the place of a name is only an identifier or only a role: `Q5582`, `Grabador`."""
    rest = _IDENTIFIER.sub("", text).strip(" .,;:()[]")
    return not rest or rest.casefold() in _known_words()


def display_name(given: str) -> str:
    """A name as people write it: `Thomson, John, 1837-1921` is `John Thomson`."""
    return person(given).name


def family_first(given: str) -> str:
    """A name as lists of names are sorted: `Albrecht Dürer` and `Dürer, Albrecht (1471-1528)` are both
    `Dürer, Albrecht`, `Vincent van Gogh` is `Gogh, Vincent van`.

    A name of one word, one that goes by a place (Leonardo da Vinci), and one that is no person's (Master of
    the Housebook) stay as they are.
    """
    name = display_name(given)
    if ", " in name:
        return name
    generation = _GENERATION.search(name)
    name, behind = (name[: generation.start()], generation[0]) if generation else (name, "")
    words = name.split()
    if len(words) < 2 or _NO_FAMILY.search(name):
        return name + behind
    return f"{words[-1]}, {' '.join(words[:-1])}{behind}"


# Which of several of one name: the Elder, d. J., l'Ancien, Jr., III.
_GENERATION = re.compile(
    r"[\s,]+(?:the (?:Elder|Younger)|d\. ?(?:Ä|J|Ä|Ae)\.?|de[rn] (?:Ältere|Jüngere)|de (?:Oude|Jonge)"
    r"|l['’]Ancien|l['’]Aîné|le Jeune|(?:il )?(?:Vecchio|Giovane)|(?:et|&) C(?:ie|o)\.?"
    rf"|Jr\.?|Sr\.?|I{{1,3}}|IV|VI{{0,3}}|\({_NUMBERED}\))$",
    re.IGNORECASE,
)
# "Goya y Lucientes", "Gaudí i Cornet"
_SPANISH_SURNAMES = re.compile(r"[^\W\d_]+ [yei] [^\W\d_]+")
# "Le Brun, Charles", "Van Dyck, Anthony", "Ó Maoláin, Seán"
_CAPITAL_PARTICLE = re.compile(
    r"(?:Le|La|Les|L'|Du|Des|De|Del|Dell|Della|Dalla|Di|Da|Do|Dos|Das|El|Al|Ben|Ibn|Van|Von|Ter|Ten"
    r"|Op|Mac(?: Giolla)?|Ó|Ní|Nic|Ua|St\.|Saint)(?: [Dd]e[rn]?)? \S+"
)
_TITLE_OF_RANK = re.compile(
    r", (?:Sir|Dame|Lord|Lady|Baron(?:ess)?|Count(?:ess)?|(?:le )?comte|comtesse|marquise?|duc|Graf|Freiherr"
    r"|Ritter|S\. ?J|O\. ?S\. ?B|O\. ?F\. ?M|O\. ?P|O\. ?Cist)\.?$",
    re.IGNORECASE,
)
_ANONYMOUS = re.compile(r"(?:anon[iy]m|anoniem|unknown|unbekannt|onbekend|inconnu)", re.IGNORECASE)
_NO_FAMILY = re.compile(
    r"[\d&/]|\b(?:of|and|und|et|da|di|dal|della|the)\b"
    r"|^(?:Master|Meister|Monogrammist|Ma[iî]tre|Maestro|Anonym\w*|Unknown|Unbekannt\w*|Inconnu|Workshop|Werkstatt"
    r"|Atelier|School|Schule|École|Circle|Follower)\b",
    re.IGNORECASE,
)


_NAME_AFTER: Final = re.compile(r"\s+[A-ZÀ-ÖØ-ÞĀ-Ž]")
_NOBODY: Final = re.compile(
    r"(?:unknown|anonymous|unidentified|anonym\w*|anoniem|unbekannt\w*|onbekend|inconnu|anonimo|anónimo|okänd|ukendt|ukjent)"
    r"(?: \w+)?",
    re.IGNORECASE,
)


def _without_role(text: str) -> tuple[str, str | None, str]:
    """A name without the words for the role, before it (`Artist: `, `after `) or after it; the role; the
    words."""
    if match := _CJK_ROLE.search(text):
        word = match[1] or match[2]
        return text[: match.start()], _CJK_ROLES[word], word
    for pattern in _role_patterns():
        if match := pattern.search(text):
            role = _known_words()[match[1].casefold()]
            if match.start() and role == "after" and _NAME_AFTER.match(text, match.end(1)):
                # "Cornelis Cort, after Titian": the first one made it.
                before = text[: match.start()].strip(" ,;")
                return (
                    (text[match.end(1) :], "after", match[1])
                    if _NOBODY.fullmatch(before)
                    else (before, None, "")
                )
            if _SCHOOL.match(match[1]) and _NO_MASTER.match(text, match.end()):
                return text, None, ""
            return text[: match.start()] + text[match.end() :], role, match[1]
    return text, None, ""


def _first_name_first(name: str) -> str:
    if ";" in name:
        return name
    name = _TITLE_OF_RANK.sub("", name)
    generation = _GENERATION.search(name)
    if generation and "," in name[: generation.start()]:
        # "Brueghel, Jan, the Elder"
        before = _first_name_first(name[: generation.start()])
        return name if "," in before else f"{before} {generation[0].lstrip(' ,')}"
    last, comma, first = name.partition(", ")
    # "Anna Fenn, Dutch" is not inverted, "van der Meer, Jan" is.
    is_surname = len(last.split()) == 1 or (last[:1].islower() and len(last.split()) <= 3)
    is_surname = is_surname or any(known.fullmatch(last) for known in (_SPANISH_SURNAMES, _CAPITAL_PARTICLE))
    # "anoniem, Nederland" is nobody's name.
    is_surname = is_surname and not _ANONYMOUS.match(last)
    if comma and (firm := _FIRM.fullmatch(first)):
        return f"{firm[1]} {last} {firm[2]}"
    if comma and _CJK.fullmatch(last) and _CJK.fullmatch(first):
        return last + first
    is_inverted = comma and is_surname and "," not in first and len(first.split()) <= 5
    return f"{first} {last}" if is_inverted else name


@functools.cache
def _roles() -> dict[str, str]:
    text = resources.files("iconoclip").joinpath("people_roles.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")][1:]
    return {word.casefold(): role for role, _, words in lines for word in words.split("|")}


@functools.cache
def _known_words() -> dict[str, str]:
    """The words, without the mark of those that only count behind a name, with their roles."""
    return {word.removesuffix("$"): role for word, role in _roles().items()}


@functools.cache
def _role_patterns() -> tuple[re.Pattern[str], ...]:
    """`Artist: NAME`, `after NAME`, and behind the name `. Dessinateur` or `(engraver)`."""
    # Before a name without a colon, only words that cannot be part of the name: not "del Sarto".
    phrases = [
        word
        for word, role in _roles().items()
        if not word.endswith("$") and (" " in word or role in PREPOSITIONS or word in ("by", "d'après"))
    ]
    return (
        re.compile(rf"^\(?((?i:{_any(_known_words())}))\)?\s*:\s+"),
        re.compile(
            rf"^((?i:{_any(phrases)}))(?:\s+|(?<=['’]))(?:[Tt]he (?=Master|Monogrammist))?(?=[^\W\d_a-zà-ÿ])"
        ),
        re.compile(rf"(?:[.,;]\s+|\s+[-–—|]\s+|\s*[(\[<]\s*)((?i:{_any(_known_words())}))(?!\w).*$"),
        # "José de Ribera (1591-1652) grabador"
        re.compile(rf"(?<=[)\]>])\s*[-–—:;,.]?\s*((?i:{_any(_known_words())}))\.?$"),
    )


def people_in(value: str) -> tuple[str, ...]:
    """The names in a value that lists several, as written: `A. Fenn (artist); Blaeu & Sons (maker)`.

    Life dates, roles and identifiers stay with the name before them.
    """
    names: list[str] = []
    for part in _BETWEEN_NAMES.split(value):
        if names and not _is_name(part):
            names[-1] += f"; {part}"
        elif part:
            names.append(part)
    return tuple(names)


# Not within brackets: "Zuccalli, Enrico (16..-17.. ; architecte)".
_BETWEEN_NAMES: Final = re.compile(r"\s*;\s*(?![^(\[]*[)\]])")


def _is_name(text: str) -> bool:
    """Whether a part of a list is a name, and not what is said of the name before it."""
    rest = _LIFE.sub("", _IDENTIFIER.sub("", text)).strip(" .,:()[]")
    words = rest.casefold().split()
    is_role = rest.casefold() in _known_words() or (
        bool(words) and words[-1] in _known_words() and len(words) < 3
    )
    is_role = is_role or _GENERATION.fullmatch(f", {rest.rstrip('.')}.") is not None
    return len(rest) > 1 and not is_role and _NATIONALITY.fullmatch(f", {rest}") is None


# Schools of painting are called after places, and schools that teach after subjects: they are no masters.
_SCHOOL: Final = re.compile(
    r"(?:school|école|ecole|schule|scuola|escuela|escola|skola|skole|szkoła|škola)\b", re.IGNORECASE
)
_NO_MASTER: Final = re.compile(
    r"(?:fontainebleau|barbizon|nancy|paris|siena|sienne|florence|firenze|florenz|bologna|bologne|venice|venezia"
    r"|venedig|venise|ferrara|padua|padova|verona|umbria|lucca|naples|napoli|neapel|rom[ea]?|milan|milano|mailand"
    r"|genoa|genova|genua|parma|cremona|pisa|antwerp|anvers|antwerpen|bruges|brugge|brügge|ghent|gent|haarlem"
    r"|leiden|leyden|utrecht|delft|the hague|den haag|amsterdam|cologne|köln|nuremberg|nürnberg|augsburg"
    r"|prague|prag|vienna|vienne|wien|danube|donau|avignon|tours|rouen|lyon|pont-aven|worpswede|düsseldorf|munich"
    r"|münchen|dresden|skagen|norwich|london|londres|glasgow|st\.? ives|newlyn|toledo|seville|sevilla|séville"
    r"|madrid|valencia|kyoto|edo|tabriz|shiraz|herat|isfahan|bukhara|baghdad|novgorod|moscow|crete|kangra|mughal|arts?|fine"
    r"|design|applied|music|medicine|law|oriental|mines|botany|drawing|engraving|beaux-arts)\b",
    re.IGNORECASE,
)
# "Powell, James & Sons"
_FIRM: Final = re.compile(
    r"([^,&]{2,60}?)\s+((?:&|and|und|et|en|y|e)\s+(?:Sons?|Söhne|Sohn|Fils|Brothers?|Bros|Zoon|Zonen|Figli|Hijos|Co|Cie"
    r"|Comp|Company)\b.{0,20})"
)
_CJK: Final = re.compile(r"[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
# "喜多川歌麿筆", "安藤広重 [画]", "夏目漱石著": who painted or wrote, behind the name.
_CJK_ROLE: Final = re.compile(
    r"(?<=[\u3005-\u9fff]{2})(?:\s*[\[(（［]([画畫筆著撰])[\])）］]|\s*([画畫筆著撰]))$"
)
_CJK_ROLES: Final = {"画": "painter", "畫": "painter", "筆": "painter", "著": "author", "撰": "author"}

PREPOSITIONS: Final = ("after", "attributed", "workshop")


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def without_identifiers(text: str) -> str:
    """A text without identifiers of persons in brackets, "(ISNI 0000 0001 1644 8828)"."""
    return _IDENTIFIER_IN_BRACKETS.sub("", text)
