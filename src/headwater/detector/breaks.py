"""Rules that part a continuous factor into classes.

Every rule takes the finite values in ascending order and the numbers of classes wanted, and gives
the k - 1 inner breaks of each. Classes are ``(lower, upper]``: a value equal to a break belongs to
the class below it, so equal values are never parted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from headwater.detector.natural import natural_breaks
from headwater.errors import DataError, StudyError, nearest

__all__ = [
    "BREAKS",
    "break_rule",
    "effective_breaks",
    "equal_breaks",
    "geometric_breaks",
    "head_tail_breaks",
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
