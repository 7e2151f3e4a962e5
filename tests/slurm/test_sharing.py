"""Sharing sources among tasks: each source once, each host in one task, and the same shares every time."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.errors import ConfigError
from slurm.config import SubmitConfig
from slurm.request import request_of
from slurm.sharing import host_of, shares_of
from slurm.submit import freeze

HOSTS = ["a.org", "b.org", "C.org", "a.org:8080"]
ADDRESSES = st.builds("https://{}/{}".format, st.sampled_from(HOSTS), st.integers(0, 9))


@given(
    st.lists(ADDRESSES | st.sampled_from(["x/y.json", "z"]), min_size=1, max_size=30, unique=True),
    st.integers(1, 6),
)
def test_each_source_once_and_each_host_in_one_task(sources: list[str], num_tasks: int) -> None:
    num_groups = len({host_of(source) or source for source in sources})
    if num_tasks > num_groups:
        with pytest.raises(ConfigError, match=f"on {num_groups} host"):
            shares_of(sources, num_tasks)
        return
    shares = shares_of(sources, num_tasks)
    assert sorted(source for share in shares for source in share) == sorted(sources)
    assert all(shares)
    for host in {host_of(source) for source in sources} - {""}:
        assert sum(any(host_of(source) == host for source in share) for share in shares) == 1
    assert shares == shares_of(sources, num_tasks)


def test_the_load_is_as_even_as_the_hosts_allow() -> None:
    sources = [f"https://big.org/{n}" for n in range(4)] + [
        "https://a.org/1",
        "https://b.org/1",
        "https://c.org/1",
    ]
    assert [len(share) for share in shares_of(sources, 2)] == [4, 3]


def test_a_harvest_s_tasks_have_configs_of_their_own_and_a_merge_behind_them(tmp_path: Path) -> None:
    sources = ["https://a.org/1", "https://b.org/1", "https://a.org/2"]
    config = SubmitConfig(stage="harvest", site="generic", run_dir=tmp_path / "run", num_tasks=2)
    request = request_of(
        config, None, {"sources": sources, "contact": "me@example.org", "policy": "research"}, ()
    )
    freeze(request)
    tasks = [yaml.safe_load((tmp_path / f"run/job/tasks/{task:05d}.yaml").read_text()) for task in (0, 1)]
    assert [task["sources"] for task in tasks] == [
        ["https://a.org/1", "https://a.org/2"],
        ["https://b.org/1"],
    ]
    parts = [str(tmp_path / "run/out/parts" / name) for name in ("00000", "00001")]
    assert [task["out"] for task in tasks] == parts
    join = yaml.safe_load((tmp_path / "run/job/join.yaml").read_text())
    assert (join["shardsets"], join["out"], join["policy"]) == (parts, str(tmp_path / "run/out"), "research")
