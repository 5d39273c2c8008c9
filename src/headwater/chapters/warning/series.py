"""What is watched, as series by place: composites of greenness, and water that explains them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning.options import WarningOptions
from headwater.errors import DataError, StudyError, UnitError
from headwater.grids.times import step_days
from headwater.warning.baseline import BaselineOptions

if TYPE_CHECKING:
    from headwater.study.model import Study

__all__ = [
    "Block",
    "Calendar",
    "WaterForm",
    "averaged",
    "block_of",
    "blocks_of",
    "calendar_of",
    "composites",
    "days_of",
    "keeps_times",
    "named",
    "named_demand",
    "named_rain",
    "per_day",
    "picked",
    "pooled_form",
    "rows_of",
    "split_day",
    "water_of",
]

Floats = NDArray[np.float64]

_GREEN = ("ndvi", "evi", "fractional_cover", "lai")
_LAG_STEP, _LONGEST_LAG = 5.0, 60.0
_SAMPLE = 200
_FEWEST_YEARS = 3


def named(study: Study, options: WarningOptions) -> tuple[str, str | None]:
    """Resolve what is watched, and the water that explains it.

    Parameters
    ----------
    study : Study
    options : WarningOptions

    Returns
    -------
    green : str
    water : str or None

    Raises
    ------
    StudyError
        If the study has no greenness, or a name is no variable of it.
    """
    green = options.of or next((name for name in _GREEN if name in study.variables), None)
    if green is None:
        raise StudyError(
            "[warning] has no greenness to watch",
            found=f"inputs {', '.join(study.inputs) or 'none'}",
            do="Add [inputs.ndvi], or name another input with of = …",
        )
    water = options.water
    if water is None and "soil_moisture" in study.variables and green != "soil_moisture":
        water = "soil_moisture"
    study.require("warning", (green, *([water] if water else [])))
    if water == green:
        raise StudyError(
            "[warning] cannot explain a loss by itself",
            found=f"of and water are both '{green}'",
            do="Name soil water as water, or leave it out",
        )
    return green, water


def named_rain(study: Study, options: WarningOptions) -> str | None:
    """Resolve the rain whose shortage makes a season dry.

    Parameters
    ----------
    study : Study
    options : WarningOptions

    Returns
    -------
    str or None
        None where the study has no rain and names none.

    Raises
    ------
    StudyError
        If the name is no variable of the study.
    """
    if options.rain is None:
        return "precipitation" if "precipitation" in study.variables else None
    study.require("warning", (options.rain,))
    return options.rain


def named_demand(study: Study, options: WarningOptions) -> str | None:
    """Resolve the evaporative demand that is taken from the rain.

    Parameters
    ----------
    study : Study
    options : WarningOptions

    Returns
    -------
    str or None
        None where none is named.

    Raises
    ------
    StudyError
        If the name is no variable of the study, or there is no rain to take it from.
    """
    if options.demand is None:
        return None
    study.require("warning", (options.demand,))
    rain = named_rain(study, options)
    if rain is None or rain == options.demand:
        raise StudyError(
            "[warning] has a demand and no rain to take it from",
            found=f"demand = '{options.demand}', rain = '{rain}'",
            do="Add [inputs.precipitation], or leave demand out",
        )
    return options.demand


@dataclass(frozen=True, slots=True)
class Calendar:
    """The growing season as days of a year that begins before it.

    Attributes
    ----------
    shift : int
        Days that dates are moved back, so that a season over New Year lies within one year [d].
    options : BaselineOptions
    """

    shift: int
    options: BaselineOptions

    def moved(self, times: object) -> NDArray[np.datetime64]:
        """Move dates to the calendar of the season."""
        days: NDArray[np.datetime64] = np.asarray(times, dtype="datetime64[D]")
        return np.asarray(days - np.timedelta64(self.shift, "D"), dtype="datetime64[D]")


def calendar_of(months: tuple[int, int], options: WarningOptions) -> Calendar:
    """Turn first and last month of the growing season into days.

    Parameters
    ----------
    months : tuple of int
    options : WarningOptions

    Returns
    -------
    Calendar

    Examples
    --------
    >>> calendar_of((5, 10), WarningOptions()).options.season
    (120, 303)
    >>> found = calendar_of((11, 3), WarningOptions())
    >>> found.shift, found.options.season
    (304, (0, 150))
    """
    begins = pd.Timestamp(2001, months[0], 1).day_of_year - 1
    month = pd.Timestamp(2001, months[1], 1)
    last = month.day_of_year + month.days_in_month - 2
    shift = begins if months[0] > months[1] else 0
    first = begins - shift
    last = (last - shift) % 365
    return Calendar(
        shift,
        BaselineOptions(order=options.harmonics, season=(first, last), min_n=options.min_n),
    )


def split_day(times: pd.DatetimeIndex, options: WarningOptions) -> np.datetime64:
    """Say where the history ends and the watch begins.

    Parameters
    ----------
    times : DatetimeIndex
        Of the greenness.
    options : WarningOptions

    Returns
    -------
    datetime64
        First day watched.

    Raises
    ------
    DataError
        If no history or nothing to watch is left.
    """
    years = np.unique(times.year)
    if options.watch_from is not None:
        day = np.datetime64(options.watch_from, "D")
    else:
        kept = max(_FEWEST_YEARS, len(years) - max(1, len(years) // 3))
        if len(years) <= _FEWEST_YEARS:
            raise DataError(
                "baselines too short: [warning] needs three years of history and one to watch",
                found=f"{len(years)} years, {years[0]} to {years[-1]}",
                do="Give a longer record, or say watch_from",
            )
        day = np.datetime64(f"{years[kept]}-01-01", "D")
    stamps = times.to_numpy().astype("datetime64[D]")
    if not (stamps < day).any() or not (stamps >= day).any():
        raise DataError(
            "[warning] is left without a history, or with nothing to watch",
            found=f"watch_from {day}, data from {stamps[0]} to {stamps[-1]}",
            do="Let watch_from lie within the record, years after its beginning",
        )
    return day


def days_of(data: xr.DataArray) -> NDArray[np.datetime64]:
    """Give the days of a series.

    Parameters
    ----------
    data : DataArray (time, ...)

    Returns
    -------
    ndarray of datetime64[D]
    """
    return np.asarray(_times(data).to_numpy().astype("datetime64[D]"))


def per_day(data: xr.DataArray, units: str) -> xr.DataArray:
    """Give amounts of steps of any length by the day, so that two series can be compared.

    Parameters
    ----------
    data : DataArray (time, y, x)
        Lazy.
    units : str
        Those of the study's variable.

    Returns
    -------
    DataArray (time, y, x)
        [mm d-1], lazy.

    Raises
    ------
    UnitError
        If it is no amount of water.
    TimeAxisError
        If steps differ without any rule.
    """
    if units != "mm":
        raise UnitError(
            "[warning] takes a demand from rain where both are amounts of water",
            found=f"'{data.name}' in {units or 'no unit'}",
            do="Name inputs of precipitation and potential evapotranspiration",
        )
    days = xr.DataArray(step_days(data), {"time": data["time"]}, ("time",))
    return data / days


def _times(data: xr.DataArray) -> pd.DatetimeIndex:
    index: Any = data.indexes["time"]
    if not isinstance(index, pd.DatetimeIndex):
        index = index.to_datetimeindex(time_unit="ns")
    found: pd.DatetimeIndex = index
    return found


def composites(
    data: xr.DataArray, step: int, *, own_times: bool | None = None
) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
    """Divide times into composites that begin anew each year.

    Parameters
    ----------
    data : DataArray (time, ...)
    step : int
        [d]
    own_times : bool, optional
        Whether the data's own times are kept; default: where their steps are no shorter.

    Returns
    -------
    times : ndarray of datetime64[D], shape (n_composites,)
        Middle of each, or the data's own times where their steps are no shorter.
    starts : ndarray of int, shape (n_composites,)
        Place of the first time of each.
    """
    index = _times(data)
    days = index.to_numpy().astype("datetime64[D]")
    if keeps_times(days, step) if own_times is None else own_times:
        return days, np.arange(len(days))
    part = np.minimum((index.day_of_year.to_numpy() - 1) // step, 365 // step - 1)
    key = index.year.to_numpy() * 1000 + part
    starts = np.flatnonzero(np.append(True, np.diff(key) != 0))
    first = index.year.to_numpy()[starts].astype(str).astype("datetime64[D]")
    middle = first + (part[starts] * step + step // 2).astype("timedelta64[D]")
    return middle, starts


def keeps_times(days: NDArray[np.datetime64], step: int) -> bool:
    """Say whether data come in steps so long that none are averaged.

    Parameters
    ----------
    days : ndarray of datetime64[D]
    step : int
        Of composites [d].

    Returns
    -------
    bool
    """
    return len(days) < 2 or bool(np.median(np.diff(days).astype(int)) > 0.6 * step)


def averaged(values: Floats, starts: NDArray[np.int64]) -> Floats:
    """Average what is there of each composite.

    Parameters
    ----------
    values : ndarray, shape (n_times, n_cells)
    starts : ndarray of int
        Of :func:`composites`.

    Returns
    -------
    ndarray, shape (n_composites, n_cells)
    """
    if len(starts) == len(values):
        return values
    seen = np.isfinite(values)
    total = np.add.reduceat(np.where(seen, values, 0.0), starts, axis=0)
    count = np.add.reduceat(seen, starts, axis=0, dtype=np.int64)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class WaterForm:
    """How greenness answers soil water: one form for all cells, each with its own gain.

    Attributes
    ----------
    settings : ndarray, shape (1, 6)
        Of :class:`headwater.vegetation.response.Response`.
    words : str
        For the report.
    step : float
        Of the lags, no shorter than the water's own [d].
    lags : int
    """

    settings: Floats
    words: str
    step: float
    lags: int


def pooled_form(
    green: xr.DataArray, water: xr.DataArray, months: tuple[int, ...], rng: np.random.Generator
) -> WaterForm | None:
    """Choose the form of the response from a sample of cells, on their histories.

    Parameters
    ----------
    green : DataArray (time, cell)
        Composites of the history.
    water : DataArray (time, cell)
    months : tuple of int
        Of the growing season.
    rng : numpy.random.Generator

    Returns
    -------
    WaterForm or None
        None where water explains nothing in most cells, or nothing could be fitted.
    """
    from headwater.vegetation import fit_response
    from headwater.vegetation.response import FORMS

    whole = np.flatnonzero(np.isfinite(green.values).sum(axis=0) > 0.6 * green.sizes["time"])
    if len(whole) == 0:
        return None
    own = np.diff(water.indexes["time"].to_numpy()) / np.timedelta64(1, "D")
    step = max(_LAG_STEP, float(np.ceil(np.median(own)))) if len(own) else _LAG_STEP
    lags = max(2, int(_LONGEST_LAG // step))
    cells = np.sort(rng.choice(whole, min(_SAMPLE, len(whole)), replace=False))
    try:
        found = fit_response(
            green.isel(cell=cells),
            water.isel(cell=cells),
            months=months,
            lags=lags,
            step=step,
        )
    except DataError:
        return None
    settings = found.settings[np.isfinite(found.settings[:, 0])]
    kinds, counts = np.unique(settings[:, 0], return_counts=True)
    if not len(kinds) or kinds[counts.argmax()] < 0:
        return None
    own = settings[settings[:, 0] == kinds[counts.argmax()]]
    middle = np.median(own, axis=0, keepdims=True)
    words = (
        f"The response to soil water is {FORMS[int(kinds[counts.argmax()])]}, with a weight of "
        f"{middle[0, 3]:.2f} of each {step:g} days relative to the next: the form that most of "
        f"{len(cells)} cells chose on their histories; the gain is each cell's own."
    )
    return WaterForm(middle, words, step, lags)


def water_of(water: xr.DataArray, times: NDArray[np.datetime64], form: WaterForm) -> Floats:
    """Transform soil water at some times.

    Parameters
    ----------
    water : DataArray (time, cell)
    times : ndarray of datetime64[D]
    form : WaterForm

    Returns
    -------
    ndarray, shape (1, n_times, n_cells)
    """
    from headwater.vegetation.response import lagged_water, transformed_water

    lagged = lagged_water(water, pd.DatetimeIndex(times), lags=form.lags, step=form.step)
    return transformed_water(form.settings, lagged)[None]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows of the grid.

    Attributes
    ----------
    rows : slice
    times : ndarray of datetime64[D]
    green : ndarray, shape (n_times, n_cells)
    water : DataArray (time, cell) or None
        Means of pentads, or as delivered where its steps are longer.
    """

    rows: slice
    times: NDArray[np.datetime64]
    green: Floats
    water: xr.DataArray | None


def blocks_of(
    green: xr.DataArray,
    water: xr.DataArray | None,
    step: int,
    megabytes: float,
    *,
    own_times: bool | None = None,
) -> Iterator[Block]:
    """Read greenness and water by rows of the grid, each as much as memory is meant for.

    Parameters
    ----------
    green, water : DataArray (time, y, x)
        Lazy.
    step : int
        Of composites [d].
    megabytes : float
        Of one block in memory.
    own_times : bool, optional
        As for :func:`composites`.

    Yields
    ------
    Block
    """
    for rows in rows_of(green, water, step, megabytes, own_times=own_times):
        yield block_of(green, water, step, rows, own_times=own_times)


def rows_of(
    green: xr.DataArray,
    water: xr.DataArray | None,
    step: int,
    megabytes: float,
    *,
    own_times: bool | None = None,
) -> Iterator[slice]:
    """Divide the rows of a grid into blocks, as :func:`blocks_of` does.

    Parameters
    ----------
    green, water, step, megabytes, own_times
        As for :func:`blocks_of`.

    Yields
    ------
    slice
    """
    times, _ = composites(green, step, own_times=own_times)
    longest = max(green.sizes["time"], water.sizes["time"] if water is not None else 0)
    # water is averaged over thirteen lags at the times of composites, in double precision
    per_row = 8 * green.sizes["x"] * (longest + 14 * len(times))
    height = int(min(max(1, megabytes * 4e6 // per_row), green.sizes["y"]))
    for first in range(0, green.sizes["y"], height):
        yield slice(first, first + height)


def block_of(
    green: xr.DataArray,
    water: xr.DataArray | None,
    step: int,
    rows: slice,
    *,
    own_times: bool | None = None,
) -> Block:
    """Read some rows of the grid.

    Parameters
    ----------
    green, water, step, own_times
        As for :func:`blocks_of`.
    rows : slice

    Returns
    -------
    Block
    """
    times, starts = composites(green, step, own_times=own_times)
    values = green.isel(y=rows).values.reshape(green.sizes["time"], -1)
    own = None if water is None else _pentads(water.isel(y=rows))
    return Block(rows, times, averaged(values, starts).astype(np.float64), own)


def picked(
    green: xr.DataArray,
    water: xr.DataArray | None,
    cells: NDArray[np.int64],
    step: int,
    *,
    own_times: bool | None = None,
) -> Block:
    """Read some cells.

    Parameters
    ----------
    green, water : DataArray (time, y, x)
    cells : ndarray of int, shape (2, n_cells)
        Row and column of each.
    step : int
        Of composites [d].
    own_times : bool, optional
        As for :func:`composites`.

    Returns
    -------
    Block
    """

    def of_cells(data: xr.DataArray) -> xr.DataArray:
        row, column = (xr.DataArray(one, dims="cell") for one in cells)
        flat = data.isel(y=row, x=column).transpose("time", "cell")
        plain = xr.DataArray(flat.values, {"time": flat["time"]}, ("time", "x"))
        return plain.expand_dims("y", 1)

    own = None if water is None else of_cells(water)
    return next(blocks_of(of_cells(green), own, step, np.inf, own_times=own_times))


def _pentads(water: xr.DataArray) -> xr.DataArray:
    """Average water over pentads, the steps of its lags, where it comes in shorter ones."""
    middle, starts = composites(water, int(_LAG_STEP))
    values = averaged(water.values.reshape(water.sizes["time"], -1), starts)
    stamps = pd.DatetimeIndex(middle.astype("datetime64[ns]"))
    return xr.DataArray(values.astype(np.float64), {"time": stamps}, ("time", "cell"))
