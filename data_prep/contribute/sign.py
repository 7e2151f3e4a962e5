"""`iconoclip sign`, and the verification of signatures for `iconoclip check`.

A detached OpenSSH signature (`shardset.json.sig`) over `shardset.json`, which lists the checksum of
everything else, made and verified by `ssh-keygen -Y`. Keys are those that people and institutions already
have, on disk, on a token or in an agent; the trusted signers are listed in an `allowed_signers` file
(ssh-keygen(1)). Anyone can verify the signature without this program:

    ssh-keygen -Y verify -f allowed_signers -I WHO -n iconoclip-shardset -s shardset.json.sig < shardset.json

The documents of the set (README.md, croissant.json, reports) are listed with their checksums in
`documents.sha256`, which is signed in the same way.
"""

from __future__ import annotations

from pathlib import Path

from data_prep.contribute.config import SignConfig
from data_prep.contribute.signatures import (
    DOCUMENTS_NAME,
    DOCUMENTS_SIGNATURE_NAME,
    fingerprint,
    said,
    signed_documents,
    ssh_keygen,
)
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import atomic_write, sha256_of
from iconoclip.shardset import MANIFEST_NAME, SIGNATURE_NAME, ShardSet


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
    path = _signed(shardset.folder / MANIFEST_NAME, config.key, SIGNATURE_NAME)
    _sign_documents(shardset.folder, config.key)
    print(f"{path}: {fingerprint(shardset)}")
    return 0


def _signed(message: Path, key: Path, name: str) -> Path:
    """Sign a file; the signature has the given name in its folder."""
    done = ssh_keygen("sign", "-f", str(key), message=message)
    if done.returncode:
        raise BadInput(f"the key does not sign: {said(done)}", where=key)
    path = message.with_name(name)
    with atomic_write(path) as file:
        file.write(done.stdout)
    return path


def _sign_documents(folder: Path, key: Path) -> None:
    """List the checksums of the documents as `sha256sum` does, and sign the list."""
    there = signed_documents(folder)
    with atomic_write(folder / DOCUMENTS_NAME) as file:
        file.write("".join(f"{sha256_of(folder / name)}  {name}\n" for name in there).encode())
    _signed(folder / DOCUMENTS_NAME, key, DOCUMENTS_SIGNATURE_NAME)
