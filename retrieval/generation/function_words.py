"""Words that say little about a picture: articles, what joins words in a sentence, what asks for pictures.

People describe pictures in sentences ("a lion with a crown"), records in terms. So an item need not have
these to have every word of a query. It must have a word that places one thing on another, unless no item has
every word otherwise: `in pale` and `on a pale` differ where records distinguish them.

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
    "of and with from to for as"
    " und mit von vom zu zum zur fur"
    " de du des et avec pour"
    " di del della dei delle degli da dal dalla con e ed"
    " y do dos das com"
    " van met voor"
)
_PLACING = (
    "in on at by into upon"
    " im am auf aus bei vor an"
    " dans sur au aux en par"
    " nel nella su sul sulla"
    " em no na"
    " op aan te bij"
)
# "Show me pictures of lions": what is asked for, in any form of these words, not what it shows.
_ASKING = "picture pictures show me bild bilder zeige zeig mir montre moi"
ASKING = frozenset(_ASKING.split())
# What an item need not have, and what it need not have if no item has every word otherwise.
SPARED = ASKING.union(_ARTICLES.split(), _JOINING.split())
FUNCTION_WORDS = SPARED.union(_PLACING.split())
