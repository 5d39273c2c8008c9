"""Series split into slow and quick parts by wavelets, and a learner that is coupled with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.predictors import Predictors, coarse_predictors
from headwater.downscaling.sharing import Apply
from headwater.errors import DataError, nearest

if TYPE_CHECKING:
    from headwater.downscaling.support_operator import Support

__all__ = [
    "COUPLINGS",
    "Coupling",
    "coarse_noise",
    "coarse_views",
    "estimate_mb",
    "fill_in_time",
    "fill_predictors",
    "low_pass",
    "split_in_bands",
]

Floats = NDArray[np.floating]
_COLUMNS = 2048
Singles = NDArray[np.float32]
COUPLINGS = ("none", "smooth", "bands")
"""One model of everything as it comes; one model in which noisy predictors are replaced by their
slow part; two models, of the slow and of the quick part of target and predictors, whose predictions
are added (the mode of the study)."""


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


@dataclass(frozen=True, slots=True)
class Coupling:
    """How target and predictors are split in time.

    Attributes
    ----------
    kind : {"none", "smooth", "bands"}
        See :data:`COUPLINGS`.
    wavelet : str
        Mother wavelet, by PyWavelets' name.
    level : int
        Number of halvings: what lasts longer than about 2^level days is slow.
    """

    kind: str = "none"
    wavelet: str = "db4"
    level: int = 3

    def check(self) -> None:
        """Refuse an unknown kind.

        Raises
        ------
        DataError
            If the kind is unknown.
        """
        if self.kind not in COUPLINGS:
            do = nearest(self.kind, COUPLINGS)
            raise DataError("unknown coupling with wavelets", found=repr(self.kind), do=do)

    def views(
        self, predictors: Predictors, keep: Callable[[Singles], Any] = np.asarray
    ) -> tuple[Predictors, ...]:
        """Split the fine predictors: one view of them for each model.

        Parameters
        ----------
        predictors : Predictors
            Without gaps in time, from :func:`fill_predictors`; a pixel may be missing throughout.
        keep : callable
            Where the slow part of each cube is kept, such as in a file; default: in memory.

        Returns
        -------
        tuple of Predictors
        """
        if self.kind == "none":
            return (predictors,)
        chosen = predictors.noisy if self.kind == "smooth" else tuple(predictors.dynamic)
        slow = {name: keep(self._slow(_in_memory(predictors.dynamic[name]))) for name in chosen}
        first = replace(predictors, dynamic={**predictors.dynamic, **slow})
        if self.kind == "smooth":
            return (first,)
        quick = {name: _Rest(cube, slow[name]) for name, cube in predictors.dynamic.items()}
        return first, replace(predictors, dynamic=quick)

    def split(self, values: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
        """Split the coarse target, filled before and masked after.

        Parameters
        ----------
        values : array (time, cell)
            NaN where missing.

        Returns
        -------
        tuple of array (time, cell)
            One for each model; their sum is `values`.
        """
        if self.kind != "bands":
            return (values,)
        filled, missing = fill_in_time(values)
        slow = np.where(missing, np.nan, self._slow(filled))
        return slow, values - slow

    def split_noise(self, white: Singles) -> tuple[Singles, ...]:
        """Pass white noise through the filters that the noisy predictors pass.

        Parameters
        ----------
        white : array (time, ...)

        Returns
        -------
        tuple of array (time, ...)
            One for each model.
        """
        if self.kind == "none":
            return (white,)
        slow = low_pass(white, wavelet=self.wavelet, level=self.level).astype(np.float32)
        return (slow,) if self.kind == "smooth" else (slow, white - slow)

    def _slow(self, cube: NDArray[np.floating]) -> NDArray[np.floating]:
        """Keep the slow part of every series that is whole; the others stay missing."""
        flat = cube.reshape(len(cube), -1)
        whole = np.isfinite(flat).all(axis=0)
        slow = np.full_like(flat, np.nan)
        if whole.all():
            slow = low_pass(flat, wavelet=self.wavelet, level=self.level)
        elif whole.any():
            slow[:, whole] = low_pass(flat[:, whole], wavelet=self.wavelet, level=self.level)
        return slow.reshape(cube.shape)


class _Rest:
    """A cube minus its slow part, made on the day it is asked for."""

    def __init__(self, cube: Any, slow: Singles) -> None:
        self.cube, self.slow = cube, slow
        self.shape, self.ndim = slow.shape, slow.ndim

    def __len__(self) -> int:
        return len(self.slow)

    def __getitem__(self, day: int) -> Singles:
        return np.asarray(np.asarray(self.cube[day], dtype=np.float32) - self.slow[day])


def fill_predictors(
    predictors: Predictors, *, limit: int | None, keep: Callable[[Singles], Any] = np.asarray
) -> Predictors:
    """Fill gaps of the noisy predictors in time, and say so.

    Parameters
    ----------
    predictors : Predictors
        As observed, with gaps under cloud.
    limit : int or None
        Longest gap that is filled [d]; None for any.
    keep : callable
        Where each filled cube is kept; default: in memory.

    Returns
    -------
    Predictors
        With what was filled among its notes; cubes without gaps are passed on as they are.
    """
    filled: dict[str, Any] = {}
    notes = list(predictors.notes)
    for name in predictors.noisy:
        cube = predictors.dynamic[name]
        if not any(np.isnan(np.asarray(cube[day])).any() for day in range(len(cube))):
            continue
        values, missing = fill_in_time(_in_memory(cube), limit=limit)
        filled[name] = keep(values)
        left = np.isnan(values).mean()
        notes.append(
            f"{name}: {missing.mean():.1%} of the values were missing and lie on straight lines "
            f"between the days around; {left:.1%} stay missing."
        )
    if not filled:
        return predictors
    return replace(predictors, dynamic={**predictors.dynamic, **filled}, notes=tuple(notes))


def coarse_noise(
    names: tuple[str, ...],
    noise: Mapping[str, float],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> Singles:
    """Draw white noise for every noisy predictor of every day and cell.

    Parameters
    ----------
    names : tuple of str
        All predictors, in the order of the columns.
    noise : mapping of str to float
        Standard deviation by predictor.
    shape : tuple of int
        Days and cells.
    rng : numpy Generator
        Where the numbers come from.

    Returns
    -------
    array of float32 (time, cell, predictor)
        0 for predictors without noise.
    """
    drawn = np.zeros((*shape, len(names)), dtype=np.float32)
    for at, name in enumerate(names):
        if noise.get(name, 0.0) > 0.0:
            drawn[:, :, at] = noise[name] * rng.standard_normal(shape, dtype=np.float32)
    return drawn


def coarse_views(
    views: tuple[Predictors, ...],
    support: Support,
    *,
    min_seen: float = 0.5,
    apply: Apply = map,
) -> tuple[Singles, ...]:
    """Average every view over the coarse cells.

    Parameters
    ----------
    views : tuple of Predictors
        From :meth:`Coupling.views`.
    support : Support
        The operator A.
    min_seen : float
        Least share of a cell's weights that must have a value.
    apply : callable
        As of :func:`headwater.downscaling.predictors.coarse_predictors`.

    Returns
    -------
    tuple of array (time, cell, predictor)
    """
    return tuple(coarse_predictors(view, support, min_seen=min_seen, apply=apply) for view in views)


def estimate_mb(predictors: Predictors, cells: int, coupling: Coupling) -> float:
    """Estimate the memory that training and prediction need next to the inputs.

    Parameters
    ----------
    predictors : Predictors
        What would be used.
    cells : int
        Number of coarse cells.
    coupling : Coupling
        How they would be split.

    Returns
    -------
    float
        [MB]
    """
    days, pixels = predictors.times.size, int(np.prod(predictors.shape))
    copies = {"none": 0, "smooth": len(predictors.noisy), "bands": len(predictors.dynamic)}
    cubes = copies[coupling.kind] * days * pixels * 4
    tables = 6 * days * cells * len(predictors.names) * 4
    work = 20 * pixels * len(predictors.names) * 4
    return (cubes + tables + work) / 1e6


def _in_memory(cube: ArrayLike) -> Singles:
    return np.asarray(cube, dtype=np.float32)
