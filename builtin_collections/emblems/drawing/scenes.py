"""Emblem scenes: a landscape with one to three figures, as a woodcut, an engraving or a miniature."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from builtin_collections.armorial.drawing.outline import Points, arc, spline
from builtin_collections.emblems.drawing import figures
from builtin_collections.emblems.drawing.ink import Pen, Tone

Technique = Literal["woodcut", "engraving", "miniature"]
_FINER = 2
_PALETTES = (
    {"sky": (120, 160, 214), "far": (122, 158, 120), "near": (96, 138, 74), "figure": (196, 58, 46),
     "second": (52, 84, 168), "gold": (214, 172, 62), "skin": (226, 188, 156)},
    {"sky": (176, 200, 222), "far": (150, 172, 150), "near": (122, 148, 96), "figure": (170, 72, 60),
     "second": (88, 108, 156), "gold": (206, 176, 104), "skin": (224, 200, 176)},
    {"sky": (58, 88, 158), "far": (78, 112, 88), "near": (64, 98, 52), "figure": (166, 34, 40),
     "second": (222, 214, 196), "gold": (190, 142, 46), "skin": (214, 170, 138)},
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What is to be drawn: the figures' names, how, and in which frame (none, single, double, border)."""

    subjects: tuple[str, ...]
    technique: Technique
    frame: str
    seed: str


def choose(rng: random.Random, technique: Technique) -> Scene:
    """A scene with one to three figures."""
    number = rng.choices((1, 2, 3), (30, 50, 20))[0]
    main = rng.choice(figures.GROUNDED if rng.random() < 0.75 else figures.AIRBORNE)
    subjects = [main]
    while len(subjects) < number:
        other = rng.choice((*figures.AIRBORNE, *figures.GROUNDED))
        if other not in subjects:
            subjects.append(other)
    frames = {"woodcut": ("single", "double", "single", "none"), "engraving": ("single", "none", "double"),
              "miniature": ("border", "single", "border")}  # fmt: skip
    return Scene(tuple(subjects), technique, rng.choice(frames[technique]), f"scene {rng.random()}")


def draw(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """The scene at `size`: mode L for ink on paper (255 is paper), RGB for a miniature."""
    return _Artist(scene, size).draw()


class _Artist:
    """Draws one scene at twice its size; everything random comes from the scene's own seed."""

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        self.scene, self.size = scene, size
        self.rng = random.Random(scene.seed)
        self.width, self.height = size[0] * _FINER, size[1] * _FINER
        self.coloured = scene.technique == "miniature"
        self.palette = self.rng.choice(_PALETTES)
        paper: Tone = self.palette["sky"] if self.coloured else 255
        self.canvas = Image.new("RGB" if self.coloured else "L", (self.width, self.height), paper)
        fine = scene.technique == "engraving"
        line = max(2.0, self.width / (400 if fine else self.rng.uniform(150, 240)))
        line = self.width / 420 if self.coloured else line
        ink: Tone = (46, 34, 30) if self.coloured else 0
        self.pen = Pen(self.canvas, ink, line, self.rng, unsteady=1.0 + self.width / 600)
        self.spacing = round(max(4, line * (2.6 if fine else 3.4)))
        self.hatch_width = max(1, round(line * (0.5 if fine else 0.95)))

    def draw(self) -> Image.Image:
        """The finished picture in the requested size."""
        horizon = self.rng.uniform(0.35, 0.62)
        self._sky(horizon)
        self._hills(horizon)
        self._distance(horizon)
        self._ground()
        for number, subject in enumerate(self.scene.subjects):
            self._subject(subject, number)
        self._frame()
        reduced = self.canvas.reduce(_FINER)
        return reduced if reduced.size == self.size else reduced.resize(self.size)

    def _tone(self, name: str) -> Tone:
        return self.palette[name] if self.coloured else 255

    def _region(self, outline: Points) -> Image.Image:
        mask = Image.new("L", self.canvas.size)
        ImageDraw.Draw(mask).polygon(self.pen.traced(outline), fill=255)
        return mask

    def _sky(self, horizon: float) -> None:
        if self.coloured:
            fade = Image.linear_gradient("L").resize((self.width, max(1, round(self.height * horizon))))
            pale = Image.new("RGB", fade.size, (236, 236, 226))
            self.canvas.paste(pale, (0, 0), fade)
        elif self.rng.random() < 0.85:
            depth = self.rng.uniform(0.15, horizon + 0.05)
            mask = Image.new("L", (self.width, max(1, round(self.height * depth))), 255)
            self.pen.shade(mask, 0, round(self.spacing * self.rng.uniform(1.0, 2.0)), self.hatch_width)
        for _ in range(self.rng.randint(0, 4)):
            self._cloud(self.rng.uniform(0.05, 0.95), self.rng.uniform(0.06, horizon * 0.7))

    def _cloud(self, x: float, y: float) -> None:
        size = self.width * self.rng.uniform(0.03, 0.07)
        for _ in range(self.rng.randint(3, 6)):
            center = (
                x * self.width + self.rng.gauss(0, 1.3) * size,
                y * self.height + self.rng.gauss(0, 0.4) * size,
            )
            puff = arc(center, size * self.rng.uniform(0.6, 1.1), num_points=18)
            self.pen.fill(puff, (240, 240, 236) if self.coloured else 255)
            self.pen.stroke(arc(center, size, self.rng.uniform(120, 200), self.rng.uniform(330, 420), 14))

    def _hills(self, horizon: float) -> None:
        for number in range(self.rng.randint(1, 3)):
            base = horizon + 0.07 * number
            nodes = [
                (x, base + self.rng.gauss(0, 0.05)) for x in np.linspace(-0.1, 1.1, self.rng.randint(5, 9))
            ]
            ridge = spline(nodes) * (self.width, self.height)
            hill = np.vstack(
                [ridge, [(1.1 * self.width, 1.05 * self.height), (-0.1 * self.width, 1.05 * self.height)]]
            )
            self.pen.fill(hill, self._tone("far"))
            if not self.coloured:
                for angle in self.rng.sample((25, 40, -30, 60), self.rng.randint(1, 2)):
                    depth = self.rng.uniform(0.03, 0.14) * self.height
                    lower = np.add(ridge, (0.03 * self.width, depth))
                    under = np.vstack([ridge, lower[::-1]])
                    self.pen.shade(self._region(under), angle, self.spacing, self.hatch_width)
            self.pen.stroke(ridge)

    def _distance(self, horizon: float) -> None:
        for _ in range(self.rng.randint(0, 4)):
            name = self.rng.choice(("tree", "house", "tower", "tree", "ship"))
            size = self.width * self.rng.uniform(0.03, 0.07)
            x, y = (
                self.rng.uniform(0.08, 0.92) * self.width,
                (horizon + self.rng.uniform(-0.02, 0.1)) * self.height,
            )
            tones = [self._tone("near" if name == "tree" else "gold")]
            thin, self.pen.line = self.pen.line, max(1, self.pen.line // 2)
            self.pen.figure(figures.figure(name), (x, y - size * 0.6), size, tones,
                            flip=self.rng.random() < 0.5,
                            shading=None if self.coloured else (70, max(3, self.spacing // 2),
                                                            1))  # fmt: skip
            self.pen.line = thin

    def _ground(self) -> None:
        top = self.rng.uniform(0.74, 0.86)
        nodes = [(x, top + self.rng.gauss(0, 0.02)) for x in np.linspace(-0.1, 1.1, 7)]
        edge = spline(nodes) * (self.width, self.height)
        ground = np.vstack(
            [edge, [(1.1 * self.width, 1.05 * self.height), (-0.1 * self.width, 1.05 * self.height)]]
        )
        self.pen.fill(ground, self._tone("near"))
        if not self.coloured:
            for _ in range(self.rng.randint(2, 5)):
                low = np.add(edge, (0, self.rng.uniform(0.02, 0.12) * self.height))
                under = np.add(low, (0, self.rng.uniform(0.02, 0.06) * self.height))
                band = np.vstack([low, under[::-1]])
                self.pen.shade(
                    self._region(band), self.rng.choice((0, 8, -8, 75)), self.spacing, self.hatch_width
                )
        self.pen.stroke(edge)
        for _ in range(self.rng.randint(4, 14)):
            x, y = self.rng.uniform(0, 1) * self.width, self.rng.uniform(top + 0.03, 1.0) * self.height
            for lean in (-1, 0, 1):
                blade = np.array(
                    [(x, y), (x + lean * 0.008 * self.width, y - self.rng.uniform(0.01, 0.03) * self.height)]
                )
                self.pen.stroke(blade)

    def _subject(self, name: str, number: int) -> None:
        side = min(self.width, self.height)
        grounded = name in figures.GROUNDED
        size = side * (self.rng.uniform(0.28, 0.4) if number == 0 else self.rng.uniform(0.14, 0.24))
        shift = (0.0, 0.24, -0.26)[number] * (1 if self.rng.random() < 0.5 else -1)
        x = self.width * (0.5 + shift + self.rng.uniform(-0.06, 0.06))
        if grounded:
            y = self.height * self.rng.uniform(0.84, 0.93) - size
        else:
            y = self.height * (self.rng.uniform(0.3, 0.5) if number == 0 else self.rng.uniform(0.14, 0.3))
        x = min(self.width - size * 0.9, max(size * 0.9, x))
        y = min(self.height - size * 1.05, max(size * 1.05, y))
        fine = self.scene.technique == "engraving"
        shading = (self.rng.choice((35, 45, 60, 120)), self.spacing, self.hatch_width)
        self.pen.figure(
            figures.figure(name), (x, y), size, self._tones(name), flip=self.rng.random() < 0.5,
            degrees=self.rng.gauss(0, 4), shading=None if self.coloured else shading,
            depth=0.3 if fine else 0.16,
        )  # fmt: skip

    def _tones(self, name: str) -> list[Tone]:
        if not self.coloured:
            return [255]
        if name in ("man", "woman"):
            return [self.palette["second"], *[self.palette["figure"]] * 4, self.palette["skin"]]
        if name in ("tree", "rose", "vase"):
            return [(104, 78, 52), (104, 78, 52), self.palette["near"]]
        plain = {"sun": "gold", "crown": "gold", "lion": "gold", "bell": "gold", "hand": "skin"}
        return [self.palette[plain.get(name, self.rng.choice(("figure", "second", "gold")))]]

    def _frame(self) -> None:
        draw = ImageDraw.Draw(self.canvas)
        width = max(2, round(self.pen.line * self.rng.uniform(1.2, 2.5)))
        box = (0, 0, self.width - 1, self.height - 1)
        if self.scene.frame == "border":
            edge = max(8, round(min(self.width, self.height) * self.rng.uniform(0.025, 0.06)))
            draw.rectangle(box, outline=self.palette["gold"], width=edge)
            draw.rectangle(box, outline=(60, 40, 30), width=2)
            inner = (edge, edge, self.width - edge, self.height - edge)
            draw.rectangle(inner, outline=(60, 40, 30), width=2)
        elif self.scene.frame in ("single", "double"):
            draw.rectangle(box, outline=self.pen.ink, width=width)
            if self.scene.frame == "double":
                gap = width * 3
                draw.rectangle(
                    (gap, gap, self.width - gap, self.height - gap),
                    outline=self.pen.ink,
                    width=max(1, width // 2),
                )
                paper = self.palette["gold"] if self.coloured else 255
                draw.rectangle(
                    (width, width, self.width - width - 1, self.height - width - 1),
                    outline=paper,
                    width=gap - width,
                )
        elif not self.coloured:
            self._vignette()

    def _vignette(self) -> None:
        """No frame: the picture ends in an uneven edge."""
        mask = Image.new("L", (self.width, self.height))
        inset = 0.05
        turns = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        reach = 1 - inset * (1 + np.array([self.rng.uniform(-0.9, 0.9) for _ in turns]))
        power = 5
        radius = 1 / (np.abs(np.cos(turns)) ** power + np.abs(np.sin(turns)) ** power) ** (1 / power)
        nodes = np.column_stack([radius * reach * np.cos(turns), radius * reach * np.sin(turns)])
        outline = (nodes + 1) / 2 * (self.width, self.height)
        ImageDraw.Draw(mask).polygon([tuple(node) for node in outline.tolist()], fill=255)
        white = Image.new("L", self.canvas.size, 255)
        self.canvas.paste(white, (0, 0), mask.point(lambda value: 255 - value).filter(ImageFilter.BoxBlur(2)))
