"""Where the water came from: samples, water lines and fractions of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from fastapi import APIRouter, Request
from starlette.responses import Response

from headwater.network.sensorthings.errors import NotFound
from headwater.web.platform.answers import answer_csv, answer_json
from headwater.web.platform.gate import Viewer, house_of
from headwater.web.platform.grid import Grid
from headwater.web.platform.layers import reading
from headwater.web.platform.sentences import band_of
from headwater.web.platform.wording import word

__all__ = ["router"]

router = APIRouter(prefix="/api/studies", tags=["sources"])
_SAMPLE = (
    *("sample_id", "water", "month", "d18O", "d2H", "elevation"),
    *("altitude_band", "vegetation", "aspect_sector", "layer"),
)
_FINDING = ("sample_id", "rule", "severity", "column", "reason")
_FRACTION = ("grouping", "label", "period", "source", "median", "low", "high", "n", "status")
_LINE = ("grouping", "label", "period", "slope", "intercept", "slope_se", "n", "method", "status")
_MOST = 20_000
_APART = 0.2
"""Share of the map's width by which pies lie apart, where their bands allow it."""
_CHOICES = {"samples": "table", "fractions": "mixing", "lines": "lines"}


def _table(folder: Path, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        found = pd.read_csv(folder / f"{name}.csv", keep_default_na=True)
    except (OSError, ValueError):
        return pd.DataFrame(columns=list(columns))
    return found[[one for one in columns if one in found]]


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    held = table.astype(object).where(table.notna(), None)
    return [
        {str(key): _round(value) for key, value in row.items()} for row in held.to_dict("records")
    ]


def _round(value: object) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float | np.floating) else value


def _folder(request: Request, study: str) -> Path:
    folder = house_of(request).shelf.study(study).results / "samples"
    if not (folder / "table.csv").is_file():
        do = "Give the study file a table [samples] with the path of your samples, and run it again"
        raise NotFound("this study has no isotope samples", found=study, do=do)
    return folder


@router.get("/{study}/sources", summary="Samples, water lines and fractions")
def _sources(request: Request, study: str, person: Viewer) -> Response:
    folder = _folder(request, study)
    samples = _table(folder, "table", _SAMPLE)
    meteoric = _table(folder, "meteoric", (*_LINE, "used"))
    if "used" in meteoric:
        meteoric = meteoric[meteoric["used"].astype(str) == "True"]
    waters = _table(folder, "waters", ("water", "group", "n", "d18O_mean", "d2H_mean", "d18O_sd"))
    fractions = _table(folder, "mixing", _FRACTION)
    names = {str(one) for one in (*samples.get("water", ()), *fractions.get("source", ()))}
    return answer_json(
        request,
        {
            "n": len(samples),
            "samples": _rows(samples.head(_MOST)),
            "meteoric": _rows(meteoric.head(1)),
            "lines": _rows(_table(folder, "lines", _LINE)),
            "waters": _rows(waters),
            "fractions": _rows(fractions),
            "findings": _rows(_table(folder, "quality", _FINDING).head(200)),
            "verdicts": _rows(_table(folder, "verdicts", ("label", "period", "verdict", "reason"))),
            "words": {name: list(word(name)) for name in sorted(names)},
        },
    )


@router.get("/{study}/sources/pies", summary="Fractions by altitude band and station, and where")
def _pies(request: Request, study: str, person: Viewer) -> Response:
    grid, folder = house_of(request).shelf.study(study).grid, _folder(request, study)
    table = _table(folder, "mixing", _FRACTION)
    found: list[dict[str, Any]] = []
    for label, rows in table[table["grouping"] == "altitude_band"].groupby("label", sort=False):
        at = _heart(grid, str(label), [(one["column"], one["row"]) for one in found])
        if at is not None:
            found.append(_pie("altitude_band", str(label), at, rows))
    for grouping, label, at in _stations(grid, folder, set(table["grouping"])):
        rows = table[(table["grouping"] == grouping) & (table["label"].astype(str) == label)]
        if len(rows):
            found.append(_pie(grouping, label, at, rows))
    return answer_json(request, found)


def _pie(grouping: str, label: str, at: tuple[float, float], rows: pd.DataFrame) -> dict[str, Any]:
    return {"by": grouping, "label": label, "column": at[0], "row": at[1], "of": _rows(rows)}


def _stations(
    grid: Grid | None, folder: Path, groupings: set[str]
) -> list[tuple[str, str, tuple[float, float]]]:
    """Find the groups of samples that were taken at one place each: sites and stations."""
    columns = ("longitude", "latitude", *sorted(groupings - {"all", "altitude_band"}))
    samples = _table(folder, "table", columns)
    if grid is None or not {"longitude", "latitude"} <= set(samples):
        return []
    found = []
    for grouping in columns[2:]:
        if grouping not in samples:
            continue
        held = samples.dropna(subset=[grouping, "longitude", "latitude"])
        placed = []
        for label, own in held.groupby(grouping, sort=False):
            at = grid.to_picture(own["longitude"], own["latitude"])
            if np.ptp(at, axis=0).max() <= 1.0:
                placed.append((grouping, str(label), (float(at[0, 0]), float(at[0, 1]))))
        if len(placed) == held[grouping].nunique():
            found += placed
    return found


def _heart(
    grid: Grid | None, label: str, taken: list[tuple[float, float]]
) -> tuple[float, float] | None:
    """Find a cell deep within a band, and apart from those of others, to draw its pie there."""
    from scipy.ndimage import distance_transform_edt

    edges = band_of(label)
    if grid is None or grid.elevation is None or edges is None:
        return None
    own = grid.inside & (grid.elevation >= edges[0]) & (grid.elevation < edges[1])
    if not own.any():
        return None
    far = distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1]
    down, across = np.indices(own.shape)
    for beside, below in taken:
        apart = np.hypot(across + 0.5 - beside, (down + 0.5 - below) * grid.stretch)
        far *= np.clip(apart / (_APART * own.shape[1]), 0.0, 1.0) ** 2
    row, column = np.unravel_index(int(far.argmax()), own.shape)
    return float(column) + 0.5, float(row) + 0.5


@router.get("/{study}/sources/{table}.csv", summary="A table of the samples' chapter as CSV")
def _csv(
    request: Request,
    study: str,
    table: Literal["samples", "fractions", "lines"],
    person: Viewer,
) -> Response:
    folder = _folder(request, study)
    path = folder / f"{_CHOICES[table]}.csv"
    with reading(path):
        found = pd.read_csv(path)
    rows = found.astype(object).where(found.notna(), None).itertuples(index=False, name=None)
    return answer_csv(request, f"{study}-{table}", [str(one) for one in found.columns], rows)
