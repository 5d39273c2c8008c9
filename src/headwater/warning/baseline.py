"""What a place usually does at this time of year, and how long its departures last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, StudyError
from headwater.warning.standardised import day_of_year

__all__ = [
    "Baseline",
    "BaselineOptions",
    "PooledMemory",
    "REASONS",
    "autoregressive",
    "baseline_design",
    "expected_values",
    "fit_baseline",
    "innovations",
    "pool_memory",
    "season_parts",
]

Floats = NDArray[np.float64]
_BRIDGE = 1.628
"""99 % point of the largest excursion of a Brownian bridge."""
_FARTHEST = 3.0
_MOST_MEMORY = 0.7
"""More memory than this is taken for a change of the history, not for memory."""
REASONS = (
    "ok",
    "too few observations in the history",
    "history not stable",
    "the history does not determine the model",
    "no variation in the history",
)
"""Why a place has no baseline, by its code."""
_FEWEST = 20
_SIMULATED = 1000
_LEAST_SPREAD, _LEAST_KEPT = 0.03, 0.05


@dataclass(frozen=True, slots=True)
class PooledMemory:
    """What the places of a map say together of the memory of each.

    Attributes
    ----------
    mean : float
        Mean memory of the places [1].
    spread : float
        Standard deviation of their true memories, uncertainty of the mean included [1].
    kept : float
        Share of the difference from the mean that a place's own estimate keeps [1].
    """

    mean: float
    spread: float
    kept: float


@dataclass(frozen=True, slots=True)
class BaselineOptions:
    """How a baseline is fitted.

    Attributes
    ----------
    order : int
        Harmonics of the year.
    season : tuple of int
        First and last day of the growing season, days of the year from 0 [d].
    n_parts : int
        Parts of the season with a spread of their own.
    min_n : int
        Fewest observations in the history.
    stable : bool
        Whether a history that changes within itself gives no baseline: the cumulative sum of its
        residuals leaves the 99 % band of a Brownian bridge, widened for their memory.
    memory : PooledMemory, optional
        Draws the memory of each place to that of all, as far as it scatters by chance
        (:func:`headwater.warning.baseline.pool_memory`). Default: each has its own estimate.
    """

    order: int = 2
    season: tuple[int, int] = (120, 288)
    n_parts: int = 3
    min_n: int = 24
    stable: bool = True
    memory: PooledMemory | None = None

    def __post_init__(self) -> None:
        """Refuse options that no data meet."""
        first, last = self.season
        if not (0 <= first < last <= 365 and self.order >= 0 and self.n_parts >= 1):
            raise StudyError(
                "options of a baseline that cannot be",
                found=f"order {self.order}, season {first} to {last}, {self.n_parts} parts",
                do="Give a season within 0 to 365 and at least one part",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Baselines of many places, with the memory that a new date updates.

    Attributes
    ----------
    options : BaselineOptions
    coefficients : ndarray, shape (n_places, n_terms)
        NaN where there is no baseline.
    spread : ndarray, shape (n_places, n_parts)
        Standard deviation of residuals [unit of the values].
    rho : ndarray, shape (n_places,)
        Correlation of residuals one step apart [1].
    n : ndarray of int, shape (n_places,)
        Observations in the history.
    reason : ndarray of int8, shape (n_places,)
        Place in :data:`REASONS`.
    last : ndarray, shape (n_places,)
        Last standardised residual; NaN before the first.
    age : ndarray of int, shape (n_places,)
        Steps since then.
    """

    options: BaselineOptions
    coefficients: Floats
    spread: Floats
    rho: Floats
    n: NDArray[np.int64]
    reason: NDArray[np.int8]
    last: Floats
    age: NDArray[np.int64]


def season_parts(times: ArrayLike, options: BaselineOptions) -> NDArray[np.int64]:
    """Say in which part of the growing season each time lies.

    Parameters
    ----------
    times : array-like of datetime, shape (n_times,)
    options : BaselineOptions

    Returns
    -------
    ndarray of int, shape (n_times,)
        From 0; -1 outside the season.

    Examples
    --------
    >>> season_parts(["2020-01-01", "2020-05-20", "2020-09-10"], BaselineOptions()).tolist()
    [-1, 0, 2]
    """
    first, last = options.season
    day = day_of_year(times)
    part = (day - first) * options.n_parts // (last - first + 1)
    return np.where((day >= first) & (day <= last), part, -1)


def baseline_design(times: ArrayLike, options: BaselineOptions) -> Floats:
    """Write the mean and the harmonics of the year as columns.

    Parameters
    ----------
    times : array-like of datetime, shape (n_times,)
    options : BaselineOptions

    Returns
    -------
    ndarray, shape (n_times, 1 + 2 order)

    Examples
    --------
    >>> baseline_design(["2020-01-01"], BaselineOptions(order=1)).tolist()
    [[1.0, 0.0, 1.0]]
    """
    angle = 2 * np.pi * day_of_year(times) / 365.0
    columns = [np.ones(len(angle))]
    for order in range(1, options.order + 1):
        columns += [np.sin(order * angle), np.cos(order * angle)]
    return np.column_stack(columns)


def fit_baseline(
    values: ArrayLike,
    times: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    options: BaselineOptions | None = None,
) -> Baseline:
    """Fit the baseline of each place on its history.

    By least squares, without neighbouring dates that lie more than four robust standard deviations
    off on the same side, as long as they are less than a tenth: a lost season in the history would
    hide the next.

    Parameters
    ----------
    values : array-like, shape (n_times, n_places)
        Greenness or cover in steps of equal length; NaN where missing. Outside the growing season
        nothing is used.
    times : array-like of datetime, shape (n_times,)
    covariates : array-like, shape (n_covariates, n_times, n_places), optional
        Water as the response model sees it, for example its saturating form and that times the
        month. Where one is missing, the observation is left out.
    options : BaselineOptions, optional

    Returns
    -------
    Baseline
        With a reason wherever a place has none.

    Raises
    ------
    DataError
        If shapes do not fit, or no time lies in the growing season.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> days = pd.date_range("2010-01-01", "2017-12-31", freq="16D")
    >>> rng = np.random.default_rng(1)
    >>> green = rng.normal(0.5, 0.05, (len(days), 3))
    >>> fitted = fit_baseline(green, days)
    >>> fitted.reason.tolist(), bool(np.all(abs(fitted.spread - 0.05) < 0.015))
    ([0, 0, 0], True)
    """
    from headwater.warning._kernels import fit_histories

    chosen = options or BaselineOptions()
    x, water, part = _checked(values, times, covariates, chosen)
    coefficients, spread, rho, n = fit_histories(
        x, baseline_design(times, chosen), water, part, chosen.n_parts
    )
    if chosen.memory is not None:
        rho = chosen.memory.mean + chosen.memory.kept * (rho - chosen.memory.mean)
    reason = np.zeros(x.shape[1], dtype=np.int8)
    reason[~np.isfinite(coefficients[:, 0])] = 3
    with np.errstate(invalid="ignore"):
        reason[(reason == 0) & ~(spread > 1e-12).all(axis=1)] = 4
    reason[n < chosen.min_n] = 1
    coefficients[reason > 0] = np.nan
    last, age = np.full(x.shape[1], np.nan), np.zeros(x.shape[1], dtype=np.int64)
    fitted = Baseline(chosen, coefficients, spread, rho, n, reason, last, age)
    _, remembered = innovations(fitted, values, times, covariates)
    if not chosen.stable:
        return remembered
    # without memory taken out: the memory would absorb the very change that is looked for
    bare, _ = innovations(replace(fitted, rho=np.zeros(len(rho))), values, times, covariates)
    changed = _changes(bare, np.clip(rho, 0.0, _MOST_MEMORY)) & (reason == 0)
    return replace(
        remembered,
        reason=np.where(changed, 2, reason).astype(np.int8),
        coefficients=np.where(changed[:, None], np.nan, coefficients),
    )


def innovations(
    baseline: Baseline, values: ArrayLike, times: ArrayLike, covariates: ArrayLike | None = None
) -> tuple[Floats, Baseline]:
    """Compute what the baseline does not expect of new dates, in standard deviations.

    Parameters
    ----------
    baseline : Baseline
    values, times, covariates
        New dates, later than those seen, in the layout of :func:`fit_baseline`; one or many.

    Returns
    -------
    innovations : ndarray, shape (n_times, n_places)
        ``u_t = (z_t - ρ^a z_(t-a)) / sqrt(1 - ρ^(2a))`` with z the standardised residual and a the
        steps since the last one; NaN outside the growing season, where a value is missing, and
        where there is no baseline.
    baseline : Baseline
        With the memory of the last date.
    """
    from headwater.warning._kernels import innovate

    x, water, part = _checked(values, times, covariates, baseline.options)
    # copies in full precision; the kernel updates them in place
    last, age = baseline.last.astype(np.float64), baseline.age.astype(np.int64)
    found = innovate(
        x,
        baseline_design(times, baseline.options),
        water,
        part,
        np.asarray(baseline.coefficients, dtype=np.float64),
        np.asarray(baseline.spread, dtype=np.float64),
        np.asarray(baseline.rho, dtype=np.float64),
        last,
        age,
    )
    return found, replace(baseline, last=last, age=age)


def expected_values(
    baseline: Baseline, times: ArrayLike, covariates: ArrayLike | None = None
) -> Floats:
    """Compute what the baseline expects.

    Parameters
    ----------
    baseline : Baseline
    times, covariates
        As for :func:`innovations`.

    Returns
    -------
    ndarray, shape (n_times, n_places)
        In the unit of the values.
    """
    design = baseline_design(times, baseline.options)
    found = design @ baseline.coefficients[:, : design.shape[1]].T
    if covariates is not None:
        gain = baseline.coefficients[:, design.shape[1] :]
        found = found + np.einsum("itp,pi->tp", np.asarray(covariates, dtype=np.float64), gain)
    return np.asarray(found)


def _changes(residual: Floats, rho: Floats) -> NDArray[np.bool_]:
    """Whether a history's own residuals drift (OLS-CUSUM test, Ploberger & Krämer 1992)."""
    seen = np.isfinite(residual)
    n = np.maximum(seen.sum(axis=0), 1)
    # a few dates far off were left out of the fit, and are no change either
    total = np.cumsum(np.where(seen, np.clip(residual, -_FARTHEST, _FARTHEST), 0.0), axis=0)
    bridge = total - total[-1] * np.cumsum(seen, axis=0) / n
    return np.asarray(np.abs(bridge).max(axis=0) > _BRIDGE * np.sqrt(n * (1 + rho) / (1 - rho)))


def _checked(
    values: ArrayLike, times: ArrayLike, covariates: ArrayLike | None, options: BaselineOptions
) -> tuple[Floats, Floats, Any]:
    x = np.asarray(values, dtype=np.float64)
    part = season_parts(times, options)
    if x.ndim != 2 or len(x) != len(part):
        raise DataError(
            "values and times do not fit",
            found=f"values {x.shape}, {len(part)} times",
            do="Give values as (n_times, n_places)",
        )
    water = np.empty((0, *x.shape))
    if covariates is not None:
        water = np.asarray(covariates, dtype=np.float64)
        if water.shape[1:] != x.shape:
            raise DataError(
                "values and covariates do not fit",
                found=f"values {x.shape}, covariates {water.shape}",
                do="Give covariates as (n_covariates, n_times, n_places)",
            )
    # outside the season nothing is used, but its steps count: memory fades over a winter
    return np.where(part[:, None] >= 0, x, np.nan), water, np.maximum(part, 0)


def autoregressive(noise: Floats, memory: float) -> Floats:
    """Give noise a memory of one step; its variance stays.

    Parameters
    ----------
    noise : ndarray, shape (n_times, ...)
    memory : float
        Correlation of neighbours in time [1].

    Returns
    -------
    ndarray

    Examples
    --------
    >>> autoregressive(np.array([1.0, 0.0, 0.0]), 0.5).tolist()
    [1.0, 0.5, 0.25]
    """
    values = noise.copy()
    scale = np.sqrt(1 - memory**2)
    for at in range(1, len(values)):
        values[at] = memory * values[at - 1] + scale * noise[at]
    return values


def pool_memory(
    values: ArrayLike,
    times: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    rng: np.random.Generator,
    options: BaselineOptions | None = None,
) -> PooledMemory | None:
    """Find what the memory of a map's places is, and how much their own estimates say beyond it.

    Parameters
    ----------
    values, times, covariates
        Histories of a sample of places, as for :func:`headwater.warning.fit_baseline`.
    rng : numpy.random.Generator
    options : BaselineOptions, optional

    Returns
    -------
    PooledMemory or None
        None with fewer than 20 places that have a baseline: too few to say more than each does.

    Notes
    -----
    Empirical Bayes: of the variance of the estimates what chance brings (simulated at the same
    dates and gaps) is taken off. Places that share their weather err together, so that their mean
    is as uncertain as one of them where they share all of it; that is added.

    References
    ----------
    Efron & Morris (1973), doi:10.1080/01621459.1973.10481350.

    Examples
    --------
    >>> days = np.arange("2008-01-01", "2018-01-01", 16, dtype="datetime64[D]")
    >>> rng = np.random.default_rng(1)
    >>> green = autoregressive(rng.standard_normal((len(days), 200)), 0.6)
    >>> found = pool_memory(green, days, rng=rng)
    >>> round(found.mean, 1), found.kept < 0.3
    (0.6, True)
    """
    chosen = replace(options or BaselineOptions(), stable=False, memory=None)
    x = np.asarray(values, dtype=np.float64)
    water = np.empty((0, *x.shape)) if covariates is None else np.asarray(covariates, np.float64)
    fitted = fit_baseline(x, times, water, options=chosen)
    whole = fitted.reason == 0
    if whole.sum() < _FEWEST:
        return None
    own = fitted.rho[whole]
    mean = float(np.clip(own.mean(), -0.1, 0.85))
    chance = _by_chance(x[:, whole], times, len(water), mean, rng=rng, options=chosen)
    bare = replace(fitted, rho=np.zeros(len(fitted.rho)), last=np.full(len(fitted.rho), np.nan))
    residual = innovations(bare, x, times, water)[0][:, whole]
    shared = max(_shared(residual), 1 / len(own))
    true = max(float(own.var()) - chance**2 * (1 - shared), 0.0) + chance**2 * shared
    spread = max(float(np.sqrt(true)), _LEAST_SPREAD)
    return PooledMemory(mean, spread, max(spread**2 / (spread**2 + chance**2), _LEAST_KEPT))


def _by_chance(
    values: Floats,
    times: ArrayLike,
    n_covariates: int,
    mean: float,
    *,
    rng: np.random.Generator,
    options: BaselineOptions,
) -> float:
    """Simulate how estimates scatter where all places have the same memory."""
    places = rng.integers(values.shape[1], size=_SIMULATED)
    shape = (len(values), _SIMULATED)
    healthy = autoregressive(rng.standard_normal(shape), mean)
    healthy[~np.isfinite(values[:, places])] = np.nan
    water = np.empty((n_covariates, *shape))
    for one in range(n_covariates):
        water[one] = autoregressive(rng.standard_normal(shape), mean)
    fitted = fit_baseline(healthy, times, water, options=options)
    return float(fitted.rho[fitted.reason == 0].std())


def _shared(residual: Floats) -> float:
    """Mean correlation of the places' residuals: what of their variance is common to all."""
    seen = np.isfinite(residual)
    rows = seen.sum(axis=1) >= 2
    if not rows.any():
        return 1.0
    n = seen[rows].sum(axis=1)
    total = np.where(seen[rows], residual[rows], 0.0).sum(axis=1)
    square = np.where(seen[rows], residual[rows] ** 2, 0.0).sum(axis=1)
    pairs = (n * (n - 1)).sum()
    return float(np.clip(((total**2 - square).sum() / pairs) / (square.sum() / n.sum()), 0.0, 1.0))
