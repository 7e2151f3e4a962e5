"""WebDataset tars of other programs: what webdataset itself and img2dataset write becomes a shard set, or is
refused with a reason."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import webdataset

from iconoclip.cli import main
from iconoclip.shardset import ShardSet

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
BY = "http://creativecommons.org/licenses/by/4.0/"


def picture(number: int, kind: str = "JPEG") -> bytes:
    """A small picture; each number gives another one."""
    image = PIL.Image.radial_gradient("L").resize((64, 48)).rotate(number * 7).convert("RGB")
    image.paste((number * 37 % 256, number * 91 % 256, 90), (number % 30, 5, number % 30 + 20, 30))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def write_plain(path: Path, numbers: range, **more: Any) -> Path:
    """A tar as webdataset's own writer makes it: image and text."""
    with webdataset.TarWriter(str(path)) as writer:
        for number in numbers:
            writer.write(
                {"__key__": f"item{number:04d}", "jpg": picture(number), "txt": f"Picture {number}", **more}
            )
    return path


def write_img2dataset(path: Path, numbers: range) -> Path:
    """A tar in img2dataset's layout: image, text, and JSON with caption, url and key."""
    with webdataset.TarWriter(str(path)) as writer:
        for number in numbers:
            facts = {
                "caption": f"A harbour with {number} ships", "url": f"https://a.example/{number}.jpg",
                "key": f"{number:09d}", "status": "success", "error_message": None,
                "width": 64, "height": 48, "original_width": 640, "original_height": 480, "exif": "{}",
            }  # fmt: skip
            writer.write(
                {"__key__": f"{number:09d}", "jpg": picture(number), "txt": facts["caption"], "json": facts}
            )
    return path


def pack(out: Path | None, *words: str) -> int:
    """`iconoclip pack` for an institution of the user's own."""
    folder = [] if out is None else ["--out", str(out)]
    return main(["pack", *words, *folder, "--institution", "kb", "--num_workers", "1"])


def records(out: Path) -> list[Any]:
    """The records of a set, in its order."""
    return [record for record, _ in ShardSet(out).samples()]


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three retries, without the pauses between them."""
    monkeypatch.setattr("iconoclip.transfer.PAUSES_SECONDS", (0.0, 0.0, 0.0))


def test_a_plain_tar_becomes_a_shard_set(tmp_path: Path) -> None:
    tar = write_plain(tmp_path / "plain.tar", range(3))
    assert pack(tmp_path / "out", str(tar), "--rights", CC0) == 0
    found = records(tmp_path / "out")
    assert [record.source.id for record in found] == ["item0000", "item0001", "item0002"]


def test_a_tar_of_img2dataset_keeps_its_captions_addresses_and_sizes(tmp_path: Path) -> None:
    write_img2dataset(tmp_path / "00000.tar", range(2))
    write_img2dataset(tmp_path / "00001.tar", range(2, 4))
    (tmp_path / "00000_stats.json").write_text("{}")
    # A folder, as img2dataset leaves it.
    assert pack(tmp_path / "out", str(tmp_path), "--rights", BY) == 0
    found = records(tmp_path / "out")
    assert [record.source.id for record in found] == [f"{number:09d}" for number in range(4)]
    assert [record.source.image for record in found] == [f"https://a.example/{n}.jpg" for n in range(4)]
    assert [[caption.text for caption in record.captions] for record in found] == [
        [f"A harbour with {number} ships"] for number in range(4)
    ]
    assert {record.rights.uri for record in found} == {BY}


@pytest.mark.parametrize(
    "words",
    [
        ["{folder}/{{00000..00002}}.tar"],
        ["{folder}/00000.tar", "{folder}/00001.tar", "{folder}/00002.tar"],
        ["{folder}"],
    ],
)
def test_several_tars_are_named_in_each_of_the_usual_ways(tmp_path: Path, words: list[str]) -> None:
    for number in range(3):
        write_plain(tmp_path / f"{number:05d}.tar", range(number, number + 1))
    words = [word.format(folder=tmp_path) for word in words]
    assert pack(tmp_path / "out", *words, "--rights", CC0) == 0
    assert len(records(tmp_path / "out")) == 3


def test_a_sample_s_own_rights_come_before_those_for_all(tmp_path: Path) -> None:
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        for number, facts in enumerate(({"rights": BY}, {"license": BY}, {}, {"rights": "all mine"})):
            facts |= {"caption": f"Picture {number}"}
            writer.write({"__key__": f"{number}", "jpg": picture(number), "json": facts})
    assert pack(tmp_path / "out", str(tmp_path / "a.tar"), "--rights", CC0) == 3
    own = {record.source.id: record.rights.uri for record in records(tmp_path / "out")}
    assert own == {"0": BY, "1": BY, "2": CC0}


def test_without_any_statement_of_rights_nothing_is_packed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = write_plain(tmp_path / "plain.tar", range(2))
    assert pack(tmp_path / "out", str(tar)) == 2
    assert "--rights" in capsys.readouterr().err
    assert not (tmp_path / "out" / "shardset.json").exists()


def test_every_tar_states_its_rights_not_only_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plain(tmp_path / "0.tar", range(2), json={"rights": BY})
    write_plain(tmp_path / "1.tar", range(2, 4))
    assert pack(tmp_path / "out", str(tmp_path)) == 2
    said = capsys.readouterr().err
    assert "--rights" in said
    assert "1.tar" in said
    # Nothing was stored, so the same folder accepts the missing settings.
    assert pack(tmp_path / "out", str(tmp_path), "--rights", CC0) == 0
    assert sorted(record.rights.uri for record in records(tmp_path / "out")) == [BY, BY, CC0, CC0]


def hostile(path: Path) -> Path:
    """One sound sample among everything that can be wrong with one."""
    with tarfile.open(path, "w") as tar:

        def add(name: str, data: bytes, **facts: Any) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for fact, value in facts.items():
                setattr(info, fact, value)
            tar.addfile(info, io.BytesIO(data))

        add("sound.jpg", picture(0))
        add("sound.txt", b"A sound sample")
        add("noimage.txt", b"Text alone")
        add("noextension", picture(1))
        add("badjson.jpg", picture(2))
        add("badjson.json", b"{not json")
        add("listjson.jpg", picture(3))
        add("listjson.json", b"[1]")
        add("badtext.jpg", picture(4))
        add("badtext.txt", b"\xff\xfe\x00caption")
        add("twice.jpg", picture(5))
        add("twice.jpg", picture(6))
        add("twice.txt", b"Two of one name")
        add("two.jpg", picture(7))
        add("two.png", picture(8, "PNG"))
        add("two.txt", b"Two kinds")
        add("link.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add("../../outside.jpg", picture(9))
        add("../../outside.txt", b"A name that leaves the folder")
        add("noise.jpg", b"no image at all")
        add("noise.txt", b"Noise")
        add("large.txt", b"x" * 2_000_000)
        add("huge.json", b'{"a": ' + b"[" * 100_000)
        add("huge.jpg", picture(10))
    return path


WRONG = {
    "noimage": "without an image",
    "noextension": "without an extension",
    "badjson": "JSON is damaged",
    "listjson": "no object",
    "badtext": "damaged",
    "twice": "duplicate",
    "two.png": "a second image",
    "link.jpg": "no plain file",
    "noise": "",
    "large": "2000000 bytes",
    "huge": "damaged",
}


def test_every_damaged_member_is_refused_by_name_and_the_others_are_packed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = hostile(tmp_path / "hostile.tar")
    assert pack(tmp_path / "out", str(tar), "--rights", CC0) == 3
    assert {record.source.id for record in records(tmp_path / "out")} == {"sound", "twice", "two", "outside"}
    refused = [json.loads(line) for line in (tmp_path / "out" / "refused.jsonl").read_text().splitlines()]
    assert_all_wrong_ones(refused)
    # Nothing was written outside, and nothing of the scratch folder is left.
    assert {path.name for path in tmp_path.iterdir()} == {"hostile.tar", "out"}
    assert not list((tmp_path / "out").rglob("members"))


def assert_all_wrong_ones(refused: list[dict[str, str]]) -> None:
    """Each damaged member is among the refusals, with its reason."""
    for name, reason in WRONG.items():
        found = [one for one in refused if name in json.dumps(one)]
        assert any(reason in one["reason"] for one in found), (name, refused)


def test_the_dry_run_lists_what_the_run_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tar = hostile(tmp_path / "hostile.tar")
    assert pack(None, str(tar), "--rights", CC0, "--dry_run", "--json") == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    listed = {line["record"]["source"]["id"] for line in lines if "record" in line}
    assert {path.name for path in tmp_path.iterdir()} == {"hostile.tar"}
    pack(tmp_path / "out", str(tar), "--rights", CC0)
    assert listed == {record.source.id for record in records(tmp_path / "out")}


@pytest.mark.parametrize("place", ["between two members", "in a header", "in a picture"])
def test_a_tar_that_is_cut_short_says_so(tmp_path: Path, place: str) -> None:
    whole = write_plain(tmp_path / "whole.tar", range(6))
    with tarfile.open(whole) as tar:
        member = tar.getmember("item0003.jpg")
    cut = {"between two members": member.offset, "in a header": member.offset + 100}
    data = whole.read_bytes()[: cut.get(place, member.offset_data + 10)]
    (tmp_path / "cut.tar").write_bytes(data)
    assert pack(tmp_path / "out", str(tmp_path / "cut.tar"), "--rights", CC0) == 3
    assert len(records(tmp_path / "out")) == 3
    assert "cut.tar" in (tmp_path / "out" / "refused.jsonl").read_text()


def test_a_damaged_header_in_the_middle_loses_nothing_silently(tmp_path: Path) -> None:
    tar = write_plain(tmp_path / "a.tar", range(6))
    data = bytearray(tar.read_bytes())
    with tarfile.open(tar) as whole:
        offset = whole.getmember("item0003.jpg").offset
    data[offset : offset + 512] = b"\x07" * 512
    tar.write_bytes(data)
    assert pack(tmp_path / "out", str(tar), "--rights", CC0) == 3
    assert len(records(tmp_path / "out")) == 3
    assert "what follows cannot be read" in (tmp_path / "out" / "refused.jsonl").read_text()


class Files(BaseHTTPRequestHandler):
    """Serves the files of a folder; the first requests have the errors that a test sets."""

    folder: Path
    troubles: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        trouble = self.troubles.pop(0) if body and self.troubles else ""
        path = self.folder / self.path.lstrip("/")
        if trouble.isdigit() or not path.is_file():
            self.send_error(int(trouble or 404))
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) // 2] if trouble == "cut" else data)

    def log_message(self, *_: Any) -> None:
        """Write no log of requests."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[type[Files]]:
    """A server of the folder `served` on the loopback; `address` is its own."""

    (tmp_path / "served").mkdir()
    own = {"folder": tmp_path / "served", "troubles": []}
    handler: Any = type("Handler", (Files,), own)  # a class for each test: its troubles are its own
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        handler.address = f"http://127.0.0.1:{running.server_port}"
        yield handler
        running.shutdown()
        thread.join()


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("troubles", [[], ["503"], ["cut"], ["429", "500", "cut"]])
def test_tars_come_from_a_server_despite_single_errors(
    tmp_path: Path, server: Any, troubles: list[str]
) -> None:
    for number in range(2):
        write_img2dataset(server.folder / f"{number:05d}.tar", range(number * 2, number * 2 + 2))
    server.troubles += troubles
    assert pack(tmp_path / "out", f"{server.address}/{{00000..00001}}.tar", "--rights", CC0) == 0
    assert len(records(tmp_path / "out")) == 4
    assert server.troubles == []


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("troubles", "name", "code", "says"),
    [
        (["503"] * 4, "a.tar", 75, "run the same command again"),
        (["cut"] * 4, "a.tar", 75, "run the same command again"),
        (["403"], "a.tar", 4, "the server refuses to give the file out (403)"),
        ([], "none.tar", 4, "no such file"),
    ],
)
def test_a_server_that_refuses_a_tar_is_a_clear_error(
    tmp_path: Path, server: Any, troubles: list[str], name: str, code: int, says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write_plain(server.folder / "a.tar", range(2))
    server.troubles += troubles
    words = [f"{server.address}/{name}", "--rights", CC0]
    assert pack(tmp_path / "out", *words) == code
    assert says in capsys.readouterr().err
    # When it works again, the same command resumes.
    if code == 75:
        assert pack(tmp_path / "out", *words) == 0
        assert len(records(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("word", "code", "says"),
    [
        ("pipe:cat shards.tar", 2, "commands and chained addresses are not read"),
        ("nowhere/{0..3}.tar", 4, "no such tar"),
        ("nothing.tar", 4, "no such tar"),
        ("unknown://bucket/a.tar", 4, "such addresses cannot be read"),
    ],
)
def test_a_file_that_is_no_tar_is_refused_with_a_message(
    tmp_path: Path, word: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack(tmp_path / "out", word, "--rights", CC0) == code
    printed = capsys.readouterr().err
    assert says in printed
    assert "bug" not in printed
