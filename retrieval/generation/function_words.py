"""Words that say little about a picture: articles, and what joins words in a sentence.

People describe pictures in sentences ("a lion with a crown"), records in terms. So an item need not have an
article to have every word of a query. It need not have a preposition or a conjunction if no item has every
word otherwise: `in pale` and `on a pale` differ where records distinguish them.

Folded, as the words of an index. What is another word in a neighbouring language or in blazons is left out:
or, per, fess, sans.
"""

from __future__ import annotations

# English, German, French, Italian, Spanish and Portuguese, Dutch.
_ARTICLES = (
    "a an the"
    " der die das den dem des ein eine einer eines einem einen"
    " le la les un une"
    " il lo gli uno una"
    " el los las unos unas o os um uma"
    " het een"
)
_JOINING = (
    "of in on at by with from to and for as into upon"
    " und mit von vom zu zum zur im am auf aus bei fur vor an"
    " de du des et avec dans sur au aux en par pour"
    " di del della dei delle degli da dal dalla nel nella con su sul sulla e ed"
    " y do dos das em no na com"
    " van met op aan te bij voor"
)
ARTICLES = frozenset(_ARTICLES.split())
FUNCTION_WORDS = ARTICLES.union(_JOINING.split())
