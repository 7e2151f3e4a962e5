"""Terms and names become one sentence per language, by templates; what does not describe is no caption."""

from __future__ import annotations

import pytest

from data_prep.composition import Composition, Template, changes_in, composition
from data_prep.description.captions import Statement
from data_prep.description.describe import describe
from data_prep.description.raw import Describer, raw_pair
from data_prep.description.roles import role_of
from data_prep.institutions import InstitutionProfile
from iconoclip.errors import ConfigError
from iconoclip.people import display_name
from tests.data_prep.describing import ANY, texts


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
        ("subject", "en", "Windmills. Dykes"),
    ]


@pytest.mark.parametrize("undated", ["s.a", "[S.a.]", "o. J.", "n.d.", "sans date", "bez data"])
def test_identifiers_and_the_absence_of_a_date_are_not_said(undated: str) -> None:
    said = texts(
        Statement("subject", "Anna Maria van Schurman (ISNI 0000 0001 1644 8828); Photo BnF; poems", "en"),
        Statement("date", undated),
    )
    assert [text for _, _, text in said] == ["Anna Maria van Schurman; Photo BnF; poems"]


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
    assert texts(*said) == [("subject", "nl", "Schapen. Jan Vos")]


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
        ({"subject": ["a", "b"], "date": ["1900"]}, "A; b. 1900"),
        ({"creator": ["X"], "date": ["1900"]}, "X, 1900"),
        ({"subject": ["a"]}, "A"),
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
        ("Verder lezen?", "administrative"),
        ("En savoir plus…", "administrative"),
        ("Read more: the dyes of Florence", "title"),
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
        ("subject", "en", "A heron")
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


@pytest.mark.parametrize(
    "place", ["S.l.", "[S.l.]", "S.l.] Regensburg", "o.O.", "[s. l.]", "Z.p.", "enk", "gw"]
)
def test_placeholders_of_places_are_removed(place: str) -> None:
    around = describe((Statement("title", "La surprise", "fr"), Statement("place", place)), ANY).around
    assert around.places == ()


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("1300/1325", "1300-1325"),
        ("1300-05/1325-06", "1300-1325"),
        ("../1650", None),
        ("1914-", "1914-"),
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
        ("XVII w.", "1600-1699"),
        ("ca 1650", "ca 1650"),
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


@pytest.mark.parametrize(
    ("date", "tag", "shown"),
    [
        ("XVII w.", "pl", "XVII w."),
        ("XVII w.", "fr", "1600-1699"),
        ("około 1650", "pl", "około 1650"),
        ("A.D. 1650", "fr", "A.D. 1650"),
        ("18 februari 1657", "nl", "18 februari 1657"),
        ("18 februari 1657", "fr", "1657"),
        ("vers 1650", "fr", "vers 1650"),
        ("vers 1650", "nl", "1650"),
    ],
)
def test_a_date_is_shown_in_words_of_the_language_of_its_caption(date: str, tag: str, shown: str) -> None:
    pairs = [
        raw_pair("label", "Ebb", tag, "manifest", "manifest-label"),
        raw_pair("Date", date, None, "manifest"),
    ]
    (caption,) = Describer(ANY).describe(pairs, 1).captions
    assert caption.text == f"Ebb. {shown}"


@pytest.mark.parametrize("kind", ["Painting", "<p>Painting.</p>"])
def test_a_description_that_is_the_word_for_a_kind_follows_its_title(kind: str) -> None:
    pairs = [
        raw_pair("title", "The Orchard", "en", "record", "title"),
        raw_pair("description", kind, "en", "record", "description"),
    ]
    assert [one.text for one in Describer(ANY).describe(pairs, 1).captions] == ["The Orchard. Painting"]
    # Without a title it is all that is known, and more than the word is a description.
    assert texts(Statement("description", "Painting", "en")) == [("descriptive", "en", "Painting")]
    assert (
        len(texts(Statement("title", "The Orchard", "en"), Statement("description", "Painting of ash"))) == 2
    )


def test_a_term_that_another_one_divides_is_said_once_and_a_kind_that_a_term_names_too() -> None:
    assert texts(
        Statement("subject", "Pictorial map", "en"),
        Statement("subject", "Pictorial map--Maps", "en"),
        Statement("subject", "Harbours", "en"),
        Statement("type", "Map", "en"),
        Statement("date", "1914"),
    ) == [("subject", "en", "Pictorial map, Maps; Harbours. 1914")]


def test_a_long_text_in_a_field_for_kinds_is_no_kind() -> None:
    told = "Highlights from the collection of the gallery in three rooms"
    assert texts(Statement("title", "The Orchard", "en"), Statement("type", told, "en")) == [
        ("title", "en", "The Orchard")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "303. Bändchen der Sammlung 'Aus Natur und Geisteswelt'",
        "12. Band der Schriftenreihe des Vereins",
        "Volume 3 of the series Old maps",
        "Tome 4 de la collection des voyages",
        "Deel 2 van de reeks Vogels",
    ],
)
def test_the_number_in_a_series_describes_nothing(text: str) -> None:
    assert role_of("description", text) == "note"
    assert role_of("title", text) == "title"


def test_the_paragraphs_of_a_summary_are_one_caption() -> None:
    pairs = [
        raw_pair("label", "Students, 1905-2018", "en", "canvas", "canvas-label"),
        raw_pair("summary", "The graph shows how many students began.", "en", "canvas", "summary"),
        raw_pair("summary", "De grafiek toont hoeveel studenten begonnen.", "nl", "canvas", "summary"),
        raw_pair("summary", "Before the war, more of them were women.", "en", "canvas", "summary"),
    ]
    captions = Describer(ANY).describe(pairs, 1).captions
    assert [(one.language, one.text) for one in captions if one.field == "description"] == [
        ("en", "The graph shows how many students began. Before the war, more of them were women."),
        ("nl", "De grafiek toont hoeveel studenten begonnen."),
    ]


def test_a_title_in_latin_takes_the_words_of_its_catalogue() -> None:
    pairs = [
        raw_pair("label", "Edictum Rothari", None, "manifest", "manifest-label"),
        raw_pair("Type", "Manuscript", "en", "manifest", "type"),
        raw_pair("Summary", "The oldest copy of the laws of the Lombards, in two hands.", "en", "manifest",
                 "description"),
    ]  # fmt: skip
    first = Describer(ANY).describe(pairs, 1).captions[0]
    assert (first.text, first.language) == ("“Edictum Rothari”. Manuscript", "en")
