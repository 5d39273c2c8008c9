"""Shares of the joint q: what each factor contributes, adding up to what all explain together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.factor_detector import INDEPENDENCE_CAUTION
from headwater.detector.interaction_detector import interaction_class
from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.sample import same_units
from headwater.detector.tree import LUO2022, SEARCHED, grow_tree
from headwater.errors import DataError, StudyError, nearest
from headwater.figures import drawing_on
from headwater.glossary import Kind
from headwater.results import TableResult, fingerprint, of_inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Heterogeneity",
    "LI2023",
    "PairSharesResult",
    "SharesResult",
    "Worths",
    "crossed_shares",
    "lesh",
    "shapley_values",
    "shares_result",
    "shegd",
    "tree_worths",
]

Floats = npt.NDArray[np.float64]
Subset = frozenset[str]
Scale = Literal["q", "q_adjusted"]

_MOST = 12
"""Factors beyond which 2^m subsets are no longer computed."""

_SCALES = {"q": "the plain q", "q_adjusted": "the q adjusted for the number of strata"}

SHAPLEY1953 = (
    "Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II, "
    "307-317. Princeton University Press (recalled, unchecked)."
)
LI2023 = (
    "Li, Y., Luo, P., Song, Y., Zhang, L., Qu, Y., Hou, Z. (2023). A locally explained "
    "heterogeneity model for examining wetland disparity. International Journal of Digital Earth "
    "16(2), 4533-4552. https://doi.org/10.1080/17538947.2023.2271883"
)


@dataclass(frozen=True, slots=True, eq=False)
class SharesResult(TableResult):
    """The share of each factor in the joint q, largest first.

    Columns: factor, share, percent (of the joint q), q (of the factor alone), last (what the factor
    adds to all others), n. ``data.attrs["joint"]`` is the q of all factors together, which the
    shares add up to.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the shares as bars, with q alone and the gain over all others."""
        from headwater.detector.extension_plots import draw_shares

        with drawing_on(ax):
            return draw_shares(self.data)


@dataclass(frozen=True, slots=True)
class Worths:
    """What every subset of the factors explains, and how that is divided.

    Attributes
    ----------
    shares : dict of str to float
        Of each factor; they add up to the worth of all.
    of : dict of frozenset to float
        Worth of each subset; 0 of the empty one.
    """

    shares: Mapping[str, float]
    of: Mapping[Subset, float]


def shapley_values(factors: list[str], worth: Callable[[Subset], float]) -> Worths:
    r"""Divide the worth of all factors among them.

    Parameters
    ----------
    factors : list of str
        At most twelve names.
    worth : callable
        ``worth(subset)`` is what the factors of a subset explain together; it is asked once for
        each of the 2^m - 1 subsets that are not empty.

    Returns
    -------
    Worths

    Raises
    ------
    DataError
        If there are no factors, or more than twelve.

    Notes
    -----
    .. math:: \theta_j = \sum_{S \not\ni j} \frac{|S|! (m - |S| - 1)!}{m!}
              \left[ v(S \cup j) - v(S) \right]

    over all subsets S, the empty one with v = 0 among them. Leaving that one out, as gdverse does,
    takes v(j) / m from every share, and they no longer add up.

    References
    ----------
    Li, Y., Luo, P., Song, Y., et al. (2023). A locally explained heterogeneity model for examining
    wetland disparity. International Journal of Digital Earth 16(2), 4533-4552.
    https://doi.org/10.1080/17538947.2023.2271883

    Examples
    --------
    Two gloves make a pair; a second glove of the same hand is worth less.

    >>> pair = lambda gloves: float("right" in gloves and len(gloves) > 1)
    >>> shared = shapley_values(["right", "left", "other left"], pair).shares
    >>> [round(share, 3) for share in shared.values()]
    [0.667, 0.167, 0.167]
    """
    m = len(factors)
    if not 1 <= m <= _MOST:
        raise DataError(
            "shares are computed over all subsets of the factors",
            found=f"{m} factors, {2**m - 1} subsets",
            do=f"Give one to {_MOST} factors, the strongest ones",
        )
    subsets = [frozenset(part) for size in range(m + 1) for part in combinations(factors, size)]
    worths = {part: worth(part) if part else 0.0 for part in subsets}
    order = [factorial(size) * factorial(m - size - 1) / factorial(m) for size in range(m)]
    shared = {
        name: sum(
            order[len(part)] * (worths[part | {name}] - worths[part])
            for part in subsets
            if name not in part
        )
        for name in factors
    }
    return Worths(shared, worths)


@of_inputs
def lesh(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    *,
    kinds: Mapping[str, Kind] | None = None,
    cp: float = 0.01,
    scale: Scale = "q",
    weights: npt.ArrayLike | None = None,
) -> SharesResult:
    """Share the q of the regression tree on all factors among them (LESH).

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    factors : mapping of str to array_like, same shape
        At most twelve factors [any unit].
    kinds, cp, weights
        See :func:`headwater.detector.tree.tree_strata`.
    scale : {"q", "q_adjusted"}
        Whether plain q is shared, as published, or q adjusted for the number of leaves.

    Returns
    -------
    SharesResult

    Raises
    ------
    DataError
        If there are more than twelve factors, or the response is constant.

    Notes
    -----
    The worth of a subset is the q of the tree on its factors, 0 where no cut explains enough. All
    trees are grown on the units that have all values. See :func:`shapley_values` for the equation.
    Trees are not nested, so that a share can be below zero.

    References
    ----------
    Li, Y., Luo, P., Song, Y., et al. (2023). A locally explained heterogeneity model for examining
    wetland disparity. International Journal of Digital Earth 16(2), 4533-4552.
    https://doi.org/10.1080/17538947.2023.2271883

    Examples
    --------
    >>> x, z = np.tile(np.arange(40.0), 4), np.repeat([0.0, 1.0, 2.0, 3.0], 40)
    >>> found = lesh((x > 19) + 2.0 * (z > 1), {"x": x, "z": z})
    >>> found.data[["factor", "share"]].round(3).values.tolist()
    [['z', 0.8], ['x', 0.2]]
    """
    values, worths = tree_worths(
        response, factors, kinds=kinds, cp=cp, scale=scale, weights=weights
    )
    return shares_result(
        worths,
        int((~np.isnan(values)).sum()),
        cp=cp,
        scale=scale,
    )


@of_inputs
def crossed_shares(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    *,
    scale: Scale = "q_adjusted",
    weights: npt.ArrayLike | None = None,
) -> SharesResult:
    """Share the q of all factors crossed among them.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    strata : mapping of str to Strata or array_like
        At most twelve factors, parted into strata.
    scale : {"q_adjusted", "q"}
        What is shared. Crossing many factors leaves few units in a cell, and the plain q of such a
        crossing is near 1 whatever the factors: the adjusted q is the default.
    weights : array_like, same shape, optional
        Weight of each unit.

    Returns
    -------
    SharesResult

    Raises
    ------
    DataError
        If there are more than twelve factors, or as many cells as units while the adjusted q is
        shared.

    Notes
    -----
    As :func:`lesh`, with the crossing of the subset's strata in place of a tree. Units without a
    value of any factor go out of all subsets.

    Examples
    --------
    >>> pair = {"a": [0, 0, 1, 1] * 3, "b": [0, 1, 0, 1] * 3}
    >>> found = crossed_shares([0.0, 1.0, 2.0, 3.0] * 3, pair, scale="q")
    >>> found.data[["factor", "share"]].round(3).values.tolist()
    [['a', 0.8], ['b', 0.2]]
    """
    values, parts = same_units(response, strata, "listwise")
    unit = None if weights is None else np.ravel(weights)

    def worth(subset: Subset) -> float:
        crossed = np.zeros(values.size, np.int64)
        for name in sorted(subset):
            # numbered anew at each step, so that the product of many factors overflows nothing
            crossed = np.unique(
                crossed * parts[name].realised + parts[name].codes, return_inverse=True
            )[1]
        codes = np.where(np.isnan(values), -1, crossed).astype(np.int32)
        return _q(values, codes, int(crossed.max()) + 1, scale, unit)

    return shares_result(
        shapley_values(list(parts), worth),
        int((~np.isnan(values)).sum()),
        cp=None,
        scale=scale,
    )


def tree_worths(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    *,
    kinds: Mapping[str, Kind] | None = None,
    cp: float = 0.01,
    scale: Scale = "q",
    weights: npt.ArrayLike | None = None,
) -> tuple[Floats, Worths]:
    """Grow a tree on every subset of the factors, and divide the q of the one on all.

    Parameters
    ----------
    response, factors, kinds, cp, scale, weights
        See :func:`lesh`.

    Returns
    -------
    response : ndarray
        NaN where any value is missing.
    worths : Worths

    Raises
    ------
    DataError
        As :func:`lesh`.

    Examples
    --------
    >>> x = np.arange(40.0)
    >>> _, worths = tree_worths(x > 19, {"x": x, "none": np.sin(37 * x)})
    >>> worths.of[frozenset({"x", "none"})], round(worths.shares["x"], 3)
    (1.0, 0.948)
    """
    arrays = {name: np.asarray(given) for name, given in factors.items()}
    values = np.array(response, dtype=np.float64)
    whole = grow_tree(values, arrays, kinds=kinds, cp=cp, weights=weights)
    values[whole.codes < 0] = np.nan

    def worth(subset: Subset) -> float:
        # the factors keep their order, by which equal cuts are decided
        chosen = {name: array for name, array in arrays.items() if name in subset}
        strata = grow_tree(values, chosen, kinds=kinds, cp=cp, weights=weights)
        if strata.realised < 2:
            return 0.0
        return _q(values, strata.codes, strata.realised, scale, weights)

    return values, shapley_values(list(arrays), worth)


@of_inputs
def shares_result(worths: Worths, n: int, *, cp: float | None, scale: Scale) -> SharesResult:
    """Put shares into a table.

    Parameters
    ----------
    worths : Worths
        From :func:`shapley_values`.
    n : int
        Units.
    cp : float or None
        Price of a cut; None where strata were crossed.
    scale : {"q", "q_adjusted"}
        What was shared.

    Returns
    -------
    SharesResult

    Examples
    --------
    >>> worths = shapley_values(["x"], lambda subset: 0.5)
    >>> shares_result(worths, 10, cp=None, scale="q").data["percent"].tolist()
    [100.0]
    """
    everything = frozenset(worths.shares)
    joint = worths.of[everything]
    rows = [
        {
            "factor": name,
            "share": share,
            "percent": 100.0 * share / joint if joint > 0 else np.nan,
            "q": worths.of[frozenset({name})],
            "last": joint - worths.of[everything - {name}],
            "n": n,
        }
        for name, share in worths.shares.items()
    ]
    table = pd.DataFrame(rows).sort_values("share", ascending=False, kind="stable")
    table = table.reset_index(drop=True)
    table.attrs |= {"joint": joint, "units": {"percent": "%"}}
    what = "all factors crossed" if cp is None else "a regression tree on all factors (LESH)"
    pruned = [] if cp is None else [f"Trees were pruned at cp = {cp:g} of the sum of squares."]
    return SharesResult(
        data=table,
        method=f"Shares of the q of {what}, after Shapley: they add up to that q.",
        references=(SHAPLEY1953, LI2023, *(() if cp is None else (LUO2022,))),
        choices=(*pruned, f"What is shared is {_SCALES[scale]}."),
        cautions=(*([] if cp is None else [SEARCHED]), INDEPENDENCE_CAUTION),
    )


def _q(
    values: Floats,
    codes: npt.NDArray[np.int32],
    strata: int,
    scale: Scale,
    weights: npt.ArrayLike | None,
) -> float:
    if scale not in _SCALES:
        raise StudyError("unknown scale", found=f"'{scale}'", do=nearest(scale, list(_SCALES)))
    found = q_statistic(stratum_sums(values, codes, strata, weights=weights))
    if scale == "q":
        return found.q
    if np.isnan(found.adjusted):
        raise DataError(
            "as many cells of the crossing as units",
            found=f"{found.n} units",
            do="Cross fewer factors, part them into fewer classes, or share the plain q",
        )
    return found.adjusted


@dataclass(frozen=True, slots=True, eq=False)
class PairSharesResult(TableResult):
    """q of the tree on each pair, divided between its factors.

    Columns: factor_1, factor_2, q_1, q_2, q_12, interaction (the published class), share_1,
    share_2 (they add up to q_12), n.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw q of each pair as a bar of two parts."""
        from headwater.detector.extension_plots import draw_pair_shares

        with drawing_on(ax):
            return draw_pair_shares(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class Heterogeneity:
    """What explains the stratified heterogeneity: the trees of GOZH with the shares of LESH.

    Attributes
    ----------
    shares : SharesResult
        Each factor's share in the q of the tree on all factors.
    interaction : PairSharesResult or None
        q of the tree on each pair; None with a single factor.
    """

    shares: SharesResult
    interaction: PairSharesResult | None


def shegd(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    *,
    kinds: Mapping[str, Kind] | None = None,
    cp: float = 0.01,
    weights: npt.ArrayLike | None = None,
) -> Heterogeneity:
    r"""Explain stratified heterogeneity by trees, alone, in pairs and all together.

    Parameters
    ----------
    response, factors, kinds, cp, weights
        See :func:`headwater.detector.lesh`.

    Returns
    -------
    Heterogeneity

    Raises
    ------
    DataError
        If there are more than twelve factors, or the response is constant.

    Notes
    -----
    What gdverse calls SHEGD is GOZH and LESH together. LESH divides the q of a pair's tree in
    proportion to the shares of its two factors among *all* factors,

    .. math:: s_1 = q_{12} \theta_1 / (\theta_1 + \theta_2)

    Where a θ is below zero such a proportion has no meaning, and both shares are NaN.

    References
    ----------
    Li, Y., Luo, P., Song, Y., et al. (2023). A locally explained heterogeneity model for examining
    wetland disparity. International Journal of Digital Earth 16(2), 4533-4552.
    https://doi.org/10.1080/17538947.2023.2271883

    Examples
    --------
    >>> x, z = np.tile(np.arange(40.0), 4), np.repeat([0.0, 1.0, 2.0, 3.0], 40)
    >>> found = shegd((x > 19) + 2.0 * (z > 1), {"x": x, "z": z})
    >>> found.interaction.data[["q_12", "share_1", "share_2"]].round(3).values.tolist()
    [[1.0, 0.2, 0.8]]
    """
    values, worths = tree_worths(response, factors, kinds=kinds, cp=cp, weights=weights)
    n = int((~np.isnan(values)).sum())
    print_of_inputs = fingerprint(values, *map(np.asarray, factors.values()), cp)
    shared = shares_result(worths, n, cp=cp, scale="q")
    if len(factors) < 2:
        return Heterogeneity(shared, None)
    table = pd.DataFrame([_row(pair, worths, n) for pair in combinations(factors, 2)])
    table = table.sort_values("q_12", ascending=False, kind="stable", ignore_index=True)
    together = PairSharesResult(
        data=table,
        method="Interaction of GOZH, its q divided between the two factors in proportion to their "
        "shares among all factors (LESH).",
        references=(LUO2022, LI2023),
        fingerprint=print_of_inputs,
        choices=shared.choices,
        cautions=shared.cautions,
    )
    return Heterogeneity(shared, together)


def _row(pair: tuple[str, str], worths: Worths, n: int) -> dict[str, Any]:
    one, two = pair
    q_1, q_2, q_12 = (worths.of[frozenset(part)] for part in ((one,), (two,), pair))
    theta_1, theta_2 = worths.shares[one], worths.shares[two]
    divisible = min(theta_1, theta_2) >= 0 < theta_1 + theta_2
    first = q_12 * theta_1 / (theta_1 + theta_2) if divisible else np.nan
    return {
        "factor_1": one,
        "factor_2": two,
        "q_1": q_1,
        "q_2": q_2,
        "q_12": q_12,
        "interaction": interaction_class(q_1, q_2, q_12),
        "share_1": first,
        "share_2": q_12 - first,
        "n": n,
    }
