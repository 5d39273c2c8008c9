"""Uncertainty of a statistic of a persistent series or field, by resampling whole blocks of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__ = [
    "Bootstrap",
    "block_bootstrap",
    "block_indices",
    "block_length",
    "expanded_level",
    "spatial_block_indices",
]

_FEWEST = 8


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """A statistic with its uncertainty.

    Attributes
    ----------
    estimate : float or array
        The statistic of the data themselves [unit of the statistic].
    standard_error : float or array
        Standard deviation over the resamples, ddof 1.
    percentile, basic : tuple (low, high)
        Intervals: quantiles of the resamples, and those mirrored about the estimate.
    replicates : array, shape (n_resamples, ...)
        The statistic of every resample.
    length : int
        Block length [time steps].
    n : int
        Times with at least one valid value.
    level : float
        Nominal coverage of the intervals [1].
    """

    estimate: Any
    standard_error: Any
    percentile: tuple[Any, Any]
    basic: tuple[Any, Any]
    replicates: NDArray[np.float64]
    length: int
    n: int
    level: float


def block_bootstrap(
    values: ArrayLike,
    statistic: Callable[[NDArray[np.float64]], Any] | None = None,
    *,
    rng: np.random.Generator,
    length: int | None = None,
    n_resamples: int = 999,
    circular: bool = True,
    level: float = 0.95,
) -> Bootstrap:
    """Bootstrap a statistic of a time series by resampling blocks of consecutive times.

    Parameters
    ----------
    values : array, shape (time, ...)
        Evenly spaced; a missing time is NaN, not absent. Further dimensions (variables, cells) are
        resampled together, so that their relations stay whole.
    statistic : callable, optional
        From an array of the shape of `values`, NaN included, to a number or an array; by default
        the mean over time of what is valid.
    rng : numpy Generator
        Source of randomness.
    length : int, optional
        Block length [time steps]; by default :func:`block_length` of the series, rounded up; with
        further dimensions, the largest of their lengths.
    n_resamples : int
        Number of resamples.
    circular : bool
        Whether blocks may run over the end into the beginning, so that every time is drawn equally
        often; otherwise moving blocks that lie within the series.
    level : float
        Coverage of the intervals [1].

    Returns
    -------
    Bootstrap

    Raises
    ------
    DataError
        If there are fewer than 8 valid values, a value is infinite, or `length` does not fit.

    Notes
    -----
    Gaps move with their blocks, so that a resample has gaps like the data. Percentile interval:
    quantiles α/2 and 1 - α/2 of the resamples θ*, α that of :func:`expanded_level`; basic interval:
    2θ - θ*. A resample whose statistic is NaN is left out of both.

    References
    ----------
    Künsch, H. R. (1989). The jackknife and the bootstrap for general stationary observations.
    Annals of Statistics 17, 1217-1241. doi:10.1214/aos/1176347265.
    Lahiri, S. N. (2003). Resampling methods for dependent data. Springer.
    doi:10.1007/978-1-4757-3803-2

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=400)
    >>> mean = block_bootstrap(noise, rng=np.random.default_rng(2), length=1)
    >>> round(float(mean.standard_error), 2)
    0.05
    """
    data = _checked(values)
    if length is None:
        columns = data.reshape(len(data), -1).T
        enough = [c for c in columns if np.isfinite(c).sum() >= _FEWEST]
        length = int(np.ceil(max(block_length(column) for column in enough or [data.ravel()])))
    _check_length(length, len(data), "the series")
    measure = statistic or _mean
    estimate = np.asarray(measure(data), dtype=float)
    replicates = np.array(
        [
            measure(data[block_indices(len(data), length, rng=rng, circular=circular)])
            for _ in range(n_resamples)
        ],
        dtype=float,
    )
    low, high = _quantiles(replicates, expanded_level(level, len(data) / length))
    return Bootstrap(
        estimate[()],
        _spread(replicates),
        (low, high),
        (2.0 * estimate - high, 2.0 * estimate - low),
        replicates,
        length,
        int(np.isfinite(data).reshape(len(data), -1).any(axis=1).sum()),
        level,
    )


def expanded_level(level: float, n: float) -> float:
    r"""Widen a percentile interval of few independent pieces as Student's t does.

    Parameters
    ----------
    level : float
        Coverage that is wanted [1].
    n : float
        Independent pieces: values, or blocks.

    Returns
    -------
    float
        Share of the resamples to take [1]; that of two pieces where there are fewer.

    Notes
    -----
    ``1 - 2 Φ(-√(n / (n - 1)) t_{α/2, n-1})``: a resample of n pieces spreads less than the data by
    ``√((n - 1) / n)``, and knows nothing of the error of its own spread.

    References
    ----------
    Hesterberg, T. C. (2015). What teachers should know about the bootstrap. The American
    Statistician 69, 371-386. doi:10.1080/00031305.2015.1089789

    Examples
    --------
    >>> round(expanded_level(0.95, 10), 3), round(expanded_level(0.95, 1e6), 3)
    (0.983, 0.95)
    """
    from scipy.special import ndtr, stdtrit

    pieces = max(n, 2.0)
    t = stdtrit(pieces - 1.0, 0.5 * (1.0 + level))
    return float(1.0 - 2.0 * ndtr(-np.sqrt(pieces / (pieces - 1.0)) * t))


def block_length(values: ArrayLike) -> float:
    r"""Choose the block length that makes the variance of a bootstrapped mean most accurate.

    Parameters
    ----------
    values : array, shape (time,)
        Evenly spaced series; NaN where missing.

    Returns
    -------
    float
        Length for circular and moving blocks [time steps], at least 1 and at most
        ``min(3 √n, n/3)``, rounded up.

    Raises
    ------
    DataError
        If fewer than 8 values are valid, or one is infinite.

    Notes
    -----
    .. math:: b = \left( \frac{2 G^2 n}{D} \right)^{1/3}, \quad
              G = \sum_k \lambda(k/M) |k| R(k), \quad
              D = \tfrac{4}{3} \Big( \sum_k \lambda(k/M) R(k) \Big)^2

    with the flat-top window λ (1 up to ½, then falling linearly to 0 at 1), R the autocovariance
    with divisor n (pairs with a gap left out, the sum scaled up for them), and M twice the first of
    max(5, ⌊log₁₀ n⌋) consecutive lags whose autocorrelation is below 2 √(log₁₀ n / n).

    References
    ----------
    Politis, D. N., White, H. (2004). Automatic block-length selection for the dependent bootstrap.
    Econometric Reviews 23, 53-70. doi:10.1081/ETC-120028836.
    Patton, A., Politis, D. N., White, H. (2009). Correction. Econometric Reviews 28, 372-375.
    doi:10.1080/07474930802459016

    Examples
    --------
    >>> block_length([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    1.0
    """
    series = _checked(values)
    if series.ndim != 1:
        raise DataError(
            "a block length belongs to one series",
            found=f"an array of shape {series.shape}",
            do="Give shape (time,)",
        )
    n = len(series)
    window = max(5, int(np.log10(n)))
    covariance = _autocovariance(series, int(np.ceil(np.sqrt(n))) + window)
    if not covariance[0] > 0:
        return 1.0
    last = len(covariance) - 1
    small = np.abs(covariance / covariance[0]) < 2.0 * np.sqrt(np.log10(n) / n)
    # Lag 0 is never small, so the search starts at lag 1.
    runs = np.lib.stride_tricks.sliding_window_view(small, window).all(axis=1)
    reach = min(2 * int(np.argmax(runs)), last) if runs.any() else last
    lags = np.arange(reach + 1)
    taper = np.clip(2.0 * (1.0 - lags / reach), 0.0, 1.0) * covariance[: reach + 1]
    slope = 2.0 * float((lags * taper).sum())
    level = float(taper[0] + 2.0 * taper[1:].sum())
    longest = float(np.ceil(min(3.0 * np.sqrt(n), n / 3.0)))
    if level == 0.0:
        return longest
    length = (2.0 * slope**2 * n / (4.0 / 3.0 * level**2)) ** (1.0 / 3.0)
    return float(min(max(length, 1.0), longest))


def block_indices(
    n: int, length: int, *, rng: np.random.Generator, circular: bool = True
) -> NDArray[np.int64]:
    """Draw one block resample of n times.

    Parameters
    ----------
    n : int
        Number of times.
    length : int
        Block length [time steps].
    rng : numpy Generator
        Source of randomness.
    circular : bool
        Whether blocks may run over the end into the beginning.

    Returns
    -------
    array of int, shape (n,)
        Which times make up the resample; the last block is cut to fit.

    Raises
    ------
    DataError
        If `length` is not between 1 and n.

    Examples
    --------
    >>> drawn = block_indices(6, 3, rng=np.random.default_rng(1))
    >>> np.diff(drawn)[[0, 1, 3, 4]] % 6
    array([1, 1, 1, 1])
    """
    _check_length(length, n, "the series")
    starts = rng.integers(0, n if circular else n - length + 1, size=-(-n // length))
    drawn: NDArray[np.int64] = (starts[:, None] + np.arange(length)).ravel()[:n] % n
    return drawn


def spatial_block_indices(
    shape: tuple[int, int],
    block: tuple[int, int],
    *,
    rng: np.random.Generator,
    circular: bool = False,
) -> NDArray[np.int64]:
    """Draw one block resample of the cells of a grid.

    Parameters
    ----------
    shape : tuple (rows, columns)
        The grid.
    block : tuple (rows, columns)
        Size of a block [cells]; choose it longer than the field is correlated.
    rng : numpy Generator
        Source of randomness.
    circular : bool
        Whether blocks may run over an edge to the opposite one; seldom right for a map.

    Returns
    -------
    array of int, shape (rows, columns)
        Flat index of the cell that takes each place: ``field.ravel()[indices]``. Missing cells are
        drawn like others and stay missing.

    Raises
    ------
    DataError
        If the block does not fit into the grid.

    References
    ----------
    Lahiri, S. N. (2003). Resampling methods for dependent data. Springer, chapter 12.
    doi:10.1007/978-1-4757-3803-2

    Examples
    --------
    >>> spatial_block_indices((4, 6), (2, 3), rng=np.random.default_rng(1)).shape
    (4, 6)
    """
    for length, n in zip(block, shape, strict=True):
        _check_length(length, n, "the grid")
    tiles = tuple(-(-n // length) for n, length in zip(shape, block, strict=True))
    rows, columns = (
        np.repeat(np.repeat(_starts(n, length, tiles, rng, circular), block[0], 0), block[1], 1)
        for n, length in zip(shape, block, strict=True)
    )
    inside = np.indices(rows.shape)
    rows = (rows + inside[0] % block[0]) % shape[0]
    columns = (columns + inside[1] % block[1]) % shape[1]
    drawn: NDArray[np.int64] = (rows * shape[1] + columns)[: shape[0], : shape[1]]
    return drawn


def _starts(
    n: int, length: int, tiles: tuple[int, ...], rng: np.random.Generator, circular: bool
) -> NDArray[np.int64]:
    return rng.integers(0, n if circular else n - length + 1, size=tiles)


def _autocovariance(series: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    n, valid = len(series), np.isfinite(series)
    centred = np.where(valid, series - series[valid].mean(), 0.0)
    covariance = np.zeros(min(lags, n - 1) + 1)
    for lag in range(len(covariance)):
        pairs = np.count_nonzero(valid[lag:] & valid[: n - lag])
        if pairs:
            covariance[lag] = (centred[lag:] @ centred[: n - lag]) / pairs * (n - lag) / n
    return covariance


def _mean(data: NDArray[np.float64]) -> Any:
    valid = np.isfinite(data)
    n = valid.sum(axis=0)
    total = np.where(valid, data, 0.0).sum(axis=0)
    return np.where(n > 0, total / np.where(n > 0, n, 1), np.nan)


def _spread(replicates: NDArray[np.float64]) -> Any:
    valid = np.isfinite(replicates)
    n = valid.sum(axis=0)
    centred = np.where(valid, replicates - _mean(replicates), 0.0)
    return np.where(n > 1, np.sqrt((centred**2).sum(axis=0) / np.where(n > 1, n - 1, 1)), np.nan)[
        ()
    ]


def _quantiles(replicates: NDArray[np.float64], level: float) -> tuple[Any, Any]:
    tail = (1.0 - level) / 2.0
    # nanquantile warns on columns that are all missing; they keep their NaN.
    some = np.isfinite(replicates).any(axis=0)
    filled = np.where(some, replicates, 0.0)
    low, high = (
        np.where(some, np.nanquantile(filled, q, axis=0), np.nan) for q in (tail, 1 - tail)
    )
    return low[()], high[()]


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    data = np.asarray(values, dtype=float)
    if np.isinf(data).any():
        raise DataError("infinite values", found="inf", do="Set them to NaN if they mean missing")
    valid = int(np.isfinite(data).reshape(len(data), -1).any(axis=1).sum()) if data.ndim else 0
    if valid < _FEWEST:
        raise DataError(
            "too few values to resample in blocks",
            found=f"{valid} times with a value",
            do=f"Give at least {_FEWEST}",
        )
    return data


def _check_length(length: int, n: int, of_what: str) -> None:
    if not 1 <= length <= n:
        raise DataError(
            f"a block does not fit into {of_what}",
            found=f"length {length} of {n}",
            do=f"Give a block length between 1 and {n}",
        )
