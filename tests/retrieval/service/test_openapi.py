"""The OpenAPI document, and hundreds of generated requests that hold the service to it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from retrieval.config import ServeConfig
from retrieval.search import SearchEngine
from retrieval.service.app import create_app
from tests.retrieval.service.fuzzing import fuzz

NUM_CASES = 8


def test_generated_requests_never_meet_a_server_error(
    engine: SearchEngine, index_folder: Path, client: TestClient, shown_key: str, link_key: str
) -> None:
    app = create_app(
        engine, ServeConfig(index=str(index_folder), rate_limit_per_minute=0, max_upload_bytes=100_000)
    )
    answers = fuzz(app, [shown_key, link_key], NUM_CASES)
    by_class = Counter[str]()
    for label, count in answers.items():
        by_class[label[-3]] += count
    assert by_class["2"] > 50, "some of the requests must be good ones"
    assert by_class["4"] > 50, "some of the requests must be bad ones"
    assert by_class["5"] == sum(count for label, count in answers.items() if label == "GET /api/ready 503")


def test_the_document_describes_every_parameter_and_every_refusal(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("summary"), where
            assert operation.get("description"), where
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), f"{where} {parameter['name']}"
            for status, response in operation["responses"].items():
                if status.startswith(("4", "5")):
                    schema = response["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("/FaultBody"), f"{where} {status}"


def test_examples_in_the_document_are_valid(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    num_examples = 0
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                schema = parameter["schema"]
                for example in schema.get("examples", []):
                    Draft202012Validator({**schema, "components": document["components"]}).validate(example)
                    num_examples += 1
    assert num_examples >= 12


def test_the_frameworks_own_pages_that_load_from_elsewhere_are_not_there(client: TestClient) -> None:
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404
