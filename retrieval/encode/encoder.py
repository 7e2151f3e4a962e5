"""The model at work: images and texts to unit vectors.

Shapes: B images or texts in a batch, L tokens, D dimensions, H and W the model's input size.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

# A model directory is all a model may need: nothing is fetched while one loads. Set before the import below.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from iconoclip.errors import BadInput, DamagedData, MissingRequirement
from iconoclip.vocabulary import Device, Precision
from retrieval.encode.modeldir import ModelDirectory
from retrieval.encode.pixels import Pixels
from retrieval.encode.towers import ImageTower, text_features

MIN_COSINE = 0.999
# Below this, moving numbers costs more than multiplying them, and float32 is as fast.
MIN_PARAMETERS_FOR_BFLOAT16 = 20_000_000
MAX_TEXTS_OF_A_QUERY = 4
PROBE_TEXTS = ("a coat of arms: azure, a lion rampant or", "Frau mit Kind", "un paysage")

Vectors = npt.NDArray[np.float32]


class Tokenizer(Protocol):
    """open_clip's tokenizers: texts to int64 [B, L]."""

    def __call__(self, texts: list[str]) -> torch.Tensor:
        """Tokens, padded to the model's context length."""
        ...


class Encoder:
    """A CLIP model loaded for inference. Safe to share between threads.

    Args:
        folder: the model directory.
        precision: `auto` takes bfloat16 where the processor multiplies it natively, the model is large enough
            to gain by it, and its vectors stay within a cosine of 0.999 of float32's.
        num_threads: of a forward pass; None leaves torch's own choice.
        device: `auto` takes a GPU where there is one.
        side_by_side: on a CPU, let the threads that call run their forward passes at the same time, instead
            of one after the other. With one thread each, nobody waits for anybody.

    Raises:
        MissingRequirement: no model there, one that needs files from elsewhere, or no GPU where one is asked
            for.
        DamagedData: weights that do not fit their config.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        precision: Precision = "auto",
        num_threads: int | None = None,
        device: Device = "auto",
        side_by_side: bool = False,
    ) -> None:
        self.directory = ModelDirectory(folder)
        self.preprocess = self.directory.preprocess
        self.dimension = self.directory.dimension
        if num_threads:
            torch.set_num_threads(num_threads)
        self._num_threads = torch.get_num_threads()
        has_gpu = device != "cpu" and torch.cuda.is_available()
        if device == "cuda" and not has_gpu:
            remedy = "run on a machine that has one (`iconoclip submit`), or set device to cpu"
            raise MissingRequirement("torch sees no GPU on this machine", where="device", remedy=remedy)
        self.device = torch.device("cuda" if has_gpu else "cpu")
        one_by_one = not side_by_side or has_gpu
        self._turn = threading.Lock() if one_by_one else contextlib.nullcontext()
        self._model, self._tokenize = _load(self.directory, self.device)
        self._dtype = torch.float32
        self._image_tower = self._make_image_tower()
        self.precision = self._settle(precision)
        _give_memory_back()

    def encode_images(self, pixels: Sequence[Pixels]) -> Vectors:
        """Unit vectors float32 [B, D] of prepared images, each uint8 [H, W, 3]."""
        with self._turn, torch.inference_mode():
            pixels_BHWC = torch.from_numpy(np.stack(pixels)).to(self.device)
            return _unit(self._image_tower(pixels_BHWC, self._dtype))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors float32 [B, D] of texts; each is cut at the model's context length."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        tokens_BL = self._tokenize(list(texts)).to(self.device)
        is_query = len(texts) <= MAX_TEXTS_OF_A_QUERY and self.device.type == "cpu"
        with self._alone() if is_query else self._turn, torch.inference_mode():
            return _unit(text_features(self._model, tokens_BL))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One thread for the forward pass of the caller, parallel to those of other callers.

        A short text is hundreds of products of a few microseconds each: two threads that wait for each other
        after every one gain little on an idle machine, and on a busy one lose ten times over.
        """
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(self._num_threads)

    def _settle(self, precision: Precision) -> str:
        """Decide the precision, and change to it."""
        if precision == "float32":
            return "float32"
        if precision == "auto" and not (self._gains_by_bfloat16() and self.device.type == "cpu"):
            return "float32"
        reference = self._probe()
        # In place, matrix by matrix: a server has no room for the model twice. torch's layer_norm sums in
        # float32.
        self._model, self._dtype = self._model.to(torch.bfloat16), torch.bfloat16
        self._image_tower = self._make_image_tower()
        fault = self._fault_of_bfloat16(reference)
        if fault is None:
            return "bfloat16"
        if precision == "bfloat16":
            raise BadInput(fault, where=self.directory.folder, remedy="leave --precision at auto")
        (self._model, self._tokenize), self._dtype = _load(self.directory, self.device), torch.float32
        self._image_tower = self._make_image_tower()
        return "float32"

    def _fault_of_bfloat16(self, reference: Vectors) -> str | None:
        """Why the model, now in bfloat16, must not be used so; None where it may."""
        try:
            cosine = float(np.min(np.sum(reference * self._probe(), axis=1)))
        # torch raises it for an operation that it does not have in bfloat16 on this processor.
        except RuntimeError as error:
            return f"torch cannot compute this model in bfloat16 here: {str(error)[:200]}"
        if cosine < MIN_COSINE:
            return f"this model's vectors change too much in bfloat16: cosine {cosine:.5f} to float32"
        return None

    def _make_image_tower(self) -> ImageTower:
        return ImageTower(self._model, self.preprocess.mean, self.preprocess.std)

    def _gains_by_bfloat16(self) -> bool:
        large = sum(p.numel() for p in self._model.parameters()) >= MIN_PARAMETERS_FOR_BFLOAT16
        return large and multiplies_bfloat16()

    def _probe(self) -> Vectors:
        height, width = self.preprocess.height_width
        down, across = np.mgrid[0:height, 0:width]
        waves = [np.sin(down / height * f + across / width * g) for f, g in ((3, 9), (20, 5), (40, 60))]
        image = ((np.stack(waves, axis=-1) + 1) * 127).astype(np.uint8)
        return np.concatenate(
            [self.encode_images([image, image[::-1].copy()]), self.encode_texts(PROBE_TEXTS)]
        )


def _give_memory_back() -> None:
    """Loading held the weights twice; glibc keeps what it once got (250 MB for ViT-B-32) unless asked."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def multiplies_bfloat16() -> bool:
    """Whether torch may use this processor's bfloat16 products (AVX512-BF16 or AMX); elsewhere it emulates
    them, slowly.

    Whoever limits the instructions, by ATEN_CPU_CAPABILITY or ONEDNN_MAX_CPU_ISA, gets what the limit allows.
    """
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    is_allowed = torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "AVX10", "AMX"))
    is_allowed = is_allowed and any(
        name in limit for name in ("ALL", "DEFAULT", "BF16", "FP16", "AMX", "AVX10")
    )
    return bool(is_allowed and (has.get("avx512_bf16") or has.get("amx_bf16")))


def _load(directory: ModelDirectory, device: torch.device) -> tuple[Any, Tokenizer]:
    import open_clip

    name = f"local-dir:{directory.folder}"
    try:
        model = open_clip.create_model(name, device=device, require_pretrained=True, pretrained_text=False)
        tokenize = open_clip.get_tokenizer(name)
    except OSError as error:
        raise MissingRequirement(
            f"the model needs a file that its directory does not hold: {str(error)[:300]}",
            where=directory.folder,
            remedy="export the model again, with its tokenizer",
        ) from error
    # What a config or weights from elsewhere can make open_clip and torch raise has no common base.
    except Exception as error:
        raise DamagedData(
            f"open_clip cannot load this model: {str(error)[:300]}",
            where=directory.folder,
            remedy="export the model again",
        ) from error
    return model.eval(), tokenize


def _unit(features_BD: torch.Tensor) -> Vectors:
    return functional.normalize(features_BD.float(), dim=-1).cpu().numpy()
