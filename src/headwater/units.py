"""Units at the edge: values are converted once, on entry, to the glossary's unit.

A small table of the units that hydrology uses. Each unit is a dimension, a factor and an offset to
that dimension's base unit, so that ``base = value * factor + offset``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from headwater.errors import UnitError, nearest

__all__ = ["Unit", "convert", "parse"]

WATER_DENSITY = 1000.0
"""Density of liquid water [kg m-3]."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a dimension with a factor and an offset to the base unit of that dimension."""

    dimension: str
    factor: float = 1.0
    offset: float = 0.0


_DAY = 86400.0
# dimension: {factor: spellings}; the first factor 1.0 is the base unit.
_SCALES: dict[str, dict[float, str]] = {
    "fraction": {
        1.0: "1|m3 m-3|m3/m3|m^3/m^3|m^3 m^-3|cm3 cm-3|cm3/cm3|m**3 m**-3|fraction|kg kg-1"
        "|kg/kg|kg kg**-1|m2 m-2|-|dimensionless|unitless",
        0.01: "%|percent|vol%|vol.%|% vol",
        0.001: "g kg-1|g/kg|permil|‰",
    },
    # A depth of water: 1 kg m-2 is 1 mm at a density of 1000 kg m-3.
    "water": {
        1.0: "mm|kg m-2|kg/m2|kg/m^2|kg m**-2|millimeter|millimetre",
        10.0: "cm|centimeter|centimetre",
        25.4: "inch|in",
        1000.0: "m|metre|meter|metres|meters|m of water equivalent",
        1e6: "km",
    },
    # A flux of water, in mm per day.
    "water flux": {
        1.0: "mm d-1|mm/d|mm/day|mm day-1|kg m-2 d-1|kg m-2 day-1|mm d**-1",
        24.0: "mm h-1|mm/h|mm/hr|mm hr-1",
        1000.0: "m d-1|m/day|m day-1",
        _DAY: "kg m-2 s-1|kg/m2/s|kg m**-2 s**-1|mm s-1|mm/s",
        _DAY * 1000.0: "m s-1|m/s",
    },
    "energy flux": {1.0: "W m-2|W/m2|W m**-2|W/m^2", 1e6 / _DAY: "MJ m-2 d-1|MJ m-2 day-1"},
    "angle": {1.0: "degree|degrees|deg|°", 57.29577951308232: "radian|radians|rad"},
}
_TEMPERATURES = {
    "degC|°C|C|celsius|deg_C|degrees_celsius|degree_celsius|Celsius": Unit("temperature"),
    "K|kelvin|Kelvin|degK": Unit("temperature", 1.0, -273.15),
    "degF|°F|F|fahrenheit": Unit("temperature", 5.0 / 9.0, -160.0 / 9.0),
}

# One spelling of each unit, for messages.
_PLAIN = tuple(
    spellings.split("|")[0]
    for spellings in (*(s for scales in _SCALES.values() for s in scales.values()), *_TEMPERATURES)
)

_UNITS: dict[str, Unit] = {
    spelling: Unit(dimension, factor)
    for dimension, scales in _SCALES.items()
    for factor, spellings in scales.items()
    for spelling in spellings.split("|")
} | {
    spelling: unit for spellings, unit in _TEMPERATURES.items() for spelling in spellings.split("|")
}


def parse(text: str) -> Unit:
    """Read a unit's spelling.

    Parameters
    ----------
    text : str
        As found in a file's ``units`` attribute or in the study file.

    Returns
    -------
    Unit

    Raises
    ------
    UnitError
        If the spelling is not in the table.

    Examples
    --------
    >>> parse("kg m-2 s-1").dimension
    'water flux'
    >>> parse("mm  d^-1") == parse("mm/day")
    True
    """
    spelling = " ".join(text.split())
    plain = re.sub(r"\^(?=-?\d)|\*\*(?=-?\d)", "", spelling)
    for candidate in (spelling, plain, plain.replace(".", " ")):
        if candidate in _UNITS:
            return _UNITS[candidate]
    raise UnitError("unknown unit", found=f"'{text}'", do=nearest(spelling, list(_UNITS), _PLAIN))


def convert(
    values: Any,
    units: str,
    to: str,
    *,
    layer_depth: float | None = None,
    step_days: Any = None,
) -> Any:
    """Convert values from one unit to another.

    Works on anything with arithmetic (float, ndarray, DataArray, Dask array) and stays lazy.

    Parameters
    ----------
    values : array-like
        Values in `units`.
    units : str
        The unit that the values have.
    to : str
        The unit wanted.
    layer_depth : float, optional
        Thickness of the soil layer [m], which turns a mass of water per area into a volume
        fraction and back: θ = W / (ρ d).
    step_days : array-like, optional
        Length of each time step [d], which turns a flux of water into an amount and back.

    Returns
    -------
    array-like
        Values in `to`.

    Raises
    ------
    UnitError
        If the two units have different dimensions and no depth or step bridges them.

    Examples
    --------
    >>> convert(293.15, "K", "degC")
    20.0
    >>> convert(12.0, "kg m-2", "m3 m-3", layer_depth=0.1)
    0.12
    >>> round(convert(1e-5, "kg m-2 s-1", "mm", step_days=31), 3)
    26.784
    """
    source, target = parse(units), parse(to)
    if source == target:
        return values  # 1000 * and / 1000 would change the last digit of a float32
    base = values if source.factor == 1.0 else values * source.factor
    base = base if source.offset == 0.0 else base + source.offset
    base = base * _bridge(source, target, units, to, layer_depth, step_days)
    base = base if target.offset == 0.0 else base - target.offset
    return base if target.factor == 1.0 else base / target.factor


def _bridge(
    source: Unit, target: Unit, units: str, to: str, layer_depth: float | None, step_days: Any
) -> Any:
    """Factor between the base units of two dimensions, or a clear refusal."""
    pair = (source.dimension, target.dimension)
    if source.dimension == target.dimension:
        return 1.0
    if set(pair) == {"water", "fraction"}:
        if layer_depth is None:
            raise UnitError(
                "a mass of water per area is a volume fraction only of a layer of known thickness",
                found=f"'{units}' where '{to}' is needed",
                do="Give layer_depth in metres (0.1 for a layer of 0-10 cm)",
            )
        # mm of water over a depth in mm
        thickness = layer_depth * 1000.0
        return 1.0 / thickness if pair == ("water", "fraction") else thickness
    if set(pair) == {"water", "water flux"}:
        if step_days is None:
            raise UnitError(
                "a flux of water is an amount only over a known time step",
                found=f"'{units}' where '{to}' is needed",
                do="Give the data a time axis, or step_days",
            )
        return step_days if pair == ("water flux", "water") else 1.0 / step_days
    raise UnitError(
        "units of different kinds",
        found=f"'{units}' ({source.dimension}) where '{to}' ({target.dimension}) is needed",
        do="Correct `units` of this input in the study file, or choose another variable",
    )
