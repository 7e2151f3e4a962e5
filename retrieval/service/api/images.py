"""Pictures over HTTP: as stored, as thumbnails, overlays, and pictures that users upload to search with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from retrieval.answers import Hit
from retrieval.service import stored_images
from retrieval.service.api.examples import answered
from retrieval.service.api.openapi import REFUSALS, UPLOAD, KeyPath, Responses
from retrieval.service.context import Concealed, InjectedContext, ServiceContext
from retrieval.service.guards import uploads
from retrieval.service.guards.refusals import N_, Refusal, documented
from retrieval.service.occlusion import OcclusionOverlay

router = APIRouter(responses=REFUSALS)

_JPEG: Responses = {
    200: {"content": {"image/jpeg": {}}, "description": "the picture"},
    304: {"description": "your copy is still valid"},
    403: documented(
        "its rights allow only a link",
        Refusal(
            403,
            "the rights of this picture allow only a link",
            where="staatsarchiv-0123456789abcdef",
            remedy="see it at https://archives.example/objects/a-12",
        ),
    ),
}
# An overlay is drawn only from its address, so it never changes.
FOREVER = "public, max-age=31536000, immutable"


@router.get(
    "/image/{key}.jpg",
    tags=["items"],
    summary="The picture as stored",
    responses=_JPEG,
    response_class=Response,
)
def image(key: KeyPath, request: Request, context: InjectedContext, concealed: Concealed) -> Response:
    """The JPEG from the shard set, if its rights allow showing it."""
    return _picture(key, request, context, concealed, small=False)


@router.get(
    "/thumb/{key}.jpg", tags=["items"], summary="A small picture", responses=_JPEG, response_class=Response
)
def thumb(key: KeyPath, request: Request, context: InjectedContext, concealed: Concealed) -> Response:
    """A JPEG of at most 400 pixels per side, if its rights allow showing it."""
    return _picture(key, request, context, concealed, small=True)


def _picture(
    key: str, request: Request, context: ServiceContext, concealed: tuple[str, ...], *, small: bool
) -> Response:
    hit = context.hit(key, concealed)
    stored_images.refuse_unless_shown(hit)
    # A thumbnail is an alteration. If the licence forbids alterations, the stored picture is served instead.
    stored = context.image(key)
    data = context.thumbs.of(stored) if small and hit.rights.display != "unaltered" else stored
    headers = {"ETag": stored_images.etag(data), "Cache-Control": _cache_control(hit, context)}
    if stored_images.is_known(headers["ETag"], request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="image/jpeg", headers=headers)


def _cache_control(hit: Hit, context: ServiceContext) -> str:
    # A withdrawn picture must disappear within a minute, so a cache may use its copy for that
    # long without revalidation.
    who = "private" if hit.institution in context.visibility.consortium else "public"
    return f"{who}, max-age=60, must-revalidate"


Side = Annotated[int, Query(ge=1, le=100_000)]


@router.get("/occlusion/{name}.png", include_in_schema=False)
def occlusion_overlay(name: str, width: Side, height: Side, box: str | None = None) -> Response:
    """The overlay that shows where a text is seen in a picture; see occlusion.py."""
    drawn = OcclusionOverlay.parse(name, box).png(width, height)
    return Response(drawn, media_type="image/png", headers={"Cache-Control": FOREVER})


class KeptPicture(BaseModel):
    """A picture that is kept for a while, to search with."""

    model_config = ConfigDict(frozen=True)

    image: str = Field(description="its name, for the parameter `image` of a search and of every export")
    seconds: int = Field(description="how long it is kept, only in memory")


@router.post(
    "/api/pictures",
    tags=["search"],
    summary="Send a picture, and get a name to search with",
    responses=UPLOAD | answered(KeptPicture(image="tFv3Yk2iW0mZ4cQd8sLr1A", seconds=uploads.KEEP_SECONDS)),
)
def bring(
    context: InjectedContext,
    concealed: Concealed,
    image: Annotated[
        UploadFile | None, File(description="JPEG, PNG, WebP, TIFF, GIF or BMP; never stored")
    ] = None,
    url: Annotated[
        str | None,
        Form(max_length=2_000, description="or its address, at an institution that is searched here"),
    ] = None,
) -> KeptPicture:
    """Keeps the picture in memory for half an hour under a name that cannot be guessed. With this name, the
    results can be paged, filtered, and exported as CSV, JSON-LD and IIIF.
    """
    return KeptPicture(image=keep(context, concealed, image, url), seconds=uploads.KEEP_SECONDS)


def keep(
    context: ServiceContext, concealed: tuple[str, ...], image: UploadFile | None, url: str | None
) -> str:
    """Read, check and keep a picture that was sent as a file or as an address. Returns its name.

    Raises:
        Refusal: neither or both were given, or the picture cannot be accepted.
    """
    data = image.file.read() if image is not None and image.size else None
    address = (url or "").strip()
    if (data is None) == (not address):
        raise Refusal(
            422, N_("a picture is needed, or its address"), where="image", remedy=N_("give one of the two")
        )
    if data is None:
        data = context.remote.fetch(address, concealed)
    return context.kept_images.keep(uploads.normalise(data, context.config.max_upload_pixels))
