"""Errors of three products of which none is the truth, from their covariances alone."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.validation._collocation import (
    QUANTITIES,
    REFERENCES,
    Collocation,
    bounds,
    collocation,
    complete_rows,
    covariance_of,
    derived,
    position,
    product_names,
    quantity_table,
    resampled,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Collocation", "collocate_all", "triple_collocation"]

Floats = NDArray[np.float64]


def triple_collocation(
    frame: pd.DataFrame,
    *,
    reference: str | None = None,
    rng: np.random.Generator,
    resamples: int = 999,
    level: float = 0.95,
    length: int | None = None,
    units: str = "m3 m-3",
) -> Collocation:
    r"""Estimate the errors of three products that see one truth with independent errors.

    Parameters
    ----------
    frame : DataFrame, shape (time, 3)
        A column for each product, rows evenly spaced in time, NaN where missing; only rows with all
        three count.
    reference : str, optional
        Column whose scale ``beta`` and ``error_sd_scaled`` refer to; by default the first.
    rng : numpy Generator
        Source of randomness of the block bootstrap.
    resamples : int
        Of the bootstrap.
    level : float
        Coverage of the intervals [1].
    length : int, optional
        Length of its blocks [rows]; by default the longest that
        :func:`headwater.inference.block_length` finds for the products.
    units : str
        Unit of the products.

    Returns
    -------
    Collocation

    Raises
    ------
    DataError
        If there are not three columns, fewer than 8 rows are complete, or a product is constant.

    Notes
    -----
    .. math::
        \sigma^2_{\varepsilon x} = V_x - \frac{C_{xy} C_{xz}}{C_{yz}}, \quad
        \beta_y = \frac{C_{xz}}{C_{yz}}, \quad
        \mathrm{SNR}_x = 10 \log_{10} \frac{C_{xy} C_{xz} / C_{yz}}{\sigma^2_{\varepsilon x}},
        \quad R_x^2 = \frac{C_{xy} C_{xz}}{V_x C_{yz}}

    with covariances of ddof 1; β multiplies a product to bring its signal to the scale of the
    reference. Chance, or errors that are not independent, can make an error variance negative: the
    product is then better than the data can tell, or an assumption fails. The interval of the
    variance is always given, and no finite SNR is made up from absolute values.

    References
    ----------
    Stoffelen (1998), doi:10.1029/97JC03180; Gruber et al. (2016), doi:10.1016/j.jag.2015.09.002.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.normal(0.25, 0.05, 2000)
    >>> seen = {sd: truth + rng.normal(0, sd, 2000) for sd in (0.02, 0.03, 0.04)}
    >>> found = triple_collocation(pd.DataFrame(seen), rng=rng, resamples=99)
    >>> found.data.error_sd.round(2).tolist()
    [0.02, 0.03, 0.04]
    """
    columns = product_names(frame, exactly=3)
    home = position(columns, reference)
    data = complete_rows(frame)
    drawn, size = resampled(data, rng, resamples, length)
    told = _triplet(covariance_of(data), home)
    low, high = bounds(_triplet(drawn, home), level)
    table = quantity_table(columns, data, told, low, high)
    return collocation(
        table,
        "Triple collocation with a circular block bootstrap",
        REFERENCES,
        (data, columns, home, level),
        (f"Scale of {columns[home]}", f"blocks of {size} rows, {resamples} resamples"),
        units,
    )


def collocate_all(
    frame: pd.DataFrame, *, reference: str | None = None, rng: np.random.Generator, **options: Any
) -> pd.DataFrame:
    """Run the triple collocation of every three of many products.

    Parameters
    ----------
    frame : DataFrame, shape (time, products)
        At least 3 columns; every triplet uses the rows that it has complete.
    reference : str, optional
        Only triplets with this product, and on its scale.
    rng : numpy Generator
        Source of randomness.
    **options
        As for :func:`triple_collocation`.

    Returns
    -------
    DataFrame
        The rows of all triplets with a column ``triplet``; a triplet that cannot be computed has
        one row with the reason as ``flag``.

    Raises
    ------
    DataError
        If there are fewer than 3 columns.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> seen = rng.normal(0.25, 0.05, (500, 1)) + rng.normal(0, 0.02, (500, 4))
    >>> found = collocate_all(pd.DataFrame(seen, columns=list("abcd")), rng=rng, resamples=20)
    >>> found.triplet.nunique()
    4
    """
    import pandas as pd

    columns = product_names(frame)
    parts = []
    for names in combinations(columns, 3):
        if reference is not None and reference not in names:
            continue
        title = ", ".join(names)
        try:
            own = triple_collocation(frame[list(names)], reference=reference, rng=rng, **options)
            parts.append(own.data.assign(triplet=title))
        except DataError as error:
            parts.append(pd.DataFrame({"triplet": [title], "flag": [str(error)]}))
    return pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)


def _triplet(covariance: Floats, home: int) -> Floats:
    """Turn covariances of shape (..., 3, 3) into the quantities, shape (..., quantity, 3)."""
    found = np.empty((*covariance.shape[:-2], len(QUANTITIES), 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            signal = covariance[..., i, j] * covariance[..., i, k] / covariance[..., j, k]
            other = 3 - i - home
            beta = (
                np.ones(covariance.shape[:-2])
                if i == home
                else covariance[..., home, other] / covariance[..., i, other]
            )
            variance = covariance[..., i, i]
            found[..., i] = np.stack(derived(variance - signal, signal, beta), axis=-1)
    return found
