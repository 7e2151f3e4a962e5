"""Subject terms, persons, places and techniques -> one sentence-like caption per language.

"Shepherds; flock; evening. Drawing, Charles Jacque, 1849": a model learns more from one such text than from a
hundred single words. The templates are data (configs/captions/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from data_prep.composition import Composition
from data_prep.description import kinds, languages
from data_prep.description.date_languages import is_written_in
from data_prep.description.designations import is_designation
from iconoclip.people import display_name, is_no_name, people_in, person, without_identifiers
from iconoclip.record import Caption, CaptionLevel, CaptionRole, Date

MAX_TERM_CHARS: Final = 120
MAX_DATE_CHARS: Final = 40
MAX_NAMES: Final = 3

_SEPARATORS: Final = re.compile(r"\s*[;|\n]\s*")
# Library of Congress headings: "Pictorial maps--Italy".
_SUBDIVISION: Final = re.compile(r"\s*--\s*")


# "s.a.", "o. J.", "n.d.": "without a year" and "without a date", without spaces and points.
_UNDATED: Final = frozenset(
    (
        "sa", "sd", "nd", "oj", "od", "zj", "uå", "br", "bd", "bez", "sineanno", "sinedato", "undated",
        "nodate", "undatiert", "ohnejahr", "ohnedatum", "sansdate", "nondaté", "senzadata", "sinfecha",
        "semdata", "zonderjaar", "ongedateerd", "bezdata", "bezdaty", "brakdaty", "odaterad",
        "udateret", "udatert",
    )
)  # fmt: skip
# "ca. 1920 (made)", "Nottingham (printed)": museums distinguish several dates and places in this way.
_MAKING: Final = re.compile(r"\s*\([^\W\d_][^()\d]{2,30}\)$")
# "Executed 1651", "datiert 1760": a reader takes the date of a picture for that of its making.
_MADE: Final = re.compile(
    r"(?:executed|made|created|produced|painted|drawn|printed|published|taken|photographed"
    r"|(?:signed and )?dated|utf(?:ört|örd)?\.|datiert|entstanden|gemalt|daté|datée|datato|datata|fechado"
    r"|fechada|gedateerd|dateret|datert)\s*:?\s+(?=\S*\d)",
    re.IGNORECASE,
)
_PLACE_CODE: Final = re.compile(r"[a-z]{2,3}")
# "179." means a decade; January 1 mostly means the whole year.
_CODED: Final = re.compile(
    r"\d{2,3}(?:\.{1,2}|[-?uUxX]{1,2})\??|\d{4}-01-01(?:T.*)?|\d{4}-\d\d-\d\dT.*"
    r"|(?:-?\d{4}(?:-\d\d){0,2}[~?]?|\.\.)/(?:-?\d{4}(?:-\d\d){0,2}[~?]?|\.\.)"
)
_VOLUME: Final = re.compile(r"\b(?:vol|no|nr|bd|tome|t)\b\.?\s*\d", re.IGNORECASE)
_MAX_SHOWN_YEARS: Final = 101
# "East Asia > Japan > Tokyo": the last part is the place, the parts before it only say where it is.
_PATH: Final = re.compile(r"^.*\s>\s")
# Abbreviations of "without a place" in the rules for cataloguing title pages (sine loco, ohne Ort, ...).
_NO_PLACE: Final = re.compile(r"\[?\W*(?:s\.? ?l|o\.? ?o|z\.? ?p|n\.? ?p|b\.? ?m)\b[.\]]*", re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """One word or name that a catalogue lists."""

    role: CaptionRole
    text: str
    tags: tuple[str | None, ...]
    """The language tags it was found under."""


@dataclass(frozen=True)
class Circumstances:
    """Facts about the object that may be added to a sentence."""

    creators: tuple[str, ...] = ()
    date: Date | None = None
    types: tuple[tuple[str, str | None], ...] = field(default=())
    """Kinds of object, each with its language tag."""
    techniques: tuple[tuple[str, str | None], ...] = field(default=())
    places: tuple[tuple[str, str | None], ...] = field(default=())
    language: str | None = None
    """The language of most texts of the record, or of its institution, for words that have no tag."""
    terms: tuple[tuple[CaptionRole, str, str], ...] = field(default=())
    """What the object is about: role (`subject` or `person`), text and language of each term."""

    text_languages: tuple[str, ...] = field(default=())
    """BCP 47 tags of the languages in which the object is written."""

    def of(self, whole: Circumstances) -> Circumstances:
        """These facts; those that are missing are taken from the whole object, but for what that is about:
        each of its parts may be about something else."""
        return Circumstances(
            creators=self.creators or whole.creators,
            date=self.date or whole.date,
            types=self.types or whole.types,
            techniques=self.techniques or whole.techniques,
            places=self.places or whole.places,
            language=self.language or whole.language,
            terms=self.terms,
            text_languages=self.text_languages or whole.text_languages,
        )

    def values(self, tag: str) -> dict[str, list[str]]:
        """The facts in the form that a template needs, for a caption in the language `tag`.

        A caption is in one language: kinds and techniques are translated where their words are known
        (kinds.py), a date in words of another language is shown as years, and what is in another language is
        left out. Names have no language.
        """
        places = [text for text, given in self.places if languages.canonical_tag(given) in (tag, None)]
        kind = self._words(self.types, tag)[:1]
        said = [text.casefold() for text in kind]
        return {
            "type": kind,
            "technique": [text for text in self._words(self.techniques, tag) if text.casefold() not in said],
            "place": list(dict.fromkeys(places)),
            "creator": _shown_names(self.creators)[:MAX_NAMES],
            "date": [shown] if self.date and (shown := self._shown_date(self.date, tag)) else [],
        }

    def _words(self, texts: Iterable[tuple[str, str | None]], tag: str) -> list[str]:
        if tag == languages.UNKNOWN:
            texts = [(text, given) for text, given in texts if languages.canonical_tag(given) is None]
            return kinds.in_language(texts, tag)
        return kinds.in_language([(text, given or self._language_of(text)) for text, given in texts], tag)

    def _language_of(self, text: str) -> str | None:
        """The language of a word without a tag, as far as it can be known."""
        if kinds.known_in(text):
            return None
        spoken = languages.spoken(text, None, siblings=self.language)
        return spoken.tag if spoken.tag != languages.UNKNOWN else self.language

    def _shown_date(self, date: Date, tag: str) -> str:
        shown = _shown_date(date)
        is_unknown = languages.UNKNOWN in (tag, self.language or languages.UNKNOWN)
        otherwise = is_unknown or same_language(self.language or tag, tag)
        if tag == languages.UNKNOWN or is_written_in(shown, tag, otherwise=otherwise):
            return shown
        return _years(date)


def same_language(one: str, other: str) -> bool:
    """Whether two tags name the same language, whatever its region or script."""
    return one.split("-")[0] == other.split("-")[0]


def terms_in(role: CaptionRole, text: str, tags: Sequence[str | None]) -> list[Term]:
    """The terms in a text that may list several."""
    found = []
    for part in _SEPARATORS.split(text):
        term = _SUBDIVISION.sub(", ", without_identifiers(part)).strip(" .,")
        if role == "place":
            term = _MAKING.sub("", _PATH.sub("", term)).strip(" .,:")
        if role == "person" or (role == "subject" and re.search(r",\s*\d{4}-(?:\d{4})?\.?$", term)):
            term = display_name(term)
        if role == "place" and not _is_a_place(term):
            continue
        if term and len(term) <= MAX_TERM_CHARS and not is_designation(term):
            found.append(Term(role, term, tuple(tags)))
    return found


def _is_a_place(text: str) -> bool:
    """Whether a text names a place. "S.l." and codes of MARC ("enk") do not, nor do fragments of divided
    values."""
    return (
        not _PLACE_CODE.fullmatch(text)
        and _NO_PLACE.match(text) is None
        and all(text.count(a) == text.count(b) for a, b in ("[]", "()"))
    )


def by_language(
    terms: Iterable[Term],
    *,
    default: str | None,
    siblings: str | None,
    fallback: str | None = None,
    known: frozenset[str],
) -> list[tuple[languages.Spoken, list[Term]]]:
    """The terms of each language.

    Args:
        default: the language of most texts of the institution.
        siblings: the language of the record's other texts.
        fallback: the detected language of its titles, for terms whose language cannot be detected.
        known: texts that are captions already, casefolded; a term that repeats one is left out.
    """
    found: dict[str, list[Term]] = {}
    source_of: dict[str, languages.Spoken] = {}
    untagged: list[Term] = []
    for term in terms:
        if term.text.casefold() in known:
            continue
        tags = list(dict.fromkeys(tag for given in term.tags if (tag := languages.canonical_tag(given))))
        for tag in tags:
            found.setdefault(tag, []).append(term)
            source_of[tag] = languages.Spoken(tag, "source")
        if not tags:
            untagged.append(term)
    if untagged:
        # Single words are too short for language detection; joined they are long enough.
        joined = "; ".join(term.text for term in untagged)
        spoken = languages.spoken(joined, None, default, siblings)
        if spoken.tag == languages.UNKNOWN and fallback:
            spoken = languages.Spoken(fallback, "siblings")
        found.setdefault(spoken.tag, []).extend(untagged)
        source_of.setdefault(spoken.tag, spoken)
    return [(source_of[tag], _without_shorter(mine)) for tag, mine in found.items()]


def _without_shorter(terms: list[Term]) -> list[Term]:
    """The terms without those that another one repeats and divides further: "Horses" next to "Horses,
    Netherlands"."""
    said = {(one.role, one.text.casefold()) for one in terms}
    begun = {(role, text[: comma.start()]) for role, text in said for comma in re.finditer(r", ", text)}
    return [one for one in terms if (one.role, one.text.casefold()) not in begun]


def sentences_from(
    terms: Iterable[tuple[languages.Spoken, list[Term]]],
    around: Circumstances,
    composition: Composition,
    *,
    level: CaptionLevel,
    titles: Sequence[Caption] = (),
) -> list[Caption]:
    """One caption per language of the terms.

    Args:
        terms: the terms of each language.
        around: creator, date and type, which may be added to the caption.
        titles: the titles of the object; one is put before a term that is alone in its sentence.
    """
    captions = []
    for spoken, mine in terms:
        title = next((one.text for one in titles if one.language in (spoken.tag, languages.UNKNOWN)), "")
        text = _sentence(mine, around, composition, spoken.tag, title)
        if text:
            captions.append(_caption(text, spoken, level))
    return captions


# "French, 1718-1719": American museums write culture and date in one field.
_CULTURE = re.compile(r"^(?!March)[A-Z][a-z]+(?:an|ch|ish|ese|ek|ss),\s+(?=\D{0,8}\d)")


def _shown_date(date: Date) -> str:
    """A date for readers, without brackets, "without a place" and notes such as "(made)".

    Nothing, if the text says that there is no date. Only the years, if it contains more than a date (a
    publisher) or a coded one (`179.`, `1924-01-01`, `1300/1325`).
    """
    text = _MAKING.sub("", re.sub(r"[\[\]]", "", _NO_PLACE.sub("", date.text or ""))).strip(" ,:;")
    text = _CULTURE.sub("", _MADE.sub("", text))
    if re.sub(r"[^\w]", "", text).casefold() in _UNDATED:
        return ""
    if not (":" in text or _CODED.fullmatch(text) or _VOLUME.search(text)):
        return re.sub(r"(?<=\w\w\w)\.$", "", text) if len(text) <= MAX_DATE_CHARS else ""
    return _years(date)


def _years(date: Date) -> str:
    """The first and the last year; empty if one is not known, or if they are more than a century apart."""
    if date.earliest is None or date.latest is None or date.earliest < 1:
        return ""
    years = (date.earliest, date.latest)
    return "-".join(dict.fromkeys(map(str, years))) if years[1] - years[0] < _MAX_SHOWN_YEARS else ""


def _shown_names(creators: Iterable[str]) -> list[str]:
    """The names of the makers in reading order. One value may list several; former owners are left out."""
    people = [person(part) for creator in creators for part in people_in(creator) if not is_no_name(part)]
    shown = [one.credited for one in people if one.role not in ("owner", "other") and ": " not in one.name]
    return list(dict.fromkeys(name for name in shown if name and len(name) <= MAX_TERM_CHARS))


def _sentence(
    terms: list[Term], around: Circumstances, composition: Composition, tag: str, title: str
) -> str:
    values: dict[str, list[str]] = {}
    for term in terms:
        mine = values.setdefault(term.role, [])
        if len(mine) < composition.max_terms and term.text.casefold() not in {one.casefold() for one in mine}:
            mine.append(term.text)
    if not any(values.get(role) for role in composition.needs):
        return ""
    template = composition.template(tag)
    known = around.values(tag)
    if "technique" in values:
        values["technique"] = kinds.in_language([(text, None) for text in values["technique"]], tag)
    shown = {name: known[name] for name in ("type", "creator", "date")}
    # "Pictorial map. Map, 1914": the term has said what the object is.
    heads = [text.partition(",")[0].casefold() for text in values.get("subject", ())]
    shown["type"] = [
        kind for kind in shown["type"] if not any(one.endswith(kind.casefold()) for one in heads)
    ]
    text = template.render({**values, **shown})
    is_alone = sum(len(values.get(role, ())) for role in composition.needs) == 1
    if is_alone and title and composition.max_title_words:
        # A single term is put together with the title.
        if languages.may_be_in_another(title, tag):
            title = composition.quoted(title, tag)
        return template.render({"title": [title], "work": [text]}, is_title=True)
    return text


def _caption(text: str, spoken: languages.Spoken, level: CaptionLevel) -> Caption:
    return Caption(
        text=text,
        language=spoken.tag,
        field="subject",
        origin="institution",
        language_detected=spoken.is_guess,
        language_source=spoken.source,
        level=level,
        role="subject",
    )
