"""For whoever runs the service: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from retrieval.answers import Status
from retrieval.service import examples
from retrieval.service.desk import Concealed, DeskOf
from retrieval.service.documented import REFUSALS
from retrieval.service.examples import answered
from retrieval.service.refusals import FaultBody, Refusal

router = APIRouter(tags=["operation"])


class Alive(BaseModel):
    """The service answers."""

    model_config = ConfigDict(frozen=True)

    status: str = "ok"


@router.get("/api/health", summary="Is the process alive?", responses=answered(Alive()))
def health() -> Alive:
    """Answers as soon as the socket is open, whether or not the model is loaded."""
    return Alive()


@router.get(
    "/api/ready",
    summary="Is the model loaded?",
    # Given as a model, the shape of refusals is in the document; every other route names it.
    responses={**answered(examples.STATUS), 503: {"model": FaultBody, **REFUSALS[503]}},
)
def ready(desk: DeskOf, concealed: Concealed) -> Status:
    """What is being served, once a query would be answered without waiting for the model; items that the asker may not
    see are not counted."""
    if not desk.is_ready:
        raise Refusal(
            503, desk.not_ready_because, remedy="ask again in a moment", headers={"Retry-After": "1"}
        )
    return desk.engine.status().model_copy(update={"num_items": desk.count(concealed)})


@router.get("/metrics", summary="Prometheus metrics", response_class=Response, include_in_schema=False)
def metrics(request: Request, desk: DeskOf) -> Response:
    """Counts and times by route; no query, no key, no address."""
    measures = request.app.state.measures
    measures.items.set(desk.count((*desk.visibility.consortium, *desk.visibility.hidden)))
    measures.ready.set(desk.is_ready)
    return Response(generate_latest(measures.registry), media_type=CONTENT_TYPE_LATEST)
