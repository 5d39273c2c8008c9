"""What the loggers of some stations in a virtual headwater would have recorded.

Days of the headwater become steps of minutes: air temperature gets a daily wave, a day's rain falls
in showers, heat and water sink into the soil with delay. At depth z [m],

    soil temperature  Tₛ = lowpass(T, 15 d · (z / 0.3) + 0.5 d) + 2.5 °C + 5 °C e^(−z/0.1) cos(…),
                      held near 0 °C while water freezes or melts (zero curtain)
    liquid share      φ  = 0.25 + 0.75 / (1 + e^(−Tₛ/0.3))
    soil moisture     θ  = 0.044 + φ (w_z + showers) ,  w_z = lowpass(w, 0.5 d + 60 d · z)

with w the water of the headwater's own soil layer. A sensor sees only liquid water: θ falls when
the soil freezes, and rises at thaw without rain. These rules make records that look and fail like
real ones; they are no model of soil physics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.virtual.fields import stream
from headwater.virtual.headwater import VirtualHeadwater

__all__ = ["DEPTHS", "Gauge", "Record", "place_gauges"]

DEPTHS = (0.05, 0.1, 0.2, 0.4)
"""Where the probes are [m]."""

_DAY = 86_400_000_000
_RESIDUAL, _LAYER = 0.044, 590.0
_PEAK = 15.0 / 24.0
"""Share of the day at which air is warmest."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One series of a station.

    Attributes
    ----------
    quantity : str
        As in the glossary where it has the word.
    unit : str
    depth : float or None
        Below the surface [m].
    value : ndarray, shape (steps,)
    """

    quantity: str
    unit: str
    depth: float | None
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Gauge:
    """A station with what it has recorded.

    Attributes
    ----------
    name : str
    longitude, latitude : float
        [degree]
    elevation : float
        [m]
    time : ndarray of int, shape (steps,)
        Ends of the steps [µs since 1970, UTC].
    records : tuple of Record
    """

    name: str
    longitude: float
    latitude: float
    elevation: float
    time: NDArray[np.int64]
    records: tuple[Record, ...]


def place_gauges(
    here: VirtualHeadwater, n: int = 6, *, seed: int = 1, minutes: int = 10
) -> tuple[Gauge, ...]:
    """Put stations into a headwater, from the lowest to the highest place.

    Parameters
    ----------
    here : VirtualHeadwater
        The headwater.
    n : int
        How many stations.
    seed : int
        The same seed gives the same records.
    minutes : int
        Length of a step, a divisor of 1440.

    Returns
    -------
    tuple of Gauge
        Each with soil moisture and soil temperature at :data:`DEPTHS`, air temperature, rain and
        battery voltage.

    Raises
    ------
    DataError
        If there are fewer cells in the study area than stations, or the step does not divide a day.

    Examples
    --------
    >>> from headwater.virtual import make_headwater
    >>> here = make_headwater(seed=1, years=(2019, 2019), shape=(8, 12))
    >>> station = place_gauges(here, 2, minutes=60)[0]
    >>> len(station.records), station.time.size
    (11, 8760)
    """
    inside = np.flatnonzero(here.truth.fields["inside"].values)
    if not 1 <= n <= inside.size:
        do = f"Ask for 1 to {inside.size}"
        raise DataError("no room for so many stations", found=f"{n}", do=do)
    if minutes < 1 or 1440 % minutes:
        raise DataError("a step that does not divide a day", found=f"{minutes} min", do="Give 10")
    height = _heights(here)
    ranked = inside[np.argsort(height[inside], kind="stable")]
    chosen = ranked[np.linspace(0, ranked.size - 1, n).round().astype(int)]
    return tuple(
        _gauge(here, int(cell), rank, height, seed, minutes)
        for rank, cell in enumerate(chosen, start=1)
    )


def _heights(here: VirtualHeadwater) -> Floats:
    """Mean elevation of each cell of the study grid, in the order of the flattened grid."""
    like = here.truth.fields["inside"]
    fine = here.dem.coarsen(
        y=here.dem.sizes["y"] // like.sizes["y"], x=here.dem.sizes["x"] // like.sizes["x"]
    )
    return np.asarray(fine.mean().values, dtype=np.float64).ravel()


def _gauge(
    here: VirtualHeadwater, cell: int, rank: int, height: Floats, seed: int, minutes: int
) -> Gauge:
    like, steps = here.truth.fields["soil_moisture"], 1440 // minutes
    row, column = divmod(cell, like.sizes["x"])
    rng = stream(seed, "gauge", rank)
    daily = {
        name: source.values[:, row, column].astype(np.float64)
        for name, source in (
            ("rain", here.cube["precipitation"]),
            ("air", here.cube["temperature"]),
            ("theta", like),
        )
    }
    first = int(like["time"].values[0].astype("datetime64[us]").astype(np.int64))
    time = first + _DAY // steps * np.arange(1, like.sizes["time"] * steps + 1, dtype=np.int64)
    return Gauge(
        name=f"Virtual station {rank}",
        longitude=round(float(like["x"].values[column]), 5),
        latitude=round(float(like["y"].values[row]), 5),
        elevation=round(float(height[cell])),
        time=time,
        records=_records(daily, steps, rng),
    )


def _records(daily: dict[str, Floats], steps: int, rng: np.random.Generator) -> tuple[Record, ...]:
    days = daily["air"].size
    clock = np.tile(np.arange(1, steps + 1) / steps, days)
    smooth = _between(daily["air"], steps)
    dull = np.repeat(np.where(daily["rain"] > 0.5, 0.4, 1.0), steps)
    weather = _lowpass(rng.normal(0.0, 1.0, clock.size), steps / 8.0) * np.sqrt(steps / 4.0)
    air = smooth + 5.5 * dull * np.cos(2 * np.pi * (clock - _PEAK)) + 0.8 * weather
    rain = _showers(daily["rain"] * _rain_share(daily["air"]), steps, rng)
    water = _between((daily["theta"] - _RESIDUAL) / _liquid_share(daily["air"]), steps)
    found = [
        Record("air_temperature", "degC", None, np.round(air, 2)),
        Record("precipitation", "mm", None, np.round(rain, 1)),
    ]
    for depth in DEPTHS:
        soil = _soil_temperature(smooth, clock, depth, steps)
        showers = _lowpass(rain, steps * (0.15 + depth)) * steps * (0.15 + depth)
        held = (
            _lowpass(water, steps * (0.5 + 60.0 * depth)) + 0.004 * np.exp(-depth / 0.1) * showers
        )
        theta = _RESIDUAL + _expit(soil / 0.3, low=0.25) * held
        theta = theta + rng.normal(0.0, 0.0008, theta.size)
        soil = soil + rng.normal(0.0, 0.03, soil.size)
        found.append(Record("soil_moisture", "m3 m-3", depth, np.round(np.clip(theta, 0, 0.6), 4)))
        found.append(Record("soil_temperature", "degC", depth, np.round(soil, 2)))
    sun = np.clip(np.cos(2 * np.pi * (clock - 0.5)), 0.0, None) * dull
    volts = 12.55 + 0.9 * sun + 0.008 * np.minimum(air, 0.0) + rng.normal(0.0, 0.01, air.size)
    return (*found, Record("battery", "V", None, np.round(volts, 2)))


def _between(daily: Floats, steps: int) -> Floats:
    """Join the middles of the days by straight lines."""
    middle = np.arange(daily.size) + 0.5
    return np.interp(np.arange(1, daily.size * steps + 1) / steps, middle, daily)


def _lowpass(series: Floats, memory: float) -> Floats:
    """Forget with a memory of some steps, as a store does that empties in proportion."""
    from scipy.signal import lfilter

    kept = float(np.exp(-1.0 / memory))
    begin = [series[: max(1, round(memory))].mean() * kept]
    return np.asarray(lfilter([1.0 - kept], [1.0, -kept], series, zi=begin)[0])


def _expit(x: Floats, *, low: float) -> Floats:
    return low + (1.0 - low) / (1.0 + np.exp(-np.clip(x, -60.0, 60.0)))


def _rain_share(air: Floats) -> Floats:
    """Share that falls as rain, as in :mod:`headwater.virtual.soil`; a gauge catches no snow."""
    return 1.0 - np.clip((2.0 - air) / 3.0, 0.0, 1.0)


def _liquid_share(air: Floats) -> Floats:
    """Liquid share of the water in the headwater's own soil layer, from its ground temperature."""
    ground = -5.0
    out = np.empty_like(air)
    for day in range(-365, air.size):  # a year to forget the beginning
        ground += (air[day % air.size if day < 0 else day] + 2.5 - ground) / 15.0
        if day >= 0:
            out[day] = ground
    return _expit(out / 0.7, low=0.72)


def _showers(daily: Floats, steps: int, rng: np.random.Generator) -> Floats:
    """Let the rain of each day fall in a few steps, mostly after noon, in drops of a gauge."""
    found = np.zeros((daily.size, steps))
    for day in np.flatnonzero(daily > 0.1):
        middle = rng.normal(17.0 / 24.0, 0.15) * steps
        width = steps / 24.0 * rng.uniform(0.5, 3.0)
        share = np.exp(-0.5 * ((np.arange(steps) - middle) / width) ** 2) * rng.gamma(
            1.0, size=steps
        )
        found[day] = daily[day] * share / share.sum() if share.sum() > 0 else daily[day] / steps
    # a tipping bucket keeps what does not fill it for the next step
    return np.diff(np.floor(np.cumsum(found.ravel()) / 0.2), prepend=0.0) * 0.2


def _soil_temperature(smooth: Floats, clock: Floats, depth: float, steps: int) -> Floats:
    slow = _lowpass(smooth, steps * (0.5 + 15.0 * depth / 0.3)) + 2.5
    wave = 5.0 * np.exp(-depth / 0.1) * np.cos(2 * np.pi * (clock - _PEAK) - depth / 0.1)
    free = slow + wave
    # freezing and thawing take heat: near 0 °C the soil hardly moves
    return np.asarray(free * (1.0 - 0.85 * np.exp(-((free / 1.2) ** 2))))
