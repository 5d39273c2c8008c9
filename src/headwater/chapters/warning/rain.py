"""Growing seasons that are dry by their rain, whatever vegetation and soil water say.

By rain alone (SPI), or by rain less evaporative demand (SPEI).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning import series
from headwater.chapters.warning.options import WarningOptions
from headwater.chapters.warning.standing import SEVERITY, Standing
from headwater.errors import DataError
from headwater.results import fingerprint
from headwater.warning.dry_seasons import (
    BALANCE_OFFSET,
    DrySeasons,
    climatic_balance,
    monthly_means,
    rank_dry_seasons,
)

if TYPE_CHECKING:
    from headwater.chapters.warning.results import RainSeasons

__all__ = [
    "MonthsOfRain",
    "area_rain",
    "months_of_means",
    "months_of_rain",
    "rain_seasons",
    "rain_standing",
    "rain_table",
    "season_of",
]

Floats = NDArray[np.float64]
Amounts = dict[str, float]

_REFERENCES = ("McKee, Doesken & Kleist (1993), 8th Conf. Applied Climatology (SPI).",)
_BALANCE_REFERENCES = (
    "Vicente-Serrano, Begueria & Lopez-Moreno (2010), doi:10.1175/2009JCLI2909.1 (SPEI).",
)


@dataclass(frozen=True, slots=True, eq=False)
class MonthsOfRain:
    """Rain of the months of some places, or rain less evaporative demand.

    Attributes
    ----------
    months : ndarray of datetime64[M], shape (n_months,)
    values : ndarray, shape (n_months, n_places)
        Mean rain [unit of the rain]; or its balance with the demand, of which
        :func:`headwater.warning.dry_seasons.climatic_balance` says more [mm].
    is_balance : bool
    """

    months: NDArray[np.datetime64]
    values: Floats
    is_balance: bool = False


def months_of_rain(
    rain: Floats,
    days: NDArray[np.datetime64],
    until: np.datetime64 | None = None,
    *,
    demand: Floats | None = None,
    demand_days: NDArray[np.datetime64] | None = None,
) -> MonthsOfRain:
    """Average rain by month, and take evaporative demand from it where there is one.

    Parameters
    ----------
    rain : ndarray, shape (n_times, n_places)
        [mm d-1] where there is a demand.
    days : ndarray of datetime64[D]
    until : datetime64[D], optional
        Months that have not ended by then wait.
    demand : ndarray, shape (n_demand_times, n_places), optional
        Potential evapotranspiration [mm d-1]; its steps may be others than those of the rain.
    demand_days : ndarray of datetime64[D], optional
        Default: those of the rain.

    Returns
    -------
    MonthsOfRain
        Without months where the rain has no step.
    """
    if not len(days):
        return MonthsOfRain(np.empty(0, "datetime64[M]"), np.empty((0, rain.shape[1])))
    months, wet = monthly_means(rain, days, until)
    if demand is None:
        return MonthsOfRain(months, wet)
    lost = np.full(wet.shape, np.nan)
    if len(demand):
        own, means = monthly_means(demand, days if demand_days is None else demand_days, until)
        _, here, there = np.intersect1d(months, own, return_indices=True)
        lost[here] = means[there]
    return MonthsOfRain(months, climatic_balance(wet, lost, months), is_balance=True)


def area_rain(
    rain: xr.DataArray,
    known: Mapping[str, float],
    changed: Iterable[np.datetime64] = (),
    *,
    megabytes: float = 256.0,
) -> dict[str, float]:
    """Average rain over the area, day by day.

    Parameters
    ----------
    rain : DataArray (time, y, x)
        Lazy, missing outside the area.
    known : mapping
        Means by day that are known; only other days are read.
    changed : iterable of datetime64[D]
        Days that are read again.
    megabytes : float
        Of one block in memory.

    Returns
    -------
    dict
        Mean [unit of the rain] by day, in order of time; of equal cells.
    """
    days = series.days_of(rain)
    old = np.isin(days, np.array([*known], dtype="datetime64[D]"))
    new = np.flatnonzero(~old | np.isin(days, np.array([*changed], dtype="datetime64[D]")))
    found = dict(known)
    size = max(1, int(megabytes * 1e6 // (8 * rain.sizes["y"] * rain.sizes["x"])))
    for first in range(0, len(new), size):
        rows = new[first : first + size]
        values = rain.isel(time=rows).values.reshape(len(rows), -1).astype(np.float64)
        seen = np.isfinite(values)
        count = seen.sum(axis=1)
        mean = np.where(seen, values, 0.0).sum(axis=1) / np.maximum(count, 1)
        found |= {str(days[row]): float(mean[at]) for at, row in enumerate(rows) if count[at]}
    return dict(sorted(found.items()))


def months_of_means(
    rain: Mapping[str, float],
    demand: Mapping[str, float] | None = None,
    until: np.datetime64 | None = None,
) -> MonthsOfRain:
    """Average means of the area by month.

    Parameters
    ----------
    rain, demand : mapping
        Means by day, of :func:`area_rain`.
    until : datetime64[D], optional
        Months that have not ended by then wait.

    Returns
    -------
    MonthsOfRain
    """
    columns = [
        (np.array([*one.values()])[:, None], np.array([*one], dtype="datetime64[D]"))
        for one in (rain, demand)
        if one is not None
    ]
    if demand is None:
        return months_of_rain(*columns[0], until)
    return months_of_rain(*columns[0], until, demand=columns[1][0], demand_days=columns[1][1])


def rain_seasons(
    rain: MonthsOfRain, options: WarningOptions, season: tuple[int, int]
) -> DrySeasons | None:
    """Rank growing seasons by the rain of their months.

    Parameters
    ----------
    rain : MonthsOfRain
    options : WarningOptions
    season : tuple of int
        First and last month.

    Returns
    -------
    DrySeasons or None
        None where there are fewer than ten years, or no month of a season.
    """
    if not len(rain.months):
        return None
    try:
        return rank_dry_seasons(rain.values, rain.months, season=season, length=options.rain_months)
    except DataError:
        return None


def _behind(found: DrySeasons, row: int) -> tuple[float, float]:
    """Give the sum behind a season's least index, and the mean of such sums."""
    at = int((found.month[row, 0] - found.months[0]).astype(np.int64))
    same = (found.months.astype(np.int64) - found.months[at].astype(np.int64)) % 12 == 0
    return float(found.total[at, 0]), float(np.nanmean(found.total[same, 0]))


def _amounts(found: DrySeasons, row: int, options: WarningOptions, *, balance: bool) -> Amounts:
    """Say what fell behind a season's least index, compared with what usually falls."""
    total, usual = _behind(found, row)
    if balance:
        offset = options.rain_months * BALANCE_OFFSET
        return {"balance_mm": total - offset, "usual_mm": usual - offset}
    return {"share_of_usual": total / usual if usual > 0 else float("nan")}


def rain_table(
    rain: xr.DataArray,
    options: WarningOptions,
    season: tuple[int, int],
    megabytes: float,
    *,
    demand: xr.DataArray | None = None,
) -> RainSeasons | None:
    """Say of each growing season how dry its rain was, over the area and cell by cell.

    Parameters
    ----------
    rain : DataArray (time, y, x)
        Lazy.
    options : WarningOptions
    season : tuple of int
        First and last month.
    megabytes : float
        Of one block in memory.
    demand : DataArray (time, y, x), optional
        Potential evapotranspiration, lazy; rain and demand are then in mm d-1.

    Returns
    -------
    RainSeasons or None
        None with fewer than ten years.
    """
    from headwater.chapters.warning.results import RainSeasons

    months = _months_of_area(rain, demand, megabytes)
    whole = rain_seasons(months, options, season)
    if whole is None or not np.isfinite(whole.p).any():
        return None
    dry, n = _cells(rain, demand, options, season, megabytes)
    rows = [
        {
            "season": int(one),
            "index": float(whole.least[at, 0]),
            "month": str(whole.month[at, 0]),
            **_amounts(whole, at, options, balance=months.is_balance),
            "p": float(whole.p[at, 0]),
            "dry": bool(whole.p[at, 0] <= options.dry_seasons),
            "cells_dry": dry.get(int(one), 0) / n if n else float("nan"),
            "n": int(whole.n[0]),
        }
        for at, one in enumerate(whole.seasons)
        if np.isfinite(whole.p[at, 0])
    ]
    table = pd.DataFrame(rows)
    table.attrs |= {"rate": options.dry_seasons, "months": options.rain_months}
    return RainSeasons(
        table,
        _method(int(whole.n[0]), options, balance=months.is_balance),
        _REFERENCES + (_BALANCE_REFERENCES if months.is_balance else ()),
        fingerprint(whole.p, whole.least),
        cautions=_cautions(whole, options),
    )


def _method(n: int, options: WarningOptions, *, balance: bool) -> str:
    what, how = "Rain", "SPI, gamma distribution with zeros"
    if balance:
        what, how = "Rain less evaporative demand", "SPEI, gamma distribution"
    return (
        f"{what} of {options.rain_months} months (mean of the area) was standardised by calendar "
        f"month ({how}), and seasons were ranked by the least index of their months: p is the "
        f"share of the {n} seasons that are as dry. A season with p ≤ {options.dry_seasons:g} is "
        f"dry; by chance alone so large a share is, or the next lower multiple of 1 / {n}."
    )


def _months_of_area(
    rain: xr.DataArray, demand: xr.DataArray | None, megabytes: float
) -> MonthsOfRain:
    wet = area_rain(rain, {}, megabytes=megabytes)
    lost = None if demand is None else area_rain(demand, {}, megabytes=megabytes)
    return months_of_means(wet, lost)


def _cautions(whole: DrySeasons, options: WarningOptions) -> tuple[str, ...]:
    least = 1 / max(int(whole.n[0]), 1)
    words = (
        f"Of {int(whole.n[0])} seasons the driest has p = {least:.2g}: none can be called dry at "
        f"{options.dry_seasons:g}.",
    )
    return words if least > options.dry_seasons else ()


def _cells(
    rain: xr.DataArray,
    demand: xr.DataArray | None,
    options: WarningOptions,
    season: tuple[int, int],
    megabytes: float,
) -> tuple[dict[int, int], int]:
    """Count the dry cells of each season, and the cells with rain."""
    days, dry, n = series.days_of(rain), dict[int, int](), 0
    demand_days = None if demand is None else series.days_of(demand)
    for rows in series.rows_of(rain, rain, 1, megabytes / 4, own_times=True):
        values, seen = _columns(rain, rows)
        if not seen.any():
            continue
        lost = None if demand is None else _columns(demand, rows)[0][:, seen]
        months = months_of_rain(values[:, seen], days, demand=lost, demand_days=demand_days)
        found = rain_seasons(months, options, season)
        if found is None:
            continue
        n += int(np.isfinite(found.p).any(axis=0).sum())
        with np.errstate(invalid="ignore"):
            counts = (found.p <= options.dry_seasons).sum(axis=1)
        for one, count in zip(found.seasons, counts, strict=True):
            dry[int(one)] = dry.get(int(one), 0) + int(count)
    return dry, n


def _columns(data: xr.DataArray, rows: slice) -> tuple[Floats, NDArray[np.bool_]]:
    """Read some rows as a column for each cell, and say which have a value."""
    values = data.isel(y=rows).values.reshape(data.sizes["time"], -1).astype(np.float64)
    return values, np.asarray(np.isfinite(values).any(axis=0))


def rain_standing(
    rain: MonthsOfRain,
    options: WarningOptions,
    season: tuple[int, int],
    today: np.datetime64,
    *,
    place: str = "",
) -> Standing | None:
    """Describe the drought by rain that is on today.

    Parameters
    ----------
    rain : MonthsOfRain
        Of one place, or of the area.
    options : WarningOptions
    season : tuple of int
        First and last month.
    today : datetime64[D]
    place : str
        Name of the station; empty for the area of a study.

    Returns
    -------
    Standing or None
        None where none is on: it begins with a season that is dry, and ends when the index of a
        later month is above zero, or with the season.
    """
    found = rain_seasons(rain, options, season)
    if found is None or not np.isfinite(found.p[-1, 0]):
        return None
    if int(found.seasons[-1]) != season_of(today, season):
        return None
    if not found.lasting(options.dry_seasons)[0]:
        return None
    n, p = int(found.n[0]), float(found.p[-1, 0])
    amounts = _amounts(found, -1, options, balance=rain.is_balance)
    facts: dict[str, Any] = {
        "index": round(float(found.least[-1, 0]), 2),
        "months": options.rain_months,
        "month": str(found.month[-1, 0]),
        **{name: round(value, 1 if name.endswith("mm") else 3) for name, value in amounts.items()},
        "p": round(p, 4),
        "seasons": n,
        "share_called_dry": options.dry_seasons,
    }
    words, words_zh = (_words_of_balance if rain.is_balance else _words_of_rain)(facts, place)
    return Standing(
        f"{place}: dry season" if place else "dry season",
        "watch",
        SEVERITY["drought"],
        f"{words}; {p:.0%} of {n} growing seasons are as dry",
        f"{words_zh}，{n} 个生长季中 {p:.0%} 同样干旱",
        facts,
    )


def _words_of_rain(facts: Mapping[str, Any], place: str) -> tuple[str, str]:
    share, length = facts["share_of_usual"], facts["months"]
    month, index = facts["month"], facts["index"]
    where, at = (f" at {place}", f"{place} ") if place else ("", "")
    return (
        f"Drought by rain{where}: {share:.0%} of the usual rain of {length} months to {month} "
        f"(SPI {index:.1f})",
        f"{at}降水干旱：截至 {month} 的 {length} 个月降水为常年的 {share:.0%}（SPI {index:.1f}）",
    )


def _words_of_balance(facts: Mapping[str, Any], place: str) -> tuple[str, str]:
    balance, usual, length = facts["balance_mm"], facts["usual_mm"], facts["months"]
    month, index = facts["month"], facts["index"]
    where, at = (f" at {place}", f"{place} ") if place else ("", "")
    return (
        f"Drought by rain less evaporative demand{where}: {balance:.0f} mm in {length} months "
        f"to {month}, usually {usual:.0f} mm (SPEI {index:.1f})",
        f"{at}水分收支干旱：截至 {month} 的 {length} 个月降水减潜在蒸散为 {balance:.0f} mm，"
        f"常年为 {usual:.0f} mm（SPEI {index:.1f}）",
    )


def season_of(today: np.datetime64, season: tuple[int, int]) -> int | None:
    """Give the year in which the growing season of a day began.

    The month after the season still belongs to it, for its last month is known only then.

    Parameters
    ----------
    today : datetime64[D]
    season : tuple of int
        First and last month.

    Returns
    -------
    int or None
        None outside a season.
    """
    first, last = season
    month = int(today.astype("datetime64[M]").astype(np.int64))
    place = (month % 12 - (first - 1)) % 12
    if place > (last - first) % 12 + 1:
        return None
    return int((month - place) // 12 + 1970)
