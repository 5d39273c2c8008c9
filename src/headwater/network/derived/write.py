"""Series made of the store's series, written back as datastreams of their own.

Hourly, daily and pentad means (sums of rain), water of the root zone, the mean of the network, and
how well each station stands for it. Doubted observations and those of frozen soil do not count; all
values carry their coverage or number. Deriving again changes only what has changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import StudyError, UnitError
from headwater.glossary import GLOSSARY
from headwater.network.derived.series import (
    network_mean,
    period_means,
    root_zone_storage,
    temporal_stability,
)
from headwater.network.entities import Observations, Written
from headwater.network.ingest.load import ensure_series
from headwater.network.ingest.parsed_file import Place, Series
from headwater.network.inventory import Stream, list_series
from headwater.network.quality.flags import Flag, bits_of, doubted
from headwater.network.store.protocol import Session, Store
from headwater.network.times import DAY
from headwater.units import convert

__all__ = ["Derived", "derive", "outdated_keys"]

Period = Literal["hour", "day", "pentad"]
_WORDS: dict[str, str] = {"hour": "hourly", "day": "daily", "pentad": "pentad"}
_LENGTH = {"hour": 1.0, "day": 24.0, "pentad": 72.0}
"""Hours of a period, of the shortest pentad (26 to 28 February)."""
_ROLES = ("soil_moisture", "soil_temperature", "temperature", "precipitation")
_NETWORK = "Network"
_SENSOR = "Headwater, from other series"
_SUMS = 0.95
"""A sum of rain is missing below this coverage: what was not seen did rain."""


@dataclass(frozen=True, slots=True)
class Derived:
    """One derived series.

    Attributes
    ----------
    thing, name : str
    id : int
        Of its datastream.
    n : int
        Values that it has now.
    written : Written
    removed : int
        Values that it had, which too few observations are left for.
    """

    thing: str
    name: str
    id: int
    n: int
    written: Written
    removed: int


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A derived series before it is written: starts, ends [µs], values, and what goes with each."""

    series: Series
    place: Place
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    value: NDArray[np.float64]
    details: list[dict[str, Any]]


def derive(
    store: Store,
    *,
    periods: Sequence[Period] = ("hour", "day", "pentad"),
    offset: float = 0.0,
    root_depth: float | None = None,
    actor: str | None = "derive",
) -> list[Derived]:
    """Derive all series that can be, and write them.

    Parameters
    ----------
    store : Store
    periods : sequence of {"hour", "day", "pentad"}
        Means of soil moisture, soil and air temperature, and sums of rain; of each series those
        periods that are longer than its cadence.
    offset : float
        Hours by which the station's day begins before that of UTC, 8 for China Standard Time.
    root_depth : float, optional
        Bottom of the root zone [m]; default: the deepest sensor of the station.
    actor : str, optional
        For the audit trail.

    Returns
    -------
    list of Derived

    Raises
    ------
    StudyError
        If a period is unknown.

    Notes
    -----
    Of stations with two depths of soil moisture at least: root zone storage from daily means. Of
    depths that three stations share at least: the mean of the network, and by calendar year the
    index of temporal stability, which is written to each station with its rank.
    """
    for period in periods:
        if period not in _WORDS:
            known = ", ".join(_WORDS)
            raise StudyError("unknown period", found=f"'{period}'", do=f"Known: {known}")
    with store.transaction(read_only=True) as session:
        streams = [one for one in list_series(session) if one.role in _ROLES and one.count > 2]
    written, daily = [], {}
    for one in streams:
        for made in _means_of(store, one, periods, offset):
            written.append(_write(store, made, actor))
            if made.series.properties["derived"] == "daily mean":
                daily[one.id] = pd.Series(made.value, index=made.start)
    moist = [one for one in streams if one.role == "soil_moisture" and one.depth is not None]
    moist = [one for one in moist if one.id in daily]
    made_of = _storages(moist, daily, root_depth) + _networks(moist, daily)
    return written + [_write(store, made, actor) for made in made_of]


def _means_of(store: Store, one: Stream, periods: Sequence[Period], offset: float) -> list[_Made]:
    held = store.read([one.id])
    bits = bits_of(held.quality, len(held))
    frozen = (bits >= 0) & (bits & int(Flag.FROZEN) != 0) & (one.role == "soil_moisture")
    value = np.where(doubted(bits) | frozen, np.nan, held.result)
    term = GLOSSARY[one.role]
    try:
        value = convert(value, one.unit, term.units)
    except UnitError:
        return []
    cadence = float(np.median(np.diff(held.time))) / 3.6e9
    adds = term.total == "sum"
    made = []
    for period in periods:
        if cadence > 0.5 * _LENGTH[period] and not (period == "day" and cadence == 24.0):
            continue
        means = period_means(
            held.time,
            value,
            period,
            cadence=cadence,
            offset=offset,
            min_coverage=_SUMS if adds else 0.75,
        )
        good = np.isfinite(means.mean)
        total = means.mean * means.n if adds else means.mean
        what = f"{_WORDS[period]} {'sum' if adds else 'mean'}"
        details = [
            {"coverage": round(c, 4), "n": n}
            for c, n in zip(means.coverage[good].tolist(), means.n[good].tolist(), strict=True)
        ]
        start = means.start[good]
        series = _named(one, f"{one.name}, {what}", what, term.units, [one.id])
        made.append(
            _Made(series, _place(one), start, _end(start, period, offset), total[good], details)
        )
    return made


def _end(start: NDArray[np.int64], period: str, offset: float) -> NDArray[np.int64]:
    """End of each period, half open."""
    if period != "pentad":
        return start + (DAY if period == "day" else DAY // 24)
    local = (start + round(offset * 3.6e9)).view("datetime64[us]")
    month = local.astype("datetime64[M]")
    last = local.astype("datetime64[D]") >= month.astype("datetime64[D]") + 25
    following: NDArray[np.int64] = (month + 1).astype("datetime64[us]").astype(np.int64)
    ends: NDArray[np.int64] = np.where(last, following - round(offset * 3.6e9), start + 5 * DAY)
    return ends


def _named(one: Stream, name: str, what: str, unit: str, sources: list[int]) -> Series:
    return Series(
        thing=one.thing,
        name=name,
        quantity=one.role,
        unit=unit,
        depth=one.depth,
        sensor=_SENSOR,
        properties={"derived": what, "from": sources},
    )


def _place(one: Stream) -> Place:
    # the station is there already: its name is enough to find it
    return Place(name=one.thing)


def _storages(
    moist: Sequence[Stream], daily: dict[int, pd.Series[float]], root_depth: float | None
) -> list[_Made]:
    """Water of the root zone of every station with two depths."""
    made = []
    for thing in dict.fromkeys(one.thing_id for one in moist):
        profile = {one.depth: one for one in moist if one.thing_id == thing}
        depths = sorted(depth for depth in profile if depth is not None)
        bottom = root_depth or max(depths)
        depths = [depth for depth in depths if depth < bottom or depth == max(depths)]
        if len(depths) < 2 or depths[0] >= bottom:
            continue
        here = [profile[depth] for depth in depths]
        frame = pd.concat([daily[one.id] for one in here], axis=1, sort=True)
        storage = root_zone_storage(frame.to_numpy(), depths, bottom=bottom)
        good = np.isfinite(storage.water)
        name = f"Water stored above {bottom:g} m, daily"
        series = Series(
            thing=here[0].thing,
            name=name,
            quantity="root_zone_storage",
            unit="mm",
            sensor=_SENSOR,
            properties={
                "derived": "root zone storage",
                "from": [one.id for one in here],
                "bottom": bottom,
                "weights_mm": [round(w, 3) for w in storage.weights],
            },
        )
        details = [{"share": round(share, 4)} for share in storage.share[good].tolist()]
        start = frame.index.to_numpy(np.int64)[good]
        made.append(
            _Made(series, _place(here[0]), start, start + DAY, storage.water[good], details)
        )
    return made


def _networks(moist: Sequence[Stream], daily: dict[int, pd.Series[float]]) -> list[_Made]:
    """Mean of the network, and how well stations stand for it, at every depth three share."""
    made = []
    for depth in sorted({one.depth for one in moist if one.depth is not None}):
        level = {one.thing: one for one in moist if one.depth == depth}
        if len(level) < 3:
            continue
        frame = pd.concat([daily[one.id] for one in level.values()], axis=1, sort=True)
        frame.columns = list(level)
        made.append(_mean_of_network(frame, list(level.values()), depth))
        made += _stabilities(frame, level, depth)
    return made


def _mean_of_network(frame: pd.DataFrame, level: list[Stream], depth: float) -> _Made:
    found = network_mean(frame.to_numpy(), min_stations=2)
    good = np.isfinite(found.mean)
    series = Series(
        thing=_NETWORK,
        name=f"Soil moisture at {depth:g} m, daily mean of all stations",
        quantity="soil_moisture",
        unit="m3 m-3",
        depth=depth,
        sensor=_SENSOR,
        properties={"derived": "network mean", "from": [one.id for one in level]},
    )
    details = [
        {"n": n, "sd": None if np.isnan(sd) else round(sd, 6)}
        for n, sd in zip(found.n[good].tolist(), found.sd[good].tolist(), strict=True)
    ]
    start = frame.index.to_numpy(np.int64)[good]
    place = Place(name=_NETWORK, description="All stations together")
    # alternating means stop at 1e-12, which later stations may move
    return _Made(series, place, start, start + DAY, np.round(found.mean[good], 9), details)


def _stabilities(frame: pd.DataFrame, level: dict[str, Stream], depth: float) -> list[_Made]:
    """One value a calendar year and station: the index, with its rank in its parameters."""
    rows = {name: list[_Yearly]() for name in level}
    years = pd.to_datetime(frame.index, unit="us").year
    for year in sorted(set(years)):
        part = frame[years == year]
        heard = part.loc[:, part.count() >= 30]
        if heard.shape[1] >= 3:
            for name, row in _ranked(heard).items():
                rows[name].append(_Yearly(int(year), *row))
    return [_of_years(level[name], depth, found) for name, found in rows.items() if found]


@dataclass(frozen=True, slots=True)
class _Yearly:
    """The index of one calendar year, and what belongs to it."""

    year: int
    index: float
    parameters: dict[str, Any]

    @property
    def edges(self) -> tuple[int, int]:
        edges = np.array([f"{self.year}-01-01", f"{self.year + 1}-01-01"], dtype="datetime64[us]")
        return int(edges[0].astype(np.int64)), int(edges[1].astype(np.int64))


def _ranked(heard: pd.DataFrame) -> dict[str, tuple[float, dict[str, Any]]]:
    table = temporal_stability(heard.to_numpy(), list(heard.columns)).table
    found = {}
    for name, row in table.iterrows():
        parameters = {
            "mean_relative_difference": round(float(row["mean_relative_difference"]), 6),
            "sd_relative_difference": round(float(row["sd_relative_difference"]), 6),
            "rank": int(row["rank"]),
            "stations": heard.shape[1],
            "n": int(row["n"]),
        }
        found[str(name)] = round(float(row["index"]), 9), parameters
    return found


def _of_years(one: Stream, depth: float, found: Sequence[_Yearly]) -> _Made:
    series = Series(
        thing=one.thing,
        name=f"Temporal stability of soil moisture at {depth:g} m, yearly",
        quantity="temporal_stability_index",
        unit="1",
        depth=depth,
        sensor=_SENSOR,
        properties={"derived": "temporal stability", "from": [one.id]},
    )
    edges = np.array([each.edges for each in found])
    values = np.array([each.index for each in found])
    parameters = [each.parameters for each in found]
    return _Made(series, _place(one), edges[:, 0], edges[:, 1], values, parameters)


def _write(store: Store, made: _Made, actor: str | None) -> Derived:
    """Write values, and take away those that are none any more."""
    with store.transaction(actor=actor) as session:
        id = ensure_series(session, made.series, made.place)
        batch = Observations(
            datastream=np.full(len(made.start), id),
            time=made.start,
            result=made.value,
            time_end=made.end,
            parameters=[json.dumps(one) for one in made.details],  # type: ignore[arg-type]
        )
        gone = outdated_keys(session, id, batch)
        removed = session.delete_observations(id, keys=gone) if gone else 0
        written = session.write(batch)
    return Derived(made.series.thing, made.series.name, id, len(made.start), written, removed)


def outdated_keys(session: Session, id: int, batch: Observations) -> list[tuple[int, int]]:
    """List start [µs] and variant of what a series holds and a new version of it does not.

    Parameters
    ----------
    session : Session
    id : int
        Of the datastream.
    batch : Observations
        All that it shall hold.

    Returns
    -------
    list of (int, int)
    """
    from headwater.network.store.read import read_observations

    held = read_observations(session, [id], None, None)
    wanted = set(zip(batch.time.tolist(), batch.variant().tolist(), strict=True))
    kept = zip(held.time.tolist(), held.variant().tolist(), strict=True)
    return [key for key in kept if key not in wanted]
