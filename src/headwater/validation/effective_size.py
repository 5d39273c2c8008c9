"""How many independent values a persistent series with gaps is worth, for its mean and variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, TimeAxisError

__all__ = ["Persistence", "evenly_spaced", "fit_persistence"]

Floats = NDArray[np.float64]

_MEMORY = np.concatenate([np.arange(0.0, 0.9, 0.05), np.arange(0.9, 0.995, 0.01)])
"""Values of φ that are tried; 0.99 per step is the longest memory that is not taken for a trend."""

_MOST_STEPS = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Persistence:
    r"""Autocorrelation of a series that is partly memory, partly noise.

    Attributes
    ----------
    share : float
        Share a of the variance that has a memory [1]; the rest is noise from value to value.
    memory : float
        Its autocorrelation φ from one step to the next [1].
    pairs : array, shape (steps,)
        Pairs of valid values at each lag.

    Notes
    -----
    .. math:: \rho_0 = 1, \quad \rho_k = a\,\varphi^k

    The sizes are exact for this ρ at the times that are valid, gaps and revisits included.
    """

    share: float
    memory: float
    pairs: Floats

    @property
    def n(self) -> int:
        """Valid values."""
        return int(self.pairs[0])

    @property
    def correlation(self) -> Floats:
        """ρ at every lag [1], shape (steps,)."""
        lags = np.arange(len(self.pairs), dtype=float)
        found: Floats = np.asarray(self.share * self.memory**lags, dtype=np.float64)
        found[0] = 1.0
        return found

    def _size(self, correlation: Floats) -> float:
        total = 2.0 * float(self.pairs @ correlation) - self.n
        return float(np.clip(self.n**2 / max(total, 1e-300), 2.0, self.n))

    def size_of_mean(self) -> float:
        """Effective number of values for a mean: n² / Σ ρ over all pairs, from 2 to n."""
        return self._size(self.correlation)

    def size_of_variance(self) -> float:
        """Effective number of values for a variance: n² / Σ ρ² over all pairs, from 2 to n."""
        return self._size(self.correlation**2)

    def size_of_correlation(self, other: Persistence) -> float:
        """Effective number of pairs for a correlation: n² / Σ ρ ρ' over all pairs, from 2 to n.

        Parameters
        ----------
        other : Persistence
            Of the second series, valid at the same times.
        """
        return self._size(self.correlation * other.correlation)


def fit_persistence(values: ArrayLike) -> Persistence:
    r"""Estimate how persistent a series is.

    Parameters
    ----------
    values : array, shape (time,)
        Evenly spaced; a missing time is NaN, not absent (:func:`evenly_spaced`).

    Returns
    -------
    Persistence
        The more persistent of two fits: memory alone (a = 1, φ from the shortest lag that has
        pairs), and memory with noise (a and φ by least squares over the first 10 log₁₀ n lags, if a
        is above twice its standard error).
        Negative autocorrelation counts as none.

    Raises
    ------
    DataError
        If fewer than 4 values are valid, or one is infinite.

    Notes
    -----
    A satellite's error is noise from overpass to overpass and a bias that changes with the season.
    The lag-1 autocorrelation of such a sum is small although its memory is long, so that AR(1)
    alone would count too many values: of 95 % intervals of a mean only half held the truth
    (docs/simulations/validation.md). Removing the mean lowers an autocorrelation by about
    (1 - ρ)/m, m the effective size for a mean; r_k is raised to r_k (1 - 1/m) + 1/m (after Marriott
    & Pope).

    References
    ----------
    Bartlett, M. S. (1946). On the theoretical specification and sampling properties of
    autocorrelated time-series. Supplement to the Journal of the Royal Statistical Society 8, 27-41.
    doi:10.2307/2983611. Marriott, F. H. C., Pope, J. A. (1954). Bias in the estimation of
    autocorrelations. Biometrika 41, 390-402. doi:10.1093/biomet/41.3-4.390 (recalled, unchecked).
    The choice of the more persistent fit is ours.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=1000)
    >>> 700 < fit_persistence(noise).size_of_mean() <= 1000
    True
    """
    series = np.asarray(values, dtype=float)
    if np.isinf(series).any():
        raise DataError("infinite values", found="inf", do="Set them to NaN if they mean missing")
    covariance, pairs = _lagged(series)
    if pairs[0] < 4:
        raise DataError(
            "too few values to say how persistent they are",
            found=f"{int(pairs[0])}",
            do="Give at least 4, better 30",
        )
    if not covariance[0] > 1e-14 * float(np.nanmax(np.abs(series))) ** 2:
        return Persistence(0.0, 0.0, pairs)
    reach = _reach(pairs)
    sample = covariance[: reach + 1] / np.maximum(pairs[: reach + 1], 1.0)
    sample = sample / sample[0]
    found = _more_persistent(sample, pairs)
    lost = min(1.0 / found.size_of_mean(), 0.5)
    return _more_persistent(sample * (1.0 - lost) + lost, pairs)


def evenly_spaced(times: ArrayLike, *values: Any) -> tuple[Floats, ...]:
    """Lay values of unevenly spaced times on even steps, NaN where there is none.

    Parameters
    ----------
    times : array, shape (time,)
        datetime64, or numbers of any unit, in any order.
    *values : array, shape (time,)
        What was measured at these times.

    Returns
    -------
    tuple of array, shape (steps,)
        One for each of `values`. The step is the lower quartile of the
        distances of neighbours, halved until no two values share a step; a time moves by at most
        half a step.

    Raises
    ------
    TimeAxisError
        If a time is missing or occurs twice, or the times are too uneven for even steps.

    Examples
    --------
    >>> evenly_spaced([0, 1, 3], [0.1, 0.2, 0.4])[0].tolist()
    [0.1, 0.2, nan, 0.4]
    """
    axis = np.asarray(times)
    if axis.dtype.kind == "M":
        axis = axis.astype("datetime64[ns]").astype(np.int64).astype(float)
        axis[np.isnat(np.asarray(times))] = np.nan
    axis = axis.astype(float)
    gaps = np.diff(np.sort(axis))
    if np.isnan(axis).any() or (gaps <= 0).any():
        raise TimeAxisError(
            "a time is missing or occurs twice",
            found=f"{int(np.isnan(axis).sum())} missing, {int((gaps <= 0).sum())} repeated",
            do="Match the series in time first, or average what shares a time",
        )
    places = _places(axis, gaps)
    laid = []
    for column in values:
        even = np.full(int(places.max()) + 1, np.nan)
        even[places] = np.asarray(column, dtype=float)
        laid.append(even)
    return tuple(laid)


def _places(axis: Floats, gaps: Floats) -> NDArray[np.int64]:
    if len(axis) == 1:
        return np.zeros(1, dtype=np.int64)
    step = float(np.quantile(gaps, 0.25, method="lower"))
    since = axis - axis.min()
    while since.max() / step < _MOST_STEPS:
        places: NDArray[np.int64] = np.rint(since / step).astype(np.int64)
        if len(np.unique(places)) == len(places):
            return places
        step /= 2.0
    raise TimeAxisError(
        "the times are too uneven to be laid on even steps",
        found=f"distances from {gaps.min():g} to {gaps.max():g}",
        do="Aggregate to days first",
    )


def _lagged(series: Floats) -> tuple[Floats, Floats]:
    """Add up products and count pairs at every lag, by Fourier transform."""
    from scipy.fft import irfft, next_fast_len, rfft

    valid = np.isfinite(series)
    centred = np.where(valid, series - (series[valid].mean() if valid.any() else 0.0), 0.0)
    length = next_fast_len(2 * len(series), real=True)
    steps = len(series)
    products = irfft(np.abs(rfft(centred, length)) ** 2, length)[:steps]
    pairs = np.rint(irfft(np.abs(rfft(valid.astype(float), length)) ** 2, length)[:steps])
    return products, pairs


def _reach(pairs: Floats) -> int:
    """Largest lag that is fitted: 10 log₁₀ n values away, at most a quarter of the series."""
    n, steps = pairs[0], len(pairs)
    lags = 10.0 * np.log10(n) * steps / n
    return int(max(1.0, min(lags, steps / 4.0)))


def _more_persistent(sample: Floats, pairs: Floats) -> Persistence:
    lags = np.arange(1, len(sample))
    weight = pairs[1 : len(sample)] / pairs[0]
    # Lag 1 may have no pairs: a satellite that returns every third day has none on a daily axis.
    first = int(np.argmax(weight >= 0.3 * weight.max()))
    root = max(float(sample[1 + first]), 0.0) ** (1.0 / lags[first])
    alone = Persistence(1.0, float(min(root, _MEMORY[-1])), pairs)
    powers = _MEMORY[:, None] ** lags
    scale = np.maximum((weight * powers**2).sum(axis=1), 1e-300)
    share = np.clip((weight * powers * sample[1:]).sum(axis=1) / scale, 0.0, 1.0)
    misfit = (weight * (sample[1:] - share[:, None] * powers) ** 2).sum(axis=1)
    best = int(misfit.argmin())
    # Chance alone finds a little memory in every noise, and a little long memory costs much.
    if share[best] < 2.0 / np.sqrt(pairs[0] * scale[best]):
        return alone
    mixed = Persistence(float(share[best]), float(_MEMORY[best]), pairs)
    return min(alone, mixed, key=Persistence.size_of_mean)
