"""OpenAI's files, which are TorchScript archives, are read as data and never run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import open_clip
import pytest
import torch

from iconoclip.errors import BadInput, ConfigError, DamagedData
from training.model import LoadedModel, load_model
from training.weights.fit import load_into
from training.weights.read import read_weights

from .archives import archive_of
from .same_features import same


def test_an_archive_whose_modules_are_endless_is_refused(tmp_path: Path) -> None:
    # Each of 40 modules contains the one before it twice: 2^40 in all.
    module = b"c__torch__\nM\n)\x81}"
    pickled = b"\x80\x02" + module + b"bq\x00"
    for number in range(1, 40):
        twice = b"".join(b"X\x01\0\0\0%ch%c" % (name, number - 1) for name in b"ab")
        pickled += b"0" + module + b"(" + twice + b"ubq" + bytes([number])
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", pickled + b".")
        archive.writestr("m/constants.pkl", b"\x80\x02).")
    with pytest.raises(DamagedData, match="more than 100,000 modules"):
        read_weights(tmp_path / "m.pt")
    # An archive of a kilobyte with a tensor of 10^12 numbers.
    huge = {"visual.proj": torch.zeros(1).expand(10**6, 10**6)}
    (tmp_path / "huge.pt").write_bytes(archive_of(huge).getvalue())
    with pytest.raises(DamagedData):
        read_weights(tmp_path / "huge.pt")


def openai_like() -> open_clip.CLIP:
    """A small model of OpenAI's make, whose heads are 64 wide."""
    config = {
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
    }
    return open_clip.CLIP(**config).eval()


def test_a_view_that_would_fill_the_memory_is_refused_by_its_layer() -> None:
    model = openai_like()
    state = {**model.state_dict(), "visual.proj": torch.zeros(1).half().expand(10**6, 10**6)}
    with pytest.raises(BadInput, match=r"do not fit the model: visual\.proj"):
        load_into(model, state, "x.pt", quick_gelu=True)


def test_openais_archives_are_read_and_never_run(tmp_path: Path) -> None:
    model, file, file_of_net = openai_like(), tmp_path / "ViT-B-32.pt", tmp_path / "RN.pt"
    numbers = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(77)}
    state = {name: one.half() for name, one in model.state_dict().items()}
    file.write_bytes(archive_of(state | numbers | {"vocab_size": torch.tensor(49408)}).getvalue())
    loaded = load_model(str(file))
    assert loaded.has_weights
    assert loaded.model_config["quick_gelu"]
    assert (loaded.model_config["text_cfg"]["layers"], loaded.image_size) == (1, 32)
    model.load_state_dict(state)
    same(loaded, LoadedModel(model, {}, loaded.preprocess, loaded.tokenizer, ""), atol=1e-6)
    # Their ResNets, whose sides are divided by 32.
    net = open_clip.CLIP(
        16,
        {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
        quick_gelu=True,
    )
    torch.save(
        {"state_dict": net.state_dict() | numbers | {"vocab_size": numbers["context_length"]}}, file_of_net
    )
    same(load_model(str(file_of_net)), LoadedModel(net, {}, {}, loaded.tokenizer, ""), atol=1e-6, side=64)
    # An architecture without their activation would compute something else, without a word.
    config = loaded.model_config | {"quick_gelu": False}
    (tmp_path / "other.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="trained with another activation") as caught:
        load_model(str(tmp_path / "other.json"), pretrained=str(file))
    assert caught.value.remedy
    assert "ViT-B-32-quickgelu" in caught.value.remedy
    torch.save(model.state_dict(), tmp_path / "plain.pt")
    with pytest.raises(ConfigError, match="does not say its architecture"):
        load_model(str(tmp_path / "plain.pt"))
