"""All tests of a trend side by side, and which of them to believe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import StudyError, TimeAxisError, nearest
from headwater.figures import drawing_on
from headwater.inference import fdr
from headwater.inference.persistence import SHORTEST_PERSISTENCE
from headwater.results import MapResult, of_inputs
from headwater.variation._maps import Values, as_cube, name_of, words
from headwater.variation.breaks import pettitt
from headwater.variation.calendar import cadence, check_time
from headwater.variation.mean_year import anomalies
from headwater.variation.trend._tiles import per_year
from headwater.variation.trend.classic import ols_trend, persistent_ols_trend, sen_mann_kendall
from headwater.variation.trend.mann_kendall_persistent import (
    hamed_rao,
    persistent_mann_kendall,
    prewhitened_mann_kendall,
    yue_wang,
)
from headwater.variation.trend.seasonal import seasonal_mann_kendall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = ["TREND_METHODS", "TREND_WORDS", "TrendFamily", "recommended_trend", "trends"]


@dataclass(frozen=True, slots=True)
class _Method:
    """A test: its words, its function, and what it needs of the time axis."""

    label: str
    run: Callable[..., xr.Dataset]
    even: bool = True
    seasonal: bool = False
    citation: str = ""


_SEN = (
    "Sen, P. K. (1968). Estimates of the regression coefficient based on Kendall's tau. Journal of "
    "the American Statistical Association 63, 1379-1389. doi:10.1080/01621459.1968.10480934"
)
_MANN = (
    "Mann, H. B. (1945). Nonparametric tests against trend. Econometrica 13, 245-259. "
    "doi:10.2307/1907187"
)
_HAMED_RAO = (
    "Hamed, K. H., Rao, A. R. (1998). A modified Mann-Kendall trend test for autocorrelated data. "
    "Journal of Hydrology 204, 182-196. doi:10.1016/S0022-1694(97)00125-X"
)
_HAMED = (
    "Hamed, K. H. (2009). Enhancing the effectiveness of prewhitening in trend analysis of "
    "hydrologic data. Journal of Hydrology 368, 143-155. doi:10.1016/j.jhydrol.2009.01.040"
)
_YUE_WANG = (
    "Yue, S., Wang, C. (2004). The Mann-Kendall test modified by effective sample size to detect "
    "trend in serially correlated hydrological series. Water Resources Management 18, 201-218. "
    "doi:10.1023/B:WARM.0000043140.61082.60"
)
_YUE = (
    "Yue, S., Pilon, P., Phinney, B., Cavadias, G. (2002). The influence of autocorrelation on the "
    "ability to detect trend in hydrological series. Hydrological Processes 16, 1807-1829. "
    "doi:10.1002/hyp.1095"
)
_WANG_SWAIL = (
    "Wang, X. L., Swail, V. R. (2001). Changes of extreme wave heights in Northern Hemisphere "
    "oceans and related atmospheric circulation regimes. Journal of Climate 14, 2204-2221. "
    "doi:10.1175/1520-0442(2001)014<2204:COEWHI>2.0.CO;2"
)
_SANTER = (
    "Santer, B. D. et al. (2000). Statistical significance of trends and trend differences in "
    "layer-average atmospheric temperature time series. Journal of Geophysical Research 105, "
    "7337-7356. doi:10.1029/1999JD901105"
)
_NEWEY = (
    "Newey, W. K., West, K. D. (1987). A simple, positive semi-definite, heteroskedasticity and "
    "autocorrelation consistent covariance matrix. Econometrica 55, 703-708. doi:10.2307/1913610"
)
_HIRSCH = (
    "Hirsch, R. M., Slack, J. R. (1984). A nonparametric trend test for seasonal data with serial "
    "dependence. Water Resources Research 20, 727-732. doi:10.1029/WR020i006p00727"
)
_METHODS = {
    "persistent": _Method(
        "Mann-Kendall for AR(1) series", persistent_mann_kendall, citation=_HAMED_RAO
    ),
    "mann_kendall": _Method("Mann-Kendall", sen_mann_kendall, even=False, citation=_MANN),
    "seasonal_correlated": _Method(
        "seasonal Mann-Kendall, months correlated",
        seasonal_mann_kendall,
        seasonal=True,
        citation=_HIRSCH,
    ),
    "seasonal": _Method(
        "seasonal Mann-Kendall, months independent",
        partial(seasonal_mann_kendall, correlated=False),
        seasonal=True,
        citation=_HIRSCH,
    ),
    "hamed_rao": _Method("Mann-Kendall, Hamed-Rao", hamed_rao, citation=_HAMED_RAO),
    "yue_wang": _Method("Mann-Kendall, Yue-Wang", yue_wang, citation=_YUE_WANG),
    "prewhitened": _Method(
        "Mann-Kendall, prewhitened",
        partial(prewhitened_mann_kendall, kind="corrected"),
        citation=_HAMED,
    ),
    "prewhitened_iterative": _Method(
        "Mann-Kendall, prewhitened iteratively",
        partial(prewhitened_mann_kendall, kind="iterative"),
        citation=_WANG_SWAIL,
    ),
    "trend_free": _Method(
        "Mann-Kendall, trend-free prewhitened",
        partial(prewhitened_mann_kendall, kind="trend_free"),
        citation=_YUE,
    ),
    "ols": _Method("Least squares", ols_trend, even=False),
    "ols_ar1": _Method("Least squares for AR(1) series", persistent_ols_trend, citation=_SANTER),
    "ols_newey_west": _Method(
        "Least squares, Newey-West",
        partial(persistent_ols_trend, kind="newey_west"),
        citation=_NEWEY,
    ),
}
TREND_METHODS = tuple(_METHODS)
"""Names of the tests that :func:`trends` sets side by side."""

TREND_WORDS = {name: method.label for name, method in _METHODS.items()}
"""The same in words."""

_SHORTEST_SEASONAL = 10
_SHOWN = ("slope", "slope_low", "slope_high", "z", "p", "smallest_p", "n", "factor")


@dataclass(frozen=True, slots=True, eq=False)
class TrendFamily(MapResult):
    """Tests of a trend side by side: variables with a dimension ``test``, the recommended first.

    ``slope``, ``slope_low``, ``slope_high`` [units per year], ``z``, ``p``, ``smallest_p`` (that
    the test can give; 0 or missing: no limit), ``n``, ``factor`` (variance of the statistic by that
    of independent values), ``significant``; without `test`
    the change point: ``change_p``, ``change_plain_p``, ``change_last`` [year], ``change_shift``
    [units].
    ``data.attrs``: ``variable``, ``units_per_year``, ``recommended``, ``alpha``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw slopes with intervals of a series, or p-values of a map, for every test."""
        from headwater.variation.trend import plots as trend_plots

        with drawing_on(ax):
            if "y" in self.data.dims:
                return trend_plots.family_maps(self.data, outline)
            return trend_plots.family_intervals(self.data)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per test, and per cell where there are cells."""
        names = [name for name in self.data if "test" in self.data[name].dims]
        return self.data[names].to_dataframe().reset_index()


def recommended_trend(data: Values) -> str:
    """Say which test to believe for a time axis, by its size in simulations.

    Parameters
    ----------
    data : DataArray (time, ...)
        The series.

    Returns
    -------
    str
        One of :data:`TREND_METHODS`: monthly values over ten years and more
        ``seasonal_correlated``; other even steps ``persistent`` from ten values on; fewer values,
        or uneven steps, ``mann_kendall``, which then assumes independence.

    Raises
    ------
    TimeAxisError
        If times cannot be trusted.

    Notes
    -----
    The simulations are in docs/simulations/trend.md.

    Examples
    --------
    >>> years = pd.date_range("2001-01-01", periods=20, freq="YS")
    >>> recommended_trend(xr.DataArray(np.arange(20.0), {"time": years}, "time"))
    'persistent'
    """
    data = as_cube(data)
    index = check_time(data)
    if len(index) < SHORTEST_PERSISTENCE:
        return "mann_kendall"
    step = cadence(index)
    years = np.unique(np.asarray(index.year)).size
    if step.name == "monthly" and years >= _SHORTEST_SEASONAL:
        return "seasonal_correlated"
    return "mann_kendall" if step.name == "irregular" else "persistent"


@of_inputs
def trends(
    data: Values,
    methods: Sequence[str] | None = None,
    *,
    significance: float = 0.05,
    wilks: bool = False,
    level: float = 0.95,
) -> TrendFamily:
    """Set tests of a trend side by side, for a series or for every cell.

    Parameters
    ----------
    data : DataArray (time, ...)
        Values on a standard or cftime calendar; gaps keep their place.
    methods : sequence of str, optional
        Of :data:`TREND_METHODS`; default: all that suit the time axis. The recommended one stands
        first if it is among them.
    significance : float
        Level [1]; for maps the false discovery rate.
    wilks : bool
        Whether the false discovery rate is twice `significance`, for maps with spatial correlation.
    level : float
        Of intervals [1].

    Returns
    -------
    TrendFamily

    Raises
    ------
    StudyError
        For an unknown method.
    TimeAxisError
        If times are missing, duplicated or not ascending, or a chosen method needs even or monthly
        steps.
    DataError
        For angles, classes and infinite values.

    Notes
    -----
    Bad input: constant series have slope 0 and p 1 (least squares on fewer than 3 values, and
    tests on fewer than 2, p NaN); a series without values is NaN with n 0; ties are exact for up to
    30 values of plain and seasonal scores, else in the variance; gaps of years, hourly steps and
    calendars without leap days count by true time; infinite values and duplicated times are errors.
    Tests that know no seasons take anomalies from the mean year where values are monthly.

    Examples
    --------
    >>> years = pd.date_range("2001-01-01", periods=12, freq="YS")
    >>> wet = xr.DataArray(np.arange(12.0), {"time": years}, "time", "wet", {"units": "mm"})
    >>> family = trends(wet, ["mann_kendall", "persistent"])
    >>> family.data["test"].values.tolist(), family.data.attrs["units_per_year"]
    (['persistent', 'mann_kendall'], 'mm year-1')
    """
    data = as_cube(data)
    chosen, best = _chosen(data, methods), recommended_trend(data)
    monthly = data.sizes["time"] > 1 and cadence(check_time(data)).name == "monthly"
    without_season = anomalies(data) if monthly else data
    fits = []
    for name in sorted(chosen, key=lambda name: name != best):
        method = _METHODS[name]
        source = data if method.seasonal else without_season
        options = {} if name == "ols" else {"level": level}
        fits.append(_uniform(method.run(source, **options), level).assign_coords(test=name))
    found = xr.concat(fits, "test", coords="minimal", combine_attrs="drop").load()
    for name in map(str, found):
        # the tests differ in words only; the first is the one to believe
        found[name].attrs = dict(next(fit[name].attrs for fit in fits if name in fit))
    found = found.assign(significant=_significant(found["p"], significance, wilks))
    change = pettitt(without_season).load()
    found = found.assign({f"change_{k}": change[k] for k in ("p", "plain_p", "last", "shift")})
    units = per_year(str(data.attrs.get("units", "")))
    found.attrs = {
        "variable": name_of(data),
        "units_per_year": units,
        "recommended": best,
        "alpha": significance,
        "level": level,
    }
    return TrendFamily(
        found,
        "Trend by " + "; ".join(_METHODS[name].label for name in found["test"].values) + ".",
        references=tuple(dict.fromkeys([_SEN, *(_METHODS[m].citation for m in chosen)])),
        choices=_choices(data, best, monthly),
        cautions=_cautions(data, best, chosen),
    )


def _chosen(data: xr.DataArray, methods: Sequence[str] | None) -> list[str]:
    index = check_time(data)
    step = cadence(index).name if len(index) > 1 else "irregular"
    suits = {
        name: (step == "monthly" or not method.seasonal)
        and (step != "irregular" or not method.even)
        for name, method in _METHODS.items()
    }
    if methods is None:
        return [name for name, fits in suits.items() if fits]
    for name in methods:
        if name not in _METHODS:
            raise StudyError(
                "unknown test of a trend", found=f"'{name}'", do=nearest(name, TREND_METHODS)
            )
        if not suits[name]:
            raise TimeAxisError(
                f"{_METHODS[name].label} does not suit the time axis",
                found=f"{step} steps",
                do="Aggregate to months or years, or leave the method out",
            )
    if not methods:
        raise StudyError("no test of a trend", found="an empty list", do="Name at least one")
    return list(dict.fromkeys(methods))


def _uniform(fit: xr.Dataset, level: float) -> xr.Dataset:
    """Bring what a test found to the variables that all of them have."""
    if "se" in fit:
        from scipy.special import stdtrit

        n = fit["n"].astype(float).load()
        dof = np.where(n > 2, n - 2.0, 1.0)
        reach = stdtrit(dof, 0.5 + 0.5 * level) * fit["se"]
        low, high = fit["slope"] - reach, fit["slope"] + reach
        t = fit["slope"] / fit["se"].where(fit["se"] > 0)
        fit = fit.assign(slope_low=low, slope_high=high, z=t)
    missing = {name: xr.full_like(fit["slope"], np.nan) for name in _SHOWN if name not in fit}
    fit = fit.assign(missing)
    kept = fit[list(_SHOWN)].astype(float)
    for name in ("slope_low", "slope_high"):
        kept[name].attrs = fit["slope"].attrs
    return kept


def _significant(p: xr.DataArray, significance: float, wilks: bool) -> xr.DataArray:
    """Of maps after control of the false discovery rate, for each test by itself."""
    single = p.size == p.sizes["test"]
    masks = [
        each.values <= significance if single else fdr(each.values, significance, wilks=wilks).mask
        for each in p
    ]
    found = p.copy(data=np.stack(masks))
    found.attrs = {"units": "1", "long_name": f"significant at {significance:g}"}
    return found


def _choices(data: xr.DataArray, best: str, monthly: bool) -> tuple[str, ...]:
    text = words(data)
    choices = [
        f"{text}: the p-value to believe is that of {_METHODS[best].label}, by its size in "
        "simulations; the others stand next to it."
    ]
    if monthly:
        choices.append(
            f"{text}: tests that know no seasons, and the change point, take anomalies from the "
            "mean year."
        )
    return tuple(choices)


def _cautions(data: xr.DataArray, best: str, chosen: Sequence[str]) -> tuple[str, ...]:
    text, cautions = words(data), []
    if best == "mann_kendall":
        cautions.append(
            f"{text}: {data.sizes['time']} values on this time axis cannot show how persistent "
            "they are; p assumes that they are independent and is too small if they are not."
        )
    if "trend_free" in chosen:
        cautions.append(
            "Trend-free prewhitening finds more trends than there are wherever values persist."
        )
    return tuple(cautions)
