"""From cubes and maps to the results on correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from headwater.inference import fdr, field_statement
from headwater.results import fingerprint
from headwater.variation import results
from headwater.variation._maps import name_of, words
from headwater.variation.climatology import anomalies
from headwater.variation.correlation import common_times, correlate, matrix

__all__ = ["correlation_map", "correlation_matrix", "correlation_panels"]

REFERENCES = {
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
_LEAST_YEARS = 3


def correlation_map(
    first: xr.DataArray, second: xr.DataArray, *, alpha: float = 0.05
) -> results.CorrelationMap:
    """Map the correlation of two monthly cubes, of their values and of their anomalies.

    Parameters
    ----------
    first, second : DataArray (time, y, x)
        One value per month, on the same cells; common months are used.
    alpha : float
        False discovery rate [1].

    Returns
    -------
    CorrelationMap
        Anomalies only where at least three years are common: with fewer, the mean year is most of
        the data.

    Raises
    ------
    TimeAxisError, GridError, DataError
        As :func:`headwater.variation.correlate`.
    """
    a, b = common_times(first, second)
    years = np.unique(a.indexes["time"].year).size
    parts = {"": (a, b)}
    if years >= _LEAST_YEARS:
        parts["anomaly_"] = (anomalies(a), anomalies(b))
    data, statement = xr.Dataset(), ""
    for prefix, (left, right) in parts.items():
        found = correlate(left, right).load()
        test = fdr(found["p_effective"].values, alpha)
        found["significant"] = found["r"].copy(data=test.mask)
        found["significant"].attrs = {
            "units": "1",
            "long_name": f"Significant (false discovery rate {alpha:g})",
        }
        data = data.assign({f"{prefix}{name}": values for name, values in found.items()})
        statement = field_statement(test)
    data.attrs = {
        "variable": name_of(first),
        "factor": name_of(second),
        "factor_name": words(second),
        "statement": statement,
        "months": int(a.sizes["time"]),
        "years": years,
        "alpha": alpha,
    }
    return results.CorrelationMap(
        data,
        METHOD,
        references=(REFERENCES["bretherton"], REFERENCES["fdr"]),
        fingerprint=fingerprint(data["r"].values, alpha),
        choices=(
            "p of correlation maps counts the effective number of months, from the lag-1 "
            "autocorrelation of both series.",
            f"Significance by Benjamini and Hochberg at a false discovery rate of {alpha:g}.",
        ),
        cautions=(
            "Monthly values share the seasonal cycle, so their correlation does not show a driver; "
            "anomalies ask what goes with a departure from the usual.",
        ),
    )


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
    factor = xr.DataArray([one.data.attrs["factor_name"] for one in maps.values()], dims="factor")
    data = xr.Dataset(
        {
            name: xr.concat(
                [one.data[f"{prefix}{name}"].drop_attrs(deep=False) for one in maps.values()],
                factor.rename("factor"),
                coords="minimal",
            )
            for name in ("r", "significant")
        },
        attrs={"of": "anomalies" if prefix else "monthly values"},
    )
    data["r"].attrs = {"units": "1", "long_name": f"Correlation of {data.attrs['of']}"}
    data["significant"].attrs = next(iter(maps.values())).data["significant"].attrs
    return results.CorrelationPanels(data, METHOD)


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
        As :func:`headwater.variation.correlation.matrix`.
    """
    table = matrix(maps)
    table.attrs["long_names"] = {name: words(data).split(",")[0] for name, data in maps.items()}
    classes = [words(data) for data in maps.values() if data.attrs.get("kind") == "categorical"]
    rules = [
        "Spatial correlation is Pearson's r over cells; with aspect, an angle, it is the "
        "circular-linear R, which has no sign.",
    ]
    if classes:
        rules.append(f"Classes have no correlation and are left out: {', '.join(classes)}.")
    return results.CorrelationMatrix(
        table,
        "Correlation of every pair of maps over the cells that both have.",
        references=(REFERENCES["mardia"], REFERENCES["dutilleul"]),
        fingerprint=fingerprint(table["value"].to_numpy(), tuple(maps)),
        choices=(*rules, *choices),
        cautions=(
            "Spatial p-values count every cell as independent. Neighbours are alike, so the true p "
            "is larger, often by orders of magnitude (Dutilleul 1993).",
        ),
    )
