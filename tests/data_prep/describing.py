"""Shared by the tests of captions: profiles without settings, and the captions of some statements."""

from __future__ import annotations

from data_prep.description.captions import Statement
from data_prep.description.describe import describe
from data_prep.institutions import InstitutionProfile

ANY = InstitutionProfile(slug="any", name="Any")


GERMAN = InstitutionProfile(slug="any", name="Any", language="de")


def texts(*statements: Statement, profile: InstitutionProfile = ANY) -> list[tuple[str, str, str]]:
    captions = describe(statements, profile).captions
    return [(caption.role or "", caption.language, caption.text) for caption in captions]
