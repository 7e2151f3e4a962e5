"""What the home page shows of the collection: its size, its parts, some of its pictures, and words to try."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, zip_longest

from retrieval.answers import Facets, Hit
from retrieval.service.desk import Desk
from retrieval.service.facets import count
from retrieval.service.params import FilterParams, SearchParams
from retrieval.service.views import best_caption, is_shown
from retrieval.service.wording import Wording

WALL_SIZE = 24
NUM_EXAMPLES = 4
SHORTEST_EXAMPLE, LONGEST_EXAMPLE = 8, 64


@dataclass(frozen=True)
class Welcome:
    """The home page's contents."""

    facets: Facets
    wall: tuple[Hit, ...]
    examples: tuple[str, ...]


def welcome(desk: Desk, concealed: tuple[str, ...], wording: Wording) -> Welcome:
    """Counts of everything this reader may see, pictures from every institution in turn, and captions to try."""
    counts = count(desk, FilterParams(), concealed)
    slugs = [value.value for value in counts.institution[:WALL_SIZE]]
    share = -(-WALL_SIZE // max(1, len(slugs)))
    pages = [
        desk.search(SearchParams(institution=[slug], k=min(200, 2 * share)).query(concealed)).hits
        for slug in slugs
    ]
    shown = [[hit for hit in hits if is_shown(hit)][: 2 * share] for hits in pages]
    wall = tuple(hit for hit in chain.from_iterable(zip_longest(*shown)) if hit is not None)[:WALL_SIZE]
    return Welcome(counts, wall, examples(wall, wording.language))


def examples(hits: tuple[Hit, ...], language: str) -> tuple[str, ...]:
    """Short captions in the reader's language, as the collection itself words them; none when there are none."""
    found: dict[str, None] = {}
    for hit in hits:
        caption = best_caption(hit.captions, language)
        if caption is None or not caption.language.lower().startswith(language):
            continue
        if SHORTEST_EXAMPLE <= len(caption.text) <= LONGEST_EXAMPLE:
            found.setdefault(" ".join(caption.text.split()))
    return tuple(found)[:NUM_EXAMPLES]
