"""Means of every station over days, pentads or a whole period: what interpolation needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.glossary import GLOSSARY
from headwater.network.inventory import Stream, list_series
from headwater.network.quality.flags import Flag, bits_of, doubted
from headwater.network.store.protocol import Store
from headwater.units import convert

__all__ = ["StationMeans", "choose_series", "mean_of_series", "station_means"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StationMeans:
    """Means of stations over intervals.

    Attributes
    ----------
    stations : DataFrame
        ``station``, ``series``, ``longitude``, ``latitude`` [degrees], ``elevation``, ``depth``
        [m]; one row each.
    mean, sd : array, shape (interval, station)
        In `units`; NaN where nothing was observed, of `sd` where fewer than two values were.
    n : array of int, shape (interval, station)
        Observations behind each mean.
    units : str
    """

    stations: pd.DataFrame
    mean: Floats
    sd: Floats
    n: NDArray[np.int64]
    units: str


def station_means(
    store: Store,
    quantity: str,
    edges: NDArray[np.int64],
    *,
    depth: float | None = None,
    virtual: bool = False,
) -> StationMeans:
    """Average each station over intervals that follow one another.

    Parameters
    ----------
    store : Store
    quantity : str
        Word of the glossary.
    edges : array of int, shape (interval + 1,)
        Ends of the intervals, rising; each holds its beginning and not its end [µs].
    depth : float, optional
        [m]; default: the shallowest sensor of each station.
    virtual : bool
        Virtual stations, which are cells of a grid, too.

    Returns
    -------
    StationMeans
        Of stations whose place is known and that observed something. Doubted observations do not
        count, nor soil moisture of frozen soil, where a sensor misses the ice.

    Raises
    ------
    DataError
        If there is no such series, or none observed anything.

    Examples
    --------
    >>> import tempfile
    >>> from headwater.network import open_store
    >>> from headwater.network.ingest.geojson import read_geojson
    >>> from headwater.network.ingest.load import load_reading
    >>> text = b'''{"type": "Feature", "geometry": {"type": "Point", "coordinates": [99.1, 35.2]},
    ... "properties": {"station": "Upper", "time": "1970-01-01T06:00Z", "value": 0.31,
    ... "property": "soil_moisture", "unit": "m3 m-3"}}'''
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/net.db") as store:
    ...     _ = load_reading(read_geojson(text), store)
    ...     found = station_means(store, "soil_moisture", np.array([0, 86_400_000_000]))
    >>> found.mean.tolist(), found.n.tolist()
    ([[0.31]], [[1]])
    """
    chosen = choose_series(store, quantity, depth, virtual)
    term = GLOSSARY.get(quantity)
    units = term.units if term else chosen[0].unit
    found = [_of_one(store, one, edges, units) for one in chosen]
    mean: Floats = np.stack([part[0] for part in found], axis=1)
    sd: Floats = np.stack([part[1] for part in found], axis=1)
    n = np.stack([part[2] for part in found], axis=1)
    heard = np.flatnonzero(n.any(axis=0))
    if not heard.size:
        first, last = (str(np.datetime64(int(edge), "us"))[:16] for edge in (edges[0], edges[-1]))
        raise DataError(
            f"no station observed {quantity} in this time",
            found=f"{len(chosen)} series, none with a sound value from {first} to {last} UTC",
            do="Choose another time: headwater network status prints first and last",
        )
    table: pd.DataFrame = pd.DataFrame(
        {
            "station": [one.thing for one in chosen],
            "series": [one.name for one in chosen],
            **{
                name: np.array([getattr(one, name) for one in chosen], dtype=float)
                for name in ("longitude", "latitude", "elevation", "depth")
            },
        }
    )
    stations: pd.DataFrame = table.iloc[heard].reset_index(drop=True)
    return StationMeans(stations, mean[:, heard], sd[:, heard], n[:, heard], units)


def choose_series(
    store: Store, quantity: str, depth: float | None = None, virtual: bool = False
) -> list[Stream]:
    """Choose one series of each station: of the depth wanted, else the shallowest.

    Parameters
    ----------
    store, quantity, depth, virtual
        As for :func:`station_means`.

    Returns
    -------
    list of Stream

    Raises
    ------
    DataError
        If there is none.
    """
    with store.transaction(read_only=True) as session:
        streams = list_series(session, virtual=virtual)
    own = [one for one in streams if one.role == quantity and np.isfinite(one.longitude)]
    best: dict[int, Stream] = {}
    for one in sorted(own, key=lambda one: one.depth or 0.0):
        at = one.depth is not None and depth is not None and abs(one.depth - depth) < 1e-6
        if depth is None or at or one.of_virtual_station:
            best.setdefault(one.thing_id, one)
    if best:
        return list(best.values())
    if own:
        depths = sorted({one.depth for one in own if one.depth is not None})
        found = f"depths of {', '.join(f'{d:g}' for d in depths)} m" if depths else "no depths"
        raise DataError(f"no series of {quantity} at {depth:g} m", found=found, do="Choose another")
    roles = sorted({one.role for one in streams})
    raise DataError(
        f"no station with a known place observes {quantity}",
        found=", ".join(roles) or "an empty store",
        do="Choose one of these, or ingest more",
    )


def mean_of_series(
    store: Store, stream: Stream, edges: NDArray[np.int64], units: str
) -> tuple[Floats, NDArray[np.int64]]:
    """Average one series over intervals, as :func:`station_means` does.

    Parameters
    ----------
    store : Store
    stream : Stream
    edges : array of int, shape (interval + 1,)
        [µs]
    units : str

    Returns
    -------
    mean : array, shape (interval,)
    n : array of int, shape (interval,)
        Observations behind each.
    """
    mean, _, n = _of_one(store, stream, edges, units)
    return mean, n


def _of_one(
    store: Store, one: Stream, edges: NDArray[np.int64], units: str
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Mean, standard deviation and number of one series in each interval."""
    held = store.read([one.id], int(edges[0]), int(edges[-1]))
    bits = bits_of(held.quality, len(held))
    value = convert(held.result, one.unit, units) if one.unit != units else held.result
    good = np.isfinite(value) & ~doubted(bits)
    if one.role == "soil_moisture":
        good &= ~((bits >= 0) & (bits & int(Flag.FROZEN) != 0))
    index = np.searchsorted(edges, held.time[good], side="right") - 1
    value, size = value[good], len(edges) - 1
    n: NDArray[np.int64] = np.bincount(index, minlength=size)
    mean = _over(np.bincount(index, value, size), n, 1)
    square = np.bincount(index, (value - mean[index]) ** 2, size)
    return mean, np.sqrt(_over(square, n - 1, 1)), n


def _over(total: NDArray[Any], n: NDArray[np.int64], least: int) -> Floats:
    ratio: Floats = np.where(n >= least, total / np.maximum(n, 1), np.nan)
    return ratio
