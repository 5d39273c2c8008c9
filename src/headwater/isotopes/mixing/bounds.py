"""Which fractions are possible at all, when sources outnumber what the tracers can distinguish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes._arrays import Flags, Floats
from headwater.isotopes.mixing._simplex import basic_solutions
from headwater.isotopes.mixing.composition import Composition, check_sources, name_rows
from headwater.isotopes.mixing.results import BoundsTable
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["feasible_bounds", "fraction_bounds"]

_REFERENCE = (
    "Phillips & Gregg (2003), Source partitioning using stable isotopes: coping with too many "
    "sources, Oecologia 136:261, doi:10.1007/s00442-003-1218-3"
)
_ROUND = 1e-9


def fraction_bounds(
    sources: Any, mixtures: Any, *, tolerance: Any = 0.0, caps: Any = None
) -> tuple[Any, Any]:
    """Smallest and largest possible fraction of each source.

    Parameters
    ----------
    sources : array of shape (K, T)
        Means.
    mixtures : array of shape (N, T)
        What was measured.
    tolerance : float or array of shape (T,)
        By how much a mixture may miss each tracer, in the tracer's unit.
    caps : array of shape (K,), optional
        Largest fraction of each source [1].

    Returns
    -------
    tuple of array of shape (N, K)
        Low and high [1]; NaN where no mixture of these sources is possible.

    Notes
    -----
    The possible fractions are a polytope, and a fraction is smallest and largest at one of its
    corners. Each corner mixes at most T + 1 sources: they are enumerated, for all mixtures at once.
    With a tolerance or caps the two linear programmes of each fraction are solved.

    Examples
    --------
    >>> low, high = fraction_bounds([[-10.0], [-14.0], [-18.0]], [[-12.0]])
    >>> low.tolist(), high.tolist()
    ([[0.5, 0.0, 0.0]], [[0.75, 0.5, 0.25]])
    """
    s, y = np.asarray(sources, dtype=float), np.atleast_2d(np.asarray(mixtures, dtype=float))
    if caps is None and not np.any(tolerance) and s.shape[0] > s.shape[1]:
        return _corners(s, y)
    limits = np.ones(len(s)) if caps is None else np.minimum(np.asarray(caps, dtype=float), 1.0)
    room = np.broadcast_to(np.asarray(tolerance, dtype=float), s.shape[1])
    pairs = [_programmes(s, point, room, limits) for point in y]
    return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def _corners(s: Floats, y: Floats) -> tuple[Any, Any]:
    low, high = np.full((len(y), len(s)), np.inf), np.full((len(y), len(s)), -np.inf)
    for chosen, fractions in basic_solutions(y, s):
        rows = np.flatnonzero((fractions >= -_ROUND).all(axis=-1))
        corner = np.zeros((len(rows), len(s)))
        corner[:, list(chosen)] = np.clip(fractions[rows], 0.0, 1.0)
        low[rows] = np.minimum(low[rows], corner)
        high[rows] = np.maximum(high[rows], corner)
    possible = np.isfinite(low)
    return np.where(possible, low, np.nan), np.where(possible, high, np.nan)


def _programmes(s: Floats, point: Floats, room: Floats, limits: NDArray[Any]) -> tuple[Any, Any]:
    from scipy.optimize import linprog

    k = len(s)
    answers = []
    for sign in (1.0, -1.0):
        for i in range(k):
            found = linprog(
                sign * np.eye(k)[i],
                A_ub=np.vstack([s.T, -s.T]),
                b_ub=np.concatenate([point + room, room - point]) + _ROUND,
                A_eq=np.ones((1, k)),
                b_eq=[1.0],
                bounds=list(zip(np.zeros(k), limits, strict=True)),
                method="highs",
            )
            answers.append(sign * found.fun if found.status == 0 else np.nan)
    return np.array(answers[:k]), np.array(answers[k:])


@of_inputs
def feasible_bounds(
    sources: Composition,
    mixtures: Composition,
    *,
    tolerance: ArrayLike = 0.0,
    caps: Mapping[str, float] | None = None,
) -> BoundsTable:
    """Range of every fraction that the means allow: the exact answer to too many sources.

    Parameters
    ----------
    sources : Composition
        Any number of end members.
    mixtures : Composition
        Samples or groups, with every tracer.
    tolerance : float or array of shape (T,)
        By how much a mixture may miss each tracer.
    caps : mapping of str to float, optional
        Largest fraction of a source [1].

    Returns
    -------
    BoundsTable
        Ranges of single fractions; not every combination within them is possible.

    Raises
    ------
    DataError
        If a source or mixture lacks a tracer, or two sources are identical.

    References
    ----------
    Phillips & Gregg (2003), Oecologia 136:261, doi:10.1007/s00442-003-1218-3 (by a grid of 1 %;
    here exact).

    Examples
    --------
    >>> from headwater.isotopes.mixing.composition import compose_stated
    >>> ends = compose_stated(pd.DataFrame({"source": ["rain", "snow", "ice"],
    ...                                     "d18O": [-10.0, -14.0, -18.0]}), ["d18O"])
    >>> soil = compose_stated(pd.DataFrame({"source": ["soil"], "d18O": [-12.0]}), ["d18O"])
    >>> feasible_bounds(ends, soil).data[["source", "low", "high"]].values.tolist()
    [['rain', 0.5, 0.75], ['snow', 0.0, 0.5], ['ice', 0.0, 0.25]]
    """
    check_sources(sources, need_spread=False)
    lacking = ~np.isfinite(mixtures.mean).all(axis=1)
    if lacking.any():
        label = mixtures.labels[int(np.argmax(lacking))]
        raise DataError(
            f"{label} lacks a tracer{mixtures.where(label)}",
            do="Leave out the tracer or the mixture",
        )
    limits = None if caps is None else np.array([caps.get(name, 1.0) for name in sources.labels])
    low, high = fraction_bounds(sources.mean, mixtures.mean, tolerance=tolerance, caps=limits)
    k = len(sources)
    possible = np.isfinite(low[:, 0])
    table = pd.DataFrame(
        {
            "mixture": np.repeat(mixtures.labels, k),
            "source": list(sources.labels) * len(mixtures),
            "low": low.ravel(),
            "high": high.ravel(),
            "status": np.repeat(np.where(possible, "ok", "outside the polygon"), k),
        }
    )
    table.attrs["units"] = {"low": "1", "high": "1"}
    return BoundsTable(
        table,
        "Smallest and largest possible fraction of each source, by linear programming.",
        (_REFERENCE,),
        choices=tuple(f"{name} may make up at most {cap:g}" for name, cap in (caps or {}).items()),
        cautions=_impossible(mixtures, possible),
    )


def _impossible(mixtures: Composition, possible: Flags) -> tuple[str, ...]:
    """Name the mixtures that no fractions of these sources make."""
    outside = np.flatnonzero(~possible)
    if not len(outside):
        return ()
    rows = [row for at in outside for row in mixtures.rows[at]] if mixtures.rows else []
    return (
        f"{len(outside)} of {len(mixtures)} mixtures lie outside the polygon of the "
        f"sources{name_rows(rows)}: nothing is possible.",
    )
