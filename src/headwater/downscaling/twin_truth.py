"""A synthetic truth on the user's own grid, known everywhere and hard to find."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.covariance import cell_variance
from headwater.downscaling.learners import pinned
from headwater.downscaling.predictors import coarse_predictors
from headwater.downscaling.systematic import SystematicError
from headwater.downscaling.wavelets import Coupling, fill_predictors

if TYPE_CHECKING:
    from headwater.downscaling.covariance import ResidualCovariance
    from headwater.downscaling.predictors import Predictors
    from headwater.downscaling.support_operator import Support

__all__ = [
    "Drivers",
    "TRUTH_LEARNERS",
    "draw_field",
    "field_strength",
    "lay_truth",
    "match_covariance",
    "observe_truth",
    "true_drivers",
    "unseen_spread",
]

Floats = NDArray[np.float64]

TRUTH_LEARNERS = ("kernel", "broad")
"""Learners of truth, neither of them a tree: random cosine features of two widths.

A polynomial was tried and left out: between the range of cells and that of pixels it runs away, and
made a truth far harder than any real one."""

_ROWS = 20_000
_WINDOW = 15.0
"""Days over which the variance of residuals is smoothed."""
_WEAKEST = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Drivers:
    """What the truth is a function of: the predictors without most of their noise.

    Attributes
    ----------
    predictors : Predictors
        Noisy ones replaced by their slow part.
    coarse : ndarray, shape (n_days, n_cells, n_predictors)
        Their means over the cells.
    """

    predictors: Predictors
    coarse: NDArray[np.floating]


def match_covariance(wanted: ResidualCovariance, found: ResidualCovariance) -> ResidualCovariance:
    """Lower the covariance that twins are drawn from, until their residuals are like the user's.

    Parameters
    ----------
    wanted : ResidualCovariance
        Of the user's out-of-fold residuals.
    found : ResidualCovariance
        Of those of a twin that was drawn from `wanted`: the learner's own misfit comes on top of
        what was drawn.

    Returns
    -------
    ResidualCovariance
        With the variance of each component lowered in the proportion in which `found` is larger
        than `wanted`; nothing is raised.

    Notes
    -----
    Lengths and memories of the components differ between two fits, so what is compared is the
    variance of all changing and of all lasting components. One step of proportional fitting: taking
    off the whole difference was tried, and let twins err too little where few cells are seen.

    Examples
    --------
    >>> from headwater.downscaling.covariance import Component, ResidualCovariance
    >>> user = ResidualCovariance((Component(4e-4, 50.0, 2.0, "daily"),), 0.02)
    >>> twin = ResidualCovariance((Component(5e-4, 50.0, 2.0, "daily"),), 0.02)
    >>> round(match_covariance(user, twin).components[0].variance, 5)
    0.00032
    """
    parts = []
    for one in wanted.components:
        lasts = math.isinf(one.memory_days)
        mine, theirs = (
            sum(part.variance for part in each.components if math.isinf(part.memory_days) == lasts)
            for each in (wanted, found)
        )
        kept = 1.0 if theirs <= mine else mine / theirs
        parts.append(replace(one, variance=one.variance * kept))
    noise, bias = (
        mine * min(mine / theirs, 1.0) if theirs > 0 else mine
        for mine, theirs in (
            (wanted.noise_sd, found.noise_sd),
            (wanted.bias_sd, found.bias_sd),
        )
    )
    return replace(wanted, components=tuple(parts), noise_sd=noise, bias_sd=bias)


def true_drivers(predictors: Predictors, support: Support) -> Drivers:
    """Free the user's predictors of most of their noise, so that theirs is the twin's, too.

    Parameters
    ----------
    predictors : Predictors
        As the user gives them to the learner, noise and all.
    support : Support
        Of the cells over the pixels.

    Returns
    -------
    Drivers

    Examples
    --------
    ``true_drivers(predictors, support).coarse`` is what a learner of truth is trained on.
    """
    (slow,) = Coupling("smooth").views(fill_predictors(predictors, limit=16))
    return Drivers(slow, coarse_predictors(slow, support))


def draw_field(
    shape: tuple[int, int],
    spacing_km: tuple[float, float],
    length_km: float,
    rng: np.random.Generator,
) -> Floats:
    """Draw one field of unit variance and correlation exp(−d / L) on a regular grid.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    spacing_km : tuple of float
        Between rows and between columns [km].
    length_km : float
        Range L [km]; zero for values that know nothing of each other.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (rows, columns)

    Notes
    -----
    By circulant embedding on a grid of twice the size (Dietrich & Newsam 1997,
    doi:10.1137/S1064827592240555, recalled, unchecked); negative eigenvalues, which long ranges
    bring, are set to zero and the variance is restored.

    Examples
    --------
    >>> field = draw_field((60, 80), (5.0, 5.0), 20.0, np.random.default_rng(1))
    >>> 0.7 < float(field.std()) < 1.3
    True
    """
    if length_km <= 0:
        return np.asarray(rng.standard_normal(shape))
    size = (2 * shape[0], 2 * shape[1])
    away = [
        np.minimum(np.arange(n), n - np.arange(n)) * step
        for n, step in zip(size, spacing_km, strict=True)
    ]
    covariance = np.exp(-np.hypot(away[0][:, None], away[1][None, :]) / length_km)
    power = np.maximum(np.fft.fft2(covariance).real, 0.0)
    power /= power.mean()
    noise = np.fft.fft2(rng.standard_normal(size))
    return np.asarray(np.fft.ifft2(np.sqrt(power) * noise).real[: shape[0], : shape[1]])


def lay_truth(
    observed: ArrayLike,
    drivers: Drivers,
    support: Support,
    covariance: ResidualCovariance,
    *,
    learner: str,
    unseen_sd: float,
    systematic: SystematicError | None = None,
    strength: Floats | None = None,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Make one truth: a function of the drivers, and heterogeneity that no predictor knows.

    Parameters
    ----------
    observed : array, shape (n_days, n_cells)
        The user's retrievals, from which the function is learnt [m3 m-3].
    drivers : Drivers
        Of :func:`true_drivers`.
    support : Support
        Of the cells over the pixels.
    covariance : ResidualCovariance
        Of the user's residuals: its lasting and its daily component are drawn anew. The seasonal
        one is taken for the learner's misfit, which comes by itself.
    learner : {"kernel", "broad"}
        The learner of truth.
    unseen_sd : float
        Of lasting heterogeneity finer than a cell, which no coarse datum can resolve [m3 m-3].
    systematic : SystematicError, optional
        One bias and one gain of the retrievals, which the truth does not have; default: none.
    strength : ndarray, shape (n_days,), optional
        From :func:`field_strength`; default: every day alike.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    ndarray of float32, shape (n_days, n_pixels)
        [m3 m-3]

    Examples
    --------
    ``lay_truth(smap, drivers, support, covariance, learner="kernel", unseen_sd=0.01, rng=rng)``
    """
    seen = np.asarray(observed, dtype=float)
    model = _learn(seen, drivers, learner, rng)
    low, high = np.nanquantile(seen, [0.005, 0.995])
    margin = float(np.nanstd(seen))
    wrong = systematic or SystematicError()
    still = _Unknown(support, covariance, wrong.gain_low * unseen_sd, rng)
    mean = float(np.nanmean(seen))
    strong = np.ones(len(seen)) if strength is None else np.sqrt(strength)
    times = drivers.predictors.times
    truth = np.empty((len(times), support.matrix.shape[1]), dtype=np.float32)
    with pinned():
        for day in range(len(times)):
            table = drivers.predictors.day(day).astype(float)
            known = np.isfinite(table).all(axis=1)
            made = np.full(len(table), np.nan)
            # beyond what was observed the learner of truth knows nothing
            made[known] = np.clip(model.predict(table[known]), low - margin, high + margin)
            truth[day] = np.maximum(wrong.truth_of(made + still.next_day(strong[day]), mean), 0.01)
    return truth


def _learn(seen: Floats, drivers: Drivers, learner: str, rng: np.random.Generator) -> Any:
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    usable = np.isfinite(seen) & np.isfinite(drivers.coarse).all(axis=2)
    rows = np.flatnonzero(usable.ravel())
    if rows.size > _ROWS:
        rows = np.sort(rng.choice(rows, _ROWS, replace=False))
    table = drivers.coarse.reshape(-1, drivers.coarse.shape[2])[rows].astype(float)
    width = (0.5 if learner == "kernel" else 0.15) / table.shape[1]
    bend = RBFSampler(gamma=width, n_components=300, random_state=int(rng.integers(2**31)))
    model = make_pipeline(StandardScaler(), bend, Ridge(10.0))
    with pinned():
        return model.fit(table, seen.ravel()[rows])


def unseen_spread(covariance: ResidualCovariance) -> float:
    """Guess the lasting heterogeneity within cells from that between them.

    Parameters
    ----------
    covariance : ResidualCovariance
        Of the user's residuals.

    Returns
    -------
    float
        Standard deviation [m3 m-3]: as much within cells as the lasting component has between
        them. Where none was found, that of single cells, which may be error or field.

    Examples
    --------
    >>> from headwater.downscaling.covariance import Component, ResidualCovariance
    >>> lasting = Component(0.012**2, 50.0, float("inf"), "lasting")
    >>> round(unseen_spread(ResidualCovariance((lasting,), 0.02, 0.005)), 3)
    0.012
    """
    lasting = sum(one.variance for one in covariance.components if np.isinf(one.memory_days))
    return float(np.sqrt(lasting)) if lasting > 0 else covariance.bias_sd


def field_strength(
    residuals: ArrayLike, support: Support, covariance: ResidualCovariance, times: ArrayLike
) -> Floats:
    """Find how the variance of the changing residual field goes with the days.

    Parameters
    ----------
    residuals : array-like, shape (n_days, n_cells)
        Out of fold, NaN where there is none [m3 m-3].
    support : Support
        Of the cells over the pixels.
    covariance : ResidualCovariance
        Of the same residuals.
    times : array-like of datetime64, shape (n_days,)
        Days.

    Returns
    -------
    ndarray, shape (n_days,)
        Variance relative to its mean over all residuals [1], at least a tenth: learners err more
        while snow melts than in late summer.

    Notes
    -----
    Squares of the residuals of a day, less the white noise and what lasts, smoothed over about a
    month by a triangular window and weighted by their number.

    Examples
    --------
    ``field_strength(held, support, covariance, days)``
    """
    squares = np.asarray(residuals, dtype=float) ** 2
    count = np.isfinite(squares).sum(axis=1).astype(float)
    total = np.nansum(squares, axis=1)
    days = np.asarray(times, dtype="datetime64[D]").astype(np.int64)
    window = np.maximum(1.0 - np.abs(days[:, None] - days[None, :]) / _WINDOW, 0.0)
    near = window @ count
    smooth = np.divide(window @ total, near, out=np.full(len(days), np.nan), where=near > 0)
    places = np.asarray(support.fine_xy, dtype=float)
    lasting = sum(
        one.variance * float(cell_variance(support.matrix, places, one.length_km).mean())
        for one in covariance.components
        if np.isinf(one.memory_days)
    )
    changing = smooth - covariance.noise_sd**2 - covariance.bias_sd**2 - lasting
    mean = float(np.nansum(changing * count) / max(count.sum(), 1.0))
    if not mean > 0:
        return np.ones(len(days))
    relative = np.maximum(np.nan_to_num(changing / mean, nan=1.0), _WEAKEST)
    return np.asarray(relative / ((relative * count).sum() / count.sum()))


class _Unknown:
    """Heterogeneity that no predictor knows, one day after the other."""

    def __init__(
        self,
        support: Support,
        covariance: ResidualCovariance,
        unseen_sd: float,
        rng: np.random.Generator,
    ) -> None:
        self.shape, self.rng = support.fine_shape, rng
        places = np.asarray(support.fine_xy, float).reshape(*self.shape, 2)
        self.spacing = (
            float(np.median(np.linalg.norm(np.diff(places, axis=0), axis=2))),
            float(np.median(np.linalg.norm(np.diff(places, axis=1), axis=2))),
        )
        self.parts = tuple(one for one in covariance.components if one.name != "seasonal")
        self.fields = [self._draw(one.length_km) for one in self.parts]
        self.fine = unseen_sd * self._draw(0.0)

    def _draw(self, length: float) -> Floats:
        return draw_field(self.shape, self.spacing, length, self.rng)

    def next_day(self, strength: float) -> Floats:
        """Return today's field, flat, and move on to tomorrow's; what changes has this strength."""
        today = self.fine + sum(
            (1.0 if np.isinf(one.memory_days) else strength) * np.sqrt(one.variance) * field
            for one, field in zip(self.parts, self.fields, strict=True)
        )
        for number, one in enumerate(self.parts):
            if np.isinf(one.memory_days):
                continue
            kept = np.exp(-1.0 / one.memory_days)
            news = np.sqrt(1.0 - kept**2) * self._draw(one.length_km)
            self.fields[number] = kept * self.fields[number] + news
        return np.asarray(today).ravel()


def observe_truth(
    truth: NDArray[np.float32],
    observed: ArrayLike,
    support: Support,
    covariance: ResidualCovariance,
    systematic: SystematicError,
    rng: np.random.Generator,
) -> Floats:
    """Retrieve a truth where and when the user's satellite did, with its noise.

    Parameters
    ----------
    truth : ndarray, shape (n_days, n_pixels)
        [m3 m-3]
    observed : array, shape (n_days, n_cells)
        The user's retrievals: where they are missing, the twin's are.
    support : Support
        Of the cells over the pixels.
    covariance : ResidualCovariance
        Its white noise and its lasting error of cells are drawn anew.
    systematic : SystematicError
        One bias and one gain that all cells share.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (n_days, n_cells)
        [m3 m-3]

    Examples
    --------
    ``observe_truth(truth, smap, support, covariance, SystematicError(), rng)``
    """
    product = np.asarray(observed, dtype=float)
    seen = np.isfinite(product)
    cells = systematic.product_of(support.aggregate(truth).value, float(np.nanmean(product)))
    bias = covariance.bias_sd * rng.standard_normal(cells.shape[1])
    noise = covariance.noise_sd * rng.standard_normal(cells.shape)
    return np.where(seen, np.maximum(cells + bias + noise, 0.001), np.nan)
