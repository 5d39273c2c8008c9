"""Blocks that a Zarr store lacks: they read as the fill value, also where they got lost."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from headwater.storage import is_url

__all__ = ["absent_blocks"]


def absent_blocks(path: Path, name: str, missing: Sequence[float]) -> tuple[str, ...]:
    """Say how many blocks of a variable are not in a store on this machine, and what is read there.

    Parameters
    ----------
    path : Path
        Any file; only stores of Zarr, in folders or zipped, have blocks that can lack.
    name : str
        Variable.
    missing : sequence of float
        Stored numbers that mean no value.

    Returns
    -------
    tuple of str
        Empty where none lacks.
    """
    if is_url(path) or not (path.is_dir() or zipfile.is_zipfile(path)):
        return ()
    store: Any = path if path.is_dir() else _zip_store(path)
    array, held = _array(store, name), _held(path, name)
    if array is None or not array.shape:
        return ()
    block = array.shards or array.chunks
    expected = math.prod(-(-n // k) for n, k in zip(array.shape, block, strict=True))
    if held >= expected:
        return ()
    fill = 0.0 if array.fill_value is None else float(array.fill_value)
    lost = np.isnan(fill) or fill in missing
    return (
        f"{expected - held} of {expected} blocks of '{name}' are not in {path.name}, so that their "
        f"values are {'missing' if lost else f'{fill:g}'}, as Zarr has it; if the store was copied "
        "in part, copy it again",
    )


def _zip_store(path: Path) -> Any:
    from zarr.storage import ZipStore

    return ZipStore(path, mode="r")


def _array(store: Any, name: str) -> Any:
    """Find the array of a variable, also in a store whose root is a folder of an archive."""
    import zarr

    try:
        root: Any = zarr.open_group(store, mode="r")
    except (FileNotFoundError, ValueError):
        return None
    groups = [root, *(group for _, group in root.groups())]
    return next((group[name] for group in groups if name in group), None)


def _held(path: Path, name: str) -> int:
    """Count the blocks of a variable that are there."""
    if path.is_dir():
        return sum(_is_block(file) for _, _, files in os.walk(path / name) for file in files)
    with zipfile.ZipFile(path) as archive:
        places = [PurePosixPath(entry) for entry in archive.namelist() if not entry.endswith("/")]
    return sum(name in place.parent.parts and _is_block(place.name) for place in places)


def _is_block(file: str) -> bool:
    return not file.startswith(".") and file != "zarr.json"
