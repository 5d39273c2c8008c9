"""Explaining stratified heterogeneity: trees on every pair, their q shared by the two (SHEGD)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.interaction import interaction_class
from headwater.detector.shapley import (
    LI2023,
    SharesResult,
    Worths,
    shares_result,
    tree_worths,
)
from headwater.detector.tree import LUO2022
from headwater.glossary import Kind
from headwater.results import TableResult, fingerprint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Heterogeneity", "PairSharesResult", "shegd"]


@dataclass(frozen=True, slots=True, eq=False)
class PairSharesResult(TableResult):
    """q of the tree on each pair, divided between its factors.

    Columns: factor_1, factor_2, q_1, q_2, q_12, interaction (the published class), share_1,
    share_2 (they add up to q_12), n.
    """

    def plot(self) -> Figure:
        """Draw q of each pair as a bar of two parts."""
        from headwater.detector.extension_plots import draw_pair_shares

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
        See :func:`headwater.detector.shares`.

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
    shared = shares_result(worths, n, fingerprint=print_of_inputs, cp=cp, scale="q")
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
