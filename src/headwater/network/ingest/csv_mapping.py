"""CSV files of loggers, wide or long, by the words of a mapping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from headwater.errors import InputError
from headwater.network.ingest.clocks import with_set_back
from headwater.network.ingest.mapping import Mapping
from headwater.network.ingest.parsed_file import Reading, Refused, join, lines_of, settle, split
from headwater.network.ingest.table import Table, tabulate
from headwater.tables.text import Source, name_of

__all__ = ["read_csv", "read_lines"]

_BLOCK = 100_000
"""Lines that are texts in memory at once."""


def read_csv(
    source: Source, mapping: Mapping, *, name: str | None = None, whole: bool = True
) -> Reading:
    r"""Read a CSV file.

    A line has as many fields as there are names of columns; a quoted field ends with its line.

    Parameters
    ----------
    source : path or bytes
    mapping : Mapping
    name : str, optional
        Name of the file, where `source` is its content.
    whole : bool
        False to leave a last line without an end for the next time.

    Returns
    -------
    Reading
        `notes` report where the clock was set back.

    Raises
    ------
    InputError
        If the file cannot be read, or lacks a column that the mapping names.
    UnitError
        If a unit cannot be converted.

    Examples
    --------
    >>> from headwater.network.ingest.mapping import parse_mapping
    >>> series = {"column": "VWC", "thing": "A", "property": "soil_moisture", "unit": "vol%"}
    >>> mapping = parse_mapping({"time": {"zone": "UTC"}, "series": [series]})
    >>> reported = read_csv(b"time,VWC\n2024-02-29 00:00,25.1\n2024-02-29 01:00,wet\n", mapping)
    >>> float(reported.data["value"].iloc[0]), reported.kept, str(reported.refused[0])
    (0.251, 1, "line:3: VWC is not a number: 'wet'")
    """
    lines = lines_of(source, whole=whole, encoding=mapping.encoding)
    called = name_of(source) if name is None else name
    if mapping.header > len(lines):
        raise InputError(
            f"{called or 'the file'} is too short to hold the names of its columns",
            found=f"{len(lines)} lines",
            do=f"The mapping expects them in line {mapping.header}",
        )
    names = mapping.names
    if mapping.header:
        head = split(lines[mapping.header - 1], mapping.delimiter)
        names = tuple(text.strip() for text in head)
    if len(set(names)) < len(names):
        twice = sorted({text for text in names if names.count(text) > 1})
        do = "Give names = [...] in [file] of the mapping, each once"
        found = ", ".join(map(repr, twice))
        raise InputError(f"two columns of {called} have one name", found=found, do=do)
    return read_lines(lines, mapping.header, names, mapping, name=called, clock=True)


def read_lines(
    lines: list[str],
    start: int,
    names: tuple[str, ...],
    mapping: Mapping,
    *,
    name: str,
    units: dict[str, str] | None = None,
    constants: dict[str, str] | None = None,
    clock: bool = False,
) -> Reading:
    """Read lines whose columns have these names.

    Parameters
    ----------
    lines : list of str
        All lines of the file.
    start : int
        Place of the first one with data.
    names : tuple of str
    mapping : Mapping
    name : str
        Of the file.
    units : dict, optional
        Unit by column, where the file names it.
    constants : dict, optional
        Columns that hold the same text in all lines, such as the station of a header.
    clock : bool
        Look for a clock that was set back.

    Returns
    -------
    Reading
    """
    parts = []
    for rows, at, refused in _blocks(lines, start, names, mapping, name):
        turned: list[tuple[str, ...]] = list(zip(*rows, strict=True)) or [()] * len(names)
        columns = dict(zip(names, turned, strict=True))
        columns |= {key: (text,) * len(rows) for key, text in (constants or {}).items()}
        table = Table(columns, np.array(at, dtype=np.int64), name, units or {})
        part = tabulate(table, mapping)
        reported = tuple(sorted((*part.refused, *refused), key=lambda item: item.line))
        parts.append(replace(part, lines=part.lines + len(refused), refused=reported))
    whole = join(parts)
    if clock:
        whole = with_set_back(whole, name, confirmed=mapping.clock_confirmed)
    return settle(whole, name)


def _blocks(
    lines: list[str], start: int, names: tuple[str, ...], mapping: Mapping, name: str
) -> Iterator[tuple[list[list[str]], list[int], list[Refused]]]:
    """Fields of some lines, their numbers, and those that have too few or too many."""
    delimiter, comment, wanted = mapping.delimiter, mapping.comment or None, len(names)
    for begin in range(start, max(len(lines), start + 1), _BLOCK):
        rows: list[list[str]] = []
        at: list[int] = []
        refused: list[Refused] = []
        for number, line in enumerate(lines[begin : begin + _BLOCK], start=begin + 1):
            if not line.strip() or (comment and line.startswith(comment)):
                continue
            fields = split(line, delimiter)
            if len(fields) == wanted:
                rows.append(fields)
                at.append(number)
            else:
                found = f"{len(fields)} fields where there are {wanted} columns"
                refused.append(Refused(number, found, name))
        yield rows, at, refused
