"""Upgrades IIIF Presentation 2.1 (also 2.0, 1.0, and the drafts of 3.0) to 3.0, so that one reader is enough.

It follows the mapping of the 3.0 change log (iiif.io/api/presentation/3.0/change-log). Properties without a
counterpart in 3.0 keep their old names, so that readers can use them. Documents need not be well-formed.
"""

from __future__ import annotations

from typing import Any

from data_prep.iiif.document import JsonObject, as_list, id_of, objects, type_of
from data_prep.iiif.image_services import service_type
from data_prep.iiif.language_map import language_map

CONTEXT_3 = "http://iiif.io/api/presentation/3/context.json"

_TYPES = {
    "MovingImage": "Video",
    "ContentAsText": "TextualBody",
    "AnnotationList": "AnnotationPage",
    "Layer": "AnnotationCollection",
    "Zone": "Canvas",
}
_UNCHANGED = (
    "viewingDirection",
    "navDate",
    "navPlace",
    "height",
    "width",
    "duration",
    "format",
    "profile",
    "provider",
    "language",
)
# The viewing hints that 3.0 kept as behaviors; `top` and `part` were dropped.
_BEHAVIORS = frozenset(
    {"individuals", "paged", "continuous", "multi-part", "non-paged", "facing-pages", "unordered"}
)
_RANGE_PARTS = (("ranges", "Range"), ("canvases", "Canvas"), ("members", ""))


def is_version_3(document: JsonObject) -> bool:
    """Whether `document` already has the structure of Presentation 3.0, whatever its context states."""
    if "sequences" in document or "@type" in document or "resources" in document:
        return False
    return "type" in document and ("items" in document or "id" in document)


def upgrade(document: JsonObject) -> JsonObject:
    """`document` (a Manifest, Collection, AnnotationList, ...) as Presentation 3.0. A document of 3.0 is
    returned unchanged."""
    if is_version_3(document):
        return document
    upgraded = _resource(document)
    return {"@context": CONTEXT_3, **upgraded}


def _resource(old: JsonObject) -> JsonObject:
    kind = _kind(old)
    new = _common(old, kind)
    if kind == "Manifest":
        new["items"] = _canvases(old)
        if "structures" in old:
            new["structures"] = [_range(item) for item in objects(old["structures"])]
    elif kind == "Collection":
        new["items"] = _members(old)
        for key in ("first", "next", "prev", "last"):
            if id_of(old.get(key)):
                new[key] = {"id": id_of(old[key]), "type": "Collection"}
    elif kind == "Canvas":
        new.update(_canvas(old))
    elif kind in ("AnnotationPage", "AnnotationCollection"):
        new["items"] = [_annotation(item) for item in objects(old.get("resources", old.get("items")))]
        if id_of(old.get("next")):
            new["next"] = {"id": id_of(old["next"]), "type": "AnnotationPage"}
    return new


def _kind(old: JsonObject) -> str:
    kind = type_of(old)
    kind = _TYPES.get(kind, kind)
    if not kind:
        if "sequences" in old:
            return "Manifest"
        if "manifests" in old or "collections" in old or "members" in old:
            return "Collection"
        if "images" in old:
            return "Canvas"
        if "resources" in old:
            return "AnnotationPage"
    return kind


def _common(old: JsonObject, kind: str) -> JsonObject:
    """The properties that any resource may have, under their new names."""
    new: JsonObject = {"id": id_of(old) or "", "type": kind}
    if "label" in old:
        new["label"] = language_map(old["label"])
    for key in _UNCHANGED:
        if key in old:
            new[key] = old[key]
    if "metadata" in old:
        new["metadata"] = metadata(old["metadata"])
    if old.get("description"):
        new["summary"] = language_map(old["description"])
    if old.get("attribution"):
        new["requiredStatement"] = {
            "label": {"en": ["Attribution"]},
            "value": language_map(old["attribution"]),
        }
    _copy_links(old, new)
    return new


def _copy_links(old: JsonObject, new: JsonObject) -> None:
    # 3.0 requires one URI. We must not choose one of several, so a list stays a list.
    if (rights := old.get("rights", old.get("license"))) is not None:
        new["rights"] = rights
    for old_name, new_name, kind in (
        ("related", "homepage", "Text"),
        ("seeAlso", "seeAlso", "Dataset"),
        ("rendering", "rendering", "Text"),
        ("within", "partOf", "Collection"),
        ("thumbnail", "thumbnail", "Image"),
        ("logo", "logo", "Image"),
    ):
        if values := [_reference(item, kind) for item in as_list(old.get(old_name)) if id_of(item)]:
            new[new_name] = values
    if "viewingHint" in old:
        new["behavior"] = [hint for hint in as_list(old["viewingHint"]) if hint in _BEHAVIORS]
    if services := _services(old):
        new["service"] = services


def metadata(old: Any) -> list[JsonObject]:
    """Pairs of label and value. Some servers send an object instead, with pairs or plain values."""
    if isinstance(old, dict):
        old = [
            item if isinstance(item, dict) and "value" in item else {"label": key, "value": item}
            for key, item in old.items()
        ]
    return [
        {"label": language_map(pair.get("label")), "value": language_map(pair.get("value"))}
        for pair in objects(old)
    ]


def _reference(item: Any, kind: str) -> JsonObject:
    if isinstance(item, str):
        return {"id": item, "type": kind}
    new = {
        key: value
        for key, value in item.items()
        if key not in ("@id", "@type", "service", "label", "@context")
    }
    new["id"] = id_of(item)
    new["type"] = kind
    if "label" in item:
        new["label"] = language_map(item["label"])
    if services := _services(item):
        new["service"] = services
    return new


def _services(old: JsonObject) -> list[JsonObject]:
    return [_service(item) for item in as_list(old.get("service")) if isinstance(item, (dict, str))]


def _service(old: JsonObject | str) -> JsonObject:
    if isinstance(old, str):
        return {"id": old, "type": "Service"}
    new = {key: value for key, value in old.items() if key not in ("@id", "@type", "service")}
    new["id"] = id_of(old) or ""
    new["type"] = service_type(old) or type_of(old) or "Service"
    if isinstance(old.get("profile"), list):
        # 2.1 kept limits and features in a second entry of the profile.
        names = [name for name in old["profile"] if isinstance(name, str)]
        for described in objects(old["profile"]):
            new = {**described, **new}
        new["profile"] = names[0] if names else ""
    if "service" in old:
        new["service"] = _services(old)
    return new


def _canvases(old: JsonObject) -> list[JsonObject]:
    """The canvases of all embedded sequences, each once.

    A later sequence usually lists the canvases of the first in another order (2.1, section 5.2), but some
    servers add canvases that are in no other sequence.
    """
    sequences = [
        objects(sequence.get("canvases", sequence.get("items"))) for sequence in objects(old.get("sequences"))
    ]
    listed = [canvas for canvases in sequences for canvas in canvases]
    if not listed:
        listed = objects(old.get("canvases", old.get("items")))
    elif sum(map(bool, sequences)) > 1:
        listed = _each_once(listed)
    return [{**_common(canvas, "Canvas"), **_canvas(canvas)} for canvas in listed]


def _each_once(canvases: list[JsonObject]) -> list[JsonObject]:
    """Canvases without those that repeat the id and the images of an earlier one."""
    found: dict[str, JsonObject] = {}
    for number, canvas in enumerate(canvases):
        images = [
            id_of(body) or id_of(body.get("full"))
            for image in objects(canvas.get("images"))
            for body in objects(image.get("resource", image.get("body")))
        ]
        identity = id_of(canvas)
        found.setdefault(f"{identity} {images}" if identity else f"#{number}", canvas)
    return list(found.values())


def _canvas(old: JsonObject) -> JsonObject:
    new: JsonObject = {}
    identity = id_of(old) or ""
    images = [_painting(item, identity) for item in objects(old.get("images"))]
    # Drafts of 3.0 called this property `content`.
    new["items"] = (
        [{"id": f"{identity}/page", "type": "AnnotationPage", "items": images}]
        if images
        else objects(old.get("items", old.get("content")))
    )
    if pages := [
        _annotation_page(item) for item in as_list(old.get("otherContent")) if isinstance(item, (dict, str))
    ]:
        new["annotations"] = pages
    elif "annotations" in old:
        new["annotations"] = old["annotations"]
    return new


def _annotation_page(old: JsonObject | str) -> JsonObject:
    if isinstance(old, str):
        return {"id": old, "type": "AnnotationPage"}
    new = _common(old, "AnnotationPage")
    if "resources" in old:
        new["items"] = [_annotation(item) for item in objects(old["resources"])]
    return new


def _painting(old: JsonObject, canvas: str) -> JsonObject:
    new = _annotation(old)
    new["motivation"] = "painting"
    new.setdefault("target", canvas)
    return new


def _annotation(old: JsonObject) -> JsonObject:
    new: JsonObject = {"id": id_of(old) or "", "type": "Annotation"}
    motivations = [str(item).split(":")[-1] for item in as_list(old.get("motivation"))]
    if motivations:
        new["motivation"] = motivations[0] if len(motivations) == 1 else motivations
    bodies = [
        _body(item) for item in as_list(old.get("resource", old.get("body"))) if isinstance(item, (dict, str))
    ]
    new["body"] = bodies[0] if len(bodies) == 1 else bodies
    if "label" in old:
        new["label"] = language_map(old["label"])
    if "metadata" in old:
        new["metadata"] = metadata(old["metadata"])
    if old.get("description"):
        new["summary"] = language_map(old["description"])
    targets = [
        _target(item) for item in as_list(old.get("on", old.get("target"))) if isinstance(item, (dict, str))
    ]
    if targets:
        new["target"] = targets[0] if len(targets) == 1 else targets
    return new


def _body(old: JsonObject | str) -> JsonObject:
    if isinstance(old, str):
        return {"id": old, "type": ""}
    kind = _TYPES.get(type_of(old), type_of(old))
    if kind == "Choice":
        choices = [
            *as_list(old.get("default")),
            *as_list(old.get("item", old.get("items", old.get("members")))),
        ]
        return {"type": "Choice", "items": [_body(item) for item in choices if isinstance(item, dict)]}
    if kind == "SpecificResource" or "full" in old:
        return {
            "id": id_of(old) or "",
            "type": "SpecificResource",
            "source": _body(old.get("full") or old.get("source") or ""),
            "selector": _selector(old.get("selector")),
        }
    new = _reference(old, "Tag" if kind == "Tag" else kind) if id_of(old) else {"type": kind, **old}
    if "chars" in old:
        new = {"type": "TextualBody", "value": old["chars"], **_keep(old, "format", "language", "@language")}
    new["type"] = "Image" if kind == "" and ("service" in old or "height" in old) else new["type"]
    return new


def _keep(old: JsonObject, *names: str) -> JsonObject:
    return {name.lstrip("@"): old[name] for name in names if name in old}


def _target(old: JsonObject | str) -> Any:
    if isinstance(old, str) or not ("full" in old or "selector" in old):
        return old if isinstance(old, str) else id_of(old) or ""
    source = old.get("full", old.get("source"))
    return {
        "type": "SpecificResource",
        "source": id_of(source) or "",
        "selector": _selector(old.get("selector")),
    }


def _selector(old: Any) -> Any:
    if isinstance(old, list):
        return [_selector(item) for item in old]
    if not isinstance(old, dict):
        return old
    kind = type_of(old)
    if kind == "Choice":
        return [_selector(item) for item in (*as_list(old.get("default")), *as_list(old.get("item")))]
    new = {key: value for key, value in old.items() if key not in ("@type", "chars")}
    new["type"] = kind
    if "chars" in old:
        new.setdefault("value", old["chars"])
    return new


def _range(old: JsonObject) -> JsonObject:
    new = _common(old, "Range")
    items: list[JsonObject] = []
    for name, kind in _RANGE_PARTS:
        for item in as_list(old.get(name)):
            if identity := id_of(item):
                items.append(
                    {"id": identity, "type": kind or _TYPES.get(type_of(item), type_of(item)) or "Canvas"}
                )
    new["items"] = items
    return new


def _members(old: JsonObject) -> list[JsonObject]:
    """The members of a collection, each once: some servers list the same member under two properties."""
    found: dict[str, JsonObject] = {}
    for name, kind in (
        ("collections", "Collection"),
        ("manifests", "Manifest"),
        ("members", ""),
        ("items", ""),
    ):
        for item in as_list(old.get(name)):
            identity = id_of(item)
            if not identity:
                found[f"#{len(found)}"] = {"type": kind}
            elif identity not in found:
                found[identity] = _member(item, identity, kind)
    return list(found.values())


def _member(item: Any, identity: str, kind: str) -> JsonObject:
    if isinstance(item, str):
        return {"id": identity, "type": kind or "Manifest"}
    if "sequences" in item or "members" in item or "manifests" in item or "collections" in item:
        return _resource(item)
    return {**_common(item, kind or type_of(item) or "Manifest"), "id": identity}
