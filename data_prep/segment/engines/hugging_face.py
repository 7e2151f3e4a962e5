"""Any object-detection model in Hugging Face's format (RT-DETR, DETR, YOLOS, ...) as an engine.

The model's own labels decide what is a picture: `label_kinds` knows the names that models for documents use.
Only this engine needs torch and transformers; they are imported when it is made.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from iconoclip import pictures
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import sha256_of
from iconoclip.page_layout.findings import MAX_BOXES, Finding, FoundBox
from iconoclip.page_layout.inputs import MAX_PIXELS
from iconoclip.page_layout.kinds import PICTURE_KINDS, BoxKind

LEAST: Final = 0.5
# Detectors resize by themselves; more pixels than this only cost time.
MAX_SIDE: Final = 1600
MAX_RATIO: Final = 4
# Words in labels, the first that fits: labels of DocLayNet, PubLayNet, PRImA, SegmOnto, HORAE, COCO-like
# sets.
LABEL_WORDS: Final[tuple[tuple[str, BoxKind], ...]] = (
    ("bookplate", "bookplate"), ("ex-libris", "bookplate"), ("ex libris", "bookplate"),
    ("stamp", "stamp"), ("seal", "stamp"), ("tampon", "stamp"),
    ("dropcapital", "initial"), ("drop-capital", "initial"), ("initial", "initial"), ("lettrine", "initial"),
    ("ornament", "ornament"), ("headpiece", "ornament"), ("tailpiece", "ornament"), ("border", "ornament"),
    ("decoration", "ornament"), ("vignette", "ornament"),
    ("photo", "photograph"), ("map", "map"), ("carte", "map"),
    ("illustration", "illustration"), ("miniature", "illustration"), ("picture", "illustration"),
    ("figure", "illustration"), ("image", "illustration"), ("graphic", "illustration"),
    ("drawing", "illustration"), ("engraving", "illustration"), ("woodcut", "illustration"),
)  # fmt: skip
# Parts of labels that name text about a picture.
_TEXT_ABOUT: Final = ("caption", "text", "title", "footnote")


def label_kinds(labels: dict[int, str]) -> dict[int, BoxKind]:
    """The kind of box of each label of a model; labels that name no picture are left out."""
    kinds: dict[int, BoxKind] = {}
    for number, label in labels.items():
        name = label.lower().replace("_", "-")
        if any(word in name for word in _TEXT_ABOUT):
            continue
        for word, kind in LABEL_WORDS:
            if word in name:
                kinds[int(number)] = kind
                break
    return kinds


class HuggingFaceEngine:
    """Runs a detector from a folder or from the hub.

    Args:
        model: a folder with config.json and weights, or the id of a model on the hub.
        least_score: boxes with a lower score are left out; None takes 0.5.

    Raises:
        MissingRequirement: no such model, or a package that it needs is not there.
        BadInput: it is no object detector, its weights are not those of its config, or none of its labels
            names a picture.
    """

    def __init__(self, model: str, least_score: float | None = None) -> None:
        self._least = LEAST if least_score is None else least_score
        self._processor, self._network = _loaded(model)
        self._kinds = label_kinds(self._network.config.id2label)
        if not self._kinds:
            labels = ", ".join(list(self._network.config.id2label.values())[:20])
            raise BadInput(
                f"none of the model's labels names a kind of picture: {labels}",
                where=model,
                remedy="rename its labels (`id2label` in config.json): illustration, ornament, initial",
            )
        self.name = Path(model).name if Path(model).is_dir() else model
        self.digest = _digest(model, self._network, self._least)
        # A forward pass uses all cores of torch by itself.
        self._one_by_one = threading.Lock()

    def find(self, page: bytes) -> Finding:
        """What is on a page.

        Raises:
            ImageRefused: the image cannot be decoded.
        """
        import torch

        image = pictures.decode(page, max_pixels=MAX_PIXELS, max_side=MAX_SIDE)
        inputs = self._processor(
            images=_padded(np.asarray(image)), input_data_format="channels_last", return_tensors="pt"
        )
        with self._one_by_one, torch.inference_mode():
            outputs = self._network(**inputs)
        found = self._processor.post_process_object_detection(
            outputs, threshold=self._least, target_sizes=torch.tensor([_padded_size(*image.size)])
        )[0]
        rows = zip(found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True)
        boxes = [box for row in rows if (box := self._box(row, image.width, image.height)) is not None]
        boxes.sort(key=lambda box: -box.score)
        return _finding(boxes[:MAX_BOXES])

    def _box(self, row: tuple[list[float], int, float], width: int, height: int) -> FoundBox | None:
        corners, label, score = row
        kind = self._kinds.get(label)
        left, right = (min(max(corners[n] / width, 0.0), 1.0) for n in (0, 2))
        top, bottom = (min(max(corners[n] / height, 0.0), 1.0) for n in (1, 3))
        if kind is None or not (left < right and top < bottom):
            return None
        return FoundBox(kind, left, top, right, bottom, min(max(score, 0.0), 1.0))


def _padded_size(width: int, height: int) -> tuple[int, int]:
    """Height and width of a canvas on which a page is not too narrow for the processors of detectors."""
    least = -(-max(width, height) // MAX_RATIO)
    return max(height, least), max(width, least)


def _padded(page_HWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = page_HWC.shape[:2]
    down, across = _padded_size(width, height)
    return np.pad(page_HWC, ((0, down - height), (0, across - width), (0, 0)), constant_values=255)


def _finding(boxes: list[FoundBox]) -> Finding:
    """A detector says nothing of the page: its boxes do."""
    pictures_here = [box for box in boxes if box.kind in PICTURE_KINDS]
    covered = sum((box.right - box.left) * (box.bottom - box.top) for box in pictures_here)
    if covered > 0.5:
        return Finding("picture", max(box.score for box in pictures_here), tuple(boxes))
    if boxes:
        return Finding("mixed", boxes[0].score, tuple(boxes))
    return Finding("text", 0.5)


@functools.lru_cache(maxsize=2)
def _loaded(model: str) -> tuple[Any, Any]:
    try:
        from transformers import AutoImageProcessor, AutoModelForObjectDetection
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise MissingRequirement(
            f"the package '{error.name}' is not installed", remedy="pip install transformers torch"
        ) from error
    # The verb has a progress bar of its own; weights that do not fit are refused below, in fewer words.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        processor = AutoImageProcessor.from_pretrained(model, trust_remote_code=False)
        # Pickled weights can run code: only safetensors are read.
        network, loaded = AutoModelForObjectDetection.from_pretrained(
            model,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except OSError as error:
        raise MissingRequirement(
            f"no such detection model: {str(error).splitlines()[0][:200]}",
            where=model,
            remedy="give a folder with config.json, preprocessor_config.json and model.safetensors, or the id"
            " of a model on the hub (which needs a network)",
        ) from error
    except ImportError as error:
        raise MissingRequirement(
            f"this detector needs another package: {' '.join(str(error).split())[:200]}",
            where=model,
            remedy="install the package",
        ) from error
    except Exception as error:
        # Configs are read by dozens of classes, weights by another library; each has errors of its own.
        said = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(
            f"not an object-detection model: {said[:200]}",
            where=model,
            remedy="give a model such as RT-DETR, DETR or YOLOS",
        ) from error
    _refuse_random_weights(model, network, loaded)
    return processor, network.eval()


def _refuse_random_weights(model: str, network: Any, loaded: Mapping[str, Any]) -> None:
    """Refuse a network of which some weights were not in the files, or had other shapes: transformers fills
    these at random.

    Raises:
        BadInput: there are such weights; the message names one.
    """
    own = {name for name, _ in network.named_parameters()}
    other = sorted(entry[0] for entry in loaded["mismatched_keys"])
    missing = sorted(own.intersection(loaded["missing_keys"]))
    if other or missing:
        what = f"'{other[0]}' has another shape" if other else f"'{missing[0]}' is missing"
        num = len(other) + len(missing)
        raise BadInput(
            f"the weights are not those of the config: {what}" + (f", and {num - 1} more" if num > 1 else ""),
            where=model,
            remedy="give config.json and model.safetensors of one object-detection model",
        )


def _digest(model: str, network: Any, least: float) -> str:
    folder = Path(model)
    if folder.is_dir():
        files = sorted(path for path in folder.iterdir() if path.is_file())
        identity = " ".join(f"{path.name}:{sha256_of(path)}" for path in files)
    else:
        identity = f"{model}@{getattr(network.config, '_commit_hash', None)}"
    return hashlib.sha256(f"{identity} {least}".encode()).hexdigest()
