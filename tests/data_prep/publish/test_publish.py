"""`iconoclip publish`: what is published, what is not, and the state after a withdrawal, an interruption and
a refusal.

The Hub is a stand-in that follows the requests of its client library (tests/hub.py); S3 is moto's server.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data_prep.publish.targets.folder import FolderTarget
from iconoclip.cli import main
from iconoclip.errors import MissingRequirement
from iconoclip.shardset import ShardSet
from iconoclip.shardset_open import open_set
from tests.data_prep.publish.conftest import key, picture
from tests.hub import Hub, serving_the_client

NAME = "owner/gallery"
# Samples that anybody may pass on: of 12, one is in copyright and one non-commercial.
NUM_OPEN = 10


@pytest.fixture
def gallery(make_set: Callable[..., ShardSet]) -> Path:
    """The set to publish, with what a harvest leaves next to it."""
    folder = make_set().folder
    (folder / ".harvest").mkdir()
    (folder / ".harvest" / "ledger.sqlite").write_bytes(b"private")
    (folder / "report.json").write_text("{}")
    (folder / "refused.jsonl").write_text('{"source": "the director\'s letters"}')
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on loopback for the client library, with a token."""
    with serving_the_client(monkeypatch) as hub:
        yield hub


def publish(gallery: Path, to: object, *words: str) -> int:
    """Run `iconoclip publish` on the set."""
    return main(["publish", str(gallery), "--to", str(to), *words])


def withdraw(gallery: Path, number: int) -> None:
    """`iconoclip takedown` of a sample, for a private reason."""
    words = ["--reason", "a family asked for it"]
    assert main(["takedown", str(gallery), key(number), *words]) == 0


def keys_of(folder: Path) -> set[str]:
    """The keys of all records that a published set returns."""
    return {record.key for record, _ in ShardSet(folder).samples()}


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of a published folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_gets_a_sound_set_of_what_may_be_passed_on(gallery: Path, tmp_path: Path) -> None:
    assert publish(gallery, tmp_path / "www") == 0
    assert main(["check", str(tmp_path / "www")]) == 0
    published = files_of(tmp_path / "www")
    assert keys_of(tmp_path / "www") == {key(n) for n in range(10) if n not in (4, 5)} | {
        key(10, "maison"), key(11, "maison"),
    }  # fmt: skip
    # Nothing private, and no bytes of what may not be passed on, in any file of any name.
    assert not any(name.startswith(".") or "report" in name or "refused" in name for name in published)
    assert not any(picture(number) in data for number in (4, 5) for data in published.values())
    # `--pass_on` widens it as far as it says.
    assert publish(gallery, tmp_path / "nc", "--pass_on", "noncommercial") == 0
    assert len(keys_of(tmp_path / "nc")) == NUM_OPEN + 1
    assert publish(gallery, tmp_path / "all", "--pass_on", "agreed") == 0
    assert len(keys_of(tmp_path / "all")) == NUM_OPEN + 2


def test_a_withdrawal_is_carried_out_by_the_next_run(gallery: Path, tmp_path: Path) -> None:
    www = tmp_path / "www"
    assert publish(gallery, www) == 0
    (www / "index.html").write_text("of the web server, not ours")
    withdraw(gallery, 3)
    assert publish(gallery, www) == 0
    assert main(["check", str(www)]) == 0
    assert key(3) not in keys_of(www)
    published = files_of(www)
    assert "index.html" in published
    assert not any(picture(3) in data or b"a family asked" in data for data in published.values())
    # Copies of the published set learn of it.
    assert key(3) in ShardSet(www).withdrawn


def test_a_dry_run_changes_nothing_and_a_second_run_uploads_nothing(
    gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    www = tmp_path / "www"
    assert publish(gallery, www, "--dry_run") == 0
    assert not www.exists()
    said = capsys.readouterr().out
    assert "10 samples are published; left out: 0 withdrawn, 2 whose rights do not allow it" in said
    assert "upload" in said
    assert publish(gallery, www) == 0
    before = {path: path.stat().st_mtime_ns for path in www.rglob("*")}
    capsys.readouterr()
    assert publish(gallery, www) == 0
    assert "to upload: 0 files, 0 bytes" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in www.rglob("*")} == before
    assert not [path.name for path in gallery.iterdir() if "publish" in path.name]


def test_an_interrupted_run_leaves_no_set_until_the_next_one(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    www = tmp_path / "www"
    assert publish(gallery, www) == 0
    withdraw(gallery, 3)
    put = FolderTarget.put

    def cut(self: FolderTarget, file: Any) -> None:
        if file.name == "records.parquet":
            raise KeyboardInterrupt
        put(self, file)

    monkeypatch.setattr(FolderTarget, "put", cut)
    assert publish(gallery, www) == 75
    assert not (www / "shardset.json").exists()
    assert not any(picture(3) in data for data in files_of(www).values())
    monkeypatch.undo()
    capsys.readouterr()
    assert publish(gallery, www) == 0
    # What the first one had copied is not copied again.
    assert "to upload: 2 files" in capsys.readouterr().out
    assert main(["check", str(www)]) == 0


def test_another_set_is_not_overwritten(
    gallery: Path, make_set: Callable[..., ShardSet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_set("other").folder
    manifest = json.loads((other / "shardset.json").read_text())
    (other / "shardset.json").write_text(json.dumps(manifest | {"name": "anders"}))
    before = files_of(other)
    assert publish(gallery, other) == 2
    assert "another set is published there: anders" in capsys.readouterr().err
    assert files_of(other) == before


@pytest.mark.parametrize("to", ["ftp://host/x", "hf://onlyone", "s3://", "hf://datasets/a/b/c"])
def test_an_address_that_is_no_target_is_named(
    gallery: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(gallery, to) == 2
    assert "no place to publish at" in capsys.readouterr().err


def test_a_set_that_nobody_may_pass_on_is_not_published(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(10):
        if number != 4:
            withdraw(gallery, number)
    assert main(["takedown", str(gallery), key(10, "maison"), key(11, "maison"), "--reason", "all"]) == 0
    assert publish(gallery, tmp_path / "www") == 2
    assert "nothing of this set may be published" in capsys.readouterr().err
    assert not (tmp_path / "www").exists()


def test_where_everything_is_withdrawn_later_nothing_is_left_there(
    gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    www = tmp_path / "www"
    assert publish(gallery, www) == 0
    everything = [key(number) for number in range(10)] + [key(number, "maison") for number in (10, 11)]
    assert main(["takedown", str(gallery), *everything, "--reason", "the museum closes"]) == 0
    assert publish(gallery, tmp_path / "elsewhere") == 2
    assert "everything in it is withdrawn" in capsys.readouterr().err
    assert publish(gallery, www) == 0
    assert not list(www.rglob("*.tar"))
    assert not (www / "data").exists()
    assert list(ShardSet(www).samples()) == []
    assert set(everything[:10]) <= set(pq.read_table(www / "withdrawn.parquet")["key"].to_pylist())
    assert main(["check", str(www)]) == 0


def test_what_is_published_is_signed_by_its_own_key(gallery: Path, tmp_path: Path, new_key: Path) -> None:
    assert publish(gallery, tmp_path / "www", "--key", str(new_key)) == 0
    public = new_key.with_suffix(".pub").read_text().split()
    (tmp_path / "signers").write_text(f"us@museum.example {public[0]} {public[1]}\n")
    assert main(["check", str(tmp_path / "www"), "--signers", str(tmp_path / "signers")]) == 0
    # A document that somebody changes there is found.
    with (tmp_path / "www" / "README.md").open("a") as file:
        file.write("Write to thief@example.org\n")
    assert main(["check", str(tmp_path / "www")]) == 2


@pytest.fixture
def new_key(tmp_path: Path) -> Path:
    """A new OpenSSH key without a passphrase."""
    import subprocess

    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def test_the_hub_gets_one_commit_and_the_digests_are_its_own(gallery: Path, hub: Hub) -> None:
    assert publish(gallery, f"hf://datasets/{NAME}") == 0
    assert hub.private[NAME] is True
    assert len(hub.commits[NAME]) == 2  # that of the new repository, and ours
    names = set(hub.files(NAME))
    assert {"README.md", "croissant.json", "records.parquet", "shardset.json"} <= names
    assert {"data/train-00000.parquet", "data/val-00000.parquet", "data/test-00000.parquet"} <= names
    assert not any(picture(4) in data for data in hub.everything())
    # The same again sends nothing.
    uploads = len(hub.uploads)
    assert publish(gallery, f"hf://datasets/{NAME}") == 0
    assert (len(hub.commits[NAME]), len(hub.uploads)) == (2, uploads)


def test_after_a_withdrawal_no_revision_of_the_hub_has_the_picture(gallery: Path, hub: Hub) -> None:
    assert publish(gallery, f"hf://datasets/{NAME}") == 0
    assert any(picture(3) in data for data in hub.everything())
    withdraw(gallery, 3)
    # The run is interrupted after the commit: the next one still cleans up.
    hub.fail("super-squash", 503, "maintenance", count=1)
    assert publish(gallery, f"hf://datasets/{NAME}") == 75
    assert publish(gallery, f"hf://datasets/{NAME}") == 0
    assert not any(picture(3) in data or b"a family asked" in data for data in hub.everything())
    assert len(hub.commits[NAME]) == 1
    assert not (gallery / ".publish-unfinished").exists()


@pytest.mark.parametrize(
    ("part", "status", "message", "code", "words"),
    [
        ("api/repos/create", 403, "You don't have the rights to create a dataset", 2, "refuses it (403)"),
        ("/commit/", 403, "Storage limit exceeded for this account", 75, "storage there is full"),
        ("/commit/", 502, "Bad Gateway", 75, "cannot be reached now"),
        ("/lfs/", 0, "", 75, "cannot be reached now"),
        ("/tree/", 401, "Invalid token", 4, "does not know who you are"),
    ],
)
def test_answers_of_the_hub_become_messages(
    gallery: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    part: str, status: int, message: str, code: int, words: str,
) -> None:  # fmt: skip
    # The library tries again, with pauses of seconds.
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    hub.fail(part, status, message)
    assert publish(gallery, f"hf://datasets/{NAME}", "--embed", "no") == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_without_a_token_nothing_is_sent(
    gallery: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    assert publish(gallery, f"hf://{NAME}") == 4
    assert "no credentials for the Hub" in capsys.readouterr().err


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server of S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """A bucket of its own for each test."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "museum")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = boto3.resource("s3").Bucket(f"b{abs(hash(request.node.name))}")
    bucket.create()
    return bucket


def test_s3_gets_the_set_and_loses_what_was_withdrawn(
    gallery: Path, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.Versioning().enable()
    assert publish(gallery, f"s3://{bucket.name}/sets/gallery", "--compare", "read") == 0
    withdraw(gallery, 3)
    assert publish(gallery, f"s3://{bucket.name}/sets/gallery") == 0
    bodies = {one.object_key: one.get()["Body"].read() for one in bucket.object_versions.all()}
    assert not any(picture(number) in body for number in (3, 4) for body in bodies.values())
    for name, body in bodies.items():
        path = tmp_path / "copy" / name.removeprefix("sets/gallery/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    assert main(["check", str(tmp_path / "copy")]) == 0
    assert len(keys_of(tmp_path / "copy")) == NUM_OPEN - 1
    monkeypatch.setenv("ICONOCLIP_CACHE", str(tmp_path / "cache"))
    there = open_set(f"s3://{bucket.name}/sets/gallery")
    assert {record.key for record, _ in there.samples()} == keys_of(tmp_path / "copy")
    with pytest.raises(MissingRequirement, match="no such file"):
        open_set(f"s3://{bucket.name}/sets/other")


@pytest.mark.long
def test_a_changed_object_is_found_and_replaced(
    gallery: Path, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(gallery, f"s3://{bucket.name}") == 0
    bucket.put_object(Key="README.md", Body=b"changed by somebody")
    capsys.readouterr()
    assert publish(gallery, f"s3://{bucket.name}") == 0
    assert "to upload: 1 files" in capsys.readouterr().out
    assert b"changed" not in bucket.Object("README.md").get()["Body"].read()


REFUSALS = {
    "AccessDenied": (403, 2, "check that your account may write there"),
    "QuotaExceeded": (403, 75, "the storage there is full"),
    "XMinioStorageFull": (507, 75, "the storage there is full"),
    "SlowDown": (503, 75, "cannot be reached now"),
}


def test_refusals_of_s3_become_messages(
    gallery: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server refuses what is uploaded; the name of the bucket is the code that it gives."""

    class Refusing(BaseHTTPRequestHandler):
        def answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body.encode())

        def do_GET(self) -> None:
            self.answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

        def do_HEAD(self) -> None:
            self.answer(404, "")

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            code = self.path.split("/")[1]
            self.answer(REFUSALS[code][0], f"<Error><Code>{code}</Code><Message>no</Message></Error>")

        def do_DELETE(self) -> None:
            self.answer(204, "")

        def log_message(self, *_: object) -> None:
            """Keep the output of the test short."""

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "museum")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        for code, (_, exit_code, words) in REFUSALS.items():
            assert publish(gallery, f"s3://{code}/x") == exit_code
            assert words in capsys.readouterr().err
        server.shutdown()


def test_answers_of_s3_become_messages(
    gallery: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(gallery, "s3://not-there/x") == 4
    assert "there is no such place" in capsys.readouterr().err
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    assert publish(gallery, f"s3://{bucket.name}/x") == 75
    assert "cannot be reached now" in capsys.readouterr().err
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    assert publish(gallery, f"s3://{bucket.name}/x") == 4
    assert "no credentials for S3" in capsys.readouterr().err
