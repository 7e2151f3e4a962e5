"""Text for the books: sentences, mottoes, titles and captions in five languages, made from small word lists.

The sentences are grammatical enough for a program that reads pages, and mean little.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

LANGUAGES = ("la", "fr", "de", "en", "it")

# Per language: openings, nouns, verbs, fillers, closings. A sentence takes some of each in turn.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "la": (
        "et in non ut ad per sed cum quod nec si ex ab dum",
        "virtus labor fortuna tempus mundus animus veritas natura gloria fides terra caelum ventus navis"
        " arbor ratio spes lumen umbra mare fons regnum amor silva flamma corona ignis saxum",
        "ducit vincit servat manet docet crescit regit tenet spectat mutat portat superat monstrat vetat"
        " movet probat",
        "semper saepe magna parva clara longa dura vera nova prima alta firma sola",
        "hominum rerum temporum populi regis annorum sapientis",
    ),
    "fr": (
        "et dans mais pour avec que lorsque sans par selon comme car",
        "le prince la vertu le temps le monde la fortune le laboureur la nature la gloire le navire la mer le"
        " vent la tour la forest le jardin le peuple la raison le feu le soleil la roche la vie",
        "conduit demeure enseigne porte garde surmonte regarde tient change passe montre donne trouve",
        "toujours souvent grand petit clair long ancien nouveau ferme constant seul",
        "des hommes du siecle de la ville des anciens de la cour du royaume",
    ),
    "de": (
        "und in aber auf mit weil wenn ohne durch nach als denn",
        "der Fürst die Tugend die Zeit die Welt das Glück der Bauer die Natur der Ruhm das Schiff das Meer"
        " der Wind der Turm der Wald der Garten das Volk die Vernunft das Feuer die Sonne der Fels das Leben",
        "führet bleibet lehret trägt hält überwindet siehet steht wechselt zeiget giebt findet",
        "immer oft groß klein hell lang alt neu fest allein",
        "der Menschen des Landes der Stadt der Alten des Hofes des Reiches",
    ),
    "en": (
        "and in but for with that when without by after as though",
        "the prince the virtue the time the world the fortune the ploughman the nature the glory the ship the"
        " sea the wind the tower the forest the garden the people the reason the fire the sun the rock",
        "leadeth abideth teacheth carrieth keepeth overcometh beholdeth holdeth changeth passeth sheweth",
        "always often great small clear long ancient new firm constant alone",
        "of men of the age of the city of the ancients of the court of the realm",
    ),
    "it": (
        "e in ma per con che quando senza da dopo come perche",
        "il principe la virtu il tempo il mondo la fortuna il contadino la natura la gloria la nave il mare"
        " il vento la torre la selva il giardino il popolo la ragione il fuoco il sole la rupe la vita",
        "conduce rimane insegna porta guarda vince mira tiene muta passa mostra trova",
        "sempre spesso grande piccolo chiaro lungo antico nuovo fermo solo",
        "degli uomini del secolo della citta degli antichi della corte del regno",
    ),
}  # fmt: skip
_ARTICLES = frozenset(("le", "la", "il", "der", "die", "das", "the"))

# What each drawn figure is called, with its article.
NAMES: Mapping[str, Mapping[str, str]] = {
    "lion": {"la": "leo", "fr": "un lion", "de": "ein Löwe", "en": "a lion", "it": "un leone"},
    "eagle": {"la": "aquila", "fr": "un aigle", "de": "ein Adler", "en": "an eagle", "it": "un'aquila"},
    "swallow": {"la": "hirundo", "fr": "une hirondelle", "de": "eine Schwalbe", "en": "a swallow",
                "it": "una rondine"},
    "tower": {"la": "turris", "fr": "une tour", "de": "ein Turm", "en": "a tower", "it": "una torre"},
    "rose": {"la": "rosa", "fr": "une rose", "de": "eine Rose", "en": "a rose", "it": "una rosa"},
    "heart": {"la": "cor", "fr": "un coeur", "de": "ein Herz", "en": "a heart", "it": "un cuore"},
    "crown": {"la": "corona", "fr": "une couronne", "de": "eine Krone", "en": "a crown", "it": "una corona"},
    "bell": {"la": "campana", "fr": "une cloche", "de": "eine Glocke", "en": "a bell", "it": "una campana"},
    "anchor": {"la": "ancora", "fr": "une ancre", "de": "ein Anker", "en": "an anchor", "it": "un'ancora"},
    "wheel": {"la": "rota", "fr": "une roue", "de": "ein Rad", "en": "a wheel", "it": "una ruota"},
    "shell": {"la": "concha", "fr": "une coquille", "de": "eine Muschel", "en": "a shell",
              "it": "una conchiglia"},
    "lily": {"la": "lilium", "fr": "un lis", "de": "eine Lilie", "en": "a lily", "it": "un giglio"},
    "tree": {"la": "arbor", "fr": "un arbre", "de": "ein Baum", "en": "a tree", "it": "un albero"},
    "ship": {"la": "navis", "fr": "un navire", "de": "ein Schiff", "en": "a ship", "it": "una nave"},
    "sun": {"la": "sol", "fr": "un soleil", "de": "eine Sonne", "en": "a sun", "it": "un sole"},
    "hand": {"la": "manus", "fr": "une main", "de": "eine Hand", "en": "a hand", "it": "una mano"},
    "column": {"la": "columna", "fr": "une colonne", "de": "eine Säule", "en": "a column",
               "it": "una colonna"},
    "snake": {"la": "serpens", "fr": "un serpent", "de": "eine Schlange", "en": "a snake",
              "it": "un serpente"},
    "book": {"la": "liber", "fr": "un livre", "de": "ein Buch", "en": "a book", "it": "un libro"},
    "torch": {"la": "fax", "fr": "un flambeau", "de": "eine Fackel", "en": "a torch", "it": "una face"},
    "fish": {"la": "piscis", "fr": "un poisson", "de": "ein Fisch", "en": "a fish", "it": "un pesce"},
    "house": {"la": "domus", "fr": "une maison", "de": "ein Haus", "en": "a house", "it": "una casa"},
    "man": {"la": "vir", "fr": "un homme", "de": "ein Mann", "en": "a man", "it": "un uomo"},
    "woman": {"la": "mulier", "fr": "une femme", "de": "eine Frau", "en": "a woman", "it": "una donna"},
    "dog": {"la": "canis", "fr": "un chien", "de": "ein Hund", "en": "a dog", "it": "un cane"},
    "stag": {"la": "cervus", "fr": "un cerf", "de": "ein Hirsch", "en": "a stag", "it": "un cervo"},
    "sword": {"la": "gladius", "fr": "une épée", "de": "ein Schwert", "en": "a sword", "it": "una spada"},
    "globe": {"la": "orbis", "fr": "un globe", "de": "eine Weltkugel", "en": "a globe", "it": "un globo"},
    "vase": {"la": "vas", "fr": "un vase", "de": "eine Vase", "en": "a vase", "it": "un vaso"},
    "key": {"la": "clavis", "fr": "une clef", "de": "ein Schlüssel", "en": "a key", "it": "una chiave"},
}  # fmt: skip
_AND = {"la": "et", "fr": "et", "de": "und", "en": "and", "it": "e"}
# Words before the number of a figure and of a plate, and of an emblem.
_FIGURE = {
    "la": ("Fig.", "Figura"), "fr": ("Fig.", "Figure"), "de": ("Abb.", "Fig.", "Bild"),
    "en": ("Fig.", "Figure"), "it": ("Fig.", "Figura"),
}  # fmt: skip
_PLATE = {
    "la": ("Tab.", "Tabula"), "fr": ("Pl.", "Planche"), "de": ("Taf.", "Tafel"), "en": ("Pl.", "Plate"),
    "it": ("Tav.", "Tavola"),
}  # fmt: skip
_EMBLEM = {"la": "Emblema", "fr": "Embleme", "de": "Sinnbild", "en": "Emblem", "it": "Emblema"}
_PLACES = ("Valcendre", "Aldersheim", "Wexcombe", "Lussigny", "Marbeck", "Thévrac", "Ormelle", "Norwellow")
_SCENES = {
    "la": ("Prospectus urbis {}", "Veduta arcis {}"),
    "fr": ("Vue du village de {}", "La grande rue de {}", "Le marché de {}", "Fête au château de {}"),
    "de": ("Ansicht von {}", "Der Marktplatz zu {}", "Festzug in {}", "Die alte Brücke bei {}"),
    "en": ("View of {}", "The market at {}", "High Street, {}", "The old bridge near {}"),
    "it": ("Veduta di {}", "Il mercato di {}", "La piazza di {}"),
}
_TITLES = {
    "la": ("EMBLEMATVM", "LIBER", "DE VIRTVTE", "ET FORTVNA"),
    "fr": ("LES EMBLEMES", "DV MONDE", "ET DE LA VIE", "DES HOMMES"),
    "de": ("SINNBILDER", "Von der Welt", "und dem Leben", "der Menschen"),
    "en": ("A BOOKE", "OF EMBLEMES", "OF THE WORLD", "AND OF MEN"),
    "it": ("GLI EMBLEMI", "DEL MONDO", "E DELLA VITA", "DEGLI HVOMINI"),
}
_IMPRINT = {
    "la": "Apud {}, in officina typographica", "fr": "A {}, chez les heritiers du libraire",
    "de": "{}, in Verlegung der Erben", "en": "Printed at {} for the stationers",
    "it": "In {}, appresso gli eredi",
}  # fmt: skip


def sentence(language: str, rng: random.Random) -> list[str]:
    """The words of one sentence, its first capital, its last with a full stop."""
    openings, nouns, verbs, fillers, closings = _WORDS[language]
    words: list[str] = []
    for _ in range(rng.randint(1, 3)):
        words += _noun(nouns, rng)
        words.append(rng.choice(verbs.split()))
        if rng.random() < 0.6:
            words.append(rng.choice(fillers.split()))
        words += _noun(nouns, rng) if rng.random() < 0.7 else closings.split()[:2]
        words[-1] += rng.choice((",", ",", ";", ""))
        words.append(rng.choice(openings.split()))
    words += _noun(nouns, rng)
    words[-1] += rng.choice((".", ".", ".", ":", "?"))
    return [words[0].capitalize(), *words[1:]]


def _noun(nouns: str, rng: random.Random) -> list[str]:
    words = nouns.split()
    place = rng.randrange(len(words))
    if words[place] in _ARTICLES:
        return words[place : place + 2]
    if place and words[place - 1] in _ARTICLES:
        return words[place - 1 : place + 1]
    return [words[place]]


def motto(rng: random.Random) -> str:
    """A few Latin words in capitals."""
    _, nouns, verbs, fillers, _ = _WORDS["la"]
    pattern = rng.choice(("{n} {v}", "non sine {m}", "{n} {f} {v}", "{n} et {m}", "{f} {v}", "{n} {v} {m}"))
    text = pattern.format(
        n=rng.choice(nouns.split()), m=rng.choice(nouns.split()), v=rng.choice(verbs.split()),
        f=rng.choice(fillers.split()),
    )  # fmt: skip
    return text.upper().replace("U", "V")


def named(subjects: tuple[str, ...], language: str) -> str:
    """The figures' names, joined by the language's word for and."""
    names = [NAMES[subject][language] for subject in subjects]
    return f" {_AND[language]} ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def caption(subjects: tuple[str, ...], number: int, language: str, rng: random.Random) -> str:
    """A printed caption for a figure or a plate."""
    plate = rng.random() < 0.4
    label = rng.choice((_PLATE if plate else _FIGURE)[language])
    count = roman(number) if plate and rng.random() < 0.7 else str(number)
    what = named(subjects, language) or view(language, rng)
    dash = rng.choice((".", ".", ". —", ":", " –"))
    text = f"{label} {count}{dash} {what[:1].upper()}{what[1:]}"
    if rng.random() < 0.25:
        text += f", {_tail(language, rng)}"
    return text + rng.choice((".", ".", ""))


def _tail(language: str, rng: random.Random) -> str:
    _, _, _, fillers, closings = _WORDS[language]
    return f"{rng.choice(fillers.split())} {' '.join(closings.split()[:2])}"


def view(language: str, rng: random.Random) -> str:
    """What a photograph of a place is called."""
    return rng.choice(_SCENES[language]).format(rng.choice(_PLACES))


def emblem_heading(number: int, language: str) -> str:
    """The line above an emblem, as Emblema XII."""
    return f"{_EMBLEM[language]} {roman(number)}."


def title_lines(language: str) -> tuple[str, ...]:
    """The lines of a title page."""
    return _TITLES[language]


def imprint(language: str, rng: random.Random) -> str:
    """Where and by whom a book says it was printed."""
    return _IMPRINT[language].format(rng.choice(_PLACES))


def place(rng: random.Random) -> str:
    """The name of an invented town."""
    return rng.choice(_PLACES)


def roman(number: int) -> str:
    """A number from 1 to 3,999 in Roman numerals."""
    text = ""
    for value, letters in (
        (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
        (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
    ):  # fmt: skip
        text += letters * (number // value)
        number %= value
    return text
