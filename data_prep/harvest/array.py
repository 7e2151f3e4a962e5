"""A harvest that is divided among the tasks of a job array.

Every task reads the documents that lead to others (collections, pages of lists). Each such document is
requested once and stored for the other tasks on the shared file system. Manifests and items are divided: the
hash of a Manifest's address decides its task, and for an item in a list the hash of its group. So no task
waits for another, and any task can be run again.

Each task has its own ledger and spool. The task that finishes last joins the ledgers and packs. The set is
identical to that of one task, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from data_prep.ledger.database import LEDGER_NAME, SCHEMA_VERSION
from data_prep.ledger.joining import join_ledgers, meta_of
from data_prep.network.fetch import Fetched
from iconoclip.errors import ConfigError
from iconoclip.files import atomic_write

SHARED_FOLDER: Final = "shared"
PACE_FOLDER: Final = "pace"


class Share:
    """The share of one task of an array.

    Args:
        task: the number of the task, from 0.
        num_tasks: the number of tasks.
        folder: the `.harvest` folder of the whole array.
    """

    def __init__(self, task: int, num_tasks: int, folder: Path) -> None:
        self.task, self.num_tasks, self.folder = task, num_tasks, folder

    def owns(self, identity: str) -> bool:
        """Whether the document or item with this identifier belongs to this task."""
        digits = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return int(digits, 16) % self.num_tasks == self.task

    def recall(self, uri: str, kind: str, round_number: int) -> Fetched | None:
        """A document that some task has already requested."""
        try:
            head, _, body = self._path(uri, kind, round_number).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        known = json.loads(head)
        return Fetched(body=body, **{**known, "opt_out": tuple(known["opt_out"])})

    def keep(self, uri: str, kind: str, round_number: int, fetched: Fetched) -> None:
        """Store a document for the other tasks."""
        head = {
            "uri": fetched.uri, "media_type": fetched.media_type, "etag": fetched.etag,
            "last_modified": fetched.last_modified, "opt_out": fetched.opt_out,
            "not_modified": fetched.not_modified,
        }  # fmt: skip
        with atomic_write(self._path(uri, kind, round_number)) as file:
            file.write(json.dumps(head).encode() + b"\n" + fetched.body)

    def _path(self, uri: str, kind: str, round_number: int) -> Path:
        name = hashlib.sha256(f"{kind} {uri}".encode()).hexdigest()
        return self.folder / SHARED_FOLDER / f"round-{round_number}" / name


def task_folder(folder: Path, task: int, num_tasks: int) -> Path:
    """The folder of a task's ledger.

    Raises:
        ConfigError: the folder contains a harvest with another number of tasks.
    """
    wanted = f"-of-{num_tasks:05d}"
    others = [path for path in folder.glob("task-*-of-*") if not path.name.endswith(wanted)]
    alone = (folder / LEDGER_NAME).exists() and not list(folder.glob("task-*-of-*"))
    if others or (alone and num_tasks > 1):
        raise ConfigError(
            "this folder holds a harvest of another number of tasks", where=folder.parent,
            remedy="give the same --num_tasks to resume, or choose another --out",
        )  # fmt: skip
    return folder if num_tasks == 1 else folder / f"task-{task:05d}{wanted}"


def waiting_for(folder: Path, num_tasks: int) -> list[int]:
    """The tasks that have not finished their share, in the newest round that a task has begun."""
    metas = [meta_of(task_folder(folder, task, num_tasks) / LEDGER_NAME) for task in range(num_tasks)]
    newest = max(int(meta.get("round") or 0) for meta in metas)
    return [
        task
        for task, meta in enumerate(metas)
        if "fetched" not in meta
        or int(meta.get("round") or 0) < newest
        or meta.get("schema_version") != SCHEMA_VERSION
    ]


def join(folder: Path, num_tasks: int) -> None:
    """Join the tasks' ledgers into `.harvest/ledger.sqlite`, unless this has already been done."""
    paths = [task_folder(folder, task, num_tasks) / LEDGER_NAME for task in range(num_tasks)]
    join_ledgers(folder / LEDGER_NAME, paths)
