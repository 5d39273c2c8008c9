"""SMAP Level 3 soil moisture (SPL3SMP at 36 km, SPL3SMP_E at 9 km)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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

__all__ = ["read_smap"]

_PRODUCT = "SMAP Level 3"
_GROUPS = {
    "am": ("Soil_Moisture_Retrieval_Data_AM", ""),
    "pm": ("Soil_Moisture_Retrieval_Data_PM", "_pm"),
}
_FILL, _FLAG_FILL = -9999.0, 65534
# Bits of surface_flag: snow or ice, permanent snow or ice, frozen by radiometer, frozen by model.
_FROZEN = (1 << 5) | (1 << 6) | (1 << 7) | (1 << 8)
_FREEZING = 273.15


class _Rules(NamedTuple):
    """What of a file is read, and what of it is kept."""

    group: str
    suffix: str
    keep: tuple[int, ...] | None
    frozen: bool
    valid_range: tuple[float, float]
    rows: slice
    columns: slice


def read_smap(
    source: str | Path | Sequence[str | Path],
    *,
    overpass: str = "am",
    area: Area | None = None,
    keep: Sequence[int] | None = (0, 8),
    frozen: bool = False,
    valid_range: tuple[float, float] = (0.02, 0.6),
) -> xr.Dataset:
    """Read daily SMAP Level 3 soil moisture, lazily.

    Parameters
    ----------
    source : path, glob pattern, or list of them
        HDF5 files as delivered: ``SMAP_L3_SM_P_20180615_R19240_001.h5`` (36 km) or
        ``SMAP_L3_SM_P_E_...`` (9 km).
    overpass : {"am", "pm"}
        6 am (descending) or 6 pm (ascending, local solar time). Soil and plants are nearest to one
        temperature at 6 am; the two are never mixed.
    area : Area, optional
        Keep the cells that touch it.
    keep : sequence of int, optional
        Values of ``retrieval_qual_flag`` to keep. Bit 0: not of recommended quality; bit 1:
        retrieval skipped; bit 2: retrieval failed; bit 3: freeze/thaw retrieval failed. So 0 is
        recommended, and 8 is recommended with only the freeze/thaw bit set. None keeps all values,
        for files without flags, and says so in ``attrs["notes"]``.
    frozen : bool
        Keep soil that is frozen or under snow (bits 5 to 8 of ``surface_flag``, or a surface below
        0 degC).
    valid_range : (float, float)
        Soil moisture outside it is missing [m3 m-3].

    Returns
    -------
    Dataset (time, y, x)
        ``soil_moisture`` [m3 m-3] and ``quality`` (why a value is missing, see
        :func:`headwater.grids.products.quality_counts`), on EASE-Grid 2.0.

    Raises
    ------
    InputError
        If a file is no HDF5, or has no soil moisture or flags of that overpass.
    GridError
        If a file lies on another grid, or `area` outside it.
    TimeAxisError
        If a file name has no date, or a day is given twice.
    StudyError
        If `overpass` is unknown.

    References
    ----------
    .. [1] O'Neill, P. E., et al. SMAP L3 radiometer global daily 36 km EASE-Grid soil moisture.
       NASA NSIDC DAAC. https://nsidc.org/data/spl3smp (data fields and flag bits).
    """
    if overpass not in _GROUPS:
        raise StudyError(
            "unknown overpass", found=f"'{overpass}'", do=nearest(overpass, list(_GROUPS))
        )
    files = find_files(source)
    days = by_date(files, r"_(\d{8})_", "%Y%m%d", "SMAP Level 3")
    group, suffix = _GROUPS[overpass]
    wanted = ["soil_moisture", *(() if keep is None else ("retrieval_qual_flag",))]
    grids = [_grid_of(path, group, suffix, wanted, rows=path == files[0]) for path in files]
    for path, grid in zip(files, grids, strict=True):
        if grid != grids[0]:
            raise GridError(
                "the files lie on different grids",
                found=f"{files[0].name} {grids[0].shape}, {path.name} {grid.shape}",
                do="Read SPL3SMP (36 km) and SPL3SMP_E (9 km) apart, and subsets of one box",
            )
    part = window(grids[0], area)
    rows, columns = _place(part, grids[0])
    kept = None if keep is None else tuple(int(value) for value in keep)
    rules = _Rules(group, suffix, kept, frozen, valid_range, rows, columns)
    values, quality = stacked(days, partial(_read_day, rules=rules), part)
    notes = _notes(files[0], rules, overpass)
    product = f"SMAP L3 radiometer soil moisture, {overpass}"
    return described(
        values, quality, term("soil_moisture"), source=files, product=product, notes=notes
    )


def _grid_of(path: Path, group: str, suffix: str, wanted: Sequence[str], *, rows: bool) -> GeoBox:
    """Find out which cells of EASE-Grid 2.0 a file holds, after making sure of its layers.

    Whole files are of one layout, so that row numbers (`rows`) are read of one file only.
    """
    with open_hdf5(path, _PRODUCT) as file:
        if group not in file:
            raise InputError(
                f"{path} has no group '{group}'",
                found=f"groups {', '.join(file) or 'none'}",
                do="Give a file of SPL3SMP or SPL3SMP_E",
            )
        layers = file[group]
        for name in wanted:
            if name + suffix not in layers:
                hint = "; keep=None reads values without flags" if name != "soil_moisture" else ""
                raise InputError(
                    f"{path} has no layer '{name + suffix}' in '{group}'",
                    found=f"layers {', '.join(layers) or 'none'}",
                    do=f"Give the file as delivered, with its flags{hint}",
                )
        shape = layers[wanted[0] + suffix].shape
        for kilometres in (36, 9):
            if (grid := ease2_grid(kilometres)).shape == shape:
                if rows:
                    _check_rows(path, layers, suffix)
                return grid
        return _subset(path, layers, suffix, shape)


def _index(layers: Any, suffix: str, axis: str) -> NDArray[np.int64] | None:
    """Offset of the row or column that a file gives from the place where it gives it."""
    name = f"EASE_{axis}_index{suffix}"
    if name not in layers or layers[name].ndim != 2:
        return None
    reported = np.asarray(layers[name][:], dtype=np.int64)
    place = np.indices(reported.shape)[0 if axis == "row" else 1]
    return np.unique((reported - place)[reported < _FLAG_FILL])


def _check_rows(path: Path, layers: object, suffix: str) -> None:
    for axis in ("row", "column"):
        offsets = _index(layers, suffix, axis)
        if offsets is not None and offsets.size and offsets.tolist() != [0]:
            raise GridError(
                f"{path} does not lie on EASE-Grid 2.0 row by row",
                found=f"EASE_{axis}_index differs from the {axis} by {offsets.tolist()[:3]}",
                do="Give the file as delivered",
            )


def _subset(path: Path, layers: Any, suffix: str, shape: tuple[int, ...]) -> GeoBox:
    """Place a cut-out by the rows and columns that it gives, and size it by its latitudes."""
    offsets = [_index(layers, suffix, axis) for axis in ("row", "column")]
    latitudes = layers.get(f"latitude{suffix}")
    if len(shape) == 2 and latitudes is not None and all(o is not None for o in offsets):
        known = [int(o[0]) for o in offsets if o is not None and o.size == 1]
        latitude = np.asarray(latitudes[:], dtype=np.float64)
        seen = np.argwhere(latitude > _FILL / 2)
        for kilometres in (36, 9) if len(known) == 2 and seen.size else ():
            grid, (top, left) = ease2_grid(kilometres), known
            if top + shape[0] > grid.shape[0] or left + shape[1] > grid.shape[1]:
                continue
            part = grid[top : top + shape[0], left : left + shape[1]]
            if abs(_latitude(part, int(seen[0, 0])) - latitude[tuple(seen[0])]) < 0.02:
                return part
    raise GridError(
        f"{path} does not lie on EASE-Grid 2.0 of 36 or 9 km",
        found=f"{' x '.join(map(str, shape))} cells",
        do="Give a whole file (406 x 964 or 1624 x 3856 cells), or a cut-out that keeps "
        "EASE_row_index, EASE_column_index and latitude",
    )


def _latitude(grid: GeoBox, row: int) -> float:
    from pyproj import Transformer

    y = grid.transform.f + grid.transform.e * (row + 0.5)
    return float(Transformer.from_crs(6933, 4326, always_xy=True).transform(0.0, y)[1])


def _place(part: GeoBox, whole: GeoBox) -> tuple[slice, slice]:
    t, inner = whole.transform, part.transform
    top, left = round((inner.f - t.f) / t.e), round((inner.c - t.c) / t.a)
    return slice(top, top + part.shape[0]), slice(left, left + part.shape[1])


def _read_day(files: tuple[Path, ...], rules: _Rules) -> NDArray[np.float32]:
    """Values and the codes of why they are missing (2, y, x)."""
    if len(files) > 1:
        raise InputError(
            "a day is given twice",
            found=", ".join(path.name for path in files),
            do="Keep the newest of them",
        )
    with open_hdf5(files[0], _PRODUCT) as file:
        layers, part = file[rules.group], (rules.rows, rules.columns)
        values = np.asarray(layers[f"soil_moisture{rules.suffix}"][part], dtype=np.float32)
        flags = {
            name: np.asarray(layers[name + rules.suffix][part])
            for name in ("retrieval_qual_flag", "surface_flag", "surface_temperature")
            if name + rules.suffix in layers
        }
    reasons: dict[str, Any] = {}
    if not rules.frozen:
        reasons["frozen_or_snow"] = _is_frozen(flags, values.shape)
    reasons["not_observed"] = ~(values > _FILL / 2)
    if rules.keep is not None:
        reasons["poor_quality"] = ~np.isin(flags["retrieval_qual_flag"], rules.keep)
    low, high = rules.valid_range
    reasons["out_of_range"] = (values < low) | (values > high)
    code = coded(reasons, values.shape)
    return np.stack([np.where(code == 0, values, np.nan), code]).astype(np.float32)


def _is_frozen(flags: dict[str, NDArray[Any]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    frozen = np.zeros(shape, dtype=bool)
    if "surface_flag" in flags:
        surface = flags["surface_flag"].astype(np.int64)
        frozen |= (surface < _FLAG_FILL) & ((surface & _FROZEN) > 0)
    if "surface_temperature" in flags:
        temperature = flags["surface_temperature"]
        frozen |= (temperature > 0) & (temperature < _FREEZING)
    return frozen


def _notes(path: Path, rules: _Rules, overpass: str) -> list[str]:
    low, high = rules.valid_range
    notes = [f"overpass {overpass}", f"valid range {low:g} to {high:g} m3 m-3"]
    if rules.keep is None:
        notes.append("retrieval_qual_flag not used: values of any quality are kept")
    else:
        notes.append(f"retrieval_qual_flag in {', '.join(map(str, rules.keep))}")
    with open_hdf5(path, _PRODUCT) as file:
        layers = file[rules.group]
        known = [n for n in ("surface_flag", "surface_temperature") if n + rules.suffix in layers]
    if rules.frozen:
        notes.append("frozen and snow-covered soil kept")
    elif known:
        notes.append(f"frozen and snow-covered soil masked by {' and '.join(known)}")
    else:
        notes.append("no surface flag and no surface temperature: frozen soil is not masked")
    return notes
