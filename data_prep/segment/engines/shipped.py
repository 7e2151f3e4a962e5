"""The engine that is shipped: a small network as an ONNX file, run by onnxruntime on the processor.

The file also carries how its maps become boxes with calibrated scores (`iconoclip.page_layout`), as JSON in
its metadata: one file is the whole model.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.page_layout.findings import Finding
from iconoclip.page_layout.inputs import CELL, MAX_PIXELS, grey, is_bare, model_input, page_pixels
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS
from iconoclip.page_layout.model_file import OtherVersion, reading_in
from iconoclip.page_layout.reading import READING_VERSION, Reading
from iconoclip.page_layout.regions import Answer

MAX_MODEL_BYTES: Final = 100_000_000


class ShippedEngine:
    """Runs a model that `iconoclip segment --train` wrote.

    Args:
        path: the ONNX file.
        least_score: boxes with a lower score are left out; None takes the model's threshold.

    Raises:
        MissingRequirement: no such file.
        DamagedData: the file is no such model.
    """

    def __init__(self, path: Path, least_score: float | None = None) -> None:
        if not path.is_file():
            raise MissingRequirement(
                "no such page model", where=path, remedy="`iconoclip segment --train` writes one"
            )
        model = path.read_bytes() if path.stat().st_size <= MAX_MODEL_BYTES else b""
        self._session, self._reading = _opened(model, path)
        if least_score is not None:
            self._reading = replace(self._reading, least_score=least_score)
        self.name = f"pages-{hashlib.sha256(model).hexdigest()[:8]}"
        self.digest = hashlib.sha256(model + f"{READING_VERSION} {least_score!r}".encode()).hexdigest()

    def find(self, page: bytes) -> Finding:
        """What is on a page.

        Raises:
            ImageRefused: the image cannot be decoded.
        """
        decoded = page_pixels(page, MAX_PIXELS)
        height, width = decoded.pixels_HWC.shape[:2]
        if is_bare(decoded.pixels_HWC):
            return Finding("blank", 1.0)
        answers = self._session.run(None, {"pages": model_input(decoded.pixels_HWC)})
        answer = Answer(*(values[0] for values in answers))
        return self._reading.read(answer, (width, height), decoded.place, grey(decoded.pixels_HWC))


def _opened(model: bytes, path: Path) -> tuple[onnxruntime.InferenceSession, Reading]:
    options = onnxruntime.SessionOptions()
    # The threads that decode pages each run the model on their own page.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        reading = reading_in(session.get_modelmeta().custom_metadata_map)
        _try(session, reading)
    except OtherVersion as error:
        raise DamagedData(
            f"the page model is of another version: {error}", where=path, remedy="train it with this version"
        ) from error
    except Exception as error:
        # onnxruntime raises classes of its own that share no base class but this.
        raise DamagedData(
            f"not a page model: {str(error)[:200]}",
            where=path,
            remedy="give a file that `iconoclip segment --train` wrote",
        ) from error
    return session, reading


def _try(session: onnxruntime.InferenceSession, reading: Reading) -> None:
    """Read a small bare page.

    Raises:
        ValueError: the model or its reading gives other things than a page model, or no numbers.
    """
    answers = session.run(None, {"pages": np.zeros((1, 3, 64, 80), np.float32)})
    shapes = [answer.shape for answer in answers]
    rows, columns = 64 // CELL, 80 // CELL
    if shapes != [(1, len(CLASSES), rows, columns), (1, 4, rows, columns), (1, len(PAGE_KINDS))]:
        raise ValueError(f"it gives arrays of the shapes {shapes}")
    finding = reading.read(Answer(*(answer[0] for answer in answers)), (80, 64))
    if not all(np.isfinite(answer).all() for answer in answers) or not np.isfinite(finding.probability):
        raise ValueError("what it gives for a bare page are no numbers")
