"""What a downscaled product adds to its coarse input, and whether it still agrees with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.validation.measures import valid_pairs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["coarse_closure", "downscaling_gain", "spatial_correlation", "within_cell_correlation"]

Floats = NDArray[np.float64]


def downscaling_gain(
    fine: ArrayLike,
    coarse: ArrayLike,
    reference: ArrayLike,
    *,
    rng: np.random.Generator | None = None,
    n_resamples: int = 999,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Measure what a fine product gains over its coarse input at a station, as G_DOWN.

    Parameters
    ----------
    fine, coarse, reference : array, shape (time,)
        Evenly spaced and in one unit; NaN where missing. Only times at which all three are valid
        count.
    rng : numpy Generator, optional
        For intervals by block bootstrap; without it they are NaN.
    n_resamples : int
        Of the bootstrap.
    level : float
        Coverage of the intervals [1].

    Returns
    -------
    DataFrame
        Rows slope, correlation, bias and all: part, fine, coarse, gain, low, high, n. ``fine`` and
        ``coarse`` are the slope of the product on the reference [1], R [1] and the bias [unit];
        ``gain`` runs from -1 to 1, above 0 where the fine product is nearer to the reference.

    Raises
    ------
    DataError
        If fewer than 8 times have all three.

    Notes
    -----
    .. math::
        G = \frac{e_\mathrm{coarse} - e_\mathrm{fine}}{e_\mathrm{coarse} + e_\mathrm{fine}}, \quad
        e \in \{|1-S|,\; |1-R|,\; |B|\}, \quad
        G_\mathrm{DOWN} = (G_S + G_R + G_B)/3

    G_DOWN rewards slope and does not follow the error: a product may gain here and be farther off
    in ubRMSD. Read it next to the other measures, never alone.

    References
    ----------
    Merlin, O. et al. (2015). Performance metrics for soil moisture downscaling methods: application
    to DISPATCH data in central Morocco. Remote Sensing 7, 3783-3807. doi:10.3390/rs70403783
    (recalled, unchecked).

    Examples
    --------
    >>> truth = np.array([0.1, 0.2, 0.3, 0.2, 0.1, 0.2, 0.3, 0.4])
    >>> found = downscaling_gain(truth + 0.01, 0.5 * truth + 0.2, truth)
    >>> found.set_index("part").gain.round(2).to_dict()
    {'slope': 1.0, 'correlation': nan, 'bias': 0.79, 'all': nan}
    """
    import pandas as pd

    from headwater.inference import block_bootstrap

    series = np.column_stack([np.asarray(s, dtype=float) for s in (fine, coarse, reference)])
    series[~np.isfinite(series).all(axis=1)] = np.nan
    valid_pairs(series[:, 0], series[:, 2], min_pairs=8)
    parts = _gain_parts(series)
    low = high = np.full(4, np.nan)
    if rng is not None:
        found = block_bootstrap(
            series,
            lambda drawn: _gain_parts(drawn)[:, 2],
            rng=rng,
            n_resamples=n_resamples,
            level=level,
        )
        low, high = found.percentile
    table = pd.DataFrame(parts, columns=["fine", "coarse", "gain"])
    table.insert(0, "part", ["slope", "correlation", "bias", "all"])
    return table.assign(low=low, high=high, n=int(np.isfinite(series[:, 0]).sum()))


def _gain_parts(series: Floats) -> Floats:
    """Fine, coarse, gain of slope, correlation, bias and their mean, shape (4, 3)."""
    x = series[np.isfinite(series[:, 0])]
    if len(x) < 3:
        return np.full((4, 3), np.nan)
    covariance = np.cov(x.T, ddof=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = covariance[:2, 2] / covariance[2, 2]
        spread = np.sqrt(np.diag(covariance)[:2] * covariance[2, 2])
        r = np.clip(covariance[:2, 2] / spread, -1.0, 1.0)
        bias = x[:, :2].mean(axis=0) - x[:, 2].mean()
        found = np.array([slope, r, bias])
        error = np.abs([1.0 - slope, 1.0 - r, bias])
        # what rounding leaves is no error
        error[:2][error[:2] < 1e-14] = 0.0
        gain = (error[:, 1] - error[:, 0]) / (error[:, 1] + error[:, 0])
    return np.vstack([np.column_stack([found, gain]), [np.nan, np.nan, gain.mean()]])


def within_cell_correlation(
    product: ArrayLike,
    reference: ArrayLike,
    cells: ArrayLike,
    *,
    rng: np.random.Generator | None = None,
    n_resamples: int = 999,
    level: float = 0.95,
) -> dict[str, float]:
    r"""Correlate what differs inside the coarse cells: the skill that downscaling adds.

    Parameters
    ----------
    product, reference : array, shape (time, pixel)
        On the fine grid, or at stations; NaN where missing.
    cells : array of int, shape (pixel,)
        Number of the coarse cell that holds each pixel; negative for none.
    rng : numpy Generator, optional
        For an interval by block bootstrap over time; without it the interval is NaN.
    n_resamples : int
        Of the bootstrap.
    level : float
        Coverage of the interval [1].

    Returns
    -------
    dict
        ``value``, ``low``, ``high`` [1], ``n`` (pixels times days that count), ``cells`` (cells
        with at least two pixels on some day).

    Raises
    ------
    DataError
        If the shapes do not fit, or no cell ever holds two valid pixels.

    Notes
    -----
    .. math:: R_w = \frac{\sum x' y'}{\sqrt{\sum x'^2 \sum y'^2}}, \quad
              x' = x - \bar x_{\mathrm{cell}, t}

    over all pixels and days, so that a product that repeats its coarse input scores 0 (as NaN is
    scored where it has no variation at all).

    Examples
    --------
    >>> truth = np.random.default_rng(1).normal(size=(50, 6))
    >>> found = within_cell_correlation(truth, truth, [0, 0, 0, 1, 1, 1])
    >>> round(found["value"], 6), found["n"]
    (1.0, 300)
    """
    x, y, labels = _checked_cells(product, reference, cells)
    sums = np.zeros((len(x), 4))
    seen = 0
    for number in np.unique(labels[labels >= 0]):
        own = labels == number
        held = _cell_sums(x[:, own], y[:, own])
        sums += held
        seen += bool(held[:, 3].any())
    if not seen:
        raise DataError(
            "no coarse cell holds two pixels with both product and reference",
            found=f"{len(np.unique(labels[labels >= 0]))} cells",
            do="Give more stations, or a product with more pixels in a cell",
        )
    low = high = np.nan
    if rng is not None:
        low, high = _bootstrap_ratio(sums[:, :3], _ratio, rng, n_resamples, level)
    value = float(_ratio(sums[:, :3].sum(axis=0)))
    return {"value": value, "low": low, "high": high, "n": int(sums[:, 3].sum()), "cells": seen}


def _checked_cells(
    product: ArrayLike, reference: ArrayLike, cells: ArrayLike
) -> tuple[Floats, Floats, Any]:
    x, y = np.asarray(product, dtype=float), np.asarray(reference, dtype=float)
    labels = np.asarray(cells)
    if x.shape != y.shape or x.ndim != 2 or labels.shape != x.shape[1:]:
        raise DataError(
            "product, reference and cells do not fit together",
            found=f"shapes {x.shape}, {y.shape} and {labels.shape}",
            do="Give (time, pixel) twice and (pixel,) for the cells",
        )
    return x, y, labels


def _cell_sums(x: Floats, y: Floats) -> Floats:
    """Add up x'y', x'², y'² and the count, of one cell on every day, shape (time, 4)."""
    valid = np.isfinite(x) & np.isfinite(y)
    n = valid.sum(axis=1, keepdims=True)
    use = valid & (n > 1)
    apart = []
    for series in (x, y):
        mean = np.where(valid, series, 0.0).sum(axis=1, keepdims=True) / np.maximum(n, 1)
        apart.append(np.where(use, series - mean, 0.0))
    first, second = apart
    products = (first * second, first**2, second**2, use.astype(float))
    return np.column_stack([product.sum(axis=1) for product in products])


def _ratio(sums: Floats) -> Any:
    scale = np.sqrt(sums[..., 1] * sums[..., 2])
    return np.where(scale > 0, sums[..., 0] / np.where(scale > 0, scale, 1.0), np.nan)


def _bootstrap_ratio(
    daily: Floats,
    measure: Callable[[Floats], Any],
    rng: np.random.Generator,
    n_resamples: int,
    level: float,
) -> tuple[float, float]:
    """Interval of a function of sums over days, by resampling blocks of days."""
    from headwater.inference import block_bootstrap

    found = block_bootstrap(
        daily,
        lambda drawn: measure(np.nansum(drawn, axis=0)),
        rng=rng,
        n_resamples=n_resamples,
        level=level,
    )
    low, high = found.percentile
    return float(low), float(high)


def coarse_closure(fine: ArrayLike, coarse: ArrayLike, aggregate: ArrayLike) -> dict[str, float]:
    r"""Check how far a fine product departs from the coarse one when it is aggregated back.

    Parameters
    ----------
    fine : array, shape (time, pixel) or what `aggregate` takes
        The product.
    coarse : array, shape (time, cell)
        What it was made from.
    aggregate : callable, or matrix of shape (cell, pixel)
        The support operator A, sparse or dense.

    Returns
    -------
    dict
        ``largest`` max \|A f - C\| and ``rmsd`` [unit], and ``n`` cells times days; NaN without
        any.

    Raises
    ------
    DataError
        If the aggregate has not the shape of the coarse product.

    Notes
    -----
    Exact agreement is not the aim where the coarse product is noisy: a product that follows the
    noise closes best and errs most. Compare ``rmsd`` with the noise of the retrieval.

    Examples
    --------
    >>> halves = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    >>> found = coarse_closure([[0.1, 0.3, 0.2, 0.2]], [[0.2, 0.25]], halves)
    >>> round(found["largest"], 3), found["n"]
    (0.05, 2)
    """
    target = np.asarray(coarse, dtype=float)
    if callable(aggregate):
        made = np.asarray(aggregate(fine), dtype=float)
    else:
        made = np.asarray((aggregate @ np.asarray(fine, dtype=float).T).T, dtype=float)
    if made.shape != target.shape:
        raise DataError(
            "the aggregated product has not the shape of the coarse one",
            found=f"{made.shape} and {target.shape}",
            do="Give the operator between these two grids",
        )
    apart = np.abs(made - target)
    apart = apart[np.isfinite(apart)]
    if not apart.size:
        return {"largest": np.nan, "rmsd": np.nan, "n": 0}
    rmsd = float(np.sqrt((apart**2).mean()))
    return {"largest": float(apart.max()), "rmsd": rmsd, "n": int(apart.size)}


def spatial_correlation(
    product: ArrayLike, reference: ArrayLike, *, min_pixels: int = 5
) -> pd.DataFrame:
    """Correlate product and reference over space, on every day.

    Parameters
    ----------
    product, reference : array, shape (time, pixel)
        NaN where missing.
    min_pixels : int
        Fewest pixels for a day to count.

    Returns
    -------
    DataFrame
        r [1] and n for every day, r NaN where fewer than `min_pixels` pixels are valid.
        Neighbouring pixels resemble each other and days follow each other: take no p-value from n
        (:func:`headwater.inference.modified_t_test` gives one for a single day).

    Raises
    ------
    DataError
        If the shapes differ.

    Examples
    --------
    >>> truth = np.random.default_rng(1).normal(size=(3, 20))
    >>> spatial_correlation(truth, truth).r.round(6).tolist()
    [1.0, 1.0, 1.0]
    """
    import pandas as pd

    cells = np.zeros(np.shape(product)[-1], dtype=int)
    x, y, _ = _checked_cells(product, reference, cells)
    sums = _cell_sums(x, y)
    n = (np.isfinite(x) & np.isfinite(y)).sum(axis=1)
    return pd.DataFrame({"r": np.where(n >= min_pixels, _ratio(sums[:, :3]), np.nan), "n": n})
