"""Detached OpenSSH signatures of a shard set: of `shardset.json`, and of the list of its documents."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import Final

from iconoclip.errors import MissingRequirement
from iconoclip.shardset import MANIFEST_NAME, QUALITY_NAME, SIGNATURE_NAME, ShardSet
from iconoclip.shardset_manifest import EMBEDDED_FOLDER

# The purpose of the signature: one made for an e-mail or a commit is not valid for a shard set.
NAMESPACE: Final = "iconoclip-shardset"
MAX_SIGNATURE_BYTES: Final = 100_000
# The list of the documents' checksums, in the format of `sha256sum -c`, and its signature.
DOCUMENTS_NAME: Final = "documents.sha256"
DOCUMENTS_SIGNATURE_NAME: Final = "documents.sha256.sig"
SIGNED_DOCUMENTS: Final = ("README.md", "croissant.json", QUALITY_NAME, "report.json", "refused.jsonl")


def signed_documents(folder: Path) -> list[str]:
    """The names of the documents in a set's folder that a signature covers, within the folder."""
    embedded = sorted((folder / EMBEDDED_FOLDER).glob("*.parquet"))
    there = [name for name in SIGNED_DOCUMENTS if (folder / name).is_file()]
    return [*there, *(f"{EMBEDDED_FOLDER}/{path.name}" for path in embedded)]


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
        done = ssh_keygen("check-novalidate", "-s", str(signature), message=message)
        return None if done.returncode == 0 else f"the signature does not fit the set: {said(done)}"
    who = signer(shardset, signers)
    if who is None:
        return f"signed by a key that is not in {signers.name}, or not for this set: {fingerprint(shardset)}"
    done = ssh_keygen("verify", "-f", str(signers), "-I", who, "-s", str(signature), message=message)
    return None if done.returncode == 0 else f"the signature of {who} does not fit the set: {said(done)}"


def signer(shardset: ShardSet, signers: Path) -> str | None:
    """The signer in an `allowed_signers` file to whom the key of the signature belongs."""
    signature = shardset.folder / SIGNATURE_NAME
    done = ssh_keygen("find-principals", "-s", str(signature), "-f", str(signers))
    names = done.stdout.decode(errors="replace").splitlines()
    return names[0].strip() if done.returncode == 0 and names else None


def fingerprint(shardset: ShardSet) -> str:
    """The fingerprint of the key that signed; empty when the signature is not valid."""
    signature = shardset.folder / SIGNATURE_NAME
    done = ssh_keygen("check-novalidate", "-s", str(signature), message=shardset.folder / MANIFEST_NAME)
    found = re.search(r"with (\S+ key SHA256:\S+)", done.stdout.decode(errors="replace") + said(done))
    return found[1] if found else ""


def wrong_documents_signature(shardset: ShardSet) -> str | None:
    """What is wrong with the signature of the list of documents; None if it is valid. Whose key it is, is not
    checked here: `key_of` compares it with that of the set's own signature."""
    message, signature = shardset.folder / DOCUMENTS_NAME, shardset.folder / DOCUMENTS_SIGNATURE_NAME
    if not signature.is_file() or signature.stat().st_size > MAX_SIGNATURE_BYTES:
        return "the list of documents is not signed"
    done = ssh_keygen("check-novalidate", "-s", str(signature), message=message)
    return None if done.returncode == 0 else f"the signature does not fit the documents: {said(done)}"


def key_of(signature: Path) -> str:
    """The public key inside of a signature: two signatures of one key begin with the same bytes.

    In the format of OpenSSH (PROTOCOL.sshsig) these are a preamble, a version and the key.
    """
    if not signature.is_file() or signature.stat().st_size > MAX_SIGNATURE_BYTES:
        return ""
    lines = signature.read_text(errors="replace").splitlines()
    try:
        blob = base64.b64decode("".join(line for line in lines if not line.startswith("-----")))
        size = int.from_bytes(blob[10:14], "big")
        return blob[14 : 14 + size].hex()
    except ValueError:
        return ""


def ssh_keygen(action: str, *words: str, message: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run `ssh-keygen -Y`, with a file as its input.

    Raises:
        MissingRequirement: there is no ssh-keygen.
    """
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


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a program said on its standard error, on one line."""
    return " ".join(done.stderr.decode(errors="replace").split())[:300]
