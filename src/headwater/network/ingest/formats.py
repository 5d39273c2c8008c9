"""One way in for any file: the format is given by the file itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

from headwater.errors import InputError, StudyError, nearest
from headwater.network.ingest.mapping import Mapping
from headwater.network.ingest.parsed_file import Reading, lines_of
from headwater.tables.text import Source, name_of

__all__ = ["FORMATS", "format_of", "read_file"]

FORMATS = ("csv", "geojson", "ismn", "toa5")


def format_of(source: Source, *, name: str | None = None) -> str:
    """Find the format of a file by its name and its first line.

    Examples
    --------
    >>> format_of(b'"TOA5","Upper"'), format_of(b"{}", name="stations.geojson")
    ('toa5', 'geojson')
    """
    called = (name_of(source) if name is None else name).lower()
    if called.endswith((".stm", ".zip")) or (
        not isinstance(source, bytes) and Path(source).is_dir()
    ):
        return "ismn"
    if called.endswith((".json", ".geojson", ".geojsonl")):
        return "geojson"
    head = source[:16] if isinstance(source, bytes) else "".join(lines_of(source)[:1])[:16].encode()
    return "toa5" if head.lstrip(b'\xef\xbb\xbf"').startswith(b"TOA5") else "csv"


def read_file(
    source: Source,
    mapping: Mapping | None = None,
    *,
    format: str | None = None,
    zone: str | None = None,
    name: str | None = None,
    whole: bool = True,
) -> Reading:
    """Read a file of any known format.

    Parameters
    ----------
    source : path or bytes
        A file, its content, or the folder or ZIP of a download of the International Soil Moisture
        Network.
    mapping : Mapping, optional
        CSV needs one.
    format : {"csv", "geojson", "ismn", "toa5"}, optional
        Default: given by the file.
    zone : str, optional
        Of times without one, where the mapping names none.
    name : str, optional
        Name of the file, where `source` is its content.
    whole : bool
        False to leave a last line without an end for the next time.

    Returns
    -------
    Reading

    Raises
    ------
    InputError
        If the file cannot be read.
    StudyError
        If the format is unknown, or needs a mapping.
    """
    from headwater.network.ingest import csv_mapping, geojson, ismn, toa5

    reported = format or format_of(source, name=name)
    if reported == "ismn":
        if isinstance(source, bytes) or name_of(source).lower().endswith(".stm"):
            return ismn.read_ismn(source, name=name)
        return ismn.read_ismn_archive(source)
    if reported == "toa5":
        return toa5.read_toa5(source, mapping, zone=zone, name=name, whole=whole)
    if reported == "geojson" and mapping is not None and mapping.rules and _is_messages(source):
        return _saved_messages(source, _zoned(mapping, zone), name or name_of(source))
    if reported == "geojson":
        return geojson.read_geojson(source, _zoned(mapping, zone) if mapping else None, name=name)
    if reported != "csv":
        raise StudyError("unknown format", found=f"'{reported}'", do=nearest(reported, FORMATS))
    if mapping is None or not mapping.rules:
        raise InputError(
            f"{name or name_of(source)} is a CSV file, whose columns could mean anything",
            found="no mapping, or one without [[series]]",
            do="Write a mapping file (headwater network init makes one), and give it with --map",
        )
    return csv_mapping.read_csv(source, _zoned(mapping, zone), name=name, whole=whole)


def _is_messages(source: Source) -> bool:
    """Whether JSON holds messages of a network server, and no features of a map."""
    return re.search(r'"type"\s*:\s*"Feature', "".join(lines_of(source))) is None


def _saved_messages(source: Source, mapping: Mapping, name: str) -> Reading:
    """Read messages that a server has saved: one JSON, or one in each line."""
    from dataclasses import replace

    from headwater.network.ingest.messages import read_messages

    lines = [line for line in lines_of(source) if line.strip()]
    try:
        json.loads("".join(lines))
        parts = ["".join(lines)]
    except ValueError:
        parts = lines
    reading = read_messages([("", part.encode()) for part in parts], replace(mapping, topic=""))
    return replace(reading, refused=tuple(replace(one, source=name) for one in reading.refused))


def _zoned(mapping: Mapping, zone: str | None) -> Mapping:
    from dataclasses import replace

    return replace(mapping, zone=mapping.zone or zone)
