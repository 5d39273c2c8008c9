"""Open a quantity from files: lazily, on named axes, in the glossary's unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import xarray as xr

from headwater.errors import CRSError, GridError, TimeAxisError, UnitError
from headwater.glossary import GLOSSARY, Term
from headwater.grids._amounts import distinguish_amounts, unit_days
from headwater.grids._axes import agreed_crs, wrap_longitude
from headwater.grids._dated_names import check_forms, year_doubt
from headwater.grids._files import find_files
from headwater.grids._layers import Layer, Wish, read_centres, read_layers
from headwater.grids._mosaic import mosaicked, same_places
from headwater.grids.geometry import geobox_of, grid_coords
from headwater.grids.steps import bounded_steps, on_steps, time_steps
from headwater.grids.times import (
    check_times,
    gap_doubt,
    local_doubt,
    stamp_doubt,
    stamp_words,
    step_days,
)
from headwater.units import convert, parse

__all__ = ["OutOfRange", "ReadOptions", "open_grid", "open_layer", "out_of_range"]


_BY_STEP = ({"water", "water flux"}, {"energy", "energy flux"})


@dataclass(frozen=True, slots=True)
class OutOfRange:
    """How many values are impossible.

    Attributes
    ----------
    count : int
        Valid values outside the quantity's valid range.
    fraction : float
        Their share of all valid values; NaN where there is none.
    minimum, maximum : float
        Of all valid values, in the quantity's unit; NaN where there is none.
    n : int
        Valid values.
    """

    count: int
    fraction: float
    minimum: float
    maximum: float
    n: int


class ReadOptions(TypedDict, total=False):
    """What may be said of files that do not say it, or wrongly.

    Attributes
    ----------
    variable : str, optional
        Name in the file; needed where several variables lie on a grid.
    units : str, optional
        Unit of the values; wins over the file's own. It may have a factor: ``"0.1 degC"``.
    crs : pyproj.CRS, int or str, optional
        Needed where the file names none; must not contradict the one it names.
    layer_depth : float, optional
        Thickness of the soil layer [m], to turn kg m-2 into m3 m-3 or back.
    georeference : (path, x name, y name), optional
        File and names of the true cell-centre coordinates, which are then taken by index.
    time : str, optional
        Pattern of the dates in the time coordinate, in file names or in band descriptions, as for
        ``strptime``: ``"%Y%j"``, with ``{dekad}`` or ``{pentad}`` for numbered parts of a month;
        or first date and step, as in ISO 8601: ``"2000-01-01/P1M"``. ISO dates and those of common
        patterns are found without it.
    stamp : {"start", "middle", "end"}, optional
        Where times stand in their steps, where neither bounds nor the times themselves say it.
    missing : sequence of float, optional
        Stored numbers that mean "no value", besides those that the file declares; empty where even
        its own are values.
    valid : (float, float), optional
        Range of the stored numbers that are valid; wins over the file's own. Where an amount may
        be zero, a range that holds 0 also wins over a declared fill of 0.
    scale, offset : float, optional
        value = stored * scale + offset; win over the file's own.
    """

    variable: str | None
    units: str | None
    crs: Any
    layer_depth: float | None
    georeference: tuple[str | Path, str, str] | None
    time: str | None
    stamp: str | None
    missing: Sequence[float] | None
    valid: tuple[float, float] | None
    scale: float | None
    offset: float | None


def open_grid(
    source: str | Path | Sequence[str | Path],
    quantity: Term,
    *,
    chunk_mb: float = 16.0,
    **options: Unpack[ReadOptions],
) -> xr.DataArray:
    r"""Open a quantity from one or several files, without reading its values.

    Parameters
    ----------
    source : path, glob pattern, or list of them
        NetCDF (4 or classic), Zarr, GeoTIFF, ESRI ASCII or PCRaster. Several files are joined along
        time; tiles of one time and lattice are put together.
    quantity : Term
        What the values are, from the glossary.
    chunk_mb : float
        Size of one block in memory [MB].
    **options
        Of :class:`ReadOptions`: variable, units, crs, layer_depth, georeference, time, stamp,
        missing, valid, scale, offset.

    Returns
    -------
    DataArray (time, y, x) or (y, x)
        Named `quantity.name`, in `quantity.units`, Dask-backed, with ``y``, ``x``, ``spatial_ref``
        and attributes ``long_name``, ``standard_name``, ``units``, ``kind``, ``total``, ``source``.
        ``time`` is the start of each step and ``time_end`` the first instant after it; how that was
        found, and all else that was guessed, is in the lines of ``attrs["notes"]``, what may be
        wrong in those of ``attrs["warnings"]``. Missing values are NaN; impossible ones are kept
        (see :func:`out_of_range`).

    Raises
    ------
    InputError
        If a file is missing or unreadable, or the variable is not in it or not unique.
    GridError
        If there is no regular grid, dimensions are left over, or the files' grids differ.
    CRSError
        If nothing names a reference system, or file and argument contradict each other.
    TimeAxisError
        If times are duplicated or out of order, or calendars are mixed.
    UnitError
        If there is no unit, or one that cannot be converted.

    Notes
    -----
    Longitudes of 0 to 360 become -180 to 180. A flux of water (mm d-1, kg m-2 s-1) becomes the
    amount of each step: flux × length of the step, from the file's time bounds or from
    :func:`headwater.grids.steps.time_steps`. Stored numbers are compared with fills and valid range
    before scale and offset are applied; a valid range that the file gives in the values' own type
    is compared after.

    Examples
    --------
    >>> import tempfile
    >>> from headwater.glossary import term
    >>> text = "ncols 3\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1000\n1 2 3\n4 5 6\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "dem.asc"
    ...     _ = path.write_text(text)
    ...     dem = open_grid(path, term("elevation"), units="m", crs="EPSG:32632").compute()
    >>> dem.values
    array([[1., 2., 3.],
           [4., 5., 6.]])
    """
    wish = Wish(quantity, chunk_mb, dict(options))
    files = find_files(source)
    layer = _joined(read_layers(files, wish))
    doubt: tuple[str, ...] = ()
    if options.get("time") is None:
        check_forms(files, layer.notes)
        doubt = year_doubt(files, layer.notes)
    return open_layer(replace(layer, warnings=(*layer.warnings, *doubt)), wish, files)


def open_layer(layer: Layer, wish: Wish, files: Sequence[Path]) -> xr.DataArray:
    """Bring what was read onto steps, named axes and the glossary's unit.

    Parameters
    ----------
    layer : Layer
        Values on their stamps, in the file's own unit.
    wish : Wish
        Quantity and options, as of :func:`open_grid`.
    files : sequence of Path
        Where it is from.

    Returns
    -------
    DataArray
        As of :func:`open_grid`.

    Raises
    ------
    GridError, CRSError, TimeAxisError, UnitError
        As :func:`open_grid`.
    """
    quantity, options = wish.quantity, wish.options
    label = f"{layer.path}, variable '{layer.data.name}'"
    if "time" in layer.data.dims:
        name = files[0].name if len(files) == 1 else f"{len(files)} files from {files[0].name}"
        check_times(layer.data["time"], name)
        layer = _stepped(layer, options.get("stamp"))
        layer = distinguish_amounts(layer, quantity, given=options.get("units"))
    data, found, written = layer.data, layer.crs, layer.crs_written
    place = options.get("georeference")
    if place is not None:
        data, found, written = _placed(layer, *place)
    data = _on_grid(data, agreed_crs(found, written, options.get("crs"), str(layer.path)), label)
    converted = _converted(data, layer, quantity, options.get("layer_depth"), label)
    described = _described(converted, quantity, files)
    described.attrs |= {
        "source_variable": str(layer.data.name),
        "source_units": layer.data.attrs["source_units"],
        "stored": _stored(layer, quantity, options.get("layer_depth")),
        **({"notes": "\n".join(layer.notes)} if layer.notes else {}),
        **({"warnings": "\n".join(layer.warnings)} if layer.warnings else {}),
    }
    return described


def _stepped(layer: Layer, stamp: str | None) -> Layer:
    """Label the values by the start of their steps, and say what the steps are."""
    time = layer.data["time"]
    if layer.bounds is not None:
        start, end = (layer.bounds.values[:, side] for side in (0, 1))
        steps = bounded_steps(time, start, end)
    else:
        steps = time_steps(time, stamp=stamp)
    words = stamp_words(steps)
    doubt = (*stamp_doubt(time, steps), *local_doubt(time, steps), *gap_doubt(steps))
    return replace(
        layer,
        data=on_steps(layer.data, steps),
        notes=(f"time: {words}", *layer.notes),
        warnings=(*layer.warnings, *doubt),
    )


def out_of_range(data: xr.DataArray, quantity: Term | None = None) -> OutOfRange:
    """Count the values that a quantity cannot have, in one pass.

    Parameters
    ----------
    data : DataArray
        In the unit of the quantity.
    quantity : Term, optional
        What the values are; default: the quantity of the glossary that `data` is named after.

    Returns
    -------
    OutOfRange

    Examples
    --------
    >>> theta = xr.DataArray([0.2, 1.5, np.nan], name="soil_moisture")
    >>> out_of_range(theta)
    OutOfRange(count=1, fraction=0.5, minimum=0.2, maximum=1.5, n=2)
    """
    low, high = (quantity or GLOSSARY[str(data.name)]).valid_range
    counts = xr.Dataset(
        {
            "n": data.notnull().sum(),
            "count": ((data < low) | (data > high)).sum(),
            "minimum": data.fillna(np.inf).min(),
            "maximum": data.fillna(-np.inf).max(),
        }
    ).compute()
    n, count = int(counts["n"]), int(counts["count"])
    if n == 0:
        return OutOfRange(0, np.nan, np.nan, np.nan, 0)
    return OutOfRange(count, count / n, float(counts["minimum"]), float(counts["maximum"]), n)


def _joined(layers: list[Layer]) -> Layer:
    """Join the layers of several files along time, after making sure that they fit."""
    doubt = _units_apart(layers)
    layers = mosaicked(layers)
    first = replace(layers[0], warnings=(*layers[0].warnings, *doubt))
    if len(layers) == 1:
        return first
    _refuse_calendars(layers)
    for layer in layers[1:]:
        _check_fit(first, layer)
    layers = sorted(layers, key=lambda layer: layer.data["time"].values[0])
    _refuse_overlap(layers)
    cube = xr.concat(
        [layer.data for layer in layers],
        dim="time",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
    bounds = [layer.bounds for layer in layers if layer.bounds is not None]
    joined = xr.concat(bounds, dim="time") if len(bounds) == len(layers) else None
    notes, warnings = (
        tuple(dict.fromkeys(word for layer in (first, *layers) for word in getattr(layer, kind)))
        for kind in ("notes", "warnings")
    )
    return replace(first, data=cube, bounds=joined, notes=notes, warnings=warnings)


def _units_apart(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Doubt one unit that is given for files that name several."""
    named = {layer.data.attrs["source_units"]: layer.path.name for layer in reversed(layers)}
    if len({layer.units for layer in layers}) > 1 or len(named) < 2:
        return ()  # none is given
    try:
        apart = len({convert(1.0, unit, layers[0].units or "") for unit in named}) > 1
    except UnitError:
        apart = True
    each = ", ".join(
        f"'{unit}' ({name})" if unit else f"none ({name})" for unit, name in named.items()
    )
    return (
        f"the files name different units, {each}, and all are taken in {layers[0].units}, as units "
        "says; open them apart if their numbers differ as their units do",
    ) * apart


def _refuse_calendars(layers: list[Layer]) -> None:
    calendars = {str(layer.data["time"].dt.calendar): layer.path for layer in layers}
    if len(calendars) > 1:
        raise TimeAxisError(
            "the files have different calendars",
            found="; ".join(f"{path.name} {calendar}" for calendar, path in calendars.items()),
            do="Convert them to one calendar first",
        )


def _refuse_overlap(layers: list[Layer]) -> None:
    for before, after in pairwise(layers):
        last, following = before.data["time"].values[-1], after.data["time"].values[0]
        if not last < following:
            raise TimeAxisError(
                "two files overlap in time",
                found=f"{before.path.name} ends {str(last)[:19]}, "
                f"{after.path.name} begins {str(following)[:19]}",
                do="Give each time once: narrow the pattern, remove one of the files, or write "
                "time = '...' where a date in their names is not the one that was read, such as "
                "'%Y.%m.{pentad}' or '%Y%m_{dekad}' where parts of months are numbered",
            )


def _check_fit(first: Layer, layer: Layer) -> None:
    if layer.units != first.units:
        raise UnitError(
            "the files have different units",
            found=f"{first.path.name} '{first.units}', {layer.path.name} '{layer.units}'",
            do="Open them apart, or give units for all of them",
        )
    if not same_places(first.data, layer.data):
        raise GridError(
            "the files lie on different grids",
            found=f"{first.path.name} {_shape(first)}, {layer.path.name} {_shape(layer)}",
            do="Give files of one grid, or one input for each grid",
        )
    if layer.crs != first.crs and (layer.crs_written or first.crs_written):
        raise CRSError(
            "the files have different reference systems",
            found=f"{first.path.name} {_named_crs(first)}, {layer.path.name} {_named_crs(layer)}",
            do="Warp them to one, or correct the one that is written wrongly",
        )


def _named_crs(layer: Layer) -> str:
    return "none" if layer.crs is None else str(layer.crs.name)


def _shape(layer: Layer) -> str:
    data = layer.data
    corner = [f"{float(data[axis][0]):g}" for axis in "yx" if axis in data.coords]
    where = f" from ({', '.join(corner)})" if corner else ""
    return f"{data.sizes['y']} x {data.sizes['x']}{where}"


def _placed(
    layer: Layer, path: str | Path, x_name: str, y_name: str
) -> tuple[xr.DataArray, Any, bool]:
    """Put a layer onto the coordinates of another file, by index."""
    x, y, found = read_centres(find_files(path)[0], x_name, y_name)
    data = layer.data
    if (y.size, x.size) != (data.sizes["y"], data.sizes["x"]):
        raise GridError(
            f"{path} does not fit {layer.path}",
            found=f"{y.size} x {x.size} coordinates for {data.shape[-2]} x {data.shape[-1]} cells",
            do=f"Name the coordinates that belong to this grid instead of {x_name} and {y_name}",
        )
    placed = data.assign_coords(x=("x", x), y=("y", y))
    return (placed, layer.crs, True) if layer.crs_written else (placed, found, False)


def _on_grid(data: xr.DataArray, crs: Any, label: str) -> xr.DataArray:
    """Check that the grid is regular, and write down its reference system."""
    lost = [axis for axis in ("y", "x") if axis not in data.coords]
    if lost:
        raise GridError(
            f"{label} has no coordinates along {' and '.join(lost)}",
            found="no one-dimensional coordinate variable (two-dimensional ones make no grid)",
            do="Name a file with the cell centres as georeference",
        )
    if crs.is_geographic:
        data = wrap_longitude(data)
    data = data.assign_coords(spatial_ref=xr.DataArray(0, attrs={"crs_wkt": crs.to_wkt()}))
    try:
        grid = geobox_of(data)
    except GridError as error:
        raise GridError(f"{label}: {error.wrong}", found=error.found, do=error.do) from error
    return data.assign_coords(grid_coords(grid))


def _converted(
    data: xr.DataArray, layer: Layer, quantity: Term, layer_depth: float | None, label: str
) -> xr.DataArray:
    """Convert to the glossary's unit, once."""
    if quantity.kind == "categorical":
        return data
    if layer.units is None:
        raise UnitError(
            f"{label} has no unit",
            found="no attribute 'units' in the file, none in the study file",
            do=f"Write units = '...' for {quantity.name} in the study file",
        )
    try:
        unit = parse(layer.units)
        kinds = {unit.dimension, parse(quantity.units).dimension}
        steps: Any = None
        if kinds in _BY_STEP and "time" in data.dims:
            steps = xr.DataArray(step_days(data), dims="time")
        values: xr.DataArray = convert(
            data,
            layer.units,
            quantity.units,
            layer_depth=layer_depth,
            step_days=steps,
            unit_days=unit_days(data, unit.per) if unit.per else None,
        )
    except (UnitError, TimeAxisError) as error:
        raise UnitError(f"{label}: {error.wrong}", found=error.found, do=error.do) from error
    return values.astype(data.dtype)


def _stored(layer: Layer, quantity: Term, layer_depth: float | None) -> str:
    """Scale and offset that turn the file's numbers into values, nan where steps take part."""
    scale, offset = (float(part) for part in layer.data.attrs["stored"].split())
    if quantity.kind == "categorical" or layer.units is None:
        return f"{scale!r} {offset!r}"
    try:
        zero, one = (
            float(convert(v, layer.units, quantity.units, layer_depth=layer_depth))
            for v in (offset, scale + offset)
        )
    except UnitError:
        return "nan nan"
    return f"{one - zero!r} {zero!r}"


def _described(data: xr.DataArray, quantity: Term, files: Sequence[Path]) -> xr.DataArray:
    names = [path.name for path in files]
    data = data.rename(quantity.name).transpose(..., "y", "x")
    data.attrs = {
        "long_name": quantity.long_name,
        **({"standard_name": quantity.standard_name} if quantity.standard_name else {}),
        "units": quantity.units,
        "kind": quantity.kind,
        "total": quantity.total,
        "source": names[0] if len(names) == 1 else f"{len(names)} files, {names[0]} to {names[-1]}",
    }
    data.encoding = {"grid_mapping": "spatial_ref"}
    return data
