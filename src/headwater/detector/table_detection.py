"""From a table to what explains a variable: the whole detection behind one command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from headwater.detector.detection import Detection, detect_sample
from headwater.detector.factor_table import FactorTable
from headwater.detector.sample import Sample, read_sample
from headwater.detector.search_options import METHODS, Criterion
from headwater.errors import DataError, nearest
from headwater.glossary import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headwater.results import Result

__all__ = ["figures_of", "from_table", "on_lattice", "summary_lines", "table_sample"]

Floats = npt.NDArray[np.float64]
_JITTER = 0.01
_TAKEN = ("y", "x", "spatial_ref")
_TESTS = (
    ("p_value", "p (F test)"),
    ("p_permutation", "p (permuted)"),
    ("p_spatial", "p (spatial)"),
    ("p_shift", "p (shifted map)"),
    ("p_search", "p (search)"),
)


def from_table(
    data: pd.DataFrame | FactorTable,
    y: str,
    x: Sequence[str] = (),
    *,
    category: Sequence[str] = (),
    circular: Sequence[str] = (),
    coordinates: tuple[str, str] | None = None,
    methods: Sequence[str] = METHODS,
    classes: tuple[int, int] = (3, 8),
    by: Criterion = "q_cv",
) -> Detection:
    """Detect from rows of units.

    Parameters
    ----------
    data : DataFrame, GeoDataFrame or FactorTable
        One row for each unit; a ``geometry`` column is no factor. A table from
        :func:`headwater.detector.factor_table.read_factors` brings its factors, their kinds and
        the report of its reading, which is kept among the choices.
    y : str
        The variable to be explained.
    x : sequence of str
        The factors; all other columns if neither `x`, `category` nor `circular` names any.
    category, circular : sequence of str
        Factors that are classes, whatever their numbers, and directions [degree].
    coordinates : (str, str), optional
        Columns with longitude or easting, and latitude or northing. Where the units form a grid,
        the detection is made on maps; tests and intervals then know which units are neighbours, as
        they do of scattered points. They are no factors unless `x` names them.
    methods : sequence of str
        Rules to try; see :func:`headwater.detector.opgd`.
    classes : (int, int)
        Least and greatest number of classes to try.
    by : {"q_cv", "q_adjusted", "q"}
        What a chosen partition has most of.

    Returns
    -------
    Detection

    Raises
    ------
    DataError
        If a column is not there or named as two kinds, or as
        :func:`headwater.detector.detect`.

    Examples
    --------
    >>> rain = np.tile(np.arange(60.0), 4)
    >>> table = pd.DataFrame({"theta": rain // 15, "rain": rain, "class": [1, 2] * 120})
    >>> found = from_table(table, "theta", ["rain"], category=["class"], classes=(4, 4))
    >>> found.factor.data["method"].tolist()
    ['equal', 'categories']
    """
    sample = table_sample(data, y, x, category=category, circular=circular, coordinates=coordinates)
    span = range(classes[0], classes[1] + 1)
    return detect_sample(sample, methods=methods, classes=span, by=by)


def table_sample(
    data: pd.DataFrame | FactorTable,
    y: str,
    x: Sequence[str] = (),
    *,
    category: Sequence[str] = (),
    circular: Sequence[str] = (),
    coordinates: tuple[str, str] | None = None,
    weights: str | None = None,
) -> Sample:
    """Take the units of a detection from rows.

    Parameters
    ----------
    data, y, x, category, circular, coordinates
        See :func:`from_table`.
    weights : str, optional
        Column with the weight of each unit, such as its area; it is no factor.

    Returns
    -------
    Sample
        For :func:`headwater.detector.detection.detect_sample`: of maps, where the places
        form a grid.

    Raises
    ------
    DataError
        If a column is not there or named as two kinds.

    Examples
    --------
    >>> table = pd.DataFrame({"theta": [1.0, 2.0], "rain": [3.0, 4.0], "area": [1.0, 2.0]})
    >>> table_sample(table, "theta", weights="area").weights
    array([1., 2.])
    """
    notes: tuple[str, ...] = ()
    if isinstance(data, FactorTable):
        x, category, circular = data.factors, data.category, data.circular
        data, notes = data.data, data.report.lines()
    frame = _plain(data)
    named = list(dict.fromkeys([*x, *category, *circular]))
    for name in [y, *named, *(coordinates or ()), *([weights] if weights else [])]:
        if name not in frame:
            raise DataError(
                "no such column", found=f"'{name}'", do=nearest(name, list(map(str, frame.columns)))
            )
    twice = set(category) & set(circular)
    if twice:
        raise DataError("a factor of two kinds", found=", ".join(sorted(twice)), do="Choose one")
    aside = {y, weights, *(coordinates or ())}
    factors = named or [str(name) for name in frame.columns if name not in aside]
    kinds: dict[str, Kind] = {
        **dict.fromkeys(category, "categorical"),
        **dict.fromkeys(circular, "circular"),
    }
    chosen = [y, *factors, *([weights] if weights else [])]
    places = None
    if coordinates:
        frame, names = _free_names(frame, chosen)
        chosen = [names[name] for name in chosen]
        kinds = {names[name]: kind for name, kind in kinds.items()}
    maps = on_lattice(frame, coordinates, chosen, kinds) if coordinates else None
    if coordinates and maps is None:
        frame, places = _projected(frame, coordinates)
    sample = read_sample(
        frame if maps is None else maps,
        chosen[0],
        chosen[1 : 1 + len(factors)],
        kinds=kinds,
        weights=chosen[-1] if weights else None,
        coordinates=places,
    )
    return replace(sample, notes=(*notes, *sample.notes))


def on_lattice(
    frame: pd.DataFrame,
    coordinates: tuple[str, str],
    columns: Sequence[str],
    kinds: Mapping[str, Kind] | None = None,
) -> xr.Dataset | None:
    """Lay rows out as maps, where their places form a grid.

    Parameters
    ----------
    frame : DataFrame
        One row for each unit.
    coordinates : (str, str)
        Columns with x and y.
    columns : sequence of str
        What becomes a map.
    kinds : mapping, optional
        Kinds of the factors; text must not be among `columns` then or otherwise.

    Returns
    -------
    Dataset (y, x) or None
        None where the places are not regular, shared by several units, or a column holds text.
        Places between -180 and 180, -90 and 90 are taken as longitude and latitude.

    Examples
    --------
    >>> table = pd.DataFrame({"lon": [1.0, 2.0, 1.0], "lat": [5.0, 5.0, 6.0], "rain": [1, 2, 3]})
    >>> on_lattice(table, ("lon", "lat"), ["rain"])["rain"].values
    array([[ 3., nan],
           [ 1.,  2.]])
    """
    numbers = [pd.api.types.is_numeric_dtype(frame[name]) for name in (*columns, *coordinates)]
    if not all(numbers) or frame[list(coordinates)].isna().to_numpy().any():
        return None
    east, north = (_places(frame[name].to_numpy(np.float64)) for name in coordinates)
    if east is None or north is None:
        return None
    (column, xs), (row, ys) = east, north
    cells = row * xs.size + column
    if np.unique(cells).size < cells.size or ys.size * xs.size > 20 * cells.size:
        return None
    maps = {}
    for name in columns:
        sheet = np.full(ys.size * xs.size, np.nan)
        sheet[cells] = frame[name].to_numpy(np.float64)
        kind = (kinds or {}).get(name)
        attrs = {"long_name": name, "units": "", **({"kind": kind} if kind else {})}
        maps[name] = (("y", "x"), sheet.reshape(ys.size, xs.size)[::-1], attrs)
    return xr.Dataset(maps, coords=_lattice_coords(xs, ys[::-1]))


def summary_lines(found: Detection) -> tuple[str, ...]:
    """Say what was found, as lines for a terminal.

    Parameters
    ----------
    found : Detection
        From :func:`from_table` or :func:`headwater.detector.detect`.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> rain = np.tile(np.arange(60.0), 4)
    >>> table = pd.DataFrame({"theta": rain // 15, "rain": rain})
    >>> head, row, *_ = summary_lines(from_table(table, "theta", classes=(4, 4)))
    >>> head.split()[:3], row.split()[:3]
    (['factor', 'q', 'adjusted'], ['rain', '1.000', '1.000'])
    """
    factors = found.factor.data
    level = factors.attrs.get("level", 0.95)
    tests = [(name, words) for name, words in _TESTS if name in factors]
    rows = [
        [
            str(row["factor"]),
            f"{row['q']:.3f}",
            f"{row['q_adjusted']:.3f}",
            _interval(row["q_low"], row["q_high"]),
            *(_p(row[name]) for name, _ in tests),
            str(row["n"]),
            str(row["strata"]),
            str(row["method"]).replace("_", " "),
        ]
        for row in factors.to_dict("records")
    ]
    head = ["factor", "q", "adjusted q", f"{level:.0%} interval", *(words for _, words in tests)]
    lines = _aligned([[*head, "n", "strata", "classes by"], *rows])
    if found.interaction is not None:
        lines += ["", *_interaction_lines(found.interaction.data)]
    for name, result in found.further.items():
        lines += ["", *_further_lines(name, result)]
    cautions = dict.fromkeys(
        text for result in found.results().values() for text in result.cautions
    )
    return (*lines, "", *(f"Caution: {text}" for text in cautions))


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}" if np.isfinite([low, high]).all() else "none (see below)"


def figures_of(found: Detection) -> dict[str, Callable[[], Figure]]:
    """Name the figures of a detection that can be drawn.

    Parameters
    ----------
    found : Detection
        From :func:`from_table` or :func:`headwater.detector.detect`.

    Returns
    -------
    dict of str to callable
        Each draws its figure when called; maps need a known reference system, and a search more
        than one number of classes.

    Examples
    --------
    >>> rain = np.tile(np.arange(60.0), 4)
    >>> table = pd.DataFrame({"theta": rain // 15, "rain": rain})
    >>> sorted(figures_of(from_table(table, "theta", classes=(4, 4))))
    ['factor', 'optimal', 'risk']
    """
    drawn: dict[str, Callable[[], Figure]] = {}
    for name, result in found.results().items():
        placed = name != "maps" or "spatial_ref" in result.data.coords
        searched = name != "optimal" or not result.data["chosen"].all()
        if result.has_own_figure and placed and searched:
            drawn[name] = result.plot
    return drawn


def _plain(data: pd.DataFrame) -> pd.DataFrame:
    """Take the columns, whatever else the table can do, and leave its shapes."""
    if not hasattr(data, "columns"):
        raise DataError(
            "not a table",
            found=type(data).__name__,
            do="Give a DataFrame with one row for each unit",
        )
    shapes = getattr(getattr(data, "geometry", None), "name", None)
    columns = [name for name in data.columns if name != shapes]
    return pd.DataFrame({str(name): data[name] for name in columns})


def _free_names(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rename the columns whose names a map needs for its own places."""
    names = {name: f"{name} (column)" if name in _TAKEN else name for name in columns}
    renamed = {new: frame[old] for old, new in names.items() if new != old}
    return frame.assign(**renamed), names


def _projected(
    frame: pd.DataFrame, coordinates: tuple[str, str]
) -> tuple[pd.DataFrame, tuple[str, str]]:
    """Put degrees to scale, east against north, at the middle of the area."""
    east, north = (frame[name].to_numpy(np.float64) for name in coordinates)
    if np.nanmax(np.abs(east)) <= 180 and np.nanmax(np.abs(north)) <= 90:
        east = east * np.cos(np.radians(np.nanmean(north)))
    names = (f"{coordinates[0]} to scale", f"{coordinates[1]} to scale")
    return frame.assign(**{names[0]: east, names[1]: north}), names


def _places(values: Floats) -> tuple[npt.NDArray[np.intp], Floats] | None:
    """Find the numbers of the places along an axis, if they are regular."""
    distinct = np.unique(values)
    gaps = np.diff(distinct)
    if gaps.size == 0 or not np.isfinite(distinct).all():
        return None
    # coordinates written with few digits differ by a hair where they mean one place
    step = float(gaps[gaps > _JITTER * gaps.max()].min())
    number = (values - distinct[0]) / step
    whole = np.rint(number)
    if np.abs(number - whole).max() > _JITTER * max(1.0, whole.max() / 100):
        return None
    return whole.astype(np.intp), distinct[0] + step * np.arange(int(whole.max()) + 1)


def _lattice_coords(xs: Floats, ys: Floats) -> dict[str, Any]:
    lone = min(xs.size, ys.size) < 2
    if lone or np.abs(xs).max() > 180 or np.abs(ys).max() > 90:
        return {"y": ys, "x": xs}
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from headwater.grids.geometry import grid_coords

    step = (xs[1] - xs[0], ys[1] - ys[0])
    corner = Affine.translation(xs[0] - step[0] / 2, ys[0] - step[1] / 2)
    shape = (ys.size, xs.size)
    return dict(grid_coords(GeoBox(shape, corner @ Affine.scale(*step), "EPSG:4326")))


def _further_lines(name: str, result: Result, most: int = 12) -> list[str]:
    """Print the first rows of a further detector, or where its maps are."""
    if not isinstance(result.data, pd.DataFrame):
        return [f"{name}: maps of {', '.join(map(str, result.data.data_vars))} (with --out)"]
    table = result.data.head(most)
    rows = [[str(column) for column in table.columns]]
    for row in table.itertuples(index=False):
        rows.append([f"{one:.3f}" if isinstance(one, float) else str(one) for one in row])
    more = len(result.data) - len(table)
    return [
        f"{name}: {result.method}",
        *_aligned(rows),
        *([f"… and {more} more rows (with --out)"] if more > 0 else []),
    ]


def _interaction_lines(table: pd.DataFrame) -> list[str]:
    head = ["pair", "q12", "less the better q", "less the sum", "tested", "published class"]
    rows = [
        [
            f"{row['factor_1']} × {row['factor_2']}",
            f"{row['q_12']:.3f}",
            f"{row['beyond_best']:+.3f}",
            f"{row['beyond_sum']:+.3f}",
            str(row["tested"]),
            str(row["interaction"]),
        ]
        for row in table.to_dict("records")
    ]
    note = "(differences are of adjusted q; the tested class is the one to read)"
    return [*_aligned([head, *rows]), note]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _p(p: float) -> str:
    return "-" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
