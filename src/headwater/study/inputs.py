"""The inputs of a study as its file means them: opened, cut to the area and the period."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headwater.errors import CRSError, HeadwaterError, InputError, ResumeError
from headwater.study.folder import FULL
from headwater.study.points import is_point_table, open_points
from headwater.tables.options import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.glossary import Term
    from headwater.grids.area import Area
    from headwater.study.model import Study

__all__ = [
    "in_one_calendar",
    "of_input",
    "open_input",
    "period_of",
    "read_study_area",
    "study_geobox",
]

_STANDARD = ("standard", "gregorian", "proleptic_gregorian")
# What HDF5, GDAL, Blosc and zlib raise where a file is damaged.
_DAMAGE = (OSError, RuntimeError, EOFError, zlib.error)


@contextmanager
def of_input(name: str) -> Iterator[None]:
    """Let errors name the input that they are about, also those of libraries that read it.

    Parameters
    ----------
    name : str
        The input.

    Raises
    ------
    InputError
        If values are read that lie damaged in the file.

    Examples
    --------
    >>> with of_input("ndvi"):
    ...     raise OSError("wrong B-tree signature")
    Traceback (most recent call last):
    headwater.errors.InputError: [inputs.ndvi]: its values cannot be read. Found: wrong B-tree ...
    """
    try:
        yield
    except ResumeError:
        raise
    except HeadwaterError as error:
        raise type(error)(
            f"[inputs.{name}]: {error.wrong}", found=error.found, do=error.do
        ) from error
    except _DAMAGE as error:
        if getattr(error, "errno", None) in FULL:  # the results folder is full, the input sound
            raise
        raise InputError(
            f"[inputs.{name}]: its values cannot be read",
            found=(str(error).splitlines() or [type(error).__name__])[0][:200],
            do="Check whether its files are complete, and copy or download them again",
        ) from error


def open_input(study: Study, name: str, *, chunk_mb: float = 16.0) -> xr.DataArray:
    """Open an input lazily, in the glossary's unit.

    Parameters
    ----------
    study : Study
        The study.
    name : str
        The input.
    chunk_mb : float
        Size of a block in memory [MB].

    Returns
    -------
    DataArray
        Dims (time, y, x) or (y, x), on the file's own grid.

    Raises
    ------
    InputError
        If the file cannot be read, or is not what the study file says; it names the input's table.
    """
    with of_input(name):
        return _opened(study, name, chunk_mb)


def _area_if_any(study: Study) -> Area | None:
    """Read the area for what may do without: the table ``[area]`` answers for its own faults."""
    try:
        return read_study_area(study)
    except InputError:
        return None


def _opened(study: Study, name: str, chunk_mb: float) -> xr.DataArray:
    from headwater.grids import open_grid

    entry = study.inputs[name]
    place = entry.georeference
    source: Any = entry.path if isinstance(entry.path, str) else list(entry.path)
    if entry.product is not None:
        return _of_product(entry.product, source, study.term(name))
    missing = (entry.missing,) if isinstance(entry.missing, float) else entry.missing
    options: dict[str, Any] = {
        "variable": entry.variable,
        "units": entry.units,
        "layer_depth": entry.layer_depth,
        "georeference": (place.path, place.x, place.y) if place else None,
        "time": entry.time,
        "stamp": entry.stamp,
        "missing": missing,
        "valid": entry.valid,
        "scale": entry.scale,
        "offset": entry.offset,
        "chunk_mb": chunk_mb,
    }
    if is_point_table(source):
        reading = entry.reading or DEFAULTS
        return open_points(
            source, study.term(name), area=_area_if_any(study), reading=reading, options=options
        )
    try:
        return open_grid(source, study.term(name), crs=entry.crs, **options)
    except CRSError:
        # The study's own reference system is only for files that do not say theirs.
        if entry.crs is not None or study.study.crs is None:
            raise
        return open_grid(source, study.term(name), crs=study.study.crs, **options)


def in_one_calendar(inputs: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Bring inputs of several calendars to the standard one, by date.

    Parameters
    ----------
    inputs : mapping of DataArray
        From :func:`open_input`.

    Returns
    -------
    dict of DataArray
        The inputs themselves where they share a calendar. Else a step begins and ends on the same
        dates as before: the last day of February of a year without leap days lasts two days in a
        leap year. Amounts stay what they were in their own calendar. The notes say so.

    Raises
    ------
    InputError
        If a date does not exist in the standard calendar, such as 30 February.

    Examples
    --------
    >>> import xarray as xr
    >>> axis = dict(start="2020-01-01", periods=3, freq="MS")
    >>> days = xr.date_range(calendar="noleap", use_cftime=True, **axis)
    >>> model = xr.DataArray([1.0, 2.0, 3.0], {"time": days}, "time")
    >>> real = xr.DataArray([1.0, 2.0, 3.0], {"time": xr.date_range(**axis)}, "time")
    >>> both = in_one_calendar({"model": model, "real": real})
    >>> str(both["model"]["time"].values[2])[:10]
    '2020-03-01'
    """
    kinds = {
        name: "standard" if str(data["time"].dt.calendar) in _STANDARD else data["time"].dt.calendar
        for name, data in inputs.items()
        if "time" in data.dims
    }
    if len(set(kinds.values())) < 2:
        return dict(inputs)
    return {
        name: _by_date(name, data) if kinds.get(name, "standard") != "standard" else data
        for name, data in inputs.items()
    }


def _by_date(name: str, data: xr.DataArray) -> xr.DataArray:
    """Give cftime labels the same dates in the standard calendar."""
    import numpy as np

    from headwater.grids.steps import END

    calendar = str(data["time"].dt.calendar)
    labels = {}
    for coordinate in ("time", END):
        if coordinate not in data.coords:
            continue
        texts = [date.isoformat() for date in data[coordinate].values]
        try:
            dates = np.array(texts, dtype="datetime64[ns]")
        except ValueError as error:
            raise InputError(
                f"[inputs.{name}]: its calendar has dates that those of other inputs do not have",
                found=f"calendar {calendar}, {error}",
                do="Give monthly values, or convert it to the standard calendar, for example with "
                "xarray's convert_calendar, which asks how",
            ) from error
        labels[coordinate] = ("time", dates, data[coordinate].attrs)
    note = f"calendar {calendar} brought to the standard one by date"
    notes = "\n".join([*filter(None, [str(data.attrs.get("notes", ""))]), note])
    return data.assign_coords(labels).assign_attrs(notes=notes)


def _of_product(product: str, source: Any, term: Term) -> xr.DataArray:
    """Read files of a data centre, and see that they hold what the study calls them."""
    from headwater.grids.products import read_product
    from headwater.grids.products.catalogue import PRODUCTS

    quantity = PRODUCTS[product][0]
    cube = read_product(product, source)[quantity]
    if term.units != cube.attrs["units"]:
        raise InputError(
            "a product of another quantity",
            found=f"{product} holds {quantity} [{cube.attrs['units']}]",
            do=f'Name the input {quantity}, or give quantity = "{quantity}"',
        )
    return cube.rename(term.name)


def read_study_area(study: Study) -> Area | None:
    """Read the study area.

    Parameters
    ----------
    study : Study
        The study.

    Returns
    -------
    Area or None
        None where the study is of the whole grid.

    Raises
    ------
    InputError
        If the file cannot be read, or no polygon is the one wanted.
    """
    from headwater.grids import read_area

    table = study.area
    if table is None:
        return None
    box = None if table.bbox is None else read_area(table.bbox, crs=table.crs)
    if table.path is None:
        return box
    polygons = read_area(
        table.path, crs=table.crs, where=table.where or None, encoding=table.encoding
    )
    return polygons if box is None else polygons.overlap(box)


def study_geobox(study: Study, inputs: Mapping[str, xr.DataArray], area: Area | None) -> GeoBox:
    """Choose the study grid.

    Parameters
    ----------
    study : Study
        The study.
    inputs : mapping of DataArray
        From :func:`open_input`; at least the one whose grid is the study grid.
    area : Area or None
        To which the grid is cut.

    Returns
    -------
    GeoBox

    Raises
    ------
    GridError
        If area and grid do not overlap.
    """
    from headwater.grids import study_grid

    if study.like is not None:
        return study_grid(inputs[study.like], area=area)
    first, crs = next(iter(inputs.values())), study.grid.crs or study.study.crs
    return study_grid(first, resolution=study.grid.resolution, crs=crs, area=area)


def period_of(study: Study, inputs: Mapping[str, xr.DataArray]) -> tuple[Any, Any] | None:
    """Find the period of the study.

    Parameters
    ----------
    study : Study
        The study.
    inputs : mapping of DataArray
        From :func:`open_input`.

    Returns
    -------
    tuple of (start, end), or None
        None where no input changes in time.

    Raises
    ------
    TimeAxisError
        If the inputs share no period, or have different calendars.
    """
    from headwater.grids.times import common_period

    if not any("time" in data.dims for data in inputs.values()):
        return None
    return common_period(inputs.values(), study.period)
