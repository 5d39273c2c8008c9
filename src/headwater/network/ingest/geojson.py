"""GeoJSON: stations, or observations with the place they were made at.

A FeatureCollection, or one feature a line (RFC 8142). A feature without a time is a station; one
with a time is an observation.

References
----------
Butler, H., et al. (2016). The GeoJSON Format. RFC 7946. https://doi.org/10.17487/RFC7946
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np

from headwater.errors import InputError
from headwater.network.ingest.mapping import Mapping, Rule
from headwater.network.ingest.parsed_file import (
    Place,
    Reading,
    Refused,
    empty_frame,
    lines_of,
    settle,
)
from headwater.network.ingest.table import Table, tabulate
from headwater.tables.text import Source, name_of

__all__ = ["read_geojson"]

_FEATURE = re.compile(r'\{\s*"(?:type"\s*:\s*"Feature"|(?:id|geometry|properties)")')
_DEFAULT = Rule(
    column="value",
    thing="{station}",
    property="{property}",
    unit="{unit}",
    depth="{depth}",
    sensor="{sensor}",
    flag="flag",
)


def read_geojson(
    source: Source, mapping: Mapping | None = None, *, name: str | None = None
) -> Reading:
    """Read stations and observations.

    Parameters
    ----------
    source : path or bytes
    mapping : Mapping, optional
        How the members of ``properties`` are called; default: station, property, time, value, unit,
        depth, sensor, flag.
    name : str, optional
        Name of the file, where `source` is its content.

    Returns
    -------
    Reading
        Lines are numbers of features, from 1.

    Raises
    ------
    InputError
        If there is no feature at all.

    Examples
    --------
    >>> text = b'''{"type": "FeatureCollection", "features": [{"type": "Feature",
    ... "geometry": {"type": "Point", "coordinates": [99.1, 35.2, 4520]}, "properties":
    ... {"station": "Upper", "time": "2026-07-01T00:00Z", "property": "soil_moisture",
    ... "depth": 0.1, "value": 31, "unit": "vol%"}}]}'''
    >>> reported = read_geojson(text)
    >>> float(reported.data["value"].iloc[0]), reported.places["Upper"].elevation
    (0.31, 4520.0)
    """
    called = name_of(source) if name is None else name
    features, refused = _features("\n".join(lines_of(source)), called)
    if not features:
        raise InputError(
            f"{called or 'the file'} holds no feature of GeoJSON",
            found=str(refused[0]) if refused else "nothing",
            do="Give a FeatureCollection, or one feature a line",
        )
    used = replace(mapping or Mapping(rules=(_DEFAULT,)), format="geojson")
    observed, places, rest = _apart(features, used, called)
    columns = _columns([feature["properties"] for _, feature in observed], used)
    line = np.array([number for number, _ in observed], dtype=np.int64)
    reported = Reading(empty_frame(), {})
    if observed:
        reported = tabulate(Table(columns, line, called), used)
    both = tuple(sorted((*reported.refused, *refused, *rest), key=lambda item: item.line))
    stations = len(features) - len(observed) - len(rest)
    return settle(
        replace(
            reported,
            places={**reported.places, **places},
            lines=len(features) + len(refused),
            kept=reported.kept + stations,
            refused=both,
        ),
        called,
    )


def _features(text: str, name: str) -> tuple[list[tuple[int, dict[str, Any]]], list[Refused]]:
    """Find every feature that can be read, wherever the text around it is damaged."""
    try:
        whole = json.loads(text)
        found = whole["features"] if whole.get("type") == "FeatureCollection" else [whole]
        return [(n, one) for n, one in enumerate(found, 1) if isinstance(one, dict)], []
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        pass
    decoder, features, refused, end, number = json.JSONDecoder(), [], [], 0, 0
    for start in (match.start() for match in _FEATURE.finditer(text)):
        if start < end:
            continue
        number += 1
        try:
            feature, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            refused.append(Refused(number, f"not JSON: {error}"[:120], name))
            continue
        if feature.get("type") == "Feature":
            features.append((number, feature))
        else:
            number -= 1
    return features, refused


def _apart(
    features: list[tuple[int, dict[str, Any]]], mapping: Mapping, name: str
) -> tuple[list[tuple[int, dict[str, Any]]], dict[str, Place], list[Refused]]:
    """Distinguish observations from stations, and where each stands."""
    observed, refused = [], []
    places: dict[str, Place] = {}
    station = mapping.rules[0].thing if mapping.rules else "{station}"
    for number, feature in features:
        held = feature.get("properties")
        if not isinstance(held, dict):
            refused.append(Refused(number, "a feature without properties", name))
            continue
        try:
            place = _place(feature, station, held)
        except (KeyError, IndexError, TypeError, ValueError):
            refused.append(Refused(number, "no station, or no point", name))
            continue
        places.setdefault(place.name, place)
        if all(column in held for column in mapping.time):
            observed.append((number, feature))
    return observed, places, refused


def _place(feature: dict[str, Any], station: str, held: dict[str, Any]) -> Place:
    called = station.format_map({"station": held.get("name", ""), **held}).strip()
    geometry = feature.get("geometry")
    if not called:
        raise ValueError
    if geometry is None:
        return Place(name=called)
    if geometry["type"] != "Point":
        raise ValueError
    longitude, latitude, *height = (float(number) for number in geometry["coordinates"])
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
        raise ValueError
    elevation = height[0] if height else held.get("elevation")
    return Place(
        name=called,
        latitude=latitude,
        longitude=longitude,
        elevation=None if elevation is None else float(elevation),
        description=str(held.get("description", "")),
    )


def _columns(held: list[dict[str, Any]], mapping: Mapping) -> dict[str, list[str]]:
    names = dict.fromkeys(key for one in held for key in one)
    for wanted in ("station", "property", "unit", "depth", "sensor", "flag", "value"):
        names.setdefault(wanted)
    return {name: [_text(one.get(name)) for one in held] for name in names}


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
