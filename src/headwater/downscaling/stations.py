"""Stations as points of the residual field: where they stand, and how noisy they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError, GridError

if TYPE_CHECKING:
    from headwater.downscaling.covariance import ResidualCovariance
    from headwater.downscaling.support_operator import Support

__all__ = ["StationResiduals", "station_noise", "station_pixels"]

Floats = NDArray[np.float64]

_LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class StationResiduals:
    """What stations measured beyond the learner's prediction at their pixels.

    Attributes
    ----------
    xy_km : ndarray, shape (n_stations, 2)
        Places in the plane of the support [km].
    values : ndarray, shape (n_days, n_stations)
        Measured minus predicted, NaN where there is none [m3 m-3].
    noise_sd : ndarray, shape (n_stations,), optional
        White noise, of the sensor and of the point against its pixel [m3 m-3]; default: from the
        short-lag differences of each series.
    names : tuple of str
        For messages.
    """

    xy_km: Floats
    values: Floats
    noise_sd: Floats | None = None
    names: tuple[str, ...] = ()


def station_pixels(stations: StationResiduals, support: Support) -> NDArray[np.intp]:
    """Find the pixel in which each station stands.

    Parameters
    ----------
    stations : StationResiduals
        With places in the plane of the support.
    support : Support
        Of the cells over the pixels.

    Returns
    -------
    ndarray of int, shape (n_stations,)

    Raises
    ------
    GridError
        If a station stands outside of the grid.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> grid = SimpleNamespace(fine_xy=np.array([[0.0, 0.0], [5.0, 0.0]]))
    >>> station_pixels(StationResiduals(np.array([[4.0, 1.0]]), np.zeros((1, 1))), grid).tolist()
    [1]
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(support.fine_xy)
    spacing = float(np.median(tree.query(support.fine_xy, k=2)[0][:, 1]))
    distance, pixel = tree.query(np.asarray(stations.xy_km, dtype=float))
    # half a diagonal, with room for pixels that are higher than wide
    outside = np.flatnonzero(~(distance <= spacing))
    if outside.size:
        first = int(outside[0])
        name = stations.names[first] if stations.names else f"number {first + 1}"
        raise GridError(
            "a station stands outside of the grid",
            found=f"station {name}, {distance[first]:.1f} km from the nearest pixel"
            + (f", and {outside.size - 1} more" if outside.size > 1 else ""),
            do="Leave it out, correct its coordinates, or take a larger area",
        )
    return np.asarray(pixel, dtype=np.intp)


def station_noise(stations: StationResiduals, covariance: ResidualCovariance) -> Floats:
    """Estimate the white noise of each station from the differences of following days.

    Parameters
    ----------
    stations : StationResiduals
        With or without noise of their own.
    covariance : ResidualCovariance
        Of the field, whose own change from day to day is taken off.

    Returns
    -------
    ndarray, shape (n_stations,)
        Variance [m6 m-6]; at least a tenth of the field's standard deviation squared, for a point
        is not its pixel.

    Notes
    -----
    Half the mean square of differences of following days, less Σ σ_k² (1 − exp(−1 / τ_k)). A
    station without following days gets the field's own variance.

    Examples
    --------
    >>> from headwater.downscaling.covariance import Component, ResidualCovariance
    >>> field = ResidualCovariance((Component(1e-4, 50.0, float("inf")),), 0.02)
    >>> values = np.random.default_rng(1).normal(0.0, 0.02, (400, 1))
    >>> station_noise(StationResiduals(np.zeros((1, 2)), values), field).round(4).tolist()
    [0.0004]
    """
    if stations.noise_sd is not None:
        given = np.broadcast_to(np.asarray(stations.noise_sd, float), stations.values.shape[1:])
        if not (np.isfinite(given) & (given > 0)).all():
            raise DataError(
                "noise of a station must be a positive number",
                found=f"{given}",
                do="Give its standard deviation in m3 m-3",
            )
        return given**2
    change = sum(
        one.variance * -math.expm1(-1.0 / one.memory_days) for one in covariance.components
    )
    steps = np.diff(np.asarray(stations.values, dtype=float), axis=0) ** 2
    seen = np.isfinite(steps)
    half = np.where(seen, steps, 0.0).sum(axis=0) / (2.0 * np.maximum(seen.sum(axis=0), 1))
    point = max(covariance.point_sd**2, 1e-12)
    return np.where(seen.any(axis=0), np.maximum(half - change, _LEAST_SHARE**2 * point), point)
