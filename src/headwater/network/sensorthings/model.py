"""The data model of SensorThings 1.1: entity sets, their properties, and how they are linked.

Every fragment of SQL in the links is fixed text; ``{s}`` is the alias of the row one comes from,
``{t}`` of the row one goes to, ``{key}`` the identifier of the former (a column or a parameter).

References
----------
OGC SensorThings API Part 1: Sensing, version 1.1, OGC 18-088, sections 8 and 14.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["ENTITY_SETS", "EntitySet", "Kind", "Link", "Property", "entity_set", "singular_of"]

Kind = Literal["text", "json", "geometry", "instant", "interval", "period", "result", "computed"]


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an entity.

    Attributes
    ----------
    name : str
        As in the standard.
    kind : str
        ``interval`` may be an instant and is half-open; ``period`` is the span of a datastream's
        observations, closed, and kept by the service; ``computed`` is made of several columns
        when it is shown.
    column : str
        Column that holds it, or its start.
    end : str
        Column that holds the end of an interval.
    required : bool
        Must be given on creation.
    written : bool
        False where only the service sets it.
    """

    name: str
    kind: Kind
    column: str
    end: str = ""
    required: bool = False
    written: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """A navigation property: either `one` names the key of its single target, or `many` the rows.

    Attributes
    ----------
    name : str
        As in the standard.
    target : str
        Name of the entity set it leads to.
    one : str
        SQL of the key of the target, in terms of ``{s}``.
    many : str
        SQL condition on ``{t}`` in terms of ``{key}``.
    required : bool
        Must be given on creation.
    rank : str
        SQL of the place of ``{t}`` among its siblings, where these have an order.
    """

    name: str
    target: str
    one: str = ""
    many: str = ""
    required: bool = False
    rank: str = ""


@dataclass(frozen=True, slots=True)
class EntitySet:
    """A collection such as Things, with its table; `version` is that of the model it is of."""

    name: str
    singular: str
    table: str
    properties: dict[str, Property]
    links: dict[str, Link]
    where: str = ""
    key: tuple[str, ...] = ("id",)
    foreign: tuple[str, ...] = field(default=())
    version: str = "1.1"

    @property
    def columns(self) -> tuple[str, ...]:
        """Give the columns that a row of this set has, the key first."""
        own = [p.column for p in self.properties.values()]
        ends = [p.end for p in self.properties.values() if p.end]
        return (*self.key, *own, *ends, *self.foreign)


def _named(*properties: Property) -> dict[str, Property]:
    return {entry.name: entry for entry in properties}


def _linked(*links: Link) -> dict[str, Link]:
    return {entry.name: entry for entry in links}


def _text(name: str, column: str = "", *, required: bool = True) -> Property:
    return Property(name, "text", column or name, required=required)


_NAME, _DESCRIPTION = _text("name"), _text("description")
_PROPERTIES = Property("properties", "json", "properties")
_ENCODING = _text("encodingType", "encoding_type")
_OF_STREAM = (
    Property("observedArea", "geometry", "observed_area"),
    Property("phenomenonTime", "period", "first_time", "last_time", written=False),
    Property("resultTime", "period", "first_result_time", "last_result_time", written=False),
    _PROPERTIES,
)
_THING = Link("Thing", "Things", one="{s}.thing_id", required=True)
_SENSOR = Link("Sensor", "Sensors", one="{s}.sensor_id", required=True)
_OBSERVATIONS = Link("Observations", "Observations", many="{t}.datastream_id = {key}")
_RANKS = "datastreams_observed_properties r WHERE r.datastream_id"

_DATASTREAMS = EntitySet(
    "Datastreams",
    "Datastream",
    "datastreams",
    _named(
        _NAME,
        _DESCRIPTION,
        _text("observationType", "observation_type"),
        Property("unitOfMeasurement", "json", "unit_of_measurement", required=True),
        *_OF_STREAM,
    ),
    _linked(
        _THING,
        _SENSOR,
        Link(
            "ObservedProperty",
            "ObservedProperties",
            one="{s}.observed_property_id",
            required=True,
        ),
        _OBSERVATIONS,
    ),
    where="{t}.multi = 0",
    foreign=("thing_id", "sensor_id", "observed_property_id"),
)

_MULTI_DATASTREAMS = EntitySet(
    "MultiDatastreams",
    "MultiDatastream",
    "datastreams",
    _named(
        _NAME,
        _DESCRIPTION,
        _text("observationType", "observation_type", required=False),
        Property(
            "multiObservationDataTypes", "json", "multi_observation_data_types", required=True
        ),
        Property("unitOfMeasurements", "json", "unit_of_measurement", required=True),
        *_OF_STREAM,
    ),
    _linked(
        _THING,
        _SENSOR,
        Link(
            "ObservedProperties",
            "ObservedProperties",
            many=f"{{t}}.id IN (SELECT r.observed_property_id FROM {_RANKS} = {{key}})",
            required=True,
            rank=f"(SELECT min(r.rank) FROM {_RANKS} = {{key}}"
            " AND r.observed_property_id = {t}.id)",
        ),
        _OBSERVATIONS,
    ),
    where="{t}.multi = 1",
    foreign=("thing_id", "sensor_id"),
)


def _streams(column: str) -> tuple[Link, ...]:
    return tuple(
        Link(name, name, many=f"{{t}}.{column} = {{key}}")
        for name in ("Datastreams", "MultiDatastreams")
    )


def _through(name: str, table: str, own: str, other: str, *, required: bool = False) -> Link:
    rows = f"{{t}}.id IN (SELECT j.{other} FROM {table} j WHERE j.{own} = {{key}})"
    return Link(name, name, many=rows, required=required)


_THINGS_LOCATIONS = ("things_locations", "thing_id", "location_id")
_PAST = ("historical_locations_locations", "historical_location_id", "location_id")

_SETS = (
    EntitySet(
        "Things",
        "Thing",
        "things",
        _named(_NAME, _DESCRIPTION, _PROPERTIES),
        _linked(
            *_streams("thing_id"),
            _through("Locations", *_THINGS_LOCATIONS),
            Link("HistoricalLocations", "HistoricalLocations", many="{t}.thing_id = {key}"),
        ),
    ),
    EntitySet(
        "Locations",
        "Location",
        "locations",
        _named(
            _NAME,
            _DESCRIPTION,
            _ENCODING,
            Property("location", "geometry", "location", required=True),
            _PROPERTIES,
        ),
        _linked(
            _through("Things", "things_locations", "location_id", "thing_id"),
            _through("HistoricalLocations", _PAST[0], _PAST[2], _PAST[1]),
        ),
    ),
    EntitySet(
        "HistoricalLocations",
        "HistoricalLocation",
        "historical_locations",
        _named(Property("time", "instant", "time", required=True)),
        _linked(_THING, _through("Locations", *_PAST, required=True)),
        foreign=("thing_id",),
    ),
    _DATASTREAMS,
    _MULTI_DATASTREAMS,
    EntitySet(
        "Sensors",
        "Sensor",
        "sensors",
        _named(
            _NAME,
            _DESCRIPTION,
            _ENCODING,
            Property("metadata", "json", "metadata", required=True),
            _PROPERTIES,
        ),
        _linked(*_streams("sensor_id")),
    ),
    EntitySet(
        "ObservedProperties",
        "ObservedProperty",
        "observed_properties",
        _named(_NAME, _text("definition"), _DESCRIPTION, _PROPERTIES),
        _linked(
            Link("Datastreams", "Datastreams", many="{t}.observed_property_id = {key}"),
            Link(
                "MultiDatastreams",
                "MultiDatastreams",
                many="{t}.id IN (SELECT r.datastream_id FROM datastreams_observed_properties r"
                " WHERE r.observed_property_id = {key})",
            ),
        ),
    ),
    EntitySet(
        "Observations",
        "Observation",
        "observations",
        _named(
            Property("phenomenonTime", "interval", "time", "time_end"),
            Property("result", "result", "result_json", required=True),
            Property("resultTime", "instant", "result_time"),
            Property("resultQuality", "json", "quality"),
            Property("validTime", "interval", "valid_start", "valid_end"),
            Property("parameters", "json", "parameters"),
        ),
        _linked(
            Link("Datastream", "Datastreams", one="{s}.datastream_id"),
            Link("MultiDatastream", "MultiDatastreams", one="{s}.datastream_id"),
            Link(
                "FeatureOfInterest",
                "FeaturesOfInterest",
                # most observations are of their datastream's own feature and do not repeat it
                one="coalesce({s}.feature_id,"
                " (SELECT d.feature_id FROM datastreams d WHERE d.id = {s}.datastream_id))",
            ),
        ),
        key=("datastream_id", "time", "variant"),
        foreign=("result_number", "feature_id"),
    ),
    EntitySet(
        "FeaturesOfInterest",
        "FeatureOfInterest",
        "features_of_interest",
        _named(
            _NAME,
            _DESCRIPTION,
            _ENCODING,
            Property("feature", "geometry", "feature", required=True),
            _PROPERTIES,
        ),
        _linked(
            Link(
                "Observations",
                "Observations",
                many="({t}.feature_id = {key} OR ({t}.feature_id IS NULL AND {t}.datastream_id IN"
                " (SELECT d.id FROM datastreams d WHERE d.feature_id = {key})))",
            ),
        ),
    ),
)

#: The nine entity sets by name, in the order in which the service root lists them.
ENTITY_SETS: dict[str, EntitySet] = {entry.name: entry for entry in _SETS}


def entity_set(name: str) -> EntitySet | None:
    """Find an entity set by its name, if there is one.

    Examples
    --------
    >>> entity_set("Things").links["Locations"].target
    'Locations'
    """
    return ENTITY_SETS.get(name)


def singular_of(name: str) -> str:
    """Name one entity of a set.

    Examples
    --------
    >>> singular_of("ObservedProperties")
    'ObservedProperty'
    """
    return ENTITY_SETS[name].singular
