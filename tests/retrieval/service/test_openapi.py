"""The OpenAPI document, and hundreds of generated requests that compare the service with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from retrieval import iconography
from retrieval.config import ServeConfig
from retrieval.engine import SearchEngine
from retrieval.generation.columns import Columns
from retrieval.query.facets import facets_of
from retrieval.service.api import examples
from retrieval.service.app import create_app
from retrieval.service.guards.refusals import CODES

NUM_CASES = 4


def test_generated_requests_never_meet_a_server_error(
    engine: SearchEngine, index_folder: Path, client: TestClient, shown_key: str, link_key: str
) -> None:
    # Imported here: schemathesis takes more than a second, and every worker imports this file.
    from tests.retrieval.service.fuzzing import fuzz

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


EXEMPLARY = (
    "GET /api/v1/search", "POST /api/v1/search", "GET /api/v1/items/{key}",
    "GET /api/v1/items/{key}/copies", "GET /api/v1/items/{key}/recommended",
    "GET /api/v1/similar", "GET /api/v1/facets", "POST /api/v1/complete",
    "GET /api/v1/explain", "GET /api/v1/iconclass", "POST /api/v1/pictures",
    "GET /api/ready", "GET /api/health",
)  # fmt: skip


def test_main_answers_and_every_refusal_have_an_example_of_their_schema(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    good = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method.upper()} {path}"
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json", {})
                if status == "200" and "example" in content:
                    good[where] = content["example"]
                if "example" in content:
                    schema = {**content["schema"], "components": document["components"]}
                    Draft202012Validator(schema).validate(content["example"])
                if status.startswith(("4", "5")):
                    assert content["example"]["error"]["code"] == CODES[int(status)], f"{where} {status}"
    assert set(good) == set(EXEMPLARY)


def test_examples_equal_answers_of_the_service(client: TestClient, shown_key: str) -> None:
    """Made by the same functions, and without a field that a real answer does not have."""
    whole = facets_of([(Columns.of([examples.RECORD]), np.ones(1, bool))])
    assert whole == examples.FACETS
    looked_up = iconography.look_up(examples.NOTATION.notation, examples.NOTATION.language)
    added = {"num_items": examples.NOTATION.num_items, "suggested": examples.NOTATION.suggested}
    assert looked_up.model_copy(update=added) == examples.NOTATION
    for each in examples.NOTATION.suggested:
        assert each.label == iconography.label(each.notation, examples.NOTATION.language)
    document = client.get("/api/openapi.json").json()
    for path, address in {
        "/api/v1/search": "/api/v1/search?q=a+lion&k=1",
        "/api/v1/items/{key}": f"/api/v1/items/{shown_key}",
        "/api/v1/facets": "/api/v1/facets",
        "/api/v1/explain": f"/api/v1/explain?key={shown_key}&q=a+lion",
        "/api/v1/iconclass": f"/api/v1/iconclass?notation=25F2&suggest_for={shown_key}",
        "/api/health": "/api/health",
    }.items():
        content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        real, absent = names(client.get(address).json())
        assert {name for name in names(content["example"])[0] if not name.startswith(absent)} <= real, path


def names(value: object, place: str = "") -> tuple[set[str], tuple[str, ...]]:
    """Every field in an answer by its path, of a list those of its first; and the paths where nothing is."""
    if value in (None, []):
        return set(), (place,)
    if isinstance(value, list):
        return names(value[0], f"{place}[0]")
    if not isinstance(value, dict):
        return set(), ()
    found, absent = {f"{place}.{name}" for name in value}, ()
    for name, each in value.items():
        below, without = names(each, f"{place}.{name}")
        found, absent = found | below, absent + without
    return found, absent


def test_examples_of_parameters_are_valid(client: TestClient) -> None:
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
