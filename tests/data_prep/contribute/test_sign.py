"""Signatures: who signed a set, according to ssh-keygen itself; a set with a changed byte is not covered."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from data_prep.contribute.check import check
from data_prep.contribute.config import CheckConfig, SignConfig, TakedownConfig
from data_prep.contribute.sign import sign
from data_prep.contribute.takedown import takedown
from iconoclip.errors import BadInput, DamagedData, MissingRequirement
from iconoclip.shardset import MANIFEST_NAME, SIGNATURE_NAME, ShardSet

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not on this machine")


def make_key(folder: Path, name: str) -> Path:
    key = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name}@library.example", "-f", key],
        check=True,
    )
    return key


@pytest.fixture
def signed(make_set, tmp_path):
    """A signed set, and the file of trusted signers: the library alone."""
    folder = make_set().folder
    key = make_key(tmp_path, "library")
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"images@library.example {key.with_suffix('.pub').read_text()}")
    sign(SignConfig(shardset=folder, key=key))
    return folder, signers


def test_anyone_verifies_it_with_openssh_alone(signed):
    folder, signers = signed

    def verified(message: bytes, who: str = "images@library.example") -> str:
        done = subprocess.run(
            [
                "ssh-keygen",
                "-Y",
                "verify",
                "-f",
                signers,
                "-I",
                who,
                "-n",
                "iconoclip-shardset",
                "-s",
                folder / SIGNATURE_NAME,
            ],
            input=message,
            check=False,
            capture_output=True,
        )
        return done.stdout.decode() if done.returncode == 0 else ""

    manifest = (folder / MANIFEST_NAME).read_bytes()
    assert 'Good "iconoclip-shardset" signature for images@library.example' in verified(manifest)
    assert verified(manifest.replace(b'"a test"', b'"somebody else"')) == ""
    assert verified(manifest, who="others@library.example") == ""


def test_check_says_who_signed(signed, capsys):
    folder, signers = signed
    capsys.readouterr()
    assert check(CheckConfig(shardset=folder, signers=signers)) == 0
    assert "signed by images@library.example" in capsys.readouterr().out
    assert check(CheckConfig(shardset=folder)) == 0
    assert "ED25519 key SHA256:" in capsys.readouterr().out


def test_another_signer_is_not_trusted(signed, tmp_path, capsys):
    folder, signers = signed
    sign(SignConfig(shardset=folder, key=make_key(tmp_path, "outsider")))
    assert check(CheckConfig(shardset=folder)) == 0
    with pytest.raises(DamagedData):
        check(CheckConfig(shardset=folder, signers=signers))
    assert "a key that is not in allowed_signers" in capsys.readouterr().out


@pytest.mark.parametrize("with_signers", [True, False])
def test_a_changed_set_fails_its_signature(signed, capsys, with_signers):
    folder, signers = signed
    path = folder / MANIFEST_NAME
    path.write_text(path.read_text().replace('"a test"', '"somebody else"'))
    assert "somebody else" in path.read_text()
    with pytest.raises(DamagedData):
        check(CheckConfig(shardset=folder, signers=signers if with_signers else None))
    assert "does not fit the set" in capsys.readouterr().out


def test_unsigned_sets_pass_unless_a_signer_is_required(make_set, signed, tmp_path, capsys):
    folder, signers = signed
    (folder / SIGNATURE_NAME).unlink()
    assert check(CheckConfig(shardset=folder)) == 0
    with pytest.raises(DamagedData):
        check(CheckConfig(shardset=folder, signers=signers))
    assert "the set is not signed" in capsys.readouterr().out


def test_a_takedown_ends_the_signature(signed, capsys):
    folder, _ = signed
    key = ShardSet(folder).table(["key"])["key"][0].as_py()
    takedown(TakedownConfig(shardset=folder, keys=[key], reason="requested by the institution"))
    assert not (folder / SIGNATURE_NAME).exists()
    assert "signs the set again" in capsys.readouterr().out


def test_what_cannot_sign(make_set, tmp_path):
    folder = make_set().folder
    with pytest.raises(MissingRequirement, match="no such key"):
        sign(SignConfig(shardset=folder, key=tmp_path / "none"))
    (tmp_path / "text").write_text("not a key")
    with pytest.raises(BadInput, match="does not sign"):
        sign(SignConfig(shardset=folder, key=tmp_path / "text"))
    assert not (folder / SIGNATURE_NAME).exists()
    shard = next(folder.glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DamagedData):
        sign(SignConfig(shardset=folder, key=make_key(tmp_path, "library")))
