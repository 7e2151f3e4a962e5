"""Publication into a bucket of S3, of Amazon or of any server that speaks its protocol.

Credentials and the server's address are where the tools of S3 have them: AWS_ACCESS_KEY_ID, ~/.aws,
AWS_ENDPOINT_URL_S3. Every object is uploaded with its SHA-256, which the server compares; it is also stored
with the object for servers that keep no checksums.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from data_prep.publish.targets.base import LocalFile, refusal
from iconoclip.errors import MissingRequirement, TryAgainLater
from iconoclip.shardset import MANIFEST_NAME

_OURS: Final = "sha256"


class S3Target:
    """A folder in a bucket.

    Args:
        bucket: its name; it must exist.
        folder: the start of the names of all objects, without a slash at its end; may be empty.
        reads_again: compare by downloading, whatever checksum the server states.
    """

    def __init__(self, bucket: str, folder: str, *, reads_again: bool = False) -> None:
        self.where = f"s3://{bucket}/{folder}".rstrip("/")
        self._bucket, self._prefix = bucket, f"{folder}/" if folder else ""
        self._reads_again = reads_again
        self._client = _client()
        self._changed: list[str] = []

    def listing(self) -> dict[str, int]:
        """The objects below the folder."""
        with self._answers():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            return {
                one["Key"].removeprefix(self._prefix): one["Size"]
                for page in pages
                for one in page.get("Contents", ())
            }

    def is_same(self, file: LocalFile) -> bool:
        """Whether the object has the same size and SHA-256, as the server states it."""
        return self._difference(file, reads=False) is None

    def read(self, name: str, target: Path) -> Path:
        """Download an object into a file."""
        with self._answers():
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
            with target.open("wb") as file:
                for part in body.iter_chunks(1 << 20):
                    file.write(part)
        return target

    def unseal(self) -> None:
        """Remove the manifest: from now on nobody takes the folder for a whole set."""
        self.remove([MANIFEST_NAME])

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects from the bucket."""
        self._changed += names
        with self._answers():
            for name in names:
                self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def put(self, file: LocalFile) -> None:
        """Upload an object; the server refuses bytes that do not fit the checksum."""
        self._changed.append(file.name)
        with self._answers(), file.path.open("rb") as body:
            self._client.put_object(
                Bucket=self._bucket, Key=self._prefix + file.name, Body=body, ContentLength=file.size,
                ChecksumSHA256=_base64(file.sha256), Metadata={_OURS: file.sha256},
            )  # fmt: skip

    def finish(self, message: str) -> None:
        """Nothing: every object is in its place."""

    def forget(self) -> None:
        """Remove earlier versions of what changed, in a bucket with versioning.

        Raises:
            BadInput: the account may not; the earlier versions are still there.
        """
        changed = set(self._changed)
        with self._answers():
            if not self._client.get_bucket_versioning(Bucket=self._bucket).get("Status"):
                return
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for page in pages:
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if not one["IsLatest"] and one["Key"].removeprefix(self._prefix) in changed:
                        self._client.delete_object(
                            Bucket=self._bucket, Key=one["Key"], VersionId=one["VersionId"]
                        )

    def wrong(self, file: LocalFile) -> str | None:
        """Compare with the server's checksum; where it has none, the object is read."""
        return self._difference(file, reads=True)

    def _difference(self, file: LocalFile, *, reads: bool) -> str | None:
        with self._answers():
            try:
                head = self._client.head_object(
                    Bucket=self._bucket, Key=self._prefix + file.name, ChecksumMode="ENABLED"
                )
            except self._client.exceptions.ClientError as error:
                if _status(error) == 404:
                    return "is not there"
                raise
            if head["ContentLength"] != file.size:
                return "has another size than it should"
            stated = head.get("ChecksumSHA256")
            if stated and not (reads and self._reads_again):
                return None if stated == _base64(file.sha256) else "has other bytes than it should"
            if not reads:
                return None if head["Metadata"].get(_OURS) == file.sha256 else "may have other bytes"
            return None if self._sha256_of(file.name) == file.sha256 else "has other bytes than it should"

    def _sha256_of(self, name: str) -> str:
        body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
        found = hashlib.sha256()
        for part in body.iter_chunks(1 << 20):
            found.update(part)
        return found.hexdigest()

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        from botocore import exceptions

        try:
            yield
        except exceptions.ClientError as error:
            said = error.response.get("Error", {})
            raise refusal(
                _status(error), f"{said.get('Code', '')} {said.get('Message', '')}", self.where
            ) from error
        except (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.TokenRetrievalError,
        ):
            raise MissingRequirement(
                "no credentials for S3",
                where=self.where,
                remedy="`aws configure`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ) from None
        except (exceptions.BotoCoreError, OSError) as error:
            raise TryAgainLater(
                f"cannot be reached now: {' '.join(str(error).split())[:300]}",
                where=self.where,
                remedy="run the same command again; what is uploaded already is not uploaded again",
            ) from error


def _client() -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise MissingRequirement(
            f"the package '{error.name}' is not installed",
            where="s3://",
            remedy="pip install 'iconoclip[s3]', in this environment",
        ) from error
    settings = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=15, read_timeout=60)
    try:
        return boto3.session.Session().client("s3", config=settings)
    except Exception as error:
        raise MissingRequirement(
            f"the settings of S3 cannot be used: {' '.join(str(error).split())}",
            where="s3://",
            remedy="check AWS_ENDPOINT_URL_S3, AWS_PROFILE and AWS_DEFAULT_REGION",
        ) from error


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
