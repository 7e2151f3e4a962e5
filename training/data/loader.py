"""Batches: pixels and tokens of the samples in the schedule, independent of the process that loads them.

Letters: B samples of a rank's batch, K captions drawn of an image, M captions of it that are compared at
most, L context length, S image side.
"""

from __future__ import annotations

import contextlib
import queue
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from iconoclip.errors import DamagedData, IconoclipError
from training.data.captions import CaptionSampler
from training.data.hard_negatives import HardNegatives, NegativeTexts
from training.data.images import Crop, UndecodableImage, decode
from training.data.long_captions import LongTexts
from training.data.order import RankBatches, Schedule
from training.data.randomness import CROP, text_positions, uniform
from training.data.samples import Samples
from training.data.storage import ShardReader, ShortShard
from training.data.verification import VerifiedShards

BATCHES_AHEAD = 3
# The number of rows that are tried in place of a damaged one before the batch fails.
MAX_NEIGHBOURS = 1000
Tokenize = Callable[[list[str]], Tensor]


@dataclass
class Batch:
    """One rank's share of a global batch."""

    images_BSS3: Tensor
    """uint8 pixels; the module normalises them on its device"""
    tokens_BKL: Tensor
    """int64 token ids"""
    rows_B: Tensor
    """int64 row numbers in the training set"""
    texts_BK: Tensor
    """int64, equal for captions of equal text"""
    labels_BR: Tensor
    """int64, one column for each further relation (group, notations); equal values are related"""
    carried_BM: Tensor
    """int64, the numbers of the texts of the first M captions of each image, filled up with -1"""
    teacher_tokens_BKL: Tensor | None = field(default=None, kw_only=True)
    """int64 token ids for a teacher with another tokenizer"""
    negatives: NegativeTexts | None = field(default=None, kw_only=True)
    """captions of similar pictures, as further wrong answers"""
    damaged: tuple[tuple[int, int, str], ...] = field(default=(), kw_only=True)
    """rows whose pictures cannot be decoded, the row that took each one's place, and the reason"""
    problem: IconoclipError | None = field(default=None, kw_only=True)
    """what kept the batch from being loaded; its tensors are then empty"""

    @classmethod
    def failed(cls, problem: IconoclipError) -> Batch:
        """A batch that could not be loaded.

        The error is stored in the batch instead of being raised: ranks must end together, and torch would
        wrap an error of a loading process in a traceback.
        """
        return cls(*(torch.zeros(0, 0, dtype=torch.int64) for _ in range(6)), problem=problem)

    def to(self, device: torch.device, non_blocking: bool = True) -> Batch:
        """The batch with its tensors on a device."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory, for faster copies to a GPU."""
        return self._with(Tensor.pin_memory)

    def part(self, start: int, end: int) -> Batch:
        """The samples from `start` up to `end`."""
        part = self._with(lambda tensor: tensor[start:end])
        return replace(part, damaged=(), problem=None)

    def _with(self, change: Callable[[Tensor], Tensor]) -> Batch:
        teachers = self.teacher_tokens_BKL
        return Batch(
            *map(change, self._tensors()),
            teacher_tokens_BKL=None if teachers is None else change(teachers),
            negatives=self.negatives.changed(change) if self.negatives else None,
            damaged=self.damaged,
            problem=self.problem,
        )

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.images_BSS3, self.tokens_BKL, self.rows_B, self.texts_BK, self.labels_BR, self.carried_BM

    def __len__(self) -> int:
        return len(self.rows_B)


class TrainingSamples(Dataset[Batch]):
    """Makes whole batches from (position, row) pairs. Draws do not depend on any state.

    A row whose picture cannot be decoded is replaced by the next row that can be. Which row that is
    depends on the data alone, so ranks, workers and resumed runs agree, and neither the order nor
    the size of a batch changes.

    Args:
        samples: the training set.
        captions: draws captions.
        crop: cuts images.
        tokenize: turns a list of texts into int64 [num, L].
        seed: the seed of the run.
        relations: those of "group" and "iconclass" that relate samples in addition to equal text.
        cache_megabytes: memory for decoded images in each process; unused if the whole set does not fit.
        verified: compares each shard with its checksum before it is read; not done if None.
        teacher_tokenize: the same as `tokenize` for a teacher with another tokenizer, if there is one.
        negatives: draws captions of similar pictures, if the run uses them.
    """

    def __init__(
        self,
        samples: Samples,
        captions: CaptionSampler,
        crop: Crop,
        tokenize: Tokenize,
        *,
        seed: int,
        relations: Sequence[str] = (),
        cache_megabytes: int = 0,
        verified: VerifiedShards | None = None,
        teacher_tokenize: Tokenize | None = None,
        negatives: HardNegatives | None = None,
    ) -> None:
        self.samples, self._teacher_tokenize = samples, teacher_tokenize
        self._negatives = negatives
        self._captions, self._crop, self._tokenize, self._seed = captions, crop, tokenize, seed
        columns = {"group": samples.group_N, "iconclass": samples.notation_N}
        self._labels_RN = [columns[name] for name in relations if name in columns]
        # Made here: a loading process that is forked later shares them instead of making its own.
        self._captions_of_all, self._keys = samples.captions, samples.keys
        self._reader = ShardReader(samples, verified)
        self._cache = DecodedImages(samples, cache_megabytes)
        # Where the tokens of a caption differ from step to step, none are kept.
        self._long_texts = tokenize if isinstance(tokenize, LongTexts) and tokenize.is_random else None
        keeps_tokens = self._cache.is_on and self._long_texts is None
        self._tokens: dict[int, npt.NDArray[np.int64]] | None = {} if keeps_tokens else None
        self._damaged: dict[int, tuple[int, str]] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, pairs: list[tuple[int, int]]) -> Batch:
        """The batch of these (position, row) pairs, in their order, or a batch that contains the error."""
        try:
            return self._batch(pairs)
        except IconoclipError as error:
            return Batch.failed(error)

    def _batch(self, pairs: list[tuple[int, int]]) -> Batch:
        positions_B = np.array([position for position, _ in pairs], dtype=np.int64)
        wanted = [row for _, row in pairs]
        rows = list(wanted)
        draws_B4 = uniform(self._seed, CROP, positions_B[:, None], np.arange(4))
        images = np.empty((len(rows), self._crop.size, self._crop.size, 3), dtype=np.uint8)
        for slot in np.argsort(wanted, kind="stable"):  # in the order of the bytes on disk
            rows[slot], image = self._image_or_neighbour(wanted[slot])
            images[slot] = self._crop(image, draws_B4[slot])
        captions_BK = self._captions.draw(rows, positions_B)
        damaged = [(row, *self._damaged[row]) for row in wanted if row in self._damaged]
        rows_B = np.array(rows, dtype=np.int64)
        return Batch(
            torch.from_numpy(images),
            self._token_ids(captions_BK, text_positions(positions_B, captions_BK.shape[1])),
            torch.from_numpy(rows_B),
            torch.from_numpy(self._captions_of_all.text_C[captions_BK]),
            torch.from_numpy(self._labels(rows_B)),
            torch.from_numpy(self._captions_of_all.texts_of(rows_B)),
            teacher_tokens_BKL=self._teacher_token_ids(captions_BK, positions_B),
            negatives=self._negative_texts(rows_B, positions_B),
            damaged=tuple(damaged),
        )

    def _labels(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of each relation for rows of any shape, in a last dimension of R."""
        found = [label_N[rows] for label_N in self._labels_RN]
        return np.stack(found, axis=-1) if found else np.zeros((*rows.shape, 0), dtype=np.int64)

    def _negative_texts(
        self, rows_B: npt.NDArray[np.int64], positions_B: npt.NDArray[np.int64]
    ) -> NegativeTexts | None:
        if self._negatives is None:
            return None
        rows_BE, captions_BE = self._negatives.draw(rows_B, positions_B)
        # Below zero: these draws differ from those of the captions of this position.
        draw_T = -1 - text_positions(positions_B, rows_BE.shape[1])
        return NegativeTexts(
            self._token_ids(captions_BE, draw_T),
            torch.from_numpy(rows_BE),
            torch.from_numpy(self._captions_of_all.text_C[captions_BE]),
            torch.from_numpy(self._labels(rows_BE)),
        )

    def _image_or_neighbour(self, row: int) -> tuple[int, Image.Image]:
        """The picture of a row, or of the first row after it that can be decoded."""
        if row in self._damaged:
            neighbour = self._damaged[row][0]
            return neighbour, self._image(neighbour)
        first_error: DamagedData | None = None
        for distance in range(min(MAX_NEIGHBOURS, len(self.samples))):
            neighbour = (row + distance) % len(self.samples)
            try:
                image = self._image(neighbour)
            except (ShortShard, UndecodableImage) as error:
                first_error = first_error or error
                continue
            if first_error is not None:
                self._damaged[row] = neighbour, reason(first_error)
            return neighbour, image
        assert first_error is not None
        raise first_error

    def _image(self, row: int) -> Image.Image:
        cached = self._cache.get(row)
        if cached is not None:
            return cached
        where = self._keys[row].as_py()
        image = decode(self._reader.image_bytes(row), min_side=self._crop.decode_side, where=where)
        self._cache.put(row, image)
        return image

    def _token_ids(self, captions_BK: npt.NDArray[np.int64], draw_T: npt.NDArray[np.int64]) -> Tensor:
        """Token ids [B, K, L]; `draw_T` decides which tokens are kept of captions that are too long."""
        numbers = captions_BK.reshape(-1).tolist()
        text = self._captions_of_all.text
        if self._long_texts is not None:
            ids = self._long_texts([text[number].as_py() for number in numbers], draw_T)
        elif self._tokens is None:
            ids = self._tokenize([text[number].as_py() for number in numbers])
        else:
            missing = sorted({number for number in numbers if number not in self._tokens})
            if missing:
                fresh = self._tokenize([text[number].as_py() for number in missing]).numpy()
                self._tokens.update(zip(missing, fresh, strict=True))
            ids = torch.from_numpy(np.stack([self._tokens[number] for number in numbers]))
        return ids.reshape(*captions_BK.shape, -1)

    def _teacher_token_ids(
        self, captions_BK: npt.NDArray[np.int64], positions_B: npt.NDArray[np.int64]
    ) -> Tensor | None:
        if self._teacher_tokenize is None:
            return None
        text = self._captions_of_all.text
        texts = [text[number].as_py() for number in captions_BK.reshape(-1).tolist()]
        if self._long_texts is not None:
            # The teacher judges what the student reads, not another part of the caption.
            texts = self._long_texts.spelled(texts, text_positions(positions_B, captions_BK.shape[1]))
        return self._teacher_tokenize(texts).reshape(*captions_BK.shape, -1)


class DecodedImages:
    """A cache of decoded images in memory, used if the whole set fits."""

    def __init__(self, samples: Samples, budget_megabytes: int) -> None:
        pixels = samples.num_pixels if budget_megabytes else 0
        self.is_on = bool(budget_megabytes) and pixels * 3 <= budget_megabytes * 1_000_000
        self._images: dict[int, npt.NDArray[np.uint8]] = {}

    def get(self, row: int) -> Image.Image | None:
        """The image of a row, if it is in the cache."""
        pixels = self._images.get(row)
        return None if pixels is None else Image.fromarray(pixels)

    def put(self, row: int, image: Image.Image) -> None:
        """Store a decoded image, if the set fits."""
        if self.is_on:
            self._images[row] = np.asarray(image)


def reason(error: DamagedData) -> str:
    """The reason why a picture cannot be decoded, without the memory address that Pillow puts into it, so
    that all processes give the same text.
    """
    return re.sub(r" <[^<>]* object at 0x[0-9a-f]+>", "", error.what)


def _as_it_is(batch: Any) -> Any:
    return batch


def make_loader(
    dataset: TrainingSamples,
    schedule: Schedule,
    *,
    first_step: int,
    num_steps: int,
    rank: int = 0,
    num_ranks: int = 1,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Batch] | Ahead:
    """One rank's batches from `first_step`. A resumed run starts there, without replaying earlier ones.

    Without workers, a thread loads in advance: decoding and resizing release Python's lock,
    so that the step can run.
    """
    batches = RankBatches(
        schedule, first_step=first_step, num_steps=num_steps, rank=rank, num_ranks=num_ranks
    )
    loader: DataLoader[Batch] = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
        prefetch_factor=4 if num_workers else None,
        worker_init_fn=_as_worker if num_workers else None,
    )
    return loader if num_workers else Ahead(loader, BATCHES_AHEAD)


class Ahead:
    """Iterates a loader in a thread, a few batches in advance."""

    def __init__(self, loader: DataLoader[Batch], num_ahead: int) -> None:
        self._loader, self._num_ahead = loader, num_ahead

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(self._num_ahead)
        is_over = threading.Event()
        thread = threading.Thread(target=self._load, args=(ready, is_over), daemon=True)
        thread.start()
        try:
            while (found := ready.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            is_over.set()
            while thread.is_alive():
                with contextlib.suppress(queue.Empty):
                    ready.get(timeout=0.05)

    def _load(self, ready: queue.Queue[Batch | BaseException | None], is_over: threading.Event) -> None:
        try:
            for batch in self._loader:
                if is_over.is_set():
                    return
                ready.put(batch)
            ready.put(None)
        except BaseException as error:
            # Any exception is raised in the thread that waits for the batch.
            ready.put(error)


def _as_worker(worker: int) -> None:
    """Set up a worker: one thread, and signals for the rank are ignored. The rank ends its workers
    itself, after it has saved.

    A scheduler sends SIGTERM to every process of a job, including workers, but a rank cannot finish the step
    without its workers. So a worker ends at the second SIGTERM, which comes from the rank.
    """
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.signal(number, signal.SIG_DFL))
