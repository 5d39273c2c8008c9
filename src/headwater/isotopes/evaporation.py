"""Evaporating water after Craig and Gordon: where it heads, how far it got, on which slope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headwater.errors import DataError
from headwater.isotopes.fractionation import (
    Isotope,
    Variant,
    equilibrium_alpha,
    kinetic_enrichment,
    vapour_from_rain,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Climate",
    "Enrichment",
    "Loss",
    "craig_gordon",
    "evaporated_fraction",
    "evaporation_loss",
    "evaporation_slope",
    "pressure",
    "relative_humidity",
    "residual_water",
    "saturation_pressure",
]

Setting = Literal["desiccating", "throughflow"]


@dataclass(frozen=True, slots=True)
class Climate:
    """The air over the evaporating water; every value may be an array.

    Attributes
    ----------
    temperature : float
        Of water and air [degC].
    humidity : float
        Relative humidity at that temperature, between 0 and 1 [1].
    turbulence : float
        n: 0.5 open water or saturated ground, 1 dry soil [1].
    seasonality : float
        k of :func:`~headwater.isotopes.fractionation.vapour_from_rain` [1].
    vapour : dict of str to float, optional
        δ of the vapour by isotope [‰], where it was measured.
    variant : {"merlivat", "gibson"}
        Of the kinetic enrichment.
    """

    temperature: Any
    humidity: Any
    turbulence: Any = 0.75
    seasonality: Any = 1.0
    vapour: dict[str, Any] | None = None
    variant: Variant = "merlivat"


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What the Craig-Gordon model says of one isotope in one climate.

    Attributes
    ----------
    alpha, equilibrium, kinetic : array
        α [1], ε⁺ [‰], εk [‰].
    vapour : array
        δA [‰].
    exponent : array
        m [1].
    limit : array
        δ*, where the last drop heads [‰].
    """

    alpha: Any
    equilibrium: Any
    kinetic: Any
    vapour: Any
    exponent: Any
    limit: Any


def craig_gordon(source: ArrayLike, climate: Climate, isotope: Isotope) -> Enrichment:
    """Enrichment of evaporating water.

    Parameters
    ----------
    source : array-like
        δ of the rain that fed it [‰ VSMOW]; the vapour is derived from it unless measured.
    climate : Climate
        The air.
    isotope : {"d18O", "d2H"}
        Which.

    Returns
    -------
    Enrichment

    Raises
    ------
    DataError
        If the humidity is not between 0 and 1, or so low that the model has no limit.

    Notes
    -----
    ``m = (h - (εk + ε⁺/α)/1000) / (1 - h + εk/1000)``,
    ``δ* = (h δA + εk + ε⁺/α) / (h - (εk + ε⁺/α)/1000)``.

    References
    ----------
    Gonfiantini (1986), in Handbook of Environmental Isotope Geochemistry 2. Benettin et al. (2018),
    Hydrol. Earth Syst. Sci. 22:2881, doi:10.5194/hess-22-2881-2018.

    Examples
    --------
    >>> round(float(craig_gordon(-6.0, Climate(20.0, 0.75), "d18O").limit), 3)
    4.296
    """
    h = np.asarray(climate.humidity, dtype=float)
    if np.any((h <= 0.0) | (h >= 1.0)):
        raise DataError(
            "humidity must lie between 0 and 1",
            found=f"{h[(h <= 0.0) | (h >= 1.0)].flat[0]:g}",
            do="Divide percent by 100; the model has no answer in saturated air",
        )
    alpha = equilibrium_alpha(climate.temperature, isotope)
    plus = (alpha - 1.0) * 1000.0
    kinetic = kinetic_enrichment(h, isotope, turbulence=climate.turbulence, variant=climate.variant)
    vapour = (
        vapour_from_rain(source, climate.temperature, isotope, seasonality=climate.seasonality)
        if climate.vapour is None
        else np.asarray(climate.vapour[isotope], dtype=float)
    )
    pull = kinetic + plus / alpha
    bottom = h - pull / 1000.0
    if np.any(bottom <= 0.0):
        raise DataError(
            "the air is too dry for a limiting composition",
            found=f"h = {h.min():g}",
            do="Use a humidity above about 0.15",
        )
    return Enrichment(
        alpha,
        plus,
        kinetic,
        vapour,
        bottom / (1.0 - h + kinetic / 1000.0),
        (h * vapour + pull) / bottom,
    )


def residual_water(
    source: ArrayLike, lost: ArrayLike, enrichment: Enrichment, *, setting: Setting = "desiccating"
) -> Any:
    """Composition of the water that is left.

    Parameters
    ----------
    source : array-like
        δ before evaporation [‰ VSMOW].
    lost : array-like
        Desiccating: fraction of the water that evaporated, 0 to 1. Throughflow: evaporation over
        inflow [1].
    enrichment : Enrichment
        From :func:`craig_gordon`.
    setting : {"desiccating", "throughflow"}
        A pool that dries out, or one that is fed steadily.

    Returns
    -------
    array
        ``(δP - δ*)(1 - x)^m + δ*``, or ``(x m δ* + δP) / (1 + m x)`` [‰].

    Examples
    --------
    >>> air = craig_gordon(-6.0, Climate(20.0, 0.75), "d18O")
    >>> round(float(residual_water(-6.0, 0.2, air)), 3)
    -1.118
    """
    m, limit = enrichment.exponent, enrichment.limit
    lost = np.asarray(lost, dtype=float)
    if setting == "throughflow":
        return (lost * m * limit + source) / (1.0 + m * lost)
    return (source - limit) * (1.0 - lost) ** m + limit


def evaporated_fraction(
    sample: Any, source: Any, enrichment: Enrichment, *, setting: Setting = "desiccating"
) -> Any:
    """Fraction of the water that evaporated, the inverse of :func:`residual_water`.

    Parameters
    ----------
    sample, source : array-like
        δ now and before [‰ VSMOW].
    enrichment : Enrichment
        From :func:`craig_gordon`.
    setting : {"desiccating", "throughflow"}
        As there.

    Returns
    -------
    array
        [1]; negative where the sample is lighter than its source, NaN where it is beyond the limit.

    References
    ----------
    Skrzypek et al. (2015), J. Hydrol. 523:781, doi:10.1016/j.jhydrol.2015.02.010.

    Examples
    --------
    >>> air = craig_gordon(-6.0, Climate(20.0, 0.75), "d18O")
    >>> round(float(evaporated_fraction(-1.1178521652823212, -6.0, air)), 6)
    0.2
    """
    m, limit = enrichment.exponent, enrichment.limit
    if setting == "throughflow":
        short = limit - sample
        return (sample - source) / (m * np.where(short > 0, short, np.nan))
    left = (sample - limit) / (source - limit)
    return 1.0 - np.where(left > 0, left, np.nan) ** (1.0 / m)


@dataclass(frozen=True, slots=True)
class Loss:
    """Evaporated fraction with what is known of it; arrays of the samples' shape.

    Attributes
    ----------
    mean, sd, low, high : array
        Of the draws that have an answer [1]; low and high bound the middle 95 %.
    share : array
        Share of the draws that have an answer [1]; distrust anything far below 1.
    """

    mean: Any
    sd: Any
    low: Any
    high: Any
    share: Any


def evaporation_loss(
    sample: Any,
    source: Any,
    climate: Climate,
    isotope: Isotope,
    *,
    rng: np.random.Generator,
    sd: dict[str, float],
    n_resamples: int = 2000,
    setting: Setting = "desiccating",
) -> Loss:
    """Evaporated fraction with its uncertainty, by drawing every input from its error.

    Parameters
    ----------
    sample, source : array-like
        δ now and before [‰ VSMOW].
    climate : Climate
        The air.
    isotope : {"d18O", "d2H"}
        Which.
    rng : Generator
        Random numbers.
    sd : dict of str to float
        Standard deviations, any of ``sample``, ``source`` [‰], ``temperature`` [K], ``humidity``,
        ``turbulence``, ``seasonality`` [1]; what is not named is exact.
    n_resamples : int
        Number of draws.
    setting : {"desiccating", "throughflow"}
        As for :func:`residual_water`.

    Returns
    -------
    Loss

    Raises
    ------
    DataError
        If `sd` names something else.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> loss = evaporation_loss(-1.118, -6.0, Climate(20.0, 0.75), "d18O", rng=rng,
    ...                         sd={"sample": 0.1, "source": 0.5, "humidity": 0.03})
    >>> round(float(loss.mean), 1), round(float(loss.share), 1)
    (0.2, 1.0)
    """
    air = ("temperature", "humidity", "turbulence", "seasonality")
    strange = set(sd) - {"sample", "source", *air}
    if strange:
        raise DataError(
            "no such input has an error",
            found=", ".join(sorted(strange)),
            do=f"Known: sample, source, {', '.join(air)}",
        )
    sample, source = np.asarray(sample, dtype=float), np.asarray(source, dtype=float)
    shape = (n_resamples, *np.broadcast_shapes(sample.shape, source.shape))

    def drawn(value: Any, name: str) -> Any:
        return value + rng.normal(0.0, sd[name], shape) if name in sd else value

    values = {name: drawn(getattr(climate, name), name) for name in air}
    values["humidity"] = np.clip(values["humidity"], 0.16, 0.995)
    values["turbulence"] = np.clip(values["turbulence"], 0.0, 1.0)
    start = drawn(source, "source")
    air_now = Climate(**values, vapour=climate.vapour, variant=climate.variant)
    lost = evaporated_fraction(
        drawn(sample, "sample"), start, craig_gordon(start, air_now, isotope), setting=setting
    )
    return _collect(np.broadcast_to(lost, shape))


def _collect(lost: NDArray[Any]) -> Loss:
    counted = np.isfinite(lost)
    n = counted.sum(axis=0)
    some = np.where(n > 1, n, np.nan)
    mean = np.where(counted, lost, 0.0).sum(axis=0) / some
    spread = np.where(counted, lost - mean, 0.0)
    ordered = np.sort(lost, axis=0)  # NaN last
    at = [np.clip((q * (n - 1)).astype(int), 0, None) for q in (0.025, 0.975)]
    low, high = (np.take_along_axis(ordered, place[None, ...], axis=0)[0] for place in at)
    return Loss(mean, np.sqrt((spread**2).sum(axis=0) / (some - 1)), low, high, n / len(lost))


def evaporation_slope(
    source: tuple[Any, Any],
    climate: Climate,
    *,
    lost: ArrayLike = 0.2,
    setting: Setting = "desiccating",
) -> Any:
    """Slope of the evaporation line along the path actually travelled.

    Parameters
    ----------
    source : tuple of array-like
        δ¹⁸O and δ²H before evaporation [‰ VSMOW].
    climate : Climate
        The air.
    lost : array-like
        Fraction evaporated, 0 to 1: 0 gives the slope at the start, 1 that towards the limit.
    setting : {"desiccating", "throughflow"}
        As for :func:`residual_water`.

    Returns
    -------
    array
        ``(δ²H - δ²H₀) / (δ¹⁸O - δ¹⁸O₀)`` [1].

    Notes
    -----
    Two conventions are in use, up to 17 % apart: start ``m_H(δ*_H - δP_H) / (m_O(δ*_O - δP_O))``
    and limit ``(δ*_H - δP_H) / (δ*_O - δP_O)``. The path lies between them, and up to a loss of
    0.4 nearer the start.

    References
    ----------
    Benettin et al. (2018), Hydrol. Earth Syst. Sci. 22:2881, doi:10.5194/hess-22-2881-2018.

    Examples
    --------
    >>> [round(float(evaporation_slope((-6.0, -38.0), Climate(20.0, 0.75), lost=x)), 2)
    ...  for x in (0, 0.2, 1)]
    [3.06, 3.14, 3.36]
    """
    lost = np.asarray(lost, dtype=float)
    moved = []
    for delta, isotope in zip(source, ("d18O", "d2H"), strict=True):
        now = craig_gordon(delta, climate, isotope)  # type: ignore[arg-type]
        start = now.exponent * (now.limit - delta)
        path = residual_water(delta, lost, now, setting=setting) - delta
        moved.append(np.where(lost > 0, path, start))
    return moved[1] / moved[0]


def pressure(elevation: ArrayLike) -> Any:
    """Mean air pressure at altitude.

    Parameters
    ----------
    elevation : array-like
        [m], below 11 000.

    Returns
    -------
    array
        ``1013.25 (1 - 2.25577e-5 z)^5.25588`` [hPa], the ICAO standard atmosphere.

    Examples
    --------
    >>> round(float(pressure(4500.0)))
    577
    """
    return 1013.25 * (1.0 - 2.25577e-5 * np.asarray(elevation, dtype=float)) ** 5.25588


def saturation_pressure(temperature: ArrayLike) -> Any:
    """Saturation vapour pressure over water [hPa] at a temperature [degC].

    Notes
    -----
    ``6.1094 exp(17.625 T / (T + 243.04))`` (Alduchov & Eskridge 1996).

    Examples
    --------
    >>> round(float(saturation_pressure(20.0)), 1)
    23.3
    """
    temperature = np.asarray(temperature, dtype=float)
    return 6.1094 * np.exp(17.625 * temperature / (temperature + 243.04))


def relative_humidity(
    specific_humidity: Any, temperature: Any, elevation: Any, *, surface: Any = None
) -> Any:
    """Relative humidity that the evaporating water feels, at the pressure of its altitude.

    Parameters
    ----------
    specific_humidity : array-like
        Of the air [kg kg-1].
    temperature : array-like
        Of the air [degC].
    elevation : array-like
        [m]; at 4500 m the same specific humidity is little more than half the vapour pressure at
        sea level.
    surface : array-like, optional
        Temperature of the evaporating surface [degC]; the air's where not given.

    Returns
    -------
    array
        ``e / es(T_surface)``, ``e = q p / (0.622 + 0.378 q)`` [1].

    Examples
    --------
    >>> round(float(relative_humidity(0.005, 10.0, 4500.0)), 2)
    0.38
    """
    q = np.asarray(specific_humidity, dtype=float)
    vapour = q * pressure(elevation) / (0.622 + 0.378 * q)
    return vapour / saturation_pressure(temperature if surface is None else surface)
