"""Requests generated from the service's own OpenAPI document, good ones and bad ones, by schemathesis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from retrieval.service.guards.refusals import FaultBody

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def fuzz(app: FastAPI, keys: list[str], cases_per_operation: int) -> Counter[str]:
    """Send `cases_per_operation` requests of each kind to each operation; half of them name an item that
    exists.

    Returns:
        How many answers there were, by operation and status.

    Raises:
        AssertionError: an answer is a server error, is not one the document promises, or not of the one error
            shape.
    """
    answers: Counter[str] = Counter()
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    # One client for all: another for each request would start and stop the application each time.
    with asgi.get_client(app) as client:
        for result in schema.get_all_operations():
            operation = result.ok()
            for mode in _modes(operation.definition.raw):
                _send(operation.as_strategy(generation_mode=mode), client, keys, cases_per_operation, answers)
    return answers


def _modes(definition: dict[str, Any]) -> list[GenerationMode]:
    """An operation without parameters has no invalid requests."""
    takes_something = definition.get("parameters") or definition.get("requestBody")
    return (
        [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if takes_something else [GenerationMode.POSITIVE]
    )


def _send(strategy: Any, client: Any, keys: list[str], num_cases: int, answers: Counter[str]) -> None:
    @settings(
        max_examples=num_cases,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, key=st.none() | st.sampled_from(keys))
    def send(case: Any, key: str | None) -> None:
        if key is not None:
            for place in (case.path_parameters, case.query):
                if place and "key" in place:
                    place["key"] = key
        # A slow answer on a busy machine is not a server error.
        response = case.call(session=client, timeout=60)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            FaultBody.model_validate(response.json())
        answers[f"{case.operation.label} {response.status_code}"] += 1

    run: Callable[[], None] = send
    run()
