"""New rasters from a folder: read as the study's inputs are, and kept by day on the study grid.

``FOLDER/ndvi/*`` and ``FOLDER/soil_moisture/*`` hold files like those of ``[inputs.ndvi]`` and
``[inputs.soil_moisture]``. Files are never moved or changed. A file that is changed, or another one
of the same day, takes the place of what was known of that day.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning import series
from headwater.chapters.warning.watching import Arrived
from headwater.errors import HeadwaterError, InputError

if TYPE_CHECKING:
    from headwater.study.model import Study

__all__ = ["Incoming", "take_rasters", "with_incoming"]


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a look at the folder has brought.

    Attributes
    ----------
    arrived : Arrived
    taken : dict
        Size and time of change of every file that has been taken in so far.
    problems : tuple of str
        Files that could not be read, and why; each is tried again when it changes.
    """

    arrived: Arrived
    taken: dict[str, Any]
    problems: tuple[str, ...]


def take_rasters(
    study: Study,
    names: Mapping[str, str],
    folder: Path,
    kept: Path,
    taken: Mapping[str, Any],
    grid: xr.DataArray,
) -> Incoming:
    """Take in the files of a folder that are new or have changed.

    Parameters
    ----------
    study : Study
    names : mapping
        Names of the inputs ``green``, ``water``, ``rain`` and ``demand``; all but the first may be
        absent.
    folder : Path
        With a folder for each of them.
    kept : Path
        Where days are kept on the study grid.
    taken : mapping
        What was taken before.
    grid : DataArray (y, x)
        A map on the study grid, missing outside the area.

    Returns
    -------
    Incoming

    Raises
    ------
    InputError
        If the folder has no folder for any of them.
    """
    if not any((folder / name).is_dir() for name in names.values()):
        raise InputError(
            "a folder of new rasters without a folder for any input",
            found=str(folder),
            do=f"Put files into {' and '.join(str(folder / name) for name in names.values())}",
        )
    known, problems = dict(taken), []
    days: dict[str, list[np.datetime64]] = {part: [] for part in names}
    for part, name in names.items():
        for path, mark in _changed(folder / name, known):
            try:
                days[part] += _taken(study, name, path, kept / name, grid)
            except HeadwaterError as error:
                problems.append(f"{path.name}: {error}")
            # a file that cannot be read is marked too: it is tried again when it changes
            known[f"{name}/{path.name}"] = mark
    arrived = Arrived(**{part: tuple(found) for part, found in days.items()})
    return Incoming(arrived, known, tuple(problems))


def _changed(folder: Path, known: Mapping[str, Any]) -> Iterator[tuple[Path, list[int]]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix in (".part", ".tmp", ".crdownload"):
            continue
        state = path.stat()
        mark = [state.st_size, state.st_mtime_ns]
        if known.get(f"{folder.name}/{path.name}") != mark:
            yield path, mark


def _taken(
    study: Study, name: str, path: Path, kept: Path, grid: xr.DataArray
) -> list[np.datetime64]:
    """Read a file whole, before any of its days is kept."""
    from headwater.chapters.grids.step import align_input
    from headwater.grids.geometry import geobox_of
    from headwater.study.inputs import of_input, open_input

    entry = study.inputs[name].model_copy(update={"path": str(path)})
    alone = study.model_copy(update={"inputs": {**study.inputs, name: entry}})
    data = open_input(alone, name)
    if "time" not in data.dims:
        raise InputError(
            f"[inputs.{name}]: a raster without a day",
            found=path.name,
            do="Name it with its day, as in ndvi_20240712.tif, or write its time into the file",
        )
    with of_input(name):
        aligned, _ = align_input(study, name, data, geobox_of(grid))
        values = aligned.transpose("time", "y", "x").values.astype(np.float32)
    low, high = study.term(name).valid_range
    with np.errstate(invalid="ignore"):
        values[(values < low) | (values > high)] = np.nan
    values[:, ~_inside(grid)] = np.nan
    days = series.days_of(data)
    found = np.unique(days)
    kept.mkdir(parents=True, exist_ok=True)
    for day in found:
        _keep(
            kept / f"{day}.npy",
            series.averaged(values[days == day].astype(float), np.array([0]))[0],
        )
    return list(found)


def _inside(grid: xr.DataArray) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(grid.values))


def _keep(path: Path, values: NDArray[Any]) -> None:
    part = path.with_name(f".writing-{path.name}")
    with part.open("wb") as stream:
        np.save(stream, values.astype(np.float32))
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def with_incoming(data: xr.DataArray, kept: Path) -> xr.DataArray:
    """Put what has come after, or in the place of, what the study holds.

    Parameters
    ----------
    data : DataArray (time, y, x)
        Of the study's archive, lazy.
    kept : Path
        Folder of days.

    Returns
    -------
    DataArray (time, y, x)
        By day, lazy.
    """
    import dask.array

    da: Any = dask.array  # without types of its own
    days = series.days_of(data)
    plain = xr.DataArray(
        data.data, {"time": pd.DatetimeIndex(days.astype("datetime64[ns]"))}, data.dims
    )
    files = sorted(kept.glob("[!.]*.npy")) if kept.is_dir() else []
    if not files:
        return plain
    new = np.array([path.stem for path in files], dtype="datetime64[D]")
    blocks = [
        da.from_array(np.load(path, mmap_mode="r"), chunks=(256, -1), name=False) for path in files
    ]
    stamps = pd.DatetimeIndex(new.astype("datetime64[ns]"))
    come = xr.DataArray(da.concatenate([one[None] for one in blocks]), {"time": stamps}, data.dims)
    return xr.concat([plain.isel(time=~np.isin(days, new)), come], "time").sortby("time")
