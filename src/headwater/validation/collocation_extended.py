"""Errors of four or more products, of which some err together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING

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

__all__ = ["extended_collocation"]

Floats = NDArray[np.float64]

_EXTENDED = (
    "Gruber, A. et al. (2016). Estimating error cross-correlations in soil moisture data sets "
    "using extended collocation analysis. Journal of Geophysical Research: Atmospheres 121, "
    "1208-1219. doi:10.1002/2015JD024027 (recalled, unchecked)",
)


def extended_collocation(
    frame: pd.DataFrame,
    *,
    correlated: Sequence[tuple[str, str]] = (),
    rng: np.random.Generator,
    resamples: int = 999,
    level: float = 0.95,
    length: int | None = None,
    units: str = "m3 m-3",
) -> Collocation:
    r"""Estimate the errors of four or more products, of which some may err together.

    Parameters
    ----------
    frame : DataFrame, shape (time, products)
        As for :func:`triple_collocation`.
    correlated : sequence of pairs of str
        Products whose errors may be correlated.
    rng, resamples, level, length, units
        As for :func:`triple_collocation`.

    Returns
    -------
    Collocation
        Without ``beta`` and ``error_sd_scaled``, but a row ``a & b`` for every correlated pair,
        whose ``error_variance`` is the error covariance and ``correlation`` that of the errors.

    Raises
    ------
    DataError
        If there are fewer than 3 columns, a pair names an unknown product, or a product is in no
        triplet of independent errors.

    Notes
    -----
    Ordinary least squares of all covariances on signal variances, error variances and error
    covariances: every triplet i, j, k of independent errors gives an estimate
    :math:`C_{ij} C_{ik} / C_{jk}` of the signal variance of i, and every fitting quadruplet
    :math:`C_{ik} C_{jl} / C_{kl}` one of the shared signal of a correlated pair. Variances keep
    their sign.

    References
    ----------
    Gruber, A. et al. (2016). Journal of Geophysical Research: Atmospheres 121, 1208-1219.
    doi:10.1002/2015JD024027 (recalled, unchecked).

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> truth, shared = rng.normal(0.25, 0.05, (1, 3000)), rng.normal(0, 0.02, 3000)
    >>> seen = pd.DataFrame((truth + rng.normal(0, 0.02, (4, 3000))).T, columns=list("abcd"))
    >>> seen[["a", "b"]] = seen[["a", "b"]].add(shared, axis=0)
    >>> found = extended_collocation(seen, correlated=[("a", "b")], rng=rng, resamples=99).data
    >>> found.correlation.round(1).tolist()[-1]
    0.5
    """
    columns = product_names(frame)
    pairs = [tuple(sorted(position(columns, name) for name in pair)) for pair in correlated]
    system = _System.of(len(columns), pairs)
    _check_covered(system, columns)
    data = complete_rows(frame)
    drawn, size = resampled(data, rng, resamples, length)
    told = system.solve(covariance_of(data))
    low, high = bounds(system.solve(drawn), level)
    names = [*columns, *(f"{columns[i]} & {columns[j]}" for i, j in pairs)]
    table = quantity_table(names, data, told, low, high)
    return collocation(
        table,
        "Extended collocation by least squares with a circular block bootstrap",
        (*REFERENCES, *_EXTENDED),
        (data, columns, str(correlated), level),
        (f"blocks of {size} rows, {resamples} resamples",),
        units,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """The least-squares system of extended collocation: every row is one known combination."""

    count: int
    pairs: list[tuple[int, ...]]
    design: Floats
    products: list[tuple[int, ...]]

    @classmethod
    def of(cls, count: int, pairs: list[tuple[int, ...]]) -> _System:
        """Unknown are signals, shared signals, errors and error covariances, in this order."""
        half = count + len(pairs)
        rows = [np.r_[np.eye(half)[i], np.eye(half)[i]] for i in range(half)]
        products: list[tuple[int, ...]] = []
        for i in range(count):
            for j, k in combinations([c for c in range(count) if c != i], 2):
                if not _any_paired(pairs, (i, j), (i, k), (j, k)):
                    rows.append(np.eye(2 * half)[i])
                    products.append((i, j, i, k, j, k))
        for number, (i, j) in enumerate(pairs):
            for k, m in permutations([c for c in range(count) if c not in (i, j)], 2):
                if not _any_paired(pairs, (i, k), (j, m), (k, m)):
                    rows.append(np.eye(2 * half)[count + number])
                    products.append((i, k, j, m, k, m))
        return cls(count, pairs, np.array(rows), products)

    def solve(self, covariance: Floats) -> Floats:
        """Turn covariances of shape (..., c, c) into quantities, shape (..., quantity, row)."""
        known = [covariance[..., i, i] for i in range(self.count)]
        known += [covariance[..., i, j] for i, j in self.pairs]
        with np.errstate(divide="ignore", invalid="ignore"):
            for a, b, c, d, e, f in self.products:
                top = covariance[..., a, b] * covariance[..., c, d]
                known.append(top / covariance[..., e, f])
        solution = np.stack(known, axis=-1) @ np.linalg.pinv(self.design).T
        signal, error = np.split(solution, 2, axis=-1)
        blank = np.full(error.shape, np.nan)
        found = np.stack(derived(error, signal, blank), axis=-2)
        for number, (i, j) in enumerate(self.pairs):
            shared = error[..., self.count + number]
            scale = error[..., i] * error[..., j]
            row = np.full((*shared.shape, len(QUANTITIES)), np.nan)
            row[..., 0] = shared
            row[..., -1] = shared / np.sqrt(np.where(scale > 0, scale, np.nan))
            found[..., self.count + number] = row
        return found


def _any_paired(pairs: list[tuple[int, ...]], *candidates: tuple[int, int]) -> bool:
    return any(tuple(sorted(pair)) in pairs for pair in candidates)


def _check_covered(system: _System, columns: list[str]) -> None:
    half = system.design.shape[1] // 2
    lost = np.flatnonzero(system.design[half:, :half].sum(axis=0) == 0)
    if lost.size:
        names = [*columns, *(f"{columns[i]} & {columns[j]}" for i, j in system.pairs)]
        raise DataError(
            "a product is in no triplet of products with independent errors",
            found=", ".join(names[i] for i in lost),
            do="Add a product, or name fewer correlated pairs",
        )
