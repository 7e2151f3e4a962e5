"""A record keeps the pairs of its source unchanged, within bounds; its captions have a level."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.candidate import Candidate
from data_prep.description.raw import LEFT_OUT, MAX_BYTES, MAX_PAIRS, Describer, bounded, raw_pair
from data_prep.iiif.presentation import read_presentation
from data_prep.institutions import InstitutionProfile, load_profile
from data_prep.sources.oai_pmh import read_oai_pmh
from iconoclip.record import MAX_VALUE_CHARS, RawPair

URI = "https://example.org/m"
ANY = InstitutionProfile(slug="example", name="Example Museum")


def manifest(num_canvases: int, **canvas: Any) -> bytes:
    """A manifest with a title, an unknown label, a credit and as many pages."""

    def page(number: int) -> dict[str, Any]:
        image = {"id": f"https://example.org/{number}.jpg", "type": "Image", "format": "image/jpeg"}
        painting = {"type": "Annotation", "motivation": "painting", "body": image}
        return {
            "id": f"{URI}/c{number}",
            "type": "Canvas",
            "width": 1000,
            "height": 800,
            "items": [{"type": "AnnotationPage", "items": [painting]}],
            **canvas,
        }

    return json.dumps(
        {
            "@context": "http://iiif.io/api/presentation/3/context.json",
            "id": URI,
            "type": "Manifest",
            "label": {"en": ["A book of birds"]},
            "summary": {"none": ["Forty drawings of <b>water birds</b>"]},
            "requiredStatement": {"label": {"en": ["Credit"]}, "value": {"en": ["Museum of Marshes"]}},
            "rights": "http://creativecommons.org/publicdomain/zero/1.0/",
            "navDate": "1768-01-01T00:00:00Z",
            "metadata": [
                {
                    "label": {"en": ["Maker"], "cy": ["Gwneuthurwr"]},
                    "value": {"none": ["Ann Fenn"]},
                },
                {"label": "Shelf of the reading room", "value": "B 12"},
            ],
            "items": [page(number) for number in range(num_canvases)],
        }
    ).encode()


def candidates(document: bytes) -> tuple[Candidate, ...]:
    return read_presentation(document, URI, ANY).candidates


def test_every_pair_of_a_manifest_is_kept_unchanged() -> None:
    (page,) = candidates(manifest(1, label={"en": ["Heron at dusk"]}))
    assert [(pair.level, pair.label, pair.value, pair.language) for pair in page.raw] == [
        ("canvas", "label", "Heron at dusk", "en"),
        ("manifest", "label", "A book of birds", "en"),
        ("manifest", "summary", "Forty drawings of <b>water birds</b>", "none"),
        ("manifest", "Maker | Gwneuthurwr", "Ann Fenn", "none"),
        ("manifest", "Shelf of the reading room", "B 12", None),
        ("manifest", "requiredStatement", "Museum of Marshes", "en"),
        ("manifest", "rights", "http://creativecommons.org/publicdomain/zero/1.0/", None),
        ("manifest", "navDate", "1768-01-01T00:00:00Z", None),
    ]
    assert page.creators == ("Ann Fenn",)
    assert page.attribution == "Museum of Marshes"
    assert page.date is not None
    assert page.date.earliest == 1768


def test_a_caption_says_whether_it_is_about_its_page_or_the_whole_work() -> None:
    pages = candidates(manifest(3, label={"en": ["Heron at dusk"]}))
    for page in pages:
        levels = {caption.text: caption.level for caption in page.captions}
        assert levels == {
            # The title of the work is in the caption of the page, so it is no caption of its own.
            "Heron at dusk. A book of birds. Ann Fenn, 1768": "page",
            "Forty drawings of water birds. A book of birds. Ann Fenn, 1768": "work",
        }
    (single,) = candidates(manifest(1))
    assert {caption.level for caption in single.captions} == {"item"}


def test_what_is_said_of_a_part_is_about_a_region() -> None:
    comment = {
        "type": "Annotation",
        "motivation": "commenting",
        "target": f"{URI}/c0#xywh=100,100,300,300",
        "body": {"type": "TextualBody", "value": "A coot with its young", "language": "en"},
    }
    notes = [{"id": f"{URI}/a", "type": "AnnotationPage", "items": [comment]}]
    _, region = candidates(manifest(1, annotations=notes))
    assert [(caption.text, caption.level) for caption in region.captions] == [
        ("A coot with its young", "region")
    ]
    assert [pair.value for pair in region.raw if pair.level == "annotation"] == ["A coot with its young"]
    assert "Ann Fenn" in [pair.value for pair in region.raw]


def test_the_elements_of_a_catalogue_record_are_the_labels() -> None:
    document = b"""<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record><header>
      <identifier>oai:x:1</identifier><datestamp>2026-01-01</datestamp></header><metadata>
      <oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title xml:lang="en">Three coots</dc:title>
      <dc:publisher>Marsh Press</dc:publisher><dc:rights>Public domain</dc:rights>
      <dc:identifier>https://example.org/coots.jpg</dc:identifier></oai_dc:dc>
      </metadata></record></ListRecords></OAI-PMH>"""
    (found,) = read_oai_pmh(document, "https://example.org/oai?verb=ListRecords", ANY, None).candidates
    assert [(pair.label, pair.value, pair.field) for pair in found.raw] == [
        ("dc:title", "Three coots", "record-title"),
        ("dc:publisher", "Marsh Press", "ignore"),
        ("rights", "Public domain", "rights"),
    ]
    assert found.captions[0].level == "item"


def test_another_profile_maps_the_same_pairs_differently() -> None:
    pairs = [raw_pair("dc:title", "Azure, a heron argent", "en", "record", "record-title")]
    plain, armorial = (Describer(profile) for profile in (ANY, load_profile("armorial-valcendre")))
    assert plain.describe(pairs, 1).captions[0].field == "title"
    assert armorial.describe(pairs, 1).captions[0].field == "blazon"


PAIRS = st.builds(
    raw_pair,
    st.text(max_size=300),
    st.text(max_size=50) | st.integers(5_000, 20_000).map(lambda size: "x" * size),
    st.none() | st.just("en"),
    st.sampled_from(["manifest", "canvas", "record"]),
    st.sampled_from([None, "rights", "subject"]),
)


@settings(max_examples=30)
@given(st.lists(PAIRS, max_size=40), st.integers(1, 30))
def test_what_a_record_keeps_is_bounded_and_what_is_cut_is_counted(pairs: list[RawPair], times: int) -> None:
    pairs = pairs * times
    kept, num_dropped = bounded(pairs)
    marks = [pair for pair in kept if pair.value == LEFT_OUT]
    assert len(kept) - len(marks) + num_dropped == len(pairs)
    assert len(kept) <= MAX_PAIRS
    assert sum(len(pair.label.encode()) + len(pair.value.encode()) for pair in kept) <= MAX_BYTES
    rights = [pair for pair in pairs if pair.field == "rights"]
    num_rights = sum(pair.field == "rights" for pair in kept) - len(marks)
    assert bool(marks) == (num_rights < len(rights))
    in_order = iter([*marks, *pairs])
    assert all(pair in in_order for pair in kept)


def test_a_long_value_is_cut_and_says_so() -> None:
    pair = raw_pair("Notes", "x" * (MAX_VALUE_CHARS + 7), None, "manifest")
    assert (len(pair.value), pair.num_cut) == (MAX_VALUE_CHARS, 7)
