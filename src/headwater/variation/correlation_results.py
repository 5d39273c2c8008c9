"""From cubes and maps to the results on correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr

from headwater.errors import TimeAxisError
from headwater.inference import fdr
from headwater.inference.significance import field_statement
from headwater.results import fingerprint, of_inputs
from headwater.variation import results
from headwater.variation._maps import in_blocks, name_of, words
from headwater.variation.calendar import cadence
from headwater.variation.correlation import (
    common_times,
    correlate,
    lagged_correlation,
    monthly_correlation,
)
from headwater.variation.map_correlation import matrix

__all__ = [
    "correlation_map",
    "correlation_matrix",
    "correlation_panels",
    "lag_panels",
    "monthly_maps",
]

REFERENCES = {
    "dunn": "Dunn, O. J. (1961). Multiple comparisons among means. Journal of the American "
    "Statistical Association 56, 52-64. doi:10.1080/01621459.1961.10482090",
    "bretherton": "Bretherton, C. S., et al. (1999). The effective number of spatial degrees of "
    "freedom of a time-varying field. Journal of Climate 12, 1990-2009. "
    "doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2",
    "fdr": "Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate. Journal of "
    "the Royal Statistical Society B 57, 289-300. doi:10.1111/j.2517-6161.1995.tb02031.x",
    "mardia": "Mardia, K. V., Jupp, P. E. (2000). Directional Statistics. Wiley, Chichester. "
    "doi:10.1002/9780470316979",
    "dutilleul": "Dutilleul, P. (1993). Modifying the t test for assessing the correlation between "
    "two spatial processes. Biometrics 49, 305-314. doi:10.2307/2532625",
}
METHOD = (
    "Pearson correlation over common months, cell by cell: of the values, and of anomalies from "
    "the mean year."
)
_YEARLY = "Pearson correlation over common years, cell by cell, of yearly values."
_LEAST_YEARS = 3
_FEW_YEARS = 10


@of_inputs
def correlation_map(
    first: xr.DataArray, second: xr.DataArray, *, significance: float = 0.05
) -> results.CorrelationMap:
    """Map the correlation of two monthly or yearly cubes, of their values and of their anomalies.

    Parameters
    ----------
    first, second : DataArray (time, y, x)
        One value per month, or per year, on the same cells; common times are used.
    significance : float
        False discovery rate [1].

    Returns
    -------
    CorrelationMap
        Anomalies from the mean year only of monthly values, and where at least three years are
        common: with fewer, the mean year is most of the data.

    Raises
    ------
    TimeAxisError, GridError, DataError
        As :func:`headwater.variation.correlate`.
    """
    a, b = common_times(first, second)
    years = _years(a)
    by_year = years > 1 and cadence(a.indexes["time"]).name == "yearly"
    seasonal = years >= _LEAST_YEARS and not by_year
    parts = {"": False, "anomaly_": True} if seasonal else {"": False}
    data, statement = xr.Dataset(), ""
    for prefix, deseasonalised in parts.items():
        found = in_blocks(partial(correlate, deseasonalised=deseasonalised), a, b)
        test = fdr(found["p_effective"].values, significance)
        found["significant"] = _significant(found["r"], test.mask, significance)
        data = data.assign({f"{prefix}{name}": values for name, values in found.items()})
        statement = field_statement(test)
    data.attrs = {
        "variable": name_of(first),
        "factor": name_of(second),
        "factor_name": words(second),
        "statement": statement,
        "months": int(a.sizes["time"]),
        "unit": "years" if by_year else "months",
        "years": years,
        "alpha": significance,
        **_counts(data[f"{prefix}n"], data[f"{prefix}r"]),
    }
    return results.CorrelationMap(
        data,
        _YEARLY if by_year else METHOD,
        references=(REFERENCES["bretherton"], REFERENCES["fdr"]),
        choices=(
            "p of correlation maps counts the effective number of months, from the lag-1 "
            "autocorrelation of both series; the mean year of anomalies costs eleven months more.",
            "Significance by Benjamini and Hochberg at a false discovery rate of "
            f"{significance:g}.",
        ),
        cautions=()
        if by_year
        else (
            "Monthly values share the seasonal cycle, so their correlation does not show a driver; "
            "anomalies ask what goes with a departure from the usual.",
        ),
    )


def _years(monthly: xr.DataArray) -> int:
    return int(np.unique(monthly.indexes["time"].year).size)


def _significant(like: xr.DataArray, mask: np.ndarray, significance: float) -> xr.DataArray:
    marked = like.copy(data=mask)
    marked.attrs = {
        "units": "1",
        "long_name": f"Significant (false discovery rate {significance:g})",
    }
    return marked


def _counts(n: xr.DataArray, known: xr.DataArray) -> dict[str, int]:
    """Fewest, median and most values of the cells that have a result."""
    used = n.values[~np.isnan(known.values)]
    if not used.size:
        return {"n_least": 0, "n_median": 0, "n_most": 0}
    low, middle, high = np.quantile(used, (0.0, 0.5, 1.0))
    return {"n_least": int(low), "n_median": round(float(middle)), "n_most": int(high)}


@of_inputs
def correlation_panels(
    maps: Mapping[str, results.CorrelationMap],
) -> results.CorrelationPanels:
    """Put the correlations with several factors side by side.

    Parameters
    ----------
    maps : mapping of CorrelationMap
        By factor, all of one target.

    Returns
    -------
    CorrelationPanels
        Of anomalies, where all maps have them; else of monthly values.
    """
    prefix = "anomaly_" if all("anomaly_r" in one.data for one in maps.values()) else ""
    names = [str(one.data.attrs["factor_name"]) for one in maps.values()]
    parts = [
        one.data[[f"{prefix}r", f"{prefix}significant"]].rename(
            {f"{prefix}r": "r", f"{prefix}significant": "significant"} if prefix else {}
        )
        for one in maps.values()
    ]
    data = _side_by_side(parts, names)
    data.attrs = {"of": "anomalies" if prefix else "monthly values"}
    data["r"].attrs = {"units": "1", "long_name": f"Correlation of {data.attrs['of']}"}
    return results.CorrelationPanels(data, METHOD)


def _side_by_side(parts: Sequence[xr.Dataset], names: Sequence[str]) -> xr.Dataset:
    axis = xr.DataArray(list(names), dims="factor", name="factor")
    bare = [part.drop_attrs(deep=False) for part in parts]
    joined: xr.Dataset = xr.concat(bare, axis, coords="minimal", combine_attrs="override")
    for name, values in joined.items():
        values.attrs = dict(parts[0][name].attrs)
    return joined


def monthly_maps(
    first: xr.DataArray, second: xr.DataArray, months: Sequence[int], *, significance: float = 0.05
) -> results.MonthlyCorrelation | None:
    """Map the correlation over the years of two monthly cubes, month by month of the year.

    Parameters
    ----------
    first, second : DataArray (time, y, x)
        One value per month, on the same cells.
    months : sequence of int
        Months of the year.
    significance : float
        False discovery rate [1] among all cells and months.

    Returns
    -------
    MonthlyCorrelation or None
        Of the months of which any cell has four years; None without such a month.

    Raises
    ------
    TimeAxisError, GridError, DataError
        As :func:`headwater.variation.correlation.monthly_correlation`.
    """
    a, b = common_times(first, second)
    shared = set(np.asarray(a.indexes["time"].month).tolist())
    months = [month for month in months if month in shared]
    if not months:
        return None
    data = in_blocks(partial(monthly_correlation, months=months), a, b)
    data = data.isel(month=np.flatnonzero(data["r"].notnull().any(("y", "x"))))
    if not data.sizes["month"]:
        return None
    test = fdr(data["p"].values, significance)
    data["significant"] = _significant(data["r"], test.mask, significance)
    counts = _counts(data["n"], data["r"])
    data.attrs |= {
        "variable": name_of(first),
        "factor": name_of(second),
        "factor_name": words(second),
        "statement": field_statement(test, of_what="cells and months"),
        **counts,
    }
    few = counts["n_median"]
    cautions = (
        f"Correlations by month rest on {few} years: each has {few - 2} degrees of freedom, so "
        "that chance alone makes most of what such maps show.",
    )
    return results.MonthlyCorrelation(
        data,
        "Pearson correlation over the years for each month of the year by itself, cell by cell.",
        references=(REFERENCES["fdr"],),
        fingerprint=fingerprint(first, second, list(months), significance),
        choices=(
            "Maps by month count years as independent, and need four; significance by Benjamini "
            f"and Hochberg at a false discovery rate of {significance:g} among all cells and "
            "months.",
        ),
        cautions=cautions if few < _FEW_YEARS else (),
    )


def lag_panels(
    target: xr.DataArray,
    factors: Mapping[str, xr.DataArray],
    *,
    longest: int = 6,
    significance: float = 0.05,
) -> results.LagPanels | None:
    """Map how many months factors go before the target where they go closest with it.

    Parameters
    ----------
    target : DataArray (time, y, x)
        One value per month.
    factors : mapping of DataArray (time, y, x)
        On the same cells.
    longest : int
        Longest lag [month].
    significance : float
        False discovery rate [1].

    Returns
    -------
    LagPanels or None
        Of anomalies; None where no factor shares three years with the target.

    Raises
    ------
    GridError, DataError
        As :func:`headwater.variation.lagged_correlation`.
    """
    parts, names, lines = [], [], []
    for factor in factors.values():
        try:
            a, b = common_times(target, factor)
        except TimeAxisError:
            continue
        if _years(a) < _LEAST_YEARS or a.sizes["time"] < 2 * longest:
            continue
        best = in_blocks(partial(_best_lag, longest=longest), a, b)
        test = fdr(best["best_p"].values, significance)
        best["significant"] = _significant(best["best_r"], test.mask, significance)
        parts.append(best)
        names.append(words(factor))
        where = best["best_lag"].values[test.mask]
        middle = f"; their median lag is {np.median(where):.0f} months" if where.size else ""
        lines.append(f"{words(factor)}: {field_statement(test).rstrip('.')}{middle}.")
    if not parts:
        return None
    data = _side_by_side(parts, names)
    data.attrs = {"statement": " ".join(lines), "longest": longest, "variable": name_of(target)}
    return results.LagPanels(
        data,
        f"Correlation of anomalies with factors 0 to {longest} months before, cell by cell; the "
        "lag of the largest.",
        references=(REFERENCES["bretherton"], REFERENCES["fdr"], REFERENCES["dunn"]),
        fingerprint=fingerprint(target, dict(factors), longest, significance),
        choices=(
            f"The p of the best of {longest + 1} lags is multiplied by {longest + 1} (Bonferroni) "
            f"before the false discovery rate of {significance:g} is controlled among cells.",
        ),
    )


def _best_lag(first: xr.DataArray, second: xr.DataArray, *, longest: int) -> xr.Dataset:
    found = lagged_correlation(first, second, range(longest + 1), deseasonalised=True)
    return found[["best_lag", "best_r", "best_p"]]


@of_inputs
def correlation_matrix(
    maps: Mapping[str, xr.DataArray], *, choices: Sequence[str] = ()
) -> results.CorrelationMatrix:
    """Tabulate the spatial correlation of every pair of maps.

    Parameters
    ----------
    maps : mapping of str to DataArray (y, x)
        On one grid; classes are left out.
    choices : sequence of str
        How the maps were made, one sentence each.

    Returns
    -------
    CorrelationMatrix

    Raises
    ------
    GridError, DataError
        As :func:`headwater.variation.map_correlation.matrix`.
    """
    table = matrix(maps)
    table.attrs["long_names"] = {name: words(data).split(",")[0] for name, data in maps.items()}
    classes = [words(data) for data in maps.values() if data.attrs.get("kind") == "categorical"]
    rules = [
        "Spatial correlation is Pearson's r over cells; with aspect, an angle, it is the "
        "circular-linear R, which has no sign.",
        "p of spatial correlation counts the effective number of cells (Dutilleul's modified "
        "t-test, distance classes one cell wide); p as if cells were independent stands with it.",
    ]
    if classes:
        rules.append(f"Classes have no correlation and are left out: {', '.join(classes)}.")
    return results.CorrelationMatrix(
        table,
        "Correlation of every pair of maps over the cells that both have, tested with the number "
        "of independent cells.",
        references=(REFERENCES["mardia"], REFERENCES["dutilleul"]),
        choices=(*rules, *choices),
        cautions=(
            "A gradient across the whole area leaves few independent cells: two maps that share "
            "one can go closely together without one driving the other.",
        ),
    )
