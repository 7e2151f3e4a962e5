"""docs/api.md names every address, parameter, setting and code that exists, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.testclient import TestClient

from retrieval.config import FederateConfig, ServeConfig
from retrieval.service.guards.refusals import CODES

DOC = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_address_is_described_and_every_described_one_exists(client: TestClient) -> None:
    described = set(re.findall(r"`(GET|POST) (/[^`\s]*)`", DOC))
    document = client.get("/api/openapi.json").json()
    offered = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    assert described == offered | {("GET", "/metrics")}


def test_every_parameter_of_a_search_is_described(client: TestClient) -> None:
    operation = client.get("/api/openapi.json").json()["paths"]["/api/v1/search"]["get"]
    rows = " ".join(line.split("|")[1] for line in DOC.splitlines() if line.startswith("| `"))
    described = set(re.findall(r"`([a-z_]+)`", rows))
    assert {parameter["name"] for parameter in operation["parameters"]} <= described


def test_every_error_code_is_listed_with_its_status() -> None:
    for status, code in CODES.items():
        assert re.search(rf"^\| [\d, ]*{status}[\d, ]* \| `{code}` \|", DOC, re.MULTILINE), (status, code)


def test_every_setting_named_exists() -> None:
    named = set(re.findall(r"--([a-z_]+)", DOC)) - {"help"}
    assert named <= set(ServeConfig.model_fields) | set(FederateConfig.model_fields)
