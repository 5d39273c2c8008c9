"""The tables of the network, in the words of either data base.

One text serves both: ``{id}``, ``{json}`` and the like stand for what SQLite and PostgreSQL call
differently. What has been published is never edited; a change is a new version at the end.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "Dialect",
    "JSON_COLUMNS",
    "KEY_COLUMNS",
    "OBSERVATION_COLUMNS",
    "RESULT_COLUMNS",
    "TABLES",
    "VERSIONS",
    "statements",
]

Dialect = Literal["sqlite", "postgresql"]

#: Columns that hold JSON, whatever the table.
JSON_COLUMNS = frozenset(
    {
        "detail",
        "feature",
        "location",
        "metadata",
        "multi_observation_data_types",
        "observed_area",
        "parameters",
        "properties",
        "quality",
        "result_json",
        "stations",
        "unit_of_measurement",
    }
)

#: Attribute of Observations and the column that holds it, in the order of the table.
OBSERVATION_COLUMNS = {
    "datastream": "datastream_id",
    "time": "time",
    "time_end": "time_end",
    "result": "result_number",
    "result_json": "result_json",
    "result_time": "result_time",
    "valid_start": "valid_start",
    "valid_end": "valid_end",
    "quality": "quality",
    "parameters": "parameters",
    "feature": "feature_id",
    "received": "received",
}

#: Primary key of observations; the third follows from the end, the result time and the feature.
KEY_COLUMNS = ("datastream_id", "time", "variant")

#: Columns that quality is about: where one of them changes, an older verdict falls.
RESULT_COLUMNS = ("result_number", "result_json")

#: Tables with an identity that grows and is never given twice.
TABLES = frozenset(
    {
        "alert_events",
        "alert_evidence",
        "alert_outbox",
        "alert_silences",
        "audit",
        "datastreams",
        "dead_letters",
        "features_of_interest",
        "historical_locations",
        "keys",
        "locations",
        "observed_properties",
        "sensors",
        "things",
    }
)

_ENTITIES = """
CREATE TABLE things (
    id {id}, name TEXT NOT NULL, description TEXT NOT NULL, properties {json});
CREATE TABLE locations (
    id {id}, name TEXT NOT NULL, description TEXT NOT NULL, encoding_type TEXT NOT NULL,
    location {json} NOT NULL, properties {json});
CREATE TABLE things_locations (
    thing_id {int} NOT NULL REFERENCES things ON DELETE CASCADE,
    location_id {int} NOT NULL REFERENCES locations ON DELETE CASCADE,
    PRIMARY KEY (thing_id, location_id));
CREATE INDEX things_of_location ON things_locations (location_id);
CREATE TABLE historical_locations (
    id {id}, thing_id {int} NOT NULL REFERENCES things ON DELETE CASCADE, time {int} NOT NULL);
CREATE INDEX historical_locations_of_thing ON historical_locations (thing_id, time);
CREATE TABLE historical_locations_locations (
    historical_location_id {int} NOT NULL REFERENCES historical_locations ON DELETE CASCADE,
    location_id {int} NOT NULL REFERENCES locations ON DELETE CASCADE,
    PRIMARY KEY (historical_location_id, location_id));
CREATE INDEX history_of_location ON historical_locations_locations (location_id);
CREATE TABLE sensors (
    id {id}, name TEXT NOT NULL, description TEXT NOT NULL, encoding_type TEXT NOT NULL,
    metadata {json}, properties {json});
CREATE TABLE observed_properties (
    id {id}, name TEXT NOT NULL, definition TEXT NOT NULL, description TEXT NOT NULL,
    properties {json});
CREATE TABLE features_of_interest (
    id {id}, name TEXT NOT NULL, description TEXT NOT NULL, encoding_type TEXT NOT NULL,
    feature {json} NOT NULL, properties {json});
CREATE TABLE datastreams (
    id {id}, multi {int} NOT NULL DEFAULT 0, name TEXT NOT NULL, description TEXT NOT NULL,
    observation_type TEXT NOT NULL, unit_of_measurement {json} NOT NULL, observed_area {json},
    properties {json},
    thing_id {int} NOT NULL REFERENCES things ON DELETE CASCADE,
    sensor_id {int} NOT NULL REFERENCES sensors ON DELETE CASCADE,
    observed_property_id {int} REFERENCES observed_properties ON DELETE CASCADE,
    feature_id {int} REFERENCES features_of_interest ON DELETE SET NULL,
    multi_observation_data_types {json},
    observation_count {int} NOT NULL DEFAULT 0, first_time {int}, last_time {int},
    first_result_time {int}, last_result_time {int});
CREATE INDEX datastreams_of_thing ON datastreams (thing_id);
CREATE INDEX datastreams_of_sensor ON datastreams (sensor_id);
CREATE INDEX datastreams_of_property ON datastreams (observed_property_id);
CREATE INDEX datastreams_of_feature ON datastreams (feature_id);
CREATE TABLE datastreams_observed_properties (
    datastream_id {int} NOT NULL REFERENCES datastreams ON DELETE CASCADE, rank {int} NOT NULL,
    observed_property_id {int} NOT NULL REFERENCES observed_properties ON DELETE CASCADE,
    PRIMARY KEY (datastream_id, rank));
CREATE INDEX multi_of_property ON datastreams_observed_properties (observed_property_id);
"""

# No foreign key leads from observations: it would be looked up for each of a million rows. Writing
# locks the datastream instead, and the triggers below take the observations along.
_OBSERVATIONS = """
CREATE TABLE observations (
    datastream_id {int} NOT NULL, time {int} NOT NULL, time_end {int}, result_number {real},
    result_json {json}, result_time {int}, valid_start {int}, valid_end {int}, quality {json},
    parameters {json}, feature_id {int}, received {int} NOT NULL,
    PRIMARY KEY (datastream_id, time)){observations};
CREATE INDEX observations_by_end ON observations (datastream_id, time_end)
    WHERE time_end IS NOT NULL;
CREATE INDEX observations_by_result_time ON observations (datastream_id, result_time)
    WHERE result_time IS NOT NULL;
CREATE INDEX observations_of_feature ON observations (feature_id) WHERE feature_id IS NOT NULL;
CREATE TABLE latest (
    datastream_id {int} PRIMARY KEY REFERENCES datastreams ON DELETE CASCADE, time {int} NOT NULL,
    result_number {real}, result_json {json}, quality {json});
CREATE TABLE archive_files (
    file TEXT PRIMARY KEY, month TEXT NOT NULL UNIQUE, rows {int} NOT NULL, sha256 TEXT NOT NULL,
    written {int} NOT NULL);
CREATE TABLE archived (
    month TEXT NOT NULL,
    datastream_id {int} NOT NULL REFERENCES datastreams ON DELETE CASCADE,
    file TEXT NOT NULL REFERENCES archive_files, rows {int} NOT NULL, first_time {int} NOT NULL,
    last_time {int} NOT NULL, last_end {int} NOT NULL, first_result_time {int},
    last_result_time {int}, PRIMARY KEY (datastream_id, month));
CREATE INDEX archived_in_file ON archived (file);
"""

_KEEPING = """
CREATE TABLE keys (
    id {id}, name TEXT NOT NULL UNIQUE, hash TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
    stations {json}, rate_per_minute {int}, created {int} NOT NULL, expires {int}, revoked {int},
    last_used {int});
CREATE TABLE audit (
    id {id}, time {int} NOT NULL, actor TEXT, action TEXT NOT NULL, entity TEXT, entity_id TEXT,
    detail {json});
CREATE INDEX audit_of_entity ON audit (entity, entity_id);
"""

_SQLITE_TRIGGERS = (
    """CREATE TRIGGER observations_go_with_datastream AFTER DELETE ON datastreams BEGIN
    DELETE FROM observations WHERE datastream_id = OLD.id; END""",
    """CREATE TRIGGER multi_goes_with_property BEFORE DELETE ON observed_properties BEGIN
    DELETE FROM datastreams WHERE id IN (SELECT datastream_id FROM datastreams_observed_properties
        WHERE observed_property_id = OLD.id); END""",
    """CREATE TRIGGER history_goes_with_location BEFORE DELETE ON locations BEGIN
    DELETE FROM historical_locations WHERE id IN (SELECT historical_location_id
        FROM historical_locations_locations WHERE location_id = OLD.id); END""",
)

_POSTGRESQL_TRIGGERS = tuple(
    text
    for name, moment, table, body in (
        (
            "observations_go_with_datastream",
            "AFTER",
            "datastreams",
            "DELETE FROM observations WHERE datastream_id = OLD.id",
        ),
        (
            "multi_goes_with_property",
            "BEFORE",
            "observed_properties",
            "DELETE FROM datastreams WHERE id IN (SELECT datastream_id"
            " FROM datastreams_observed_properties WHERE observed_property_id = OLD.id)",
        ),
        (
            "history_goes_with_location",
            "BEFORE",
            "locations",
            "DELETE FROM historical_locations WHERE id IN (SELECT historical_location_id"
            " FROM historical_locations_locations WHERE location_id = OLD.id)",
        ),
    )
    for text in (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {body}; RETURN OLD; END $$",
        f"CREATE TRIGGER {name} {moment} DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )
)

_WORDS: dict[Dialect, dict[str, str]] = {
    "sqlite": {
        "id": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "int": "INTEGER",
        "real": "REAL",
        "json": "TEXT",
        "observations": " WITHOUT ROWID",
    },
    "postgresql": {
        "id": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        "int": "BIGINT",
        "real": "DOUBLE PRECISION",
        "json": "JSONB",
        "observations": " PARTITION BY RANGE (time)",
    },
}
_TRIGGERS: dict[Dialect, tuple[str, ...]] = {
    "sqlite": _SQLITE_TRIGGERS,
    "postgresql": _POSTGRESQL_TRIGGERS,
}

# Version 2: what is of one datastream and start, but of another end, result time or feature, is
# another observation. Addresses of observations that have changed their key lead on to the new one.
_MOVED = """
CREATE TABLE moved_observations (
    old_datastream_id {int} NOT NULL, old_time {int} NOT NULL, old_variant {int} NOT NULL,
    datastream_id {int} NOT NULL, time {int} NOT NULL, variant {int} NOT NULL,
    PRIMARY KEY (old_datastream_id, old_time, old_variant));
CREATE INDEX moved_to ON moved_observations (datastream_id, time, variant);
"""
_VARIANT: dict[Dialect, str] = {
    "sqlite": """
DROP TRIGGER observations_go_with_datastream;
ALTER TABLE observations RENAME TO observations_before;
DROP INDEX observations_by_end;
DROP INDEX observations_by_result_time;
DROP INDEX observations_of_feature;
CREATE TABLE observations (
    datastream_id {int} NOT NULL, time {int} NOT NULL, variant {int} NOT NULL DEFAULT 0,
    time_end {int}, result_number {real}, result_json {json}, result_time {int},
    valid_start {int}, valid_end {int}, quality {json}, parameters {json}, feature_id {int},
    received {int} NOT NULL, PRIMARY KEY (datastream_id, time, variant)) WITHOUT ROWID;
INSERT INTO observations (datastream_id, time, time_end, result_number, result_json, result_time,
    valid_start, valid_end, quality, parameters, feature_id, received)
    SELECT datastream_id, time, time_end, result_number, result_json, result_time, valid_start,
    valid_end, quality, parameters, feature_id, received FROM observations_before;
DROP TABLE observations_before;
CREATE INDEX observations_by_end ON observations (datastream_id, time_end)
    WHERE time_end IS NOT NULL;
CREATE INDEX observations_by_result_time ON observations (datastream_id, result_time)
    WHERE result_time IS NOT NULL;
CREATE INDEX observations_of_feature ON observations (feature_id) WHERE feature_id IS NOT NULL;
""",
    "postgresql": """
ALTER TABLE observations ADD COLUMN variant BIGINT NOT NULL DEFAULT 0;
ALTER TABLE observations DROP CONSTRAINT observations_pkey;
ALTER TABLE observations ADD PRIMARY KEY (datastream_id, time, variant);
""",
}

_DEAD_LETTERS = """
CREATE TABLE dead_letters (
    id {id}, received {int} NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL,
    payload TEXT NOT NULL, encoding TEXT NOT NULL, reason TEXT NOT NULL);
"""

#: What each version added, oldest first; version 1 is the first.
# Version 4: alerts live next to the observations they rest on, so that a message is in the outbox
# exactly when its event is in the store. Evidence is only ever added to.
_ALERTS = """
CREATE TABLE alert_states (
    rule TEXT NOT NULL, target TEXT NOT NULL, detail {json} NOT NULL, PRIMARY KEY (rule, target));
CREATE TABLE alert_events (
    id {id}, alert_key TEXT NOT NULL UNIQUE, rule TEXT NOT NULL, target TEXT NOT NULL,
    event {int} NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL, headline TEXT NOT NULL,
    raised {int} NOT NULL, resolved {int}, acknowledged {int}, acknowledged_by TEXT);
CREATE TABLE alert_evidence (
    id {id}, alert_key TEXT NOT NULL REFERENCES alert_events (alert_key), time {int} NOT NULL,
    detail {json} NOT NULL);
CREATE INDEX alert_evidence_of ON alert_evidence (alert_key);
CREATE TABLE alert_silences (
    id {id}, rule TEXT NOT NULL, station TEXT NOT NULL, reason TEXT NOT NULL, author TEXT,
    created {int} NOT NULL, expires {int} NOT NULL);
CREATE TABLE alert_outbox (
    id {id}, message_key TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, alert_key TEXT NOT NULL,
    created {int} NOT NULL, due {int} NOT NULL, attempts {int} NOT NULL, status TEXT NOT NULL,
    last_error TEXT, sent {int}, detail {json} NOT NULL);
CREATE INDEX alert_outbox_due ON alert_outbox (status, due);
CREATE TABLE leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until {int} NOT NULL);
"""

VERSIONS: tuple[str, ...] = (
    _ENTITIES + _OBSERVATIONS + _KEEPING,
    _MOVED,
    _DEAD_LETTERS,
    _ALERTS,
)


def statements(version: int, dialect: Dialect, *, hypertable: bool = False) -> list[str]:
    """Give the statements that lead from the version before to this one.

    Parameters
    ----------
    version : int
        1 or more.
    dialect : {"sqlite", "postgresql"}
    hypertable : bool
        Leave the partitions to TimescaleDB.

    Returns
    -------
    list of str

    Examples
    --------
    >>> statements(1, "sqlite")[0].split("(")[0]
    'CREATE TABLE things '
    """
    words = dict(_WORDS[dialect])
    if hypertable:
        words["observations"] = ""
    text = VERSIONS[version - 1].format(**words)
    found = [statement.strip() for statement in text.split(";") if statement.strip()]
    if version == 2:
        own = _VARIANT[dialect].format(**words)
        found += [statement.strip() for statement in own.split(";") if statement.strip()]
        found += _TRIGGERS[dialect][:1] if dialect == "sqlite" else ()
    if version > 1:
        return found
    found += _TRIGGERS[dialect]
    if hypertable:
        month = 30 * 86_400_000_000
        found.append(
            f"SELECT create_hypertable('observations', 'time', chunk_time_interval => {month})"
        )
    return found
