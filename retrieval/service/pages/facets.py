"""The filters next to the results: their values, their counts, and which ones are chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from retrieval import iconography
from retrieval.answers import Facets, FacetValue
from retrieval.generation.columns import NO_RIGHTS
from retrieval.service.context import ServiceContext
from retrieval.service.pages.translations import Translation
from retrieval.service.params import SearchParams

MAX_VALUES_SHOWN = 8


@dataclass(frozen=True)
class FacetChoice:
    """One value of a filter, with its count."""

    value: str
    label: str
    count: int
    is_chosen: bool


@dataclass(frozen=True)
class FilterGroup:
    """One filter, for which either several values or one may be chosen."""

    name: str
    legend: str
    takes_several: bool
    choices: tuple[FacetChoice, ...]

    @property
    def is_any(self) -> bool:
        """Whether none of its values is chosen."""
        return not any(choice.is_chosen for choice in self.choices)


@dataclass(frozen=True)
class SidePanel:
    """All filters of the side panel."""

    groups: tuple[FilterGroup, ...]
    num_reusable: int
    earliest: int | None
    latest: int | None
    centuries: tuple[FacetValue, ...]


def side_panel(
    context: ServiceContext, params: SearchParams, concealed: tuple[str, ...], translation: Translation
) -> SidePanel:
    """The filters with counts. The values of a filter are counted as if it were not set, so
    that users can change it.
    """
    overall = context.facets(params, concealed)

    def several(name: str, legend: str) -> FilterGroup:
        loose = (
            context.facets(params.model_copy(update={name: []}), concealed)
            if getattr(params, name)
            else overall
        )
        return _group(name, legend, True, getattr(loose, name), getattr(params, name), translation)

    def single(name: str, legend: str) -> FilterGroup:
        chosen = getattr(params, name)
        loose = context.facets(params.model_copy(update={name: None}), concealed) if chosen else overall
        return _group(name, legend, False, getattr(loose, name), [chosen] if chosen else [], translation)

    _ = translation.catalogue.gettext
    reusable = (
        context.facets(params.model_copy(update={"reusable": None}), concealed)
        if params.reusable
        else overall
    )
    groups = (
        several("institution", _("Institution")),
        several("rights", _("Rights")),
        single("language", _("Language of a caption")),
        single("object_type", _("Kind of object")),
        single("iconclass", _("Iconclass")),
        single("creator", _("Maker")),
    )
    return SidePanel(
        groups=tuple(group for group in groups if len(group.choices) > 1 or not group.is_any),
        num_reusable=reusable.num_reusable,
        earliest=overall.earliest,
        latest=overall.latest,
        centuries=() if params.earliest is not None or params.latest is not None else _in_order(overall),
    )


def _in_order(overall: Facets) -> tuple[FacetValue, ...]:
    return tuple(sorted(overall.century, key=lambda value: int(value.value)))


def _group(
    name: str,
    legend: str,
    takes_several: bool,
    values: Iterable[FacetValue],
    chosen: list[str],
    translation: Translation,
) -> FilterGroup:
    ranked = list(values)
    known = {value.value for value in ranked}
    shown = [value for place, value in enumerate(ranked) if place < MAX_VALUES_SHOWN or value.value in chosen]
    # A chosen value must be visible even if no item has it, so that users can remove it.
    shown += [FacetValue(value=value, label=value, count=0) for value in chosen if value not in known]
    return FilterGroup(
        name,
        legend,
        takes_several,
        tuple(
            FacetChoice(
                value.value, value_label(name, value, translation), value.count, value.value in chosen
            )
            for value in shown
        ),
    )


def value_label(name: str, value: FacetValue, translation: Translation) -> str:
    """A facet's value for people."""
    if name == "language":
        return translation.language_name(value.value)
    if name == "rights" and value.value == NO_RIGHTS:
        return str(translation.catalogue.gettext("No rights statement"))
    if name == "iconclass" and value.value:
        words = iconography.shown(value.value, translation.language)
        return f"{value.value} {words}".strip()
    return value.label
