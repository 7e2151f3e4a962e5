"""Publication in a dataset repository of the Hugging Face Hub, by its own client library.

Large files are uploaded first, each by itself; a single commit then makes all changes at once, so no reader
sees half a set. The library takes the token from HF_TOKEN or `hf auth login`, the server from HF_ENDPOINT.
A repository keeps every earlier commit: after a withdrawal its history is replaced by one commit, and what
only the earlier ones had is deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from data_prep.publish.targets.base import LocalFile, refusal
from iconoclip.errors import IconoclipError, MissingRequirement, TryAgainLater
from iconoclip.files import sha256_of

KIND: Final = "dataset"


class HubTarget:
    """A dataset repository.

    Args:
        name: OWNER/NAME; created if it does not exist.
        visibility: "private" or "public", for one that is created.
        reads_again: compare by downloading, whatever checksum the server states.
    """

    def __init__(self, name: str, *, visibility: str, reads_again: bool = False) -> None:
        self.where = f"hf://datasets/{name}"
        self._name, self._visibility, self._reads_again = name, visibility, reads_again
        self._api = _api()
        self._operations: list[Any] = []
        self._there: dict[str, Any] = {}
        self._exists = False

    def listing(self) -> dict[str, int]:
        """The files of the main branch; empty where there is no repository yet."""
        from huggingface_hub.errors import RepositoryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        with self._answers():
            if self._api.token is None and not _has_token():
                raise _no_credentials(self.where)
            try:
                self._exists = True
                tree = self._api.list_repo_tree(self._name, recursive=True, repo_type=KIND)
                self._there = {one.path: one for one in tree if isinstance(one, RepoFile)}
            except RepositoryNotFoundError as error:
                if error.response.status_code != 404:
                    raise
                self._there, self._exists = {}, False
            return {name: one.size for name, one in self._there.items()}

    def is_same(self, file: LocalFile) -> bool:
        """Whether the file has the same bytes, by its SHA-256, or by git's digest of a small file."""
        one = self._there[file.name]
        if one.size != file.size:
            return False
        if one.lfs is not None:
            return bool(one.lfs.sha256 == file.sha256)
        return bool(one.blob_id == _git_digest(file.path))

    def read(self, name: str, target: Path) -> Path:
        """Download a file of the main branch."""
        with self._answers(), tempfile.TemporaryDirectory(prefix="iconoclip-") as folder:
            found = self._api.hf_hub_download(self._name, name, repo_type=KIND, local_dir=folder)
            return Path(found).replace(target)

    def unseal(self) -> None:
        """Create the repository if there is none. Nothing is removed: one commit changes all files."""
        if self._exists:
            return
        with self._answers():
            self._api.create_repo(
                self._name, repo_type=KIND, private=self._visibility == "private", exist_ok=True
            )

    def remove(self, names: Sequence[str]) -> None:
        """Note files that the commit removes."""
        from huggingface_hub import CommitOperationDelete

        self._operations += [CommitOperationDelete(name) for name in names if name in self._there]

    def put(self, file: LocalFile) -> None:
        """Upload a large file now; the server skips what it has. A small file travels with the commit."""
        from huggingface_hub import CommitOperationAdd

        with self._answers():
            addition = CommitOperationAdd(file.name, str(file.path))
            self._api.preupload_lfs_files(
                self._name, [addition], repo_type=KIND, num_threads=1, free_memory=False
            )
            self._operations.append(addition)

    def finish(self, message: str) -> None:
        """Commit what was uploaded and removed."""
        if not self._operations:
            return
        with self._answers():
            self._api.create_commit(
                self._name, self._operations, commit_message=message, repo_type=KIND, num_threads=1
            )
        self._operations = []

    def forget(self) -> None:
        """Replace the history by one commit, and delete the large files that only the earlier ones had."""
        with self._answers():
            self._api.super_squash_history(self._name, repo_type=KIND)
            self.listing()
            needed = {one.lfs.sha256 for one in self._there.values() if one.lfs is not None}
            left = [
                one for one in self._api.list_lfs_files(self._name, repo_type=KIND) if one.oid not in needed
            ]
            self._api.permanently_delete_lfs_files(self._name, left, repo_type=KIND, rewrite_history=True)
        self._there = {}

    def wrong(self, file: LocalFile) -> str | None:
        """Compare with the digest that the Hub computed itself."""
        if not self._there:
            self.listing()
        if file.name not in self._there:
            return "is not there"
        if not self.is_same(file):
            return "has other bytes than it should"
        if self._reads_again:
            with tempfile.TemporaryDirectory(prefix="iconoclip-") as folder:
                if sha256_of(self.read(file.name, Path(folder) / "file")) != file.sha256:
                    return "has other bytes than it should"
        return None

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except IconoclipError:
            raise
        except Exception as error:
            raise _refusal_of(error, self.where) from error


def _refusal_of(error: BaseException, where: str) -> BaseException:
    """The error of this program for one of the library, which wraps those of an upload."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalTokenNotFoundError):
        return _no_credentials(where)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return MissingRequirement(
            "HF_HUB_OFFLINE is set, so nothing is sent", where=where, remedy="unset HF_HUB_OFFLINE"
        )
    if isinstance(error, errors.HFValidationError):
        return MissingRequirement(
            f"no name of a repository: {error}", where=where, remedy="hf://datasets/OWNER/NAME"
        )
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        return refusal(error.response.status_code, error.server_message or str(error), where)
    if error.__cause__ is not None and isinstance(error, RuntimeError):
        return _refusal_of(error.__cause__, where)
    if isinstance(error, OSError) or type(error).__module__.startswith(("httpx", "httpcore", "hf_xet")):
        return TryAgainLater(
            f"cannot be reached now: {' '.join(str(error).split())[:300] or type(error).__name__}",
            where=where,
            remedy="run the same command again; what is uploaded already is not uploaded again",
        )
    return error


def _no_credentials(where: str) -> MissingRequirement:
    return MissingRequirement(
        "no credentials for the Hub", where=where, remedy="`hf auth login`, or set HF_TOKEN"
    )


def _api() -> Any:
    from huggingface_hub import HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    return HfApi(library_name="iconoclip")


def _has_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def _git_digest(path: Path) -> str:
    """The name that git gives to a file's content: SHA-1 of a header and its bytes."""
    found = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    found.update(path.read_bytes())
    return found.hexdigest()
