"""The sample table: which columns it has, which waters there are, and what each may look like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, nearest

__all__ = [
    "COLUMNS",
    "NUMBERS",
    "WATERS",
    "Water",
    "add_groups",
    "check_samples",
    "group_label",
    "group_rows",
    "need_columns",
    "water",
]

COLUMNS = (
    "sample_id",
    "water",
    "time",
    "longitude",
    "latitude",
    "elevation",
    "depth_top",
    "depth_bottom",
    "vegetation",
    "aspect",
    "d18O",
    "d2H",
    "d18O_sd",
    "d2H_sd",
    "amount",
    "replicate",
)
"""Columns of the sample table: δ and their standard deviations in ‰ VSMOW, elevation and depths in
m, amount in mm, aspect in degrees clockwise from north."""

NUMBERS = (
    "longitude",
    "latitude",
    "elevation",
    "depth_top",
    "depth_bottom",
    "d18O",
    "d2H",
    "d18O_sd",
    "d2H_sd",
    "amount",
)
"""Columns that hold numbers."""


@dataclass(frozen=True, slots=True)
class Water:
    """A kind of water, with the values that nature gives it.

    Attributes
    ----------
    name : str
        The word used in the column ``water``.
    long_name : str
        The words used in figures.
    d18O, d2H, d_excess : tuple of float
        Lowest and highest plausible value [‰]. Wide on purpose: outside is an error of the
        table far more often than a discovery.
    """

    name: str
    long_name: str
    d18O: tuple[float, float]
    d2H: tuple[float, float]
    d_excess: tuple[float, float]


_WATERS = (
    Water("precipitation", "Precipitation", (-50.0, 12.0), (-400.0, 80.0), (-40.0, 50.0)),
    Water("snow", "Snow", (-55.0, 0.0), (-430.0, 10.0), (-30.0, 50.0)),
    Water("snow_melt", "Snow melt", (-50.0, 0.0), (-400.0, 10.0), (-30.0, 50.0)),
    Water("glacier_melt", "Glacier melt", (-50.0, 0.0), (-400.0, 10.0), (-30.0, 50.0)),
    Water("ground_ice", "Ground ice", (-45.0, 0.0), (-350.0, 10.0), (-40.0, 50.0)),
    Water(
        "supra_permafrost", "Supra-permafrost water", (-45.0, 5.0), (-350.0, 40.0), (-40.0, 50.0)
    ),
    Water("soil", "Soil water", (-45.0, 20.0), (-350.0, 80.0), (-120.0, 50.0)),
    Water("groundwater", "Groundwater", (-40.0, 5.0), (-310.0, 40.0), (-30.0, 40.0)),
    Water("spring", "Spring", (-40.0, 5.0), (-310.0, 40.0), (-30.0, 40.0)),
    Water("river", "River", (-40.0, 10.0), (-310.0, 60.0), (-60.0, 40.0)),
    Water("lake", "Lake", (-40.0, 20.0), (-310.0, 100.0), (-120.0, 40.0)),
    Water("vapour", "Vapour", (-70.0, 0.0), (-500.0, 10.0), (-20.0, 80.0)),
    Water("dew", "Dew or fog", (-30.0, 10.0), (-230.0, 80.0), (-30.0, 50.0)),
    Water("plant", "Plant water", (-45.0, 40.0), (-350.0, 120.0), (-250.0, 50.0)),
)

WATERS: dict[str, Water] = {entry.name: entry for entry in _WATERS}
"""The controlled list; :func:`water` answers for names that a user adds with the widest ranges."""


def water(name: str) -> Water:
    """Look a kind of water up; an unknown one gets the widest ranges of all.

    Parameters
    ----------
    name : str
        As in the column ``water``.

    Returns
    -------
    Water

    Examples
    --------
    >>> water("soil").d_excess
    (-120.0, 50.0)
    >>> water("hot spring").d18O
    (-70.0, 40.0)
    """
    wide = Water(
        name, name.replace("_", " ").capitalize(), (-70.0, 40.0), (-500.0, 120.0), (-250.0, 80.0)
    )
    return WATERS.get(name, wide)


def check_samples(frame: pd.DataFrame, *, also: Iterable[str] = ()) -> pd.DataFrame:
    """Check a table against the contract and give it all columns, absent ones as missing.

    Parameters
    ----------
    frame : DataFrame
        At least ``d18O`` or ``d2H`` [‰]; its index holds the row numbers that messages name.
    also : iterable of str
        Kinds of water that this study adds to the controlled list.

    Returns
    -------
    DataFrame
        The columns of the contract first, any others after them; ``attrs["units"]`` is set.

    Raises
    ------
    InputError
        If there is neither ``d18O`` nor ``d2H``, or a kind of water is unknown.
    DataError
        If a column of numbers holds text (the rows are named), or the table is empty.

    Examples
    --------
    >>> table = check_samples(pd.DataFrame({"d18O": [-12.0], "d2H": [-89.8], "water": ["soil"]}))
    >>> list(table.columns[:2]), table.attrs["units"]["d18O"]
    (['sample_id', 'water'], '‰')
    """
    if not {"d18O", "d2H"} & set(frame.columns):
        raise InputError(
            "a sample table needs a column d18O or d2H",
            found=", ".join(map(str, frame.columns)) or "no column",
            do="Rename the columns, or say which is which with columns={'d18O': '...'}",
        )
    if frame.empty:
        raise DataError("the sample table is empty", found="0 rows", do="Check the file")
    extra = [name for name in frame.columns if name not in COLUMNS]
    table = frame.reindex(columns=[*COLUMNS, *extra])
    for name in NUMBERS:
        table[name] = _numbers(table[name])
    table["time"] = pd.to_datetime(table["time"])
    _check_waters(table["water"], {*WATERS, *also})
    table.attrs["units"] = _units()
    return table


def _units() -> dict[str, str]:
    permil = dict.fromkeys(("d18O", "d2H", "d18O_sd", "d2H_sd"), "‰")
    metres = dict.fromkeys(("elevation", "depth_top", "depth_bottom"), "m")
    degrees = dict.fromkeys(("longitude", "latitude", "aspect"), "degree")
    return {**permil, **metres, **degrees, "amount": "mm"}


def _numbers(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    lost = column.notna() & numbers.isna()
    if lost.any():
        raise DataError(
            f"column '{column.name}' holds text where numbers are needed",
            found=f"'{column[lost].iloc[0]}' ({_rows(column.index[lost])})",
            do="Correct the cells, or leave them empty where the value is missing",
        )
    return numbers


def _check_waters(column: pd.Series, known: set[str]) -> None:
    strange = column.notna() & ~column.isin(known)
    if strange.any():
        name = str(column[strange].iloc[0])
        raise InputError(
            "unknown kind of water",
            found=f"'{name}' ({_rows(column.index[strange])})",
            do=f"{nearest(name, sorted(known))}. Say which: waters = {{ {name!r} = 'soil' }}; or "
            f"make it a kind of its own: waters = {{ {name!r} = {name!r} }}",
        )


def _rows(index: pd.Index) -> str:
    numbers = ", ".join(str(row) for row in index[:8])
    more = f" and {len(index) - 8} more" if len(index) > 8 else ""
    return f"row{'s' if len(index) > 1 else ''} {numbers}{more}"


def add_groups(
    samples: pd.DataFrame,
    *,
    altitude: Iterable[float] = (),
    depth: Iterable[float] = (),
) -> pd.DataFrame:
    """Add the groupings of a field study: month, season, year, layer, altitude band, aspect.

    Parameters
    ----------
    samples : DataFrame
        The sample table.
    altitude : iterable of float
        Edges of the altitude bands [m], lower edge inside.
    depth : iterable of float
        Edges of the soil layers [m]; a sample belongs where the middle of its interval lies.

    Returns
    -------
    DataFrame
        With ``month``, ``season``, ``year``, ``aspect_sector``, and, where edges are given,
        ``altitude_band`` and ``layer``; missing where the sample does not say.

    Examples
    --------
    >>> one = check_samples(pd.DataFrame({"d18O": [-12.0], "time": ["2020-06-10"], "aspect": [350.],
    ...                                   "elevation": [3400.0]}))
    >>> add_groups(one, altitude=(3000, 3500))[["month", "aspect_sector", "altitude_band"]].values
    array([['June', 'N', '3000–3500 m']], dtype=object)
    """
    table = samples.copy()
    time = table["time"]
    table["month"] = pd.Categorical(time.dt.month_name(), _MONTHS, ordered=True)
    table["season"] = pd.Categorical(
        [_SEASONS[int(m) % 12 // 3] if np.isfinite(m) else None for m in time.dt.month],
        categories=_SEASONS,
        ordered=True,
    )
    table["year"] = time.dt.year.astype("Int64")
    table["aspect_sector"] = _sector(table["aspect"])
    for name, edges, scale, unit, column in (
        ("altitude_band", list(altitude), 1.0, "m", table["elevation"]),
        ("layer", list(depth), 100.0, "cm", table[["depth_top", "depth_bottom"]].mean(axis=1)),
    ):
        if edges:
            labels = [f"{low * scale:g}–{high * scale:g} {unit}" for low, high in pairwise(edges)]
            table[name] = pd.cut(column, edges, right=False, labels=labels)
    return table


_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_SEASONS = ("DJF", "MAM", "JJA", "SON")


def _sector(aspect: pd.Series) -> pd.Series:
    """Name the four slopes, from degrees or from their own letters."""
    degrees = pd.to_numeric(aspect, errors="coerce")
    place = np.floor(((degrees + 45.0) % 360.0) / 90.0)
    named = aspect.astype("string").str.strip().str.upper().str[:1]
    letters = named.where(named.isin(list("NESW")))
    sector: pd.Series = place.map(dict(enumerate("NESW"))).fillna(letters)
    return sector


def group_rows(
    samples: pd.DataFrame, by: Iterable[str]
) -> list[tuple[dict[str, object], pd.DataFrame]]:
    """Split a table into groups, in the order of the groups' own names or categories.

    Parameters
    ----------
    samples : DataFrame
        The sample table.
    by : iterable of str
        Columns; none makes one group of all rows. Rows without a group are left out.

    Returns
    -------
    list of (dict, DataFrame)
        The group's values by column, and its rows.

    Raises
    ------
    InputError
        If a column does not exist; the nearest is named.
    DataError
        If no row has all the groups.

    Examples
    --------
    >>> frame = pd.DataFrame({"water": ["soil", "river", "soil"], "d18O": [1, 2, 3]})
    >>> [(key, len(rows)) for key, rows in group_rows(frame, ["water"])]
    [({'water': 'river'}, 1), ({'water': 'soil'}, 2)]
    """
    names = list(by)
    need_columns(samples, names, to=" to group by")
    if not names:
        return [({}, samples)]
    parts = samples.groupby(names, observed=True, sort=True)
    groups = [(dict(zip(names, key, strict=True)), rows) for key, rows in parts]
    if not groups:
        raise DataError(
            "no sample has a group",
            found=f"only missing values in {', '.join(names)}",
            do="Group by another column, or fill it in",
        )
    return groups


def need_columns(table: pd.DataFrame, names: Iterable[str], *, to: str = "") -> None:
    """Refuse a table that lacks a column.

    Parameters
    ----------
    table : DataFrame
    names : iterable of str
        Columns.
    to : str
        What they are for, after "no such column".

    Raises
    ------
    InputError
        If a column does not exist; the nearest is named.

    Examples
    --------
    >>> need_columns(pd.DataFrame({"d18O": [-9.0]}), ["d18O"])
    """
    for name in names:
        if name not in table:
            known = [str(column) for column in table.columns]
            raise InputError(f"no such column{to}", found=f"'{name}'", do=nearest(name, known))


def group_label(keys: dict[str, object]) -> str:
    """Write a group's values in a line, ``all`` for no grouping.

    Examples
    --------
    >>> group_label({"water": "ground_ice", "month": "June"})
    'ground ice, June'
    """
    return ", ".join(str(value).replace("_", " ") for value in keys.values()) or "all"
