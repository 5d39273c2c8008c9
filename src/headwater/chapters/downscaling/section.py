"""The chapter "Downscaling": the finer soil moisture, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock

if TYPE_CHECKING:
    from headwater.figures import Outline
    from headwater.grids.area import Area
    from headwater.results import Result

__all__ = ["make_section"]


_SHOWN = ("bias", "rmsd", "ubrmsd", "pearson", "spearman", "within_cell_r", "g_down")
"""Measures of the scorecard that stand on the page; the table next to it has all."""


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        ``maps``, ``scores``, ``importance``, ``closure``; ``noise`` and ``parameters`` where there
        are any; with twins ``twin`` and ``intervals``; with stations ``stations``.
    outline : Area or None
        The study area, in the reference system of the maps.

    Returns
    -------
    Section
    """
    maps = results["maps"]
    return Section(
        name="downscaling",
        title="Downscaled soil moisture",
        headline=tuple(_headline(results)),
        blocks=tuple(_blocks(results, outline)),
        methods=(maps.method,),
    )


def _headline(results: Mapping[str, Result]) -> Iterator[str]:
    closure = results["closure"].data.iloc[0]
    yield from (text for text in results["maps"].cautions if text.startswith("The predictors add"))
    if "twin" in results:
        twin = results["twin"].data
        means = twin.groupby("method")[["rmse", "r_within", "coverage"]].mean()
        own = means.loc["pipeline"]
        yield (
            "On synthetic truths with this study's own geometry and predictors the error of a cell "
            f"and day is {own['rmse']:.3f} m³ m⁻³ (RMSE; {means.loc['nearest', 'rmse']:.3f} of the "
            f"nearest cell, {means.loc['bilinear', 'rmse']:.3f} of bilinear interpolation), and "
            "within coarse cells R = "
            f"{own['r_within']:.2f}. Expect this, not the agreement with the coarse input."
        )
        yield (
            f"Intervals hold {own['coverage']:.0%} of the true values of twins that did not take "
            f"part in their calibration. {results['twin'].cautions[0]}"
        )
    else:
        yield "No twin was asked for: the error at the fine scale is not known."
    if "stations" in results:
        yield from _judged(results["stations"].data)
    yield (
        f"Averaged over coarse cells the product departs from the observations by "
        f"{closure['rmse']:.3f} m³ m⁻³ (RMSE, n = {int(closure['n'])}), their noise included; that "
        "says little of the fine scale."
    )


def _judged(table: Any) -> Iterator[str]:
    whole = table[(table["grouping"] == "all") & (table["series"] == "raw")].set_index("measure")
    rmsd, r = whole.loc["rmsd"], whole.loc["pearson"]
    yield (
        f"Against {int(rmsd['stations'])} stations that took no part in it the product has RMSD "
        f"{rmsd['value']:.3f} m³ m⁻³ and R {r['value']:.2f} (means of stations, n = "
        f"{int(rmsd['n'])}); a station is a point, so part of that is not the product's."
    )


def _blocks(results: Mapping[str, Result], outline: Outline | None) -> Iterator[Block]:
    yield from _map_blocks(results["maps"].data, outline)
    if "twin" in results:
        twin: Any = results["twin"].data
        yield FigureBlock(
            "twin",
            results["twin"].plot,
            f"Skill on {twin['draw'].nunique()} synthetic truths, one mark each. Oracle: a forest "
            "trained on the fine truth itself, with the same predictors free of most noise; the "
            "room between is what coarse data cannot resolve.",
            "Skill of nearest cell, this pipeline and oracle.",
        )
        yield TableBlock("twin", twin, "Skill on each synthetic truth.")
        yield TableBlock(
            "intervals",
            results["intervals"].data,
            "Factors by which standard errors become intervals, by season and size.",
        )
    if "stations" in results:
        yield from _station_blocks(results["stations"])
    yield FigureBlock(
        "importance",
        results["importance"].plot,
        "What the learners lean on: rise of the held-out error when a predictor is shuffled.",
        "Bars of predictor importance.",
        wide=False,
    )
    yield from _tables(results)


def _station_blocks(result: Result) -> Iterator[Block]:
    reported = (
        "Agreement with stations that took no part in the product: those that are written to the "
        "map would praise themselves."
    )
    yield FigureBlock(
        "stations",
        result.plot,
        f"{reported} Marks with 95 % intervals that know of autocorrelation.",
        "Bias, unbiased RMSD and correlation at each station with intervals.",
    )
    table: Any = result.data
    columns = ["group", "measure", "value", "low", "high", "n", "n_effective", "unit"]
    raw = table[(table["series"] == "raw") & table["measure"].isin(_SHOWN)]
    own = raw[raw["grouping"].isin(["all", "season", "station"])]
    yield TableBlock("stations", own[columns].reset_index(drop=True), reported)


def _map_blocks(maps: Any, outline: Outline | None) -> Iterator[Block]:
    from headwater.grids.plots import map_figure

    yield FigureBlock(
        "mean",
        partial(map_figure, maps["mean"], quantity="soil_moisture", outline=outline),
        "Mean of the downscaled soil moisture over up to "
        f"{int(maps['n'].max())} days with a value.",
        "Map of mean downscaled soil moisture.",
    )
    for name, words in (("bilinear", "bilinear interpolation"), ("nearest", "the nearest cell")):
        if name in maps:
            yield FigureBlock(
                name,
                partial(map_figure, maps[name], quantity="soil_moisture", outline=outline),
                f"What anyone has without a model: the mean of {words} over the same days.",
                f"Map of mean soil moisture by {words}.",
            )
    if "error" in maps:
        yield FigureBlock(
            "error",
            partial(map_figure, maps["error"], outline=outline),
            "Standard error of one day, root mean square over the days: of the residual field and, "
            "from the twins, of the learner.",
            "Map of the standard error of daily soil moisture.",
        )
    yield FigureBlock(
        "observed",
        partial(map_figure, maps["observed"], outline=outline),
        "Share of days on which a coarse cell over the pixel was observed; the days between are "
        "filled by the same model and marked in the layer days_to_observation.",
        "Map of the share of observed days.",
    )


def _tables(results: Mapping[str, Result]) -> Iterator[Block]:
    words = {
        "scores": "Agreement with the coarse observations. It never sees a pixel, and says little "
        "of the error at the fine scale.",
        "coverage": "Pixels of the study area with and without a value, by reason; the layer "
        "reason of the product maps them.",
        "closure": "Coarse means of the product against the coarse observations.",
        "noise": "Noise that training added to coarse predictors, to make them err as fine ones.",
        "parameters": "Covariance of the residual field: retrieval noise, bias of cells, and the "
        "components that were found, with their length and memory.",
    }
    for name, caption in words.items():
        if name in results:
            yield TableBlock(name, results[name].data, caption)
    if "parameters" not in results:
        yield TextBlock("Residuals were not modelled, so no covariance was estimated.")
