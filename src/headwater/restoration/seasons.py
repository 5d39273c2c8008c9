"""When plants can start, and when the soil dries out again: by place and year, from daily data."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError
from headwater.vegetation import temperature_season

__all__ = ["air_thaw", "germination_water", "season_windows"]

Floats = NDArray[np.float64]

AIR_MEMORY = 15
"""Days over which the ground follows the air where no soil temperature was measured [d]; our
proposal."""

DRY_QUANTILE = 0.2
"""Share of growing-season days on which a place's topsoil is too dry to germinate, where no limit
is given [1]; our proposal."""

_LENGTH = 5


def season_windows(
    temperature: xr.DataArray | None,
    soil_temperature: xr.DataArray | None,
    liquid: xr.DataArray,
    *,
    germination: ArrayLike,
    warm: float = 5.0,
    length: int = _LENGTH,
) -> xr.Dataset:
    """Find when the season starts, and when the window to plant closes because the soil dries.

    Parameters
    ----------
    temperature : DataArray (time, ...)
        Daily mean of the air [degC].
    soil_temperature : DataArray (time, ...)
        Daily mean at about 10 cm [degC]; :func:`air_thaw` where none was measured.
    liquid : DataArray (time, ...)
        Liquid water of the topsoil [m3 m-3].
    germination : float or DataArray (...)
        Liquid water that seeds and seedlings need [m3 m-3]: :func:`germination_water`.
    warm : float
        Mean temperature of the air from which plants grow [degC].
    length : int
        Days in a row for which each must hold.

    Returns
    -------
    Dataset (year, ...)
        ``thaw``: first of `length` days with thawed soil; ``start``: first of `length` days that
        are warm, thawed and moist; ``dries``: first of `length` dry days after the thaw;
        ``closes``: ``dries``, or the end of warmth where the soil does not dry; ``end``: first of
        `length` cold days after the first of July [day of year]. NaN where there is none, or where
        days are missing that could decide.

    Raises
    ------
    StudyError
        If temperature or thaw is missing: a calendar from one of them would be wrong.
    TimeAxisError
        If times are not daily.

    Notes
    -----
    Warmth as in the index ``growing_season_start`` (5 degC, 5 days). Of days with a missing value
    nothing is said: they break a run.

    References
    ----------
    Frich, P., et al. (2002), doi:10.3354/cr019193 (index; recalled, unchecked).

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2001-01-01", "2001-12-31")
    >>> day = xr.DataArray(days.day_of_year.values * 1.0, {"time": days}, "time")
    >>> air = 12.0 - abs(day - 200) / 8
    >>> found = season_windows(air, air + 2, 0.2 - 0.001 * (day - 150).clip(0), germination=0.12)
    >>> float(found["start"][0]), float(found["dries"][0])
    (144.0, 231.0)
    """
    if temperature is None or soil_temperature is None:
        words = "temperature" if temperature is None else "thaw"
        raise StudyError(
            f"a calendar without {words}",
            found=f"no daily {words}",
            do="Give temperature and soil temperature; or let thaw follow the air, knowingly",
        )
    air, soil, water = (
        one.transpose("time", ...).values for one in (temperature, soil_temperature, liquid)
    )
    if not air.shape == soil.shape == water.shape:
        raise DataError(
            "temperature, thaw and soil water do not fit",
            found=f"shapes {air.shape}, {soil.shape}, {water.shape}",
            do="Give the same days and places of all three",
        )
    limit = np.asarray(germination, dtype=np.float64)
    known = np.isfinite(air) & np.isfinite(soil) & np.isfinite(water)
    ready = (air >= warm) & (soil > 0.0) & (water >= limit)
    thaw = _first(temperature, soil > 0.0, np.isfinite(soil), length)["start"]
    dry = (water < limit) & _opened(temperature, thaw)
    found = {
        "thaw": thaw,
        "start": _first(temperature, ready, known, length)["start"],
        "dries": _first(temperature, dry, np.isfinite(water), length)["start"],
        "end": _first(temperature, air >= warm, np.isfinite(air), length)["end"],
    }
    found["closes"] = found["dries"].where(found["dries"] < found["end"], found["end"])
    named = {
        name: values.assign_attrs(long_name=_LONG_NAMES[name], units="day of year")
        for name, values in found.items()
    }
    return xr.Dataset(named).drop_vars("time", errors="ignore")


_LONG_NAMES = {
    "thaw": "Thaw of the topsoil",
    "start": "Start of season",
    "dries": "Topsoil dries out",
    "end": "End of warmth",
    "closes": "Window to plant closes",
}


def _opened(like: xr.DataArray, thaw: xr.DataArray) -> NDArray[np.bool_]:
    """Whether the soil of a day's year has thawed by that day."""
    place = np.searchsorted(thaw["year"].values, like["time"].dt.year.values)
    day = like["time"].dt.dayofyear.values
    opened = day.reshape(-1, *([1] * (thaw.ndim - 1))) >= thaw.values[place]
    return np.asarray(opened)


def _first(
    like: xr.DataArray, holds: NDArray[np.bool_], known: NDArray[np.bool_], length: int
) -> xr.Dataset:
    """Find the first run of days on which something holds, by place and year."""
    ordered = like.transpose("time", ...)
    score = ordered.copy(data=np.where(known, np.where(holds, 1.0, -1.0), np.nan))
    return temperature_season(score, threshold=0.0, length=length, margin=0.0)


def germination_water(
    liquid: xr.DataArray, *, months: tuple[int, int] = (5, 10), share: float = DRY_QUANTILE
) -> xr.DataArray:
    """Take the limit of germination from a place's own record.

    Parameters
    ----------
    liquid : DataArray (time, ...)
        Liquid water of the topsoil [m3 m-3].
    months : tuple of int
        First and last month of the growing season.
    share : float
        Share of its days that counts as too dry [1].

    Returns
    -------
    DataArray (...)
        [m3 m-3]

    Notes
    -----
    No source gives one limit for alpine soils. This one says only that the driest fifth of a
    place's own growing season is too dry; a limit of your own is better.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2001-05-01", "2001-10-31")
    >>> water = xr.DataArray(np.linspace(0.1, 0.2, len(days)), {"time": days}, "time")
    >>> round(float(germination_water(water)), 2)
    0.12
    """
    month = liquid["time"].dt.month
    first, last = months
    if first <= last:
        season = (month >= first) & (month <= last)
    else:
        season = (month >= first) | (month <= last)
    inside = liquid.isel(time=np.flatnonzero(season.values)).transpose("time", ...)
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(inside.values)
        filled = np.sort(np.where(seen, inside.values, np.inf), axis=0)
    n = seen.sum(axis=0)
    place = np.maximum(np.floor(share * (n - 1)).astype(np.int64), 0)
    value = np.take_along_axis(filled, place[None], axis=0)[0]
    return inside.isel(time=0, drop=True).copy(data=np.where(n > 0, value, np.nan))


def air_thaw(temperature: xr.DataArray, *, memory: int = AIR_MEMORY) -> xr.DataArray:
    """Let the ground follow the air, where no soil temperature was measured.

    Parameters
    ----------
    temperature : DataArray (time, ...)
        Daily mean of the air [degC].
    memory : int
        Days over which the mean is taken, up to the day itself [d].

    Returns
    -------
    DataArray (time, ...)
        [degC]; NaN on the first days, and where a day of the mean is missing.

    Notes
    -----
    Snow keeps the ground colder for longer in spring, and a soil under cover thaws later: thaw by
    this rule can be weeks early. Measure soil temperature where the calendar is to be trusted.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2001-04-01", periods=40)
    >>> air = xr.DataArray(np.arange(-10.0, 30.0), {"time": days}, "time")
    >>> float(air_thaw(air)[20])
    3.0
    """
    values = temperature.transpose("time", ...).values.astype(np.float64)
    known = np.isfinite(values)
    mean = np.full_like(values, np.nan)
    sums = np.cumsum(np.where(known, values, 0.0), axis=0)
    mean[memory - 1] = sums[memory - 1] / memory
    mean[memory:] = (sums[memory:] - sums[:-memory]) / memory
    gaps = np.cumsum(~known, axis=0)
    recent = gaps.copy()
    recent[memory:] -= gaps[:-memory]
    mean = np.where(recent == 0, mean, np.nan)
    return temperature.transpose("time", ...).copy(data=mean)
