"""The spatial association detector: strata against the variance of neighbours (SPADE)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.null_models import Permutation
from headwater.detector.resample import Resampling
from headwater.detector.strata import Strata, stratify
from headwater.errors import DataError
from headwater.figures import drawing_on
from headwater.results import TableResult, of_inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GridWeights",
    "SpadeResult",
    "Weights",
    "as_given",
    "cpsd",
    "distance_weights",
    "psd",
    "spade",
    "spatial_variance",
    "weighted_words",
]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

CANG2018 = (
    "Cang, X., Luo, W. (2018). Spatial association detector (SPADE). International Journal of "
    "Geographical Information Science 32(10), 2055-2075. "
    "https://doi.org/10.1080/13658816.2018.1476693"
)
_MOST_PAIRS = 50_000_000
"""Pairs beyond which weights of all units with all are refused (400 MB)."""


@dataclass(frozen=True, slots=True, eq=False)
class SpadeResult(TableResult):
    """Power of spatial determinant of each factor, strongest first.

    Columns: factor, psmd (mean of cpsd over the numbers of classes), p_value (NaN without
    permutations), n, and for each number of classes k the column cpsd_k.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw psmd as a bar, with the values of each number of classes."""
        from headwater.detector.extension_plots import draw_spade

        with drawing_on(ax):
            return draw_spade(self.data)


@dataclass(frozen=True, slots=True)
class GridWeights:
    """Inverse-distance weights between the cells of a grid, applied by Fourier transform.

    Nothing is stored for pairs of cells: 10^5 cells with all their pairs cost a few megabytes.

    Attributes
    ----------
    spacing : tuple of float
        Distance between rows and between columns [any length].
    power : float
        Weight is distance to the power of minus this.
    bandwidth : float
        No weight beyond this distance [as `spacing`].
    """

    spacing: tuple[float, float] = (1.0, 1.0)
    power: float = 1.0
    bandwidth: float = np.inf


# a matrix, dense or scipy.sparse, or a grid's rule
Weights: TypeAlias = Any


def distance_weights(
    coordinates: npt.ArrayLike, *, power: float = 1.0, bandwidth: float = np.inf
) -> Any:
    """Weigh pairs of units by the inverse of their distance.

    Parameters
    ----------
    coordinates : array_like, shape (n, 2)
        Place of each unit [any length; degrees only over small areas].
    power : float
        Weight is distance to the power of minus this.
    bandwidth : float
        No weight beyond this distance [as `coordinates`].

    Returns
    -------
    scipy.sparse.csr_array, shape (n, n)
        Without a bandwidth every pair is in it, at 12 bytes each.

    Raises
    ------
    DataError
        If two units share a place, or there would be more than fifty million pairs.

    Examples
    --------
    >>> distance_weights([[0.0, 0.0], [0.0, 2.0], [9.0, 0.0]], bandwidth=3.0).nnz
    2
    """
    from scipy.sparse import csr_array
    from scipy.spatial import cKDTree

    places = np.asarray(coordinates, dtype=np.float64)
    n = len(places)
    tree = cKDTree(places)
    reach = min(bandwidth, float(np.hypot(*np.ptp(places, axis=0))) * (1 + 1e-9))
    pairs = int(tree.count_neighbors(tree, reach)) - n
    if pairs > _MOST_PAIRS:
        raise DataError(
            "too many pairs of units",
            found=f"{pairs} pairs of {n} units",
            do="Give a bandwidth, or GridWeights where the units are a grid",
        )
    one, two = tree.query_pairs(reach, output_type="ndarray").T
    distance = np.hypot(*(places[one] - places[two]).T)
    if (distance == 0).any():
        raise DataError(
            "units share a place",
            found=f"{(distance == 0).sum()} pairs at distance 0",
            do="Average them, or give a weight matrix",
        )
    weight = distance**-power
    rows, columns = np.append(one, two), np.append(two, one)
    return csr_array((np.tile(weight, 2), (rows, columns)), shape=(n, n))


def spatial_variance(
    values: npt.ArrayLike,
    weights: Weights,
    codes: Codes | None = None,
    unit_weights: npt.ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    r"""Compute the variance between neighbours, in all or by stratum.

    Parameters
    ----------
    values : array_like, shape (n,), or (y, x) with GridWeights
        [any unit]; NaN is passed over.
    weights : GridWeights, ndarray or scipy.sparse array of shape (n, n)
        Weight of each pair; symmetric or not. The diagonal does not count.
    codes : ndarray of int32, optional
        Stratum of each unit, below zero where missing; all units are one stratum without it.
    unit_weights : array_like, same shape, optional
        Weight of each unit, such as its area: a unit of weight 2 counts as two of weight 1.

    Returns
    -------
    size : ndarray
        Units of each stratum, or the sum of their weights.
    gamma : ndarray
        Spatial variance of each stratum [unit of the values squared]; NaN where no pair has weight.

    Notes
    -----
    .. math:: \Gamma = \frac{\sum_i \sum_{j \ne i} w_{ij} (y_i - y_j)^2 / 2}
              {\sum_i \sum_{j \ne i} w_{ij}}

    With equal weights it is the sample variance. Weights of units multiply those of their pairs.

    References
    ----------
    Cang, X., Luo, W. (2018). Spatial association detector (SPADE). International Journal of
    Geographical Information Science 32, 2055-2075.
    https://doi.org/10.1080/13658816.2018.1476693

    Examples
    --------
    >>> size, gamma = spatial_variance([1.0, 2.0, 4.0], np.ones((3, 3)))
    >>> size, gamma.round(4)
    (array([3.]), array([2.3333]))
    """
    y = np.asarray(values, dtype=np.float64)
    inside = np.zeros(y.shape, np.int32) if codes is None else codes
    inside = np.where(np.isnan(y), -1, inside)
    strata = int(inside.max(initial=-1)) + 1
    mass = np.ones(y.shape) if unit_weights is None else np.asarray(unit_weights, np.float64)
    present = inside >= 0
    size: Floats = np.zeros(strata)
    np.add.at(size, inside[present], mass[present])
    sums = _grid_sums if isinstance(weights, GridWeights) else _pair_sums
    squares, total = sums(y, inside, strata, weights, mass)
    gamma: Floats = np.divide(squares, total, out=np.full(strata, np.nan), where=total > 0)
    return size, gamma


def psd(
    response: npt.ArrayLike,
    strata: Strata,
    weights: Weights,
    unit_weights: npt.ArrayLike | None = None,
) -> float:
    r"""Compute the power of spatial determinant: q with spatial variances.

    Parameters
    ----------
    response : array_like, shape (n,), or (y, x) with GridWeights
        The variable to be explained [any unit]; NaN is missing.
    strata : Strata
        With codes of the same shape.
    weights : GridWeights, ndarray or scipy.sparse array
        See :func:`spatial_variance`.
    unit_weights : array_like, same shape, optional
        Weight of each unit.

    Returns
    -------
    float
        1 - Σ N_h Γ_h / (N Γ) [1]; NaN where the response does not vary between neighbours.
        Units without a neighbour in their stratum are left out, as single units must be.

    References
    ----------
    Cang, X., Luo, W. (2018). Spatial association detector (SPADE). International Journal of
    Geographical Information Science 32, 2055-2075.
    https://doi.org/10.1080/13658816.2018.1476693

    Examples
    --------
    >>> y = [1.0, 2.0, 8.0, 9.0]
    >>> round(psd(y, stratify(y, "equal", 2), np.ones((4, 4))), 3)
    0.97
    """
    y = np.asarray(response, dtype=np.float64)
    size, within = spatial_variance(y, weights, strata.codes, unit_weights)
    lost = np.append(np.isnan(within), True)
    kept = np.where(lost[strata.codes], np.nan, y)
    if np.isnan(kept).all():
        return np.nan
    _, (whole,) = spatial_variance(kept, weights, None, unit_weights)
    sound = ~lost[:-1]
    if not whole > 0:
        return np.nan
    return float(1.0 - (size[sound] @ within[sound]) / (size[sound].sum() * whole))


def cpsd(
    response: npt.ArrayLike,
    values: npt.ArrayLike,
    strata: Strata,
    weights: Weights,
    unit_weights: npt.ArrayLike | None = None,
) -> float:
    """Compute the compensated power: that of the strata on the response, over that on the factor.

    Parameters
    ----------
    response, values : array_like
        The variable to be explained, and the factor before it was parted [any unit].
    strata : Strata
        Of the factor.
    weights : GridWeights, ndarray or scipy.sparse array
        See :func:`spatial_variance`.
    unit_weights : array_like, same shape, optional
        Weight of each unit.

    Returns
    -------
    float
        PSD(response) / PSD(factor) [1], which makes up for what parting the factor lost. It can
        exceed 1.

    Notes
    -----
    Both are of the units that have both values.

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 8.0, 9.0])
    >>> cpsd(y, y, stratify(y, "equal", 2), np.ones((4, 4)))
    1.0
    """
    y, x = np.asarray(response, np.float64), np.asarray(values, np.float64)
    y = np.where(np.isnan(x), np.nan, y)
    kept = psd(np.where(np.isnan(y), np.nan, x), strata, weights, unit_weights)
    return psd(y, strata, weights, unit_weights) / kept if kept > 0 else np.nan


@of_inputs
def spade(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    weights: Weights,
    *,
    method: str = "quantile",
    classes: Sequence[int] = range(3, 9),
    strata: Mapping[str, Strata] | None = None,
    unit_weights: npt.ArrayLike | None = None,
    resampling: Resampling | None = None,
) -> SpadeResult:
    r"""Compute the power of spatial and multilevel discretization determinant of each factor.

    Parameters
    ----------
    response : array_like, shape (n,), or (y, x) with GridWeights
        The variable to be explained [any unit]; NaN is missing.
    factors : mapping of str to array_like, same shape
        Continuous factors [any unit].
    weights : GridWeights, ndarray or scipy.sparse array of shape (n, n)
        Weight of each pair; see :func:`distance_weights`.
    method : str
        Rule that parts the factors; see :func:`headwater.detector.stratify`.
    classes : sequence of int
        Numbers of classes, over which the mean is taken.
    strata : mapping of str to Strata, optional
        Factors that are parted already, with codes of the shape of the response; there is one
        power of them in place of a mean.
    unit_weights : array_like, same shape, optional
        Weight of each unit, such as its area: a unit of weight 2 counts as two of weight 1.
    resampling : Resampling, optional
        For p: how often the response is drawn anew, and how; at random over the units without a
        null, as in gdverse. For smooth fields give a
        :class:`headwater.detector.null_models.GridSpectral` or its like.

    Returns
    -------
    SpadeResult
        Strongest factor first.

    Raises
    ------
    DataError
        If a factor cannot be parted, or the shapes differ.

    Notes
    -----
    .. math:: PSMD = \frac{1}{K} \sum_k CPSD_k, \quad
              p = \frac{1 + \#\{PSMD^* \ge PSMD\}}{1 + B}

    over B draws. Classes with one unit are left out, as in gdverse. Shuffling takes units as
    exchangeable, which those of a smooth field are not: the p then speaks against "no pattern at
    all", and is small for any two smooth fields.

    References
    ----------
    Cang, X., Luo, W. (2018). Spatial association detector (SPADE). International Journal of
    Geographical Information Science 32, 2055-2075.
    https://doi.org/10.1080/13658816.2018.1476693

    Examples
    --------
    >>> y, x = np.mgrid[0:6, 0:8].astype(float)
    >>> found = spade(y, {"north": y + 0.1 * x, "east": x}, GridWeights(), classes=[3])
    >>> found.data["factor"].tolist()
    ['north', 'east']
    """
    null = (resampling.null if resampling else None) or Permutation()
    values, rows = np.asarray(response, dtype=np.float64), []
    given_strata = strata or {}
    for name, given in factors.items():
        y, x = _both(name, values, np.asarray(given, dtype=np.float64))
        parts = [stratify(x, method, number) for number in classes]
        if name in given_strata:
            parts = [given_strata[name]]
        power = _Power(parts, x, weights, unit_weights)
        found, p = power.each(y), np.nan
        if resampling is not None:
            drawn = null.draw(y, resampling.n_resamples, resampling.rng)
            p = power.p_value(null.tested(y), drawn)
        numbers = [part.requested or part.realised for part in parts]
        by_classes = {f"cpsd_{k}": float(one) for k, one in zip(numbers, found, strict=True)}
        n = int((~np.isnan(y)).sum())
        rows.append({"factor": name, "psmd": found.mean(), "p_value": p, "n": n, **by_classes})
    table = pd.DataFrame(rows).sort_values("psmd", ascending=False, kind="stable")
    test = f"p from {resampling.n_resamples} draws: {null.words}" if resampling else "no test"
    return SpadeResult(
        data=table.reset_index(drop=True),
        method="Spatial association detector (SPADE): compensated power of spatial determinant, "
        "mean over numbers of classes.",
        references=(CANG2018,),
        choices=(
            f"Factors parted by the rule {method.replace('_', ' ')} into {min(classes)} to "
            f"{max(classes)} classes{as_given(given_strata)}; {test}.",
            weighted_words(unit_weights),
        ),
        cautions=(
            "A p from shuffled units takes them as exchangeable, which neighbouring cells of a "
            "smooth field are not.",
        ),
    )


def _both(name: str, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Leave the units that have both values."""
    if x.shape != y.shape:
        raise DataError(
            f"factor '{name}' is not of the response's units",
            found=f"shape {x.shape}, response {y.shape}",
            do="Bring both onto one grid or into one table",
        )
    missing = np.isnan(x) | np.isnan(y)
    return np.where(missing, np.nan, y), np.where(missing, np.nan, x)


def as_given(strata: Mapping[str, Strata]) -> str:
    """Name the factors that were parted before.

    Parameters
    ----------
    strata : mapping of str to Strata
        By factor.

    Returns
    -------
    str

    Examples
    --------
    >>> as_given({})
    ''
    """
    return f", but {', '.join(strata)} as given" if strata else ""


def weighted_words(weights: npt.ArrayLike | None) -> str:
    """Say whether units were weighted.

    Parameters
    ----------
    weights : array_like or None
        Weights of units.

    Returns
    -------
    str

    Examples
    --------
    >>> weighted_words(None)
    'Units are not weighted.'
    """
    return "Units are " + ("not weighted." if weights is None else "weighted.")


class _Power:
    """Compensated power of a factor's partitions on any response."""

    def __init__(
        self, parts: list[Strata], x: Floats, weights: Weights, unit: npt.ArrayLike | None
    ) -> None:
        self.parts, self.weights, self.unit = parts, weights, unit
        self.scale = np.array([psd(x, part, weights, unit) for part in parts])

    def each(self, y: Floats) -> Floats:
        """Compute it for each partition."""
        power = [psd(y, part, self.weights, self.unit) for part in self.parts]
        found: Floats = np.array(power) / self.scale
        return found

    def p_value(self, y: Floats, draws: Iterator[Floats]) -> float:
        """Share of draws whose mean power reaches that of the response."""
        shape = self.parts[0].codes.shape
        observed = self.each(y.reshape(shape)).mean() - 1e-12
        above = [
            self.each(values.reshape(shape)).mean() >= observed
            for block in draws
            for values in block
        ]
        return float((1 + sum(above)) / (1 + len(above)))


def _pair_sums(
    y: Floats, codes: Codes, strata: int, weights: Weights, mass: Floats
) -> tuple[Floats, Floats]:
    """Sum over the pairs that have a weight and lie in one stratum."""
    from scipy.sparse import coo_array, issparse

    pairs = weights.tocoo() if issparse(weights) else coo_array(np.asarray(weights, np.float64))
    if pairs.shape != (y.size, y.size):
        raise DataError(
            "the weights are not of the units",
            found=f"weights {pairs.shape}, {y.size} units",
            do="Give one row and one column for each unit",
        )
    one, two = pairs.row, pairs.col
    together = (codes[one] == codes[two]) & (codes[one] >= 0) & (one != two)
    one, two, weight = one[together], two[together], pairs.data[together]
    weight = weight * mass[one] * mass[two]
    squares = np.bincount(codes[one], weight * (y[one] - y[two]) ** 2 / 2, strata)
    total = np.bincount(codes[one], weight, strata)
    return squares.astype(np.float64), total.astype(np.float64)


def _grid_sums(
    y: Floats, codes: Codes, strata: int, weights: GridWeights, mass: Floats
) -> tuple[Floats, Floats]:
    """Sum over all pairs of cells by convolution with the weights, stratum by stratum."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    if y.ndim != 2:
        raise DataError("GridWeights need maps", found=f"shape {y.shape}", do="Give dims (y, x)")
    shape = tuple(next_fast_len(2 * size - 1, real=True) for size in y.shape)
    kernel = rfft2(_kernel(y.shape, shape, weights))
    present = codes >= 0
    deviation = np.where(present, y - y[present].mean(), 0.0) if present.any() else np.zeros_like(y)
    squares, total = np.zeros(strata), np.zeros(strata)
    for code in range(strata):
        mask = np.where(codes == code, mass, 0.0)
        around = [
            irfft2(rfft2(part, shape) * kernel, shape)[: y.shape[0], : y.shape[1]]
            for part in (mask, mask * deviation)
        ]
        total[code] = (mask * around[0]).sum()
        own = mask * deviation
        squares[code] = (own * deviation * around[0]).sum() - (own * around[1]).sum()
    return np.maximum(squares, 0.0), np.where(total > 1e-9 * max(total.max(initial=0), 1), total, 0)


def _kernel(size: tuple[int, ...], shape: tuple[int, ...], weights: GridWeights) -> Floats:
    """Weights of all distances between cells, wrapped round as the transform wants them."""
    steps = [np.fft.fftfreq(full, 1 / full) for full in shape]
    far = [np.abs(step) * space for step, space in zip(steps, weights.spacing, strict=True)]
    distance = np.hypot(far[0][:, None], far[1][None, :])
    distance[0, 0] = np.inf
    kernel = np.where(distance <= weights.bandwidth, distance**-weights.power, 0.0)
    outside = [np.abs(step) >= count for step, count in zip(steps, size, strict=True)]
    kernel[outside[0]] = 0.0
    kernel[:, outside[1]] = 0.0
    kernel[0, 0] = 0.0
    return kernel
