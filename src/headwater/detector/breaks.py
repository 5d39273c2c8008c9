"""Rules that part a continuous factor into classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headwater.errors import DataError, StudyError, nearest

__all__ = [
    "BREAKS",
    "BreakProgramme",
    "break_rule",
    "effective_breaks",
    "equal_breaks",
    "geometric_breaks",
    "head_tail_breaks",
    "natural_breaks",
    "optimal_breaks",
    "quantile_breaks",
    "standard_deviation_breaks",
]

Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats, Sequence[int]], list[Floats]]


def equal_breaks(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    """Part the range into classes of equal width.

    Parameters
    ----------
    ordered : ndarray, shape (n,)
        Finite values in ascending order [any unit].
    classes : sequence of int
        Numbers of classes.

    Returns
    -------
    list of ndarray
        Inner breaks for each number of classes.

    Examples
    --------
    >>> equal_breaks(np.array([0.0, 1.0, 10.0]), [2, 4])
    [array([5.]), array([2.5, 5. , 7.5])]
    """
    return [np.linspace(ordered[0], ordered[-1], number + 1)[1:-1] for number in classes]


def quantile_breaks(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    """Part the units into classes of equal number.

    Parameters
    ----------
    ordered : ndarray, shape (n,)
        Finite values in ascending order [any unit].
    classes : sequence of int
        Numbers of classes.

    Returns
    -------
    list of ndarray
        Inner breaks: sample quantiles at i / k, linear between order statistics (type 7, as in R's
        default and in the package GD). Ties can make breaks repeat; the classes then realised are
        fewer, and counted.

    References
    ----------
    Hyndman, R. J., Fan, Y. (1996). Sample quantiles in statistical packages. The American
    Statistician 50, 361-365. https://doi.org/10.1080/00031305.1996.10473566

    Examples
    --------
    >>> quantile_breaks(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), [2])
    [array([3.])]
    """
    found = []
    for number in classes:
        place = np.arange(1, number) / number * (ordered.size - 1)
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, ordered.size - 1)
        found.append(ordered[below] + (place - below) * (ordered[above] - ordered[below]))
    return found


def geometric_breaks(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    """Part the range into classes whose limits grow by one ratio.

    Parameters
    ----------
    ordered : ndarray, shape (n,)
        Finite positive values in ascending order [any ratio unit].
    classes : sequence of int
        Numbers of classes.

    Returns
    -------
    list of ndarray
        Inner breaks ``min * (max / min) ** (i / k)``.

    Raises
    ------
    DataError
        If a value is zero or negative: a ratio then has no meaning.

    Notes
    -----
    The packages that use this name differ: GD shifts by one and gives k - 1 classes, sdsfun puts
    all units in one class where the least value is not positive.

    Examples
    --------
    >>> geometric_breaks(np.array([1.0, 50.0, 100.0]), [2])
    [array([10.])]
    """
    if ordered[0] <= 0:
        raise DataError(
            "geometric breaks need positive values",
            found=f"least value {ordered[0]:.6g}",
            do="Choose another method for this factor",
        )
    ratio = ordered[-1] / ordered[0]
    return [ordered[0] * ratio ** (np.arange(1, number) / number) for number in classes]


def standard_deviation_breaks(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    """Part the values by their distance from the mean in standard deviations.

    Parameters
    ----------
    ordered : ndarray, shape (n,)
        Finite values in ascending order [any unit].
    classes : sequence of int
        Numbers of classes.

    Returns
    -------
    list of ndarray
        Inner breaks ``mean + (i - k / 2) * step``, i = 1 … k - 1: classes symmetric about the mean
        and open at both ends. The step is one sample standard deviation, and half of it from
        seven classes on.

    Notes
    -----
    These are the breaks of the package GD, but for one thing: where the values do not reach so
    far that every class holds some, GD raises k until enough classes do; here the empty classes
    are left out, and counted.

    Examples
    --------
    >>> standard_deviation_breaks(np.array([0.0, 1.0, 2.0]), [3, 4])
    [array([0.5, 1.5]), array([0., 1., 2.])]
    """
    mean, sd = ordered.mean(), ordered.std(ddof=1) if ordered.size > 1 else 0.0
    return [
        mean + (np.arange(1, number) - number / 2) * (sd if number < 7 else sd / 2)
        for number in classes
    ]


def head_tail_breaks(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    """Part heavy-tailed values at the mean of what lies above the last break.

    Parameters
    ----------
    ordered : ndarray, shape (n,)
        Finite values in ascending order [any unit].
    classes : sequence of int
        Greatest numbers of classes.

    Returns
    -------
    list of ndarray
        Inner breaks; fewer than k - 1 where the head holds one distinct value.

    References
    ----------
    Jiang, B. (2013). Head/tail breaks: a new classification scheme for data with a heavy-tailed
    distribution. The Professional Geographer 65, 482-494.
    https://doi.org/10.1080/00330124.2012.700499

    Examples
    --------
    >>> head_tail_breaks(np.array([1.0, 1.0, 1.0, 1.0, 6.0, 14.0]), [3])
    [array([ 4., 10.])]
    """
    means: list[float] = []
    head = ordered
    while len(means) < max(classes) - 1 and head[0] < head[-1]:
        means.append(float(head.mean()))
        head = head[head > means[-1]]
    return [np.array(means[: number - 1]) for number in classes]


def natural_breaks(ordered: npt.ArrayLike, classes: Sequence[int]) -> list[Floats]:
    """Find the breaks that leave the least sum of squares within classes.

    Parameters
    ----------
    ordered : array_like, shape (n,)
        Finite values in ascending order [any unit].
    classes : sequence of int
        Numbers of classes; one dynamic programme answers them all.

    Returns
    -------
    list of ndarray
        For each number of classes k the k - 1 inner breaks, each the largest value of its class.
        Where there are fewer than k distinct values, every value is a class of its own.

    Notes
    -----
    Equal values are never parted: the programme runs over distinct values weighted by their
    number. With prefix sums the sum of squares of a class costs O(1), and as the best start of the
    last class never moves left, k classes cost O(k n log n). Nothing is sampled.

    References
    ----------
    Fisher, W. D. (1958). On grouping for maximum homogeneity. Journal of the American Statistical
    Association 53, 789-798. https://doi.org/10.1080/01621459.1958.10501479

    Examples
    --------
    >>> natural_breaks([1.0, 2.0, 9.0, 10.0, 30.0], [2, 3])
    [array([10.]), array([ 2., 10.])]
    """
    from headwater.detector._kernels import fisher_splits

    values = np.asarray(ordered, dtype=np.float64)
    last = np.append(np.flatnonzero(values[1:] != values[:-1]), values.size - 1)
    distinct = values[last]
    weight = np.append(0.0, last + 1.0)
    total = np.append(0.0, np.cumsum(values - values.mean())[last])
    starts = fisher_splits(total, weight, min(max(classes), distinct.size))
    return [_trace(starts, distinct, min(number, distinct.size)) for number in classes]


def _trace(starts: npt.NDArray[np.int32], distinct: Floats, number: int) -> Floats:
    """Walk back from the last class to the first."""
    breaks = np.empty(number - 1)
    end = distinct.size
    for layer in range(number - 1, 0, -1):
        end = int(starts[layer, end])
        breaks[layer - 1] = distinct[end - 1]
    return breaks


BREAKS: Mapping[str, Rule] = {
    "equal": equal_breaks,
    "quantile": quantile_breaks,
    "natural": natural_breaks,
    "geometric": geometric_breaks,
    "standard_deviation": standard_deviation_breaks,
    "head_tail": head_tail_breaks,
}
"""Rules by the name used in study files."""


def break_rule(method: str) -> Rule:
    """Look a rule up by its name.

    Parameters
    ----------
    method : str
        A key of :data:`BREAKS`.

    Returns
    -------
    callable

    Raises
    ------
    StudyError
        If there is no such rule; the message names the nearest one.

    Examples
    --------
    >>> break_rule("equal") is equal_breaks
    True
    """
    if method not in BREAKS:
        raise StudyError(
            "unknown stratification method",
            found=f"'{method}'",
            do=nearest(method, [*BREAKS, "optimal"]),
        )
    return BREAKS[method]


def effective_breaks(ordered: Floats, breaks: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Keep the inner breaks that part something, with the number of values at or below each.

    Parameters
    ----------
    ordered : ndarray, shape (n,)
        Finite values in ascending order [any unit].
    breaks : ndarray, shape (m,)
        Inner breaks in ascending order.

    Returns
    -------
    breaks : ndarray, shape (k - 1,)
        Those with at least one value in the class below and one above.
    ends : ndarray of int, shape (k - 1,)
        How many values lie at or below each: where the classes end in `ordered`.

    Examples
    --------
    >>> effective_breaks(np.array([1.0, 2.0, 9.0]), np.array([0.0, 2.0, 5.0, 9.0]))
    (array([2.]), array([2]))
    """
    ends = np.searchsorted(ordered, breaks, side="right")
    parts = (ends > 0) & (ends < ordered.size) & (np.diff(ends, prepend=0) > 0)
    return breaks[parts], ends[parts]


def optimal_breaks(
    values: npt.ArrayLike,
    response: npt.ArrayLike,
    classes: Sequence[int],
    *,
    min_units: int = 2,
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
    min_units : int
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
    it finds the q that is greatest. Test it with
    :func:`headwater.detector.optimal_parameters.search_test`.

    References
    ----------
    Fisher, W. D. (1958). On grouping for maximum homogeneity. Journal of the American Statistical
    Association 53, 789-798. https://doi.org/10.1080/01621459.1958.10501479

    Examples
    --------
    >>> optimal_breaks([1, 2, 3, 4, 5, 6], [5.0, 5.0, 1.0, 1.0, 1.0, 9.0], [2, 3], min_units=1)
    [array([5.]), array([2., 5.])]
    """
    x, y = np.asarray(values, np.float64).ravel(), np.asarray(response, np.float64).ravel()
    both = ~(np.isnan(x) | np.isnan(y))
    if min_units < 1 or not both.any():
        raise DataError(
            "no unit has both a response and a factor" if min_units >= 1 else "an empty class",
            found=f"{both.sum()} units, min_units = {min_units}",
            do="Check the inputs; ask for at least one unit per class",
        )
    order = np.argsort(x[both], kind="stable")
    ordered = x[both][order]
    programme = BreakProgramme.of(ordered, classes, min_units, limits)
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
    min_units : int
        Least number of units in a class.
    """

    places: npt.NDArray[np.intp]
    classes: tuple[int, ...]
    min_units: int

    @classmethod
    def of(
        cls, ordered: Floats, classes: Sequence[int], min_units: int, limits: int | None
    ) -> BreakProgramme:
        """Find the places at which no two equal values are parted."""
        ends = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        if limits is not None and ends.size > limits:
            wanted = np.linspace(0, ordered.size, limits + 2)[1:-1]
            ends = np.unique(ends[np.minimum(np.searchsorted(ends, wanted), ends.size - 1)])
        return cls(np.concatenate(([0], ends, [ordered.size])), tuple(classes), min_units)

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
            totals[self.places], weights[self.places], self.places, most, self.min_units
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
