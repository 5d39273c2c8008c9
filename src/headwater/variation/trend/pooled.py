"""Trends of cells with their neighbours, of an area as a whole, and of a field of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from headwater.errors import DataError
from headwater.inference.effective import autocorrelation, corrected_lag1
from headwater.variation._maps import Values, as_cube, refuse_classes, whole_series
from headwater.variation.calendar import check_time
from headwater.variation.trend._tiles import finite, midranks
from headwater.variation.trend.mann_kendall_persistent import persistent_mann_kendall

__all__ = [
    "FieldTrend",
    "contextual_mann_kendall",
    "field_trend_test",
    "regional_mann_kendall",
]

_FEWEST_PLACES = 4.0
"""Independent places below which a field's bootstrap rejects too often."""


def contextual_mann_kendall(data: Values, *, reach: int = 1, level: float = 0.95) -> xr.Dataset:
    """Test each cell together with its neighbours.

    Parameters
    ----------
    data : DataArray (time, y, x) or array
        As in :func:`headwater.variation.persistent_mann_kendall`.
    reach : int
        Neighbours up to so many cells away in y and x count; 1: three by three cells.
    level : float
        Of the slope's interval [1].

    Returns
    -------
    Dataset (y, x)
        As :func:`headwater.variation.persistent_mann_kendall`: slope and interval of the cell by
        itself; ``s``, ``z``, ``p``, ``smallest_p``, ``r1`` and ``factor`` of the mean ranks of the
        neighbourhood.

    Raises
    ------
    DataError
        Without dims y and x; for angles, classes and infinite values.
    TimeAxisError
        If times cannot be trusted, or steps are not even.

    Notes
    -----
    Ranks of each cell, by their number, are averaged over the neighbourhood at each time, and the
    mean is tested as one persistent series: its size is that of the test of one cell, however
    cells are correlated, for no variance between cells is assumed. Neeti and Eastman average S
    instead and estimate its variance from the cross-correlation of neighbours.

    References
    ----------
    Neeti, N., Eastman, J. R. (2011). A contextual Mann-Kendall approach for the assessment of trend
    significance in image time series. Transactions in GIS 15, 599-611.
    doi:10.1111/j.1467-9671.2011.01280.x

    Examples
    --------
    >>> cube = np.random.default_rng(0).normal(size=(20, 4, 5))
    >>> contextual_mann_kendall(cube)["p"].shape
    (4, 5)
    """
    cube = as_cube(data)
    if not {"y", "x"} <= set(cube.dims):
        raise DataError(
            "neighbours need a grid",
            found=f"dimensions {cube.dims}",
            do="Give a cube with dims time, y and x",
        )
    own = persistent_mann_kendall(cube, level=level)
    ranks = _ranks(cube)
    total, count = ranks.fillna(0.0), ranks.notnull().astype(float)
    window = {"y": 2 * reach + 1, "x": 2 * reach + 1}
    sums = [values.rolling(window, center=True, min_periods=1).sum() for values in (total, count)]
    # without rounding errors, which would order means that are equal
    pooled = (sums[0] / sums[1].where(sums[1] > 0)).where(ranks.notnull()).round(9)
    found = persistent_mann_kendall(pooled, level=level)
    taken = ("s", "var_s", "z", "p", "smallest_p", "tau_a", "r1", "factor")
    joined = own.assign({name: found[name].assign_attrs(own[name].attrs) for name in taken})
    return joined.assign_attrs(method=f"contextual Mann-Kendall test, neighbours up to {reach}")


def regional_mann_kendall(
    data: Values, area: xr.DataArray | None = None, *, level: float = 0.95
) -> xr.Dataset:
    """Test whether an area as a whole has a trend, by the mean of the ranks of its cells.

    Parameters
    ----------
    data : DataArray (time, ...) or array
        As in :func:`headwater.variation.persistent_mann_kendall`.
    area : DataArray, optional
        Cell area [km2], by which cells count; default: alike.
    level : float
        Of the interval [1].

    Returns
    -------
    Dataset
        As :func:`headwater.variation.persistent_mann_kendall` for the mean rank, from 0 to 1;
        ``slope`` is its change per year.

    Raises
    ------
    TimeAxisError, DataError
        As :func:`headwater.variation.persistent_mann_kendall`.

    References
    ----------
    Helsel, D. R., Frans, L. M. (2006). Regional Kendall test for trend. Environmental Science &
    Technology 40, 4066-4073. doi:10.1021/es051650b

    Examples
    --------
    >>> cube = np.random.default_rng(0).normal(size=(20, 4, 5))
    >>> bool(0 < float(regional_mann_kendall(cube)["p"]) <= 1)
    True
    """
    ranks = _ranks(as_cube(data))
    cells = [dim for dim in ranks.dims if dim != "time"]
    pooled = ranks.mean(cells) if area is None else ranks.weighted(area.fillna(0.0)).mean(cells)
    pooled = pooled.round(9).assign_attrs(units="1", long_name="Mean rank of the area")
    found = persistent_mann_kendall(pooled, level=level)
    return found.assign_attrs(method="regional Mann-Kendall test")


def _ranks(cube: xr.DataArray) -> xr.DataArray:
    """Rank the values of each cell over time, by their number: 0 to 1."""
    refuse_classes(cube, "given a trend")
    ordered = whole_series(cube).load()
    flat = finite(ordered.values).reshape(ordered.sizes["time"], -1)
    n = np.maximum((~np.isnan(flat)).sum(axis=0), 1)
    return ordered.copy(data=((midranks(flat) - 0.5) / n).reshape(ordered.shape))


@dataclass(frozen=True, slots=True)
class FieldTrend:
    """Whether a field of cells has any trend, all cells taken together.

    Attributes
    ----------
    statistic : float
        Mean over cells of the squared correlation with time [1].
    p : float
        Share of resampled fields without a trend that reach it [1].
    r1 : float
        Median lag-1 autocorrelation of the residuals, bias removed [1].
    n_resamples : int
        Number of resampled fields.
    """

    statistic: float
    p: float
    r1: float
    n_resamples: int


def field_trend_test(
    data: Values,
    rng: np.random.Generator,
    *,
    block_length: int = 3,
    n_resamples: int = 499,
) -> FieldTrend:
    """Test by a block bootstrap of whole maps whether a field has any trend at all.

    Parameters
    ----------
    data : DataArray (time, ...) or array
        Even steps; cells with a gap are left out.
    rng : Generator
        Source of random numbers.
    block_length : int
        Consecutive maps that stay together [steps].
    n_resamples : int
        Number of resampled fields.

    Returns
    -------
    FieldTrend

    Raises
    ------
    DataError
        For fewer than ten times, no cell without gaps, or an area of fewer than four independent
        places, which says too little of its own persistence (10 % false at 5 %).
    TimeAxisError
        If times cannot be trusted.

    Notes
    -----
    The line of each cell is removed, its persistence taken out with the median over cells of the
    lag-1 autocorrelation, bias removed; what is left is drawn map by map in moving blocks, so that
    cells stay correlated as they are, and the persistence of a cell drawn at random is put back
    (post-blackened bootstrap, Davison & Hinkley 1997), for it is only known that well. Whether
    *any* cell has a trend is one question; which have is one for each cell and the false discovery
    rate. Sizes: docs/simulations/trend.md.

    References
    ----------
    Livezey, R. E., Chen, W. Y. (1983). Statistical field significance and its determination by
    Monte Carlo techniques. Monthly Weather Review 111, 46-59.
    doi:10.1175/1520-0493(1983)111<0046:SFSAID>2.0.CO;2.
    Davison, A. C., Hinkley, D. V. (1997). Bootstrap Methods and their Application. Cambridge
    University Press. doi:10.1017/CBO9780511802843

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> 0 < field_trend_test(rng.normal(size=(20, 30)), rng, n_resamples=99).p <= 1
    True
    """
    cube = as_cube(data)
    check_time(cube)
    refuse_classes(cube, "given a trend")
    flat = finite(whole_series(cube).values.reshape(cube.sizes["time"], -1))
    x = flat[:, ~np.isnan(flat).any(axis=0) & (np.ptp(flat, axis=0) > 0)]
    n = len(x)
    if n < 10 or not x.shape[1] or not 1 <= block_length <= n // 2:
        raise DataError(
            "no field to resample",
            found=f"{n} times, {x.shape[1]} cells without gaps, blocks of {block_length}",
            do="Give ten times or more, and blocks of at most half of them",
        )
    time = np.arange(n) - 0.5 * (n - 1)
    left = x - x.mean(axis=0)
    left = left - np.outer(time, time @ left) / (time @ time)
    of_cells = np.clip(corrected_lag1(autocorrelation(left, 1)[0], n), 0.0, 0.9)
    r1 = float(np.median(of_cells))
    white = left[1:] - r1 * left[:-1]
    white = (white - white.mean(axis=0)) * np.sqrt((n - 1.0) / (n - 3.0))
    places = _independent_places(white)
    if places < _FEWEST_PLACES:
        raise DataError(
            "the field has too few independent places to be resampled",
            found=f"{places:.1f} of {x.shape[1]} cells, for they vary together",
            do="Use regional_mann_kendall, which tests the area as a whole",
        )
    observed = _squared_correlation(x, time)
    drawn = [
        _squared_correlation(_coloured(white, own, n, block_length, rng), time)
        # as uncertain as a cell's own estimate, for neighbours know no more than it
        for own in rng.choice(of_cells, n_resamples)
    ]
    p = (1 + sum(value >= observed for value in drawn)) / (1 + n_resamples)
    return FieldTrend(observed, float(p), r1, n_resamples)


def _independent_places(white: np.ndarray) -> float:
    """Count the cells that would vary as variously if they were independent.

    Participation ratio of the eigenvalues of their correlations; at most one less than the times.
    """
    scaled = white / np.sqrt((white * white).sum(axis=0))
    gram = scaled @ scaled.T
    return float(np.trace(gram) ** 2 / (gram * gram).sum())


def _squared_correlation(x: np.ndarray, time: np.ndarray) -> float:
    centred = x - x.mean(axis=0)
    along = time @ centred
    return float(np.mean(along * along / (time @ time) / (centred * centred).sum(axis=0)))


def _coloured(
    white: np.ndarray, r1: float, n: int, block_length: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw an AR(1) field from blocks of innovations, from its stationary state on."""
    lead = 20
    starts = rng.integers(0, len(white) - block_length + 1, (n + lead) // block_length + 1)
    order = (starts[:, None] + np.arange(block_length)).ravel()[: n + lead]
    made: np.ndarray = white[order]
    for i in range(1, n + lead):
        made[i] += r1 * made[i - 1]
    return made[lead:]
