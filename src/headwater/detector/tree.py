"""Regression-tree strata: zones that a tree cuts so that they explain the response best (GOZH)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.cart import Column, Leaf, Limits, Price, leaves_of
from headwater.detector.factor_detector import INDEPENDENCE_CAUTION, factor
from headwater.detector.interaction_detector import interaction_class
from headwater.detector.q import check_varies, q_statistic, stratum_sums
from headwater.detector.results import FactorResult
from headwater.detector.strata import Strata, categories, interval_names, sectors
from headwater.errors import DataError
from headwater.figures import drawing_on
from headwater.glossary import Kind
from headwater.results import TableResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Gozh",
    "LUO2022",
    "SEARCHED",
    "TreeInteractionResult",
    "gozh",
    "grow_tree",
    "tree_strata",
]

Floats = npt.NDArray[np.float64]

LUO2022 = (
    "Luo, P., Song, Y., Huang, X., Ma, H., Liu, J., Yao, Y., Meng, L. (2022). Identifying "
    "determinants of spatio-temporal disparities in soil moisture of the Northern Hemisphere using "
    "a geographically optimal zones-based heterogeneity model. ISPRS Journal of Photogrammetry and "
    "Remote Sensing 185, 111-128. https://doi.org/10.1016/j.isprsjprs.2022.01.009"
)
SEARCHED = (
    "The strata were cut to explain this very response: q is optimistic, and the F test of strata "
    "found by a search rejects far more often than it says."
)


@dataclass(frozen=True, slots=True, eq=False)
class TreeInteractionResult(TableResult):
    """q of the tree on each pair of factors.

    Columns: factor_1, factor_2, q_1, q_2, q_12, interaction (the published class), q_12_adjusted,
    n, strata.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw q of each pair's tree with those of its factors alone."""
        from headwater.detector.extension_plots import draw_tree_pairs

        with drawing_on(ax):
            return draw_tree_pairs(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class Gozh:
    """What the trees found.

    Attributes
    ----------
    strata : dict of str to Strata
        Leaves of the tree on each factor alone.
    factor : FactorResult
        q of these leaves.
    interaction : TreeInteractionResult or None
        q of the tree on each pair; None with a single factor.
    """

    strata: Mapping[str, Strata]
    factor: FactorResult
    interaction: TreeInteractionResult | None


def tree_strata(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    *,
    kinds: Mapping[str, Kind] | None = None,
    cp: float = 0.01,
    min_split: int = 20,
    min_units: int = 7,
    weights: npt.ArrayLike | None = None,
) -> Strata:
    r"""Part the units by a regression tree on one factor or several.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    factors : mapping of str to array_like, same shape
        What the tree may cut by [any unit].
    kinds : mapping of str to {"continuous", "circular", "categorical"}, optional
        Default: texts and booleans are categorical, numbers continuous. Directions are taken as
        eight sectors.
    cp : float
        Least share of the response's sum of squares that a cut must explain, on average over the
        cuts of a branch.
    min_split, min_units : int
        Least units of a node that is cut, and of a leaf. The three defaults are those of the R
        package rpart.
    weights : array_like, same shape, optional
        Weight of each unit.

    Returns
    -------
    Strata
        Leaves from left to right, named by the rules that lead to them; of a single continuous
        factor they are intervals, with their breaks. A unit that lacks the response or a factor is
        missing.

    Raises
    ------
    DataError
        If the response is constant, or no cut explains enough.

    Notes
    -----
    Every node is cut where the sum of squares within both sides is least, over all factors and all
    places between two values; categories are ordered by their mean, which finds the best of all
    ways of parting them into two sets. Of the tree so grown, the subtree that minimises

    .. math:: SSW + cp \cdot SST \cdot (\text{leaves} - 1)

    is kept (cost-complexity pruning). Where cuts tie, the first factor and the lowest place win.

    References
    ----------
    Breiman, L., Friedman, J. H., Olshen, R. A., Stone, C. J. (1984). Classification and Regression
    Trees. Wadsworth, Belmont.

    Luo, P., Song, Y., Huang, X., et al. (2022). Identifying determinants of spatio-temporal
    disparities in soil moisture of the Northern Hemisphere using a geographically optimal
    zones-based heterogeneity model. ISPRS Journal of Photogrammetry and Remote Sensing 185,
    111-128. https://doi.org/10.1016/j.isprsjprs.2022.01.009

    Examples
    --------
    >>> x = np.arange(40.0)
    >>> tree_strata(np.where(x > 24, 5.0, 1.0), {"rain": x}).names
    ('[0, 24.5]', '(24.5, 39]')
    """
    strata = grow_tree(
        response,
        factors,
        kinds=kinds,
        cp=cp,
        min_split=min_split,
        min_units=min_units,
        weights=weights,
    )
    if strata.realised < 2:
        raise DataError(
            "no cut of the tree explains enough",
            found=f"{(strata.codes >= 0).sum()} units, factors {', '.join(factors)}, cp = {cp:g}",
            do="Lower cp, or leave the factor out",
        )
    return strata


def grow_tree(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    *,
    kinds: Mapping[str, Kind] | None = None,
    cp: float = 0.01,
    min_split: int = 20,
    min_units: int = 7,
    weights: npt.ArrayLike | None = None,
) -> Strata:
    """Grow a tree as :func:`tree_strata` does, but let one without a cut be a single stratum.

    Parameters
    ----------
    response, factors, kinds, cp, min_split, min_units, weights
        See :func:`tree_strata`.

    Returns
    -------
    Strata

    Raises
    ------
    DataError
        If no unit has all values, or the response is constant.

    Examples
    --------
    >>> grow_tree(np.tile([0.0, 1.0], 20), {"rain": np.arange(40.0)}).realised
    1
    """
    values = np.asarray(response, dtype=np.float64)
    columns, present = _columns(values, factors, kinds or {})
    y = values.ravel()[present]
    unit = np.ones(y.size) if weights is None else np.ravel(weights).astype(np.float64)[present]
    if y.size == 0:
        raise DataError("no unit has a response and all factors", found="n = 0")
    mean = float(np.average(y, weights=unit))
    total = float(unit @ (y - mean) ** 2)
    check_varies(total, y.size, mean)
    leaves = leaves_of(y - mean, unit, columns, Price(min_split, min_units, cp * total))
    return _named(leaves, columns, present, values.shape)


def gozh(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    *,
    kinds: Mapping[str, Kind] | None = None,
    cp: float = 0.01,
    min_split: int = 20,
    min_units: int = 7,
    weights: npt.ArrayLike | None = None,
) -> Gozh:
    """Detect with zones that regression trees cut: each factor alone, and each pair in one tree.

    Parameters
    ----------
    response, factors, kinds, cp, min_split, min_units, weights
        See :func:`tree_strata`.

    Returns
    -------
    Gozh
        A factor in which no cut explains enough is left out, and named in the cautions.

    Raises
    ------
    DataError
        If no factor can be cut.

    Notes
    -----
    The tree on a pair chooses its own cuts, and so need not refine the trees of its factors: unlike
    a crossing, it can explain less than one of them.

    References
    ----------
    Luo, P., Song, Y., Huang, X., et al. (2022). Identifying determinants of spatio-temporal
    disparities in soil moisture of the Northern Hemisphere using a geographically optimal
    zones-based heterogeneity model. ISPRS Journal of Photogrammetry and Remote Sensing 185,
    111-128. https://doi.org/10.1016/j.isprsjprs.2022.01.009

    Examples
    --------
    >>> x, z = np.tile(np.arange(40.0), 4), np.repeat([0.0, 1.0, 2.0, 3.0], 40)
    >>> found = gozh((x > 19) + 2.0 * (z > 1), {"x": x, "z": z})
    >>> found.factor.data[["factor", "q"]].round(3).values.tolist()
    [['z', 0.8], ['x', 0.2]]
    >>> float(found.interaction.data["q_12"][0])
    1.0
    """
    given: dict[str, Any] = {
        "kinds": kinds,
        "cp": cp,
        "min_split": min_split,
        "min_units": min_units,
        "weights": weights,
    }
    trees = {name: grow_tree(response, {name: x}, **given) for name, x in factors.items()}
    strata = {name: part for name, part in trees.items() if part.realised > 1}
    if not strata:
        raise DataError(
            "no factor can be cut so that it explains enough",
            found=f"factors {', '.join(factors) or 'none'}, cp = {cp:g}",
            do="Lower cp, or give other factors",
        )
    alone = _factor_result(response, strata, [name for name in trees if name not in strata], given)
    if len(strata) < 2:
        return Gozh(strata, alone, None)
    rows = [
        _pair_row(response, {name: factors[name] for name in pair}, strata, given)
        for pair in combinations(strata, 2)
    ]
    table = pd.DataFrame(rows).sort_values("q_12", ascending=False, kind="stable")
    together = TreeInteractionResult(
        data=table.reset_index(drop=True),
        method="Interaction of GOZH: q of the leaves of a regression tree on both factors.",
        references=(LUO2022,),
        fingerprint=alone.fingerprint,
        choices=alone.choices,
        cautions=(SEARCHED, INDEPENDENCE_CAUTION),
    )
    return Gozh(strata, alone, together)


def _columns(
    values: Floats, factors: Mapping[str, npt.ArrayLike], kinds: Mapping[str, Kind]
) -> tuple[list[Column], npt.NDArray[np.bool_]]:
    """Read the factors at the units that have all values."""
    present = ~np.isnan(values.ravel())
    raw = []
    for name, given in factors.items():
        array = np.asarray(given)
        if array.shape != values.shape:
            raise DataError(
                f"factor '{name}' is not of the response's units",
                found=f"shape {array.shape}, response {values.shape}",
                do="Bring both onto one grid or into one table",
            )
        kind = kinds.get(name, "continuous") if array.dtype.kind in "iuf" else "categorical"
        if kind == "continuous":
            numbers = array.ravel().astype(np.float64)
            labels: tuple[str, ...] = ()
        else:
            parted = sectors(array.ravel()) if kind == "circular" else categories(array.ravel())
            numbers = np.where(parted.codes < 0, np.nan, parted.codes)
            labels = parted.names
        present &= ~np.isnan(numbers)
        raw.append((name, numbers, labels))
    return [Column(name, numbers[present], labels) for name, numbers, labels in raw], present


def _named(
    leaves: list[Leaf],
    columns: list[Column],
    present: npt.NDArray[np.bool_],
    shape: tuple[int, ...],
) -> Strata:
    inside = np.empty(int(present.sum()), np.int32)
    for number, leaf in enumerate(leaves):
        inside[leaf.units] = number
    codes = np.full(present.size, -1, np.int32)
    codes[present] = inside
    names = tuple(_rule_words(leaf.limits, columns) for leaf in leaves)
    breaks: tuple[float, ...] = ()
    if len(leaves) > 1 and len(columns) == 1 and not columns[0].labels:
        x = columns[0].values
        cuts = [leaf.limits.between[columns[0].name][1] for leaf in leaves[:-1]]
        breaks = (float(x.min()), *cuts, float(x.max()))
        names = interval_names(breaks)
    return Strata(codes.reshape(shape), names, breaks, "tree", len(leaves))


def _rule_words(limits: Limits, columns: list[Column]) -> str:
    words = []
    for column in columns:
        if column.name in limits.between:
            low, high = limits.between[column.name]
            above = f"{low:.4g} < " if np.isfinite(low) else ""
            below = f" ≤ {high:.4g}" if np.isfinite(high) else ""
            words.append(f"{above}{column.name}{below}")
        elif column.name in limits.among:
            inside = [column.labels[code] for code in sorted(limits.among[column.name])]
            words.append(f"{column.name} in {{{', '.join(inside)}}}")
    return " and ".join(words) or "all units"


def _factor_result(
    response: npt.ArrayLike,
    strata: Mapping[str, Strata],
    uncut: list[str],
    given: Mapping[str, Any],
) -> FactorResult:
    result, cp = factor(response, strata, weights=given["weights"]), given["cp"]
    left_out = [f"No cut of {name} explains {cp:.2%} of the variance: left out." for name in uncut]
    return replace(
        result,
        method="Factor detector on zones of a regression tree (GOZH): " + result.method,
        references=(LUO2022, *result.references),
        choices=(f"Trees were pruned at cp = {cp:g} of the sum of squares.", *result.choices),
        cautions=(SEARCHED, *left_out, *result.cautions),
    )


def _pair_row(
    response: npt.ArrayLike,
    pair: Mapping[str, npt.ArrayLike],
    strata: Mapping[str, Strata],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Compare the tree on a pair with the trees on its factors, all on the units both have."""
    one, two = pair
    joint = grow_tree(response, pair, **given)
    common = joint.codes >= 0
    weights = given["weights"]
    found = [
        q_statistic(
            stratum_sums(response, np.where(common, part.codes, -1), part.realised, weights=weights)
        )
        for part in (strata[one], strata[two], joint)
    ]
    first, second, both = found
    return {
        "factor_1": one,
        "factor_2": two,
        "q_1": first.q,
        "q_2": second.q,
        "q_12": both.q,
        "interaction": interaction_class(first.q, second.q, both.q),
        "q_12_adjusted": both.adjusted,
        "n": both.n,
        "strata": both.strata,
    }
