"""Measurements to compare with: a table, files of the ISMN, or the store of a network."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import DataError, InputError
from headwater.tables.options import DEFAULTS, ReadingOptions

if TYPE_CHECKING:
    from headwater.network.store.protocol import Store

__all__ = [
    "Reference",
    "check_hours",
    "daily_reference",
    "is_address",
    "read_reference",
    "reading_lines",
    "reference_stamp",
    "without_password",
]

_PLACE = ["station", "longitude", "latitude"]
_TABLES = (".csv", ".tsv", ".txt", ".xlsx")


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Measurements of soil moisture, each depth of a station a series of its own.

    Attributes
    ----------
    data : DataFrame
        ``station, longitude, latitude, time, soil_moisture`` [degrees, UTC, m3 m-3].
    kind : {"table", "ISMN", "network"}
        Where they come from.
    choices, cautions : tuple of str
        How they were read, and what was assumed or left out.
    """

    data: pd.DataFrame
    kind: str
    choices: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def places(self) -> pd.DataFrame:
        """One row a series: ``station``, ``longitude``, ``latitude``."""
        return self.data[_PLACE].drop_duplicates("station").reset_index(drop=True)


def read_reference(
    path: str | Path,
    *,
    depth: Sequence[float] | None = None,
    flags: Sequence[str] = ("G",),
    reading: ReadingOptions = DEFAULTS,
) -> Reference:
    """Read measurements of soil moisture, whatever they come in.

    Parameters
    ----------
    path : path
        A table as of :func:`headwater.chapters.validation.stations.read_stations`; a folder or ZIP
        with files ``*.stm``; or a store of the network (a SQLite file, or the address
        ``postgresql://user@host:port/database``, whose password stands in ``~/.pgpass`` or
        PGPASSWORD).
    depth : sequence of float, optional
        Top and bottom of the layer that sensors must lie in, both included [m]; default: all.
    flags : sequence of str
        Flags of the ISMN whose values are kept.
    reading : ReadingOptions
        What a table leaves open.

    Returns
    -------
    Reference

    Raises
    ------
    InputError, DataError
        If nothing can be read, or nothing is left of the depth and the flags.

    Examples
    --------
    ``read_reference("ISMN", depth=(0.0, 0.1)).places`` has a row for each sensor.
    """
    where = Path(path)
    if is_address(path):
        found = _from_network(str(path), depth)
    elif where.is_dir() or (where.suffix.lower() == ".zip" and zipfile.is_zipfile(where)):
        found = _from_ismn(where, depth, flags)
    elif _is_store(where):
        found = _from_network(str(where), depth)
    else:
        found = _from_table(where, depth, reading)
    if not found.data["soil_moisture"].notna().any():
        layer = "every depth" if depth is None else f"{depth[0]:g} to {depth[1]:g} m"
        raise DataError(
            f"{without_password(str(path))} has no soil moisture to compare with",
            found=f"{len(found.data)} values of {layer}, none kept; {'; '.join(found.cautions)}",
            do="Choose another depth, or flags",
        )
    return found


def is_address(path: str | Path) -> bool:
    """Whether measurements are in a database behind an address, and not in a file.

    Parameters
    ----------
    path : str or path
        As of :func:`read_reference`.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_address("postgresql://reserve@db.example/network"), is_address("stations.csv")
    (True, False)
    """
    return str(path).startswith(("postgresql://", "postgres://", "sqlite://"))


def without_password(address: str) -> str:
    """Leave the password out of the address of a database.

    Parameters
    ----------
    address : str
        A path is returned as it is.

    Returns
    -------
    str

    Examples
    --------
    >>> without_password("postgresql://reserve:secret@db.example/network")
    'postgresql://reserve@db.example/network'
    """
    return re.sub(r"(?<=://)([^:/@]*):[^@]*@", r"\1@", address)


def check_hours(data: pd.DataFrame) -> None:
    """Refuse measurements without a time of day: none is known to be of an overpass.

    Parameters
    ----------
    data : DataFrame
        Of a :class:`Reference`.

    Raises
    ------
    DataError
        If all measurements of a station are dated at midnight.
    """
    dated = (data["time"] == data["time"].dt.floor("D")).groupby(data["station"]).all()
    if dated.any():
        raise DataError(
            "an overpass is compared with measurements of its hour",
            found=f"dates without hours at {', '.join(map(str, dated.index[dated][:5]))}",
            do="Leave the overpass out to compare means of days, or give times of measurements",
        )


def reference_stamp(path: str | Path) -> dict[str, Any]:
    """Mark what measurements are, so that a study that has new ones is computed anew.

    Parameters
    ----------
    path : str or path
        As of :func:`read_reference`.

    Returns
    -------
    dict
        Empty where there is nothing to mark, as of a folder.

    Raises
    ------
    StoreError
        If a database does not answer.
    """
    from headwater.results import fingerprint
    from headwater.study.provenance import checksum

    if is_address(path):
        data = read_reference(path).data
        times = data["time"].to_numpy().astype("datetime64[us]").astype(np.int64)
        names = tuple(data["station"].unique())
        return {"fingerprint": fingerprint(times, data["soil_moisture"].to_numpy(), names)}
    return {"sha256": checksum(Path(path))["sha256"]} if Path(path).is_file() else {}


def daily_reference(
    path: str | Path,
    days: NDArray[np.datetime64] | None = None,
    *,
    depth: Sequence[float] | None = None,
    reading: ReadingOptions = DEFAULTS,
) -> pd.DataFrame:
    """Read measurements that take part as points on the map, averaged by day.

    Parameters
    ----------
    path : str or path
        As of :func:`read_reference`.
    days : ndarray of datetime64[D], optional
        Days that are kept; default: all.
    depth : sequence of float, optional
        Top and bottom of the layer that sensors must lie in [m].
    reading : ReadingOptions
        What a table leaves open.

    Returns
    -------
    DataFrame
        ``station, longitude, latitude, day, soil_moisture, n``, one row per station and day, in
        UTC.

    Raises
    ------
    InputError, DataError
        As :func:`read_reference`; if there is no measurement on these days, or if a place has
        several series, for a point on the map has one.

    Examples
    --------
    ``daily_reference("postgresql://reserve@db.example/network", depth=(0.0, 0.1))``
    """
    from headwater.chapters.validation.stations import averaged_by_day

    found = read_reference(path, depth=depth, reading=reading)
    places = found.places
    shared = places[places.duplicated(["longitude", "latitude"], keep=False)]
    if not shared.empty:
        raise InputError(
            f"{without_password(str(path))} has several series at one place",
            found=", ".join(map(str, shared["station"].head(4))),
            do="Choose the layer of one sensor, as station_depth = [0.0, 0.1]",
        )
    return averaged_by_day(without_password(str(path)), found.data, days)


def _from_network(address: str, depth: Sequence[float] | None) -> Reference:
    from headwater.network import open_store

    with open_store(address) as store:
        return _from_store(store, depth)


def reading_lines(path: str, reading: ReadingOptions | None = None) -> tuple[str, ...]:
    """Say how a table of measurements was read; nothing of folders and stores.

    Parameters
    ----------
    path : str
        As of ``stations`` and ``reference`` in the study file.
    reading : ReadingOptions, optional
        What the table leaves open.

    Returns
    -------
    tuple of str
        The lines of its report.

    Raises
    ------
    InputError, DataError
        As :func:`headwater.chapters.validation.stations.read_stations`.
    """
    from headwater.chapters.validation.stations import read_stations

    if Path(path).suffix.lower() not in _TABLES:
        return ()
    return read_stations(path, reading=reading or ReadingOptions()).report.lines()


def _is_store(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(16).startswith(b"SQLite format 3")


def _from_table(path: Path, depth: Sequence[float] | None, reading: ReadingOptions) -> Reference:
    from headwater.chapters.validation.stations import read_measurements

    table = read_measurements(path, depth=depth, reading=reading)
    columns = [*_PLACE, "time", "soil_moisture"]
    report = table.report
    return Reference(table.data[columns], "table", tuple(report.choices()), tuple(report.guesses))


def _from_ismn(path: Path, depth: Sequence[float] | None, flags: Sequence[str]) -> Reference:
    from headwater.network.ingest.ismn import read_ismn_archive

    read = read_ismn_archive(path)
    parts, left = [], 0
    frame = read.data
    kept = frame["flag"].map(lambda text: set(_codes(text)) <= set(flags)).to_numpy(dtype=bool)
    for key, series in read.series.items():
        top, bottom = (series.properties.get(end, np.nan) for end in ("depth_from", "depth_to"))
        place = read.places[series.thing]
        if series.quantity != "soil_moisture" or not _within(top, bottom, depth):
            continue
        own = (frame["series"] == key).to_numpy()
        left += int((own & ~kept).sum())
        some = frame[own & kept]
        name = f"{series.thing} {series.sensor} {top:g}-{bottom:g} m".replace("  ", " ")
        parts.append(
            pd.DataFrame(
                {
                    "station": name,
                    "longitude": place.longitude,
                    "latitude": place.latitude,
                    "time": some["time"].dt.tz_localize(None),
                    "soil_moisture": some["value"],
                }
            )
        )
    if not parts:
        raise DataError(
            f"{path} has no sensor of soil moisture in this layer",
            found=f"{len(read.series)} series",
            do="Choose another depth",
        )
    choices = (f"ISMN: values with flags {', '.join(flags)} alone.",)
    notes = [f"{left} values of ISMN with other flags were left out."] if left else []
    if read.refused:
        notes.append(f"{len(read.refused)} lines of ISMN files could not be read.")
    return Reference(pd.concat(parts, ignore_index=True), "ISMN", choices, tuple(notes))


def _codes(text: object) -> list[str]:
    """Take the codes of ISMN; behind the bar stand those of the provider."""
    own = str(text or "").partition("|")[0]
    return [code.strip() for code in own.replace(";", ",").split(",") if code.strip()]


def _within(top: float, bottom: float, depth: Sequence[float] | None) -> bool:
    if depth is None:
        return True
    return bool(depth[0] - 1e-9 <= top and bottom <= depth[1] + 1e-9)


def _from_store(store: Store, depth: Sequence[float] | None) -> Reference:
    from headwater.network.inventory import list_series
    from headwater.network.quality.flags import Flag, bits_of, doubted
    from headwater.units import convert

    with store.transaction(read_only=True) as session:
        every = [one for one in list_series(session) if one.role == "soil_moisture"]
    parts, left = [], 0
    for one in every:
        deep = np.nan if one.depth is None else one.depth
        if not np.isfinite(one.longitude) or (depth and not depth[0] <= deep <= depth[1]):
            continue
        seen = store.read([one.id])
        bits = bits_of(seen.quality, len(seen))
        wrong = doubted(bits) | ((bits >= 0) & (bits & int(Flag.FROZEN) != 0))
        left += int(wrong.sum())
        values = np.where(wrong, np.nan, convert(seen.result, one.unit, "m3 m-3"))
        parts.append(
            pd.DataFrame(
                {
                    "station": f"{one.thing} {one.name}",
                    "longitude": one.longitude,
                    "latitude": one.latitude,
                    "time": seen.time.astype("datetime64[us]").astype("datetime64[ns]"),
                    "soil_moisture": values,
                }
            )
        )
    if not parts:
        raise DataError(
            "the store has no placed series of soil moisture in this layer",
            found=f"{len(every)} series of soil moisture",
            do="Choose another depth, or give the stations their places",
        )
    notes = (f"{left} doubted or frozen values of the network were left out.",) if left else ()
    return Reference(pd.concat(parts, ignore_index=True), "network", (), notes)
