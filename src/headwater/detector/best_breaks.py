"""Breaks that make q as large as it can be, found exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headwater.errors import DataError

__all__ = ["BreakProgramme", "optimal_breaks"]

Floats = npt.NDArray[np.float64]


def optimal_breaks(
    values: npt.ArrayLike,
    response: npt.ArrayLike,
    classes: Sequence[int],
    *,
    smallest: int = 2,
    limits: int | None = None,
) -> list[Floats]:
    r"""Find the breaks of a factor at which q of the response is greatest.

    Parameters
    ----------
    values : array_like, shape (n,)
        The factor [any unit], in any order; NaN is missing.
    response : array_like, shape (n,)
        The variable to be explained [any unit]; NaN is missing.
    classes : sequence of int
        Numbers of classes; one dynamic programme answers them all.
    smallest : int
        Least number of units in a class.
    limits : int, optional
        Where the factor has more distinct values than this, breaks lie only at this many places
        among them, evenly spread over the units; by default, anywhere.

    Returns
    -------
    list of ndarray
        For each number of classes the inner breaks, each the largest value of its class; fewer
        than asked for where no such partition exists.

    Raises
    ------
    DataError
        If no unit has both, or a class is to hold no unit.

    Notes
    -----
    q is greatest where the sum over classes of (class total)² / (class size) is. Over the sorted
    values this is a dynamic programme, :math:`G_c(j) = \max_i G_{c-1}(i) + (T_j - T_i)^2 / (j - i)`
    with running totals T, which costs O(k m²) for m places; equal values are never parted. Nothing
    is sampled and the greatest q is found, which is what makes it optimistic: on pure noise, too,
    it finds the q that is greatest. Test it with :func:`headwater.detector.search_test`.

    References
    ----------
    Fisher, W. D. (1958). On grouping for maximum homogeneity. Journal of the American Statistical
    Association 53, 789-798. https://doi.org/10.1080/01621459.1958.10501479

    Examples
    --------
    >>> optimal_breaks([1, 2, 3, 4, 5, 6], [5.0, 5.0, 1.0, 1.0, 1.0, 9.0], [2, 3], smallest=1)
    [array([5.]), array([2., 5.])]
    """
    x, y = np.asarray(values, np.float64).ravel(), np.asarray(response, np.float64).ravel()
    both = ~(np.isnan(x) | np.isnan(y))
    if smallest < 1 or not both.any():
        raise DataError(
            "no unit has both a response and a factor" if smallest >= 1 else "an empty class",
            found=f"{both.sum()} units, smallest = {smallest}",
            do="Check the inputs; ask for at least one unit per class",
        )
    order = np.argsort(x[both], kind="stable")
    ordered = x[both][order]
    programme = BreakProgramme.of(ordered, classes, smallest, limits)
    totals = np.append(0.0, np.cumsum(y[both][order] - y[both].mean()))
    ends = programme.solve(totals, np.arange(ordered.size + 1.0))[1]
    return [ordered[found - 1] for found in ends]


@dataclass(frozen=True, slots=True, eq=False)
class BreakProgramme:
    """Where classes may end, and how many are wanted: all that does not depend on the response.

    Attributes
    ----------
    places : ndarray of int, shape (m,)
        Numbers of units after which a class may end, from 0 to n.
    classes : tuple of int
        Numbers of classes.
    smallest : int
        Least number of units in a class.
    """

    places: npt.NDArray[np.intp]
    classes: tuple[int, ...]
    smallest: int

    @classmethod
    def of(
        cls, ordered: Floats, classes: Sequence[int], smallest: int, limits: int | None
    ) -> BreakProgramme:
        """Find the places at which no two equal values are parted."""
        ends = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        if limits is not None and ends.size > limits:
            wanted = np.linspace(0, ordered.size, limits + 2)[1:-1]
            ends = np.unique(ends[np.minimum(np.searchsorted(ends, wanted), ends.size - 1)])
        return cls(np.concatenate(([0], ends, [ordered.size])), tuple(classes), smallest)

    def solve(self, totals: Floats, weights: Floats) -> tuple[Floats, list[npt.NDArray[np.intp]]]:
        """Find the best ends of classes for a response.

        Parameters
        ----------
        totals, weights : ndarray, shape (n + 1,)
            Running sums of the weighted response, less its mean, and of the weights, from 0.

        Returns
        -------
        gain : ndarray
            Greatest sum of (class total)² / (class weight), by number of classes.
        ends : list of ndarray of int
            Numbers of units after which the classes end, the last class left out.
        """
        from headwater.detector._kernels import best_ends

        most = min(max(self.classes), self.places.size - 1)
        gains, starts = best_ends(
            totals[self.places], weights[self.places], self.places, most, self.smallest
        )
        found = [self._trace(gains, starts, min(number, most)) for number in self.classes]
        return np.array([gain for gain, _ in found]), [ends for _, ends in found]

    def _trace(
        self, gains: Floats, starts: npt.NDArray[np.int32], number: int
    ) -> tuple[float, npt.NDArray[np.intp]]:
        while number > 1 and not np.isfinite(gains[number - 1]):
            number -= 1
        ends = np.empty(number - 1, np.intp)
        place = self.places.size - 1
        for layer in range(number - 1, 0, -1):
            place = int(starts[layer, place])
            ends[layer - 1] = self.places[place]
        return float(gains[number - 1]), ends
