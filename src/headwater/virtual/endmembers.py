"""Where the water of the soil comes from: its sources, their isotopes and their mean shares.

A source k has in every month and altitude band the mean

    δ¹⁸O_k = δ¹⁸O_k(4000 m) + Γ_k (z − 4000 m) ,   δ²H_k = 7.90 δ¹⁸O_k + 12.43 ‰ + h_k ,

z being the middle of the band. Precipitation lies on the meteoric water line (h = 0, the line of Li
et al. 2024); ground ice lies 9 ‰ below it, for it froze from water that had evaporated; snow melt
lies 5 ‰ above it. All grow lighter with altitude.

The mean shares follow what that study found: snow melt only in June and above 4000 m; ground ice
most at 3500-4000 m in June, growing with altitude in August and September, none in the lowest bands
then; more ground ice under meadow, more snow melt under grassland, little of either under forest;
more of both on slopes that look north. Effects of band, vegetation and aspect multiply.

References
----------
Li, Z., et al. (2024). Soil water sources and their implications on vegetation restoration in the
Three-Rivers Headwater Region. Hydrology and Earth System Sciences, 28, 719. (Title recalled,
unchecked.)
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd

__all__ = ["LMWL", "band_name", "fractions", "meteoric", "sources"]

BANDS = ((3000, 3500), (3500, 4000), (4000, 4500), (4500, 5100))
MONTHS = (6, 8, 9)
SOURCES = ("precipitation", "ground_ice", "snow_melt")
VEGETATION = ("grassland", "meadow", "forest")
ASPECTS = ("N", "E", "S", "W")

LMWL = {"slope": 7.90, "intercept": 12.43, "sd": 4.0}
"""Slope, intercept [‰] and scatter of δ²H [‰] of the local meteoric water line."""

SIGNATURE = {
    "precipitation": ({6: -12.5, 8: -14.6, 9: -13.8}, -0.0018, 0.0),
    "ground_ice": ({6: -15.0, 8: -15.4, 9: -15.2}, -0.0012, -9.0),
    "snow_melt": ({6: -18.5, 8: -17.8, 9: -17.2}, -0.0012, 5.0),
}
"""By source: δ¹⁸O at 4000 m [‰] by month, Γ [‰ m-1] and h [‰]."""

_ICE = {6: (0.18, 0.28, 0.20, 0.16), 8: (0.0, 0.08, 0.14, 0.20), 9: (0.0, 0.0, 0.10, 0.16)}
_SNOW = {6: (0.0, 0.0, 0.12, 0.20), 8: (0.0,) * 4, 9: (0.0,) * 4}
_BY_VEGETATION = {"grassland": (0.9, 1.2), "meadow": (1.15, 0.9), "forest": (0.5, 0.3)}
_BY_ASPECT = {"N": 1.2, "E": 1.0, "S": 0.8, "W": 1.0}


def band_name(band: tuple[int, int]) -> str:
    """Name an altitude band.

    Examples
    --------
    >>> band_name((3000, 3500))
    '3000-3500'
    """
    return f"{band[0]}-{band[1]}"


def meteoric(oxygen: Any) -> Any:
    """δ²H on the meteoric water line [‰] at a δ¹⁸O [‰].

    Examples
    --------
    >>> round(meteoric(-10.0), 2)
    -66.57
    """
    return LMWL["slope"] * oxygen + LMWL["intercept"]


def fractions() -> pd.DataFrame:
    """Mean share of every source in soil water.

    Returns
    -------
    DataFrame
        One row for each month, altitude band, vegetation and aspect; the shares sum to 1.

    Examples
    --------
    >>> table = fractions().set_index(["month", "band", "vegetation", "aspect"])
    >>> table.loc[(6, "3500-4000", "meadow", "E"), "ground_ice"].round(3)
    np.float64(0.322)
    """
    rows = []
    for month, (index, band), plant, aspect in product(
        MONTHS, enumerate(BANDS), VEGETATION, ASPECTS
    ):
        ice = _ICE[month][index] * _BY_VEGETATION[plant][0] * _BY_ASPECT[aspect]
        snow = _SNOW[month][index] * _BY_VEGETATION[plant][1] * _BY_ASPECT[aspect]
        rows.append((month, band_name(band), plant, aspect, 1.0 - ice - snow, ice, snow))
    return pd.DataFrame(rows, columns=["month", "band", "vegetation", "aspect", *SOURCES])


def sources() -> pd.DataFrame:
    """Mean isotopes of every source.

    Returns
    -------
    DataFrame
        One row for each month, altitude band and source: ``d18O`` and ``d2H`` [‰].

    Examples
    --------
    >>> rain = sources().query("source == 'precipitation' and month == 6")
    >>> bool((rain.d2H - 7.9 * rain.d18O).round(2).eq(12.43).all())
    True
    """
    rows = []
    for month, band, source in product(MONTHS, BANDS, SOURCES):
        monthly, lapse, above = SIGNATURE[source]
        oxygen = monthly[month] + lapse * (sum(band) / 2.0 - 4000.0)
        rows.append((month, band_name(band), source, oxygen, meteoric(oxygen) + above))
    return pd.DataFrame(rows, columns=["month", "band", "source", "d18O", "d2H"])
