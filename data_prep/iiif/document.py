"""Reads bytes from a server as a JSON object, or gives the reason why they are none."""

from __future__ import annotations

import functools
import html
import json
import re
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from data_prep.candidate import Refusal

MAX_DOCUMENT_BYTES: Final = 100_000_000
MAX_URI_CHARS: Final = 2_000

JsonObject = dict[str, Any]

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# The name of the first element, without its namespace.
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,60}:)?([A-Za-z_][\w.-]{0,60})[\s/>]")
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
# The form of nearly every address; any other is parsed in full.
_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:[/?#][!#-;=?-\[\]_a-z~]{0,1700})?")
_UNSAFE = re.compile(r"[\s<>\"{}|\\^`\x00-\x1f\x7f]")


def parse_object(document: bytes, uri: str) -> JsonObject | Refusal:
    """The JSON object in `document`.

    A byte order mark is dropped, and text that is not UTF-8 is read as Windows-1252. HTML (a firewall, a
    login page), an empty body, a truncated one, and JSON that is no object are refused with the reason.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        return Refusal(
            uri, f"larger than {MAX_DOCUMENT_BYTES // 1_000_000} MB ({len(document)} bytes)", "everything"
        )
    if not document.strip():
        return Refusal(uri, "empty document", "everything")
    try:
        value = json.loads(_decoded(document))
        if _SURROGATE.search(document):
            # An unpaired surrogate cannot be encoded: it becomes a question mark.
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError:
        return Refusal(uri, "JSON nested too deeply", "everything")
    except ValueError as error:
        return Refusal(uri, _why_not_json(document, error), "everything")
    if not isinstance(value, dict):
        return Refusal(uri, f"JSON, but {_json_kind(value)}, not an object", "everything")
    return value


def _decoded(document: bytes) -> str:
    encoding = json.detect_encoding(document)
    try:
        return document.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError:
        return document.decode("cp1252", errors="replace")


def _why_not_json(document: bytes, error: ValueError) -> str:
    start = document.lstrip(b"\xef\xbb\xbf \t\r\n")[:1000].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        title = _TITLE.search(document[:10_000])
        name = f" ('{html.unescape(title[1].decode('utf-8', 'replace')).strip()}')" if title else ""
        return f"an HTML page{name}, not JSON: a login, a firewall, or a wrong address"
    if start.startswith(b"<"):
        root = _ROOT.search(document[:10_000])
        name = f" ('{root[1].decode('utf-8', 'replace')}')" if root else ""
        return f"XML{name}, which is neither JSON nor a list or record in a known standard"
    if isinstance(error, json.JSONDecodeError):
        if error.pos >= len(error.doc.rstrip()) or "Unterminated" in error.msg:
            return f"truncated JSON: it ends at character {len(error.doc)} in the middle of a value"
        return f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return f"not JSON: {error}"


def _json_kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return kinds.get(type(value), "something else")


def as_list(value: Any) -> list[Any]:
    """`value` as a list: many documents have a single value where the standard requires a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def objects(value: Any) -> list[JsonObject]:
    """The objects in `value`, which may be a list, one object, or anything else."""
    return [item for item in as_list(value) if isinstance(item, dict)]


def id_of(value: Any) -> str | None:
    """The `id` (in 2.1: `@id`) of an object, or the string if `value` is one."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        identity = value.get("id", value.get("@id"))
        return identity if isinstance(identity, str) else None
    return None


def type_of(value: Any) -> str:
    """The type of an object without prefix: `sc:Manifest`, `Manifest` and a full URI all give `Manifest`."""
    kind = value.get("type", value.get("@type")) if isinstance(value, dict) else None
    if isinstance(kind, list):
        kind = next((item for item in kind if isinstance(item, str)), None)
    return _bare_type(kind) if isinstance(kind, str) else ""


@functools.lru_cache(maxsize=256)
def _bare_type(kind: str) -> str:
    return re.split(r"[#:/]", kind)[-1]


def web_address(value: str | None, base: str = "") -> str | None:
    """An absolute http(s) address for `value`, resolved relative to `base`; None for any other value.

    Nothing is re-encoded: identifiers with `%2F` and with `/` are different.
    """
    if not value:
        return None
    if _PLAIN_ADDRESS.fullmatch(value):
        return value
    text = value.strip()
    if len(text) > MAX_URI_CHARS or _UNSAFE.search(text):
        text = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text)
        if len(text) > MAX_URI_CHARS:
            return None
    try:
        if text.startswith("//"):
            text = f"https:{text}"
        elif "://" not in text[:12] and base.startswith(("http://", "https://")):
            text = urljoin(base, text)
        parts = urlsplit(text)
        return text if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def whole_number(value: Any, maximum: int = 1_000_000) -> int | None:
    """A positive whole number of pixels, written as a number or a text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value == value and abs(value) <= maximum:
        value = round(value)
    return value if isinstance(value, int) and 0 < value <= maximum else None
