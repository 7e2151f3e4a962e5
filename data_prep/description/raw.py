"""The labels and values of a source, unchanged, and the one function that makes a description of them.

Readers turn documents into raw pairs (iconoclip.record.RawPair). A harvest and `iconoclip remap` both call
`Describer.describe`, which uses nothing but these pairs. Therefore a remapped set equals a fresh harvest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from data_prep.description.captions import Statement
from data_prep.description.describe import (
    Description,
    describe,
    joined_credits,
    most_specific_rights,
)
from data_prep.description.languages import dominant
from data_prep.description.levels import (
    NAVIGATION_DATE,
    first_read,
    homepage_of,
    is_contained,
    merged_captions,
    navigation_date,
    with_navigation_date,
)
from data_prep.description.page_parts import is_edge, part_shown
from data_prep.description.plain_text import plain_text
from data_prep.description.titles import NOTHING_KNOWN, View, distinct, extended, is_book, shows_a_page
from data_prep.institutions import InstitutionProfile, TextField
from iconoclip.record import MAX_LABEL_CHARS, MAX_VALUE_CHARS, Caption, CaptionLevel, PairLevel, RawPair

# Limits of one record. The largest real manifest that we saw has 18 KB in 160 pairs about one page.
MAX_PAIRS: Final = 400
MAX_BYTES: Final = 64_000
# The number of cached descriptions: enough for a few works, and for pages with the same label.
MAX_REMEMBERED: Final = 1_000
MAX_REMEMBERED_LABELS: Final = 2_000
# The labels of one pair in several languages are joined by this.
LABELS_JOIN: Final = " | "

# The kind of a text according to a standard. The institution's profile decides how such a text is used.
MANIFEST_LABEL: Final = "manifest-label"
CANVAS_LABEL: Final = "canvas-label"
COLLECTION_LABEL: Final = "collection-label"
SUMMARY: Final = "summary"
RECORD_TITLE: Final = "record-title"
RECORD_SUBJECT: Final = "record-subject"
# The label of texts from annotations; tables have columns instead.
ANNOTATION: Final = "annotation"
# A region that shows a picture. If it has no texts, those of its page are used.
PICTURE: Final = "picture"
# Fields that are kept first if a record is too large: a dropped restriction would become a permission.
_FIRST: Final = ("rights", "attribution")
# Replaces rights statements that do not fit into a record. It is not a known statement, so it counts as a
# refusal.
LEFT_OUT: Final = "[left out: more statements of rights than a record can keep]"
_MAX_LANGUAGE_CHARS: Final = 100


def raw_pair(
    label: str, value: str, language: str | None, level: PairLevel, field: str | None = None
) -> RawPair:
    """A pair within the limits of a record. `num_cut` counts the characters cut off a long value."""
    return RawPair(
        label=label[:MAX_LABEL_CHARS],
        value=value[:MAX_VALUE_CHARS],
        language=language if language and len(language) <= _MAX_LANGUAGE_CHARS else None,
        level=level,
        field=field,
        num_cut=max(0, len(value) - MAX_VALUE_CHARS),
    )


def raw_pairs(statements: Iterable[Statement], level: PairLevel) -> list[RawPair]:
    """The pairs of statements whose meaning their format or mapping defines."""
    return [raw_pair(one.label or one.field, one.text, one.language, level, one.field) for one in statements]


def is_marked_as_rights(pair: RawPair) -> bool:
    """Whether a pair is a rights statement or a credit according to a standard or a table's mapping."""
    return pair.field in _FIRST


def bounded(
    pairs: Sequence[RawPair], is_rights: Callable[[RawPair], bool] = is_marked_as_rights
) -> tuple[tuple[RawPair, ...], int]:
    """At most MAX_PAIRS pairs and MAX_BYTES bytes, in their order, and the number of pairs left out.

    Rights and credits are kept first, then the other pairs in their order. If not all rights statements fit,
    a pair LEFT_OUT is added for each of their levels, so that the remaining ones do not count as permission.

    Args:
        is_rights: decides which pairs are rights or credits; a profile knows some by their label alone.
    """
    first = [is_rights(pair) for pair in pairs]
    kept = _fitting(pairs, first)
    rights = {number for number, is_first in enumerate(first) if is_first}
    if not rights <= set(kept):
        levels = dict.fromkeys(pairs[number].level for number in sorted(rights))
        marks = [raw_pair("rights", LEFT_OUT, None, level, "rights") for level in levels]
        pairs = [*marks, *(pair for pair in pairs if pair not in marks)]
        kept = _fitting(pairs, [pair in marks or is_rights(pair) for pair in pairs])
    num_said = sum(pair.value != LEFT_OUT for pair in pairs)
    found = tuple(pairs[number] for number in kept)
    return found, num_said - sum(pair.value != LEFT_OUT for pair in found)


def _fitting(pairs: Sequence[RawPair], first: Sequence[bool]) -> list[int]:
    """The numbers of the pairs that fit into a record, ascending."""
    kept: list[int] = []
    size = 0
    for number in sorted(range(len(pairs)), key=lambda number: not first[number])[:MAX_PAIRS]:
        size += len(pairs[number].label.encode()) + len(pairs[number].value.encode())
        if size > MAX_BYTES:
            break
        kept.append(number)
    return sorted(kept)


@dataclass(frozen=True)
class Described:
    """A description with the pairs it was made from."""

    description: Description
    raw: tuple[RawPair, ...]
    num_dropped: int

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a candidate, by name."""
        told = self.description
        return {
            "rights_raw": told.rights_raw,
            "attribution": told.attribution,
            "captions": told.captions,
            "iconclass": told.iconclass,
            "creators": told.creators,
            "date": told.date,
            "object_type": told.object_type,
            "raw": self.raw,
            "raw_num_dropped": self.num_dropped,
        }


class Describer:
    """Describes the records of one institution.

    The pages of one work share the statements of its manifest. These are described once and cached.

    Args:
        profile: the meaning of the institution's labels.
    """

    def __init__(self, profile: InstitutionProfile) -> None:
        self._profile = profile
        self._known: dict[tuple[tuple[RawPair, ...], CaptionLevel, str | None], Description] = {}
        self._labels: dict[str, tuple[TextField, str | None]] = {}
        self._naming: Describer | None = None
        self._extended: dict[tuple[int, View], tuple[Description, tuple[Caption, ...]]] = {}

    def described(self, pairs: Sequence[RawPair], num_images: int | None, num_dropped: int = 0) -> Described:
        """The pairs that fit into a record, and the description made of exactly these.

        Args:
            num_dropped: the number of pairs that were left out before.
        """
        kept, num_more = bounded(pairs, self._is_rights)
        return Described(self.describe(kept, num_images), kept, num_dropped + num_more)

    def describe(self, pairs: Sequence[RawPair], num_images: int | None) -> Description:
        """The description of one image or region.

        The label of a manifest is used where a profile ignores it and nothing else is a title: an institution
        whose labels are shelfmarks also has manifests with titles. A shelfmark is no caption in any case.

        Args:
            pairs: all pairs about it and about the objects that it is part of.
            num_images: the number of images of the object. If there are several, the manifest describes the
                work and not a single item.
        """
        told = self._described(pairs, num_images)
        if (
            self._profile.manifest_label != "ignore"
            or any(one.role == "title" for one in told.captions)
            or not any(pair.field == MANIFEST_LABEL for pair in pairs)
            or any(pair.level == "annotation" for pair in pairs)
        ):
            return told
        if self._naming is None:
            self._naming = Describer(self._profile.model_copy(update={"manifest_label": "title"}))
        return self._naming.describe(pairs, num_images)

    def _described(self, pairs: Sequence[RawPair], num_images: int | None) -> Description:
        whole: CaptionLevel = "work" if (num_images or 1) > 1 else "item"
        shared = self._part(pairs, ("manifest", "record"), whole)
        collection = self._part(pairs, ("collection",), "collection")
        spoken = _language_of(shared)
        composed = self._profile.composed
        labels = [plain_text(pair.value, MAX_LABEL_CHARS) for pair in pairs if pair.field == CANVAS_LABEL]
        if whole == "work" and any(map(is_edge, labels)) and is_book(shared.around, composed):
            # "Head" is an edge of a manuscript, and a title elsewhere.
            about_page = [pair for pair in pairs if pair.field != CANVAS_LABEL]
        else:
            about_page = list(pairs)
        page = self._part(about_page, ("canvas",), "page", spoken)
        image = self._part(pairs, ("image",), "page", spoken)
        around = page.around.of(shared.around)
        view = self._view(labels, shared, num_images or 1) if whole == "work" else NOTHING_KNOWN
        of_page = (
            extended(page.captions, around, composed, shared.captions, view=view) if page.captions else ()
        )
        captions = merged_captions(of_page, self._of_whole(shared, page, of_page, view))
        if image.captions:
            # "X-ray", "Infrared": another photograph of the same page.
            named = extended(image.captions, around, composed, (*page.captions, *shared.captions))
            captions = merged_captions(captions, named)
        captions = merged_captions(captions, collection.captions) if collection.captions else captions
        iconclass = tuple(dict.fromkeys((*page.iconclass, *image.iconclass, *shared.iconclass)))
        object_type = page.object_type or shared.object_type
        region = [pair for pair in pairs if pair.level == "annotation"]
        if region:
            part = self._part(pairs, ("annotation",), "region", spoken)
            is_picture = any(pair.field == PICTURE for pair in region)
            captions = part.captions or (captions if is_picture else ())
            iconclass = part.iconclass
            object_type = part.object_type or object_type
        return Description(
            captions=distinct(captions),
            iconclass=iconclass,
            creators=page.creators or shared.creators,
            date=first_read(page.date, shared.date, navigation_date(pairs)),
            object_type=object_type,
            rights_raw=most_specific_rights(image.rights_raw, page.rights_raw, shared.rights_raw),
            attribution=joined_credits((page.attribution, shared.attribution)),
            homepage=homepage_of(pairs, shared),
        )

    def _view(self, labels: list[str], shared: Description, num_images: int) -> View:
        """What one of several images shows: a page, or a part of a book."""
        composed = self._profile.composed
        if part := part_shown(labels, is_book=is_book(shared.around, composed)):
            return View(part=part)
        titles = [one.text for one in shared.captions if one.role == "title"]
        return View(is_page=shows_a_page(labels, shared.around, composed, num_images, titles))

    def _of_whole(
        self, shared: Description, page: Description, of_page: tuple[Caption, ...], view: View
    ) -> tuple[Caption, ...]:
        """The captions about the whole, extended, but for those that the page repeats, and for titles that a
        caption of the page contains.

        All pages of a work have the same.
        """
        known = self._extended.get((id(shared), view))
        if known is None or known[0] is not shared:
            if len(self._extended) >= MAX_REMEMBERED:
                self._extended.clear()
            captions = extended(shared.captions, shared.around, self._profile.composed, view=view)
            known = self._extended[id(shared), view] = (shared, captions)
        if not page.captions:
            return known[1]
        repeated = {caption.text.casefold() for caption in page.captions}
        joined = [caption.text.casefold() for caption in of_page]
        both = zip(shared.captions, known[1], strict=True)
        return tuple(
            longer
            for plain, longer in both
            if plain.text.casefold() not in repeated and not is_contained(plain, joined)
        )

    def texts(self, pairs: Sequence[RawPair], fields: Collection[str]) -> dict[str, tuple[str, ...]]:
        """The plain texts of some fields (`subject`, `place`), each text once."""
        found: dict[str, dict[str, None]] = {}
        for pair in pairs:
            for statement in self._statements(pair):
                if statement.field in fields and (text := plain_text(statement.text, MAX_VALUE_CHARS)):
                    found.setdefault(statement.field, {})[text] = None
        return {field: tuple(texts) for field, texts in found.items()}

    def _part(
        self,
        pairs: Sequence[RawPair],
        levels: tuple[PairLevel, ...],
        level: CaptionLevel,
        siblings: str | None = None,
    ) -> Description:
        mine = tuple(pair for pair in pairs if pair.level in levels)
        if not mine:
            return Description()
        known = self._known.get((mine, level, siblings))
        if known is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            known = self._known[mine, level, siblings] = self._describe(mine, level, siblings)
        return known

    def _describe(self, pairs: tuple[RawPair, ...], level: CaptionLevel, siblings: str | None) -> Description:
        statements = [statement for pair in _joined(pairs) for statement in self._statements(pair)]
        rights = [_whole(pair) for pair in pairs if pair.field == "rights"]
        told = describe(statements, self._profile, rights, level=level, siblings=siblings)
        return with_navigation_date(told, pairs)

    def _statements(self, pair: RawPair) -> Iterator[Statement]:
        """The statements of a pair, according to the institution's profile."""
        profile, field, language = self._profile, pair.field, pair.language
        if field is None:
            field, language = self._by_label(pair)
        elif field == RECORD_SUBJECT:
            field = "subject"
            if profile.iconclass_in_subjects:
                yield Statement("iconclass", pair.value)
        else:
            field = {
                MANIFEST_LABEL: profile.manifest_label,
                CANVAS_LABEL: profile.canvas_label,
                COLLECTION_LABEL: profile.collection_label,
                SUMMARY: profile.summary,
                RECORD_TITLE: profile.titles_are,
            }.get(field, field)
        if field not in ("ignore", "rights", NAVIGATION_DATE, PICTURE) or pair.field is None:
            value = _whole(pair) if field == "rights" else pair.value
            yield Statement(field, value, language, pair.label)  # type: ignore[arg-type]

    def _is_rights(self, pair: RawPair) -> bool:
        return is_marked_as_rights(pair) or (pair.field is None and self._by_label(pair)[0] in _FIRST)

    def _by_label(self, pair: RawPair) -> tuple[TextField, str | None]:
        """The meaning of the first known label of a pair. A label that means rights takes precedence."""
        known = self._labels.get(pair.label)
        if known is None:
            if len(self._labels) >= MAX_REMEMBERED_LABELS:
                self._labels.clear()
            known = self._labels[pair.label] = self._meaning(pair.label)
        field, language = known
        return field, language or pair.language

    def _meaning(self, labels: str) -> tuple[TextField, str | None]:
        found = [
            self._profile.field_of(plain_text(label, MAX_LABEL_CHARS)) for label in labels.split(LABELS_JOIN)
        ]
        known = [one for one in found if one[0] != "ignore"] or [("ignore", None)]
        return min(known, key=lambda one: one[0] != "rights")


_DESCRIBERS: Final[dict[int, tuple[InstitutionProfile, Describer]]] = {}
_MAX_DESCRIBERS: Final = 100


def describer_of(profile: InstitutionProfile) -> Describer:
    """The describer of an institution's records: the same one for all its documents, which repeat much."""
    known = _DESCRIBERS.get(id(profile))
    if known is None or known[0] is not profile:
        if len(_DESCRIBERS) >= _MAX_DESCRIBERS:
            _DESCRIBERS.clear()
        known = _DESCRIBERS[id(profile)] = (profile, Describer(profile))
    return known[1]


def why_no_region(pairs: Sequence[RawPair], told: Description) -> str | None:
    """The reason why an annotation on a part gives no record; None if it does, or if there is none."""
    is_annotated = any(pair.level == "annotation" and pair.label == ANNOTATION for pair in pairs)
    is_empty = not told.captions and not told.iconclass
    return "an annotation that describes nothing" if is_annotated and is_empty else None


def _language_of(shared: Description) -> str | None:
    """The language of most captions of the whole object, for pages whose texts are too short to detect."""
    captions = (caption for caption in shared.captions if caption.origin == "institution")
    return dominant((caption.text, caption.language) for caption in captions)


def _joined(pairs: tuple[RawPair, ...]) -> list[RawPair]:
    """The pairs, but the values of one summary in one language as one: they are the paragraphs of a text, of
    which the later ones say little alone."""
    first: dict[tuple[PairLevel, str, str | None], int] = {}
    found: list[RawPair] = []
    for pair in pairs:
        key = (pair.level, pair.label, pair.language)
        place = first.get(key) if pair.field == SUMMARY else None
        if place is not None and len(found[place].value) + len(pair.value) < MAX_VALUE_CHARS:
            whole = f"{found[place].value.rstrip()} {pair.value}"
            found[place] = found[place].model_copy(update={"value": whole})
            continue
        if pair.field == SUMMARY:
            first.setdefault(key, len(found))
        found.append(pair)
    return found


def _whole(pair: RawPair) -> str:
    """A value; if it was cut off, this is stated, so that its beginning is not taken for the whole text."""
    return f"{pair.value} [cut off]" if pair.num_cut else pair.value
