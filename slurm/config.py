"""The fields of every verb that talks to SLURM. A field's description is its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from iconoclip.config import Config, positional

TIME_PATTERN = r"^(\d+-)?\d{1,3}(:\d{2}){0,2}$"
# sbatch(1), --mem: a number of megabytes, or with a unit.
MEMORY_PATTERN = r"^\d+[KMGT]?$"
# sbatch(1), --mail-type.
MAIL_TYPES = (
    "NONE", "BEGIN", "END", "FAIL", "REQUEUE", "ALL", "INVALID_DEPEND", "STAGE_OUT", "TIME_LIMIT",
    "TIME_LIMIT_50", "TIME_LIMIT_80", "TIME_LIMIT_90", "ARRAY_TASKS",
)  # fmt: skip


def _mail_types(value: str) -> str:
    words = [word.strip().upper() for word in value.split(",")]
    if unknown := [word for word in words if word not in MAIL_TYPES]:
        raise ValueError(f"{unknown[0]} is no event of SLURM's mails; known are {', '.join(MAIL_TYPES)}")
    return ",".join(words)


MailTypes = Annotated[str, AfterValidator(_mail_types)]


class Placement(Config):
    """Where a job runs and which resources it requests. Fields that are not given come from the site."""

    site: str | None = Field(
        None,
        description="a shipped site by name, one of yours (~/.config/iconoclip/sites/NAME.yaml), "
        "or a YAML file; default: the environment's ICONOCLIP_SITE, else `generic`",
    )
    account: str | None = Field(None, description="project account that is charged; default: the site's")
    partition: str | None = Field(None, description="partition; default: the site's")
    qos: str | None = Field(None, description="quality of service; default: the site's, if it has one")
    constraint: str | None = Field(
        None, description="features that the nodes must have, such as `a100`; default: the site's"
    )
    reservation: str | None = Field(None, description="reservation to run in")
    nodelist: str | None = Field(None, description="nodes that must be used, as SLURM writes them: node[1-4]")
    exclude: str | None = Field(None, description="nodes that must not be used")
    memory: str | None = Field(
        None,
        description="memory per node: megabytes, or with a unit as in 64G; 0: all of it; default: the site's",
        pattern=MEMORY_PATTERN,
    )
    mail_user: str | None = Field(
        None, description="address that SLURM writes to; without `mail_type`, when a job ends or fails"
    )
    mail_type: MailTypes | None = Field(None, description="events that SLURM writes about, such as END,FAIL")
    time: str | None = Field(
        None, description="time limit of one job, as SLURM writes it (MINUTES, HH:MM:SS, D-HH:MM:SS)",
        pattern=TIME_PATTERN,
    )  # fmt: skip
    gpus_per_node: int | None = Field(None, description="GPUs per node; default: all of a node", ge=0)
    tasks_per_node: int | None = Field(
        None, description="processes per node; default: the config's `devices`, or one per GPU, or one", ge=1
    )
    cpus_per_task: int | None = Field(None, description="cores per process; default: the site's", ge=1)


# What sbatch calls otherwise, with what to write here.
OF_SBATCH = {
    "A": "write --account", "p": "write --partition", "q": "write --qos", "t": "write --time",
    "N": "write --nodes", "n": "write --nodes and --tasks_per_node", "c": "write --cpus_per_task",
    "C": "write --constraint", "w": "write --nodelist", "x": "write --exclude", "mem": "write --memory",
    "ntasks": "write --nodes and --tasks_per_node", "ntasks_per_node": "write --tasks_per_node",
    "gres": "write --gpus_per_node; the site's file says how its queue asks for them",
    "G": "write --gpus_per_node and --nodes", "gpus": "write --gpus_per_node and --nodes",
    "a": "write --num_tasks, and --max_running for how many run together",
    "array": "write --num_tasks, and --max_running for how many run together",
    "d": "write --after with run folders or job ids",
    "dependency": "write --after with run folders or job ids",
    "J": "the job is called like its run: write --run_dir",
    "job_name": "the job is called like its run: write --run_dir",
    "o": "the output is in the run's folder; `iconoclip logs` prints it",
    "output": "the output is in the run's folder; `iconoclip logs` prints it",
    ".": "write fields of the stage without dashes, as NAME=VALUE: hardware.devices=4",
}  # fmt: skip


class SubmitConfig(Placement):
    """Submit one stage of the pipeline to SLURM as a job."""

    other_names: ClassVar[dict[str, str]] = OF_SBATCH
    stage: str = Field(
        description="the verb to run, such as harvest, train or index; words may come in any order",
        json_schema_extra=positional(),
    )
    config_file: str | None = Field(
        None, description="YAML file of the stage's fields", json_schema_extra=positional()
    )
    overrides: list[str] = Field(
        [],
        description="fields of the stage as NAME=VALUE, on top of the file; lists as NAME=[A,B] or repeated",
        json_schema_extra=positional(),
    )
    nodes: int | None = Field(
        None,
        description="nodes of the job, more than one for `train` and `evaluate`; "
        "default: the config's `num_nodes`, or one",
        ge=1,
    )
    num_tasks: int | None = Field(
        None, description="tasks of a job array that share the work (`harvest`, `encode`)", ge=1, le=100_000
    )
    max_running: int | None = Field(
        None, description="tasks of the array that may run at the same time", ge=1
    )
    run_dir: Path | None = Field(
        None,
        description="folder of the run; default: the config's own, or runs/STAGE-CONFIGNAME-DIGEST, where "
        "the digest is that of the fields that were set: the same command continues the same run",
    )
    after: str | None = Field(
        None,
        description="start when these have finished: run folders or job ids, separated by commas",
    )
    new_code: bool = Field(False, description="use the present code instead of the copy that the run froze")
    dry_run: bool = Field(False, description="print the script and what would be done, without doing it")


class ChainConfig(Config):
    """Submit several stages, each waiting for what it needs."""

    chain: str = Field(description="YAML file that describes the chain", json_schema_extra=positional())
    site: str | None = Field(None, description="site to use instead of the file's")
    account: str | None = Field(None, description="project account that is charged; default: the site's")
    folder: Path | None = Field(None, description="folder for the runs, instead of the file's")
    new_code: bool = Field(
        False, description="use the present code instead of the copies that the runs froze"
    )
    dry_run: bool = Field(False, description="print what would be submitted, without submitting it")


class StatusConfig(Config):
    """Print one table of all runs."""

    folder: Path = Field(
        Path("runs"), description="a run's folder, or one that holds runs", json_schema_extra=positional()
    )
    json: bool = Field(False, description="print one JSON object per run")  # type: ignore[assignment]


class LogsConfig(Config):
    """Show the log of a run, or follow it."""

    renamed: ClassVar[dict[str, str]] = {"run": "run_dir"}

    run_dir: Path = Field(description="the run's folder", json_schema_extra=positional())
    follow: bool = Field(False, description="keep printing lines as they come, until the run is over (-f)")
    task: int | None = Field(
        None, description="task of a job array; default: the one with the newest log", ge=0
    )
    num_lines: int = Field(50, description="number of last lines to print; 0: all", ge=0)


class ResumeConfig(Config):
    """Continue a run that stopped."""

    renamed: ClassVar[dict[str, str]] = {"run": "run_dir"}

    run_dir: Path = Field(description="the run's folder", json_schema_extra=positional())
    time: str | None = Field(None, description="another time limit", pattern=TIME_PATTERN)
    memory: str | None = Field(
        None, description="another amount of memory per node, such as 120G", pattern=MEMORY_PATTERN
    )
    new_code: bool = Field(False, description="use the present code instead of the copy that the run froze")
    dry_run: bool = Field(False, description="print what would be submitted, without submitting it")


class CancelConfig(Config):
    """Cancel a run on the cluster."""

    renamed: ClassVar[dict[str, str]] = {"run": "run_dir"}

    run_dir: Path = Field(description="the run's folder", json_schema_extra=positional())
    timeout_seconds: float = Field(120, description="seconds to wait until its processes have ended", gt=0)


class DoctorConfig(Placement):
    """Check a cluster account before the first job, or collect the packages that it needs."""

    nodes: int = Field(2, description="nodes of the test job", ge=1)
    submit: bool = Field(
        True, description="run a test job of a minute on the nodes; otherwise check only from this machine"
    )
    timeout_seconds: float = Field(600, description="seconds that the test job may wait and run", gt=0)
    wheelhouse: Path | None = Field(
        None,
        description="collect in this folder the wheels that a machine without internet access needs, check "
        "that none is missing, and write a lock file with their hashes; nothing else is checked then",
    )
    download: bool = Field(True, description="with `wheelhouse`: download what is missing, or only check")
    requirements: list[str] = Field(
        [], description="with `wheelhouse`: what shall be installed, as pip takes it; default: this iconoclip"
    )
    target_python: str | None = Field(
        None, description="Python of that machine, such as 3.11; default: this one", pattern=r"^3\.\d{1,2}$"
    )
    target_machine: Literal["x86_64", "aarch64"] | None = Field(
        None, description="processors of that machine; default: those of this one"
    )
    target_glibc: str = Field(
        "2.28", description="its version of glibc, or an older one (`ldd --version`)", pattern=r"^2\.\d{1,2}$"
    )
