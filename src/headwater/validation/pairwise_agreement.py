"""Every two of many products compared."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from headwater.errors import DataError, nearest
from headwater.validation.agreement_intervals import agreement

__all__ = ["compare_all"]


def compare_all(
    frame: pd.DataFrame, *, reference: str | None = None, **options: Any
) -> pd.DataFrame:
    """Compare every two of many products.

    Parameters
    ----------
    frame : DataFrame, shape (time, product)
        Matched in time (:func:`headwater.downscaling.collocate`); NaN where missing, every pair
        using the times that it has.
    reference : str, optional
        Only pairs with this one as the reference; by default each pair once, the later column as
        the reference.
    **options
        As for :func:`headwater.validation.agreement`.

    Returns
    -------
    DataFrame
        The rows of :func:`headwater.validation.agreement` with product and reference; a pair with
        fewer than 8 common times is left out and named in ``attrs["left_out"]``.

    Raises
    ------
    DataError
        If there are fewer than two products, or `reference` is none of them.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> frame = pd.DataFrame(rng.normal(0.25, 0.05, (50, 3)), columns=list("abc"))
    >>> compare_all(frame)[["product", "reference"]].drop_duplicates().values.tolist()
    [['a', 'b'], ['a', 'c'], ['b', 'c']]
    """
    names = [str(name) for name in frame.columns]
    if len(names) < 2:
        raise DataError(
            "nothing to compare", found=f"{len(names)} product", do="Give at least two columns"
        )
    if reference is not None and reference not in names:
        raise DataError("unknown reference", found=f"'{reference}'", do=nearest(reference, names))
    pairs = (
        combinations(names, 2)
        if reference is None
        else ((name, reference) for name in names if name != reference)
    )
    parts, left_out = [], []
    for first, second in pairs:
        both = frame[[first, second]].notna().all(axis=1).sum()
        if both < 8:
            left_out.append(f"{first}, {second}")
            continue
        found = agreement(frame[first], frame[second], **options)
        found.insert(0, "product", first)
        found.insert(1, "reference", second)
        parts.append(found)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table.attrs["left_out"] = left_out
    return table
