"""Letters that tell which strata a test cannot tell apart."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np
import numpy.typing as npt

__all__ = ["compact_letters"]


def compact_letters(different: npt.ArrayLike, level: npt.ArrayLike) -> list[str]:
    """Give the same letter to strata that do not differ.

    Parameters
    ----------
    different : array_like of bool, shape (strata, strata)
        Whether a test tells two strata apart; symmetric.
    level : array_like, shape (strata,)
        Their means [any unit]: the highest gets "a".

    Returns
    -------
    list of str
        Two strata share a letter exactly where the test does not tell them apart.

    Notes
    -----
    Insert and absorb: start with one group of all; every difference splits the groups that hold
    both; a group within another goes out.

    References
    ----------
    Piepho, H.-P. (2004). An algorithm for a letter-based representation of all-pairwise
    comparisons. Journal of Computational and Graphical Statistics 13, 456-466.
    https://doi.org/10.1198/1061860043515

    Examples
    --------
    >>> compact_letters([[0, 0, 1], [0, 0, 0], [1, 0, 0]], [3.0, 2.0, 1.0])
    ['a', 'ab', 'b']
    """
    apart = np.asarray(different, dtype=bool)
    order = np.argsort(-np.asarray(level, dtype=np.float64), kind="stable").tolist()
    groups = [frozenset(order)]
    for place, one in enumerate(order):
        for two in order[place + 1 :]:
            if apart[one, two]:
                groups = _split(groups, one, two)
    groups.sort(key=lambda group: sorted(order.index(member) for member in group))
    return [
        "".join(_letter(at) for at, group in enumerate(groups) if stratum in group)
        for stratum in range(len(order))
    ]


def _split(groups: list[frozenset[int]], one: int, two: int) -> list[frozenset[int]]:
    parted: list[frozenset[int]] = []
    for group in groups:
        parted += [group - {one}, group - {two}] if {one, two} <= group else [group]
    distinct = list(dict.fromkeys(parted))
    return [group for group in distinct if not any(group < other for other in distinct)]


def _letter(at: int) -> str:
    return ascii_lowercase[at % 26] + "\N{PRIME}" * (at // 26)
