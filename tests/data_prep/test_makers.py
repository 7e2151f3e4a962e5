"""Who made the object, among the names that a catalogue lists."""

from __future__ import annotations

import pytest

from data_prep.description.captions import Statement
from data_prep.description.describe import describe
from data_prep.description.makers import makers_in
from data_prep.institutions import InstitutionProfile, profile_for
from tests.data_prep.iiif.documents import canvas_3, image_3, manifest_3, read

ANY = InstitutionProfile(slug="any", name="Any")
GENERIC = profile_for("https://iiif.example.org/m/1")


def creators(**pairs: str) -> tuple[str, ...]:
    metadata = [
        {"label": {"none": [label.replace("_", " ")]}, "value": {"none": value.split("|")}}
        for label, value in pairs.items()
    ]
    (candidate,) = read(manifest_3(canvas_3("1", image_3("a")), metadata=metadata), GENERIC).candidates
    return candidate.creators


@pytest.mark.parametrize(
    "label",
    ["Author/creator", "Dessinateur", "Stecher", "Twórca", "Tvůrce", "Skaber", "Создатель", "作者", "יוצר"],
)
def test_labels_of_makers_in_many_languages(label: str) -> None:
    assert creators(**{label: "Doe, Jane (1800-1880)"}) == ("Doe, Jane (1800-1880)",)


def test_the_name_as_given_is_kept_and_owners_are_no_makers() -> None:
    names = (
        "Blatter, Vincent (1843-....). Dessinateur|Marolles, Michel de (1600-1681). Ancien possesseur|Inconnu"
    )
    assert creators(Creator=names) == ("Blatter, Vincent (1843-....). Dessinateur",)


NOBODIES = """
    Unknown photographer|not identified|Unbekannte Künstlerin|Fotograf unbekannt|Auteur inconnu
    Onbekend kunstenaar|Onbekende fotograaf|Autore sconosciuto|Fotografo ignoto|Autor desconocido
    Fotógrafo desconhecido|Okänd fotograf|Ukendt kunstner|Ukjent fotograf|Tuntematon valokuvaaja
    Autor nieznany|Neznámý autor|Neznani avtor|Nepoznati autor|Ismeretlen fényképész|Autor necunoscut
    Неизвестен автор|[Неизвестный художник]|Невідомий фотограф|Άγνωστος|Άγνωστος καλλιτέχνης
    ΆΓΝΩΣΤΟΣ ΔΗΜΙΟΥΡΓΌΣ|Nežinomas autorius|Nezināms autors|Tundmatu fotograaf|לא ידוע|غير معروف|作者不明
    """
SOMEBODIES = [
    "Anonymus IV",
    "Jean Inconnu",
    "Autor, Karl",
    "Nikolaos Agnostos",
    "Master of the Unknown Saint",
]


@pytest.mark.parametrize(
    "nobody", [text.strip() for line in NOBODIES.strip().splitlines() for text in line.split("|")]
)
def test_an_unknown_maker_is_none(nobody: str) -> None:
    assert creators(Creator=nobody) == ()


@pytest.mark.parametrize("name", SOMEBODIES)
def test_a_name_with_such_a_word_in_it_is_somebody(name: str) -> None:
    assert creators(Creator=name) == (name,)


@pytest.mark.parametrize("written", ["Q5582", "https://viaf.org/viaf/64013650", "Marsh, Ann ; Grabador"])
def test_identifiers_and_lone_roles_are_in_no_caption(written: str) -> None:
    pairs = [("title", "The harbour wall"), ("subject", "Ships"), ("creator", written)]
    captions = describe([Statement(field, text, "en") for field, text in pairs], ANY).captions  # type: ignore[arg-type]
    assert captions
    shown = " ".join(caption.text for caption in captions)
    assert not [word for word in ("Q5582", "viaf", "Grabador") if word in shown]


@pytest.mark.parametrize(
    "label", ["Datierung", "Datum vzniku", "Data powstania", "年代", "Время создания", "Årtal"]
)
def test_labels_of_dates_in_many_languages(label: str) -> None:
    pair = {"label": {"none": [label]}, "value": {"none": ["1650"]}}
    (candidate,) = read(manifest_3(canvas_3("1", image_3("a")), metadata=[pair]), GENERIC).candidates
    assert candidate.date is not None
    assert candidate.date.earliest == 1650


@pytest.mark.parametrize("label", ["Digitalisierungsdatum", "Date added", "Datum gewijzigd", "Online since"])
def test_the_dates_of_scans_and_records_are_no_dates_of_the_object(label: str) -> None:
    pair = {"label": {"none": [label]}, "value": {"none": ["2015"]}}
    (candidate,) = read(manifest_3(canvas_3("1", image_3("a")), metadata=[pair]), GENERIC).candidates
    assert candidate.date is None


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("View of the fen, engraved by J. Dover", ("J. Dover",)),
        ("The fen in flood. Drawn by Miss Fenn on the spot", ("Miss Fenn",)),
        ("Bildnis des Abtes, gest. von Johann Elias Moor", ("Johann Elias Moor",)),
        ("Ansicht der Stadt, gez. u. gest. von J. A. Moorbach", ("J. A. Moorbach",)),
        ("La rade du marais : [dessin] / V. Marais", ("V. Marais",)),
        ("Vue du port, dessiné et gravé par Anne Marais", ("Anne Marais",)),
        ("Gezicht op het veen, getekend door Nicolaas Jansz. Veen", ("Nicolaas Jansz. Veen",)),
        ("Veduta della palude, inciso da G. B. Paludi", ("G. B. Paludi",)),
        ("Widok bagna, rys. Jan Bagno", ("Jan Bagno",)),
        ("C. Fenn del. ; W. Marsh sculp.", ("C. Fenn", "W. Marsh")),
        ("Anna van Veen fecit 1640", ("Anna van Veen",)),
        ("Kärret, målad av Karin Kärr", ("Karin Kärr",)),
        ("The marsh / by Ann Fenn", ("Ann Fenn",)),
        ("Two cats / by order of the King", ()),
        ("The marsh / The harbour", ()),
        ("Dessin de Paris", ()),
        ("A dog painted by hand", ()),
        ("Photograph by an unknown artist", ()),
        ("Engraved by himself", ()),
        ("Report on the fens / Office of Works", ()),
        ("The del Marsh collection", ()),
    ],
)
def test_makers_that_only_a_title_names(title: str, names: tuple[str, ...]) -> None:
    assert makers_in([title]) == names


def test_a_field_for_the_maker_goes_before_what_a_title_names() -> None:
    said = [Statement("title", "View of the fen, engraved by J. Dover")]
    assert describe(said, ANY).creators == ("J. Dover",)
    assert describe([*said, Statement("creator", "Fenn, Anna")], ANY).creators == ("Fenn, Anna",)
