"""What is believed of the fractions before the data speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import lgamma
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headwater.errors import DataError, InputError, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "BoundaryPrior",
    "CappedPrior",
    "FractionPrior",
    "boundary_prior",
    "capped_prior",
    "clr_prior",
    "dirichlet_prior",
    "elicit_prior",
    "held_by_caps",
    "ilr_basis",
]


@dataclass(frozen=True, slots=True)
class FractionPrior:
    """A prior of K fractions.

    Attributes
    ----------
    kind : {"clr", "dirichlet"}
        Independent normals whose softmax are the fractions, or a Dirichlet distribution.
    first : tuple of float
        Means of the normals, or the Dirichlet's α.
    second : tuple of float
        Standard deviations of the normals; empty for a Dirichlet.
    """

    kind: Literal["clr", "dirichlet"]
    first: tuple[float, ...]
    second: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.first)

    def describe(self) -> str:
        """Say the prior in words."""
        if self.kind == "dirichlet":
            return f"Dirichlet({', '.join(f'{a:g}' for a in self.first)})"
        pairs = zip(self.first, self.second, strict=True)
        return f"softmax of normals {', '.join(f'{m:g} ± {s:g}' for m, s in pairs)}"

    def draw(self, count: int, rng: np.random.Generator) -> Any:
        """Draw fractions, (count, K)."""
        if self.kind == "dirichlet":
            return rng.dirichlet(self.first, size=count)
        raw = np.exp(rng.normal(self.first, self.second, size=(count, len(self))))
        return raw / raw.sum(axis=1, keepdims=True)

    def log_density(self, z: Any, log_p: Any) -> Any:
        """Log density in log-ratio coordinates z (K-1, ...); up to a constant but for Dirichlet."""
        if self.kind == "dirichlet":
            # dp/dz = √K Π p, so that each α - 1 becomes α.
            return np.tensordot(np.array(self.first), log_p, axes=1) + _log_norm(self.first)
        basis = ilr_basis(len(self))
        cov = basis.T @ np.diag(np.square(self.second)) @ basis
        root = np.linalg.inv(np.linalg.cholesky(cov))
        off = z - (basis.T @ np.array(self.first)).reshape(-1, *[1] * (z.ndim - 1))
        return -0.5 * np.square(np.tensordot(root, off, axes=1)).sum(axis=0)


def _log_norm(alpha: tuple[float, ...]) -> float:
    """Logarithm of what makes a Dirichlet density integrate to 1 in log-ratio coordinates."""
    return lgamma(sum(alpha)) - sum(lgamma(a) for a in alpha) + 0.5 * float(np.log(len(alpha)))


@dataclass(frozen=True, slots=True)
class BoundaryPrior(FractionPrior):
    """A Dirichlet prior under which each source may be absent, so that fractions can be 0 or 1.

    Every non-empty set of sources is as likely as another; within a set, the fractions have the
    Dirichlet distribution of its sources.
    """

    def describe(self) -> str:
        """Say the prior in words."""
        whole = FractionPrior(self.kind, self.first).describe()
        return f"any of the sources may be absent; {whole} of those that are present"

    def faces(self) -> list[tuple[int, ...]]:
        """Return the sets of sources that may be present, the largest first."""
        count = len(self)
        return [face for size in range(count, 0, -1) for face in combinations(range(count), size)]

    def of_face(self, face: tuple[int, ...]) -> FractionPrior:
        """Return the prior of the fractions of the sources that are present."""
        return FractionPrior("dirichlet", tuple(self.first[k] for k in face))

    def draw(self, count: int, rng: np.random.Generator) -> Any:
        """Draw fractions, (count, K)."""
        faces = self.faces()
        chosen = rng.integers(len(faces), size=count)
        drawn = np.zeros((count, len(self)))
        for at, face in enumerate(faces):
            rows = np.flatnonzero(chosen == at)
            drawn[rows[:, None], np.array(face)] = self.of_face(face).draw(len(rows), rng)
        return drawn

    def log_density(self, z: Any, log_p: Any) -> Any:
        """Refuse: there is no density where fractions are exactly 0."""
        raise DataError(
            "a prior under which sources may be absent has no density",
            found=self.describe(),
            do="Use mix_posterior or mix_evaporated, which sample it set by set",
        )


def boundary_prior(alpha: ArrayLike) -> BoundaryPrior:
    """Prior under which fractions can be exactly 0 or 1, for mixtures near a corner.

    Parameters
    ----------
    alpha : array of shape (K,)
        Of the Dirichlet distribution of the sources that are present; 1 for each makes every
        combination of them equally likely.

    Returns
    -------
    BoundaryPrior

    Raises
    ------
    DataError
        If an α is not positive, or there are more than 6 sources (63 sets).

    Examples
    --------
    >>> prior = boundary_prior([1, 1])
    >>> prior.faces()
    [(0, 1), (0,), (1,)]
    >>> drawn = prior.draw(3000, np.random.default_rng(0))[:, 0]
    >>> round(float((drawn == 0).mean()), 1), round(float((drawn == 1).mean()), 1)
    (0.3, 0.3)
    """
    flat = dirichlet_prior(alpha)
    if len(flat) > _MOST_FACES:
        raise DataError(
            f"{len(flat)} sources make too many sets of sources to sample each",
            found=f"{2 ** len(flat) - 1} sets",
            do=f"Join sources until there are at most {_MOST_FACES}, or use a Dirichlet prior",
        )
    return BoundaryPrior("dirichlet", flat.first)


def clr_prior(count: int, mean: ArrayLike = 0.0, sd: ArrayLike = 1.0) -> FractionPrior:
    """Softmax of independent normals, simmr's prior.

    Parameters
    ----------
    count : int
        Number of sources.
    mean, sd : float or array of shape (count,)
        Of the normals.

    Returns
    -------
    FractionPrior

    Raises
    ------
    DataError
        If a standard deviation is not positive.

    Examples
    --------
    >>> clr_prior(2).describe()
    'softmax of normals 0 ± 1, 0 ± 1'
    """
    means, sds = (np.broadcast_to(np.asarray(v, dtype=float), count) for v in (mean, sd))
    if not np.all(sds > 0.0):
        raise DataError(
            "the standard deviation of a prior must be above 0",
            found=f"{sds.min():g}",
            do="Use 1 for a vague prior",
        )
    return FractionPrior("clr", tuple(means.tolist()), tuple(sds.tolist()))


def dirichlet_prior(alpha: ArrayLike) -> FractionPrior:
    """Dirichlet prior; all α = 1 makes every combination of fractions equally likely.

    Parameters
    ----------
    alpha : array of shape (K,)
        Above 0.

    Returns
    -------
    FractionPrior

    Raises
    ------
    DataError
        If an α is not positive.

    Examples
    --------
    >>> dirichlet_prior([1, 1, 2]).describe()
    'Dirichlet(1, 1, 2)'
    """
    values = np.asarray(alpha, dtype=float)
    if not np.all(values > 0.0):
        raise DataError(
            "the α of a Dirichlet prior must be above 0",
            found=f"{values.min():g}",
            do="Use 1 for each source for a flat prior",
        )
    return FractionPrior("dirichlet", tuple(values.tolist()))


def elicit_prior(mean: ArrayLike, sd: float) -> FractionPrior:
    """Dirichlet prior from what an expert says: mean fractions, and how sure.

    Parameters
    ----------
    mean : array of shape (K,)
        Mean fractions, sum to 1 [1].
    sd : float
        Standard deviation of the largest of them [1].

    Returns
    -------
    FractionPrior

    Raises
    ------
    DataError
        If the means are not fractions of a whole, or the sd is larger than any Dirichlet allows.

    Notes
    -----
    ``α = mean · c`` with ``c = m (1 - m) / sd² - 1``, m the largest mean.

    Examples
    --------
    >>> elicit_prior([0.7, 0.2, 0.1], 0.1).first
    (14.0, 4.0, 2.0)
    """
    means = np.asarray(mean, dtype=float)
    if np.any(means <= 0.0) or abs(means.sum() - 1.0) > 1e-6:
        raise DataError(
            "mean fractions must be above 0 and sum to 1",
            found=f"{means.tolist()}",
            do="Give each source a share of the whole",
        )
    top = means.max()
    concentration = top * (1.0 - top) / sd**2 - 1.0
    if concentration <= 0.0:
        raise DataError(
            "the prior is wider than fractions can be",
            found=f"sd {sd:g}",
            do=f"Use an sd below {np.sqrt(top * (1 - top)):.2g}",
        )
    return dirichlet_prior((means * concentration).round(12))


def ilr_basis(count: int) -> Any:
    """Orthonormal basis of the log-ratios of K parts, (K, K-1).

    References
    ----------
    Egozcue et al. (2003), Isometric logratio transformations for compositional data analysis,
    Math. Geol. 35:279, doi:10.1023/A:1023818214614.

    Examples
    --------
    >>> (ilr_basis(3).T @ ilr_basis(3)).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    basis = np.zeros((count, count - 1))
    for j in range(count - 1):
        basis[: j + 1, j] = 1.0 / (j + 1)
        basis[j + 1, j] = -1.0
        basis[:, j] *= np.sqrt((j + 1) / (j + 2))
    return basis


_MOST_FACES = 6
_TRIES, _BLOCK = 200, 10_000
_NEAR = 0.9


@dataclass(frozen=True, slots=True)
class CappedPrior(FractionPrior):
    """A prior cut where a source would give more than it holds.

    Attributes
    ----------
    caps : tuple of float
        Largest fraction of each source [1]; 1 where there is none.
    names : tuple of str
        Of the sources.
    wall : float
        0 cuts; above 0 the density falls off beyond a cap within about this relative excess, so
        that a search for the mode has slopes to follow.
    """

    caps: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    wall: float = 0.0

    def describe(self) -> str:
        """Say the prior in words."""
        said = [
            f"{name} at most {cap:g}"
            for name, cap in zip(self.names, self.caps, strict=True)
            if cap < 1.0
        ]
        return ", ".join([self.whole().describe(), *said])

    def whole(self) -> FractionPrior:
        """Return the prior without its caps."""
        return FractionPrior(self.kind, self.first, self.second)

    def allows(self, p: ArrayLike) -> Any:
        """Say which fractions, (..., K), keep to the caps."""
        return (np.asarray(p) <= np.array(self.caps)).all(axis=-1)

    def draw(self, count: int, rng: np.random.Generator) -> Any:
        """Draw fractions, (count, K), by leaving out those above a cap."""
        whole, kept, found = self.whole(), [], 0
        for _ in range(_TRIES):
            drawn = whole.draw(max(count, _BLOCK), rng)
            kept.append(drawn[self.allows(drawn)])
            found += len(kept[-1])
            if found >= count:
                return np.concatenate(kept)[:count]
        raise DataError(
            "the caps and the prior of the fractions contradict each other",
            found=f"{found} of {_TRIES * max(count, _BLOCK)} draws of "
            f"{whole.describe()} keep to the caps",
            do="Raise a cap, or choose a prior that allows it",
        )

    def log_density(self, z: Any, log_p: Any) -> Any:
        """Log density in the isometric log-ratio coordinates z, up to a constant."""
        # Named, because a slotted dataclass is rebuilt and super() would not find it.
        inside = FractionPrior.log_density(self, z, log_p)
        limits = np.log(self.caps).reshape(-1, *[1] * (log_p.ndim - 1))
        if self.wall > 0.0:
            above = np.maximum(log_p - limits, 0.0) / self.wall
            return inside - 0.5 * np.square(above).sum(axis=0)
        return np.where((log_p <= limits).all(axis=0), inside, -np.inf)


def capped_prior(
    prior: FractionPrior, labels: Sequence[str], caps: Mapping[str, float]
) -> CappedPrior:
    """Cut a prior where a source would give more water than is there.

    Parameters
    ----------
    prior : FractionPrior
        What is believed of the fractions otherwise.
    labels : sequence of str
        Names of the sources, in the order of the prior.
    caps : mapping of str to float
        Largest fraction of a source: its available volume over that of the mixture [1].

    Returns
    -------
    CappedPrior
        For every engine that takes a prior; in the hierarchical one the caps hold for the common
        mean and for every cell.

    Raises
    ------
    InputError
        If a cap names no source.
    DataError
        If a cap is not positive, or the caps leave less than a whole.

    Notes
    -----
    The posterior is that of the whole prior, cut at the caps and normalised again.

    Examples
    --------
    >>> from headwater.isotopes.mixing.priors import dirichlet_prior
    >>> prior = capped_prior(dirichlet_prior([1, 1]), ("rain", "ice"), {"rain": 0.3})
    >>> prior.describe()
    'Dirichlet(1, 1), rain at most 0.3'
    >>> float(prior.draw(500, np.random.default_rng(0))[:, 0].max()) <= 0.3
    True
    """
    if len(labels) != len(prior):
        raise DataError(
            "the prior has another number of sources than the data",
            found=f"{len(prior)} and {len(labels)}",
            do="Give one value per source",
        )
    for name, cap in caps.items():
        if name not in labels:
            raise InputError("no such source", found=f"'{name}'", do=nearest(name, list(labels)))
        if not cap > 0.0:
            raise DataError(
                f"the cap of {name} must be above 0",
                found=f"{cap:g}",
                do="Leave the source out instead",
            )
    limits = tuple(min(float(caps.get(name, 1.0)), 1.0) for name in labels)
    if sum(limits) <= 1.0:
        raise DataError(
            "the available volumes of all sources do not fill the mixture",
            found=f"largest fractions sum to {sum(limits):g}",
            do="Raise a cap, or add the missing source",
        )
    return CappedPrior(prior.kind, prior.first, prior.second, limits, tuple(labels))


def held_by_caps(prior: FractionPrior, draws: Any, labels: Sequence[str]) -> tuple[str, ...]:
    """Say where the samples ask for more of a source than its cap allows.

    Parameters
    ----------
    prior : FractionPrior
        With caps, or without, when there is nothing to say.
    draws : array of shape (G, S, K)
        Posterior fractions [1]; NaN where there are none.
    labels : sequence of str
        Names of the groups.

    Returns
    -------
    tuple of str
        One sentence for each source whose median fraction lies above nine tenths of its cap in
        some group.

    Examples
    --------
    >>> from headwater.isotopes.mixing.priors import dirichlet_prior
    >>> prior = capped_prior(dirichlet_prior([1, 1]), ("rain", "ice"), {"rain": 0.3})
    >>> held_by_caps(prior, np.array([[[0.29, 0.71]] * 9]), ("June",))
    ('The cap of rain (0.3) holds its fraction in June: the samples ask for more ...',)
    """
    if not isinstance(prior, CappedPrior):
        return ()
    middle, said = np.median(draws, axis=1), []
    for k, (name, cap) in enumerate(zip(prior.names, prior.caps, strict=True)):
        held = [
            label
            for label, value in zip(labels, middle[:, k], strict=True)
            if cap < 1.0 and value > _NEAR * cap
        ]
        if held:
            where = held[0] if len(held) == 1 else f"{len(held)} of {len(labels)} groups"
            said.append(
                f"The cap of {name} ({cap:g}) holds its fraction in {where}: the samples ask for "
                "more of it than is there. Check the volume, or look for a source that is missing."
            )
    return tuple(said)
