"""Start, peak and end of the growing season, each with its uncertainty or why there is none."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError, TimeAxisError
from headwater.vegetation import _kernels
from headwater.vegetation._series import Rows, dates, times_of, year_bounds

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["REASONS", "greenness_season", "temperature_season", "thaw_season"]

REASONS = {
    0: "",
    1: "no data",
    2: "too little amplitude",
    3: "no start: the record begins too late or has a gap",
    4: "no end: the record ends too early or has a gap",
    5: "no run of days above the threshold",
    6: "days are missing before the start, which may be earlier",
    7: "the season has begun on the first day: temperature does not limit it",
}
"""Why a season has no start or end, by the code in ``reason``."""

_START, _PEAK, _END = "start", "peak", "end"


def greenness_season(
    smooth: ArrayLike,
    *,
    threshold: float = 0.25,
    min_amplitude: float = 0.05,
    noise: float | xr.DataArray = 0.01,
) -> xr.Dataset:
    """Find the seasons of smoothed NDVI or cover.

    Parameters
    ----------
    smooth : Series or DataArray (time, ...)
        At even steps, smoothed; NaN in gaps. NumPy or Dask (computed).
    threshold : float
        Share of the amplitude at which a season starts and ends [1].
    min_amplitude : float
        Least amplitude of a season [unit of data].
    noise : float or DataArray
        Standard error of the smoothed values [unit of data]; it is what uncertainty follows from.

    Returns
    -------
    Dataset (year, ...)
        ``start``, ``peak``, ``end`` [day of year, may be fractional], ``start_sd``, ``end_sd`` [d],
        ``amplitude`` [unit of data] and ``reason`` (a code of :data:`REASONS`).

    Raises
    ------
    DataError
        If the threshold is not between 0 and 1.
    TimeAxisError
        If there are no times.

    Notes
    -----
    On each side of the peak, level = base + threshold (peak − base) with base the lowest value on
    that side; the start is where the curve last crosses it before the peak. The standard deviation
    is ``noise √(1 + f² + (1 − f)²) / |slope|``: of the curve, the peak and the base.

    References
    ----------
    White, M. A., Thornton, P. E. and Running, S. W. (1997). A continental phenology model for
    monitoring vegetation responses to interannual climatic variability. Global Biogeochem. Cycles
    11, 217-234. doi:10.1029/97GB00330 (threshold of relative amplitude; recalled, unchecked)

    Examples
    --------
    >>> days = pd.date_range("2001-01-01", "2001-12-31", freq="5D")
    >>> cover = pd.Series(np.clip(1 - abs(days.day_of_year - 200) / 100, 0, 1), days)
    >>> season = greenness_season(cover, threshold=0.5)
    >>> [float(season[name][0].round(1)) for name in ("start", "peak", "end")]
    [149.5, 201.0, 250.5]
    """
    if not 0.0 < threshold < 1.0:
        raise DataError("no such threshold", found=f"{threshold}", do="Give a share, as 0.25")
    data = _as_cube(smooth)
    times = times_of(data)
    years, bounds = year_bounds(times)
    rows = _rows(data)
    found = _kernels.crossing_rows(rows, bounds, threshold, min_amplitude)
    width = noise if isinstance(noise, float | int) else np.ravel(noise.values)
    spread = width * np.sqrt(1.0 + threshold**2 + (1.0 - threshold) ** 2)
    day = times.day_of_year.to_numpy().astype(np.float64)
    fields = {}
    for k, name in enumerate((_START, _PEAK, _END)):
        fields[name] = np.stack(
            [
                _interpolated(found[i, :, k], day[bounds[i] : bounds[i + 1]])
                for i in range(len(years))
            ]
        )
    step = float(np.median(np.diff(dates(times))))
    with np.errstate(divide="ignore"):
        fields["start_sd"] = spread / np.abs(found[:, :, 3] / step)
        fields["end_sd"] = spread / np.abs(found[:, :, 4] / step)
    fields |= {"amplitude": found[:, :, 5], "reason": found[:, :, 6]}
    return _labelled(data, years, fields, f"crossing of {threshold:g} of the amplitude")


def temperature_season(
    temperature: ArrayLike, *, threshold: float = 5.0, length: int = 5, margin: float = 0.5
) -> xr.Dataset:
    """Find when temperature lets plants grow: the first run of warm days.

    Parameters
    ----------
    temperature : Series or DataArray (time, ...)
        Daily mean [degC], NaN where missing.
    threshold : float
        [degC]
    length : int
        Days in a row.
    margin : float
        Error of the temperature of a place [degC]: uncertainty is how far the dates move with it.

    Returns
    -------
    Dataset (year, ...)
        ``start``, ``start_low``, ``start_high``, ``end`` (first run of cold days after the first of
        July), ``end_low``, ``end_high`` [day of year], ``missing`` (days missing before the start)
        and ``reason`` (a code of :data:`REASONS`).

    Raises
    ------
    DataError
        If the length is not positive.
    TimeAxisError
        If times are not daily.

    Notes
    -----
    Where the season has begun on the first of January (reason 7), temperature does not limit
    growth, and a start from it would be wrong: there is none.

    References
    ----------
    Index ``growing_season_start`` of Frich, P., et al. (2002). Observed coherent changes in
    climatic extremes during the second half of the twentieth century. Clim. Res. 19, 193-212.
    doi:10.3354/cr019193 (recalled, unchecked)

    Examples
    --------
    >>> days = pd.date_range("2001-01-01", "2001-12-31")
    >>> season = temperature_season(pd.Series(10.0 - abs(days.day_of_year - 200) / 10, days))
    >>> float(season["start"][0]), float(season["start_low"][0]), float(season["start_high"][0])
    (150.0, 145.0, 155.0)
    """
    return _run_season(temperature, threshold, length, margin, "days at or above {:g} degC")


def thaw_season(
    soil_temperature: ArrayLike, *, threshold: float = 0.0, length: int = 5, margin: float = 0.2
) -> xr.Dataset:
    """Find when the ground thaws: the first run of days with soil above the threshold.

    Parameters
    ----------
    soil_temperature : Series or DataArray (time, ...)
        Daily mean at 10 cm [degC].
    threshold : float
        [degC]
    length : int
        Days in a row.
    margin : float
        Error of the sensor [degC].

    Returns
    -------
    Dataset (year, ...)
        As of :func:`temperature_season`.

    Raises
    ------
    DataError
        If the length is not positive.
    TimeAxisError
        If times are not daily.

    Examples
    --------
    >>> days = pd.date_range("2001-01-01", "2001-12-31")
    >>> season = thaw_season(pd.Series(8.0 - abs(days.day_of_year - 210) / 10, days))
    >>> float(season["start"][0]), float(season["end"][0])
    (131.0, 290.0)
    """
    # thawed means above, not at, the threshold
    above = np.nextafter(threshold, np.inf)
    return _run_season(soil_temperature, above, length, margin, "thawed days, above {:g} degC")


def _run_season(
    data: ArrayLike, threshold: float, length: int, margin: float, text: str
) -> xr.Dataset:
    if length < 1:
        raise DataError("a run needs a day", found=f"{length}", do="Give 1 or more")
    cube = _as_cube(data)
    times = times_of(cube)
    if len(times) > 1 and not np.allclose(np.diff(dates(times)), 1.0):
        raise TimeAxisError(
            "runs of days need daily values",
            found=f"steps of {np.diff(dates(times)).min():g} to {np.diff(dates(times)).max():g} d",
            do="Give daily means, missing days as NaN",
        )
    years, bounds = year_bounds(times)
    rows = _rows(cube)
    parts = [
        _year_of_runs(rows[:, a:b], times[a:b], threshold, length, margin)
        for a, b in pairwise(bounds)
    ]
    fields = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    return _labelled(cube, years, fields, f"first run of {length} {text.format(threshold)}")


def _year_of_runs(
    rows: Rows, times: pd.DatetimeIndex, threshold: float, length: int, margin: float
) -> dict[str, NDArray[np.float64]]:
    day = times.day_of_year.to_numpy().astype(np.float64)
    autumn = int(np.searchsorted(day, 182.0))
    fields: dict[str, NDArray[np.float64]] = {}

    def starts(limit: float) -> Rows:
        return _kernels.first_run_rows(rows, limit, length, True, 0)

    def ends(limit: float) -> Rows:
        return _kernels.first_run_rows(rows, limit, length, False, min(autumn, len(day)))

    own, last = starts(threshold), ends(threshold)
    fields["start"] = _interpolated(own[:, 0], day)
    fields["start_low"] = _interpolated(starts(threshold - margin)[:, 0], day)
    fields["start_high"] = _interpolated(starts(threshold + margin)[:, 0], day)
    fields["end"] = _interpolated(last[:, 0], day)
    fields["end_low"] = _interpolated(ends(threshold + margin)[:, 0], day)
    fields["end_high"] = _interpolated(ends(threshold - margin)[:, 0], day)
    fields["missing"] = own[:, 1]
    none = np.isnan(fields["start"])
    reason = np.where(none, 5.0, np.where(own[:, 1] >= length, 6.0, 0.0))
    reason = np.where(~none & np.isnan(fields["end"]), 4.0, reason)
    begun = fields["start"] <= 1.0
    reason = np.where(begun, 7.0, reason)
    reason = np.where(~np.isfinite(rows).any(axis=1), 1.0, reason)
    for name in ("start", "start_low", "start_high"):
        fields[name] = np.where(begun, np.nan, fields[name])
    return fields | {"reason": reason}


def _as_cube(data: Any) -> xr.DataArray:
    if isinstance(data, pd.Series):
        return xr.DataArray(data.to_numpy(), {"time": data.index.rename("time")}, "time", data.name)
    times_of(data)
    return data  # type: ignore[no-any-return]


def _rows(data: xr.DataArray) -> Rows:
    values = data.transpose(..., "time").values.astype(np.float64)
    return np.ascontiguousarray(values.reshape(-1, values.shape[-1]))


def _interpolated(index: NDArray[np.float64], day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn fractional indices within a year into days of the year."""
    place = np.arange(len(day), dtype=np.float64)
    return np.where(np.isfinite(index), np.interp(np.nan_to_num(index), place, day), np.nan)


_WORDS = {
    "start": ("Start of season", "day of year"),
    "start_low": ("Start of season, early", "day of year"),
    "start_high": ("Start of season, late", "day of year"),
    "start_sd": ("Start of season, standard deviation", "d"),
    "peak": ("Peak of season", "day of year"),
    "end": ("End of season", "day of year"),
    "end_low": ("End of season, early", "day of year"),
    "end_high": ("End of season, late", "day of year"),
    "end_sd": ("End of season, standard deviation", "d"),
    "amplitude": ("Amplitude of the season", "1"),
    "missing": ("Days missing before the start", "d"),
    "reason": ("Why there is no start or end", "1"),
}


def _labelled(
    data: xr.DataArray, years: NDArray[np.int64], fields: dict[str, Any], method: str
) -> xr.Dataset:
    other = [dim for dim in data.dims if dim != "time"]
    shape = (len(years), *(data.sizes[dim] for dim in other))
    coords = {name: c for name, c in data.coords.items() if "time" not in c.dims}
    found = xr.Dataset(
        {
            name: (
                ("year", *other),
                values.reshape(shape),
                {"long_name": _WORDS[name][0], "units": _WORDS[name][1]},
            )
            for name, values in fields.items()
        },
        {"year": years, **coords},
        {"method": method},
    )
    found["reason"] = found["reason"].astype(np.int8)
    meanings = " ".join((text or "none").replace(" ", "_") for text in REASONS.values())
    found["reason"].attrs |= {"flag_values": list(REASONS), "flag_meanings": meanings}
    return found
