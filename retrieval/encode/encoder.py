"""The encoder: images and texts to unit vectors.

Shapes: B images or texts in a batch, L tokens, D dimensions, H and W the model's input size.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

# A model directory must contain everything that the model needs: nothing is downloaded while it loads.
# Set before the import below.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from iconoclip.errors import BadInput, DamagedData, MissingRequirement
from iconoclip.model_files import recognise
from iconoclip.model_files.folders import NO_CODE
from iconoclip.vocabulary import Device, Precision
from retrieval.encode.modeldir import ModelDirectory
from retrieval.encode.pixels import Pixels
from retrieval.encode.towers import ImageTower, TextTower

if TYPE_CHECKING:
    from retrieval.encode.text_graph import TextGraph

MIN_COSINE = 0.999
# For smaller models, memory transfers take longer than the arithmetic, and float32 is as fast.
MIN_PARAMETERS_FOR_BFLOAT16 = 20_000_000
MAX_TEXTS_OF_A_QUERY = 4
# What people ask for: in several languages and scripts, with one word and with many.
PROBE_QUERIES = (
    *("lion", "Dürer", "a red circle", "eagle or, armed gules", "map of Amsterdam 1650", "мадонна", "神奈川"),
    *("Frau mit Kind am Fenster", "portrait d'homme en armure", "ritratto di donna", "stadsgezicht Delft"),
    "an old woman who reads a letter by candle light, in a room with a globe, a skull and a half empty glass",
)
PROBE_TEXTS = ("a coat of arms: azure, a lion rampant or", "Frau mit Kind", "un paysage")

Vectors = npt.NDArray[np.float32]


class Tokenizer(Protocol):
    """The interface of open_clip's tokenizers: texts to int64 [B, L]."""

    def __call__(self, texts: list[str]) -> torch.Tensor:
        """Tokens, padded to the model's context length."""
        ...


class Encoder:
    """A CLIP model loaded for inference. Safe to share between threads.

    Args:
        folder: the model directory.
        precision: `auto` takes bfloat16 if the processor multiplies it natively, the model is large enough to
            gain from it, and the cosine of its vectors to those of float32 is at least 0.999. On the same
            condition, `auto` encodes the text of a query in 8 bits.
        num_threads: threads of a forward pass; None leaves torch's own choice.
        device: `auto` takes a GPU if there is one.
        for_queries: prepare for texts of one query each, which then take half the time; costs a second and a
            second copy of the blocks of the text tower in memory.
        side_by_side: on a CPU, run the forward passes of several calling threads at the same time instead of
            one after the other. With one thread per pass, no thread waits for another.

    Raises:
        MissingRequirement: there is no model, it needs files that its directory does not contain, or a GPU is
            requested and there is none.
        DamagedData: weights that do not fit their config.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        precision: Precision = "auto",
        num_threads: int | None = None,
        device: Device = "auto",
        for_queries: bool = False,
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
        self._make_towers()
        # Made while the weights are float32: onnxruntime is faster with these than torch with 16 bits.
        graph = self._graph_for_queries(precision) if for_queries else None
        self.precision = self._settle(precision)
        self._text_tower.graph = graph
        _give_memory_back()

    def encode_images(self, pixels: Sequence[Pixels]) -> Vectors:
        """Unit vectors float32 [B, D] of prepared images, each uint8 [H, W, 3]."""
        with self._turn, torch.inference_mode():
            pixels_BHWC = torch.from_numpy(np.stack(pixels)).to(self.device)
            return _unit(self._image_tower(pixels_BHWC, self._dtype))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors float32 [B, D] of texts; each text is truncated to the model's context length."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        tokens_BL = self._tokenize(list(texts)).to(self.device)
        is_query = len(texts) <= MAX_TEXTS_OF_A_QUERY and self.device.type == "cpu"
        with self._alone() if is_query else self._turn, torch.inference_mode():
            return _unit(self._text_tower(tokens_BL, is_query=is_query))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Run the caller's forward pass in one thread, parallel to those of other callers.

        A short text needs hundreds of matrix products of a few microseconds each. Two threads
        that wait for each other after each product gain little on an idle machine, and take ten
        times as long on a busy one.
        """
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(self._num_threads)

    def _graph_for_queries(self, precision: Precision) -> TextGraph | None:
        """The blocks of the text tower for single queries: in 8 bits, if that is faster here and changes the
        vectors no more than 16 bits may; in the largest groups of which this is true.
        """
        # Imported here: only a service needs onnxruntime.
        from retrieval.encode.text_graph import GROUP_SIZES

        tower = self._text_tower
        sizes = GROUP_SIZES if precision == "auto" and multiplies_bytes() else ()
        exact = self.encode_texts(PROBE_QUERIES if sizes else ())
        for size in sizes:
            graph = tower.graph = tower.graph_for_queries(group_size=size)
            rounded = np.concatenate([self.encode_texts([text]) for text in PROBE_QUERIES])
            tower.graph = None
            if np.sum(exact * rounded, axis=1).min() >= MIN_COSINE:
                return graph
        return tower.graph_for_queries()

    def _settle(self, precision: Precision) -> str:
        """Choose the precision and convert the model to it."""
        if precision == "float32":
            return "float32"
        if precision == "float16" and self.device.type == "cpu":
            raise BadInput(
                "processors do not compute in float16", where="precision", remedy="leave --precision at auto"
            )
        if precision == "auto" and not (self._gains_by_bfloat16() and self.device.type == "cpu"):
            return "float32"
        half = torch.float16 if precision == "float16" else torch.bfloat16
        reference = self._probe()
        # Convert in place, matrix by matrix: a server does not have memory for two copies of the model.
        # torch's layer_norm sums in float32 anyway.
        self._model, self._dtype = self._model.to(half), half
        self._make_towers()
        fault = self._fault_of(half, reference)
        if fault is None:
            return str(half).removeprefix("torch.")
        if precision != "auto":
            raise BadInput(fault, where=self.directory.folder, remedy="leave --precision at auto")
        (self._model, self._tokenize), self._dtype = _load(self.directory, self.device), torch.float32
        self._make_towers()
        return "float32"

    def _fault_of(self, half: torch.dtype, reference: Vectors) -> str | None:
        """The reason why the model, now in 16 bits, must not be used so; None if it may."""
        name = str(half).removeprefix("torch.")
        try:
            cosine = float(np.min(np.sum(reference * self._probe(), axis=1)))
        # torch raises this for an operation that has no such version on this device.
        except RuntimeError as error:
            return f"torch cannot compute this model in {name} here: {str(error)[:200]}"
        if cosine < MIN_COSINE:
            return f"this model's vectors change too much in {name}: cosine {cosine:.5f} to float32"
        return None

    def _make_towers(self) -> None:
        self._image_tower = ImageTower(self._model, self.preprocess.mean, self.preprocess.std)
        self._text_tower = TextTower(self._model)

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
    """Return free memory to the system. Loading needs the weights twice, and glibc otherwise keeps the freed
    memory (250 MB for ViT-B-32).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def multiplies_bfloat16() -> bool:
    """Whether torch may use native bfloat16 products of this processor (AVX512-BF16 or AMX); otherwise
    it emulates them, slowly.

    The limits that ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA set are respected.
    """
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    is_allowed = torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "AVX10", "AMX"))
    is_allowed = is_allowed and any(
        name in limit for name in ("ALL", "DEFAULT", "BF16", "FP16", "AMX", "AVX10")
    )
    return bool(is_allowed and (has.get("avx512_bf16") or has.get("amx_bf16")))


def multiplies_bytes() -> bool:
    """Whether this processor multiplies and adds bytes in one step (VNNI), for which onnxruntime has code."""
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(has.get("avx512_vnni") or has.get("avx_vnni"))


def _load(directory: ModelDirectory, device: torch.device) -> tuple[Any, Tokenizer]:
    import open_clip

    name = f"local-dir:{directory.folder}"
    try:
        model = open_clip.create_model(
            name, device=device, require_pretrained=True, pretrained_text=False, **_with_towers(directory)
        )
        tokenize = tokenizer_of(directory)
    except OSError as error:
        raise MissingRequirement(
            f"the model needs a file that its directory does not hold: {str(error)[:300]}",
            where=directory.folder,
            remedy="export the model again, with its tokenizer",
        ) from error
    # The exceptions that open_clip and torch raise for foreign configs and weights have no common base class.
    except Exception as error:
        if not (found := recognise(directory.weights_path)).is_readable:
            raise found.error(directory.weights_path) from error
        raise DamagedData(
            f"open_clip cannot load this model: {str(error)[:300]}",
            where=directory.folder,
            remedy="export the model again",
        ) from error
    return model.eval(), tokenize


def tokenizer_of(directory: ModelDirectory) -> Tokenizer:
    """The tokenizer of a model directory, which cannot bring code of its own."""
    import open_clip

    text = directory.config["model_cfg"].get("text_cfg")
    is_of_transformers = isinstance(text, dict) and bool(text.get("hf_tokenizer_name"))
    tokenize: Tokenizer = open_clip.get_tokenizer(
        f"local-dir:{directory.folder}", **(NO_CODE if is_of_transformers else {})
    )
    return tokenize


def _with_towers(directory: ModelDirectory) -> dict[str, Any]:
    """The arguments by which open_clip finds the configs of towers in the model directory."""
    towers = directory.towers
    for config in towers.values():
        config |= {"hf_model_pretrained": False} if "hf_model_name" in config else {}
    return towers


def _unit(features_BD: torch.Tensor) -> Vectors:
    return functional.normalize(features_BD.float(), dim=-1).cpu().numpy()
