"""When plants can start and when the soil dries out again, by place and year, dry years apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError, TimeAxisError
from headwater.restoration.profile import MeasureProfile, read_profile

__all__ = [
    "DryYears",
    "HALF_YEAR",
    "air_thaw",
    "dry_year_shift",
    "germination_water",
    "season_of_day",
    "season_windows",
]

Floats = NDArray[np.float64]
DAY = np.timedelta64(1, "D")
AIR_MEMORY = 15
FEWEST_YEARS = 5
DRY_SHARE = 1 / 3
"""Days over which the ground follows the air where no soil temperature was measured [d]; our
proposal."""


DRY_QUANTILE = 0.2
"""Share of growing-season days on which a place's topsoil is too dry to germinate, where no limit
is given [1]; our proposal."""


HALF_YEAR = 184
"""Days by which a year of seasons begins before New Year where seasons span it: from July [d]."""


_JULY = 182.0


def season_windows(
    temperature: xr.DataArray | None,
    soil_temperature: xr.DataArray | None,
    liquid: xr.DataArray,
    *,
    germination: ArrayLike,
    warm: float | None = None,
    length: int | None = None,
    shift: int = 0,
    profile: MeasureProfile | None = None,
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
    warm : float, optional
        Mean temperature of the air from which plants grow; default: that of the profile [degC].
    length : int, optional
        Days in a row for which each must hold; default: that of the profile [d].
    shift : int
        Days by which the year of seasons begins before New Year: :data:`HALF_YEAR` where seasons
        span New Year. The season of the turn 2026/27 is then that of 2027, and days before New Year
        are counted down from 0 [d].
    profile : MeasureProfile, optional

    Returns
    -------
    Dataset (year, ...)
        ``thaw``: first of `length` days with thawed soil; ``start``: first of `length` days that
        are warm, thawed and moist; ``dries``: first of `length` dry days after the thaw;
        ``closes``: ``dries``, or the end of warmth where the soil does not dry; ``end``: first of
        `length` cold days in the second half of the year [day of year]. NaN where there is none, or
        where days are missing that could move it by more than `length`.

    Raises
    ------
    StudyError
        If temperature or thaw is missing: a calendar from one of them would be wrong.
    TimeAxisError
        If times are not daily.

    Notes
    -----
    Warmth as in the index ``growing_season_start`` (5 degC, 5 days). A day with a missing value
    breaks a run, unless another value of the day decides: frozen soil needs no soil water. Where a
    season has begun on the first day of the year, there is no start.

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
    air, soil, water = _alike(temperature, soil_temperature, liquid)
    used = profile or read_profile()
    warmth = used.number("season_warmth") if warm is None else warm
    run = int(used.number("season_run")) if length is None else length
    limit = np.asarray(germination, dtype=np.float64)
    years = _Years.of(temperature, shift)
    moist, thawed = _both(water >= limit, water), _both(soil > 0.0, soil)
    grows = _both(air >= warmth, air)
    thaw = years.first(thawed, run)
    opened = thaw[years.place] <= years.day_like(air)
    found = {
        "thaw": thaw,
        "start": years.first(grows & thawed & moist, run),
        "dries": years.first(_both(water < limit, water) & opened, run),
        "end": years.first(_both(air < warmth, air), run, after=_JULY),
    }
    early = found["dries"] < found["end"]
    found["closes"] = np.where(early, found["dries"], found["end"])
    like = temperature.transpose("time", ...).isel(time=0, drop=True)
    data = {
        name: (("year", *like.dims), found[name] - shift, {"long_name": words})
        for name, words in _LONG_NAMES.items()
    }
    windows = xr.Dataset(data, {"year": years.names, **like.coords})
    for name in windows:
        windows[name].attrs["units"] = "day of year"
    return windows


def _alike(*series: xr.DataArray) -> list[NDArray[Any]]:
    """Give values as (time, ...); series of other days or places are a `DataError`."""
    values = [one.transpose("time", ...).values for one in series]
    if len({one.shape for one in values}) > 1:
        raise DataError(
            "temperature, thaw and soil water do not fit",
            found=f"shapes {', '.join(str(one.shape) for one in values)}",
            do="Give the same days and places of all three",
        )
    return values


def season_of_day(times: xr.DataArray, shift: int = 0) -> NDArray[np.int64]:
    """Say to the season of which year each day belongs.

    Parameters
    ----------
    times : DataArray (time,)
    shift : int
        As of :func:`season_windows` [d].

    Returns
    -------
    ndarray of int, shape (time,)

    Examples
    --------
    >>> import pandas as pd
    >>> days = xr.DataArray(pd.to_datetime(["2026-06-30", "2026-07-01"]), dims="time")
    >>> season_of_day(days).tolist(), season_of_day(days, HALF_YEAR).tolist()
    ([2026, 2026], [2026, 2027])
    """
    return np.asarray((times + np.timedelta64(shift, "D")).dt.year.values, dtype=np.int64)


def _both(holds: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[np.bool_]:
    """Give what holds for sure, and what may hold because a value is missing: shape (2, ...)."""
    known = np.isfinite(values)
    return np.stack([holds & known, holds | ~known])


@dataclass(frozen=True, slots=True, eq=False)
class _Years:
    """Years of daily data: their names, and of each day its year's position and its day."""

    names: NDArray[np.int64]
    place: NDArray[np.int64]
    day: NDArray[np.int64]

    @classmethod
    def of(cls, data: xr.DataArray, shift: int) -> _Years:
        """Take the years of data apart; not daily is a `TimeAxisError`."""
        times = data["time"]
        steps = np.diff(times.values)
        if len(steps) and not (steps == np.timedelta64(1, "D")).all():
            raise TimeAxisError(
                "runs of days need daily values",
                found=f"steps of {steps.min() / DAY:g} to {steps.max() / DAY:g} d",
                do="Give daily means, missing days as NaN",
            )
        names, place = np.unique(season_of_day(times, shift), return_inverse=True)
        moved = times + np.timedelta64(shift, "D")
        return cls(names, place, moved.dt.dayofyear.values.astype(np.int64))

    def day_like(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Give the day of the year in a shape that goes with (time, ...)."""
        return self.day.reshape(-1, *([1] * (values.ndim - 1)))

    def first(self, holds: NDArray[np.bool_], length: int, *, after: float = 0.0) -> Floats:
        """Find the first day of the first run in each year: shape (years, ...)."""
        found = np.full((2, len(self.names), *holds.shape[2:]), np.nan)
        for i in range(len(self.names)):
            own = (self.place == i) & (self.day >= after)
            if own.sum() >= length:
                found[:, i] = _first_run(holds[:, own], length) + self.day[own][0]
            # days before the record begins may have been such days
            if self.day[self.place == i][0] > max(after, 1.0):
                found[1, i] = max(after, 1.0)
        sure, may = found
        return np.where((sure - may <= length) & (sure > 1.0), sure, np.nan)


def _first_run(holds: NDArray[np.bool_], length: int) -> Floats:
    """Index along the second axis at which the first run begins; NaN where there is none."""
    count = holds.shape[1] - length + 1
    run = holds[:, :count].copy()
    for k in range(1, length):
        run &= holds[:, k : k + count]
    return np.where(run.any(axis=1), run.argmax(axis=1), np.nan)


_LONG_NAMES = {
    "thaw": "Thaw of the topsoil",
    "start": "Start of season",
    "dries": "Topsoil dries out",
    "end": "End of warmth",
    "closes": "Window to plant closes",
}


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


"""Share of years that are called dry [1]; our proposal."""


@dataclass(frozen=True, slots=True, eq=False)
class DryYears:
    """How the closing of the window goes with the water of a year.

    Attributes
    ----------
    shift : float
        Days by which the window closes earlier in dry years than in the mean year; negative where
        it closes later [d]. NaN with fewer than five years.
    lower, upper : float
        Bounds of its interval at `level` [d].
    level : float
    p_value : float
        Two-sided, of no relation.
    years : ndarray of int
    wetness : ndarray
        Of each year, in standard deviations from the mean [1].
    departure : ndarray
        Mean departure of the closing of each year from the place's own mean [d].
    dry : ndarray of bool
        The driest third.
    n : ndarray of int
        Places of each year.
    """

    shift: float
    lower: float
    upper: float
    level: float
    p_value: float
    years: NDArray[np.int64]
    wetness: Floats
    departure: Floats
    dry: NDArray[np.bool_]
    n: NDArray[np.int64]


def dry_year_shift(
    closes: ArrayLike, wetness: ArrayLike, years: ArrayLike, *, level: float = 0.95
) -> DryYears:
    """Estimate how much earlier the window closes in dry years.

    Parameters
    ----------
    closes : array-like, shape (n_years, ...)
        Day on which the window closes; NaN where unknown [day of year].
    wetness : array-like, shape (n_years,)
        Rain or soil water of the year, in any unit.
    years : array-like of int, shape (n_years,)
    level : float
        Of the interval [1].

    Returns
    -------
    DryYears

    Raises
    ------
    DataError
        If shapes differ, or the years are all alike.

    Notes
    -----
    Each year gives one number, the mean over places of the departure from the place's own mean:
    places of one year share its weather and are no replicates. Departures are regressed on
    wetness; the shift is the value of the line at the mean wetness of the driest third of years,
    with Student's interval of n − 2 degrees of freedom.

    Examples
    --------
    >>> wet = np.array([1.0, -1.0, 0.5, -0.5, 0.2, -1.5, 1.3])
    >>> noise = np.array([0.5, -0.4, 0.2, 0.1, -0.3, 0.3, -0.4])
    >>> closes = 200 + 6 * wet[:, None] + noise[:, None] + np.array([0.0, 10.0])
    >>> found = dry_year_shift(closes, wet, range(2001, 2008))
    >>> bool(5 < found.lower < found.shift < found.upper < 10)
    True
    """
    table = np.asarray(closes, dtype=np.float64)
    table = table.reshape(len(table), -1)
    wet, which = np.asarray(wetness, dtype=np.float64), np.asarray(years, dtype=np.int64)
    if not len(table) == len(wet) == len(which):
        raise DataError(
            "closings, wetness and years do not fit",
            found=f"{len(table)}, {len(wet)} and {len(which)}",
            do="Give one wetness and one row of closings for each year",
        )
    seen = np.isfinite(table)
    places = seen.sum(axis=0)
    own = np.where(seen, table, 0.0).sum(axis=0) / np.maximum(places, 1)
    n = seen.sum(axis=1)
    departure = np.where(seen, table - own, 0.0).sum(axis=1) / np.maximum(n, 1)
    use = (n > 0) & np.isfinite(wet)
    which, wet, departure, n = which[use], wet[use], departure[use], n[use]
    spread = float(wet.std(ddof=1)) if len(wet) > 1 else 0.0
    if len(wet) >= FEWEST_YEARS and not spread > 0:
        raise DataError(
            "years of one wetness", found=f"{wet[0]:g} in all {len(wet)}", do="Give rain by year"
        )
    score = (wet - wet.mean()) / spread if spread > 0 else np.zeros(len(wet))
    dry = np.zeros(len(wet), dtype=bool)
    dry[np.argsort(score, kind="stable")[: max(1, round(len(wet) * DRY_SHARE))]] = True
    line = _shift(score, departure, dry, level)
    return DryYears(*line[:2], line[2], level, line[3], which, score, departure, dry, n)


def _shift(
    score: Floats, departure: Floats, dry: NDArray[np.bool_], level: float
) -> tuple[float, float, float, float]:
    """Shift, its bounds and its p-value."""
    from scipy.special import stdtr, stdtrit

    freedom = len(score) - 2
    if len(score) < FEWEST_YEARS:
        return float("nan"), float("nan"), float("nan"), float("nan")
    square = float((score**2).sum())
    slope = float(score @ departure) / square
    rest = departure - departure.mean() - slope * score
    error = float(np.sqrt((rest**2).sum() / freedom / square))
    at = float(score[dry].mean())
    half = abs(at) * float(stdtrit(freedom, (1 + level) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(slope) / error)) if error > 0 else 0.0
    shift = -slope * at
    return shift, shift - half, shift + half, p
