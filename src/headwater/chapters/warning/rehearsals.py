"""How often and how soon the study's own watch would find losses, and how often it would err."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.chapters.warning import series
from headwater.chapters.warning.run import Plan
from headwater.errors import DataError
from headwater.results import TableResult
from headwater.warning.rehearsal import History, Staging, bootstrap_run_length, rehearse

if TYPE_CHECKING:
    from headwater.results import Result
    from headwater.study.step import Context

__all__ = ["groups_of", "rehearsal_results", "sample_history"]

_BANDS = 3


def rehearsal_results(
    context: Context, plan: Plan, green: xr.DataArray, water: xr.DataArray | None
) -> dict[str, Result]:
    """Rehearse on a sample of cells.

    Parameters
    ----------
    context : Context
    plan : Plan
    green, water : DataArray (time, y, x)

    Returns
    -------
    dict of Result
        ``rehearsal`` and ``run-length``; empty where no cell has a whole enough history.
    """
    try:
        history, cells = sample_history(context, plan, green, water)
        groups = groups_of(context, history, cells)
        found = rehearse(
            history,
            plan.thresholds,
            rng=context.rng,
            options=plan.calendar.options,
            staging=Staging(n_seasons=min(3, plan.thresholds.quantiles.shape[1])),
            groups=groups,
        )
        return {"rehearsal": found, "run-length": _run_length(history, plan, context.rng)}
    except DataError:
        return {}


def _run_length(history: History, plan: Plan, rng: np.random.Generator) -> Result:
    """Compare seasons between false alarms with the rate that was asked for."""
    length = bootstrap_run_length(
        history, plan.thresholds, rng=rng, options=plan.calendar.options, n_resamples=60
    )
    table = pd.DataFrame(
        [
            {
                "seasons_between_false_alarms": length.seasons,
                "low": length.low,
                "high": length.high,
                "asked": length.asked,
                "years": length.n_years,
                "cells": history.values.shape[1],
                "false_alarms": length.n_alarms,
            }
        ]
    )
    table.attrs["units"] = {"seasons_between_false_alarms": "seasons", "asked": "seasons"}
    return TableResult(
        table,
        "Each year of the history was compared with a baseline of the others, and the years drawn "
        "with replacement into healthy records of ten seasons, 60 times; low and high: 90 % of "
        "the draws.",
        (
            "Künsch, H. R. (1989). The jackknife and the bootstrap for general stationary "
            "observations. Annals of Statistics 17, 1217-1241. doi:10.1214/aos/1176347265",
        ),
    )


def sample_history(
    context: Context, plan: Plan, green: xr.DataArray, water: xr.DataArray | None
) -> tuple[History, NDArray[np.int64]]:
    """Read the histories of some cells.

    Parameters
    ----------
    context : Context
    plan : Plan
    green, water : DataArray (time, y, x)

    Returns
    -------
    history : History
        On the calendar of the season.
    cells : ndarray of int, shape (2, n_cells)
        Row and column of each.

    Raises
    ------
    DataError
        If no cell has values.
    """
    there = np.isfinite(green.isel(time=slice(0, None, max(1, green.sizes["time"] // 12))).values)
    row, column = np.nonzero(there.any(axis=0))
    if not len(row):
        raise DataError("no cell has values", found=f"{green.name} all missing", do="Check inputs")
    number = min(plan.options.rehearsals, len(row))
    chosen = np.sort(context.rng.choice(len(row), number, replace=False))
    cells = np.stack([row[chosen], column[chosen]])
    block = series.picked(green, water, cells, plan.options.step)
    past = block.times < plan.split
    covariates = plan.covariates(block)
    kept = None if covariates is None else covariates[:, past]
    moved = plan.calendar.moved(block.times[past])
    return History(block.green[past], moved, kept), cells


def groups_of(context: Context, history: History, cells: NDArray[np.int64]) -> Any:
    """Group cells by thirds of altitude and by their share of gaps.

    Parameters
    ----------
    context : Context
    history : History
    cells : ndarray of int, shape (2, n_cells)

    Returns
    -------
    ndarray of str, shape (n_cells,)
        Altitude thirds where the study has elevation, else thirds of the share of gaps.
    """
    gaps = 1 - np.isfinite(history.values).mean(axis=0)
    if "elevation" in context.study.variables:
        elevation = context.variable("elevation").values[cells[0], cells[1]]
        return _thirds(elevation, "{:.0f} to {:.0f} m")
    return _thirds(100 * gaps, "{:.0f} to {:.0f} % gaps")


def _thirds(values: NDArray[Any], words: str) -> Any:
    edges = np.unique(np.nanquantile(values, np.linspace(0, 1, _BANDS + 1)))
    if len(edges) < 3:
        return np.full(len(values), words.format(edges[0], edges[-1]))
    names = [words.format(low, high) for low, high in pairwise(edges)]
    place = np.clip(np.searchsorted(edges, np.nan_to_num(values), "right") - 1, 0, len(names) - 1)
    return np.array(names)[place]
