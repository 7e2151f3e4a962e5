"""Shared by all tests: the folder of real material, and programs that tests need."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, settings

from tests import commands, processor_time

ROOT = Path(__file__).resolve().parent.parent
MATERIAL = ROOT.parent / "shared" / "material"

# No test may reach a hub or a tracking service.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WANDB_MODE", "offline")
# On a machine under load, the time that an example takes depends on more than the code. Each run draws other
# examples; ICONOCLIP_EXAMPLES=1000 draws many.
settings.register_profile(
    "iconoclip",
    deadline=None,
    max_examples=int(os.environ.get("ICONOCLIP_EXAMPLES", "20")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("iconoclip")
# Tests that run in the background may ignore Ctrl-C; programs that they start must receive it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The workers share the cores: threads that spin while they wait, and a thread pool in each, would only slow
# the others down. `iconoclip` sets the first itself, but not for commands forked from a process with torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests start many processes, and each would compile the packages again. pytest asks `sys` before it stores
# the test files with their rewritten assertions.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Next to nothing of what is imported before the tests are collected becomes garbage; looking for it takes a
# tenth of the time. pytest_collection_finish enables it again.
gc.disable()


def read_certificates_once() -> None:
    """Share the certificates of authorities between the clients of this process and of the commands forked
    from it.

    Each client reads 140 certificates of authorities for 50 ms of processor time, also for http.
    """
    make = httpx2.create_ssl_context
    made: dict[tuple[object, ...], ssl.SSLContext] = {}

    def shared(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or isinstance(cert, str | tuple):
            return make(verify=verify, cert=cert, trust_env=trust_env)
        key = (trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        if key not in made:
            made[key] = make(trust_env=trust_env)
        return made[key]

    for module in (httpx2, httpx2._transports.default):
        module.create_ssl_context = shared  # type: ignore[attr-defined]


read_certificates_once()


def read_merges_once() -> None:
    """Make all tokenizers of open_clip share what they read: 0.2 s of processor time for each model that a
    test, or a command forked from this process, loads.
    """
    tokenizer: Any = sys.modules.get("open_clip.tokenizer")
    if tokenizer is None:
        return
    make = tokenizer.SimpleTokenizer.__init__
    made: dict[str, dict[str, Any]] = {}

    def shared(self: Any, *arguments: Any, **options: Any) -> None:
        key = repr((arguments, sorted(options.items())))
        if key not in made:
            make(self, *arguments, **options)
            made[key] = dict(self.__dict__)
        self.__dict__.update(made[key])

    tokenizer.SimpleTokenizer.__init__ = shared
    tokenizer.SimpleTokenizer()


# What takes longest on two slow cores, longest first: a long file that starts last keeps one worker busy
# while the others have nothing to do. `make test ARGS=--durations=50` lists what is slow today.
LONGEST_FIRST = (
    "cluster", "training/test_ranks.py", "demo", "browser",
    "retrieval/test_load.py", "training/test_compile.py", "data_prep/harvest/test_changes.py",
    "corpus/test_pipeline.py", "data_prep/harvest/test_kill.py",
    "data_prep/harvest/test_catalogue_selections.py", "data_prep/harvest/test_catalogue.py",
    "training/test_configs.py", "training/test_accounting.py", "training/test_train.py",
    "retrieval/test_meaning.py", "data_prep/harvest/test_array.py", "retrieval/test_compaction.py",
    "data_prep/harvest/test_harvest.py", "retrieval/test_refresh.py", "corpus/test_harvest.py",
)  # fmt: skip
# Folders that one worker takes whole: their tests share something that is slow to start, such as a cluster,
# a browser or a whole demo.
TAKEN_WHOLE = ("cluster", "browser", "demo")


def unit_of(path: str) -> str:
    """The unit that a worker takes, from a path below tests/: the file, or its folder in TAKEN_WHOLE."""
    return next((folder for folder in TAKEN_WHOLE if path.startswith(f"{folder}/")), path)


def pytest_addoption(parser: pytest.Parser) -> None:
    """--long runs the tests that are left out otherwise: `make test-long`."""
    parser.addoption("--long", action="store_true", help="run the tests marked `long`, and only these")


def pytest_configure(config: pytest.Config) -> None:
    """Count processor seconds if that was requested."""
    if processor_time.NUM_LINES:
        config.pluginmanager.register(processor_time)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the server of small commands; the process that distributes tests to workers runs none."""
    if not getattr(session.config.option, "numprocesses", None):
        commands.start_light_server()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose between the short and the long tests, and start what takes longest first; all others keep their
    order.
    """
    is_wanted = bool(config.getoption("--long"))
    left_out = [item for item in items if (item.get_closest_marker("long") is not None) != is_wanted]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    places = {unit: place for place, unit in enumerate(LONGEST_FIRST)}
    here = Path(__file__).parent
    items.sort(key=lambda item: places.get(unit_of(item.path.relative_to(here).as_posix()), len(places)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the server of the other commands, once everything is imported."""
    gc.enable()
    read_merges_once()
    if session.items:
        commands.start_full_server()
    # Everything that exists now lives to the end: garbage collection need not look at it again.
    gc.freeze()


def pytest_unconfigure() -> None:
    """End the servers that fork commands."""
    commands.stop_servers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With --dist loadfile, distribute units in the order of collection; xdist itself puts files of few tests
    last."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class UnitScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(super()._split_scope(nodeid).removeprefix("tests/"))

    config.option.loadscopereorder = False
    return UnitScheduling(config, log)


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of real manifests, images and metadata; a test that needs it is skipped where it is not."""
    if not MATERIAL.is_dir():
        pytest.skip("the real material is not at ../shared/material; this test needs it")
    return MATERIAL


def need_program(program: str, install: str) -> str:
    """The path of a program. If it is missing: a skip that says how to get it, or a failure under CI=true."""
    # Servers are in folders that are not in every user's PATH.
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        message = f"{program} is not installed; `{install}` would install it"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    return need_program("chromium", "apt-get install -y chromium")


@pytest.fixture(scope="session")
def nginx() -> str:
    """The path of nginx, a reverse proxy."""
    return need_program("nginx", "apt-get install -y nginx-light")


@pytest.fixture(scope="session")
def openssl() -> str:
    """The path of openssl, which makes certificates."""
    return need_program("openssl", "apt-get install -y openssl")


@pytest.fixture(scope="session")
def slurm_programs() -> str:
    """The path of slurmctld, one program for the whole of SLURM and munge."""
    from slurm.local_cluster import INSTALL, missing_programs, program

    for name in missing_programs():
        need_program(name, INSTALL)
    return program("slurmctld") or ""
