"""One variable of one file as a lazy array on (time, y, x), decoded, in the file's own unit."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import GridError, InputError, TimeAxisError, nearest
from headwater.grids._axes import NORTH, axis_of, find_axes, is_map, tidy_axis, units_in
from headwater.grids._crs import crs_in, known_crs
from headwater.grids._files import is_decoded, open_raw

if TYPE_CHECKING:
    from pyproj import CRS

    from headwater.glossary import Term

__all__ = ["Layer", "Wish", "read_centres", "read_layer"]

_NUMBERS = ("_FillValue", "missing_value", "scale_factor", "add_offset")
_ISO = ("%Y-%m-%d", "%Y%m%d", "%Y-%m")
_FIELDS = {"%Y": r"\d{4}", "%j": r"\d{3}"} | {f"%{field}": r"\d{2}" for field in "mdHMS"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of each file."""

    quantity: Term
    variable: str | None
    units: str | None
    time_pattern: str | None
    chunk_mb: float


@dataclass(frozen=True, slots=True)
class Layer:
    """A variable of a file: values, unit, lengths of its steps [d] and reference system."""

    path: Path
    data: xr.DataArray
    units: str | None
    lengths: xr.DataArray | None
    crs: CRS | None
    crs_written: bool


def read_layer(path: Path, wish: Wish, *, many: bool) -> Layer:
    """Read the layer that is wished for, giving it a time where it is one of many."""
    dataset = open_raw(path)
    name = _choose(dataset, wish.variable, path)
    crs, written = crs_in(dataset, name)
    raster, attrs = is_decoded(dataset), dataset[name].attrs
    own_units = _one(attrs.get("units") or attrs.get("unit"))
    units = wish.units or own_units
    axes = find_axes(dataset, name)
    if raster:
        dataset = _banded(dataset, name, path, wish)
        axes = find_axes(dataset, name)
    decoded = _decoded(dataset, name, axes, path, wish.chunk_mb)
    data = _named(decoded, dataset, name, axes, path)
    if "time" in data.dims and data.sizes["time"] == 1 and wish.quantity.total == "none":
        data = data.squeeze("time", drop=True)
    if many and "time" not in data.dims:
        stamp = _stamp(path.stem, wish.time_pattern, str(path))
        data = data.expand_dims(time=[stamp])
    data.attrs["source_units"] = "" if own_units is None else str(own_units)
    return Layer(
        path, data, None if units is None else str(units), _lengths(decoded, axes), crs, written
    )


def _one(units: Any) -> Any:
    """Reduce the units of the bands of a raster to the one that they have."""
    several = isinstance(units, tuple) and len(set(units)) == 1
    return units[0] if several else units


def read_centres(path: Path, x_name: str, y_name: str) -> tuple[Any, Any, CRS | None]:
    """Cell-centre coordinates by name, and the reference system that their units tell."""
    dataset = open_raw(path)
    for name in (x_name, y_name):
        if name not in dataset.variables:
            known = [str(key) for key, v in dataset.variables.items() if v.ndim == 1]
            raise InputError(
                f"{path} has no coordinate '{name}'",
                found=f"one-dimensional variables {', '.join(known) or 'none'}",
                do=nearest(name, known),
            )
        if dataset[name].ndim != 1:
            raise GridError(
                f"coordinate '{name}' of {path} is no line of cell centres",
                found=f"dimensions {dataset[name].dims}",
                do="Name one-dimensional coordinates of a regular grid",
            )
    x, y = dataset.variables[x_name], dataset.variables[y_name]
    return tidy_axis(x), tidy_axis(y), known_crs(4326) if units_in(y.attrs) in NORTH else None


def _choose(dataset: xr.Dataset, wanted: str | None, path: Path) -> str:
    maps = [str(name) for name in dataset.data_vars if is_map(dataset, str(name))]
    if wanted is not None and wanted not in dataset.data_vars:
        raise InputError(
            f"{path} has no variable '{wanted}'",
            found=f"variables {', '.join(map(str, dataset.data_vars)) or 'none'}",
            do=nearest(wanted, maps or [str(name) for name in dataset.data_vars]),
        )
    if wanted is not None and wanted in maps:
        return wanted
    if wanted is not None or not maps:
        names = [wanted] if wanted else list(map(str, dataset.data_vars))
        raise GridError(
            f"{path} holds no grid" if not wanted else f"'{wanted}' of {path} lies on no grid",
            found="; ".join(f"{name} {dataset[name].dims}" for name in names) or "no variable",
            do="Give a variable with dimensions y and x",
        )
    if len(maps) > 1:
        raise InputError(
            f"{path} holds several variables",
            found=", ".join(maps),
            do="Name the one to use: variable = '...'",
        )
    return maps[0]


def _decoded(
    dataset: xr.Dataset, name: str, axes: dict[str, str], path: Path, chunk_mb: float
) -> xr.Dataset:
    """Chunk one variable and decode it with its time axis, and with nothing else."""
    raw = dataset[name].variable
    time = axes.get("time", "")
    kept = {name: raw.chunk(_blocks(raw, axes, chunk_mb))}
    if time and (coordinate := axis_of(dataset, time)) is not None:
        kept[time] = coordinate
        bounds = coordinate.attrs.get("bounds", "")
        if bounds in dataset.variables:
            kept[bounds] = dataset.variables[bounds]
    part = xr.Dataset(kept)
    if is_decoded(dataset):
        return part
    for variable in part.variables.values():
        _repair(variable, path)
    part[name].attrs.pop("units", None)  # "days" or "hours" would be read as a duration
    try:
        with warnings.catch_warnings():
            # _FillValue and missing_value may differ: both are missing.
            warnings.simplefilter("ignore", xr.SerializationWarning)
            return xr.decode_cf(part, decode_timedelta=False, decode_coords=False)
    except (ValueError, ImportError, OverflowError) as error:
        calendar = part[time].attrs.get("calendar", "standard") if time in part else "none"
        raise TimeAxisError(
            f"the times of {path} cannot be read",
            found=f"units '{part[time].attrs.get('units', '')}', calendar '{calendar}'"
            if time in part
            else str(error).splitlines()[0],
            do="Correct units and calendar of the time coordinate"
            + (" (this calendar needs the package cftime)" if "cftime" in str(error) else ""),
        ) from error


def _repair(variable: xr.Variable, path: Path) -> None:
    """Read attributes that should be numbers but were written as text."""
    for key in _NUMBERS:
        if isinstance(variable.attrs.get(key), str):
            text = variable.attrs[key]
            try:
                variable.attrs[key] = variable.dtype.type(float(text))
            except ValueError as error:
                raise InputError(
                    f"attribute '{key}' in {path} is no number",
                    found=f"'{text}'",
                    do="Correct the attribute in the file",
                ) from error


def _blocks(raw: xr.Variable, axes: dict[str, str], chunk_mb: float) -> dict[str, Any]:
    """Blocks of about `chunk_mb`: whole maps, several times each, unless the file forbids it."""
    y, x, time = axes["y"], axes["x"], axes.get("time", "")
    sizes, stored = raw.sizes, raw.encoding.get("preferred_chunks", {})
    limit = chunk_mb * 1e6 / max(raw.dtype.itemsize, 4)
    maps = int(limit // (sizes[y] * sizes[x]))
    blocks: dict[str, Any] = dict.fromkeys(map(str, raw.dims), 1)
    step = stored.get(time, 1)
    if time and step > max(maps, 1):  # long blocks in the file: cut them in space
        cells = max(int(limit // min(step, sizes[time])), 1)
        rows = min(stored.get(y, 1), sizes[y])
        columns = min(max(cells // rows, 1), sizes[x])
        return blocks | {time: step, y: max(cells // columns, 1), x: columns}
    if maps:
        times = {time: max(maps // step, 1) * step} if time else {}
        return blocks | times | {y: -1, x: -1}
    return blocks | {y: max(int(limit // sizes[x]), 1), x: -1}


def _named(
    decoded: xr.Dataset, dataset: xr.Dataset, name: str, axes: dict[str, str], path: Path
) -> xr.DataArray:
    """Name the dimensions time, y, x; drop those of length one; refuse others."""
    data = decoded[name].reset_coords(drop=True)
    extra = [str(dim) for dim in data.dims if dim not in axes.values()]
    many = [f"{dim} ({data.sizes[dim]})" for dim in extra if data.sizes[dim] > 1]
    if many:
        raise GridError(
            f"variable '{name}' of {path} has dimensions besides time, y and x",
            found=", ".join(many),
            do="Write the layer to use to a file of its own",
        )
    data = data.squeeze(extra, drop=True)
    data = data.drop_vars([c for c in data.coords if c != axes.get("time")])
    coords: dict[str, Any] = {}
    for role in ("y", "x"):
        coordinate = axis_of(dataset, axes[role])
        if coordinate is not None:
            coords[role] = (role, tidy_axis(coordinate))
    if "time" in axes:
        if not _has_times(decoded, axes["time"]):
            raise TimeAxisError(
                f"dimension '{axes['time']}' of {path} has no times",
                found=f"{data.sizes[axes['time']]} steps without date",
                do="Add a time coordinate with units such as 'days since 2000-01-01'",
            )
        coords["time"] = ("time", decoded.variables[axes["time"]].values)
        data = data.drop_vars(axes["time"], errors="ignore")
    data = data.rename({dim: role for role, dim in axes.items() if dim != role})
    data = data.assign_coords(coords).transpose(*(r for r in ("time", "y", "x") if r in axes))
    if not np.issubdtype(data.dtype, np.floating):
        wide = np.float32 if data.dtype.itemsize <= 2 else np.float64
        data = data.astype(wide)
    return data


def _has_times(decoded: xr.Dataset, time: str) -> bool:
    if time not in decoded.variables:
        return False
    kind = decoded.variables[time].dtype
    return bool(np.issubdtype(kind, np.datetime64) or kind.kind == "O")


def _lengths(decoded: xr.Dataset, axes: dict[str, str]) -> xr.DataArray | None:
    """Length of the steps from the CF bounds of time [d]."""
    time = axes.get("time", "")
    if time not in decoded.variables:
        return None
    attributes = decoded.variables[time].attrs | decoded.variables[time].encoding
    bounds = decoded.variables.get(attributes.get("bounds", ""))
    if bounds is None or bounds.ndim != 2 or not np.issubdtype(bounds.dtype, np.datetime64):
        return None
    width = bounds.values[:, 1] - bounds.values[:, 0]
    days = width / np.timedelta64(1, "s") / 86400.0
    return xr.DataArray(days, dims="time") if (days > 0).all() else None


def _banded(dataset: xr.Dataset, name: str, path: Path, wish: Wish) -> xr.Dataset:
    """Turn the bands of a raster into times; a single band is a map."""
    if dataset.sizes["band"] == 1:
        return dataset.isel(band=0, drop=True)
    texts = dataset[name].attrs.get("long_name", ())
    if isinstance(texts, str) or len(texts) != dataset.sizes["band"]:
        raise TimeAxisError(
            f"the bands of {path} have no dates",
            found=f"{dataset.sizes['band']} bands without descriptions",
            do="Describe each band with its date, or give one file for each time",
        )
    times = [_stamp(text, wish.time_pattern, f"a band of {path}") for text in texts]
    return dataset.assign_coords(band=times).rename(band="time")


def _stamp(text: str, pattern: str | None, label: str) -> pd.Timestamp:
    """Find a date in a text."""
    for form in (pattern,) if pattern else _ISO:
        expression = re.sub(r"%[YmdjHMS]", lambda field: f"({_FIELDS[field[0]]})", re.escape(form))
        match = re.search(rf"(?<!\d){expression}", text)
        if match:
            fields = re.findall(r"%[YmdjHMS]", form)
            try:
                return pd.to_datetime(" ".join(match.groups()), format=" ".join(fields))
            except ValueError:
                continue
    raise TimeAxisError(
        f"{label} has no date",
        found=f"'{text}', looked for {pattern or ' or '.join(_ISO)}",
        do="Write time_pattern = '...' for this input, such as '%Y%j' for year and day of year",
    )
