"""The words of the field: one name, symbol, unit and valid range for each quantity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headwater.errors import StudyError, nearest

__all__ = ["GLOSSARY", "Term", "term"]

Kind = Literal["continuous", "circular", "categorical"]
Total = Literal["mean", "sum", "none"]


@dataclass(frozen=True, slots=True)
class Term:
    """One quantity.

    Attributes
    ----------
    name : str
        The name used in study files, cubes and results.
    symbol : str
        The letter used in figures.
    long_name : str
        The words used in figures and attributes, without the unit.
    standard_name : str
        CF standard name, empty where CF has none whose unit `units` can be converted to (amounts
        in kg m-2 are not in mm).
    units : str
        The unit that values are converted to on entry.
    valid_range : tuple of float
        Values outside are impossible and refused on entry.
    kind : {"continuous", "circular", "categorical"}
        How the values may be averaged and compared.
    total : {"mean", "sum", "none"}
        How a step aggregates to a longer one (precipitation adds up, temperature does not).
    plausible : tuple of float
        What the mean of an area on land may be over years, or its yearly total where steps add up;
        a value outside is reported, not refused.
    zeros : bool
        Whether many values may be exactly zero (a dry day, no snow).
    """

    name: str
    symbol: str
    long_name: str
    standard_name: str
    units: str
    valid_range: tuple[float, float]
    kind: Kind = "continuous"
    total: Total = "mean"
    plausible: tuple[float, float] = (float("-inf"), float("inf"))
    zeros: bool = False


_INF = float("inf")

_TERMS = (
    Term(
        "soil_moisture",
        "θ",
        "Soil moisture",
        "volume_fraction_of_condensed_water_in_soil",
        "m3 m-3",
        (0.0, 1.0),
        plausible=(0.005, 0.6),
    ),
    Term(
        "soil_water",
        "W",
        "Soil water",
        "mass_content_of_water_in_soil",
        "kg m-2",
        (0.0, 5000.0),
        plausible=(0.5, 4000),
    ),
    Term(
        "precipitation",
        "P",
        "Precipitation",
        "lwe_thickness_of_precipitation_amount",
        "mm",
        (0.0, 10000.0),
        total="sum",
        plausible=(1, 12000),
        zeros=True,
    ),
    Term(
        "evapotranspiration",
        "ET",
        "Evapotranspiration",
        "lwe_thickness_of_water_evaporation_amount",
        "mm",
        (-200.0, 10000.0),
        total="sum",
        plausible=(1, 3500),
        zeros=True,
    ),
    Term(
        "potential_evapotranspiration",
        "PET",
        "Potential evapotranspiration",
        "",
        "mm",
        (-200.0, 10000.0),
        total="sum",
        plausible=(50, 5000),
        zeros=True,
    ),
    Term(
        "temperature",
        "T",
        "Air temperature",
        "air_temperature",
        "degC",
        (-90.0, 60.0),
        plausible=(-45, 38),
    ),
    Term(
        "surface_temperature",
        "Ts",
        "Surface temperature",
        "surface_temperature",
        "degC",
        (-100.0, 90.0),
        plausible=(-45, 45),
    ),
    Term(
        "soil_temperature",
        "Tg",
        "Soil temperature",
        "soil_temperature",
        "degC",
        (-70.0, 80.0),
        plausible=(-40, 42),
    ),
    Term(
        "net_radiation",
        "Rn",
        "Net radiation",
        "surface_net_downward_radiative_flux",
        "W m-2",
        (-1000.0, 2000.0),
        plausible=(-60, 260),
    ),
    Term(
        "specific_humidity",
        "qs",
        "Specific humidity",
        "specific_humidity",
        "1",
        (0.0, 0.1),
        plausible=(0.0001, 0.025),
    ),
    Term(
        "snow_melt",
        "M",
        "Snow melt",
        "",
        "mm",
        (0.0, 10000.0),
        total="sum",
        plausible=(0, 6000),
        zeros=True,
    ),
    Term(
        "ndvi",
        "NDVI",
        "NDVI",
        "normalized_difference_vegetation_index",
        "1",
        (-1.0, 1.0),
        plausible=(-0.2, 0.95),
    ),
    Term("evi", "EVI", "Enhanced vegetation index", "", "1", (-1.0, 1.0), plausible=(-0.2, 0.9)),
    Term(
        "albedo", "α", "Shortwave albedo", "surface_albedo", "1", (0.0, 1.0), plausible=(0.03, 0.9)
    ),
    Term(
        "lai",
        "LAI",
        "Leaf area index",
        "leaf_area_index",
        "1",
        (0.0, 15.0),
        plausible=(0, 9),
        zeros=True,
    ),
    Term(
        "elevation",
        "z",
        "Elevation",
        "surface_altitude",
        "m",
        (-500.0, 9000.0),
        total="none",
        plausible=(-430, 8000),
    ),
    Term(
        "slope",
        "S",
        "Slope",
        "",
        "degree",
        (0.0, 90.0),
        total="none",
        plausible=(0, 60),
        zeros=True,
    ),
    Term(
        "aspect",
        "A",
        "Aspect, clockwise from north",
        "",
        "degree",
        (0.0, 360.0),
        kind="circular",
        total="none",
    ),
    Term(
        "vegetation",
        "V",
        "Vegetation class",
        "",
        "1",
        (-_INF, _INF),
        kind="categorical",
        total="none",
    ),
    Term("soil_class", "C", "Soil class", "", "1", (-_INF, _INF), kind="categorical", total="none"),
    Term(
        "land_cover",
        "L",
        "Land cover class",
        "",
        "1",
        (-_INF, _INF),
        kind="categorical",
        total="none",
    ),
)

GLOSSARY: dict[str, Term] = {entry.name: entry for entry in _TERMS}


def term(name: str) -> Term:
    """Look a quantity up by its name.

    Parameters
    ----------
    name : str
        A name of the glossary.

    Returns
    -------
    Term

    Raises
    ------
    StudyError
        If the glossary has no such name; the message names the nearest one.

    Examples
    --------
    >>> term("soil_moisture").units
    'm3 m-3'
    """
    if name not in GLOSSARY:
        raise StudyError("unknown quantity", found=f"'{name}'", do=nearest(name, list(GLOSSARY)))
    return GLOSSARY[name]
