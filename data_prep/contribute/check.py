"""`iconoclip check`: verify a shard set before publishing it, or after receiving it.

It compares every file with its checksum, the signature with the trusted signers, every tar with the index,
every record with the schema and its own key, and every verdict with the rights table of this version; it
decodes every picture. All findings are listed; the first one does not end the check. Each breaks a rule that
has a name (data_prep.contribute.checking.rules, docs/checks.md). What a person must decide on is a warning.

A set is read as a stream: the rows of one shard and a few pictures are in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from data_prep.contribute.checking import documents, foreign, index
from data_prep.contribute.checking.judgements import Judge, warnings_of_all
from data_prep.contribute.checking.members import Sample, samples_of
from data_prep.contribute.checking.records import findings_of
from data_prep.contribute.checking.report_page import write_page
from data_prep.contribute.checking.rules import Finding, Warnings, shown
from data_prep.contribute.config import CheckConfig
from data_prep.contribute.signatures import fingerprint, signer, wrong_signature
from iconoclip.errors import DamagedData
from iconoclip.files import write_json
from iconoclip.machine import num_cores
from iconoclip.progress import Meter, progress
from iconoclip.shardset import SIGNATURE_NAME, Shard, ShardSet
from iconoclip.vocabulary import PolicyName

MAX_FINDINGS: Final = 10_000
NUM_PRINTED: Final = 50
# What waits for a decoder: samples, and bytes of their members.
SAMPLES_AHEAD: Final = 64
BYTES_AHEAD: Final = 64_000_000

Row = dict[str, Any]


def check(config: CheckConfig) -> int:
    """Check a shard set, or a set of others, and print what was found.

    Raises:
        MissingRequirement: no set there.
        DamagedData: there are findings; all are printed and written to the report.
        SomeRefused: a set of others lacks what training and publication need.
    """
    if foreign.is_foreign(config.shardset):
        return foreign.check_foreign(config.shardset)
    shardset = ShardSet(config.shardset)
    checker = Checker(shardset, policy=config.policy, decode=config.decode_images)
    # What is withdrawn is read as well, so it counts here.
    num_stored = sum(shard.num_samples for shard in shardset.manifest.shards)
    with progress("check", total=num_stored, unit="samples") as meter:
        findings = list(checker.findings(meter))
    if wrong := wrong_signature(shardset, config.signers):
        findings.append(Finding(SIGNATURE_NAME, "signature", wrong))
    else:
        findings += documents.findings_of(shardset)
    _write_reports(config, shardset, findings, checker.warnings)
    _print_warnings(checker.warnings)
    if not findings:
        print(
            f"sound: {shardset.manifest.totals.num_samples} samples in {len(shardset.manifest.shards)} shards"
            f"{_signed(shardset, config.signers)}"
        )
        return 0
    for finding in findings[:NUM_PRINTED]:
        print(f"{finding.where}: {finding.what} [{finding.rule}: {finding.fix}]")
    if len(findings) > NUM_PRINTED:
        print(f"... and {len(findings) - NUM_PRINTED} findings more; --report FILE lists them")
    raise DamagedData(
        f"{len(findings)} findings in this shard set", where=config.shardset,
        remedy="docs/checks.md explains each rule; copy the set again from its source, or ask its makers",
    )  # fmt: skip


def _write_reports(
    config: CheckConfig, shardset: ShardSet, findings: list[Finding], warnings: Warnings
) -> None:
    if config.report:
        write_json(
            config.report,
            {
                "num_findings": len(findings),
                "findings": [one.as_json() for one in findings],
                "warnings": {
                    rule: {"num": count, "examples": [one.as_json() for one in warnings.examples[rule]]}
                    for rule, count in warnings.counts.most_common()
                },
            },
        )
    if config.page:
        write_page(config.page, shardset, findings, warnings)
        print(f"report: {config.page}")


def _print_warnings(warnings: Warnings) -> None:
    for rule, count in warnings.counts.most_common():
        first = warnings.examples[rule][0]
        print(f"warning: {count} {rule}, for example {first.where}: {first.what}")


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
        self.warnings = Warnings()
        self._policy: PolicyName = policy or shardset.policy
        self._found: list[Finding] = []

    def findings(self, meter: Meter) -> Iterator[Finding]:
        """All findings, up to `MAX_FINDINGS`; warnings are collected aside."""
        for number, finding in enumerate(self._all(meter)):
            if number >= MAX_FINDINGS:
                what = f"more than {MAX_FINDINGS} findings; the rest is left out"
                yield Finding("check", finding.rule, what)
                return
            yield finding

    def _all(self, meter: Meter) -> Iterator[Finding]:
        for name in documents.unknown_files(self._set):
            self.warnings.add(Finding(shown(name), "file-unknown", "not a file of the format"))
        if not index.is_readable(self._set, self._note):
            yield from self._take()
            return
        whole = index.WholeIndex()
        whole.read(self._set)
        whole.report(self._set, self._note)
        yield from self._take()
        for warning in warnings_of_all(whole):
            self.warnings.add(warning)
        del whole
        with ThreadPoolExecutor(num_cores()) as executor:
            yield from self._shards(executor, meter)

    def _note(self, finding: Finding) -> None:
        self._found.append(finding)

    def _take(self) -> Iterator[Finding]:
        found, self._found = self._found, []
        yield from found

    def _shards(self, executor: ThreadPoolExecutor, meter: Meter) -> Iterator[Finding]:
        shards = {shard.name: shard for shard in self._set.manifest.shards}
        judge = Judge()
        for name, rows in index.rows_by_shard(self._set, self._note):
            yield from self._take()
            for row in rows.values():
                for warning in judge.warnings_of(row):
                    self.warnings.add(warning)
            shard = shards.pop(name, None)
            if shard is None:
                yield Finding(
                    shown(name), "shard-unlisted", "the index lists a shard that shardset.json does not"
                )
            elif wrong := self._wrong_file(shard):
                yield wrong
                meter.advance(shard.num_samples)
            else:
                yield from self._tar(shard, rows, executor, meter)
        yield from self._take()
        for shard in shards.values():
            if self._set.is_gone(shard):
                continue
            yield from (
                [wrong] if (wrong := self._wrong_file(shard)) else self._tar(shard, {}, executor, meter)
            )

    def _wrong_file(self, shard: Shard) -> Finding | None:
        try:
            self._set.verify_shard(shard)
        except DamagedData as damaged:
            rule = "shard-missing" if "missing" in damaged.what else "shard-checksum"
            return Finding(shard.name, rule, damaged.what)
        return None

    def _tar(
        self, shard: Shard, rows: dict[str, Row], executor: ThreadPoolExecutor, meter: Meter
    ) -> Iterator[Finding]:
        left = dict.fromkeys(rows)
        waiting: deque[tuple[int, Future[list[Finding]]]] = deque()
        num_bytes = 0
        for sample in samples_of(self._set.path_of(shard.name), self._note):
            meter.advance()
            yield from self._take()
            if sample.key in self._set.withdrawn:
                continue
            where = f"{shard.name}/{shown(sample.key)}"
            if sample.key not in rows and shard.at is not None:
                # A shard of another set may have samples that this one leaves out.
                continue
            if sample.key not in left:
                in_index = sample.key in rows
                rule = "member-order" if in_index else "index-lacks-sample"
                what = "its members are apart" if in_index else "a sample that the index does not know"
                yield Finding(where, rule, what)
                continue
            if sample.key != next(iter(left)):
                yield Finding(where, "index-order", "the index has its samples in another order")
            del left[sample.key]
            size = _size(sample)
            waiting.append((size, self._submit(executor, shard.name, rows[sample.key], sample)))
            num_bytes += size
            while len(waiting) > SAMPLES_AHEAD or num_bytes > BYTES_AHEAD:
                size, future = waiting.popleft()
                num_bytes -= size
                yield from future.result()
        yield from self._take()
        for _, future in waiting:
            yield from future.result()
        for key in left:
            what = "the index knows it, the shard does not"
            yield Finding(f"{shard.name}/{shown(key)}", "shard-lacks-sample", what)

    def _submit(
        self, executor: ThreadPoolExecutor, shard: str, row: Row, sample: Sample
    ) -> Future[list[Finding]]:
        return executor.submit(
            findings_of, shard, row, sample, self._policy, self._decode, self._set.as_indexed
        )


def _size(sample: Sample) -> int:
    return sum(map(len, sample.members.values()))
