"""Publication into a folder, for example of a web server or on a network drive."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_prep.publish.targets.base import LocalFile
from iconoclip.disk_full import is_disk_full
from iconoclip.errors import BadInput, TryAgainLater
from iconoclip.files import atomic_write, sha256_of
from iconoclip.shardset import MANIFEST_NAME


class FolderTarget:
    """A folder; it is created if it does not exist."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def listing(self) -> dict[str, int]:
        """The files in the folder and below it; names that begin with a dot are left alone."""
        with self._answers():
            return {
                path.relative_to(self._folder).as_posix(): path.stat().st_size
                for path in sorted(self._folder.rglob("*"))
                if path.is_file()
                and not any(part.startswith(".") for part in path.relative_to(self._folder).parts)
            }

    def is_same(self, file: LocalFile) -> bool:
        """Whether the file there has the same size and bytes; it is read."""
        return self.wrong(file) is None

    def read(self, name: str, target: Path) -> Path:
        """Copy a file from there."""
        with self._answers():
            return Path(shutil.copyfile(self._folder / name, target))

    def unseal(self) -> None:
        """Remove the manifest: from now on nobody takes the folder for a whole set."""
        self.remove([MANIFEST_NAME])

    def remove(self, names: Sequence[str]) -> None:
        """Remove files, and folders that are empty then."""
        with self._answers():
            for name in names:
                path = self._folder / name
                path.unlink(missing_ok=True)
                if path.parent != self._folder:
                    with contextlib.suppress(OSError):
                        path.parent.rmdir()

    def put(self, file: LocalFile) -> None:
        """Copy a file; it appears whole or not at all."""
        with self._answers(), file.path.open("rb") as source, atomic_write(self._folder / file.name) as copy:
            shutil.copyfileobj(source, copy, 1 << 20)

    def finish(self, message: str) -> None:
        """Nothing: every file is in its place."""

    def forget(self) -> None:
        """Nothing: a folder keeps no earlier versions that this program could know of."""

    def wrong(self, file: LocalFile) -> str | None:
        """Compare size and SHA-256 of the file there; it is read again."""
        path = self._folder / file.name
        with self._answers():
            if not path.is_file():
                return "is not there"
            if path.stat().st_size != file.size or sha256_of(path) != file.sha256:
                return "has other bytes than it should"
        return None

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if is_disk_full(error):
                raise TryAgainLater(
                    "the disk is full",
                    where=self.where,
                    remedy="free some space and run the same command again",
                ) from error
            if isinstance(error, PermissionError | NotADirectoryError) or error.errno == errno.EROFS:
                raise BadInput(
                    f"cannot be written: {error.strerror}",
                    where=self.where,
                    remedy="check path and permissions",
                ) from error
            raise TryAgainLater(
                f"cannot be reached now: {error.strerror}",
                where=self.where,
                remedy="run the same command again",
            ) from error
