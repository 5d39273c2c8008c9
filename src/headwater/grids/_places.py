"""Where stations are, how far apart, and what drift they stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError

__all__: list[str] = []

Floats = NDArray[np.float64]

EARTH_RADIUS = 6_371_008.8
"""Mean radius of the Earth (IUGG) [m]."""


def embed(coordinates: Floats, geographic: bool) -> Floats:
    """Put places where straight lines rank as distances do: the plane, or a sphere in space [m]."""
    if not geographic:
        return coordinates
    longitude, latitude = np.deg2rad(coordinates).T
    level = np.cos(latitude)
    axes = (level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude))
    return EARTH_RADIUS * np.column_stack(axes)


def along(straight: Floats, geographic: bool) -> Floats:
    """Turn straight distances between embedded places into true ones."""
    if not geographic:
        return straight
    return 2.0 * EARTH_RADIUS * np.arcsin(np.minimum(straight / (2.0 * EARTH_RADIUS), 1.0))


def between(first: Floats, second: Floats, geographic: bool) -> Floats:
    """Measure all distances between two sets of embedded places."""
    from scipy.spatial.distance import cdist

    return along(cdist(first, second), geographic)


def checked_places(coordinates: ArrayLike, geographic: bool) -> Floats:
    """Return coordinates as floats of shape (place, 2), or say what is wrong with them."""
    places = np.asarray(coordinates, dtype=float)
    if places.ndim != 2 or places.shape[1] != 2 or not np.isfinite(places).all():
        raise DataError(
            "every place needs two finite coordinates",
            found=f"an array of shape {places.shape}",
            do="Give (easting, northing) or (longitude, latitude), shape (place, 2)",
        )
    if geographic and len(places) and np.abs(places[:, 1]).max() > 90.0:
        raise DataError(
            "a latitude is beyond a pole",
            found=f"{places[np.abs(places[:, 1]).argmax(), 1]:g}",
            do="Give (longitude, latitude) in this order, in degrees",
        )
    return places


def drift_columns(drift: Any, places: int) -> Floats:
    """Return external drift as floats of shape (place, k), k = 0 without drift."""
    if drift is None:
        return np.empty((places, 0))
    columns = np.asarray(drift, dtype=float)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2 or len(columns) != places:
        raise DataError(
            "drift and places differ in number",
            found=f"drift of shape {np.shape(drift)} for {places} places",
            do="Give one row for each place",
        )
    return columns
