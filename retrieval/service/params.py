"""The parameters of the API and of the page, with their limits, and their conversion
to a query of the engine.

The API refuses unknown parameters (with a misspelt filter it would otherwise silently find everything). The
page ignores them (other sites append parameters to addresses).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.datastructures import QueryParams
from starlette.requests import Request

from iconoclip.config import nearest
from iconoclip.record import KEY_PATTERN
from retrieval.config import Dates, Mode, Sort
from retrieval.questions import MAX_TEXT_CHARS, Filters, KeyText, Query, RegionOf, Weighted, Word, Year
from retrieval.service.guards.refusals import TOO_LONG, TOO_LONG_REMEDY, Refusal

MAX_K = 200
# Together they stay below the limit of the engine for one query.
MAX_TERMS = 16
MAX_VALUES = 50
MAX_KEY_CHARS = 100
MAX_WEIGHT = 10
_BOUNDS = "/api/openapi.json gives each parameter's bounds"
_TERM = re.compile(r"([+-]?\d{1,2}(?:\.\d{1,4})?):(.*)", re.DOTALL)


def printable(text: str) -> str:
    """The text, if it is one: a NUL character is refused."""
    if "\x00" in text:
        raise ValueError("a NUL character is not text")
    return text


def _weighted(term: str) -> Weighted:
    """Parse `WEIGHT:TEXT` or `WEIGHT:KEY` into a term of the engine."""
    parsed = _TERM.fullmatch(term)
    if parsed is None or not parsed[2].strip() or abs(float(parsed[1])) > MAX_WEIGHT:
        raise ValueError(
            f"a term is WEIGHT:TEXT or WEIGHT:KEY, with a weight from -{MAX_WEIGHT} to {MAX_WEIGHT}"
        )
    is_key = re.fullmatch(KEY_PATTERN, parsed[2]) and len(parsed[2]) <= MAX_KEY_CHARS
    what = {"key" if is_key else "text": parsed[2]}
    return Weighted(weight=float(parsed[1]), **what)


def _is_term(term: str) -> str:
    _weighted(term)
    return printable(term)


Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(printable)]
Value = Annotated[Word, AfterValidator(printable)]
Term = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(_is_term)]


class FilterParams(BaseModel):
    """Filters as query parameters; several values of one parameter mean any of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    institution: list[Value] = Field(
        default=[],
        max_length=MAX_VALUES,
        description="slug of an institution; may be repeated",
        examples=[["bnf"]],
    )
    language: list[Value] = Field(
        default=[],
        max_length=MAX_VALUES,
        description="BCP 47 tag of one of the captions; `de` finds `de-AT`; may be repeated",
        examples=[["de"]],
    )
    earliest: Year | None = Field(default=None, description="made in this year or later", examples=[1480])
    latest: Year | None = Field(default=None, description="made in this year or earlier")
    dates: Dates = Field(
        default="possibly",
        description="`possibly`: a date that overlaps the period is enough; `certainly`: it must lie within",
    )
    reusable: bool | None = Field(default=None, description="true: only what may be passed on")
    rights: list[Value] = Field(
        default=[],
        max_length=MAX_VALUES,
        description="short name of a rights statement: PDM, CC-BY, InC; may be repeated",
        examples=[["PDM", "CC0"]],
    )
    iconclass: list[Value] = Field(
        default=[],
        max_length=MAX_VALUES,
        description="Iconclass notation, or words of one; everything below it is found too; may be repeated",
        examples=[["46A122", "lion"]],
    )
    object_type: list[Value] = Field(
        default=[],
        max_length=MAX_VALUES,
        description="type of the object, as the facet writes it; may be repeated",
    )
    creator: list[Value] = Field(
        default=[], max_length=MAX_VALUES, description="maker, as the facet writes it; may be repeated"
    )
    place: list[Value] = Field(
        default=[], max_length=MAX_VALUES, description="place, as the facet writes it; may be repeated"
    )
    has_region: bool | None = Field(default=None, description="true: only records about a part of an image")
    picture_kind: list[Value] = Field(
        default=[],
        max_length=MAX_VALUES,
        description="kind of a picture on a page: illustration, initial, ornament, photograph, map, stamp,"
        " bookplate; may be repeated",
        examples=[["map"]],
    )
    pictures_only: bool | None = Field(
        default=None,
        description="true: leave out whole pages of books whose pictures are items of their own, or that have"
        " none; false: only these",
    )

    def filters(self, concealed: tuple[str, ...]) -> Filters:
        """The engine's filters, which also exclude the institutions that this user may not see."""
        values = {name: getattr(self, name) for name in FilterParams.model_fields} | self.period()
        return Filters(**values, without_institution=concealed)

    @property
    def has_filters(self) -> bool:
        """Whether any filter is set."""
        return bool(self.model_dump(exclude_defaults=True, include=set(FilterParams.model_fields)))

    def period(self) -> dict[str, int | None]:
        """The first and the last year, whichever was typed first: `year:1500..1480` is read so, too."""
        if self.earliest is None or self.latest is None:
            return {"earliest": self.earliest, "latest": self.latest}
        return {"earliest": min(self.earliest, self.latest), "latest": max(self.earliest, self.latest)}


class AskParams(FilterParams):
    """The query, without the order and the page. With filters alone it is the filtered set."""

    q: Text | None = Field(
        default=None,
        description='what to look for, in your own words and language; also "exact phrase", -word, OR,'
        " creator:NAME, year:1480..1500 and other fields (docs/api.md)",
        examples=["a lion holding a rose"],
    )
    like: list[KeyText] = Field(
        default=[],
        max_length=MAX_VALUES,
        description=("key of an item that hits should resemble; may be repeated"),
    )
    unlike: list[KeyText] = Field(
        default=[], max_length=MAX_VALUES, description="key of an item that hits should not resemble"
    )
    plus: list[Text] = Field(
        default=[], max_length=MAX_TERMS, description="a further text that should be in the picture"
    )
    minus: list[Text] = Field(default=[], max_length=MAX_TERMS, description="a text that should not")
    term: list[Term] = Field(
        default=[],
        max_length=MAX_TERMS,
        description=(
            "a further part with its weight, as WEIGHT:TEXT or WEIGHT:KEY; a negative weight subtracts it"
        ),
        examples=[["0.5:winter", "-1:a crowd"]],
    )
    image: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{22}$",
        max_length=22,
        description="a picture to search with, by the name that POST /api/pictures returned",
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]{1,100}:[0-9.]{1,12}(,[0-9.]{1,12}){3}$",
        max_length=160,
        description="a part of an item's image, as KEY:x,y,width,height in fractions of the image (0 to 1)",
        examples=["staatsarchiv-0123456789abcdef:0.25,0,0.5,0.5"],
    )
    mode: Mode = Field(
        default="hybrid", description="by meaning and by words, by meaning alone, or by words alone"
    )
    plain: bool = Field(default=False, description="true: read `q` as plain words, without operators")
    literal: bool = Field(
        default=False, description="true: search the words as they are typed, never similar ones"
    )

    @model_validator(mode="after")
    def _region_fits(self) -> Self:
        if self.region is not None:
            self._region()
        return self

    def _region(self) -> RegionOf | None:
        if self.region is None:
            return None
        key, _, shares = self.region.partition(":")
        try:
            x, y, width, height = (float(share) for share in shares.split(","))
            return RegionOf(key=key, x=x, y=y, width=width, height=height)
        except ValueError as error:
            raise ValueError("a region is KEY:x,y,width,height with shares from 0 to 1") from error

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all items in the query."""
        region = self._region()
        terms = tuple(key for term in self.term if (key := _weighted(term).key))
        return (*self.like, *self.unlike, *terms, *((region.key,) if region else ()))

    @property
    def text(self) -> str | None:
        """The text of the query, or None if it has none."""
        return (self.q or "").strip() or None

    def query(self, concealed: tuple[str, ...], image: bytes | None = None) -> Query:
        """These parameters as a query of the engine."""
        words = [(text, 1.0) for text in self.plus] + [(text, -1.0) for text in self.minus]
        terms = [Weighted(text=text, weight=weight) for text, weight in words if text.strip()]
        return Query(
            text=self.text,
            image=image,
            like=tuple(self.like),
            unlike=tuple(self.unlike),
            region=self._region(),
            terms=(*terms, *map(_weighted, self.term)),
            filters=self.filters(concealed),
            mode=self.mode,
            plain=self.plain,
            literal=self.literal,
        )

    def query_string(self, **changes: Any) -> str:
        """These parameters as a query string with `changes` applied. A changed query
        starts at its first page.
        """
        values = self.model_dump(exclude_defaults=True, exclude={"cursor", "counts"})
        values.update(changes)
        pairs = []
        for name, value in values.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one not in (None, ""):
                    pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
        return urlencode(pairs)


class SearchParams(AskParams):
    """A complete query, with its order and its page."""

    sort: Sort = Field(
        default="relevance", description="order of the hits; any other than relevance lists only what matches"
    )
    k: int = Field(default=24, ge=1, le=MAX_K, description="hits on a page")
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before")
    fold: bool = Field(default=True, description="show near-duplicates as one hit with a count")
    diversity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=("0: the best first; towards 1: the hits of a page differ more from each other"),
    )
    counts: bool = Field(
        default=False, description="true: the answer also has `facets`, counts over all matches"
    )

    def query(self, concealed: tuple[str, ...], image: bytes | None = None) -> Query:
        """These parameters as a query of the engine."""
        values = {name: getattr(self, name) for name in ("sort", "k", "cursor", "fold", "diversity")}
        return super().query(concealed, image).model_copy(update=values)


# The parameters that may be repeated; `key` belongs to exports.
REPEATABLE = {"key"} | {
    name for name, field in SearchParams.model_fields.items() if "list[" in str(field.annotation)
}


async def refuse_repeated(request: Request) -> None:
    """For every route of the API: a parameter with one value must not be given twice, because one
    of the values would be ignored.

    Raises:
        Refusal: 422 that names it.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    twice = next((name for name in names if names.count(name) > 1 and name not in REPEATABLE), None)
    if twice is not None:
        raise Refusal(422, f"'{twice[:60]}' is given twice", where=twice[:60], remedy="give one value")


def misspelt(query: QueryParams) -> list[tuple[str, str]]:
    """Parameters of a page's address that do nothing, each with the name that was probably meant.

    Others are ignored: sites append their own parameters to links.
    """
    known = [*SearchParams.model_fields, "lang"]
    unknown = [name for name in dict.fromkeys(query.keys()) if name not in known]
    close = ((name[:60], get_close_matches(name[:60], known, 1, 0.75)) for name in unknown)
    return [(name, found[0]) for name, found in close if found]


def repeated(query: QueryParams) -> list[tuple[str, str]]:
    """Parameters of a page's address that have one value and are given several, each with the one used."""
    once = [name for name in SearchParams.model_fields if name not in REPEATABLE]
    given = {name: [value for value in query.getlist(name) if value.strip()] for name in once}
    return [(name, values[-1][:60]) for name, values in given.items() if len(set(values)) > 1]


ParamsT = TypeVar("ParamsT", bound=BaseModel)


def from_page(query: QueryParams, kind: type[ParamsT]) -> ParamsT:
    """The parameters of a page's address: empty fields of a form are left out, unknown ones ignored.

    Raises:
        Refusal: a value that is out of bounds.
    """
    values: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        given = [value for value in query.getlist(name) if value.strip()]
        if given:
            values[name] = given if "list[" in str(field.annotation) else given[-1]
    try:
        params = kind.model_validate(values)
    except ValidationError as error:
        raise refused(error.errors()) from error
    return params.model_copy(update=params.period()) if isinstance(params, FilterParams) else params


def _at_most(num_chars: int) -> str:
    if num_chars == MAX_TEXT_CHARS:
        return TOO_LONG_REMEDY
    return f"shorten it to {num_chars:,} characters"


def known_names(route: Any) -> list[str]:
    """The names of the parameters of a route, or of what its body may have."""
    dependant = getattr(route, "dependant", None)
    names: list[str] = []
    for field in [*dependant.query_params, *dependant.body_params] if dependant else ():
        model = field.field_info.annotation
        is_model = isinstance(model, type) and issubclass(model, BaseModel)
        names += model.model_fields if is_model else [field.alias]
    return names


def refused(errors: Any, known: Sequence[str] = ()) -> Refusal:
    """The first of pydantic's validation errors as an error response.

    Args:
        errors: what pydantic found.
        known: the names of the parameters that there are.
    """
    first = errors[0]
    place = [str(part) for part in first["loc"] if part not in ("query", "body", "path", "header")]
    where = ".".join(place) or None
    if first["type"] == "extra_forbidden":
        return Refusal(
            422,
            f"there is no parameter '{place[-1][:60]}'",
            where=place[-1][:60],
            remedy=nearest(place[-1][:60], list(known or SearchParams.model_fields)),
        )
    if first["type"] == "missing" and where:
        return Refusal(422, f"'{where}' is missing", where=where, remedy=f"give '{where}'")
    if first["type"] in ("json_invalid", "model_attributes_type") and first["loc"][0] == "body":
        remedy = "send a JSON object, with Content-Type: application/json"
        return Refusal(422, "the body is no JSON object", where="body", remedy=remedy)
    if first["type"] == "string_too_long":
        return Refusal(422, TOO_LONG, where=where, remedy=_at_most(first["ctx"]["max_length"]))
    if first["type"] == "string_pattern_mismatch":
        return Refusal(422, f"{first['input'][:60]!r} is no value of '{where}'", where=where, remedy=_BOUNDS)
    message = str(first["msg"]).removeprefix("Value error, ")
    if where and message.startswith("Input should "):
        message = where + message.removeprefix("Input")
    return Refusal(422, message, where=where, remedy=_BOUNDS)
