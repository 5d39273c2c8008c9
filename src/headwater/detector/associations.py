"""How alike factors are: what a detector cannot distinguish."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.results import AssociationResult
from headwater.detector.strata import Strata, as_strata, cross_strata
from headwater.results import of_inputs

__all__ = ["association"]

Floats = npt.NDArray[np.float64]


@of_inputs
def association(
    strata: Mapping[str, Any],
    values: Mapping[str, npt.ArrayLike] | None = None,
    *,
    limit: float = 0.7,
    weights: npt.ArrayLike | None = None,
) -> AssociationResult:
    r"""Compare the factors with each other, pair by pair.

    Parameters
    ----------
    strata : mapping of str to Strata or array_like
        Partitions of the same units.
    values : mapping of str to array_like, optional
        The continuous factors themselves [any unit], for Pearson's r.
    limit : float
        From which absolute r, or V, on a pair is named in the cautions.
    weights : array_like, same shape, optional
        Weight of each unit.

    Returns
    -------
    AssociationResult
        r [1] (NaN unless both are continuous), Cramér's V of the strata [1] and n.

    Notes
    -----
    .. math:: V = \sqrt{\chi^2 / (n (\min(L_1, L_2) - 1))}

    References
    ----------
    Cramér, H. (1946). Mathematical Methods of Statistics. Princeton University Press.

    Examples
    --------
    >>> association({"a": [0, 0, 1, 1], "b": ["x", "x", "y", "y"]}).data["cramers_v"].tolist()
    [1.0]
    """
    partitions = {name: as_strata(given) for name, given in strata.items()}
    numbers = {name: np.asarray(given, np.float64) for name, given in (values or {}).items()}
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    rows = []
    for (name_1, first), (name_2, second) in combinations(partitions.items(), 2):
        v, n = _cramers_v(first, second, unit)
        known = name_1 in numbers and name_2 in numbers
        r = _pearson(numbers[name_1], numbers[name_2], unit) if known else np.nan
        rows.append({"factor_1": name_1, "factor_2": name_2, "r": r, "cramers_v": v, "n": n})
    columns = ["factor_1", "factor_2", "r", "cramers_v", "n"]
    table = pd.DataFrame(rows, columns=columns)
    return AssociationResult(
        data=table,
        method="Association of the factors: Pearson's r of continuous factors and Cramér's V of "
        "the strata.",
        choices=("Units are " + ("weighted." if weights is not None else "not weighted."),),
        cautions=_cautions(table, limit),
    )


def _cramers_v(first: Strata, second: Strata, unit: Floats | None) -> tuple[float, int]:
    crossed = cross_strata(first, second).ravel()
    shape = (first.realised, second.realised)
    both = crossed >= 0
    n = int(both.sum())
    each = None if unit is None else unit[both] * n / max(float(unit[both].sum()), 1e-300)
    counts = np.bincount(crossed[both], each, minlength=shape[0] * shape[1]).reshape(shape)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    least = min(counts.shape) - 1
    if n == 0 or least < 1:
        return np.nan, n
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / n
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi2 / (n * least))), n


def _pearson(first: Floats, second: Floats, unit: Floats | None) -> float:
    both = ~(np.isnan(first) | np.isnan(second))
    w = np.ones(int(both.sum())) if unit is None else unit[both]
    a, b = (one[both] - np.average(one[both], weights=w) for one in (first, second))
    spread = float(np.sqrt((w @ a**2) * (w @ b**2)))
    return float((w * a) @ b) / spread if spread > 0 else np.nan


def _cautions(table: pd.DataFrame, limit: float) -> tuple[str, ...]:
    words = []
    for row in table.to_dict("records"):
        r, v = row["r"], row["cramers_v"]
        if abs(r) >= limit or v >= limit:
            size = f"r = {r:.2f}" if abs(r) >= limit else f"Cramér's V = {v:.2f}"
            words.append(
                f"{row['factor_1']} and {row['factor_2']} go together ({size}, n = {row['n']}): "
                "their q values share one pattern, and which of the two drives it stays open."
            )
    return tuple(words)
