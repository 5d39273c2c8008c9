"""Results of the step "restoration": calendar, dry years, units and plan as tables that draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headwater.figures import drawing_on
from headwater.restoration.plan import PlanLine
from headwater.restoration.seasons import DryYears
from headwater.results import TableResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from shapely.geometry.base import BaseGeometry

__all__ = [
    "DryYearTable",
    "PlanTable",
    "UnitTable",
    "WorkCalendar",
    "dry_year_frame",
    "unit_frame",
]


@dataclass(frozen=True, slots=True, eq=False)
class WorkCalendar(TableResult):
    """Days of work by altitude band and aspect.

    Of :func:`headwater.restoration.work_calendar.calendar_table`.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw windows of work by altitude.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw.
        """
        from headwater.restoration.plots import draw_calendar

        with drawing_on(ax):
            return draw_calendar(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class DryYearTable(TableResult):
    """How early the window closed in each year, and how wet the year was.

    ``data.attrs`` has ``shift``, ``lower``, ``upper`` [d], ``level`` and ``p_value``.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the closing of the window against the water of the year.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw.
        """
        from headwater.restoration.plots import draw_dry_years

        with drawing_on(ax):
            return draw_dry_years(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class UnitTable(TableResult):
    """Management units with outline (WKT, longitude and latitude), grade, priority and water."""

    def plot(self, ax: Axes | None = None, *, area: BaseGeometry | None = None) -> Figure:
        """Draw the units on a map.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw.
        area : geometry, optional
            Outline of the study area, in degrees.
        """
        from headwater.restoration.plots import draw_units

        with drawing_on(ax):
            return draw_units(self.data, area=area)


@dataclass(frozen=True, slots=True, eq=False)
class PlanTable(TableResult):
    """The work plan, a row for each measure of each unit."""

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw priorities of units, by grade.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw.
        """
        from headwater.restoration.plots import draw_priorities

        with drawing_on(ax):
            return draw_priorities(self.data)


def dry_year_frame(found: DryYears) -> pd.DataFrame:
    """Write :class:`headwater.restoration.seasons.DryYears` as a table.

    Parameters
    ----------
    found : DryYears

    Returns
    -------
    DataFrame
        ``year``, ``wetness`` [standard deviations], ``departure`` [d], ``dry``, ``n``.
    """
    table = pd.DataFrame(
        {
            "year": found.years,
            "wetness": found.wetness,
            "departure": found.departure,
            "dry": found.dry,
            "n": found.n,
        }
    )
    table.attrs["units"] = {"departure": "d", "wetness": "1", "n": "1"}
    names = ("shift", "lower", "upper", "level", "p_value")
    values = {name: float(getattr(found, name)) for name in names}
    table.attrs |= {name: value if np.isfinite(value) else None for name, value in values.items()}
    return table


def unit_frame(lines: Sequence[PlanLine]) -> pd.DataFrame:
    """Write the units of a plan as a table.

    Parameters
    ----------
    lines : sequence of PlanLine

    Returns
    -------
    DataFrame
        ``unit``, ``hectares``, ``grade``, ``confidence``, ``priority``, ``state``, ``elevation``,
        ``slope``, ``aspect``, ``cover``, ``capacity``, ``capacity_lower``, ``coming_water``,
        ``outline`` (WKT; empty where there is none).
    """
    rows = []
    for line in lines:
        unit, site = line.unit, line.unit.site
        rows.append(
            {
                "unit": unit.name,
                "hectares": unit.hectares,
                "grade": site.grade,
                "confidence": line.advice.confidence,
                "priority": line.priority,
                "state": line.state,
                "elevation": site.elevation,
                "slope": site.slope,
                "aspect": unit.aspect,
                "cover": site.cover,
                "capacity": site.capacity,
                "capacity_lower": site.capacity_lower,
                "coming_water": unit.coming_water,
                "outline": "" if unit.outline is None else unit.outline.wkt,
            }
        )
    table = pd.DataFrame(rows)
    table.attrs["units"] = {"hectares": "ha", "elevation": "m", "slope": "degree"}
    table.attrs["units"] |= {"aspect": "degree"}
    return table
