"""From yearly cubes to breaks of the area mean, and to trends adjusted for rain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import DataError
from headwater.grids.geometry import cell_area
from headwater.inference import fdr
from headwater.inference.significance import field_statement
from headwater.results import of_inputs
from headwater.variation import results
from headwater.variation._maps import name_of, words
from headwater.variation.aggregation import area_series
from headwater.variation.breaks import after_regression, pettitt, structural_breaks
from headwater.variation.calendar import check_time
from headwater.variation.correlation import common_times
from headwater.variation.trend.partial import residual_trend

__all__ = ["adjusted_trend_map", "break_table"]

_BAI = (
    "Bai, J., Perron, P. (2003). Computation and analysis of multiple structural change models. "
    "Journal of Applied Econometrics 18, 1-22. doi:10.1002/jae.659",
    "Bai, J. (1997). Estimation of a change point in multiple regression models. Review of "
    "Economics and Statistics 79, 551-563. doi:10.1162/003465397557132",
    "Pettitt, A. N. (1979). A non-parametric approach to the change-point problem. Journal of the "
    "Royal Statistical Society C 28, 126-135. doi:10.2307/2346729",
)
_EVANS = (
    "Evans, J., Geerken, R. (2004). Discrimination between climate and human-induced dryland "
    "degradation. Journal of Arid Environments 57, 535-554. doi:10.1016/S0140-1963(03)00121-6"
)
_COLUMNS = ["of", "time", "low", "high", "shift", "p", "plain_p", "n"]


@of_inputs
def break_table(
    yearly: xr.DataArray,
    rain: xr.DataArray | None = None,
    *,
    max_breaks: int = 2,
    min_coverage: float = 0.8,
) -> results.BreakTable:
    """Find breaks of the area mean, and of its relation to rain.

    Parameters
    ----------
    yearly : DataArray (time, y, x)
        One value per year.
    rain : DataArray (time, y, x), optional
        On the same cells; common years are used.
    max_breaks : int
        Most breaks that are looked for.
    min_coverage : float
        Least share [1] of the area with data in a year.

    Returns
    -------
    BreakTable

    Raises
    ------
    TimeAxisError, DataError, GridError
        As :func:`headwater.variation.structural_breaks`.
    """
    area = cell_area(yearly)
    series = area_series(yearly, area, min_coverage=min_coverage)["mean"].load()
    rows = _rows("mean", series, None, max_breaks)
    if rain is not None:
        own, given = common_times(yearly, rain)
        pair = [
            area_series(one, area, min_coverage=min_coverage)["mean"].load() for one in (own, given)
        ]
        rows += _rows("adjusted", pair[0], pair[1], max_breaks)
    table = pd.DataFrame(rows, columns=_COLUMNS)
    units = str(yearly.attrs.get("units", ""))
    table.attrs = {
        "units": {"time": "year", "low": "year", "high": "year", "shift": units, "p": "1"},
        "variable": name_of(yearly),
        "long_name": words(yearly),
        "series": {
            "year": np.asarray(check_time(series).year).tolist(),
            "mean": series.values.tolist(),
        },
    }
    return results.BreakTable(
        table,
        "Breaks of the yearly area mean by dynamic programming (Bai and Perron), their number by "
        "the BIC of what an autoregression leaves; p of Pettitt's test, values may persist.",
        references=_BAI,
        cautions=(
            "The BIC finds breaks in noise, too: a break counts where p of a change is small.",
        ),
    )


def _rows(
    of: str, series: xr.DataArray, factor: xr.DataArray | None, most: int
) -> list[dict[str, Any]]:
    left = series if factor is None else after_regression(series, factor)
    test = pettitt(left)
    shared = {"of": of, "p": float(test["p"]), "plain_p": float(test["plain_p"])}
    shared["n"] = int(test["n"])
    found = structural_breaks(series, factor, max_breaks=max(most, 1))
    count = int(found["count"]) if np.isfinite(found["count"]) else 0
    return [
        shared | {name: float(found[name][k]) for name in ("time", "low", "high", "shift")}
        for k in range(count)
    ] or [shared | dict.fromkeys(("time", "low", "high", "shift"), np.nan)]


@of_inputs
def adjusted_trend_map(
    yearly: xr.DataArray, rain: xr.DataArray, *, significance: float = 0.05
) -> results.AdjustedTrend:
    """Map the trend of what rain leaves unexplained.

    Parameters
    ----------
    yearly, rain : DataArray (time, y, x)
        One value per year, on the same cells; common years are used.
    significance : float
        False discovery rate [1].

    Returns
    -------
    AdjustedTrend

    Raises
    ------
    DataError
        For fewer than four common years.
    TimeAxisError, GridError
        As :func:`headwater.variation.correlate`.
    """
    own, given = common_times(yearly, rain)
    if own.sizes["time"] < 4:
        raise DataError(
            f"{words(yearly)} cannot be adjusted for {words(rain)}",
            found=f"{own.sizes['time']} common years",
            do="Remove rain from [variation], or give longer series",
        )
    data = residual_trend(own, given)
    test = fdr(data["p"].values, significance)
    marked = data["slope"].copy(data=test.mask)
    data["significant"] = marked.assign_attrs(
        units="1", long_name=f"Significant ({significance:g})"
    )
    smallest = float(np.nanmin(data["smallest_p"].values, initial=1.0))
    data.attrs |= {
        "variable": name_of(yearly),
        "factor_name": words(rain),
        "statement": field_statement(test, smallest),
        "alpha": significance,
        "tested": test.n,
        "passed": test.passed,
    }
    return results.AdjustedTrend(
        data,
        f"Trend of the residuals of a regression on {words(rain)}, cell by cell (RESTREND), by the "
        "Mann-Kendall test for AR(1) series.",
        references=(_EVANS,),
        cautions=(
            f"A trend that {words(rain)} shares counts as its effect: the residual trend is then "
            "too small.",
        ),
    )
