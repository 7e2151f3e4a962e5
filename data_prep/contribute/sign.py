"""`iconoclip sign`, and the verification of signatures for `iconoclip check`.

A detached OpenSSH signature (`shardset.json.sig`) over `shardset.json`, which lists the checksum of
everything else, made and verified by `ssh-keygen -Y`. Keys are those that people and institutions already
have, on disk, on a token or in an agent; the trusted signers are listed in an `allowed_signers` file
(ssh-keygen(1)). Anyone can verify the signature without this program:

    ssh-keygen -Y verify -f allowed_signers -I WHO -n iconoclip-shardset -s shardset.json.sig < shardset.json
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from data_prep.contribute.config import SignConfig
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import atomic_write
from iconoclip.shardset import MANIFEST_NAME, SIGNATURE_NAME, ShardSet

# The purpose of the signature: one made for an e-mail or a commit is not valid for a shard set.
NAMESPACE: Final = "iconoclip-shardset"
MAX_SIGNATURE_BYTES: Final = 100_000


def sign(config: SignConfig) -> int:
    """Sign a shard set after checking that its files match their checksums.

    Raises:
        MissingRequirement: no shard set there, no such key, or no ssh-keygen on this machine.
        DamagedData: a file of the set differs from its checksum.
        BadInput: the key cannot sign.
    """
    shardset = ShardSet(config.shardset)
    shardset.verify()
    if not config.key.is_file():
        raise MissingRequirement(
            "no such key", where=config.key, remedy="`ssh-keygen -t ed25519` makes one; --key names its file"
        )
    done = _ssh_keygen("sign", "-f", str(config.key), message=shardset.folder / MANIFEST_NAME)
    if done.returncode:
        raise BadInput(f"the key does not sign: {_said(done)}", where=config.key)
    path = shardset.folder / SIGNATURE_NAME
    with atomic_write(path) as file:
        file.write(done.stdout)
    print(f"{path}: {fingerprint(shardset)}")
    return 0


def wrong_signature(shardset: ShardSet, signers: Path | None) -> str | None:
    """A description of what is wrong with a set's signature; None if it is valid, or if none
    exists and none is required.

    Args:
        signers: an `allowed_signers` file; then one of them must have signed the set. Without it, a signature
            must still be a valid one of this very shardset.json, by any key.

    Raises:
        MissingRequirement: no such file, or no ssh-keygen on this machine.
    """
    message, signature = shardset.folder / MANIFEST_NAME, shardset.folder / SIGNATURE_NAME
    if signers is not None and not signers.is_file():
        raise MissingRequirement("no such file of signers", where=signers, remedy="check the path")
    if not signature.is_file():
        return None if signers is None else "the set is not signed"
    if signature.stat().st_size > MAX_SIGNATURE_BYTES:
        return "the signature is too large to be one"
    if signers is None:
        done = _ssh_keygen("check-novalidate", "-s", str(signature), message=message)
        return None if done.returncode == 0 else f"the signature does not fit the set: {_said(done)}"
    who = signer(shardset, signers)
    if who is None:
        return f"signed by a key that is not in {signers.name}, or not for this set: {fingerprint(shardset)}"
    done = _ssh_keygen("verify", "-f", str(signers), "-I", who, "-s", str(signature), message=message)
    return None if done.returncode == 0 else f"the signature of {who} does not fit the set: {_said(done)}"


def signer(shardset: ShardSet, signers: Path) -> str | None:
    """The signer in an `allowed_signers` file to whom the key of the signature belongs."""
    signature = shardset.folder / SIGNATURE_NAME
    done = _ssh_keygen("find-principals", "-s", str(signature), "-f", str(signers))
    names = done.stdout.decode(errors="replace").splitlines()
    return names[0].strip() if done.returncode == 0 and names else None


def fingerprint(shardset: ShardSet) -> str:
    """The fingerprint of the key that signed; empty when the signature is not valid."""
    signature = shardset.folder / SIGNATURE_NAME
    done = _ssh_keygen("check-novalidate", "-s", str(signature), message=shardset.folder / MANIFEST_NAME)
    found = re.search(r"with (\S+ key SHA256:\S+)", done.stdout.decode(errors="replace") + _said(done))
    return found[1] if found else ""


def _ssh_keygen(action: str, *words: str, message: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    namespace = () if message is None else ("-n", NAMESPACE)
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", action, *words, *namespace],
            input=b"" if message is None else message.read_bytes(),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise MissingRequirement(
            "ssh-keygen is not on this machine", remedy="install OpenSSH 8.2 or later (`openssh-client`)"
        ) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(done.stderr.decode(errors="replace").split())[:300]
