"""Forecasts of cover and root-zone water for the chapter on vegetation, by elevation band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError
from headwater.vegetation import results as kinds

if TYPE_CHECKING:
    from headwater.chapters.vegetation.inputs import Roles
    from headwater.chapters.vegetation.run import Ground, Notes
    from headwater.study.step import Context
    from headwater.vegetation.bucket import Weather

__all__ = ["forecasts"]

Floats = NDArray[np.float64]

_FEWEST_YEARS = 4
_MOST_CELLS = 400
_FEWEST_DAYS = 90


def forecasts(
    context: Context, roles: Roles, ground: Ground, blocks: Any, notes: Notes
) -> dict[str, kinds.VegetationForecast]:
    """Forecast each elevation band, or the whole area, from a day of the last growing season.

    Parameters
    ----------
    context : Context
        Of the running step.
    roles : Roles
        Who plays which part.
    ground : Ground
        Cover and its cells.
    blocks : Blocks
        Weather and soil water of blocks of cells.
    notes : Notes
        Takes what is left out.

    Returns
    -------
    dict
        ``forecast``, or nothing.
    """
    from headwater.vegetation.bucket import Soil
    from headwater.vegetation.calibration import calibrate_soil
    from headwater.vegetation.forecast import forecast_vegetation

    options = context.study.vegetation
    assert options is not None
    assert options.capacity is not None
    if not options.forecast:
        return {}
    if len(np.unique(blocks.years)) < _FEWEST_YEARS:
        notes.add("too few whole years for a forecast", len(np.unique(blocks.years)), "years")
        return {}
    weights, names = _weights(context, roles, ground, blocks.block)
    weather, water = _zones(blocks, weights)
    usable = np.isfinite(np.stack([part.sum(axis=0) for part in weather])).all(axis=0)
    usable &= np.isfinite(water).sum(axis=0) >= _FEWEST_DAYS
    notes.add("without a forecast: weather or soil water is missing", int((~usable).sum()), "zones")
    if not usable.any():
        return {}
    weather = weather._replace(**{k: v[:, usable] for k, v in weather._asdict().items()})
    zones = np.flatnonzero(usable)
    days = pd.date_range(f"{blocks.years[0]}-01-01", f"{blocks.years[-1]}-12-31")
    own = options.capacity
    soil = Soil(own.field_capacity, own.wilting_point, root_depth=own.root_depth)
    seen = np.where(weather.cover > 0.3 * weather.cover.max(axis=0), water[:, usable], np.nan)
    fit = calibrate_soil(seen, weather, soil)
    first, last = context.study.growing_season
    table = forecast_vegetation(
        _cover(context, ground, blocks.block, weights[:, usable]),
        xr.DataArray(water[:, usable], {"time": days}, ("time", "zone")),
        weather,
        days,
        fit.soil,
        start=_start(context, days),
        rng=context.rng,
        months=tuple(range(first, last + 1)),
    )
    table["zone"] = [names[zones[k]] for k in table["zone"]]
    return {"forecast": _result(table, float(np.nanmedian(fit.r2)))}


def _start(context: Context, days: pd.DatetimeIndex) -> pd.Timestamp:
    """Take the day from the study, or the first of the middle month of the last season."""
    options = context.study.vegetation
    assert options is not None
    if options.forecast_from is None:
        first, last = context.study.growing_season
        return pd.Timestamp(int(days[-1].year), (first + last) // 2, 1)
    start = pd.Timestamp(options.forecast_from)
    if not days[0] <= start <= days[-1]:
        raise DataError(
            "vegetation.forecast_from lies outside the whole years of weather",
            found=f"{start:%Y-%m-%d}; weather from {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}",
            do="Give a day within them, or leave the key out",
        )
    return start


def _weights(
    context: Context, roles: Roles, ground: Ground, block: NDArray[np.int64]
) -> tuple[Floats, tuple[str, ...]]:
    """Count the cells of each block in each zone, (blocks, zones)."""
    from headwater.chapters.vegetation.run import bands_of

    options = context.study.vegetation
    assert options is not None
    labels, names = bands_of(context, roles, options)
    if labels is None:
        labels, names = np.zeros(block.size), ("area",)
    found = np.zeros((int(block.max()) + 1, len(names)))
    for code in range(len(names)):
        own = ground.cells[labels[ground.cells] == code]
        found[:, code] = np.bincount(block[own], minlength=len(found))
    return found, names


def _zones(blocks: Any, weights: Floats) -> tuple[Weather, Floats]:
    """Average blocks over zones, those without a value left out."""

    def mean(values: Floats) -> Floats:
        known = np.isfinite(values)
        total = np.where(known, values, 0.0) @ weights
        n = known @ weights
        return np.where(n > 0, total / np.where(n > 0, n, 1.0), np.nan)

    present = np.nan_to_num(blocks.present)
    weather = blocks.weather._replace(cover=np.clip(blocks.weather.cover * present, 0.0, 1.0))
    parts = {name: mean(np.asarray(part)) for name, part in weather._asdict().items()}
    return blocks.weather._replace(**parts), mean(blocks.water)


def _cover(
    context: Context, ground: Ground, block: NDArray[np.int64], weights: Floats
) -> xr.DataArray:
    """Average cover as seen over blocks of each zone, of at most some hundred cells."""
    from headwater.chapters.vegetation.run import cover_of

    options = context.study.vegetation
    assert options is not None
    of_block = np.where(weights.sum(axis=1) > 0, weights.argmax(axis=1), -1)
    columns = []
    for code in range(weights.shape[1]):
        own = ground.cells[of_block[block[ground.cells]] == code]
        if own.size > _MOST_CELLS:
            own = np.sort(context.rng.choice(own, _MOST_CELLS, replace=False))
        cover = cover_of(ground, own, options.power)
        columns.append(cover.mean("cell"))
    return xr.concat(columns, "zone").transpose("time", "zone")


def _result(table: pd.DataFrame, r2: float) -> kinds.VegetationForecast:
    table.attrs["units"] = dict.fromkeys(
        ("low", "lower", "median", "upper", "high", "normal", "observed", "crps"),
        "1 (cover) or m3 m-3 (water)",
    )
    return kinds.VegetationForecast(
        table,
        "The bucket goes on from its state with the weather of every other year; cover follows "
        "from its anomaly and from water before and ahead. Skill: 1 − CRPS / CRPS of climatology "
        "(or of persistence), each year forecast by the others, with a bootstrap over years; "
        f"bucket calibrated to soil water (median R² {r2:.2f}).",
        (
            "Day, G. N. (1985). Extended streamflow forecasting using NWSRFS. Journal of Water "
            "Resources Planning and Management 111, 157-170. "
            "doi:10.1061/(ASCE)0733-9496(1985)111:2(157)",
            "Hersbach, H. (2000). Decomposition of the continuous ranked probability score for "
            "ensemble prediction systems. Weather and Forecasting 15, 559-570. "
            "doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2",
        ),
        cautions=(
            "Soil and regression know the whole record; with few years the skill is uncertain, as "
            "its interval says.",
        ),
    )
