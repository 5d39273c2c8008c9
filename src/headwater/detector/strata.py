"""Strata: which class each unit belongs to, and how the classes came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.breaks import break_rule, effective_breaks, optimal_breaks
from headwater.errors import DataError

__all__ = [
    "Singletons",
    "Strata",
    "as_strata",
    "categories",
    "category_name",
    "compact",
    "cross_strata",
    "interval_names",
    "sectors",
    "settle",
    "stratify",
]

Codes = npt.NDArray[np.int32]
Singletons = Literal["keep", "drop", "merge"]


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """A partition of the units into strata.

    Attributes
    ----------
    codes : ndarray of int32
        Stratum of each unit, 0 … realised - 1, in the shape of the values; -1 where missing.
    names : tuple of str
        Name of each stratum: an interval, a category or a sector.
    breaks : tuple of float
        Limits of the classes from lowest to highest, one more than there are classes; classes are
        ``(lower, upper]`` and the first one includes its lower limit. Empty for categories.
    method : str
        How the strata were made.
    requested : int
        How many classes were asked for.
    dropped : int
        Units that the rule for singletons set to missing.
    """

    codes: Codes
    names: tuple[str, ...]
    breaks: tuple[float, ...] = ()
    method: str = "categories"
    requested: int = 0
    dropped: int = 0

    @property
    def realised(self) -> int:
        """How many strata hold at least one unit."""
        return len(self.names)


def cross_strata(first: Strata, second: Strata) -> Codes:
    """Cross two partitions.

    Parameters
    ----------
    first, second : Strata
        Partitions of the same units.

    Returns
    -------
    ndarray of int32
        ``first * second.realised + second``; -1 where either is missing. Codes are crossed as
        integers, so that no two pairs of names can be taken for one another.

    Examples
    --------
    >>> halves = Strata(np.array([0, 1], np.int32), ("a", "b"))
    >>> cross_strata(halves, halves)
    array([0, 3], dtype=int32)
    """
    crossed = first.codes * np.int32(second.realised) + second.codes
    crossed[(first.codes < 0) | (second.codes < 0)] = -1
    return crossed


def interval_names(edges: Sequence[float]) -> tuple[str, ...]:
    """Name the classes between limits, with as many digits as distinguish the limits.

    Parameters
    ----------
    edges : sequence of float
        Limits in ascending order, one more than there are classes.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> interval_names([0.0, 0.5, 1.0])
    ('[0, 0.5]', '(0.5, 1]')
    """
    for digits in range(4, 18):
        texts = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(texts)) == len(set(edges)):
            break
    pairs = pairwise(texts)
    return tuple(f"{'(' if i else '['}{low}, {high}]" for i, (low, high) in enumerate(pairs))


def compact(strata: Strata) -> Strata:
    """Leave out strata without units.

    Parameters
    ----------
    strata : Strata
        A partition.

    Returns
    -------
    Strata
        With codes without gaps.
    """
    present = np.bincount(strata.codes[strata.codes >= 0], minlength=strata.realised) > 0
    # the last place is where -1 looks up its own -1
    renumber = np.append(np.where(present, np.cumsum(present) - 1, -1), -1).astype(np.int32)
    names = tuple(name for name, here in zip(strata.names, present, strict=True) if here)
    return replace(strata, codes=renumber[strata.codes], names=names)


def settle(strata: Strata, singletons: Singletons) -> Strata:
    """Apply the rule for strata with one unit.

    Parameters
    ----------
    strata : Strata
        A partition.
    singletons : {"keep", "drop", "merge"}
        The rule.

    Returns
    -------
    Strata
    """
    sizes = np.bincount(strata.codes[strata.codes >= 0], minlength=strata.realised)
    if singletons == "keep" or (sizes > 1).all():
        return strata
    if singletons == "drop":
        alone = np.append(sizes == 1, False)[strata.codes]
        codes = np.where(alone, np.int32(-1), strata.codes)
        return compact(replace(strata, codes=codes, breaks=(), dropped=int(alone.sum())))
    return _merge_neighbours(strata, sizes) if strata.breaks else _merge_others(strata, sizes)


def _merge_neighbours(strata: Strata, sizes: npt.NDArray[np.intp]) -> Strata:
    counts, inner = sizes.tolist(), list(strata.breaks[1:-1])
    while 1 in counts and len(counts) > 1:
        here = counts.index(1)
        below = here - 1 if here else None
        above = here + 1 if here + 1 < len(counts) else None
        into_upper = below is None or (above is not None and counts[above] < counts[below])
        # the break between the two classes goes: number `low` parts class low from low + 1
        low = here if into_upper else here - 1
        counts[low : low + 2] = [counts[low] + counts[low + 1]]
        del inner[low]
    edges = (strata.breaks[0], *inner, strata.breaks[-1])
    kept = np.searchsorted(inner, strata.breaks[1:-1], side="left")
    renumber = np.append(np.append(kept, len(inner)), -1).astype(np.int32)
    return replace(strata, codes=renumber[strata.codes], names=interval_names(edges), breaks=edges)


def _merge_others(strata: Strata, sizes: npt.NDArray[np.intp]) -> Strata:
    alone = sizes == 1
    if alone.sum() == 1:
        # one unit has no fellow: it joins the smallest stratum there is
        alone[np.where(alone, sizes.max() + 1, sizes).argmin()] = True
    renumber = np.append(np.where(alone, strata.realised, np.arange(strata.realised)), -1)
    codes = renumber.astype(np.int32)[strata.codes]
    return compact(replace(strata, codes=codes, names=(*strata.names, "other")))


Floats = npt.NDArray[np.float64]

_COMPASS = (
    *("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE"),
    *("S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"),
)


def stratify(
    values: npt.ArrayLike,
    method: str = "quantile",
    classes: int = 5,
    *,
    breaks: Sequence[float] | None = None,
    singletons: Singletons = "keep",
    response: npt.ArrayLike | None = None,
) -> Strata:
    """Part a continuous factor into classes.

    Parameters
    ----------
    values : array_like, any shape
        The factor [any unit]; NaN is missing.
    method : str
        The rule: "equal", "quantile", "natural", "geometric", "standard_deviation", "head_tail" or
        "optimal", which makes q of the response as large as it can be, and so is always optimistic.
        Not used when `breaks` are given.
    classes : int
        How many classes to ask for.
    breaks : sequence of float, optional
        Limits from lowest to highest, both ends included; use ``-inf`` and ``inf`` for open ends.
    singletons : {"keep", "drop", "merge"}
        What becomes of a class with one unit: it stays, its unit is set to missing (and counted
        in ``dropped``), or it joins the smaller of its neighbours (the lower one when equal).
    response : array_like, same shape, optional
        Needed by "optimal" only, whose classes hold two units at least.

    Returns
    -------
    Strata
        Classes that hold no unit are left out, so that ``realised`` can be less than `classes`.

    Raises
    ------
    DataError
        If all values are missing, one is infinite, all are equal, there are fewer values than
        classes, or a value lies outside the given breaks.
    StudyError
        If the method is unknown.

    Examples
    --------
    >>> strata = stratify([1.0, 2.0, 3.0, 40.0, float("nan")], "equal", 2)
    >>> strata.names, strata.codes
    (('[1, 20.5]', '(20.5, 40]'), array([ 0,  0,  0,  1, -1], dtype=int32))
    """
    array = np.asarray(values, dtype=np.float64)
    ordered = _finite_in_order(array)
    if breaks is None:
        if classes < 2 or ordered.size < classes:
            raise DataError(
                "fewer units than classes" if classes >= 2 else "at least two classes are needed",
                found=f"{ordered.size} units, {classes} classes",
                do="Ask for fewer classes, or for at least two",
            )
        inner = _inner(method, ordered, classes, array, response)
        lowest, highest = ordered[0], ordered[-1]
        requested = classes
    else:
        inner, lowest, highest = _given(ordered, breaks)
        method, requested = "given", len(breaks) - 1
    inner, _ = effective_breaks(ordered, inner)
    codes = np.searchsorted(inner, array, side="left").astype(np.int32)
    codes[np.isnan(array)] = -1
    edges = (float(lowest), *inner.tolist(), float(highest))
    strata = Strata(codes, interval_names(edges), edges, method, requested)
    return settle(strata, singletons)


def categories(values: npt.ArrayLike, *, singletons: Singletons = "keep") -> Strata:
    """Take each distinct value as a stratum.

    Parameters
    ----------
    values : array_like, any shape
        Texts, numbers or booleans, of one type; None and NaN are missing. Nothing is cast: 0.1
        and 0.5 are two categories.
    singletons : {"keep", "drop", "merge"}
        As in :func:`stratify`; categories have no neighbours, so single units are merged into one
        stratum ``"other"``.

    Returns
    -------
    Strata
        In ascending order of the values.

    Raises
    ------
    DataError
        If all values are missing or their types are mixed.

    Examples
    --------
    >>> categories(["meadow", "forest", None, "meadow"]).codes
    array([ 1,  0, -1,  1], dtype=int32)
    """
    # a list of mixed types must not be cast to text on the way into an array
    array = np.asarray(values, dtype=None if hasattr(values, "dtype") else object)
    if array.dtype == object:
        _check_one_type(array.ravel())
        array = array if hasattr(values, "dtype") else np.asarray(values)
    flat = array.ravel()
    codes, distinct = pd.factorize(flat, sort=True, use_na_sentinel=True)
    if len(distinct) == 0:
        raise DataError("all values are missing", found=f"{flat.size} units", do="Leave it out")
    names = tuple(category_name(value) for value in distinct)
    shaped = codes.astype(np.int32).reshape(array.shape)
    return settle(Strata(shaped, names, (), "categories", len(names)), singletons)


def sectors(angles: npt.ArrayLike, classes: int = 8, *, singletons: Singletons = "keep") -> Strata:
    """Part directions into equal sectors, the first centred on north.

    Parameters
    ----------
    angles : array_like, any shape
        Directions clockwise from north [degree]; NaN (flat) is missing. 360 is 0.
    classes : int
        How many sectors.
    singletons : {"keep", "drop", "merge"}
        As in :func:`categories`.

    Returns
    -------
    Strata
        Named by the compass where the sectors are 4, 8 or 16, else by their centre.

    Raises
    ------
    DataError
        If all values are missing or one is infinite.

    Examples
    --------
    >>> strata = sectors([350.0, 10.0, 90.0, 180.0], 4)
    >>> [strata.names[code] for code in strata.codes]
    ['N', 'N', 'E', 'S']
    """
    array = np.asarray(angles, dtype=np.float64)
    _finite_in_order(array, constant_allowed=True)
    width = 360.0 / classes
    with np.errstate(invalid="ignore"):
        raw = np.floor(np.mod(array + width / 2, 360.0) / width)
    present = ~np.isnan(raw)
    codes = np.full(array.shape, -1, np.int32)
    # the quotient can round up to `classes` just below 360
    codes[present] = np.minimum(raw[present], classes - 1).astype(np.int32)
    names = (
        _COMPASS[:: 16 // classes]
        if classes in (4, 8, 16)
        else tuple(f"{number * width:g}°" for number in range(classes))
    )
    return settle(compact(Strata(codes, tuple(names), (), "sectors", classes)), singletons)


def as_strata(values: Any) -> Strata:
    """Take strata as they are, and anything else as categories.

    Parameters
    ----------
    values : Strata or array_like
        Strata or one category per unit.

    Returns
    -------
    Strata

    Examples
    --------
    >>> as_strata([3, 1, 3]).names
    ('1', '3')
    """
    return values if isinstance(values, Strata) else categories(values)


def _finite_in_order(array: Floats, *, constant_allowed: bool = False) -> Floats:
    """Sort the values that are there, refusing what no class can be made of."""
    ordered: Floats = np.sort(array, axis=None)
    ordered = ordered[: np.searchsorted(ordered, np.nan)]
    if ordered.size == 0:
        raise DataError("all values are missing", found=f"{array.size} units", do="Leave it out")
    if np.isinf(ordered[0]) or np.isinf(ordered[-1]):
        raise DataError(
            "infinite values", found=f"{np.isinf(ordered).sum()} units", do="Set them to NaN"
        )
    if ordered[0] == ordered[-1] and not constant_allowed:
        raise DataError(
            "a constant factor has no strata",
            found=f"{ordered.size} units of {ordered[0]:.6g}",
            do="Leave it out",
        )
    return ordered


def _inner(
    method: str, ordered: Floats, classes: int, array: Floats, response: npt.ArrayLike | None
) -> Floats:
    if method != "optimal":
        return break_rule(method)(ordered, [classes])[0]
    if response is None:
        raise DataError(
            "optimal breaks need the response that they are to explain",
            found="none given",
            do="Give response=, or choose another method",
        )
    return optimal_breaks(array, response, [classes])[0]


def _given(ordered: Floats, breaks: Sequence[float]) -> tuple[Floats, float, float]:
    edges = np.asarray(breaks, dtype=np.float64)
    # the first class may hold one value only, such as the zeros of rain or snow
    if edges.size < 3 or not ((np.diff(edges)[1:] > 0).all() and edges[0] <= edges[1]):
        raise DataError(
            "given breaks must ascend and make at least two classes",
            found=str(list(breaks)),
            do="Give the limits from lowest to highest, both ends included",
        )
    # written limits are often rounded; a billionth of the range is not a unit outside
    slack = 1e-9 * (ordered[-1] - ordered[0])
    if ordered[0] < edges[0] - slack or ordered[-1] > edges[-1] + slack:
        raise DataError(
            "values outside the given breaks",
            found=f"values {ordered[0]:.6g} to {ordered[-1]:.6g}, breaks {list(breaks)}",
            do="Widen the first and last break, or use -inf and inf",
        )
    return edges[1:-1], float(edges[0]), float(edges[-1])


def _check_one_type(flat: npt.NDArray[Any]) -> None:
    present = flat[~pd.isna(flat)]
    kinds = {
        "boolean"
        if isinstance(value, bool | np.bool_)
        else "text"
        if isinstance(value, str)
        else "number"
        if isinstance(value, int | float | np.number)
        else type(value).__name__
        for value in present
    }
    if len(kinds) > 1:
        raise DataError(
            "a categorical factor of mixed types",
            found=", ".join(sorted(kinds)),
            do="Write all categories as text, or all as numbers",
        )


def category_name(value: object) -> str:
    """Name a category as a reader would write it.

    Parameters
    ----------
    value : object
        Its value.

    Returns
    -------
    str
        Whole numbers without a decimal point.

    Examples
    --------
    >>> category_name(2.0), category_name("meadow")
    ('2', 'meadow')
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
