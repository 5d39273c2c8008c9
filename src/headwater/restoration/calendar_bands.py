"""When the season starts, by altitude, aspect and year, and by when work must be done.

``SOS_ij = a + b z_i + q z_i² + c cos(aspect_i) + u_j + e_ij``: starts of season of places i in
years j, with years drawn from a distribution of their own, so that a deadline allows for the years
to come. Warmth climbs a mountain more slowly the higher it comes: hence the square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.restoration.profile import limits_of_seed, read_profile

__all__ = [
    "REMINDERS",
    "SeasonStart",
    "fit_season_start",
    "planting_method",
]

Floats = NDArray[np.float64]

_BENDS = 5
"""Altitudes from which on the fit may bend."""

REMINDERS = (60, 30, 14)
"""Days before a deadline at which people are reminded [d]."""


@dataclass(frozen=True, slots=True, eq=False)
class SeasonStart:
    """A fitted distribution of starts of season.

    Attributes
    ----------
    coefficients : ndarray, shape (4,)
        Intercept [day of year], per km above `reference` [d km-1], per its square [d km-2] (0 where
        there are fewer than five altitudes), and of the cosine of aspect [d].
    covariance : ndarray, shape (4, 4)
    year_sd, rest_sd : float
        Spread among years, and of places within a year [d].
    years : dict
        Departure of each year that was seen [d].
    reference : float
        Altitude of the intercept [m].
    n : int
        Starts that it was fitted on.
    lowest, highest : float
        Altitudes that were seen [m].
    """

    coefficients: Floats
    covariance: Floats
    year_sd: float
    rest_sd: float
    years: dict[int, float]
    reference: float
    n: int
    lowest: float
    highest: float

    def quantile(self, share: float, elevation: ArrayLike, aspect: ArrayLike = np.nan) -> Floats:
        """Predict a quantile of the start in a year to come.

        Parameters
        ----------
        share : float
            0.1 for an early start.
        elevation : array-like
            [m]
        aspect : array-like
            Clockwise from north; NaN for flat [degrees].

        Returns
        -------
        ndarray
            [day of year], from 1.
        """
        from scipy.special import stdtrit

        design = _design(elevation, aspect, self.reference)
        mean = design @ self.coefficients
        variance = np.einsum("...i,ij,...j->...", design, self.covariance, design)
        sd = np.sqrt(variance + self.year_sd**2 + self.rest_sd**2)
        freedom = max(len(self.years) - 1, 1)
        return np.asarray(mean + float(stdtrit(freedom, share)) * sd)


def fit_season_start(
    start: ArrayLike, elevation: ArrayLike, year: ArrayLike, aspect: ArrayLike | None = None
) -> SeasonStart:
    """Fit the start of season by altitude, aspect and year.

    Parameters
    ----------
    start : array-like, shape (n,)
        Day of year, from temperature, thaw and liquid soil water; NaN where there was none.
    elevation : array-like, shape (n,)
        [m]
    year : array-like of int, shape (n,)
    aspect : array-like, shape (n,), optional
        Clockwise from north; NaN for flat [degrees].

    Returns
    -------
    SeasonStart

    Raises
    ------
    DataError
        If there are fewer than eight starts or fewer than three years.

    Notes
    -----
    The spread among years and places is estimated by moments (analysis of variance within years),
    coefficients by generalised least squares with it.

    References
    ----------
    Searle, Casella & McCulloch (1992), Variance Components, doi:10.1002/9780470316856.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> z, year = np.tile([3200.0, 3800.0, 4400.0], 12), np.repeat(np.arange(12), 3)
    >>> sos = 140 + 25 * (z - 3800) / 1000 + rng.normal(0, 5, 12)[year] + rng.normal(0, 3, 36)
    >>> fitted = fit_season_start(sos, z, year)
    >>> bool(abs(fitted.coefficients[1] - 25) < 4)
    True
    """
    sos, height = np.asarray(start, dtype=np.float64), np.asarray(elevation, dtype=np.float64)
    years = np.asarray(year)
    facing = np.full(len(sos), np.nan) if aspect is None else np.asarray(aspect, np.float64)
    use = np.isfinite(sos) & np.isfinite(height)
    sos, height, years, facing = sos[use], height[use], years[use], facing[use]
    seasons = np.unique(years)
    if len(sos) < 8 or len(seasons) < 3:
        raise DataError(
            "too few starts of season for a calendar",
            found=f"{len(sos)} in {len(seasons)} years",
            do="Give at least 8 in 3 years; ten years or more for a deadline to trust",
        )
    reference = float(height.mean())
    design = _design(height, facing, reference)
    if len(np.unique(height)) < _BENDS:
        design[:, 2] = 0.0
    which = np.searchsorted(seasons, years)
    year_sd, rest_sd = _spreads(sos, design, which)
    coefficients, covariance = _generalised(sos, design, which, year_sd, rest_sd)
    rest = sos - design @ coefficients
    n = np.bincount(which)
    shrink = year_sd**2 / (year_sd**2 + rest_sd**2 / n) if year_sd > 0 else np.zeros(len(n))
    departure = shrink * np.bincount(which, rest) / n
    return SeasonStart(
        coefficients=coefficients,
        covariance=covariance,
        year_sd=year_sd,
        rest_sd=rest_sd,
        years={int(one): float(value) for one, value in zip(seasons, departure, strict=True)},
        reference=reference,
        n=len(sos),
        lowest=float(height.min()),
        highest=float(height.max()),
    )


def planting_method(
    elevation: float, limits: tuple[float, float, float] | None = None
) -> tuple[str, str]:
    """Choose between seed and transplants by altitude.

    Parameters
    ----------
    elevation : float
        [m]
    limits : tuple of float
        Altitude above which seed fails, with the low and high end of its range [m]; default: that
        of the shipped profile (39 reseeded quarries of 2800-5100 m).

    Returns
    -------
    method : {"sow", "transplant", "either"}
    reason : str

    Examples
    --------
    >>> planting_method(3500.0)[0], planting_method(4600.0)[0], planting_method(4150.0)[0]
    ('sow', 'transplant', 'either')
    """
    break_, low, high = limits or limits_of_seed(read_profile())
    if elevation < low:
        return "sow", f"{elevation:.0f} m lies below {low:.0f} m, where seed still takes"
    if elevation > high:
        return "transplant", f"{elevation:.0f} m lies above {high:.0f} m, where seed fails"
    return "either", f"seed breaks down at about {break_:.0f} m ({low:.0f} to {high:.0f} m)"


def _design(elevation: ArrayLike, aspect: ArrayLike, reference: float) -> Floats:
    z = (np.asarray(elevation, dtype=np.float64) - reference) / 1000
    facing = np.asarray(aspect, dtype=np.float64)
    north = np.where(np.isfinite(facing), np.cos(np.radians(facing)), 0.0)
    z, north = np.broadcast_arrays(z, north)
    return np.stack([np.ones(z.shape), z, z**2, north], axis=-1)


def _spreads(sos: Floats, design: Floats, which: NDArray[np.int64]) -> tuple[float, float]:
    """Spread within years, from what is left after years as fixed effects; then among them."""
    n = np.bincount(which)
    centred = design - np.array([np.bincount(which, one) / n for one in design.T]).T[which]
    within = sos - (np.bincount(which, sos) / n)[which]
    slope, _, rank, _ = np.linalg.lstsq(centred, within, rcond=None)
    freedom = max(len(sos) - len(n) - rank, 1)
    rest = float(((within - centred @ slope) ** 2).sum() / freedom)
    slope[0] = 0.0
    means = np.bincount(which, sos - design @ slope) / n
    among = float(means.var(ddof=1)) - rest * float((1 / n).mean())
    return float(np.sqrt(max(among, 0.0))), float(np.sqrt(rest))


def _generalised(
    sos: Floats, design: Floats, which: NDArray[np.int64], year_sd: float, rest_sd: float
) -> tuple[Floats, Floats]:
    """Solve generalised least squares; the inverse of each year's block is known in closed form."""
    rest = max(rest_sd, 1e-6) ** 2
    n = np.bincount(which)
    pulled = year_sd**2 / (rest + n * year_sd**2)
    sums = np.array([np.bincount(which, one) for one in design.T])
    total = np.bincount(which, sos)
    normal = (design.T @ design - (sums * pulled) @ sums.T) / rest
    right = (design.T @ sos - (sums * pulled) @ total) / rest
    covariance = np.asarray(np.linalg.pinv(normal, hermitian=True), dtype=np.float64)
    return covariance @ right, covariance
