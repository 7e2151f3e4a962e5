"""Random trees of merges and withdrawals: no reader returns a withdrawn item, and nothing else is lost."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from data_prep.contribute.config import MergeConfig, TakedownConfig
from data_prep.contribute.merge import merge
from data_prep.contribute.takedown import takedown
from iconoclip.record import Record
from iconoclip.shardset import ShardSet, ShardSetWriter
from retrieval.encode.shardfeed import rows_by_shard
from tests.data_prep.contribute.conftest import sample
from training.data.samples import load
from training.data.storage import ShardReader

CLOCK = "2026-02-03T00:00:00Z"
NUM_EXAMPLES = int(os.environ.get("ICONOCLIP_TREES", "2"))

drawn = functools.cache(sample)


@dataclass
class Node:
    """A set: its expected samples, what was withdrawn in it, and the sets it was merged from."""

    folder: Path
    name: str
    parents: list[Node] = field(default_factory=list)
    by_reference: bool = False
    content: dict[str, bytes] = field(default_factory=dict)
    tombstones: set[str] = field(default_factory=set)

    def withdrawn(self) -> set[str]:
        """Everything that its own tombstones and those of all sets above it withdraw."""
        return self.tombstones.union(*(parent.withdrawn() for parent in self.parents))

    def above(self) -> list[Node]:
        """The sets it was made from, at any distance."""
        return [node for parent in self.parents for node in (parent, *parent.above())]

    def merge(self) -> None:
        """Merge its parents (again)."""
        folders = [str(parent.folder) for parent in self.parents]
        merge(
            MergeConfig(
                shardsets=folders,
                out=self.folder,
                name=self.name,
                by_reference=self.by_reference,
                duplicates="first",
                created_at=CLOCK,
                near_duplicate_bits=0,
            )
        )
        gone = set().union(*(parent.withdrawn() for parent in self.parents))
        held = {key: data for parent in reversed(self.parents) for key, data in parent.content.items()}
        self.tombstones |= gone
        self.content = {key: data for key, data in held.items() if key not in gone}

    def check(self) -> None:
        """Every reader returns what it should, with its own picture."""
        expected = {key: data for key, data in self.content.items() if key not in self.withdrawn()}
        shardset = ShardSet(self.folder)
        shardset.verify()
        assert {record.key: image for record, image in shardset.samples()} == expected
        assert sorted(record.key for record in shardset.records()) == sorted(expected)
        assert set(shardset.table(["key"])["key"].to_pylist()) == set(expected)
        assert {one.key for rows in rows_by_shard(shardset).values() for one in rows} == set(expected)
        if expected:
            samples = load([str(self.folder)], split="all", policy="open")
            reader = ShardReader(samples)
            keys = samples.keys.to_pylist()
            assert {key: reader.image_bytes(row) for row, key in enumerate(keys)} == expected


def leaf(folder: Path, slug: str, count: int) -> Node:
    """A set of an institution."""
    node = Node(folder, slug)
    with ShardSetWriter(
        folder, name=slug, policy="open@1", created_at=CLOCK, created_by="a test", max_shard_bytes=9_000
    ) as writer:
        for number in range(count):
            record, image = drawn(slug, number)
            writer.add(record, image)
            node.content[record.key] = image
    return node


def withdraw(node: Node, keys: list[str], *, purge: bool) -> None:
    """Withdraw keys from a set with the command's function, and in the model."""
    takedown(TakedownConfig(shardset=node.folder, keys=keys, reason="the heir asked", purge=purge, at=CLOCK))
    for place in (node, *node.above()):
        place.tombstones |= {key for key in keys if key in place.content}


def sync(nodes: list[Node]) -> None:
    """Merge all merged sets again, parents first."""
    for node in nodes:
        if node.parents:
            node.merge()


@pytest.mark.parametrize("purges", [False, True], ids=["hidden", "purged"])
# No shrinking: an example takes a second and is small already.
@settings(max_examples=NUM_EXAMPLES, phases=[Phase.reuse, Phase.generate])
@given(data=st.data())
def test_no_tree_of_merges_returns_what_was_withdrawn(data: st.DataObject, purges: bool) -> None:
    root = Path(tempfile.mkdtemp(prefix="trees-"))
    try:
        # A folder of its own for each set, so that no list next to it has an effect.
        nodes = [leaf(root / str(n) / "set", slug, 4) for n, slug in enumerate(("ada", "bea", "ada"))]
        for number in range(data.draw(st.integers(2, 4), label="merges")):
            parents = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3, unique_by=id))
            node = Node(root / str(len(nodes)) / "set", f"merged{number}", parents, data.draw(st.booleans()))
            held = set().union(*(set(one.content) - one.withdrawn() for one in parents))
            if not held - set().union(*(one.withdrawn() for one in parents)):
                continue
            node.merge()
            nodes.append(node)
            place = data.draw(st.sampled_from(nodes), label="withdraw from")
            left = sorted(set(place.content) - place.withdrawn())
            if len(left) > 1:
                withdraw(
                    place, data.draw(st.lists(st.sampled_from(left), min_size=1, max_size=2)), purge=purges
                )
            for one in nodes:
                one.check()
        if not all(set(one.content) - one.withdrawn() for one in nodes):
            # A set of which nothing is left is not written again.
            return
        sync(nodes)
        for one in nodes:
            one.check()
    finally:
        shutil.rmtree(root)


def test_the_record_of_a_set_by_reference_is_that_of_its_index(tmp_path: Path) -> None:
    one = leaf(tmp_path / "one", "ada", 3)
    merge(MergeConfig(shardsets=[str(one.folder)], out=tmp_path / "m", by_reference=True, policy="research"))
    merge(MergeConfig(shardsets=[str(one.folder)], out=tmp_path / "c", policy="research"))
    referring, copied = ShardSet(tmp_path / "m"), ShardSet(tmp_path / "c")
    assert list(referring.samples()) == list(copied.samples())
    assert not list((tmp_path / "m").glob("*.tar"))
    columns = ["key", "group", "split", "train", "display", "rights_uri", "captions"]
    assert referring.table(columns).equals(copied.table(columns))
    records: list[Record] = list(referring.records())
    assert {record.rights.policy for record in records} == {"research@1"}
