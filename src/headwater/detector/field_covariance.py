"""The covariance of what a factor leaves unexplained, fitted to a map or to points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headwater.errors import DataError

__all__ = ["CovarianceFit", "FieldPlaces", "Kernel", "MeanNoise", "fit_covariance", "mean_noise"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Places = npt.NDArray[np.intp]

MOST_CELLS = 1_000_000
"""Cells of a map's box up to which the distances between strata are counted."""

_UNITS = 300
_MOST_POINTS = 4000
_LIGHT = 1e-4
_SMOOTH = np.inf
_NUGGETS = {0.5: (1e-4, 0.03, 0.15, 0.4, 0.7), 1.5: (1e-4, 0.03, 0.15, 0.4, 0.7)}
_NUGGETS_SMOOTH = (1e-7, 1e-5, 1e-3, 0.03, 0.15, 0.4, 0.7)
_RATIOS = {0.5: 1.4, 1.5: 1.35, _SMOOTH: 1.13}
_REACH = {0.5: 3.0, 1.5: 2.74, _SMOOTH: 1.73}


@dataclass(frozen=True, slots=True)
class Kernel:
    """A correlation that falls with distance.

    Attributes
    ----------
    smoothness : float
        Of the Matérn family: 0.5 (exponential), 1.5, or infinite (Gaussian).
    length : float
        Scale of the distance [cells, or mean distance between points].
    nugget : float
        Share of the variance without any correlation [1].
    """

    smoothness: float
    length: float
    nugget: float

    def at(self, distance: Floats) -> Floats:
        """Compute the correlation of two different units.

        Parameters
        ----------
        distance : ndarray
            [cells, or mean distance between points]

        Returns
        -------
        ndarray
            Of the same shape [1].

        Examples
        --------
        >>> Kernel(0.5, 2.0, 0.5).at(np.array([0.0, 2.0])).round(3)
        array([0.5  , 0.184])
        """
        scaled = distance / self.length
        if self.smoothness == 0.5:
            shape = np.exp(-scaled)
        elif self.smoothness == 1.5:
            shape = (1.0 + np.sqrt(3.0) * scaled) * np.exp(-np.sqrt(3.0) * scaled)
        else:
            shape = np.exp(-(scaled**2))
        found: Floats = (1.0 - self.nugget) * shape
        return found

    @property
    def reach(self) -> float:
        """Distance at which the correlation has fallen to a twentieth [as the length]."""
        return self.length * _REACH[self.smoothness]


@dataclass(frozen=True, slots=True, eq=False)
class FieldPlaces:
    """Where the units lie: cells of a grid, or points.

    Attributes
    ----------
    places : ndarray, shape (n, 2)
        Rows and columns of cells, or coordinates, in units of one cell or of the mean distance
        between points.
    shape : tuple of int, optional
        Rows and columns of the grid; None for points.
    stretch : float
        Height of a cell over its width.
    memo : dict
        What was computed for these places already.
    """

    places: Floats
    shape: tuple[int, int] | None = None
    stretch: float = 1.0
    memo: dict[bytes, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of_cells(cls, cells: Places, shape: tuple[int, int], stretch: float = 1.0) -> FieldPlaces:
        """Take cells of a grid.

        Parameters
        ----------
        cells : ndarray of int, shape (n,)
            Place of each unit, counted along rows.
        shape : tuple of int
            Rows and columns.
        stretch : float
            Height of a cell over its width.

        Returns
        -------
        FieldPlaces
        """
        rows, columns = np.divmod(cells, shape[1])
        rows, columns = rows - rows.min(), columns - columns.min()
        box = (int(rows.max()) + 1, int(columns.max()) + 1)
        return cls(np.column_stack([rows, columns]).astype(np.float64), box, stretch)

    @classmethod
    def of_points(cls, coordinates: Floats) -> FieldPlaces:
        """Take points.

        Parameters
        ----------
        coordinates : ndarray, shape (n, 2)
            Projected [m, or any one unit].

        Returns
        -------
        FieldPlaces
        """
        sides = np.maximum(np.ptp(coordinates, axis=0), 1e-300)
        spacing = float(np.sqrt(sides.prod() / len(coordinates)))
        return cls((coordinates - coordinates.min(axis=0)) / max(spacing, 1e-300))

    @property
    def scaled(self) -> Floats:
        """Places in one unit of length, shape (n, 2)."""
        scaled: Floats = self.places * np.array([self.stretch, 1.0])
        return scaled

    @property
    def extent(self) -> float:
        """Longest distance across the area."""
        return float(np.hypot(*np.ptp(self.scaled, axis=0)))


@dataclass(frozen=True, slots=True, eq=False)
class CovarianceFit:
    """Kernels that fit, with how well each does.

    Attributes
    ----------
    kernels : tuple of Kernel
        Those with a share worth naming.
    weight : ndarray, shape (kernels,)
        Share of each in the answer, by its restricted likelihood; they add up to 1.
    variance : ndarray, shape (kernels,)
        Variance of the field under each [unit of the response squared].
    df : int
        Degrees of freedom of these variances.
    reach : float
        Distance at which the correlation has fallen to a twentieth, on average over the kernels.
    strain : float
        Length of the correlation as a share of the longest that was tried, on average.
    """

    kernels: tuple[Kernel, ...]
    weight: Floats
    variance: Floats
    df: int
    reach: float
    strain: float


@dataclass(frozen=True, slots=True, eq=False)
class MeanNoise:
    """How the means of strata vary with the field that lies over them.

    Attributes
    ----------
    weight : ndarray, shape (kernels,)
        As of the fit.
    covariance : ndarray, shape (kernels, strata, strata)
        Of the means [unit of the response squared].
    variance : ndarray, shape (kernels,)
        Of the field.
    df : int
        Degrees of freedom.
    """

    weight: Floats
    covariance: Floats
    variance: Floats
    df: int


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Kernels with the triangles of their correlation matrices at the units that are fitted."""

    units: Places
    distance: Floats
    kernels: list[Kernel]
    triangles: list[Floats]
    prior: list[float]


def fit_covariance(
    values: Floats, codes: Codes, where: FieldPlaces, rng: np.random.Generator
) -> CovarianceFit:
    r"""Fit the covariance of what strata leave unexplained.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The response [any unit]; NaN is missing.
    codes : ndarray of int32, shape (n,)
        Stratum of each unit, below zero where missing.
    where : FieldPlaces
        Of the same units.
    rng : numpy Generator
        Chooses the units that are fitted, where there are more than 300.

    Returns
    -------
    CovarianceFit

    Raises
    ------
    DataError
        If there are too few units beyond those that the means of the strata take.

    Notes
    -----
    Exponential, Matérn (3/2) and Gaussian correlations of many lengths and nuggets are weighted by
    their restricted likelihood with the variance integrated out,

    .. math:: w \propto |R|^{-1/2} |X'R^{-1}X|^{-1/2} \, RSS^{-(n - L)/2}

    with X the strata: an empirical answer of Bayes that knows that the covariance is not known.
    Where there are more than 300 units, 150 are drawn at random and 150 near others, at distances
    from one cell up, so that short and long correlations are both seen.

    References
    ----------
    Handcock, M. S., Stein, M. L. (1993). A Bayesian analysis of kriging. Technometrics 35,
    403-410. https://doi.org/10.1080/00401706.1993.10485354

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> where = FieldPlaces.of_cells(np.arange(400), (20, 20))
    >>> fit = fit_covariance(rng.normal(size=400), np.zeros(400, np.int32), where, rng)
    >>> bool(fit.reach < 5), bool(0.8 < fit.weight @ fit.variance < 1.2)
    (True, True)
    """
    from threadpoolctl import threadpool_limits

    present = ~np.isnan(values) & (codes >= 0)
    # threads of BLAS cost ten times what they save on matrices of 300 units
    with threadpool_limits(limits=1, user_api="blas"):
        return _fit_patiently(values, codes, where, present, rng)


def _fit_patiently(
    values: Floats,
    codes: Codes,
    where: FieldPlaces,
    present: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> CovarianceFit:
    """Fit, and fit units further apart where near ones repeat each other."""
    number = _UNITS
    fit, units = _fit(values, codes, where, present, number, rng)
    best = fit.kernels[int(np.argmax(fit.weight))]
    if best.smoothness == _SMOOTH and best.nugget <= 1e-5:
        # so smooth that near units repeat each other to the last digit, and the least nugget
        # would stand for what they do not hold: fit units further apart
        area = float(np.prod(np.ptp(where.scaled, axis=0) + 1.0))
        number = int(np.clip(4.0 * area / best.length**2, 30 + 2 * len(np.unique(codes)), units))
        fit, _ = _fit(values, codes, where, present, number, rng)
    return fit


def _fit(
    values: Floats,
    codes: Codes,
    where: FieldPlaces,
    present: npt.NDArray[np.bool_],
    number: int,
    rng: np.random.Generator,
) -> tuple[CovarianceFit, int]:
    """Fit to so many units; return how many there were."""
    candidates = _candidates(where, present, number, rng)
    inside = codes[candidates.units]
    strata = np.unique(inside)
    design = (inside[:, None] == strata).astype(np.float64)
    df = len(design) - strata.size
    if df < 10:
        raise DataError("too few units to fit a covariance", found=f"{len(design)} units")
    stack = np.column_stack([design, values[candidates.units]])
    # a likelihood needs numbers of ordinary size
    centre, scale = stack[:, -1].mean(), max(float(stack[:, -1].std()), 1e-300)
    stack[:, -1] = (stack[:, -1] - centre) / scale
    found = [_likelihood(*one, stack) for one in _triangles(candidates)]
    kernels, found = _refined(candidates, found, stack)
    scores = np.array([score for score, _ in found])
    weight = np.exp(scores - scores.max())
    used = np.flatnonzero(weight / weight.sum() > _LIGHT)
    weight = weight[used] / weight[used].sum()
    variance = np.array([found[at][1] for at in used]) / df * scale**2
    chosen = tuple(kernels[at] for at in used)
    reach = float(weight @ np.array([one.reach for one in chosen]))
    shares = [one.length / _longest(one.smoothness, where.extent) for one in chosen]
    strain = float(weight @ np.array(shares))
    return CovarianceFit(chosen, weight, variance, df, reach, strain), len(design)


def mean_noise(
    fit: CovarianceFit, codes: Codes, where: FieldPlaces, weights: Floats | None = None
) -> MeanNoise:
    r"""Compute how the means of strata vary under a fitted covariance.

    Parameters
    ----------
    fit : CovarianceFit
        From :func:`fit_covariance`.
    codes : ndarray of int32, shape (n,)
        Stratum of each unit, below zero where missing.
    where : FieldPlaces
        Of the same units.
    weights : ndarray, shape (n,), optional
        Weight of each unit.

    Returns
    -------
    MeanNoise

    Notes
    -----
    .. math:: Cov(m_g, m_h) = \frac{\sigma^2}{W_g W_h} \sum_{i \in g} \sum_{j \in h}
              w_i w_j \rho(d_{ij})

    The pairs are counted by distance, on a grid by Fourier transform, so that no matrix of all
    pairs is held.

    Examples
    --------
    Four independent units in two strata: half the variance each, and no covariance.

    >>> where = FieldPlaces.of_cells(np.arange(4), (2, 2))
    >>> fit = CovarianceFit((Kernel(0.5, 1e-9, 0.0),), np.ones(1), np.ones(1), 3, 1.0, 0.1)
    >>> mean_noise(fit, np.array([0, 0, 1, 1], np.int32), where).covariance[0].round(3)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    strata = int(codes.max()) + 1
    unit = np.ones(codes.size) if weights is None else weights
    kept = codes >= 0
    whole = np.bincount(codes[kept], unit[kept], minlength=strata)
    alone = np.bincount(codes[kept], unit[kept] ** 2, minlength=strata) / whole**2
    pairs = _grid_pairs if where.shape is not None else _point_pairs
    distance, share = pairs(codes, unit, where, strata)
    covariance = np.stack([share @ kernel.at(distance) for kernel in fit.kernels])
    covariance += np.diag(alone)
    covariance = (covariance + covariance.transpose(0, 2, 1)) / 2.0
    return MeanNoise(fit.weight, covariance * fit.variance[:, None, None], fit.variance, fit.df)


def _candidates(
    where: FieldPlaces, present: npt.NDArray[np.bool_], number: int, rng: np.random.Generator
) -> _Candidates:
    """Factorise the correlations of all kernels once for all factors of the same units."""
    key = present.tobytes() + bytes(f"{number}", "ascii")
    if key in where.memo:
        found: _Candidates = where.memo[key]
        return found
    places = where.scaled
    units = _design(places, np.flatnonzero(present), number, rng)
    near = places[units]
    distance = np.hypot(*(near[:, None] - near[None]).transpose(2, 0, 1))
    candidates = _Candidates(units, distance, [], [], [])
    for kernel, prior in _kernels(where.extent):
        _add(candidates, kernel, prior)
    where.memo[key] = candidates
    return candidates


def _kernels(extent: float) -> Iterator[tuple[Kernel, float]]:
    """List what is tried, with the logarithm of its prior: every family and length alike."""
    for smoothness, ratio in _RATIOS.items():
        longest = _longest(smoothness, extent)
        shortest = 1.0 if smoothness == _SMOOTH else 0.5
        number = max(2, int(np.ceil(np.log(longest / shortest) / np.log(ratio))) + 1)
        nuggets = _NUGGETS.get(smoothness, _NUGGETS_SMOOTH)
        prior = -float(np.log(number * len(nuggets)))
        for length in np.geomspace(shortest, max(longest, 2.0 * shortest), number):
            for nugget in nuggets:
                yield Kernel(smoothness, float(length), nugget), prior
    yield Kernel(0.5, 1e-3, 0.0), -3.0


def _longest(smoothness: float, extent: float) -> float:
    """Longest length worth trying: beyond it a map looks like one with a trend."""
    return extent / (2.0 if smoothness == 0.5 else 3.0)


def _add(candidates: _Candidates, kernel: Kernel, prior: float) -> None:
    from scipy.linalg import LinAlgError, cholesky

    correlation = kernel.at(candidates.distance)
    correlation[np.diag_indices_from(correlation)] = 1.0
    try:
        triangle = cholesky(correlation, lower=True, check_finite=False)
    except LinAlgError:
        # so smooth that the matrix is singular to the last digit: no candidate
        return
    candidates.kernels.append(kernel)
    candidates.triangles.append(triangle)
    candidates.prior.append(prior)


def _triangles(candidates: _Candidates) -> Iterator[tuple[Floats, float]]:
    return iter(zip(candidates.triangles, candidates.prior, strict=True))


def _likelihood(triangle: Floats, prior: float, stack: Floats) -> tuple[float, float]:
    """Compute the restricted log-likelihood, with its prior, and the residual sum of squares."""
    from scipy.linalg import solve_triangular

    white = solve_triangular(triangle, stack, lower=True, check_finite=False)
    basis, upper = np.linalg.qr(white[:, :-1])
    left = white[:, -1] - basis @ (basis.T @ white[:, -1])
    rss = max(float(left @ left), 1e-300)
    free = len(stack) - stack.shape[1] + 1
    score = prior - float(np.log(np.diag(triangle)).sum())
    score -= float(np.log(np.abs(np.diag(upper))).sum()) + free / 2.0 * float(np.log(rss))
    return score, rss


def _refined(
    candidates: _Candidates, found: list[tuple[float, float]], stack: Floats
) -> tuple[list[Kernel], list[tuple[float, float]]]:
    """Try lengths between the best and its neighbours where a field without noise is so sharp."""
    kernels, found = list(candidates.kernels), list(found)
    best = int(np.argmax([score for score, _ in found]))
    top, prior = kernels[best], candidates.prior[best]
    if top.smoothness != _SMOOTH or top.nugget > 1e-2:
        return kernels, found
    length, step = top.length, _RATIOS[_SMOOTH]
    for _ in range(3):
        tried = _Candidates(candidates.units, candidates.distance, [], [], [])
        for power in np.linspace(-1.0, 1.0, 9):
            _add(tried, Kernel(_SMOOTH, float(length * step**power), top.nugget), prior)
        more = [_likelihood(*one, stack) for one in _triangles(tried)]
        if not more:
            break
        kernels, found = kernels + tried.kernels, found + more
        length = tried.kernels[int(np.argmax([score for score, _ in more]))].length
        step = step**0.25
    return kernels, found


def _design(places: Floats, units: Places, number: int, rng: np.random.Generator) -> Places:
    """Choose the units that are fitted: half anywhere, half near those, at all distances."""
    from scipy.spatial import cKDTree

    if units.size <= number:
        return units
    if number < _UNITS:
        return np.sort(rng.choice(units, number, replace=False))
    some = rng.choice(units, number // 2, replace=False)
    own = places[units]
    spacing = np.sqrt(float(np.ptp(own, axis=0).prod()) / some.size) + 1.0
    far = spacing ** rng.uniform(size=some.size)
    angle = rng.uniform(0.0, 2.0 * np.pi, some.size)
    aims = places[some] + far[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
    near = units[cKDTree(own).query(aims)[1]]
    chosen = np.union1d(some, near)
    left = np.setdiff1d(units, chosen)
    return np.union1d(chosen, rng.choice(left, min(number - chosen.size, left.size), False))


def _grid_pairs(
    codes: Codes, unit: Floats, where: FieldPlaces, strata: int
) -> tuple[Floats, Floats]:
    """Share of the pairs of two strata by distance, on a grid, by Fourier transform."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    assert where.shape is not None
    if where.shape[0] * where.shape[1] > MOST_CELLS:
        raise DataError(
            "too many cells for intervals from a covariance",
            found=f"{where.shape[0]} × {where.shape[1]} cells",
            do="Join cells into larger ones",
        )
    shape = tuple(next_fast_len(2 * size - 1, real=True) for size in where.shape)
    rows, columns = where.places.T.astype(np.intp)
    waves = []
    for code in range(strata):
        own = codes == code
        sheet = np.zeros(where.shape)
        sheet[rows[own], columns[own]] = unit[own] / unit[own].sum()
        waves.append(rfft2(sheet, shape))
    place, distance = _lag_bins(shape, where.stretch)
    share = np.empty((strata, strata, distance.size))
    for one in range(strata):
        for two in range(one, strata):
            lags = irfft2(np.conj(waves[one]) * waves[two], shape)
            lags[0, 0] = 0.0
            share[one, two] = np.bincount(place, lags.ravel(), minlength=distance.size)
            share[two, one] = share[one, two]
    return distance, share


def _lag_bins(shape: tuple[int, ...], stretch: float) -> tuple[Places, Floats]:
    """Count off the lags of a padded grid by their distance, finely where they are short."""
    down, right = (np.abs(np.fft.fftfreq(size, 1.0 / size)) for size in shape)
    far = np.hypot(down[:, None] * stretch, right[None, :]).ravel()
    edges = np.concatenate([np.linspace(0, 40, 2001), 40 * 1.01 ** np.arange(1, 700)])
    place = np.searchsorted(edges, far)
    number = np.bincount(place)
    used = np.flatnonzero(number)
    mean = np.bincount(place, far)[used] / number[used]
    renumber = np.zeros(number.size, np.intp)
    renumber[used] = np.arange(used.size)
    return renumber[place], mean


def _point_pairs(
    codes: Codes, unit: Floats, where: FieldPlaces, strata: int
) -> tuple[Floats, Floats]:
    """Share of the pairs of two strata by distance, at points; of very many points, of some."""
    kept = np.flatnonzero(codes >= 0)
    if kept.size > _MOST_POINTS:
        kept = np.random.default_rng(1).choice(kept, _MOST_POINTS, replace=False)
    places, inside, weight = where.scaled[kept], codes[kept], unit[kept]
    edges = np.linspace(0.0, where.extent * (1 + 1e-9), 1500)
    share = np.zeros((strata, strata, edges.size))
    onto = (inside[:, None] == np.arange(strata)) * weight[:, None]
    whole = onto.sum(axis=0)
    for start in range(0, kept.size, 250):
        rows = slice(start, start + 250)
        far = np.hypot(*(places[rows, None] - places[None]).transpose(2, 0, 1))
        place = np.searchsorted(edges, far)
        heavy = weight[rows, None] * weight[None]
        heavy[np.arange(len(far)), np.arange(start, start + len(far))] = 0.0
        at = (inside[rows, None] * strata + inside[None]) * edges.size + place
        share += np.bincount(at.ravel(), heavy.ravel(), minlength=share.size).reshape(share.shape)
    share /= np.where(whole > 0, whole, 1.0)[:, None, None]
    share /= np.where(whole > 0, whole, 1.0)[None, :, None]
    return edges, share
