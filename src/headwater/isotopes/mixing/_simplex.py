"""The nearest mixture of given sources: least squares on the simplex, face by face."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.errors import DataError
from headwater.isotopes._arrays import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["affine_solve", "basic_solutions", "project"]

_BLOCK = 1 << 15
_ROUND = 1e-10


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
        if limits[full].sum() <= 1.0 + _ROUND:
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
        inside = (fractions >= -_ROUND).all(axis=1) & (fractions <= limits[free] + _ROUND).all(1)
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
