"""What the mixing models hand to the report: tables that draw themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headwater.figures import drawing_on
from headwater.results import TableResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BoundsTable",
    "EmmaResult",
    "EvaporatedSourceTable",
    "Identifiability",
    "MixLikelihood",
    "MixingPosterior",
    "MixingTable",
    "PolygonTable",
    "PosteriorDraws",
]


@dataclass(frozen=True, slots=True, eq=False)
class MixingTable(TableResult):
    """Fractions in closed form, one row per mixture and source.

    Columns: ``mixture``, ``source``, ``fraction`` (between 0 and 1), ``sd``, ``low``, ``high``,
    ``unconstrained``, ``n``, ``tracers``, ``distance`` (of the nearest mixture, in standard
    deviations), ``status`` (ok, outside the polygon, held by a cap, too few tracers).
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw fractions with their intervals."""
        from headwater.isotopes.mixing.plots import draw_fractions

        with drawing_on(ax):
            return draw_fractions(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class BoundsTable(TableResult):
    """What fractions are possible at all, one row per mixture and source.

    Columns: ``mixture``, ``source``, ``low``, ``high``, ``status``.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the ranges."""
        from headwater.isotopes.mixing.plots import draw_fractions

        with drawing_on(ax):
            return draw_fractions(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class PolygonTable(TableResult):
    """Whether a mixture can be made of the sources at all, one row per mixture.

    Columns: ``mixture``, the tracers, ``probability`` (share of simulated polygons that hold it),
    ``status``, ``rows``.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Identifiability(TableResult):
    """How well the sources can be distinguished.

    Columns: ``measure``, ``value``, ``verdict`` (good, weak, bad), ``sentence``.
    """

    def __str__(self) -> str:
        return "\n".join(self.data["sentence"])


@dataclass(frozen=True, slots=True, eq=False)
class EmmaResult(TableResult):
    """End-member mixing analysis: one row per component.

    Columns: ``component``, ``eigenvalue``, ``explained``, ``cumulative``, ``broken_stick``,
    ``parallel`` (95th percentile of noise).

    Attributes
    ----------
    ranks : dict of str to int
        What each criterion says; ``residual structure`` among them.
    fit : DataFrame
        Hooper's diagnostics: ``rank``, ``tracer``, ``bias`` [%], ``rrmse`` [%],
        ``rmse_over_mean`` [%], ``r2`` and ``p`` of the residual against the concentration.
    scores : DataFrame
        Samples in the mixing space.
    """

    ranks: dict[str, int] = field(default_factory=dict)
    fit: Any = None
    scores: Any = None

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw eigenvalues with their criteria, and samples in the mixing space."""
        from headwater.isotopes.mixing.plots import draw_emma

        with drawing_on(ax):
            return draw_emma(self)


@dataclass(frozen=True, slots=True, eq=False)
class MixLikelihood(TableResult):
    """Fractions with end members that were estimated too, one row per mixture and source.

    Columns: ``mixture``, ``source``, ``fraction``.

    Attributes
    ----------
    sources : DataFrame
        ``source``, ``tracer``, ``measured``, ``estimated``, ``sd``, ``shift`` [sd].
    objective : float
        Half the weighted sum of squares at the optimum [1].
    """

    sources: Any = None
    objective: float = float("nan")

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw fractions."""
        from headwater.isotopes.mixing.plots import draw_fractions

        with drawing_on(ax):
            return draw_fractions(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class MixingPosterior(TableResult):
    """Posterior fractions, one row per group and source.

    Columns: ``mixture``, ``source``, ``fraction`` (mean), ``sd``, ``low``, ``median``, ``high``,
    ``n``, ``effective_draws``, ``pareto_k``, ``status``.

    Attributes
    ----------
    draws : array of shape (G, S, K)
        Equally weighted draws of the fractions; NaN where the engine refuses.
    parameters : DataFrame
        The residual parameters: ``mixture``, ``tracer``, ``parameter``, ``mean``, ``sd``.
    """

    draws: Any = None
    parameters: Any = None

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw fractions with their intervals."""
        from headwater.isotopes.mixing.plots import draw_fractions

        with drawing_on(ax):
            return draw_fractions(self.data)

    def difference(self, first: str, second: str) -> Any:
        """Return the difference of two groups, one row per source.

        Columns: ``source``, ``difference`` (first - second), ``sd``, ``low``, ``high``,
        ``probability`` (that the first is larger).
        """
        import numpy as np
        import pandas as pd

        labels = list(dict.fromkeys(self.data["mixture"]))
        gap = self.draws[labels.index(first)] - self.draws[labels.index(second)]
        low, high = np.quantile(gap, [0.025, 0.975], axis=0)
        return pd.DataFrame(
            {
                "source": list(dict.fromkeys(self.data["source"])),
                "difference": gap.mean(axis=0),
                "sd": gap.std(axis=0),
                "low": low,
                "high": high,
                "probability": (gap > 0.0).mean(axis=0),
            }
        )


@dataclass(frozen=True, slots=True, eq=False)
class PosteriorDraws(TableResult):
    """Equally weighted draws of the fractions, one row per draw.

    Columns: one for each source [1], ``label`` and ``period`` of the group.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the posterior densities of the fractions."""
        from headwater.isotopes.mixing.posterior_plots import draw_densities

        with drawing_on(ax):
            return draw_densities(self.data)

    def plot_matrix(self) -> Figure:
        """Draw densities, pairs and correlations of the fractions."""
        from headwater.isotopes.mixing.posterior_plots import draw_matrix

        return draw_matrix(self.data)

    def plot_triangles(self, means: Any = None) -> Figure:
        """Draw the fractions of three sources in triangles."""
        from headwater.isotopes.mixing.posterior_plots import draw_triangles

        return draw_triangles(self.data, means)


@dataclass(frozen=True, slots=True, eq=False)
class EvaporatedSourceTable(TableResult):
    """Where evaporated water came from, one row per sample or group and quantity.

    Columns: ``sample``, ``quantity`` (d18O, d2H of the source, slope, enrichment), ``mean``,
    ``sd``, ``low``, ``median``, ``high``, ``n``, ``effective_draws``, ``pareto_k``, ``status``.
    """
