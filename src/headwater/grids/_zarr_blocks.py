"""Blocks that a Zarr store lacks: they read as the fill value, also where they got lost."""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from headwater.storage import is_url, open_system, patiently, plain_errors

__all__ = ["absent_blocks"]

_LISTED = 20_000
"""Blocks that storage lists within seconds, a thousand at a time."""


def absent_blocks(path: Path, name: str, missing: Sequence[float]) -> tuple[str, ...]:
    """Say how many blocks of a variable are not in a store, and what is read there.

    Parameters
    ----------
    path : Path
        Any file; only stores of Zarr, in folders, zipped or by URL, have blocks that can lack.
    name : str
        Variable.
    missing : sequence of float
        Stored numbers that mean no value.

    Returns
    -------
    tuple of str
        Empty where none lacks.
    """
    store = _store(path)
    array = None if store is None else _array(store, name)
    if array is None or not array.shape:
        return ()
    block = array.shards or array.chunks
    expected = math.prod(-(-n // k) for n, k in zip(array.shape, block, strict=True))
    fill = 0.0 if array.fill_value is None else float(array.fill_value)
    lost = np.isnan(fill) or fill in missing
    held = _held_by_url(path, name, expected) if is_url(path) else _held(path, name)
    if held is None:
        if lost:
            return ()  # blocks that lack are missing values
        return (
            f"the {expected} blocks of '{name}' in {path.name} were not counted; one that is not "
            f"there reads as {fill:g}. Write missing = {fill:g} if that means no value",
        )
    if held >= expected:
        return ()
    return (
        f"{expected - held} of {expected} blocks of '{name}' are not in {path.name}, so that their "
        f"values are {'missing' if lost else f'{fill:g}'}, as Zarr has it; if the store was copied "
        "in part, copy it again",
    )


def _store(path: Path) -> Any:
    """Open a store of Zarr; None of anything else."""
    if is_url(path):
        from headwater.grids._remote_zarr import zarr_store

        return zarr_store(path) if path.suffix == ".zarr" else None
    if path.is_dir():
        return path
    if not zipfile.is_zipfile(path):
        return None
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


def _held_by_url(path: Path, name: str, expected: int) -> int | None:
    """Count the blocks in storage that can be listed; None where it cannot, or in no short time."""
    system, root = open_system(str(path))
    if expected > _LISTED or "http" in str(system.protocol):
        return None
    with plain_errors(str(path)):
        files = patiently(lambda: system.find(f"{root.rstrip('/')}/{name}"))
    return sum(_is_block(PurePosixPath(file).name) for file in files)


def _is_block(file: str) -> bool:
    """Whether a name is that of a block; systems leave files of their own next to them."""
    return bool(re.fullmatch(r"c|(?:c\.)?\d+(?:\.\d+)*", file))
