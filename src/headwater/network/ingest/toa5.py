"""Tables of Campbell loggers (TOA5): four lines of header, record numbers, and clocks that jump.

References
----------
Campbell Scientific, LoggerNet manual, appendix B.1.2 "TOA5" (recalled, unchecked).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.errors import InputError
from headwater.network.ingest.clocks import clock_note, first_of, mark_after
from headwater.network.ingest.csv_mapping import read_lines
from headwater.network.ingest.mapping import Mapping, Rule
from headwater.network.ingest.parsed_file import Reading, lines_of, split
from headwater.tables.text import Source, name_of

__all__ = ["read_toa5"]

_RECORD = Rule(column="RECORD", thing="{station}", property="record", name="record number")
_UNITS = {"Deg C": "degC", "deg_C": "degC", "m^3/m^3": "m3 m-3", "mm/h": "mm h-1"}


def read_toa5(
    source: Source,
    mapping: Mapping | None = None,
    *,
    zone: str | None = None,
    name: str | None = None,
    whole: bool = True,
) -> Reading:
    r"""Read a table of a Campbell logger.

    Parameters
    ----------
    source : path or bytes
    mapping : Mapping, optional
        Which columns become which series; units left empty are taken from the header, and
        ``{station}`` and ``{table}`` stand for what it names. Default: each column becomes a series
        under its own name.
    zone : str, optional
        Zone of the logger's clock, where the mapping does not name it: the file never does.
    name : str, optional
        Name of the file, where `source` is its content.
    whole : bool
        False to leave a last line without an end for the next time.

    Returns
    -------
    Reading
        `notes` report lost records, restarts, and steps of the clock.

    Raises
    ------
    InputError
        If the header is not that of a TOA5 file, or lacks a column that the mapping names.

    Examples
    --------
    >>> head = '"TOA5","Upper","CR1000","1","OS","prog","1","hour"\n"TIMESTAMP","RECORD","VWC"\n'
    >>> head += '"TS","RN","m^3/m^3"\n"","","Avg"\n'
    >>> body = '"2024-02-28 23:00:00",7,0.31\n"2024-02-29 00:00:00",9,"NAN"\n'
    >>> reported = read_toa5((head + body).encode(), zone="Etc/GMT-8", name="upper.dat")
    >>> reported.missing, reported.notes
    (1, ('upper.dat:6: 1 record lost before record 9',))
    """
    encoding = mapping.encoding if mapping else None
    lines = lines_of(source, whole=whole, encoding=encoding)
    called = name_of(source) if name is None else name
    head = [[text.strip() for text in split(line, ",")] for line in lines[:4]]
    if len(head) < 4 or head[0][0].strip('"') != "TOA5" or "TIMESTAMP" not in head[1]:
        raise InputError(
            f"{called or 'the file'} has no header of TOA5",
            found=repr(lines[0][:60]) if lines else "no line",
            do="Give a table of LoggerNet in format TOA5, or a mapping with format = 'csv'",
        )
    names = tuple(head[1])
    units = {column: _UNITS.get(unit, unit) for column, unit in zip(names, head[2], strict=False)}
    facts = {"station": (head[0][1:2] or [""])[0] or called, "table": head[0][-1]}
    used = _ready(mapping, zone, names)
    reported = read_lines(lines, 4, names, used, name=called, units=units, constants=facts)
    return _without_records(reported, called, confirmed=used.clock_confirmed)


def _ready(mapping: Mapping | None, zone: str | None, names: tuple[str, ...]) -> Mapping:
    """Complete the mapping by what every TOA5 file has."""
    if mapping is None:
        rules = tuple(
            Rule(column=column, thing="{station}", property=column)
            for column in names
            if column not in ("TIMESTAMP", "RECORD")
        )
        mapping = Mapping(rules=rules)
    records = (_RECORD,) if "RECORD" in names else ()
    return replace(
        mapping,
        rules=(*mapping.rules, *records),
        time=("TIMESTAMP",),
        zone=mapping.zone or zone,
        delimiter=",",
    )


def _without_records(reported: Reading, name: str, *, confirmed: bool) -> Reading:
    """Take the record numbers out, and say what they and the clock show."""
    keys = {key for key, item in reported.series.items() if item.quantity == "record"}
    numbers = reported.data["series"].isin(keys)
    records = reported.data[numbers].sort_values("line")
    series = {key: item for key, item in reported.series.items() if key not in keys}
    data = reported.data[~numbers].reset_index(drop=True)
    data["series"] = data["series"].cat.set_categories(list(series))
    notes = (*reported.notes, *_notes(records, name))
    found = replace(reported, data=data, series=series, notes=notes)
    spans = _set_back(records)
    stations = {item.thing for item in series.values()}
    return mark_after(found, dict.fromkeys(stations, spans), confirmed=confirmed)


def _set_back(records: pd.DataFrame) -> list[tuple[int, int]]:
    """Find the lines from which on the clock is behind, and at which it was set forward again."""
    line, step, on = _steps(records)
    regular = step[on == 1]
    usual = float(np.median(regular)) if len(regular) else np.nan
    if not np.mean(regular == usual) > 0.5 if len(regular) else True:
        return []  # records of events: their times say nothing of the clock
    spans, first, behind = [], 0, 0.0
    for i in np.flatnonzero((on == 1) & (step != usual)):
        if step[i] < usual:
            first = first or int(line[i])
        if first:
            behind += usual - step[i]
            if behind <= 0:
                spans.append((first, int(line[i])))
                first, behind = 0, 0.0
    return [*spans, (first, int(line[-1]) + 1)] if first else spans


def _steps(records: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Give the line of each record but the first, and how time [s] and number went on to it."""
    time = records["time"].to_numpy("datetime64[us]").astype(np.int64)
    line = records["line"].to_numpy()[1:]
    return line, np.diff(time) / 1e6, np.diff(records["value"].to_numpy())


def _notes(records: pd.DataFrame, name: str) -> list[str]:
    if len(records) < 2:
        return []
    line, step, on = _steps(records)
    number = records["value"].to_numpy()
    usual = float(np.median(step[on == 1])) if (on == 1).any() else np.nan
    notes = []
    for i in np.flatnonzero((on > 1) | (on < 0) | ((on == 1) & (step != usual))):
        at = f"{name}:{line[i]}"
        if on[i] < 0:
            notes.append(f"{at}: the record number starts again at {number[i + 1]:.0f}")
        elif on[i] > 1:
            lost = f"{on[i] - 1:.0f} record{'s' if on[i] > 2 else ''}"
            notes.append(f"{at}: {lost} lost before record {number[i + 1]:.0f}")
        else:
            notes.append(clock_note(at, step[i], usual))
    return first_of(notes, name)
