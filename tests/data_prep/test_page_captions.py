"""Captions of images that show pages: headings, titles of works, and words for pages in each language."""

from __future__ import annotations

import pytest

from data_prep.composition import composition
from data_prep.description.captions import tidy_title
from data_prep.description.raw import Describer, raw_pair
from iconoclip.record import RawPair
from tests.data_prep.describing import ANY

BOOK = [
    raw_pair("label", "Commentarii in Sententias", "la", "manifest", "manifest-label"),
    raw_pair("Author", "Adam Fenn (1301-1360)", None, "manifest"),
    raw_pair("Date", "1342", None, "manifest"),
    raw_pair("Type", "Manuscript", "en", "manifest"),
]


def test_short_texts_of_a_page_have_the_language_of_their_work() -> None:
    pairs = [
        raw_pair("label", "Vogeljagd", None, "canvas", "canvas-label"),
        raw_pair("label", "Ein Buch von der Jagd auf Wasservögel", "de", "manifest", "manifest-label"),
    ]
    (page,) = Describer(ANY).describe(pairs, 20).captions
    assert page.text == "Vogeljagd. Ein Buch von der Jagd auf Wasservögel"
    assert (page.level, page.language, page.language_source) == ("page", "de", "siblings")
    assert page.language_detected
    (work,) = Describer(ANY).describe(pairs[1:], 20).captions
    assert (work.level, work.language, work.language_source) == ("work", "de", "source")
    assert not work.language_detected


@pytest.mark.parametrize(
    ("label", "field", "expected"),
    [
        # A heading or a lone word takes the title of its work, with what is known of that.
        ("Lectio IV", "contents", "Lectio IV. Commentarii in Sententias. Adam Fenn, 1342"),
        # A title in another language is a name, in quotation marks.
        ("Quid est?", "canvas-label", "Quid est? “Commentarii in Sententias”. Manuscript, Adam Fenn, 1342"),
        # What describes its page is left alone.
        ("A heron waits for an eel", "canvas-label", "A heron waits for an eel"),
        # Nothing is repeated.
        ("Fenn, 1342", "canvas-label", "Fenn, 1342. “Commentarii in Sententias”. Manuscript"),
    ],
)
def test_a_heading_of_a_page_says_what_it_is_a_heading_of(label: str, field: str, expected: str) -> None:
    spoken = "la" if label == "Lectio IV" else "en"
    page = [raw_pair("label", label, spoken, "canvas", field)]
    captions = Describer(ANY).describe([*page, *BOOK], 30).captions
    assert (captions[0].text, captions[0].level) == (expected, "page")
    # The title of the work is a caption of its own only where no caption of the page has it.
    work = [] if "Commentarii" in expected else ["Commentarii in Sententias. Adam Fenn, 1342"]
    assert [one.text for one in captions[1:]] == work


def test_the_heading_of_a_page_says_that_it_is_on_a_page() -> None:
    of_page = [
        raw_pair("label", "12r", None, "canvas", "canvas-label"),
        raw_pair("label", "The third lesson, on herons", "en", "canvas", "contents"),
    ]
    work = [
        raw_pair("label", "Lessons on the birds of the marsh", "en", "manifest", "manifest-label"),
        raw_pair("Type", "Handschrift", "de", "manifest"),
    ]
    (caption,) = Describer(ANY).describe([*of_page, *work], 30).captions
    expected = "The third lesson, on herons. A page from “Lessons on the birds of the marsh”. Manuscript"
    assert (caption.text, caption.level, caption.language) == (expected, "page", "en")


def test_head_is_an_edge_of_a_manuscript_and_a_title_elsewhere() -> None:
    head = raw_pair("label", "Head", "en", "canvas", "canvas-label")
    (edge,) = Describer(ANY).describe([head, *BOOK], 30).captions
    assert (edge.text, edge.level) == (
        "Commentarii in Sententias. Adam Fenn, 1342",
        "work",
    )  # There is no Latin phrase for an edge.
    title = raw_pair("label", "Commentary on the Sentences", "en", "manifest", "manifest-label")
    (edge,) = Describer(ANY).describe([head, title, *BOOK[1:]], 30).captions
    expected = "Edge of “Commentary on the Sentences”. Manuscript, Adam Fenn, 1342"
    assert (edge.text, edge.level, edge.role) == (expected, "work", "title")
    drawing = raw_pair("Type", "Drawing", "en", "manifest")
    first, *_ = Describer(ANY).describe([head, title, drawing], 3).captions
    assert first.text.startswith("Head. Commentary on the Sentences. Drawing")


def test_no_title_is_joined_where_the_composition_says_so() -> None:
    plain = ANY.with_composition({"max_title_words": 0})
    assert [one.text for one in Describer(plain).describe(BOOK, 30).captions] == ["Commentarii in Sententias"]


@pytest.mark.parametrize(
    ("label", "kind", "expected"),
    [
        ("p. 12", None, "A page from “The marsh in winter”"),
        ("f. 12r", None, "A page from “The marsh in winter”"),
        ("S. 12", "Manuscripts", "A page from “The marsh in winter”. Manuscript"),
        ("12", "Book", "A page from “The marsh in winter”. Book"),
        ("[12]", None, "A page from “The marsh in winter”"),
        ("[iv]", None, "A page from “The marsh in winter”"),
        ("12", None, "The marsh in winter"),
        ("Image 12", None, "The marsh in winter"),
        ("p. 12", "Map", "The marsh in winter. Map"),
        ("Front cover", "Book", "Front cover of “The marsh in winter”. Book"),
        ("inside_front_cover", "Book", "Endpaper of “The marsh in winter”. Book"),
        ("plat inférieur.", "Book", "Back cover of “The marsh in winter”. Book"),
        ("Spine", None, "Spine of “The marsh in winter”"),
        ("Head", "Book", "Edge of “The marsh in winter”. Book"),
        ("Fußschnitt", "Book", "Edge of “The marsh in winter”. Book"),
        ("Titelblatt", "Book", "Title page of “The marsh in winter”. Book"),
        ("Ruler on binding", "Book", "The marsh in winter. Book"),
        ("Farbkarte", "Book", "The marsh in winter. Book"),
        # Many servers label a page without a number so.
        ("-", "Book", "A page from “The marsh in winter”. Book"),
        ("", "Book", "A page from “The marsh in winter”. Book"),
    ],
)
def test_an_image_that_shows_a_page_is_called_one(label: str, kind: str | None, expected: str) -> None:
    """Of a work of many images, where the label or the kind of the object tells."""
    pairs = [
        raw_pair("label", "The marsh in winter", "en", "manifest", "manifest-label"),
        raw_pair("label", label, None, "canvas", "canvas-label"),
        *([raw_pair("Type", kind, "en", "manifest")] if kind else []),
    ]
    (caption,) = Describer(ANY).describe(pairs, 8).captions
    assert (caption.text, caption.level, caption.role) == (expected, "work", "title")
    # Many numbered images of no other kind are a volume.
    is_numbered = label in ("12", "Image 12")
    (many,) = Describer(ANY).describe(pairs, 80).captions
    assert many.text == ("A page from “The marsh in winter”" if is_numbered and not kind else expected)
    # An object of one image is the item itself, whatever its label.
    (alone,) = Describer(ANY).describe(pairs, 1).captions
    assert "page" not in alone.text


@pytest.mark.parametrize("tag", sorted(set(composition({}).pages)))
def test_every_language_has_words_for_a_page_around_its_title(tag: str) -> None:
    called = composition({}).page_of("Marsh", tag)
    assert "Marsh" in called
    assert len(called) > len("Marsh") + 3


TERMS = [raw_pair("Subject", text, "en", "manifest") for text in ("Herons", "Eels", "Reeds", "Ice", "Mills")]
TOLD = "A treatise on water birds, copied for a convent in the fens. It has 40 drawings."


@pytest.mark.parametrize(
    ("label", "pairs", "num_images", "expected"),
    [
        # The first subjects follow the title of a book, and that of a single picture.
        ("12r", TERMS, 30, "A page from “Birds of the marsh”. Herons; Eels; Reeds; Ice"),
        (None, TERMS[:2], 1, "Birds of the marsh. Herons; Eels"),
        # Without subjects, the first sentence on the work does.
        (
            "12r",
            [raw_pair("summary", TOLD, "en", "manifest", "summary")],
            30,
            "A page from “Birds of the marsh”. A treatise on water birds, copied for a convent in the fens",
        ),
        # One in another language does not.
        (
            "12r",
            [raw_pair("summary", "Ein Buch über die Vögel im Moor.", "de", "manifest", "summary")],
            30,
            "A page from “Birds of the marsh”",
        ),
        # What the title says, and who made it, is not said again.
        (
            None,
            [
                raw_pair("Subject", "Marsh", "en", "manifest"),
                raw_pair("Subject", "Ann Fenn", "en", "manifest"),
                raw_pair("Creator", "Ann Fenn", None, "manifest"),
            ],
            1,
            "Birds of the marsh. Ann Fenn",
        ),
    ],
)
def test_a_title_is_followed_by_what_its_object_is_about(
    label: str | None, pairs: list[RawPair], num_images: int, expected: str
) -> None:
    title = raw_pair("label", "Birds of the marsh", "en", "manifest", "manifest-label")
    canvas = [raw_pair("label", label, None, "canvas", "canvas-label")] if label else []
    captions = Describer(ANY).describe([*canvas, title, *pairs], num_images).captions
    assert captions[0].text == expected


def test_a_heading_does_not_take_the_subjects_of_its_work() -> None:
    """They may be those of other pages."""
    page = [
        raw_pair("label", "12r", None, "canvas", "canvas-label"),
        raw_pair("label", "The third lesson", "en", "canvas", "contents"),
    ]
    title = raw_pair("label", "Birds of the marsh", "en", "manifest", "manifest-label")
    captions = Describer(ANY).describe([*page, title, *TERMS], 30).captions
    assert captions[0].text == "The third lesson. A page from “Birds of the marsh”"


@pytest.mark.parametrize(
    "title",
    ["January 1979", "Foglio", "Dedicatie", "24 November '63", "Nr. 5, 1948", "Number 1A, 1948", "No. 8",
     "Number 31 (1950)", "Número 3, 1951", "L.H.O.O.Q."],
)  # fmt: skip
def test_a_work_of_art_may_be_called_as_a_page_is(title: str) -> None:
    """Such a title is a caption only with the maker or the kind of its object."""
    label = raw_pair("title", title, None, "record", "record-title")
    maker = raw_pair("Creator", "Ann Fenn", None, "record", "creator")
    (caption,) = Describer(ANY).describe([label, maker], 1).captions
    assert caption.text == f"{title.rstrip('.')}. Ann Fenn"
    assert Describer(ANY).describe([label], 1).captions == ()
    assert all("Fenn" not in one.text for one in Describer(ANY).describe([label, maker], 20).captions)
    of_canvas = raw_pair("label", title, None, "canvas", "canvas-label")
    assert Describer(ANY).describe([of_canvas, maker], 1).captions == ()


def test_a_number_without_a_maker_is_that_of_an_object() -> None:
    label = raw_pair("title", "Nr. 5, 1948", None, "record", "record-title")
    kind = raw_pair("Type", "Photograph", "en", "record", "type")
    assert Describer(ANY).describe([label, kind], 1).captions == ()


@pytest.mark.parametrize("title", ["p. 3", "12", "Page 3", "recto", "1912", "Bild 7 von 31", "fol. 12v"])
def test_a_number_is_no_title_of_a_work_of_art(title: str) -> None:
    label = raw_pair("title", title, None, "record", "record-title")
    maker = raw_pair("Creator", "Ann Fenn", None, "record", "creator")
    assert Describer(ANY).describe([label, maker], 1).captions == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Scroll view (seq. 41)", "Scroll view"),
        ("The miller's song (fol. 3r)", "The miller's song"),
        ("The mill (view from the east)", "The mill (view from the east)"),
        ("The mill (14 juillet 1880)", "The mill (14 juillet 1880)"),
        ("The mill (Act 3)", "The mill (Act 3)"),
    ],
)
def test_the_number_of_an_image_in_brackets_is_no_part_of_a_title(text: str, expected: str) -> None:
    assert tidy_title(text) == expected


@pytest.mark.parametrize(
    ("maker", "shown"),
    [
        ("after Rubens, Peter Paul, 1577-1640", "after Peter Paul Rubens"),
        ("Rubens, Peter Paul (attributed to)", "Peter Paul Rubens (attributed to)"),
        ("Workshop of Lucas Cranach", "Workshop of Lucas Cranach"),
        ("Rubens, Peter Paul, 1577-1640", "Peter Paul Rubens"),
    ],
)
def test_a_caption_does_not_name_another_hand_as_the_maker(maker: str, shown: str) -> None:
    pairs = [
        raw_pair("title", "The heron", "en", "record", "record-title"),
        raw_pair("Creator", maker, None, "record", "creator"),
    ]
    (caption,) = Describer(ANY).describe(pairs, 1).captions
    assert caption.text == f"The heron. {shown}"


@pytest.mark.parametrize(
    "text",
    [
        "χωρίς τίτλο",
        "άτιτλο",
        "non titré",
        "titolo non disponibile",
        "otsikko puuttuu",
        "нет описания",
        "タイトルなし",
        "k. A.",
        "uppgift saknas",
        "Vgl. Kat. Nr. 12",
        "Früherer Besitzer: Graf X",
        "Extrait de : Album",
        "Precedente proprietario: X",
        "Antiguo poseedor: X",
        "Tidigare ägare: X",
        "Poprzedni właściciel: X",
        "Předchozí majitel: X",
        "Cited in: Bartsch",
        "Preceding item: 12",
    ],
)
def test_placeholders_and_relations_are_no_captions(text: str) -> None:
    pair = raw_pair("Description", text, None, "record", "description")
    assert Describer(ANY).describe([pair], 1).captions == ()


def test_the_heading_of_a_page_says_what_its_work_is_where_no_kind_is_known() -> None:
    pairs = [
        raw_pair("label", "12r", None, "canvas", "canvas-label"),
        raw_pair("structures", "Lectio 12", "en", "canvas", "contents"),
        raw_pair("label", "The marsh", "en", "manifest", "manifest-label"),
        raw_pair("summary", "Lectures on herons, written down by a student.", "en-GB", "manifest", "summary"),
    ]
    heading = "“Lectio 12”. A page from “The marsh”. Lectures on herons, written down by a student"
    assert Describer(ANY).describe(pairs, 30).captions[0].text == heading
    # A picture in an album is not what the album is.
    picture = raw_pair("label", "A heron", "en", "canvas", "canvas-label")
    profile = ANY.model_copy(update={"canvas_label": "title"})
    titles = [one.text for one in Describer(profile).describe([picture, *pairs[2:]], 30).captions]
    assert titles[0] == "A heron. The marsh"


def test_a_title_is_followed_by_the_date_that_viewers_sort_by() -> None:
    pairs = [
        raw_pair("label", "The heron", "en", "manifest", "manifest-label"),
        raw_pair("navDate", "1864-01-01T00:00:00Z", None, "manifest", "navigation-date"),
    ]
    assert Describer(ANY).describe(pairs, 1).captions[0].text == "The heron. 1864"
    dated = raw_pair("Date", "1790", None, "manifest", "date")
    assert Describer(ANY).describe([*pairs, dated], 1).captions[0].text == "The heron. 1790"
