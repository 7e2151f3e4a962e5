"""Writes a page model as one ONNX file, with its reading and its origin as JSON in the file's metadata."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from iconoclip.errors import BadInput, MissingRequirement
from iconoclip.files import atomic_write
from iconoclip.page_layout.inputs import INPUT_SIDE
from iconoclip.page_layout.kinds import CLASSES, PAGE_KINDS
from iconoclip.page_layout.model_file import METADATA_NAME, reading_in
from iconoclip.page_layout.reading import Reading
from training.pages.network import PageNet, fused


def onnx_package() -> Any:
    """The package `onnx`, which an extra brings.

    Raises:
        MissingRequirement: it is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingRequirement(
            f"the package '{error.name}' is not installed", remedy="pip install 'iconoclip[pages]'"
        ) from error
    return onnx


def write_model(path: Path, network: PageNet, reading: Reading, origin: dict[str, Any]) -> None:
    """Write the file.

    Args:
        origin: what the model was made from, for its card: data, steps, numbers.

    Raises:
        MissingRequirement: the packages that write ONNX are not installed.
    """
    model = onnx_package().load_model_from_string(_onnx_bytes(network))
    metadata = {
        "classes": list(CLASSES),
        "page_kinds": list(PAGE_KINDS),
        "input_side": INPUT_SIDE,
        **reading.as_json(),
        "origin": origin,
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_NAME, json.dumps(metadata, sort_keys=True)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())


def _onnx_bytes(network: PageNet) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pages.onnx"
        torch.onnx.export(
            fused(network),
            (torch.zeros(1, 3, 160, 200),),
            path,
            input_names=["pages"],
            output_names=["maps", "edges", "kinds"],
            dynamic_axes={
                "pages": {0: "batch", 2: "height", 3: "width"},
                "maps": {0: "batch", 2: "rows", 3: "columns"},
                "edges": {0: "batch", 2: "rows", 3: "columns"},
                "kinds": {0: "batch"},
            },
            opset_version=17,
            # The exporter over TorchScript writes the sizes that vary as they are; the network has no
            # branches.
            dynamo=False,
        )
        return path.read_bytes()


def read_model(path: Path) -> tuple[PageNet, Reading]:
    """A page model that was written before: its network, with fused normalisations, and its reading.

    Raises:
        MissingRequirement: no such file, or the packages that read ONNX are not installed.
        BadInput: the file is no page model.
    """
    onnx = onnx_package()
    if not path.is_file():
        raise MissingRequirement(
            "no such page model", where=path, remedy="`iconoclip segment --train` writes one"
        )
    try:
        model = onnx.load(path)
        properties = {entry.key: entry.value for entry in model.metadata_props}
        reading = reading_in(properties)
        network = fused(PageNet())
        to_array = onnx.numpy_helper.to_array
        weights = {one.name: torch.from_numpy(to_array(one).copy()) for one in model.graph.initializer}
        network.load_state_dict({name: weights[name] for name in network.state_dict()})
        return network, reading
    except Exception as error:
        # protobuf has its own exceptions.
        raise BadInput(
            f"not a page model: {error}",
            where=path,
            remedy="give an ONNX file that `iconoclip segment --train` wrote",
        ) from error
