"""Robust strata: the cuts of a ranked factor at which the response changes most (RGD, RID)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.breaks import optimal_breaks
from headwater.detector.factor_detector import factor
from headwater.detector.interaction_detector import interaction
from headwater.detector.q import check_varies, q_statistic, stratum_sums
from headwater.detector.results import FactorResult, InteractionResult
from headwater.detector.sample import same_units
from headwater.detector.strata import Strata, categories, interval_names, sectors, stratify
from headwater.detector.tree import SEARCHED
from headwater.errors import DataError
from headwater.glossary import Kind

__all__ = ["Robust", "rgd", "robust_strata"]

Floats = npt.NDArray[np.float64]

ZHANG2022 = (
    "Zhang, Z., Song, Y., Wu, P. (2022). Robust geographical detector. International Journal of "
    "Applied Earth Observation and Geoinformation 109, 102782. "
    "https://doi.org/10.1016/j.jag.2022.102782"
)
LIMITS = 20_000
"""Most places at which a class may end; a factor with more distinct values is thinned to them."""


@dataclass(frozen=True, slots=True, eq=False)
class Robust:
    """What robust strata explain.

    Attributes
    ----------
    strata : dict of str to Strata
        The partitions chosen.
    factor : FactorResult
        q of each factor (RGD).
    interaction : InteractionResult or None
        q of each pair crossed (RID); None with a single factor.
    sweep : DataFrame
        Columns factor, k, q, q_adjusted, rise (of q to the next k), chosen.
    """

    strata: Mapping[str, Strata]
    factor: FactorResult
    interaction: InteractionResult | None
    sweep: pd.DataFrame


def robust_strata(
    response: npt.ArrayLike,
    values: npt.ArrayLike,
    classes: int = 5,
    *,
    min_units: int = 2,
    limits: int | None = LIMITS,
) -> Strata:
    r"""Part a factor at the change points of the response.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    values : array_like, same shape
        The factor [any unit]; NaN is missing.
    classes : int
        How many classes.
    min_units : int
        Least units of a class.
    limits : int, optional
        Most places at which a class may end: up to that many distinct values the answer is exact;
        above, it is the best among so many places, evenly spread over the units.

    Returns
    -------
    Strata

    Raises
    ------
    DataError
        If the response or the factor is constant or empty, or no partition has so many classes of
        that size.

    Notes
    -----
    The response in the order of the factor is a signal, and its change points are the limits:

    .. math:: \min_{c_1 < \dots < c_{k-1}} \sum_{h=1}^{k} \sum_{i \in h} (y_i - \bar y_h)^2

    by the dynamic programme of :func:`headwater.detector.breaks.optimal_breaks`. Only the factor's
    ranks matter, so that a few extreme values move no limit: this is what "robust" means here. It
    is also the partition into k classes with the greatest q there is, and so the most optimistic.

    Equal values are never parted. The published programme cuts the sorted units wherever it pays,
    ties included, and then assigns units by their mean rank, so that with ties its classes are not
    the optimum it found.

    References
    ----------
    Zhang, Z., Song, Y., Wu, P. (2022). Robust geographical detector. International Journal of
    Applied Earth Observation and Geoinformation 109, 102782.
    https://doi.org/10.1016/j.jag.2022.102782

    Examples
    --------
    >>> robust_strata([0.1, 0.1, 0.4, 0.4], [1.0, 2.0, 3.0, 900.0], 2).names
    ('[1, 2]', '(2, 900]')
    """
    (strata,) = _parted(response, values, [classes], min_units, limits)
    return strata


def rgd(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    *,
    kinds: Mapping[str, Kind] | None = None,
    classes: Sequence[int] = range(3, 9),
    rise: float = 0.05,
    min_units: int = 2,
    weights: npt.ArrayLike | None = None,
) -> Robust:
    """Detect with robust strata: each factor (RGD) and each pair crossed (RID).

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    factors : mapping of str to array_like, same shape
        Continuous ones are cut; categories stay, directions become eight sectors.
    kinds : mapping of str to {"continuous", "circular", "categorical"}, optional
        Default: texts and booleans are categorical, numbers continuous.
    classes : sequence of int
        Numbers of classes to try.
    rise : float
        The first number of classes is chosen from which q rises by no more than this share to the
        next one; the greatest if there is none.
    min_units : int
        Least units of a class.
    weights : array_like, same shape, optional
        Weight of each unit in q; breaks are found without.

    Returns
    -------
    Robust

    Raises
    ------
    DataError
        As :func:`robust_strata`; the message names the factor.

    Notes
    -----
    gdverse chooses the number of classes by the same share on a loess curve through q; as the exact
    q only grows with k, no curve is needed.

    References
    ----------
    Zhang, Z., Song, Y., Wu, P. (2022). Robust geographical detector. International Journal of
    Applied Earth Observation and Geoinformation 109, 102782.
    https://doi.org/10.1016/j.jag.2022.102782

    Examples
    --------
    >>> x = np.arange(60.0)
    >>> found = rgd(np.floor(x / 20), {"x": x})
    >>> found.factor.data[["factor", "q", "strata"]].values.tolist()
    [['x', 1.0, 3]]
    """
    strata: dict[str, Strata] = {}
    rows: list[dict[str, Any]] = []
    for name, given in factors.items():
        array = np.asarray(given)
        kind = (kinds or {}).get(name, "continuous") if array.dtype.kind in "iuf" else "categorical"
        if kind == "continuous":
            strata[name], tried = _searched(name, response, array, classes, rise, min_units)
            rows += tried
        else:
            strata[name] = sectors(array) if kind == "circular" else categories(array)
    values, parts = same_units(response, strata)
    alone = factor(values, parts, weights=weights)
    pairs = interaction(values, parts, weights=weights) if len(parts) > 1 else None
    words = (
        f"Classes: the first number of {min(classes)} to {max(classes)} from which q rises by no "
        f"more than {rise:.0%}; no class of fewer than {min_units} units.",
    )
    columns = ["factor", "k", "q", "q_adjusted", "rise", "chosen"]
    return Robust(
        strata=strata,
        factor=replace(
            alone,
            method="Factor detector on robust strata (RGD): " + alone.method,
            references=(ZHANG2022, *alone.references),
            choices=(*words, *alone.choices),
            cautions=(SEARCHED, *alone.cautions),
        ),
        interaction=pairs
        and replace(
            pairs,
            method="Robust interaction detector (RID): " + pairs.method,
            references=(ZHANG2022, *pairs.references),
            choices=(*words, *pairs.choices),
            cautions=(SEARCHED, *pairs.cautions),
        ),
        sweep=pd.DataFrame(rows, columns=columns),
    )


def _searched(
    name: str,
    response: npt.ArrayLike,
    array: npt.NDArray[Any],
    classes: Sequence[int],
    rise: float,
    min_units: int,
) -> tuple[Strata, list[dict[str, Any]]]:
    """Cut a factor into every number of classes and choose one."""
    numbers = sorted(set(classes))
    try:
        tried = _parted(response, array, numbers, min_units, LIMITS)
    except DataError as error:
        raise DataError(f"{name}: {error.wrong}", found=error.found, do=error.do) from error
    statistics = [q_statistic(stratum_sums(response, part.codes, part.realised)) for part in tried]
    q = np.array([statistic.q for statistic in statistics])
    rises = np.append(q[1:] / q[:-1] - 1.0, np.nan)
    slow = np.flatnonzero(rises <= rise)
    chosen = int(slow[0]) if slow.size else q.size - 1
    rows = [
        {
            "factor": name,
            "k": number,
            "q": statistic.q,
            "q_adjusted": statistic.adjusted,
            "rise": growth,
            "chosen": place == chosen,
        }
        for place, (number, statistic, growth) in enumerate(
            zip(numbers, statistics, rises, strict=True)
        )
    ]
    return tried[chosen], rows


def _parted(
    response: npt.ArrayLike,
    values: npt.ArrayLike,
    classes: Sequence[int],
    min_units: int,
    limits: int | None,
) -> list[Strata]:
    """Part a factor into every number of classes, by one search."""
    x, y = np.asarray(values, np.float64), np.asarray(response, np.float64)
    used = np.where(np.isnan(y), np.nan, x)
    found = optimal_breaks(used, y, classes, min_units=min_units, limits=limits)
    check_varies(*_squares(y[~np.isnan(used)]))
    reached = [
        inner for inner, number in zip(found, classes, strict=True) if inner.size == number - 1
    ]
    if len(reached) < len(found) or min(classes) < 2:
        raise DataError(
            "no partition has so many classes of that size",
            found=f"{(~np.isnan(used)).sum()} units, {np.unique(used[~np.isnan(used)]).size} "
            f"distinct values, {max(classes)} classes",
            do=f"Ask for 2 classes or more, of at least {min_units} units each",
        )
    # missing responses may lie beyond the units that were used
    ends = (float(np.nanmin(x)), float(np.nanmax(x)))
    parts = [stratify(x, breaks=[-np.inf, *inner.tolist(), np.inf]) for inner in found]
    named = [(ends[0], *part.breaks[1:-1], ends[1]) for part in parts]
    return [
        replace(part, breaks=edges, names=interval_names(edges), method="robust", requested=number)
        for part, edges, number in zip(parts, named, classes, strict=True)
    ]


def _squares(y: Floats) -> tuple[float, int, float]:
    mean = float(y.mean())
    return float(((y - mean) ** 2).sum()), y.size, mean
