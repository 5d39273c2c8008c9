"""Which fractions of given sources are possible at all, and the nearest of them to a mixture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes._arrays import Flags, Floats
from headwater.isotopes.mixing.composition import Composition, check_sources, name_rows
from headwater.isotopes.mixing.results import BoundsTable
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "affine_solve",
    "basic_solutions",
    "feasible_bounds",
    "fraction_bounds",
    "project",
]

_REFERENCE = (
    "Phillips & Gregg (2003), Source partitioning using stable isotopes: coping with too many "
    "sources, Oecologia 136:261, doi:10.1007/s00442-003-1218-3"
)
_ROUND = 1e-9
_BLOCK = 1 << 15
_ON_FACE = 1e-10


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


def affine_solve(sources: Floats) -> Any:
    """Return B with ``df = B dy``: how least-squares fractions that sum to 1 follow the mixture.

    `sources` are (..., K, T) in a metric where errors are independent and of unit size; B is
    (..., K, T).
    """
    last = sources[..., -1:, :]
    steps = sources[..., :-1, :] - last
    gram = steps @ np.swapaxes(steps, -1, -2)
    scale = np.maximum(np.trace(gram, axis1=-2, axis2=-1), 1e-300)[..., None, None]
    if np.any(np.linalg.det(gram / scale) < 1e-13 ** max(gram.shape[-1] - 1, 1)):
        raise DataError(
            "the sources lie on one line (or plane) in the space of the tracers",
            found=f"{sources.shape[-2]} sources and {sources.shape[-1]} tracers that do not "
            "distinguish them",
            do="Join sources, or add a tracer",
        )
    first = np.linalg.solve(gram, steps)
    return np.concatenate([first, -first.sum(axis=-2, keepdims=True)], axis=-2)


def _faces(k: int, size: int, capped: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield (free, at their cap): the largest faces first."""
    for free_count in range(min(k, size), 0, -1):
        for free in combinations(range(k), free_count):
            others = [i for i in capped if i not in free]
            for count in range(len(others) + 1):
                for full in combinations(others, count):
                    yield list(free), list(full)


def project(mixtures: Floats, sources: Floats, caps: Any = None) -> tuple[Any, Any]:
    """Nearest mixtures, in Euclidean distance.

    `mixtures` (N, T); `sources` (K, T), or (N, K, T) where each mixture has its own; `caps` (K,),
    the largest fraction of each source. Returns fractions (N, K) and squared distances (N,).
    """
    n, k = len(mixtures), sources.shape[-2]
    limits = np.ones(k) if caps is None else np.minimum(np.asarray(caps, dtype=float), 1.0)
    found, off = np.zeros((n, k)), np.empty(n)
    pieces = list(_pieces(sources, limits))
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        own = sources.ndim == 3
        found[rows], off[rows] = _project_block(
            mixtures[rows],
            sources[rows] if own else sources,
            limits,
            [(f, u, b[rows] if own else b) for f, u, b in pieces],
        )
    return found, off


def _pieces(sources: Floats, limits: NDArray[Any]) -> Iterator[tuple[list[int], list[int], Any]]:
    k, t = sources.shape[-2:]
    capped = tuple(np.flatnonzero(limits < 1.0).tolist())
    for free, full in _faces(k, t + 1, capped):
        if limits[full].sum() <= 1.0 + _ON_FACE:
            yield (
                free,
                full,
                affine_solve(sources[..., free, :])
                if len(free) > 1
                else np.zeros((*sources.shape[:-2], 1, t)),
            )


def _project_block(y: Floats, sources: Floats, limits: Any, pieces: Any) -> tuple[Any, Any]:
    n, k = len(y), sources.shape[-2]
    found, best = np.zeros((n, k)), np.full(n, np.inf)
    todo = np.arange(n)
    for free, full, operator in pieces:
        own = sources.ndim == 3
        s, b = (sources[todo], operator[todo]) if own else (sources, operator)
        fractions, off = _on_face(y[todo], s, b, free, full, limits[full])
        inside = (fractions >= -_ON_FACE).all(axis=1) & (fractions <= limits[free] + _ON_FACE).all(
            1
        )
        nearer = inside & (off < best[todo])
        if not nearer.any():
            continue
        rows = todo[nearer]
        best[rows] = off[nearer]
        found[rows] = 0.0
        found[np.ix_(rows, free)] = np.clip(fractions[nearer], 0.0, 1.0)
        if full:
            found[np.ix_(rows, full)] = limits[full]
        if len(free) == k:  # inside the hull of all sources nothing can be nearer
            todo = todo[~nearer]
    return found, best


def _on_face(
    y: Floats,
    sources: Floats,
    operator: Any,
    free: list[int],
    at_cap: list[int],
    limits: NDArray[Any],
) -> tuple[Any, Any]:
    rest = 1.0 - limits.sum()
    last = sources[..., free[-1], :]
    left = y - rest * last
    if at_cap:
        left = left - np.tensordot(limits, sources[..., at_cap, :], axes=(0, -2))
    own = sources.ndim == 3
    fractions = np.einsum("nkt,nt->nk", operator, left) if own else left @ operator.T
    fractions[:, -1] += rest
    if len(free) == 1:
        miss = left
    elif own:
        miss = left - np.einsum(
            "nk,nkt->nt", fractions[:, :-1], sources[:, free[:-1]] - last[:, None]
        )
    else:
        miss = left - fractions[:, :-1] @ (sources[free[:-1]] - last)
    return fractions, np.einsum("nt,nt->n", miss, miss)


def basic_solutions(mixtures: Floats, sources: Floats) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield, for every T + 1 sources that span the space, the fractions that make each mixture.

    `mixtures` (N, T), `sources` (..., K, T). Yields the sources' numbers and fractions
    (..., N, T + 1), unconstrained; flat choices yield NaN.
    """
    k, t = sources.shape[-2:]
    bordered = np.concatenate([sources, np.ones((*sources.shape[:-1], 1))], axis=-1)
    wanted = np.concatenate([mixtures, np.ones((len(mixtures), 1))], axis=-1)
    reach = np.maximum(np.ptp(sources, axis=-2).prod(axis=-1), 1e-300)
    for chosen in combinations(range(k), t + 1):
        square = bordered[..., list(chosen), :]
        flat = np.abs(np.linalg.det(square)) <= 1e-9 * reach
        inverse = np.linalg.inv(np.where(flat[..., None, None], np.eye(t + 1), square))
        yield chosen, np.where(flat[..., None, None], np.nan, wanted @ inverse)
