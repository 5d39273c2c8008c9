"""How cover answers soil water: which form, after how long, in which month, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.special import stdtrit

from headwater.errors import DataError
from headwater.vegetation import _response_kernels as kernels
from headwater.vegetation._series import quantiles_of, times_of

__all__ = ["FORMS", "Response", "fit_response", "lagged_water", "transformed_water"]

Floats = NDArray[np.float64]

FORMS = {-1: "no water", 0: "linear", 1: "plateau", 2: "saturating"}
"""Forms by their code."""

DECAYS = np.array([0.0, 0.4, 0.65, 0.8, 0.9])
"""Weight of each lag relative to the one before."""

_BLOCK = 1024
_ROUNDING = 1e-6
"""Cover that differs by less between years is the same [1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """A fitted response of cover to soil water.

    Attributes
    ----------
    maps : Dataset
        By cell: ``form`` (a code of :data:`FORMS`), ``share`` of the variance of cover anomalies
        that water explains, ``share_low``, ``share_high`` [1], ``memory`` (mean lag) [d], ``n``;
        by ``month``: ``slope`` and ``intercept`` on the form's scale, ``sigma`` (residual standard
        deviation) [unit of cover]; ``effect``: what soil water from its 10 % to its 90 % quantile
        adds to cover.
    settings : ndarray, shape (cells, 6)
        Of the kernels: kind, two parameters, decay, whether slopes go by month, n.
    months : tuple of int
        Months that were fitted.
    lags : int
        Longest lag [steps].
    step : float
        Step of the lags [d].
    frozen : int
        Observations that were left out because the ground was frozen.
    """

    maps: xr.Dataset
    settings: Floats
    months: tuple[int, ...]
    lags: int
    step: float
    frozen: int

    def expected(self, cover: xr.DataArray, water: xr.DataArray) -> xr.DataArray:
        """Return the cover that water lets expect, at the times of `cover`, NaN in other months."""
        lagged = lagged_water(water, times_of(cover), lags=self.lags, step=self.step)
        return _expected(self, cover, lagged)

    def residuals(self, cover: xr.DataArray, water: xr.DataArray) -> xr.Dataset:
        """Return what water does not explain: ``residual``, and ``z`` in units of its month's sd.

        These are what a detector of degradation should watch: anomalies that a lack of water would
        cause are gone.
        """
        left = cover - self.expected(cover, water)
        place = _class_of(times_of(cover), self.months)
        sigma = self.maps["sigma"].isel(month=xr.DataArray(np.maximum(place, 0), dims="time"))
        known = xr.DataArray(place >= 0, {"time": cover["time"]}, "time")
        z = (left / sigma).where(known & (sigma > 0))
        found = {"residual": left, "z": z.drop_vars("month", errors="ignore")}
        return xr.Dataset({k: v.transpose(*cover.dims) for k, v in found.items()})


def lagged_water(
    water: xr.DataArray, times: pd.DatetimeIndex, *, lags: int = 12, step: float = 5.0
) -> Floats:
    """Average soil water over steps that end at each time and before it.

    Parameters
    ----------
    water : DataArray (time, ...)
        Liquid soil water [m3 m-3], at steps no longer than `step`.
    times : DatetimeIndex
        When cover was seen.
    lags : int
        Steps before the last one.
    step : float
        [d]

    Returns
    -------
    ndarray, shape (lags + 1, times, cells)
        NaN where a step has no value.

    Examples
    --------
    >>> days = pd.date_range("2001-01-01", periods=20)
    >>> water = xr.DataArray(np.arange(20.0), {"time": days}, "time")
    >>> lagged_water(water, days[[19]], lags=2, step=5.0)[:, 0, 0].tolist()
    [17.0, 12.0, 7.0]
    """
    own = times_of(water)
    values = water.transpose("time", ...).values.astype(np.float64).reshape(len(own), -1)
    seen = np.isfinite(values)
    zero = np.zeros((1, values.shape[1]))
    total = np.concatenate([zero, np.cumsum(np.where(seen, values, 0.0), axis=0)])
    count = np.concatenate([zero, np.cumsum(seen, axis=0)])
    out = np.empty((lags + 1, len(times), values.shape[1]))
    for k in range(lags + 1):
        ends = own.searchsorted(times - pd.Timedelta(days=k * step), side="right")
        starts = own.searchsorted(times - pd.Timedelta(days=(k + 1) * step), side="right")
        n = count[ends] - count[starts]
        mean = (total[ends] - total[starts]) / np.where(n > 0, n, 1.0)
        out[k] = np.where(n > 0, mean, np.nan)
    return out


def fit_response(
    cover: xr.DataArray,
    water: xr.DataArray,
    *,
    months: Sequence[int] = (5, 6, 7, 8, 9),
    lags: int = 12,
    step: float = 5.0,
    thawed: xr.DataArray | None = None,
    level: float = 0.95,
) -> Response:
    """Fit how cover answers soil water in every cell.

    Parameters
    ----------
    cover : DataArray (time, ...)
        Cover or NDVI, as seen; gaps as NaN.
    water : DataArray (time, ...)
        Liquid soil water of the same cells, daily or at steps of `cover` [m3 m-3].
    months : sequence of int
        Months to fit; the answer may differ from one to the next, even in sign.
    lags : int
        Longest lag [steps].
    step : float
        Step of the lags [d]; at least the step of `water`.
    thawed : DataArray of bool (time, ...), optional
        Whether the ground was thawed, at the times of `cover`; what was seen on frozen ground is
        left out.
    level : float
        Of the interval of the share [1].

    Returns
    -------
    Response

    Raises
    ------
    DataError
        If there are fewer than three years, cover is constant, or cells differ.

    Notes
    -----
    Candidates: ``cover = a_m + b_m f(W)``, W = Σ_l d^l θ_{t−l} / Σ_l d^l over lags of 0-12 pentads,
    f linear, linear between two limits (Lu et al. 2020: from 1.1 to 10 %, then flat), or saturating
    (W − W₀) / (W − W₀ + W_h); b_m one for all months or one for each; and no water at all. Each is
    judged by leaving out one year after the other. The share is ``1 − SSE / SSE₀`` of years
    predicted by what the other years chose and fitted, so that the choice among many candidates
    earns nothing; its interval is a jackknife over years, cut at zero.

    References
    ----------
    Lu et al. (2020), as quoted by Li et al. (2024), Hydrol. Earth Syst. Sci. 28, 719.
    doi:10.5194/hess-28-719-2024. Varma, S. and Simon, R. (2006). Bias in error estimation when
    using cross-validation for model selection. BMC Bioinformatics 7, 91. doi:10.1186/1471-2105-7-91

    Examples
    --------
    >>> days = pd.date_range("2001-01-01", "2012-12-31")
    >>> rng = np.random.default_rng(1)
    >>> theta = 0.15 + 0.05 * np.sin(np.arange(days.size) / 97) + rng.normal(0, 0.01, days.size)
    >>> water = xr.DataArray(theta, {"time": days}, "time")
    >>> cover = (0.2 + 2.0 * water + rng.normal(0, 0.02, days.size))[::8]
    >>> found = fit_response(cover, water).maps
    >>> bool(found["share"] > 0.8), float(found["slope"].sel(month=7).round(1))
    (True, 2.0)
    """
    times = times_of(cover)
    shape = cover.transpose("time", ...).shape[1:]
    if water.transpose("time", ...).shape[1:] != shape:
        raise DataError(
            "cover and water have different cells",
            found=f"{shape} and {water.transpose('time', ...).shape[1:]}",
            do="Align them first",
        )
    values, frozen = _thawed_only(cover, thawed)
    years = np.unique(times.year, return_inverse=True)
    _check(values, len(years[0]))
    where = np.stack([_class_of(times, tuple(months)), years[1]]).astype(np.int64)
    constant = _same_every_year(values, where[0])
    values = np.where(constant[:, None], np.nan, values)
    sizes = (len(months), len(years[0]))
    parts = []
    flat_water = water.transpose("time", ...)
    stacked = flat_water.values.reshape(flat_water.sizes["time"], -1)
    for first in range(0, values.shape[0], _BLOCK):
        cells = slice(first, first + _BLOCK)
        own = xr.DataArray(stacked[:, cells], {"time": water["time"]}, ("time", "cell"))
        lagged = lagged_water(own, times, lags=lags, step=step)
        found = kernels.choose_rows(values[cells], lagged, where, sizes, DECAYS)
        parts.append((*found, _effect(found, lagged, where)))
    settings, fits, errors, effect = (np.concatenate([part[k] for part in parts]) for k in range(4))
    maps = _maps(cover, settings, fits, errors, level)
    about = {"years": len(years[0]), "constant": int(constant.sum())}
    maps = maps.assign_coords(month=list(months)).assign_attrs(about)
    dims = [dim for dim in cover.dims if dim != "time"]
    maps["memory"] = dims, _memory(settings, lags, step).reshape(shape), {"units": "d"}
    maps["effect"] = ("month", *dims), effect.T.reshape(-1, *shape), {"units": "1"}
    return Response(maps, settings, tuple(months), lags, step, frozen)


def _thawed_only(cover: xr.DataArray, thawed: xr.DataArray | None) -> tuple[Floats, int]:
    values = cover.transpose(..., "time").values.astype(np.float64)
    rows = values.reshape(-1, values.shape[-1])
    if thawed is None:
        return np.ascontiguousarray(rows), 0
    open_ground = thawed.transpose(..., "time").values.reshape(rows.shape).astype(bool)
    frozen = int((~open_ground & np.isfinite(rows)).sum())
    return np.where(open_ground, rows, np.nan), frozen


def _check(values: Floats, years: int) -> None:
    if years < 3:
        raise DataError(
            "a response needs three years",
            found=f"{years}",
            do="Give a longer record; one season cannot distinguish water from the season itself",
        )
    if not np.isfinite(values).any() or np.nanmin(values) == np.nanmax(values):
        raise DataError(
            "cover does not change",
            found="all values missing or equal",
            do="Give cover or NDVI that varies between years",
        )


def _same_every_year(values: Floats, month: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Find the rows (cells, times) whose cover differs by rounding alone within each month."""
    widest = np.zeros(len(values))
    for k in range(month.max() + 1):
        own = values[:, month == k]
        low, high = (
            pick(own, axis=1, where=np.isfinite(own), initial=start)
            for pick, start in ((np.min, np.inf), (np.max, -np.inf))
        )
        widest = np.maximum(widest, high - low)
    return (widest <= _ROUNDING) & np.isfinite(values).any(axis=1)


def _class_of(times: pd.DatetimeIndex, months: tuple[int, ...]) -> NDArray[np.int64]:
    place = np.full(13, -1)
    place[list(months)] = np.arange(len(months))
    return np.asarray(place[times.month.to_numpy()])


def _memory(settings: Floats, lags: int, step: float) -> Floats:
    """Mean lag of the geometric weights, from the middle of each step [d]."""
    weights = settings[:, 3:4] ** np.arange(lags + 1)
    middle = step * (np.arange(lags + 1) + 0.5)
    return np.asarray((weights * middle).sum(axis=1) / weights.sum(axis=1))


def _form_of(settings: Floats, water: Floats) -> Floats:
    """Evaluate the chosen form of each cell at water (..., cells)."""
    kind, first, second = settings[:, 0], settings[:, 1], settings[:, 2]
    over = np.maximum(water - first, 0.0)
    with np.errstate(invalid="ignore"):
        saturating = over / (over + second)
        plateau = np.clip(water, first, np.maximum(second, first))
    return np.where(kind == 2.0, saturating, np.where(kind == 1.0, plateau, water))


def _weighted(settings: Floats, lagged: Floats) -> Floats:
    """Average lags (lags, times, cells) by each cell's weights, as the kernels do."""
    weights = settings[:, 3] ** np.arange(len(lagged))[:, None, None]
    seen = np.isfinite(lagged)
    weight = (weights * seen).sum(axis=0)
    total = (weights * np.where(seen, lagged, 0.0)).sum(axis=0)
    enough = weight > 0.5 * weights.sum(axis=0)
    return np.where(enough, total / np.where(enough, weight, 1.0), np.nan)


def _effect(found: Any, lagged: Floats, where: NDArray[np.int64]) -> Floats:
    """Measure what water from its 10 % to its 90 % quantile adds to cover, (cells, months)."""
    settings, fits, _ = found
    water = _weighted(settings, lagged)
    out = np.full(fits.shape[:2], np.nan)
    for k in range(fits.shape[1]):
        own = water[where[0] == k]
        some = np.isfinite(own).any(axis=0) if len(own) else np.zeros(len(settings), bool)
        if some.any():
            low, high = quantiles_of(own, (0.1, 0.9))
            rise = _form_of(settings, high[None])[0] - _form_of(settings, low[None])[0]
            out[:, k] = np.where(some, fits[:, k, 1] * rise, np.nan)
    return out


def _share(errors: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Share of variance with its jackknife interval over years, from (cells, 2, years)."""
    plain, best = errors[:, 0], errors[:, 1]
    used = plain > 0.0
    years = np.maximum(used.sum(axis=1), 2)
    without, with_water = plain.sum(axis=1, keepdims=True), best.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 1.0 - with_water / without
        left = 1.0 - (with_water - best) / (without - plain)
    middle = np.where(used, left, 0.0).sum(axis=1, keepdims=True) / years[:, None]
    square = np.where(used, (left - middle) ** 2, 0.0).sum(axis=1)
    error = np.sqrt((years - 1.0) / years * square)
    width = stdtrit(years - 1.0, 0.5 + level / 2.0) * error
    share = share[:, 0]
    return share, np.maximum(share - width, 0.0), np.clip(share + width, 0.0, 1.0)


def _maps(
    cover: xr.DataArray, settings: Floats, fits: Floats, errors: Floats, level: float
) -> xr.Dataset:
    dims = [dim for dim in cover.dims if dim != "time"]
    shape = tuple(cover.sizes[dim] for dim in dims)
    share, low, high = _share(errors, level)
    form = np.where(np.isfinite(settings[:, 0]), settings[:, 0], np.nan)
    fields = {"form": form, "share": np.maximum(share, 0.0), "share_low": low, "share_high": high}
    fields |= {"share_validated": share, "n": settings[:, 5]}
    names = {"intercept": 0, "slope": 1}
    by_month = {name: fits[:, :, k] for name, k in names.items()}
    by_month["sigma"] = np.sqrt(fits[:, :, 2])
    coords = {name: c for name, c in cover.coords.items() if "time" not in c.dims}
    data = {name: (dims, values.reshape(shape), {"units": "1"}) for name, values in fields.items()}
    for name, values in by_month.items():
        data[name] = (["month", *dims], values.T.reshape(-1, *shape), {"units": "1"})
    return xr.Dataset(data, coords)


def _expected(response: Response, cover: xr.DataArray, lagged: Floats) -> xr.DataArray:
    settings = response.settings
    place = _class_of(times_of(cover), response.months)
    shape = (len(response.months), -1)
    intercept = response.maps["intercept"].values.reshape(shape)
    slope = response.maps["slope"].values.reshape(shape)
    z = _form_of(settings, _weighted(settings, lagged))
    at = np.maximum(place, 0)
    # where the chosen model has no water, the month's mean needs none
    answered = np.where(slope[at] == 0.0, 0.0, slope[at] * z)
    values = np.where(place[:, None] >= 0, intercept[at] + answered, np.nan)
    ordered = cover.transpose("time", ...)
    return ordered.copy(data=values.reshape(ordered.shape)).transpose(*cover.dims)


def transformed_water(settings: Floats, lagged: Floats) -> Floats:
    """Transform soil water as a fitted response does, for baselines that take it as a covariate.

    Parameters
    ----------
    settings : ndarray, shape (cells, 6) or (1, 6)
        Of :class:`Response`, of each cell or one for all.
    lagged : ndarray, shape (lags + 1, times, cells)
        Of :func:`lagged_water` [m3 m-3].

    Returns
    -------
    ndarray, shape (times, cells)
        On the scale of the form; NaN where too few lags have a value.

    Examples
    --------
    >>> linear = np.array([[0.0, 0.0, 0.0, 0.5, 0.0, 30.0]])
    >>> transformed_water(linear, np.array([[[0.2]], [[0.1]]])).round(3).tolist()
    [[0.167]]
    """
    return _form_of(settings, _weighted(settings, lagged))
