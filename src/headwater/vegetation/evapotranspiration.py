"""Reference evapotranspiration by a named method, for methods differ by half on one alpine year.

Four published formulas are written here and not taken from pyet, whose release 1.5.0 forbids
pandas 3; the tests compare them with what pyet gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headwater.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["extraterrestrial_radiation", "reference_evapotranspiration"]

Method = Literal["penman_monteith", "priestley_taylor", "hargreaves", "oudin"]

_NEEDS = {
    "penman_monteith": ("radiation", "vapour_pressure", "wind", "elevation"),
    "priestley_taylor": ("radiation", "vapour_pressure", "elevation"),
    "hargreaves": (),
    "oudin": (),
}


def extraterrestrial_radiation(latitude: ArrayLike, day_of_year: ArrayLike) -> Any:
    """Daily radiation at the top of the atmosphere.

    Parameters
    ----------
    latitude : float or array-like
        [degree]
    day_of_year : int or array-like
        From 1.

    Returns
    -------
    float or ndarray
        [MJ m-2 d-1]

    References
    ----------
    Allen, R. G., et al. (1998). Crop evapotranspiration. FAO Irrigation and Drainage Paper 56,
    equations 21-25. ISBN 92-5-104219-5

    Examples
    --------
    >>> round(float(extraterrestrial_radiation(-20.0, 246)), 1)
    32.2
    """
    turn = 2.0 * np.pi * np.asarray(day_of_year) / 365.0
    north = np.deg2rad(latitude)
    declination = 0.409 * np.sin(turn - 1.39)
    sunset = np.arccos(np.clip(-np.tan(north) * np.tan(declination), -1.0, 1.0))
    light = sunset * np.sin(north) * np.sin(declination)
    light = light + np.cos(north) * np.cos(declination) * np.sin(sunset)
    return 37.586 * (1.0 + 0.033 * np.cos(turn)) * light


def reference_evapotranspiration(
    low: Any,
    high: Any,
    top_radiation: Any,
    *,
    method: Method = "penman_monteith",
    radiation: Any = None,
    vapour_pressure: Any = None,
    wind: Any = None,
    elevation: Any = None,
) -> Any:
    """Estimate the evapotranspiration of well-watered short grass.

    Parameters
    ----------
    low, high : array-like
        Lowest and highest air temperature of the day [degC].
    top_radiation : array-like
        Of :func:`extraterrestrial_radiation` [MJ m-2 d-1].
    method : {"penman_monteith", "priestley_taylor", "hargreaves", "oudin"}
        Hargreaves needs the lowest and highest temperature alone, Oudin their mean.
    radiation : array-like
        Solar radiation at the ground [MJ m-2 d-1].
    vapour_pressure : array-like
        Actual [kPa].
    wind : array-like
        At 2 m [m s-1].
    elevation : float or array-like
        [m]

    Returns
    -------
    array-like
        [mm d-1]; negative values, of the formulas in winter, are set to 0.

    Raises
    ------
    DataError
        If the method is unknown, or lacks an input.

    Notes
    -----
    On one alpine year (4000 m, 34.5° N) the first three give 847, 970 and 625 mm: say which you
    used.

    References
    ----------
    Allen et al. (1998), FAO 56, equation 6. Priestley, C. H. B. and Taylor, R. J. (1972). Mon.
    Weather Rev. 100, 81-92. doi:10.1175/1520-0493(1972)100<0081:OTAOSH>2.3.CO;2. Hargreaves, G. H.
    and Samani, Z. A. (1985). Appl. Eng. Agric. 1, 96-99. doi:10.13031/2013.26773. Oudin, L., et al.
    (2005). J. Hydrol. 303, 290-306. doi:10.1016/j.jhydrol.2004.08.026 (formula recalled,
    unchecked)

    Examples
    --------
    FAO 56, example 18: 3.9 mm.

    >>> found = reference_evapotranspiration(
    ...     12.3, 21.5, 41.09, radiation=22.07, vapour_pressure=1.409, wind=2.078, elevation=100.0)
    >>> round(float(found), 1)
    3.9
    """
    if method not in _NEEDS:
        raise DataError("unknown method", found=f"'{method}'", do=f"Use one of {', '.join(_NEEDS)}")
    given = {
        "radiation": radiation,
        "vapour_pressure": vapour_pressure,
        "wind": wind,
        "elevation": elevation,
    }
    lacking = [name for name in _NEEDS[method] if given[name] is None]
    if lacking:
        raise DataError(
            f"{method} lacks inputs",
            found=f"no {', '.join(lacking)}",
            do="Give them, or use hargreaves, which needs temperature alone",
        )
    mean = (low + high) / 2.0
    heat = 2.501 - 0.002361 * mean
    if method == "oudin":
        return np.maximum(top_radiation / 2.45 * (mean + 5.0) / 100.0, 0.0)
    if method == "hargreaves":
        span = np.maximum(high - low, 0.0)
        return np.maximum(0.0023 / heat * (mean + 17.8) * np.sqrt(span) * top_radiation, 0.0)
    pressure = 101.3 * ((293.0 - 0.0065 * elevation) / 293.0) ** 5.26
    psychrometric = 0.000665 * pressure
    slope = 4098.0 * _saturation(mean) / (mean + 237.3) ** 2
    net = _net_radiation(low, high, top_radiation, given)
    if method == "priestley_taylor":
        return np.maximum(1.26 * slope * net / (heat * (slope + psychrometric)), 0.0)
    deficit = (_saturation(high) + _saturation(low)) / 2.0 - vapour_pressure
    below = slope + psychrometric * (1.0 + 0.34 * wind)
    # FAO 56 fixes the latent heat at 2.45 MJ kg-1
    rays = 0.408 * slope * net
    air = psychrometric * 900.0 / (mean + 273.0) * wind * deficit
    return np.maximum((rays + air) / below, 0.0)


def _saturation(temperature: NDArray[Any]) -> Any:
    """Saturation vapour pressure [kPa]."""
    return 0.6108 * np.exp(17.27 * temperature / (temperature + 237.3))


def _net_radiation(
    low: NDArray[Any], high: NDArray[Any], top: NDArray[Any], given: dict[str, Any]
) -> Any:
    clear = (0.75 + 2e-5 * given["elevation"]) * top
    share = np.clip(given["radiation"] / clear, 0.3, 1.0)
    fourth = ((high + 273.16) ** 4 + (low + 273.16) ** 4) / 2.0
    damp = 0.34 - 0.14 * np.sqrt(given["vapour_pressure"])
    outgoing = 4.903e-9 * fourth * damp * (1.35 * share - 0.35)
    return 0.77 * given["radiation"] - outgoing
