"""`iconoclip export`: writes a run's checkpoint, or a model that others made, as a model directory that plain
open_clip loads. For the latter see `convert.py`.

open_clip_config.json        the architecture and the preprocessing that training used
open_clip_model.safetensors  the weights
tokenizer files              when the text tower is a Hugging Face one
text_tower/, image_tower/    the config of a tower that open_clip knows by no name
provenance.json              the run, its config's digest, the digest of every shard set
README.md                    the model card, written from the run
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iconoclip import clock
from iconoclip.config import load_stored
from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import sha256_of, write_json
from iconoclip.model_files import recognise
from iconoclip.model_files.folders import TRANSFORMERS_CONFIG
from iconoclip.rundir import RunDir
from training.card import model_card
from training.checkpoint import folder as checkpoints
from training.config import ExportConfig, TrainConfig
from training.convert import convert
from training.export_folder import PROVENANCE_NAME, checksums, exported, new_folder, refuse_foreign
from training.model_files import CONFIG_NAME, WEIGHTS_NAME, model_digest
from training.towers import note

if TYPE_CHECKING:
    from torch import Tensor

# The fields of the config that the folder depends on, in addition to the checkpoint and the evaluations.
CHOICES = ("weights", "interpolate_with", "interpolation", "licence")


def export(config: ExportConfig) -> int:
    """Export a run or convert a model, unless the same export exists, and upload it if requested.

    Returns:
        0.

    Raises:
        MissingRequirement: there is no run, all its checkpoints are damaged, or the hub cannot be reached.
        BadInput: the output folder contains something else, an evaluation is of another
            model, or the hub refuses.
    """
    run = RunDir(config.run_dir)
    if run.config_path.is_file():
        _export_run(config, run)
    elif config.pretrained or _may_be_model(run.folder):
        convert(config)
    else:
        raise _neither_run_nor_model(run.folder)
    if config.push:
        from training.push import push

        address = push(config.out, config.push, is_public=config.public)
        print(f"pushed: {address}", file=sys.stderr)
    return 0


def _neither_run_nor_model(path: Path) -> MissingRequirement:
    if path.exists():
        remedy = "`iconoclip train` makes one; a model to convert is a folder with its config and weights"
        return MissingRequirement("no run here, and no model to convert", where=path, remedy=remedy)
    remedy = (
        "check the path; a model of open_clip is given with its weights (`ViT-B-32:laion2b_s34b_b79k`), one "
        f"of a hub as `hf-hub:{path if len(path.parts) == 2 else 'ID'}`"
    )
    return MissingRequirement("no run here: there is no such folder", where=path, remedy=remedy)


def _name_of(run: RunDir) -> str:
    """What its model is called in the card. In a chain each run has the name of its step; the folder around
    it is that of the whole.
    """
    folder = run.folder.resolve()
    return folder.parent.name if folder.name == "train" else folder.name


def _may_be_model(path: Path) -> bool:
    """Whether this is a model, lacks only its weights, or names a model of a hub or weights of open_clip."""
    has_config = any((path / name).is_file() for name in (CONFIG_NAME, TRANSFORMERS_CONFIG))
    return has_config or ":" in str(path) or recognise(path).kind != "absent"


def _export_run(config: ExportConfig, run: RunDir) -> None:
    path = _checkpoint(run, config.step)
    source = {
        "checkpoint": checkpoints.checksum_path(path).read_text().split()[0],
        "evaluations": [sha256_of(one) for one in config.evaluations if one.is_file()],
        **config.model_dump(mode="json", include=set(CHOICES)),
    }
    if not config.force and exported(config.out) == source:
        print(f"exported already: {config.out}", file=sys.stderr)
    else:
        _export(run, path, config, source)


def _export(run: RunDir, path: Path, config: ExportConfig, source: dict[str, Any]) -> None:
    refuse_foreign(config.out)
    # Imported here: torch takes seconds to import, and a finished export does not need it.
    from training.checkpoint.file import read_checkpoint

    checkpoint = read_checkpoint(path)
    with new_folder(config.out) as folder:
        _write(folder, run, checkpoint, config, source)
    print(f"exported: {config.out}, step {checkpoint['iconoclip']['step']} of {run.folder}", file=sys.stderr)


def _checkpoint(run: RunDir, step: int | None) -> Path:
    if step is not None:
        return checkpoints.checkpoint_path(run.checkpoints, step)
    path, _ = checkpoints.latest_sound(run.checkpoints)
    if path is None:
        raise MissingRequirement(
            "the run has no sound checkpoint", where=run.checkpoints, remedy="train it first, or again"
        )
    return path


def _write(
    folder: Path, run: RunDir, checkpoint: dict[str, Any], config: ExportConfig, source: dict[str, Any]
) -> None:
    from safetensors.torch import save_file

    job, train = run.job, load_stored(TrainConfig, run.config_path)
    write_json(folder / CONFIG_NAME, {"model_cfg": job["model_config"], "preprocess_cfg": job["preprocess"]})
    save_file(final_weights(checkpoint, train, config), folder / WEIGHTS_NAME, metadata={"format": "pt"})
    (folder / WEIGHTS_NAME).chmod(0o644)
    from training.model import Changes, write_companions

    write_companions(train.model.name, Changes(image_size=train.model.image_size), folder)
    data = json.loads(run.data_path.read_text())
    provenance = {
        "run": _name_of(run),
        "step": checkpoint["iconoclip"]["step"],
        "source": source,
        "config_digest": job["config_digest"],
        "config": train.model_dump(mode="json", exclude={"run_dir", "shardsets"}),
        "shardsets": [
            {name: one[name] for name in ("name", "digest", "rights", "tars") if name in one}
            for one in data["shardsets"]
        ],
        "data": {name: value for name, value in data.items() if name != "shardsets"},
        "licence": config.licence,
        "evaluations": [_evaluation(path, folder) for path in config.evaluations],
        "files": checksums(folder),
        "exported_at": clock.now(),
        "exported_by": f"iconoclip {version('iconoclip')}",
    }
    write_json(folder / PROVENANCE_NAME, provenance)
    (folder / "README.md").write_text(
        model_card(provenance, job, list(run.metrics())) + note(folder), encoding="utf-8"
    )


def _evaluation(path: Path, folder: Path) -> dict[str, Any]:
    """The parts of an evaluation that the card shows.

    Raises:
        BadInput: it is not an evaluation, or its weights are not those in the folder.
    """
    try:
        found = json.loads(path.read_text())
        languages = found["languages"]
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise BadInput(
            "not an evaluation", where=path, remedy="`iconoclip evaluate` writes evaluation.json"
        ) from error
    if found.get("model_digest") != model_digest(str(folder)):
        raise BadInput(
            "the evaluation is of another model than the one that is exported",
            where=path,
            remedy="evaluate the exported folder, then export once more with its evaluation",
        )
    names = (
        "shardsets",
        "split",
        "policy",
        "num_images",
        "at",
        "zero_shot",
        "probes",
        "before",
        "difference",
    )
    return {"languages": languages, **{name: found[name] for name in names if name in found}}


def final_weights(checkpoint: dict[str, Any], train: TrainConfig, config: ExportConfig) -> dict[str, Tensor]:
    """The weights to export: averaged, merged with the adapters and interpolated, as the configs set.

    Raises:
        BadInput: the run kept no average, or the base is of another architecture.
    """
    from training import finetune

    prefix = "model."
    state = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    average = checkpoint["iconoclip"].get("average")
    if config.weights == "average" and average is None:
        raise BadInput(
            "the run kept no average of its weights",
            where="weights",
            remedy="export its last weights, or train with adapt.ema_decay",
        )
    if average is not None and config.weights != "last":
        state |= {name: tensor for name, tensor in average.items() if name != "num_updates"}
    if train.adapt.lora_rank:
        state = finetune.merged(state, finetune.adapter_scale(train.adapt))
    if config.interpolate_with:
        from training.model import load_weighted_model

        base = load_weighted_model(config.interpolate_with).model.state_dict()
        state = finetune.interpolated(base, state, config.interpolation)
    # Safetensors refuses tensors that share memory, so each is copied.
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
