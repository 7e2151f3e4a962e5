"""Sites: the shipped ones are sound, a user's own builds on them, and what a site forbids is refused by
name.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.errors import ConfigError, MissingRequirement
from slurm.config import SubmitConfig
from slurm.plan import seconds_of
from slurm.site import SHIPPED, known_sites, load_site
from slurm.stages import STAGES
from slurm.submit import prepare

from .conftest import plan_for

NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
PUBLIC = [name for name in NAMES if name not in ("generic", "local")]


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_site_plans_every_stage(name: str) -> None:
    site = load_site(name)
    reaches_out = any(queue.internet for queue in site.queues.values())
    for stage in STAGES.values():
        if stage.queue == "internet" and not reaches_out:
            with pytest.raises(ConfigError, match="login node"):
                site.queue("internet")
            continue
        plan = plan_for(stage, name, account="project")
        assert plan.site == name
        assert bool(plan.gpu_option) == (stage.uses_gpu and site.queue("gpu").gpus_per_node > 0)


def test_at_least_three_public_systems_name_their_sources() -> None:
    assert len(PUBLIC) >= 3
    for name in PUBLIC:
        site = load_site(name)
        assert all(source.startswith("http") for source in site.sources)
        assert site.sources
        assert site.read_on
        assert site.notes
        # What a site may run is either from its pages or listed as unverified.
        text = (SHIPPED / f"{name}.yaml").read_text()
        assert "from memory" not in text.split("unverified:")[0]


@pytest.mark.parametrize(
    ("site", "words", "partition", "gpu_option"),
    [
        # A harvest costs cores, not a GPU node; one GPU is asked for where nodes are shared.
        ("lumi", ["harvest", "sources=a", "contact=a@b.example"], "small", None),
        ("lumi", ["merge", "shardsets=a"], "small", None),
        ("lumi", ["export", "run_dir=a"], "small", None),
        ("lumi", ["encode", "model=m", "shardset=s"], "small-g", "--gpus-per-node=1"),
        ("lumi", ["train", "shardsets=a"], "standard-g", "--gpus-per-node=8"),
        ("lumi", ["train", "shardsets=a", "--gpus_per_node", "2"], "small-g", "--gpus-per-node=2"),
        ("lumi", ["train", "shardsets=a", "--gpus_per_node", "8"], "standard-g", "--gpus-per-node=8"),
        ("leonardo", ["merge", "shardsets=a"], "dcgp_usr_prod", None),
        ("leonardo", ["export", "run_dir=a"], "dcgp_usr_prod", None),
        # What uploads or downloads needs hosts outside, where only one partition reaches them.
        ("leonardo", ["export", "run_dir=a", "push=me/model"], "lrd_all_serial", None),
        ("leonardo", ["publish", "shardset=a", "to=hf://datasets/me/set"], "lrd_all_serial", None),
        ("leonardo", ["publish", "shardset=a", "to=/scratch/public"], "dcgp_usr_prod", None),
        ("leonardo", ["encode", "model=m", "shardset=s"], "boost_usr_prod", "--gres=gpu:1"),
        ("jean-zay-h100", ["train", "shardsets=a"], None, "--gres=gpu:4"),
        ("discoverer-plus", ["harvest", "sources=a", "contact=a@b.example"], "common", None),
    ],
)
def test_the_queue_follows_from_what_a_stage_needs(
    site: str, words: list[str], partition: str | None, gpu_option: str | None
) -> None:
    options: dict[str, int] = {}
    if "--gpus_per_node" in words:
        place = words.index("--gpus_per_node")
        options["gpus_per_node"] = int(words[place + 1])
        words = words[:place]
    stage, fields = STAGES[words[0]], dict(word.split("=", 1) for word in words[1:] if "=" in word)
    lists = {name: [value] if name in ("sources", "shardsets") else value for name, value in fields.items()}
    asked = SubmitConfig(stage=stage.verb, site=site, account="p", run_dir=Path("r"), **options)
    plan = prepare(asked, None, lists, ()).plan
    assert (plan.partition, plan.gpu_option) == (partition, gpu_option)


def test_processes_are_bound_to_cores_only_where_they_fill_a_node() -> None:
    whole = plan_for(STAGES["train"], "lumi", account="p", nodes=2)
    assert whole.srun_options[0].startswith("--cpu-bind=mask_cpu:")
    # One mask of six cores for each of eight processes, none shared: from the guide's script.
    masks = [int(mask, 16) for mask in whole.srun_options[0].partition(":")[2].split(",")]
    assert [mask.bit_count() for mask in masks] == [6] * 8
    assert sum(masks).bit_count() == 48
    assert plan_for(STAGES["encode"], "lumi", account="p").srun_options == ()
    assert plan_for(STAGES["train"], "lumi", account="p", gpus_per_node=2).srun_options == ()


def test_a_queue_may_have_an_account_and_a_qos_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: leonardo\naccount: BOOST\nqueues: {cpu: {account: DCGP}}\n")
    accounts = [plan_for(STAGES[name], str(path)).account for name in ("train", "merge", "harvest")]
    assert accounts == ["BOOST", "DCGP", "BOOST"]
    assert plan_for(STAGES["merge"], str(path), account="asked").account == "asked"
    plan = plan_for(STAGES["train"], "discoverer-plus", account="ehpc-1")
    assert (plan.account, plan.qos) == ("ehpc-1", "ehpc-1")
    # There the qos of a project refuses jobs without a GPU.
    assert plan_for(STAGES["merge"], "discoverer-plus", account="ehpc-1").qos == "2cpu-single-host"


def test_a_site_without_internet_access_says_where_to_harvest(tmp_path: Path) -> None:
    path = tmp_path / "closed.yaml"
    path.write_text("system: a closed room\nqueues: {gpu: {partition: p}}\n")
    with pytest.raises(ConfigError, match="reaches hosts outside") as caught:
        load_site(str(path)).queue("internet")
    assert "login node" in str(caught.value)


def test_a_users_site_extends_a_shipped_one_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "iconoclip" / "sites"
    folder.mkdir(parents=True)
    (folder / "leonardo.yaml").write_text(
        "extends: leonardo\naccount: EUHPC_1\nqueues: {gpu: {qos: boost_qos_dbg}}\n"
    )
    site = load_site("leonardo")
    assert site.account == "EUHPC_1"
    assert site.queue("gpu").qos == "boost_qos_dbg"
    assert site.queue("gpu").partition == "boost_usr_prod"
    (folder / "mine.yaml").write_text("extends: mine\n")
    with pytest.raises(ConfigError):
        load_site("mine")
    (folder / "a.yaml").write_text("extends: b\n")
    (folder / "b.yaml").write_text("extends: a\n")
    with pytest.raises(ConfigError, match="extends itself"):
        load_site("a")
    assert {"mine", "lumi"} <= set(known_sites())


def test_unknown_names_and_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'leonardo'"):
        load_site("leonrdo")
    with pytest.raises(MissingRequirement):
        load_site(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("placement", "says"),
    [
        ({"time": "25:00:00"}, "longer than site 'leonardo' allows"),
        ({"nodes": 65}, "65 nodes are more"),
        ({"tasks_per_node": 3}, "3 processes on a node with 4 GPUs"),
        ({"account": None}, "charges every job to an account"),
        ({"num_tasks": 2000}, "2000 tasks are more"),
    ],
)
def test_what_the_site_forbids_is_refused_before_submission(placement: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        plan_for(STAGES["train"], "leonardo", **{"account": "a", **placement})


def test_another_partition_or_qos_lifts_the_limits_we_know() -> None:
    plan = plan_for(STAGES["train"], "leonardo", account="a", nodes=128, qos="boost_qos_bprod")
    assert (plan.nodes, plan.qos) == (128, "boost_qos_bprod")


def test_the_account_takes_the_queue_s_suffix() -> None:
    assert plan_for(STAGES["train"], "jean-zay", account="abc").account == "abc@a100"
    assert plan_for(STAGES["merge"], "jean-zay", account="abc").account == "abc@cpu"


def test_the_warning_comes_in_the_first_half_of_no_job() -> None:
    assert plan_for(STAGES["merge"], "generic", time="4").warning_seconds == 120


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 600),
        ("10:30", 630),
        ("1:00:00", 3600),
        ("2-00:00:00", 172800),
        ("1-12", 129600),
        ("1-12:30", 131400),
    ],
)
def test_time_limits_read_as_sbatch_reads_them(text: str, seconds: int) -> None:
    # The forms of sbatch(1), --time, worked out by hand.
    assert seconds_of(text) == seconds


@given(st.integers(0, 30), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_days_and_hours_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = 86400 * days + 3600 * hours + 60 * minutes + seconds
    assert seconds_of(f"{days}-{hours:02d}:{minutes:02d}:{seconds:02d}") == total
