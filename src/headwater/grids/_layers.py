"""One variable of one file as a lazy array on (time, y, x), decoded, in the file's own unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import GridError, InputError, TimeAxisError, nearest
from headwater.grids._axes import (
    NORTH,
    axis_of,
    crs_in,
    exchanged,
    find_axes,
    is_map,
    is_time_name,
    known_crs,
    straightened,
    tidy_axis,
    units_in,
)
from headwater.grids._curvilinear import corners_of, regridded
from headwater.grids._dated_names import date_in
from headwater.grids._files import is_geotiff, is_raster, netcdf_engine, open_raw
from headwater.grids._many import Run, Timing, runs_of
from headwater.grids._time_axis import (
    TIME_HINT,
    Times,
    bounds_name,
    is_counted,
    times_of_name,
    times_of_variable,
)
from headwater.grids._values import packing_of, scale_in_tags, twice_scaled, unpacked
from headwater.grids._zarr_blocks import absent_blocks

if TYPE_CHECKING:
    from pyproj import CRS

    from headwater.glossary import Term

__all__ = ["Layer", "Wish", "read_centres", "read_layers"]


_CUT = 2
"""Stored blocks up to so many times the size asked for are read whole."""
_EXPERIMENTS = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of each file."""

    quantity: Term
    chunk_mb: float
    options: Mapping[str, Any]

    def get(self, key: str) -> Any:
        """Look an option of reading up; None where it is not given."""
        return self.options.get(key)


@dataclass(frozen=True, slots=True)
class Layer:
    """A variable of a file: values on their stamps, bounds of the steps, unit, reference system."""

    path: Path
    data: xr.DataArray
    units: str | None
    bounds: xr.DataArray | None
    crs: CRS | None
    crs_written: bool
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_layers(files: Sequence[Path], wish: Wish) -> list[Layer]:
    """Read the layers that are wished for; files that differ only in times and values make one."""
    if len(files) == 1:
        return [_layer(open_raw(files[0]), files[0], wish, many=False)]
    first = open_raw(files[0])
    timing = _timing(first, files[0], wish)
    if timing is None:
        return [_layer(open_raw(path), path, wish, many=True) for path in files]
    layers = [
        _of_run(run, timing, wish) for run in runs_of(files, timing, rasters=is_raster(first))
    ]
    if len(layers) < len(files) and not _follow(layers):
        return [_layer(open_raw(path), path, wish, many=True) for path in files]
    return layers


def _timing(dataset: xr.Dataset, path: Path, wish: Wish) -> Timing | None:
    """Find where a file of many keeps its times; None where each is to be read on its own."""
    single = is_raster(dataset) and dataset.sizes["band"] == 1 and is_geotiff(path)
    if wish.quantity.total == "none" or not (single or netcdf_engine(path)):
        return None
    name = _choose(dataset, wish.get("variable"), path)
    if dataset[name].dtype.kind not in "iuf":
        return None
    dim = find_axes(dataset, name).get("time")
    if dim is None:
        return None if "time" in dataset.dims else Timing()
    coordinate = _time_coordinate(dataset, dim)
    if coordinate is None:
        return Timing(dim)
    counted = " since " in units_in(coordinate.attrs) and wish.get("time") is None
    if not counted or coordinate.dims != (dim,) or "climatology" in coordinate.attrs:
        return None
    counts = next(str(key) for key, v in dataset.variables.items() if v is coordinate)
    bounds, _ = bounds_name(dataset, coordinate)
    return Timing(dim, counts, bounds or "")


def _of_run(run: Run, timing: Timing, wish: Wish) -> Layer:
    """Read the layer of files that share a layout."""
    path, raw = run.paths[0], open_raw(run.paths[0])
    if len(run.paths) == 1:
        return _layer(raw, path, wish, many=True)
    name = _choose(raw, wish.get("variable"), path)
    if not timing.counts:
        run, stamps, notes = _dated(run, wish.get("time"))
    joined = run.dataset(raw, name, timing)
    if not timing.counts:
        dim = timing.dim or "time"
        joined = joined.assign_coords({dim: (dim, stamps, {"notes": notes})})
    return _layer(
        joined, path, replace(wish, options={**wish.options, "variable": name}), many=True
    )


def _dated(run: Run, pattern: str | None) -> tuple[Run, Any, str]:
    """Date the files of a run by their names, and put them in order."""
    sizes = zip(run.paths, run.sizes, strict=True)
    found = [times_of_name(path, size, pattern) for path, size in sizes]
    order = sorted(range(len(found)), key=lambda number: found[number].stamps[0])
    notes = dict.fromkeys(note for times in found for note in times.notes)
    stamps = np.concatenate([found[number].stamps for number in order])
    paths = tuple(run.paths[number] for number in order)
    counts = tuple(run.sizes[number] for number in order)
    return replace(run, paths=paths, sizes=counts), stamps, "\n".join(notes)


def _follow(layers: Sequence[Layer]) -> bool:
    """Whether each time comes after all before it, in the layers as they would be joined."""
    times = [layer.data["time"].values for layer in layers if "time" in layer.data.dims]
    if len({type(each[0]) for each in times}) > 1 or len(times) < len(layers):
        return True  # these are refused with their own words
    stamps = np.concatenate(sorted(times, key=lambda each: each[0]))
    return bool((stamps[1:] > stamps[:-1]).all())


def _layer(dataset: xr.Dataset, path: Path, wish: Wish, *, many: bool) -> Layer:
    """Read the layer that is wished for, giving it a time where it is one of many."""
    name = _choose(dataset, wish.get("variable"), path)
    bent: str | None = None
    if wish.get("georeference") is None:  # else the right places are in another file
        dataset, bent = straightened(dataset, name)
    crs, written = (known_crs(4326), False) if bent else crs_in(dataset, name)
    own_units = _one(dataset[name].attrs.get("units") or dataset[name].attrs.get("unit"))
    units = wish.get("units") or own_units
    if is_raster(dataset):
        dataset = _banded(dataset, name, path, wish)
    axes = find_axes(dataset, name)
    doubts: tuple[str, ...] = ()
    if exchanged(dataset, axes, path):
        doubts = (f"'{axes['y']}' holds longitudes and '{axes['x']}' latitudes: taken so",)
        axes |= {"y": axes["x"], "x": axes["y"]}
    values, notes, more = _values(dataset, name, axes, path, wish)
    doubts = (*doubts, *more)
    data = _named(values, dataset, name, axes, path)
    if bent is not None:
        corners = corners_of(dataset, name, axes, path, bent)
        data, word = regridded(data, corners, wish.quantity.kind)
        notes = (*notes, f"{bent}, {word}")
    times = _times(dataset, axes, data, path, wish, many=many)
    data, bounds, times = _timed(data, times, wish)
    data.attrs |= {"source_units": "" if own_units is None else str(own_units)}
    return Layer(
        path,
        data,
        None if units is None else str(units),
        bounds,
        crs,
        written,
        (*notes, *(times.notes if times else ())),
        (*doubts, *(times.warnings if times else ())),
    )


def _timed(
    data: xr.DataArray, times: Times | None, wish: Wish
) -> tuple[xr.DataArray, xr.DataArray | None, Times | None]:
    """Label the values by their times, with bounds where there are any; lasting maps have none."""
    bounds = None
    if times is not None:
        data = data if "time" in data.dims else data.expand_dims("time")
        data = data.assign_coords(time=("time", times.stamps))
        if times.bounds is not None:
            bounds = xr.DataArray(times.bounds, dims=("time", "bnds"))
        if data.sizes["time"] == 1 and wish.quantity.total == "none":
            data, times = data.squeeze("time", drop=True), None
    return data, bounds, times


def _one(units: Any) -> Any:
    """Reduce the units of the bands of a raster to the one that they have."""
    several = isinstance(units, tuple) and len(set(units)) == 1
    return units[0] if several else units


def read_centres(path: Path, x_name: str, y_name: str) -> tuple[Any, Any, CRS | None]:
    """Cell-centre coordinates by name, and the reference system that their units imply."""
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


def _values(
    dataset: xr.Dataset, name: str, axes: dict[str, str], path: Path, wish: Wish
) -> tuple[xr.Variable, tuple[str, ...], tuple[str, ...]]:
    """Chunk one variable and turn what it stores into values; notes and doubts."""
    raw = dataset[name].variable
    packing, notes = packing_of(raw, wish.options, path, wish.quantity)
    packed = f"{packing.scale!r} {packing.offset!r}"
    try:
        values = unpacked(raw.chunk(_blocks(raw, axes, wish.chunk_mb)), packing)
    except InputError as error:
        raise InputError(
            f"variable '{name}' of {path}: {error.wrong}", found=error.found, do=error.do
        ) from error
    values.attrs["stored"] = packed
    doubts = (
        *twice_scaled(raw.attrs, wish.get("units")),
        *scale_in_tags(raw.attrs, wish.get("scale")),
        *absent_blocks(path, name, packing.missing),
    )
    return values, notes, doubts


def _times(
    dataset: xr.Dataset,
    axes: dict[str, str],
    data: xr.DataArray,
    path: Path,
    wish: Wish,
    *,
    many: bool,
) -> Times | None:
    """Read the times of a layer: of its coordinate, or of the file's name."""
    pattern = wish.get("time")
    if "time" not in data.dims:
        static = wish.quantity.total == "none" or (not many and pattern is None)
        return None if static else times_of_name(path, 1, pattern)
    coordinate = _time_coordinate(dataset, axes["time"])
    if coordinate is not None:
        return _as_times(dataset, coordinate, pattern, path)
    try:
        return times_of_name(path, data.sizes["time"], pattern)
    except TimeAxisError as error:
        raise TimeAxisError(
            f"dimension '{axes['time']}' of {path} has no times",
            found=f"{data.sizes['time']} steps without date",
            do="Add a time coordinate with units such as 'days since 2000-01-01', or write "
            f"{TIME_HINT}",
        ) from error


def _as_times(
    dataset: xr.Dataset, coordinate: xr.Variable, pattern: str | None, path: Path
) -> Times:
    if coordinate.dtype.kind == "M":
        notes = str(coordinate.attrs.get("notes", "")).splitlines()
        return Times(np.asarray(coordinate.values), notes=tuple(notes))
    return times_of_variable(dataset, coordinate, pattern, path)


def _time_coordinate(dataset: xr.Dataset, dim: str) -> xr.Variable | None:
    """Find the times along a dimension, also where they are text."""
    coordinate = axis_of(dataset, dim)
    if coordinate is not None:
        return coordinate
    texts = [
        v
        for name, v in dataset.variables.items()
        if v.dims[:1] == (dim,) and v.ndim == 2 and v.dtype.kind == "S" and is_time_name(str(name))
    ]
    return texts[0] if len(texts) == 1 else None


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
        own = rows * min(stored.get(x, 1), sizes[x])
        # each part of a stored block that is cut reads all of it
        cells = own if cells < own <= _CUT * cells else cells
        columns = min(max(cells // rows, 1), sizes[x])
        return blocks | {time: step, y: max(cells // columns, 1), x: columns}
    if maps:
        times = {time: max(maps // step, 1) * step} if time else {}
        return blocks | times | {y: -1, x: -1}
    return blocks | {y: max(int(limit // sizes[x]), 1), x: -1}


def _named(
    values: xr.Variable, dataset: xr.Dataset, name: str, axes: dict[str, str], path: Path
) -> xr.DataArray:
    """Name the dimensions time, y, x; drop those of length one; refuse others."""
    data = _one_experiment(xr.DataArray(values, name=name))
    extra = [str(dim) for dim in data.dims if dim not in axes.values()]
    many = [f"{dim} ({data.sizes[dim]})" for dim in extra if data.sizes[dim] > 1]
    if many:
        raise GridError(
            f"variable '{name}' of {path} has dimensions besides time, y and x",
            found=", ".join(many),
            do="Write the layer to use to a file of its own",
        )
    data = data.squeeze(extra, drop=True)
    data = data.rename({dim: role for role, dim in axes.items() if dim != role})
    coords = {}
    for role in ("y", "x"):
        coordinate = axis_of(dataset, axes[role])
        if coordinate is not None:
            coords[role] = (role, tidy_axis(coordinate))
    return data.assign_coords(coords).transpose(*(r for r in ("time", "y", "x") if r in axes))


def _one_experiment(data: xr.DataArray) -> xr.DataArray:
    """Join ERA5 and its preliminary months, which one store keeps apart by ``expver``."""
    if "expver" not in data.dims or data.sizes["expver"] != _EXPERIMENTS:
        return data
    final, early = (data.isel(expver=number, drop=True) for number in range(_EXPERIMENTS))
    return final.fillna(early).assign_attrs(data.attrs)


def _banded(dataset: xr.Dataset, name: str, path: Path, wish: Wish) -> xr.Dataset:
    """Turn the bands of a raster into times; a single band is a map."""
    if dataset.sizes["band"] == 1:
        return dataset.isel(band=0, drop=True)
    texts = dataset[name].attrs.get("long_name", ())
    bands = dataset.sizes["band"]
    pattern = wish.get("time")
    if not isinstance(texts, str) and len(texts) == bands and not (pattern and is_counted(pattern)):
        dates = [date_in(text, pattern, f"a band of {path}")[0] for text in texts]
        times = pd.DatetimeIndex(dates).as_unit("ns")
        return dataset.assign_coords(band=times).rename(band="time")
    try:
        times_of_name(path, bands, pattern)
    except TimeAxisError as error:
        raise TimeAxisError(
            f"the bands of {path} have no dates",
            found=f"{bands} bands without descriptions",
            do="Describe each band with its date, give one file for each time, or write "
            f"{TIME_HINT}",
        ) from error
    return dataset.drop_vars("band", errors="ignore").rename(band="time")
