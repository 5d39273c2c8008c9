"""A sample table as the study file means it: read, and split into groups and periods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, nearest

if TYPE_CHECKING:
    from headwater.chapters.samples.options import SamplesOptions
    from headwater.isotopes.results import SampleTable

__all__ = [
    "chosen",
    "comparisons",
    "described",
    "groupings",
    "impossible",
    "period_column",
    "read_table",
    "stacked",
]


def read_table(options: SamplesOptions) -> SampleTable:
    """Read the samples and add the groupings that the study asks for.

    Parameters
    ----------
    options : SamplesOptions
        Table ``[samples]``.

    Returns
    -------
    SampleTable
        The index holds the row numbers of the file.

    Raises
    ------
    InputError
        If the file cannot be read, or lacks a water or a column that the study names.
    DataError
        If numbers are not numbers (rows are named), or a tracer of the mixing is computed from
        others.
    """
    from headwater.isotopes import read_samples
    from headwater.isotopes.mixing.composition import check_tracers
    from headwater.isotopes.samples import add_groups
    from headwater.tables import ReadingOptions

    samples = read_samples(
        options.path,
        columns=options.columns,
        waters=options.waters,
        water=options.water,
        unit=options.unit,
        replicates=options.replicates,
        sheet=options.sheet,
        reading=options.reading or ReadingOptions(),
        tracers=options.mixing.tracers if options.mixing else (),
    )
    table = samples.data
    if options.mixing and options.mixing.source_file and table["water"].isna().all():
        table = table.assign(water=options.mixing.mixtures[0])
    table = add_groups(table, altitude=options.altitude, depth=options.depth)
    _check_waters(table, options)
    mixing = options.mixing
    _check_columns(table, (*options.groups, *((mixing.by or ()) + mixing.paired if mixing else ())))
    if mixing is not None:
        _check_columns(table.assign(d_excess=np.nan), mixing.tracers)
        _check_columns(table, (mixing.source_column,))
        mixed = table["water"].isin((*mixing.sources, *mixing.mixtures))
        check_tracers(table[mixed], mixing.tracers)
    if options.period and options.period != "month":
        _check_columns(table, (options.period,))
    return replace(samples, data=table)


def _check_waters(table: pd.DataFrame, options: SamplesOptions) -> None:
    present = [str(kind) for kind in table["water"].dropna().unique()]
    named = [("of", name) for name in options.of or ()]
    if options.mixing is not None:
        if not options.mixing.source_file and options.mixing.source_column == "water":
            named += [("mixing.sources", name) for name in options.mixing.sources]
        named += [("mixing.mixtures", name) for name in options.mixing.mixtures]
    if options.lmwl.slope is None and options.lmwl.water != "precipitation":
        named.append(("lmwl.water", options.lmwl.water))
    for key, name in named:
        if name not in present:
            raise InputError(
                f"{key} names a water that the table does not have",
                found=f"'{name}'",
                do=nearest(name, present),
            )


def _check_columns(table: pd.DataFrame, names: Iterable[str]) -> None:
    for name in names:
        if name not in table.columns:
            hint = {
                "altitude_band": "Give altitude = [3000, 3500, …] [m]. ",
                "layer": "Give depth = [0, 0.2, …] [m]. ",
            }.get(name, "")
            raise InputError(
                "the sample table has no such column",
                found=f"'{name}'",
                do=hint + nearest(name, list(map(str, table.columns))),
            )
        if name in ("d18O", "d2H") and table[name].isna().all():
            raise DataError(
                f"there is no value of {name}",
                found="no column of the file is known as it, or it is empty",
                do=f'Name it: columns = {{ {name} = "the file\'s own name" }}, or '
                "choose tracers that were measured",
            )


def impossible(table: pd.DataFrame) -> tuple[str, ...]:
    """Warn of values that cannot be, which stay in every mean, line and fraction.

    Parameters
    ----------
    table : DataFrame
        The sample table.

    Returns
    -------
    tuple of str
        One sentence with the rows, or none.
    """
    from headwater.isotopes import check_quality
    from headwater.isotopes.mixing.composition import name_rows

    found = check_quality(table).data
    rows = found.loc[found["severity"] == "error", "row"].drop_duplicates().astype(int).tolist()
    if not rows:
        return ()
    are = "sample has an impossible value" if len(rows) == 1 else "samples have impossible values"
    return (
        f"{len(rows)} {are}{name_rows(rows)}: exchanged columns or a lost minus? Nothing was "
        "removed; headwater samples check says what is wrong with each.",
    )


def chosen(table: pd.DataFrame, options: SamplesOptions) -> pd.DataFrame:
    """Take the waters that the study describes.

    Parameters
    ----------
    table : DataFrame
        From :func:`read_table`.
    options : SamplesOptions
        Table ``[samples]``.

    Returns
    -------
    DataFrame
    """
    if options.of is not None:
        return table[table["water"].isin(options.of)]
    soil = table[table["water"] == "soil"]
    return table if soil.empty else soil


def period_column(table: pd.DataFrame, options: SamplesOptions) -> tuple[str, ...]:
    """Name the column of the periods, none where the table does not say when it was sampled."""
    name = options.period or ""
    return (name,) if name and table[name].notna().any() else ()


def _several(table: pd.DataFrame) -> tuple[str, ...]:
    """Name the column of waters where there are several."""
    return ("water",) if len(table["water"].dropna().unique()) > 1 else ()


def groupings(
    table: pd.DataFrame, options: SamplesOptions, names: Iterable[str]
) -> list[tuple[str, tuple[str, ...]]]:
    """List the groupings, all samples together first, each with the columns that make it.

    Parameters
    ----------
    table : DataFrame
        The waters that are grouped.
    options : SamplesOptions
        Table ``[samples]``.
    names : iterable of str
        Columns, each a grouping by itself; those that are empty here are left out.

    Returns
    -------
    list of (str, tuple of str)
        ``("all", (...))`` and then each grouping, crossed with the period.
    """
    several = _several(table)
    period = period_column(table, options)
    own = [name for name in names if table[name].notna().any() and name not in period]
    return [("all", (*several, *period)), *((name, (*several, name, *period)) for name in own)]


def comparisons(table: pd.DataFrame, options: SamplesOptions) -> list[tuple[str, tuple[str, ...]]]:
    """List what is compared with what: periods, and the groups of each grouping in a period.

    Parameters
    ----------
    table : DataFrame
        The waters that are described.
    options : SamplesOptions
        Table ``[samples]``.

    Returns
    -------
    list of (str, tuple of str)
        The column whose groups are compared, and the columns that are held fixed.
    """
    several = _several(table)
    period = period_column(table, options)
    own = groupings(table, options, options.groups)[1:]
    return [(name, several) for name in period] + [(name, (*several, *period)) for name, _ in own]


def described(
    data: pd.DataFrame, grouping: str, columns: tuple[str, ...], period: tuple[str, ...]
) -> pd.DataFrame:
    """Put what a row is of in front, in place of the columns that make its group.

    Parameters
    ----------
    data : DataFrame
        One row per group, with `columns`.
    grouping : str
        What the groups are of.
    columns : tuple of str
        Those that make the groups, the period among them.
    period : tuple of str
        From :func:`period_column`.

    Returns
    -------
    DataFrame
        ``grouping``, ``label`` and ``period``, then the rest.
    """
    kind = [column for column in columns if column not in period]
    label = (
        data[kind].astype(str).agg(", ".join, axis=1).str.replace("_", " ")
        if kind
        else pd.Series("all", data.index)
    )
    when = data[list(period)].astype(str).agg(", ".join, axis=1) if period else ""
    rest = data.drop(columns=list(columns))
    own = {"grouping": grouping, "label": label, "period": when}
    return pd.DataFrame(own, index=data.index).join(rest.drop(columns=["label"], errors="ignore"))


def stacked(first: Any, parts: list[pd.DataFrame]) -> Any:
    """Put the tables of several groupings under each other, in the result of the first.

    Parameters
    ----------
    first : TableResult
        Method, references and units.
    parts : list of DataFrame
        Rows.

    Returns
    -------
    TableResult
        Of the class of `first`.
    """
    table = pd.concat(parts, ignore_index=True)
    table.attrs.update(first.data.attrs)
    return replace(first, data=table)
