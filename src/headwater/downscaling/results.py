"""What a downscaling found, as results that draw themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.figures import drawing_on
from headwater.results import TableResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Importance", "StationScores", "TwinSkill"]


@dataclass(frozen=True, slots=True, eq=False)
class Importance(TableResult):
    """Rise of the held-out error by predictor: ``predictor`` and ``rise`` [m3 m-3]."""

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw one bar a predictor."""
        from headwater.downscaling.plots import draw_importance

        with drawing_on(ax):
            return draw_importance(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class StationScores(TableResult):
    """A scorecard against stations without its pairs, as of ``Scorecard.data``."""

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw bias, unbiased RMSD and correlation of each group with their intervals."""
        from headwater.validation.plots import draw_forest

        with drawing_on(ax):
            return draw_forest(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class TwinSkill(TableResult):
    """Skill on synthetic truths, a row for each draw and method, as of ``TwinResult.data``."""

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw each measure of each method, one mark a draw."""
        from headwater.downscaling.plots import draw_twin

        with drawing_on(ax):
            return draw_twin(self.data)
