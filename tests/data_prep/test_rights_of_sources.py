"""Rights and credits that a source states in several places: all are kept, and the strictest decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data_prep.candidate import Candidate
from data_prep.description.raw import LEFT_OUT, MAX_PAIRS, Describer, raw_pair
from data_prep.harvest.recording import RIGHTS_REMEDIES, rights_of, rights_refusal
from data_prep.harvest.report import kind_of_reason
from data_prep.institutions import InstitutionProfile, load_profile
from data_prep.sources.offers import CatalogueRecord, as_context
from iconoclip.cli import main
from iconoclip.shardset import ShardSet
from tests.data_prep.iiif.documents import ANY, canvas_3, image_3, manifest_3, read

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
BY_NC = "http://creativecommons.org/licenses/by-nc/4.0/"


def one(profile: InstitutionProfile = ANY, **changes: Any) -> Candidate:
    (candidate,) = read(manifest_3(canvas_3("1", image_3("a")), **changes), profile).candidates
    return candidate


def pair(label: str, value: str) -> dict[str, Any]:
    return {"label": {"none": [label]}, "value": {"none": [value]}}


@pytest.mark.parametrize(
    ("stated", "in_metadata", "train"),
    [
        ("iiif_license", CC0, "yes"),
        ("https://library.example.org/terms", CC0, "review"),
        ("https://library.example.org/all-rights-reserved", CC0, "no"),
        (CC0, "No reuse without permission", "no"),
        (CC0, "Our own rules apply", "no"),
        (CC0, "CC BY-NC 4.0", "no"),
        (CC0, "CC0 1.0 Universal", "yes"),
        (CC0, "Metadata: CC BY 4.0", "yes"),
    ],
)
def test_a_property_and_the_metadata_are_read_together(stated: str, in_metadata: str, train: str) -> None:
    candidate = one(rights=stated, metadata=[pair("License", in_metadata)])
    assert candidate.rights_raw == f"{stated} | {in_metadata}"
    assert rights_of(candidate, "open").train == train


def test_two_licences_in_one_property_of_which_one_is_unknown_allow_nothing() -> None:
    candidate = one(rights=[CC0, "https://example.org/some-licence-of-ours"])
    rights = rights_of(candidate, "open")
    assert (rights.train, rights.redistribute, rights.display) == ("no", "no", "link")
    reason = rights_refusal(rights, "usable") or ""
    assert kind_of_reason(reason) == "rights: not understood"
    assert CC0 in reason
    assert "some-licence-of-ours" in reason


def test_a_placeholder_at_the_image_does_not_hide_the_manifests_licence() -> None:
    body = image_3("a", rights="your_license_here")
    (candidate,) = read(manifest_3(canvas_3("1", body), rights=CC0)).candidates
    assert candidate.rights_raw == f"your_license_here | {CC0}"
    assert rights_of(candidate, "open").train == "yes"


def test_the_credit_that_is_asked_for_is_kept_next_to_what_a_profile_adds() -> None:
    statement = {"label": {"en": ["Attribution"]}, "value": {"en": ["Photo: (c) A Library. CC BY-NC 4.0"]}}
    pages = [
        pair("Catalogue Description", "A catalogue of manuscripts"),
        pair("Record Origin", "Description by someone (2019)."),
    ]
    candidate = one(load_profile("bodleian"), rights=BY_NC, requiredStatement=statement, metadata=pages)
    assert candidate.attribution == "Photo: (c) A Library. CC BY-NC 4.0"
    assert candidate.object_type is None
    both = one(rights=BY_NC, requiredStatement=statement, metadata=[pair("Credit line", "Gift of X")])
    assert both.attribution == "Photo: (c) A Library. CC BY-NC 4.0 | Gift of X"


def test_a_page_has_its_own_credit_and_that_of_its_book() -> None:
    def required(text: str) -> dict[str, Any]:
        return {"label": {"en": ["Attribution"]}, "value": {"en": [text]}}

    page = canvas_3("1", image_3("a"), requiredStatement=required("Photo: Jane Doe"))
    (candidate,) = read(manifest_3(page, rights=CC0, requiredStatement=required("A Library"))).candidates
    assert candidate.attribution == "Photo: Jane Doe | A Library"


PDM = "http://creativecommons.org/publicdomain/mark/1.0/"


@pytest.mark.parametrize(
    ("stated", "credit", "train"),
    [
        (PDM, "All rights reserved", "no"),
        (PDM, "<p>© A Library. Alle Rechte vorbehalten.</p>", "no"),
        (PDM, "Tous droits réservés", "no"),
        (PDM, "A Library. Non-commercial use only", "no"),
        (PDM, "No text and data mining", "no"),
        (CC0, "CC BY-NC 4.0", "no"),
        (CC0, "<a href='https://creativecommons.org/licenses/by-nc-nd/4.0/'>Licence</a>", "review"),
        (CC0, "In Copyright", "no"),
        ("http://creativecommons.org/licenses/by/4.0/", "© A Library, all rights reserved", "no"),
        # What says nothing more, or less, changes nothing.
        (PDM, "A Library", "yes"),
        (PDM, "© A Library", "yes"),
        (PDM, "Gift of Mrs. Smith, 1920", "yes"),
        (PDM, "Public Domain Mark 1.0", "yes"),
        (PDM, "Metadata: CC BY-NC 4.0", "yes"),
        (CC0, "CC BY 4.0, A Library", "yes"),
        (BY_NC, "CC0", "no"),
        # Where the property says nothing, the credit line is all there is.
        ("iiif_license", "CC BY 4.0", "yes"),
        (None, "CC BY 4.0", "yes"),
        (None, "All rights reserved", "no"),
        (None, "A Library", "no"),
        ("Our own rules apply", "CC BY 4.0", "no"),
    ],
)
def test_a_credit_line_may_restrict_what_is_stated(stated: str | None, credit: str, train: str) -> None:
    statement = {"label": {"en": ["Attribution"]}, "value": {"en": [credit]}}
    assert rights_of(one(rights=stated, requiredStatement=statement), "open").train == train


def test_a_page_that_reserves_its_rights_in_its_credit_does_not_take_those_of_its_book() -> None:
    statement = {"label": {"en": ["Attribution"]}, "value": {"en": ["Photo: Jane Doe. All rights reserved"]}}
    pages = canvas_3("1", image_3("a"), requiredStatement=statement), canvas_3("2", image_3("b"))
    candidates = read(manifest_3(*pages, rights=PDM)).candidates
    assert [rights_of(candidate, "open").train for candidate in candidates] == ["no", "yes"]


def test_every_kind_of_refusal_has_a_remedy() -> None:
    reasons = {
        value: rights_refusal(rights_of(one(rights=value), "open"), "usable")
        for value in ("xyzzy", "Metadata: CC0", "All rights reserved", "In Copyright", f"{CC0} | © Museum")
    }
    assert {value: kind_of_reason(reason or "") for value, reason in reasons.items()} == {
        "xyzzy": "rights: not understood",
        "Metadata: CC0": "rights: missing",
        "All rights reserved": "rights: forbids: the source reserves its rights",
        "In Copyright": "rights: forbids: InC allows neither training nor passing on under open@1",
        f"{CC0} | © Museum": "rights: contradictory",
    }
    assert all(reason and reason.startswith(tuple(RIGHTS_REMEDIES)) for reason in reasons.values())


def packed(folder: Path, *rights: str) -> int:
    """`iconoclip pack` over one picture for each of the statements."""
    for number in range(len(rights)):
        Image.new("RGB", (64, 48), (60 * number, 90, 30)).save(folder / f"{number}.jpg")
    lines = [f"{number}.jpg,A ship {number},{text}" for number, text in enumerate(rights)]
    (folder / "table.csv").write_text("\n".join(["file,caption,rights", *lines]), encoding="utf-8")
    table, out = str(folder / "table.csv"), str(folder / "set")
    return main(["pack", table, "--out", out, "--institution", "kb", "--num_workers", "1"])


def test_pack_understands_the_names_of_licences(tmp_path: Path) -> None:
    assert packed(tmp_path, "CC0", "CC BY 4.0", "Public domain", "Domena Publiczna") == 0
    records = [record for record, _ in ShardSet(tmp_path / "set").samples()]
    assert sorted(record.rights.uri or "" for record in records) == [
        "http://creativecommons.org/licenses/by/4.0/",
        "http://creativecommons.org/publicdomain/mark/1.0/",
        "http://creativecommons.org/publicdomain/mark/1.0/",
        CC0,
    ]
    assert {record.rights.raw for record in records} >= {"CC BY 4.0", "Domena Publiczna"}


def test_pack_says_what_is_wrong_with_rights_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert packed(tmp_path, "rather free", "", "All rights reserved") == 2
    error = capsys.readouterr().err
    for words in ("1 not understood", "1 missing", "1 forbids", "CC BY 4.0", "--rights", "--policy"):
        assert words in error


RESTRICTION = "No reuse without permission"
MANY = [("Remark", f"remark {number}") for number in range(MAX_PAIRS + 50)]
LONG = [("Remark", "x" * 9_000)] * 9
CREDITS = [("Rights", CC0)] * (MAX_PAIRS + 50)
LONG_RIGHTS = [("Rights", f"Photo: {'Jane Doe ' * 500}")] * 20


@pytest.mark.parametrize("around", [[], MANY, LONG, CREDITS, LONG_RIGHTS], ids=lambda said: str(len(said)))
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("label", ["Rights", "Nutzungsbedingungen", "Note"])
def test_a_restriction_counts_wherever_it_is(around: list[tuple[str, str]], place: float, label: str) -> None:
    metadata = [pair(*said) for said in around]
    restriction = pair("Rights", RESTRICTION)
    # One label in two languages, of which the second alone speaks of rights.
    restriction["label"] = {"en": [label], "de": ["Rechte"]}
    metadata.insert(int(place * len(metadata)), restriction)
    candidate = one(rights=CC0, metadata=metadata)
    assert rights_of(candidate, "open").train == "no"
    again = Describer(ANY).describe(candidate.raw, candidate.num_images)
    assert again.rights_raw == candidate.rights_raw
    assert len(candidate.raw) <= MAX_PAIRS


@pytest.mark.parametrize("around", [MANY, LONG], ids=["many", "long"])
def test_pairs_without_rights_do_not_remove_a_permission(around: list[tuple[str, str]]) -> None:
    candidate = one(rights=CC0, metadata=[pair(*said) for said in around])
    assert candidate.raw_num_dropped > 0
    assert rights_of(candidate, "open").train == "yes"


def test_dropped_pairs_stay_counted_when_annotations_are_added() -> None:
    page = [raw_pair("Rights", CC0, None, "manifest") for _ in range(MAX_PAIRS)]
    first = Describer(ANY).described([*page, raw_pair("Rights", RESTRICTION, None, "manifest")], 1)
    notes = [raw_pair("annotation", f"note {number}", None, "annotation", "rights") for number in range(500)]
    second = Describer(ANY).described([*notes, *first.raw], 1, first.num_dropped)
    for described in (first, second):
        assert LEFT_OUT in (described.description.rights_raw or "")
    assert first.num_dropped == 2


def test_a_record_that_leads_to_a_manifest_keeps_its_rights_first() -> None:
    record = CatalogueRecord("oai:x:1", rights=[CC0] * 60)
    for number in range(300):
        record.statements.add("note", f"note {number}")
    record.statements.add("rights", RESTRICTION)
    told = as_context(record)
    assert LEFT_OUT in told["rights"]
    assert [text for name, text, *_ in told["statements"] if name == "rights"] == [RESTRICTION]
