"""What names a thing without describing it: folio labels, bare numbers, shelfmarks, file names, addresses.

None of these may become a caption: a model that learns "f. 12r" learns nothing. Of 12,000 canvas labels
looked at in real manifests, 58 % are folio labels and 12 % bare numbers.
"""

from __future__ import annotations

import functools
import re

# Words of folio labels in the languages of European catalogues. A label of only these and numbers tells where
# an image is, not what it shows.
_PLACES_TEXT = """
    f ff fo fol fols foll folio folios folium folia foglio fogli feuillet feuillets feuille feuilles bl bll
    blatt blätter blad blz bladzijde bladzijden p pp pg pag pagina pagine paginas página páginas page pages s
    ss seite seiten sp sidan sida side sivu strona str strana lap oldal sp spalte spalten column col columna
    colonne kol canvas canvases object placeholder image images img bild bilder aufnahme scan scans view vue
    vues vista foto photo photograph frame afbeelding abbildung abb opening openings digital r v ro vo rv va
    vb ra rb recto verso rect vers rückseite vorderseite rovescio dorso n nn no nr num numéro nummer number
    unnumbered ungezählt unfoliated unpaginated sn np na front back rear inside outside inner outer upper
    lower top bottom left right side cover covers board boards spine head tail foredge fore edge binding
    flyleaf flyleaves endleaf endleaves endpaper endpapers pastedown paste down free leaf leaves blank wrapper
    jacket case slipcase einband deckel vorderdeckel hinterdeckel rückdeckel vorderer hinterer buchrücken
    rücken schnitt vorsatz vorsatzblatt vorsätze nachsatz nachsatzblatt spiegel vorderspiegel hinterspiegel
    rückspiegel innenseite außenseite leer leere leerseite umschlag titelblatt titelseite deckblatt
    oberschnitt unterschnitt vorderschnitt fragment plat plats supérieur inférieur contreplat contreplats
    garde gardes couverture reliure dos tranche tranches tête queue gouttière haut bas devant derrière début
    fin blanc blanche titre omslag voorplat achterplat rug schutblad schutbladen voorkant achterkant
    binnenzijde buitenzijde titelpagina snede kaft band piatto anteriore posteriore coperta copertina guardia
    contropiatto dorso taglio frontespizio cubierta tapa tapas lomo guarda portada pärm omslags försättsblad
    title titlepage frontispiece half contents toc index table matter colophon color colour chart checker card
    ruler scale target farbkarte farbkeil graukeil farbtafel kleurenkaart charte couleurs a b c d bis ter
    quater i ii iii und and et e en of the de la le du des der die das di van to au aux illustration
    illustrations illustratie fig figure figures figuur plate plates planche planches pl tafel tafeln taf main
    proper long short qp section sections abschnitt spread spreads double unlabeled unlabelled untitled item
    items on with bar colorchecker colourchecker farbbalken inf sup nachblatt vorblatt nachblätter vorblätter
    herausgelöstes framed unframed cropped raking light natural normal visible transmitted uv ir infrared
    fluorescence x ray reflectogram seq sequence fußschnitt kopfschnitt titelschnitt rückwärtiger rückwärtige
    hintere vordere titelblad vorne hinten oben unten sig signature quire gathering lage cahier detail détail
    vorwort inhaltsverzeichnis inhalt register einleitung widmung anhang kapitel chapter chapitre preface
    préface foreword introduction dedication errata appendix voorwoord inhoud inhoudsopgave hoofdstuk sommaire
    prologue épilogue part vol volume volumes tome band bd teil deel tomo t pt issue heft nummer
    """
_PLACES = frozenset(_PLACES_TEXT.split())
_NUMERALS = re.compile(
    r"第?\d{1,6}[頁页葉叶丁张張枚コマ]{1,2}[表裏裡左右]?|\d{1,8}[a-z]?\d?[rv]?\*?[a-d]?|[rv]\d{1,6}|[a-z]{1,2}\d{1,6}[rv]?[ab]?"
    r"|c{0,3}(?:x[cl]|l?x{0,4})(?:ix|iv|v?i{1,4}|v)[rv]?|c{0,3}(?:x[cl]|lx{0,4}|x{1,4})[rv]?",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\w+")
_FILE = re.compile(
    r"[^/]{1,200}\.(?:jpe?g|jpe|jp2|jpx|j2k|tiff?|ptif|png|gif|webp|bmp|pdf|xml|json|svg|mp[34]|djvu|psd|dng)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:https?|ftp|urn|info|doi|ark|hdl|oai|isbn|issn|ppn|id):\s?\S+|www\.\S+|\S+@\S+\.\w+|10\.\d{4,}/\S+",
    re.IGNORECASE,
)
_MONTHS_TEXT = """
    january february march april may june july august september october november december jan feb mar apr jun
    jul aug sep sept oct nov dec januar februar märz mai juni juli oktober dezember janvier février mars avril
    juin juillet août septembre octobre novembre décembre januari februari maart mei augustus gennaio febbraio
    marzo aprile maggio giugno luglio agosto settembre ottobre dicembre enero febrero abril mayo junio julio
    septiembre octubre noviembre diciembre tammikuuta monday tuesday wednesday thursday friday saturday sunday
    montag dienstag mittwoch donnerstag freitag samstag sonntag lundi mardi mercredi jeudi vendredi samedi
    dimanche c ca circa um vers bc ad v chr n
    """
_MONTHS = frozenset(_MONTHS_TEXT.split())

# "The Table", "Der Spiegel": the label of a page does not begin with an article.
_ARTICLES = frozenset(
    (
        "the",
        "a",
        "an",
        "der",
        "die",
        "das",
        "ein",
        "eine",
        "le",
        "la",
        "les",
        "un",
        "une",
        "het",
        "een",
        "il",
        "lo",
        "el",
    )
)

# A shelfmark contains one of these, a number, and no ordinary word.
_SHELF_WORDS = re.compile(
    r"\b(?:mss?|codd?|codex|clm|cgm|cpg|cim|cod|hs|hss|handschrift|inc|inkunabel|add|harley|harl|royal|cotton|arundel|"
    r"sloane|lat|latin|fran[cç]ais|grec|ital|vat|pal|barb|reg|urb|kb|bl|bsb|bnf|onb|önb|ubl?|slub|hab|nls|nlw|bod|bodl|bodley|"
    r"shelfmark|signatur|cote|coll?ection|inv|inventar\w*|nouv|acq|n\.?a\.?[fl]|rés|res|réserve|reserve|digital|store|ppn|vd1[678]|"
    r"nm\w{0,3}|sk|rp|reg|acc|accession|call|number|item|ref|reference|object|record|barcode|fonds|dossier|boite|boîte)\b",
    re.IGNORECASE,
)
# "New Haven, Beinecke Rare Book and Manuscript Library, Yale University, Osborn fa1"
_LIBRARY = re.compile(r"library|biblioth[eè]|bibliotheek|bibliotec|archiv|archief|museum", re.IGNORECASE)
_NUMBER_IN_IT = re.compile(r"(?=.*[^\W\d_])(?:[\w.\-]{1,20} ){0,3}\S*\d\S*")
_IN_BRACKETS = re.compile(r"\s*[(\[](?=[^()\[\]]*[^\W\d_])([^()\[\]:]{2,40})[)\]]$")
_ORDINARY_WORD = re.compile(r"(?<![\w.])[^\W\d_A-ZÀ-Þ][^\W\d_]{3,}")
_SHELF_VOCABULARY_TEXT = """
    latin français grec ital réserve reserve nouv fonds boîte boite codex manuscrit manuscrits manuscript
    manuscripts handschrift handschriften département departement department estampes photographie
    bibliothèque library bibliothek bibliotheek biblioteca nationale national universitätsbibliothek
    collection collections shelfmark signatur cote dept number item folio carton recueil nationalbibliothek
    staatsbibliothek stadtbibliothek arsenal municipale object accession record reference call digital store
    inventar inventaris inventory inventaire pièce piece volume band
    """
_SHELF_VOCABULARY = frozenset(_SHELF_VOCABULARY_TEXT.split())
_ICONCLASS = re.compile(r"\d{1,2}[A-Z]{1,2}\d*(?:\([^()]{1,80}\)\d*)*(?:\(\+\d{1,8}\))*")
_CODE_TOKEN = re.compile(r"[A-Z]{1,4}\.?|[\w./:()\-]*\d[\w./:()\-]*")
_INITIALS = re.compile(r"[A-Z]{1,3}\.?")
# From this character on, a letter may represent a syllable or a word.
_FIRST_SYLLABIC = "\u1100"
_SEPARATORS = re.compile(r"\s*[,;|]\s+|\s+[-–—]\s+")
_CAPITALS_AND_DIGITS = re.compile(r"(?:[A-Z]{0,6}[\d._\-/]{0,12}[A-Z\d._\-/]{0,12}(?: |$)){1,5}")
_CODE = re.compile(r"[\w\-./:,;()\[\]+*#]{0,120}")


@functools.lru_cache(maxsize=16_384)
def is_designation(text: str) -> bool:
    """Whether `text` merely designates its object: a folio, a number, a shelfmark, a file, an address, a
    date.

    `text` is plain text, as `plain_text` returns it.
    """
    letters = [letter for letter in text if letter.isalpha()]
    if not letters or (len(letters) < 3 and max(letters) < _FIRST_SYLLABIC) or _INITIALS.fullmatch(text):
        return True
    if len(text) > 160:
        return False
    if _designates(text):
        return True
    parts: list[str] = [part for part in _SEPARATORS.split(text) if part]
    return len(parts) > 1 and all(map(_designates, parts))


def _designates(text: str) -> bool:
    if _ICONCLASS.fullmatch(text):
        return True
    return _is_folio_label(text) or _is_file_or_address(text) or is_shelfmark(text) or _is_code(text)


def _is_folio_label(text: str) -> bool:
    words: list[str] = _WORDS.findall(text.casefold().replace("_", " "))
    if len(words) == 1 and len(words[0]) == 1:
        return words[0].isascii()
    if words[0] in _ARTICLES and not any(letter.isdigit() for letter in text):
        return False
    return all(word in _PLACES or word in _MONTHS or bool(_NUMERALS.fullmatch(word)) for word in words)


def _is_file_or_address(text: str) -> bool:
    return _FILE.fullmatch(text) is not None or _ADDRESS.fullmatch(text) is not None


def is_shelfmark(text: str) -> bool:
    """Whether `text` looks like a call number: a word of shelfmarks, a number, and no ordinary word."""
    if not any(letter.isdigit() for letter in text):
        return False
    if _LIBRARY.search(text) and _NUMBER_IN_IT.fullmatch(text.rsplit(",", 1)[-1].strip()):
        return True
    if not _SHELF_WORDS.search(text):
        return False
    return all(word in _SHELF_VOCABULARY for word in _ORDINARY_WORD.findall(text))


def without_shelfmark(title: str) -> str:
    """A title without a shelfmark in brackets at its end: `A Lady (B1981.25.278)`."""
    match = _IN_BRACKETS.search(title)
    if match is None or not match.start() or not (is_shelfmark(match[1]) or _is_code(match[1])):
        return title
    return title[: match.start()].rstrip(" ,;-")


def _is_code(text: str) -> bool:
    """Capitals and digits alone (`PRENT 0141`), or one unspaced token with digits and capitals or separators
    in it: `bsb00026283_00001`, `E.1829-2004`."""
    if _CAPITALS_AND_DIGITS.fullmatch(text) and any(letter.isdigit() for letter in text):
        return True
    tokens = text.split(" ")
    if len(tokens) > 1 and all(map(_CODE_TOKEN.fullmatch, tokens)):
        return any(letter.isdigit() for letter in text)
    if " " in text or not _CODE.fullmatch(text) or not any(letter.isdigit() for letter in text):
        return False
    longest_word = max((len(word) for word in re.findall(r"[^\W\d_]+", text)), default=0)
    return longest_word <= 6 or "_" in text
