"""`iconoclip check`: verify a shard set before publishing it, or after receiving it.

It compares every file with its checksum, the signature with the trusted signers, every tar with the index,
every record with the schema and its own key, and every verdict with the rights table of this version; it
decodes every image. All findings are listed; the first one does not end the check.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from data_prep.contribute.config import CheckConfig
from data_prep.contribute.sign import fingerprint, signer, wrong_signature
from data_prep.images.store import decoded_size
from iconoclip.errors import DamagedData, IconoclipError
from iconoclip.files import write_json
from iconoclip.machine import num_cores
from iconoclip.pictures import ImageRefused
from iconoclip.progress import Meter, progress
from iconoclip.record import Record, sample_key
from iconoclip.rights import judge
from iconoclip.shardset import (
    MAX_RECORD_BYTES,
    RECORDS_SCHEMA,
    SIGNATURE_NAME,
    Shard,
    ShardSet,
    index_row,
    raw_digest,
    totals_of,
)
from iconoclip.vocabulary import PolicyName

MAX_FINDINGS: Final = 10_000
MAX_IMAGE_BYTES: Final = 100_000_000
# The number of samples that a second decoder may hold at once.
DECODES_AHEAD: Final = 64

Row = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with the file or the sample it concerns."""

    where: str
    what: str


def check(config: CheckConfig) -> int:
    """Check a shard set and print what was found.

    Raises:
        MissingRequirement: no shard set there.
        DamagedData: there are findings; all are printed and written to the report.
    """
    shardset = ShardSet(config.shardset)
    checker = Checker(shardset, policy=config.policy, decode=config.decode_images)
    with progress("check", total=shardset.manifest.totals.num_samples, unit="samples") as meter:
        findings = list(checker.findings(meter))
    if wrong := wrong_signature(shardset, config.signers):
        findings.append(Finding(SIGNATURE_NAME, wrong))
    if config.report:
        write_json(
            config.report, {"num_findings": len(findings), "findings": [asdict(one) for one in findings]}
        )
    if not findings:
        print(
            f"sound: {shardset.manifest.totals.num_samples} samples in {len(shardset.manifest.shards)} shards"
            f"{_signed(shardset, config.signers)}"
        )
        return 0
    for finding in findings[:50]:
        print(f"{finding.where}: {finding.what}")
    if len(findings) > 50:
        print(f"... and {len(findings) - 50} findings more; --report FILE lists them")
    raise DamagedData(
        f"{len(findings)} findings in this shard set", where=config.shardset,
        remedy="copy it again from its source, or ask its makers",
    )  # fmt: skip


def _signed(shardset: ShardSet, signers: Path | None) -> str:
    if not (shardset.folder / SIGNATURE_NAME).exists():
        return ""
    if signers is None:
        return f", signed with {fingerprint(shardset)}; --signers FILE names the trusted signers"
    return f", signed by {signer(shardset, signers)}"


class Checker:
    """Checks one shard set.

    Args:
        policy: check the rights under this policy; default: the set's own.
        decode: decode every image as well.
    """

    def __init__(self, shardset: ShardSet, *, policy: PolicyName | None = None, decode: bool = True) -> None:
        self._set, self._decode = shardset, decode
        name = shardset.manifest.policy.partition("@")[0]
        self._policy: PolicyName = policy or (
            name if name in ("open", "noncommercial", "research") else "open"
        )  # type: ignore[assignment]
        self._rows: dict[str, dict[str, Row]] = {}
        self._splits: dict[str, str] = {}
        self._raw: dict[str, bytes] = {}

    def findings(self, meter: Meter) -> Iterator[Finding]:
        """All findings, up to `MAX_FINDINGS`."""
        try:
            rows = self._set.table([name for name in RECORDS_SCHEMA.names if name != "raw"]).to_pylist()
            self._raw = dict(self._set.raw_digests())
        except IconoclipError as error:
            yield Finding("records.parquet", error.what)
            return
        yield from self._index(rows)
        with ThreadPoolExecutor(num_cores()) as executor:
            for number, finding in enumerate(self._shards(executor, meter)):
                if number >= MAX_FINDINGS:
                    yield Finding("check", f"more than {MAX_FINDINGS} findings; the rest is left out")
                    return
                yield finding

    def _index(self, rows: list[Row]) -> Iterator[Finding]:
        counts = Counter(row["key"] for row in rows)
        yield from (
            Finding(key, f"the key occurs {count} times in the index")
            for key, count in counts.items()
            if count > 1
        )
        for row in rows:
            self._rows.setdefault(row["shard"], {})[row["key"]] = row
            if self._splits.setdefault(row["group"], row["split"]) != row["split"]:
                yield Finding(row["key"], f"its group is on two sides of the split: {row['group']}")
        known = {shard.name for shard in self._set.manifest.shards}
        yield from (
            Finding(name, "the index lists a shard that shardset.json does not")
            for name in self._rows.keys() - known
        )
        if not self._set.withdrawn and totals_of(rows) != self._set.manifest.totals:
            yield Finding("shardset.json", "its totals are not those of the index")

    def _shards(self, executor: ThreadPoolExecutor, meter: Meter) -> Iterator[Finding]:
        for shard in self._set.manifest.shards:
            try:
                self._set.verify_shard(shard)
            except DamagedData as damaged:
                yield Finding(shard.name, damaged.what)
                meter.advance(shard.num_samples)
                continue
            yield from self._tar(shard, executor, meter)

    def _tar(self, shard: Shard, executor: ThreadPoolExecutor, meter: Meter) -> Iterator[Finding]:
        rows = self._rows.get(shard.name, {})
        seen: set[str] = set()
        waiting: deque[Future[list[Finding]]] = deque()
        try:
            for key, members in _samples(self._set.folder / shard.name):
                meter.advance()
                if key in self._set.withdrawn:
                    continue
                seen.add(key)
                if key not in rows:
                    yield Finding(f"{shard.name}/{key}", "a sample that the index does not know")
                    continue
                waiting.append(executor.submit(self._sample, shard.name, rows[key], members))
                if len(waiting) > DECODES_AHEAD:
                    yield from waiting.popleft().result()
        except (tarfile.TarError, OSError, ValueError) as error:
            yield Finding(shard.name, f"not a readable tar: {error}")
        for future in waiting:
            yield from future.result()
        yield from (
            Finding(f"{shard.name}/{key}", "the index knows it, the shard does not")
            for key in rows.keys() - seen
        )

    def _sample(self, shard: str, row: Row, members: dict[str, bytes]) -> list[Finding]:
        where = f"{shard}/{row['key']}"
        missing = [f".{extension}" for extension in ("jpg", "json", "txt") if extension not in members]
        if missing:
            return [Finding(where, f"lacks {', '.join(missing)}")]
        try:
            record = Record.model_validate_json(members["json"])
        except ValidationError as error:
            first = error.errors()[0]
            return [Finding(where, f"not a record: {'.'.join(map(str, first['loc']))}: {first['msg']}")]
        return [
            Finding(where, what)
            for what in (*self._record(record, row), *self._image(record, members["jpg"]))
        ]

    def _record(self, record: Record, row: Row) -> Iterator[str]:
        place = {
            name: row[name]
            for name in ("shard", "image_offset", "image_size", "record_offset", "record_size")
        }
        expected = index_row(record, **place)
        is_same_raw = raw_digest(expected.pop("raw")) == self._raw.get(record.key)
        differing = [name for name, value in expected.items() if row[name] != value]
        differing += [] if is_same_raw else ["raw"]
        if differing:
            yield f"record and index differ in {', '.join(differing)}"
        if record.key != sample_key(record.institution.slug, record.source.id, record.source.region):
            yield "its key does not follow from its source"
        rights = record.rights
        verdict = judge(rights.raw or rights.uri, policy=self._policy, opt_out=rights.opt_out)
        if (rights.uri, rights.redistribute, rights.display) != (
            verdict.uri,
            verdict.redistribute,
            verdict.display,
        ):
            yield f"its rights are not what the table says of {rights.raw!r}"
        elif rights.may_train and not verdict.may_train:
            yield f"its record allows training; under {verdict.policy} it may not be trained on"

    def _image(self, record: Record, jpeg: bytes) -> Iterator[str]:
        if hashlib.sha256(jpeg).hexdigest() != record.image.sha256:
            yield "its image does not match the checksum in the record"
        elif self._decode:
            try:
                size = decoded_size(jpeg)
            except ImageRefused as refused:
                yield str(refused)
            else:
                if size != (record.image.width, record.image.height):
                    yield (
                        f"its image is {size[0]}x{size[1]} pixels, not"
                        f" {record.image.width}x{record.image.height}"
                    )


def _samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The samples of a tar: members with one key, adjacent. Only plain files of bounded size are read."""
    key, members = "", dict[str, bytes]()
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if not member.isreg() or "/" in member.name:
                raise ValueError(f"a member that is no plain file: {member.name[:100]}")
            name, _, extension = member.name.partition(".")
            if name != key:
                if members:
                    yield key, members
                key, members = name, {}
            limit = MAX_IMAGE_BYTES if extension == "jpg" else MAX_RECORD_BYTES
            if member.size > limit:
                raise ValueError(f"{member.name[:100]} is larger than {limit} bytes")
            file = tar.extractfile(member)
            members[extension] = file.read() if file else b""
    if members:
        yield key, members
