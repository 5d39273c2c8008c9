"""A virtual headwater as satellites see it: coarse soil moisture and fine, noisy predictors.

The truth is the soil moisture of the top layer, which the weather of the headwater drives and from
which the predictors follow. Under ``truth="balance"`` it is a thin bucket of depth Z = 125 mm,

    θ(t) = clip(θ(t−1) + (P + M) / Z − λ(t) (θ(t−1) − θ_r), θ_r, θ_s) ,
    λ(t) = 0.03 + 0.009 (T + 5)⁺ e + 0.08 sand ,      M: snow melt, e: demand of the place,

under ``truth="threshold"`` the same weather wets the soil through a threshold that terrain shifts,

    θ(t) = θ_r + (θ_s − θ_r) / (1 + exp(−1.1 x(t))) ,
    x(t) = ln(1 + API(t)) − 2.2 − 5 slope − 0.06 (T + 5)⁺ / e ,

with API an antecedent precipitation that forgets a quarter a day. To either is added what no
predictor knows: a map (sd 0.018) and a field of every day (sd 0.010), each half broad (tens of
kilometres) and half as fine as the grid. With s = (θ − θ_r) / (θ_s − θ_r) and the sun's height h in
the season,

    LST day        T + 3 + 8 h (1 − s) (1 − ½ NDVI) + ε      [°C]
    LST range      6 + 10 h (1 − s) (1 − 0.3 NDVI) + ε        [K]
    albedo         0.26 − 0.06 s − 0.08 NDVI + ε              [1]
    NDVI, precipitation                                       with their errors
    retrieval      A θ + bias(cell) + ε                       [m3 m-3], A: aggregation to the cells
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.virtual.fields import Floats, smooth_noise, stream
from headwater.virtual.headwater import VirtualHeadwater

__all__ = ["ERRORS", "SatelliteView", "TRUTHS", "observe_from_space"]

TRUTHS = ("balance", "threshold")
"""Ways in which the weather makes the truth."""

ERRORS = ("white", "correlated")
"""Errors of the predictors: free of each other, or broad, lasting and largest under cloud."""

PREDICTOR_SD = {"lst_day": 1.5, "lst_range": 2.0, "ndvi": 0.02, "albedo": 0.012}
"""Standard deviation of the error of a pixel on a day, in the unit of the predictor."""

STATIC_SD, DAILY_SD = 0.018, 0.010
CELL_BIAS, RETRIEVAL_SD, REVISIT = 0.012, 0.025, 0.45
RAIN_ERROR, CLOUD_CHILL = 0.25, 0.8
RESIDUAL, LAYER, FORGET = 0.05, 125.0, 0.25
_THAWED_ABOVE = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SatelliteView:
    """What satellites see of a virtual headwater, and what they should have seen.

    Attributes
    ----------
    truth : ndarray of float32, shape (time, y, x)
        Soil moisture of the top layer, without error [m3 m-3].
    retrieval : ndarray of float32, shape (time, cell)
        Coarse soil moisture [m3 m-3]; NaN between swaths and where the ground is frozen.
    dynamic : mapping of str to ndarray of float32, shape (time, y, x)
        ``lst_day`` [degC], ``lst_range`` [K], ``ndvi`` [1], ``albedo`` [1] and ``precipitation``
        [mm], with their errors.
    static : mapping of str to ndarray of float32, shape (y, x)
        ``elevation`` [m], ``slope`` [1], ``northward`` [1] and ``sand`` [1], without error.
    times : ndarray of datetime64, shape (time,)
        Days.
    thawed : ndarray of bool, shape (time, y, x)
        Days and pixels in which the ground is not frozen.
    noise : mapping of str to float
        Standard deviations of the errors that were put in: of the predictors, ``retrieval``,
        ``cell_bias``, and of the heterogeneity that no predictor knows, ``static`` and ``daily``.
    """

    truth: Floats
    retrieval: Floats
    dynamic: Mapping[str, Floats]
    static: Mapping[str, Floats]
    times: NDArray[np.datetime64]
    thawed: NDArray[np.bool_]
    noise: Mapping[str, float] = field(default_factory=dict)


def observe_from_space(
    headwater: VirtualHeadwater,
    aggregation: object,
    *,
    seed: int,
    truth: str = "balance",
    errors: str = "white",
    retrieval_sd: float = RETRIEVAL_SD,
) -> SatelliteView:
    """Look at a virtual headwater from space.

    Parameters
    ----------
    headwater : VirtualHeadwater
        From :func:`headwater.virtual.make_headwater`, best with ``noise=0`` and ``gaps=0``.
    aggregation : sparse array, shape (cell, y × x)
        Rows that sum to 1: the share of every pixel in every coarse cell.
    seed : int
        The seed of the errors; the same seed gives the same bits on the same machine.
    truth : {"balance", "threshold"}
        How the weather makes the truth.
    errors : {"white", "correlated"}
        Whether the errors of the predictors are free of each other, or nine tenths of their
        variance is broad and lasts for days, and cloud makes them twice as large and cools LST.
    retrieval_sd : float
        Standard deviation of the error of a retrieval [m3 m-3].

    Returns
    -------
    SatelliteView

    Raises
    ------
    DataError
        If a name is unknown, or the aggregation is not of the headwater's grid.

    Notes
    -----
    A cell is retrieved on 45 % of the days, in swaths, while its mean temperature of the 15 days
    around is above 1 °C. Rainfall has an error of a quarter, which is broad.

    Examples
    --------
    >>> from headwater.virtual import make_headwater
    >>> here = make_headwater(seed=1, years=(2019, 2019), shape=(8, 12), noise=0, gaps=0)
    >>> whole = np.full((1, 96), 1 / 96)
    >>> seen = observe_from_space(here, whole, seed=1)
    >>> seen.truth.shape, seen.retrieval.shape, sorted(seen.dynamic)[:2]
    ((365, 8, 12), (365, 1), ['albedo', 'lst_day'])
    """
    shape = headwater.cube["temperature"].shape
    _check(aggregation, shape, truth, errors)
    static = _ground(headwater, seed)
    warmth: Floats = headwater.cube["temperature"].values
    wetness, saturation = _truth_of(headwater, static, truth)
    wetness += _unknown(shape, headwater, seed)
    np.clip(wetness, 0.02, 0.6, out=wetness)
    dynamic = _predictors(headwater, wetness, saturation, seed=seed, errors=errors)
    around = _running_mean(warmth)
    seen = _retrieve(wetness, around, aggregation, seed=seed, sd=retrieval_sd)
    known = {"retrieval": retrieval_sd, "cell_bias": CELL_BIAS, "static": STATIC_SD}
    return SatelliteView(
        wetness,
        seen,
        dynamic,
        static,
        headwater.cube["time"].values,
        around > _THAWED_ABOVE,
        {**PREDICTOR_SD, **known, "daily": DAILY_SD},
    )


def _check(aggregation: Any, shape: tuple[int, ...], truth: str, errors: str) -> None:
    for name, known in ((truth, TRUTHS), (errors, ERRORS)):
        if name not in known:
            raise DataError("no such world", found=repr(name), do=f"Choose of {', '.join(known)}")
    if aggregation.shape[1] != shape[1] * shape[2]:
        raise DataError(
            "the aggregation is not of this headwater's grid",
            found=f"{aggregation.shape[1]} pixels, the grid has {shape[1] * shape[2]}",
            do="Make the aggregation for the grid of the headwater",
        )


def _ground(headwater: VirtualHeadwater, seed: int) -> dict[str, Floats]:
    """Lay the terrain and a map of soil texture on the study grid."""
    rows, columns = headwater.cube["temperature"].shape[1:]
    factor = headwater.dem.shape[0] // rows
    z = headwater.dem.values.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    step = 111_195.0 * abs(float(headwater.cube["y"][1] - headwater.cube["y"][0]))
    down, right = np.gradient(z, step)
    places = _places(rows), _places(columns)
    patches = [
        smooth_noise(stream(seed, "sand", k), *places, knots=(k, 2 * k)) for k in (6, 14, 30)
    ]
    sand = 0.45 + 0.13 * np.sum(patches, axis=0) / np.sqrt(3.0)
    ground = {
        "elevation": z,
        "slope": np.hypot(down, right),
        "northward": down,
        "sand": np.clip(sand, 0.05, 0.9),
    }
    return {name: np.asarray(values, dtype=np.float32) for name, values in ground.items()}


def _truth_of(
    headwater: VirtualHeadwater, static: Mapping[str, Floats], truth: str
) -> tuple[Floats, Floats]:
    """Wet the top layer day by day; return its moisture and where it is saturated."""
    cube = headwater.cube
    saturation = np.float32(0.58) - np.float32(0.35) * static["sand"]
    soil = {
        **static,
        "demand": headwater.truth.fields["demand"].values.astype(np.float32),
        "saturation": saturation,
    }
    theta = np.empty(cube["temperature"].shape, dtype=np.float32)
    for _ in range(2):  # the first pass spins up
        state = np.full(theta.shape[1:], 0.2 if truth == "balance" else 3.0, np.float32)
        state = _step_through(cube, soil, theta, state, truth)
    return theta, saturation


def _step_through(
    cube: xr.Dataset, soil: Mapping[str, Floats], theta: Floats, state: Floats, truth: str
) -> Floats:
    """Fill in the moisture of each day; return where the soil stands after the last."""
    demand, saturation = soil["demand"], soil["saturation"]
    rain, melt, air = (cube[name].values for name in ("precipitation", "snow_melt", "temperature"))
    for day in range(len(theta)):
        fall = np.where(air[day] > 0.0, rain[day], 0.0) + melt[day]
        drying = np.maximum(air[day] + 5.0, 0.0) * demand
        if truth == "balance":
            loss = 0.03 + 0.009 * drying + 0.08 * soil["sand"]
            state = state + fall / LAYER - loss * (state - RESIDUAL)
            state = np.clip(state, RESIDUAL, saturation)
            theta[day] = state
        else:
            state = (1.0 - FORGET) * state + fall
            push = np.log1p(state) - 2.2 - 5.0 * soil["slope"] - 0.06 * drying / demand**2
            theta[day] = RESIDUAL + (saturation - RESIDUAL) / (1.0 + np.exp(-1.1 * push))
    return state


def _unknown(shape: tuple[int, ...], headwater: VirtualHeadwater, seed: int) -> Floats:
    """Heterogeneity that no predictor knows: a map, and a field of every day."""
    grid = _places(shape[1]), _places(shape[2])
    total = np.empty(shape, dtype=np.float32)
    still = _half_broad(stream(seed, "unknown map"), grid)
    rng = stream(seed, "unknown days")
    for day in range(shape[0]):
        total[day] = STATIC_SD * still + DAILY_SD * _half_broad(rng, grid)
    return total


def _half_broad(rng: np.random.Generator, grid: tuple[Any, Any]) -> Floats:
    broad = smooth_noise(rng, *grid, knots=(12, 24))
    fine = rng.standard_normal(broad.shape, dtype=np.float32)
    return np.asarray(np.sqrt(0.5) * (broad + fine), dtype=np.float32)


def _predictors(
    headwater: VirtualHeadwater, theta: Floats, saturation: Floats, *, seed: int, errors: str
) -> dict[str, Floats]:
    """Follow the truth into what a thermal and an optical sensor would see, with their errors."""
    cube = headwater.cube
    names = [*PREDICTOR_SD, "precipitation"]
    seen = {name: np.empty(theta.shape, dtype=np.float32) for name in names}
    day_of_year = cube["time"].dt.dayofyear.values
    sun = 0.6 + 0.4 * np.cos(2.0 * np.pi * (day_of_year - 180.0) / 365.25)
    grid = _places(theta.shape[1]), _places(theta.shape[2])
    error = {name: _Error(stream(seed, "error", name), grid, errors) for name in PREDICTOR_SD}
    rain_error = stream(seed, "error", "rain")
    for day in range(len(theta)):
        rain, air = cube["precipitation"].values[day], cube["temperature"].values[day]
        wet = np.clip((theta[day] - RESIDUAL) / (saturation - RESIDUAL), 0.0, 1.0)
        green = cube["ndvi"].values[day]
        seen["lst_day"][day] = air + 3.0 + 8.0 * sun[day] * (1.0 - wet) * (1.0 - 0.5 * green)
        seen["lst_range"][day] = 6.0 + 10.0 * sun[day] * (1.0 - wet) * (1.0 - 0.3 * green)
        seen["ndvi"][day] = green
        seen["albedo"][day] = 0.26 - 0.06 * wet - 0.08 * green
        wrong = np.exp(RAIN_ERROR * smooth_noise(rain_error, *grid, knots=(8, 16)))
        seen["precipitation"][day] = rain * wrong
        cloud = rain > 0.5
        for name, sd in PREDICTOR_SD.items():
            seen[name][day] += sd * error[name].next_day(cloud)
        if errors == "correlated":
            seen["lst_day"][day] -= CLOUD_CHILL * PREDICTOR_SD["lst_day"] * cloud
    return seen


class _Error:
    """The error of one predictor, in units of its standard deviation, day after day."""

    def __init__(self, rng: np.random.Generator, grid: tuple[Any, Any], kind: str) -> None:
        self.rng, self.grid, self.kind = rng, grid, kind
        self.lasting = smooth_noise(rng, *grid, knots=(12, 24))

    def next_day(self, cloud: NDArray[np.bool_]) -> Floats:
        white = self.rng.standard_normal(cloud.shape, dtype=np.float32)
        if self.kind == "white":
            return white
        fresh = smooth_noise(self.rng, *self.grid, knots=(12, 24))
        self.lasting = np.asarray(0.6 * self.lasting + 0.8 * fresh, dtype=np.float32)
        error = np.sqrt(0.9) * self.lasting + np.sqrt(0.1) * white
        # the mean square stays 1 where cloud is as frequent as in this climate, about a third
        return np.asarray(error * np.where(cloud, 1.4, 0.7), dtype=np.float32)


def _running_mean(warmth: Floats) -> Floats:
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(warmth, 15, axis=0, mode="nearest"))


def _retrieve(theta: Floats, around: Floats, aggregation: Any, *, seed: int, sd: float) -> Floats:
    """Average the truth over the cells, err, and see it only in swaths over thawed ground."""
    days = len(theta)
    coarse, warm = (
        np.asarray((aggregation @ cube.reshape(days, -1).T).T) for cube in (theta, around)
    )
    rng = stream(seed, "retrieval")
    coarse = coarse + CELL_BIAS * rng.standard_normal(coarse.shape[1])
    coarse = coarse + sd * rng.standard_normal(coarse.shape)
    row, column = np.indices(theta.shape[1:]) / np.array(theta.shape[1:])[:, None, None]
    slant = np.asarray(aggregation @ (0.8 * column + 0.2 * row).ravel())
    # a golden-ratio step shifts the swaths evenly, so that no cell is seen more than another
    phase = rng.random() + np.arange(days) * 0.6180339887498949
    seen = (slant[None, :] + phase[:, None]) % 1.0 < REVISIT
    kept = np.where(seen & (warm > _THAWED_ABOVE), np.maximum(coarse, 0.02), np.nan)
    return np.asarray(kept, dtype=np.float32)


def _places(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count
