"""Files of samples, in the shapes that laboratories and databases write, as the sample table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, UnitError, nearest
from headwater.isotopes.results import SampleTable
from headwater.isotopes.samples import COLUMNS, NUMBERS, WATERS, check_samples
from headwater.results import of_inputs
from headwater.tables import ReadingOptions, read_table
from headwater.tables.numbers import is_missing
from headwater.tables.options import DEFAULTS
from headwater.tables.report import ReadingReport, name_rows
from headwater.tables.vocabulary import fields_named

__all__ = ["MixsiarFiles", "average_replicates", "read_mixsiar", "read_samples"]

_FIELDS = fields_named((*COLUMNS, "depth"))

_WORDS = {  # what the column `water` may say, next to the names of the list themselves
    "precipitation": "rain rainfall precip precipitation throughfall 降水 雨水 雨 大气降水 降雨",
    "snow": "snow snowpack snowfall snowpit windblownsnow rime 雪 积雪 降雪 新雪",
    "snow_melt": "snowmelt 融雪水 积雪融水 雪融水 融雪",
    "glacier_melt": "glacier glaciermelt icemelt glaciermeltwater 冰川融水 冰融水 冰川",
    "ground_ice": "groundice ice permafrostice 地下冰 冻土冰",
    "supra_permafrost": "suprapermafrost suprapermafrostwater activelayer 冻结层上水 冻土层上水",
    "soil": "soil soilwater bulksoil 土壤水 土壤",
    "groundwater": "groundwater gw well aquifer ground 地下水 井水",
    "spring": "spring 泉水 泉",
    "river": "river stream streamflow streamwater creek discharge surfacewater riverorstream "
    "riverstream canal 河水 河流 溪水 径流 地表水",
    "lake": "lake pond reservoir lakeorpond 湖水 湖泊 水库",
    "vapour": "vapour vapor watervapour watervapor 水汽 大气水汽",
    "dew": "dew fog cloudorfog 露水 雾水",
    "plant": "plant xylem leaf shoot stem bagwater twig root 植物水 木质部水 "
    "木质部 茎水 植物 叶水 枝条水",
}
_WATER_WORDS = {word: name for name, words in _WORDS.items() for word in words.split()}
_STANDARD = re.compile(r"\b(?:V?SMOW|SLAP|GISP|USGS|IAEA|LIS-?[A-Z]\b|QA/?QC|QC\b|blank\b)", re.I)
_UNIT = {"elevation": "m", "amount": "mm"}
_EXCESS = (-350.0, 150.0)
"""δ2H - 8 δ18O of natural waters, those of leaves in deserts among them, with a margin [‰]."""
_MOST = 0.5
_MIXED_WORDS = {"冰雪融水": "snow_melt", "雪冰融水": "snow_melt", "meltwater": "snow_melt"}
"""Words that stand for two kinds of water."""


@of_inputs
def read_samples(
    path: Path | str,
    *,
    columns: Mapping[str, str] | None = None,
    waters: Mapping[str, str] | None = None,
    water: str | None = None,
    unit: Literal["permil", "fraction"] | None = None,
    replicates: Literal["numbered", "keep", "mean"] = "numbered",
    sheet: str | int | None = None,
    reading: ReadingOptions = DEFAULTS,
    tracers: Iterable[str] = (),
) -> SampleTable:
    r"""Read a table of samples: CSV and TSV of laboratories, GNIP/WISER and wiDB, or XLSX.

    Parameters
    ----------
    path : Path
        The file. Encoding, separator, signs, units and the row of the names are recognised.
    columns : mapping, optional
        The contract's name to the file's name, for what the small dictionary does not know.
    waters : mapping, optional
        The file's word to the kind of water (``{"Soil30": "soil"}``).
    water : str, optional
        The kind of water of all rows, for files without such a column.
    unit : {"permil", "fraction"}, optional
        Of δ; recognised from the values where not given.
    replicates : {"numbered", "keep", "mean"}
        Whether to average rows of one ``sample_id`` (:func:`average_replicates`): those that
        differ in ``replicate``, none, or all.
    sheet : str or int, optional
        Of a workbook; by default the first one that looks like samples.
    reading : ReadingOptions
        What the file leaves open: order of dates, decimal sign, units, zone, marks of missing
        values.
    tracers : iterable of str
        Columns that are wanted next to, or in place of, the isotopes of water.

    Returns
    -------
    SampleTable
        ``choices`` say which column was taken for which, the units, what is missing and what was
        left out, ``cautions`` what was assumed. Columns of no known meaning are kept under their
        own names. Times that name a zone are in UTC, or in the zone of `reading`.

    Raises
    ------
    InputError
        If the file is missing, of an unknown kind, or lacks the isotopes; if rows are ragged, or
        a number or date can be read in two ways; or if XLSX cannot be read here.
    UnitError
        If ‰ and fractions are mixed, or a unit does not fit.
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
    options = reading if sheet is None else replace(reading, sheet=sheet)
    frame, report = _read(path, columns or {}, options, set(tracers))
    notes: list[str] = []
    if water is not None:
        frame["water"] = water
    elif "water" in frame:
        frame["water"], report, notes = _waters(frame["water"], waters or {}, report)
    also = {*(waters or {}).values(), *([water] if water else [])}
    table = check_samples(frame, also=also)
    table, spoken = _to_permil(table, unit)
    notes += spoken
    before = len(table)
    if replicates != "keep":
        table = average_replicates(table) if replicates == "mean" else _average_numbered(table)
    if len(table) < before:
        notes.append(f"replicates averaged: {before} rows became {len(table)} samples")
    report = report.but(
        *_zeros(table), *_standards(table), *_lengths(table, report), *_no_waters(table, report)
    )
    return SampleTable(
        table,
        f"Samples of {path.name}, {len(table)} rows",
        choices=(*report.choices(), *notes),
        cautions=report.guesses,
    )


def _read(
    path: Path, columns: Mapping[str, str], options: ReadingOptions, tracers: set[str]
) -> tuple[pd.DataFrame, ReadingReport]:
    """Read the file, and see that it has isotopes."""
    if not path.is_file():
        raise InputError("no such file of samples", found=str(path), do="Check the path")
    for wanted in columns:
        if wanted not in (*COLUMNS, "depth"):
            raise InputError(
                "no such column in a sample table", found=f"'{wanted}'", do=nearest(wanted, COLUMNS)
            )
    table = read_table(path, _FIELDS, columns=columns, options=options)
    names = set(map(str, table.data.columns))
    if tracers and tracers <= names and not {"d18O", "d2H"} & names:
        return _with_places(table.data.assign(d18O=np.nan), table.report)
    if not {"d18O", "d2H"} & names:
        raise InputError(
            "no header with δ18O or δ2H in the first lines",
            found=", ".join(map(str, table.data.columns))[:200],
            do="The first row must name the columns, for example: sample_id, water, d18O, d2H; or "
            "say which is which: columns = { d18O = 'its name' }",
        )
    return _with_places(table.data, table.report)


def _with_places(frame: pd.DataFrame, report: ReadingReport) -> tuple[pd.DataFrame, ReadingReport]:
    """Keep coordinates of a map under their own names: they are no degrees."""
    data, report = _turned_places(frame, report)
    for name, most in (("longitude", 360.0), ("latitude", 90.0)):
        if name in data and bool((data[name].abs() > most).any()):
            own = next((entry.column for entry in report.recognised if entry.name == name), name)
            data = data.rename(columns={name: own if own != name else f"{name} (file)"})
            noted = f"'{own}' holds no degrees and is not taken for {name}"
            rest = tuple(entry for entry in report.recognised if entry.name != name)
            report = replace(report, recognised=rest).but(noted)
    return data.copy(), report


def _turned_places(
    frame: pd.DataFrame, report: ReadingReport
) -> tuple[pd.DataFrame, ReadingReport]:
    """Exchange longitudes and latitudes that stand under each other's names."""
    if not {"longitude", "latitude"} <= set(frame.columns):
        return frame, report
    east, north = frame["latitude"].abs(), frame["longitude"].abs()
    if not (east.max() > 90.0 and east.max() <= 360.0 and north.max() <= 90.0):
        return frame, report
    turned = frame.assign(longitude=frame["latitude"], latitude=frame["longitude"])
    named = {entry.name: entry.column for entry in report.recognised}
    noted = f"'{named['latitude']}' holds longitudes and '{named['longitude']}' latitudes: taken so"
    return turned, report.but(noted)


def _zeros(table: pd.DataFrame) -> tuple[str, ...]:
    """Name rows where both isotopes are exactly 0, as an empty cell is filled."""
    both = (table["d18O"] == 0.0) & (table["d2H"] == 0.0)
    if not both.any():
        return ()
    return (
        f"{name_rows(list(table.index[both]))}: 0 for both isotopes, kept; if that stands for "
        "missing values, leave the cells empty",
    )


def _no_waters(table: pd.DataFrame, report: ReadingReport) -> tuple[str, ...]:
    """Name rows whose isotopes no water has: exchanged columns, marks of missing values."""
    codes = {float(m.code) for m in report.missing if re.fullmatch(r"-\d+\.?\d*", m.code)}
    left = table["d18O"].isna() & table["d2H"].isin(codes)
    found = []
    if left.any():
        code = f"{table.loc[left, 'd2H'].iloc[0]:g}"
        found.append(
            f"{name_rows(list(table.index[left]))}: {code} of δ2H was kept, though it stands for "
            f"missing in another column; if here too, set missing = ['{code}']"
        )
    excess, turned = table["d2H"] - 8.0 * table["d18O"], table["d18O"] - 8.0 * table["d2H"]
    odd = excess.notna() & ~excess.between(*_EXCESS)
    if not odd.any():
        return tuple(found)
    if odd[excess.notna()].mean() > _MOST and turned.dropna().between(*_EXCESS).all():
        words = (
            "δ18O and δ2H seem to stand under each other's names, as no water has such values; "
            "correct the names, or set columns"
        )
        return (*found, words)
    first, rows = table.loc[odd].iloc[0], name_rows(list(table.index[odd]))
    words = (
        f"{rows}: no natural water has such isotopes (δ18O {first['d18O']:g} with δ2H "
        f"{first['d2H']:g}); kept. Correct them, or name marks of missing values in missing"
    )
    return (*found, words)


def _standards(table: pd.DataFrame) -> tuple[str, ...]:
    """Name rows that a laboratory measures between samples, by their names."""
    called = table["sample_id"].astype(str).str.contains(_STANDARD)
    if not called.any():
        return ()
    first = table.loc[called, "sample_id"].iloc[0]
    return (
        f"'{first}' ({name_rows(list(table.index[called]))}) looks like a standard of the "
        "laboratory, not a sample, and was kept; take it out of the file",
    )


def _lengths(table: pd.DataFrame, report: ReadingReport) -> tuple[str, ...]:
    """Doubt elevations and amounts without a unit that fit another unit better."""
    unsaid = {entry.name: entry.column for entry in report.recognised if not entry.unit}
    found = []
    if (table["elevation"] > 8849.0).any():
        found.append(
            f"elevations of up to {table['elevation'].max():g} m: no land is as high; set units"
        )
    for name, low, words in (("elevation", 9.0, "kilometres"), ("amount", 1.0, "metres")):
        values = table[name].abs()
        if name in unsaid and 0.0 < values.max() < low and (values % 1.0 > 0.0).any():
            found.append(
                f"'{unsaid[name]}' names no unit and was taken in {_UNIT[name]}, though no value "
                f"exceeds {table[name].max():g}; if these are {words}, set units"
            )
    return tuple(found)


def _waters(
    column: pd.Series, given: Mapping[str, str], report: ReadingReport
) -> tuple[pd.Series, ReadingReport, list[str]]:
    """Name kinds of water in our words; what can be two kinds is noted."""
    words = [str(word).strip() for word in column.dropna().unique()]
    kinds = {word: _kind(word, given) for word in words}
    noted = [
        f"'{word}' was taken for {kind}; waters = {{ '{word}' = ... }} settles it"
        for word, kind in kinds.items()
        if _plain(word) in _MIXED_WORDS and word not in given
    ]
    named = column.map(lambda word: kinds[str(word).strip()], na_action="ignore")
    notes = [
        f"water '{word}' is {kind}"
        for word, kind in kinds.items()
        if kind != word and kind is not None and _plain(word) not in _MIXED_WORDS
    ]
    return named.astype(object).where(named.notna(), None), report.but(*noted), notes


def _plain(word: str) -> str:
    return re.sub(r"[\W\d_]+", "", word.lower())


def _kind(word: str, given: Mapping[str, str]) -> str | None:
    if word in given or word in WATERS:
        return given.get(word, word)
    if is_missing(word):
        return None
    # GNIP writes "Water - Precipitation - rain only"
    for candidate in (_plain(word), *map(_plain, word.split("-"))):
        if candidate in _WATER_WORDS or candidate in _MIXED_WORDS:
            return _WATER_WORDS.get(candidate) or _MIXED_WORDS[candidate]
    return word


def _to_permil(table: pd.DataFrame, unit: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Recognise fractions (-0.0123) among per mil (-12.3) and refuse a mixture of the two."""
    o, h = table["d18O"], table["d2H"]
    given, both = o.notna() | h.notna(), o.notna() & h.notna()
    # two exact zeros are what an empty cell was filled with, or the standard itself
    zero = (o == 0.0) & (h == 0.0)
    given &= ~zero
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
    return table, ["δ taken as ‰ VSMOW"] if given.any() else []


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


def _average_numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Average the rows of one sample that are numbered as its replicates, and no others."""
    labelled = table["sample_id"].notna() & table["replicate"].notna()
    own = table[labelled]
    twice = own.duplicated(["sample_id", "replicate"], keep=False)
    several = own.groupby("sample_id")["replicate"].transform("nunique") > 1
    bad = own.loc[twice, "sample_id"].unique()
    rows = own.index[several & ~own["sample_id"].isin(bad)]
    if not len(rows):
        return table
    averaged = average_replicates(table.loc[rows])
    joined = pd.concat([table.drop(index=rows), averaged]).sort_index()
    joined.attrs = dict(table.attrs)
    return joined


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
    reading: ReadingOptions = DEFAULTS,
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
    reading : ReadingOptions
        What the files leave open, such as the decimal sign.

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
    mixture_table = read_table(mixtures, options=reading, others="typed")
    source_table = read_table(sources, options=reading, others="typed")
    mixed, waters = (table.data.reset_index(drop=True) for table in (mixture_table, source_table))
    _need(mixed, names, Path(mixtures))
    waters = waters.rename(columns={waters.columns[0]: "source"})
    notes = [*mixture_table.report.lines(), *source_table.report.lines()]
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
        table = read_table(discrimination, options=reading, others="typed").data
        table = table.select_dtypes("number")
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
