"""The content of the home page: size and parts of the collection, some of its pictures, and words to try."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, zip_longest

from retrieval.answers import Facets, Hit
from retrieval.service.context import ServiceContext
from retrieval.service.hit_links import is_shown
from retrieval.service.pages.translations import Translation
from retrieval.service.pages.view_models import primary
from retrieval.service.params import FilterParams, SearchParams

WALL_SIZE = 24
NUM_EXAMPLES = 4
SHORTEST_EXAMPLE, LONGEST_EXAMPLE = 8, 64


@dataclass(frozen=True)
class HomePage:
    """The home page's contents."""

    facets: Facets
    wall: tuple[Hit, ...]
    examples: tuple[str, ...]


def home_page(context: ServiceContext, concealed: tuple[str, ...], translation: Translation) -> HomePage:
    """Counts of all items that this user may see, pictures from each institution in
    turn, and captions to try.
    """
    counts = context.facets(FilterParams(), concealed)
    slugs = [value.value for value in counts.institution[:WALL_SIZE]]
    share = -(-WALL_SIZE // max(1, len(slugs)))
    pages = [
        context.search(SearchParams(institution=[slug], k=min(200, 2 * share)), concealed).hits
        for slug in slugs
    ]
    shown = [[hit for hit in hits if is_shown(hit)][: 2 * share] for hits in pages]
    wall = tuple(hit for hit in chain.from_iterable(zip_longest(*shown)) if hit is not None)[:WALL_SIZE]
    return HomePage(counts, wall, examples(wall, translation.language))


def examples(hits: tuple[Hit, ...], language: str) -> tuple[str, ...]:
    """Short captions of the collection in the user's language; empty if there are none.

    Descriptions of what is visible come before titles, which often name a person or a shelfmark.
    """
    captions = [caption for hit in hits for caption in hit.captions if primary(caption.language) == language]
    fit = [caption for caption in captions if SHORTEST_EXAMPLE <= len(caption.text) <= LONGEST_EXAMPLE]
    fit.sort(key=lambda caption: (caption.origin.startswith("machine:"), caption.field == "title"))
    return tuple(dict.fromkeys(" ".join(caption.text.split()) for caption in fit))[:NUM_EXAMPLES]
