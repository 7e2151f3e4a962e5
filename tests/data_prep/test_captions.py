"""Which texts become captions, in which language and order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.description import languages
from data_prep.description.captions import Statement, captions_from
from data_prep.description.designations import is_designation
from data_prep.description.plain_text import plain_text
from data_prep.institutions import InstitutionProfile, load_profile

ANY = InstitutionProfile(slug="any", name="Any")


@pytest.mark.parametrize(
    "text",
    [
        "f. 12r",
        "fol. 3",
        "fol. 12 recto",
        "Seite 5",
        "S. 14",
        "Bl. 12v",
        "[12]",
        "n.n.",
        "12",
        "XIV",
        "- 1 -",
        "1r",
        "p. [3]",
        "Page 22 / 25v",
        "f. 1v-2r",
        "folio 1 bis",
        "Image 1",
        "Canvas 1",
        "Object image 0",
        "A2v",
        "Sig. A1r",
        "-",
        "",
        "Front cover",
        "Vorderdeckel",
        "plat supérieur",
        "Umschlag vorne",
        "titelblad",
        "achterplat",
        "Farbkarte",
        "bsb00026283_00001",
        "IMG_0001.jpg",
        "scan 3.tif",
        "http://example.org/a",
        "urn:nbn:de:bvb:12-bsb00032722-6",
        "BSB Cgm 399",
        "Cod. Sang. 730",
        "MS Add. 8460",
        "BnF, Latin 11641",
        "Bodleian Library MS. Kennicott 1",
        "M. 804",
        "Bibliothèque de l'Arsenal, Ms-5080 réserve",
        "C604/16",
        "E.1829-2004",
        "SE/RA/25.3/1/1",
        "PRENT 0141",
        "132 F 10",
        "WX 3, fol. 12r",
        "6b/2/2 OM E467.S53",
        "18 november 1568",
        "R0000004_00001",
        "46A122(FLEUR-DE-LIS)",
        "xvii",
        "lxiv verso",
        "fol. XLr",
        "iv",
        "urn:x",
        "id: 12",
        "The cover 2",
        "New Haven, Beinecke Rare Book and Manuscript Library, Yale University, Osborn fa1",
        "Oxford, Bodleian Library, MS. Bodl. 264",
        "Section 20",
        "RS",
        "Page spread 3",
        "unlabeled",
        "Ruler on page",
        "recto, unframed, raking light",
        "contreplat inf.",
        "第12頁",
        "12コマ",
        "Vorblatt Iv",
    ],
)
def test_designations_are_no_captions(text: str) -> None:
    assert is_designation(text)
    assert captions_from([Statement("title", text), Statement("caption", text)], ANY) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Azure, a chevron or between three mullets argent", "Portret van een man", "Whistler's Mother",
        "高楠順次郎", "Poupée", "Map of Brighthelmston", "Venus", "Das Gebet", "Ah ! Jeunesse !", "Apollo 11",
        "De geschiedenis van Blauwbaard", "The front view of a temple", "1914 Poster", "L'arbre",
        "Left-handed man", "Miniatur: Heilung des Blinden bei Jericho", "Manuscript page with a battle, 1450",
        "Codex Florus dispersus", "Σωκράτης", "Вид на город", "Eve", "春画", "X-ray of the panel",
        "A natural bridge", "Idyll", "Arkansas", "Urn", "Information", "Civil", "Vivid mix", "The Table",
        "Der Spiegel", "The Leaf",
    ],
)  # fmt: skip
def test_descriptions_are_captions(text: str) -> None:
    assert [caption.text for caption in captions_from([Statement("title", text)], ANY)] == [text]


def test_blazons_come_first_then_titles_and_each_text_once() -> None:
    captions = captions_from(
        [
            Statement("description", "A shield of arms, painted on vellum.", "en"),
            Statement("title", "Arms of the family Hartley", "en"),
            Statement("blazon", "Azure, a chevron or", "en"),
            Statement("description", "azure, a chevron or.", "en"),
            Statement("blazon", "D'azur au chevron d'or", "fr"),
        ],
        ANY,
    )
    assert [(caption.field, caption.language) for caption in captions] == [
        ("blazon", "en"),
        ("blazon", "fr"),
        ("title", "en"),
        ("description", "en"),
    ]
    assert all(caption.origin == "institution" for caption in captions)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        (
            "[Tête de jeune garçon penchée vers la droite] : [dessin] / [Albrecht Dürer]",
            "Tête de jeune garçon penchée vers la droite",
        ),
        ("Ah ! Jeunesse ! : estampe / Steinlen", "Ah ! Jeunesse !"),
        ("Les deux cortèges : estampe (Épr. biffée) / Steinlen 1916", "Les deux cortèges"),
        ("Le siège : récit d'un témoin", "Le siège : récit d'un témoin"),
    ],
)
def test_gallica_titles_lose_their_endings(title: str, expected: str) -> None:
    captions = captions_from([Statement("title", title)], load_profile("gallica"))
    assert [caption.text for caption in captions] == [expected]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("A Lady and Her Two Children (B1981.25.278)", "A Lady and Her Two Children"),
        ("A commonplace book; 1670s-1713. (MS Add. 8460)", "A commonplace book; 1670s-1713."),
        ("La Surprise (1718-1719)", "La Surprise (1718-1719)"),
        ("Portrait of a lady (detail)", "Portrait of a lady (detail)"),
        ("[Portrait of a lady]", "Portrait of a lady"),
        ("[Portrait] of [a lady]", "[Portrait] of [a lady]"),
        ("Reichseierkarte :", "Reichseierkarte"),
    ],
)
def test_titles_are_tidied(title: str, expected: str) -> None:
    assert [caption.text for caption in captions_from([Statement("title", title)], ANY)] == [expected]


@pytest.mark.parametrize(
    ("given_tag", "expected"),
    [
        ("fre", "fr"), ("eng", "en"), ("German", "de"), ("français", "fr"), ("EN-gb", "en-GB"),
        ("bo-x-ewts", "bo-x-ewts"), ("zh-Hant", "zh-Hant"), ("cz", "cs"), ("@none", None), ("none", None),
        ("true", None), ("und-Latn", None), ("", None), ("Sans contenu linguistique", None), ("a" * 60, None),
        (None, None), ("<b>", None),
    ],
)  # fmt: skip
def test_tags_are_repaired_or_refused(given_tag: str | None, expected: str | None) -> None:
    assert languages.canonical_tag(given_tag) == expected


@pytest.mark.parametrize(
    ("text", "tag", "language", "detected"),
    [
        ("The Ottheinrich Bible", "en", "en", False),
        ("De geschiedenis van Blauwbaard en zijn vrouwen", None, "nl", True),
        ("D'azur au chevron d'or accompagné de trois étoiles", "true", "fr", True),
        # Clearly not the language of the tag
        (
            "Sheet of food rations coupons for eggs printed in black on green paper, divided into stamps",
            "de",
            "en",
            True,
        ),
        # Too short to contradict anybody
        ("Portrait of Gevaert", "nl", "nl", False),
        ("Xyz", None, "und", False),
    ],
)
def test_language_is_taken_or_guessed(text: str, tag: str | None, language: str, detected: bool) -> None:
    (caption,) = captions_from([Statement("title", text, tag)], ANY)
    assert (caption.language, caption.language_detected) == (language, detected)


def test_one_text_under_two_tags_is_in_one_language_at_most() -> None:
    text = "Husförhörslängder för Ervalla församling och socken"
    (caption,) = captions_from([Statement("title", text, "en"), Statement("title", text, "sv")], ANY)
    assert (caption.language, caption.language_detected) == ("sv", True)


def test_short_texts_are_in_the_language_of_the_institution() -> None:
    (caption,) = captions_from([Statement("title", "Poupée")], load_profile("gallica"))
    assert (caption.language, caption.language_detected) == ("fr", True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<p>Hello<br/>World &amp; <b>bold</b></p><script>alert(1)</script>", "Hello World & bold"),
        ("&lt;p&gt;twice escaped&lt;/p&gt;", "twice escaped"),
        ("KÃ¤llhÃ¤nvisning", "Källhänvisning"),
        ("a < b and 5<6", "a < b and 5<6"),
        ("\x98Die\x9c  Bibel\u200b", "Die Bibel"),
        ("e\u0301te\u0301", "été"),
        ("<style>p{}</style>Text", "Text"),
        ("AT&T", "AT&T"),
        ("{{Creator:Charles Perrault}}", "Charles Perrault"),
        ("{{institution:Rijksmuseum}}, Amsterdam", "Rijksmuseum, Amsterdam"),
        ("{{en|1=A fox}}", "{{en|1=A fox}}"),
        ("2 blocks ({{Woodcut}})", "2 blocks (Woodcut)"),
        ("[[:nl:Rotterdam|Rotterdam]], [[Delft]]", "Rotterdam, Delft"),
        ("[[Delft", "[[Delft"),
    ],
)
def test_plain_text(value: str, expected: str) -> None:
    assert plain_text(value) == expected


@given(st.text(max_size=300))
def test_no_text_breaks_the_cleaner(value: str) -> None:
    text = plain_text(value)
    assert text == text.strip()
    assert len(text) <= 20_000
    assert isinstance(is_designation(text), bool)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["title", "description", "subject", "blazon", "date"]),
            st.text(max_size=60),
            st.none() | st.text(max_size=12),
        )
    )
)
def test_captions_are_always_valid(values: list[tuple[str, str, str | None]]) -> None:
    captions = captions_from([Statement(*value) for value in values], ANY)  # type: ignore[arg-type]
    assert len({caption.text.casefold() for caption in captions}) == len(captions)
    assert all(caption.field != "date" and not is_designation(caption.text) for caption in captions)
