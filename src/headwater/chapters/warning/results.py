"""What the step "warning" returns: states, drought, a timeline, alerts and their evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.figures import drawing_on
from headwater.results import MapResult, TableResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = ["AlertTable", "DroughtMap", "EvidenceTable", "RainSeasons", "StateMap", "Timeline"]


@dataclass(frozen=True, slots=True, eq=False)
class StateMap(MapResult):
    """Where each cell stands on the ladder.

    (y, x): ``state`` (code of ``warning.ladder.STATES``; -1 no model), ``reason`` (code of
    ``warning.baseline.REASONS``), ``shown`` (1: stands out on the map, with the set share of false
    ones), ``p``, ``since``, ``first_watch`` and ``confirmed`` (days since 1970, NaN: never) [d],
    ``loss`` (observed less expected, mean of the last season watched), ``water_part`` (what soil
    water added in that season, relative to its mean), ``n``, ``memory``; (season, y, x):
    ``season_state``, at the end of each season watched.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the states at the end of the record, those that stand out on the map."""
        from headwater.chapters.warning import figures

        with drawing_on(ax):
            return figures.state_map(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class DroughtMap(MapResult):
    """Drought by soil water.

    ``days`` (season, y, x) on which a drought was on [d]; (y, x): ``percentile`` and
    ``drought_class`` of the last pentad in a growing season, ``ssi`` of the last month where there
    are ten years.
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the days of drought of each season."""
        from headwater.chapters.warning import figures

        with drawing_on(ax):
            return figures.drought_panels(self.data, outline)


@dataclass(frozen=True, slots=True, eq=False)
class Timeline(TableResult):
    """Share of cells in each state, by date.

    Columns: ``date``, ``quantity`` (degradation, drought), ``state``, ``share``, ``n`` (cells with
    a model).
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the shares through time."""
        from headwater.chapters.warning import figures

        with drawing_on(ax):
            return figures.timeline(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class RainSeasons(TableResult):
    """Growing seasons by how dry their rain was.

    Columns: ``season``, ``index`` (least standardised index of its months, mean rain of the area),
    ``month`` (of that index), ``share_of_usual`` (rain of the months behind it; with a demand,
    ``balance_mm`` and ``usual_mm``, rain less demand of these months), ``p`` (share of
    seasons that are as dry), ``dry``, ``cells_dry`` (share of the cells that are dry by their own
    rain), ``n`` (seasons compared).
    """


@dataclass(frozen=True, slots=True, eq=False)
class AlertTable(TableResult):
    """Groups of neighbouring cells that stand out, the largest first.

    Columns: ``alert``, ``state``, ``cells``, ``area`` [km2], ``x``, ``y``, ``first_watch``,
    ``confirmed`` (dates, empty: not), ``loss``, ``loss_share`` (of what was expected),
    ``water_part``, ``p`` (largest of its cells), ``n`` (observations of the history, fewest).
    """


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceTable(TableResult):
    """Series behind the largest alerts, means of their cells.

    Columns: ``alert``, ``date``, ``observed``, ``expected``, ``low``, ``high`` (95 % of single
    observations of a healthy cell), ``statistic`` as a share of the threshold, ``n`` (cells
    observed).
    """

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw observed and expected values of each alert, and the chart below."""
        from headwater.chapters.warning import figures

        with drawing_on(ax):
            return figures.evidence(self.data)
