"""Endpoints for the operator: is the service alive, is it ready, and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from retrieval.answers import Status
from retrieval.service.api import examples
from retrieval.service.api.examples import answered
from retrieval.service.api.openapi import REFUSALS
from retrieval.service.context import Concealed, InjectedContext
from retrieval.service.guards.refusals import FaultBody, Refusal

router = APIRouter(tags=["operation"])


class Alive(BaseModel):
    """The response that shows that the process is alive."""

    model_config = ConfigDict(frozen=True)

    status: str = "ok"


@router.get("/api/health", summary="Is the process alive?", responses=answered(Alive()))
async def health() -> Alive:
    """Answers as soon as the socket is open, whether or not the model is loaded."""
    return Alive()


@router.get(
    "/api/ready",
    summary="Is the model loaded?",
    # With a model here, the schema of errors is in the document; every other route refers to it.
    responses={**answered(examples.STATUS), 503: {"model": FaultBody, **REFUSALS[503]}},
)
def ready(context: InjectedContext, concealed: Concealed) -> Status:
    """Describes what is served, as soon as queries need not wait for the model. Items that the client
    may not see are not counted.
    """
    if not context.is_ready:
        raise Refusal(
            503, context.not_ready_because, remedy="try again in a moment", headers={"Retry-After": "1"}
        )
    return context.engine.status().model_copy(update={"num_items": context.count(concealed)})


@router.get("/metrics", summary="Prometheus metrics", response_class=Response, include_in_schema=False)
def metrics(request: Request, context: InjectedContext) -> Response:
    """Counts and times by route. No queries, keys or addresses."""
    gathered = request.app.state.metrics
    gathered.items.set(context.count((*context.visibility.consortium, *context.visibility.hidden)))
    gathered.ready.set(context.is_ready)
    return Response(generate_latest(gathered.registry), media_type=CONTENT_TYPE_LATEST)
