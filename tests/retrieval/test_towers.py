"""The image tower gives open_clip's features, with a transformer's shortcuts and without; on any
processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from iconoclip.embeddings import EmbeddingStore
from iconoclip.errors import BadInput
from retrieval.encode import encoder, text_graph
from retrieval.encode.towers import ImageTower, TextTower

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
VISION = {
    "transformer": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    # The armorial's own model is one: it has no class token, and uses the plain code.
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
}


@pytest.mark.parametrize("kind", VISION)
def test_the_image_tower_gives_open_clips_own_features(kind: str) -> None:
    torch.manual_seed(0)
    model = open_clip.CLIP(embed_dim=32, vision_cfg=VISION[kind], text_cfg=TEXT).eval()
    side = VISION[kind]["image_size"]
    pixels_BHWC = torch.randint(0, 256, (3, side, side, 3), dtype=torch.uint8)
    with torch.inference_mode():
        ours = ImageTower(model, (0.5,) * 3, (0.25,) * 3)(pixels_BHWC, torch.float32)
        theirs = model.encode_image((pixels_BHWC.permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)
    assert torch.nn.functional.cosine_similarity(ours, theirs).min() > 0.9999


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": 1},
        {"ls_init_value": 0.5},
        {"proj_type": "none"},
        {"proj_bias": True},
        {"pool_type": "eos", "eos_id": 9},
        # Towers whose pooled token sees what comes after it, or whose blocks are of another kind.
        {"pool_type": "last"},
        {"pool_type": "first", "no_causal_mask": True},
        {"qk_norm": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("tower", [open_clip.CLIP, open_clip.CustomTextCLIP])
def test_the_text_tower_gives_open_clips_own_features(tower: Any, changes: dict[str, Any]) -> None:
    torch.manual_seed(1)
    text = {"context_length": 12, "vocab_size": 10, "width": 32, "heads": 2, "layers": 3} | changes
    model = tower(embed_dim=32, vision_cfg=VISION["resnet"], text_cfg=text).eval()
    # Texts of 2, 5 and 12 tokens; the last token, 9, is the largest.
    tokens_BL = torch.zeros(3, 12, dtype=torch.long)
    for row, length in enumerate((2, 5, 12)):
        tokens_BL[row, :length] = torch.tensor([*[*range(1, 9), 1, 2, 3, 4][: length - 1], 9])
    with torch.inference_mode():
        for batch_BL in (tokens_BL, tokens_BL[1:2]):
            torch.testing.assert_close(TextTower(model)(batch_BL), model.encode_text(batch_BL))


@pytest.mark.parametrize("quick", [False, True])
def test_the_graph_of_a_query_gives_open_clips_own_features(
    quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    monkeypatch.setattr(text_graph, "MIN_PARAMETERS", 0)
    text = {
        "context_length": 12,
        "vocab_size": 10,
        "width": 32,
        "heads": 2,
        "layers": 2,
        "ls_init_value": 0.5,
    }
    model = open_clip.CLIP(32, VISION["resnet"], text, quick_gelu=quick).eval()
    for block in model.transformer.resblocks:
        # open_clip starts the biases at zero, which would hide one that is missing.
        torch.nn.init.normal_(block.attn.in_proj_bias)
        torch.nn.init.normal_(block.mlp.c_proj.bias)
    tower = TextTower(model)
    tower.graph = tower.graph_for_queries()
    assert tower.graph is not None
    tokens_BL = torch.tensor([[1, 9, *[0] * 10], [1, 2, 3, 4, 5, 9, *[0] * 6], [*range(1, 9), 1, 2, 3, 9]])
    with torch.inference_mode():
        for batch_BL in (tokens_BL, tokens_BL[1:2]):
            ours = tower(batch_BL, is_query=True)
            torch.testing.assert_close(ours, model.encode_text(batch_BL), atol=1e-5, rtol=1e-4)
        expected = model.encode_text(tokens_BL)
        assert not text_graph.fits(model.bfloat16())
        # The graph was made before, and keeps its float32 weights.
        short = TextTower(model)
        short.graph = tower.graph
        cosines = torch.nn.functional.cosine_similarity(short(tokens_BL, is_query=True).float(), expected)
        assert cosines.min() > 0.999


def test_a_matrix_in_bytes_has_a_scale_for_each_group() -> None:
    weight_OI = np.zeros((2, 64), np.float32)
    weight_OI[0, :3] = 127, -127, 64
    weight_OI[0, 32:35] = 0.254, 0.1, -0.002
    matrix_OGI, scales = text_graph.in_bytes(weight_OI, 32)
    assert matrix_OGI.shape == (2, 2, 32)
    assert matrix_OGI[0, 0, :4].tolist() == [255, 1, 192, 128]
    assert matrix_OGI[0, 1, :4].tolist() == [255, 178, 127, 128]
    assert (matrix_OGI[1] == 128).all(), "zeros"
    np.testing.assert_allclose(scales, [1, 0.002, 0, 0])
    matrix_OGI, scales = text_graph.in_bytes(weight_OI, 64)
    assert (matrix_OGI.shape, scales.tolist()) == ((2, 1, 64), [1, 0])


@pytest.mark.parametrize(
    ("has_vnni", "precision", "least_cosine", "in_bytes", "tried"),
    [
        (True, "auto", 0.999, True, [128]),
        (True, "auto", 1.001, False, [128, 32, None]),
        (True, "float32", 0.999, False, [None]),
        (False, "auto", 0.999, False, [None]),
    ],
)
def test_queries_are_encoded_in_bytes_only_where_these_change_little(
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_vnni: bool,
    precision: Any,
    least_cosine: float,
    in_bytes: bool,
    tried: list[int | None],
) -> None:
    sizes: list[int | None] = []
    made = text_graph.TextGraph

    def noted(tower: Any, *, group_size: int | None = None) -> Any:
        sizes.append(group_size)
        return made(tower, group_size=group_size)

    monkeypatch.setattr(text_graph, "TextGraph", noted)
    monkeypatch.setattr(text_graph, "MIN_PARAMETERS", 0)
    monkeypatch.setattr(encoder, "multiplies_bytes", lambda: has_vnni)
    monkeypatch.setattr(encoder, "MIN_COSINE", least_cosine)
    texts = ["a red circle", "Frau mit Kind", "x"]
    exact = encoder.Encoder(model, precision="float32").encode_texts(texts)
    ours = encoder.Encoder(model, precision=precision, for_queries=True).encode_texts(texts)
    cosines = (exact * ours).sum(axis=1)
    assert cosines.min() > 0.999
    assert (np.abs(exact - ours).max() > 1e-5) == in_bytes
    assert sizes == tried


def test_float16_is_refused_on_a_processor(model: Path) -> None:
    with pytest.raises(BadInput, match="do not compute in float16"):
        encoder.Encoder(model, precision="float16", device="cpu")


def without(instructions: str) -> dict[str, str]:
    """The environment in which torch and oneDNN do without instructions that this processor may have."""
    limits = {"AVX-512": ("avx2", "AVX2"), "AVX": ("default", "SSE41")}
    capability, isa = limits[instructions]
    return os.environ | {"ATEN_CPU_CAPABILITY": capability, "ONEDNN_MAX_CPU_ISA": isa}


@pytest.mark.long
def test_the_command_encodes_in_bfloat16_without_avx_512_and_says_what_that_costs(
    model: Path, shardset: Path, store: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "iconoclip.cli", "encode", str(model), str(shardset)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "store"), "--precision", "bfloat16"],
        env=without("AVX-512"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "this processor has no bfloat16 products" in done.stderr
    ours, expected = EmbeddingStore(tmp_path / "store"), EmbeddingStore(store)
    assert ours.keys == expected.keys
    cosines = np.sum(ours.vectors_ND.astype(np.float32) * expected.vectors_ND.astype(np.float32), axis=1)
    assert cosines.min() >= 0.999


# Of a model of any size: the small one here would otherwise stay in float32 on every processor.
EVERY_PRECISION = """
import sys
import numpy as np
from retrieval.encode import encoder, text_graph
encoder.MIN_PARAMETERS_FOR_BFLOAT16 = 0
encoders = (encoder.Encoder(sys.argv[1], precision=each) for each in ("float32", "bfloat16", "auto"))
plain, short, auto = encoders
texts = ["a red circle", "ein Bild " * 30]
print(auto.precision, np.sum(plain.encode_texts(texts) * short.encode_texts(texts), axis=1).min() >= 0.999)
"""


@pytest.mark.long
def test_without_any_avx_auto_is_float32_and_bfloat16_still_right(model: Path) -> None:
    command = [sys.executable, "-c", EVERY_PRECISION, str(model)]
    done = subprocess.run(command, env=without("AVX"), capture_output=True, text=True)
    assert done.stdout == "float32 True\n", done.stderr


@pytest.mark.parametrize(
    ("capability", "limit", "expected"),
    [
        ("AVX512", None, True),
        ("AVX512", "AVX512_CORE_AMX", True),
        ("AVX512", "avx512_core_bf16", True),
        ("AVX512", "AVX512_CORE", False),
        ("AVX512", "AVX2", False),
        ("AVX2", None, False),
        ("DEFAULT", None, False),
    ],
)
def test_a_limit_on_the_instructions_is_obeyed(
    capability: str, limit: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    if limit is None:
        monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    else:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert encoder.multiplies_bfloat16() is expected


def test_a_model_that_torch_cannot_run_in_bfloat16_runs_in_float32(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = encoder.ImageTower.__call__

    def refuses(self: ImageTower, pixels_BHWC: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        if dtype == torch.bfloat16:
            raise RuntimeError("not implemented for 'BFloat16'")
        return real(self, pixels_BHWC, dtype)

    monkeypatch.setattr(encoder.ImageTower, "__call__", refuses)
    monkeypatch.setattr(encoder, "MIN_PARAMETERS_FOR_BFLOAT16", 0)
    monkeypatch.setattr(encoder, "multiplies_bfloat16", lambda: True)
    assert encoder.Encoder(model, device="cpu").precision == "float32"
    with pytest.raises(encoder.BadInput, match="cannot compute this model in bfloat16"):
        encoder.Encoder(model, device="cpu", precision="bfloat16")
