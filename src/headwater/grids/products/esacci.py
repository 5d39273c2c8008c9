"""ESA CCI soil moisture, daily at 0.25 degree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import InputError
from headwater.glossary import Term, term
from headwater.grids._files import find_files, open_raw
from headwater.grids.open import open_grid
from headwater.grids.products._stack import CODES, cropped, described
from headwater.grids.steps import END

if TYPE_CHECKING:
    from headwater.grids.area import Area

__all__ = ["read_esa_cci"]

# ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-20100101000000-fv02.2.nc
_NAME = re.compile(r"-(\d{8})\d{6}-fv")
_FLAG = Term("flag", "", "Flag of ESA CCI soil moisture", "", "1", (0, 127), kind="categorical")
_SD = Term(
    "soil_moisture_sd", "σθ", "Standard deviation of soil moisture", "", "m3 m-3", (0.0, 1.0)
)
# Bits of `flag`: 1 snow or below zero, 2 dense vegetation, 4 no convergence, 8 beyond physical
# bounds, 16 weight below threshold; 127 no observation.
_SNOW, _BEYOND, _EMPTY = 1, 8, 127


def read_esa_cci(
    source: str | Path | Sequence[str | Path],
    *,
    area: Area | None = None,
    keep: Sequence[int] = (0,),
) -> xr.Dataset:
    """Read daily ESA CCI soil moisture (ACTIVE converted, PASSIVE or COMBINED), lazily.

    Parameters
    ----------
    source : path, glob pattern, or list of them
        NetCDF files as delivered.
    area : Area, optional
        Keep the cells that touch it.
    keep : sequence of int
        Values of ``flag`` to keep; 0 is "no inconsistency detected". Bits: 1 snow or frozen, 2
        dense vegetation, 4 no convergence, 8 beyond physical bounds, 16 weight below threshold
        (the file's own ``flag_meanings``).

    Returns
    -------
    Dataset (time, y, x)
        ``soil_moisture`` and, where the files have it, ``soil_moisture_sd`` (the product's
        uncertainty) [m3 m-3], and ``quality`` (why a value is missing). Files without ``flag`` are
        read with a word in ``attrs["notes"]``: the product masks its values itself.

    Raises
    ------
    InputError
        If a file has no variable ``sm`` in m3 m-3.
    GridError, TimeAxisError, CRSError, UnitError
        As :func:`headwater.grids.open_grid`, and if `area` lies outside.

    References
    ----------
    .. [1] Gruber, A., et al. (2019). Evolution of the ESA CCI Soil Moisture climate data records
       and their underlying merging methodology. Earth Syst. Sci. Data 11, 717-739.
       https://doi.org/10.5194/essd-11-717-2019
    """
    files = find_files(source)
    first = open_raw(files[0])
    names = set(map(str, first.data_vars))
    if "sm" not in names:
        raise InputError(
            f"{files[0]} is no file of ESA CCI soil moisture",
            found=f"variables {', '.join(sorted(names)) or 'none'}",
            do="Give files that hold the variable 'sm'",
        )
    if str(first["sm"].attrs.get("units", "")).strip() in ("percent", "%"):
        raise InputError(
            f"{files[0]} holds a degree of saturation",
            found="sm in percent (the ACTIVE product)",
            do="Give the COMBINED or PASSIVE product, which is in m3 m-3",
        )
    theta = _dated(cropped(open_grid(files, term("soil_moisture"), variable="sm"), area), files)
    notes = [f"flag in {', '.join(map(str, keep))}"]
    if "flag" in names:
        flag = _dated(cropped(open_grid(files, _FLAG, variable="flag"), area), files)
        quality = _quality(theta, flag, tuple(keep))
    else:
        notes = ["no layer 'flag': nothing is masked beyond what the product masks itself"]
        quality = xr.ufuncs.isnan(theta).astype(np.uint8) * np.uint8(CODES["not_observed"])
    values = theta.where(quality == 0)
    cube = described(
        values,
        quality.transpose(*values.dims),
        term("soil_moisture"),
        source=files,
        product="ESA CCI soil moisture",
        notes=notes,
    )
    if "sm_uncertainty" in names:
        sd = _dated(cropped(open_grid(files, _SD, variable="sm_uncertainty"), area), files)
        cube["soil_moisture_sd"] = sd.where(quality == 0).assign_attrs(sd.attrs)
    return cube


def _dated(data: xr.DataArray, files: Sequence[Path]) -> xr.DataArray:
    """Take the day from the names of daily files, whose times were a day early in version 02.2."""
    found = [_NAME.search(path.name) for path in files]
    if None in found or len(found) != data.sizes.get("time"):
        return data
    days = np.sort(pd.to_datetime([match[1] for match in found if match], format="%Y%m%d"))
    days = days.astype("datetime64[ns]")
    labels = {"time": ("time", days), END: ("time", days + np.timedelta64(1, "D"))}
    return data.assign_coords(labels)


def _quality(theta: xr.DataArray, flag: xr.DataArray, keep: tuple[int, ...]) -> xr.DataArray:
    """Reasons by the product's own flag, before values that are missing without one."""
    known = flag.fillna(_EMPTY).astype(np.int16)
    poor = ~known.isin(keep)
    some = known != _EMPTY
    reasons = {
        "not_observed": xr.ufuncs.isnan(theta),
        "poor_quality": some & poor,
        "out_of_range": some & poor & ((known & _BEYOND) > 0),
        "frozen_or_snow": some & poor & ((known & _SNOW) > 0),
    }
    code = xr.zeros_like(known, dtype=np.uint8)
    for name, holds in reasons.items():
        code = code.where(~holds, CODES[name])
    return code.astype(np.uint8)
