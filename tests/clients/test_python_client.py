"""The light client as users install it: its wheel, in a fresh environment, with a real service."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.service.app import create_app
from retrieval.service.guards.limits import BodyLimit
from retrieval.service.serve import bind
from tests.conftest import ROOT
from tests.retrieval.service.armorial_index import build_index

SOURCE = ROOT / "clients" / "python"
SCRIPT = """
import sys
from iconoclip_client import Client, Refused, Unavailable
assert not {"torch", "numpy", "pydantic", "retrieval", "iconoclip"} & set(sys.modules)
library = Client(sys.argv[1])
slugs = ["armorial-valcendre", "armorial-wexcombe"]
hits = list(library.hits("lion", k=7, limit=10, reusable=True, institution=slugs))
assert [hit.rank for hit in hits] == list(range(1, 11)), hits
assert all(hit.rights.may_reuse for hit in hits)
key = library.search(reusable=True, k=1).hits[0].key
assert library.item(key).record.key == key
picture = library.image(key)
assert key in [hit.key for hit in library.search(image=picture, k=5).hits]
assert library.copies(key)[0].key == key
assert all(each.reason and each.hits for each in library.recommended(key))
total = library.facets().total
assert library.export("all.csv", scope="all") == total
assert library.export("some.xlsx", key=[key]) == 1
assert len(list(library.hits(fold=False))) == total
try:
    library.search(insitution="x")
except Refused as refused:
    assert (refused.status, refused.where) == (422, "insitution"), refused
    assert "institution" in refused.remedy
try:
    library.item("a-0000000000000000")
except Refused as refused:
    assert (refused.status, refused.code) == (404, "not_found")
try:
    Client("http://127.0.0.1:9").facets()
except Unavailable as unavailable:
    assert "cannot be reached" in str(unavailable)
print("done", total)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    index = build_index(tmp_path_factory.mktemp("armorial"), num_arms=24)
    with SearchEngine.open(index) as engine, bind("127.0.0.1", 0) as listener:
        engine.warm_up()
        app = create_app(engine, ServeConfig(index=str(index), rate_limit_per_minute=0, preload=False))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield "http://{}:{}".format(*listener.getsockname()[:2])
        server.should_exit = True
        thread.join(10)


@pytest.mark.long
def test_the_wheel_alone_is_enough(address: str, tmp_path: Path) -> None:
    # A copy, because setuptools writes next to its source.
    build = ["import shutil, sys; shutil.copytree(sys.argv[1], 'source'); import os; os.chdir('source')"]
    build += ["from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[2]))"]
    command = [sys.executable, "-c", "\n".join(build), str(SOURCE), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("iconoclip_client-*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        metadata = file.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert "iconoclip_client/py.typed" in names
    assert "Requires-Dist" not in metadata
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "-q",
    ]
    subprocess.run([*install, str(wheel)], check=True, timeout=60, env={**os.environ, "PIP_NO_INDEX": "1"})
    ran = subprocess.run(
        [str(python), "-I", "-c", SCRIPT, address], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("done ")


def client_module() -> Any:
    spec = importlib.util.spec_from_file_location(
        "iconoclip_client_source", SOURCE / "src" / "iconoclip_client" / "__init__.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Odd(BaseHTTPRequestHandler):
    """A service of a later version, a busy one, and a server of another kind."""

    def do_GET(self) -> None:
        grown = {"total": 1, "brand_new": {"deep": [1]}, "hits": []}
        answers = {
            "/later": (200, json.dumps(grown)),
            "/busy": (503, json.dumps({"error": {"code": "not_ready", "what": "busy"}})),
            "/page": (200, "<html>"),
        }
        status, text = answers["/" + self.path.split("/")[1]]
        self.send_response(status)
        self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Requests are not logged, to keep the output of the tests readable."""


@pytest.mark.parametrize(("num_bytes", "is_told"), [(5_000_000, True), (50_000_000, False)])
def test_a_picture_that_is_too_large_is_refused_in_words(num_bytes: int, is_told: bool) -> None:
    """urllib, like most clients, reads the response when it has sent everything: so a body that is not far
    too long is received before it is refused.
    """

    async def never(*_: object) -> None:
        raise AssertionError("the request must not arrive")

    module = client_module()
    app = BodyLimit(never, max_bytes=1_000_000)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        library = module.Client("http://{}:{}".format(*listener.getsockname()[:2]))
        with pytest.raises(module.Refused if is_told else module.Unavailable) as refused:
            library.search(image=b"x" * num_bytes)
        server.should_exit = True
        thread.join(10)
    assert not is_told or (refused.value.status, refused.value.code) == (413, "too_large")


def test_answers_of_later_versions_are_read_and_errors_are_typed() -> None:
    module = client_module()
    with HTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        assert module.Client(f"{base}/later").search("x").brand_new.deep == [1]
        with pytest.raises(module.Unavailable) as busy:
            module.Client(f"{base}/busy").search("x")
        assert busy.value.retry_after == 7
        with pytest.raises(module.Unavailable, match="not the answer of an iconoclip service"):
            module.Client(f"{base}/page").search("x")
        server.shutdown()
    with pytest.raises(ValueError, match="not a web address"):
        module.Client("file:///etc/passwd")
