"""What the detectors return: tables and maps that can draw themselves, with the works they cite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from headwater.figures import drawing_on
from headwater.results import MapResult, TableResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.figures import Outline

__all__ = [
    "AssociationResult",
    "BENJAMINI1995",
    "ContrastResult",
    "EcologicalResult",
    "FISHER1958",
    "FactorResult",
    "HOLM1979",
    "InteractionResult",
    "OptimalResult",
    "PairSeriesResult",
    "RiskMaps",
    "RiskResult",
    "SONG2020",
    "SearchResult",
    "SeriesResult",
    "WAGNER2015",
    "WANG2010",
    "WANG2016",
]

WANG2010 = (
    "Wang, J. F., Li, X. H., Christakos, G., Liao, Y. L., Zhang, T., Gu, X., Zheng, X. Y. (2010). "
    "Geographical detectors-based health risk assessment and its application in the neural tube "
    "defects study of the Heshun region, China. International Journal of Geographical Information "
    "Science 24(1), 107-127. https://doi.org/10.1080/13658810802443457"
)
WANG2016 = (
    "Wang, J. F., Zhang, T. L., Fu, B. J. (2016). A measure of spatial stratified heterogeneity. "
    "Ecological Indicators 67, 250-256. https://doi.org/10.1016/j.ecolind.2016.02.052"
)
SONG2020 = (
    "Song, Y., Wang, J., Ge, Y., Xu, C. (2020). An optimal parameters-based geographical detector "
    "model enhances geographic characteristics of explanatory variables for spatial heterogeneity "
    "analysis: cases with different types of spatial data. GIScience & Remote Sensing 57(5), "
    "593-610. https://doi.org/10.1080/15481603.2020.1760434"
)
FISHER1958 = (
    "Fisher, W. D. (1958). On grouping for maximum homogeneity. Journal of the American "
    "Statistical Association 53, 789-798. https://doi.org/10.1080/01621459.1958.10501479"
)
HOLM1979 = (
    "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian "
    "Journal of Statistics 6(2), 65-70."
)
WAGNER2015 = (
    "Wagner, H. H., Dray, S. (2015). Generating spatially constrained null models for irregularly "
    "spaced data using Moran spectral randomization methods. Methods in Ecology and Evolution 6, "
    "1169-1178. https://doi.org/10.1111/2041-210X.12407"
)
BENJAMINI1995 = (
    "Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate: a practical and "
    "powerful approach to multiple testing. Journal of the Royal Statistical Society B 57(1), "
    "289-300. https://doi.org/10.1111/j.2517-6161.1995.tb02031.x"
)


@dataclass(frozen=True, slots=True, eq=False)
class FactorResult(TableResult):
    """q of each factor, strongest first.

    Columns: factor, q, q_adjusted, q_low, q_high, F, p_value, p_holm, n, strata, method, k,
    n_missing; after resampling p_permutation or p_spatial; of a detection also p_search and
    q_chance (:func:`headwater.detector.optimal_parameters.search_test`).
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw bars of q with the adjusted q, its interval, p and n."""
        from headwater.detector.plots import draw_factors

        with drawing_on(ax):
            return draw_factors(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class InteractionResult(TableResult):
    """q of each pair of factors crossed.

    Columns: factor_1, factor_2, q_1, q_2, q_12, tested (the class by tests), interaction (the
    published class), q_1_adjusted, q_2_adjusted, q_12_adjusted, beyond_best, beyond_sum, F,
    p_value, p_gain, p_nonadditive, n, cells, single_cells; after resampling blocks also
    beyond_best_low, …_high, beyond_sum_low, …_high.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the lower triangle of q with marks for the classes."""
        from headwater.detector.plots import draw_interactions

        with drawing_on(ax):
            return draw_interactions(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class OptimalResult(TableResult):
    """Every way of parting each factor that was tried, and the one chosen.

    Columns: factor, method, k, q, q_adjusted, q_cv, n, strata, smallest, breaks, refused, chosen.
    ``breaks`` are the limits from lowest to highest, separated by blanks, in full precision;
    ``refused`` is the reason why a candidate could not be chosen.
    """

    @property
    def best(self) -> pd.DataFrame:
        """The chosen rows, one for each factor."""
        return self.data[self.data["chosen"]].reset_index(drop=True)

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw q against the number of classes, a line for each method."""
        from headwater.detector.plots import draw_sweep

        with drawing_on(ax):
            return draw_sweep(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult(TableResult):
    """What chance reaches when the search for the best partition is repeated on it.

    Columns: factor, method, k, strata, n, q, q_adjusted, q_cv, p_fixed, p_search, q_chance, number,
    p_holm.
    """


@dataclass(frozen=True, slots=True, eq=False)
class RiskResult(TableResult):
    """Mean of the response in each stratum of each factor.

    Columns: factor, stratum, name, n, mean, sd, low, high, letters.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the means with their intervals, a panel for each factor."""
        from headwater.detector.plots import draw_risk

        with drawing_on(ax):
            return draw_risk(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class ContrastResult(TableResult):
    """Differences of the response between the strata of each factor.

    Columns: factor, name_1, name_2, difference, t, df, p_value, p_holm, p_fdr, n_1,
    n_2.
    """


@dataclass(frozen=True, slots=True, eq=False)
class EcologicalResult(TableResult):
    """Whether two factors differ in how well they explain the response.

    Columns: factor_1, factor_2, q_1, q_2, difference (of the adjusted q), low, high (its interval),
    F, p_value, p_holm, differ, n.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the matrix of the differences, those that a test shows in bold."""
        from headwater.detector.plots import draw_ecological

        with drawing_on(ax):
            return draw_ecological(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class AssociationResult(TableResult):
    """How alike the factors are.

    Columns: factor_1, factor_2, r, cramers_v, n.
    """


@dataclass(frozen=True, slots=True, eq=False)
class SeriesResult(TableResult):
    """q of each factor in each period.

    Columns: period, factor, rank, q, q_adjusted, q_low, q_high, p_value, p_search, q_chance, n,
    strata, method, k, p_lead.
    """

    @property
    def leaders(self) -> pd.DataFrame:
        """The first factor of each period."""
        return self.data[self.data["rank"] == 1].reset_index(drop=True)

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw q of each factor along the periods."""
        from headwater.detector.plots import draw_series

        with drawing_on(ax):
            return draw_series(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class PairSeriesResult(TableResult):
    """Pairs of factors in each period: what they explain together, and whether they differ.

    Columns: period, factor_1, factor_2, q_1, q_2, q_12, tested, interaction, beyond_best,
    p_gain, p_nonadditive, difference, p_ecological, p_holm, differ, n.
    """


@dataclass(frozen=True, slots=True, eq=False)
class RiskMaps(MapResult):
    """Maps by factor: ``<factor>_stratum`` and ``<factor>_mean``, the response's mean there."""

    def plot(self, ax: Axes | None = None, *, outline: Outline | None = None) -> Figure:
        """Draw the mean of the response by stratum, a map for each factor."""
        from headwater.detector.plots import draw_risk_maps

        with drawing_on(ax):
            return draw_risk_maps(self.data, outline)
