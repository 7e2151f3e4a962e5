"""What is in a WebDataset tar of another program: plain ones, those of img2dataset, and copies of our shards.

A sample is the members of one key (webdataset's rule): an image, its text in `.txt`, metadata in `.json`, a
class in `.cls`. The image stays where it is: a row has its offset in the tar, and all that a row of our own
indexes has. What cannot be used is counted by reason.

Sizes are bounded, links are not followed, and no name of a member becomes a name on this disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from iconoclip.model_files.first_bytes import NUM_BYTES, by_first_bytes
from iconoclip.pictures import ImageRefused, open_image, refusing
from iconoclip.tar_headers import BoundedTarInfo
from iconoclip.tar_lists import IMAGES

MAX_IMAGE_BYTES: Final = 100_000_000
MAX_TEXT_BYTES: Final = 1_000_000
MAX_CAPTION_CHARS: Final = 20_000
MAX_MEMBERS: Final = 1_000_000
MAX_PIXELS: Final = 250_000_000
# In any case of letters.
RIGHTS_KEYS: Final = frozenset(["rights", "license", "licence"])
LANGUAGE_KEYS: Final = ("language", "lang", "LANGUAGE")
DAMAGED: Final = "damaged tars: what follows the damage"
NO_TAR: Final = "no tar but "
NO_CAPTION: Final = "no caption"
NO_CLASS: Final = "no caption: a class whose name is not in class_names"
NO_CAPTION_KEY: Final = "no caption: the JSON has none of the caption_keys"
# By webdataset's rule, what follows the first dot in a file's name is its ending.
DOTS: Final = "no caption: a dot within the name, which begins its ending"
NO_IMAGE: Final = "no image"
NO_PICTURE: Final = "an image that cannot be decoded"
NO_UTF8: Final = "text that is not UTF-8"
OTHER_TEXT: Final = "a further text of one sample, whose ending is neither .txt nor a language before it"
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")
# The tags of ISO 639-1: three letters before `.txt` are rather a word, such as `alt` or `raw`.
_TWO_LETTERS: Final = re.compile(
    "a[abefkmnrsvyz]|b[aegimnors]|c[aehorsuvy]|d[aevz]|e[elnostu]|f[afijory]|g[adlnuv]|h[aeiortuyz]|"
    "i[adegikostu]|j[av]|k[agijklmnorsuvwy]|l[abginotuv]|m[ghiklnrsty]|n[abdeglnorvy]|o[cjmrs]|"
    "p[ailst]|q[u]|r[mnouw]|s[acdegiklmnoqrstuvw]|t[aeghiklnorstwy]|u[gkrz]|v[eio]|w[ao]|x[h]|y[io]|"
    "z[ahu]"
)
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9_-]*-[0-9a-f]{16}")
Row = dict[str, Any]


@dataclass(frozen=True)
class TarSettings:
    """What the user says of all samples of a source."""

    language: str = "und"
    caption_keys: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()


@dataclass
class TarContent:
    """The samples of a tar, and what was left out."""

    rows: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


class _Place(NamedTuple):
    offset: int
    size: int


class _Unusable(Exception):
    """Why a sample cannot be used, in the words of the report."""


def content_of(path: Path, settings: TarSettings) -> TarContent:
    """The samples of a tar.

    Raises:
        OSError: the file cannot be read.
    """
    # Imported here: webdataset imports torch.
    from webdataset.tariterators import group_by_keys

    found = TarContent()
    with path.open("rb") as file:
        descriptor = file.fileno()

        def note(error: Exception) -> bool:
            # Its one complaint: two members of the same name in a sample.
            found.left_out["a second member of the same name"] += 1
            return True

        for sample in group_by_keys(_members(path, found.left_out), handler=note):
            try:
                found.rows.append(_row(sample, descriptor, settings, found.left_out))
            except _Unusable as error:
                found.left_out[str(error)] += 1
            except RecursionError:
                found.left_out["JSON that is damaged"] += 1
    return found


def _members(path: Path, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """The files of a tar as webdataset groups them; what is none is counted."""
    from webdataset.tariterators import base_plus_ext

    num_bytes, count = path.stat().st_size, 0
    try:
        with tarfile.open(path, "r:", tarinfo=BoundedTarInfo) as tar:
            for count, info in enumerate(tar, 1):
                # tarfile keeps every header that it has read: a gigabyte for a million.
                tar.members = []  # type: ignore[attr-defined]
                if count > MAX_MEMBERS:
                    left_out[f"what follows {MAX_MEMBERS:,} members of a tar"] += 1
                    return
                if info.isdir() or info.name.startswith("__"):
                    continue
                if not info.isreg() or info.issparse():
                    left_out["members that are no plain files"] += 1
                elif base_plus_ext(info.name)[0] is None:
                    left_out["members without an extension"] += 1
                elif info.offset_data + info.size > num_bytes:
                    left_out["members that are cut short"] += 1
                else:
                    place = _Place(info.offset_data, info.size)
                    yield {"fname": info.name, "data": place, "__url__": ""}
            if not _has_end(tar):
                left_out[DAMAGED] += 1
    except (tarfile.TarError, EOFError, ValueError):
        left_out[NO_TAR + kind if count == 0 and (kind := _kind_of(path)) else DAMAGED] += 1


def _kind_of(path: Path) -> str:
    """What a file is that is called a tar and is none, in words; empty if its first bytes do not say."""
    with path.open("rb") as file:
        head = file.read(NUM_BYTES)
    if not head:
        return "an empty file"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    found = by_first_bytes(head)
    return found.what.partition(",")[0] if found else ""


def _has_end(tar: tarfile.TarFile) -> bool:
    """Whether a tar that was read to its end has one: after a damaged header tarfile stops without a word."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    return tar.fileobj.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)


def _row(sample: Mapping[str, Any], descriptor: int, settings: TarSettings, left_out: Counter[str]) -> Row:
    images = [ending for ending in sample if ending.rpartition(".")[2] in IMAGES]
    if not images:
        raise _Unusable(NO_IMAGE)
    place: _Place = sample[images[0]]
    if place.size > MAX_IMAGE_BYTES:
        raise _Unusable(f"images of more than {MAX_IMAGE_BYTES // 10**6} MB")
    data = os.pread(descriptor, place.size, place.offset)
    try:
        with refusing(), open_image(data, max_pixels=MAX_PIXELS) as image:
            width, height = image.size
    except ImageRefused:
        raise _Unusable(NO_PICTURE) from None
    facts = _metadata(sample.get("json"), descriptor)
    captions = _captions(sample, facts, descriptor, settings)
    others = [ending for ending in sample if ending.endswith(".txt") and not _language_of(ending)]
    # `input.jpg` with `outputs.txt`: one text can only be the caption of one image.
    is_only_text = not captions and len(images) == len(others) == 1
    if is_only_text:
        captions = _captions({"txt": sample[others[0]]}, facts, descriptor, settings)
    if not captions:
        raise _Unusable(_why_no_caption(sample, images, facts))
    left_out["a second image of one sample"] += len(images) - 1
    if not is_only_text:
        left_out[OTHER_TEXT] += len(others)
    return {
        "name": sample["__key__"],
        "offset": place.offset,
        "size": place.size,
        "width": width,
        "height": height,
        "sha256": hashlib.sha256(data).hexdigest(),
        "captions": captions,
        **_facts_of_record(facts),
    }


def _why_no_caption(sample: Mapping[str, Any], images: Sequence[str], facts: Mapping[str, Any]) -> str:
    if all("." in ending for ending in images):
        return DOTS
    if "cls" in sample:
        return NO_CLASS
    return NO_CAPTION_KEY if facts else NO_CAPTION


def _facts_of_record(facts: Mapping[str, Any]) -> Row:
    """Rights, group and split that a sample states; those of our own records are followed exactly, so that no
    withdrawn, forbidden or held-out image comes back by another name.
    """
    rights: Any = facts.get("rights")
    found: Row = {}
    if isinstance(rights, dict) and _KEY.fullmatch(str(facts.get("key"))):
        found = {"key": str(facts["key"])}
        for name in ("group", "split"):
            if isinstance(facts.get(name), str):
                found[name] = _clean(facts[name])
        opt_out = rights.get("opt_out") or []
        found |= {
            "rights": str(rights.get("raw") or rights.get("uri") or "not stated"),
            "train": str(rights.get("train")),
            "opt_out": [str(one) for one in opt_out] if isinstance(opt_out, list) else ["unknown"],
        }
        return found
    stated = [
        value
        for name, value in facts.items()
        if name.casefold() in RIGHTS_KEYS and value not in (None, "", [])
    ]
    return {"rights": " | ".join(_clean(str(one)) for one in stated)} if stated else {}


def _metadata(place: _Place | None, descriptor: int) -> dict[str, Any]:
    text = _text(place, descriptor)
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _Unusable("JSON that is damaged") from None
    if not isinstance(found, dict):
        raise _Unusable("JSON that is no object")
    return found


def _captions(
    sample: Mapping[str, Any], facts: Mapping[str, Any], descriptor: int, settings: TarSettings
) -> list[dict[str, str]]:
    """The captions of a sample, each text once in a language."""
    named = next((facts[name] for name in LANGUAGE_KEYS if isinstance(facts.get(name), str)), "")
    language = _language(named, settings.language)
    found = [("caption", language, _text(sample.get("txt"), descriptor) or "")]
    found += [
        ("caption", tag, _text(place, descriptor) or "")
        for ending, place in sample.items()
        if (tag := _language_of(ending))
    ]
    for key in settings.caption_keys:
        name = "caption" if key in ("captions", "text") else key.lower()
        field_name = name if _FIELD.fullmatch(name) else "caption"
        found += [(kind or field_name, tag, text) for kind, tag, text in _texts(facts.get(key), language)]
    if label := _text(sample.get("cls"), descriptor):
        found.append(("class", settings.language, _class_name(label, settings.class_names)))
    captions: dict[tuple[str, str], dict[str, str]] = {}
    for kind, tag, text in found:
        if text := _clean(text)[:MAX_CAPTION_CHARS]:
            captions.setdefault((tag, text), {"text": text, "language": tag, "field": kind})
    return list(captions.values())


def _texts(value: Any, language: str) -> Iterator[tuple[str, str, str]]:
    """Field, language and text of captions in any of the usual forms: a text, a list of texts, texts by
    language, or objects with `text` and `language`.
    """
    if isinstance(value, str):
        yield "", language, value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, language)
    elif isinstance(value, dict) and isinstance(value.get("text"), str):
        kind = str(value.get("field") or "")
        tag = _language(str(value.get("language") or ""), language)
        yield kind if _FIELD.fullmatch(kind) else "", tag, value["text"]
    elif isinstance(value, dict):
        for tag, texts in value.items():
            if _LANGUAGE.fullmatch(str(tag)) and isinstance(texts, str | list):
                yield from _texts(texts, str(tag))


def _class_name(label: str, names: Sequence[str]) -> str:
    """The name of a class; empty if only its number is known."""
    if not label.isdecimal():
        return label
    number = int(label) if len(label) < 10 else len(names)
    return names[number] if number < len(names) else ""


def _language_of(ending: str) -> str:
    """The language of a text in `KEY.en.txt` or `KEY.pt-br.txt`; empty for other endings."""
    tag = ending.removesuffix(".txt").replace("_", "-")
    is_tag = tag != ending and bool(_TWO_LETTERS.fullmatch(tag[:2])) and tag[2:3] in ("", "-")
    if not is_tag or not _LANGUAGE.fullmatch(tag):
        return ""
    # webdataset makes endings lower case.
    first, *others = tag.split("-")
    return "-".join([first, *(part.upper() if len(part) == 2 else part for part in others)])


def _language(tag: str, otherwise: str) -> str:
    return tag if _LANGUAGE.fullmatch(tag) else otherwise


def _text(place: _Place | None, descriptor: int) -> str | None:
    if place is None:
        return None
    if place.size > MAX_TEXT_BYTES:
        raise _Unusable(f"texts of more than {MAX_TEXT_BYTES // 10**6} MB")
    try:
        return os.pread(descriptor, place.size, place.offset).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise _Unusable(NO_UTF8) from None


def _clean(text: str) -> str:
    """Text without what no file can store: JSON may contain halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode().replace("\0", "").strip()
