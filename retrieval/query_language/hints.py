"""What a search says about the text of a query, in English. The page has the same in its languages."""

from __future__ import annotations


def N_(sentence: str) -> str:
    """Mark a sentence for the page's translators."""
    return sentence


TEXTS: dict[str, str] = {
    "unbalanced_quote": N_("A quotation mark has no partner, so what follows was searched as plain words."),
    "unbalanced_parenthesis": N_("A parenthesis has no partner, so it was ignored."),
    "lone_minus": N_("A “-” alone excludes nothing: write it directly before a word."),
    "dash_before_word": N_("“%(what)s” was searched as a word. A hyphen excludes it:"),
    "unknown_field": N_("There is no field “%(what)s”, so this was searched as plain words."),
    "space_after_field": N_("“%(what)s” was searched as a word. To search the field, leave out the space:"),
    "not_a_year": N_("“%(what)s” is no year: write year:1514, year:1480..1500 or year:..1500."),
    "not_yes_or_no": N_("“%(what)s” is neither yes nor no, so this was searched as plain words."),
    "lone_or": N_("“%(what)s” has nothing to join on one side, so it was searched as a word."),
    "or_joins_two": N_("OR joins only what is next to it. To join more words, put them into parentheses:"),
    "use_or": N_("“%(what)s” was searched as a word. To find either of two, write OR:"),
    "use_minus": N_("“%(what)s” was searched as a word. To exclude a word, write - directly before it:"),
    "and_left_out": N_("“%(what)s” was left out: every word counts anyway."),
    "star_does_nothing": N_("“%(what)s”: the star does nothing. Other forms of a word are found anyway."),
    "century": N_("“%(what)s” was searched as words. To search the period:"),
    "too_many_alternatives": N_("These are too many alternatives: the first %(what)s were searched."),
    "too_deep": N_("Parentheses inside of parentheses go too deep here, so the innermost were ignored."),
    "exact_name": N_("An item here is called exactly so. It was searched by this name, without operators."),
    "nothing_excluded": N_("No record here has “%(what)s”, so nothing was excluded."),
    "unknown_value": N_("Nothing here has “%(what)s” as %(field)s."),
    "old_index": N_(
        "This index was built by an older version and does not record “%(what)s”: build it again"
        " with `iconoclip index`."
    ),
}


def text_of(code: str, what: str, field: str = "") -> str:
    """The sentence of a hint in English."""
    return TEXTS[code] % {"what": what, "field": field}
