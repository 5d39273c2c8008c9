"""A file of units and factors: which columns can be factors, of which kind, and which cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from headwater.errors import DataError, nearest
from headwater.tables import ReadingOptions, read_table
from headwater.tables.heads import match
from headwater.tables.options import DEFAULTS
from headwater.tables.report import ReadingReport
from headwater.tables.text import Source
from headwater.tables.vocabulary import FIELDS, Field

__all__ = ["FactorTable", "read_factors"]

_FEWEST = 3
"""Numbers with fewer distinct values are classes, as a yes and no written 1 and 0."""


@dataclass(frozen=True, slots=True, eq=False)
class FactorTable:
    """Units in rows, ready for :func:`headwater.detector.from_table`.

    Attributes
    ----------
    data : DataFrame
    factors : tuple of str
        Columns that can explain.
    category, circular : tuple of str
        Those of them that are classes, and directions.
    report : ReadingReport
        What was recognised, assumed, missing and left out.
    """

    data: pd.DataFrame
    factors: tuple[str, ...]
    category: tuple[str, ...]
    circular: tuple[str, ...]
    report: ReadingReport

    def without(self, column: str | None) -> FactorTable:
        """Take a column, such as that of the weights, out of the factors; its values stay.

        Parameters
        ----------
        column : str or None
            Its name; None takes nothing out.

        Returns
        -------
        FactorTable
        """
        kept = [
            tuple(name for name in names if name != column)
            for names in (self.factors, self.category, self.circular)
        ]
        return replace(self, factors=kept[0], category=kept[1], circular=kept[2])


def read_factors(
    source: Source,
    y: str,
    x: Sequence[str] = (),
    *,
    category: Sequence[str] = (),
    circular: Sequence[str] = (),
    coordinates: tuple[str, str] | None = None,
    reading: ReadingOptions = DEFAULTS,
) -> FactorTable:
    r"""Read a table of units, and choose the columns that can be factors.

    Parameters
    ----------
    source : path or bytes
        CSV, TSV or XLSX, one row for each unit.
    y : str
        The variable to be explained.
    x : sequence of str
        The factors; default: all other columns that can be.
    category, circular : sequence of str
        Factors that are classes, whatever their numbers, and directions [degree], in which -1 and
        the word flat are no direction.
    coordinates : (str, str), optional
        Columns with places, which are no factors unless `x` names them.
    reading : ReadingOptions
        What the file leaves open.

    Returns
    -------
    FactorTable

    Raises
    ------
    DataError
        If a column is not there, `y` holds text, or a factor that is named cannot be one.
    InputError
        If the file cannot be read.

    Examples
    --------
    >>> text = b"theta;rain;name\n" + b"".join(b"0,%d;%d;s%d\n" % (i, i, i) for i in range(11, 20))
    >>> table = read_factors(text, "theta")
    >>> table.factors, table.report.ignored
    (('rain',), ("'name' has another word in every row",))
    """
    table = read_table(
        source, _directions(source, y, circular, reading), options=reading, others="typed"
    )
    data, report = table.data, table.report
    given = tuple(dict.fromkeys((*x, *category, *circular)))
    places = coordinates or ()
    for name in (y, *given, *places):
        if name not in data:
            do = nearest(name, list(map(str, data.columns)))
            raise DataError("no such column", found=f"'{name}'", do=do)
    _check_response(data, y)
    for name in given:
        _check_factor(data[name], name in category)
    rest = [str(name) for name in data.columns if name not in (y, *places, *given)]
    bad = {} if x else {name: why for name in rest if (why := _unfit(data[name]))}
    aside = {y, *places, *bad}
    factors = given if x else tuple(str(name) for name in data.columns if name not in aside)
    few = [name for name in factors if name not in (*category, *circular) and _few(data[name])]
    by_name = [
        entry.name for entry in report.recognised if entry.name not in (*circular, *category)
    ]
    turned = [name for name in by_name if name in factors and _is_number(data[name])]
    report = replace(report, ignored=tuple(f"'{name}' {why}" for name, why in bad.items())).but(
        *(f"'{name}' has {data[name].nunique()} values and is taken for classes" for name in few),
        *(f"'{name}' is taken for a direction [degree] by its name" for name in turned),
    )
    return FactorTable(data, factors, (*category, *few), (*circular, *turned), report)


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def _check_factor(column: pd.Series, is_category: bool) -> None:
    """Refuse a factor that is asked for and holds both numbers and text."""
    why = "" if is_category or _is_number(column) else _mixed(column)
    if why:
        raise DataError(
            f"factor '{column.name}' holds numbers and text",
            found=why,
            do="Correct the cells, name the text as missing, or call it a category",
        )


def _directions(
    source: Source, y: str, circular: Sequence[str], reading: ReadingOptions
) -> tuple[Field, ...]:
    """Look for columns of directions under the file's own names."""
    aspect = FIELDS["aspect"]
    names = map(str, read_table(source, options=reading).data.columns)
    own = [name for name in names if name in circular or (name != y and match(name, (aspect,)))]
    return tuple(replace(aspect, name=name, spellings="") for name in own)


def _check_response(data: pd.DataFrame, y: str) -> None:
    if _is_number(data[y]):
        return
    words = ", ".join(f"'{text}'" for text in data[y].dropna().unique()[:4])
    raise DataError(
        f"the response '{y}' holds text",
        found=words or "no value",
        do="Give numbers; write yes and no as 1 and 0, or name a mark of missing values in missing",
    )


def _unfit(column: pd.Series) -> str:
    """Say why a column cannot be a factor; empty where it can."""
    n, distinct = int(column.notna().sum()), int(column.nunique())
    if n == 0:
        return "has no value"
    if distinct == 1:
        return "has one value only"
    if _is_number(column):
        return "counts the rows" if _counts(column) else ""
    if mixed := _mixed(column):
        return f"holds numbers and text: {mixed}"
    if distinct == n:
        return "has another word in every row"
    return f"has {distinct} words in {n} rows" if distinct > n / 2 else ""


def _counts(column: pd.Series) -> bool:
    """Whether a column is a running number, such as the FID of a map or the index of a frame."""
    values = column.to_numpy(np.float64)
    start = values[0] if values.size else np.nan
    return bool(start in (0.0, 1.0) and np.array_equal(values, start + np.arange(values.size)))


def _mixed(column: pd.Series) -> str:
    """Name the texts of a column of numbers; empty where there are no numbers, or no texts."""
    numbers = pd.to_numeric(column, errors="coerce")
    texts = column[numbers.isna() & column.notna()]
    if not 0 < len(texts) < 0.5 * int(column.notna().sum()):
        return ""
    return ", ".join(f"'{text}' (row {row})" for row, text in texts.head(3).items())


def _few(column: pd.Series) -> bool:
    return _is_number(column) and column.nunique() < _FEWEST
