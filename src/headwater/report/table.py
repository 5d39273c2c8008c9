"""How a table of numbers becomes cells on a page, and a CSV that loses nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.figures import grouped
from headwater.grids.plots import unit_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Cell", "Column", "TableView", "pretty_number", "table_csv", "view_table"]

MISSING = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_ROWS = 400
_NO_UNIT = {"", "1", "-"}
_LONG_NUMBER = re.compile(r"-?\d+\.\d{4,}(?:e[-+]?\d+)?")
_MINUS = re.compile(r"(?<![^\s(\[])-(?=\d)")
_RANGE = re.compile(r"(?<=\d)-(?=\d+ m$)")
_PLACES = frozenset({"x", "y", "longitude", "latitude"})
_P_VALUE = re.compile(r"^(p|p_.*|.*_p|p[-_ ]?value)$")


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading: words, unit (empty where there is none) and whether it holds numbers."""

    label: str
    unit: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """What is read, what it is exactly, and what it is sorted by ("" sorts last)."""

    text: str
    exact: str
    key: str


@dataclass(frozen=True, slots=True)
class TableView:
    """A table ready for the page; `omitted` rows are in the CSV only."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    omitted: int


def pretty_number(value: float, digits: int = 3) -> str:
    """Round to significant digits, without exponents where a reader can do without.

    Parameters
    ----------
    value : float
        Any number; NaN is missing.
    digits : int
        Significant digits.

    Returns
    -------
    str

    Examples
    --------
    >>> pretty_number(0.123456), pretty_number(-1234.5), pretty_number(0.00000123)
    ('0.123', '−1234', '1.23 × 10⁻⁶')
    """
    if math.isnan(value):
        return MISSING
    if value == 0 or math.isinf(value):
        return grouped(value)
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if -4 <= exponent < 7:
        return grouped(value, max(digits - 1 - exponent, 0))
    mantissa = value / 10.0**exponent
    power = str(exponent).translate(_SUPERSCRIPT)
    return f"{grouped(mantissa, digits - 1)} × 10{power}"


def table_csv(frame: pd.DataFrame) -> str:
    r"""Write a table unrounded, one heading row of ``name [unit]``.

    Parameters
    ----------
    frame : DataFrame
        Flat columns; units in ``frame.attrs["units"]``.

    Returns
    -------
    str
        Missing values are empty.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"year": [2017], "theta": [1 / 3]})
    >>> frame.attrs["units"] = {"theta": "m3 m-3"}
    >>> table_csv(frame)
    'year,theta [m3 m-3]\n2017,0.3333333333333333\n'
    """
    units = frame.attrs.get("units", {})
    headings = {
        name: f"{name} [{units[name]}]"
        for name in frame.columns
        if units.get(name, "") not in _NO_UNIT
    }
    text: str = frame.rename(columns=headings).to_csv(index=False, lineterminator="\n")
    return text


def view_table(frame: pd.DataFrame, digits: int = 3) -> TableView:
    """Prepare a table for the page.

    Parameters
    ----------
    frame : DataFrame
        Flat columns; units in ``frame.attrs["units"]``.
    digits : int
        Significant digits shown; the exact value stays next to them. A column shares its decimals
        where its magnitudes allow it, unless ``frame.attrs["mixed"]`` says that its rows are of
        different quantities. Columns named ``p``, ``p_...`` or ``..._p`` are p-values.

    Returns
    -------
    TableView
        At most 400 rows.

    Examples
    --------
    >>> frame = pd.DataFrame({"q": [0.52345, 0.0621], "p": [1e-9, 0.034]})
    >>> [[cell.text for cell in row] for row in view_table(frame).rows]
    [['0.523', '< 0.001'], ['0.062', '0.034']]
    """
    units = frame.attrs.get("units", {})
    shown = frame.head(_MOST_ROWS)
    columns = []
    cells = []
    for name in frame.columns:
        values = shown[name]
        unit = unit_label(str(units.get(name, "")))
        columns.append(Column(str(name).replace("_", " "), unit, values.dtype.kind in "iuf"))
        wording = _wording(str(name), values, digits, shared=not frame.attrs.get("mixed"))
        cells.append([_cell(value, wording) for value in values.tolist()])
    return TableView(tuple(columns), tuple(zip(*cells, strict=True)), len(frame) - len(shown))


def _cell(value: Any, wording: Callable[[Any], str]) -> Cell:
    if pd.isna(value):
        return Cell(MISSING, "missing", "")
    if isinstance(value, bool):
        return Cell("yes" if value else "no", "", str(int(value)))
    exact, text = str(value).removesuffix(" 00:00:00"), wording(value)
    # JavaScript's word for it, so that the page can sort.
    key = exact.replace("inf", "Infinity") if isinstance(value, float) else exact
    return Cell(text, exact if text != exact else "", key)


def _wording(
    name: str, values: pd.Series[Any], digits: int, *, shared: bool
) -> Callable[[Any], str]:
    kind = values.dtype.kind
    if kind in "iu":
        return grouped
    if kind != "f":
        return _unit_words if name in {"unit", "units"} else _words
    if _P_VALUE.match(name.lower()):
        return lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}"
    if name in _PLACES:  # a tenth of a degree is ten kilometres
        digits += 2
    decimals = _decimals(values.to_numpy(dtype=np.float64, na_value=np.nan), digits)
    if decimals is None or not shared:
        return lambda value: pretty_number(value, digits)
    return lambda value: grouped(value, decimals)


def _unit_words(value: object) -> str:
    return unit_label(str(value))


def _words(value: object) -> str:
    """Text as it is, a day without its midnight, and numbers inside a text rounded."""
    text = str(value).removesuffix(" 00:00:00")
    text = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.4g}", text)
    return _RANGE.sub("–", _MINUS.sub("−", text))


def _decimals(values: NDArray[np.float64], digits: int) -> int | None:
    """Decimals that a whole column can share, or None where magnitudes differ too much."""
    magnitudes = np.abs(values[np.isfinite(values) & (values != 0)])
    if magnitudes.size == 0:
        return 0
    # The lower quartile, since signed quantities come near zero without being small.
    low, high = np.floor(np.log10([np.quantile(magnitudes, 0.25), magnitudes.max()])).astype(int)
    if high - low > 2 or high < -3 or high > 6:
        return None
    return max(digits - 1 - int(low) - (1 if high > low else 0), 0)
