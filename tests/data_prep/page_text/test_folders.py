"""Folders of documents about pages: which document belongs to a page, and what METS says of its kind."""

from __future__ import annotations

import pytest

from data_prep.candidate import Refusal
from data_prep.page_text.documents import mets_address
from data_prep.page_text.folder import TextFolder, normalised
from data_prep.page_text.structure import mets_pages, page_kind_of
from data_prep.page_text.zones import PageText
from tests.data_prep.page_text import documents as made

SIZE = made.SIZE


def test_a_folder_finds_the_document_of_a_page_by_its_name(tmp_path):
    (tmp_path / "vol" / "a").mkdir(parents=True)
    (tmp_path / "vol" / "btv1b123_f7.alto.xml").write_bytes(made.alto())
    (tmp_path / "vol" / "a" / "double.xml").write_bytes(made.alto())
    (tmp_path / "vol" / "double.hocr").write_bytes(made.hocr())
    folder = TextFolder(tmp_path)
    assert len(folder) == 1
    assert isinstance(folder.of_names(["nothing", "btv1b123_f7"], SIZE), PageText)
    assert isinstance(folder.of_names(["btv1b123_f7"], (900, 200)), Refusal)
    assert folder.of_names(["double"], SIZE) is None


def test_mets_and_manifests_are_told_by_words_of_their_names(tmp_path):
    of_pages = "kometstudie.xml", "manifestations_7.json"
    of_volumes = "a_METS.xml", "mets1.xml", "manifest-3.json"
    for name in (*of_pages, *of_volumes):
        (tmp_path / name).write_text("<a/>" if name.endswith("xml") else "{}")
    folder = TextFolder(tmp_path)
    assert len(folder) == len(of_pages)
    assert sorted(one.source.rpartition("/")[2] for one in folder.refusals) == sorted(of_volumes)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("A_0001.alto.xml", "a_0001"),
        ("dir/p7.TIF", "p7"),
        ("x_f12.v2.xml", "x_f12.v2"),
        ("p-7_page.xml", "p-7"),
    ],
)
def test_names_are_compared_without_their_endings(name, stem):
    assert normalised(name) == stem


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([("volume", "Maps of the world"), ("page", "Front cover")], "binding"),
        ([("page", ""), ("chapter", "Of plates and maps")], None),
        ([("page", "12"), ("Illustration", "")], "picture"),
        ([("page", ""), ("colour_checker", "")], "target"),
        ([("page", "Farbkarte")], "target"),
        ([("page", "Leerseite")], "blank"),
        ([("page", "Vorderdeckel")], "binding"),
        ([("page", "Hinterer Deckel, Spiegel")], "binding"),
        ([("page", "Piatto anteriore")], "binding"),
        ([("page", "Guarda anterior")], "binding"),
        ([("page", "Tavola IV")], "picture"),
        ([("page", "Tavole fuori testo")], "picture"),
        ([("page", "Lámina 3")], "picture"),
        ([("page", "Ilustrace 7")], "picture"),
        ([("page", "Indice delle tavole")], "text"),
        ([("page", "Índice de láminas")], "text"),
        ([("page", "Página en blanco")], "blank"),
        ([("page", "Tavolara")], None),
        ([("page", "Laminat")], None),
        ([("page", "Deckelwald")], None),
        ([("page", ""), ("map", "")], "map"),
        ([("page", ""), ("musical_notation", "")], "music"),
        ([], None),
    ],
)
def test_types_of_parts_and_labels_of_pages_tell_the_kind_of_a_page(parts, kind):
    assert page_kind_of(parts) == kind


def test_a_mets_document_is_found_and_a_wrong_one_refused():
    link = {
        "id": "https://house.example/mets/1.xml",
        "profile": "http://www.loc.gov/METS/",
        "type": "Dataset",
    }
    other = {"id": "https://house.example/mods/1.xml", "profile": "http://www.loc.gov/mods/v3"}
    assert mets_address({"seeAlso": [other, link]}) == link["id"]
    assert mets_address({"seeAlso": [other]}) is None
    for document, reason in ((b"<alto/>", "no METS"), (b"<mets", "not XML"), (b"", "empty")):
        refusal = mets_pages(document, "x")
        assert isinstance(refusal, Refusal)
        assert reason in refusal.reason
