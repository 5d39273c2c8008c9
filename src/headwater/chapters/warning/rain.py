"""Growing seasons that are dry by their rain, whatever vegetation and soil water say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from headwater.warning.dry_seasons import DrySeasons, monthly_means, rank_dry_seasons

if TYPE_CHECKING:
    from headwater.chapters.warning.results import RainSeasons

__all__ = ["area_rain", "rain_seasons", "rain_standing", "rain_table", "season_of"]

Floats = NDArray[np.float64]

_REFERENCES = ("McKee, Doesken & Kleist (1993), 8th Conf. Applied Climatology (SPI).",)


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


def rain_seasons(
    values: Floats,
    days: NDArray[np.datetime64],
    options: WarningOptions,
    season: tuple[int, int],
    until: np.datetime64 | None = None,
) -> DrySeasons | None:
    """Rank growing seasons by the rain of their months.

    Parameters
    ----------
    values : ndarray, shape (n_times, n_places)
    days : ndarray of datetime64[D]
    options : WarningOptions
    season : tuple of int
        First and last month.
    until : datetime64[D], optional
        Months that have not ended by then wait.

    Returns
    -------
    DrySeasons or None
        None where there are fewer than ten years, or no month of a season.
    """
    try:
        months, means = monthly_means(values, days, until)
        return rank_dry_seasons(means, months, season=season, length=options.rain_months)
    except DataError:
        return None


def _share_of_usual(found: DrySeasons, row: int) -> float:
    """Rain of the months behind a season's least index, as a share of their mean [1]."""
    at = int((found.month[row, 0] - found.months[0]).astype(np.int64))
    same = (found.months.astype(np.int64) - found.months[at].astype(np.int64)) % 12 == 0
    usual = float(np.nanmean(found.total[same, 0]))
    return float(found.total[at, 0]) / usual if usual > 0 else float("nan")


def rain_table(
    rain: xr.DataArray, options: WarningOptions, season: tuple[int, int], megabytes: float
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

    Returns
    -------
    RainSeasons or None
        None with fewer than ten years.
    """
    from headwater.chapters.warning.results import RainSeasons

    mean = area_rain(rain, {}, megabytes=megabytes)
    days = np.array([*mean], dtype="datetime64[D]")
    whole = rain_seasons(np.array([*mean.values()])[:, None], days, options, season)
    if whole is None or not np.isfinite(whole.p).any():
        return None
    dry, n = _cells(rain, options, season, megabytes)
    rows = [
        {
            "season": int(one),
            "index": float(whole.least[at, 0]),
            "month": str(whole.month[at, 0]),
            "share_of_usual": _share_of_usual(whole, at),
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
        f"Rain of {options.rain_months} months (mean of the area) was standardised by calendar "
        "month (SPI, gamma distribution with zeros), and seasons were ranked by the least index of "
        f"their months: p is the share of the {int(whole.n[0])} seasons that are as dry. A season "
        f"with p ≤ {options.dry_seasons:g} is dry; by chance alone so large a share is, or the "
        f"next lower multiple of 1 / {int(whole.n[0])}.",
        _REFERENCES,
        fingerprint(whole.p, whole.least),
        cautions=_cautions(whole, options),
    )


def _cautions(whole: DrySeasons, options: WarningOptions) -> tuple[str, ...]:
    least = 1 / max(int(whole.n[0]), 1)
    words = (
        f"Of {int(whole.n[0])} seasons the driest has p = {least:.2g}: none can be called dry at "
        f"{options.dry_seasons:g}.",
    )
    return words if least > options.dry_seasons else ()


def _cells(
    rain: xr.DataArray, options: WarningOptions, season: tuple[int, int], megabytes: float
) -> tuple[dict[int, int], int]:
    """Count the dry cells of each season, and the cells with rain."""
    days, dry, n = series.days_of(rain), dict[int, int](), 0
    for rows in series.rows_of(rain, rain, 1, megabytes / 4, own_times=True):
        values = rain.isel(y=rows).values.reshape(len(days), -1).astype(np.float64)
        values = values[:, np.isfinite(values).any(axis=0)]
        found = rain_seasons(values, days, options, season) if values.shape[1] else None
        if found is None:
            continue
        n += int(np.isfinite(found.p).any(axis=0).sum())
        with np.errstate(invalid="ignore"):
            counts = (found.p <= options.dry_seasons).sum(axis=1)
        for one, count in zip(found.seasons, counts, strict=True):
            dry[int(one)] = dry.get(int(one), 0) + int(count)
    return dry, n


def rain_standing(
    values: Floats,
    days: NDArray[np.datetime64],
    options: WarningOptions,
    season: tuple[int, int],
    today: np.datetime64,
    *,
    place: str = "",
) -> Standing | None:
    """Describe the drought by rain that is on today.

    Parameters
    ----------
    values : ndarray, shape (n_times,)
        Rain of one place, or of the area.
    days : ndarray of datetime64[D]
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
    found = rain_seasons(values[:, None], days, options, season, today)
    if found is None or not np.isfinite(found.p[-1, 0]):
        return None
    if int(found.seasons[-1]) != season_of(today, season):
        return None
    if not found.lasting(options.dry_seasons)[0]:
        return None
    month, index = str(found.month[-1, 0]), float(found.least[-1, 0])
    n, p, share = int(found.n[0]), float(found.p[-1, 0]), _share_of_usual(found, -1)
    facts: dict[str, Any] = {
        "index": round(index, 2),
        "months": options.rain_months,
        "month": month,
        "share_of_usual": round(share, 3),
        "p": round(p, 4),
        "seasons": n,
        "share_called_dry": options.dry_seasons,
    }
    where, at = (f" at {place}", f"{place} ") if place else ("", "")
    length = options.rain_months
    return Standing(
        f"{place}: dry season" if place else "dry season",
        "watch",
        SEVERITY["drought"],
        f"Drought by rain{where}: {share:.0%} of the usual rain of {length} months to {month} "
        f"(SPI {index:.1f}); {p:.0%} of {n} growing seasons are as dry",
        f"{at}降水干旱：截至 {month} 的 {length} 个月降水为常年的 {share:.0%}（SPI {index:.1f}），"
        f"{n} 个生长季中 {p:.0%} 同样干旱",
        facts,
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
