"""The engine that is shipped: a small network as an ONNX file, run by onnxruntime on the processor.

The file also carries how its maps become boxes with calibrated scores (`iconoclip.page_layout`), as JSON in
its metadata: one file is the whole model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from data_prep.segment.engines.interface import MAX_PIXELS
from iconoclip.errors import DamagedData, MissingRequirement
from iconoclip.page_layout.findings import Finding
from iconoclip.page_layout.inputs import INPUT_SIDE, grey, is_bare, model_input, page_pixels
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS
from iconoclip.page_layout.reading import READING_VERSION, Reading
from iconoclip.page_layout.regions import Answer

METADATA_NAME: Final = "iconoclip"
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
        self._session, metadata = _opened(model, path)
        self._reading = Reading.from_json(metadata)
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


def _opened(model: bytes, path: Path) -> tuple[onnxruntime.InferenceSession, dict[str, Any]]:
    options = onnxruntime.SessionOptions()
    # The threads that decode pages each run the model on their own page.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        metadata = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_NAME])
        expected = (list(CLASSES), list(PAGE_KINDS), INPUT_SIDE)
        if (metadata["classes"], metadata["page_kinds"], metadata["input_side"]) != expected:
            raise DamagedData(
                "the page model is of another version", where=path, remedy="train it with this version"
            )
        session.run(None, {"pages": np.zeros((1, 3, 64, 80), np.float32)})
    except DamagedData:
        raise
    except Exception as error:
        # onnxruntime raises classes of its own that share no base class but this.
        raise DamagedData(
            f"not a page model: {str(error)[:200]}",
            where=path,
            remedy="give a file that `iconoclip segment --train` wrote",
        ) from error
    return session, metadata
