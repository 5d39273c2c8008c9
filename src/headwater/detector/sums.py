"""Sums of the response by stratum, which add up over the parts of a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headwater.errors import DataError

__all__ = ["StratumSums", "check_varies", "stratum_sums"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class StratumSums:
    """What q needs to know of the units, by stratum; sums of parts add up to those of the whole.

    Attributes
    ----------
    n : ndarray of int, shape (strata,)
        Units in each stratum.
    weight : ndarray, shape (strata,)
        Sum of their weights (the number itself without weights).
    offset : ndarray, shape (strata,)
        Mean of the response less `centre` [unit of the response]; 0 in an empty stratum.
    within : ndarray, shape (strata,)
        Sum of squares about the stratum's own mean.
    centre : float
        A value near the mean, taken out so that a large mean costs no digits.
    """

    n: Counts
    weight: Floats
    offset: Floats
    within: Floats
    centre: float

    @property
    def mean(self) -> Floats:
        """Mean of each stratum; NaN where it is empty."""
        return np.where(self.n > 0, self.centre + self.offset, np.nan)

    @property
    def variance(self) -> Floats:
        """Sample variance of each stratum; NaN below two units."""
        free = np.where(self.n > 1, self.weight * (1.0 - 1.0 / np.maximum(self.n, 1)), np.nan)
        return self.within / free

    def merge(self, other: StratumSums) -> StratumSums:
        """Add the units of another part (Chan, Golub & LeVeque 1979).

        Parameters
        ----------
        other : StratumSums
            Of the same strata.

        Returns
        -------
        StratumSums
        """
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        shift = other.offset + (other.centre - self.centre) - self.offset
        shift = np.where(other.n > 0, shift, 0.0)
        # an empty part has offset 0, which `share` = 1 then replaces
        return StratumSums(
            self.n + other.n,
            weight,
            self.offset + share * shift,
            self.within + other.within + self.weight * share * shift**2,
            self.centre,
        )

    def drop(self, smallest: int) -> StratumSums:
        """Leave out strata with fewer than `smallest` units.

        Parameters
        ----------
        smallest : int
            Least number of units.

        Returns
        -------
        StratumSums
        """
        keep = self.n >= smallest
        return StratumSums(
            self.n[keep], self.weight[keep], self.offset[keep], self.within[keep], self.centre
        )


def stratum_sums(
    response: npt.ArrayLike,
    codes: npt.NDArray[np.int32],
    strata: int,
    *,
    weights: npt.ArrayLike | None = None,
) -> StratumSums:
    """Sum the response by stratum, in one pass and in float64.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is passed over.
    codes : ndarray of int32, same shape
        Stratum of each unit, below zero where missing.
    strata : int
        Number of strata.
    weights : array_like, same shape, optional
        Weight of each unit, such as its area; without them every unit counts one.

    Returns
    -------
    StratumSums

    Examples
    --------
    >>> stratum_sums([1.0, 2.0, 6.0], np.array([0, 0, 1], np.int32), 2).mean
    array([1.5, 6. ])
    """
    from headwater.detector._kernels import sums_by_code

    values = np.ascontiguousarray(response, dtype=np.float64).ravel()
    flat = np.ascontiguousarray(codes, dtype=np.int32).ravel()
    unit = np.zeros(0) if weights is None else _checked_weights(weights, values.size)
    centre = _centre(values)
    n, weight, first, second = sums_by_code(values, flat, unit, centre, strata)
    offset = np.divide(first, weight, out=np.zeros(strata), where=weight > 0)
    # rounding must not leave a sum of squares below zero
    within = np.maximum(second - first * offset, 0.0)
    return StratumSums(n, weight, offset, within, centre)


def check_varies(total: float, n: int, centre: float) -> None:
    """Refuse a response that is the same in all units.

    Parameters
    ----------
    total : float
        Sum of squares about the mean [unit of the response squared].
    n : int
        Units.
    centre : float
        A value near the mean [unit of the response].

    Raises
    ------
    DataError
        If the sum of squares is no more than rounding leaves of equal values.

    Examples
    --------
    >>> check_varies(2.0, 2, 0.0)
    """
    rounding = 8 * np.finfo(np.float64).eps * max(abs(centre), 1e-300)
    if total <= n * rounding**2:
        raise DataError(
            "the response is constant", found=f"{n} units of {centre:.6g}", do="Leave it out"
        )


def _centre(values: Floats) -> float:
    finite = values if not np.isnan(values.sum()) else values[~np.isnan(values)]
    centre = float(finite.mean()) if finite.size else 0.0
    if np.isinf(centre) or np.isnan(centre):
        raise DataError(
            "infinite values of the response",
            found=f"{np.isinf(finite).sum()} units",
            do="Set them to NaN",
        )
    return centre


def _checked_weights(weights: npt.ArrayLike, size: int) -> Floats:
    unit = np.ascontiguousarray(weights, dtype=np.float64).ravel()
    if unit.size != size or not (unit > 0).all() or np.isinf(unit).any():
        raise DataError(
            "weights must be positive, one for each unit",
            found=f"{unit.size} weights for {size} units, least {unit.min(initial=np.inf):.6g}",
            do="Give the area of each cell, or no weights",
        )
    return unit
