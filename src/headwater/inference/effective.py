"""How persistent series are, and how many independent values they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError, GridError, TimeAxisError
from headwater.inference.moments import Moments, check_finite, reduce_time

__all__ = [
    "Persistence",
    "SerialPair",
    "autocorrelation",
    "corrected_lag1",
    "effective_n",
    "effective_n_pair",
    "evenly_spaced",
    "fit_persistence",
    "lag1",
    "serial_pair",
]

_FEWEST = 3
Floats = NDArray[np.float64]
_MEMORY = np.concatenate([np.arange(0.0, 0.9, 0.05), np.arange(0.9, 0.995, 0.01)])


def lag1(values: ArrayLike) -> Any:
    """Lag-1 autocorrelation along time, gaps left out pairwise.

    Parameters
    ----------
    values : array, shape (time, ...)
        Evenly spaced series; a missing time must be NaN, not absent.

    Returns
    -------
    array, shape (...)
        ``r1 = Σ x_t x_{t+1} / Σ x_t²`` of centred x [1], each sum divided by its count; NaN for
        fewer than 3 pairs or a constant series.

    Examples
    --------
    >>> float(lag1(np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])))
    -1.0
    """
    values = np.asarray(values, dtype=float)
    valid = ~np.isnan(values)
    n = valid.sum(axis=0)
    mean = np.where(valid, values, 0.0).sum(axis=0) / np.where(n > 0, n, 1)
    centred = np.where(valid, values - mean, 0.0)
    pairs = (valid[1:] & valid[:-1]).sum(axis=0)
    variance = np.square(centred).sum(axis=0) / np.where(n > 0, n, 1)
    product = (centred[1:] * centred[:-1]).sum(axis=0) / np.where(pairs > 0, pairs, 1)
    usable = (pairs >= 3) & (variance > 0)
    return np.where(usable, product / np.where(usable, variance, 1.0), np.nan)[()]


def autocorrelation(values: ArrayLike, lags: int) -> Any:
    """Autocorrelation along time at lags 1 to `lags`, gaps left out pairwise.

    Parameters
    ----------
    values : array, shape (time, ...)
        Evenly spaced series; a missing time must be NaN, not absent.
    lags : int
        Largest lag [steps].

    Returns
    -------
    array, shape (lags, ...)
        ``r_k = Σ x_t x_{t+k} / Σ x_t²`` of centred x [1], as is usual without gaps; with gaps, the
        mean product over the pairs that exist, times 1 - k/L with L the number of steps. 0 where
        no pair exists, NaN for a constant series.

    Examples
    --------
    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0]), 2).tolist()
    [-0.75, 0.5]
    """
    values = np.asarray(values, dtype=float)
    valid = ~np.isnan(values)
    n, steps = valid.sum(axis=0), values.shape[0]
    mean = np.where(valid, values, 0.0).sum(axis=0) / np.where(n > 0, n, 1)
    centred = np.where(valid, values - mean, 0.0)
    variance = np.square(centred).sum(axis=0) / np.where(n > 0, n, 1)
    found = np.zeros((lags, *values.shape[1:]))
    for lag in range(1, min(lags, steps - 1) + 1):
        pairs = (valid[lag:] & valid[:-lag]).sum(axis=0)
        product = (centred[lag:] * centred[:-lag]).sum(axis=0)
        found[lag - 1] = product / np.where(pairs > 0, pairs, 1) * (1.0 - lag / steps)
    return found / np.where(variance > 0, variance, np.nan)


def corrected_lag1(r1: ArrayLike, n: ArrayLike) -> Any:
    """Remove the bias of the lag-1 autocorrelation of residuals from a straight line.

    Parameters
    ----------
    r1 : array-like
        As estimated from n residuals [1].
    n : array-like
        Number of values [1].

    Returns
    -------
    array
        ``(n r1 + 2) / (n - 4)`` [1], kept between -0.95 and 0.95; r1 itself where n < 6.

    References
    ----------
    Hamed, K. H. (2009). Enhancing the effectiveness of prewhitening in trend analysis of hydrologic
    data. Journal of Hydrology 368, 143-155. doi:10.1016/j.jhydrol.2009.01.040

    Examples
    --------
    >>> round(float(corrected_lag1(0.3, 24)), 6)
    0.46
    """
    r1, n = np.asarray(r1, dtype=float), np.asarray(n, dtype=float)
    enough = n >= 6
    better = (n * r1 + 2.0) / np.where(enough, n - 4.0, 1.0)
    return np.clip(np.where(enough, better, r1), -0.95, 0.95)[()]


def effective_n(n: Any, r1: Any) -> Any:
    """Effective number of values for the trend of an AR(1) series.

    Parameters
    ----------
    n : array-like
        Number of values [1].
    r1 : array-like
        Lag-1 autocorrelation of the residuals [1]; negative values count as zero.

    Returns
    -------
    array
        ``n (1 - r1) / (1 + r1)`` [1], never above n.

    References
    ----------
    Santer, B. D. et al. (2000). Statistical significance of trends and trend differences in
    layer-average atmospheric temperature time series. Journal of Geophysical Research 105,
    7337-7356. doi:10.1029/1999JD901105

    Examples
    --------
    >>> float(effective_n(90, 0.5))
    30.0
    """
    r1 = np.maximum(np.asarray(r1, dtype=float), 0.0)
    return n * (1.0 - r1) / (1.0 + r1)


def effective_n_pair(n: ArrayLike, r1_first: ArrayLike, r1_second: ArrayLike) -> Any:
    """Effective number of pairs for the correlation of two AR(1) series.

    Parameters
    ----------
    n : array-like
        Number of pairs [1].
    r1_first, r1_second : array-like
        Lag-1 autocorrelations of the two series [1]; a negative product counts as zero.

    Returns
    -------
    array
        ``n (1 - r1 r1') / (1 + r1 r1')`` [1], never above n.

    References
    ----------
    Bretherton, C. S. et al. (1999). The effective number of spatial degrees of freedom of a
    time-varying field. Journal of Climate 12, 1990-2009, eq. 31.
    doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2

    Examples
    --------
    >>> float(effective_n_pair(100, 0.5, 0.5))
    60.0
    """
    product = np.maximum(np.asarray(r1_first) * np.asarray(r1_second), 0.0)
    return n * (1.0 - product) / (1.0 + product)


@dataclass(frozen=True, slots=True, eq=False)
class SerialPair:
    """Moments of two series and their lag-1 autocorrelations, for every cell.

    Attributes
    ----------
    moments : Moments
        Of the times at which both are valid.
    r1_first, r1_second : array, shape (...)
        Lag-1 autocorrelation [1] of the values that have a partner; NaN for fewer than 3 pairs of
        neighbours in time or a constant series.
    """

    moments: Moments
    r1_first: Any
    r1_second: Any

    def effective_n(self) -> Any:
        """Return what :func:`headwater.inference.effective.effective_n_pair` does, lazily."""
        product = np.maximum(self.r1_first * self.r1_second, 0.0)
        return self.moments.n * (1.0 - product) / (1.0 + product)


def serial_pair(
    first: ArrayLike, second: ArrayLike, follows: ArrayLike | None = None
) -> SerialPair:
    r"""Compute the moments and the persistence of two cubes over time.

    Parameters
    ----------
    first, second : array, shape (time, ...)
        NumPy or Dask, float32 or float64, chunked in any way; a time at which either is NaN is left
        out for that cell.
    follows : array of bool, shape (time,), optional
        Whether a time comes right after the one before (False after a gap in the calendar); by
        default all do.

    Returns
    -------
    SerialPair
        Lazy if any input is lazy.

    Raises
    ------
    GridError
        If the shapes differ.
    DataError
        If a value is infinite (for lazy input: when computed).

    Notes
    -----
    ``r1 = (Σ x_t x_{t+1} / m) / (Σ x_t² / n)`` of x centred on the mean of all n valid values, with
    m pairs of neighbours of which none is missing. The sums of two blocks of time merge exactly,
    by moving both to the common mean and adding the pair that spans the border.

    References
    ----------
    Chan, Golub & LeVeque (1983), see :func:`headwater.inference.moments.of`.

    Examples
    --------
    >>> x = np.array([[1.0], [-1.0], [1.0], [-1.0], [1.0], [-1.0]])
    >>> serial_pair(x, x).r1_first
    array([-1.])
    """
    if np.shape(first) != np.shape(second):
        raise GridError(
            "cubes of different shapes",
            found=f"{np.shape(first)} and {np.shape(second)}",
            do="Align them on the same times and cells first",
        )
    links = np.ones(np.shape(first)[0]) if follows is None else np.asarray(follows, dtype=float)
    if any(hasattr(cube, "dask") for cube in (first, second)):
        return _unpack(_pack_chunks(first, second, links))
    return _unpack(_pack(first, second, links))


def _pack(first: Any, second: Any, links: np.ndarray) -> np.ndarray:
    """Add up NumPy blocks to (18, ...); the last row says whether the block follows another."""
    from headwater.inference import _kernels

    dtype = np.float32 if first.dtype == second.dtype == np.float32 else float
    left, right = (
        np.ascontiguousarray(cube, dtype=dtype).reshape(len(links), -1) for cube in (first, second)
    )
    within = links.copy()
    within[0] = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        packed: np.ndarray = _kernels.serial_moments(left, right, within)
    check_finite(packed[1:3, packed[0] > 0])
    joined = np.concatenate([packed, np.full((1, packed.shape[1]), links[0])])
    return joined.reshape(-1, *first.shape[1:])


def _unpack(packed: Any) -> SerialPair:
    found = _moments(packed)
    autocorrelation = []
    for i, row in enumerate((7, 10)):
        spread = found.comoment[i, i]
        usable = (packed[6] >= _FEWEST) & (spread > 0)
        size = np.where(usable, packed[6] * spread, np.nan)
        autocorrelation.append(packed[row] * found.n / size)
    return SerialPair(found, *autocorrelation)


def _moments(packed: Any) -> Moments:
    comoment = packed[np.array([3, 4, 4, 5])].reshape(2, 2, *packed.shape[1:])
    return Moments(packed[0], packed[1:3], comoment)


def _pack_chunks(first: ArrayLike, second: ArrayLike, links: np.ndarray) -> Any:
    da: Any = import_module("dask.array")

    cubes = [da.asarray(cube) for cube in (first, second)]
    axes = tuple(range(cubes[0].ndim))
    packed = da.blockwise(
        _pack_one_chunk,
        (0, len(axes), *axes[1:]),
        cubes[0],
        axes,
        cubes[1],
        axes,
        da.from_array(links, chunks=(cubes[0].chunks[0],)),
        (0,),
        new_axes={len(axes): 18},
        adjust_chunks={0: lambda _: 1},
        dtype=float,
        meta=np.empty((0,) * (len(axes) + 1)),
    )
    return reduce_time(packed, _merge_into)


def _pack_one_chunk(first: np.ndarray, second: np.ndarray, links: np.ndarray) -> np.ndarray:
    return _pack(first, second, links)[None]


def _merge_into(first: np.ndarray, after: np.ndarray) -> None:
    from headwater.inference import _kernels

    _kernels.merge_serial(first, after)


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
