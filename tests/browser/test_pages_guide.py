"""Every command of the guide to searchable pictures (docs/pages.md) in its order, and the guide's pictures.

To make the pictures again, from as many pages as the guide has:

    ICONOCLIP_DRAW_GUIDE=true pytest --long tests/browser/test_pages_guide.py
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from iconoclip.files import atomic_write
from iconoclip.shardset import ShardSet
from tests.conftest import ROOT
from tests.retrieval.conftest import write_model

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(900)]

GUIDE = ROOT / "docs" / "pages.md"
IMAGES = ROOT / "docs" / "images"
IS_DRAWN = os.environ.get("ICONOCLIP_DRAW_GUIDE") == "true"
SIZE = (1280, 800)
# What a test need not wait for: fewer pages, and hardly any training.
LESS = {"--num-volumes 2": "--num-volumes 2 --num-pages 10", "--pages 2000": "--pages 72"}


def commands(port: int, model: Path) -> list[str]:
    """The commands of the guide, for a server on `port`, with a small model."""
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith("apt-get")]
    text = "\n".join(lines).replace(":8604", f":{port}").replace("encode MODEL", f"encode {model}")
    for full, less in LESS.items():
        assert full in text
        text = text if IS_DRAWN and "pages 2000" not in full else text.replace(full, less)
    return text.splitlines()


def run(line: str, folder: Path) -> str:
    """What a command prints; it must end well."""
    words = shlex.split(line)
    if words[0] == "iconoclip":
        words = [sys.executable, "-m", *words]
    if "--train" in words:
        words += ["--num_samples", "4"]
    if "benchmarks/page_pictures.py" in words:
        words = [word.replace("benchmarks", str(ROOT / "benchmarks")) for word in words] + ["--every", "6"]
        if shutil.which("tesseract") is None:
            words = [word for word in words if word != "tesseract"]
    words[0] = sys.executable if words[0] == "python" else words[0]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    # After so little training, the model may find nothing, and says so.
    may_be_empty = "mine.onnx" in line and "--model" in line and "no picture was found" in done.stderr
    assert done.returncode == 0 or may_be_empty, (line, done.stderr[-2_000:])
    return done.stdout + done.stderr


def environment() -> dict[str, str]:
    """The variables of this process, with the checkout to import from."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def serving(line: str, port: int, folder: Path) -> Iterator[None]:
    """A server of the guide, until the block ends."""
    words = [
        sys.executable,
        *(("-m",) if line.startswith("iconoclip") else ()),
        *shlex.split(line)[line.startswith("python") :],
    ]
    with subprocess.Popen([*words, "--port", str(port)], cwd=folder, env=environment()) as process:
        try:
            for _ in range(600):
                with socket.socket() as attempt:
                    if attempt.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


def free_port() -> int:
    """A port that no program listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_every_command_of_the_guide(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    server, *others = commands(port, write_model(tmp_path / "model"))
    (serve,) = [line for line in others if line.startswith("iconoclip serve")]
    with serving(server, port, tmp_path):
        for line in others:
            if "--corrections" in line:
                correct(browser, tmp_path)
            if line != serve:
                run(line, tmp_path)
                continue
            with serving(serve, search := free_port(), tmp_path):
                look(browser, f"http://127.0.0.1:{search}", tmp_path)
    assert len(ShardSet(tmp_path / "plates")) > 0
    assert json.loads((tmp_path / "large" / "segment.json").read_text())["service"]["num_cut"] > 0
    rows = pq.read_table(tmp_path / "pictures" / "pages.parquet").to_pylist()
    assert [row["kind"] for row in rows if row["origin"] == "correction"] == ["music"]
    assert list((tmp_path / "failures").glob("none-*.png"))


def correct(browser: Browser, folder: Path) -> None:
    """Correct a page on the review sheet, as the guide says."""
    page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
    page.goto((folder / "pictures" / "report.html").as_uri())
    first = page.locator(".sheet > li:has(.caption)").nth(0)
    first.locator("select").nth(0).select_option("music")
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(folder / "corrections.jsonl")
    first.scroll_into_view_if_needed()
    first.locator(".box select").nth(0).focus()
    keep(page, "review-sheet")
    page.close()


def look(browser: Browser, address: str, folder: Path) -> None:
    """Find a picture by its printed caption, and look where it is on its page."""
    records = ShardSet(folder / "pictures").records()
    wanted = next(record for record in records if record.captions[0].level == "region")
    words = urllib.request.quote(wanted.captions[0].text)
    with urllib.request.urlopen(f"{address}/api/search?q={words}&pictures_only=true&k=3") as answer:
        first = json.load(answer)["hits"][0]
    assert first["key"] == wanted.key
    assert first["in_page"]["width"] > 0
    page = browser.new_page(viewport={"width": SIZE[0], "height": 860}, color_scheme="light", locale="en-GB")
    page.goto(f"{address}/item/{wanted.key}")
    page.wait_for_load_state("networkidle")
    keep(page, "picture-on-its-page")
    page.close()


def keep(page: Page, name: str) -> None:
    """Write what a page shows as a picture of the guide, if asked to."""
    shot = page.screenshot()
    assert (IMAGES / f"{name}.jpg").is_file() or IS_DRAWN
    if IS_DRAWN:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(shot)).convert("RGB").save(buffer, "JPEG", quality=76, optimize=True)
        with atomic_write(IMAGES / f"{name}.jpg") as file:
            file.write(buffer.getvalue())
