"""The weights that people have, in the formats that they have them in: each gives the features of the model
that they were saved from, or is refused, and none runs code."""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor

from iconoclip.errors import BadInput, ConfigError, DamagedData, IconoclipError, MissingRequirement
from training.model import Changes, LoadedModel, load_model
from training.weights.read import read_weights

from .archives import archive_of
from .conftest import SMALL_MODEL
from .same_features import same


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LoadedModel]:
    """The config of a small model, and the model with random weights."""
    path = tmp_path_factory.mktemp("plain") / "small.json"
    path.write_text(json.dumps(SMALL_MODEL))
    torch.manual_seed(3)
    loaded = load_model(str(path))
    loaded.model.eval()
    return path, loaded


def test_open_clips_own_checkpoints_of_any_age(plain: tuple[Path, LoadedModel], tmp_path: Path) -> None:
    path, loaded = plain
    state, file = loaded.model.state_dict(), tmp_path / "epoch_32.pt"
    optimizer = {
        "state": {0: {"step": np.float64(3), "exp_avg": torch.zeros(2)}},
        "param_groups": [{"lr": 1e-3}],
    }
    around = {
        "epoch": np.int64(32),
        "name": "a-run",
        "optimizer": optimizer,
        "scaler": {"scale": 65536.0, "seen": np.arange(3)},
        "args": argparse.Namespace(lr=np.float32(0.1), logs=Path("logs"), seen=collections.defaultdict(list)),
    }
    unused = {
        "attn_mask": torch.zeros(16, 16),
        "input_of_tokens.position_ids": torch.arange(16).reshape(1, -1),
    }
    compiled = {
        f"visual._orig_mod.{n.removeprefix('visual.')}" if "visual" in n else n: t for n, t in state.items()
    }
    by_itself = {n if n.startswith(("visual", "logit")) else f"text.{n}": t for n, t in state.items()}
    one_number = state | {"logit_scale": state["logit_scale"].reshape(1)}
    kinds: list[Any] = [
        state,
        {"state_dict": state | unused} | around,
        {"state_dict": {f"module.{name}": one for name, one in state.items()}} | around,
        {"state_dict": {f"_orig_mod.module.{name}": one for name, one in (state | unused).items()}},
        {"state_dict": {f"module._orig_mod.{name}": one for name, one in compiled.items()}} | around,
        {"model": by_itself},
        {"model": {"state_dict": state, "step": 3}, "epoch": 1},
        {"state_dict": {"model": {"state_dict": state}}, "optimizer": optimizer},
        {"model_ema": {f"module.{name}": one for name, one in state.items()}, "epoch": 1},
        {f"base_model.model.{name}": one for name, one in state.items()},
        {f"ema_model.module.{name}": one for name, one in state.items()},
        {"state_dict_ema": state, "epoch": 3},
        {"model": {f"net.backbone.{name}": one for name, one in state.items()}},
        # torch's AveragedModel, and ema_pytorch: they count next to the weights.
        {f"module.{name}": one for name, one in state.items()} | {"n_averaged": torch.tensor(5)},
        {f"ema_model.{name}": one for name, one in state.items()}
        | {"initted": torch.tensor(True), "step": torch.tensor(9)},
        collections.OrderedDict(one_number),
    ]
    for value in kinds:
        torch.save(value, file)
        same(load_model(str(path), pretrained=str(file)), loaded)
    torch.save(kinds[2], file, _use_new_zipfile_serialization=False)
    same(load_model(str(path), pretrained=str(file)), loaded)
    torch.save({"state_dict": {name: one.half() for name, one in state.items()}} | around, file)
    half = load_model(str(path), pretrained=str(file))
    assert {one.dtype for one in half.model.parameters()} == {torch.float32}
    same(half, loaded, atol=5e-3)


def test_checkpoints_of_programs_of_ones_own(
    plain: tuple[Path, LoadedModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, loaded = plain
    state, file = loaded.model.state_dict(), tmp_path / "weights.pt"
    kinds: list[Any] = [
        # Lightning's, where the module held the model next to its loss, and timm's average.
        {
            "pytorch-lightning_version": "2.1",
            "state_dict": {f"clip.{name}": one for name, one in state.items()}
            | {"loss.bias": torch.zeros(1)},
        },
        {"ema": state},
    ]
    for value in kinds:
        torch.save(value, file)
        same(load_model(str(path), pretrained=str(file)), loaded)
    assert "outside of the model 'clip.' in the file of weights: 1 of its tensors, such as loss.bias" in (
        capsys.readouterr().err
    )
    # A student and its teacher: nobody says which one is meant.
    torch.save({f"{one}.{name}": value for one in ("a", "b") for name, value in state.items()}, file)
    with pytest.raises(BadInput, match="do not fit the model"):
        load_model(str(path), pretrained=str(file))
    # What torch wrote, by the name of another format.
    torch.save(state, tmp_path / "renamed.safetensors")
    same(load_model(str(path), pretrained=str(tmp_path / "renamed.safetensors")), loaded)
    torch.save({name: value.flatten()[:3].numpy() for name, value in state.items()}, file)
    with pytest.raises(BadInput, match="arrays of NumPy by name"):
        load_model(str(path), pretrained=str(file))


def test_positions_are_interpolated_as_open_clip_does(
    plain: tuple[Path, LoadedModel], tmp_path: Path
) -> None:
    path, loaded = plain
    larger = json.loads(path.read_text())
    larger["model_cfg"]["vision_cfg"]["image_size"] = 48
    larger["model_cfg"]["text_cfg"]["context_length"] = 20
    other, file = tmp_path / "larger.json", tmp_path / "weights.pt"
    other.write_text(json.dumps(larger))
    torch.save({"state_dict": loaded.model.state_dict()}, file)
    ours = load_model(str(other), pretrained=str(file)).model
    theirs = load_model(str(other)).model
    open_clip.load_checkpoint(theirs, str(file))
    assert ours.visual.positional_embedding.shape == (37, 32)  # type: ignore[union-attr]
    for name, one in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], one, rtol=0, atol=1e-6, msg=name)


def test_a_bias_that_the_weights_lack_starts_where_its_loss_wants(
    plain: tuple[Path, LoadedModel], tmp_path: Path
) -> None:
    path, loaded = plain
    torch.save(loaded.model.state_dict(), tmp_path / "weights.pt")
    model = load_model(
        str(path), pretrained=str(tmp_path / "weights.pt"), changes=Changes(logit_bias=True)
    ).model
    # SigLIP's initial values: t' = log 10 and b = -10 (arXiv 2303.15343, section 3.2).
    assert model.logit_bias.item() == -10  # type: ignore[union-attr, operator]
    assert model.logit_scale.exp().item() == pytest.approx(10)  # type: ignore[union-attr, operator]
    torch.testing.assert_close(
        model.visual.proj,
        loaded.model.visual.proj,
        rtol=0,
        atol=0,  # type: ignore[union-attr]
    )


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def test_no_file_runs_code(plain: tuple[Path, LoadedModel], tmp_path: Path) -> None:
    mark, state = tmp_path / "owned", plain[1].model.state_dict()
    evil, file = Evil(mark), tmp_path / "weights.pt"

    class Call:
        def __init__(self, function: Any, *arguments: Any) -> None:
            self.values = function, arguments

        def __reduce__(self) -> Any:
            return self.values

    hostile: list[Any] = [
        evil,
        {"state_dict": evil},
        {"state_dict": state, "optimizer": {"state": {0: evil}}},
        {"state_dict": state, "args": argparse.Namespace(lr=evil)},
        {"state_dict": state, "args": np.array([evil], dtype=object)},
        {"state_dict": state, "args": Call(eval, f"open({str(mark)!r}, 'w')")},
        {"state_dict": state, "args": Call(exec, f"open({str(mark)!r}, 'w')")},
        {"state_dict": state, "args": Call(__import__, "this")},
        {"pytorch-lightning_version": "2", "state_dict": evil},
    ]
    for value in hostile:
        for is_new in (True, False):
            torch.save(value, file, _use_new_zipfile_serialization=is_new)
            with pytest.raises((DamagedData, BadInput)):
                read_weights(file)
    torch.save(plain[1].model, file)
    with pytest.raises(DamagedData, match=r"a model with its code \(open_clip.model.CLIP\)"):
        read_weights(file)
    file.write_bytes(pickle.dumps(evil))
    with pytest.raises(BadInput, match="a pickle that torch did not write"):
        read_weights(file)
    script = archive_of(state)
    with zipfile.ZipFile(script) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            is_list = name.endswith("/data.pkl")
            data = pickle.dumps({"visual.x token_embedding.weight": evil}, 2) if is_list else old.read(name)
            new.writestr(name, data)
    with pytest.raises((DamagedData, BadInput)):
        read_weights(file)
    assert not mark.exists()


def test_a_damaged_file_is_a_message(tmp_path: Path) -> None:
    names = ("visual.proj", "token_embedding.weight", "logit_scale")
    state = {name: torch.ones(3) for name in names}
    new, old = io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": state}, new)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "sound")
    sound = [new.getvalue(), old.getvalue(), (tmp_path / "sound").read_bytes(), archive_of(state).getvalue()]
    random, file = np.random.default_rng(0), tmp_path / "weights.pt"
    num_read = num_refused = 0
    for data in sound:
        for _ in range(int(os.environ.get("ICONOCLIP_EXAMPLES", "40"))):
            cut = bytearray(data[: random.integers(1, len(data))] if random.random() < 0.3 else data)
            for at in random.integers(0, len(cut), random.integers(1, 4)):
                cut[at] ^= int(random.integers(1, 256))
            file.write_bytes(cut)
            try:
                num_read += bool(read_weights(file))
            except IconoclipError:
                num_refused += 1
    assert num_read > 5
    assert num_refused > 20


def test_a_folder_of_the_hub_in_every_layout(plain: tuple[Path, LoadedModel], tmp_path: Path) -> None:
    path, loaded = plain
    state, config = loaded.model.state_dict(), path.read_text()
    names = list(state)
    pieces = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}

    def of(folder: str, write: Callable[[Path], None]) -> Path:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "open_clip_config.json").write_text(config)
        write(tmp_path / folder)
        return tmp_path / folder

    def shards(folder: Path) -> None:
        for name, inside in pieces.items():
            save_file({one: state[one] for one in inside}, folder / name)
        index = {
            "metadata": {},
            "weight_map": {one: name for name, inside in pieces.items() for one in inside},
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    folders = [
        of("bin", lambda folder: torch.save(state, folder / "open_clip_pytorch_model.bin")),
        of("model", lambda folder: save_file(state, folder / "model.safetensors")),
        of("any", lambda folder: save_file(state, folder / "vit.safetensors")),
        of("shards", shards),
    ]
    for folder in folders:
        same(load_model(str(folder)), loaded)
        same(load_model(f"local-dir:{folder}"), loaded)
    (folders[-1] / "model-2.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DamagedData, match="a Git LFS pointer"):
        load_model(str(folders[-1]))
    (folders[-1] / "model-2.safetensors").unlink()
    with pytest.raises(DamagedData, match="a file of the sharded weights is missing"):
        load_model(str(folders[-1]))
    index = folders[-1] / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"visual.proj": "../bin/x", "text.y": "../bin/x"}}))
    with pytest.raises(DamagedData, match="outside its folder"):
        load_model(str(folders[-1]))
    torch.save({"state_dict": Evil(tmp_path / "owned")}, folders[0] / "open_clip_pytorch_model.bin")
    with pytest.raises(DamagedData, match="may run code"):
        load_model(str(folders[0]))
    assert not (tmp_path / "owned").exists()


def test_weights_that_are_none_of_this_model_are_refused_by_their_kind(
    plain: tuple[Path, LoadedModel], tmp_path: Path
) -> None:
    """Weights that torch would load without a word, or with an error of its own."""
    path, loaded = plain
    state, file = loaded.model.state_dict(), tmp_path / "weights.pt"
    name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    mobile = (
        "image_encoder.model.patch_embed.0.rbr_conv.0.conv.weight",
        "text_encoder.embedding_layer.weight",
    )
    refused: list[tuple[dict[str, Tensor], str, str]] = [
        (state | {name: state[name].to(torch.int8)}, f"{name} is int8", "float32"),
        (state | {name: state[name] * float("nan")}, f"not finite: {name}", "earlier checkpoint"),
        (state | {"text_decoder.resblocks.0.ln_1.bias": torch.zeros(3)}, "of a CoCa model", "coca_ViT-B-32"),
        (dict.fromkeys(mobile, torch.zeros(3)), "another kind of tower", "architecture"),
        (state | {name: state[name].to("meta")}, f"{name} is on the device 'meta'", "were loaded"),
        (state | {name: state[name].to_sparse()}, f"sparse weights: {name}", "to_dense"),
    ]
    for weights, what, remedy in refused:
        torch.save(weights, file)
        with pytest.raises(BadInput, match=what) as caught:
            load_model(str(path), pretrained=str(file))
        assert remedy in (caught.value.remedy or "")


def test_a_missing_file_and_a_wrong_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="no such file"):
        read_weights(tmp_path / "nothing.pt")
    for name, kind, what, remedy in (
        ("ViT-B32", ConfigError, "no model is called", "did you mean 'ViT-B-32'"),
        ("google/siglip-base-patch16-224", ConfigError, "no model is called", "hf-hub:google/siglip"),
        ("https://hub.example/a/b", MissingRequirement, "at an address", "download it"),
        (str(tmp_path / "nothing"), MissingRequirement, "no such file", "check the path"),
        ("quite-another-name", ConfigError, "no model is called", "hf-hub:ID"),
    ):
        with pytest.raises(kind, match=what) as unknown:
            load_model(name)
        assert remedy in (unknown.value.remedy or "")
        assert len(unknown.value.remedy or "") < 200
    (tmp_path / "login.pt").write_text("<!DOCTYPE html><html>")
    (tmp_path / "zero" / "global_step10").mkdir(parents=True)
    with pytest.raises(BadInput, match="a folder of checkpoints of DeepSpeed") as caught:
        load_model("ViT-S-32", pretrained=str(tmp_path / "zero"))
    assert "zero_to_fp32.py" in (caught.value.remedy or "")
    with pytest.raises(DamagedData, match="the weights cannot be read: this is an HTML page"):
        load_model("ViT-S-32", pretrained=str(tmp_path / "login.pt"))


def test_what_a_hub_must_have_is_said_with_the_command_that_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    config = json.loads(json.dumps(SMALL_MODEL))
    config["model_cfg"]["text_cfg"] = {"hf_model_name": "a/text", "hf_tokenizer_name": "a/tokenizer"}
    (tmp_path / "model.json").write_text(json.dumps(config))
    for name, remedy in (
        (str(tmp_path / "model.json"), "run `hf download a/tokenizer` where"),
        (
            "ViT-B-32:laion2b_s34b_b79k",
            "run `iconoclip export ViT-B-32:laion2b_s34b_b79k --out FOLDER` where",
        ),
        ("hf-hub:a/model", "run `iconoclip export hf-hub:a/model --out FOLDER` where"),
    ):
        with pytest.raises(MissingRequirement, match="cannot be downloaded") as caught:
            load_model(name)
        assert remedy in (caught.value.remedy or "")
