"""Studies over HTTP: layers, blocks of maps, series, explanations, reports and comparison."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from headwater.errors import HeadwaterError
from headwater.network.sensorthings.errors import NotFound, WrongRequest
from headwater.web.platform.answers import answer_block, answer_csv, answer_json, numbers
from headwater.web.platform.gate import House, Viewer, house_of
from headwater.web.platform.layers import Layer, open_values
from headwater.web.platform.relief import relief_of
from headwater.web.platform.sentences import alerts_near, explain, forecast_of
from headwater.web.platform.series import (
    Climatology,
    Place,
    Series,
    cells_of,
    climatology,
)
from headwater.web.platform.studies import Study, block_days
from headwater.web.platform.wording import GROUPS

__all__ = ["REPORT_POLICY", "router"]

router = APIRouter(prefix="/api/studies", tags=["studies"])
REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; img-src data:;"
    " style-src 'unsafe-inline'; script-src 'unsafe-inline'; font-src data:; frame-ancestors 'self'"
)
"""A report is one file with its own script: it is shown as of no origin, and asks nothing."""


Corners = Annotated[
    str,
    Query(
        max_length=20_000, description="column,row of a cell, or of three or more corners, with ;"
    ),
]
LayerId = Annotated[str, Query(max_length=200)]


def _corners(text: str) -> list[tuple[float, float]]:
    """Read the corners of a place.

    Examples
    --------
    >>> _corners("80.5,30.5")
    [(80.5, 30.5)]
    """
    try:
        found = [tuple(float(v) for v in pair.split(",")) for pair in text.split(";") if pair]
    except ValueError:
        found = []
    if not found or any(len(pair) != 2 or not np.isfinite(pair).all() for pair in found):
        do = "Write column,row;column,row in cells from the corner of the first one"
        raise WrongRequest("not a place", found=text[:60], do=do)
    return [(pair[0], pair[1]) for pair in found]


@router.get("", summary="All studies")
def _studies(request: Request, person: Viewer) -> Response:
    house = house_of(request)
    return answer_json(request, [_card(house, name) for name in house.shelf.names])


def _card(house: House, name: str) -> dict[str, Any]:
    try:
        study = house.shelf.study(name)
    except HeadwaterError as error:
        return {"id": name, "name": name, "problem": str(error)}
    return {
        "id": study.id,
        "name": study.name,
        "fingerprint": study.fingerprint,
        "layers": len(study.layers),
        "shape": study.grid.shape if study.grid else None,
        **study.about,
        "isotopes": (study.results / "samples" / "table.csv").is_file(),
    }


@router.get("/{study}", summary="One study: grid, outline, groups and layers")
def _study(request: Request, study: str, person: Viewer) -> Response:
    found = house_of(request).shelf.study(study)
    return answer_json(
        request,
        {
            **_card(house_of(request), study),
            "grid": _grid(found),
            "groups": {key: list(names) for key, names in GROUPS.items()},
            "layers": [_entry(layer) for layer in found.layers.values()],
        },
    )


def _grid(study: Study) -> dict[str, Any] | None:
    grid = study.grid
    if grid is None:
        return None
    corners = [grid.to_ground(c, r) for c, r in ((0, 0), (grid.shape[1], grid.shape[0]))]
    return {
        "rows": grid.shape[0],
        "columns": grid.shape[1],
        "stretch": grid.stretch,
        "km": grid.km,
        "geographic": grid.geographic,
        "x": [float(grid.x[0]), float(grid.x[-1])],
        "y": [float(grid.y[0]), float(grid.y[-1])],
        "corners": corners,
        "outline": grid.outline(),
        "elevation": grid.elevation is not None,
    }


def _entry(layer: Layer) -> dict[str, Any]:
    return {
        "id": layer.id,
        "group": layer.group,
        "title": list(layer.title),
        "units": layer.units,
        "kind": layer.kind,
        "cube": layer.cube and layer.derived != "dominant",
        "mask": bool(layer.mask),
        "hash": layer.fingerprint,
        "notes": list(layer.notes),
    }


def _layer(house: House, study: str, layer: str) -> tuple[Study, Layer]:
    found = house.shelf.study(study)
    if layer not in found.layers:
        raise NotFound("no such layer", found=f"'{layer[:80]}'", do=f"See GET /api/studies/{study}")
    return found, found.layers[layer]


@router.get("/{study}/layers/{layer}", summary="One layer: legend and times")
def _one_layer(request: Request, study: str, layer: str, person: Viewer) -> Response:
    house = house_of(request)
    found, one = _layer(house, study, layer)
    legend = house.shelf.legend(found, one)
    reported = {
        **_entry(one),
        "scale": legend.scale.scale,
        "offset": legend.scale.offset,
        "breaks": list(legend.scale.breaks),
        "nodata": 255,
        "below": 0,
        "above": 252,
        "classes": [list(entry) for entry in legend.classes],
        "block": block_days(found.grid.shape) if found.grid else 1,
        "times": _dates(one),
    }
    return answer_json(request, reported)


@lru_cache(maxsize=200)
def _dates(layer: Layer) -> list[str] | None:
    if not layer.cube or layer.derived == "dominant":
        return None
    times = open_values(layer)["time"].values
    return [str(day)[:10] for day in np.asarray(times, dtype="datetime64[D]")]


@router.get(
    "/{study}/layers/{layer}/blocks/{number}",
    summary="Maps of some days as uint8, gzipped; with ?v=hash they can be kept for ever",
)
def _block(
    request: Request,
    study: str,
    layer: str,
    number: int,
    person: Viewer,
    v: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    house = house_of(request)
    found, one = _layer(house, study, layer)
    tag = f"{one.fingerprint}-{number}"
    return answer_block(
        request, house.shelf.block(found, one, number), tag, fixed=v == one.fingerprint
    )


@router.get("/{study}/relief", summary="Shaded relief: rows, columns, pixels; gzipped")
def _relief(request: Request, study: str, person: Viewer) -> Response:
    import gzip

    house = house_of(request)
    found = house.shelf.study(study)
    grid = found.grid
    if grid is None:
        raise NotFound("this study has no map yet", do="Wait until its first step has finished")
    key = f"{found.fingerprint}/relief"
    file = house.shelf.files.get(study)

    def make() -> bytes:
        shaded = relief_of(grid, file)
        shape = np.array(shaded.shape, dtype="<u4").tobytes()
        return gzip.compress(shape + shaded.tobytes(), compresslevel=6)

    packed = house.shelf.cache.get(key, make)
    return answer_block(request, packed, f"{found.fingerprint}-relief", fixed=False)


def _asked(house: House, study: str, layer: str, at: str) -> tuple[Study, Layer, Place]:
    found, one = _layer(house, study, layer)
    if found.grid is None:
        raise NotFound("this study has no map yet", do="Wait until its first step has finished")
    return found, one, cells_of(found.grid, _corners(at))


def _day(series: Series, date: str | None) -> int:
    """Find the time of a date; the last one with a value where none is asked for."""
    if date is None:
        known = np.flatnonzero(np.isfinite(series.value))
        return int(known[-1]) if len(known) else len(series.time) - 1
    try:
        wanted = np.datetime64(date[:10], "s")
    except ValueError:
        raise WrongRequest("not a date", found=date, do="Write it as 2021-07-15") from None
    return int(np.abs(series.time - wanted).argmin())


@router.get("/{study}/series", summary="Series of a cell or polygon, with its climatology")
def _series(
    request: Request,
    study: str,
    at: Corners,
    person: Viewer,
    layer: LayerId = "grids.soil_moisture",
    format: Literal["json", "csv"] = "json",
) -> Response:
    found, one, place = _asked(house_of(request), study, layer, at)
    series = house_of(request).shelf.series(one, place)
    usual = climatology(series)
    if format == "csv":
        return _series_csv(request, one, series, usual)
    return answer_json(request, _series_as_json(found, one, place, series, usual))


def _series_as_json(
    study: Study, layer: Layer, place: Place, series: Series, usual: Climatology
) -> dict[str, Any]:
    return {
        "layer": layer.id,
        "units": layer.units,
        "title": list(layer.title),
        "cells": place.size,
        "times": [str(day)[:10] for day in series.time],
        "values": numbers(series.value),
        "share": numbers(series.share, 3) if place.size > 1 else None,
        "usual": {
            "low": numbers(usual.low),
            "middle": numbers(usual.middle),
            "high": numbers(usual.high),
        },
        **(where := _where(study, place)),
        "forecast": None if where["elevation"] is None else forecast_of(study, where["elevation"]),
    }


def _where(study: Study, place: Place) -> dict[str, Any]:
    grid = study.grid
    assert grid is not None
    column, row = float(place.columns.mean()) + 0.5, float(place.rows.mean()) + 0.5
    longitude, latitude = grid.to_ground(column, row)
    z = None if grid.elevation is None else grid.elevation[place.rows, place.columns]
    high = None if z is None or not np.isfinite(z).any() else float(np.nanmean(z))
    return {"longitude": longitude, "latitude": latitude, "elevation": high}


def _series_csv(request: Request, layer: Layer, series: Series, usual: Climatology) -> Response:
    from headwater.warning.standardised import day_of_year

    day = day_of_year(series.time)
    rows = zip(
        (str(one)[:10] for one in series.time),
        numbers(series.value, 7),
        numbers(series.share, 4),
        numbers(usual.low[day], 7),
        numbers(usual.middle[day], 7),
        numbers(usual.high[day], 7),
        (int(n) for n in usual.n[day]),
        strict=True,
    )
    names = [f"{layer.variable} [{layer.units}]", "valid share [1]", "usual p10", "usual p50"]
    columns = ["date", *names, "usual p90", "n of usual"]
    return answer_csv(request, layer.id, columns, rows)


@router.get("/{study}/forecast", summary="Forecast of the elevation band of a cell or polygon")
def _forecast(
    request: Request,
    study: str,
    at: Corners,
    person: Viewer,
    format: Literal["json", "csv"] = "json",
) -> Response:
    found = house_of(request).shelf.study(study)
    if found.grid is None:
        raise NotFound("this study has no map yet", do="Wait until its first step has finished")
    high = _where(found, cells_of(found.grid, _corners(at)))["elevation"]
    forecast = None if high is None else forecast_of(found, high)
    if forecast is None:
        do = "Give the study file a table [vegetation], and run it again"
        raise NotFound("this study has no forecast for this elevation", do=do)
    if format == "json":
        return answer_json(request, forecast)
    columns = list(next(iter(forecast["of"].values())))
    rows = (
        (forecast["band"], quantity, *row)
        for quantity, held in forecast["of"].items()
        for row in zip(*(held[name] for name in columns), strict=True)
    )
    return answer_csv(request, f"{study}-forecast", ["elevation", "quantity", *columns], rows)


@router.get("/{study}/explain", summary="What drives a place, in sentences with numbers")
def _explain(
    request: Request,
    study: str,
    at: Corners,
    person: Viewer,
    date: Annotated[str | None, Query(max_length=30)] = None,
) -> Response:
    house = house_of(request)
    found = house.shelf.study(study)
    if found.grid is None:
        raise NotFound("this study has no map yet", do="Wait until its first step has finished")
    place = cells_of(found.grid, _corners(at))
    water = found.layers.get("grids.soil_moisture")
    series, usual, day = None, None, 0
    if water is not None and water.cube:
        series = house.shelf.series(water, place)
        usual, day = climatology(series), _day(series, date)
    reported = explain(found, place, series, usual, day)
    where = _where(found, place)
    reported += alerts_near(house.store, where["longitude"], where["latitude"])
    return answer_json(
        request,
        [{"kind": one.kind, "text": list(one.text), "source": one.source} for one in reported],
    )


@router.get("/{study}/report", summary="The report of a study, as one page")
def _report(request: Request, study: str, person: Viewer) -> Response:
    found = house_of(request).shelf.study(study)
    path = found.results / "report.html"
    if not path.is_file():
        do = "Draw it with: headwater report study.toml"
        raise NotFound("this study has no report yet", do=do)
    headers = {"Content-Security-Policy": REPORT_POLICY, "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)
