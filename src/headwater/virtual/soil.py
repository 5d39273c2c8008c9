"""Daily soil water under snow, ground ice, freeze-thaw and evapotranspiration.

Stores [mm]: snow S, mobile soil water W (liquid and frozen), ground ice I. With air
temperature T and ground temperature Tg [°C], every day

    snowfall   F = P · clip((2 − T) / 3, 0, 1)
    snow melt  M = min(S, 2.2 (T + 1)⁺)
    ground     Tg ← Tg + (T + 2.5 − Tg) / 15
    liquid     φ = 0.72 + 0.28 / (1 + exp(−Tg / 0.7))
    ice melt   G = min(I, 0.055 Tg⁺);   ice growth  Q = min(I_max − I, 0.0016 W)  while Tg < 0
    runoff     R = (P − F + M + G) (W / C)²  +  overflow above C  +  drainage 0.45 φ (W / C)³
    loss       ET = min(φW, e · PET · min(1, φW / (0.6 C)))
    PET        Oudin et al. (2005): (R_e / λρ) (T + 5)⁺ / 100

with capacity C, demand e and ice limit I_max of the place. What a satellite sees is the liquid part
in a layer of 590 mm, next to 0.044 m3 m-3 that never moves,

    θ = 0.044 + φ W / 590 ,

so that it falls when the ground freezes, although the water is still there. The balance

    Σ P = Σ ET + Σ R + Δ(S + W + I)

closes to rounding, and a test holds it to 1e-4 mm.

References
----------
Oudin, L., et al. (2005). Which potential evapotranspiration input for a lumped rainfall-runoff
model? Part 2. Journal of Hydrology, 303, 290-306. https://doi.org/10.1016/j.jhydrol.2004.08.026
(citation checked against programs that quote it; the formula recalled, unchecked in the paper)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headwater.virtual import _kernels
from headwater.virtual.fields import Floats, smooth_noise, stream
from headwater.virtual.landscape import Terrain

__all__ = ["Column", "State", "advance", "extraterrestrial_radiation", "soil_column"]

FLUXES = ("evapotranspiration", "runoff", "snow_melt", "ice_melt", "snowfall")
"""Names of the fluxes, in the order of :attr:`State.fluxes`."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """What a cell's soil is like.

    Attributes
    ----------
    capacity : ndarray, shape (rows, columns)
        Most mobile water that the soil holds [mm].
    demand : ndarray, shape (rows, columns)
        Evaporative demand relative to Oudin's formula; larger in the dry west and on slopes that
        look south.
    ice_limit : ndarray, shape (rows, columns)
        Most ground ice [mm]; nothing below about 3400 m.
    """

    capacity: NDArray[np.float64]
    demand: NDArray[np.float64]
    ice_limit: NDArray[np.float64]


@dataclass(slots=True, eq=False)
class State:
    """Stores of every cell, carried from one year to the next.

    Attributes
    ----------
    stores : ndarray, shape (4, rows, columns)
        Snow, soil water, ground ice [mm]; ground temperature [°C].
    fluxes : ndarray, shape (5, rows, columns)
        Sums of :data:`FLUXES` since they were last set to zero [mm].
    """

    stores: NDArray[np.float64]
    fluxes: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.fluxes = np.zeros((len(FLUXES), *self.stores.shape[1:]))

    @classmethod
    def start(cls, column: Column) -> State:
        """Begin without snow, with the soil a third full, the ice half grown, at −5 °C."""
        empty = np.zeros_like(column.capacity)
        return cls(
            np.stack(
                [empty, column.capacity / 3.0, column.ice_limit / 2.0, np.full_like(empty, -5.0)]
            )
        )

    @property
    def storage(self) -> NDArray[np.float64]:
        """Water in snow, soil and ground ice [mm], shape (rows, columns)."""
        return np.asarray(self.stores[:3].sum(axis=0))


def soil_column(ground: Terrain, wetness: Floats, *, seed: int) -> Column:
    """Lay the soil.

    Parameters
    ----------
    ground : Terrain
        The mountain on the study grid.
    wetness : ndarray, shape (rows, columns)
        Precipitation relative to the mean of the study area.
    seed : int
        The seed of the headwater.

    Returns
    -------
    Column

    Notes
    -----
    C = 130 exp(0.16 f − ((z − 3250 m) / 2200 m)² / 2), soils being thin high up, with f a field of
    soil texture that shares nothing with the rain pattern within the study area;
    e = 1.45 wetness^−0.25 (1 − 1.5 northward) (z / 3400 m)^1.15, for wind and radiation grow with
    altitude where temperature alone would let the demand fall too fast;
    I_max = 45 / (1 + exp(−(z − 3650 m) / 180 m)), none below 3200 m.

    Examples
    --------
    >>> from headwater.virtual.landscape import Frame
    >>> from headwater.virtual.landscape import lay_landscape
    >>> ground = lay_landscape(Frame(8, 12, 0.05, 95.0, 37.0), seed=1).grid
    >>> column = soil_column(ground, np.ones((8, 12)) + ground.frame.east, seed=1)
    >>> bool((column.ice_limit[ground.z < 3200] == 0).all())
    True
    """
    rng, frame = stream(seed, "texture"), ground.frame
    patches = [smooth_noise(rng, frame.north, frame.east, knots=(k, 2 * k)) for k in (10, 20, 40)]
    texture = _apart_from(np.sum(patches, axis=0), np.log(wetness), ground.inside)
    high = ground.z.astype(np.float64)
    capacity = 130.0 * np.exp(0.16 * texture - 0.5 * ((high - 3250.0) / 2200.0) ** 2)
    shade = np.clip(1.0 - 1.5 * ground.northward.astype(np.float64), 0.8, 1.2)
    demand = 1.45 * np.asarray(wetness, dtype=np.float64) ** -0.25 * shade * (high / 3400.0) ** 1.15
    ice_limit = 45.0 / (1.0 + np.exp(-(high - 3650.0) / 180.0))
    return Column(capacity, demand, np.where(high < 3200.0, 0.0, ice_limit))


def _apart_from(field: Floats, other: Floats, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Standardise a field over the study area, after taking out what it shares with another."""
    shared = np.asarray(other, dtype=np.float64) - other[inside].mean(dtype=np.float64)
    apart = np.asarray(field, dtype=np.float64)
    apart = apart - apart[inside].mean()
    apart = apart - shared * (apart * shared)[inside].sum() / (shared**2)[inside].sum()
    return np.asarray(apart / apart[inside].std())


def extraterrestrial_radiation(
    latitude: NDArray[np.float64], day: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Daily radiation at the top of the atmosphere.

    Parameters
    ----------
    latitude : ndarray, shape (rows,)
        [degree]
    day : ndarray of int, shape (days,)
        Day of the year, from 1.

    Returns
    -------
    ndarray, shape (days, rows)
        [MJ m-2 d-1]

    Notes
    -----
    Equations 21-25 of Allen et al. (1998), which hold between the polar circles.

    References
    ----------
    Allen, R. G., et al. (1998). Crop evapotranspiration. FAO Irrigation and Drainage Paper 56
    (formula as in other programs; numbers of the equations recalled, unchecked).

    Examples
    --------
    >>> round(float(extraterrestrial_radiation(np.array([-20.0]), np.array([246]))[0, 0]), 1)
    32.2
    """
    turn = 2.0 * np.pi * day[:, None] / 365.0
    north = np.deg2rad(latitude)[None, :]
    declination = 0.409 * np.sin(turn - 1.39)
    sunset = np.arccos(-np.tan(north) * np.tan(declination))
    light = sunset * np.sin(north) * np.sin(declination)
    light = light + np.cos(north) * np.cos(declination) * np.sin(sunset)
    return np.asarray(37.586 * (1.0 + 0.033 * np.cos(turn)) * light)


def advance(
    state: State,
    column: Column,
    precipitation: Floats,
    temperature: Floats,
    latitude: NDArray[np.float64],
    *,
    moisture: Floats | None = None,
    melt: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Step the soil through some days that begin on the first of January.

    Parameters
    ----------
    state : State
        Where the soil stands; left where it ends, with the fluxes added.
    column : Column
        The soil.
    precipitation, temperature : ndarray of float32, shape (days, rows, columns)
        [mm d-1] and [°C].
    latitude : ndarray, shape (rows,)
        [degree]
    moisture, melt : ndarray of float32, shape (days, rows, columns), optional
        Where to write what is returned.

    Returns
    -------
    soil_moisture, snow_melt : ndarray of float32, shape (days, rows, columns)
        Liquid water content [m3 m-3], and snow melt [mm d-1].

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> column = Column(90 * one, one, 0 * one)
    >>> rain, warm = np.ones((30, 1, 1), np.float32), np.full((30, 1, 1), 10, np.float32)
    >>> theta, _ = advance(State.start(column), column, rain, warm, np.array([37.0]))
    >>> theta.shape
    (30, 1, 1)
    """
    theta = np.empty_like(precipitation) if moisture is None else moisture
    melt = np.empty_like(precipitation) if melt is None else melt
    radiation = extraterrestrial_radiation(latitude, np.arange(1, len(precipitation) + 1))
    _kernels.soil_water_balance(
        precipitation,
        temperature,
        # latent heat 2.45 MJ kg-1; the 100 K of Oudin's formula
        radiation / 245.0,
        np.stack([column.capacity, column.demand, column.ice_limit]),
        state.stores,
        theta,
        melt,
        state.fluxes,
    )
    return theta, melt
