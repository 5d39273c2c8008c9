"""Logistic growth of cover towards what soil water lets stand, grazed, within an alpine season."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from headwater.errors import DataError
from headwater.vegetation import _kernels as kernels
from headwater.vegetation._least_squares import fit_cells, to_scale, to_values
from headwater.vegetation._series import plain_array

__all__ = ["GROWTH_BOUNDS", "Growth", "fit_growth", "grow_cover", "season_gate"]

Floats = NDArray[np.float64]

GROWTH_BOUNDS: Mapping[str, tuple[float, float]] = {
    "rate": (0.005, 0.5),
    "densest": (0.05, 1.5),
    "dry": (0.0, 0.2),
    "half": (0.003, 0.5),
    "fade": (0.003, 0.5),
    "least": (0.001, 0.6),
}
"""What is fitted and between which limits."""

_LOGS = ("rate", "half", "fade", "least")
_START = {"rate": 0.08, "densest": 0.7, "dry": 0.04, "half": 0.05, "fade": 0.05, "least": 0.05}
_PRIOR_SD = np.full(len(GROWTH_BOUNDS), 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """How cover grows in each cell.

    Attributes
    ----------
    rate : ndarray
        Fastest relative growth r [d-1].
    densest : ndarray
        Cover that unlimited water would carry [1].
    dry, half : ndarray
        Water content at which nothing stands, and how much above it half stands [m3 m-3].
    fade, least : ndarray
        Rate of dying back out of season [d-1], and cover that stays [1].
    low, high : mapping of ndarray
        Limits of the interval of each.
    rmse, r2 : ndarray
        Of cover [1].
    n : ndarray
        Observations.
    """

    rate: Floats
    densest: Floats
    dry: Floats
    half: Floats
    fade: Floats
    least: Floats
    low: Mapping[str, Floats]
    high: Mapping[str, Floats]
    rmse: Floats
    r2: Floats
    n: NDArray[np.int64]

    def limit(self, water: ArrayLike) -> Floats:
        """Return the cover K that a water content lets stand [1]."""
        over = np.maximum(np.asarray(water, dtype=np.float64) - self.dry, 0.0)
        return np.asarray(self.densest * over / (over + self.half))


def season_gate(
    air: ArrayLike, *, thawed: ArrayLike | None = None, base: float = 0.0, full: float = 10.0
) -> Floats:
    """Say how far warmth and thaw let plants grow.

    Parameters
    ----------
    air : array-like (days, ...)
        Daily mean air temperature [degC].
    thawed : array-like of bool (days, ...), optional
        Whether the ground is thawed at 10 cm; nothing grows where it is not.
    base, full : float
        Mean of the last 10 days at which growth begins, and from which on warmth does not limit it
        [degC]. The defaults are ours, without a source.

    Returns
    -------
    ndarray (days, ...)
        From 0 to 1; NaN of air counts as cold.

    Examples
    --------
    >>> season_gate(np.full(12, 5.0))[-1].tolist()
    0.5
    """
    warm = np.nan_to_num(np.asarray(air, dtype=np.float64), nan=base)
    total = np.cumsum(warm, axis=0)
    count = np.minimum(np.arange(1, len(warm) + 1), 10).reshape(-1, *[1] * (warm.ndim - 1))
    recent = total.copy()
    recent[10:] -= total[:-10]
    gate = np.clip((recent / count - base) / (full - base), 0.0, 1.0)
    return gate if thawed is None else np.where(np.asarray(thawed, dtype=bool), gate, 0.0)


def grow_cover(
    water: ArrayLike,
    gate: ArrayLike,
    growth: Growth | Mapping[str, Any],
    *,
    grazing: ArrayLike = 0.0,
    begin: ArrayLike | None = None,
) -> Floats:
    """Let cover grow day by day.

    Parameters
    ----------
    water : array-like (days, ...)
        Liquid water content of the root zone, without gaps [m3 m-3].
    gate : array-like (days, ...)
        Of :func:`season_gate` [1].
    growth : Growth, or mapping of the names of GROWTH_BOUNDS
        How the cells grow.
    grazing : array-like (days, ...) or float
        Share of cover that is eaten in a day [d-1].
    begin : array-like (...), optional
        Cover before the first day; default: what stays over winter.

    Returns
    -------
    ndarray (days, ...)
        Cover [1].

    Raises
    ------
    DataError
        If water has gaps, or grazing is negative.

    Notes
    -----
    dC/dt = r g C (1 − C / K(θ)) − h C in season (g > 0), K = C_max (θ − θ₀)⁺ / ((θ − θ₀)⁺ + θ_h);
    out of season C fades to what stays. Each day is the exact solution with that day's water.

    References
    ----------
    Noy-Meir, I. (1975). Stability of grazing systems: an application of predator-prey graphs. J.
    Ecol. 63, 459-481. doi:10.2307/2258730 (logistic growth under grazing; recalled, unchecked).
    Saturating K: Lu et al. (2020), as quoted in doi:10.5194/hess-28-719-2024

    Examples
    --------
    >>> own = dict(rate=0.1, densest=0.8, dry=0.05, half=0.05, fade=0.05, least=0.05)
    >>> float(grow_cover(np.full(400, 0.15), np.ones(400), own)[-1].round(3)[0])
    0.533
    """
    wet = np.asarray(water, dtype=np.float64)
    shape = wet.shape if wet.ndim > 1 else (len(wet), 1)
    eaten = np.asarray(grazing, dtype=np.float64)
    if not np.isfinite(wet).all() or eaten.min() < 0:
        raise DataError(
            "growth needs water without gaps and grazing of 0 or more",
            found=f"{int((~np.isfinite(wet)).sum())} gaps, grazing from {eaten.min():g}",
            do="Fill gaps of water, by the bucket for instance",
        )
    parts = [_days(part, shape) for part in (wet, np.asarray(gate, dtype=np.float64), eaten)]
    given = growth if isinstance(growth, Mapping) else {n: getattr(growth, n) for n in _START}
    table = np.stack([np.broadcast_to(given[n], shape[1:]).ravel() for n in _START]).astype(float)
    first = table[5] if begin is None else np.broadcast_to(begin, shape[1:]).ravel().astype(float)
    found: Floats = kernels.grow_days(parts[0], parts[1], parts[2], table, np.array(first))
    return found.reshape(shape)


def _days(part: Floats, shape: tuple[int, ...]) -> Floats:
    whole = part
    if part.ndim < len(shape) and part.ndim:
        whole = part.reshape(len(part), *[1] * (len(shape) - 1))
    return plain_array(whole, shape).reshape(shape[0], -1)


def fit_growth(
    cover: ArrayLike,
    water: ArrayLike,
    gate: ArrayLike,
    *,
    grazing: ArrayLike = 0.0,
    level: float = 0.95,
    iterations: int = 12,
    min_values: int = 30,
) -> Growth:
    """Fit growth to cover as seen.

    Parameters
    ----------
    cover : array-like (days, ...)
        As seen, NaN on days without a value [1].
    water, gate, grazing : array-like (days, ...)
        As in :func:`grow_cover`.
    level : float
        Of the intervals [1].
    iterations : int
        Steps of the fit.
    min_values : int
        Least number of observations; cells with fewer stay NaN.

    Returns
    -------
    Growth

    Raises
    ------
    DataError
        If no cell has enough observations, or cover is constant.

    Notes
    -----
    Least squares by Levenberg-Marquardt between :data:`GROWTH_BOUNDS`, with a weak prior. Grazing
    is given and not fitted: steady grazing lowers what stands to K (1 − h / r), and cover alone
    cannot distinguish it from less water.

    Examples
    --------
    >>> days = np.arange(1460)
    >>> gate = np.clip(np.sin((days % 365 - 120) / 150 * np.pi), 0, 1) * (days % 365 > 120)
    >>> gate = np.where(days % 365 < 270, gate, 0.0)
    >>> water = 0.12 + 0.05 * np.sin(days / 200)
    >>> own = dict(rate=0.15, densest=0.8, dry=0.05, half=0.05, fade=0.05, least=0.05)
    >>> seen = np.full((1460, 1), np.nan)
    >>> noise = np.random.default_rng(1).normal(0, 0.01, (183, 1))
    >>> seen[::8] = grow_cover(water, gate, own)[::8] + noise
    >>> bool(abs(fit_growth(seen, water, gate).limit(0.15)[0] - 0.533) < 0.05)
    True
    """
    seen = np.asarray(cover, dtype=np.float64)
    seen = seen[:, None] if seen.ndim == 1 else seen
    shape = seen.shape[1:]
    used = seen.reshape(len(seen), -1)
    n = np.isfinite(used).sum(axis=0)
    spread = np.array([np.ptp(c[np.isfinite(c)]) if np.isfinite(c).any() else 0.0 for c in used.T])
    enough = (n >= min_values) & (spread > 0.0)
    if not enough.any():
        raise DataError(
            "growth cannot be fitted",
            found=f"at most {int(n.max())} values in a cell, {int((spread <= 0).sum())} of "
            f"{len(n)} cells constant",
            do=f"Give {min_values} or more values of cover that changes",
        )
    drives = [_days(np.asarray(part, dtype=np.float64), seen.shape) for part in (water, gate)]
    eaten = _days(np.asarray(grazing, dtype=np.float64), seen.shape)

    def misfit_of(own: NDArray[np.int64]) -> Callable[[Floats], Floats]:
        wet, warm, grazed = drives[0][:, own], drives[1][:, own], eaten[:, own]
        return lambda at: used[:, own] - grow_cover(wet, warm, _values(at), grazing=grazed)

    fitted = fit_cells(misfit_of, _begin(used), _PRIOR_SD, iterations)
    at = np.where(enough, fitted.at, np.nan)
    width = float(ndtri(0.5 + level / 2.0)) * np.sqrt(np.einsum("iic->ic", fitted.spread))
    mean = np.nansum(used, axis=0) / np.maximum(n, 1)
    variance = np.nansum((used - mean) ** 2, axis=0) / np.maximum(n, 1)
    square = np.where(enough, fitted.square, np.nan)

    def shaped(values: Mapping[str, Floats]) -> dict[str, Floats]:
        return {name: part.reshape(shape) for name, part in values.items()}

    return Growth(
        **shaped(_values(at)),
        low=shaped(_values(at - width)),
        high=shaped(_values(at + width)),
        rmse=np.sqrt(square).reshape(shape),
        r2=(1.0 - square / np.maximum(variance, 1e-30)).reshape(shape),
        n=n.reshape(shape),
    )


def _begin(used: Floats) -> Floats:
    """Begin at usual values, the densest cover at what was seen, on the scale of the fit."""
    rows = []
    for name, (low, high) in GROWTH_BOUNDS.items():
        value = np.full(used.shape[1], _START[name])
        if name == "densest":
            most = np.where(np.isfinite(used), used, 0.0).max(axis=0)
            value = np.clip(1.2 * most, 0.1, 1.4)
        rows.append(to_scale(value, low, high, logs=name in _LOGS))
    return np.stack(rows)


def _values(at: Floats) -> dict[str, Floats]:
    return {
        name: to_values(row, low, high, logs=name in _LOGS)
        for row, (name, (low, high)) in zip(at, GROWTH_BOUNDS.items(), strict=True)
    }
