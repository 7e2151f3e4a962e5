"""`iconoclip encode`: what it writes, what it refuses, and how it resumes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from iconoclip.embeddings import EmbeddingStore
from iconoclip.errors import BadInput, ConfigError, DamagedData, MissingRequirement, SomeRefused
from iconoclip.files import write_json
from iconoclip.shardset import ShardSet, Tombstone, with_tombstones
from retrieval.config import EncodeConfig
from retrieval.encode.encoder import Encoder
from retrieval.encode.modeldir import ModelDirectory
from retrieval.encode.pixels import decode, fit, prepare
from retrieval.encode.towers import TextTower
from retrieval.encode.verb import encode

from .conftest import draw, record_of, samples_of, write_model, write_shardset


def config(model: Path, shardset: Path, out: Path, **settings: object) -> EncodeConfig:
    return EncodeConfig.model_validate(
        {"model": str(model), "shardset": str(shardset), "out": str(out), **settings}
    )


def test_the_store_holds_what_open_clip_itself_computes(model: Path, shardset: Path, store: Path) -> None:
    import open_clip

    net, _, transform = open_clip.create_model_and_transforms(f"local-dir:{model}")
    net.eval()
    vectors = EmbeddingStore(store)
    samples = {record.key: jpeg for record, jpeg in ShardSet(shardset).samples()}
    assert vectors.keys == list(samples)
    assert vectors.manifest.model_digest == ModelDirectory(model).digest
    with torch.inference_mode():
        batch = torch.stack([transform(decode(jpeg)) for jpeg in samples.values()])
        expected = net.encode_image(batch, normalize=True).numpy()
    cosines = np.sum(expected * vectors.vectors_ND.astype(np.float32), axis=1)
    assert cosines.min() >= 0.999


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(48, 64), (301, 97), (50, 50), (33, 200)])
def test_preparing_is_pixel_for_pixel_open_clips(mode: str, size: tuple[int, int]) -> None:
    from open_clip.transform import image_transform
    from PIL import Image

    from retrieval.encode.modeldir import Preprocess

    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    theirs = image_transform(32, is_train=False, mean=(0, 0, 0), std=(1, 1, 1), resize_mode=mode)(image)
    ours = fit(image, Preprocess(size=32, resize_mode=mode)).astype(np.float32) / 255
    difference = np.abs(ours.transpose(2, 0, 1) - theirs.numpy())
    # One pass instead of two rounds once less: single steps of 1/255 may differ.
    assert difference.max() <= 2.5 / 255
    assert difference.mean() <= 0.3 / 255


def test_decoding_at_reduced_scale_keeps_the_picture(model: Path) -> None:
    preprocess = ModelDirectory(model).preprocess
    jpeg = draw("red", "circle", 3, size=512)
    reduced, full = prepare(jpeg, preprocess), fit(decode(jpeg), preprocess)
    assert np.abs(reduced.astype(int) - full.astype(int)).mean() < 2.0
    encoder = Encoder(model)
    one, other = encoder.encode_images([reduced, full])
    assert float(one @ other) >= 0.999


class TestTexts:
    TEXTS = ("azure", "Azure, a chevron or between three mullets argent", "word " * 60)

    @pytest.mark.parametrize("changes", [{}, {"custom_text": True}])
    def test_leaving_padding_out_changes_nothing(self, tmp_path: Path, changes: dict[str, bool]) -> None:
        import open_clip

        folder = write_model(tmp_path / "model", seed=3, **changes)
        net = open_clip.create_model(f"local-dir:{folder}").eval()
        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(list(self.TEXTS))
        with torch.inference_mode():
            torch.testing.assert_close(TextTower(net)(tokens), net.encode_text(tokens), atol=1e-5, rtol=1e-4)
            one = TextTower(net)(tokens[:1])
            torch.testing.assert_close(one, net.encode_text(tokens[:1]), atol=1e-5, rtol=1e-4)

    def test_a_tower_that_looks_both_ways_keeps_its_padding(self, tmp_path: Path) -> None:
        import open_clip

        text = {
            "context_length": 32,
            "width": 64,
            "heads": 2,
            "layers": 2,
            "no_causal_mask": True,
            "pool_type": "last",
        }
        folder = write_model(tmp_path / "model", seed=4, text_cfg=text, custom_text=True)
        net = open_clip.create_model(f"local-dir:{folder}").eval()
        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(list(self.TEXTS))
        with torch.inference_mode():
            torch.testing.assert_close(TextTower(net)(tokens), net.encode_text(tokens))

    def test_the_towers_give_what_open_clip_gives(self, model: Path) -> None:
        import open_clip

        net = open_clip.create_model(f"local-dir:{model}").eval()
        encoder = Encoder(model, precision="float32")
        images = [prepare(draw("blue", "cross", n), encoder.preprocess) for n in range(5)]
        plain = (torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
        with torch.inference_mode():
            pictures = net.encode_image(plain, normalize=True).numpy()
            texts = net.encode_text(
                open_clip.get_tokenizer(f"local-dir:{model}")(list(self.TEXTS)), normalize=True
            )
        assert np.allclose(encoder.encode_images(images), pictures, atol=1e-4)
        assert np.allclose(encoder.encode_texts(self.TEXTS), texts.numpy(), atol=1e-4)

    def test_bfloat16_stays_within_the_cosine_promised(self, model: Path) -> None:
        plain, short = Encoder(model, precision="float32"), Encoder(model, precision="bfloat16")
        assert (plain.precision, short.precision) == ("float32", "bfloat16")
        cosines = np.sum(plain.encode_texts(self.TEXTS) * short.encode_texts(self.TEXTS), axis=1)
        images = [prepare(draw("red", "circle", n), plain.preprocess) for n in range(8)]
        cosines = np.append(
            cosines, np.sum(plain.encode_images(images) * short.encode_images(images), axis=1)
        )
        assert cosines.min() >= 0.999


class TestResume:
    def test_finished_work_is_not_done_again(
        self,
        model: Path,
        shardset: Path,
        store: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("retrieval.encode.verb._encode_shards", None)
        before = (store / "vectors.npy").stat().st_mtime_ns
        encode(config(model, shardset, store))
        assert "already holds" in capsys.readouterr().err
        assert (store / "vectors.npy").stat().st_mtime_ns == before

    def test_an_interrupted_run_resumes_at_the_shard(
        self, model: Path, shardset: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[int] = []
        real = Encoder.encode_images

        def stop_after_three(self: Encoder, pixels):  # type: ignore[no-untyped-def]
            seen.append(len(pixels))
            if len(seen) == 4:
                raise KeyboardInterrupt
            return real(self, pixels)

        monkeypatch.setattr(Encoder, "encode_images", stop_after_three)
        settings = {"batch_size": 20, "precision": "float32"}
        with pytest.raises(KeyboardInterrupt):
            encode(config(model, shardset, tmp_path / "store", **settings))
        assert not (tmp_path / "store" / "store.json").exists()
        parts = len(list((tmp_path / "store" / "parts").glob("*.npz")))
        assert 0 < parts < len(ShardSet(shardset).manifest.shards)
        seen.clear()
        monkeypatch.setattr(
            Encoder, "encode_images", lambda self, pixels: seen.append(len(pixels)) or real(self, pixels)
        )
        encode(config(model, shardset, tmp_path / "store", **settings))
        assert sum(seen) < 120
        again, whole = EmbeddingStore(tmp_path / "store"), EmbeddingStore(store)
        assert again.keys == whole.keys
        assert np.allclose(again.vectors_ND, whole.vectors_ND, atol=2e-3)

    def test_a_job_array_does_the_same_work(
        self, model: Path, shardset: Path, store: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "store"
        encode(config(model, shardset, out, task=0, num_tasks=2))
        assert not (out / "store.json").exists()
        encode(config(model, shardset, out, task=1, num_tasks=2))
        encode(config(model, shardset, out))
        assert EmbeddingStore(out).keys == EmbeddingStore(store).keys
        with pytest.raises(ConfigError, match="task 2 of 2"):
            encode(config(model, shardset, tmp_path / "other", task=2, num_tasks=2))

    def test_a_dry_run_writes_nothing(
        self, model: Path, shardset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        encode(config(model, shardset, tmp_path / "store", dry_run=True))
        assert "would encode 120 samples" in capsys.readouterr().out
        assert not (tmp_path / "store").exists()


def test_captions_can_be_embedded_as_well(model: Path, shardset: Path, tmp_path: Path) -> None:
    encode(config(model, shardset, tmp_path / "store", side="text"))
    store = EmbeddingStore(tmp_path / "store")
    assert (store.manifest.side, len(store)) == ("text", 120)
    record, _ = next(iter(ShardSet(shardset).samples()))
    vectors = Encoder(model).encode_texts([caption.text for caption in record.captions])
    mean = vectors.sum(axis=0) / np.linalg.norm(vectors.sum(axis=0))
    assert float(mean @ store.vectors_ND[0].astype(np.float32)) >= 0.999


class TestRefusals:
    def test_damaged_samples_are_recorded_and_the_rest_is_done(self, model: Path, tmp_path: Path) -> None:
        good = samples_of(range(6))
        bad = [(record_of(n, good[0][1]), data) for n, data in ((50, b"not a jpeg"), (51, good[0][1][:100]))]
        shards = write_shardset(tmp_path / "set", good[:3] + bad + good[3:])
        with pytest.raises(SomeRefused, match="2 samples") as caught:
            encode(config(model, shards, tmp_path / "store"))
        assert caught.value.exit_code == 3
        assert EmbeddingStore(tmp_path / "store").keys == [record.key for record, _ in good]
        refused = json.loads((tmp_path / "store" / "encoded.json").read_text())["refused"]
        assert {entry["key"] for entry in refused} == {record.key for record, _ in bad}
        encode(config(model, shards, tmp_path / "store"))  # finished: says so

    def test_a_store_refuses_another_model(
        self, model: Path, shardset: Path, store: Path, tmp_path: Path
    ) -> None:
        other = write_model(tmp_path / "other", seed=9)
        copy = tmp_path / "store"
        shutil.copytree(store, copy)
        with pytest.raises(BadInput, match="another model"):
            encode(config(other, shardset, copy))
        with pytest.raises(BadInput, match="another side"):
            encode(config(model, shardset, copy, side="text"))

    @pytest.mark.parametrize("missing", ["open_clip_model.safetensors", "open_clip_config.json"])
    def test_a_model_directory_without_its_files_says_which(
        self, model: Path, shardset: Path, tmp_path: Path, missing: str
    ) -> None:
        copy = tmp_path / "model"
        shutil.copytree(model, copy)
        (copy / missing).unlink()
        with pytest.raises(MissingRequirement, match="weights" if "model" in missing else "config"):
            encode(config(copy, shardset, tmp_path / "store"))
        assert not (tmp_path / "store").exists()

    @pytest.mark.parametrize(
        "text", ["{", "[]", '{"model_cfg": 3}', '{"model_cfg": {"embed_dim": -1}}', "[" * 100_000]
    )
    def test_an_invalid_config_is_refused(
        self, model: Path, shardset: Path, tmp_path: Path, text: str
    ) -> None:
        copy = tmp_path / "model"
        shutil.copytree(model, copy)
        (copy / "open_clip_config.json").write_text(text)
        with pytest.raises(DamagedData, match="not an open_clip config"):
            encode(config(copy, shardset, tmp_path / "store"))

    def test_weights_that_do_not_fit_are_refused(self, model: Path, shardset: Path, tmp_path: Path) -> None:
        copy = tmp_path / "model"
        shutil.copytree(model, copy)
        weights = (copy / "open_clip_model.safetensors").read_bytes()
        (copy / "open_clip_model.safetensors").write_bytes(weights[: len(weights) // 2])
        with pytest.raises(DamagedData, match=r"weights cannot be read: this is .* cut short"):
            encode(config(copy, shardset, tmp_path / "store"))

    def test_weights_under_another_name_are_read_and_those_of_another_format_are_not(
        self, model: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "model"
        shutil.copytree(model, copy)
        weights = (copy / "open_clip_model.safetensors").rename(copy / "open_clip_pytorch_model.safetensors")
        assert ModelDirectory(copy).digest == ModelDirectory(model).digest
        weights.rename(copy / "open_clip_pytorch_model.bin")
        with pytest.raises(BadInput, match=r"its weights in open_clip_pytorch_model\.bin") as caught:
            ModelDirectory(copy)
        assert f"iconoclip export {copy} --out MODEL" in str(caught.value.remedy)
        shutil.rmtree(copy)
        copy.mkdir()
        (copy / "adapter_config.json").write_text("{}")
        with pytest.raises(BadInput, match="not a CLIP model: this is a PEFT adapter"):
            ModelDirectory(copy)

    def test_a_shard_that_differs_from_its_checksum_is_refused(
        self, model: Path, shardset: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "set"
        shutil.copytree(shardset, copy)
        shard = sorted(copy.glob("*.tar"))[1]
        data = bytearray(shard.read_bytes())
        data[600] ^= 1
        shard.write_bytes(data)
        with pytest.raises(DamagedData, match="checksum"):
            encode(config(model, copy, tmp_path / "store"))

    def test_items_withdrawn_between_two_runs_are_left_out(
        self, model: Path, shardset: Path, store: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(shardset, tmp_path / "set")
        shutil.copytree(store, tmp_path / "store")
        (tmp_path / "store" / "store.json").unlink()
        gone = EmbeddingStore(store).keys[0]
        manifest = with_tombstones(
            ShardSet(shardset).manifest, [Tombstone(key=gone, reason="asked", at="2026")]
        )
        write_json(tmp_path / "set" / "shardset.json", manifest.model_dump(mode="json"))
        encode(config(model, tmp_path / "set", tmp_path / "store"))
        assert EmbeddingStore(tmp_path / "store").keys == EmbeddingStore(store).keys[1:]
