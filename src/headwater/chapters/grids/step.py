"""The step "grids": every input opened, cut, converted and aligned onto the study grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.figures import grouped
from headwater.glossary import GLOSSARY
from headwater.results import MapResult, Result, TableResult, fingerprint
from headwater.study.inputs import (
    in_one_calendar,
    of_input,
    open_input,
    period_of,
    study_geobox,
)
from headwater.study.step import Context, Step

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from headwater.glossary import Term
    from headwater.grids.area import Area
    from headwater.study.model import Study

__all__ = ["STEP", "align_input", "default_alignment"]

_FINER = 0.75
"""A source cell below this share of a study cell's side is finer; then averaging beats sampling."""
_OF_READING = ("notes", "warnings", "stored")
"""Attributes that say how a file was read, kept in the table of inputs."""
_SPARSE = 80.0
"""Valid share of an input below which a reader is warned [%]."""
_COLUMNS = [
    "input",
    "long_name",
    "file",
    "variable",
    "units_found",
    "units_given",
    "units",
    "crs",
    "cell",
    "alignment",
    "chosen_by",
    "steps",
    "start",
    "end",
    "valid",
    "yearly",
    "out_of_range",
]
_WORDS = {
    "mean": "a study cell has the area-weighted mean of the source cells in it",
    "bilinear": "a study cell has the value interpolated bilinearly between source cell centres",
    "nearest": "a study cell has the value of the source cell that holds its centre",
    "mode": "a study cell has the class that covers most of it",
    "none": "kept in its own cells, which are those of the study grid",
}
_TERRAIN = {"slope": ["slope"], "aspect": ["aspect", "aspect_concentration"]}
_TERRAIN_METHOD = {
    "slope": "Slope was derived from the elevation in its own cells (third-order finite difference "
    "with true distances); a study cell has the mean of its slopes.",
    "aspect": "Aspect, derived likewise, is the direction of the mean vector of a study cell's "
    "aspects; its concentration is the length of that vector.",
}
_HORN = (
    "Horn, B. K. P. (1981). Hill shading and the reflectance map. Proceedings of the IEEE, 69(1), "
    "14-47. https://doi.org/10.1109/PROC.1981.11918"
)


def default_alignment(source_km: float, target_km: float, kind: str) -> str:
    """Choose how an input comes onto the study grid when the study file does not say.

    Parameters
    ----------
    source_km, target_km : float
        Side of a cell of the input and of the study grid [km].
    kind : {"continuous", "circular", "categorical"}
        What the values are.

    Returns
    -------
    {"mean", "bilinear", "nearest", "mode"}
        Where the source is finer, the mean, and for classes the mode; where it is not, bilinear
        interpolation, and for classes and directions the nearest cell.

    Examples
    --------
    >>> default_alignment(0.5, 5.0, "continuous"), default_alignment(36.0, 5.0, "categorical")
    ('mean', 'nearest')
    """
    finer = source_km < _FINER * target_km
    if kind == "continuous":
        return "mean" if finer else "bilinear"
    if kind == "circular":
        return "mean" if finer else "nearest"
    return "mode" if finer else "nearest"


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where and when the study takes place; `share` of cells where the area holds no centre."""

    grid: GeoBox
    period: tuple[Any, Any] | None
    inside: xr.DataArray
    cell_km: float
    share: xr.DataArray | None = None


def _options(study: Study) -> Mapping[str, Any] | None:
    """Everything of the study file that decides what lies on the study grid."""
    if not study.inputs:
        return None
    head = study.study
    return {
        "crs": head.crs,
        "period": head.period,
        "area": study.area and study.area.model_dump(mode="json"),
        "grid": study.grid.model_dump(mode="json"),
        "inputs": {name: entry.model_dump(mode="json") for name, entry in study.inputs.items()},
    }


def _run(context: Context) -> Mapping[str, Result]:
    study = context.study
    inputs = dict(context.opened) or in_one_calendar(
        {name: open_input(study, name, chunk_mb=context.settings.chunk_mb) for name in study.inputs}
    )
    frame = _frame(context, inputs)
    rows: list[dict[str, Any]] = []
    coverage: dict[str, xr.DataArray] = {}
    lasting: dict[str, Result] = {}
    for done, (name, data) in enumerate(inputs.items()):
        context.progress(done / len(study.variables), name)
        with of_input(name):
            row, coverage[name] = _bring(context, name, data, frame)
        rows.append(row)
        if "time" not in data.dims:
            lasting[name] = _map_of(context, name)
    results = _results(context, rows, coverage, _small(frame)) | lasting
    if study.derived:
        context.progress(len(inputs) / len(study.variables), "slope and aspect")
        results |= _derive_terrain(context, inputs["elevation"], frame)
    return results


def _frame(context: Context, inputs: Mapping[str, xr.DataArray]) -> _Frame:
    from headwater.grids.area import cell_shares, inside
    from headwater.grids.geometry import grid_coords

    grid = study_geobox(context.study, inputs, context.area)
    share = None
    if context.area is None:
        cells = xr.DataArray(np.ones(grid.shape, bool), dims=("y", "x"), coords=grid_coords(grid))
    else:
        cells = inside(grid, context.area)
        if not cells.any():
            share = cell_shares(grid, context.area)
            cells = share > 0
    period = period_of(context.study, inputs)
    return _Frame(grid, period, cells.drop_vars("spatial_ref"), _cell_km(grid), share)


def _cell_km(grid: GeoBox) -> float:
    """Side of a square as large as the middle cell [km]."""
    from headwater.grids import cell_area

    rows, columns = grid.shape
    middle = grid[rows // 2 : rows // 2 + 1, columns // 2 : columns // 2 + 1]
    return float(np.sqrt(cell_area(middle).values.item()))


def _bring(
    context: Context, name: str, data: xr.DataArray, frame: _Frame
) -> tuple[dict[str, Any], xr.DataArray]:
    """Align one input, write it, and report what was done to it."""
    from headwater.grids.geometry import geobox_of
    from headwater.grids.plausibility import overview, sample_values

    study, entry = context.study, context.study.inputs[name]
    native, term = _in_period(data, frame), study.term(name)
    possible = _without_impossible(native, term)
    there, clipped = (_there(one, context.area) for one in (native, possible))
    source_km = _cell_km(geobox_of(data))
    aligned, method = align_input(study, name, possible, frame.grid)
    shared = method == "none"
    beside = {
        "valid": _count_valid(_in_area(aligned, frame)),
        "impossible": _count_impossible(there, term),
        "sample": sample_values(clipped),
    }
    written, found = _write(context, name, _in_area(aligned, frame), beside)
    seen = overview(clipped, term, found["sample"])
    share = _share_valid(found["valid"], written, frame)
    return _read_from(data) | {
        "input": name,
        "long_name": data.attrs["long_name"],
        "units_given": entry.units or "",
        "cell": source_km,
        "alignment": method,
        "chosen_by": "study file" if entry.align and not shared else "default",
        "steps": written.sizes.get("time", 1),
        "start": _day(written, 0),
        "end": _day(written, -1),
        "valid": float(share.mean()),
        "yearly": seen.yearly,
        "out_of_range": int(found["impossible"]),
        "warnings": "\n".join([*_lines(data, "warnings"), *seen.warnings]),
    }, share


def align_input(
    study: Study, name: str, data: xr.DataArray, grid: GeoBox
) -> tuple[xr.DataArray, str]:
    """Bring an input onto the study grid as the study file, or its resolution, says.

    Parameters
    ----------
    study : Study
    name : str
        The input.
    data : DataArray (..., y, x)
        On its own grid.
    grid : GeoBox
        Of the study.

    Returns
    -------
    aligned : DataArray (..., y, x)
    method : str
        ``none`` where its cells are those of the study grid.
    """
    from headwater.grids import align
    from headwater.grids.geometry import geobox_of

    source = geobox_of(data)
    chosen = study.inputs[name].align or default_alignment(
        _cell_km(source), _cell_km(grid), data.attrs["kind"]
    )
    shared = _same_cells(source, grid)
    aligned = align(
        data,
        grid,
        method="nearest" if shared else chosen,
        min_coverage=study.grid.min_coverage,
    )
    return aligned, "none" if shared else chosen


def _read_from(data: xr.DataArray) -> dict[str, Any]:
    """Say what a file holds and how it was read."""
    return {
        "file": data.attrs["source"],
        "variable": data.attrs.get("source_variable", ""),
        "units_found": data.attrs.get("source_units", ""),
        "units": data.attrs["units"],
        "crs": _crs_name(data),
        "notes": data.attrs.get("notes", ""),
    }


def _there(data: xr.DataArray, area: Area | None) -> xr.DataArray:
    from headwater.grids import clip

    return data if area is None else clip(data, area, margin=1)


def _same_cells(source: GeoBox, target: GeoBox) -> bool:
    """Whether the study grid is cut out of this grid, so that values need no resampling."""
    if source.crs != target.crs:
        return False
    ours, theirs = target.transform, source.transform
    column, row = (ours.c - theirs.c) / theirs.a, (ours.f - theirs.f) / theirs.e
    drift = max(abs(ours.a / theirs.a - 1), abs(ours.e / theirs.e - 1)) * max(target.shape)
    return max(drift, abs(column - round(column)), abs(row - round(row))) < 1e-3


def _in_period(data: xr.DataArray, frame: _Frame) -> xr.DataArray:
    from headwater.grids.times import in_period

    return in_period(data, frame.period)


def _without_impossible(native: xr.DataArray, term: Term) -> xr.DataArray:
    """Make values that the quantity cannot have missing."""
    low, high = term.valid_range
    if not np.isfinite([low, high]).any():
        return native
    return native.where((native >= low) & (native <= high))


def _count_impossible(native: xr.DataArray, term: Term) -> xr.DataArray:
    low, high = term.valid_range
    if not np.isfinite([low, high]).any():
        return xr.DataArray(0)
    outside = (native < low) | (native > high)
    return (outside.sum("time") if "time" in outside.dims else outside).sum()


def _count_valid(aligned: xr.DataArray) -> xr.DataArray:
    series = aligned if "time" in aligned.dims else aligned.expand_dims("time")
    return series.count("time")


def _write(
    context: Context, name: str, aligned: xr.DataArray, beside: Mapping[str, xr.DataArray]
) -> tuple[xr.DataArray, Mapping[str, xr.DataArray]]:
    """Write as Zarr, in the blocks in which it was computed, and open what was written.

    What else is made of the input's values is computed in the same pass.
    """
    from headwater.grids.write import write_zarr_beside

    path = context.folder / f"{name}.zarr"
    blocks = {str(dim): lengths[0] for dim, lengths in aligned.chunksizes.items()}
    kept = {
        key: v for key, v in aligned.attrs.items() if key not in ("notes", "warnings", "stored")
    }
    described = aligned.rename(name)
    described.attrs = kept | _flags(context.study, name)
    if path.exists():  # from a run of the same step that died
        found: Any = import_module("dask").compute(dict(beside))[0]
    else:
        found = write_zarr_beside(described.to_dataset(), path, beside, chunks=blocks)
    stored: xr.Dataset = xr.open_zarr(path, decode_coords="all")
    return stored[name], found


def _flags(study: Study, name: str) -> dict[str, Any]:
    """Names of classes as CF has them: a list of numbers, and names without blanks."""
    named = study.inputs[name].classes if name in study.inputs else {}
    if not named:
        return {}
    words = ("_".join(name.split()) or code for code, name in named.items())
    return {"flag_values": [int(code) for code in named], "flag_meanings": " ".join(words)}


def _in_area(data: Any, frame: _Frame) -> Any:
    """Keep the cells of the area, and their shares where it holds no cell centre."""
    from headwater.grids.geometry import SHARE

    kept = data.where(frame.inside)
    if frame.share is None:
        return kept
    return kept.assign_coords({SHARE: (("y", "x"), frame.share.values, frame.share.attrs)})


def _share_valid(count: xr.DataArray, written: xr.DataArray, frame: _Frame) -> xr.DataArray:
    """Share of times with a value in each cell of the area [%]."""
    shown = (100.0 * count / written.sizes.get("time", 1)).where(frame.inside)
    shown.attrs = {"units": "%", "long_name": f"Valid share, {written.attrs['long_name']}"}
    return shown


def _map_of(context: Context, name: str) -> MapResult:
    """Give what does not change in time as a map, for the report and as GeoTIFF."""
    store = xr.open_zarr(context.folder / f"{name}.zarr", decode_coords="all")
    return MapResult(store[[name]].compute(), "", fingerprint=fingerprint(store[name].values))


def _derive_terrain(context: Context, dem: xr.DataArray, frame: _Frame) -> dict[str, MapResult]:
    """Write slope and aspect, computed in the DEM's own cells and then summarised."""
    from headwater.grids import terrain_on_grid

    study = context.study
    terrain = terrain_on_grid(dem, frame.grid, min_coverage=study.grid.min_coverage)
    terrain = _in_area(terrain, frame)
    caution = terrain.attrs.pop("caution", "")
    maps = {}
    for name in study.derived:
        described = GLOSSARY[name]
        terrain[name].attrs |= {"kind": described.kind, "total": described.total}
        _write(context, name, terrain[name].chunk(), {})
        maps[name] = MapResult(
            terrain[_TERRAIN[name]],
            _TERRAIN_METHOD[name],
            references=(_HORN,),
            fingerprint=fingerprint(terrain[name].values),
            cautions=(caution,) if caution else (),
        )
    return maps


def _small(frame: _Frame) -> tuple[str, ...]:
    if frame.share is None:
        return ()
    return (_small_area(frame.share.values),)


def _small_area(share: Any) -> str:
    touched = share[share > 0]
    cells = "1 cell" if touched.size == 1 else f"{touched.size} cells"
    return (
        f"The area holds no cell centre: it is described by the {cells} that it touches, averaged "
        f"by the part of each that lies in it ({100 * touched.min():.3g} to "
        f"{100 * touched.max():.3g} %)."
    )


def _notes(
    study: Study, inputs: Mapping[str, xr.DataArray], grid: GeoBox, period: object
) -> Iterator[str]:
    """Say where the area is smaller than a cell."""
    from headwater.grids.area import cell_shares, inside
    from headwater.study.inputs import read_study_area

    area = read_study_area(study)
    if area is not None and not inside(grid, area).any():
        share = cell_shares(grid, area).values
        if share.any():
            yield _small_area(share)


def _results(
    context: Context,
    rows: list[dict[str, Any]],
    coverage: dict[str, xr.DataArray],
    small: tuple[str, ...],
) -> dict[str, Result]:
    table = pd.DataFrame(rows)[_COLUMNS]
    table.attrs["units"] = {"cell": "km", "valid": "%", "out_of_range": "1", "steps": "1"}
    choices = tuple(
        f"{row['long_name']}: {_WORDS[row['alignment']]} ({row['chosen_by']})." for row in rows
    )
    least = context.study.grid.min_coverage
    rule = f"A study cell is valid where at least {least:.0%} of it has source values."
    key = fingerprint(*(repr(row) for row in rows))
    inputs = TableResult(
        table,
        "Inputs were converted to one unit, cut to the area and period, and brought onto one grid.",
        fingerprint=key,
        choices=(*choices, rule, *_read_as(rows)),
        cautions=(*small, *_cautions(rows)),
    )
    maps = MapResult(
        xr.Dataset(coverage),
        "The share of times with a value was counted in each cell of the study grid.",
        fingerprint=key,
    )
    return {"inputs": inputs, "coverage": maps}


def _lines(data: xr.DataArray, key: str) -> list[str]:
    return str(data.attrs.get(key, "")).splitlines()


def _read_as(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Say how each file was understood where it left a choice."""
    for row in rows:
        for note in row["notes"].splitlines():
            yield f"{row['long_name']}: {note}."


def _cautions(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    found = []
    for row in rows:
        found += [f"{row['long_name']}: {word}." for word in row["warnings"].splitlines()]
        if row["out_of_range"]:
            were = "value was" if row["out_of_range"] == 1 else "values were"
            found.append(
                f"{row['long_name']}: {grouped(row['out_of_range'])} {were} impossible for the "
                "quantity and taken as missing."
            )
        if row["valid"] < _SPARSE:
            found.append(
                f"{row['long_name']}: only {row['valid']:.0f} % of its values in the area and "
                "period are valid."
            )
    return tuple(found)


def _crs_name(data: xr.DataArray) -> str:
    from headwater.grids.geometry import crs_of

    crs = crs_of(data)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.name)


def _day(data: xr.DataArray, at: int) -> str:
    return str(data["time"].values[at])[:10] if "time" in data.dims else ""


STEP = Step(
    name="grids",
    title="Align the inputs",
    needs=(),
    options=_options,
    run=_run,
    notes=_notes,
)
