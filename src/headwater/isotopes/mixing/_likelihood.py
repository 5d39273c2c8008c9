"""The posterior of fractions, many groups at once: density, mode, and weighted draws.

Arrays hold the parameter first: ``theta`` is (D, G, S), D = K - 1 log-ratios and one residual
parameter per tracer, G groups, S points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.isotopes._arrays import Floats
from headwater.isotopes.mixing.importance_sampling import pareto_smooth, resample
from headwater.isotopes.mixing.priors import CappedPrior, FractionPrior, ilr_basis

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Draws", "Likelihood", "find_modes", "sample"]

_T_DOF = 5.0
_STEPS = np.array([1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 0.0])
_WIDEST = 20.0
_DEFENCE, _FAR = 6, 3.0
_BENT, _HEAVY, _RESCUES, _KNOTS, _SMALL = 0.45, 0.3, 2, 100, 0.6
_WALL = 0.05


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Normal mixtures of K sources, from sufficient statistics of each group.

    n, mean (G, T) and scatter (G, T, T) of the mixtures; ``error`` (G, T, T) known errors of single
    values; means (K, T) and covariances (K, T, T) of sources; ``mean_errors`` (K, T, T) of their
    means; the residual model, the Gamma prior of simmr's σ, and the prior of fractions; ``root``
    (T, T), a root of the residual covariance that is expected; ``apart``, whether each tracer is
    taken by itself because values are missing; ``concentration`` (K, T), or None where all are 1.
    """

    n: Any
    mean: Any
    scatter: Any
    error: Any
    source_mean: Any
    source_covariance: Any
    mean_errors: Any
    residual: str
    sigma_prior: tuple[float, float]
    prior: FractionPrior
    root: Any = None
    apart: bool = False
    concentration: Any = None

    def pick(self, groups: Floats) -> Likelihood:
        """Return the likelihood of these groups alone."""
        return replace(
            self,
            n=self.n[groups],
            mean=self.mean[groups],
            scatter=self.scatter[groups],
            error=self.error[groups],
        )

    def of_sources(self, kept: tuple[int, ...]) -> Likelihood:
        """Return the likelihood where these sources alone may be present."""
        at = list(kept)
        prior: Any = self.prior
        q = None if self.concentration is None else self.concentration[at]
        return replace(
            self,
            source_mean=self.source_mean[at],
            source_covariance=self.source_covariance[at],
            mean_errors=self.mean_errors[at],
            prior=prior.of_face(kept),
            concentration=q,
        )

    def softened(self) -> Likelihood:
        """Return the likelihood with caps that have a slope, for the search of the mode."""
        if not isinstance(self.prior, CappedPrior):
            return self
        return replace(self, prior=replace(self.prior, wall=_WALL))

    @property
    def size(self) -> int:
        """Number of parameters, D."""
        k, t = self.source_mean.shape
        own = t * (t + 1) // 2 if self.full else 0 if self.residual == "process" else t
        return int(k - 1 + own)

    @property
    def full(self) -> bool:
        """Whether the residual has a covariance of its own, with a Wishart prior."""
        return self.residual in ("residual", "both")

    @property
    def correlated(self) -> bool:
        """Whether tracers must be taken together."""
        off = ~np.eye(self.mean.shape[1], dtype=bool)
        if self.apart or not off.any():
            return False
        return (
            self.full
            or bool(np.any(self.source_covariance[:, off]))
            or bool(np.any(self.error[:, off]))
        )

    def log_fractions(self, theta: Floats) -> Any:
        """Return log p, (K, G, S)."""
        clr = np.tensordot(ilr_basis(len(self.source_mean)), theta[: len(self.source_mean) - 1], 1)
        top = clr.max(axis=0)
        return clr - top - np.log(np.exp(clr - top).sum(axis=0))

    def __call__(self, theta: Floats) -> Any:
        """Return the log posterior density, (G, S), up to a constant."""
        k = len(self.source_mean)
        z, u = theta[: k - 1], theta[k - 1 :]
        log_p = self.log_fractions(theta)
        weights = self._weights(np.exp(log_p))
        total = self.prior.log_density(z, log_p) + self._residual_prior(u)
        centre = [np.tensordot(m, w, 1) for m, w in zip(self.source_mean.T, weights, strict=True)]
        miss = self.mean.T[:, :, None] - np.array(centre)
        if self.correlated:
            return total + self._together(weights, u, miss)
        return total + self._apart(weights, u, miss)

    def _weights(self, p: Floats) -> list[Any]:
        """Share of each source in each tracer, T of (K, G, S), by concentration."""
        if self.concentration is None:
            return [p] * self.mean.shape[1]
        parts = [p * q[:, None, None] for q in self.concentration.T]
        return [part / part.sum(axis=0) for part in parts]

    def _residual_prior(self, u: NDArray[Any]) -> Any:
        if self.residual == "process":
            return 0.0
        if self.full:  # Bartlett's root of a Wishart: it does not depend on the choice of tracers
            t = self.mean.shape[1]
            dof = t + 1.0
            own = (dof - np.arange(t))[:, None, None] * u[:t] - 0.5 * dof * np.exp(2.0 * u[:t])
            return own.sum(axis=0) - 0.5 * dof * np.square(u[t:]).sum(axis=0)
        if self.residual == "process_residual":  # ξ = 20 / (1 + exp(-u)), uniform
            return -(np.logaddexp(0.0, -u) + np.logaddexp(0.0, u)).sum(axis=0)
        shape, rate = self.sigma_prior  # σ = exp(u)
        return (shape * u - rate * np.exp(u)).sum(axis=0)

    def residual_covariance(self, u: Any, i: int, j: int) -> Any:
        """Covariance of tracers i and j of the residual: ``R B Bᵀ Rᵀ``, B lower triangular."""
        t = self.mean.shape[1]
        b = [
            [np.exp(u[r]) if r == c else u[t + r * (r - 1) // 2 + c] for c in range(r + 1)]
            for r in range(t)
        ]

        def entry(row: int, column: int) -> Any:
            return sum(self.root[row, m] * b[m][column] for m in range(column, row + 1))

        return sum(entry(i, c) * entry(j, c) for c in range(min(i, j) + 1))

    def _variance(self, weights: list[Any], u: Any, i: int, j: int) -> Any:
        """Covariance of tracers i and j between mixtures of a group."""
        spread: Any = 0.0
        if self.residual != "residual":
            spread = np.tensordot(self.source_covariance[:, i, j], weights[i] * weights[j], 1)
        if self.residual == "process_residual":
            spread = spread * _WIDEST / np.sqrt((1.0 + np.exp(-u[i])) * (1.0 + np.exp(-u[j])))
        elif self.full:
            spread = spread + self.residual_covariance(u, i, j)
        elif self.residual == "simmr" and i == j:
            spread = spread + np.exp(2.0 * u[i])
        known = self.error[:, i, j]
        return spread + known[:, None] if known.any() else spread

    def _apart(self, weights: list[Any], u: ArrayLike, miss: Floats) -> Any:
        total: Any = 0.0
        for j in range(self.mean.shape[1]):
            n = self.n[:, j, None]
            v = self._variance(weights, u, j, j)
            fuzzy = self.mean_errors[:, j, j]
            ss = self.scatter[:, j, j, None]
            if fuzzy.any():
                w = v + n * np.tensordot(fuzzy, weights[j] ** 2, 1)
                total = total - 0.5 * (
                    (n - 1) * np.log(v) + np.log(w) + ss / v + n * miss[j] ** 2 / w
                ) * (n > 0)
            else:
                total = total - 0.5 * (n * np.log(v) + (ss + n * miss[j] ** 2) / v)
        return total

    def _together(self, weights: list[Any], u: ArrayLike, miss: Floats) -> Any:
        t = self.mean.shape[1]
        n = self.n[:, :1]
        v = [[self._variance(weights, u, i, j) for j in range(i + 1)] for i in range(t)]
        lower = _cholesky(v)
        root = _roots(self.scatter)
        within = sum(
            (_solve_lower(lower, [root[:, i, c, None] for i in range(t)])) for c in range(t)
        )
        logs = sum(np.log(lower[i][i]) for i in range(t))
        if not self.mean_errors.any():
            return -n * logs - 0.5 * (within + n * _solve_lower(lower, list(miss)))
        w = [
            [
                v[i][j] + n * np.tensordot(self.mean_errors[:, i, j], weights[i] * weights[j], 1)
                for j in range(i + 1)
            ]
            for i in range(t)
        ]
        wide = _cholesky(w)
        return (
            -(n - 1) * logs
            - sum(np.log(wide[i][i]) for i in range(t))
            - 0.5 * (within + n * _solve_lower(wide, list(miss)))
        )


def _cholesky(v: Any) -> Any:
    """Cholesky factor of matrices whose entries are arrays: for few tracers and many points."""
    lower: list[list[Any]] = []
    for i in range(len(v)):
        row: list[Any] = []
        for j in range(i):
            done = sum(row[c] * lower[j][c] for c in range(j))
            row.append((v[i][j] - done) / lower[j][j])
        row.append(np.sqrt(np.maximum(v[i][i] - sum(x * x for x in row), 1e-300)))
        lower.append(row)
    return lower


def _solve_lower(lower: NDArray[Any], right: list[Any]) -> Any:
    """Return |L⁻¹ r|²."""
    done: list[Any] = []
    for i, value in enumerate(right):
        done.append((value - sum(lower[i][c] * done[c] for c in range(i))) / lower[i][i])
    return sum(x * x for x in done)


def _roots(scatter: Floats) -> Any:
    values, vectors = np.linalg.eigh(scatter)
    return vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]


def find_modes(density: Likelihood, *, rounds: int = 25) -> tuple[Any, Any]:
    """Mode of each group, and the covariance of the normal that fits there: (G, D), (G, D, D)."""
    theta = _start(density)
    for _ in range(rounds):
        gradient, curvature = _derivatives(density, theta)
        values, vectors = np.linalg.eigh(-curvature)
        values = np.maximum(np.abs(values), 0.05)
        step = np.einsum("gij,gj,gkj,gk->gi", vectors, 1.0 / values, vectors, gradient)
        step /= np.maximum(np.abs(step).max(axis=1, keepdims=True) / 2.0, 1.0)
        tried = theta.T[:, :, None] + step.T[:, :, None] * _STEPS
        heights = density(tried)
        best = _STEPS[np.argmax(np.where(np.isfinite(heights), heights, -np.inf), axis=1)]
        theta = theta + best[:, None] * step
        if np.abs(best[:, None] * step).max() < 1e-4:
            break
    return theta, np.einsum("gij,gj,gkj->gik", vectors, 1.0 / values, vectors)


def _start(density: Likelihood) -> Any:
    k, t = density.source_mean.shape
    extra = density.size - (k - 1)
    corners = np.vstack([np.zeros(k), 1.5 * np.eye(k)]) @ ilr_basis(k)
    sd = np.sqrt(density.source_covariance.diagonal(axis1=1, axis2=2).mean(axis=0))
    middle = np.zeros(extra) if density.residual == "process_residual" else np.log(0.5 * sd + 1e-6)
    if density.full:
        middle = np.append(np.full(t, np.log(0.5)), np.zeros(extra - t))
    lower = np.where(np.arange(extra) < t, -2.0, 0.0)
    points = np.concatenate(
        [np.hstack([corners, np.tile(middle[:extra] + s, (k + 1, 1))]) for s in (lower, 0.0)]
    )
    tried = np.repeat(points.T[:, None, :], len(density.mean), axis=1)
    return points[np.argmax(density(tried), axis=1)]


def _derivatives(density: Likelihood, theta: Floats, h: float = 1e-3) -> tuple[Any, Any]:
    d = density.size
    pairs = [(i, j) for i in range(d) for j in range(i)]
    unit = h * np.eye(d)
    steps = [np.zeros(d), *unit, *-unit]
    for i, j in pairs:
        steps += [unit[i] + unit[j], unit[i] - unit[j], unit[j] - unit[i], -unit[i] - unit[j]]
    value = density(theta.T[:, :, None] + np.array(steps).T[:, None, :])
    plus, minus = value[:, 1 : d + 1], value[:, d + 1 : 2 * d + 1]
    curvature = np.zeros((len(theta), d, d))
    curvature[:, range(d), range(d)] = (plus + minus - 2.0 * value[:, :1]) / h**2
    crossed = value[:, 2 * d + 1 :].reshape(len(theta), -1, 4) @ [1.0, -1.0, -1.0, 1.0]
    for at, (i, j) in enumerate(pairs):
        curvature[:, i, j] = curvature[:, j, i] = crossed[:, at] / (4.0 * h**2)
    return (plus - minus) / (2.0 * h), curvature


@dataclass(frozen=True, slots=True)
class Draws:
    """Parameters (D, G, S) and the logarithm of their weights (G, S)."""

    theta: Any
    log_weights: Any


def sample(density: Likelihood, count: int, rng: np.random.Generator) -> Draws:
    """Draw from a multivariate t that was fitted to the posterior in two pilot rounds.

    Groups whose posterior is bent, so that it fits badly, are drawn again from a mixture that
    follows the bend: many small t about draws of the first attempt.
    """
    if density.size == 0:
        theta = np.zeros((0, len(density.mean), count))
        return Draws(theta, np.broadcast_to(density(theta), theta.shape[1:]).copy())
    centre, cov = find_modes(density.softened())
    for pilot in (1500, 3000):
        centre, cov = _adapt(_draw(density, centre, cov, None, pilot, rng), centre, cov)
    drawn = _draw(density, centre, cov, None, count, rng)
    for _ in range(_RESCUES):
        efficiency = _efficiency(drawn.log_weights)
        bent = np.flatnonzero((efficiency > 0.0) & (efficiency < _BENT))
        bent = bent[_tails(drawn.log_weights[bent]) > _HEAVY]
        if len(bent) == 0:
            break
        part = density.pick(bent)
        part_draws = Draws(drawn.theta[:, bent], drawn.log_weights[bent])
        spread = _adapt(part_draws, centre[bent], cov[bent])
        again = _draw(part, *spread, _knots(part_draws, *spread, rng), count, rng)
        better = _tails(again.log_weights) < _tails(part_draws.log_weights)
        drawn.theta[:, bent[better]] = again.theta[:, better]
        drawn.log_weights[bent[better]] = again.log_weights[better]
    return drawn


def _relative(log_weights: Floats) -> Any:
    """Weights relative to the largest of their group; 0 where no draw keeps to the caps."""
    top = log_weights.max(axis=1, keepdims=True)
    return np.exp(log_weights - np.where(np.isfinite(top), top, 0.0))


def _efficiency(log_weights: Floats) -> Any:
    weights = _relative(log_weights)
    squares = np.maximum(np.square(weights).sum(axis=1), 1e-300)
    return weights.sum(axis=1) ** 2 / squares / weights.shape[1]


def _tails(log_weights: Floats) -> Any:
    return np.array([pareto_smooth(row)[1] for row in log_weights])


def _knots(drawn: Draws, centre: Floats, cov: Floats, rng: np.random.Generator) -> Any:
    """Draws of the posterior, (G, D, M), in units of the proposal."""
    weights = _relative(drawn.log_weights)
    chosen = np.array([resample(w / w.sum(), _KNOTS, rng) for w in weights])
    points = np.take_along_axis(np.moveaxis(drawn.theta, 0, 1), chosen[:, None, :], axis=2)
    return np.linalg.solve(np.linalg.cholesky(cov), points - centre[:, :, None])


def _draw(
    density: Likelihood,
    centre: Floats,
    cov: Floats,
    knots: Any,
    count: int,
    rng: np.random.Generator,
) -> Draws:
    """Draw from t about the centre (or about knots, smaller), every sixth from a far wider one.

    The wide one is for the long tails of fractions near 0.
    """
    d, groups = density.size, len(centre)
    size = 1.0 if knots is None else _SMALL
    normal = rng.standard_normal((groups, d, count))
    scale = rng.standard_gamma(_T_DOF / 2.0, (groups, 1, count)) * (2.0 / _T_DOF)  # χ²₅ / 5
    reach = np.full(count, size)
    reach[::_DEFENCE] = _FAR
    white = normal * (reach / np.sqrt(scale))
    if knots is not None:
        at = rng.integers(knots.shape[2], size=count)
        white += np.where(np.arange(count) % _DEFENCE == 0, 0.0, knots[:, :, at])
    root = np.linalg.cholesky(cov)
    theta = np.ascontiguousarray(np.moveaxis(centre[:, :, None] + root @ white, 1, 0))
    volume = np.log(root.diagonal(axis1=1, axis2=2)).sum(axis=1)[:, None]
    return Draws(theta, density(theta) - _log_proposal(white, knots, size, d) + volume)


def _log_proposal(white: Floats, knots: NDArray[Any], size: float, d: int) -> Any:
    from scipy.special import gammaln

    power = -0.5 * (_T_DOF + d)
    length = np.square(white).sum(axis=1) / _T_DOF
    far = power * np.log1p(length / _FAR**2) - d * np.log(_FAR)
    if knots is None:
        near = power * np.log1p(length)
    else:
        tall: Any = 0.0
        for m in range(knots.shape[2]):
            off = np.square(white - knots[:, :, m, None]).sum(axis=1) / (_T_DOF * size**2)
            tall = tall + (1.0 + off) ** power
        near = np.log(tall / knots.shape[2]) - d * np.log(size)
    whole = gammaln(0.5 * (_T_DOF + d)) - gammaln(0.5 * _T_DOF) - 0.5 * d * np.log(_T_DOF * np.pi)
    return np.logaddexp(near + np.log(_DEFENCE - 1.0), far) + whole - np.log(_DEFENCE)


def _adapt(drawn: Draws, centre: Floats, cov: Floats) -> tuple[Any, Any]:
    """Mean and covariance of the weighted pilot draws, the largest weights cut to tame them."""
    weights = _relative(drawn.log_weights)
    ceiling = weights.mean(axis=1, keepdims=True) * np.sqrt(weights.shape[1])
    weights = np.minimum(weights, ceiling)
    total, squares = weights.sum(axis=1), np.square(weights).sum(axis=1)
    usable = np.square(total) / np.maximum(squares, 1e-300) > 20 * len(cov[0])
    weights /= np.maximum(total, 1e-300)[:, None]
    mean = np.einsum("gs,dgs->gd", weights, drawn.theta)
    off = drawn.theta - mean.T[:, :, None]
    spread = np.einsum("gs,dgs,egs->gde", weights, off, off, optimize=True)
    shrunk = spread * (_T_DOF - 1.5) / _T_DOF + 1e-10 * np.eye(spread.shape[-1])
    return (np.where(usable[:, None], mean, centre), np.where(usable[:, None, None], shrunk, cov))
