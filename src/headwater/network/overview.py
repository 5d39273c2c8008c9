"""The store at a glance, and its observations as one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError, InputError, nearest
from headwater.network.health import battery, silence
from headwater.network.inventory import Stream, list_series
from headwater.network.quality.flags import (
    NOT_CHECKED,
    bits_of,
    checked,
    doubted,
    reasons,
    to_ismn,
    word_of,
)
from headwater.network.quality.ismn_rules import ismn_flags, on_hours
from headwater.network.quality.run import companions_of, newest_between, sum_between
from headwater.network.store.protocol import Store, now
from headwater.network.times import DAY, LEEWAY, iso
from headwater.tables.text import for_spreadsheet

__all__ = ["series_status", "write_export"]


def series_status(store: Store, *, derived: bool = False, at: int | None = None) -> pd.DataFrame:
    """Report for each series how many observations it has, the last one, and how the station is.

    Parameters
    ----------
    store : Store
    derived : bool
        Those made from others, too.
    at : int, optional
        The present [µs]; default: now.

    Returns
    -------
    DataFrame
        ``station``, ``series``, ``n``, ``first``, ``last`` (ISO 8601), ``value``, ``unit``,
        ``flag`` (of the last, or ``not checked``), ``state`` (heard, late, silent, never),
        ``battery_days``.
    """
    present = now() if at is None else at
    with store.transaction(read_only=True) as session:
        streams = list_series(session, derived=derived)
    newest = store.latest([one.id for one in streams])
    place = {int(id): k for k, id in enumerate(newest.datastream)}
    bits = bits_of(newest.quality, len(newest))
    rows = []
    for one in streams:
        k = place.get(one.id)
        rows.append(
            {
                "station": one.thing,
                "series": one.name,
                "n": one.count,
                "first": "" if one.first is None else iso(one.first),
                "last": "" if k is None else iso(int(newest.time[k])),
                "value": np.nan if k is None else float(newest.result[k]),
                "unit": one.unit,
                "flag": "" if k is None else word_of(int(bits[k])),
                "state": _state(store, one, present),
                "battery_days": _battery(store, one),
            }
        )
    names = [
        "station",
        "series",
        "n",
        "first",
        "last",
        "value",
        "unit",
        "flag",
        "state",
        "battery_days",
    ]
    frame = pd.DataFrame(rows, columns=names)
    return frame if frame["battery_days"].notna().any() else frame.drop(columns="battery_days")


def _state(store: Store, one: Stream, present: int) -> str:
    if one.last is None:
        return "never"
    if one.last > present + LEEWAY:  # a clock that is wrong would count as heard for years
        return "in the future"
    recent = store.read([one.id], one.last - 7 * DAY, one.last + 1)
    return silence(recent.time, present).status


def _battery(store: Store, one: Stream) -> float:
    """Days until the battery is empty; NaN where the series is none."""
    if one.role != "battery_voltage" or one.last is None:
        return np.nan
    recent = store.read([one.id], one.last - 30 * DAY, one.last + 1)
    try:
        return battery(recent.time, recent.result).days_left
    except DataError:
        return np.nan


def write_export(
    store: Store,
    path: Path,
    *,
    stations: Sequence[str] | None = None,
    quantities: Sequence[str] | None = None,
    start: int | None = None,
    end: int | None = None,
    good: bool = False,
    derived: bool = False,
    ismn: bool = False,
) -> int:
    """Write observations to CSV or Parquet, one row each.

    In CSV, text that a spreadsheet would take for a formula begins with an apostrophe.

    Parameters
    ----------
    store : Store
    path : Path
        Ends with ``.csv``, ``.csv.gz`` or ``.parquet``.
    stations, quantities : sequence of str, optional
        Default: all.
    start, end : int, optional
        Half open [µs].
    good : bool
        Leave out what is doubted, and what no rule has looked at.
    derived : bool
        Series made from others, too.
    ismn : bool
        Add the flags that soil moisture has by the rules of the International Soil Moisture
        Network, as ``ismn_flag``; they are written for hourly values.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    InputError
        If a station or quantity is not in the store, or the file cannot be written.
    """
    if not path.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise InputError(
            "unknown kind of table", found=path.name, do="End it with .csv or .parquet"
        )
    with store.transaction(read_only=True) as session:
        streams = list_series(session, derived=derived)
    for wanted, known in (
        (stations, [one.thing for one in streams]),
        (quantities, [one.role for one in streams]),
    ):
        for word in wanted or ():
            if word not in known:
                do = nearest(word, sorted(set(known)))
                raise InputError("the store has no such series", found=f"'{word}'", do=do)
    chosen = [
        one
        for one in streams
        if (not stations or one.thing in stations) and (not quantities or one.role in quantities)
    ]
    parts = [_table(store, one, start, end, good) for one in chosen]
    if ismn:
        tables = zip(parts, chosen, strict=True)
        parts = [_with_ismn(store, part, one, streams) for part, one in tables]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)
    part = path.with_name(f".part-{path.name}")
    try:
        if path.suffix == ".parquet":
            frame.to_parquet(part)
        else:
            _for_spreadsheets(frame).to_csv(part, index=False)
        part.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}", found=str(error), do="Choose another") from None
    finally:
        part.unlink(missing_ok=True)
    return len(frame)


def _for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep names, units and flags that others wrote from being run as formulas."""
    names = ("station", "series", "property", "unit", "provider_flag")
    changed: dict[str, Any] = {}
    for name in names:
        new = {text: for_spreadsheet(text) for text in frame[name].unique()}
        changed[name] = frame[name].map(new)
    return frame.assign(**changed)


_COLUMNS = ["station", "series", "property", "depth_m", "time", "value", "unit", "flag", "reasons"]
_COLUMNS += ["provider_flag"]


def _table(
    store: Store, one: Stream, start: int | None, end: int | None, good: bool
) -> pd.DataFrame:
    held = store.read([one.id], start, end)
    bits = bits_of(held.quality, len(held))
    if good:
        kept = checked(bits) & ~doubted(bits)
        held, bits = held.take(kept), bits[kept]
    known = {
        int(bit): (word_of(int(bit)), "; ".join(reasons(int(bit)))) for bit in set(bits) - {-1}
    }
    known[-1] = (NOT_CHECKED, "")
    times = np.datetime_as_string(held.time.view("datetime64[us]"), unit="s")
    return pd.DataFrame(
        {
            "station": one.thing,
            "series": one.name,
            "property": one.role,
            "depth_m": one.depth,
            "time": [f"{text}Z" for text in times],
            "value": held.result,
            "unit": one.unit,
            "flag": [known[bit][0] for bit in bits.tolist()],
            "reasons": [known[bit][1] for bit in bits.tolist()],
            "provider_flag": _provider_flags(held.parameters, len(held)),
        },
        columns=_COLUMNS,
    )


def _provider_flags(parameters: NDArray[np.object_] | None, n: int) -> list[str]:
    """Give the flags that came with the data, as their provider wrote them."""
    if parameters is None:
        return [""] * n
    known = {text: _provider_flag(text) for text in set(parameters) - {None}}
    return ["" if text is None else known[text] for text in parameters]


def _provider_flag(text: str) -> str:
    held = json.loads(text)
    flag = held.get("flag") if isinstance(held, dict) else None
    return "" if flag is None else str(flag)


def _with_ismn(
    store: Store, part: pd.DataFrame, one: Stream, streams: Sequence[Stream]
) -> pd.DataFrame:
    """Add the flags of the network's own rules, by temperature and rain of the station."""
    if one.role != "soil_moisture" or one.unit != "m3 m-3" or part.empty:
        return part.assign(ismn_flag="")
    time = pd.to_datetime(part["time"], utc=True).dt.tz_localize(None)
    stamps = time.to_numpy("datetime64[us]").astype(np.int64)
    place, value = on_hours(stamps, part["value"].to_numpy())
    hours = stamps[0] + np.arange(len(value)) * 3_600_000_000
    found = {}
    for name, other in companions_of(one, streams, reach=2.0).items():
        held = store.read([other.id], int(hours[0]) - DAY, int(hours[-1]) + 1)
        align = sum_between if name == "rain" else newest_between
        found[name] = align(hours, held.time, held.result)
    flags = ismn_flags(value, saturation=one.properties.get("saturation"), **found)
    return part.assign(ismn_flag=[to_ismn(bit) for bit in flags[place].tolist()])
