"""The two ways to solve kriging: one system of all stations, or a small one around each place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.grids.variogram import Variogram, along, between

__all__: list[str] = []

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ENTRIES_AT_ONCE = 4_000_000
_SYSTEMS_AT_ONCE = 2_048
_ALIKE = 1e-12


class Solved(NamedTuple):
    """Weights of the stations (target, station) and kriging variance (target,)."""

    matrix: Any
    variance: Floats


class LeftOut(NamedTuple):
    """Estimate minus value, and kriging variance, of every station from the others."""

    error: Floats
    variance: Floats


@dataclass(eq=False)
class Stations:
    """What both ways share: embedded stations, their scaled drift, and the covariance."""

    places: Floats
    base: Floats
    variogram: Variogram
    geographic: bool

    def covariance(self, first: Floats, second: Floats) -> Floats:
        return self.variogram.covariance(between(first, second, self.geographic))


@dataclass(eq=False)
class GlobalSystem:
    """All stations at once, through one Cholesky factor.

    With C the covariances of the stations, F their drift (a column of ones first), c and f those of
    a target: weights ``w = C⁻¹ (c + F μ)``, ``μ = S⁻¹ (f - Fᵀ C⁻¹ c)``, ``S = Fᵀ C⁻¹ F``.

    A missing station needs no new system. The best estimate from the stations O that have a value
    is the estimate from all, once the missing ones M are given their own best estimates from O,
    ``z_M = -B_MM⁻¹ B_MO z_O`` with B the stations' block of the inverse of the bordered matrix.
    """

    stations: Stations
    factor: Any = field(init=False)
    drift_solved: Floats = field(init=False)
    inner: Floats = field(init=False)
    _block: Floats | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        from scipy.linalg import cho_factor, lapack

        known = self.stations
        matrix = known.covariance(known.places, known.places)
        norm = np.abs(matrix).sum(axis=0).max()
        try:
            self.factor = cho_factor(matrix, lower=True, overwrite_a=True)
        except np.linalg.LinAlgError as error:
            raise _singular() from error
        condition, _ = lapack.dpocon(self.factor[0], norm, uplo="L")
        if condition < len(matrix) * np.finfo(float).eps:
            raise _singular()
        solved = self._solve(known.base)
        self.inner = np.asarray(np.linalg.inv(known.base.T @ solved), dtype=float)
        self.drift_solved = solved @ self.inner

    def _solve(self, right: Floats) -> Floats:
        from scipy.linalg import cho_solve

        solution: Floats = cho_solve(self.factor, right, check_finite=False)
        return solution

    def block(self) -> Floats:
        """Return B; of size (station, station), made when first asked for."""
        if self._block is None:
            inverse = self._solve(np.eye(len(self.stations.base)))
            self._block = inverse - self.drift_solved @ (self.stations.base.T @ inverse)
        return self._block

    def weights(self, targets: Floats, base: Floats, missing: Flags | None = None) -> Solved:
        n = len(self.stations.base)
        matrix, variance = np.empty((len(targets), n)), np.empty(len(targets))
        for rows in _slices(len(targets), n):
            matrix[rows], variance[rows] = self._weights(targets[rows], base[rows])
        if missing is None or not missing.any():
            return Solved(matrix, variance)
        lost, kept = matrix[:, missing], ~missing
        bordered = self.block()[missing]
        moved = np.linalg.solve(bordered[:, missing], lost.T).T
        matrix[:, kept] -= moved @ bordered[:, kept]
        matrix[:, missing] = 0.0
        return Solved(matrix, variance + np.einsum("ij,ij->i", lost, moved))

    def _weights(self, targets: Floats, base: Floats) -> tuple[Floats, Floats]:
        near = self.stations.covariance(targets, self.stations.places)
        multiplier = base @ self.inner - near @ self.drift_solved
        right = near + multiplier @ self.stations.base.T
        weights = self._solve(right.T).T
        variance = self.stations.variogram.sill - (weights * near).sum(axis=1)
        return weights, variance + (base * multiplier).sum(axis=1)

    def variance(self, targets: Floats, base: Floats, missing: Flags | None = None) -> Floats:
        variance = np.empty(len(targets))
        for rows in _slices(len(targets), len(self.stations.base)):
            variance[rows] = self.weights(targets[rows], base[rows], missing).variance
        return variance

    def estimate(self, values: Floats, targets: Floats, base: Floats) -> Floats:
        """Estimate (time, target) by the dual form: one solution per time, none per target."""
        values = self.completed(values)
        drift = values @ self.drift_solved
        solved = self._solve((values - drift @ self.stations.base.T).T).T
        estimates = np.empty((len(values), len(targets)))
        for rows in _slices(len(targets), len(self.stations.base)):
            near = self.stations.covariance(targets[rows], self.stations.places)
            estimates[:, rows] = solved @ near.T + drift @ base[rows].T
        return estimates

    def completed(self, values: Floats) -> Floats:
        """Give missing stations their best estimate from the others of the same time."""
        values = values.copy()
        for missing, times in patterns(values):
            if not missing.any():
                continue
            if not _solvable(self.stations.base[~missing]):
                values[times] = np.nan
                continue
            bordered = self.block()[missing]
            right = values[np.ix_(times, ~missing)] @ bordered[:, ~missing].T
            values[np.ix_(times, missing)] = -np.linalg.solve(bordered[:, missing], right.T).T
        return values

    def leave_one_out(self, values: Floats) -> LeftOut:
        """Return errors (time, station) in closed form, from the diagonal of B (Dubrule 1983)."""
        completed = self.completed(values)
        block = self.block()
        variance = np.broadcast_to(1.0 / np.diag(block), values.shape).copy()
        for missing, times in patterns(values):
            if not missing.any():
                continue
            kept = ~missing
            bordered = block[missing]
            moved = np.linalg.solve(bordered[:, missing], bordered[:, kept])
            left = np.diag(block)[kept] - (moved * bordered[:, kept]).sum(axis=0)
            # A station that others cannot replace (the last ones of a time) leaves nothing here.
            known = left > 1e-9 * np.diag(block)[kept]
            variance[np.ix_(times, kept)] = np.where(
                known, 1.0 / np.where(known, left, 1.0), np.nan
            )
        error = -(completed @ block) * variance
        absent = np.isnan(values)
        error[absent] = variance[absent] = np.nan
        return LeftOut(error, np.where(np.isnan(error), np.nan, variance))


@dataclass(eq=False)
class LocalSystems:
    """The nearest stations of each target, a small bordered system each, solved in batches.

    For a time with missing stations, only targets that miss one of their neighbours are solved
    again, with the next nearest in its place.
    """

    stations: Stations
    neighbours: int

    def _nearest(self, targets: Floats, valid: Flags, *, skip_own: bool = False) -> Any:
        """Return distance and position (target, neighbour) of the nearest valid stations."""
        from scipy.spatial import cKDTree

        positions = np.flatnonzero(valid)
        count = min(self.neighbours + skip_own, len(positions))
        straight, index = cKDTree(self.stations.places[positions]).query(targets, k=count)
        straight, index = straight.reshape(-1, count), index.reshape(-1, count)
        if skip_own:
            straight, index = straight[:, 1:], index[:, 1:]
        return along(straight, self.stations.geographic), positions[index]

    def _solve(self, distance: Floats, index: NDArray[np.int64], base: Floats) -> Any:
        """Return weights (target, neighbour) and variance (target,)."""
        known, count = self.stations, index.shape[1]
        drifts, sill = base.shape[1], known.variogram.sill
        weights, variance = np.empty(index.shape), np.empty(len(index))
        for rows in _slices(len(index), 1, _SYSTEMS_AT_ONCE):
            places = known.places[index[rows]]
            straight = np.sqrt(((places[:, :, None] - places[:, None]) ** 2).sum(axis=-1))
            size = count + drifts
            matrix = np.zeros((len(places), size, size))
            covariance = known.variogram.covariance(along(straight, known.geographic))
            matrix[:, :count, :count] = covariance / sill
            matrix[:, :count, count:] = known.base[index[rows]]
            matrix[:, count:, :count] = matrix[:, :count, count:].swapaxes(1, 2)
            near = known.variogram.covariance(distance[rows]) / sill
            right = np.concatenate([near, base[rows]], axis=1)
            _check_local(matrix[:, :count, :count], known.base[index[rows]])
            solution = np.linalg.solve(matrix, right[..., None])[..., 0]
            weights[rows] = solution[:, :count]
            variance[rows] = sill * (1.0 - (solution * right).sum(axis=1))
        return weights, variance

    def _sparse(self, weights: Floats, index: NDArray[np.int64]) -> Any:
        from scipy.sparse import csr_matrix

        ends = np.arange(0, weights.size + 1, weights.shape[1])
        shape = (len(weights), len(self.stations.places))
        return csr_matrix((weights.ravel(), index.ravel(), ends), shape=shape)

    def weights(self, targets: Floats, base: Floats, missing: Flags | None = None) -> Solved:
        valid = np.ones(len(self.stations.places), dtype=bool) if missing is None else ~missing
        distance, index = self._nearest(targets, valid)
        weights, variance = self._solve(distance, index, base)
        return Solved(self._sparse(weights, index), variance)

    def variance(self, targets: Floats, base: Floats, missing: Flags | None = None) -> Floats:
        return self.weights(targets, base, missing).variance

    def estimate(self, values: Floats, targets: Floats, base: Floats) -> Floats:
        """Estimate (time, target) with weights solved once for each pattern of missing stations."""
        everyone = np.ones(len(self.stations.places), dtype=bool)
        distance, index = self._nearest(targets, everyone)
        weights, _ = self._solve(distance, index, base)
        estimates = np.full((len(targets), len(values)), np.nan)
        for missing, times in patterns(values):
            if not _solvable(self.stations.base[~missing]):
                continue
            touched = missing[index].any(axis=1)
            own_weights, own_index = weights[~touched], index[~touched]
            series = np.ascontiguousarray(np.where(missing, 0.0, values[times]).T)
            whole = len(times) == len(values) and not touched.any()
            if whole:
                return np.asarray(self._sparse(weights, index) @ series).T
            part = np.empty((len(targets), len(times)))
            if not touched.all():
                part[~touched] = self._sparse(own_weights, own_index) @ series
            if touched.any():
                far, other = self._nearest(targets[touched], ~missing)
                again, _ = self._solve(far, other, base[touched])
                part[touched] = self._sparse(again, other) @ series
            estimates[:, times] = part
        return estimates.T

    def leave_one_out(self, values: Floats) -> LeftOut:
        """Return errors (time, station), each station estimated from its nearest others."""
        error, variance = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
        for missing, times in patterns(values):
            kept = np.flatnonzero(~missing)
            base = self.stations.base[kept]
            if len(kept) < 2 or not _solvable(base, spare=1):
                continue
            distance, index = self._nearest(self.stations.places[kept], ~missing, skip_own=True)
            weights, left = self._solve(distance, index, base)
            series = np.where(missing, 0.0, values[times])
            estimate = np.asarray(self._sparse(weights, index) @ series.T).T
            error[np.ix_(times, kept)] = estimate - series[:, kept]
            variance[np.ix_(times, kept)] = left
        return LeftOut(error, variance)


def patterns(values: Floats) -> Iterator[tuple[Flags, NDArray[np.int64]]]:
    """Group times by which stations are missing."""
    missing = np.isnan(values)
    packed = np.packbits(missing, axis=1)
    _, first, group = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(group.ravel()))
    for start, stop, example in zip(np.r_[0, ends[:-1]], ends, first, strict=True):
        yield missing[example], order[start:stop]


def _solvable(base: Floats, spare: int = 0) -> bool:
    """Whether so many stations determine their drift."""
    if len(base) < base.shape[1] + spare:
        return False
    return bool(base.shape[1] == 1 or np.linalg.matrix_rank(base) == base.shape[1])


def _check_local(correlation: Floats, base: Floats) -> None:
    """Refuse neighbourhoods whose values repeat each other, or where drift and mean are one."""
    try:
        left = np.linalg.cholesky(correlation).diagonal(axis1=1, axis2=2).min(initial=1.0) ** 2
    except np.linalg.LinAlgError as error:
        raise _singular() from error
    alike = False
    if base.shape[2] > 1:
        spread = np.linalg.eigvalsh(base.swapaxes(1, 2) @ base)
        alike = bool((spread[:, 0] < _ALIKE * spread[:, -1]).any())
    if alike or left < _ALIKE:
        raise _singular()


def _slices(n: int, width: int, at_once: int | None = None) -> Iterator[slice]:
    step = at_once or max(1, _ENTRIES_AT_ONCE // width)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _singular() -> DataError:
    return DataError(
        "the kriging system is singular",
        found="stations so near each other, or a model so smooth, that their values repeat; or "
        "a drift that is the same at all stations of a neighbourhood",
        do="Give the variogram a nugget, another model than gaussian, or more neighbours",
    )
