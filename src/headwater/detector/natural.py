"""Natural breaks after Fisher and Jenks, exact at any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["natural_breaks"]

Floats = npt.NDArray[np.float64]


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
