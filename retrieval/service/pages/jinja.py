"""Jinja for the pages: one environment per language; every value is escaped, and an
unknown name is an error.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from iconoclip.people import display_name
from retrieval import iconography
from retrieval.service import hit_links
from retrieval.service.occlusion import PARTS
from retrieval.service.pages import view_models as views
from retrieval.service.pages.facets import picture_kinds, value_label
from retrieval.service.pages.search_help import field_labels, said
from retrieval.service.pages.translations import LANGUAGES, Translation, choose

# The parts of a picture that users can search with, without drawing a frame: name, left and top of
# a quarter of the picture.
NINE_PARTS = tuple(
    (name, column / 4, row / 4)
    for (row, column), name in zip(product(range(3), repeat=2), PARTS, strict=True)
)
LANGUAGE_COOKIE = "iconoclip_lang"
_A_YEAR_SECONDS = 365 * 24 * 3600


@cache
def environment(language: str) -> Environment:
    """The templates in one language."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    translation = Translation(language)
    made.install_gettext_translations(translation.catalogue, newstyle=True)  # type: ignore[attr-defined]
    translated = translation.catalogue.gettext
    made.filters.update(
        number=translation.number,
        language_name=translation.language_name,
        quote=quote,
        translated=translated,
        quoted=translation.quoted,
        person=display_name,
    )
    made.globals.update(
        translation=translation,
        languages=[Translation(tag) for tag in LANGUAGES],
        title_of=lambda hit, asked="": views.title_of(hit, language, asked),
        alt_text=lambda hit: views.alt_text(hit, language),
        badge=lambda rights: views.badge(rights, translation),
        captions_by_language=lambda captions: views.grouped(captions, translation),
        notation_label=lambda notation: iconography.shown(notation, language),
        in_readers_words=translated,
        nine_parts=NINE_PARTS,
        facet_label=lambda name, value: value_label(name, value, translation),
        field_labels=field_labels(translation),
        picture_kinds=picture_kinds(translation),
        hint_text=lambda hint: said(hint, translation),
        is_shown=hit_links.is_shown,
        frame=views.frame,
        percent=views.percent,
        home_of=hit_links.home_of,
        outward=hit_links.outward,
        content_state=hit_links.content_state,
    )
    return made


def translation_for(request: Request) -> Translation:
    """The translation for this user."""
    return choose(
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language"),
    )


def render(template: str, request: Request, **context: Any) -> str:
    """The HTML of a page in the user's language."""
    translation = translation_for(request)
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]

    def in_language(language: str) -> str:
        return f"{request.url.path}?{urlencode([*pairs, ('lang', language)])}"

    return (
        environment(translation.language)
        .get_template(template)
        .render(in_language=in_language, root=root_of(request), **context)
    )


def root_of(request: Request) -> str:
    """The path that the service is published under, without a slash at the end. All
    our addresses begin with it.
    """
    return str(request.scope.get("root_path", ""))


def remember_language(request: Request, response: Response) -> None:
    """Store a language that the user chose, in the only cookie of users without a token."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE,
            str(asked),
            max_age=_A_YEAR_SECONDS,
            path=root_of(request) or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
