"""The nine entities of OGC SensorThings 1.1 as frozen values, and observations as columns.

The fields of an entity are the columns of its table; ``id`` is None until the store has given one.

References
----------
OGC SensorThings API Part 1: Sensing, version 1.1, OGC 18-088, section 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import InputError
from headwater.network.times import NEVER

__all__ = [
    "DailyMeans",
    "Datastream",
    "FeatureOfInterest",
    "HistoricalLocation",
    "Location",
    "MultiDatastream",
    "Observations",
    "ObservedProperty",
    "Sensor",
    "Thing",
    "Written",
    "concatenate",
]

_GEOJSON = "application/geo+json"
_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_COMPLEX = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A station, or anything else that has datastreams.

    Examples
    --------
    >>> Thing(name="Upper meadow", description="4 depths, 4520 m").properties
    {}
    """

    name: str
    description: str = ""
    properties: Json = field(default_factory=dict)
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where things are: a GeoJSON geometry (longitude, latitude [degrees], height [m])."""

    name: str
    location: Json
    description: str = ""
    encoding_type: str = _GEOJSON
    properties: Json = field(default_factory=dict)
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalLocation:
    """Since when a thing has been where it is, or was [µs]."""

    thing_id: int
    time: int
    location_ids: tuple[int, ...] = ()
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """The instrument; `metadata` is its data sheet or a link to it."""

    name: str
    description: str = ""
    encoding_type: str = "text/plain"
    metadata: Any = ""
    properties: Json = field(default_factory=dict)
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedProperty:
    """What is observed; `definition` is the URI that defines it."""

    name: str
    definition: str
    description: str = ""
    properties: Json = field(default_factory=dict)
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureOfInterest:
    """What the observations describe, such as the soil around the sensor: a GeoJSON geometry."""

    name: str
    feature: Json
    description: str = ""
    encoding_type: str = _GEOJSON
    properties: Json = field(default_factory=dict)
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastream:
    """One series: one property, by one sensor, of one thing, in one unit."""

    name: str
    thing_id: int
    sensor_id: int
    observed_property_id: int
    unit_of_measurement: Json
    description: str = ""
    observation_type: str = _MEASUREMENT
    observed_area: Json | None = None
    properties: Json = field(default_factory=dict)
    feature_id: int | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiDatastream:
    """One series of tuples: several properties observed at once, in the order of their units."""

    name: str
    thing_id: int
    sensor_id: int
    observed_property_ids: tuple[int, ...]
    unit_of_measurement: list[Json]
    multi_observation_data_types: list[str]
    description: str = ""
    observation_type: str = _COMPLEX
    observed_area: Json | None = None
    properties: Json = field(default_factory=dict)
    feature_id: int | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the observations that were handed over; the three add up to their number."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
        )


@dataclass(frozen=True, slots=True, eq=False)
class DailyMeans:
    """Daily statistics of numeric results, one row per datastream and day that has any.

    Attributes
    ----------
    datastream : int64 array, shape (n,)
    day : int64 array, shape (n,)
        Start of the day [µs].
    mean, minimum, maximum : float64 array, shape (n,)
        In the unit of the datastream.
    count : int64 array, shape (n,)
        Numeric results in the day.
    """

    datastream: NDArray[np.int64]
    day: NDArray[np.int64]
    mean: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    count: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.datastream)


_TIMES = ("time_end", "result_time", "valid_start", "valid_end", "feature", "received")
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999 [µs]
_CLOCK = "Check the clock of the logger; every observation needs a time"
_TEXTS = ("result_json", "quality", "parameters")


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Observations as columns; a column that is None says nothing about what it would hold.

    What makes an observation itself is its datastream, start and end of its phenomenon time, its
    result time and its feature of interest: where all five agree a later one revises an earlier
    one, else both are kept, such as forecasts for one hour that were made at several.

    An update leaves the other columns that are None as they stand in the store, so that a logger
    that sends its file again does not wipe out the flags that quality control has set since.

    Attributes
    ----------
    datastream : int64 array, shape (n,)
    time : int64 array, shape (n,)
        Phenomenon time, or its start [µs].
    result : float64 array, shape (n,)
        In the unit of the datastream; NaN where the result is null or stands in `result_json`.
    result_json : object array of str or None, shape (n,), optional
        Results that are no numbers, as JSON text.
    time_end, result_time, valid_start, valid_end : int64 array, shape (n,), optional
        [µs]; :data:`headwater.network.times.NEVER` where missing.
    quality, parameters : object array of str or None, shape (n,), optional
        As JSON text.
    feature : int64 array, shape (n,), optional
        Feature of interest, where it is not the datastream's own.
    received : int64 array, shape (n,), optional
        When the store took it [µs]; ignored on writing.

    Raises
    ------
    InputError
        If columns differ in length, are not one-dimensional, or a result is infinite.

    Examples
    --------
    >>> len(Observations(datastream=[1, 1], time=[0, 600_000_000], result=[0.31, float("nan")]))
    2
    """

    datastream: NDArray[np.int64]
    time: NDArray[np.int64]
    result: NDArray[np.float64]
    result_json: NDArray[np.object_] | None = None
    time_end: NDArray[np.int64] | None = None
    result_time: NDArray[np.int64] | None = None
    valid_start: NDArray[np.int64] | None = None
    valid_end: NDArray[np.int64] | None = None
    quality: NDArray[np.object_] | None = None
    parameters: NDArray[np.object_] | None = None
    feature: NDArray[np.int64] | None = None
    received: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.datastream)
        for name, column in self.columns().items():
            array = _column(name, column)
            if array.shape != shape or array.ndim != 1:
                found = f"'{name}' has shape {array.shape}, 'datastream' {shape}"
                raise InputError("columns of observations differ in length", found=found)
            object.__setattr__(self, name, array)
        if ((self.time < _FIRST) | (self.time > _LAST)).any():
            found = f"{int(self.time.min())} to {int(self.time.max())} µs since 1970"
            raise InputError("a time outside the years 1 to 9999", found=found, do=_CLOCK)
        if np.isinf(self.result).any():
            raise InputError(
                "a result is infinite",
                found=f"{int(np.isinf(self.result).sum())} of {len(self)} results",
                do="Give NaN where the sensor had no value",
            )

    def __len__(self) -> int:
        return len(self.datastream)

    def columns(self) -> dict[str, Any]:
        """Give the columns that are present, by name."""
        named = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return {name: column for name, column in named if column is not None}

    def take(self, index: ArrayLike | slice) -> Observations:
        """Select rows by number, mask or slice."""
        rows = index if isinstance(index, slice) else np.asarray(index)
        return replace(self, **{name: column[rows] for name, column in self.columns().items()})

    def variant(self) -> NDArray[np.int64]:
        """Distinguish the observations of one datastream and start.

        Returns
        -------
        int64 array, shape (n,)
            0 where there is no end (or it equals the start), no result time, and no feature other
            than the datastream's own; else a hash of the three, between 1 and 2^63 - 1.

        Notes
        -----
        Of a thousand observations with one datastream and start two share a hash by chance with
        probability 5e-14.

        Examples
        --------
        >>> Observations([1, 1], [0, 0], [0.5, 0.6], time_end=[0, NEVER]).variant()
        array([0, 0])
        >>> hour = Observations([1, 1], [0, 0], [0.5, 0.6], time_end=[3_600_000_000, NEVER])
        >>> bool(hour.variant()[0] > 0), int(hour.variant()[1])
        (True, 0)
        """
        end = self.time_end
        if end is not None:
            end = np.where(end == self.time, NEVER, end)
        hashed = np.zeros(len(self), dtype=np.uint64)
        given = np.zeros(len(self), dtype=bool)
        for column in (end, self.result_time, self.feature):
            if column is None:
                hashed = _mixed(hashed + np.uint64(_ABSENT))
                continue
            given |= column != NEVER
            word = np.where(column == NEVER, np.uint64(_ABSENT), column.astype(np.uint64))
            hashed = _mixed(hashed + word)
        number = (hashed >> np.uint64(1)).astype(np.int64)
        return np.where(given, np.maximum(number, 1), 0)

    def newest_per_key(self) -> Observations:
        """Sort by datastream, time and variant; of rows with one key keep the last given."""
        variant = self.variant()
        # stable: the last given comes last
        order = np.lexsort((variant, self.time, self.datastream))
        keys = [column[order] for column in (self.datastream, self.time, variant)]
        last = np.ones(len(self), dtype=bool)
        last[:-1] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
        return self.take(order if last.all() else order[last])


_ABSENT = 0x9E3779B97F4A7C15  # stands for what is not there; no time [µs] comes near it


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread bits (the finaliser of SplitMix64); the sums overflow on purpose."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def _column(name: str, column: Any) -> NDArray[Any]:
    if name in _TEXTS:
        texts = np.empty(len(column), dtype=object)
        texts[:] = column
        return texts
    if name == "result":
        return np.asarray(column, dtype=np.float64)
    array = np.asarray(column)
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]").astype(np.int64)
    if array.dtype.kind not in "iu" and array.size:
        wanted = f"'{name}' needs whole numbers"
        do = "Give identifiers, or microseconds since 1970-01-01T00:00Z"
        raise InputError(wanted, found=f"values of type {array.dtype}", do=do)
    return array.astype(np.int64)


def concatenate(parts: Sequence[Observations]) -> Observations:
    """Put observations one after the other; a column that one of them has, all of them get.

    Parameters
    ----------
    parts : sequence of Observations

    Returns
    -------
    Observations

    Examples
    --------
    >>> one = Observations(datastream=[1], time=[0], result=[0.5])
    >>> two = Observations(datastream=[1], time=[1], result=[0.6], quality=['{"flag": "G"}'])
    >>> concatenate([one, two]).quality.tolist()
    [None, '{"flag": "G"}']
    """
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Observations(none, none, np.empty(0))
    named = [part.columns() for part in parts]
    present = [entry.name for entry in fields(Observations) if any(entry.name in n for n in named)]
    empty = dict.fromkeys(_TIMES, NEVER) | dict.fromkeys(_TEXTS)
    joined = {
        name: np.concatenate(
            [
                columns[name] if name in columns else np.full(len(part), empty[name])
                for part, columns in zip(parts, named, strict=True)
            ]
        )
        for name in present
    }
    return Observations(**joined)
