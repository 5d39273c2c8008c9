"""What this room hands to the report: results that draw themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.figures import drawing_on
from headwater.results import MapResult, TableResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = [
    "AdjustedTrend",
    "AnnualSeries",
    "BandSeries",
    "BreakTable",
    "CVMap",
    "CorrelationMap",
    "CorrelationMatrix",
    "CorrelationPanels",
    "LagPanels",
    "MonthlyCorrelation",
    "MonthlySeries",
    "SeasonMaps",
    "SeasonalCycle",
    "SeasonalCycles",
    "Summary",
    "TrendMap",
    "ZoneSeries",
]


@dataclass(frozen=True, slots=True, eq=False)
class Summary(TableResult):
    """Key figures of variables: one row per variable and statistic.

    Columns: ``variable``, ``statistic``, ``period``, ``value``, ``low`` and ``high`` (of a mean the
    lowest and highest year, of a trend its 95 % interval), ``units``, ``p``, ``n``, ``of`` (what n
    counts).
    """


@dataclass(frozen=True, slots=True, eq=False)
class SeasonalCycle(TableResult):
    """The mean year of the area: one row per month.

    Columns: ``month``, ``mean``, ``year_low``, ``year_high`` (lowest and highest year),
    ``cell_low``, ``cell_high`` (middle 80 % of cells), ``years``, ``cells``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the mean year with its ribbons."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.seasonal_cycle(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class SeasonalCycles(TableResult):
    """Mean years of several variables: the columns of :class:`SeasonalCycle` and ``variable``."""

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the mean years in small panels."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.seasonal_cycles(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class AnnualSeries(TableResult):
    """The area mean of every year and growing season.

    Columns: ``period`` (year or growing_season), ``year``, ``mean``, ``cell_low``, ``cell_high``
    (middle 80 % of cells), ``cells``, ``coverage``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw years side by side, with the spread of cells."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.annual_series(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class MonthlySeries(TableResult):
    """The area mean of every month of the record.

    Columns: ``time`` (first day of the month), ``mean``, ``cell_low``, ``cell_high`` (middle 80 %
    of cells), ``cells``, ``coverage``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the months one after the other, with the spread of cells."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.monthly_panels([self.data])


@dataclass(frozen=True, slots=True, eq=False)
class BandSeries(TableResult):
    """Means by elevation band.

    Columns: ``period`` (month, of the mean year; year or growing_season), ``zone``,
    ``month_or_year``, ``mean``, ``cells``, ``values`` (times averaged).
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw one line per band: the mean year, and year by year."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.band_lines(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class SeasonMaps(MapResult):
    """Growing-season values: ``yearly`` (year, y, x), ``mean`` and ``n`` (y, x)."""

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw a map for each year under one scale."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.season_maps(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class CVMap(MapResult):
    """Coefficient of variation of one scope: ``cv``, ``mean``, ``sd``, ``n`` (y, x)."""

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the map of the coefficient of variation."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.cv_map(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class TrendMap(MapResult):
    """Trends per cell: Sen's slope and the test to believe, and classes.

    Next to them plain Mann-Kendall (``mann_kendall_p``), least squares (``ols_*``) and the change
    point (``change_*``). ``data.attrs`` holds ``test``, the test to believe in words, and
    ``statement``, what the field of tests shows.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw Sen's slope, dotted where significant."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.trend_map(self.data, outline)

    def plot_p(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the p-value of the test to believe."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.p_map(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class AdjustedTrend(MapResult):
    """Trends per cell of what a factor, rain say, leaves unexplained.

    The variables of :func:`headwater.variation.trend.partial.residual_trend` and ``significant``.
    ``data.attrs`` holds ``factor_name`` and ``statement``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the slope of the residuals, dotted where significant."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.trend_map(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class BreakTable(TableResult):
    """Breaks of an area mean: one row for each, of the mean and adjusted for a factor.

    Columns: ``of`` (mean or adjusted), ``time``, ``low``, ``high`` [year], ``shift`` [units], ``p``
    (of a change of any kind, values may persist), ``plain_p`` (values independent), ``n``; a series
    without a break has one row with these p. ``data.attrs["series"]`` holds years and values.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the series with its breaks and their intervals."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.break_lines(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class CorrelationMap(MapResult):
    """Correlation per cell with one factor, of monthly values and of anomalies (``anomaly_*``).

    ``data.attrs`` holds ``statement``, what the field of tests of the anomalies shows, and
    ``n_least``, ``n_median`` and ``n_most``, the months that cells have.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw both maps under one scale, dotted where significant."""
        from headwater.variation import correlation_plots

        with drawing_on(ax):
            return correlation_plots.correlation_map(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class CorrelationPanels(MapResult):
    """Correlation with several factors: ``r`` and ``significant`` (factor, y, x)."""

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw a map for each factor under one scale."""
        from headwater.variation import correlation_plots

        with drawing_on(ax):
            return correlation_plots.correlation_panels(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class MonthlyCorrelation(MapResult):
    """Correlation over the years by month: ``r``, ``p``, ``n``, ``significant`` (month, y, x)."""

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw a map for each month under one scale."""
        from headwater.variation import correlation_plots

        with drawing_on(ax):
            return correlation_plots.monthly_panels(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class LagPanels(MapResult):
    """The lag at which factors go closest with the target.

    ``best_lag`` [month], ``best_r``, ``best_p`` and ``significant`` (factor, y, x).
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the best lag for each factor, dotted where significant."""
        from headwater.variation import correlation_plots

        with drawing_on(ax):
            return correlation_plots.lag_panels(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class CorrelationMatrix(TableResult):
    """Spatial correlation of every pair of maps.

    Columns: ``first``, ``second``, ``statistic`` (r, rho, or R without sign), ``value``, ``p`` (as
    if cells were independent), ``n``, ``n_effective`` and ``p_effective`` (Dutilleul).
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the matrix."""
        from headwater.variation import correlation_plots

        with drawing_on(ax):
            return correlation_plots.correlation_matrix(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class ZoneSeries(TableResult):
    """The mean year of the parts of an area: one row per division, zone and month.

    Columns: ``division`` (what the zones divide), ``zone``, ``month``, ``mean``, ``cell_low``,
    ``cell_high`` (middle 80 % of area), ``cells``, ``years``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw zones by months as a heat map."""
        from headwater.variation import plots

        with drawing_on(ax):
            return plots.zone_heat(self.data)
