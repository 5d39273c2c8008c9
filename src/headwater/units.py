"""Units at the edge: values are converted once, on entry, to the glossary's unit.

Spellings of the field are looked up in a table; what is not in it is read as a product of powers
("kg/m^2/8day", "0.1 mm", "Kg m**-2"). A unit is a dimension, a factor and an offset to that
dimension's base unit, so that ``base = value * factor + offset``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from headwater.errors import UnitError, nearest

__all__ = ["Unit", "convert", "parse"]

WATER_DENSITY = 1000.0
"""Density of liquid water [kg m-3]."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a dimension with a factor and an offset to the base unit of that dimension.

    Attributes
    ----------
    dimension : str
        ``fraction``, ``water`` (a depth or a mass per area), ``water flux`` and so on.
    factor, offset : float
        base = value * factor + offset.
    per : str
        Of a flux: the span of the calendar that it is counted by, where that has no fixed length
        (``month``, ``year``, ``dekad``) or is longer than a day (``8``, in days); else empty.
    """

    dimension: str
    factor: float = 1.0
    offset: float = 0.0
    per: str = ""


_DAY = 86400.0
# dimension: {factor: spellings}; the first factor 1.0 is the base unit.
_SCALES: dict[str, dict[float, str]] = {
    "fraction": {
        1.0: "1|m3 m-3|m3/m3|m^3/m^3|m^3 m^-3|cm3 cm-3|cm3/cm3|m**3 m**-3|fraction|kg kg-1"
        "|kg/kg|kg kg**-1|m2 m-2|-|dimensionless|unitless|none|ratio|index|ndvi|evi|m3.m-3",
        0.01: "%|percent|vol%|vol.%|% vol|%vol|vol %|volume %|volumetric %|vol. %",
        0.001: "g kg-1|g/kg|permil|‰",
    },
    # A depth of water: 1 kg m-2 is 1 mm at a density of 1000 kg m-3.
    "water": {
        1.0: "mm|kg m-2|kg/m2|kg/m^2|kg m**-2|millimeter|millimetre",
        10.0: "cm|centimeter|centimetre",
        25.4: "inch|in",
        304.8: "ft|feet|foot",
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


# name: (length, mass, time) and the factor to m, kg, s
_BASES: dict[str, tuple[tuple[int, int, int], float]] = {
    name: (powers, factor)
    for powers, factor, names in (
        ((1, 0, 0), 1.0, "m metre metres meter meters"),
        ((1, 0, 0), 1e-3, "mm millimetre millimetres millimeter millimeters"),
        ((1, 0, 0), 1e-2, "cm centimetre centimetres centimeter centimeters"),
        ((1, 0, 0), 0.1, "dm decimetre decimeter"),
        ((1, 0, 0), 1e3, "km kilometre kilometres kilometer kilometers"),
        ((1, 0, 0), 0.0254, "in inch inches"),
        ((1, 0, 0), 0.3048, "ft foot feet"),
        ((0, 1, 0), 1.0, "kg kilogram kilograms"),
        ((0, 1, 0), 1e-3, "g gram grams"),
        ((0, 1, 0), 1e-6, "mg"),
        ((0, 1, 0), 1e3, "t tonne tonnes"),
        ((0, 0, 1), 1.0, "s sec secs second seconds"),
        ((0, 0, 1), 60.0, "min minute minutes"),
        ((0, 0, 1), 3600.0, "h hr hrs hour hours"),
        ((0, 0, 1), _DAY, "d day days"),
        ((0, 0, 1), 7 * _DAY, "week weeks"),
        ((2, 1, -2), 1.0, "J joule joules"),
        ((2, 1, -2), 1e3, "kJ"),
        ((2, 1, -2), 1e6, "MJ"),
        ((2, 1, -3), 1.0, "W watt watts"),
        ((2, 1, -3), 1e3, "kW"),
        ((-1, 1, -2), 1.0, "Pa pascal"),
        ((-1, 1, -2), 100.0, "hPa mbar mb millibar"),
        ((-1, 1, -2), 1e3, "kPa"),
        ((-1, 1, -2), 1e5, "bar"),
    )
    for name in names.split()
}
_CALENDAR = {
    "month": "month",
    "months": "month",
    "mon": "month",
    "mo": "month",
    "year": "year",
    "years": "year",
    "yr": "year",
    "a": "year",
    "annum": "year",
    "dekad": "dekad",
    "decade": "dekad",
    "pentad": "pentad",
    "season": "season",
}
# powers of length, mass and time: dimension and the factor to its base unit
_DIMENSIONS = {
    (0, 0, 0): ("fraction", 1.0),
    (1, 0, 0): ("water", 1e3),
    (-2, 1, 0): ("water", 1.0),
    (1, 0, -1): ("water flux", 1e3 * _DAY),
    (-2, 1, -1): ("water flux", _DAY),
    (0, 1, -3): ("energy flux", 1.0),
    (0, 1, -2): ("energy", 1.0),
    (-1, 1, -2): ("pressure", 1.0),
    (-3, 1, 0): ("density", 1.0),
    (0, 0, 1): ("time", 1.0),
    (2, 0, 0): ("area", 1.0),
}
_FACTOR = re.compile(
    r"^(?:(?P<base>10)\s*(?:\^|\*\*)\s*(?P<power>[-+]?\d+)"
    r"|(?P<number>\d*\.?\d+(?:[eE][-+]?\d+)?))\s*[*x]?\s*(?P<unit>\D.*)?$"
)
_DEGREES = re.compile(
    r"^(?:deg(?:ree)?s?\.?|°|o)?[ _]*(celsius|centigrade|celcius|c|kelvin|k|fahrenheit|f)$", re.I
)
_WATER = re.compile(
    r"\b(?:of\s+)?(?:liquid\s+)?water(?:\s+equivalent)?\b|\bw\.?\s?e\.?(?=$|[\s/])|\blwe\b|\bh2o\b",
    re.I,
)
_TOKEN = re.compile(r"^(\d+)?\s*([A-Za-z]+)(?:\^|\*\*)?([-+]?\d+)?$")


def parse(text: str) -> Unit:
    """Read a unit's spelling.

    Parameters
    ----------
    text : str
        As found in a file's ``units`` attribute or in the study file; a factor may stand before it.

    Returns
    -------
    Unit

    Raises
    ------
    UnitError
        If the spelling is not understood.

    Examples
    --------
    >>> parse("kg m-2 s-1").dimension
    'water flux'
    >>> parse("mm  d^-1") == parse("mm/day")
    True
    >>> parse("0.1 ℃").factor, parse("mm/month").per
    (0.1, 'month')
    """
    spelling = _plain(text)
    found = _known(spelling)
    if found is not None:
        return found
    factor = _FACTOR.match(spelling)
    if factor is not None:
        number = factor["number"]
        size = float(number) if number else 10.0 ** int(factor["power"])
        rest = (factor["unit"] or "1").strip()
        inner = _known(rest)
        if inner is not None and size > 0:
            return replace(inner, factor=inner.factor * size)
    raise UnitError("unknown unit", found=f"'{text}'", do=nearest(spelling, list(_UNITS), _PLAIN))


_CHINESE = {
    "毫米": "mm",
    "厘米": "cm",
    "分米": "dm",
    "千米": "km",
    "公里": "km",
    "平方米": " m2",
    "立方米": " m3",
    "米": "m",
    "千克": "kg",
    "公斤": "kg",
    "克": "g",
    "摄氏度": "degC",
    "华氏度": "degF",
    "开尔文": "K",
    "度": "degree",
    "百分比": "%",
    "百分数": "%",
    "小时": "h",
    "秒": "s",
    "天": "d",
    "日": "d",
    "月": "month",
    "年": "year",
    "旬": "dekad",
    "候": "pentad",
    "每": "/",
    "瓦": "W",
    "兆焦": "MJ",
    "百帕": "hPa",
    "千帕": "kPa",
    "帕": "Pa",
}
_HAN = re.compile("|".join(sorted(_CHINESE, key=len, reverse=True)))


def _plain(text: str) -> str:
    """Spell alike what means the same: signs of other alphabets, brackets, water as a word."""
    plain = unicodedata.normalize("NFKC", text.replace("º", "°"))
    plain = re.sub("[\u2212\u2010-\u2015]", "-", plain)
    plain = re.sub("[\u00b7\u22c5\u2219]", " ", plain).replace("×", "x")
    plain = re.sub(r"\^\{\s*(-?\d+)\s*\}", r"\1", plain).replace("$", " ")  # day^{-1} of LaTeX
    plain = _HAN.sub(lambda found: _CHINESE[found[0]], plain)
    plain = re.sub(r"\bper\b", "/", " ".join(plain.split()))
    if re.fullmatch(r"\[.*\]|\([^()]*\)", plain) and plain[1:-1].strip() not in ("", "-"):
        plain = plain[1:-1].strip()
    return "1" if plain in ("[-]", "(-)", "[]", "()") else plain


def _known(spelling: str) -> Unit | None:
    """Look a spelling without a factor up, or take it apart."""
    powers = re.sub(r"\^(?=-?\d)|\*\*(?=-?\d)", "", spelling)
    for candidate in (spelling, powers, powers.replace(".", " "), spelling.casefold()):
        if candidate in _UNITS:
            return _UNITS[candidate]
    degrees = _DEGREES.match(spelling)
    if degrees is not None:
        kind = {"k": "K", "f": "degF"}.get(degrees[1][0].lower(), "degC")
        return None if degrees[1].lower() == "celcius" else _UNITS[kind]
    water = " ".join(_WATER.sub(" ", spelling).split())
    if water != spelling and water in _UNITS:
        return _UNITS[water]
    try:
        return _product(water)
    except ValueError:
        return None


def _product(text: str) -> Unit:
    """Multiply out what is written as powers; ValueError where a word is unknown."""
    total, factor, per = [0, 0, 0], 1.0, ""
    for count, name, power in _powers(text):
        span = _CALENDAR.get(name.lower(), "")
        if name.lower() in ("d", "day", "days") and count > 1:
            span = str(count)
        if span:
            if power != -1 or per:
                raise ValueError(text)
            per, total[2] = span, total[2] - 1
            continue
        powers, size = _BASES[name] if name in _BASES else _BASES[name.lower()]
        factor *= (count * size) ** power
        total = [sum(pair) for pair in zip(total, (power * p for p in powers), strict=True)]
    if (total[0], total[1], total[2]) not in _DIMENSIONS:
        known = f"length {total[0]}, mass {total[1]}, time {total[2]}"
        return Unit(known, factor, per=per)
    dimension, base = _DIMENSIONS[total[0], total[1], total[2]]
    if per and dimension != "water flux":
        raise ValueError(text)
    # A flux by the calendar is counted in mm per span, any other in mm per day.
    return Unit(dimension, factor * (base / _DAY if per else base), per=per)


def _powers(text: str) -> Iterator[tuple[int, str, int]]:
    """Read factors as (multiple, name, power): "kg m-2", "kg/(m2 s)", "mm/8day"."""
    if not text:
        raise ValueError(text)
    # All of a bracket below a line is below it, else only the word that follows.
    text = re.sub(
        r"/\s*\(([^()]*)\)", lambda match: "".join(f"/{w}" for w in match[1].split()), text
    )
    for number, part in enumerate(text.replace("(", " ").replace(")", " ").split("/")):
        words = re.sub(r"(?<!\*)\*(?!\*)|(?<=[A-Za-z0-9])\.(?=[A-Za-z])", " ", part).split()
        if not words and not (number == 0 and text.startswith("/")):
            raise ValueError(text)
        for place, word in enumerate(words):
            match = _TOKEN.match(word)
            if match is None:
                raise ValueError(text)
            name = match[2]
            if name not in _BASES and name.lower() not in {*_BASES, *_CALENDAR}:
                raise ValueError(text)
            below = number > 0 and place == 0
            yield int(match[1] or 1), name, int(match[3] or 1) * (-1 if below else 1)


def convert(
    values: Any,
    units: str,
    to: str,
    *,
    layer_depth: float | None = None,
    step_days: Any = None,
    unit_days: Any = None,
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
        Length of each time step [d], which turns a flux of water into an amount and back, and
        energy into its flux.
    unit_days : array-like, optional
        Length of the month, year or dekad that `units` are counted by, at each time step [d].

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
    base = base if not source.per else base / _span(source, units, unit_days)
    if target.per:
        base = base * _span(target, to, unit_days)
    base = base if source.offset == 0.0 else base + source.offset
    base = base * _bridge(source, target, units, to, layer_depth, step_days)
    base = base if target.offset == 0.0 else base - target.offset
    return base if target.factor == 1.0 else base / target.factor


def _span(unit: Unit, text: str, unit_days: object) -> Any:
    """Days of the span that a unit is counted by."""
    if unit_days is not None:
        return unit_days
    if unit.per.isdigit():
        return float(unit.per)
    raise UnitError(
        f"a {unit.per} has no fixed length",
        found=f"'{text}'",
        do="Give the data a time axis, or unit_days",
    )


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
    if set(pair) == {"energy", "energy flux"} and step_days is not None:
        seconds = step_days * _DAY
        return 1.0 / seconds if pair == ("energy", "energy flux") else seconds
    raise UnitError(
        "units of different kinds",
        found=f"'{units}' ({_kind(units, source)}) where '{to}' ({_kind(to, target)}) is needed",
        do="Correct `units` of this input in the study file, or choose another variable",
    )


def _kind(text: str, unit: Unit) -> str:
    """Name what a unit measures: metres of elevation are no water, though rain falls in them."""
    own = unit.dimension
    return "length" if own == "water" and not re.search(r"g|mm|millim|water", text) else own
