"""A partition of units into strata, and what becomes of strata with one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Singletons", "Strata", "compact", "cross", "interval_names", "settle"]

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


def cross(first: Strata, second: Strata) -> Codes:
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
    >>> cross(halves, halves)
    array([0, 3], dtype=int32)
    """
    crossed = first.codes * np.int32(second.realised) + second.codes
    crossed[(first.codes < 0) | (second.codes < 0)] = -1
    return crossed


def interval_names(edges: Sequence[float]) -> tuple[str, ...]:
    """Name the classes between limits, with as many digits as tell the limits apart.

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
