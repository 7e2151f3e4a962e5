"""Pages with pictures and texts, and which text is the caption of which picture: the answers were written
before the code that finds them. Each page is available in every format; none marks a text as a caption unless
its layout says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels"""
Line = tuple[str, Box]
Block = tuple[str, list[Line]]
"""What the document calls the block (`text` or `caption`), and its lines"""
CANVAS = "https://example.org/canvas"


@dataclass(frozen=True)
class Layout:
    """A page; `wanted` are the right answers, of which one must come: number of a picture -> its caption."""

    name: str
    wanted: tuple[dict[int, str], ...]
    blocks: tuple[Block, ...]
    pictures: tuple[Box, ...]
    size: tuple[int, int]


LAYOUTS: list[Layout] = []
P: Box = (200, 200, 600, 500)


def add(
    name: str,
    wanted: dict[int, str] | list[dict[int, str]],
    *blocks: Block,
    pics: tuple[Box, ...] = (P,),
    size: tuple[int, int] = (1000, 1500),
) -> None:
    """Append a layout to the table."""
    LAYOUTS.append(Layout(name, tuple(wanted if isinstance(wanted, list) else [wanted]), blocks, pics, size))


def text(
    words: str,
    x: int | str,
    y: int,
    w: int,
    *,
    h: int = 26,
    lead: int = 34,
    kind: str = "text",
    widths: list[int] | None = None,
) -> Block:
    """A block of lines divided by `|`; with an x of `c` they are centred on a page of 1,000 pixels."""
    lines: list[Line] = []
    for number, line in enumerate(words.split("|")):
        width = w if widths is None else widths[number]
        lines.append((line, (500 - width // 2 if isinstance(x, str) else x, y + number * lead, width, h)))
    return kind, lines


PROSE = (
    "Le prince conduit le navire dans la mer profonde et",
    "la tour demeure debout au milieu des vagues qui",
    "montent vers le ciel comme il a esté dit plus haut",
    "par les anciens auteurs de ceste histoire du monde",
)


def body(
    y: int, n: int = 8, *, x: int = 100, w: int = 800, h: int = 32, lead: int = 44, first: str = ""
) -> Block:
    """A paragraph of `n` lines, the last one half as long."""
    words = [first or PROSE[0], *(PROSE[k % 4] for k in range(1, n))]
    return "text", [(words[k], (x, y + k * lead, w if k < n - 1 else w // 2, h)) for k in range(n)]


add(
    "below, no label",
    {0: "Vue du port de Marseille"},
    text("Vue du port de Marseille", "c", 716, 360),
    body(800),
)
add("above, label", {0: "Fig. 3. Le port"}, text("Fig. 3. Le port", "c", 160, 240), body(760))
add(
    "above, title of a map",
    {0: "PLAN DE LA VILLE DE METZ"},
    text("PLAN DE LA VILLE DE METZ", "c", 100, 500, h=36),
    pics=((100, 150, 800, 1250),),
)
add(
    "left, label",
    {0: "Fig. 7. Coupe de la tour"},
    text("Fig. 7.|Coupe de|la tour", 40, 400, 120),
    body(1000, 5),
    pics=((200, 200, 700, 700),),
)
add(
    "right, no label",
    {0: "Vue de la cathédrale prise du sud"},
    text("Vue de la|cathédrale|prise du|sud", 830, 400, 140),
    pics=(P,),
)
add(
    "rotated plate, right",
    {0: "Fig. 5. Vue de Rome"},
    ("text", [("Fig. 5. Vue de Rome", (880, 500, 28, 400))]),
    pics=((150, 150, 700, 1200),),
)
add(
    "rotated plate, left, no label",
    {0: "Vue de Rome prise du Janicule"},
    ("text", [("Vue de Rome prise du Janicule", (90, 450, 28, 560))]),
    pics=((150, 150, 700, 1200),),
)
A, B = (100, 200, 360, 400), (540, 200, 360, 400)
add(
    "side by side",
    {0: "Vase grec", 1: "Amphore romaine"},
    text("Vase grec", 200, 614, 160),
    text("Amphore romaine", 610, 614, 220),
    body(720),
    pics=(A, B),
)
add(
    "side by side, one block of two lines",
    {0: "Fig. 1. Vase", 1: "Fig. 2. Amphore"},
    ("text", [("Fig. 1. Vase", (180, 614, 200, 26)), ("Fig. 2. Amphore", (600, 614, 240, 26))]),
    body(720),
    pics=(A, B),
)
S1, S2 = (250, 150, 500, 400), (250, 700, 500, 400)
add(
    "stacked, below",
    {0: "La porte du nord", 1: "La porte du sud"},
    text("La porte du nord", "c", 562, 260),
    text("La porte du sud", "c", 1112, 250),
    pics=(S1, S2),
)
add(
    "stacked, above, labels",
    {0: "Fig. 1. Porte", 1: "Fig. 2. Tour"},
    text("Fig. 1. Porte", "c", 112, 200),
    text("Fig. 2. Tour", "c", 660, 200),
    body(1150, 5),
    pics=(S1, S2),
)
add(
    "shared",
    [
        {0: "Fig. 1 et 2. Deux vases de Tarente"},
        {1: "Fig. 1 et 2. Deux vases de Tarente"},
        {0: "Fig. 1 et 2. Deux vases de Tarente", 1: "Fig. 1 et 2. Deux vases de Tarente"},
    ],
    text("Fig. 1 et 2. Deux vases de Tarente", "c", 616, 500),
    body(720),
    pics=(A, B),
)
add(
    "long, small type",
    {
        0: "Fig. 3. Le moulin de la ville, vu du pont de pierre avec les deux tours de la porte et le"
        " fossé, d’après un dessin du temps conservé aux archives."
    },
    text(
        "Fig. 3. Le moulin de la ville, vu du pont|de pierre avec les deux tours de la porte|et "
        "le fossé, d’après un dessin du temps|conservé aux archives.",
        200,
        714,
        600,
        h=22,
        lead=28,
    ),
    body(860),
)
add("Abb. 7 alone", {0: "Abb. 7"}, text("Abb. 7", "c", 712, 80), body(800))
add("Tav. XII above right", {0: "Tav. XII"}, text("Tav. XII", 720, 160, 80), pics=(P,))
add(
    "Pl. IV above right, title below",
    [{0: "Cathédrale de Reims"}, {0: "Pl. IV Cathédrale de Reims"}],
    text("Pl. IV", 740, 160, 60),
    text("Cathédrale de Reims", "c", 716, 280),
)
add("Tab. II in blackletter above", {0: "Tab. II."}, text("Tab. II.", 700, 164, 100), body(760))
add("plate without text", {})
add(
    "facing page of a spread",
    {0: "Planche IV. Cathédrale de Reims"},
    text("Planche IV.|Cathédrale de Reims", 330, 700, 340),
    pics=((1100, 150, 800, 1200),),
    size=(2000, 1500),
)
add(
    "text on the facing page of a spread",
    {},
    body(150, 25),
    pics=((1100, 150, 800, 1200),),
    size=(2000, 1500),
)
LIST = [
    "Fig. 1. La porte du nord . . . . . . 12",
    "Fig. 2. La porte du sud . . . . . . . 17",
    "Fig. 3. Le pont de pierre . . . . . . 31",
    "Fig. 4. Le moulin . . . . . . . . . . 44",
    "Fig. 5. La halle . . . . . . . . . . 58",
    "Fig. 6. La prison . . . . . . . . . . 60",
]
add(
    "list of figures, one block",
    {},
    ("text", [(line, (150, 740 + 44 * n, 700, 30)) for n, line in enumerate(LIST)]),
    pics=((350, 560, 300, 150),),
)
add(
    "list of figures, a block per line",
    {},
    *[("text", [(line, (150, 740 + 44 * n, 700, 30))]) for n, line in enumerate(LIST)],
    pics=((350, 560, 300, 150),),
)
add(
    "list above a tail-piece",
    {},
    ("text", [(line, (150, 440 + 44 * n, 700, 30)) for n, line in enumerate(LIST)]),
    pics=((350, 720, 300, 150),),
)
add("running head", {}, text("HISTOIRE NATURELLE", "c", 60, 360), body(760), pics=((200, 110, 600, 600),))
add(
    "running head with folio",
    {},
    text("124 HISTOIRE DE FRANCE", 100, 60, 420),
    body(760),
    pics=((200, 110, 600, 600),),
)
add(
    "running head right, roman",
    {},
    text("LIVRE SECOND. lxij", 500, 60, 400),
    body(760),
    pics=((200, 110, 600, 600),),
)
add("page number in dashes", {}, text("— 47 —", "c", 716, 90))
add("page number in brackets", {}, text("[12]", "c", 716, 60))
add("Page 12", {}, text("Page 12", "c", 1440, 90), pics=((150, 150, 700, 1250),))
add("signature mark", {}, text("A ij", "c", 1420, 60), pics=((150, 150, 700, 1250),))
add("signature mark 2", {}, text("Bb 3", "c", 1420, 60), pics=((150, 150, 700, 1250),))
add("catchword", {}, text("prince", 760, 1420, 90), pics=((150, 150, 700, 1250),))
add("body below", {}, body(716))
add("body above and below", {}, body(40, 3, lead=40), body(730))
add(
    "end of a paragraph above",
    {},
    text(
        "et ainsi le prince mourut dans la ville de|son pere.",
        100,
        100,
        800,
        h=32,
        lead=44,
        widths=[800, 160],
    ),
    body(740),
)
add(
    "head-piece and chapter",
    {},
    text("CHAPITRE PREMIER.", "c", 330, 400, h=36),
    body(420),
    pics=((150, 150, 700, 150),),
)
add("chapter above", {}, text("CHAPITRE III.", "c", 140, 300, h=36), body(740))
add("imprint", {}, text("À Paris, chez la veuve Duchesne, 1765.", "c", 760, 500))
add(
    "title page",
    {},
    text("LES|EMBLEMES|DE MAISTRE|ANDRÉ", "c", 100, 500, h=50, lead=80, widths=[120, 460, 420, 260]),
    text("A LYON,|Par Macé Bonhomme.|M. D. XLIX.", "c", 900, 400),
    pics=((350, 480, 300, 360),),
)
add(
    "signatures of engravers",
    {0: "Le départ du roi"},
    text("Cochin del.", 200, 704, 110, h=16),
    text("Gravelot sculp.", 660, 704, 140, h=16),
    text("Le départ du roi", "c", 740, 230),
)
add("signature of an engraver alone", {}, text("Cochin del. et sculp.", 600, 704, 200, h=16), body(800))
add(
    "footnote",
    {},
    body(100, 5, lead=44),
    text("(1) Voyez plus haut, page 12, et la note du|chapitre suivant.", 100, 1350, 800, h=24, lead=32),
    pics=((200, 400, 600, 900),),
)
add(
    "column of a newspaper",
    {0: "M. Durand, député"},
    text("M. Durand, député", 150, 612, 240),
    body(100, 28, x=520, w=400),
    body(660, 15, x=60, w=400),
    pics=((60, 200, 400, 400),),
)
add("wrapped text", {}, body(200, 10, x=560, w=380), body(660, 10), pics=((100, 200, 420, 420),))
add(
    "marked caption within the box",
    {0: "Fig. 9. La halle"},
    text("Fig. 9. La halle", "c", 660, 240, kind="caption"),
)
add("inscription", {}, text("VIRTVS", "c", 300, 140), body(740))
add(
    "two languages",
    [{0: "Fig. 2. La tour"}, {0: "Fig. 2. La tour Fig. 2. The tower"}],
    text("Fig. 2. La tour", "c", 714, 220),
    text("Fig. 2. The tower", "c", 752, 240),
)
add(
    "label and title in two lines",
    {0: "Fig. 4 Le lion d’or"},
    text("Fig. 4|Le lion d’or", "c", 714, 200, widths=[80, 200]),
    body(830),
)
add(
    "caption and legend",
    [{0: "Plan de Metz"}, {0: "Plan de Metz A. Porte. B. Tour. C. Pont. D. Moulin."}],
    text("Plan de Metz", "c", 714, 200, h=30),
    text("A. Porte. B. Tour. C. Pont. D. Moulin.", "c", 770, 520, h=20),
)
G = [(100 + 420 * i, 150 + 620 * j, 360, 420) for j in range(2) for i in range(2)]
add(
    "grid of four",
    {k: f"Salle {'ABCD'[k]} du musée" for k in range(4)},
    *[text(f"Salle {'ABCD'[k]} du musée", G[k][0] + 60, G[k][1] + 432, 240) for k in range(4)],
    pics=tuple(G),
)
add(
    "grid, numbers only",
    {},
    *[text(str(12 + k), G[k][0] + 160, G[k][1] + 432, 40) for k in range(4)],
    pics=tuple(G),
)
add(
    "credit and caption",
    {0: "Gare de Lyon"},
    text("Phot. Neurdein", 660, 704, 140, h=16),
    text("Gare de Lyon", "c", 736, 190),
)
add("gap of two lines", {0: "Le port au soleil couchant"}, text("Le port au soleil couchant", "c", 760, 340))
add(
    "foot of the plate",
    {0: "Vue générale de Nancy"},
    text("Vue générale de Nancy", "c", 1330, 330),
    pics=((150, 150, 700, 980),),
)
add("Fig. in the text", {}, body(716, 7, first="Fig. 3 montre que le prince conduit son navire dans"))
add(
    "Pl. in the text, later line",
    {},
    (
        "text",
        [
            (line, (100, 716 + 44 * k, 800 if k < 6 else 300, 32))
            for k, line in enumerate(
                [
                    "des vagues qui montent vers le ciel comme le montre la",
                    "Pl. IV, et par les anciens auteurs de ceste histoire",
                    "du monde qui ont dit que la tour demeure debout au",
                    "milieu des vagues et que le prince conduit le navire",
                    "dans la mer profonde vers la ville et le port de sa",
                    "mere, qui le reçoit avec joye et grand honneur dans",
                    "son palais.",
                ]
            )
        ],
    ),
)
for words, language in (
    ("Рис. 3. Замок на горе", "ru"),
    ("Afb. 6. De molen", "nl"),
    ("Obr. 4. Hrad", "cs"),
    ("Rys. 2. Zamek", "pl"),
    ("Kuva 3. Linna", "fi"),
    ("3. ábra. A vár", "hu"),
    ("Lám. IX. El castillo", "es"),
    ("Εικ. 5. Το κάστρο", "el"),
    ("2. mynd. Borgin", "is"),
    ("Est. IV. O castelo", "pt"),
):
    # A text of the page above and below, left-aligned and a little apart: only the label tells.
    add(f"label {language}", {0: words}, text(words, 100, 726, 330, h=32), body(776))
add("no label, left, large", {}, text("Le chasteau sur la montagne", 100, 726, 430, h=32), body(766))
add(
    "caption and body in one block",
    {0: "Fig. 3. Le port."},
    ("text", [("Fig. 3. Le port.", (380, 716, 240, 26))] + body(770)[1]),
)
add(
    "text below, caption of the other picture",
    {1: "Fig. 8. Le puits"},
    text("Fig. 8. Le puits", "c", 1112, 230),
    body(570, 2),
    pics=(S1, S2),
)
add(
    "heading of a plate, two lines",
    {0: "ASTRONOMIE Pl. XIV"},
    text("ASTRONOMIE|Pl. XIV", "c", 80, 260, h=30, lead=40, widths=[260, 90]),
    pics=((100, 170, 800, 1250),),
)
add(
    "quotation below an emblem",
    {},
    text(
        "Qui veut bien vivre en ce bas monde icy,|Doit de vertu faire son seul soucy:|Car sans "
        "vertu toute chose est vaine,|Et tout plaisir se termine en peine.|Celuy qui suit la "
        "voye des meschans|Perdra ses biens, ses maisons et ses champs.|Mais qui craint Dieu et "
        "aime son prochain|N’aura jamais en vain tendu la main.",
        "c",
        760,
        560,
        h=32,
        lead=44,
    ),
)
add(
    "motto above an emblem",
    [{0: "VIRTVS VNITA FORTIOR"}],
    text("VIRTVS VNITA FORTIOR", "c", 150, 420, h=32),
    text(
        "Qui veut bien vivre en ce bas monde icy,|Doit de vertu faire son seul soucy:|Car sans "
        "vertu toute chose est vaine,|Et tout plaisir se termine en peine.",
        "c",
        760,
        560,
        h=32,
        lead=44,
    ),
)
add("library stamp text", {}, text("BIBLIOTHEQUE|ROYALE", 850, 1300, 110, h=20, lead=24), pics=(P,))
add(
    "scan footer",
    {},
    text("Source gallica.bnf.fr / Bibliothèque nationale de France", "c", 1470, 600, h=20),
    pics=((150, 150, 700, 1280),),
)
add(
    "abb with credit inside",
    {0: "Abb. 12: Der Turm zu Basel (Foto: Museum)"},
    text("Abb. 12: Der Turm zu Basel (Foto: Museum)", "c", 714, 520),
    body(800),
)
add("tav above right with title", {0: "Tav. III - Il porto"}, text("Tav. III - Il porto", 600, 160, 200))
add("figure 2.1", {0: "Figure 2.1 The mill"}, text("Figure 2.1 The mill", 100, 730, 330, h=32), body(780))
add("FIG. dash", {0: "FIG. 3.—The lighthouse."}, text("FIG. 3.—The lighthouse.", "c", 714, 300), body(790))
add("plate, fig", {0: "Plate XII, fig. 4"}, text("Plate XII, fig. 4", "c", 160, 240))
add(
    "Fig. 3 in a short paragraph",
    {},
    text(
        "La Fig. 3 montre le plan de la ville, et l’on voit que|les murs sont debout.",
        100,
        730,
        800,
        h=32,
        lead=44,
        widths=[800, 320],
    ),
    body(830),
)
add(
    "Fig. 3 begins a short paragraph",
    {},
    text(
        "Fig. 3 montre le plan de la ville, et l’on voit que les|murs sont debout.",
        100,
        730,
        800,
        h=32,
        lead=44,
        widths=[800, 320],
    ),
    body(830),
)
add("wrapped text of five lines", {}, body(400, 5, x=560, w=380), body(660, 10), pics=((100, 200, 420, 420),))
add("marginal note", {}, text("Psal.|33.", 850, 400, 80, h=20, lead=24), body(760))
add("inventory number", {}, text("Inv. 1234", "c", 716, 140))
add(
    "album, number above",
    {0: "La mairie, août 1915"},
    text("N° 45", "c", 150, 80),
    text("La mairie, août 1915", "c", 760, 300),
)
add(
    "one caption for two, no label",
    [{0: "Ruines d’Arras"}, {1: "Ruines d’Arras"}, {0: "Ruines d’Arras", 1: "Ruines d’Arras"}],
    text("Ruines d’Arras", "c", 616, 200),
    pics=(A, B),
)
T3 = [(60 + 310 * k, 200, 270, 300) for k in range(3)]
add(
    "three in a row, two lines",
    {0: "Vase de Tarente", 1: "Coupe du roi Minos", 2: "Amphore de Rhodes"},
    text("Vase de|Tarente", T3[0][0] + 60, 512, 150),
    text("Coupe du roi|Minos", T3[1][0] + 50, 512, 170),
    text("Amphore|de Rhodes", T3[2][0] + 60, 512, 150),
    body(640),
    pics=tuple(T3),
)
add(
    "device and colophon",
    {},
    text("FINIS.", "c", 140, 120, h=36),
    text("Excvdebat Lvgdvni Ioannes Tornaesius", "c", 760, 500),
)
add(
    "map, title above, scale below",
    {0: "Carte du duché de Bar"},
    text("Carte du duché de Bar", "c", 100, 420, h=36),
    text("Echelle de deux lieues", 650, 1410, 220, h=20),
    pics=((100, 150, 800, 1250),),
)
add("capitals and a king", {0: "LE ROI LOUIS XIV"}, text("LE ROI LOUIS XIV", "c", 716, 280), body(800))
add("Mill", {0: "Mill"}, text("Mill", "c", 716, 60), body(800))
W = ["Lion", "Ours", "Civette", "Lama"]
add(
    "grid of words",
    {k: W[k] for k in range(4)},
    *[text(W[k], G[k][0] + 140, G[k][1] + 432, 80) for k in range(4)],
    pics=tuple(G),
)
add("OCR Flg.", {0: "Flg. 3. Le port"}, text("Flg. 3. Le port", 100, 730, 280, h=32), body(780))
add("OCR Abb,", {0: "Abb, 7 Der Turm"}, text("Abb, 7 Der Turm", 100, 730, 280, h=32), body(780))
add("label in parentheses", {0: "(Fig. 3.)"}, text("(Fig. 3.)", "c", 714, 110), body(790))
add(
    "two columns, centred caption",
    {0: "Le sacre de Charles VII"},
    text("Le sacre de Charles VII", "c", 716, 300),
    body(790, 14, x=80, w=400),
    body(790, 14, x=520, w=400),
)
add(
    "label above, at the foot",
    {0: "Fig. 9. Le four"},
    body(100, 10),
    text("Fig. 9. Le four", "c", 610, 200),
    pics=((200, 650, 600, 700),),
)
add(
    "small title above",
    {0: "Vue de la grotte"},
    body(60, 6, lead=40),
    text("Vue de la grotte", "c", 330, 220, h=24),
    body(960),
    pics=((200, 364, 600, 540),),
)
add("foot with folio", {}, text("12 REVUE DES ARTS", "c", 1440, 330), pics=((150, 150, 700, 1250),))
add(
    "printer at the foot",
    {},
    text("Imprimerie Lemercier, Paris", 600, 1410, 300, h=18),
    pics=((150, 150, 700, 1250),),
)
add(
    "label and title in two blocks",
    {0: "Pl. 7. Le lion d’or"},
    text("Pl. 7.", "c", 714, 70),
    text("Le lion d’or", "c", 752, 190),
    body(840),
)
add("label and title, body next", {0: "Fig. 8."}, text("Fig. 8.", "c", 714, 80), body(752, 9))
add(
    "caption in the box, label",
    {0: "Fig. 5. Le grand moulin"},
    text("Fig. 5. Le grand moulin", "c", 672, 320),
    body(760),
)
add(
    "legend in numbers",
    [{0: "Fig. 6. Le four"}, {0: "Fig. 6. Le four 1. Porte. — 2. Grille. — 3. Cheminée. — 4. Voûte."}],
    text("Fig. 6. Le four", "c", 714, 200),
    text("1. Porte. — 2. Grille. — 3. Cheminée. — 4. Voûte.", "c", 752, 560, h=20),
    body(830),
)
add(
    "reader left, caption of two columns at right",
    {0: "Fig. 11. Ruines du temple, vues du sud"},
    text("Fig. 11. Ruines|du temple,|vues du sud", 720, 620, 200, h=24, lead=30),
    body(100, 10, x=520, w=400),
    pics=((80, 100, 600, 640),),
)
add("table with numbers", {}, text("12 14 18 22 31", "c", 720, 300), body(800))
add(
    "heading in german",
    {},
    text("Erstes Kapitel.", "c", 330, 260, h=36),
    body(420),
    pics=((150, 150, 700, 150),),
)
add(
    "heading vom Lewen",
    {},
    text("Das ander Buch", "c", 330, 260, h=36),
    body(420),
    pics=((150, 150, 700, 150),),
)
add(
    "privilege",
    {},
    text("Avec privilège du Roi.", "c", 1330, 300),
    text("LES PLAISIRS", "c", 300, 500, h=60),
    pics=((350, 700, 300, 300),),
)
add("date below a device", {}, text("1587", "c", 716, 90, h=40))
add(
    "gothic folio and head",
    {},
    text("Das erst buch", "c", 50, 240),
    text("xxij", 860, 50, 60),
    body(760),
    pics=((200, 110, 600, 600),),
)
add(
    "caption then credit right",
    {0: "La gare de Lyon en 1900"},
    text("La gare de Lyon en 1900", "c", 714, 320),
    text("Cliché Neurdein", 660, 744, 140, h=16),
)
add(
    "turned, number at foot",
    {0: "Pl. XII. Coupe du navire"},
    ("text", [("Pl. XII. Coupe du navire", (880, 450, 28, 520))]),
    text("47", "c", 1440, 40),
    pics=((150, 150, 700, 1200),),
)
add(
    "cut in body: middle label, own line",
    {0: "Fig. 3. — Le port vieux."},
    (
        "text",
        [
            (line, (100, 60 + 44 * k, 800, 32))
            for k, line in enumerate(
                ["des vagues qui montent vers le ciel", "comme il a esté dit plus haut par les"]
            )
        ]
        + [("Fig. 3. — Le port vieux.", (320, 716, 360, 24))]
        + [
            (line, (100, 780 + 44 * k, 800, 32))
            for k, line in enumerate(
                ["anciens auteurs de ceste histoire du", "monde qui ont dit que la tour demeure"]
            )
        ],
    ),
)


def around(lines: list[Line]) -> Box:
    """The box around all lines."""
    left, top = min(box[0] for _, box in lines), min(box[1] for _, box in lines)
    right, bottom = max(box[0] + box[2] for _, box in lines), max(box[1] + box[3] for _, box in lines)
    return left, top, right - left, bottom - top


def as_alto(page: Layout) -> str:
    """The page in ALTO, where text in a margin is a running head: all of it is in the print space here."""

    def place(box: Box) -> str:
        return " ".join(
            f'{name}="{side}"' for name, side in zip(("HPOS", "VPOS", "WIDTH", "HEIGHT"), box, strict=True)
        )

    blocks = ""
    for kind, lines in page.blocks:
        tag = ' TYPE="caption"' if kind == "caption" else ""
        words = "".join(
            f"<TextLine {place(box)}>"
            + "".join(f'<String CONTENT="{escape(word)}"/>' for word in line.split())
            + "</TextLine>"
            for line, box in lines
        )
        blocks += f"<TextBlock{tag} {place(around(lines))}>{words}</TextBlock>"
    width, height = page.size
    return (
        '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Layout>'
        f'<Page WIDTH="{width}" HEIGHT="{height}"><PrintSpace>{blocks}</PrintSpace></Page></Layout></alto>'
    )


def as_hocr(page: Layout) -> str:
    """The page in hOCR, a paragraph for each block."""

    def place(box: Box) -> str:
        return f'title="bbox {box[0]} {box[1]} {box[0] + box[2]} {box[1] + box[3]}"'

    blocks = ""
    for kind, lines in page.blocks:
        name = "ocr_caption" if kind == "caption" else "ocr_line"
        words = "".join(f'<span class="{name}" {place(box)}>{escape(line)}</span>' for line, box in lines)
        blocks += f'<p class="ocr_par" {place(around(lines))}>{words}</p>'
    whole = place((0, 0, *page.size))
    return f'<!DOCTYPE html><html><body><div class="ocr_page" {whole}>{blocks}</div></body></html>'


def as_page_xml(page: Layout) -> str:
    """The page in PAGE XML, a region for each block."""

    def place(box: Box) -> str:
        left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
        return f'<Coords points="{left},{top} {right},{top} {right},{bottom} {left},{bottom}"/>'

    blocks = ""
    for number, (kind, lines) in enumerate(page.blocks):
        words = "".join(
            f"<TextLine>{place(box)}<TextEquiv><Unicode>{escape(line)}</Unicode></TextEquiv></TextLine>"
            for line, box in lines
        )
        name = "caption" if kind == "caption" else "paragraph"
        blocks += f'<TextRegion id="t{number}" type="{name}">{place(around(lines))}{words}</TextRegion>'
    return (
        '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">'
        f'<Page imageWidth="{page.size[0]}" imageHeight="{page.size[1]}">{blocks}</Page></PcGts>'
    )


def as_annotations(page: Layout) -> str:
    """The page as annotations of lines."""
    items = [
        {
            "type": "Annotation",
            "motivation": "supplementing",
            "textGranularity": "line",
            "label": {"fr": [kind]} if kind == "caption" else None,
            "target": f"{CANVAS}#xywh={','.join(map(str, box))}",
            "body": {"type": "TextualBody", "value": line},
        }
        for kind, lines in page.blocks
        for line, box in lines
    ]
    return json.dumps({"type": "AnnotationPage", "id": "https://example.org/a", "items": items})


FORMATS: tuple[Callable[[Layout], str], ...] = (as_alto, as_hocr, as_page_xml, as_annotations)
