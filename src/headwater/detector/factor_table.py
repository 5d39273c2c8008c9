"""Factors before a detection: which columns of a file can be factors, and how alike factors are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.results import AssociationResult
from headwater.detector.strata import Strata, as_strata, cross_strata
from headwater.errors import DataError, nearest
from headwater.results import of_inputs
from headwater.tables import ReadingOptions, read_table
from headwater.tables.heads import match
from headwater.tables.options import DEFAULTS
from headwater.tables.report import ReadingReport, name_rows
from headwater.tables.text import Source
from headwater.tables.vocabulary import FIELDS, Field

__all__ = [
    "FactorTable",
    "association",
    "read_factors",
]

Floats = npt.NDArray[np.float64]
_FEWEST = 3
"""Numbers with fewer distinct values are classes, as a yes and no written 1 and 0."""
_MOST_CODES, _OF_EACH = 25, 5
"""No more whole numbers than this, each mostly of so many units, may be codes of classes."""


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
    named = {*category, *circular, *few, *turned}
    report = replace(report, ignored=tuple(f"'{name}' {why}" for name, why in bad.items())).but(
        *(f"'{name}' has {data[name].nunique()} values and is taken for classes" for name in few),
        *(f"'{name}' is taken for a direction [degree] by its name" for name in turned),
        *(text for name in factors if name not in named for text in _codes(data[name])),
        *_repeated_rows(data),
        *(text for name in factors for text in _alike(data[name])),
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


def _repeated_rows(data: pd.DataFrame) -> tuple[str, ...]:
    """Report rows that stood before, where a column tells the rows apart but for these."""
    again = data.duplicated()
    single = data[~again]
    if not again.any() or not any(data[name].nunique() == len(single) for name in data):
        return ()
    return (
        f"{name_rows(data.index[again].tolist())}: the same as rows before in every column, and "
        "counted again; take out those that were entered twice",
    )


def _alike(column: pd.Series) -> tuple[str, ...]:
    """Report words that differ in capitals, width or blanks alone and so make classes apart."""
    if _is_number(column):
        return ()
    words = column.dropna().astype(str).drop_duplicates()
    plain = words.map(lambda text: "".join(normalize("NFKC", text).casefold().split()))
    return tuple(
        f"{' and '.join(repr(text) for text in some)} are classes apart in '{column.name}'; write "
        "them alike if they are one"
        for _, some in words.groupby(plain, sort=False)
        if len(some) > 1
    )


def _codes(column: pd.Series) -> tuple[str, ...]:
    """Ask whether a few whole numbers, each of many units, are codes of classes."""
    if not _is_number(column):
        return ()
    values, counts = np.unique(column.dropna().to_numpy(np.float64), return_counts=True)
    if len(values) > _MOST_CODES or (values % 1.0 != 0.0).any() or np.median(counts) < _OF_EACH:
        return ()
    shown = ", ".join(f"{value:g}" for value in values[:4]) + (" …" if len(values) > 4 else "")
    return (
        f"'{column.name}' has {len(values)} whole numbers ({shown}) and is taken for a measure; if "
        f"they are codes of classes, name it as a category (--category {column.name})",
    )


def _few(column: pd.Series) -> bool:
    return _is_number(column) and column.nunique() < _FEWEST


@of_inputs
def association(
    strata: Mapping[str, Any],
    values: Mapping[str, npt.ArrayLike] | None = None,
    *,
    limit: float = 0.7,
    weights: npt.ArrayLike | None = None,
) -> AssociationResult:
    r"""Compare the factors with each other, pair by pair.

    Parameters
    ----------
    strata : mapping of str to Strata or array_like
        Partitions of the same units.
    values : mapping of str to array_like, optional
        The continuous factors themselves [any unit], for Pearson's r.
    limit : float
        From which absolute r, or V, on a pair is named in the cautions.
    weights : array_like, same shape, optional
        Weight of each unit.

    Returns
    -------
    AssociationResult
        r [1] (NaN unless both are continuous), Cramér's V of the strata [1] and n.

    Notes
    -----
    .. math:: V = \sqrt{\chi^2 / (n (\min(L_1, L_2) - 1))}

    References
    ----------
    Cramér, H. (1946). Mathematical Methods of Statistics. Princeton University Press.

    Examples
    --------
    >>> association({"a": [0, 0, 1, 1], "b": ["x", "x", "y", "y"]}).data["cramers_v"].tolist()
    [1.0]
    """
    partitions = {name: as_strata(given) for name, given in strata.items()}
    numbers = {name: np.asarray(given, np.float64) for name, given in (values or {}).items()}
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    rows = []
    for (name_1, first), (name_2, second) in combinations(partitions.items(), 2):
        v, n = _cramers_v(first, second, unit)
        known = name_1 in numbers and name_2 in numbers
        r = _pearson(numbers[name_1], numbers[name_2], unit) if known else np.nan
        rows.append({"factor_1": name_1, "factor_2": name_2, "r": r, "cramers_v": v, "n": n})
    columns = ["factor_1", "factor_2", "r", "cramers_v", "n"]
    table = pd.DataFrame(rows, columns=columns)
    return AssociationResult(
        data=table,
        method="Association of the factors: Pearson's r of continuous factors and Cramér's V of "
        "the strata.",
        choices=("Units are " + ("weighted." if weights is not None else "not weighted."),),
        cautions=_cautions(table, limit),
    )


def _cramers_v(first: Strata, second: Strata, unit: Floats | None) -> tuple[float, int]:
    crossed = cross_strata(first, second).ravel()
    shape = (first.realised, second.realised)
    both = crossed >= 0
    n = int(both.sum())
    each = None if unit is None else unit[both] * n / max(float(unit[both].sum()), 1e-300)
    counts = np.bincount(crossed[both], each, minlength=shape[0] * shape[1]).reshape(shape)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    least = min(counts.shape) - 1
    if n == 0 or least < 1:
        return np.nan, n
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / n
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi2 / (n * least))), n


def _pearson(first: Floats, second: Floats, unit: Floats | None) -> float:
    both = ~(np.isnan(first) | np.isnan(second))
    w = np.ones(int(both.sum())) if unit is None else unit[both]
    a, b = (one[both] - np.average(one[both], weights=w) for one in (first, second))
    spread = float(np.sqrt((w @ a**2) * (w @ b**2)))
    return float((w * a) @ b) / spread if spread > 0 else np.nan


def _cautions(table: pd.DataFrame, limit: float) -> tuple[str, ...]:
    words = []
    for row in table.to_dict("records"):
        r, v = row["r"], row["cramers_v"]
        if abs(r) >= limit or v >= limit:
            size = f"r = {r:.2f}" if abs(r) >= limit else f"Cramér's V = {v:.2f}"
            words.append(
                f"{row['factor_1']} and {row['factor_2']} go together ({size}, n = {row['n']}): "
                "their q values share one pattern, and which of the two drives it stays open."
            )
    return tuple(words)
