"""Response curves of groups of cells, with bands: by vegetation type, altitude or unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from headwater.errors import DataError
from headwater.vegetation import _response_kernels as kernels
from headwater.vegetation._series import times_of
from headwater.vegetation.response import DECAYS, FORMS, lagged_water

__all__ = ["response_curves"]

Floats = NDArray[np.float64]
_POINTS = 21
_MOST_CELLS = 400


@dataclass(frozen=True, slots=True)
class _Group:
    """One group: cover (times, cells), water (decays, times, cells), month and year of times."""

    cover: Floats
    water: Floats
    where: NDArray[np.int64]
    sizes: tuple[int, int]


def response_curves(
    cover: xr.DataArray,
    water: xr.DataArray,
    groups: xr.DataArray | None = None,
    *,
    rng: np.random.Generator,
    months: Sequence[int] = (5, 6, 7, 8, 9),
    lags: int = 12,
    step: float = 5.0,
    level: float = 0.95,
    n_resamples: int = 400,
) -> pd.DataFrame:
    """Draw how cover answers soil water in each group of cells and month.

    Parameters
    ----------
    cover, water : DataArray (time, ...)
        As in :func:`headwater.vegetation.fit_response`.
    groups : DataArray, optional
        Number of the group of each cell, NaN for none; default: one group, 0.
    rng : numpy Generator
        Source of the bootstrap over years, and of the choice of 400 cells in larger groups.
    months, lags, step, level
        As in :func:`headwater.vegetation.fit_response`.
    n_resamples : int
        Bootstrap samples.

    Returns
    -------
    DataFrame
        ``group``, ``month``, ``water`` (as plants remember it) [m3 m-3], ``cover``, ``low``,
        ``high`` [1], ``form``, ``memory`` (weight of each lag relative to the one before),
        ``cells``, ``years``.

    Raises
    ------
    DataError
        If there are fewer than four years, or no group has cells with both.

    Notes
    -----
    Cells share form and slope and keep their own mean. The form is chosen by leaving out years;
    whole years are drawn again, the form chosen anew in each draw, so that bands hold the choice
    too. Bands are widened from normal to Student's t with as many degrees of freedom as years less
    one.

    Examples
    --------
    >>> days = pd.date_range("2001-01-01", "2012-12-31")
    >>> rng = np.random.default_rng(1)
    >>> theta = 0.15 + 0.05 * np.sin(np.arange(days.size) / 97) + rng.normal(0, 0.01, days.size)
    >>> water = xr.DataArray(theta, {"time": days}, "time")
    >>> cover = (0.2 + 2.0 * water + rng.normal(0, 0.02, days.size))[::8]
    >>> curve = response_curves(cover, water, rng=rng, months=(7,), n_resamples=100)
    >>> rise = (curve["cover"].iloc[-1] - curve["cover"].iloc[0]) / np.ptp(curve["water"])
    >>> bool(abs(rise - 2.0) < 0.3)
    True
    """
    times = times_of(cover)
    names, index = np.unique(times.year, return_inverse=True)
    if len(names) < 4:
        raise DataError(
            "response curves need four years",
            found=f"{len(names)}",
            do="Give a longer record, or fit_response for a first look at three years",
        )
    place = np.full(13, -1)
    place[list(months)] = np.arange(len(months))
    where = np.stack([place[times.month.to_numpy()], index]).astype(np.int64)
    flat = cover.transpose("time", ...).values.reshape(len(times), -1).astype(np.float64)
    stacked = water.transpose("time", ...).values.reshape(water.sizes["time"], -1)
    kinds = np.zeros(flat.shape[1]) if groups is None else np.ravel(groups.values).astype(float)
    tables = []
    for kind in np.unique(kinds[np.isfinite(kinds)]):
        cells = np.flatnonzero((kinds == kind) & np.isfinite(flat).any(axis=0))
        cells = cells[np.isfinite(stacked[:, cells]).any(axis=0)]
        if cells.size > _MOST_CELLS:
            cells = np.sort(rng.choice(cells, _MOST_CELLS, replace=False))
        if cells.size == 0:
            continue
        own = xr.DataArray(stacked[:, cells], {"time": water["time"]}, ("time", "cell"))
        lagged = lagged_water(own, times, lags=lags, step=step)
        group = _Group(flat[:, cells], _remembered(lagged), where, (len(months), len(names)))
        table = _curves(group, rng, level, n_resamples)
        tables.append(table.assign(group=kind, cells=cells.size, years=len(names)))
    if not tables:
        raise DataError(
            "no group has cells with cover and soil water",
            found="all missing",
            do="Check the groups and the grids",
        )
    found = pd.concat(tables, ignore_index=True)
    found["month"] = np.asarray(months)[found["month"]]
    first = ["group", "month", "water", "cover", "low", "high"]
    return found[[*first, *found.columns.difference(first, sort=False)]]


def _remembered(lagged: Floats) -> Floats:
    """Average lags with each of the weights, (decays, times, cells)."""
    out = []
    for decay in DECAYS:
        weights = decay ** np.arange(len(lagged), dtype=np.float64)[:, None, None]
        seen = np.isfinite(lagged)
        weight = (weights * seen).sum(axis=0)
        total = (weights * np.where(seen, lagged, 0.0)).sum(axis=0)
        enough = weight > 0.5 * weights.sum()
        out.append(np.where(enough, total / np.where(enough, weight, 1.0), np.nan))
    return np.stack(out)


def _form(shape: Floats, water: Floats) -> Floats:
    if shape[0] == 0.0:
        return water
    if shape[0] == 1.0:
        return np.asarray(np.clip(water, shape[1], shape[2]))
    over = np.maximum(water - shape[1], 0.0)
    return np.asarray(over / (over + shape[2]))


def _centred(values: Floats, known: NDArray[np.bool_], where: NDArray[np.int64]) -> Floats:
    """Take each cell's mean of each month away and give the mean over cells back."""
    out = np.full(values.shape, np.nan)
    for month in range(int(where[0].max()) + 1):
        own = where[0] == month
        use = known[own]
        part = np.where(use, values[own], 0.0)
        n = use.sum(axis=0)
        mean = part.sum(axis=0) / np.where(n > 0, n, 1)
        overall = part.sum() / max(int(n.sum()), 1)
        out[own] = np.where(use, values[own] - mean + overall, np.nan)
    return out


def _group_sums(group: _Group) -> tuple[Floats, Floats]:
    """Add up sums (candidates, months, years, 6) of the group, and settings (candidates, 4)."""
    everything, settings = [], []
    slot = group.where[0] * group.sizes[1] + group.where[1]
    for decay, water in zip(DECAYS, group.water, strict=True):
        known = np.isfinite(group.cover) & np.isfinite(water) & (group.where[0] >= 0)[:, None]
        y = _centred(group.cover, known, group.where)
        for shape in kernels.shapes_of(water[known]):
            z = _centred(_form(shape, water), known, group.where)
            sums = np.zeros((group.sizes[0] * group.sizes[1], 6))
            parts = (np.ones_like(z), z, y, z * z, z * y, y * y)
            for k, part in enumerate(parts):
                by_time = np.where(known, part, 0.0).sum(axis=1)
                inside = slot >= 0
                np.add.at(sums[:, k], slot[inside], by_time[inside])
            everything.append(sums.reshape(*group.sizes, 6))
            settings.append((*shape, decay))
    return np.stack(everything), np.array(settings)


def _lines(total: Floats, by_class: bool) -> tuple[Floats, Floats, Floats]:
    """Return intercepts and slopes (..., months), and squared errors, from (..., months, 6)."""
    n = np.maximum(total[..., 0], 1.0)
    z, y = total[..., 1] / n, total[..., 2] / n
    zz, zy = total[..., 3] - n * z * z, total[..., 4] - n * z * y
    yy = total[..., 5] - n * y * y
    top, below = zy, zz
    if not by_class:
        top = np.broadcast_to(zy.sum(axis=-1, keepdims=True), zy.shape)
        below = np.broadcast_to(zz.sum(axis=-1, keepdims=True), zz.shape)
    slope = np.where(below > 0, top / np.where(below > 0, below, 1.0), 0.0)
    error = (yy - 2.0 * slope * zy + slope**2 * zz).sum(axis=-1)
    return y - slope * z, slope, error


def _curves(
    group: _Group, rng: np.random.Generator, level: float, n_resamples: int
) -> pd.DataFrame:
    sums, settings = _group_sums(group)
    by_year = np.zeros((len(sums), 2, group.sizes[1]))
    for one, into in zip(sums, by_year, strict=True):
        kernels.validated(one, into)
    errors = by_year.sum(axis=-1)
    plain = kernels.plain_errors(sums[0]).sum()
    best, by_class = np.unravel_index(int(errors.argmin()), errors.shape)
    years = group.sizes[1]
    counts = rng.multinomial(years, np.full(years, 1.0 / years), size=n_resamples)
    total = np.einsum("by,cmyk->bcmk", counts.astype(np.float64), sums)
    start, slope, error = _lines(total, bool(by_class))
    chosen = error.argmin(axis=1)
    here = _lines(sums[best].sum(axis=1), bool(by_class))
    wide = stdtrit(years - 1.0, 0.5 + level / 2.0) / ndtri(0.5 + level / 2.0)
    wide *= np.sqrt(years / (years - 1.0))
    form = FORMS[int(settings[best, 0])] if errors.min() < plain else FORMS[-1]
    rows = []
    for month in range(group.sizes[0]):
        at = _range_of_water(group, month, float(settings[best, 3]))
        if at is None:
            continue
        line = here[0][month] + here[1][month] * _form(settings[best], at)
        draws = [
            start[b, c, month] + slope[b, c, month] * _form(settings[c], at)
            for b, c in enumerate(chosen)
        ]
        low, high = np.quantile(draws, (0.5 - level / 2.0, 0.5 + level / 2.0), axis=0)
        limits = {"low": line - wide * (line - low), "high": line + wide * (high - line)}
        table = {"month": month, "water": at, "cover": line, **limits}
        rows.append(pd.DataFrame({**table, "form": form, "memory": settings[best, 3]}))
    return pd.concat(rows, ignore_index=True)


def _range_of_water(group: _Group, month: int, decay: float) -> Floats | None:
    """Give the points of a curve, or None where a month has too little water seen."""
    seen = group.water[int(np.flatnonzero(decay == DECAYS)[0])][group.where[0] == month]
    seen = seen[np.isfinite(seen)]
    if seen.size < 8:
        return None
    low, high = (float(mark) for mark in np.quantile(seen, (0.05, 0.95)))
    return np.asarray(np.linspace(low, high, _POINTS))
