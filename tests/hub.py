"""A stand-in for the Hugging Face Hub on loopback: the requests that its client library makes to publish a
dataset or a model (huggingface.co/docs/hub/api and the Git LFS batch API).

Commits are kept with their files, large files by their SHA-256, so tests can see what a reader of any
revision would still get. `fail` makes the next requests for a path fail as told.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_for_tests"
LARGE = (".tar", ".parquet", ".safetensors")
File = tuple[str, bytes]  # "regular" and its bytes, or "lfs" and the hexadecimal SHA-256 of its bytes


class Hub:
    """Repositories by name, each a list of commits: files by path."""

    def __init__(self) -> None:
        self.commits: dict[str, list[dict[str, File]]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.uploads: list[str] = []
        self.failures: dict[str, tuple[int, str, int]] = {}
        self.origin = ""

    def fail(self, part: str, status: int, message: str, count: int = 1000) -> None:
        """Answer `count` requests whose path contains `part` with an error; status 0 cuts the connection."""
        self.failures[part] = (status, message, count)

    def files(self, name: str) -> dict[str, bytes]:
        """What the newest revision holds."""
        return {path: self.content(file) for path, file in self.commits[name][-1].items()}

    def content(self, file: File) -> bytes:
        """The bytes of a file of either kind."""
        return file[1] if file[0] == "regular" else self.objects[file[1].decode()]

    def everything(self) -> Iterator[bytes]:
        """All bytes that somebody could still download, of any revision."""
        yield from self.objects.values()
        for commits in self.commits.values():
            for files in commits:
                yield from (file[1] for file in files.values() if file[0] == "regular")


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a port of its own while the block runs."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.origin = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving_the_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that the client library of this process talks to, with a token that it accepts."""
    from huggingface_hub import constants

    with serving() as hub:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.origin)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", hub.origin)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        # Xet, the hub's own transfer protocol, is left out: the stand-in knows Git LFS.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_ENDPOINT", hub.origin)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep the output of tests free of requests."""

    def _answer(self, status: int, value: object = None, headers: dict[str, str] | None = None) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _handle(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        for part, (status, message, count) in self.hub.failures.items():
            if part in path and count:
                self.hub.failures[part] = (status, message, count - 1)
                if status == 0:
                    self.close_connection = True
                    return
                self._answer(status, {"error": message}, {"X-Error-Message": message})
                return
        if path.startswith("/lfs/"):
            self._store(path, body)
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid username or password."})
        else:
            self._route(path, body)

    do_GET = do_POST = do_PUT = do_HEAD = _handle

    def _store(self, path: str, body: bytes) -> None:
        oid = path.rpartition("/")[2]
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.objects[oid] = body
        self.hub.uploads.append(oid)
        self._answer(200, {})

    def _route(self, path: str, body: bytes) -> None:
        words = path.strip("/").split("/")
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        elif words[0] == "api" and words[1] in ("datasets", "models"):
            name, action = "/".join(words[2:4]), words[4] if len(words) > 4 else ""
            if name not in self.hub.commits:
                self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            else:
                getattr(self, "_" + (action or "info").replace("-", "_"))(name, body)
        elif words[0] == "datasets":
            self._resolve("/".join(words[1:3]), "/".join(words[5:]))
        else:
            self._answer(404, {"error": f"not a path of the stand-in: {path}"})

    def _create(self, wanted: dict[str, object]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        address = (
            f"{self.hub.origin}/datasets/{name}"
            if wanted.get("type") == "dataset"
            else (f"{self.hub.origin}/{name}")
        )
        if name in self.hub.commits:
            self._answer(409, {"error": "You already created this dataset repo", "url": address})
            return
        self.hub.commits[name] = [{".gitattributes": ("regular", b"*.tar filter=lfs\n")}]
        self.hub.private[name] = wanted.get("visibility") == "private" or wanted.get("private") is True
        self._answer(200, {"url": address, "name": name, "id": "1"})

    def _info(self, name: str, body: bytes) -> None:
        self._answer(200, {"id": name, "sha": self._sha(name), "siblings": [], "private": True, "tags": []})

    _revision = _info

    def _sha(self, name: str) -> str:
        commits = self.hub.commits[name]
        return hashlib.sha1(repr((len(commits), sorted(commits[-1]))).encode()).hexdigest()

    def _preupload(self, name: str, body: bytes) -> None:
        modes = [
            {"path": file["path"], "shouldIgnore": False, "oid": self._oid_of(name, file["path"]),
             "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular"}
            for file in json.loads(body)["files"]
        ]  # fmt: skip
        self._answer(200, {"files": modes, "commitOid": self._sha(name)})

    def _oid_of(self, name: str, path: str) -> str | None:
        file = self.hub.commits[name][-1].get(path)
        return None if file is None else _git_oid(file[1]) if file[0] == "regular" else file[1].decode()

    def _batch(self, wanted: dict[str, list[dict[str, object]]]) -> None:
        objects = []
        for one in wanted["objects"]:
            href = f"{self.hub.origin}/lfs/{one['oid']}"
            upload = {} if one["oid"] in self.hub.objects else {"actions": {"upload": {"href": href}}}
            objects.append({**one, **upload})
        self._answer(200, {"transfer": "basic", "objects": objects})

    def _commit(self, name: str, body: bytes) -> None:
        files = dict(self.hub.commits[name][-1])
        for line in body.decode().splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = ("regular", base64.b64decode(value["content"]))
            elif one["key"] == "lfsFile":
                assert value["oid"] in self.hub.objects
                files[value["path"]] = ("lfs", value["oid"].encode())
            elif one["key"] == "deletedFile":
                del files[value["path"]]
        self.hub.commits[name].append(files)
        sha = self._sha(name)
        address = self.path.partition("/api/")[2].partition("/commit/")[0].removeprefix("models/")
        self._answer(200, {"commitUrl": f"{self.hub.origin}/{address}/commit/{sha}", "commitOid": sha})

    def _tree(self, name: str, body: bytes) -> None:
        found = []
        for path, (kind, data) in sorted(self.hub.commits[name][-1].items()):
            size = len(self.hub.content((kind, data)))
            one: dict[str, object] = {"type": "file", "path": path, "size": size, "oid": _git_oid(data)}
            if kind == "lfs":
                one["lfs"] = {"oid": data.decode(), "size": size, "pointerSize": 130}
            found.append(one)
        assert parse_qs(urlsplit(self.path).query)["recursive"] == ["true"]
        self._answer(200, found)

    def _super_squash(self, name: str, body: bytes) -> None:
        self.hub.commits[name] = self.hub.commits[name][-1:]
        self._answer(200, {})

    def _lfs_files(self, name: str, body: bytes) -> None:
        if self.command == "POST":
            for sha in json.loads(body)["deletions"]["sha"]:
                del self.hub.objects[sha.removeprefix("file-")]
            self._answer(200, {})
            return
        self._answer(200, [
            {"fileOid": f"file-{oid}", "filename": "x", "oid": oid, "pushedAt": "2026-01-01T00:00:00.000Z",
             "ref": "main", "size": len(data)}
            for oid, data in self.hub.objects.items()
        ])  # fmt: skip

    def _resolve(self, name: str, path: str) -> None:
        file = self.hub.commits[name][-1].get(path)
        if file is None:
            self._answer(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            return
        data = self.hub.content(file)
        tag = f'"{_git_oid(file[1])}"'
        self._answer(200, data, {"ETag": tag, "X-Repo-Commit": self._sha(name)})


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
