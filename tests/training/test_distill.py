"""A student learns from a teacher: with open_clip's loss, and with the teacher's own pixels and tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.loss import DistillClipLoss
from safetensors.torch import save_file

from iconoclip.errors import ConfigError
from training.checkpoint.file import read_checkpoint
from training.checkpoint.folder import latest_sound
from training.config import ExportConfig, TrainConfig
from training.distill import Taught, distill_loss, load_teacher
from training.export import export
from training.model_files import model_digest
from training.module import ContrastiveModule
from training.plan import load_for_training, make_dataset, make_plan
from training.train import train

from .conftest import SMALL_MODEL, changed
from .gradients import assert_parts_make_the_whole

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is wider than the student, with larger pictures, another mean and shorter texts."""
    folder = tmp_path_factory.mktemp("teacher")
    values = json.loads(json.dumps(SMALL_MODEL))
    values["model_cfg"]["embed_dim"] = 24
    values["model_cfg"]["vision_cfg"]["image_size"] = 48
    values["model_cfg"]["text_cfg"]["context_length"] = 12
    values["preprocess_cfg"] |= {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
    (folder / "open_clip_config.json").write_text(json.dumps(values))
    torch.manual_seed(7)
    state = open_clip.create_model(f"local-dir:{folder}", load_weights=False).state_dict()
    save_file({name: one.contiguous() for name, one in state.items()}, folder / "open_clip_model.safetensors")
    return folder


def features(draw: torch.Generator, *shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(shape, generator=draw, dtype=torch.float64), dim=-1)


def test_the_loss_is_open_clips() -> None:
    draw = torch.Generator().manual_seed(2)
    images, texts = features(draw, 5, 4), features(draw, 5, 2, 4)
    taught = Taught(features(draw, 5, 7), features(draw, 5, 2, 7), torch.tensor(20.0, dtype=torch.float64))
    scale = torch.tensor(9.0, dtype=torch.float64)
    wanted = [
        DistillClipLoss()(images, texts[:, k], scale, taught.images_BE, taught.texts_BKE[:, k], taught.scale)[
            1
        ]
        for k in range(2)
    ]
    found = distill_loss(images, texts, scale, taught)
    torch.testing.assert_close(found, sum(wanted) / 2)
    # Written out for one image and one caption: its row of teacher's shares and student's logarithms.
    shares = torch.softmax(20 * taught.images_BE[0] @ taught.texts_BKE[:, 0].T, 0)
    logits = 9 * images[0] @ texts[:, 0].T
    by_hand = -(shares * (logits - logits.exp().sum().log())).sum()
    rows = -(
        torch.softmax(20 * taught.images_BE @ taught.texts_BKE[:, 0].T, 1)
        * F.log_softmax(9 * images @ texts[:, 0].T, 1)
    )
    torch.testing.assert_close(rows[0].sum(), by_hand)


def test_a_teacher_sees_its_own_pixels_and_tokens(teacher_folder: Path, make_config: MakeConfig) -> None:
    config = make_config(**{"distill.model": str(teacher_folder), "distill.weight": 0.5})
    plan = make_plan(config)
    loaded = load_for_training(config.model, config.loss, config.seed)
    teacher = load_teacher(config.distill, loaded)
    assert teacher is not None
    batch = make_dataset(plan, loaded, teacher=teacher).__getitems__(plan.schedule.batch(0))
    assert batch.tokens_BKL.shape == (8, 2, 16)
    assert batch.teacher_tokens_BKL is not None
    assert batch.teacher_tokens_BKL.shape == (8, 2, 12)
    taught = teacher(batch, 3)
    # By hand: resized to 48 pixels, normalised with the teacher's mean.
    model: Any = open_clip.create_model(f"local-dir:{teacher_folder}").eval()
    pixels = F.interpolate(
        batch.images_BSS3.permute(0, 3, 1, 2).float(), (48, 48), mode="bicubic", antialias=True
    )
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in ([0.4, 0.5, 0.6], [0.2, 0.3, 0.4]))
    with torch.no_grad():
        images = model.encode_image((pixels.clamp(0, 255) / 255 - mean) / std, normalize=True)
        texts = model.encode_text(batch.teacher_tokens_BKL[:, 1], normalize=True)
    torch.testing.assert_close(taught.images_BE, images, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(taught.texts_BKE[:, 1], texts, rtol=1e-4, atol=1e-5)
    # The teacher is no part of the module, so no checkpoint contains it; and it does not learn.
    module = ContrastiveModule(loaded, plan.recipe, teacher)
    assert not any(one.requires_grad for one in teacher.model.parameters())
    plain = {f"model.{name}" for name in loaded.model.state_dict()}
    assert module.state_dict().keys() == plain
    # The same gradient, whole or in parts, with half of the distillation's loss in it.
    loss = assert_parts_make_the_whole(module, batch, 3)
    with torch.no_grad():
        images_BD, texts_BKD = module(batch)
        alone = module.loss_of(images_BD, texts_BKD, module.scale(), None, batch)
        assert loss == pytest.approx(
            float(alone + 0.5 * distill_loss(images_BD, texts_BKD, module.scale(), taught)), rel=1e-5
        )


def test_a_teacher_reads_the_part_of_a_caption_that_the_student_reads(
    teacher_folder: Path, make_config: MakeConfig
) -> None:
    config = make_config(**{
        "distill.model": str(teacher_folder), "data.long_captions": "span", "model.context_length": 5,
    })  # fmt: skip
    plan = make_plan(config)
    loaded = load_for_training(config.model, config.loss, config.seed)
    batch = make_dataset(plan, loaded, teacher=load_teacher(config.distill, loaded)).__getitems__(
        plan.schedule.batch(0)
    )
    assert batch.teacher_tokens_BKL is not None
    # Both have CLIP's vocabulary; the teacher has room for 12 tokens, of which it fills those of the student.
    student, teacher = batch.tokens_BKL, batch.teacher_tokens_BKL
    assert torch.equal(teacher[..., :5], student)
    assert (teacher[..., 5:] == 0).all()
    # "red, a disc green" has five words, of which three are kept: not always the first.
    first = {int(loaded.tokenize([text.as_py()])[0, 1]) for text in plan.samples.captions.text}
    assert not set(student[..., 1].flatten().tolist()) <= first


def test_a_teacher_without_weights_is_refused(small_model: Path, make_config: MakeConfig) -> None:
    config = make_config(**{"distill.model": str(small_model)})
    with pytest.raises(ConfigError, match="without weights"):
        load_teacher(config.distill, load_for_training(config.model, config.loss, 0))


@pytest.mark.long
def test_a_run_with_a_teacher_resumes_exactly(
    teacher_folder: Path, make_config: MakeConfig, tmp_path: Path
) -> None:
    from .test_ranks import launch, losses

    changes: dict[str, Any] = {
        "distill.model": str(teacher_folder),
        "max_steps": 6,
        "validation_split": "none",
    }
    whole, pieces = (make_config(run_dir=tmp_path / one, **changes) for one in ("whole", "pieces"))
    train(whole)
    train(changed(pieces, max_steps=2))
    train(pieces)
    ends = []
    for config in (whole, pieces):
        path, _ = latest_sound(config.run_dir / "checkpoints")
        assert path
        ends.append(read_checkpoint(path)["state_dict"])
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    config_path = teacher_folder / "open_clip_config.json"
    text = config_path.read_text()
    config_path.write_text(text.replace("0.6", "0.61"))
    with pytest.raises(ConfigError, match="files have changed"):
        train(changed(pieces, **{"schedule.max_steps": 7}))
    config_path.write_text(text)
    export(ExportConfig(run_dir=whole.run_dir, out=tmp_path / "model"))
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"distilled from `{teacher_folder}` (digest `{model_digest(str(teacher_folder))}`)" in card
    for strategy in ("ddp", "fsdp"):
        two = make_config(run_dir=tmp_path / strategy, devices=2, strategy=strategy, num_workers=1, **changes)
        launch(two, tmp_path)
        assert losses(two) == pytest.approx(losses(whole), abs=1e-4)
