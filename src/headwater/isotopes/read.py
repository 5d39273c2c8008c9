"""Files of samples, in the shapes that laboratories and databases write, as the sample table."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, UnitError, nearest
from headwater.isotopes.results import SampleTable
from headwater.isotopes.samples import COLUMNS, NUMBERS, WATERS, check_samples
from headwater.results import fingerprint

__all__ = ["MixsiarFiles", "average_replicates", "read_mixsiar", "read_samples"]

# what a column may be called, in lower case without spaces, signs and units
_NAMES = {
    "sample_id": "sampleid sample id samplename samplecode labid code name",
    "water": "water type watertype mediatype media sampletype source kind matrix",
    "time": "time date datetime samplingdate sampledate collectiondate samplstrt day",
    "longitude": "longitude lon long x",
    "latitude": "latitude lat y",
    "elevation": "elevation altitude alt elev elevationm masl z",
    "depth_top": "depthtop top upperdepth depthfrom mindepth depthupper",
    "depth_bottom": "depthbottom bottom lowerdepth depthto maxdepth depthlower",
    "vegetation": "vegetation vegetationtype landcover cover plant species",
    "aspect": "aspect slopeaspect exposition exposure",
    "d18O": "d18o delta18o delta18 δ18o o18 18o oxygen18 o18isotope d18ovsmow dexp18o 18ovsmow",
    "d2H": "d2h delta2h δ2h h2 2h dd δd deltad deuterium h2isotope d2hvsmow d1h2",
    "d18O_sd": "d18osd sdd18o d18ostd δ18osd d18ostdev d18oerror d18ouncertainty d18osigma",
    "d2H_sd": "d2hsd sdd2h d2hstd δ2hsd d2hstdev d2herror d2huncertainty d2hsigma ddsd",
    "amount": "amount precipitation precip precipmm rain rainfall p waterfluxmm waterflux prec",
    "replicate": "replicate rep replicateid parallel run",
}
_KNOWN = {spelling: name for name, words in _NAMES.items() for spelling in words.split()}

_WORDS = {  # what the column `water` may say, beside the names of the list themselves
    "precipitation": "rain rainfall precip precipitation throughfall",
    "snow": "snow snowpack snowfall",
    "snow_melt": "snowmelt",
    "glacier_melt": "glacier glaciermelt icemelt",
    "ground_ice": "groundice ice permafrostice",
    "supra_permafrost": "suprapermafrost suprapermafrostwater activelayer",
    "soil": "soil soilwater bulksoil",
    "groundwater": "groundwater gw well aquifer",
    "spring": "spring",
    "river": "river stream streamflow streamwater creek discharge surfacewater",
    "lake": "lake pond reservoir",
    "vapour": "vapour vapor watervapour",
    "dew": "dew fog",
    "plant": "plant xylem leaf shoot stem bagwater twig root",
}
_WATER_WORDS = {word: name for name, words in _WORDS.items() for word in words.split()}
_MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "--", "-9999", "-999", "-999.9", "#n/a")


def read_samples(
    path: Path | str,
    *,
    columns: Mapping[str, str] | None = None,
    waters: Mapping[str, str] | None = None,
    water: str | None = None,
    unit: Literal["permil", "fraction"] | None = None,
    replicates: Literal["keep", "mean"] = "keep",
    sheet: str | int = 0,
) -> SampleTable:
    r"""Read a table of samples: CSV (also of GNIP/WISER), or XLSX where openpyxl is installed.

    Parameters
    ----------
    path : Path
        The file. Separator, decimal comma and the row of the header are recognised.
    columns : mapping, optional
        The contract's name to the file's name, for what the small dictionary does not know.
    waters : mapping, optional
        The file's word to the kind of water (``{"Soil30": "soil"}``).
    water : str, optional
        The kind of water of all rows, for files without such a column.
    unit : {"permil", "fraction"}, optional
        Of δ; recognised from the values where not given.
    replicates : {"keep", "mean"}
        Whether to average rows of one ``sample_id`` (:func:`average_replicates`).
    sheet : str or int
        Of a workbook.

    Returns
    -------
    SampleTable
        ``choices`` tell which column was taken for which, the unit, and the decimal sign. Columns
        of no known meaning are kept under their own names.

    Raises
    ------
    InputError
        If the file is missing, of an unknown kind, or lacks the isotopes; or if XLSX cannot be
        read here.
    UnitError
        If ‰ and fractions are mixed.
    DataError
        If numbers are not numbers; rows are named.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "lab.csv"
    ...     _ = file.write_text("Sample ID;Type;δ18O (‰);δ2H (‰)\nA;Rain;-12,3;-88,1\n")
    ...     samples = read_samples(file)
    >>> samples.data[["sample_id", "water", "d18O", "d2H"]].values.tolist()
    [['A', 'precipitation', -12.3, -88.1]]
    """
    path = Path(path)
    text, notes = _cells(path, sheet)
    frame, said = _rename(text, columns or {})
    notes += said
    if water is not None:
        frame["water"] = water
    elif "water" in frame:
        frame["water"] = _waters(frame["water"], waters or {})
    frame, comma = _to_numbers(frame)
    notes += comma
    table = check_samples(frame, also={*(waters or {}).values(), *([water] if water else [])})
    table, spoken = _to_permil(table, unit)
    notes += spoken
    if replicates == "mean":
        before, table = len(table), average_replicates(table)
        notes.append(f"replicates averaged: {before} rows became {len(table)} samples")
    return SampleTable(
        table,
        f"Samples of {path.name}, {len(table)} rows",
        fingerprint=fingerprint(table["d18O"], table["d2H"], tuple(table["water"].astype(str))),
        choices=tuple(notes),
    )


def _cells(path: Path, sheet: str | int) -> tuple[pd.DataFrame, list[str]]:
    """Read all cells as text, indexed by the row number in the file."""
    if not path.is_file():
        raise InputError("no such file of samples", found=str(path), do="Check the path")
    if path.suffix.lower() in (".xlsx", ".xlsm", ".xls"):
        return _workbook(path, sheet), []
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = text.splitlines()
    # databases put a preamble before the header: the header is the first line naming an isotope
    head = next((i for i, line in enumerate(lines[:40]) if _names_isotope(line)), None)
    if head is None:
        raise InputError(
            "no header with δ18O or δ2H in the first lines",
            found=lines[0][:80] if lines else "an empty file",
            do="The first row must name the columns, for example: sample_id, water, d18O, d2H",
        )
    separator = max(";\t,", key=lines[head].count)
    frame = pd.read_csv(
        StringIO("\n".join(lines[head:])),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
        quoting=csv.QUOTE_MINIMAL,
    )
    frame.index = pd.RangeIndex(head + 2, head + 2 + len(frame), name="row")
    frame = frame[(frame != "").any(axis=1)]
    return frame, [f"separator {separator!r}, header in row {head + 1}"]


def _names_isotope(line: str) -> bool:
    cells = re.split(r"[;\t,]", line)
    return any(_KNOWN.get(_plain(cell)) in ("d18O", "d2H") for cell in cells)


def _workbook(path: Path, sheet: str | int) -> pd.DataFrame:
    if importlib.util.find_spec("openpyxl") is None or path.suffix.lower() == ".xls":
        raise InputError(
            "workbooks are read only where openpyxl is installed (and never the old .xls)",
            found=path.name,
            do="Export the sheet as CSV, or install openpyxl beside Headwater",
        )
    frame = pd.read_excel(path, sheet_name=sheet, dtype=object, keep_default_na=False)
    frame.index = pd.RangeIndex(2, 2 + len(frame), name="row")
    frame.columns = frame.columns.map(str)
    return frame.map(lambda cell: "" if cell is None else str(cell))


def _plain(name: str) -> str:
    """Reduce a column's name to its letters and digits, without unit and reference."""
    bare = re.sub(r"[\(\[].*?[\)\]]|‰|permil|per mil", "", name.strip().strip('"').lower())
    return re.sub(r"[^0-9a-zδ]", "", bare)


def _rename(frame: pd.DataFrame, given: Mapping[str, str]) -> tuple[pd.DataFrame, list[str]]:
    present = [str(name) for name in frame.columns]
    for wanted, old in given.items():
        if wanted not in COLUMNS:
            raise InputError(
                "no such column in a sample table", found=f"'{wanted}'", do=nearest(wanted, COLUMNS)
            )
        if old not in present:
            raise InputError(
                "the file has no such column", found=f"'{old}'", do=nearest(old, present)
            )
    mapping = {old: name for name, old in given.items()}
    taken = set(given)
    name: str | None
    for exact in (True, False):  # a column of the very name wins over a likely one
        for old in present:
            name = (old if old in COLUMNS else None) if exact else _KNOWN.get(_plain(old))
            if name and name not in taken and old not in mapping:
                mapping[old] = name
                taken.add(name)
    notes = [f"'{old}' taken for {name}" for old, name in mapping.items() if old != name]
    return frame.rename(columns=mapping), notes


def _waters(column: pd.Series, given: Mapping[str, str]) -> pd.Series:
    def kind(word: str) -> str | None:
        word = word.strip()
        if word.lower() in _MISSING:
            return None
        if word in given or word in WATERS:
            return given.get(word, word)
        plain = re.sub(r"[^a-z]", "", word.lower())
        # GNIP writes "Water - Precipitation - rain only"
        for candidate in (plain, *(re.sub(r"[^a-z]", "", w.lower()) for w in word.split("-"))):
            if candidate in _WATER_WORDS:
                return _WATER_WORDS[candidate]
        return word

    return column.astype(str).map(kind)


def _to_numbers(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Turn text into numbers and dates; decimal commas where they can be nothing else."""
    table, commas = frame.copy(), []
    for name in frame.columns:
        cells = frame[name]
        if not pd.api.types.is_string_dtype(cells) and cells.dtype != object:
            continue
        cells = cells.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
        cells = cells.where(~cells.astype(str).str.lower().isin(_MISSING), None)
        if name in NUMBERS:
            comma = cells.astype("string").str.fullmatch(r"[+\-−]?\d*,\d+").fillna(value=False)
            if comma.any():
                commas.append(str(name))
                cells = cells.where(~comma, cells.astype("string").str.replace(",", "."))
            cells = cells.map(lambda c: c.replace("−", "-") if isinstance(c, str) else c)
        if name == "time":
            cells = _times(cells)
        table[name] = cells
    note = [f"decimal commas in {', '.join(commas)}"] if commas else []
    return table, note


def _times(cells: pd.Series) -> pd.Series:
    times = pd.to_datetime(cells, errors="coerce", format="ISO8601")
    open_ = cells.notna() & times.isna()
    for pattern in ("%d.%m.%Y", "%d/%m/%Y", "%d-%b-%Y", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S"):
        if open_.any():
            times = times.fillna(
                pd.to_datetime(cells.where(open_), errors="coerce", format=pattern)
            )
            open_ = cells.notna() & times.isna()
    if open_.any():
        raise DataError(
            "dates that cannot be read",
            found=f"'{cells[open_].iloc[0]}' (row {cells.index[open_][0]}, {open_.sum()} in all)",
            do="Write dates as 2020-06-30 (month and day are ambiguous in other orders)",
        )
    return times


def _to_permil(table: pd.DataFrame, unit: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Recognise fractions (-0.0123) among per mil (-12.3) and refuse a mixture of the two."""
    o, h = table["d18O"], table["d2H"]
    given, both = o.notna() | h.notna(), o.notna() & h.notna()
    small = (o.abs().fillna(0.0) < 0.08) & (h.abs().fillna(0.0) < 0.6) & given
    # one isotope alone may be near VSMOW by chance, the two together hardly
    suspicious = (small & both).any() or small.sum() > 0.1 * given.sum()
    if unit is None and suspicious and not small[given].all():
        rows = ", ".join(str(row) for row in table.index[small][:8])
        raise UnitError(
            "‰ and fractions are mixed in one table",
            found=f"{small.sum()} of {given.sum()} rows look like fractions (rows {rows})",
            do="Write all δ in ‰, or say unit='permil' if these waters really are near VSMOW",
        )
    if unit == "fraction" or (unit is None and bool(suspicious)):
        scaled = table.copy()
        for name in ("d18O", "d2H", "d18O_sd", "d2H_sd"):
            scaled[name] = scaled[name] * 1000.0
        return scaled, ["δ were fractions and have been multiplied by 1000 into ‰"]
    return table, ["δ taken as ‰ VSMOW"]


def average_replicates(samples: pd.DataFrame) -> pd.DataFrame:
    """Average the rows of one sample.

    Parameters
    ----------
    samples : DataFrame
        The sample table, with ``sample_id``; rows without one stand for themselves.

    Returns
    -------
    DataFrame
        One row per sample: means of the numbers, the first of everything else; ``replicates`` the
        number of rows; ``d18O_sd`` and ``d2H_sd`` the standard deviation of the replicates where
        there were two or more, else as they were.

    Raises
    ------
    DataError
        If rows of one sample differ in the kind of water.

    Examples
    --------
    >>> frame = check_samples(pd.DataFrame({"sample_id": ["a", "a"], "d18O": [-12.0, -12.2]}))
    >>> average_replicates(frame)[["d18O", "d18O_sd", "replicates"]].round(3).values.tolist()
    [[-12.1, 0.141, 2.0]]
    """
    key = samples["sample_id"].astype(object)
    key = key.where(key.notna(), pd.Series([f"\0{i}" for i in range(len(key))], key.index))
    groups = samples.groupby(key, sort=False)
    kinds = groups["water"].nunique()
    if (kinds > 1).any():
        raise DataError(
            "replicates of one sample are of different waters",
            found=str(kinds.index[kinds > 1][0]),
            do="Give them different ids",
        )
    table = groups.first()
    numbers = [name for name in NUMBERS if name in samples and not name.endswith("_sd")]
    table[numbers] = groups[numbers].mean()
    for name in ("d18O", "d2H"):
        spread, n = groups[name].std(), groups[name].count()
        table[f"{name}_sd"] = spread.where(n > 1, table[f"{name}_sd"])
    table["replicates"] = groups.size()
    table["sample_id"] = groups["sample_id"].first()
    table["replicate"] = np.nan
    table.index = pd.Index(groups.apply(lambda part: part.index[0]).to_numpy(), name="row")
    table = table[[*COLUMNS, *(c for c in table.columns if c not in COLUMNS)]]
    table.attrs = dict(samples.attrs)
    return table


@dataclass(frozen=True, slots=True)
class MixsiarFiles:
    """The three files of a mixing study.

    Attributes
    ----------
    mixtures : DataFrame
        One row per mixture: factors and tracers, as in the file.
    sources : DataFrame
        ``source``, factors, ``<tracer>_mean``, ``<tracer>_sd``, ``n``.
    tracers : tuple of str
        Names of the tracers.
    notes : tuple of str
        What was done on the way.
    """

    mixtures: pd.DataFrame
    sources: pd.DataFrame
    tracers: tuple[str, ...]
    notes: tuple[str, ...]


def read_mixsiar(
    mixtures: Path | str,
    sources: Path | str,
    *,
    tracers: Iterable[str],
    discrimination: Path | str | None = None,
) -> MixsiarFiles:
    r"""Read the CSV files that MixSIAR reads.

    Parameters
    ----------
    mixtures, sources : Path
        Mixtures; and sources, either every sample or means (``Mean<t>``, ``SD<t>``, ``n``).
    tracers : iterable of str
        Column names of the tracers in the mixtures.
    discrimination : Path, optional
        Water does not discriminate: anything but 0 in this file is refused.

    Returns
    -------
    MixsiarFiles

    Raises
    ------
    InputError
        If a tracer is missing in a file, or the discrimination is not 0.
    DataError
        If a source has one sample only, so that it has no spread.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, two = pathlib.Path(folder) / "mix.csv", pathlib.Path(folder) / "src.csv"
    ...     _ = one.write_text("group,d18O\ng1,-12\n")
    ...     _ = two.write_text("source,Meand18O,SDd18O,n\nrain,-11.2,1.5,100\nice,-14,1,66\n")
    ...     read_mixsiar(one, two, tracers=["d18O"]).sources.values.tolist()
    [['rain', -11.2, 1.5, 100], ['ice', -14.0, 1.0, 66]]
    """
    names = tuple(tracers)
    mixed, waters = pd.read_csv(mixtures), pd.read_csv(sources)
    _need(mixed, names, Path(mixtures))
    waters = waters.rename(columns={waters.columns[0]: "source"})
    notes = []
    if {f"Mean{name}" for name in names} <= set(waters.columns):
        waters = waters.rename(
            columns={f"Mean{t}": f"{t}_mean" for t in names} | {f"SD{t}": f"{t}_sd" for t in names}
        )
        _need(waters, [f"{t}_{what}" for t in names for what in ("mean", "sd")], Path(sources))
        notes.append("sources given as means and standard deviations")
    else:
        _need(waters, names, Path(sources))
        waters = _source_means(waters, names)
        notes.append("sources summarised from their samples")
    if discrimination is not None:
        table = pd.read_csv(discrimination).select_dtypes("number")
        if (table != 0).to_numpy().any():
            raise InputError(
                "water does not discriminate between its isotopes when it mixes",
                found=f"values other than 0 in {Path(discrimination).name}",
                do="Set them to 0 or leave the file out",
            )
        notes.append("discrimination 0, as it must be for water")
    return MixsiarFiles(mixed, waters, names, tuple(notes))


def _need(table: pd.DataFrame, names: Iterable[str], path: Path) -> None:
    for name in names:
        if name not in table.columns:
            raise InputError(
                f"{path.name} lacks a column",
                found=f"no '{name}'",
                do=nearest(name, [str(c) for c in table.columns]),
            )


def _source_means(waters: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    groups = waters.groupby("source", sort=False)
    n = groups.size()
    if (n < 2).any():
        raise DataError(
            "a source with one sample has no spread",
            found=str(n.index[n < 2][0]),
            do="Add samples, join it to a like source, or give its mean and SD",
        )
    parts: dict[str, Any] = {}
    for name in names:
        parts[f"{name}_mean"], parts[f"{name}_sd"] = groups[name].mean(), groups[name].std()
    return pd.DataFrame({**parts, "n": n}).reset_index()
