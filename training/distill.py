"""Distillation: a student learns how similar a larger model finds the images and texts of a batch.

The loss is the cross-entropy between the teacher's and the student's distributions over the batch of all
ranks, as in open_clip's DistillClipLoss (see CLIP-KD; Yang et al. 2024, arXiv 2307.12732). The teacher does
not learn.

Letters: B samples of this rank, G samples of all ranks, K captions of an image, D and E embedding dimensions
of student and teacher, S and S' image sides of both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from iconoclip.errors import ConfigError
from iconoclip.rundir import RunDir
from training.config_groups import DistillConfig
from training.data.loader import Batch
from training.losses import gather_plain, gather_rows
from training.model import LoadedModel, at_least_float32, encode_images, load_weighted_model
from training.model_files import model_digest
from training.text import encode_texts

# Two tokenizers that agree on these texts, also on where a long one is cut, are the same.
_PROBES = ["", "a lion", "Wappen: geteilt, oben ein Löwe, 1480", "紋章 герб", "azure, a bend or " * 200]


class Taught(NamedTuple):
    """What the teacher says about this rank's samples."""

    images_BE: Tensor
    texts_BKE: Tensor
    scale: Tensor


class Teacher:
    """A trained model that a student learns from.

    It sees the student's crops, resized to its own side and normalised with its own mean.

    Args:
        loaded: the teacher.
        student: the model that is trained; if both have the same tokens, texts are tokenized once.
        digest: of the teacher's files, where it is a folder or file here.
    """

    def __init__(self, loaded: LoadedModel, student: LoadedModel, digest: str | None = None) -> None:
        self.digest = digest
        self.model = loaded.model.eval().requires_grad_(False)
        self._side = loaded.image_size
        self._mean, self._std = (
            torch.tensor(loaded.preprocess[name]).view(3, 1, 1) * 255 for name in ("mean", "std")
        )
        ours, theirs = student.tokenize(_PROBES), loaded.tokenize(_PROBES)
        self.tokenize = None if torch.equal(ours, theirs) else loaded.tokenize
        """tokenizes texts for the teacher; None if the student's tokens are its own"""

    @torch.no_grad()
    def __call__(self, batch: Batch, size: int) -> Taught:
        """The teacher's features, `size` samples at once."""
        device = batch.images_BSS3.device
        self.model = self.model.to(device)
        parts = [batch.part(start, start + size) for start in range(0, len(batch), size)]
        images = [encode_images(self.model, self._pixels(part.images_BSS3)) for part in parts]
        texts = [self._texts(part) for part in parts]
        scale: Tensor = self.model.logit_scale.exp()  # type: ignore[operator]
        return Taught(torch.cat(images), torch.cat(texts), at_least_float32(scale))

    def _pixels(self, images_BSS3: Tensor) -> Tensor:
        """Normalised pixels at the teacher's side, [B, 3, S', S']."""
        pixels = images_BSS3.permute(0, 3, 1, 2).float()
        if pixels.shape[-1] != self._side:
            pixels = F.interpolate(pixels, size=(self._side, self._side), mode="bicubic", antialias=True)
            pixels = pixels.clamp(0, 255)
        return (pixels - self._mean.to(pixels.device)) / self._std.to(pixels.device)

    def _texts(self, batch: Batch) -> Tensor:
        tokens_BKL = batch.tokens_BKL if batch.teacher_tokens_BKL is None else batch.teacher_tokens_BKL
        texts_TE = encode_texts(self.model, tokens_BKL.flatten(0, 1))
        return texts_TE.reshape(*tokens_BKL.shape[:2], -1)


def load_teacher(config: DistillConfig, student: LoadedModel) -> Teacher | None:
    """The teacher of a run, if its config names one.

    Raises:
        ConfigError: it is not a model with weights.
    """
    if not config.model:
        return None
    return Teacher(load_weighted_model(config.model), student, model_digest(config.model))


def check_same_teacher(run: RunDir, teacher: Teacher | None) -> None:
    """Check that a run resumes with the teacher that it began with.

    Raises:
        ConfigError: the files of the teacher have changed since.
    """
    before = run.job.get("teacher_digest")
    if teacher and before and teacher.digest != before:
        raise ConfigError(
            "the teacher's files have changed since the run began",
            where="distill.model",
            remedy="put the same model there, or choose another --run_dir for a run with this one",
        )


def distill_loss(images_BD: Tensor, texts_BKD: Tensor, scale: Tensor, taught: Taught) -> Tensor:
    """This rank's share of the loss; its mean over ranks is that of the whole batch, and with K captions the
    mean over the captions.

    Args:
        images_BD, texts_BKD: the student's features, of unit length.
        scale: the student's logit scale itself.
        taught: the teacher's.
    """
    images_GD, texts_GKD = gather_rows(images_BD), gather_rows(texts_BKD)
    images_GE, texts_GKE = gather_plain(taught.images_BE), gather_plain(taught.texts_BKE)
    losses = []
    for k in range(texts_BKD.shape[1]):
        by_image = _cross_entropy(
            taught.scale * taught.images_BE @ texts_GKE[:, k].T, scale * images_BD @ texts_GKD[:, k].T
        )
        by_text = _cross_entropy(
            taught.scale * taught.texts_BKE[:, k] @ images_GE.T, scale * texts_BKD[:, k] @ images_GD.T
        )
        losses.append((by_image + by_text) / 2)
    return torch.stack(losses).mean()


def _cross_entropy(teacher_BG: Tensor, student_BG: Tensor) -> Tensor:
    return -(teacher_BG.softmax(-1) * student_BG.log_softmax(-1)).sum(-1).mean()
