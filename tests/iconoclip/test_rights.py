"""Rights: every spelling leads to one canonical URI, and what is not understood is forbidden."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.rights import (
    MAX_RAW_CHARS,
    POLICIES,
    TERMS,
    Reading,
    canonical_uri,
    judge,
    may_train,
    read,
    statement,
    terms,
)
from iconoclip.rights_text.tables import rows

MATERIAL = Path(__file__).parents[2].parent / "shared" / "material"
CC = "http://creativecommons.org"
RS = "http://rightsstatements.org/vocab"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # scheme, host, slash, capitals
        ("http://creativecommons.org/licenses/by/4.0/", f"{CC}/licenses/by/4.0/"),
        ("https://creativecommons.org/licenses/by/4.0", f"{CC}/licenses/by/4.0/"),
        ("//www.creativecommons.org/licenses/by-sa/3.0/", f"{CC}/licenses/by-sa/3.0/"),
        ("HTTP://CREATIVECOMMONS.ORG/LICENSES/BY-NC/4.0/", f"{CC}/licenses/by-nc/4.0/"),
        ("creativecommons.org/licenses/by-nd/4.0", f"{CC}/licenses/by-nd/4.0/"),
        # deeds, legal codes, ports
        ("http://creativecommons.org/licenses/by-nc-sa/4.0/deed.de", f"{CC}/licenses/by-nc-sa/4.0/"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode/", f"{CC}/licenses/by/4.0/"),
        ("https://creativecommons.org/licenses/by-nc-sa/3.0/de/", f"{CC}/licenses/by-nc-sa/3.0/de/"),
        ("https://creativecommons.org/publicdomain/mark/1.0/deed.de", f"{CC}/publicdomain/mark/1.0/"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", f"{CC}/publicdomain/zero/1.0/"),
        ("http://creativecommons.org/about/pdm", f"{CC}/publicdomain/mark/1.0/"),
        # HTML, as manifests carry it
        ('<a href="https://creativecommons.org/publicdomain/mark/1.0/">'
         'https://creativecommons.org/publicdomain/mark/1.0/</a>', f"{CC}/publicdomain/mark/1.0/"),
        ('<span>CC BY-SA <a href="https://creativecommons.org/licenses/by-sa/3.0">'
         '<img src="https://licensebuttons.net/l/by-sa/3.0/88x31.png"/></a></span>',
         f"{CC}/licenses/by-sa/3.0/"),
        ("&lt;a href=&quot;http://creativecommons.org/licenses/by-nc/4.0/&quot;&gt;",
         f"{CC}/licenses/by-nc/4.0/"),
        # badges
        ("https://i.creativecommons.org/l/by-nc/4.0/88x31.png", f"{CC}/licenses/by-nc/4.0/"),
        # RightsStatements.org
        ("http://rightsstatements.org/vocab/InC/1.0/", f"{RS}/InC/1.0/"),
        ("https://rightsstatements.org/page/InC-EDU/1.0/", f"{RS}/InC-EDU/1.0/"),
        ("http://rightsstatements.org/page/CNE/1.0/?language=en", f"{RS}/CNE/1.0/"),
        ("https://rightsstatements.org/vocab/noc-oklr/1.0", f"{RS}/NoC-OKLR/1.0/"),
        # addresses that Europeana retired
        ("http://www.europeana.eu/rights/rr-f/", f"{RS}/InC/1.0/"),
        ("http://www.europeana.eu/rights/out-of-copyright-non-commercial/", f"{RS}/NoC-NC/1.0/"),
        ("http://www.europeana.eu/portal/rights/unknown.html", f"{RS}/UND/1.0/"),
        # with other text, and with an address that is none
        ("domaine public (http://rightsstatements.org/vocab/NoC-OKLR/1.0/)", f"{RS}/NoC-OKLR/1.0/"),
        ("http://creativecommons.org/licenses/by-nc/4.0/ | https://gallica.bnf.fr/html/und/conditions",
         f"{CC}/licenses/by-nc/4.0/"),
    ],
)  # fmt: skip
def test_spellings(raw: str, expected: str) -> None:
    assert canonical_uri(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "All rights reserved",
        "not public domain",
        "CC BY 4.0, with permission",
        # two that differ: which one holds is unknown
        "http://creativecommons.org/licenses/by/4.0/ http://creativecommons.org/licenses/by-nc/4.0/",
        # not the publisher's address
        "https://evilcreativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org.example.org/licenses/by/4.0/",
        "https://example.org/?next=creativecommons.org/licenses/by/4.0/",
        # not a statement
        "http://creativecommons.org/ns#",
        "http://creativecommons.org/licenses/publicdomain/",
        "http://creativecommons.org/licenses/by-foo/4.0/",
        "http://rightsstatements.org/vocab/",
        "http://rightsstatements.org/vocab/Foo/1.0/",
        "http://www.europeana.eu/rights/foo/",
    ],
)
def test_texts_without_a_statement_have_none(raw: str | None) -> None:
    assert canonical_uri(raw) is None
    assert not judge(raw).may_train
    assert judge(raw, policy="research").train == "no"


CANONICAL = {
    "PDM": f"{CC}/publicdomain/mark/1.0/",
    "CC0": f"{CC}/publicdomain/zero/1.0/",
    **{
        name: f"{CC}/licenses/{name.removeprefix('CC-').lower()}/4.0/"
        for name in TERMS
        if name.startswith("CC-")
    },
    "LO": "https://www.etalab.gouv.fr/licence-ouverte-open-licence/",
    **{
        name: f"{RS}/{name}/1.0/" for name in TERMS if not name.startswith("CC") and name not in ("PDM", "LO")
    },
}


@pytest.mark.parametrize("name", TERMS)
def test_a_canonical_uri_is_its_own(name: str) -> None:
    uri = CANONICAL[name]
    assert canonical_uri(uri) == uri
    assert statement(uri) == name
    assert terms(uri) == TERMS[name]


@pytest.mark.parametrize(
    ("name", "under"),
    [
        # row by row
        ("PDM", {"open", "noncommercial", "research"}),
        ("CC0", {"open", "noncommercial", "research"}),
        ("CC-BY", {"open", "noncommercial", "research"}),
        ("CC-BY-SA", {"open", "noncommercial", "research"}),
        ("CC-BY-NC", {"noncommercial", "research"}),
        ("CC-BY-NC-SA", {"noncommercial", "research"}),
        ("NoC-NC", {"noncommercial", "research"}),
        ("NoC-OKLR", {"noncommercial", "research"}),
        ("CC-BY-ND", set()),
        ("CC-BY-NC-ND", set()),
        ("InC-EDU", {"research"}),
        ("InC-NC", {"research"}),
        ("InC", {"research"}),
        ("InC-OW-EU", {"research"}),
        ("CNE", {"research"}),
        ("NoC-CR", set()),
        ("NoC-US", set()),
        ("NKC", set()),
        ("InC-RUU", set()),
        ("UND", set()),
    ],
)
def test_which_statements_allow_training(name: str, under: set[str]) -> None:
    found = {policy for policy in POLICIES if judge(CANONICAL[name], policy=policy).may_train}
    assert found == under


STATEMENTS = [
    tuple(line.split("\t"))
    for line in Path(__file__).with_name("rights_statements.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
][1:]


def test_the_table_of_statements_is_large_enough() -> None:
    assert len(STATEMENTS) >= 300
    assert len({value for *_, value in STATEMENTS}) == len(STATEMENTS)


def test_statements_as_people_write_them() -> None:
    wrong = []
    for train, name, problem, value in STATEMENTS:
        rights = judge(value)
        found = (rights.train, statement(rights.uri) or "-", read(value).problem or "-")
        if found != (train, name, problem):
            wrong.append((value, found, (train, name, problem)))
        assert rights.raw == value
        assert may_train(rights, "open") == (train == "yes"), value
        if name == "-":
            assert (rights.redistribute, rights.display) == ("no", "link"), value
    assert wrong == []


def test_which_statements_permit_training() -> None:
    text = Path(__file__).with_name("rights_verdicts.tsv").read_text(encoding="utf-8")
    verdicts = [line.split("\t") for line in text.splitlines() if not line.startswith("#")][1:]
    assert len(verdicts) >= 150
    assert [value for train, value in verdicts if judge(value).may_train != (train == "yes")] == []


@pytest.mark.parametrize("value", ["Photo: Jane Doe, 2031. CC BY 4.0", "Photo: Jane Doe 2031, CC BY 4.0"])
def test_a_year_of_a_credit_is_to_come_until_it_is_there(value: str) -> None:
    assert read(value, year=2030) == Reading(None, "not understood")
    assert statement(read(value, year=2031).uri) == "CC-BY"
    # A clock that is wrong, or SOURCE_DATE_EPOCH, does not make years come that are past.
    assert statement(read(value.replace("2031", "2026"), year=1970).uri) == "CC-BY"
    # When a statement begins to hold is a condition in any year.
    assert read("CC BY 4.0 from 2031", year=2040) == Reading(None, "not understood")


def test_a_verdict_that_was_stored_before_a_year_came_stays_strict() -> None:
    stored = judge("Photo: Jane Doe, 2026. CC BY 4.0").model_copy(update={"uri": None, "train": "no"})
    assert not may_train(stored, "open")


def test_a_name_counts_alone_and_not_next_to_words_that_negate_it() -> None:
    allowed = []
    # These are names of their own: no copyright.
    really_free = ("not In Copyright", "not Under copyright", "not Copyrighted")
    for *_, text in rows("names.tsv"):
        uri = canonical_uri(text)
        assert uri is not None, text
        assert canonical_uri(uri) == uri
        taken_back = [
            f"not {text}",
            f"{text} expired",
            f"probably {text}",
            f"{text} unless stated",
            f"if {text}",
            f"Metadata: {text}",
        ]
        allowed += [
            value
            for value in taken_back
            if value not in really_free and judge(value, policy="research").may_train
        ]
        more = [f"{text}. Contact us", f"{text}, permission required", f"{text} quite xyzzy"]
        allowed += [value for value in more if judge(value).may_train]
    assert allowed == []


@given(st.lists(st.sampled_from([value for *_, value in STATEMENTS]), min_size=2, max_size=3, unique=True))
def test_several_values_never_allow_more_than_the_strictest_of_them(values: list[str]) -> None:
    together = judge(" | ".join(values), policy="noncommercial")
    silent = [value for value in values if read(value).problem == "missing"]
    speaking = [judge(value, policy="noncommercial") for value in values if value not in silent]
    if together.train == "yes":
        assert speaking
        assert all(one.train == "yes" or read(one.raw).problem == "forbids" for one in speaking)


def test_a_value_that_was_cut_off_is_not_read() -> None:
    long = "http://creativecommons.org/publicdomain/zero/1.0/" + " " * MAX_RAW_CHARS + "is not the licence"
    assert judge(long).train == "no"
    assert not may_train(judge(long), "open")
    assert judge(judge(long).raw).train == "no"


def test_a_profile_explains_a_text_that_would_be_refused() -> None:
    text = "Nutzung nur nach den Regeln des Hauses"
    assert canonical_uri(text) is None
    assert canonical_uri(f"{text} [profile: {CC}/licenses/by-nc/4.0/]") == f"{CC}/licenses/by-nc/4.0/"


def test_an_opt_out_forbids_training_under_every_policy() -> None:
    for policy in POLICIES:
        rights = judge(CANONICAL["CC0"], policy=policy, opt_out=("noai",))
        assert not rights.may_train
        assert rights.opt_out == ("noai",)


def test_the_rights_of_a_record_are_evaluated_again() -> None:
    honest = judge(CANONICAL["CC-BY-NC"], policy="noncommercial")
    assert may_train(honest, "noncommercial")
    assert not may_train(honest, "open")
    forged = honest.model_copy(update={"uri": CANONICAL["CC0"]})
    assert not may_train(forged, "open")


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(
            ["<a href='", "http://", "creativecommons.org/", "licenses/", "by", "/4.0/", "&quot;", ">", " "]
        )
    ).map("".join)
)
def test_whatever_comes_out_is_canonical(raw: str) -> None:
    uri = canonical_uri(raw)
    if uri is not None:
        assert canonical_uri(uri) == uri
        assert statement(uri) in TERMS


_ANY_SPELLING = re.compile(
    r"(?:https?:)?//(?:www\.|i\.)?(?:creativecommons\.org/(?:licenses|publicdomain|about|l|p)|rightsstatements\.org/(?:vocab|page)|"
    r"europeana\.eu/(?:portal/)?rights)/[A-Za-z][^\s\"'<>\\)]*"
)  # fmt: skip


@pytest.mark.corpus
@pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"the real material is not at {MATERIAL}")
def test_every_spelling_in_the_material_is_canonicalised() -> None:
    texts = [
        path.read_text(encoding="utf-8", errors="replace")
        for path in MATERIAL.rglob("*")
        if path.suffix in (".json", ".xml", ".jsonl", ".ttl", ".csv")
    ]
    spellings = {found.rstrip(".,;") for text in texts for found in _ANY_SPELLING.findall(text)}
    assert len(spellings) > 30
    assert [spelling for spelling in sorted(spellings) if canonical_uri(spelling) is None] == []
