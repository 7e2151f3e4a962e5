"""Wheels for a machine without internet access, with the real pip and a small index on the loopback."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from iconoclip.cli import main
from slurm.wheelhouse import Target, present_versions

# What pip is to be given: no configuration of this machine, only the small index.
ENVIRONMENT = {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1"}


def write_wheel(folder: Path, name: str, version: str, tag: str = "py3-none-any", needs: str = "") -> Path:
    """A wheel without modules."""
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        """The output of the tests stays free of requests."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an index that pip asks instead of any other: a folder of each package, with its files."""
    folder = tmp_path / "index"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/")
        yield folder
        server.shutdown()


def run(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["doctor", *words.split()])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


@pytest.mark.long
def test_wheels_are_collected_for_another_machine_and_locked(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = write_wheel(index / "app", "app", "1.0", needs="part>=2")
    old = "cp39-cp39-manylinux_2_17_aarch64"
    for tag in (old, old.replace("aarch64", "x86_64"), "cp39-cp39-manylinux_2_39_aarch64"):
        write_wheel(index / "part", "part", "2.1", tag)
    write_wheel(index / "part", "part", "2.2", "cp39-cp39-manylinux_2_39_aarch64")
    folder, words = tmp_path / "wheels", "--requirements app --target_python 3.9 --target_machine aarch64"
    code, said = run(f"--wheelhouse {folder} {words}", capsys)
    assert code == 0, said
    # The newest version needs a newer glibc, and the other processor is another machine.
    part = index / "part" / f"part-2.1-{old}.whl"
    assert sorted(path.name for path in folder.glob("*.whl")) == [app.name, part.name]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (app, part)]
    lock = (folder / "requirements.lock").read_text().splitlines()
    assert lock == [
        f"{name} --hash=sha256:{one}" for name, one in zip(("app==1.0", "part==2.1"), digests, strict=True)
    ]
    assert "127.0.0.1" not in "".join(path.read_text() for path in folder.glob("*.[tl]*"))


@pytest.mark.long
def test_a_missing_wheel_is_named_and_leaves_no_lock_file(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the machine without internet access, where only the folder is looked at."""
    write_wheel(index / "app", "app", "1.0", needs="part>=2")
    part = write_wheel(index / "part", "part", "2.1")
    folder, words = tmp_path / "wheels", "--requirements app"
    assert run(f"--wheelhouse {folder} {words}", capsys)[0] == 0
    lock = (folder / "requirements.lock").read_text().splitlines()
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/")
    (folder / part.name).rename(folder / "away")
    code, said = run(f"--wheelhouse {folder} {words} --no_download", capsys)
    assert (code, "part>=2" in said) == (4, True)
    assert not (folder / "requirements.lock").exists()
    (folder / "away").rename(folder / part.name)
    write_wheel(folder, "other", "1.0")
    code, said = run(f"--wheelhouse {folder} {words} --no_download", capsys)
    assert (code, "1 wheels, such as other-1.0" in said) == (0, True)
    assert (folder / "requirements.lock").read_text().splitlines() == lock


@pytest.mark.long
def test_what_cannot_be_collected_is_named(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(f"--wheelhouse {tmp_path / 'wheels'} --requirements nowhere", capsys)
    assert (code, "No matching distribution found for nowhere" in said) == (4, True)
    (tmp_path / "file").touch()
    assert run(f"--wheelhouse {tmp_path / 'file' / 'wheels'}", capsys)[0] == 4


@pytest.mark.long
def test_the_lock_file_installs_without_an_index(index: Path, tmp_path: Path) -> None:
    """In a new environment, as a container recipe does it."""
    write_wheel(index / "app", "app", "1.0")
    folder = tmp_path / "wheels"
    assert main(["doctor", "--wheelhouse", str(folder), "--requirements", "app"]) == 0
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    pip = [tmp_path / "env/bin/pip", "install", "--no-index", "--find-links", folder, "--require-hashes"]
    subprocess.run([*pip, "-r", folder / "requirements.lock"], check=True)
    (folder / "requirements.lock").write_text("app==1.0 --hash=sha256:" + "0" * 64 + "\n")
    assert subprocess.run(
        [*pip, "--force-reinstall", "-r", folder / "requirements.lock"], check=False
    ).returncode


def test_a_folder_that_is_not_there_is_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(f"--wheelhouse {tmp_path / 'none'} --no_download --target_machine aarch64", capsys)
    assert (code, "on aarch64, glibc 2.28" in said, "no such folder" in said) == (4, True, True)


def test_older_glibc_is_accepted_and_newer_is_not() -> None:
    options = Target("3.11", "x86_64", "2.28").options
    assert {"manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"} <= set(options)
    assert not {"manylinux_2_29_x86_64", "manylinux_2_28_aarch64"} & set(options)


def test_present_versions_have_no_local_suffix() -> None:
    found = dict(line.split("==") for line in present_versions())
    assert {"iconoclip", "torch", "pillow"} <= set(found)
    assert not any("+" in number for number in found.values())
