"""The words that catalogues write dates with, in English, German, French, Dutch, Italian, Spanish and
Swedish. Those of other languages are in date_terms.tsv.

Everything is in lower case. This file only contains tables of words;
data_prep/description/dates.py uses them.
"""

from __future__ import annotations

MONTHS = {
    word: number
    for number, words in enumerate(
        (
            "january jan januar jänner janvier januari gennaio enero",
            "february feb febr februar février fevrier februari febbraio febrero",
            "march mar märz maerz mars maart marzo",
            "april apr avril aprile abril",
            "may mai mei maggio mayo maj",
            "june jun juni juin giugno junio",
            "july jul juli juillet luglio julio",
            "august aug août aout augustus agosto augusti",
            "september sep sept septembre settembre septiembre",
            "october oct okt oktober octobre ottobre octubre",
            "november nov novembre noviembre",
            "december dec dez dezember décembre decembre dicembre diciembre",
        ),
        1,
    )
    for word in words.split()
}

CIRCA = (
    "circa", "ca", "c", "cca", "um", "gegen", "etwa", "wohl um", "wohl", "vers", "environ", "env",
    "vers l'an", "rond", "omstreeks", "ongeveer", "omstr", "about", "around", "approximately", "approx",
    "probably", "possibly", "likely", "vermutlich", "wahrscheinlich", "verso", "hacia", "cerca de",
    "omkring",
    "omkr", "ungefähr", "probablement", "waarschijnlijk",
)  # fmt: skip
BEFORE = (
    "before", "prior to", "not after", "no later than", "not later than", "until",
    "vor", "bis", "spätestens", "nicht nach",
    "avant", "jusqu'en", "jusqu'à", "au plus tard", "voor", "tot", "uiterlijk", "niet na", "prima del",
    "ante", "antes de", "före", "hasta", "fino al", "fino a", "entro il", "till och med", "t.o.m", "t.o.m.",
    "indtil", "inntil", "bis zum", "jusqu'au", "jusque",
)  # fmt: skip
AFTER = (
    "after", "not before", "not earlier than", "no earlier than",
    "since", "from", "nach", "seit", "ab", "frühestens", "nicht vor", "après",
    "depuis", "à partir de", "na", "sinds", "vanaf", "niet voor", "dopo il", "dopo", "post", "después de",
    "efter", "desde", "a partir de", "a partire dal", "dal", "från", "från och med", "fr.o.m", "fr.o.m.",
    "ab dem",
)  # fmt: skip
# Those of them that include the century or decade they name.
BEFORE_WITH_IT = frozenset(BEFORE) - {
    "before", "prior to", "vor", "avant", "voor", "prima del", "ante", "antes de", "före",
}  # fmt: skip
AFTER_WITH_IT = frozenset(AFTER) - {
    "after", "nach", "après", "na", "dopo il", "dopo", "post", "después de", "efter",
}  # fmt: skip
# "from the 18th century", "dal XV secolo": made in it.
DATING_FROM = frozenset({"from", "dal", "från", "desde"})
OR_LATER = (
    "or later", "oder später", "ou plus tard", "of later", "o dopo", "or after", "oder danach", "ff",
    "and later",
    "and after", "onwards", "onward", "und später", "und danach", "et après", "et plus tard", "en later",
    "e oltre",
    "o posterior", "y después", "eller senere", "og senere", "eller senare", "och senare",
)  # fmt: skip
OR_BEFORE = (
    "or earlier", "or before", "oder früher", "ou avant", "of eerder", "oder davor", "and earlier",
    "and before",
    "und früher", "o anterior", "o prima", "eller tidligere", "eller tidigare",
)  # fmt: skip
# The open end of a range in words: "1914 to present".
NOW = (
    "present", "the present", "today", "now", "date", "heute", "jetzt", "aujourd'hui", "présent",
    "heden", "nu", "oggi",
    "hoy", "actualidad", "presente", "hoje", "i dag", "idag", "dziś", "dnes", "настоящее время", "н.в",
    "ma", "nykypäivä",
)  # fmt: skip
BETWEEN = (
    "between",
    "zwischen",
    "entre",
    "tussen",
    "tra",
    "fra",
    "mellan",
    "from",
    "von",
    "de",
    "van",
    "dal",
)
TO = (
    "-",
    "/",
    "to",
    "till",
    "until",
    "and",
    "bis",
    "und",
    "et",
    "à",
    "a",
    "en",
    "tot",
    "e",
    "y",
    "al",
    "och",
    "till",
)
UNDATED = (
    "s.d", "sd", "n.d", "nd", "undated", "no date", "date unknown", "unknown", "o.j", "o. j", "ohne jahr",
    "undatiert", "unbekannt", "sans date", "s. d", "non daté", "inconnue", "z.j", "z. j", "zonder jaar",
    "ongedateerd", "onbekend", "senza data",
)  # fmt: skip

# After the number: "18th century", "18. Jh.", "XVIIIe siècle", "18e eeuw".
CENTURY = (
    "centuries", "century", "cent", "jahrhunderts", "jahrhundert", "jahrhunderte", "jhdts", "jhdt", "jhds",
    "jhd", "jhs", "jh", "siècles", "siècle", "siecles", "siecle", "eeuw", "eeuws", "secolo", "secoli",
    "sec",
    "siglo", "siglos", "século", "århundradet", "århundrade", "vuosisata", "wieku", "wiek", "století",
    "stol",
    "sajand",
)  # fmt: skip
# Before the number: "secolo XV", "s. XVI".
CENTURY_BEFORE = (
    "century",
    "centuries",
    "siglos",
    "secoli",
    "secc",
    "séculos",
    "séc",
    "secolo",
    "sec",
    "siglo",
    "século",
    "s",
    "saec",
    "saeculum",
)
BEFORE_CHRIST = (
    "bce", "b.c.e", "bc", "b.c", "v. chr", "v.chr", "v chr", "vor christus", "av. j.-c", "av. j.c",
    "avant j.-c", "avant jésus-christ", "av jc", "a.c", "a. c", "a.c.n", "voor christus", "f.kr", "f. kr",
    "av. j.-chr", "a. de c", "a.de c", "p.n.e", "p. n. e", "przed chr", "př. n. l", "př.n.l", "př. kr",
    "pred kr",
    "pr. kr", "pr.kr", "pr. n. št", "pr. n. l", "до н. э", "до н.э", "до н. е", "до н.е", "пр. хр",
    "пр.хр", "пр. н. е",
    "пр.н.е", "eaa", "ekr", "e.kr", "e.m.a", "e. m. a", "π.χ", "π. χ", "î.hr", "î. hr", "î.e.n", "î. e. n",
)  # fmt: skip

AFTER_CHRIST = (
    "ad", "a.d", "ce", "c.e", "n. chr", "n.chr", "nach christus", "ap. j.-c", "apr. j.-c", "après j.-c",
    "d.c", "d. c",
    "na christus", "e.kr", "e. kr", "n.e", "n. e", "n. l", "po kr", "н. э", "н.э", "μ.χ",
)  # fmt: skip

# Part of a century: word -> first and last of its hundred years.
PARTS = {
    "frühe": (0, 32), "frühen": (0, 32), "späte": (67, 99), "späten": (67, 99),
    "early": (0, 32), "earlier": (0, 49), "beginning": (0, 24), "anfang": (0, 24), "beginn": (0, 24),
    "frühes": (0, 32), "früh": (0, 32), "début": (0, 24), "debut": (0, 24), "begin": (0, 24),
    "vroeg": (0, 32), "inizio": (0, 24), "inizi": (0, 24), "primi": (0, 24),
    "débuts": (0, 24), "principios": (0, 24), "mid": (40, 60), "middle": (40, 60),
    "mitte": (40, 60), "milieu": (40, 60), "midden": (40, 60), "metà": (40, 60), "late": (67, 99),
    "later": (50, 99), "end": (75, 99), "ende": (75, 99), "spätes": (67, 99), "spät": (67, 99),
    "fin": (75, 99), "eind": (75, 99), "einde": (75, 99), "laat": (67, 99), "fine": (75, 99),
    "fines": (75, 99), "finales": (75, 99),
}  # fmt: skip
ORDINALS = {
    word: number
    for number, words in (
        (1, "first 1st 1. 1 erste erster ersten erstes premier première 1re 1ère 1º 1ª 1a 1er 1e 1ste"),
        (1, "eerste prima primer primeiro primeira"),
        (1, "primo primera i"),
        (2, "second 2nd 2. 2 zweite zweiter zweiten zweites deuxième"),
        (2, "seconde 2nde 2e 2ème 2º 2ª 2a 2de tweede seconda"),
        (2, "secondo segunda ii"),
        (3, "third 3rd 3. 3 dritte dritter dritten drittes troisième 3e 3ème 3º 3ª 3a derde terzo tercer"),
        (3, "iii"),
        (4, "fourth 4th 4. 4 vierte vierter vierten viertes quatrième 4e 4ème 4º 4ª 4a vierde quarto cuarto"),
        (4, "iv"),
        (5, "fifth 5th 5. 5 fünfte fünftes cinquième 5e vijfde quinto"),
        (6, "sixth 6th 6. 6 sechste sechstes sixième 6e zesde sexto"),
        (7, "seventh 7th 7. 7 siebte siebtes septième 7e zevende séptimo"),
        (8, "eighth 8th 8. 8 achte achtes huitième 8e achtste octavo"),
        (9, "ninth 9th 9. 9 neunte neuntes neuvième 9e negende noveno"),
        (10, "tenth 10th 10. 10 zehnte zehntes dixième 10e tiende décimo"),
        (-1, "final last letzte letzter letzten letztes dernier dernière laatste ultimo último ultima"),
    )
    for word in words.split()
}  # fmt: skip
FRACTIONS = {
    word: number
    for number, words in (
        (2, "half hälfte hlft moitié helft metà mitad"),
        (3, "third drittel tiers derde terzo"),
        (4, "quarter viertel quart kwart quarto cuarto quartel"),
        (10, "decade jahrzehnt jahrzehntes décennie decennie decennium decennio década årtionde tiår"),
    )
    for word in words.split()
}
# Between two parts of a century: "2nd or 3rd quarter".
OR = (
    "or", "to", "and", "oder", "bis", "und", "ou", "et", "au", "à", "of", "tot", "en", "o", "e", "y", "al",
    "eller", "till", "och", "til", "og", "lub", "do", "i", "a", "nebo", "až", "alebo", "ili", "in", "tai",
    "ja", "või", "vagy", "és", "sau", "și", "vai", "un", "arba", "ir", "или", "и", "або", "та", "ή", "και",
)  # fmt: skip
DECADE = (
    "er jahre", "er-jahre", "er jaren", "er", "s", "'s", "ies", "'lar", "'ler", "lar", "ler", "'lu yıllar",
    "'li yıllar", "'lı yıllar",
)  # fmt: skip
# Words before the date of a copy, which is not the date of making: "1880 (printed 1950)", "c.1916-7, cast
# 1955-6".
COPIES = (
    "cast", "casting", "recast", "reprinted", "reprint", "printed", "print", "print of", "later print",
    "digitized", "digitised", "digitization", "digitisation", "scanned", "photographed", "restored",
    "facsimile", "copy of", "copied", "copy", "after a", "after an", "original", "gedruckt",
    "druck von", "nachdruck", "neudruck", "abguss", "guss", "kopie", "digitalisat", "digitalisiert",
    "gescannt", "restauriert", "nach einem", "nach einer", "tirage", "réimpression", "réimprimé",
    "numérisé", "numérisée", "numérisation", "fonte", "copie", "d'après", "herdruk", "afdruk",
    "gegoten", "gedigitaliseerd", "druck", "ristampa", "fusione", "copia", "digitalizzato", "reimpresión",
    "reimpreso", "digitalizado", "tryckt", "avgjutning", "digitaliserad", "digitaliseret",
    "digitalisert", "přetisk", "digitalizováno", "przedruk", "odlew", "kopia", "zdigitalizowano",
    "переиздание", "копия", "with additions", "with later additions", "additions", "mit nachträgen",
    "nachträge", "avec ajouts", "avec additions", "con aggiunte", "con adiciones", "rebound", "binding",
    "einband", "reliure",
)  # fmt: skip
DECADE_BEFORE = (
    "années", "jaren", "anni", "years", "decade of", "decade", "década de", "años", "δεκαετία του", "lata",
    "léta",
)  # fmt: skip
