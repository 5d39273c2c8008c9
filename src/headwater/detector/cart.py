"""A regression tree: where each node is cut, and which cuts pay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Leaf", "Limits", "Price", "leaves_of"]

Floats = npt.NDArray[np.float64]
Units = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Column:
    """A factor as the tree sees it.

    Attributes
    ----------
    name : str
        Its name.
    values : ndarray, shape (n,)
        Values to be cut, or codes from 0 to be parted into two sets; without NaN.
    labels : tuple of str
        Names of the codes; empty for values.
    """

    name: str
    values: Floats
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What brought the units to a node.

    Attributes
    ----------
    between : dict of str to (float, float)
        Values lie above the first and not above the second; a column that was not cut is not in it.
    among : dict of str to frozenset of int
        Codes that came here.
    """

    between: Mapping[str, tuple[float, float]]
    among: Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Price:
    """When a node is cut.

    Attributes
    ----------
    min_split, min_units : int
        Least units of a node that is cut, and of a leaf.
    gain : float
        Sum of squares that a cut must explain, on average over the cuts of a branch.
    depth : int
        Most cuts from the root to a leaf.
    """

    min_split: int
    min_units: int
    gain: float
    depth: int = 30


@dataclass(frozen=True, slots=True)
class Leaf:
    """A stratum of the tree.

    Attributes
    ----------
    units : ndarray of int
        Its units.
    limits : Limits
        What they have in common.
    """

    units: Units
    limits: Limits


@dataclass(frozen=True, slots=True)
class _Grown:
    """A subtree: its leaves from left to right, and the squares that they leave."""

    leaves: list[Leaf]
    risk: float


@dataclass(frozen=True, slots=True)
class _Cut:
    """The best cut of a node: at a threshold, or with these codes to the left."""

    gain: float
    column: int
    threshold: float
    left: frozenset[int]


def leaves_of(y: Floats, weight: Floats, columns: list[Column], price: Price) -> list[Leaf]:
    """Grow a tree and take back the cuts that do not pay.

    Parameters
    ----------
    y : ndarray, shape (n,)
        The response [any unit], without NaN.
    weight : ndarray, shape (n,)
        Weight of each unit.
    columns : list of Column
        What may be cut by; of two cuts alike, the first column's is taken.
    price : Price
        When a node is cut.

    Returns
    -------
    list of Leaf
        From left to right.

    Examples
    --------
    >>> x = np.arange(10.0)
    >>> leaves = leaves_of(x // 4, np.ones(10), [Column("x", x, ())], Price(2, 1, 0.1))
    >>> [leaf.limits.between["x"] for leaf in leaves]
    [(-inf, 3.5), (3.5, 7.5), (7.5, inf)]
    """
    orders = [np.argsort(column.values, kind="stable") for column in columns]
    return _grow(y, weight, columns, orders, Limits({}, {}), price).leaves


def _grow(
    y: Floats,
    weight: Floats,
    columns: list[Column],
    orders: list[Units],
    limits: Limits,
    price: Price,
) -> _Grown:
    """Grow the branches of a node and take back those that do not pay."""
    units = orders[0]
    mean = float(np.average(y[units], weights=weight[units]))
    risk = float(weight[units] @ (y[units] - mean) ** 2)
    leaf = _Grown([Leaf(units, limits)], risk)
    # a branch gains no more than the squares at its root: what is left below the price stays whole
    if units.size < price.min_split or risk <= price.gain or price.depth == 0:
        return leaf
    cut = _best_cut(y - mean, weight, columns, orders, price.min_units)
    if cut is None or cut.gain <= 1e-12 * risk:
        return leaf
    column = columns[cut.column]
    goes_left = (
        np.isin(column.values, list(cut.left)) if column.labels else column.values <= cut.threshold
    )
    sides = []
    for left, side in zip((True, False), _divide(limits, column, cut), strict=True):
        own = [order[goes_left[order] == left] for order in orders]
        sides.append(_grow(y, weight, columns, own, side, replace(price, depth=price.depth - 1)))
    grown = _Grown([*sides[0].leaves, *sides[1].leaves], sides[0].risk + sides[1].risk)
    return leaf if risk - grown.risk <= price.gain * (len(grown.leaves) - 1) else grown


def _best_cut(
    y: Floats, weight: Floats, columns: list[Column], orders: list[Units], min_units: int
) -> _Cut | None:
    best: _Cut | None = None
    for number, (column, order) in enumerate(zip(columns, orders, strict=True)):
        find = _cut_of_codes if column.labels else _cut_of_values
        found = find(column.values[order], y[order], weight[order], min_units)
        # rounding must not decide between factors that cut alike
        if found is not None and (best is None or found.gain > best.gain * (1 + 1e-10)):
            best = replace(found, column=number)
    return best


def _cut_of_values(x: Floats, y: Floats, weight: Floats, min_units: int) -> _Cut | None:
    """Cut ordered values in two; `y` is about the node's mean."""
    ends = np.flatnonzero(x[1:] != x[:-1])
    ends = ends[(ends + 1 >= min_units) & (x.size - ends - 1 >= min_units)]
    if ends.size == 0:
        return None
    gain = _gains(np.cumsum(weight * y)[ends], np.cumsum(weight)[ends], float(weight.sum()))
    place = int(ends[np.argmax(gain)])
    return _Cut(float(gain.max()), 0, float(x[place] + x[place + 1]) / 2, frozenset())


def _cut_of_codes(codes: Floats, y: Floats, weight: Floats, min_units: int) -> _Cut | None:
    """Part categories, ordered by their mean, in two sets."""
    whole = codes.astype(np.intp)
    n = np.bincount(whole)
    present = np.flatnonzero(n)
    weights = np.bincount(whole, weight)[present].astype(np.float64)
    sums = np.bincount(whole, weight * y)[present].astype(np.float64)
    order = np.argsort(sums / weights, kind="stable")
    left = np.cumsum(n[present][order])[:-1]
    ends = np.flatnonzero((left >= min_units) & (whole.size - left >= min_units))
    if ends.size == 0:
        return None
    gain = _gains(
        np.cumsum(sums[order])[ends], np.cumsum(weights[order])[ends], float(weights.sum())
    )
    last = int(ends[np.argmax(gain)])
    chosen = frozenset(present[order][: last + 1].tolist())
    return _Cut(float(gain.max()), 0, np.nan, chosen)


def _gains(sums: Floats, weights: Floats, total: float) -> Floats:
    """Compute the squares between two sides whose sums add up to zero."""
    gains: Floats = sums**2 * total / (weights * (total - weights))
    return gains


def _divide(limits: Limits, column: Column, cut: _Cut) -> tuple[Limits, Limits]:
    name = column.name
    if column.labels:
        before = limits.among.get(name, frozenset(range(len(column.labels))))
        return (
            replace(limits, among={**limits.among, name: before & cut.left}),
            replace(limits, among={**limits.among, name: before - cut.left}),
        )
    low, high = limits.between.get(name, (-np.inf, np.inf))
    return (
        replace(limits, between={**limits.between, name: (low, cut.threshold)}),
        replace(limits, between={**limits.between, name: (cut.threshold, high)}),
    )
