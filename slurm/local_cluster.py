"""A real SLURM with two nodes on one machine, for trials and tests. It needs no systemd, cgroups or root.

    python -m slurm.local_cluster start FOLDER     # prints the line to paste into the shell
    python -m slurm.local_cluster stop FOLDER

munged, slurmctld and two slurmd run from FOLDER on free ports of the loopback. Needs Debian's packages
slurmctld, slurmd, slurm-client and munge. Of several SLURMs, the one whose sbatch comes first on PATH runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from iconoclip.errors import MissingRequirement, TryAgainLater

INSTALL = "apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
DAEMONS = ("slurmctld", "slurmd")
NODES = ("node1", "node2")
CPUS_PER_NODE = 8
SECONDS_TO_START = 30.0

# cred_expire: a requeued job waits until its credential expires, by default two minutes. batch_sched_delay,
# bf_interval, sched_interval: the defaults are for thousands of jobs, and too slow for tests.
CONFIGURATION = """\
ClusterName=iconoclip
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=2,sched_min_interval=0
ReturnToService=1
KillWait={kill_wait_seconds}
SlurmdTimeout=30
MaxArraySize=1001
{nodes}
PartitionName=debug Nodes={node_list} Default=YES MaxTime=60 DefaultTime=10 State=UP OverSubscribe=YES
"""


def missing_programs() -> list[str]:
    """The programs of a SLURM that this machine lacks."""
    return [name for name in PROGRAMS if program(name) is None]


def program(name: str) -> str | None:
    """The path of a program; None if there is none.

    The daemons are those of the SLURM whose sbatch comes first on PATH, so that versions do not mix. Their
    folder, sbin, may not be on a user's PATH.
    """
    folders = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
    sbatch = shutil.which("sbatch")
    if name in DAEMONS and sbatch is not None:
        folders.insert(0, str(Path(sbatch).parent.parent / "sbin"))
    return shutil.which(name, path=os.pathsep.join(folders))


class LocalCluster:
    """A cluster whose files are in `folder`.

    Args:
        folder: where its files are; created if it does not exist. The path must be short, because the path of
            a socket has at most 107 bytes.
        kill_wait_seconds: time between SIGTERM and SIGKILL when a job is ended.
        ends_with_parent: whether the daemons end together with the process that
            started them, however it ends.
    """

    def __init__(
        self, folder: str | Path, *, kill_wait_seconds: int = 30, ends_with_parent: bool = False
    ) -> None:
        self.folder = Path(folder).resolve()
        self.conf = self.folder / "slurm.conf"
        self.kill_wait_seconds = kill_wait_seconds
        self.ends_with_parent = ends_with_parent
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that a shell needs to use this cluster."""
        return {"SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Start the daemons and wait until both nodes are idle.

        Raises:
            MissingRequirement: SLURM is not installed.
            TryAgainLater: the nodes did not come up; the logs in the folder say why.
        """
        if missing := missing_programs():
            raise MissingRequirement(f"SLURM is not on this machine: no {missing[0]}", remedy=INSTALL)
        self._write_files()
        files = {"key-file": "munge.key", "pid-file": "munged.pid", "log-file": "munged.log"}
        files |= {"socket": "munge.socket", "seed-file": "munged.seed"}
        options = [f"--{option}={self.folder}/{name}" for option, name in files.items()]
        self._spawn("munged", "--force", "--foreground", *options)
        self._wait_for("munged", lambda: (self.folder / "munge.socket").exists())
        self._spawn("slurmctld", "-D", "-i", "-f", str(self.conf))
        for node in NODES:
            self._spawn("slurmd", "-D", "-N", node, "-f", str(self.conf))
        self._wait_for("slurmctld", lambda: self.node_states() == dict.fromkeys(NODES, "idle"))

    def _write_files(self) -> None:
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        key = self.folder / "munge.key"
        key.unlink(missing_ok=True)
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        ctld_port, *ports = _free_ports(1 + len(NODES))
        host = socket.gethostname().split(".")[0]
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
            f"CPUs={CPUS_PER_NODE} State=UNKNOWN"
            for node, port in zip(NODES, ports, strict=True)
        ]
        self.conf.write_text(
            CONFIGURATION.format(
                host=host,
                ctld_port=ctld_port,
                user=getpass.getuser(),
                folder=self.folder,
                kill_wait_seconds=self.kill_wait_seconds,
                nodes="\n".join(nodes),
                node_list=",".join(NODES),
            )
        )

    def _spawn(self, name: str, *arguments: str) -> None:
        path = program(name)
        assert path is not None
        with (self.folder / f"{name}.out").open("ab") as log:
            # A separate session: Ctrl-C in the shell that started the cluster must not end it.
            daemon = subprocess.Popen(
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
                preexec_fn=_end_with_parent if self.ends_with_parent else None,
            )
        self._started.append(daemon)
        with (self.folder / "pids").open("a") as pids:
            pids.write(f"{daemon.pid}\n")

    def _wait_for(self, name: str, is_up: object) -> None:
        assert callable(is_up)
        until = time.monotonic() + SECONDS_TO_START
        while not is_up():
            if time.monotonic() > until:
                self.stop()
                raise TryAgainLater(
                    f"{name} did not come up", where=self.folder, remedy="the logs in that folder say why"
                )
            time.sleep(0.05)

    def node_states(self) -> dict[str, str]:
        """The state of each node as sinfo prints it; empty while slurmctld does not answer."""
        done = self.run("sinfo", "-h", "-N", "-o", "%N %t", check=False)
        return dict(line.split() for line in done.stdout.splitlines()) if done.returncode == 0 else {}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a SLURM command against this cluster."""
        return subprocess.run(
            command, check=check, capture_output=True, text=True, env={**os.environ, **self.environment}
        )

    def processes(self, job_id: int | None = None) -> list[int]:
        """The processes of all jobs on this cluster, or of one job, found by slurm.conf and
        job id in their environment.
        """
        marker = f"SLURM_CONF={self.conf}".encode()
        daemons = self._daemons()
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                variables = entry.read_bytes().split(b"\0")
                pid = int(entry.parent.name)
                is_job = any(variable.startswith(b"SLURM_JOB_ID=") for variable in variables)
                is_job = is_job and (job_id is None or b"SLURM_JOB_ID=%d" % job_id in variables)
                if marker in variables and is_job and pid not in daemons:
                    found.append(pid)
        return found

    def step_daemons(self) -> list[int]:
        """The slurmstepd processes of this cluster. They clear their environment, so they are
        found by their open log files.
        """
        return [pid for pid in _pids_of(b"slurmstepd") if _holds_open(pid, self.folder)]

    def _daemons(self) -> list[int]:
        pids = self.folder / "pids"
        return [int(line) for line in pids.read_text().split()] if pids.exists() else []

    def stop(self) -> None:
        """Cancel every job, end the daemons, and leave no process behind."""
        if self.conf.exists() and self.node_states():
            self.run("scancel", "--user", getpass.getuser(), check=False)
            self._wait_until_gone(self.processes, seconds=self.kill_wait_seconds + 5.0)
        _signal([*self.processes(), *self.step_daemons()], signal.SIGKILL)
        _signal(reversed(self._daemons()), signal.SIGTERM)
        self._wait_until_gone(self._living_daemons, seconds=5.0)
        _signal(self._living_daemons(), signal.SIGKILL)
        for daemon in self._started:
            daemon.wait()
        self._started.clear()
        (self.folder / "pids").unlink(missing_ok=True)

    def _living_daemons(self) -> list[int]:
        for daemon in self._started:
            daemon.poll()
        return [pid for pid in self._daemons() if _is_ours(pid, self.folder)]

    @staticmethod
    def _wait_until_gone(pids: object, seconds: float) -> None:
        assert callable(pids)
        until = time.monotonic() + seconds
        while pids() and time.monotonic() < until:
            time.sleep(0.05)


def _end_with_parent() -> None:
    # prctl(2): PR_SET_PDEATHSIG is 1. A test run that is killed cannot stop the cluster itself.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _pids_of(program: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if entry.read_bytes().startswith(program):
                found.append(int(entry.parent.name))
    return found


def _holds_open(pid: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return any(
            str(link.readlink()).startswith(f"{folder}/") for link in Path(f"/proc/{pid}/fd").iterdir()
        )
    return False


def _is_ours(pid: int, folder: Path) -> bool:
    # The pid may belong to another program by now, so only processes that run from this folder are ended.
    with contextlib.suppress(OSError):
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _signal(pids: Iterator[int] | list[int], which: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, which)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def main(arguments: list[str]) -> int:
    """`start FOLDER` or `stop FOLDER`."""
    if len(arguments) != 2 or arguments[0] not in ("start", "stop"):
        print(__doc__, file=sys.stderr)
        return 2
    cluster = LocalCluster(arguments[1])
    if arguments[0] == "stop":
        cluster.stop()
        return 0
    try:
        cluster.start()
    except (MissingRequirement, TryAgainLater) as error:
        print(f"iconoclip: {error}", file=sys.stderr)
        return error.exit_code
    for name, value in cluster.environment.items():
        print(f"export {name}='{value}'")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
