"""Products in NetCDF or GeoTIFF whose files need only be given what their numbers mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import InputError, StudyError, nearest
from headwater.glossary import Term, term
from headwater.grids._files import find_files, open_raw
from headwater.grids.open import open_grid
from headwater.grids.products._stack import CODES, cropped, described

if TYPE_CHECKING:
    from headwater.grids.area import Area

__all__ = ["GRIDDED", "Gridded", "read_gridded"]


@dataclass(frozen=True, slots=True)
class Gridded:
    """What the files of a product leave unsaid, or say so that few understand it.

    Attributes
    ----------
    quantity : str
        Of the glossary.
    variables : tuple of str
        Names that the variable has in files of either store or version.
    units : str
        Unit of the values, after the file's own scale and offset.
    missing : tuple of float
        Stored numbers without a value, besides those that files declare.
    valid : (float, float) or None
        Range of the stored numbers, where files do not declare it.
    scale, offset : float or None
        Where files do not declare them.
    stamp : str or None
        Where the times stand, if neither bounds nor the times say it.
    sign : float
        -1 for what the product counts downwards, as evaporation.
    time : str or None
        Pattern of the dates in the names of GeoTIFFs.
    note : str
        What a reader should know.
    """

    quantity: str
    variables: tuple[str, ...]
    units: str
    missing: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    scale: float | None = None
    offset: float | None = None
    stamp: str | None = None
    sign: float = 1.0
    time: str | None = None
    note: str = ""


_DAY = "amounts of an average day, times the days of the month"
_HOUR = "accumulations since 00 UTC, taken apart into hours"
_ERA: dict[str, tuple[str, tuple[str, ...], float]] = {
    "precipitation": ("precipitation", ("tp",), 1.0),
    "evapotranspiration": ("evapotranspiration", ("e",), -1.0),
    "potential-evapotranspiration": ("potential_evapotranspiration", ("pev",), -1.0),
    "snow-melt": ("snow_melt", ("smlt",), 1.0),
}
_STATES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "temperature": ("temperature", ("t2m", "2t"), "K"),
    "surface-temperature": ("surface_temperature", ("skt",), "K"),
    "soil-temperature": ("soil_temperature", ("stl1",), "K"),
    "soil-moisture": ("soil_moisture", ("swvl1",), "m3 m-3"),
    "soil-moisture-2": ("soil_moisture", ("swvl2",), "m3 m-3"),
    "soil-moisture-3": ("soil_moisture", ("swvl3",), "m3 m-3"),
    "lai-low": ("lai", ("lai_lv",), "1"),
}


def _ecmwf() -> dict[str, Gridded]:
    found = {}
    for family in ("era5-land", "era5"):
        for name, (quantity, variables, sign) in _ERA.items():
            hourly = _HOUR if family == "era5-land" else "amounts of the hour that ends at the time"
            found[f"{family}-monthly-{name}"] = Gridded(
                quantity, variables, "m d-1", sign=sign, note=_DAY
            )
            found[f"{family}-hourly-{name}"] = Gridded(
                quantity, variables, "m", sign=sign, note=hourly
            )
        for name, (quantity, variables, units) in _STATES.items():
            for step in ("monthly", "hourly"):
                found[f"{family}-{step}-{name}"] = Gridded(quantity, variables, units)
    return found


_CLIMATE = ("pr", "pre", "precip", "ppt", "prec")
GRIDDED: dict[str, Gridded] = {
    **_ecmwf(),
    "chirps-daily": Gridded("precipitation", ("precip",), "mm d-1", (-9999.0,)),
    "chirps-monthly": Gridded("precipitation", ("precip",), "mm/month", (-9999.0,)),
    "terraclimate-precipitation": Gridded("precipitation", ("ppt",), "mm"),
    "terraclimate-evapotranspiration": Gridded("evapotranspiration", ("aet",), "mm"),
    "terraclimate-potential-evapotranspiration": Gridded(
        "potential_evapotranspiration", ("pet",), "mm"
    ),
    "terraclimate-soil-water": Gridded(
        "soil_water", ("soil",), "kg m-2", note="water of the whole root zone at the month's end"
    ),
    "terraclimate-temperature-max": Gridded("temperature", ("tmax",), "degC"),
    "terraclimate-temperature-min": Gridded("temperature", ("tmin",), "degC"),
    "chelsa-monthly-precipitation": Gridded(
        "precipitation",
        _CLIMATE,
        "kg m-2 month-1",
        (65535.0,),
        time="_%m_%Y",
        note="GeoTIFFs of version 2.1 say their scale (0.01) themselves",
    ),
    "chelsa-monthly-temperature": Gridded(
        "temperature",
        ("tas",),
        "K",
        (65535.0,),
        time="_%m_%Y",
        note="GeoTIFFs of version 2.1 say their scale (0.1) themselves",
    ),
    "worldclim-monthly-precipitation": Gridded("precipitation", _CLIMATE, "mm", (-32768.0,)),
    "worldclim-monthly-temperature-max": Gridded("temperature", ("tmax",), "degC"),
    "worldclim-monthly-temperature-min": Gridded("temperature", ("tmin",), "degC"),
    "china-1km-precipitation": Gridded(
        "precipitation", ("pre", "prec"), "0.1 mm", (-32768.0, -9999.0)
    ),
    "china-1km-temperature": Gridded(
        "temperature", ("tmp", "temp"), "0.1 degC", (-32768.0, -9999.0)
    ),
    "china-1km-potential-evapotranspiration": Gridded(
        "potential_evapotranspiration", ("pet",), "0.1 mm", (-32768.0, -9999.0)
    ),
    "gleam-daily-evapotranspiration": Gridded("evapotranspiration", ("E",), "mm d-1", (-999.0,)),
    "gleam-monthly-evapotranspiration": Gridded(
        "evapotranspiration", ("E",), "mm/month", (-999.0,)
    ),
    "gleam-soil-moisture": Gridded("soil_moisture", ("SMs", "SMsurf"), "m3 m-3", (-999.0,)),
    "qilian-soil-moisture": Gridded(
        "soil_moisture", ("sm", "SM", "soil_moisture"), "m3 m-3", (-9999.0, -999.0)
    ),
}
"""Products by the name that a study file gives them."""


def read_gridded(
    source: str | Path | Sequence[str | Path], product: str, *, area: Area | None = None
) -> xr.Dataset:
    """Read a product of :data:`GRIDDED`, lazily.

    Parameters
    ----------
    source : path, glob pattern, or list of them
        Files as delivered, NetCDF or GeoTIFF.
    product : str
        A key of :data:`GRIDDED`.
    area : Area, optional
        Keep the cells that touch it.

    Returns
    -------
    Dataset (time, y, x)
        The quantity, in the glossary's unit, and ``quality`` (why a value is missing).

    Raises
    ------
    StudyError
        If there is no such product.
    InputError
        If the files hold none of its variables.
    GridError, TimeAxisError, CRSError, UnitError
        As :func:`headwater.grids.open_grid`.
    """
    if product not in GRIDDED:
        raise StudyError("unknown product", found=f"'{product}'", do=nearest(product, [*GRIDDED]))
    known, files = GRIDDED[product], find_files(source)
    quantity = term(known.quantity)
    # A product of hours distinguishes running sums and amounts by itself: its unit is not given.
    hourly = "-hourly-" in product and quantity.total == "sum"
    options: dict[str, Any] = {
        "variable": _variable(files[0], known, product),
        "missing": known.missing,
        "valid": known.valid,
        "scale": known.scale,
        "offset": known.offset,
        "stamp": known.stamp,
        "time": known.time if files[0].suffix.lower() in (".tif", ".tiff") else None,
    }
    if not hourly or files[0].suffix.lower() in (".tif", ".tiff"):
        options["units"] = _units(files[0], known, options["variable"])
    data = cropped(open_grid(files, _signed(quantity, known), **options), area)
    values = data * known.sign if known.sign != 1.0 else data
    values = values.astype(data.dtype).assign_attrs(data.attrs)
    quality = values.isnull().astype(np.uint8) * np.uint8(CODES["not_observed"])
    notes = [note for note in (known.note, str(data.attrs.get("notes", ""))) if note]
    cube = described(values, quality, quantity, source=files, product=product, notes=notes)
    for key in ("notes", "warnings", "source_variable", "source_units"):
        if key in data.attrs:
            cube[quantity.name].attrs[key] = data.attrs[key]
    return cube


def _units(path: Path, known: Gridded, variable: str | None) -> str:
    """Drop the factor of a unit where the file applies it already, by its own scale."""
    raw = open_raw(path)
    name = variable or next((str(name) for name in raw.data_vars), "")
    factor, _, plain = known.units.partition(" ")
    scaled = float(np.ravel(raw[name].attrs.get("scale_factor", 1.0))[0]) if name in raw else 1.0
    return plain if scaled != 1.0 and factor.startswith("0.") else known.units


def _signed(quantity: Term, known: Gridded) -> Term:
    """Expect values of the other sign where the product counts downwards."""
    from dataclasses import replace

    if known.sign == 1.0:
        return quantity
    low, high = quantity.valid_range
    return replace(quantity, valid_range=(-high, -low))


def _variable(path: Path, known: Gridded, product: str) -> str | None:
    """Choose the product's variable; None where the file has but one, as GeoTIFFs do."""
    names = [str(name) for name in open_raw(path).data_vars]
    chosen = next((name for name in known.variables if name in names), None)
    if chosen is None and len(names) > 1 and path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(
            f"{path} holds no variable of {product}",
            found=f"variables {', '.join(names)}",
            do=f"Give files with {' or '.join(known.variables)}, or name the variable without "
            "a product",
        )
    return chosen
