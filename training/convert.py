"""Writes a model that others made as a model directory: a folder of transformers, a checkpoint of open_clip,
or OpenAI's weights. So `encode`, and every program that knows open_clip, can read it.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from iconoclip import clock
from iconoclip.errors import ConfigError
from iconoclip.files import write_json
from training.config import ExportConfig
from training.export_folder import PROVENANCE_NAME, checksums, exported, new_folder, refuse_foreign
from training.model_files import CONFIG_NAME, WEIGHTS_NAME, model_digest
from training.towers import note

# Fields that choose among what a run has.
OF_RUNS = ("step", "weights", "interpolate_with", "evaluations")


def convert(config: ExportConfig) -> None:
    """Write the model directory, unless it exists already.

    Raises:
        ConfigError: a field only applies to runs, or the name is an architecture without weights.
        IconoclipError: the model cannot be read; the message says what it is.
    """
    for name in OF_RUNS:
        if getattr(config, name) != type(config).model_fields[name].get_default(call_default_factory=True):
            raise ConfigError(
                "the model is no run, and this chooses what of a run is exported",
                where=name,
                remedy="leave it out, or give a run",
            )
    name = str(config.run_dir)
    source = {
        "model": Path(name).name if Path(name).exists() else name,
        "model_digest": model_digest(name),
        "pretrained": model_digest(config.pretrained or "") or config.pretrained,
        "licence": config.licence,
    }
    if not config.force and exported(config.out) == source:
        print(f"exported already: {config.out}", file=sys.stderr)
        return
    refuse_foreign(config.out)
    # Imported here: torch takes seconds to import, and a finished export does not need it.
    from training.model import load_weighted_model

    loaded = load_weighted_model(name, config.pretrained)
    with new_folder(config.out) as folder:
        _write(folder, loaded, config, source)
    print(f"exported: {config.out}, from {name}", file=sys.stderr)


def _write(folder: Path, loaded: Any, config: ExportConfig, source: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    write_json(folder / CONFIG_NAME, {"model_cfg": loaded.model_config, "preprocess_cfg": loaded.preprocess})
    state = {name: one.detach().clone().contiguous() for name, one in loaded.model.state_dict().items()}
    save_file(state, folder / WEIGHTS_NAME, metadata={"format": "pt"})
    (folder / WEIGHTS_NAME).chmod(0o644)
    loaded.write_companions(folder)
    provenance = {
        "source": source,
        "licence": config.licence,
        "files": checksums(folder),
        "exported_at": clock.now(),
        "exported_by": f"iconoclip {version('iconoclip')}",
    }
    write_json(folder / PROVENANCE_NAME, provenance)
    (folder / "README.md").write_text(_card(provenance, folder), encoding="utf-8")


def _card(provenance: dict[str, Any], folder: Path) -> str:
    """A card that states what the model was made from, and no more."""
    licence = provenance["licence"]
    head = [
        "---",
        "library_name: open_clip",
        *([f"license: {licence.lower()}"] if licence else []),
        "---",
        "",
    ]
    source = provenance["source"]
    pretrained = f", weights {source['pretrained']}" if source["pretrained"] else ""
    text = [
        f"# {source['model']}\n",
        f"Converted to the format of open_clip from {json.dumps(source['model'])}{pretrained}. Nothing was "
        "trained. The licence, the data and the limits are those of that model.\n",
    ]
    return "\n".join([*head, *text, note(folder)])
