"""The chapter "Study area and data": what came in, from where, and how it came onto one grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.figures import grouped
from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock
from headwater.report.table import pretty_number
from headwater.results import MapResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from headwater.grids.area import Area
    from headwater.results import Result

__all__ = ["make_section"]

_ORDER = (
    "input",
    "file",
    "variable",
    "units_found",
    "units_given",
    "units",
    "crs",
    "cell",
    "alignment",
    "chosen_by",
    "start",
    "end",
    "steps",
    "valid",
    "out_of_range",
)
_HEADINGS = {
    "units_found": "unit found",
    "units_given": "unit given",
    "units": "unit used",
    "crs": "CRS",
    "cell": "source cell",
    "chosen_by": "chosen by",
    "valid": "valid",
    "out_of_range": "impossible values",
}
_COARSE = 2.0
"""A source cell this many times as wide as a study cell lends its value to several of them."""
_EVEN = 90
"""Where every cell has values at this share of times [%], a map of coverage shows nothing."""
_NORMAL = 30
"""Years of a climatological standard normal."""


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``inputs`` (one row for each input), ``coverage`` (valid share of each input), and maps of
        what does not change in time, by name.
    outline : Area or None
        The study area, in the reference system of the maps.

    Returns
    -------
    Section
    """
    inputs: pd.DataFrame = results["inputs"].data
    coverage: xr.Dataset = results["coverage"].data
    lasting = {
        name: result.data[name]
        for name, result in results.items()
        if isinstance(result, MapResult) and name in result.data
    }
    varying = inputs[inputs["steps"] > 1]
    return Section(
        name="grids",
        title="Study area and data",
        headline=tuple(_headline(coverage, varying)),
        blocks=(
            *_maps(lasting, outline),
            TableBlock("inputs", _shown(inputs), _inputs_caption(inputs, coverage)),
            *_coverage_blocks(coverage, varying, outline),
        ),
        methods=tuple(result.method for result in results.values() if result.method),
        cautions=(*_cautions(inputs, coverage), *_unnamed(lasting)),
    )


def _headline(coverage: xr.Dataset, varying: pd.DataFrame) -> Iterator[str]:
    from headwater.grids import cell_area

    inside, cells = _area_of(coverage)
    area = float(cell_area(coverage).where(inside).sum())
    words = f"The study area holds {grouped(cells)} cells on {grouped(area)} km²"
    if varying.empty:
        yield f"{words}."
        return
    yield f"{words}, studied from {varying['start'].min()} to {varying['end'].max()}."
    worst = min(varying.to_dict("records"), key=lambda row: row["valid"])
    if worst["valid"] < 99.95:
        never = int((coverage[worst["input"]].where(inside).fillna(0).where(inside) == 0).sum())
        empty = f", {grouped(never)} of which never have one" if never else ""
        yield (
            f"The input with most gaps is {_in_prose(worst)}: {worst['valid']:.3g} % of its values "
            f"are valid (n = {grouped(worst['steps'])} times, {grouped(cells)} cells{empty})."
        )
    else:
        yield f"No input has gaps (at least {worst['valid']:.4g} % of values are valid)."


def _maps(lasting: Mapping[str, xr.DataArray], outline: Area | None) -> Iterator[Block]:
    """Draw what lasts: the elevation first and wide, the rest in pairs."""
    for name in sorted(lasting, key=lambda name: (name != "elevation", name)):
        data = lasting[name]
        long_name = data.attrs.get("long_name", _words(name))
        n = grouped(int(data.count()))
        said = f"{long_name} on the study grid{_extremes(data)}, n = {n} cells."
        wide = name == "elevation"
        yield FigureBlock(name, partial(_draw, data, outline), said, f"Map: {said}", wide)


def _extremes(data: xr.DataArray) -> str:
    from headwater.grids.plots import unit_label

    if data.attrs.get("kind") == "categorical":
        return f": {_codes(data).size} classes"
    if data.attrs.get("kind") == "circular":
        return ""
    low, high = (pretty_number(float(end), 3) for end in (data.min(), data.max()))
    unit = unit_label(str(data.attrs.get("units", "")))
    return f": {low} to {high}{'' if unit == '°' else ' '}{unit}".rstrip()


def _codes(data: xr.DataArray) -> NDArray[Any]:
    return np.unique(data.values[np.isfinite(data.values)])


def _unnamed(lasting: Mapping[str, xr.DataArray]) -> Iterator[str]:
    """Note the classes that stand by their numbers."""
    from headwater.grids.zones import class_names

    for name, data in lasting.items():
        codes: list[Any] = list(_codes(data)) if data.attrs.get("kind") == "categorical" else []
        bare = [f"{code:g}" for code in codes if float(code) not in class_names(data)]
        if bare:
            yield (
                f"{data.attrs.get('long_name', _words(name))}: classes {', '.join(bare)} have no "
                "name and stand by their numbers; name them under classes in the study file."
            )


def _draw(data: xr.DataArray, outline: Area | None) -> Figure:
    from headwater.grids.plots import map_figure
    from headwater.grids.zones import class_names

    known = class_names(data)
    names = {code: known.get(float(code), f"{code:g}") for code in _codes(data)}
    classes = names if data.attrs.get("kind") == "categorical" else None
    return map_figure(data, outline=outline, categories=classes)


def _shown(inputs: pd.DataFrame) -> pd.DataFrame:
    """Keep the columns that say something, in reading order."""
    from headwater.grids.plots import unit_label

    words = inputs.select_dtypes(exclude="number").columns
    reported = inputs.assign(**{name: inputs[name].fillna("") for name in words})
    said = [
        name for name in _ORDER if name in reported and reported[name].astype(str).str.strip().any()
    ]
    frame = reported[said].rename(columns=_HEADINGS)
    for name in {"unit found", "unit given", "unit used"} & set(frame):
        frame[name] = [unit_label(str(unit)) for unit in frame[name]]
    units = inputs.attrs.get("units", {})
    frame.attrs["units"] = {_HEADINGS.get(name, name): unit for name, unit in units.items()}
    return frame


def _inputs_caption(inputs: pd.DataFrame, coverage: xr.Dataset) -> str:
    _, cells = _area_of(coverage)
    return (
        f"Inputs as they came and as they were used, n = {len(inputs)}. Source cell: side of a "
        f"square as large as a cell of the file. Valid: share of the {grouped(cells)} study cells "
        "and all times that have a value."
    )


def _coverage_blocks(
    coverage: xr.Dataset, varying: pd.DataFrame, outline: Area | None
) -> Iterator[Block]:
    inside, cells = _area_of(coverage)
    shares = {
        name: coverage[name].where(inside).fillna(0).where(inside) for name in varying["input"]
    }
    lowest = {name: float(share.min()) for name, share in shares.items()}
    called = {row["input"]: _in_prose(row) for row in varying.to_dict("records")}
    gappy = [name for name, least in lowest.items() if least < _EVEN]
    if lowest and not gappy:
        name = min(lowest, key=lambda name: lowest[name])
        yield TextBlock(
            "Every input that changes in time has a value in every cell and time."
            if lowest[name] == 100
            else "Gaps are few and spread evenly: every input has values at "
            f"{lowest[name]:.3g} % of times or more in every cell, {called[name]} the least."
        )
    if not gappy:
        return
    shown = sorted(set(varying.loc[varying["input"].isin(gappy), "steps"]))
    times = " to ".join(grouped(steps) for steps in (shown[0], *shown[1:][-1:]))
    yield FigureBlock(
        name="coverage",
        draw=partial(_draw_coverage, coverage[gappy], outline),
        caption=(
            f"Share of times with a value in each cell, n = {times} times and {grouped(cells)} "
            "cells. "
            f"Inputs with values at {_EVEN} % of times or more everywhere are not shown."
        ),
        alt=f"Coverage maps; the lowest coverage of a cell is {min(lowest.values()):.3g} %.",
        wide=len(gappy) > 1,
    )


def _draw_coverage(coverage: xr.Dataset, outline: Area | None) -> Figure:
    from headwater.grids.plots import map_figure, map_panels

    limits, label = (0.0, 100.0), "Valid share (%)"
    panels = coverage.to_dataarray("input")
    titles = [_title(coverage[name]) for name in panels["input"].values]
    if len(titles) == 1:
        one = panels.isel(input=0)
        return map_figure(one, title=titles[0], outline=outline, limits=limits, label=label)
    columns = min(3, len(titles))
    return map_panels(
        panels, titles=titles, columns=columns, outline=outline, limits=limits, label=label
    )


def _cautions(inputs: pd.DataFrame, coverage: xr.Dataset) -> Iterator[str]:
    from headwater.grids import cell_area

    varying = inputs[inputs["steps"] > 1]
    if not varying.empty:
        years = _years(varying["start"].min(), varying["end"].max())
        if years < _NORMAL:
            yield (
                f"The period covers {years:.3g} years, and a climate normal takes {_NORMAL}: means "
                "and ranges describe these years, not the climate."
            )
    inside, cells = _area_of(coverage)
    size = float(np.sqrt(cell_area(coverage).where(inside).mean()))
    for row in inputs.to_dict("records"):
        name, ratio = _in_prose(row), (row["cell"] / size) ** 2
        if row["cell"] > _COARSE * size:
            yield (
                f"{name[0].upper()}{name[1:]} has cells of {row['cell']:.3g} km, {grouped(ratio)} "
                "study cells in one: neighbours repeat it, and it knows about "
                f"{grouped(max(cells / ratio, 1))} places, not {grouped(cells)}."
            )
        if pd.notna(row.get("units_given")) and row.get("units_given") not in ("", "1"):
            yield (
                f"The unit of {name} ({row['units_given']}) stands in the study file and wins over "
                "the data file's own."
            )


def _years(start: str, end: str) -> float:
    """Length of a period by its months, whatever the calendar."""
    first, last = ((int(day[:4]), int(day[5:7])) for day in (start, end))
    return last[0] - first[0] + (last[1] - first[1] + 1) / 12


def _area_of(coverage: xr.Dataset) -> tuple[xr.DataArray, int]:
    """Cells inside the study area, and their number."""
    inside = coverage.to_dataarray("input").count("input") > 0
    return inside, int(inside.sum())


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _in_prose(row: Mapping[Any, Any]) -> str:
    """Name an input within a sentence: "soil moisture", but "NDVI"."""
    name = str(row.get("long_name") or _words(row["input"]))
    return name if name[:2].isupper() else name[0].lower() + name[1:]


def _title(share: xr.DataArray) -> str:
    return str(share.attrs.get("long_name", _words(share.name))).removeprefix("Valid share, ")
