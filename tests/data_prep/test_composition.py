"""Terms and names become one sentence per language, by templates; what does not describe is no caption."""

from __future__ import annotations

import pytest

from data_prep.composition import Composition, Template, changes_in, composition
from data_prep.description import kinds, languages
from data_prep.description.captions import Statement
from data_prep.description.describe import describe
from data_prep.description.raw import Describer, raw_pair
from data_prep.description.roles import role_of
from data_prep.institutions import InstitutionProfile
from iconoclip.config import read_yaml, shipped_config
from iconoclip.errors import ConfigError
from iconoclip.people import display_name

ANY = InstitutionProfile(slug="any", name="Any")
GERMAN = InstitutionProfile(slug="any", name="Any", language="de")


def texts(*statements: Statement, profile: InstitutionProfile = ANY) -> list[tuple[str, str, str]]:
    captions = describe(statements, profile).captions
    return [(caption.role or "", caption.language, caption.text) for caption in captions]


def test_terms_type_creator_and_date_make_one_sentence() -> None:
    assert texts(
        Statement("subject", "Shepherds", "en"),
        Statement("subject", "flock", "en"),
        Statement("subject", "evening", "en"),
        Statement("type", "Drawing", "en"),
        Statement("creator", "Jacque, Charles (1813-1894)"),
        Statement("date", "1849"),
    ) == [("subject", "en", "Shepherds; flock; evening. Drawing, Charles Jacque, 1849")]


def test_each_language_has_a_sentence_of_its_own_terms() -> None:
    assert texts(
        Statement("subject", "Ploughing; Horses", "en"),
        Statement("subject", "Ackerbau; Pferde", "de"),
        Statement("type", "Print", "en"),
        Statement("type", "Druckgrafik", "de"),
        Statement("person", "Adler, Rosa", None),
    ) == [
        ("subject", "en", "Ploughing; Horses. Print"),
        ("subject", "de", "Ackerbau; Pferde. Druckgrafik"),
        ("subject", "und", "Rosa Adler"),
    ]


def test_technique_and_date_alone_describe_nothing() -> None:
    assert (
        texts(Statement("technique", "Etching", "en"), Statement("place", "Ghent"), Statement("date", "1777"))
        == []
    )


def test_a_term_that_repeats_the_title_is_left_out() -> None:
    assert texts(Statement("title", "Windmills", "en"), Statement("subject", "windmills; dykes", "en")) == [
        ("title", "en", "Windmills"),
        # A term that is alone says little; after the title it says something.
        ("subject", "en", "Windmills. dykes"),
    ]


def test_a_profile_changes_the_template_of_a_language_and_the_roles() -> None:
    changed = InstitutionProfile.model_validate(
        {
            "slug": "any",
            "name": "Any",
            "composition": {
                "captions": ["descriptive", "title", "note"],
                "templates": {"nl": {"sentences": ["{type} door {creator}: {subject}"]}},
            },
        }
    )
    said = (
        Statement("subject", "schapen", "nl"),
        Statement("creator", "Jan Vos"),
        Statement("note", "Zelden getoond", "nl"),
    )
    assert texts(*said, profile=changed) == [
        ("note", "nl", "Zelden getoond"),
        ("subject", "nl", "door Jan Vos: schapen"),
    ]
    assert texts(*said) == [("subject", "nl", "schapen. Jan Vos")]


def test_an_invalid_composition_is_refused() -> None:
    with pytest.raises(ConfigError, match="no name of a template"):
        composition({"templates": {"en": {"sentences": ["{subject} of {maker}"]}}})
    with pytest.raises(ConfigError, match="no composition 'unheard'"):
        changes_in("unheard")
    with pytest.raises(ValueError, match="default"):
        Composition.model_validate({**composition({}).model_dump(), "templates": {}})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"subject": ["a", "b"], "date": ["1900"]}, "a; b. 1900"),
        ({"creator": ["X"], "date": ["1900"]}, "X, 1900"),
        ({"subject": ["a"]}, "a"),
        ({}, ""),
    ],
)
def test_a_name_without_value_is_removed_with_its_separator(
    values: dict[str, list[str]], expected: str
) -> None:
    template = Template(sentences=("{subject}", "{type}, {creator}, {date}"))
    assert template.render(values) == expected


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("Appartient à l'ensemble documentaire : PG00123", "relation"),
        ("Ancien possesseur : Dupont, Pierre", "relation"),
        ("Référence bibliographique : Lang 44", "relation"),
        ("Teil von: Nachlass Meier", "relation"),
        ("Maakt deel uit van de collectie Vos", "relation"),
        ("[Title not known]", "placeholder"),
        ("Summary not supplied.", "placeholder"),
        ("Ohne Titel", "placeholder"),
        ("bez názvu", "placeholder"),
        ("無題", "placeholder"),
        ("Digitised by the Friends of the Library", "administrative"),
        ("Description by a curator (2004).", "administrative"),
        ("Available to readers under the conditions of the Archive.", "rights"),
        ("Alle Rechte vorbehalten", "rights"),
        ("CC BY 4.0", "rights"),
        ("Domaine public", "rights"),
        ("Copyrights at sea", "title"),
        ("Rights of Man", "title"),
        ("Cote d'Azur", "title"),
        ("Gift of the Magi", "title"),
        ("Part of the harbour", "title"),
        ("Unknown man in a boat", "title"),
        ("Untitled (blue and grey)", "title"),
        ("The Unknown Soldier", "title"),
        ("Collection of butterflies", "title"),
        ("Topic", "title"),
    ],
)
def test_the_role_of_a_text_in_a_title_field(text: str, role: str) -> None:
    assert role_of("title", text) == role
    is_caption = role == "title"
    assert bool(texts(Statement("title", text))) == is_caption


@pytest.mark.parametrize("text", ["Iconclass", "Objects Facet", "<visual works by form>", "Topic", "Images"])
def test_roots_of_thesauri_are_no_terms(text: str) -> None:
    assert role_of("subject", text) == "thesaurus"
    assert texts(Statement("subject", text), Statement("subject", "a heron", "en")) == [
        ("subject", "en", "a heron")
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Thomson, John, 1837-1921", "John Thomson"),
        ("Vos, Jan de (1700?-1761). Graveur", "Jan de Vos"),
        ("Artist: Anna Fenn, Dutch, 1853 - 1890", "Anna Fenn"),
        ("Anna Fenn Dutch, 1853 - 1890", "Anna Fenn"),
        ("Anna Fenn, Swiss-French", "Anna Fenn"),
        ("Fenn, Dutch", "Dutch Fenn"),
        ("Anna English", "Anna English"),
        ("Anna Fenn", "Anna Fenn"),
        ("Master of the Marsh", "Master of the Marsh"),
    ],
)
def test_names_as_people_write_them(name: str, expected: str) -> None:
    assert display_name(name) == expected


@pytest.mark.parametrize(
    ("text", "given", "default", "siblings", "expected"),
    [
        ("Herbarium", None, "de", "de", ("und", None)),
        ("Sermones", None, "fr", None, ("und", None)),
        ("Herbarium", "la", "de", "de", ("la", "source")),
        ("Hirtin", None, None, "de", ("de", "siblings")),
        ("Poupée", None, "fr", None, ("fr", "profile")),
        ("Poupée", None, None, None, ("und", None)),
        ("CALENDRIER", None, "en", None, ("und", None)),
        ("Le marin", None, "en", None, ("und", None)),
        ("Le marin", None, "fr", None, ("fr", "profile")),
        ("Bois de H. Roux", None, "en", None, ("und", None)),
        ("Lectio 2, De fide", None, "en", None, ("la", "detected")),
        ("Scroll view (stitched digital image)", None, None, "fr", ("und", None)),
        ("Miniatur: Jesus vor Kaiphas. D", None, "de", None, ("de", "detected")),
        ("The Railway", None, None, None, ("en", "detected")),
        ("A shepherdess with her flock in the evening", None, "de", None, ("en", "detected")),
        ("A shepherdess with her flock in the evening", "fra", None, None, ("en", "detected")),
        ("La bergère du marais", "de", None, None, ("fr", "detected")),
        ("Francisco de Hoz", "en", None, None, ("en", "source")),
        ("Vom Hafen und der Stadt", "sv", None, None, ("de", "detected")),
        ("Descriptio portus et insularum", "nl", None, None, ("la", "detected")),
        ("Anna Fenn", "nl", None, None, ("nl", "source")),
        ("Yr afon", None, "en", None, ("cy", "detected")),
        ("Gömlekli çoban ve dağ köyü", None, None, None, ("tr", "detected")),
    ],
)
def test_the_source_of_a_language_is_recorded(
    text: str, given: str | None, default: str | None, siblings: str | None, expected: tuple[str, str | None]
) -> None:
    found = languages.spoken(text, given, default, siblings)
    assert (found.tag, found.source) == expected
    assert found.is_guess == (expected[1] not in ("source", None))


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


BOOK = [
    raw_pair("label", "Commentarii in Sententias", "la", "manifest", "manifest-label"),
    raw_pair("Author", "Adam Fenn (1301-1360)", None, "manifest"),
    raw_pair("Date", "1342", None, "manifest"),
    raw_pair("Type", "Manuscript", "en", "manifest"),
]


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
    ("creator", "shown"),
    [
        ("Author: Fenn, Ann; Librarian: Vos, Jan", ["Ann Fenn"]),
        ("Former owner: Vos, Jan", []),
        ("Fenn, Ann; Vos, Jan de", ["Ann Fenn", "Jan de Vos"]),
    ],
)
def test_owners_are_not_makers(creator: str, shown: list[str]) -> None:
    said = (Statement("title", "La surprise", "fr"), Statement("creator", creator))
    assert describe(said, ANY).around.values("fr")["creator"] == shown


@pytest.mark.parametrize("place", ["S.l.", "[S.l.]", "S.l.] Regensburg", "o.O.", "[s. l.]", "Z.p."])
def test_placeholders_of_places_are_removed(place: str) -> None:
    around = describe((Statement("title", "La surprise", "fr"), Statement("place", place)), ANY).around
    assert around.places == ()


@pytest.mark.parametrize(
    ("text", "given", "language"),
    [
        ("唐糸草紙", None, "ja"),
        ("夕暮れの鷺", "en", "ja"),
        ("江畔垂釣圖", None, "zh"),
        ("江畔垂釣圖", "zh-Hant", "zh-Hant"),
        ("Seirō ehon nenjū gyōji : 青楼絵本年中行事", "en", "ja"),
        ("The seal of the emperor, inscribed 大, on the back", "en", "en"),
    ],
)
def test_a_script_determines_a_language(text: str, given: str | None, language: str) -> None:
    assert languages.spoken(text, given).tag == language


def test_three_words_of_another_language_do_not_take_that_of_the_other_texts() -> None:
    assert languages.spoken("La Surprise", None, siblings="en").tag != "en"
    assert languages.spoken("Surprise attack", None, siblings="en").tag == "en"


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


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("179.", "1790-1799"),
        ("18XX", "1800-1899"),
        ("18--?", "1800-1899"),
        ("ca. 1920 (made)", "ca. 1920"),
        ("Copenhagen : Weber, 1880", "1880"),
        ("1924-01-01", "1924"),
        ("1889 Vol. 3", "1889"),
        ("15th/16th century", "15th/16th century"),
        # In another language than the caption's: years, if they say enough.
        ("15./16. Jh.", None),
        ("um 1650", "1650"),
        ("[S.l.] 1564", "1564"),
        ("before the flood of 1825, perhaps in the year of the great frost", None),
    ],
)
def test_a_date_is_shown_as_readers_write_it(date: str, shown: str | None) -> None:
    pairs = [
        raw_pair("label", "Ebb", "en", "manifest", "manifest-label"),
        raw_pair("Date", date, None, "manifest"),
    ]
    (caption,) = Describer(ANY).describe(pairs, 1).captions
    assert caption.text == (f"Ebb. {shown}" if shown else "Ebb")


def test_places_are_shown_without_their_path_and_their_making() -> None:
    pairs = [
        raw_pair("label", "Ebb", "en", "manifest", "manifest-label"),
        raw_pair("Place", "Marshland > Upper Fenshire > Fen (printed)", None, "manifest"),
    ]
    assert [one.text for one in Describer(ANY).describe(pairs, 1).captions] == ["Ebb. Fen"]


@pytest.mark.parametrize(
    "text", ["69 sheet(s). Bound.", "4 v. plates. 53 cm", "174 leaves : 215 x 160 mm", "12 p."]
)
def test_how_much_there_is_of_an_object_describes_nothing(text: str) -> None:
    assert role_of("description", text) == "note"


@pytest.mark.parametrize("text", ["3 women at a well", "40 photographs of the fens", "5 volumes of sermons"])
def test_a_number_at_the_beginning_is_no_extent(text: str) -> None:
    assert role_of("description", text) == "descriptive"


def test_words_alone_are_in_the_language_that_the_title_is_detected_in() -> None:
    said = [Statement("title", "The herons of the northern fens"), Statement("subject", "Herons; Fens")]
    title, terms = describe(said, ANY).captions
    assert (title.language, title.language_source) == ("en", "detected")
    assert (terms.language, terms.language_source) == ("en", "siblings")


TAGS = sorted({*composition({}).pages, *composition({}).templates} - {"default"})


@pytest.mark.parametrize("tag", TAGS)
def test_a_caption_has_the_words_of_one_language(tag: str) -> None:
    """Whatever the catalogue says, in whatever languages: here two for each kind, one of them without a
    tag.
    """
    wrong = []
    date = "um 1650" if tag != "de" else "vers 1650"
    spoken = "no" if tag in ("nb", "nn") else tag
    for number, (concept, words) in enumerate(kinds.words().items()):
        others = [language for language, word in words.items() if spoken not in kinds.known_in(word)]
        others = [language for language in others if language != kinds.ANY]
        if not others or number % 3 != TAGS.index(tag) % 3:
            continue  # a third of the kinds is enough for each language
        tagged, untagged = others[number % len(others)], others[(number + 1) % len(others)]
        pairs = [
            raw_pair("label", "Ebb 1", tag, "manifest", "manifest-label"),
            raw_pair("Type", words[tagged], tagged, "manifest"),
            raw_pair("Medium", words[untagged], None, "manifest"),
            raw_pair("Date", date, None, "manifest"),
        ]
        (caption,) = Describer(ANY).describe(pairs, 1).captions
        template = composition({}).template(tag)
        own = [words[spoken]] if spoken in words else []
        # A word that means two things without its language is left out.
        possible = [
            template.render({"title": ["Ebb 1"], "date": ["1650"], **more}, is_title=True)
            for more in ({"type": own}, {"technique": own}, {})
        ]
        if caption.language != tag or caption.text.casefold() not in map(str.casefold, possible):
            wrong.append((concept, tagged, untagged, caption.text))
    assert wrong == []


@pytest.mark.parametrize(
    ("kind", "given", "tag", "expected"),
    [
        ("Livre imprimé", "fr", "en", "A collection of emblems. Book"),
        ("Livre imprimé", None, "en", "A collection of emblems. Book"),
        ("manuscrits", "fre", "en", "A collection of emblems. manuscript"),
        ("http://schema.org/Painting", None, "en", "A collection of emblems"),
        ("Estampes", None, "sv", "A collection of emblems. Grafik"),
        # No word of the table: it stays in its own language only.
        ("Ingekleurde centsprent", "nl", "en", "A collection of emblems"),
        ("Ingekleurde centsprent", "nl", "nl", "A collection of emblems. Ingekleurde centsprent"),
        # A newspaper in French, a periodical in English.
        ("Journal", "fr", "en", "A collection of emblems. Newspaper"),
        ("Journal", "en", "en", "A collection of emblems. Journal"),
    ],
)
def test_a_kind_is_named_in_the_language_of_the_caption(
    kind: str, given: str | None, tag: str, expected: str
) -> None:
    pairs = [
        raw_pair("label", "A collection of emblems", tag, "manifest", "manifest-label"),
        raw_pair("Type", kind, given, "manifest"),
    ]
    (caption,) = Describer(ANY).describe(pairs, 1).captions
    assert (caption.text, caption.language) == (expected, tag)


def test_a_word_for_a_kind_means_one_thing_in_its_language() -> None:
    """Otherwise nobody could say which of the two a catalogue means."""
    listed = [
        (language, form.strip().casefold())
        for by_language in read_yaml(shipped_config(kinds.WORDS_FILE)).values()
        for language, forms in by_language.items()
        for form in forms.split(",")
    ]
    assert len(listed) > 900
    assert [pair for pair in listed if listed.count(pair) > 1] == []


def test_a_place_that_is_an_institution_is_none() -> None:
    pairs = [
        raw_pair("label", "Ebb", "en", "manifest", "manifest-label"),
        raw_pair("Place", "Fenshire Trust", None, "manifest"),
    ]
    assert [one.text for one in Describer(ANY).describe(pairs, 1).captions] == ["Ebb"]


def test_a_name_with_words_of_one_language_is_in_that_language() -> None:
    pairs = [
        raw_pair("label", "La Mousmé", None, "manifest", "manifest-label"),
        raw_pair("Type", "Painting", None, "manifest"),
        raw_pair("Medium", "Oil on panel", None, "manifest"),
    ]
    (caption,) = Describer(ANY).describe(pairs, 1).captions
    assert (caption.text, caption.language) == ("La Mousmé. Painting, Oil on panel", "en")
    assert caption.language_detected
    (alone,) = Describer(ANY).describe(pairs[:1], 1).captions
    assert alone.language == "und"
