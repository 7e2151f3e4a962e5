"""Who made the object, among the names that a catalogue lists."""

from __future__ import annotations

import pytest

from data_prep.institutions import profile_for
from tests.data_prep.iiif.documents import canvas_3, image_3, manifest_3, read

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
