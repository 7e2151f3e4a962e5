"""Names and roles of people, as catalogues write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconoclip.people import family_first, person

PEOPLE = {
    "Blatter, Vincent (1843-....). Dessinateur": ("Vincent Blatter", "draughtsman"),
    "Dürer, Albrecht (1471-1528). Dessinateur": ("Albrecht Dürer", "draughtsman"),
    "Jean de Vignay (1282?-13..). Traducteur": ("Jean de Vignay", "translator"),
    "Menier, Gaston (1855-1934). Dédicateur": ("Gaston Menier", "other"),
    "Zuccalli, Enrico (16..-17.. ; architecte). Fonction indéterminée": ("Enrico Zuccalli", "architect"),
    "Thomson, John, 1837-1921": ("John Thomson", None),
    "Vincentius Bellovacensis (1190?-1264). Auteur du texte": ("Vincentius Bellovacensis", "author"),
    "Wiho -- (GND: 142761281)": ("Wiho", None),
    "Jacobus Heyblocq (1623-1690) (ISNI 0000 0000 5537 561X)": ("Jacobus Heyblocq", None),
    "Aert van der Neer (1603/04-1677) (ISNI 0000 0000 6658 2307)": ("Aert van der Neer", None),
    "Jean-Antoine Watteau (French, 1684 - 1721)": ("Jean-Antoine Watteau", None),
    "Goor, Cornelis van (1600-na 1674)": ("Cornelis van Goor", None),
    "Helst, Lodewijk van der (1642-ca. 1684)": ("Lodewijk van der Helst", None),
    "Cool, Joannes (-1680)": ("Joannes Cool", None),
    "Gorter, Jacob (-1691)": ("Jacob Gorter", None),
    "Medailleur: Samuel, Charles": ("Charles Samuel", "sculptor"),
    "Artist: Rembrandt": ("Rembrandt", "artist"),
    "Author/creator: Doe, Jane": ("Jane Doe", "artist"),
    "Stecher: Merian, Matthäus (1593-1650)": ("Matthäus Merian", "engraver"),
    "engraved by William Hogarth": ("William Hogarth", "engraver"),
    "after Peter Paul Rubens": ("Peter Paul Rubens", "after"),
    "d'après Raphaël": ("Raphaël", "after"),
    "attributed to Hans Holbein": ("Hans Holbein", "attributed"),
    "Rembrandt Harmensz. van Rijn": ("Rembrandt Harmensz. van Rijn", None),
    "A. B. (engraver)": ("A. B.", "engraver"),
    "Tilghman, B. Noah (colCollector)": ("B. Noah Tilghman", "owner"),
    "Anna Fenn, Dutch": ("Anna Fenn", None),
    "Fenn, Anna (DE-588)11852786X": ("Anna Fenn", None),
    "Bagno, Jan (1838-1893) - malarz": ("Jan Bagno", "painter"),
    "anoniem, Nederland": ("anoniem, Nederland", None),
    "Yeakell; Gardner; Arthur Wallis": ("Yeakell; Gardner; Arthur Wallis", None),
    "von Goethe, Johann Wolfgang": ("Johann Wolfgang von Goethe", None),
    "del Sarto, Andrea": ("Andrea del Sarto", None),
    "Leonardo da Vinci": ("Leonardo da Vinci", None),
    "By Jane Doe": ("Jane Doe", "artist"),
    "Honoré Daumier": ("Honoré Daumier", None),
    "葛飾北斎": ("葛飾北斎", None),
    "Umkreis des Martin Schongauer": ("Martin Schongauer", "workshop"),
    "Werkstatt Lucas Cranach d. Ä.": ("Lucas Cranach d. Ä.", "workshop"),
    "Atelier Jacoby": ("Atelier Jacoby", None),
    "Fotograf: Atelier Jacoby": ("Atelier Jacoby", "photographer"),
    "Kopie nach Rembrandt": ("Rembrandt", "after"),
    "Jan Steen (kopia)": ("Jan Steen", "after"),
    "Jan Steen [attr.]": ("Jan Steen", "attributed"),
    "Possibly by Jan Steen": ("Jan Steen", "attributed"),
    "Dürer, Albrecht, 1471-1528 [Nachahmer]": ("Albrecht Dürer", "workshop"),
    "King, Martin Luther, Jr., 1929-1968": ("Martin Luther King Jr", None),
    "Holbein, Hans, der Jüngere (1497-1543)": ("Hans Holbein der Jüngere", None),
    "Brueghel, Jan, the Elder": ("Jan Brueghel the Elder", None),
    "Rubens, Peter Paul, Sir, 1577-1640": ("Peter Paul Rubens", None),
    "Goya y Lucientes, Francisco de": ("Francisco de Goya y Lucientes", None),
    "Le Brun, Charles": ("Charles Le Brun", None),
    "Van Dyck, Anthony": ("Anthony Van Dyck", None),
    "La Tour, Georges de": ("Georges de La Tour", None),
    "Bol, Ferdinand ; Rembrandt": ("Bol, Ferdinand ; Rembrandt", None),
    "Gogh, Vincent van (1853-1890) | https://d-nb.info/gnd/118540416": ("Vincent van Gogh", None),
    "Albrecht Dürer (German, Nuremberg 1471–1528 Nuremberg)": ("Albrecht Dürer", None),
    "Menzel, Adolph von (8.12.1815 - 9.2.1905), Zeichner": ("Adolph von Menzel", "draughtsman"),
    "Репин, Илья Ефимович (1844-1930)": ("Илья Ефимович Репин", None),
    "Teniers, David, II": ("David Teniers II", None),
    "Ruisdael, Jacob Isaacksz. van, 1628/29-1682": ("Jacob Isaacksz. van Ruisdael", None),
    "Vernet, Carle (1758-1836). Peintre du modèle": ("Carle Vernet", "after"),
    "Delaunay, Nicolas (1739-1792), graveur": ("Nicolas Delaunay", "engraver"),
    "Piranesi, Giovanni Battista <1720-1778>": ("Giovanni Battista Piranesi", None),
    "Della Bella, Stefano, 1610-1664, incisore": ("Stefano Della Bella", "engraver"),
    "Goltzius, Hendrick (1558-1617) [prentmaker]": ("Hendrick Goltzius", "engraver"),
    "tekenaar: Jan Luyken": ("Jan Luyken", "draughtsman"),
    "prentmaker: Bernard Picart, Amsterdam": ("Bernard Picart, Amsterdam", "engraver"),
    "naar ontwerp van: Maarten van Heemskerck": ("Maarten van Heemskerck", "after"),
    "toegeschreven aan Govert Flinck": ("Govert Flinck", "attributed"),
    "Fotograf: Hilding, Anna": ("Anna Hilding", "photographer"),
    "Ekman, Robert Wilhelm (1808-1873) taiteilija": ("Robert Wilhelm Ekman", "artist"),
    "Matejko, Jan (1838-1893). Malarz": ("Jan Matejko", "painter"),
    "Hollar, Václav, 1607-1677 (rytec)": ("Václav Hollar", "engraver"),
    "Mánes, Josef - kreslíř": ("Josef Mánes", "draughtsman"),
    "Шишкин, Иван Иванович (1832-1898), художник": ("Иван Иванович Шишкин", "artist"),
    "Художник: Билибин И. Я.": ("Билибин И. Я.", "artist"),
    "Zwinger, Theodor (1658-1724) (Verfasser)": ("Theodor Zwinger", "author"),
    "Merian, Maria Sibylla, 1647-1717 [Illustrator]": ("Maria Sibylla Merian", "illustrator"),
    "Senefelder, Alois ; Lithograf": ("Alois Senefelder", "lithographer"),
    "Doré, Gustave, 1832-1883, ill.": ("Gustave Doré", "illustrator"),
    "Whistler, James McNeill, 1834-1903, artist.": ("James McNeill Whistler", "artist"),
    "Hokusai, 1760-1849": ("Hokusai", None),
    "Utagawa Hiroshige (Japanese, Tokyo (Edo) 1797–1858 Tokyo (Edo))": ("Utagawa Hiroshige", None),
    "Circle of Hieronymus Bosch": ("Hieronymus Bosch", "workshop"),
    "Follower of Caravaggio (Italian, 1571-1610)": ("Caravaggio", "workshop"),
    "Manner of Claude Lorrain": ("Claude Lorrain", "workshop"),
    "Hans Holbein the Younger (1497/98–1543)": ("Hans Holbein the Younger", None),
    "Unknown photographer": ("Unknown photographer", None),
    "Bisson frères": ("Bisson frères", None),
    "Elliott & Fry": ("Elliott & Fry", None),
    "Beardsley, Aubrey Vincent (b. 1872, d. 1898)": ("Aubrey Vincent Beardsley", None),
    "Cameron, Julia Margaret, 1815-79": ("Julia Margaret Cameron", None),
    "Weenix, Jan (ca. 1642-1719)": ("Jan Weenix", None),
    "Smith, John (fl. 1690-1710)": ("John Smith", None),
    "Gérard, François, baron (1770-1837)": ("François Gérard", None),
    "Carracci, Annibale (1560-1609) - Inventor": ("Annibale Carracci", "after"),
    "Rosa, Salvator <inventore>": ("Salvator Rosa", "after"),
    "Ribera, José de (1591-1652) grabador": ("José de Ribera", "engraver"),
    "Goya, Francisco de (1746-1828) [grab.]": ("Francisco de Goya", "engraver"),
    "Laborde, Alexandre de (1773-1842). Éditeur scientifique": ("Alexandre de Laborde", "other"),
    "Blaeu, Willem Jansz. (1571-1638), Verleger": ("Willem Jansz. Blaeu", "publisher"),
    "Cartographer: Speed, John": ("John Speed", "cartographer"),
    "attribué à Jean Clouet": ("Jean Clouet", "attributed"),
    "Entourage de François Boucher": ("François Boucher", "workshop"),
    "Maestro dell'Osservanza": ("Maestro dell'Osservanza", None),
    "Scuola di Raffaello": ("Raffaello", "workshop"),
    "Bottega di Tiziano": ("Tiziano", "workshop"),
    "copia da Guido Reni": ("Guido Reni", "after"),
    "Munkácsy Mihály (1844-1900)": ("Munkácsy Mihály", None),
    "Jónsson, Ásgrímur 1876-1958": ("Ásgrímur Jónsson", None),
    "Osman Hamdi Bey (1842-1910)": ("Osman Hamdi Bey", None),
    "محمود سعيد (1897-1964)": ("محمود سعيد", None),
    "歌川広重 (1797-1858)": ("歌川広重", None),
    "Šubic, Janez (1850-1889) : slikar": ("Janez Šubic", "painter"),
    "Photographer: Atget, Eugène (1857-1927)": ("Eugène Atget", "photographer"),
    "Photo by Dorothea Lange": ("Dorothea Lange", "photographer"),
    "Author: Kircher, Athanasius, S.J., 1602-1680": ("Athanasius Kircher", "author"),
}


@pytest.mark.parametrize(("written", "expected"), PEOPLE.items())
def test_people(written: str, expected: tuple[str, str | None]) -> None:
    found = person(written)
    assert (found.name, found.role) == expected
    assert found.given == written


FAMILY_FIRST = {
    "Albrecht Dürer": "Dürer, Albrecht", "Dürer, Albrecht (1471-1528)": "Dürer, Albrecht",
    "Vincent van Gogh": "Gogh, Vincent van", "Gogh, Vincent van": "Gogh, Vincent van",
    "Hans Holbein the Younger": "Holbein, Hans the Younger", "Lucas Cranach d. Ä.": "Cranach, Lucas d. Ä.",
    "Helst, Lodewijk van der (1642-ca. 1684)": "Helst, Lodewijk van der",
    "Leonardo da Vinci": "Leonardo da Vinci", "Rembrandt": "Rembrandt", "葛飾北斎": "葛飾北斎",
    "Master of the Housebook": "Master of the Housebook", "Monogrammist BM": "Monogrammist BM",
    "Meister E. S.": "Meister E. S.", "García Lorca, Federico": "García Lorca, Federico",
    "engraved by William Hogarth": "Hogarth, William", "Unknown maker": "Unknown maker",
}  # fmt: skip


@pytest.mark.parametrize(("written", "sorted_as"), FAMILY_FIRST.items())
def test_names_are_sorted_by_the_family(written: str, sorted_as: str) -> None:
    assert family_first(written) == sorted_as


@given(st.text(min_size=1, max_size=80))
def test_a_name_never_becomes_empty(written: str) -> None:
    if written.strip():
        assert person(written).name
