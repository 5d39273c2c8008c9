"""Forecasts cover and root-zone water 1 to 8 pentads ahead, and scores what it would have said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.validation.measures import crps_ensemble
from headwater.vegetation._pentads import (
    PENTADS,
    Record,
    anomalies,
    climatology,
    ensemble_water,
    record_of,
)
from headwater.vegetation.bucket import Soil, Weather

__all__ = ["LEADS", "forecast_vegetation"]

Floats = NDArray[np.float64]

LEADS = 8
"""Pentads ahead."""
_LEAST_YEARS = 4
_DRAWS = 60
_RIDGE = 5.0
_NEAR = 9
_LEAST_VALUES = 10
_PAST = 6
_BETWEEN = 3
"""Pentads from one start that is scored to the next."""
_MARKS = {"low": 0.05, "lower": 0.25, "median": 0.5, "upper": 0.75, "high": 0.95}


def forecast_vegetation(
    cover: Any,
    water: Any,
    weather: Weather,
    days: pd.DatetimeIndex,
    soil: Soil,
    *,
    start: pd.Timestamp,
    rng: np.random.Generator,
    months: tuple[int, ...] = (5, 6, 7, 8, 9),
    level: float = 0.95,
) -> pd.DataFrame:
    """Forecast cover and root-zone water of some places, with the skill such forecasts had.

    Parameters
    ----------
    cover : DataArray (time, zone)
        Cover as seen, not smoothed: a smooth curve knows what came later [1].
    water : DataArray (time, zone)
        Liquid soil water of the root zone as seen [m3 m-3].
    weather : Weather
        Daily, (days, zones) each.
    days : DatetimeIndex
        Its days, whole years.
    soil : Soil
        Calibrated, a value for each zone.
    start : Timestamp
        Last day that is known; its year's weather is no member.
    rng : numpy Generator
        Source of what remains by chance.
    months : tuple of int
        Months in which forecasts are issued and scored.
    level : float
        Of the intervals of skill [1].

    Returns
    -------
    DataFrame
        One row for each zone, quantity (``water``, ``cover``) and lead [pentads]: ``date`` (middle
        of the pentad), ``low``, ``lower``, ``median``, ``upper``, ``high`` (5, 25, 50, 75, 95 %),
        ``normal`` (mean of that pentad), ``observed`` (NaN where not yet seen), ``crps``,
        ``skill`` against climatology and ``skill_persistence`` with ``_low`` and ``_high``,
        ``years`` and ``starts`` scored.

    Raises
    ------
    DataError
        If there are fewer than four years, or nothing was seen before `start`.

    Notes
    -----
    The bucket goes on from its present state with the weather of every other year (extended
    streamflow prediction, Day 1985). To its water come the mean error of the season and the
    present error, which fades as it did in other years. Anomalies of cover follow, for each lead,
    from the present anomaly, the water of the 30 days before and that of the days ahead, by ridge
    regression on other years within 45 days of the date, for the sign changes in summer; what the
    regression left is drawn. Skill is 1 − CRPS / CRPS of the reference (Hersbach 2000) over
    all starts of the season, each year forecast by what the others say; its interval is
    Student's t of a ratio over years (Cochran 1977, section 6.4). Climatology: values of the other
    years in the same pentad and its neighbours; persistence: the present anomaly with the changes
    of other years. The soil is that of the whole record, which a year that is scored has had a part
    in.

    References
    ----------
    Day, G. N. (1985). Extended streamflow forecasting using NWSRFS. J. Water Resour. Plan. Manag.
    111, 157-170. doi:10.1061/(ASCE)0733-9496(1985)111:2(157). Hersbach, H. (2000). Decomposition of
    the continuous ranked probability score for ensemble prediction systems. Weather Forecast. 15,
    559-570. doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2. Cochran, W. G. (1977). Sampling
    Techniques, 3rd ed., Wiley (citations recalled, unchecked)
    """
    record = record_of(cover, water, weather, days, soil)
    years = record.years
    if len(years) < _LEAST_YEARS:
        raise DataError(
            "a forecast needs the weather of other years",
            found=f"{len(years)} years",
            do=f"Give {_LEAST_YEARS} whole years or more",
        )
    place = int(np.searchsorted(years, start.year))
    if place >= len(years) or years[place] != start.year:
        raise DataError(
            "no such year in the record",
            found=f"{start:%Y-%m-%d}; weather of {years[0]} to {years[-1]}",
            do="Start in one of its years",
        )
    scores = _hindcast(record, months, rng)
    pentad = max((start.day_of_year - 5) // 5, 0)
    issued = _issue(record, place, pentad, rng)
    january = pd.Timestamp(int(years[place]), 1, 1)
    rows = []
    for k, (quantity, values) in enumerate((("water", record.water), ("cover", record.cover))):
        for zone in range(values.shape[-1]):
            for lead in range(1, LEADS + 1):
                members, at = issued[k].members[:, lead - 1, zone], pentad + lead
                date = january + pd.Timedelta(days=5 * at + 2)
                row = {"zone": zone, "quantity": quantity, "lead": lead, "date": date}
                row |= _fan_row(values, members, place, at, zone)
                rows.append(row | _skill(scores[k][:, :, lead - 1, zone], level))
    return pd.DataFrame(rows)


@dataclass(frozen=True, slots=True, eq=False)
class _Issued:
    """Members of a forecast and of both references, each (members, leads, zones)."""

    members: Floats
    climatology: Floats
    persistence: Floats


def _issue(
    record: Record, year: int, pentad: int, rng: np.random.Generator
) -> tuple[_Issued, _Issued]:
    """Forecast water and cover of one year from one pentad, by what the other years say."""
    others = np.delete(np.arange(len(record.years)), year)
    ahead = pentad + np.arange(1, LEADS + 1)
    wet = _water_members(record, year, pentad, others, rng)
    green = _cover_members(record, year, pentad, others, wet, rng)
    found = []
    for values, members in ((record.water, wet), (record.cover, green)):
        window = [values[others][:, np.clip(ahead + shift, 0, PENTADS - 1)] for shift in (-1, 0, 1)]
        usual = climatology(values[others])
        now = _present(values[year] - usual, pentad)
        changes = _changes(_near(anomalies(values[others], usual), pentad), rng)
        held = usual[np.clip(ahead, 0, PENTADS - 1)] + now + changes
        found.append(_Issued(members, np.concatenate(window), held))
    return found[0], found[1]


def _present(away: Floats, pentad: int) -> Floats:
    """Take the last anomaly (zones,) that was seen up to a pentad, 0 where none was of late."""
    recent = away[max(0, pentad - 3) : pentad + 1]
    found = np.zeros(away.shape[-1])
    for values in recent:
        found = np.where(np.isfinite(values), values, found)
    return found


def _near(away: Floats, pentad: int) -> Floats:
    """Take the part of years (years, pentads, zones) that is near a pentad."""
    return away[:, max(0, pentad - _NEAR) : pentad + _NEAR + 1]


def _changes(away: Floats, rng: np.random.Generator) -> Floats:
    """Draw how much anomalies (years, pentads, zones) change within each lead."""
    out = np.zeros((_DRAWS, LEADS, away.shape[-1]))
    for lead in range(1, LEADS + 1):
        change = away[:, lead:] - away[:, :-lead]
        out[:, lead - 1] = _drawn(change.reshape(-1, away.shape[-1]), _DRAWS, rng)
    return out


def _drawn(values: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw rows (count, zones) of what is known of values (n, zones), column by column."""
    out = np.zeros((count, values.shape[1]))
    for zone in range(values.shape[1]):
        known = values[np.isfinite(values[:, zone]), zone]
        if known.size:
            out[:, zone] = rng.choice(known, count)
    return out


def _water_members(
    record: Record, year: int, pentad: int, others: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """Run the bucket with the weather of other years, and correct it by the error of the day."""
    bucket = ensemble_water(record, year, pentad, others, LEADS)
    error = record.water[others] - record.bucket[others]
    usual = climatology(error)
    left = _near(anomalies(error, usual), pentad)
    keep = _fading(left)
    now = _present(record.water[year] - record.bucket[year] - usual, pentad)
    lead = np.arange(1, LEADS + 1)[:, None]
    noise = _drawn(left.reshape(-1, left.shape[-1]), _DRAWS * LEADS, rng)
    noise = noise.reshape(_DRAWS, LEADS, -1) * np.sqrt(1.0 - keep ** (2 * lead))
    ahead = np.clip(pentad + lead[:, 0], 0, PENTADS - 1)
    members = bucket[np.arange(_DRAWS) % len(bucket)] + usual[ahead] + keep**lead * now + noise
    return np.asarray(np.maximum(members, 0.0))


def _fading(left: Floats) -> Floats:
    """Correlation of anomalies (years, pentads, zones) from one pentad to the next, (zones,)."""
    before, after = left[:, :-1], left[:, 1:]
    both = np.isfinite(before) & np.isfinite(after)
    product = np.where(both, before * after, 0.0).sum(axis=(0, 1))
    square = np.where(both, before**2, 0.0).sum(axis=(0, 1))
    return np.asarray(np.clip(product / np.maximum(square, 1e-12), 0.0, 0.99))


def _cover_members(
    record: Record,
    year: int,
    pentad: int,
    others: NDArray[np.int64],
    wet: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Let anomalies of cover follow from the present one and from water before and ahead."""
    usual, usual_water = climatology(record.cover[others]), climatology(record.water[others])
    away = anomalies(record.cover[others], usual)
    water = anomalies(record.water[others], usual_water)
    own_water = record.water[year] - usual_water
    now, before = _present(record.cover[year] - usual, pentad), _past_mean(own_water[None])[0]
    out = np.empty_like(wet)
    for lead in range(1, LEADS + 1):
        at = min(pentad + lead, PENTADS - 1)
        ahead = np.clip(pentad + np.arange(1, lead + 1), 0, PENTADS - 1)
        coming = (wet[:, :lead] - usual_water[ahead]).mean(axis=1)
        for zone in range(wet.shape[-1]):
            slopes, left = _fit_lead(away[..., zone], water[..., zone], lead, at)
            past = np.nan_to_num(before[min(pentad, PENTADS - 1), zone])
            step = slopes[0] * now[zone] + slopes[1] * past + slopes[2] * coming[:, zone]
            noise = rng.choice(left, len(wet)) if left.size else 0.0
            out[:, lead - 1, zone] = usual[at, zone] + step + noise
    return np.clip(out, 0.0, 1.0)


def _month(pentad: int) -> int:
    """Month (from 0) of a pentad's middle."""
    return int(min(11, (5 * pentad + 2) // 30.44))


def _past_mean(water: Floats) -> Floats:
    """Mean anomaly of water (years, pentads, ...) over the pentads up to each."""
    seen = np.isfinite(water)
    total = np.cumsum(np.where(seen, water, 0.0), axis=1)
    count = np.cumsum(seen, axis=1)
    total[:, _PAST:] = total[:, _PAST:] - total[:, :-_PAST].copy()
    count[:, _PAST:] = count[:, _PAST:] - count[:, :-_PAST].copy()
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _fit_lead(away: Floats, water: Floats, lead: int, at: int) -> tuple[Floats, Floats]:
    """Fit slopes of the present anomaly and of water before and ahead, near a pentad of the year.

    Returns slopes (3,) and what they leave.
    """
    pentads = away.shape[1]
    before = _past_mean(water)
    ahead = np.stack([water[:, k : pentads - lead + k] for k in range(1, lead + 1)])
    seen = np.isfinite(ahead)
    coming = np.where(seen, ahead, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    target, now, past = away[:, lead:], away[:, :-lead], before[:, :-lead]
    near = np.abs(np.arange(lead, pentads) - at) <= _NEAR
    known = np.isfinite(target) & np.isfinite(now) & np.isfinite(past) & seen.any(axis=0) & near
    if known.sum() < _LEAST_VALUES:
        return np.zeros(3), target[np.isfinite(target) & near]
    columns = np.stack([now[known], past[known], coming[known]], axis=1)
    scale = np.sqrt((columns**2).mean(axis=0)) + 1e-12
    scaled = columns / scale
    normal = scaled.T @ scaled + _RIDGE * np.eye(3)
    slopes = np.linalg.solve(normal, scaled.T @ target[known]) / scale
    return slopes, target[known] - columns @ slopes


def _hindcast(
    record: Record, months: tuple[int, ...], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Score each year by the others: (3, years, leads, zones) of mean CRPS, and starts, each."""
    starts = [p for p in range(1, PENTADS - 1, _BETWEEN) if _month(p) + 1 in months]
    shape = (2, 4, len(record.years), LEADS, record.cover.shape[-1])
    total = np.zeros(shape)
    for year in range(len(record.years)):
        for pentad in starts:
            issued = _issue(record, year, pentad, rng)
            ahead = pentad + np.arange(1, LEADS + 1)
            inside = ahead < PENTADS
            at = np.minimum(ahead, PENTADS - 1)
            for k, values in enumerate((record.water, record.cover)):
                truth = np.where(inside[:, None], values[year, at], np.nan)
                own = issued[k]
                scores = [
                    _score(part, truth) for part in (own.members, own.climatology, own.persistence)
                ]
                known = np.isfinite(np.stack(scores)).all(axis=0)
                for place, score in enumerate((*scores, np.ones_like(truth))):
                    total[k, place, year] += np.where(known, score, 0.0)
    return total[0], total[1]


def _score(members: Floats, truth: Floats) -> Floats:
    """CRPS of (members, leads, zones), members that are missing left out."""
    whole = np.isfinite(members).all(axis=0)
    found = np.asarray(crps_ensemble(np.where(whole, members, 0.0), truth))
    for lead, zone in np.argwhere(~whole & np.isfinite(truth)):
        some = members[np.isfinite(members[:, lead, zone]), lead, zone]
        enough = some.size >= 2
        found[lead, zone] = float(crps_ensemble(some, truth[lead, zone])) if enough else np.nan
    return found


def _skill(scores: Floats, level: float) -> dict[str, float]:
    """Skill against both references with intervals, from sums (4, years) of scores and starts.

    A bootstrap of the few years that there are would be too narrow; the error of a ratio of sums
    follows from what each year leaves of it (Cochran 1977, section 6.4), by Student's t.
    """
    from scipy.special import stdtrit

    own, usual, held, n = scores[:, scores[3] > 0]
    found = {
        "crps": float(own.sum() / n.sum()) if n.sum() else np.nan,
        "years": len(n),
        "starts": int(n.sum()),
    }
    for name, other in (("skill", usual), ("skill_persistence", held)):
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = own.sum() / other.sum()
            left = own - ratio * other
            error = np.sqrt(len(n) / (len(n) - 1.0) * (left**2).sum()) / other.sum()
        reach = float(stdtrit(len(n) - 1.0, 0.5 + level / 2.0) * error) if len(n) > 1 else np.nan
        found[name] = float(1.0 - ratio)
        found |= {f"{name}_low": found[name] - reach, f"{name}_high": found[name] + reach}
    return found


def _fan_row(
    values: Floats, members: Floats, year: int, pentad: int, zone: int
) -> dict[str, float]:
    """Quantiles of members (members,) of one pentad, with what is usual and what was seen."""
    usual = climatology(np.delete(values, year, axis=0))[min(pentad, PENTADS - 1), zone]
    seen = values[year, pentad, zone] if pentad < PENTADS else np.nan
    known = members[np.isfinite(members)]
    marks = np.quantile(known, list(_MARKS.values())) if known.size else np.full(5, np.nan)
    fan = dict(zip(_MARKS, map(float, marks), strict=True))
    return fan | {"normal": float(usual), "observed": float(seen)}
