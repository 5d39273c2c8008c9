"""SMAP soil moisture, levels 3 and 4, on the EASE-Grid 2.0."""

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

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area

__all__ = [
    "ease2_grid",
    "read_smap",
    "read_smap_l4",
]

_PRODUCT = "SMAP Level 3"
_GROUPS = {
    "am": ("Soil_Moisture_Retrieval_Data_AM", ""),
    "pm": ("Soil_Moisture_Retrieval_Data_PM", "_pm"),
}
_FILL, _FLAG_FILL = -9999.0, 65534
# Bits of surface_flag: snow or ice, permanent snow or ice, frozen by radiometer, frozen by model.
_FROZEN = (1 << 5) | (1 << 6) | (1 << 7) | (1 << 8)
_FREEZING = 273.15
_CORNER = (-17367530.445161476, 7314540.830638599)
_CELL = 36032.220840584
_SHAPE = (406, 964)
_LEVEL_4 = "SMAP Level 4"
_LAYERS = {"surface": "sm_surface", "rootzone": "sm_rootzone"}
_GROUP = "Geophysical_Data"
_FILL_4, _VALID = -9999.0, (0.0, 0.9)
_HALF_STEP = np.timedelta64(90, "m")


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


def _only(files: tuple[Path, ...], what: str) -> Path:
    """Give the one file of a day or time."""
    if len(files) > 1:
        raise InputError(
            f"a {what} is given twice",
            found=", ".join(path.name for path in files),
            do="Keep the newest of them",
        )
    return files[0]


def _read_day(files: tuple[Path, ...], rules: _Rules) -> NDArray[np.float32]:
    """Values and the codes of why they are missing (2, y, x)."""
    with open_hdf5(_only(files, "day"), _PRODUCT) as file:
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


def ease2_grid(kilometres: int, bounds: tuple[float, float, float, float] | None = None) -> GeoBox:
    """Build the global cylindrical EASE-Grid 2.0 (EPSG:6933), or the part that holds a box.

    Parameters
    ----------
    kilometres : {36, 18, 12, 9, 6, 4, 3, 2, 1}
        Nominal side of a cell [km]; cells nest: the 36 km cell is 36032.220840584 m wide.
    bounds : (west, south, east, north), optional
        Degrees; all cells that touch the box are kept.

    Returns
    -------
    GeoBox
        Rows from north to south; 406 x 964 cells at 36 km.

    Raises
    ------
    GridError
        If the side does not divide 36 km, or the box touches no cell.

    References
    ----------
    .. [1] Brodzik, M. J., et al. (2012). EASE-Grid 2.0: incremental but significant improvements
       for Earth-gridded data sets. ISPRS Int. J. Geo-Inf. 1, 32-45.
       https://doi.org/10.3390/ijgi1010032

    Examples
    --------
    >>> ease2_grid(36).shape, ease2_grid(9, (94.87, 36.43, 103.15, 40.02)).shape
    (Shape2d(x=964, y=406), Shape2d(x=89, y=41))
    """
    import numpy as np
    from affine import Affine
    from odc.geo.geobox import GeoBox
    from pyproj import Transformer

    if kilometres < 1 or 36 % kilometres:
        raise GridError(
            "EASE-Grid 2.0 has no cells of this side",
            found=f"{kilometres} km",
            do="Ask for a divisor of 36: 36, 18, 12, 9, 6, 4, 3, 2 or 1",
        )
    parts, (left, top) = 36 // kilometres, _CORNER
    cell, rows, columns = _CELL / parts, _SHAPE[0] * parts, _SHAPE[1] * parts
    grid = GeoBox((rows, columns), Affine(cell, 0, left, 0, -cell, top), "EPSG:6933")
    if bounds is None:
        return grid
    west, south, east, north = bounds
    to_metres = Transformer.from_crs(4326, 6933, always_xy=True)
    x, y = to_metres.transform([west, east], [north, south])
    first, last = (np.array([x[0], y[0]]) - (left, top)), (np.array([x[1], y[1]]) - (left, top))
    low = np.floor(first / (cell, -cell) + 1e-9).astype(int).clip(0)
    high = np.ceil(last / (cell, -cell) - 1e-9).astype(int).clip(None, (columns, rows))
    if not (np.isfinite(x + y).all() and (low < high).all()):
        raise GridError(
            "the box touches no cell of EASE-Grid 2.0",
            found=f"{bounds}",
            do="Give (west, south, east, north) in degrees, with west < east and south < north",
        )
    return grid[low[1] : high[1], low[0] : high[0]]


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
    grids = {path: _grid_of_level_4(path, _LAYERS[layer]) for path in files}
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


def _grid_of_level_4(path: Path, layer: str) -> GeoBox:
    """Find which cells of the 9 km grid a file holds: all, or those that its x and y name."""
    whole = ease2_grid(9)
    with open_hdf5(path, _LEVEL_4) as file:
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
    with open_hdf5(_only(files, "time"), _LEVEL_4) as file:
        stored = np.asarray(file[f"{_GROUP}/{what.layer}"][what.rows, what.columns], np.float32)
    low, high = _VALID
    empty = ~(stored > _FILL_4 / 2)
    code = coded(
        {"not_observed": empty, "out_of_range": (stored < low) | (stored > high)}, stored.shape
    )
    return np.stack([np.where(code == 0, stored, np.nan), code]).astype(np.float32)
