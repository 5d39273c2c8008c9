"""Growing seasons that are dry by rain less evaporative demand (SPEI), at one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headwater.chapters.warning.options import WarningOptions
from headwater.chapters.warning.rain import season_of
from headwater.chapters.warning.standing import SEVERITY, Standing
from headwater.errors import DataError
from headwater.warning.dry_seasons import (
    BALANCE_OFFSET,
    DrySeasons,
    climatic_balance,
    monthly_means,
    rank_dry_seasons,
)

__all__ = ["balance_standing"]

Floats = NDArray[np.float64]


def balance_standing(
    rain: Floats,
    demand: Floats,
    days: NDArray[np.datetime64],
    options: WarningOptions,
    season: tuple[int, int],
    today: np.datetime64,
    *,
    place: str,
) -> Standing | None:
    """Describe the drought by rain less demand that is on today.

    Parameters
    ----------
    rain, demand : ndarray, shape (n_times,)
        Rain and evaporative demand [mm d-1].
    days : ndarray of datetime64[D]
    options : WarningOptions
    season : tuple of int
        First and last month.
    today : datetime64[D]
    place : str
        Name of the station.

    Returns
    -------
    Standing or None
        None where none is on, as of :func:`headwater.chapters.warning.rain.rain_standing`, or
        with fewer than ten years.
    """
    found = _ranked(rain, demand, days, options, season, today)
    if found is None or not np.isfinite(found.p[-1, 0]):
        return None
    if int(found.seasons[-1]) != season_of(today, season):
        return None
    if not found.lasting(options.dry_seasons)[0]:
        return None
    month, index = str(found.month[-1, 0]), float(found.least[-1, 0])
    n, p, length = int(found.n[0]), float(found.p[-1, 0]), options.rain_months
    balance, usual = _balance(found, length)
    facts = {
        "index": round(index, 2),
        "months": length,
        "month": month,
        "balance_mm": round(balance, 1),
        "usual_mm": round(usual, 1),
        "p": round(p, 4),
        "seasons": n,
        "share_called_dry": options.dry_seasons,
    }
    return Standing(
        f"{place}: dry season",
        "watch",
        SEVERITY["drought"],
        f"Drought by rain less evaporative demand at {place}: {balance:.0f} mm in {length} months "
        f"to {month}, usually {usual:.0f} mm (SPEI {index:.1f}); {p:.0%} of {n} growing seasons "
        "are as dry",
        f"{place} 水分收支干旱：截至 {month} 的 {length} 个月降水减潜在蒸散为 {balance:.0f} mm，"
        f"常年为 {usual:.0f} mm（SPEI {index:.1f}），{n} 个生长季中 {p:.0%} 同样干旱",
        facts,
    )


def _ranked(
    rain: Floats,
    demand: Floats,
    days: NDArray[np.datetime64],
    options: WarningOptions,
    season: tuple[int, int],
    today: np.datetime64,
) -> DrySeasons | None:
    try:
        months, wet = monthly_means(rain[:, None], days, today)
        _, lost = monthly_means(demand[:, None], days, today)
        balance = climatic_balance(wet, lost, months)
        return rank_dry_seasons(balance, months, season=season, length=options.rain_months)
    except DataError:
        return None


def _balance(found: DrySeasons, length: int) -> tuple[float, float]:
    """Give the balance behind the newest season's least index, and the usual one [mm]."""
    at = int((found.month[-1, 0] - found.months[0]).astype(np.int64))
    same = (found.months.astype(np.int64) - found.months[at].astype(np.int64)) % 12 == 0
    total = found.total[:, 0] - length * BALANCE_OFFSET
    return float(total[at]), float(np.nanmean(total[same]))
