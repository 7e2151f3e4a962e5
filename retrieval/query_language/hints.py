"""What a search says about the text of a query, in English. The page has the same in its languages."""

from __future__ import annotations


def N_(sentence: str) -> str:
    """Mark a sentence for the page's translators."""
    return sentence


TEXTS: dict[str, str] = {
    "unbalanced_quote": N_("A quotation mark has no partner, so it was ignored. An exact phrase has two:"),
    "unbalanced_parenthesis": N_("A parenthesis has no partner, so it was ignored."),
    "lone_minus": N_("A “-” alone excludes nothing: write it directly before a word."),
    "dash_before_word": N_("“%(what)s” was searched as a word. A hyphen excludes it:"),
    "unknown_field": N_(
        "There is no field “%(what)s”, so this was searched as plain words. Fields are creator, title, year,"
        " place, type, institution, notation, language, rights, reuse and picture."
    ),
    "field_without_value": N_(
        "“%(what)s” has no value, so it was searched as a word. Write the value directly after the colon."
    ),
    "field_needs_colon": N_(
        "“%(what)s” was searched as words. To search the field, write a colon directly after its name:"
    ),
    "space_after_field": N_("“%(what)s” was searched as a word. To search the field, leave out the space:"),
    "not_a_year": N_("“%(what)s” is no year: write year:1514, year:1480..1500 or year:..1500."),
    "not_yes_or_no": N_(
        "“%(what)s” is neither yes nor no, so this was searched as plain words. Write reuse:yes or reuse:no."
    ),
    "lone_or": N_("“%(what)s” has nothing to join on one side, so it was searched as a word."),
    "lone_bar": N_("“%(what)s” has nothing to join on one side, so it was ignored."),
    "or_joins_two": N_("OR joins only what is next to it. To join more words, put them into parentheses:"),
    "use_or": N_("“%(what)s” was searched as a word. To find either of two, write OR:"),
    "use_minus": N_("“%(what)s” was searched as a word. To exclude a word, write - directly before it:"),
    "and_left_out": N_("“%(what)s” was left out: every word counts anyway."),
    "star_does_nothing": N_(
        "“%(what)s”: * and ? stand for no letters here. Other forms of a whole word are found anyway."
    ),
    "mark_does_nothing": N_("“%(what)s”: ~ and ^ do nothing here. Similar spellings are found anyway:"),
    "single_quotes": N_("Single quotation marks do not make an exact phrase. Write double ones:"),
    "no_words": N_("“%(what)s” has no letter or number to look up. Describe a picture in words."),
    "century": N_("“%(what)s” was searched as words. To search the period:"),
    "period": N_("“%(what)s” was searched as words. To search the period:"),
    "too_many_alternatives": N_("These are too many alternatives: the first %(what)s were searched."),
    "too_deep": N_("Parentheses inside of parentheses go too deep here, so the innermost were ignored."),
    "exact_name": N_("An item here is called exactly so. It was searched by this name, without operators."),
    "nothing_excluded": N_("No record here has “%(what)s”, so nothing was excluded."),
    "unknown_value": N_("Nothing here has “%(what)s” as %(field)s."),
    "no_date": N_("Nothing here is dated “%(what)s”. All dates here are within:"),
    "old_index": N_(
        "This index was built by an older version and does not record “%(what)s”: build it again"
        " with `iconoclip index`."
    ),
}


def text_of(code: str, what: str, field: str = "") -> str:
    """The sentence of a hint in English."""
    return TEXTS[code] % {"what": what, "field": field}
