"""Losses equal open_clip's in value and gradient; related pairs are treated as asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from open_clip.loss import ClipLoss, SigLipLoss
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from iconoclip.errors import ConfigError
from training.checkpoint.file import read_checkpoint
from training.checkpoint.folder import latest_sound
from training.config import TrainConfig
from training.losses import ContrastiveLoss, Relations, Repeated
from training.train import train

from .conftest import config_of

Kind = Literal["clip", "siglip"]


def unit(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def unrelated(num: int, captions: int = 1) -> Relations:
    return Relations(
        torch.arange(num),
        torch.arange(num * captions).view(num, captions),
        torch.zeros(num, 0, dtype=torch.int64),
    )


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("repeated", ["negative", "ignore", "positive"])
def test_without_related_pairs_the_loss_is_open_clips(
    kind: Kind, repeated: Literal["negative", "ignore", "positive"]
) -> None:
    values = [
        unit(6, 5),
        unit(6, 5, seed=1),
        torch.tensor(9.0, dtype=torch.float64),
        torch.tensor(-4.0, dtype=torch.float64),
    ]
    ours, theirs = ([value.clone().requires_grad_() for value in values] for _ in range(2))
    bias = ours[3] if kind == "siglip" else None
    loss = ContrastiveLoss(kind, repeated)(ours[0], ours[1][:, None], ours[2], bias, unrelated(6))
    reference = SigLipLoss()(*theirs) if kind == "siglip" else ClipLoss()(*theirs[:3])
    torch.testing.assert_close(loss, reference, rtol=0, atol=1e-12)
    loss.backward()
    reference.backward()
    for one, other in zip(ours, theirs, strict=True):
        if one.grad is not None or other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-12)


def test_several_captions_are_the_mean_over_captions() -> None:
    images, texts, scale = unit(4, 5), unit(4, 2, 5, seed=1), torch.tensor(7.0, dtype=torch.float64)
    loss = ContrastiveLoss("clip", "negative")
    both = loss(images, texts, scale, None, unrelated(4, 2))
    singly = [loss(images, texts[:, k : k + 1], scale, None, unrelated(4)) for k in range(2)]
    torch.testing.assert_close(both, torch.stack(singly).mean())


def test_repeated_captions_by_hand() -> None:
    # Two images with the same caption, similarity 1 to both texts; a third pair orthogonal to them; scale ln
    # 2, so that e^logit is 2 or 1. Rows of image logits: (2, 2, 1), (2, 2, 1), (1, 1, 2).
    images = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    scale = torch.log(torch.tensor(2.0, dtype=torch.float64))
    relations = Relations(
        torch.arange(3), torch.tensor([[7], [7], [8]]), torch.zeros(3, 0, dtype=torch.int64)
    )

    def loss(repeated: Literal["negative", "ignore", "positive"]) -> float:
        return float(ContrastiveLoss("clip", repeated)(images, images[:, None], scale, None, relations))

    log = lambda value: float(torch.log(torch.tensor(value, dtype=torch.float64)))  # noqa: E731
    assert loss("negative") == pytest.approx((2 * log(5 / 2) + log(4 / 2)) / 3)
    assert loss("ignore") == pytest.approx((2 * log(3 / 2) + log(4 / 2)) / 3)
    assert loss("positive") == pytest.approx((2 * log(5 / 2) + log(4 / 2)) / 3)


def test_a_positive_pulls_as_much_as_the_own_caption() -> None:
    images = unit(3, 4).requires_grad_()
    texts = unit(3, 4, seed=2)
    relations = Relations(torch.arange(3), torch.arange(3)[:, None], torch.tensor([[1], [1], [2]]))
    ContrastiveLoss("clip", "positive")(
        images, texts[:, None], torch.tensor(5.0, dtype=torch.float64), None, relations
    ).backward()
    # By hand, image to text: d/dx of -1/2 (log p0 + log p1) for image 0 is scale * (sum_j p_j t_j - (t0 + t1)
    # / 2) / 3. The text-to-image half adds scale * (sum over texts i of p(0 | i) t_i - target_i t_i) / 3.
    scores = 5.0 * images.detach() @ texts.T
    target = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    by_image = (scores.softmax(dim=1) - target) @ texts
    by_text = (scores.softmax(dim=0) - target) @ texts
    torch.testing.assert_close(images.grad, 5.0 * (by_image + by_text) / 2 / 3)


def test_repeated_captions_by_hand_for_the_sigmoid() -> None:
    # Similarities 1 within the pair and with oneself, else 0; logits 2 s - 1, so 1 or -1. With l(z) = log
    # sigmoid(z), an image of the pair has l(1) for itself, l(1) or l(-1) for the other or nothing, and l(1)
    # for the third.
    images = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    scale, bias = torch.tensor(2.0, dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64)
    relations = Relations(
        torch.arange(3), torch.tensor([[7], [7], [8]]), torch.zeros(3, 0, dtype=torch.int64)
    )
    yes, no = (float(F.logsigmoid(torch.tensor(z, dtype=torch.float64))) for z in (1.0, -1.0))
    wanted: dict[Repeated, float] = {
        "negative": -(2 * (yes + no + yes) + 3 * yes) / 3,
        "ignore": -(2 * (yes + yes) + 3 * yes) / 3,
        "positive": -(2 * (yes + yes + yes) + 3 * yes) / 3,
    }
    for repeated, value in wanted.items():
        loss = ContrastiveLoss("siglip", repeated)(images, images[:, None], scale, bias, relations)
        assert float(loss) == pytest.approx(value)


def test_to_the_softmax_an_equal_text_is_no_negative() -> None:
    """Equal texts are one vector: what the others' questions push away from it, one's own pulls back. Summed
    over them, the loss with several positives is the plain one, in value and gradient; the sigmoid asks of
    each pair, and differs.
    """
    numbers = torch.tensor([0, 1, 0, 2, 0, 1])
    relations = Relations(torch.arange(6), numbers[:, None], torch.zeros(6, 0, dtype=torch.int64))

    def found(kind: Kind, repeated: Repeated) -> tuple[Tensor, ...]:
        images, texts = unit(6, 5).requires_grad_(), unit(3, 5, seed=1).requires_grad_()
        scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (9.0, -4.0))
        loss = ContrastiveLoss(kind, repeated)(
            images, texts[numbers][:, None], scale, bias if kind == "siglip" else None, relations
        )
        return loss, *torch.autograd.grad(loss, [images, texts, scale])

    for one, other in zip(found("clip", "negative"), found("clip", "positive"), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(found("siglip", "negative")[1], found("siglip", "positive")[1])


def test_a_text_is_no_negative_of_an_image_that_has_it_though_another_was_drawn() -> None:
    # Texts 7 and 8 are the first image's in two languages; 7 was drawn of it, 8 of the second, which has 8
    # alone; the third has 9. Text 8 is thus right for the first image too, and text 7 is wrong for the
    # second. Scale ln 2, features orthogonal: e^logit is 2 for one's own and 1 for any other.
    features = torch.eye(3, dtype=torch.float64)
    relations = Relations(
        torch.arange(3),
        torch.tensor([[7], [8], [9]]),
        torch.zeros(3, 0, dtype=torch.int64),
        torch.tensor([[7, 8], [8, -1], [9, -1]]),
    )
    scale = torch.log(torch.tensor(2.0, dtype=torch.float64))

    def loss(repeated: Repeated) -> float:
        return float(ContrastiveLoss("clip", repeated)(features, features[:, None], scale, None, relations))

    log = lambda value: float(torch.log(torch.tensor(value, dtype=torch.float64)))  # noqa: E731
    whole, lesser, other = log(4 / 2), log(3 / 2), log(4 / 1)
    assert loss("negative") == pytest.approx(whole)
    # One question of three, in either direction, has one wrong answer less.
    assert loss("ignore") == pytest.approx((2 * whole + lesser) / 3)
    # The first image has two right texts, the text 8 two right images.
    assert loss("positive") == pytest.approx((2 * whole + (whole + other) / 2) / 3)


def test_a_drawn_text_counts_though_it_is_beyond_those_that_are_compared() -> None:
    # Text 7 was drawn of the first two images, and is in neither's list of texts; the third has
    # it undrawn.
    relations = Relations(
        torch.arange(4),
        torch.tensor([[7], [7], [3], [4]]),
        torch.zeros(4, 0, dtype=torch.int64),
        torch.tensor([[1, 2], [5, 6], [7, 3], [4, -1]]),
    )
    assert relations.carries(relations, 0).tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [False, False, False, True],
    ]


def test_many_captions_take_no_more_memory() -> None:
    num, most = 64, 32
    relations = Relations(
        torch.arange(num), torch.arange(num)[:, None], torch.zeros(num, 0, dtype=torch.int64),
        torch.arange(num * most).view(num, most),
    )  # fmt: skip
    largest = 0

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            found = func(*args, **(kwargs or {}))
            if isinstance(found, Tensor):
                largest = max(largest, found.untyped_storage().nbytes())
            return found

    with Sizes():
        relations.carries(relations, 0)
    # One byte for each pair; the int64 numbers of the texts themselves, 33 of each image, are 264 a row.
    assert largest <= max(num * num, num * (most + 1) * 8)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_the_same_sample_twice_is_never_its_own_negative(kind: Kind) -> None:
    twice = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    relations = Relations(
        torch.tensor([5, 5]), torch.tensor([[1], [2]]), torch.zeros(2, 0, dtype=torch.int64)
    )
    bias = torch.tensor(0.0, dtype=torch.float64) if kind == "siglip" else None
    scale = torch.tensor(3.0, dtype=torch.float64)
    loss = ContrastiveLoss(kind, "negative")(twice, twice[:, None], scale, bias, relations)
    # Only its own pair is left: log softmax of one value is 0; the sigmoid question is answered by
    # sigmoid(3).
    wanted = 0.0 if kind == "clip" else float(-F.logsigmoid(torch.tensor(3.0, dtype=torch.float64)))
    assert float(loss) == pytest.approx(wanted)


def test_the_z_loss_by_hand() -> None:
    images, texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[[0.6, 0.8]], [[0.0, 1.0]]])
    relations = Relations(torch.arange(2), torch.arange(2)[:, None], torch.zeros(2, 0, dtype=torch.int64))
    values = [
        ContrastiveLoss("clip", "ignore", weight)(images, texts, torch.tensor(2.0), None, relations)
        for weight in (0.0, 0.1)
    ]
    # Twice the similarities: an image's row (1.2, 0) and (1.6, 2); a text's row (1.2, 1.6) and (0, 2).
    sums = [math.log(sum(map(math.exp, row))) for row in ((1.2, 0), (1.6, 2), (1.2, 1.6), (0, 2))]
    expected = 0.1 * ((sums[0] ** 2 + sums[1] ** 2) / 2 + (sums[2] ** 2 + sums[3] ** 2) / 2) / 2
    assert float(values[1] - values[0]) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ConfigError, match="z_loss is for the softmax"):
        config_of(shardsets=["a"], run_dir="b", loss="siglip", **{"loss.z_loss": 1e-4})


def test_the_bias_stays_in_its_bounds(make_config: Callable[..., TrainConfig]) -> None:
    config = make_config(loss="siglip", max_steps=1, validation_split="none", **{"loss.max_logit_bias": 4.0})
    train(config)
    path, _ = latest_sound(config.run_dir / "checkpoints")
    assert path
    # It starts at -10.
    assert read_checkpoint(path)["state_dict"]["model.logit_bias"].item() == -4
