"""The description of one object, whatever its source format: captions, makers, date, type, rights.

Every reader turns its format into statements; this is the one place where statements become
a record's fields.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from data_prep.description.captions import NOTHING_ELSE, Statement, captions_and_terms
from data_prep.description.dates import best_date
from data_prep.description.designations import is_designation
from data_prep.description.iconclass import captions_of, find_notations
from data_prep.description.kinds import is_kind
from data_prep.description.languages import dominant
from data_prep.description.makers import makers_in
from data_prep.description.plain_text import plain_text
from data_prep.description.roles import role_of
from data_prep.description.sentences import Circumstances, terms_in
from data_prep.description.text_languages import languages_in
from data_prep.institutions import InstitutionProfile
from iconoclip.people import people_in, person
from iconoclip.record import Caption, CaptionLevel, Date
from iconoclip.rights import MAX_RAW_CHARS, canonical_uri, read, statement
from iconoclip.rights_text.reading import SEPARATOR, Clause, parts_of

# Words that catalogues write when the maker is unknown, alone or next to those of _MAKERS: "Neznámý autor".
# Folded as the names are that are compared with them: folding changes the end of "άγνωστος".
_NOBODY_TEXT = """
    unknown|unidentified|not known|not identified|unbekannt|unbekannte|unbekannter|inconnu|inconnue|inconnus
    onbekend|onbekende|okänd|okänt|ukjent|ukendt|óþekktur|sconosciuto|sconosciuta|ignoto|desconocido
    desconocida|desconhecido|desconhecida|tuntematon|nieznany|nieznana|neznámý|neznámá|neznámy|neznáma
    neznan|neznana|neznani|nepoznat|nepoznati|nepoznata|непознат|неизвестен|неизвестный|неизвестно
    невідомий|ismeretlen|necunoscut|necunoscută|άγνωστος|άγνωστη|άγνωστο|teadmata|tundmatu|nezināms
    nežinomas|anaithnid|mhux magħruf|bilinmiyor|bilinmeyen|不明|不詳|作者不詳|作者不明|佚名|未詳
    לא ידוע|מחבר לא ידוע|مجهول|غير معروف|n/a|none|s.n|n.n|-|?
    """
_NOBODY = frozenset(
    text.strip().casefold() for line in _NOBODY_TEXT.strip().splitlines() for text in line.split("|")
)
_MAKERS_TEXT = """
    artist author maker photographer künstler künstlerin autor artiste auteur photographe artista autore
    fotografo fotógrafo kunstenaar fotograaf konstnär fotograf kunstner taiteilija tekijä valokuvaaja umělec
    artysta художник автор фотограф slikar umetnik avtor autorius autors művész szerző fényképész kunstnik
    καλλιτέχνης φωτογράφος ζωγράφος δημιουργός sanatçı
    """
_MAKERS = frozenset(_MAKERS_TEXT.casefold().split())
MAX_CREATORS = 20
_MAX_KIND_WORDS = 6
# Catalogues put the name of their own institution where the place of publication should be.
_ORGANISATION = re.compile(
    r"(?i)\b(?:trust|library|museum|universit\w+|archives?|foundation|institute?|stiftung|bibliothe\w+|musée|verlag)\b"
)
# "maps (documents)": thesauri distinguish terms with the same spelling in this way.
_QUALIFIER = re.compile(r"\s*\([^()]{3,40}\)$")
# The label of a statement that IIIF requires viewers to show (in version 2.1: attribution).
REQUIRED_STATEMENT = "requiredStatement"
MAX_NOTATIONS = 30


@dataclass(frozen=True)
class Description:
    """The fields of a record that a catalogue fills."""

    captions: tuple[Caption, ...] = ()
    iconclass: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    date: Date | None = None
    object_type: str | None = None
    rights_raw: str | None = None
    attribution: str | None = None
    homepage: str | None = None
    around: Circumstances = NOTHING_ELSE
    """Facts that may be added to a title that is too short to describe the object."""


@dataclass
class Statements:
    """What was found in one document, by field, before it becomes a description."""

    items: list[Statement] = field(default_factory=list)

    def add(self, name: str, text: str, language: str | None = None, label: str = "") -> None:
        """Add one statement.

        Args:
            name: a field of data_prep.institutions.TextField, or one that the profile decides on
                (data_prep.description.raw).
            label: the element or column it was found in.
        """
        if text:
            self.items.append(Statement(name, text, language, label))  # type: ignore[arg-type]

    def texts(self, name: str) -> list[str]:
        """The texts of one field, as found."""
        return [item.text for item in self.items if item.field == name]


def describe(
    statements: Iterable[Statement],
    profile: InstitutionProfile,
    rights: Iterable[str] = (),
    *,
    level: CaptionLevel = "item",
    siblings: str | None = None,
) -> Description:
    """Make a description of statements, under an institution's profile.

    Args:
        rights: the values of the document's own rights property; those of the metadata are kept with them.
        level: what the statements are about.
        siblings: the language of the statements about the whole object, if these are about a part of it.
    """
    found = Statements(_with_kinds(list(statements)))
    notations = _notations(found)
    creators = _makers(found.texts("creator")) or _makers_in_texts(found)
    date = best_date(_plain(found.texts("date"), 500)[:10])
    techniques, places = _terms(found, "technique"), _terms(found, "place")
    spoken = siblings or _language_of(found)
    # Titles in Latin are described in the language of their catalogue.
    if spoken in ("la", None):
        spoken = profile.language or _language_of(found, ("description", "note")) or spoken
    places = tuple((text, tag) for text, tag in places if not _ORGANISATION.search(text))
    written = languages_in(
        (plain_text(one.text, 200), one.language) for one in found.items if one.field == "text_language"
    )
    around = Circumstances(creators, date, _types(found), techniques, places, spoken, text_languages=written)
    captions, about = captions_and_terms(found.items, profile, level, around, siblings)
    if profile.iconclass_captions:
        captions += captions_of(notations, level)
    return Description(
        captions=captions,
        iconclass=notations,
        creators=creators,
        date=date,
        object_type=next((text for text in _plain(found.texts("type"), 500) if not _is_remark(text)), None),
        rights_raw=rights_value(list(rights), found.texts("rights"), found.texts("attribution"), profile),
        attribution=joined_credits(_plain(_credits(found), 2_000)),
        homepage=next(iter(found.texts("homepage")), None),
        around=replace(around, terms=about) if about else around,
    )


def _with_kinds(statements: list[Statement]) -> list[Statement]:
    """The statements. A description that is only the word for a kind of object is its kind, if there is a
    title."""
    if not any(one.field in ("title", "caption") for one in statements):
        return statements
    return [
        replace(one, field="type") if one.field in ("description", "note") and is_kind(one.text) else one
        for one in statements
    ]


_SPOKEN = ("title", "caption", "description", "blazon")


def _language_of(found: Statements, named: Collection[str] = _SPOKEN) -> str | None:
    """The language of most titles and descriptions, or of most texts of other fields."""
    texts = [(plain_text(one.text, 500), one.language) for one in found.items if one.field in named]
    return dominant(texts)


def _plain(values: list[str], max_chars: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for value in values if (text := plain_text(value, max_chars))))


def _types(found: Statements) -> tuple[tuple[str, str | None], ...]:
    """The kinds of object that a reader understands, each with its language tag."""
    types = [
        (_QUALIFIER.sub("", part).strip(" .,"), one.language)
        for one in found.items
        if one.field == "type"
        for part in re.split(r"\s*[;|]\s*", plain_text(one.text, 80))
    ]
    return tuple((text, tag) for text, tag in types if _means_a_kind(text))


def _terms(found: Statements, name: Literal["technique", "place"]) -> tuple[tuple[str, str | None], ...]:
    """Techniques or places, each with its language tag."""
    texts = [(plain_text(one.text, 300), one.language) for one in found.items if one.field == name]
    return tuple(
        (term.text, tag)
        for text, tag in texts
        if role_of(name, text) == name
        for term in terms_in(name, text, (tag,))
    )


def _is_remark(text: str) -> bool:
    """Whether a text in a field for the kind of object is too long for the name of one."""
    return all(len(part.split()) > _MAX_KIND_WORDS for part in re.split(r"[;|,]", text))


def _means_a_kind(text: str) -> bool:
    is_word = bool(text) and not _is_remark(text) and not is_designation(text) and "/" not in text
    return is_word and role_of("subject", text) == "subject"


def _makers(values: list[str]) -> tuple[str, ...]:
    """The names as given, without "unknown" and without people who did not make the object."""
    return tuple(
        name
        for name in dict.fromkeys(one for value in _plain(values, 300) for one in people_in(value))
        if not _is_nobody(name) and person(name).role not in ("owner", "other")
    )[:MAX_CREATORS]


def _is_nobody(name: str) -> bool:
    """Whether a name says that the maker is unknown: "unknown", "Neznámý autor"."""
    plain = name.casefold().strip(" .[]()")
    return plain in _NOBODY or " ".join(word for word in plain.split() if word not in _MAKERS) in _NOBODY


def _makers_in_texts(found: Statements) -> tuple[str, ...]:
    """The makers that titles and notes name, used if no field names any."""
    titles = [plain_text(text, 1_000) for name in ("title", "caption") for text in found.texts(name)]
    notes = [plain_text(text, 1_000) for name in ("note", "description") for text in found.texts(name)]
    return makers_in(titles, notes)


def _notations(found: Statements) -> tuple[str, ...]:
    texts = found.texts("iconclass") + [
        text for text in found.texts("subject") if "iconclass" in text.casefold()
    ]
    notations = dict.fromkeys(notation for text in texts for notation in find_notations(plain_text(text)))
    return tuple(notations)[:MAX_NOTATIONS]


def _credits(found: Statements) -> list[str]:
    """The credit lines. The one that must be shown with the object comes first."""
    lines = [item for item in found.items if item.field == "attribution"]
    return [item.text for item in sorted(lines, key=lambda item: item.label != REQUIRED_STATEMENT)]


def joined_credits(texts: Iterable[str | None]) -> str | None:
    """All credit lines that a source requires, in one text. None replaces another."""
    kept: list[str] = []
    for text in texts:
        if text and not any(text in other for other in kept):
            kept.append(text)
    return " | ".join(kept)[:2_000] or None


def rights_value(
    stated: list[str], in_metadata: list[str], in_attribution: list[str], profile: InstitutionProfile
) -> str | None:
    """The rights as found, in one text: the statements of the document and of its metadata, and those of its
    credit lines.

    All values are kept. A value without meaning must not hide a meaningful one, and if two values differ the
    stricter one counts (iconoclip.rights.read). If the institution's profile explains a text, the URI that it
    means is appended, so that the record can be evaluated later without the profile.
    """
    joined = _joined([*stated, *in_metadata], profile)
    values = [joined, *_rights_in_credits(joined, in_attribution, profile)]
    return SEPARATOR.join(filter(None, values))[:MAX_RAW_CHARS] or None


def _rights_in_credits(joined: str | None, credits: list[str], profile: InstitutionProfile) -> list[str]:
    """The credit lines that are to be read as rights, after the values that are stated as such.

    They permit only if nothing else is stated and all of them are understood; they always restrict. A bare
    copyright line next to a statement remains a credit: many write one below works in the public domain.
    """
    found = read(joined)
    credit = _joined(credits, profile)
    if credit is None or not (found.uri or found.problem == "missing"):
        return []
    if found.uri is None and canonical_uri(credit):
        return [credit]
    texts = dict.fromkeys(filter(None, (_joined([text], profile) for text in credits)))
    return [text for text in texts if any(_restricts(part, found.uri) for part in parts_of(text))]


def _restricts(part: Clause, uri: str | None) -> bool:
    """Whether a value reserves rights, or makes another statement than `uri`, which then may be stricter."""
    is_other = part.uri is not None and uri is not None and statement(part.uri) != statement(uri)
    return part.kind == "forbids" or is_other


def most_specific_rights(*values: str | None) -> str | None:
    """The rights of the image, otherwise of its canvas, otherwise of its manifest.

    A value that states nothing is kept, followed by the next value, which may state something.
    """
    kept: list[str] = []
    for value in filter(None, values):
        if value not in kept:
            kept.append(value)
        if read(value).problem not in ("missing", "not understood"):
            break
    return SEPARATOR.join(kept)[:MAX_RAW_CHARS] or None


def _joined(values: list[str], profile: InstitutionProfile) -> str | None:
    texts = dict.fromkeys(" ".join(text.split()) for text in values if text.strip())
    return SEPARATOR.join(_explained(text, profile) for text in texts)[:MAX_RAW_CHARS] or None


def _explained(text: str, profile: InstitutionProfile) -> str:
    """A rights text, followed by the URI that it means according to the institution's profile."""
    uri = profile.rights_uri(text)
    if uri is None:
        return text
    short = f"{text} ({uri})"
    return short if canonical_uri(short) == uri else f"{text} [profile: {uri}]"
