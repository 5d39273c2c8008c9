"""What this room hands to the report: tables that draw themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headwater.figures import drawing_on
from headwater.isotopes.lines import WaterLine
from headwater.results import TableResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "AuditReport",
    "CrossingTable",
    "GroupTests",
    "LineTable",
    "QualityReport",
    "SampleSummary",
    "SampleTable",
    "SlopeTests",
]


@dataclass(frozen=True, slots=True, eq=False)
class SampleTable(TableResult):
    """Samples as read: the columns of the contract; the index is the row number in the file."""

    def plot(self, ax: Axes | None = None, **lines: Any) -> Figure:
        """Draw the dual-isotope plot."""
        from headwater.isotopes import plots

        with drawing_on(ax):
            return plots.draw_dual_isotope(self.data, **lines)


@dataclass(frozen=True, slots=True, eq=False)
class QualityReport(TableResult):
    """Doubts about samples, one row per doubt.

    Columns: ``row``, ``sample_id``, ``rule``, ``severity`` (error or doubt), ``column``,
    ``value``, ``reason``.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw how many doubts each rule raised."""
        from headwater.isotopes import plots

        with drawing_on(ax):
            return plots.draw_doubts(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class SampleSummary(TableResult):
    """Means by group.

    Columns: the groups, ``group``, ``n``, then for each of d18O, d2H, d_excess (and lc_excess,
    lc_excess_normalised with a line): ``<name>_mean``, ``<name>_sd``, ``<name>_se``, ``<name>_n``;
    ``covariance`` of the two isotopes [‰²]; ``d_excess_error`` from the analytical errors.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the means with their 95 % intervals."""
        from headwater.isotopes import plots

        with drawing_on(ax):
            return plots.draw_summary(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class GroupTests(TableResult):
    """Differences between groups.

    Columns: the groups held fixed, ``group_a``, ``group_b`` ("all groups" and empty for the test
    of all at once), ``n_a``, ``n_b``, ``difference``, ``low``, ``high``, ``p_mean`` and
    ``p_mean_holm`` (Welch), ``p_rank`` and ``p_rank_holm`` (Kruskal-Wallis, Mann-Whitney).
    """


@dataclass(frozen=True, slots=True, eq=False)
class LineTable(TableResult):
    """Water lines by group: the groups, then the fields of a :class:`WaterLine`, and ``status``."""

    def lines(self) -> tuple[WaterLine, ...]:
        """Return the lines that could be fitted."""
        fitted = self.data[self.data["status"] == "ok"]
        return tuple(WaterLine.from_row(dict(row)) for _, row in fitted.iterrows())

    def plot(self, ax: Axes | None = None, *, lmwl: WaterLine | None = None) -> Figure:
        """Draw slopes with their 95 % intervals, and the meteoric slope with them."""
        from headwater.isotopes import plots

        with drawing_on(ax):
            return plots.draw_slopes(self.data, lmwl)


@dataclass(frozen=True, slots=True, eq=False)
class SlopeTests(TableResult):
    """Are slopes equal? The test of all first, then pairs.

    Columns: ``group_a``, ``group_b``, ``difference``, ``low``, ``high``, ``statistic``,
    ``dof_1``, ``dof_2``, ``p``, ``p_holm``.
    """


@dataclass(frozen=True, slots=True, eq=False)
class CrossingTable(TableResult):
    """Where evaporation lines leave the meteoric line, one row per line.

    Columns: ``label``, then the fields of a :class:`~headwater.isotopes.intersection.Crossing`.
    """


@dataclass(frozen=True, slots=True, eq=False)
class AuditReport(TableResult):
    """What cannot be true in summary tables, one row per finding.

    Columns: ``rule`` (A1-A12), ``severity`` (impossible or doubtful), ``table``, ``label``,
    ``period``, ``quantity``, ``printed``, ``consistent`` (what would make it consistent),
    ``reason``.

    Attributes
    ----------
    checked : dict of str to int
        How many values each rule looked at.
    """

    checked: dict[str, int] = field(default_factory=dict)

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the audit panel."""
        from headwater.isotopes import plots

        with drawing_on(ax):
            return plots.draw_audit(self.data, self.checked)
