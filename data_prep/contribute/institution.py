"""`iconoclip institution new`: a profile of one's own institution, by questions or by options.

A profile is a YAML file that `--institution` of `pack`, `harvest` and `remap` takes. It states who the
pictures are from. The first part of every sample key is its short name, so that is chosen once.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Final

import langcodes
import yaml

from data_prep.contribute.config import InstitutionConfig
from data_prep.description.page_labels import fold
from data_prep.institutions import InstitutionProfile, shipped_names
from iconoclip.config import build
from iconoclip.errors import BadInput, ConfigError
from iconoclip.files import atomic_write
from iconoclip.record import is_slug
from iconoclip.rights import read

_NO_WORD: Final = (
    "the", "of", "der", "die", "das", "des", "la", "le", "les", "de", "du", "da", "di", "and", "und", "et",
    "van",
)  # fmt: skip
_EXPLAINED: Final = {
    "slug": "first part of the key of every picture; never change it once pictures are published",
    "name": "your name as readers see it",
    "isil": "your identifier in the ISIL registry (ISO 15511)",
    "language": "language of texts that state none (BCP 47)",
    "rights": "what your own words about rights mean: the text in your catalogue -> a statement",
}


def institution(config: InstitutionConfig) -> int:
    """Write the profile of an institution.

    Raises:
        ConfigError: a value is missing and nobody can be asked, or is not valid.
        BadInput: the file is there already.
    """
    profile = _profile(config)
    path = config.out or Path(f"{profile.slug}.yaml")
    if path.exists():
        raise BadInput(
            "the file is there already", where=path, remedy="name another one with --out, or edit it"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(profile_text(profile).encode())
    print(f"{path}\nuse it: iconoclip pack TABLE --institution {path} --dry-run")
    return 0


def _profile(config: InstitutionConfig) -> InstitutionProfile:
    can_ask = sys.stdin.isatty()
    name = config.name or (_ask("Name of your institution, as readers shall see it") if can_ask else None)
    if not name:
        raise ConfigError("the name of the institution is missing", remedy="give --name 'Museum Musterstadt'")
    proposed = slug_of(name)
    slug = config.slug or (_ask("Short name for the keys of pictures", proposed) if can_ask else proposed)
    if not slug:
        raise ConfigError(
            f"no short name can be made of '{name}'",
            where="slug",
            remedy="give one with --slug: small letters, digits and hyphens, such as musterstadt",
        )
    if not is_slug(slug):
        raise ConfigError(
            f"'{slug}' is no short name",
            where="slug",
            remedy="small letters, digits and hyphens, such as musterstadt",
        )
    if slug in shipped_names():
        raise ConfigError(
            f"'{slug}' is the short name of another institution",
            where="slug",
            remedy="choose another with --slug",
        )
    values: dict[str, Any] = {"slug": slug, "name": name, "isil": config.isil, "language": config.language}
    if can_ask and config.isil is None:
        values["isil"] = _ask("ISIL, if you have one") or None
    if can_ask and config.language is None:
        values["language"] = _ask("Language of your catalogue (de, fr, nl, ...)") or None
    if values["language"] and not langcodes.tag_is_valid(values["language"]):
        raise ConfigError(
            f"'{values['language']}' is no language tag", where="language", remedy="write de, fr, pt-BR, ..."
        )
    rights = dict(config.rights)
    while (
        can_ask
        and not config.rights
        and (text := _ask("A text about rights in your catalogue (empty: no more)"))
    ):
        rights[text] = _ask("What it means (CC BY 4.0, Public Domain Mark 1.0, In Copyright, ...)")
    values["rights"] = {text: _statement(text, meant) for text, meant in rights.items()}
    return build(InstitutionProfile, {name: value for name, value in values.items() if value}, "the profile")


def slug_of(name: str) -> str:
    """A short name from the words of a name.

    It is empty if the name has no Latin letters: one made up would give two institutions the same keys.
    """
    words = [word for word in re.findall(r"[a-z0-9]+", fold(name)) if word not in _NO_WORD]
    return "-".join(words)[:40].strip("-")


def _statement(text: str, meant: str) -> str:
    reading = read(meant)
    if reading.uri is None:
        raise ConfigError(
            f"'{meant}' names no statement", where=f"rights: {text}", remedy="for example CC BY 4.0, CC0, InC"
        )
    return reading.uri


def _ask(question: str, proposed: str = "") -> str:
    return input(f"{question}{f' [{proposed}]' if proposed else ''}: ").strip() or proposed


def profile_text(profile: InstitutionProfile) -> str:
    """The profile as a YAML file with a comment on every field."""
    values = profile.model_dump(mode="json", exclude_defaults=True)
    lines = [
        "# The profile of our institution. docs/partner-guide.md explains it.",
        "# Further fields: labels (what those of our catalogue mean), hosts (rate limits of our servers),",
        "# trim (endings to cut off titles), composition (which texts become captions).",
    ]
    for name, value in values.items():
        lines += [f"# {_EXPLAINED[name]}", yaml.safe_dump({name: value}, allow_unicode=True).rstrip()]
    return "\n".join(lines) + "\n"
