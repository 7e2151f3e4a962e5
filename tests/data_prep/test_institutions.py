"""Profiles are data: every shipped one loads, hosts find theirs, and an unknown host gets a generic one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from data_prep.institutions import load_profile, normal_label, profile_for, shipped_names
from iconoclip.errors import BadInput, ConfigError
from iconoclip.rights import canonical_uri

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
