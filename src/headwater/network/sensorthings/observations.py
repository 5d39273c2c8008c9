"""Create, change and delete single observations.

What makes an observation itself is its datastream, phenomenon time (start and end), result time and
feature of interest. Whoever posts one with the same five again gets the same address: with the same
content nothing changes, with another result the observation is revised. A logger may send its
memory as often as it likes. Anything else is another observation, and both are kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from headwater.network.entities import Observations
from headwater.network.sensorthings.address import Key, identifier, key_text
from headwater.network.sensorthings.context import Context, Work
from headwater.network.sensorthings.errors import Conflict, WrongRequest
from headwater.network.sensorthings.features import extend_area, feature_of_stream
from headwater.network.sensorthings.model import ENTITY_SETS
from headwater.network.times import NEVER

__all__ = [
    "as_result",
    "batch_of",
    "change_observation",
    "check_multi",
    "check_results",
    "delete_observation",
    "insert_observation",
    "known_feature",
    "multi_size",
    "other_than_own",
]

Json = dict[str, Any]
_OBSERVATIONS = ENTITY_SETS["Observations"]


def as_result(value: object) -> tuple[float, str | None]:
    """Split a result into its number and its JSON; a number needs no JSON.

    Examples
    --------
    >>> as_result(0.31), as_result("wet")[1], as_result(2**53 + 1)[1]
    ((0.31, None), '"wet"', '9007199254740993')
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
            return number, None if number == value else str(value)
        except OverflowError:
            raise WrongRequest("a result beyond what can be stored", found="an integer") from None
    return float("nan"), _text(value)


def _text(value: object) -> str | None:
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def check_multi(row: Json, properties: object) -> None:
    """Insist on as many units and types as observed properties.

    Raises
    ------
    WrongRequest
    """
    sizes = [
        len(value) if isinstance(value, list) else 0
        for value in (row["unit_of_measurement"], row["multi_observation_data_types"], properties)
    ]
    if len(set(sizes)) > 1 or not sizes[0]:
        raise WrongRequest(
            "a MultiDatastream has one unit and one type per observed property",
            found=f"{sizes[0]} units, {sizes[1]} types, {sizes[2]} observed properties",
        )


def multi_size(context: Context, stream: int) -> int:
    """Say how many numbers each result of a stream has; 0 for a plain datastream."""
    rows = context.session.rows(
        "SELECT multi, unit_of_measurement FROM datastreams WHERE id = ?", (stream,)
    )
    return len(json.loads(rows[0][1])) if rows and rows[0][0] else 0


def check_results(size: int, result: object) -> None:
    """Insist on results of a MultiDatastream that are lists of its size.

    Raises
    ------
    WrongRequest
    """
    if size and (not isinstance(result, list) or len(result) != size):
        found = f"{len(result)} values" if isinstance(result, list) else repr(result)[:40]
        raise WrongRequest(f"the result must be a list of {size} values", found=found)


def insert_observation(work: Work, columns: Json, links: dict[str, int | None]) -> Key:
    """Store one observation.

    Parameters
    ----------
    work : Work
    columns : dict
        As checked; ``result_json`` holds the result as it was sent.
    links : dict
        Datastream or MultiDatastream, and the feature of interest if one was named.

    Returns
    -------
    tuple of int
        Datastream, start [µs] and variant.
    """
    streams = [links.get("Datastream"), links.get("MultiDatastream")]
    if (streams[0] is None) == (streams[1] is None):
        raise WrongRequest("an Observation belongs to one Datastream or MultiDatastream")
    stream = streams[0] if streams[0] is not None else streams[1]
    assert stream is not None
    context = work.context
    size = multi_size(context, stream)
    if bool(size) != (streams[1] is not None):
        kind = "MultiDatastream" if size else "Datastream"
        raise WrongRequest(f"{stream} is a {kind}: name it as such")
    if work.things is not None:
        work.guard(ENTITY_SETS["Datastreams"], (stream,))
    check_results(size, columns["result_json"])
    time = columns.get("time")
    row = {"time_end": None, **columns, "feature_id": None}
    row["time"] = context.now if time is None else time
    feature = links.get("FeatureOfInterest")
    if feature is None:
        row["feature_id"] = known_feature(context, stream, row, feature_of_stream(context, stream))
    else:
        extend_area(context, stream, feature)
        row["feature_id"] = other_than_own(context, stream, feature)
    batch = batch_of(stream, [row])
    context.session.write(batch)
    key = (stream, row["time"], int(batch.variant()[0]))
    work.note(_OBSERVATIONS, key, created=True)
    return key


def other_than_own(context: Context, stream: int, feature: int) -> int | None:
    """Give a feature that was named; None where it is the datastream's own, which goes unsaid."""
    sql = "SELECT feature_id FROM datastreams WHERE id = ?"
    return None if context.session.rows(sql, (stream,))[0][0] == feature else feature


def known_feature(context: Context, stream: int, row: Json, feature: int | None) -> int | None:
    """Give the feature that an observation which names none has already, if it is there.

    A station that has moved sends its memory again: what was observed before it moved stays where
    it was observed, and is not doubled.
    """
    if feature is None:
        return None
    names = ("time_end", "result_time")
    reported = [row["time"] if row.get(name) is None else row[name] for name in names]
    rows = context.session.rows(
        "SELECT feature_id FROM observations WHERE datastream_id = ? AND time = ?"
        " AND coalesce(time_end, time) = ? AND coalesce(result_time, time) = ? ORDER BY received",
        (stream, row["time"], *reported),
    )
    return rows[0][0] if rows else feature


_INTEGERS = {
    "time_end": "time_end",
    "result_time": "result_time",
    "valid_start": "valid_start",
    "valid_end": "valid_end",
    "feature_id": "feature",
}


def batch_of(stream: int, rows: Sequence[Json]) -> Observations:
    """Give checked rows of one datastream as columns; what no row speaks of has no column.

    Parameters
    ----------
    stream : int
    rows : sequence of dict
        By column, with ``time`` and with the result as it was sent in ``result_json``.

    Returns
    -------
    Observations
    """
    numbers, texts = zip(*(as_result(row["result_json"]) for row in rows), strict=True)
    columns: dict[str, Any] = {"result": numbers}
    if any(text is not None for text in texts) or len(rows) == 1:
        columns["result_json"] = texts
    for column, name in _INTEGERS.items():
        if any(column in row for row in rows):
            values = (row.get(column) for row in rows)
            columns[name] = [NEVER if value is None else value for value in values]
    for name in ("quality", "parameters"):
        if any(name in row for row in rows):
            columns[name] = [_text(row.get(name)) for row in rows]
    times: Any = [row["time"] for row in rows]
    streams: Any = [stream] * len(rows)
    return Observations(streams, times, **columns)


def change_observation(work: Work, key: Key, columns: Json, links: dict[str, int]) -> None:
    """Change an observation; with another time or datastream it gets another key."""
    context = work.context
    old = _as_stored(context, key)
    row = old | columns
    if "quality" not in columns and row["result_json"] != old["result_json"]:
        row["quality"] = None  # the verdict was on another result
    stream = links.get("Datastream", links.get("MultiDatastream", key[0]))
    if row["time"] is None:
        raise WrongRequest("phenomenonTime cannot be null")
    size = multi_size(context, stream)
    if bool(size) != bool(multi_size(context, key[0])):
        raise WrongRequest(
            "observations of a Datastream cannot become those of a MultiDatastream, or back",
            do="Create it there, and delete this one",
        )
    check_results(size, row["result_json"])
    if "FeatureOfInterest" in links:
        extend_area(context, stream, links["FeatureOfInterest"])
        row["feature_id"] = other_than_own(context, stream, links["FeatureOfInterest"])
    batch = batch_of(stream, [row])
    new = (stream, row["time"], int(batch.variant()[0]))
    if new != key:
        if work.things is not None:
            work.guard(ENTITY_SETS["Datastreams"], (stream,))
        _insist_on_room(context, new)
        delete_observation(context, key)
        _remember_move(context, key, new)
    context.session.write(batch)
    changed = {entry.name for entry in _OBSERVATIONS.properties.values() if entry.column in columns}
    work.note(_OBSERVATIONS, new, created=False, names=frozenset(changed))


def _as_stored(context: Context, key: Key) -> Json:
    """Read an observation by column, with its result as it was sent."""
    names = (
        "time",
        "time_end",
        "result_number",
        "result_json",
        "result_time",
        "valid_start",
        "valid_end",
        "quality",
        "parameters",
        "feature_id",
    )
    rows = context.session.rows(
        f"SELECT {', '.join(names)} FROM observations"
        " WHERE datastream_id = ? AND time = ? AND variant = ?",
        key,
    )
    old: Json = dict(zip(names, rows[0], strict=True))
    for name in ("result_json", "quality", "parameters"):
        old[name] = None if old[name] is None else json.loads(old[name])
    if old["result_json"] is None:
        old["result_json"] = old["result_number"]
    return old


def _insist_on_room(context: Context, key: Key) -> None:
    sql = "SELECT 1 FROM observations WHERE datastream_id = ? AND time = ? AND variant = ?"
    if context.session.rows(sql, key):
        raise Conflict(
            "another observation has this datastream, time, result time and feature already",
            found=f"Observations({key_text(key)})",
            do="Change or delete that one",
        )


def _remember_move(context: Context, old: Key, new: Key) -> None:
    """Let the old address lead to where the observation is now."""
    session = context.session
    session.execute(
        "UPDATE moved_observations SET datastream_id = ?, time = ?, variant = ?"
        " WHERE datastream_id = ? AND time = ? AND variant = ?",
        (*new, *old),
    )
    session.execute(
        "INSERT INTO moved_observations VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (old_datastream_id, old_time, old_variant) DO UPDATE SET"
        " datastream_id = excluded.datastream_id, time = excluded.time,"
        " variant = excluded.variant",
        (*old, *new),
    )
    session.execute(
        "DELETE FROM moved_observations"
        " WHERE old_datastream_id = ? AND old_time = ? AND old_variant = ?",
        new,
    )


def delete_observation(context: Context, key: Key) -> None:
    """Delete one observation; counters and the latest value follow."""
    context.session.delete_observations(key[0], keys=[(key[1], key[2])])
    context.session.audit("delete", "Observations", identifier(key))
