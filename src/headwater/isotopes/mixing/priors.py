"""What is believed of the fractions before the data speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from headwater.errors import DataError

__all__ = ["FractionPrior", "clr_prior", "dirichlet_prior", "elicit_prior", "ilr_basis"]


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
        """Log density in the isometric log-ratio coordinates z (K-1, ...), up to a constant."""
        if self.kind == "dirichlet":
            # dp/dz = √K Π p, so that each α - 1 becomes α.
            return np.tensordot(np.array(self.first), log_p, axes=1)
        basis = ilr_basis(len(self))
        cov = basis.T @ np.diag(np.square(self.second)) @ basis
        root = np.linalg.inv(np.linalg.cholesky(cov))
        off = z - (basis.T @ np.array(self.first)).reshape(-1, *[1] * (z.ndim - 1))
        return -0.5 * np.square(np.tensordot(root, off, axes=1)).sum(axis=0)


def clr_prior(count: int, mean: Any = 0.0, sd: Any = 1.0) -> FractionPrior:
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


def dirichlet_prior(alpha: Any) -> FractionPrior:
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


def elicit_prior(mean: Any, sd: float) -> FractionPrior:
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
