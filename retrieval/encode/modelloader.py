"""The model of an index, loaded once, when something has to be encoded for the first time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from iconoclip.errors import ConfigError, MissingRequirement
from retrieval.answers import Explanation
from retrieval.encode.modeldir import ModelDirectory
from retrieval.encode.pixels import decode, fit, prepare, seen

if TYPE_CHECKING:
    from retrieval.encode.encoder import Encoder

Vectors = npt.NDArray[np.float32]


class LazyModel:
    """A model directory that is loaded at the first query.

    Args:
        folder: the model directory.
        digest: the digest of the model that made the index's vectors.
        dimension: the dimension of those vectors.
    """

    def __init__(self, folder: str | Path, digest: str, dimension: int) -> None:
        self.folder, self._digest, self._dimension = Path(folder), digest, dimension
        self._is_checked = False
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
            MissingRequirement, ConfigError: as `check`.
        """
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder

    def check(self) -> None:
        """Check that the model belongs to the index, without loading it. The weights are
        read only the first time.

        Raises:
            MissingRequirement: the model directory does not exist, or contains no weights.
            ConfigError: the directory contains another model.
        """
        if self._is_checked:
            return
        try:
            directory = ModelDirectory(self.folder)
        except MissingRequirement as error:
            raise MissingRequirement(
                "the model that this index was built with is not there",
                where=error.where,
                remedy="say where it is now, with --model",
            ) from error
        if directory.dimension != self._dimension:
            raise self._another(
                f": its vectors have {directory.dimension} numbers, the index's {self._dimension}"
            )
        if directory.digest != self._digest:
            raise self._another(": its weights or its config have another checksum")
        self._is_checked = True

    def _another(self, why: str) -> ConfigError:
        return ConfigError(
            f"this is not the model that the index was built with{why}",
            where=self.folder,
            remedy="give that one with --model, or encode and index again with this one",
        )

    def _load(self) -> Encoder:
        self.check()
        # Imported here: torch takes seconds to import, and listing or keyword search does not need it.
        from retrieval.encode.encoder import Encoder

        return Encoder(self.folder, for_queries=True)
