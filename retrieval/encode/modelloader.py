"""The model of an index, loaded once and only when something has to be encoded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from iconoclip.errors import BadInput, MissingRequirement
from retrieval.answers import Explanation
from retrieval.encode.modeldir import ModelDirectory
from retrieval.encode.pixels import decode, fit, prepare, seen

if TYPE_CHECKING:
    from retrieval.encode.encoder import Encoder

Vectors = npt.NDArray[np.float32]


class LazyModel:
    """A model directory that becomes an encoder at the first question.

    Args:
        folder: the model directory.
        digest: of the model that made the index's vectors.
    """

    def __init__(self, folder: str | Path, digest: str) -> None:
        self.folder, self._digest = Path(folder), digest
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None

    def text(self, text: str) -> Vectors:
        """The unit vector of a text, float32 [D]."""
        return np.asarray(self.encoder.encode_texts([text])[0])

    def texts(self, texts: list[str]) -> Vectors:
        """The unit vectors of texts, float32 [len(texts), D]."""
        return self.encoder.encode_texts(texts)

    def image(self, data: bytes) -> Vectors:
        """The unit vector of an image file, float32 [D].

        Raises:
            BadInput: it cannot be read.
        """
        return np.asarray(self.encoder.encode_images([prepare(data, self.encoder.preprocess)])[0])

    def explain(self, key: str, jpeg: bytes, text: str) -> Explanation:
        """Where in an image the model sees a text."""
        from retrieval.encode.explain import occlusion_map

        image, preprocess = decode(jpeg), self.encoder.preprocess
        found = occlusion_map(self.encoder, key, fit(image, preprocess), text)
        return found.model_copy(update={"box": seen(image.size, preprocess)})

    @property
    def encoder(self) -> Encoder:
        """The encoder, loaded on first use.

        Raises:
            MissingRequirement: the model directory is not there, or holds no weights.
            BadInput: another model is there.
        """
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder

    def _load(self) -> Encoder:
        try:
            directory = ModelDirectory(self.folder)
        except MissingRequirement as error:
            raise MissingRequirement(
                "the model that this index was built with is not there",
                where=error.where,
                remedy="say where it is now, with --model",
            ) from error
        if directory.digest != self._digest:
            raise BadInput(
                "this is not the model that the index was built with",
                where=self.folder,
                remedy="give that one with --model, or encode and index again with this one",
            )
        # Imported here: torch takes seconds, and listing or keyword search needs none of it.
        from retrieval.encode.encoder import Encoder

        return Encoder(self.folder)
