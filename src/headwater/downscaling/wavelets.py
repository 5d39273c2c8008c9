"""Splitting series in time into slow and quick parts by wavelets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__ = ["fill_in_time", "low_pass", "split_in_bands"]

Floats = NDArray[np.floating]

_COLUMNS = 2048


def split_in_bands(series: ArrayLike, *, wavelet: str = "db4", level: int = 3) -> Floats:
    r"""Split series in time into bands that add up to them.

    Parameters
    ----------
    series : array (time, ...)
        Without gaps, any unit; see :func:`fill_in_time`.
    wavelet : str
        Mother wavelet, by PyWavelets' name.
    level : int
        Number of halvings: the slowest band holds what is slower than about 2^level steps.

    Returns
    -------
    array (level + 1, time, ...)
        The slow part, then the details from the slowest to the quickest; their sum is the series.

    Raises
    ------
    DataError
        If there are gaps, the wavelet is unknown, or the level is deeper than the series allows.

    Notes
    -----
    The multi-resolution analysis of Mallat [1]_ with symmetric padding: band b is the inverse
    transform of the coefficients of that band alone,
    :math:`x = A_L + D_L + \dots + D_1`. The quickest band takes up the rounding.

    References
    ----------
    .. [1] Mallat, S. G. (1989). A theory for multiresolution signal decomposition: the wavelet
       representation. IEEE Transactions on Pattern Analysis and Machine Intelligence 11, 674-693.
       https://doi.org/10.1109/34.192463

    Examples
    --------
    >>> days = np.arange(64.0)
    >>> bands = split_in_bands(0.1 * days + (-1.0) ** days, level=2)
    >>> bands.shape, bool(np.allclose(bands.sum(axis=0), 0.1 * days + (-1.0) ** days))
    ((3, 64), True)
    >>> round(float(bands[2, 20:44].std()), 2)
    1.0
    """
    values = _checked(series, wavelet, level)
    slow = [_approximation(values, wavelet, depth) for depth in range(level, 0, -1)]
    steps = [slow[0], *(b - a for a, b in pairwise(slow)), values - slow[-1]]
    return np.stack(steps)


def low_pass(series: ArrayLike, *, wavelet: str = "db4", level: int = 3) -> Floats:
    """Keep of series in time what is slower than about 2^level steps.

    Parameters
    ----------
    series : array (time, ...)
        Without gaps, any unit.
    wavelet : str
        Mother wavelet, by PyWavelets' name.
    level : int
        Number of halvings.

    Returns
    -------
    array (time, ...)
        The first band of :func:`split_in_bands`, of the precision of `series`.

    Raises
    ------
    DataError
        As :func:`split_in_bands`.

    Examples
    --------
    >>> days = np.arange(64.0)
    >>> bool(np.abs(low_pass((-1.0) ** days)[20:44]).max() < 0.01)
    True
    """
    return _approximation(_checked(series, wavelet, level), wavelet, level)


def fill_in_time(
    series: ArrayLike, *, times: ArrayLike | None = None, limit: int | None = None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Fill gaps in time on straight lines between the values around them.

    Parameters
    ----------
    series : array (time, ...)
        NaN where missing.
    times : array (time,), optional
        Increasing; default: steps of one.
    limit : int, optional
        Longest gap that is filled [steps]; default: any. Before the first and after the last value
        of a series that value is held, for at most `limit` steps.

    Returns
    -------
    filled : array (time, ...)
        Still NaN in gaps that are too long, and where a series has no value at all.
    missing : bool array (time, ...)
        Where `series` was missing.

    Examples
    --------
    >>> fill_in_time(np.array([1.0, np.nan, 3.0, np.nan]))[0].tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    values = np.asarray(series)
    missing = np.isnan(values)
    if not missing.any():
        return values, missing
    flat, gaps = values.reshape(len(values), -1).copy(), missing.reshape(len(values), -1)
    steps = np.arange(len(values)) if times is None else np.asarray(times)
    for column in np.flatnonzero(gaps.any(axis=0) & ~gaps.all(axis=0)):
        lost = gaps[:, column]
        flat[lost, column] = np.interp(steps[lost], steps[~lost], flat[~lost, column])
        if limit is not None:
            flat[_too_long(lost, limit), column] = np.nan
    return flat.reshape(values.shape), missing


def _too_long(lost: NDArray[np.bool_], limit: int) -> NDArray[np.bool_]:
    edges = np.diff(np.concatenate([[0], lost.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = np.zeros(lost.size, dtype=bool)
    for start, end in zip(starts, ends, strict=True):
        long[start:end] = end - start > limit
    return long


def _approximation(values: Floats, wavelet: str, level: int) -> Floats:
    import pywt

    flat = values.reshape(len(values), -1)
    slow = np.empty_like(flat)
    for first in range(0, flat.shape[1], _COLUMNS):  # in parts, so that no copy is large
        part = slice(first, first + _COLUMNS)
        coarse, *details = pywt.wavedec(flat[:, part], wavelet, "symmetric", level, axis=0)
        empty = [np.zeros_like(detail) for detail in details]
        slow[:, part] = pywt.waverec([coarse, *empty], wavelet, "symmetric", axis=0)[: len(flat)]
    return slow.reshape(values.shape)


def _checked(series: ArrayLike, wavelet: str, level: int) -> Floats:
    import pywt

    values = np.asarray(series)
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    if wavelet not in pywt.wavelist(kind="discrete"):
        raise DataError(
            "unknown mother wavelet",
            found=repr(wavelet),
            do="Choose a discrete one, as 'haar', 'db4', 'sym4' or 'coif1'",
        )
    deepest = pywt.dwt_max_level(len(values), wavelet)
    if not 1 <= level <= deepest:
        raise DataError(
            "the wavelet level does not fit the series",
            found=f"level {level}; {len(values)} steps allow 1 to {deepest} with {wavelet}",
            do="Give a lower level, a shorter wavelet or a longer series",
        )
    if not np.isfinite(values).all():
        raise DataError(
            "a series with gaps cannot be split in bands",
            found=f"{int((~np.isfinite(values)).sum())} missing values",
            do="Fill them first, with fill_in_time, and mask the bands after",
        )
    return values
