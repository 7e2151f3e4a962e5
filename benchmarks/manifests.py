"""Manifests for benchmarks: one canvas with one picture, in version 3 of the Presentation API."""

from __future__ import annotations

from typing import Any

PDM = "http://creativecommons.org/publicdomain/mark/1.0/"


def one_picture(
    uri: str, label: str, image: str, size: tuple[int, int], *, service: str | None = None
) -> dict[str, Any]:
    """The manifest of one image in the public domain.

    Args:
        uri: of the manifest.
        label: its English title.
        image: address of the image.
        size: width and height in pixels, of the image and of the canvas.
        service: address of a level 2 image service, if there is one.
    """
    sized = dict(zip(("width", "height"), size, strict=True))
    body: dict[str, Any] = {"id": image, "type": "Image", "format": "image/jpeg", **sized}
    if service:
        body["service"] = [{"id": service, "type": "ImageService3", "profile": "level2", **sized}]
    painting = {
        "id": f"{uri}/a",
        "type": "Annotation",
        "motivation": "painting",
        "body": body,
        "target": f"{uri}/c",
    }
    page = {"id": f"{uri}/p", "type": "AnnotationPage", "items": [painting]}
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": uri,
        "type": "Manifest",
        "label": {"en": [label]},
        "rights": PDM,
        "items": [{"id": f"{uri}/c", "type": "Canvas", **sized, "items": [page]}],
    }
