"""The data model of SensorThings 2.0, over the same tables as that of 1.1.

What 1.1 calls a MultiDatastream is a Datastream of several observed properties, and a feature of
interest is a Feature that has its role by the link that leads to it. The store knows no types of
features and no ultimate features of interest: those sets are there, and empty.

References
----------
OGC SensorThings API 2.0, OGC 23-019, section 8 (core data model).
"""

from __future__ import annotations

from dataclasses import replace

from headwater.network.sensorthings.model import ENTITY_SETS, EntitySet, Link, Property

__all__ = ["ENTITY_SETS_2", "target_of"]

_MARK = "2.0/"


def _to(name: str, target: str = "", *, one: str = "", many: str = "") -> Link:
    return Link(name, _MARK + (target or name), one=one, many=many)


def _as_before(name: str, *links: str) -> EntitySet:
    """Take a set of 1.1 with some of its links, which lead to sets of 2.0 now."""
    before = ENTITY_SETS[name]
    kept = {n: replace(before.links[n], target=_MARK + before.links[n].target) for n in links}
    return replace(before, links=kept)


def _with(entity: EntitySet, *links: Link) -> EntitySet:
    return replace(entity, links={**{link.name: link for link in links}, **entity.links})


def _properties(name: str, *left_out: str) -> dict[str, Property]:
    known = ENTITY_SETS[name].properties
    return {n: entry for n, entry in known.items() if n not in left_out}


_NONE = "1 = 0 AND {t}.id = {key}"
_OBSERVED = (
    "({t}.id IN (SELECT d.observed_property_id FROM datastreams d WHERE d.id = {key})"
    " OR {t}.id IN (SELECT r.observed_property_id FROM datastreams_observed_properties r"
    " WHERE r.datastream_id = {key}))"
)
_OBSERVING = (
    "({t}.observed_property_id = {key} OR {t}.id IN (SELECT r.datastream_id"
    " FROM datastreams_observed_properties r WHERE r.observed_property_id = {key}))"
)

_DATASTREAMS = EntitySet(
    "Datastreams",
    "Datastream",
    "datastreams",
    {
        **{n: e for n, e in _properties("Datastreams").items() if n in ("name", "description")},
        "resultType": Property("resultType", "computed", "unit_of_measurement"),
        "resultEncoding": Property("resultEncoding", "computed", "multi"),
        **{
            n: e
            for n, e in _properties("Datastreams").items()
            if n in ("observedArea", "phenomenonTime", "resultTime", "properties")
        },
    },
    {
        **_as_before("Datastreams", "Thing", "Sensor").links,
        "ObservedProperties": _to("ObservedProperties", many=_OBSERVED),
        **_as_before("Datastreams", "Observations").links,
        "ProximateFeatureOfInterest": _to(
            "ProximateFeatureOfInterest", "Features", one="{s}.feature_id"
        ),
        "UltimateFeaturesOfInterest": _to("UltimateFeaturesOfInterest", "Features", many=_NONE),
    },
    foreign=(
        "thing_id",
        "sensor_id",
        "feature_id",
        "observation_type",
        "multi_observation_data_types",
    ),
)
_OBSERVATIONS = replace(
    ENTITY_SETS["Observations"],
    properties={
        **_properties("Observations", "parameters"),
        "properties": replace(
            ENTITY_SETS["Observations"].properties["parameters"], name="properties"
        ),
    },
    links={
        "Datastream": _to("Datastream", "Datastreams", one="{s}.datastream_id"),
        "ProximateFeatureOfInterest": _to(
            "ProximateFeatureOfInterest",
            "Features",
            one=ENTITY_SETS["Observations"].links["FeatureOfInterest"].one,
        ),
    },
)
_FEATURES = replace(
    _with(
        _as_before("FeaturesOfInterest", "Observations"),
        _to("FeatureTypes", many=_NONE),
        _to("DatastreamsProximate", "Datastreams", many="{t}.feature_id = {key}"),
        _to("DatastreamsUltimate", "Datastreams", many=_NONE),
    ),
    name="Features",
    singular="Feature",
)
_TYPES = EntitySet(
    "FeatureTypes",
    "FeatureType",
    "(SELECT id, name, name AS definition, description, properties FROM things WHERE 1 = 0)",
    {
        **_properties("Things", "properties"),
        "definition": Property("definition", "text", "definition"),
        **_properties("Things", "name", "description"),
    },
    {"Features": _to("Features", many=_NONE)},
)
_SETS = (
    _as_before("Things", "Datastreams", "Locations", "HistoricalLocations"),
    _as_before("Locations", "Things", "HistoricalLocations"),
    _as_before("HistoricalLocations", "Thing", "Locations"),
    _DATASTREAMS,
    _as_before("Sensors", "Datastreams"),
    _with(_as_before("ObservedProperties"), _to("Datastreams", many=_OBSERVING)),
    _OBSERVATIONS,
    _FEATURES,
    _TYPES,
)

#: The entity sets of 2.0 by name, in the order in which the service document lists them.
ENTITY_SETS_2: dict[str, EntitySet] = {entry.name: replace(entry, version="2.0") for entry in _SETS}


def target_of(link: Link) -> EntitySet:
    """Give the set that a link leads to, in the version of the model that the link is of.

    Examples
    --------
    >>> things = ENTITY_SETS_2["Things"]
    >>> target_of(things.links["Datastreams"]).version
    '2.0'
    """
    version, slash, name = link.target.partition("/")
    return ENTITY_SETS_2[name] if slash else ENTITY_SETS[version]
