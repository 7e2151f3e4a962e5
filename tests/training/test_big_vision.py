"""Weights of big_vision: archives of arrays, whose sizes are checked before anything is unpacked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from iconoclip.errors import BadInput, DamagedData
from training.model import load_model
from training.weights.fit import load_file_into
from training.weights.npz import check_arrays


def header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """The header of an array without its values."""
    file = io.BytesIO()
    np.lib.format.write_array_header_2_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def archive(path: Path, data: bytes) -> Path:
    """An archive with an array for each tower."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("img/embedding/kernel", "txt/head/bias"):
            file.writestr(f"params/{name}.npy", data)
    return path


def test_an_archive_that_unpacks_to_more_than_the_model_is_refused(small_model: Path, tmp_path: Path) -> None:
    # Small in the file; the model has 0.9 million parameters.
    path = archive(tmp_path / "bomb.npz", header((4_000_000,)) + bytes(16_000_000))
    assert path.stat().st_size < 100_000
    loaded = load_model(str(small_model))
    with pytest.raises(BadInput, match="32 MB, more than any weights of this model"):
        load_file_into(loaded.model, path, quick_gelu=False)


def test_arrays_that_are_not_what_they_claim_are_refused(tmp_path: Path) -> None:
    check_arrays(archive(tmp_path / "good.npz", header((3,)) + bytes(12)), most_bytes=1000)
    for number, data in enumerate(
        (header((10**12,)) + bytes(12), b"no array", header((2, -1)) + bytes(8), b"")
    ):
        path = archive(tmp_path / f"{number}.npz", data)
        with pytest.raises(DamagedData, match="not an archive of arrays"):
            check_arrays(path, most_bytes=10**6)
    cut = tmp_path / "cut.npz"
    cut.write_bytes((tmp_path / "good.npz").read_bytes()[:-30])
    with pytest.raises(DamagedData, match="not an archive of arrays"):
        check_arrays(cut, most_bytes=1000)


def test_weights_of_another_architecture_are_refused(small_model: Path, tmp_path: Path) -> None:
    path = archive(tmp_path / "other.npz", header((3,)) + bytes(12))
    with pytest.raises(BadInput, match="do not fit this model"):
        load_file_into(load_model(str(small_model)).model, path, quick_gelu=False)
    clip = archive(tmp_path / "siglip.npz", header((3,)) + bytes(12))
    with pytest.raises(BadInput, match="do not say their architecture"):
        load_model(str(clip))
