"""How far vegetation has degraded, the weather of each year apart, and how sure that is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from headwater.errors import DataError
from headwater.inference.kendall import kendall_p, score_variance
from headwater.vegetation._series import quantiles_of
from headwater.vegetation.cover import EndValues, fractional_cover
from headwater.vegetation.profiles import GRADES, GradeProfile

__all__ = [
    "grade_degradation",
    "in_usual_weather",
    "land_degradation",
    "peak_of_season",
    "place_of_types",
]

Floats = NDArray[np.float64]
MIN_YEARS = 3
FEWEST_STEPS = 9
"""Pairs of neighbouring years with values that a cell needs."""
_LEAST_COVER = 0.02
_MOST = float(np.log(2.0))


def peak_of_season(
    cover: xr.DataArray, *, months: Sequence[int] = (7, 8), min_values: int = 2
) -> xr.DataArray:
    """Average the highest part of each growing season.

    Parameters
    ----------
    cover : DataArray (time, ...)
        Cover or NDVI; gaps as NaN.
    months : sequence of int
        Months of the peak.
    min_values : int
        Least number of values of a year; a year with fewer is NaN.

    Returns
    -------
    DataArray (year, ...)
        Mean of the values of these months: steadier than the one highest value, which noise lifts.

    Raises
    ------
    DataError
        If no year has enough values.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2001-01-01", "2002-12-31", freq="16D")
    >>> cover = xr.DataArray(np.full(days.size, 0.6), {"time": days}, "time")
    >>> peak_of_season(cover).values.round(6).tolist()
    [0.6, 0.6]
    """
    inside = cover.sel(time=np.isin(cover["time"].dt.month, list(months)))
    groups = inside.groupby("time.year")
    peak = groups.mean(skipna=True).where(groups.count() >= min_values)
    if not bool(np.isfinite(peak).any()):
        raise DataError(
            "no year has a peak of season",
            found=f"fewer than {min_values} values in months {tuple(months)} of every year",
            do="Give other months, or a lower min_values",
        )
    return peak.transpose("year", ...).assign_attrs(cover.attrs)


def grade_degradation(
    peak: xr.DataArray,
    profile: GradeProfile,
    *,
    baseline: tuple[int, int],
    recent: tuple[int, int],
    rng: np.random.Generator,
    ends: EndValues | None = None,
    types: xr.DataArray | None = None,
    field_plot: xr.DataArray | bool = False,
    n_resamples: int = 500,
) -> xr.Dataset:
    """Grade the loss of peak-season cover, with the probability of each grade.

    Parameters
    ----------
    peak : DataArray (year, ...)
        Cover at peak season of each year [1]; or NDVI, where `ends` is given; as seen, or of
        :func:`headwater.vegetation.degradation.in_usual_weather`, whose error the draws hold.
    profile : GradeProfile
        Thresholds.
    baseline, recent : tuple of int
        First and last year of either.
    rng : numpy Generator
        Source of the bootstrap.
    ends : EndValues, optional
        Turns NDVI into cover, and is drawn anew in every sample where it has errors.
    types : DataArray, optional
        Type of each cell, for `ends`.
    field_plot : DataArray of bool or bool
        Whether a plot on the ground has confirmed the cell.
    n_resamples : int
        Bootstrap samples.

    Returns
    -------
    Dataset
        ``damage`` (loss against the baseline, or 100 minus cover) with ``damage_low`` and
        ``damage_high`` (95 %) [%]; ``grade``, position in :data:`GRADES`, -1 without data;
        ``probability`` (grade_name, ...) [1]; ``certain``: heavy or severe only where two seasons
        by themselves or a plot say so; ``seasons``, how many do; ``years_before``, ``years_after``.

    Raises
    ------
    DataError
        If the baseline is missing, has fewer than three years, or overlaps the recent years; or if
        the profile is a weighted index, which cover alone cannot answer.

    Notes
    -----
    Years are drawn by their deviations from their own mean, pooled over baseline and recent years
    and widened by √(n / (n − 2)) and to Student's t: three recent years by themselves would know
    too little of how years differ. Cells draw the same years, as weather does.

    Examples
    --------
    >>> from headwater.vegetation.profiles import read_profile
    >>> peak = xr.DataArray([0.80, 0.82, 0.78, 0.81, 0.79, 0.60, 0.58, 0.59],
    ...     {"year": range(2001, 2009)}, "year")
    >>> found = grade_degradation(peak, read_profile("gb19377-cover"), baseline=(2001, 2005),
    ...     recent=(2006, 2008), rng=np.random.default_rng(1))
    >>> GRADES[int(found["grade"])], bool(found["probability"].sel(grade_name="moderate") > 0.9)
    ('moderate', True)
    """
    _check(peak, profile, baseline, recent)
    ordered = peak.transpose("year", ...)
    before, after = (ordered.sel(year=slice(*span)) for span in (baseline, recent))
    draws = np.stack(
        [
            _damage(drawn[0], _blurred(drawn[1], peak, rng), profile)
            for drawn in _resamples(before, after, rng, n_resamples, ends, types)
        ]
    )
    old, new = _as_cover(before, ends, types), _as_cover(after, ends, types)
    known = _damage(old.mean("year"), new.mean("year"), profile)
    seen = before.count("year"), after.count("year")
    enough = (seen[0] >= MIN_YEARS) & (seen[1] >= 1)
    known = known.where(enough)
    place = profile.grade(draws)
    shares = [np.where(enough, (place == k).mean(axis=0), np.nan) for k in range(len(GRADES))]
    grade = known.copy(data=profile.grade(known.values)).astype(np.int8)
    low, high = quantiles_of(draws, (0.025, 0.975))
    seasons = _seasons(old, new, profile)
    sure = (seasons >= 2) | field_plot
    bad = grade >= GRADES.index("heavy")
    found = xr.Dataset(
        {
            "damage": known,
            "damage_low": known.copy(data=low).where(enough),
            "damage_high": known.copy(data=high).where(enough),
            "grade": grade,
            "certain": (~bad | sure) & (grade >= 0),
            "seasons": seasons,
            "years_before": seen[0],
            "years_after": seen[1],
        }
    )
    dims = [dim for dim in peak.dims if dim != "year"]
    found["probability"] = ("grade_name", *dims), np.stack(shares)
    return _described(found, profile, baseline, recent)


def _blurred(after: Floats, peak: xr.DataArray, rng: np.random.Generator) -> Floats:
    """Let an estimated effect of weather, if one was taken out, be as uncertain as it is."""
    if "weather_error" not in peak.coords:
        return after
    error = peak.coords["weather_error"].values
    return np.asarray(after * np.exp(error * rng.standard_normal(after.shape)))


def _as_cover(data: xr.DataArray, ends: EndValues | None, types: xr.DataArray | None) -> Any:
    return data if ends is None else fractional_cover(data, ends, types=types)


def _check(
    peak: xr.DataArray, profile: GradeProfile, baseline: tuple[int, int], recent: tuple[int, int]
) -> None:
    if profile.basis == "weighted_index":
        raise DataError(
            "cover alone is no weighted index",
            found=f"profile {profile.name} of basis weighted_index",
            do="Compute the index from its terms, and grade it with profile.grade",
        )
    years = peak["year"].values
    count = int(((years >= baseline[0]) & (years <= baseline[1])).sum())
    after = int(((years >= recent[0]) & (years <= recent[1])).sum())
    if count < MIN_YEARS or not after:
        raise DataError(
            "no baseline to compare with" if count < MIN_YEARS else "no recent year",
            found=f"{count} years from {baseline[0]} to {baseline[1]}, {after} from {recent[0]} to "
            f"{recent[1]}; the record has {years.min()} to {years.max()}",
            do=f"Give a baseline of {MIN_YEARS} years or more, and recent years, of the record",
        )
    if baseline[1] >= recent[0]:
        raise DataError(
            "baseline and recent years overlap",
            found=f"{baseline} and {recent}",
            do="Let the baseline end before the recent years begin",
        )


def _damage(before: Any, after: Any, profile: GradeProfile) -> Any:
    if profile.basis == "absolute_cover":
        return 100.0 * (1.0 - after)
    known = before > 0
    if isinstance(before, xr.DataArray):
        return 100.0 * (1.0 - after / before.where(known))
    return 100.0 * (1.0 - after / np.where(known, before, np.nan))


def _resamples(
    before: xr.DataArray,
    after: xr.DataArray,
    rng: np.random.Generator,
    n_resamples: int,
    ends: EndValues | None,
    types: xr.DataArray | None,
) -> Iterator[tuple[Floats, Floats]]:
    """Draw means of baseline and recent years, as cover."""
    # empty seasons have no mean, which is no warning
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        means = [np.nanmean(part.values, axis=0) for part in (before, after)]
    pooled = np.concatenate([before.values - means[0], after.values - means[1]])
    # a year without a value deviates like the others do
    seen = np.isfinite(pooled)
    n = np.maximum(seen.sum(axis=0), 3)
    # draws are normal in the middle; years are few, and Student's t is wider
    spread = np.sqrt(n / (n - 2.0)) * stdtrit(n - 2.0, 0.975) / ndtri(0.975)
    pooled = np.where(seen, pooled, 0.0) * spread * np.sqrt(len(pooled) / n)
    counts = [np.maximum(np.isfinite(part.values).sum(axis=0), 1) for part in (before, after)]
    sizes = len(before), len(after)
    widths = [np.sqrt(size / count) for size, count in zip(sizes, counts, strict=True)]
    place = None if ends is None else place_of_types(ends, types, means[0].shape)
    for _ in range(n_resamples):
        drawn = [
            mean + pooled[rng.integers(0, len(pooled), size)].mean(axis=0) * width
            for mean, size, width in zip(means, sizes, widths, strict=True)
        ]
        if ends is not None and place is not None:
            bare, full = _drawn_ends(ends, rng, place)
            drawn = [np.clip((part - bare) / (full - bare), 0.0, 1.0) for part in drawn]
        yield drawn[0], drawn[1]


def place_of_types(
    ends: EndValues, types: xr.DataArray | None, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Find the row of each cell in the table of end values.

    Parameters
    ----------
    ends : EndValues
    types : DataArray, optional
        Type of each cell.
    shape : tuple of int
        Of the cells.

    Returns
    -------
    ndarray of int
        One past the last row where a cell has none.

    Examples
    --------
    >>> kinds = xr.DataArray([2.0, 5.0], dims="cell")
    >>> place_of_types(EndValues.given({2: (0.1, 0.8)}), kinds, (2,))
    array([0, 1])
    """
    if types is None or set(ends.table.index) == {0}:
        return np.zeros(shape, dtype=np.int64)
    place = np.full(shape, len(ends.table), dtype=np.int64)
    for row, kind in enumerate(ends.table.index):
        place[types.values == kind] = row
    return place


def _drawn_ends(
    ends: EndValues, rng: np.random.Generator, place: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Draw end values, and give those of each cell."""
    table, drawn = ends.table, {}
    for name in ("bare", "full"):
        drawn[name] = (table[name] + rng.standard_normal(len(table)) * table[f"{name}_sd"]).values
    drawn["full"] = np.maximum(drawn["full"], drawn["bare"] + 0.02)
    bare, full = (np.append(drawn[name], np.nan)[place] for name in ("bare", "full"))
    return bare, full


def _seasons(before: xr.DataArray, after: xr.DataArray, profile: GradeProfile) -> xr.DataArray:
    """Count recent seasons that are heavy or worse by themselves."""
    each = _damage(before.mean("year"), after, profile)
    bad = profile.grade(each.transpose("year", ...).values) >= GRADES.index("heavy")
    return before.mean("year").copy(data=bad.sum(axis=0)).astype(np.int64)


def _described(
    found: xr.Dataset, profile: GradeProfile, baseline: tuple[int, int], recent: tuple[int, int]
) -> xr.Dataset:
    words = "Loss of cover" if profile.basis == "relative_loss" else "Bare ground"
    for name in ("damage", "damage_low", "damage_high"):
        found[name].attrs = {"units": "%", "long_name": words}
    found["grade"].attrs = {
        "long_name": "Degradation grade",
        "units": "1",
        "flag_values": list(range(len(GRADES))),
        "flag_meanings": " ".join(GRADES),
    }
    found["probability"].attrs = {"units": "1", "long_name": "Probability of the grade"}
    found = found.assign_coords(grade_name=list(GRADES))
    return found.assign_attrs(
        profile=profile.name,
        profile_version=profile.version,
        basis=profile.basis,
        baseline=f"{baseline[0]}-{baseline[1]}",
        recent=f"{recent[0]}-{recent[1]}",
        sources="; ".join(
            f"{grade}: {source} [{mark}]"
            for grade, source, mark in zip(
                profile.grades, profile.sources, profile.marks, strict=True
            )
        ),
        note=profile.note,
    )


def land_degradation(
    productivity: xr.DataArray,
    units: xr.DataArray,
    *,
    baseline: tuple[int, int],
    recent: tuple[int, int],
    significance: float = 0.05,
) -> xr.Dataset:
    """Report the productivity of land as indicator 15.3.1 does: trend, state and performance.

    Parameters
    ----------
    productivity : DataArray (year, ...)
        Yearly productivity, such as the mean NDVI of the growing season.
    units : DataArray
        Land units (soil and cover class) within which cells are compared, NaN for none.
    baseline, recent : tuple of int
        First and last year of either, for the state.
    significance : float
        Level of the test of the trend.

    Returns
    -------
    Dataset
        ``trend`` (-1 falling, 0, 1 rising), ``trend_p``, ``state`` (change by classes of ten),
        ``performance`` (share of the best of the unit) and ``degraded``: a falling trend, a state
        two classes lower, or a performance under one half. One of them suffices.

    Raises
    ------
    DataError
        If there are fewer than eight years, or the baseline has fewer than three.

    Notes
    -----
    Trend: Mann-Kendall. State: classes are the deciles of the baseline of each cell, widened by 5 %
    of its range at both ends; degraded where the class falls by two or more. Performance: mean
    productivity over the 90 % quantile of its unit. Carbon stocks and land cover, the other two
    sub-indicators, are not judged here. The state of a cell is noisy by its definition: without any
    change, the mean of a few recent years falls by two deciles of single years in every tenth cell
    or so.

    References
    ----------
    Sims, N. C., et al. (2021). Good practice guidance. SDG indicator 15.3.1, version 2.0. UNCCD.
    Details of the three metrics as in the documentation of Trends.Earth.

    Examples
    --------
    >>> years = np.arange(2001, 2017)
    >>> falling = xr.DataArray(np.linspace(0.6, 0.3, 16)[:, None] + np.zeros((16, 3)),
    ...     {"year": years}, ("year", "cell"))
    >>> found = land_degradation(falling, xr.DataArray([1.0, 1.0, 1.0], dims="cell"),
    ...     baseline=(2001, 2010), recent=(2014, 2016))
    >>> found["degraded"].values.tolist(), found["trend"].values.tolist()
    ([True, True, True], [-1, -1, -1])
    """
    years = productivity["year"].values
    before = productivity.sel(year=slice(*baseline))
    after = productivity.sel(year=slice(*recent))
    if len(years) < 8 or len(before) < MIN_YEARS or not len(after):
        raise DataError(
            "too few years for trend and state",
            found=f"{len(years)} years, {len(before)} of baseline, {len(after)} recent",
            do="Give eight years or more, three of them as baseline",
        )
    trend, p = _trend(productivity, significance)
    state = _state(before, after)
    mean = productivity.mean("year")
    best = _best_of_units(mean, units)
    performance = mean / best
    degraded = (trend < 0) | (state <= -2) | (performance < 0.5)
    known = np.isfinite(mean)
    found = {"trend": trend, "trend_p": p, "state": state, "performance": performance}
    found["degraded"] = degraded & known
    return xr.Dataset(found).assign_attrs(baseline=str(baseline), recent=str(recent))


def _trend(data: xr.DataArray, significance: float) -> tuple[xr.DataArray, xr.DataArray]:
    values = data.transpose("year", ...).values
    score = np.zeros(values.shape[1:])
    for lag in range(1, len(values)):
        score += np.nansum(np.sign(values[lag:] - values[:-lag]), axis=0)
    n = np.isfinite(values).sum(axis=0)
    count = np.maximum(n, 4)
    if np.all(n == len(values)):
        p = np.asarray(kendall_p(score, count))
    else:
        p = 2.0 * ndtr(-np.abs((score - np.sign(score)) / np.sqrt(score_variance(count))))
    like = data.isel(year=0, drop=True)
    sign = np.where(p <= significance, np.sign(score), 0.0).astype(np.int8)
    return like.copy(data=sign), like.copy(data=np.where(n > 3, p, np.nan))


def _state(before: xr.DataArray, after: xr.DataArray) -> xr.DataArray:
    old = before.transpose("year", ...).values
    low, high = np.nanmin(old, axis=0), np.nanmax(old, axis=0)
    edges = np.nanquantile(old, np.arange(0.1, 0.95, 0.1), axis=0)
    margin = 0.05 * (high - low)
    edges[0], edges[-1] = edges[0] - margin, edges[-1] + margin
    classes = [(np.nanmean(part, axis=0) >= edges).sum(axis=0) for part in (old, after.values)]
    return before.isel(year=0, drop=True).copy(data=(classes[1] - classes[0]).astype(np.int8))


def _best_of_units(mean: xr.DataArray, units: xr.DataArray) -> xr.DataArray:
    best = np.full(mean.shape, np.nan)
    for one in np.unique(units.values[np.isfinite(units.values)]):
        own = units.values == one
        best[own] = np.nanquantile(mean.values[own], 0.9)
    return mean.copy(data=best)


def in_usual_weather(
    peak: xr.DataArray,
    weather: Sequence[xr.DataArray],
    *,
    baseline: tuple[int, int],
    recent: tuple[int, int],
    ends: EndValues | None = None,
    types: xr.DataArray | None = None,
) -> xr.DataArray:
    """Bring the cover of each year to the mean weather of the baseline.

    Parameters
    ----------
    peak : DataArray (year, ...)
        Cover at peak season of each year [1]; or NDVI, where `ends` is given.
    weather : sequence of DataArray (year, ...)
        What drives it, such as temperature and soil water of the months before the peak.
    baseline, recent : tuple of int
        First and last year of either.
    ends : EndValues, optional
        Of bare ground and full cover.
    types : DataArray, optional
        Type of each cell, for `ends`.

    Returns
    -------
    DataArray (year, ...)
        Like `peak`, with coordinates of each cell: ``weather_error``, the standard deviation of the
        logarithm of recent over baseline that the estimated effects add [1], and ``adjusted``,
        whether it has enough years; where not, it is as seen and the error 0.

    Raises
    ------
    DataError
        If weather has other cells than cover, or there is none.

    Notes
    -----
    The logarithm of cover is regressed on weather in steps from one year to the next, in each cell.
    A loss that lasts enters one step, or a little of several; a model of the values themselves
    would take a loss in warm years for what warmth does. Factors lie between 1/2 and 2.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> years = {"year": np.arange(2001, 2021)}
    >>> warmth = xr.DataArray(np.append(rng.normal(8, 1, 17), [11.0, 11.0, 11.0]), years, "year")
    >>> cover = 0.3 * np.exp(0.1 * warmth - 0.8)
    >>> spans = {"baseline": (2001, 2008), "recent": (2018, 2020)}
    >>> found = in_usual_weather(cover, [warmth], **spans)
    >>> old, new = (found.sel(year=slice(*span)).mean() for span in spans.values())
    >>> bool(abs(new / old - 1) < 0.01)
    True
    """
    ordered = peak.transpose("year", ...)
    cover = ordered if ends is None else fractional_cover(ordered, ends, types=types)
    aligned = [one.transpose("year", ...).sel(year=ordered["year"]) for one in weather]
    if not aligned or any(one.shape != ordered.shape for one in aligned):
        raise DataError(
            "weather and cover have different cells",
            found=f"cover {ordered.shape}, weather {[one.shape for one in aligned]}",
            do="Give a yearly map of each on the cells of cover",
        )
    x = np.stack([one.values.reshape(len(ordered), -1) for one in aligned], axis=-1)
    y = np.log(np.maximum(cover.values.reshape(len(ordered), -1), _LEAST_COVER))
    slope, spread, enough = _effects(np.diff(x, axis=0), np.diff(y, axis=0))
    years = ordered["year"].values
    before, after = ((years >= first) & (years <= last) for first, last in (baseline, recent))
    usual = _mean(x[before])
    moved = np.einsum("ycv,cv->yc", np.where(np.isfinite(x), x - usual, 0.0), slope)
    change = _mean(x[after]) - usual
    error = np.sqrt(np.maximum(np.einsum("cv,cvw,cw->c", change, spread, change), 0.0))
    factor = np.exp(-np.clip(moved, -_MOST, _MOST)).reshape(ordered.shape)
    bare = 0.0 if ends is None else _bare(ends, types, ordered.shape[1:])
    cells = [dim for dim in ordered.dims if dim != "year"]
    return ordered.copy(data=bare + (ordered.values - bare) * factor).assign_coords(
        weather_error=(cells, error.reshape(ordered.shape[1:])),
        adjusted=(cells, enough.reshape(ordered.shape[1:])),
    )


def _bare(ends: EndValues, types: xr.DataArray | None, shape: tuple[int, ...]) -> Floats:
    """NDVI of bare ground in each cell."""
    values = ends.table["bare"].to_numpy(dtype=np.float64)
    return np.asarray(np.append(values, np.nan)[place_of_types(ends, types, shape)])


def _effects(dx: Floats, dy: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fit steps (years - 1, cells) on steps of weather; effects, their covariance, and which."""
    count = dx.shape[-1]
    seen = np.isfinite(dy) & np.isfinite(dx).all(axis=-1)
    x, y = np.where(seen[..., None], dx, 0.0), np.where(seen, dy, 0.0)
    square = np.einsum("tcv,tcw->cvw", x, x)
    scale = np.sqrt(np.maximum(np.einsum("cvv->cv", square), 1e-30))
    # scaled, so that degrees and shares of water are alike in size
    unit = square / scale[:, :, None] / scale[:, None, :] + 1e-9 * np.eye(count)
    enough = seen.sum(axis=0) >= FEWEST_STEPS
    enough &= np.linalg.cond(unit) < 1e3
    inverse = np.linalg.inv(np.where(enough[:, None, None], unit, np.eye(count)))
    inverse = inverse / scale[:, :, None] / scale[:, None, :]
    slope = np.einsum("cvw,tcw,tc->cv", inverse, x, y)
    left = np.where(seen, y - np.einsum("tcv,cv->tc", x, slope), 0.0)
    freedom = np.maximum(seen.sum(axis=0) - count, 1)
    # a year's own deviation enters two steps with opposite signs
    variance = (left**2).sum(axis=0) / freedom / 2.0
    cross = np.einsum("tcv,tcw->cvw", x[1:], x[:-1])
    meat = 2.0 * square - cross - np.swapaxes(cross, 1, 2)
    spread = variance[:, None, None] * (inverse @ meat @ inverse)
    enough &= np.isfinite(slope).all(axis=1)
    return (
        np.where(enough[:, None], slope, 0.0),
        np.where(enough[:, None, None], spread, 0.0),
        enough,
    )


def _mean(values: Floats) -> Floats:
    """Average over the first axis what is there, 0 where nothing is."""
    seen = np.isfinite(values)
    return np.asarray(np.where(seen, values, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1))
