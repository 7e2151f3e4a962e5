"""Which column holds what: from names in fourteen languages, and from values."""

from __future__ import annotations

import pytest

from data_prep.sources.tables.guess import guess
from data_prep.sources.tables.picture_files import PictureFolder
from data_prep.sources.tables.vocabulary import meaning_of

FIELDS = ("file", "id", "title", "description", "subject", "creators", "date", "rights")
HEADERS = {
    "de": "Bilddatei|Inventar-Nr.|Titel|Beschreibung|Schlagwörter|Künstler/in|Datierung|Nutzungsrechte",
    "en": "Image file|Accession no.|Title|Description|Keywords|Artist|Date made|Licence",
    "fr": "Nom du fichier|N° d'inventaire|Titre|Description|Mots-clés|Auteur|Datation|Droits",
    "it": "Nome file|N. inventario|Titolo|Descrizione|Soggetti|Autore|Datazione|Diritti",
    "es": "Archivo de imagen|Número de inventario|Título|Descripción|Palabras clave|Autor|Fecha|Licencia",
    "pt": "Ficheiro|N.º de inventário|Título|Descrição|Palavras-chave|Autor|Datação|Direitos de autor",
    "nl": "Bestandsnaam|Inventarisnummer|Titel|Beschrijving|Trefwoorden|Vervaardiger|Datering|Rechten",
    "pl": "Nazwa pliku|Nr inw.|Tytuł|Opis|Słowa kluczowe|Twórca|Datowanie|Prawa autorskie",
    "cs": "Soubor|Inventární číslo|Název|Popis|Klíčová slova|Autor|Datace|Licence",
    "sv": "Filnamn|Inventarienummer|Titel|Beskrivning|Nyckelord|Konstnär|Datering|Rättigheter",
    "da": "Billedfil|Genstandsnummer|Titel|Beskrivelse|Emneord|Kunstner|Datering|Rettigheder",
    "nb": "Bildefil|Gjenstandsnummer|Tittel|Beskrivelse|Emneord|Kunstner|Datering|Lisens",
    "fi": "Kuvatiedosto|Inventaarionumero|Nimi|Kuvaus|Asiasanat|Tekijä|Ajoitus|Käyttöoikeudet",
    "hu": "Képfájl|Leltári szám|Cím|Leírás|Tárgyszavak|Művész|Keltezés|Jogok",
}


@pytest.mark.parametrize("language", HEADERS)
def test_names_of_columns_in_every_language(language: str) -> None:
    names = HEADERS[language].split("|")
    found = [meaning.field if (meaning := meaning_of(name)) else None for name in names]
    assert found == list(FIELDS)
    shouted = [meaning.field if (meaning := meaning_of(f" {name.upper()}: ")) else None for name in names]
    assert shouted == list(FIELDS)


@pytest.mark.parametrize(
    ("name", "field", "language"),
    [
        ("Rechte Bild", "rights", None), ("objectNumber", "id", None), ("Schlagwort 2", "subject", None),
        ("tag2", "subject", None), ("Foto-Nr.", "id", None),
        ("title_en", "title", "en"), ("Titel (Deutsch)", "title", "de"),
        ("Beschreibung EN", "description", "en"),
        ("Versicherungswert (EUR)", "ignore", None), ("Maße (H x B)", "ignore", None),
        ("Raktári hely", "ignore", None), ("Date of purchase", "ignore", None),
        ("Acquisition number", "id", None),
        ("Ort der Aufbewahrung", "ignore", None), ("Lieu de conservation", "ignore", None),
        ("Name des Schenkers", "ignore", None), ("Autor der Erfassung", "ignore", None),
        ("Erwerbungsdatum", "ignore", None), ("Data nabycia", "ignore", None),
        ("Dateiname des Digitalisats", "file", None), ("Wert X7", None, None),
    ],
)  # fmt: skip
def test_parts_of_names_numbers_and_languages(name: str, field: str | None, language: str | None) -> None:
    found = meaning_of(name)
    assert (found.field if found else None, found.language if found else None) == (field, language)


def test_values_decide_where_the_name_can_mean_two_things() -> None:
    rows = [
        {"Bild": "Eine Kuh steht auf der Wiese", "Scan": f"{n}.jpg", "Link": f"https://m.example/{n}",
         "Kennzeichen": "http://creativecommons.org/publicdomain/zero/1.0/", "wann": f"um 18{n}0"}
        for n in range(1, 6)
    ]  # fmt: skip
    assert guess(rows).columns == {
        "Bild": "caption", "Scan": "file", "Link": "homepage", "Kennzeichen": "rights", "wann": "date",
    }  # fmt: skip


def test_addresses_of_pictures_are_the_files_and_pages_are_not() -> None:
    rows = [
        {"url": f"https://m.example/obj/{n}", "image": f"https://m.example/i/{n}.jpg", "name": "A cow"}
        for n in "ab"
    ]
    assert guess(rows).columns == {"url": "homepage", "image": "file", "name": "title"}


def test_files_named_after_a_column_make_a_pattern(tmp_path) -> None:
    for number in range(4):
        (tmp_path / f"inv{number}.tif").touch()
    rows = [{"Inventarnummer": f"Inv{number}", "Titel": "Kuh"} for number in range(4)]
    found = guess(rows, PictureFolder(tmp_path))
    assert found.pattern == "{Inventarnummer}.tif"
    assert found.settings()["columns"]["file"] == "{Inventarnummer}.tif"
    assert found.columns == {"Inventarnummer": "id", "Titel": "title"}


def test_lists_are_divided_where_a_list_may_be_and_nowhere_else() -> None:
    rows = [{"file": "a.jpg", "Titel": "Kirche; im Hintergrund der Dom", "Schlagworte": "Stadt; Fluss"}] * 3
    found = guess(rows)
    assert found.separators == {"Schlagworte": ";"}


def test_what_is_not_for_the_public_is_left_out() -> None:
    rows = [
        {
            "Datei": "a.jpg",
            "Titel": "Kuh",
            "Lagerort": "Depot 3",
            "Versicherungswert": "5000",
            "Notiz X": "a b c",
        }
    ]
    columns = guess(rows).settings()["columns"]
    assert {"Lagerort", "Versicherungswert"} & {str(value) for value in columns.values()} == set()


def test_a_column_named_as_a_kind_holds_titles_where_hardly_two_are_equal() -> None:
    rows = [{"Digital image": f"{n}.jpg", "Object name": f"A jug with {n} flowers"} for n in range(4)]
    assert guess(rows).columns == {"Digital image": "file", "Object name": "title"}
    rows = [
        {"Digital image": f"{n}.jpg", "Object name": "Jug", "Title": f"With {n} flowers"} for n in range(4)
    ]
    assert guess(rows).columns["Object name"] == "object_type"


def test_several_columns_of_one_field_are_all_kept() -> None:
    rows = [{"file": "a.jpg", "Titel": "Kuh", "Schlagwort 1": "Tier", "Schlagwort 2": "Weide"}]
    found = guess(rows).settings()
    assert found["columns"]["captions"]["subject"] == "Schlagwort 1"
    assert found["further_columns"] == {"subject": ["Schlagwort 2"]}
