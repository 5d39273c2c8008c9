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
    "CapacityMap",
    "CoverMap",
    "CoverSeries",
    "EndValueTable",
    "GradeMap",
    "GrowthSeasons",
    "PlaceGrades",
    "ResponseCurves",
    "ResponseMap",
    "SeasonMap",
    "VegetationForecast",
    "VegetationNotes",
]


@dataclass(frozen=True, slots=True, eq=False)
class VegetationNotes(TableResult):
    """What was left out, guessed or not computed: one row each.

    Columns: ``what``, ``count``, ``of`` (what the count counts).
    """


@dataclass(frozen=True, slots=True, eq=False)
class EndValueTable(TableResult):
    """NDVI of bare ground and of full cover: one row for each vegetation type.

    Columns: ``type``, ``bare``, ``full``, ``bare_sd``, ``full_sd`` [1] and ``n``; in a study that
    names its types ``name``.
    """


@dataclass(frozen=True, slots=True, eq=False)
class CoverMap(MapResult):
    """Fractional cover: ``cover`` at peak season, mean of the recent years, and by year ``peak``.

    Variables: ``cover``, ``cover_sd`` (between years) [1], ``years`` (y, x); ``peak`` (year, y, x).
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw cover at peak season."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.cover_map(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class CoverSeries(TableResult):
    """Cover of single places in time.

    Columns: ``place``, ``time``, ``cover``, ``smooth`` with ``smooth_error`` (standard deviation of
    cover about it) and, where cover comes from it, ``ndvi`` [1].
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the series of up to six places, a panel for each."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.cover_series(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class SeasonMap(MapResult):
    """Growing seasons from greenness, or from temperature.

    Variables: ``start``, ``end``, from greenness also ``peak`` (year, y, x) [day of year] with
    their uncertainty, ``reason`` (a code of :data:`headwater.vegetation.phenology.REASONS`); and
    ``mean_start``, ``mean_end``, ``mean_peak`` [day of year], ``start_error`` (of the mean) [d],
    ``years`` (y, x).
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the mean start."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.season_map(self.data, "start", outline)

    def plot_peak(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the mean day of the peak."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.season_map(self.data, "peak", outline)

    def plot_end(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the mean end."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.season_map(self.data, "end", outline)


@dataclass(frozen=True, slots=True, eq=False)
class GrowthSeasons(TableResult):
    """Seasons by elevation band, or place, and year.

    Columns: ``zone``, ``year``, ``start``, ``peak``, ``end`` (from greenness) [day of year]; of
    bands also ``warm_start``, ``warm_end`` (from temperature) [day of year] and ``cells``; of
    places ``start_sd``, ``end_sd`` [d], ``amplitude`` [1], ``n`` (values of the year) and
    ``reason`` (why there is no start or end).
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the starts and ends of each band."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.band_seasons(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class ResponseMap(MapResult):
    """How cover answers soil water in each cell.

    Variables (y, x): ``form``, ``share`` (of the variance of cover anomalies that water explains)
    with ``share_low`` and ``share_high`` [1], ``memory`` [d], ``n``; by month ``effect``,
    ``slope``, ``intercept``, ``sigma``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the share that water explains."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.share_map(self.data, outline)

    def plot_effect(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw what much rather than little water does to cover, month by month."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.effect_maps(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class ResponseCurves(TableResult):
    """Response curves of parts of the area.

    Columns: ``by`` (type, elevation, area or place), ``zone``, ``month``, ``water`` [m3 m-3],
    ``cover``, ``low``, ``high`` [1], ``form``, ``memory``, ``cells``, ``years``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the curves by elevation, else by type, with their bands, a panel for each month."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.response_curves(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class CapacityMap(MapResult):
    """The densest cover that water carries, and the cover that is there.

    Variables (y, x): ``capacity``, ``low``, ``high`` (95 %), ``present`` [1], ``over`` (1 where
    what is there is denser than `low`), ``at_limit``.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw capacity and present cover next to each other."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.capacity_maps(self.data, outline)

    def plot_present(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw present cover against capacity with its interval."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.capacity_scatter(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class VegetationForecast(TableResult):
    """Cover and root-zone water 1 to 8 pentads ahead, with the skill that such forecasts had.

    Columns: as of :func:`headwater.vegetation.forecast.forecast_vegetation`, ``zone`` by name.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw a fan for each zone and quantity."""
        from headwater.vegetation import plots

        del outline
        with drawing_on(ax):
            return plots.forecast_fans(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class GradeMap(MapResult):
    """Degradation grades.

    Variables: as of :func:`headwater.vegetation.grade_degradation`, and ``degraded`` (probability
    of moderate or worse), ``of_grade`` (probability of the grade that is shown) [1]; where the
    weather was taken out ``damage_as_seen`` [%] with it left in, ``adjusted`` (0: too few years);
    ``trend``,
    ``trend_p``, ``state``, ``performance``, ``ldn`` (1: degraded by any of the three), where there
    are eight years.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the grades, with dots where the grade is uncertain."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.grade_map(self.data, outline)

    def plot_probability(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the probability of moderate degradation or worse."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.degraded_map(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class PlaceGrades(TableResult):
    """Degradation grades of single places.

    Columns: ``place``, ``baseline``, ``recent``, ``years_before``, ``years_after``, ``damage``
    (loss against the baseline, or 100 minus cover) with ``damage_low``, ``damage_high`` [%] (95 %),
    ``grade``, the probability of each grade ``p_none`` to ``p_severe`` [1], ``certain``,
    ``seasons`` (heavy or worse by themselves), ``reason`` (why there is no grade).

    Attributes
    ----------
    edges : tuple of float
        Damage at which the grades after the first begin [%].
    grades : tuple of str
        Grades of the profile, best first.
    basis : str
        What is graded, as of :class:`headwater.vegetation.profiles.GradeProfile`.
    """

    edges: tuple[float, ...] = ()
    grades: tuple[str, ...] = ()
    basis: str = "relative_loss"

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw damage with its interval, place by place, between the edges of the grades."""
        from headwater.vegetation import plots

        with drawing_on(ax):
            return plots.place_grades(self)
