"""Hypothesis strategies for the persisted formats."""

from __future__ import annotations

from hypothesis import strategies as st

from iconoclip.record import Caption, Date, Image, Institution, Record, Region, Source, sample_key
from iconoclip.rights import judge

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=60).filter(
    lambda t: bool(t.strip())
)
RIGHTS = st.sampled_from(
    [
        None,
        "http://creativecommons.org/publicdomain/mark/1.0/",
        "https://creativecommons.org/licenses/by/4.0/deed.de",
        "http://rightsstatements.org/vocab/InC/1.0/",
        "all rights reserved",
    ]
)
REGIONS = st.builds(
    Region,
    x=st.integers(0, 9000),
    y=st.integers(0, 9000),
    width=st.integers(1, 9000),
    height=st.integers(1, 9000),
)
CAPTIONS = st.builds(
    Caption,
    text=TEXT,
    language=st.sampled_from(["en", "fr", "de", "nl", "und", "zh-Hant"]),
    field=st.sampled_from(["title", "description", "blazon"]),
    origin=st.sampled_from(["institution", "iconclass", "machine:captioner"]),
    language_detected=st.booleans(),
)
DATES = st.none() | st.builds(
    Date,
    edtf=st.none() | st.just("1480/1500"),
    text=st.none() | TEXT,
    earliest=st.none() | st.integers(-500, 2030),
    latest=st.none() | st.integers(-500, 2030),
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A strategy for any valid record."""
    slug = draw(st.sampled_from(["bnf", "kb-nl", "leipzig_ub"]))
    source_id, region = draw(TEXT).strip(), draw(st.none() | REGIONS)
    return Record(
        key=sample_key(slug, source_id, region),
        institution=Institution(slug=slug, name=draw(TEXT)),
        source=Source(
            id=source_id, region=region, canvas=draw(st.none() | st.just("https://example.org/canvas/1"))
        ),
        captions=tuple(draw(st.lists(CAPTIONS, max_size=4))),
        iconclass=tuple(draw(st.lists(st.sampled_from(["46A122(LION)", "11H(JEROME)"]), max_size=2))),
        creators=tuple(draw(st.lists(TEXT, max_size=2))),
        date=draw(DATES),
        rights=judge(draw(RIGHTS), opt_out=draw(st.sampled_from([(), ("noai",)]))),
        image=Image(width=draw(st.integers(1, 4000)), height=draw(st.integers(1, 4000)), sha256="0" * 64),
        group=draw(TEXT),
        split=draw(st.sampled_from(["train", "val", "test"])),
        harvested_at="2026-01-01T00:00:00Z",
        harvested_by="iconoclip 0.1.0",
    )
