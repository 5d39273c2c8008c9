"""What the columns of a file mean: the mapping file, read and checked, and one to begin with."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from string import Formatter
from typing import Any, Literal, cast

from headwater.errors import InputError, ResumeError, StudyError, nearest
from headwater.network.ingest.parsed_file import Place, lines_of, split

__all__ = [
    "Format",
    "Mapping",
    "Rule",
    "TEMPLATE",
    "fields_of",
    "filled",
    "parse_mapping",
    "read_mapping",
    "write_template",
]

Format = Literal["csv", "toa5", "geojson", "ismn"]
_KEYS = {
    "": {"file", "time", "things", "thing", "series", "network", "mqtt", "warning"},
    "file": {"format", "encoding", "delimiter", "decimal", "header", "names", "comment", "missing"},
    "time": {"column", "columns", "format", "zone", "clock"},
    "things": {
        "file",
        "name",
        "latitude",
        "longitude",
        "elevation",
        "crs",
        "names",
        "delimiter",
        "others",
    },
    "thing": {"name", "latitude", "longitude", "elevation", "description", "properties"},
    "series": {
        "column",
        "file",
        "where",
        "thing",
        "name",
        "property",
        "unit",
        "depth",
        "sensor",
        "flag",
        "saturation",
        "properties",
    },
    "network": {"name", "licence", "source", "description"},
    "mqtt": {"topics", "topic", "client_id", "decoder", "payload", "discovery"},
}
TEMPLATE = """\
# What the columns of your files mean. Lines with # are comments; remove it to use a key.

[network]                        # goes to every station
name = "Upper valley"
# source = "doi:…"
# licence = "CC-BY-4.0"

[file]
format = "csv"                   # csv, toa5, geojson, ismn
# encoding = "gbk"               # default: UTF-8, UTF-16 or Chinese, found
# delimiter = ","                # one character, or tab, semicolon, space
# decimal = "."                  # "," for 0,31
# header = 1                     # line that holds the names of the columns
# names = ["time", "VWC_10"]     # where the file has none
# comment = "#"                  # lines that begin with this are skipped
# missing = ["-9999"]            # besides nothing, NaN, NA, null

[time]
column = "time"                  # or columns = ["date", "hour"], joined by a space
# format = "%d.%m.%Y %H:%M"      # default: ISO 8601
zone = "Asia/Shanghai"           # of times that carry no offset; UTC, Etc/GMT-8 …
# clock = "confirmed"            # what follows a clock that was set back has the right times

# Where stations stand; or one [things] for a table of them:
# [things]
# file = "stations.csv"          # next to this file
# name = "{id}"                  # columns in braces
# latitude = "lat"
# longitude = "lon"
# elevation = "z"
# crs = "EPSG:32647"             # where coordinates are metres
# others = false                 # true: stations may appear that are not listed
[[thing]]
name = "Upper meadow"
latitude = 35.21
longitude = 99.12
elevation = 4520

[[series]]
column = "VWC_10"                # column with the values
thing = "Upper meadow"           # or "{station}" to take it from a column
property = "soil_moisture"       # soil_temperature, temperature, precipitation, battery_voltage …
unit = "vol%"                    # of the file; converted to m3 m-3
depth = 0.10                     # m
# sensor = "TEROS 12"
# saturation = 0.48              # porosity, for quality control
# flag = "QC"                    # column with the provider's flag
# where = { depth_cm = "10" }    # only lines that hold this: long tables
# file = "meadow_*.csv"          # only files of this name

# [mqtt]                         # headwater network watch --broker mqtt://localhost
# topics = ["soil/+/+"]
# topic = "soil/{station}/{depth}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One table ``[[series]]``: a column that becomes a series, or as many as it names.

    In `thing`, `name`, `property`, `unit`, `depth` and `sensor`, ``{column}`` stands for what the
    line holds in that column.

    Attributes
    ----------
    column : str
    thing, property : str
    unit : str
        As the file has it; empty where the file names it itself.
    name, depth, sensor : str
    file : str
        Only in files whose name matches.
    where : dict
        Only in lines whose columns hold these texts.
    flag : str
        Column of the provider's flag.
    properties : dict
        Goes to the series.
    """

    column: str
    thing: str
    property: str
    unit: str = ""
    name: str = ""
    depth: str = ""
    sensor: str = ""
    file: str = "*"
    where: Dict[str, str] = field(default_factory=dict)
    flag: str = ""
    properties: Dict[str, Any] = field(default_factory=dict)

    def templates(self) -> tuple[str, ...]:
        """Texts that may name columns."""
        return (self.thing, self.name, self.property, self.unit, self.depth, self.sensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """What a mapping file says.

    Attributes
    ----------
    rules : tuple of Rule
    format : {"csv", "toa5", "geojson", "ismn"}
    encoding : str, optional
        Of the files; default: found.
    delimiter, decimal, comment : str
    header : int
        Number of the line with the names of the columns, from 1; 0 for none.
    names : tuple of str
        Names of the columns, where the file has none.
    missing : tuple of str
        What stands for a missing value besides nothing, NaN, NA, null and None.
    time : tuple of str
        Columns that make up the time, joined by a space.
    time_format, zone : str, optional
    clock_confirmed : bool
        Whether times are right that follow where a clock was set back.
    places : dict of Place
    others : bool
        Whether stations may appear that `places` does not list.
    network : dict
        Goes to the properties of every station.
    topics, topic
        What to subscribe to, and how a topic names columns.
    client_id : str
        Name of the session at the broker; empty for one made from the mapping and the store.
    decoder, payload : str
        Decoder of the bytes of a probe, and the nested name under which a message holds them.
    discovery : str
        Prefix of the topics under which Home Assistant announces sensors.
    warning : dict, optional
        Table ``[warning]``, for ``headwater watch``, which checks it.
    """

    rules: tuple[Rule, ...] = ()
    format: Format = "csv"
    encoding: str | None = None
    delimiter: str = ","
    decimal: str = "."
    comment: str = ""
    header: int = 1
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    time: tuple[str, ...] = ("time",)
    time_format: str | None = None
    zone: str | None = None
    clock_confirmed: bool = False
    places: dict[str, Place] = field(default_factory=dict)
    others: bool = True
    network: dict[str, Any] = field(default_factory=dict)
    topics: tuple[str, ...] = ()
    topic: str = ""
    client_id: str = ""
    decoder: str = ""
    payload: str = ""
    discovery: str = ""
    warning: dict[str, Any] | None = None

    def rules_of(self, file: str) -> tuple[Rule, ...]:
        """Rules that hold in a file of this name."""
        return tuple(rule for rule in self.rules if fnmatch(file, rule.file) or not file)


def filled(text: str, held: Dict[str, str]) -> str:
    """Put what stands in columns into a text.

    Dots in a name are part of it: they lead into nested messages.

    Examples
    --------
    >>> filled("{device.id} at {depth}", {"device.id": "a1", "depth": "0.1"})
    'a1 at 0.1'
    """
    parts = [
        literal + ("" if name is None else str(held[name]))
        for literal, name, _, _ in Formatter().parse(text)
    ]
    return "".join(parts)


def fields_of(text: str) -> tuple[str, ...]:
    """Name the columns that stand in braces.

    Examples
    --------
    >>> fields_of("Station {id} of {network}")
    ('id', 'network')
    """
    return tuple(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def read_mapping(path: Path | str) -> Mapping:
    """Read a mapping file.

    Parameters
    ----------
    path : path
        TOML.

    Returns
    -------
    Mapping

    Raises
    ------
    InputError
        If the file, or the list of stations that it names, cannot be read.
    StudyError
        If it is not TOML, or has a key or value that makes no sense.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"cannot read {path}", found=why, do="Check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path.name} is not TOML", found=str(error), do="Correct it") from None
    return parse_mapping(raw, folder=path.parent, name=path.name)


def parse_mapping(raw: dict[str, Any], *, folder: Path = Path(), name: str = "mapping") -> Mapping:
    """Check what a mapping file holds.

    Parameters
    ----------
    raw : dict
        As TOML gives it.
    folder : Path
        Where files that it names are looked for.
    name : str
        For messages.

    Returns
    -------
    Mapping

    Raises
    ------
    StudyError
        If a key is unknown or a value makes no sense.

    Examples
    --------
    >>> series = {"column": "VWC", "thing": "A", "property": "soil_moisture", "unit": "vol%"}
    >>> parse_mapping({"time": {"zone": "UTC"}, "series": [series]}).rules[0].column
    'VWC'
    """
    _check(raw, "", name)
    tables = {key: _table(raw, key, name) for key in ("file", "time", "things", "network", "mqtt")}
    file, time = tables["file"], tables["time"]
    rules = tuple(_rule(entry, name) for entry in _list(raw, "series", name))
    columns = time.get("columns", [time["column"]] if "column" in time else ["time"])
    places, others = _places(_list(raw, "thing", name), tables["things"], folder, name)
    known = ("csv", "toa5", "geojson", "ismn")
    if file.get("format", "csv") not in known:
        do = nearest(str(file["format"]), known)
        raise StudyError(f"{name}: unknown format", found=f"'{file['format']}'", do=do)
    header = 0 if "names" in file else file.get("header", 1)
    return Mapping(
        rules=rules,
        format=cast("Format", file.get("format", "csv")),
        encoding=file.get("encoding"),
        delimiter=_delimiter(file.get("delimiter", ","), name),
        decimal=file.get("decimal", "."),
        comment=file.get("comment", ""),
        header=int(header),
        names=tuple(file.get("names", ())),
        missing=tuple(str(mark) for mark in file.get("missing", ())),
        time=tuple(str(column) for column in columns),
        time_format=time.get("format"),
        zone=time.get("zone"),
        clock_confirmed=_confirmed(time, name),
        places=places,
        others=others,
        network=tables["network"],
        topics=tuple(tables["mqtt"].get("topics", ())),
        topic=tables["mqtt"].get("topic", ""),
        client_id=str(tables["mqtt"].get("client_id", "")),
        decoder=_decoder(tables["mqtt"], name),
        payload=str(tables["mqtt"].get("payload", "")),
        discovery=str(tables["mqtt"].get("discovery", "")),
        warning=raw.get("warning"),
    )


def _confirmed(time: dict[str, Any], name: str) -> bool:
    word = time.get("clock", "")
    if word not in ("", "confirmed"):
        do = 'Write clock = "confirmed" once you know that its times are right, or leave it out'
        raise StudyError(f"{name}: unknown state of the clock", found=repr(word), do=do)
    return bool(word)


def _decoder(table: dict[str, Any], name: str) -> str:
    """Check a decoder, and that it still decodes its published payload."""
    from headwater.network.ingest.decoders import check_decoder

    word = str(table.get("decoder", ""))
    if word:
        check_decoder(word)
        if "payload" not in table:
            raise StudyError(
                f"{name}: a decoder without the place of its bytes",
                found=f"decoder = {word!r}",
                do='Add payload = "data" (ChirpStack) or "uplink_message.frm_payload" (TTN)',
            )
    return word


def _check(table: dict[str, Any], kind: str, name: str) -> None:
    for key in table:
        if key not in _KEYS[kind]:
            place = f"[{kind}] of {name}" if kind else name
            do = nearest(key, sorted(_KEYS[kind]))
            raise StudyError(f"unknown key in {place}", found=f"'{key}'", do=do)


def _table(raw: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    table = raw.get(key, {})
    if not isinstance(table, dict):
        raise StudyError(f"[{key}] of {name} is no table", found=repr(table), do=f"Write [{key}]")
    _check(table, key, name)
    return table


def _list(raw: dict[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    entries = raw.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise StudyError(f"{key} of {name} is no list of tables", do=f"Write [[{key}]]")
    for entry in entries:
        _check(entry, key, name)
    return entries


def _delimiter(text: Any, name: str) -> str:
    words = {"tab": "\t", "comma": ",", "semicolon": ";", "space": " "}
    found = words.get(text, text)
    if not isinstance(found, str) or len(found) != 1:
        do = "Write one character, or tab, comma, semicolon, space"
        raise StudyError(f"{name}: not a delimiter", found=repr(text), do=do)
    return found


def _rule(entry: dict[str, Any], name: str) -> Rule:
    for key in ("column", "thing", "property"):
        if key not in entry:
            raise StudyError(
                f"a series without '{key}' in {name}",
                found=", ".join(f"{k} = {v!r}" for k, v in entry.items()) or "an empty table",
                do=f"Add {key} = … to this [[series]]",
            )
    properties = dict(entry.get("properties", {}))
    if "saturation" in entry:
        properties["saturation"] = float(entry["saturation"])
    texts = ("column", "thing", "property", "unit", "name", "depth", "sensor", "file", "flag")
    given = {key: str(entry[key]) for key in texts if key in entry}
    where = {str(key): str(value) for key, value in entry.get("where", {}).items()}
    return Rule(**given, where=where, properties=properties)


def _places(
    entries: list[dict[str, Any]], table: dict[str, Any], folder: Path, name: str
) -> tuple[dict[str, Place], bool]:
    places = {}
    for entry in entries:
        if "name" not in entry:
            raise StudyError(f"a station without a name in {name}", do="Add name to this [[thing]]")
        places[str(entry["name"])] = Place(**{**entry, "name": str(entry["name"])})
    if "file" in table:
        places |= _listed(table, folder, name)
    return places, bool(table.get("others", not places))


def _listed(table: dict[str, Any], folder: Path, name: str) -> dict[str, Place]:
    """Read the list of stations that ``[things]`` names."""
    delimiter = _delimiter(table.get("delimiter", ","), name)
    rows = [split(line, delimiter) for line in lines_of(folder / table["file"]) if line.strip()]
    names = list(table.get("names") or rows.pop(0))
    wanted = [table.get(key, key) for key in ("longitude", "latitude")]
    if "elevation" in table or "elevation" in names:
        wanted.append(table.get("elevation", "elevation"))
    for column in (*wanted, *fields_of(table.get("name", "{name}"))):
        if column not in names:
            do = nearest(column, names)
            raise StudyError(f"{table['file']} has no column", found=f"'{column}'", do=do)
    places: dict[str, Place] = {}
    for number, row in enumerate(rows, start=1):
        held = dict(zip(names, row, strict=False))
        try:
            here = [float(held[column]) for column in wanted]
        except (KeyError, ValueError):
            found = f"row {number}: {','.join(row)}"
            do = "Correct the row, or remove it"
            raise InputError(f"{table['file']}: no place", found=found, do=do) from None
        called = filled(table.get("name", "{name}"), held)
        longitude, latitude = _degrees(here[0], here[1], table.get("crs"))
        height = here[2] if len(here) > 2 else None
        if called not in places:
            places[called] = Place(
                name=called, latitude=latitude, longitude=longitude, elevation=height
            )
    return places


def _degrees(x: float, y: float, crs: str | None) -> tuple[float, float]:
    if crs is None:
        return x, y
    from pyproj import Transformer

    longitude, latitude = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return round(float(longitude), 7), round(float(latitude), 7)


def write_template(path: Path, *, force: bool = False) -> None:
    """Write the mapping file.

    Parameters
    ----------
    path : Path
    force : bool
        Overwrite what is there.

    Raises
    ------
    InputError
        If it exists.
    ResumeError
        If it cannot be written.
    """
    if path.exists() and not force:
        raise InputError("the mapping file exists", found=str(path), do="Use --force to overwrite")
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(TEMPLATE, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise ResumeError(f"cannot write {path}", found=why, do="Choose another place") from None
