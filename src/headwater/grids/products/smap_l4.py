"""SMAP Level 4 soil moisture of surface and root zone (SPL4SMGP, 9 km, every three hours)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from headwater.errors import GridError, InputError, StudyError, nearest
from headwater.glossary import term
from headwater.grids._files import find_files
from headwater.grids.products._stack import by_date, coded, described, open_hdf5, stacked, window
from headwater.grids.products.ease2 import ease2_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area

__all__ = ["read_smap_l4"]

_PRODUCT = "SMAP Level 4"
_LAYERS = {"surface": "sm_surface", "rootzone": "sm_rootzone"}
_GROUP = "Geophysical_Data"
_FILL, _VALID = -9999.0, (0.0, 0.9)
_HALF_STEP = np.timedelta64(90, "m")


class _Part(NamedTuple):
    """What of a file is read."""

    layer: str
    rows: slice
    columns: slice


def read_smap_l4(
    source: str | Path | Sequence[str | Path], *, layer: str = "surface", area: Area | None = None
) -> xr.Dataset:
    """Read SMAP Level 4 soil moisture, lazily.

    Parameters
    ----------
    source : path, glob pattern, or list of them
        HDF5 files as delivered: ``SMAP_L4_SM_gph_20170601T013000_Vv7032_001.h5``.
    layer : {"surface", "rootzone"}
        0 to 5 cm, or 0 to 100 cm.
    area : Area, optional
        Keep the cells that touch it.

    Returns
    -------
    Dataset (time, y, x)
        ``soil_moisture`` [m3 m-3] and ``quality``, on EASE-Grid 2.0. Times are the starts of the
        three hours, in whose middle the names of the files stand.

    Raises
    ------
    StudyError
        If the layer is unknown.
    InputError
        If a file is no HDF5 or holds no such layer.
    GridError
        If a file lies on another grid, or `area` outside it.
    TimeAxisError
        If a file name has no time, or a time is given twice.

    Notes
    -----
    A model that assimilates brightness temperatures: it has values under clouds, snow and on frozen
    soil, and is no independent witness of its forcing.

    References
    ----------
    .. [1] Reichle, R. H., et al. (2019). Version 4 of the SMAP Level-4 soil moisture algorithm and
       data product. J. Adv. Model. Earth Syst. 11, 3106-3130.
       https://doi.org/10.1029/2019MS001729
    """
    if layer not in _LAYERS:
        raise StudyError("unknown layer", found=f"'{layer}'", do=nearest(layer, list(_LAYERS)))
    files = find_files(source)
    times = by_date(files, r"_(\d{8}T\d{6})_", "%Y%m%dT%H%M%S", "SMAP Level 4")
    grids = {path: _grid_of(path, _LAYERS[layer]) for path in files}
    whole = grids[files[0]]
    for path, grid in grids.items():
        if grid != whole:
            raise GridError(
                "the files lie on different grids",
                found=f"{files[0].name} {whole.shape}, {path.name} {grid.shape}",
                do="Give files of one subset",
            )
    part = window(whole, area)
    top = round((part.transform.f - whole.transform.f) / whole.transform.e)
    left = round((part.transform.c - whole.transform.c) / whole.transform.a)
    what = _Part(_LAYERS[layer], slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))
    values, quality = stacked(times, partial(_read, what=what), part)
    starts = values["time"].values - _HALF_STEP
    return described(
        values.assign_coords(time=starts),
        quality.assign_coords(time=starts),
        term("soil_moisture"),
        source=files,
        product=f"SMAP L4 soil moisture, {layer}",
        notes=["three-hourly means; names of files stand in their middle", "frozen soil kept"],
    )


def _grid_of(path: Path, layer: str) -> GeoBox:
    """Find which cells of the 9 km grid a file holds: all, or those that its x and y name."""
    whole = ease2_grid(9)
    with open_hdf5(path, _PRODUCT) as file:
        if f"{_GROUP}/{layer}" not in file:
            raise InputError(
                f"{path} holds no {layer}",
                found=f"groups {', '.join(map(str, file)) or 'none'}",
                do="Give files of SPL4SMGP (gph), whose group is Geophysical_Data",
            )
        shape = tuple(file[f"{_GROUP}/{layer}"].shape)
        axes = [np.asarray(file[axis][:]) for axis in ("x", "y") if axis in file]
    if len(axes) == 2 and shape == (axes[1].size, axes[0].size):
        t = whole.transform
        column, row = (axes[0][0] - t.c) / t.a - 0.5, (axes[1][0] - t.f) / t.e - 0.5
        if max(abs(column - round(column)), abs(row - round(row))) < 0.05:
            at = round(row), round(column)
            return whole[at[0] : at[0] + shape[0], at[1] : at[1] + shape[1]]
    if shape == tuple(whole.shape):
        return whole
    raise GridError(
        f"{path} does not lie on the 9 km EASE-Grid 2.0",
        found=f"{shape} cells",
        do="Give files as delivered, or subsets that keep x and y",
    )


def _read(files: tuple[Path, ...], what: _Part) -> NDArray[np.float32]:
    """Values and the codes of why they are missing (2, y, x)."""
    if len(files) > 1:
        raise InputError(
            "a time is given twice",
            found=", ".join(path.name for path in files),
            do="Keep the newest of them",
        )
    with open_hdf5(files[0], _PRODUCT) as file:
        stored = np.asarray(file[f"{_GROUP}/{what.layer}"][what.rows, what.columns], np.float32)
    low, high = _VALID
    empty = ~(stored > _FILL / 2)
    code = coded(
        {"not_observed": empty, "out_of_range": (stored < low) | (stored > high)}, stored.shape
    )
    return np.stack([np.where(code == 0, stored, np.nan), code]).astype(np.float32)
