"""S3 through pyarrow's client: what its errors mean, and which settings it gets."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from iconoclip import s3, transfer
from iconoclip.errors import MissingRequirement, TryAgainLater


class Answering(BaseHTTPRequestHandler):
    """Answers every request with the status that its object is called."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Keep the output of the test short."""


def test_an_answer_of_the_server_is_reported_at_once_or_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSES_SECONDS", ())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "museum")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        for status, words in ((403, "refuses to give the file out"), (404, "no such file")):
            with pytest.raises(MissingRequirement, match=words):
                transfer.read(f"s3://bucket/{status}")
        with pytest.raises(TryAgainLater, match="answers 429"):
            transfer.read("s3://bucket/429")
        server.shutdown()


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        (
            {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000/"},
            {"endpoint_override": "127.0.0.1:9000", "scheme": "http"},
        ),
        ({"AWS_ENDPOINT_URL": "s3.example.org"}, {"endpoint_override": "s3.example.org", "scheme": "https"}),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, {"region": "eu-west-3"}),
    ],
)
def test_settings_come_from_the_environment(environment: dict[str, str], settings: dict[str, str]) -> None:
    nowhere = {"AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_CONFIG_FILE": "/nowhere"}
    assert dict(s3._settings(environment | nowhere)) == settings | {"anonymous": True}
    assert dict(s3._settings(environment | {"AWS_PROFILE": "museum"})) == settings
