"""The filters next to the results: their values, their counts, and which ones are chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retrieval import iconography
from retrieval.answers import Facets, FacetValue, NotationCount
from retrieval.generation.columns import NO_RIGHTS
from retrieval.service.pages.translations import Translation
from retrieval.service.params import SearchParams
from retrieval.words import folded

# Further values are behind "More".
MAX_VALUES_SHOWN = 8
# A histogram of more centuries than fit next to each other leaves out the oldest.
MAX_CENTURIES = 14
BAR_HEIGHT = 40


@dataclass(frozen=True)
class FacetChoice:
    """One value of a filter, with its count."""

    value: str
    label: str
    count: int
    is_chosen: bool


@dataclass(frozen=True)
class FilterGroup:
    """One filter, of which several values may be chosen."""

    name: str
    legend: str
    choices: tuple[FacetChoice, ...]

    @property
    def first(self) -> tuple[FacetChoice, ...]:
        """The values that are always shown."""
        return self.choices[:MAX_VALUES_SHOWN]

    @property
    def further(self) -> tuple[FacetChoice, ...]:
        """The values behind "More"."""
        return self.choices[MAX_VALUES_SHOWN:]

    @property
    def is_open(self) -> bool:
        """Whether a value behind "More" is chosen."""
        return any(choice.is_chosen for choice in self.further)


@dataclass(frozen=True)
class Branch:
    """A notation of the tree, with those below it that are shown."""

    choice: FacetChoice
    below: tuple[Branch, ...]


@dataclass(frozen=True)
class Century:
    """One bar of the histogram of centuries."""

    start: int
    count: int
    height: int
    is_chosen: bool

    @property
    def end(self) -> int:
        """The last year of the century."""
        return self.start + 99


@dataclass(frozen=True)
class SidePanel:
    """All filters of the side panel."""

    groups: tuple[FilterGroup, ...]
    tree: tuple[Branch, ...]
    num_reusable: int
    num_pictures: int
    num_whole_pages: int
    earliest: int | None
    latest: int | None
    centuries: tuple[Century, ...]


@dataclass(frozen=True)
class Chip:
    """One value of a filter that is set."""

    name: str
    value: str
    legend: str
    label: str


def side_panel(counted: Facets, params: SearchParams, translation: Translation) -> SidePanel:
    """The filters, counted over the matches as the engine's `loosened_facets` does."""
    names = [name for name in legends(translation) if name != "iconclass"]
    groups = (_group(name, _values(name, counted), params, translation) for name in names)
    return SidePanel(
        groups=tuple(group for group in groups if len(group.choices) > 1 or _is_set(group)),
        tree=_tree(counted.iconclass_tree, params.iconclass, translation),
        num_reusable=counted.num_reusable,
        num_pictures=counted.num_pictures,
        num_whole_pages=counted.num_whole_pages,
        earliest=counted.earliest,
        latest=counted.latest,
        centuries=_histogram(counted.century, params),
    )


def _values(name: str, counted: Facets) -> Iterable[FacetValue]:
    """The values of a filter. A kind of object that is only the kind of all these pictures is left out."""
    values: tuple[FacetValue, ...] = getattr(counted, name)
    if name != "object_type":
        return values
    kinds = {(kind.value, kind.count) for kind in counted.picture_kind}
    return [value for value in values if (value.value, value.count) not in kinds]


def legends(translation: Translation) -> dict[str, str]:
    """The filters that several values may be chosen of, with their names in the order of the page."""
    _ = translation.catalogue.gettext
    return {
        "institution": _("Institution"),
        "rights": _("Rights"),
        "language": _("Language of a caption"),
        "object_type": _("Kind of object"),
        "picture_kind": _("Kind of picture"),
        "iconclass": _("Iconclass"),
        "creator": _("Maker"),
        "place": _("Place"),
    }


def picture_kinds(translation: Translation) -> dict[str, str]:
    """What the kinds of pictures on pages are called."""
    _ = translation.catalogue.gettext
    return {
        "illustration": _("Illustration"),
        "initial": _("Initial"),
        "ornament": _("Ornament"),
        "photograph": _("Photograph"),
        "map": _("Map"),
        "stamp": _("Stamp"),
        "bookplate": _("Bookplate"),
    }


def chips(counted: Facets, params: SearchParams, translation: Translation) -> tuple[Chip, ...]:
    """The values of filters that are set, to take away one by one."""
    found = []
    for name, legend in legends(translation).items():
        known = {value.value: value for value in getattr(counted, name)}
        for value in getattr(params, name):
            facet = known.get(value) or FacetValue(value=value, label=value, count=0)
            found.append(Chip(name, value, legend, value_label(name, facet, translation)))
    return tuple(found)


def _is_set(group: FilterGroup) -> bool:
    return any(choice.is_chosen for choice in group.choices)


def _group(
    name: str, values: Iterable[FacetValue], params: SearchParams, translation: Translation
) -> FilterGroup:
    chosen = {folded(value) for value in getattr(params, name)}
    choices = tuple(_choice(name, value, chosen, translation) for value in values)
    return FilterGroup(name, legends(translation)[name], choices)


def _choice(name: str, value: FacetValue, chosen: set[str], translation: Translation) -> FacetChoice:
    is_chosen = folded(value.value) in chosen
    return FacetChoice(value.value, value_label(name, value, translation), value.count, is_chosen)


def _tree(
    nodes: Sequence[NotationCount], wanted: Sequence[str], translation: Translation
) -> tuple[Branch, ...]:
    """The tree of notations, without those that only lead to a single other one of as many items."""
    chosen = {folded(value.replace(" ", "")) for value in wanted}
    below: dict[str | None, list[NotationCount]] = {}
    for node in nodes:
        below.setdefault(node.broader, []).append(node)

    def branch(node: NotationCount) -> Branch:
        children = below.get(node.value, [])
        choice = _choice("iconclass", node, chosen, translation)
        if len(children) == 1 and children[0].count == node.count and not choice.is_chosen:
            return branch(children[0])
        return Branch(choice, tuple(map(branch, children)))

    known = {folded(node.value) for node in nodes}
    others = [value for value in wanted if folded(value.replace(" ", "")) not in known]
    words = (FacetChoice(value, value, 0, is_chosen=True) for value in others)
    return (*map(branch, below.get(None, [])), *(Branch(choice, ()) for choice in words))


def _histogram(values: Sequence[FacetValue], params: SearchParams) -> tuple[Century, ...]:
    """A bar for each century, also for those without a picture in between."""
    counts = {int(value.value): value.count for value in values}
    if not counts:
        return ()
    most = max(counts.values())
    starts = list(range(max(min(counts), max(counts) - 100 * (MAX_CENTURIES - 1)), max(counts) + 1, 100))
    return tuple(
        Century(
            start,
            counts.get(start, 0),
            -(-BAR_HEIGHT * counts.get(start, 0) // most),
            (params.earliest, params.latest) == (start, start + 99),
        )
        for start in starts
    )


def value_label(name: str, value: FacetValue, translation: Translation) -> str:
    """A facet's value for people."""
    if name == "language":
        return translation.language_name(value.value)
    if name == "rights" and value.value == NO_RIGHTS:
        return str(translation.catalogue.gettext("No rights statement"))
    if name == "picture_kind":
        return picture_kinds(translation).get(value.value, value.label)
    if name == "iconclass" and value.value:
        words = iconography.shown(value.value, translation.language)
        return f"{value.value} {words}".strip()
    return value.label
