"""The rules of `iconoclip check` by name: what each demands, and how to correct what breaks it.

docs/checks.md explains them one by one; a test compares it with this table.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

NUM_EXAMPLES: Final = 20
MAX_SHOWN_CHARS: Final = 120
Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """What a shard set must be, or should be."""

    level: Level
    demands: str
    fix: str


_COPY: Final = "copy the set again from where it came"
_MAKERS: Final = "ask its makers to write the set again; do not repair it by hand"
_PACK: Final = "write the set with iconoclip pack, harvest or merge"

RULES: Final[dict[str, Rule]] = {
    # files of the set
    "index-unreadable": Rule("error", "records.parquet is Parquet with the columns of the format", _COPY),
    "index-checksum": Rule("error", "records.parquet has the checksum in shardset.json", _COPY),
    "shard-missing": Rule("error", "every shard in shardset.json is there", _COPY),
    "shard-checksum": Rule("error", "every shard has the size and checksum in shardset.json", _COPY),
    "shard-unlisted": Rule("error", "the index names only shards of shardset.json", _MAKERS),
    "totals": Rule("error", "the totals in shardset.json are those of the index", _MAKERS),
    "signature": Rule("error", "a signature fits shardset.json, and is of a trusted signer", _COPY),
    "document-changed": Rule(
        "error", "the documents of a signed set are as they were signed",
        "sign the set again after `iconoclip card`, or copy the documents again",
    ),
    "document-unsigned": Rule(
        "error", "the signature of a set covers its documents", "sign the set again with iconoclip sign"
    ),
    "file-unknown": Rule("warning", "the folder holds only the files of the format", "remove the file"),
    # tars
    "tar-unreadable": Rule("error", "a shard is a tar that ends with two empty blocks", _COPY),
    "member-kind": Rule("error", "members are plain files without extended headers", _PACK),
    "member-name": Rule("error", "members are named KEY.jpg, KEY.json or KEY.txt", _PACK),
    "member-foreign": Rule("error", "a shard holds nothing but pictures, records and captions", _PACK),
    "member-repeated": Rule("error", "a name occurs once, also where capitals do not count", _PACK),
    "member-order": Rule("error", "jpg, json and txt of a sample follow each other, in this order", _PACK),
    "member-missing": Rule("error", "a sample has its picture, its record and its caption", _PACK),
    "member-size": Rule("error", "a member is no larger than its kind can be", _PACK),
    # the index against the tars
    "key-repeated": Rule("error", "a key occurs once in the index", _MAKERS),
    "index-order": Rule("error", "the rows of the index are in the order of the shards", _MAKERS),
    "index-place": Rule("error", "offsets and sizes in the index are those of the sample's members", _MAKERS),
    "index-lacks-sample": Rule("error", "every sample of a shard is in the index", _MAKERS),
    "shard-lacks-sample": Rule("error", "every row of the index has its sample", _MAKERS),
    "index-differs": Rule("error", "a row of the index says what the record says", _MAKERS),
    "split-of-group": Rule("error", "all samples of a group are in one split", _MAKERS),
    # records and pictures
    "record-invalid": Rule("error", "KEY.json is a record of the format", _MAKERS),
    "record-key": Rule("error", "the key of a record follows from its source", _MAKERS),
    "caption-file": Rule("error", "KEY.txt is the first caption of the record, or its key", _MAKERS),
    "rights-differ": Rule("error", "the rights of a record are what its statement means", _MAKERS),
    "rights-exceeded": Rule("error", "a record allows training only if its statement does", _MAKERS),
    "picture-checksum": Rule("error", "a picture has the checksum in its record", _COPY),
    "picture-unreadable": Rule("error", "a picture can be decoded", _COPY),
    "picture-size": Rule("error", "a picture has the size in its record", _MAKERS),
    # judgements, which a person decides on
    "caption-missing": Rule(
        "warning", "a sample has a caption", "name the columns with texts under columns.captions"
    ),
    "caption-designation": Rule(
        "warning", "captions describe the picture, they are no shelfmarks or numbers",
        "leave that column out of columns.captions",
    ),
    "caption-language": Rule(
        "warning", "captions are in the language of their tag", "correct `language` or `caption_languages`"
    ),
    "personal-data": Rule(
        "warning", "texts hold no mail addresses and telephone numbers of persons",
        "leave that column out, or remove the text from the catalogue",
    ),
    "near-duplicates": Rule(
        "warning", "pictures are not near-duplicates of others",
        "nothing, if they are in one split; `iconoclip merge` sees to that",
    ),
    "duplicates-across-splits": Rule(
        "warning", "copies of a picture are in one split",
        "merge the set with iconoclip merge, which moves copies to one side",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that breaks a rule: the sample or file, the rule's name, and what is wrong."""

    where: str
    rule: str
    what: str

    @property
    def level(self) -> Level:
        """Whether it makes the set unusable or only needs a look."""
        return RULES[self.rule].level

    @property
    def fix(self) -> str:
        """What the user should do about it."""
        return RULES[self.rule].fix

    def as_json(self) -> dict[str, str]:
        """The finding for a program."""
        return {"where": self.where, "rule": self.rule, "what": self.what, "fix": self.fix}


@dataclass
class Warnings:
    """Warnings counted by rule, with the first examples: there may be as many as samples."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Finding]] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Count a warning, and keep it if it is one of the first."""
        self.counts[finding.rule] += 1
        kept = self.examples.setdefault(finding.rule, [])
        if len(kept) < NUM_EXAMPLES:
            kept.append(finding)


def shown(text: object) -> str:
    """A text from outside for a terminal and a report: short, and without control characters."""
    plain = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in str(text)[: 4 * MAX_SHOWN_CHARS].encode("utf-8", "backslashreplace").decode()
    )
    return plain if len(plain) <= MAX_SHOWN_CHARS else plain[:MAX_SHOWN_CHARS] + "..."
