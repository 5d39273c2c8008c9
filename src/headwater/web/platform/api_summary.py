"""What a run found in a few numbers, so that two runs can be compared."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from fastapi import APIRouter, Request
from starlette.responses import Response

from headwater.errors import HeadwaterError
from headwater.web.platform.answers import answer_csv, answer_json
from headwater.web.platform.gate import Viewer, house_of
from headwater.web.platform.layers import Layer, open_values, reading
from headwater.web.platform.studies import Study
from headwater.web.platform.wording import lower, word

__all__ = ["router"]

router = APIRouter(prefix="/api/studies", tags=["studies"])
_MEANS = (
    "variation.soil_moisture-season.mean",
    "variation.soil_moisture-trend.slope",
    "variation.soil_moisture-cv_interannual.cv",
    "variation.soil_moisture-cv_monthly.cv",
)
Row = dict[str, Any]


@router.get("/{study}/summary", summary="A run in a few numbers, each with its n")
def _summary(
    request: Request, study: str, person: Viewer, format: Literal["json", "csv"] = "json"
) -> Response:
    found = house_of(request).shelf.study(study)
    rows = [*_maps(found), *_factors(found), *_fractions(found)]
    if format == "csv":
        held = ((one["label"][0], one["value"], one["units"], one["n"]) for one in rows)
        return answer_csv(request, f"{study}-summary", ["quantity", "value", "units", "n"], held)
    return answer_json(request, rows)


def _row(key: str, label: tuple[str, str], value: float, units: str, n: int | None) -> Row:
    known = float(f"{value:.6g}") if np.isfinite(value) else None
    return {"key": key, "label": list(label), "value": known, "units": units, "n": n}


def _maps(study: Study) -> Iterator[Row]:
    for id in _MEANS:
        layer = study.layers.get(id)
        if layer is None or study.grid is None:
            continue
        try:
            with reading(layer.path):
                values = np.asarray(open_values(layer).values, dtype=np.float64)
        except HeadwaterError:
            continue
        weights = np.broadcast_to(study.grid.weights()[:, None], values.shape)
        valid = np.isfinite(values)
        n = int(valid.sum())
        mean = float(np.average(values[valid], weights=weights[valid])) if n else float("nan")
        label = (f"{layer.title[0]}, mean of the area", f"{layer.title[1]}，全区平均")
        yield _row(id, label, mean, layer.units, n)
        if layer.mask and n:
            yield _significant(layer, valid, weights, n)


def _significant(layer: Layer, valid: Any, weights: Any, n: int) -> Row:
    mask = np.asarray(open_values(replace(layer, variable=layer.mask)).values, dtype=bool)
    share = float(weights[valid & mask].sum() / weights[valid].sum())
    label = (f"{layer.title[0]}, significant share", f"{layer.title[1]}，显著面积比例")
    return _row(f"{layer.id}.share", label, 100 * share, "%", n)


def _factors(study: Study) -> Iterator[Row]:
    try:
        table = pd.read_csv(study.results / "detector" / "factor.csv")
    except (OSError, ValueError):
        return
    for one in table.sort_values("q", ascending=False).to_dict("records"):
        names = word(str(one["factor"]))
        label = (f"q of {lower(names[0])}", f"{names[1]}的 q 值")
        yield _row(f"q.{one['factor']}", label, float(one["q"]), "1", int(one["n"]))


def _fractions(study: Study) -> Iterator[Row]:
    try:
        table = pd.read_csv(study.results / "samples" / "mixing.csv")
    except (OSError, ValueError):
        return
    for one in table[table["grouping"] == "all"].to_dict("records"):
        names, period = word(str(one["source"])), str(one["period"])
        month = list(calendar.month_name).index(period) if period in calendar.month_name else 0
        said = f"{month} 月" if month else period
        label = (f"Soil water from {lower(names[0])}, {period}", f"{said}土壤水来自{names[1]}")
        key = f"fraction.{period}.{one['source']}"
        yield _row(key, label, 100 * float(one["median"]), "%", int(one["n"]))
