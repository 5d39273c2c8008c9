"""Rough sets in neighbourhoods: what explains a response that is a class (SRSGD)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.interaction_detector import interaction_class
from headwater.detector.strata import Strata, as_strata, categories, cross_strata
from headwater.errors import DataError
from headwater.figures import drawing_on
from headwater.inference.significance import holm
from headwater.results import TableResult, fingerprint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RoughSetPairs", "RoughSetResult", "RoughSets", "nearest_units", "queen_units", "srsgd"]

Codes = npt.NDArray[np.int32]
Units = npt.NDArray[np.intp]

BAI2022 = (
    "Bai, H., Li, D., Ge, Y., Wang, J., Cao, F. (2022). Spatial rough set-based geographical "
    "detectors for nominal target variables. Information Sciences 586, 525-539. "
    "https://doi.org/10.1016/j.ins.2021.12.019"
)


@dataclass(frozen=True, slots=True, eq=False)
class RoughSetResult(TableResult):
    """Local explanatory power of each factor on a response of classes, strongest first.

    Columns: factor, pd (mean share of a neighbourhood whose class its stratum settles), se_pd
    (entropy of the shares over the units [bit]), chance (mean pd of responses dealt out anew),
    pd_adjusted ((pd - chance) / (1 - chance)), p_value, p_holm, n, strata.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw pd as bars, with what chance reaches.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Figure
        """
        from headwater.detector.extension_plots import draw_rough_sets

        with drawing_on(ax):
            return draw_rough_sets(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class RoughSetPairs(TableResult):
    """Local explanatory power of pairs: factor_1, factor_2, pd_1, pd_2, pd_12, interaction, n."""


@dataclass(frozen=True, slots=True, eq=False)
class RoughSets:
    """What rough sets found.

    Attributes
    ----------
    factor : RoughSetResult
        Each factor.
    interaction : RoughSetPairs or None
        Each pair crossed; None with a single factor.
    """

    factor: RoughSetResult
    interaction: RoughSetPairs | None


def srsgd(
    response: npt.ArrayLike,
    strata: Mapping[str, Any],
    neighbours: Units,
    *,
    weights: npt.ArrayLike | None = None,
    n_resamples: int = 199,
    rng: np.random.Generator | None = None,
) -> RoughSets:
    r"""Explain a response of classes by strata, neighbourhood by neighbourhood.

    Parameters
    ----------
    response : array_like, shape (n,)
        Class of each unit: text, numbers or booleans; None and NaN are missing.
    strata : mapping of str to Strata or array_like, shape (n,)
        The factors, parted into strata.
    neighbours : ndarray of int, shape (n, m)
        Numbers of the units around each unit, itself among them; -1 where there are fewer. See
        :func:`queen_units` and :func:`nearest_units`.
    weights : array_like, shape (n,), optional
        Weight of each unit, such as its area: in its neighbourhood, and in the mean.
    n_resamples : int
        How often the classes are dealt out anew.
    rng : numpy Generator, optional
        Source of randomness; default: one seeded with 1.

    Returns
    -------
    RoughSets

    Raises
    ------
    DataError
        If the response has one class, or shapes differ.

    Notes
    -----
    Within the neighbourhood N of a unit, a stratum settles the class where all its units there
    have one class; their number is the positive region of rough set theory, and

    .. math:: PD = \frac{1}{n} \sum_i |POS_i| / |N_i|

    With weights, those of the units are summed in place of their number.

    Small neighbourhoods settle much by chance: ``chance`` is what the same strata reach when
    classes are dealt out anew, and ``pd_adjusted`` takes it out. The definition follows
    rough set theory (recalled); neither abstract nor text of Bai et al. (2022) was read;
    gdverse 1.7 compares the class of a unit with those of the first units of the table, not of its
    neighbours, so that its figures differ. Pairs are crossed, and so never explain less than one
    of their factors.

    References
    ----------
    Bai, H., Li, D., Ge, Y., Wang, J., Cao, F. (2022). Spatial rough set-based geographical
    detectors for nominal target variables. Information Sciences 586, 525-539.
    https://doi.org/10.1016/j.ins.2021.12.019

    Examples
    --------
    >>> cover = np.array(["a", "a", "b", "b"] * 3)
    >>> around = queen_units(np.arange(12), (3, 4))
    >>> found = srsgd(cover, {"soil": cover, "none": ["x"] * 12}, around, n_resamples=99)
    >>> found.factor.data[["factor", "pd"]].round(2).values.tolist()
    [['soil', 1.0], ['none', 0.5]]
    """
    classes = categories(np.ravel(np.asarray(response, dtype=object)))
    parts = {name: as_strata(given) for name, given in strata.items()}
    _check(classes, parts, neighbours)
    draws = rng or np.random.default_rng(1)
    present = (classes.codes >= 0) & np.all([part.codes >= 0 for part in parts.values()], axis=0)
    around = np.where(present[neighbours] & (neighbours >= 0), neighbours, -1)[present]
    mass = np.ones(present.size) if weights is None else np.asarray(weights, np.float64)
    field = _Neighbours(around, mass[around], mass[present])
    local = {name: field.power(classes.codes, part.codes) for name, part in parts.items()}
    reached = {name: np.empty(n_resamples) for name in parts}
    for at in range(n_resamples):
        dealt = classes.codes.copy()
        dealt[present] = draws.permutation(dealt[present])
        for name, part in parts.items():
            reached[name][at] = field.mean(field.power(dealt, part.codes))
    rows = [_row(name, parts[name], local[name], reached[name], field) for name in parts]
    table = pd.DataFrame(rows).sort_values("pd", ascending=False, kind="stable", ignore_index=True)
    table.insert(list(table.columns).index("p_value") + 1, "p_holm", holm(table["p_value"]))
    print_of_inputs = fingerprint(
        classes.codes, *(part.codes for part in parts.values()), tuple(parts), neighbours, weights
    )
    found = RoughSetResult(
        data=table,
        method="Spatial rough sets (SRSGD): mean share of a neighbourhood in which the stratum of "
        "a factor settles the class of the response.",
        references=(BAI2022,),
        fingerprint=print_of_inputs,
        choices=(
            f"p and chance from {n_resamples} ways of dealing the classes out anew.",
            "Units are " + ("not weighted." if weights is None else "weighted."),
        ),
        cautions=(
            "The p of rough sets takes units as exchangeable, which neighbouring cells of a map "
            "of classes are not: it shows more than there is on smooth maps.",
        ),
    )
    return RoughSets(found, _pairs(classes, parts, local, field, found))


def queen_units(cells: Units, shape: tuple[int, int]) -> Units:
    """List the up to eight cells around each cell, and itself.

    Parameters
    ----------
    cells : ndarray of int, shape (n,)
        Place of each unit in the grid, counted along rows.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    ndarray of int, shape (n, 9)
        Numbers of units; -1 where there is none.

    Examples
    --------
    >>> queen_units(np.array([0, 1, 5]), (2, 3))[0].tolist()
    [-1, -1, -1, -1, 0, 1, -1, -1, -1]
    """
    framed = np.full((shape[0] + 2, shape[1] + 2), -1, np.intp)
    rows, columns = np.divmod(cells, shape[1])
    framed[rows + 1, columns + 1] = np.arange(cells.size)
    steps = [(down, right) for down in (0, 1, 2) for right in (0, 1, 2)]
    return np.stack([framed[rows + down, columns + right] for down, right in steps], axis=1)


def nearest_units(places: npt.ArrayLike, number: int = 8) -> Units:
    """List the nearest points of each point, and itself.

    Parameters
    ----------
    places : array_like, shape (n, 2)
        Projected coordinates [m, or any one unit].
    number : int
        How many besides the point itself.

    Returns
    -------
    ndarray of int, shape (n, number + 1)

    Examples
    --------
    >>> nearest_units([[0.0, 0.0], [0.0, 1.0], [5.0, 0.0]], 1).tolist()
    [[0, 1], [1, 0], [2, 0]]
    """
    from scipy.spatial import cKDTree

    array = np.asarray(places, dtype=np.float64)
    near = min(number + 1, len(array))
    return np.asarray(cKDTree(array).query(array, near)[1], dtype=np.intp).reshape(len(array), near)


def _check(classes: Strata, parts: Mapping[str, Strata], neighbours: Units) -> None:
    if not parts or classes.realised < 2:
        raise DataError(
            "rough sets need factors, and a response of two classes at least",
            found=f"{len(parts)} factors, {classes.realised} classes",
            do="Give a response of classes",
        )
    sizes = {part.codes.shape for part in parts.values()} | {classes.codes.shape}
    if len(sizes) > 1 or len(neighbours) != classes.codes.size:
        raise DataError(
            "factors, response and neighbours are not of the same units",
            found=f"shapes {sorted(sizes)}, {len(neighbours)} neighbourhoods",
            do="Give one of each for every unit",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Neighbours:
    """Units around each unit, their weights, and the units' own."""

    around: Units
    mass: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]

    def power(self, classes: Codes, codes: Codes) -> npt.NDArray[np.float64]:
        """Share of each neighbourhood in the positive region."""
        there = self.around >= 0
        own, strata = classes[self.around], codes[self.around]
        unsettled = np.zeros(there.shape, bool)
        for other in range(there.shape[1]):
            alike = (strata == strata[:, other : other + 1]) & there[:, other : other + 1]
            unsettled |= alike & (own != own[:, other : other + 1])
        size = np.where(there, self.mass, 0.0)
        settled = np.where(unsettled, 0.0, size).sum(axis=1)
        share: npt.NDArray[np.float64] = settled / size.sum(axis=1)
        return share

    def mean(self, shares: npt.NDArray[np.float64]) -> float:
        """Average shares over the units."""
        return float(np.average(shares, weights=self.own))


def _row(
    name: str,
    part: Strata,
    local: npt.NDArray[np.float64],
    reached: npt.NDArray[np.float64],
    field: _Neighbours,
) -> dict[str, Any]:
    power, chance = field.mean(local), float(reached.mean()) if reached.size else np.nan
    part_of = local * field.own
    share = part_of[part_of > 0] / max(float(part_of.sum()), 1e-300)
    p = (1 + (reached >= power - 1e-12).sum()) / (1 + reached.size) if reached.size else np.nan
    return {
        "factor": name,
        "pd": power,
        "se_pd": float(-(share * np.log2(share)).sum()),
        "chance": chance,
        "pd_adjusted": (power - chance) / (1.0 - chance) if chance < 1 else np.nan,
        "p_value": float(p),
        "n": local.size,
        "strata": part.realised,
    }


def _pairs(
    classes: Strata,
    parts: Mapping[str, Strata],
    local: Mapping[str, npt.NDArray[np.float64]],
    field: _Neighbours,
    found: RoughSetResult,
) -> RoughSetPairs | None:
    if len(parts) < 2:
        return None
    rows = []
    for one, two in combinations(parts, 2):
        both = field.power(classes.codes, cross_strata(parts[one], parts[two]))
        power = [field.mean(local[one]), field.mean(local[two]), field.mean(both)]
        rows.append(
            {
                "factor_1": one,
                "factor_2": two,
                "pd_1": power[0],
                "pd_2": power[1],
                "pd_12": power[2],
                "interaction": interaction_class(*power),
                "n": both.size,
            }
        )
    table = pd.DataFrame(rows).sort_values("pd_12", ascending=False, kind="stable")
    return RoughSetPairs(
        data=table.reset_index(drop=True),
        method="Interaction of spatial rough sets: the local power of two factors crossed.",
        references=(BAI2022,),
        fingerprint=found.fingerprint,
        cautions=(
            "The classes of interaction compare plain powers, which grow with the number of cells.",
        ),
    )
