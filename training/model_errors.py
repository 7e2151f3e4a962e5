"""open_clip's errors while a model is made, as ours."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from pickle import UnpicklingError
from typing import Any

from safetensors import SafetensorError

from iconoclip.errors import BadInput, DamagedData, MissingRequirement


@contextlib.contextmanager
def open_clip_errors(name: str, config: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Turn open_clip's errors into ours, and suppress its log of every step.

    Args:
        name: of the model.
        config: its model config, if known, which names what a hub must have.
    """
    previous = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    except UnpicklingError as error:
        # torch refuses everything that is not a tensor. Its advice to load it anyway is not shown.
        raise DamagedData(
            "the file of weights holds more than plain tensors: it may run code, and is not loaded",
            where=name,
            remedy="get the weights as .safetensors from a source you trust",
        ) from error
    except SafetensorError as error:
        raise DamagedData(
            f"the weights cannot be read: {error}", where=name, remedy="copy or download them again"
        ) from error
    except ImportError as error:
        package = re.search(r"requires the (\w+) library", str(error))
        raise MissingRequirement(
            f"the model needs a package that is not installed: {_first_line(error)[:120]}",
            where=name,
            remedy=f"pip install {package[1].lower() if package else 'the package that the message names'}",
        ) from error
    except (RuntimeError, FileNotFoundError, ValueError, OSError, KeyError, TypeError) as error:
        raise explained(name, str(error), config) from error
    finally:
        logging.disable(previous)


def explained(
    name: str, message: str, config: Mapping[str, Any] | None = None
) -> BadInput | MissingRequirement:
    """The error that names the layers that do not fit, what cannot be downloaded, or open_clip's reason."""
    layers = re.findall(r"size mismatch for ([\w.]+)", message)
    for kind in ("Missing", "Unexpected"):
        for found in re.findall(rf'{kind} key\(s\) in state_dict: ((?:"[^"]+"(?:, )?)+)', message):
            layers += [f"{layer} ({kind.lower()})" for layer in re.findall(r'"([^"]+)"', found)]
    if layers:
        if any(layer.startswith("text_decoder.") and "(unexpected)" in layer for layer in layers):
            return BadInput(
                "the weights do not fit the model: they are those of a CoCa model, which has a text decoder",
                where=name,
                remedy="give coca_ViT-B-32 or coca_ViT-L-14 as the model's name",
            )
        shown = ", ".join(layers[:6]) + (f" and {len(layers) - 6} more" if len(layers) > 6 else "")
        return BadInput(
            f"the weights do not fit the model: {shown}",
            where=name,
            remedy="give the architecture they were trained with",
        )
    if "hub" in message.lower() or "download" in message.lower() or "connection" in message.lower():
        return MissingRequirement(
            f"the model cannot be downloaded: {_first_line(message)}",
            where=name,
            remedy=_download(name, config),
        )
    return BadInput(
        f"the model cannot be made: {_first_line(message)}", where=name, remedy="check its config"
    )


def _download(name: str, config: Mapping[str, Any] | None) -> str:
    """What to do where the hub cannot be reached: about the parts that a config names, or the whole model."""
    text = (config or {}).get("text_cfg", {})
    parts = dict.fromkeys(text[key] for key in ("hf_tokenizer_name", "hf_model_name") if text.get(key))
    where = "where the hub can be reached"
    if parts and not name.startswith("hf-hub:") and ":" not in name:
        return (
            f"run `hf download {next(iter(parts))}` {where}, with HF_HOME in a folder that this machine sees"
        )
    return f"run `iconoclip export {name} --out FOLDER` {where}, and give FOLDER as the model's name"


def _first_line(message: object) -> str:
    lines = [line for line in str(message).splitlines() if line.strip()]
    return lines[0][:300] if lines else "unknown reason"
