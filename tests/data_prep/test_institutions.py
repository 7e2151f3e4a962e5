"""Profiles are data: every shipped one loads, hosts find theirs, and an unknown host gets a generic one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from data_prep.description.describe import Description
from data_prep.description.raw import MANIFEST_LABEL, Describer, raw_pair
from data_prep.institutions import (
    InstitutionProfile,
    generic_labels,
    load_profile,
    normal_label,
    profile_for,
    shipped_names,
)
from iconoclip.errors import BadInput, ConfigError
from iconoclip.record import RawPair
from iconoclip.rights import canonical_uri, judge

REQUIRED = {
    "gallica",
    "kb",
    "mdz",
    "wellcome",
    "bodleian",
    "leipzig",
    "e-codices",
    "rijksmuseum",
    "europeana",
    "harvard",
}
BUILT_IN = {"armorial-wexcombe", "armorial-aldersheim", "armorial-valcendre", "emblems-lussigny"}
# Written before the sources of labels were recorded.
NO_PUBLIC_SOURCE = {"kb"}


def test_the_promised_profiles_are_shipped() -> None:
    assert set(shipped_names()) >= REQUIRED | BUILT_IN


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_profile_is_sound(name: str) -> None:
    profile = load_profile(name)
    assert profile.slug == name
    assert profile.institution.name == profile.name
    assert all(canonical_uri(uri) == uri for uri in profile.rights.values())
    assert all(normal_label(label) == label for labels in profile.labels.values() for label in labels)
    listed = [label for labels in profile.labels.values() for label in labels]
    assert len(listed) == len(set(listed)), "a label means one thing"
    assert name in BUILT_IN or profile.hosts
    assert all(profile.labels.values()), "a field without a label says nothing"
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+: \S.*", source) for source in profile.sources)


def test_labels_come_from_public_files_that_are_named() -> None:
    assert {name for name in shipped_names() if not load_profile(name).sources} == BUILT_IN | NO_PUBLIC_SOURCE


def test_a_host_belongs_to_one_institution() -> None:
    listed = [(host, name) for name in shipped_names() for host in load_profile(name).hosts]
    owner = dict(listed)
    assert len(listed) == len(owner)
    for host, name in listed:
        for dots in range(1, host.count(".")):
            parent = host.split(".", dots)[-1]
            assert owner.get(parent, name) == name, f"{host} is within {parent}"


def test_every_shipped_file_begins_with_its_purpose() -> None:
    folder = Path(__file__).parents[2] / "configs" / "institutions"
    paths = sorted(folder.glob("*.yaml"))
    assert paths
    assert [path.name for path in paths if not path.read_text(encoding="utf-8").startswith("# ")] == []


@pytest.mark.parametrize(
    ("uri", "slug"),
    [
        ("https://gallica.bnf.fr/iiif/ark:/12148/x/manifest.json", "gallica"),
        ("https://API.digitale-sammlungen.de/iiif/x", "mdz"),
        ("http://www.e-codices.unifr.ch:8080/x", "e-codices"),
        ("https://iiif.bodleian.ox.ac.uk/iiif/manifest/x.json", "bodleian"),
        ("https://iiif.example.org/x", "iiif-example-org"),
        ("https://notkb.nl/x", "notkb-nl"),
        ("/home/me/manifest.json", "local"),
        ("http://[broken", "local"),
    ],
)
def test_hosts_find_their_profile(uri: str, slug: str) -> None:
    assert profile_for(uri).slug == slug


def test_labels_mean_fields_in_many_languages() -> None:
    profile = profile_for("https://iiif.example.org/x")
    assert profile.is_generic
    assert profile.field_of("Titel:") == ("title", None)
    assert profile.field_of("Summary (English)") == ("description", "english")
    assert profile.field_of("Subject(s)") == ("subject", None)
    assert profile.field_of("Blasonnement") == ("blazon", None)
    assert profile.field_of("Shelfmark") == ("ignore", None)
    assert profile.field_of("Something nobody foresaw") == ("ignore", None)


@pytest.mark.parametrize(
    ("label", "field"),
    [
        ("Описание", "description"),
        ("Περιγραφή", "description"),
        ("الوصف", "description"),
        ("説明", "description"),
        ("Kirjeldus", "description"),
        ("Voorstelling", "caption"),
        ("Kuvateksti", "caption"),
        ("Námět", "subject"),
        ("Сюжет", "subject"),
        ("主題", "subject"),
        ("Sujet représenté", "subject"),
        ("Objektbezeichnung", "type"),
        ("Désignation", "type"),
        ("Titolo dell'opera", "title"),
        ("Persona rappresentata", "person"),
        ("Materiał", "technique"),
        ("Place made", "place"),
        ("Inventarnummer", "ignore"),
        ("Propriétaire", "ignore"),
        ("Versicherungswert", "ignore"),
    ],
)
def test_labels_of_descriptions_are_known_in_many_languages(label: str, field: str) -> None:
    assert profile_for("https://iiif.example.org/x").field_of(label) == (field, None)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no institution profile") as caught:
        load_profile("galica")
    assert "gallica" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("slug: x\nname: X\nlables: {}\n", "unknown config key 'lables'"),
        ("slug: 'X Y'\nname: X\n", "slug"),
        ("slug: x\nname: X\ntrim: ['(']\n", "not a regular expression"),
        ("slug: x\nname: X\nlabels: {titel: [a]}\n", "labels"),
    ],
)
def test_a_broken_profile_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_profile(path)
    assert complaint in str(caught.value)


TITLE = "Boats coming into the harbour before the storm"
CREDIT = "Given to the library by the fishermen of the bay"
LICENCE = "http://creativecommons.org/licenses/by/4.0/"


def said_by(profile: InstitutionProfile, *more: RawPair) -> Description:
    """The description of an object with a title, a licence and a credit as the standard has them."""
    pairs = [
        raw_pair("label", TITLE, "en", "manifest", MANIFEST_LABEL),
        raw_pair("rights", LICENCE, None, "manifest", "rights"),
        raw_pair("requiredStatement", CREDIT, "en", "manifest", "attribution"),
        *more,
    ]
    return Describer(profile).describe(pairs, 1)


@pytest.mark.parametrize("name", shipped_names())
def test_a_profile_adds_to_what_the_standard_says_and_replaces_none_of_it(name: str) -> None:
    told = said_by(load_profile(name))
    assert [one.text for one in told.captions] == [TITLE]
    assert told.rights_raw == LICENCE
    assert told.attribution == CREDIT


@pytest.mark.parametrize("name", shipped_names())
def test_no_profile_ignores_a_restriction_or_a_credit_of_the_metadata(name: str) -> None:
    profile = load_profile(name)
    listed = generic_labels()
    for label in (*listed["rights"], *listed["attribution"]):
        meaning, _ = profile.field_of(label)
        assert meaning in ("rights", "attribution"), f"{label} means {meaning}"
    told = said_by(profile, raw_pair("Rights", "For private study only", "en", "manifest"))
    assert told.rights_raw == f"{LICENCE} | For private study only"
    assert judge(told.rights_raw).train == "no"


@pytest.mark.parametrize("name", shipped_names())
def test_a_shelfmark_is_no_caption_whatever_the_profile_makes_of_labels(name: str) -> None:
    pairs = [raw_pair("label", "MS. Laud Misc. 720", None, "manifest", MANIFEST_LABEL)]
    assert Describer(load_profile(name)).describe(pairs, 1).captions == ()


def test_labels_in_many_languages_are_known_without_a_profile() -> None:
    lines = (Path(__file__).parent / "generic_labels.tsv").read_text(encoding="utf-8").splitlines()
    table = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    assert len(table) >= 250
    anyone = InstitutionProfile(slug="any", name="Any")
    assert [(label, field) for field, label in table if anyone.field_of(label) != (field, None)] == []


@pytest.mark.parametrize(
    ("label", "field"),
    [
        ("Artist / Creator", "creator"),
        ("Titel / Title", "title"),
        ("Künstler und Fotograf", "creator"),
        ("Title|Titre", "title"),
        ("Titel | 書名 | Title", "title"),
        ("Objektkategorie | 物件類別 | Object Type", "type"),
        ("Standort | Location", "ignore"),
        ("Title | Date", "ignore"),
        ("Place / Date", "ignore"),
        ("Creator and donor", "ignore"),
        ("Shelfmark / Title", "ignore"),
        ("Subject (English)", "subject"),
    ],
)
def test_a_label_of_several_names_means_what_all_of_them_mean(label: str, field: str) -> None:
    assert InstitutionProfile(slug="any", name="Any").field_of(label)[0] == field
