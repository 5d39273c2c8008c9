"""The chapter "Where the water came from": samples, lines, crossings, mixing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from headwater.chapters.samples import figures, mixing_figures, site_figures
from headwater.report.section import Block, FigureBlock, Section, TableBlock, TextBlock

if TYPE_CHECKING:
    from headwater.grids.area import Area
    from headwater.results import Result

__all__ = ["make_section"]

_PLACE = ["grouping", "label", "period"]
_FIT = ["slope", "slope_se", "intercept", "intercept_se", "r2", "n"]
_LINE = [
    "slope",
    "slope_se",
    "slope_low",
    "slope_high",
    "intercept",
    "intercept_se",
    "r2",
    "rmse",
    "n",
]
_MOST_LINES = 6


def make_section(results: Mapping[str, Result], outline: Area | None) -> Section:
    """Compose the chapter.

    Parameters
    ----------
    results : mapping of Result
        Of the step ``samples``; only ``table``, ``quality``, ``waters`` and ``summary`` are always
        there.
    outline : Area or None
        The study area, drawn around the sites.

    Returns
    -------
    Section
    """
    results = {name: _whole(result) for name, result in results.items()}
    return Section(
        name="samples",
        title="Where the water came from",
        headline=tuple(_headline(results)),
        blocks=(
            *_site_blocks(results, outline),
            *_sample_blocks(results),
            *_line_blocks(results),
            *_crossing_blocks(results),
            *_mixing_blocks(results),
            *_quality_blocks(results),
        ),
        methods=_once(one.method for one in results.values()),
    )


def _whole(result: Any) -> Any:
    """Give groups without a period an empty one: in a CSV it is the same as a missing one."""
    if "period" not in result.data:
        return result
    data = result.data.assign(period=result.data["period"].astype(object).fillna(""))
    data.attrs = dict(result.data.attrs)
    return replace(result, data=data)


def _once(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_sentence(text) for text in texts if text))


def _sentence(text: str) -> str:
    """Begin with a capital, but for a quantity's own letter, and end with a full stop."""
    first = text[:1] if text[:1] in "δα" or text[:2].endswith("-") else text[:1].upper()
    return f"{first}{text[1:]}".rstrip(".") + "."


def _headline(results: Mapping[str, Result]) -> Iterator[str]:
    waters: pd.DataFrame = results["waters"].data
    kinds = ", ".join(f"{row['n']} of {_words(row['water'])}" for row in waters.to_dict("records"))
    yield f"{int(waters['n'].sum())} samples with isotopes were used: {kinds}."
    if "verdicts" in results:
        table: pd.DataFrame = results["verdicts"].data
        mixed = int(table["verdict"].str.startswith("mixing").sum())
        steep = int(table["verdict"].str.startswith("steep").sum())
        low, high, seasonal = table.attrs["envelope"]
        yield (
            f"Of {len(table)} fitted lines (slopes {table['slope'].min():.2f} to "
            f"{table['slope'].max():.2f}), {len(table) - mixed - steep} can be lines of "
            f"evaporation (slopes {low:.1f} to {high:.1f}), {steep} only with seasonal vapour (up "
            f"to {seasonal:.1f}), and {mixed} join waters of different seasons."
        )
    if "mixing" in results:
        yield from _mixing_headline(results["mixing"].data)


def _mixing_headline(table: pd.DataFrame) -> Iterator[str]:
    there = table["fraction"].notna() & ~table["status"].astype(str).str.startswith("absent")
    whole = table[(table["grouping"] == "all") & there]
    for key, rows in whole.groupby(["label", "period"], sort=False):
        label, period = map(str, key)
        shares = ", ".join(
            f"{row['source']} {_percent(row['fraction'])} ({100 * row['low']:.0f} to "
            f"{_percent(row['high'])})"
            for row in rows.sort_values("fraction", ascending=False).to_dict("records")
        )
        of = "" if label == "all" else f" of {_words(label)}"
        place = f"{period}{of}" if period else (f"All samples{of}" if not of else _title(label))
        yield f"{place}: {shares}; 95 % intervals, n = {int(rows['n'].iloc[0])}."


def _site_blocks(results: Mapping[str, Result], outline: Area | None) -> Iterator[Block]:
    """Show where waters were taken, where coordinates are known."""
    table: pd.DataFrame = results["table"].data
    if {"longitude", "latitude"} <= set(table) and table["longitude"].notna().any():
        known = int(table[["longitude", "latitude"]].notna().all(axis=1).sum())
        yield FigureBlock(
            "sites",
            partial(site_figures.draw_sites, table, outline),
            f"Where {known} of {len(table)} samples were taken; larger marks hold more samples.",
            "Map of sampling sites by water.",
        )


def _sample_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    samples, waters, summary = results["table"], results["waters"].data, results["summary"]
    n = int(samples.data[["d18O", "d2H"]].notna().all(axis=1).sum())
    if n:
        yield FigureBlock(
            "dual-isotope",
            partial(_dual_isotope, results),
            f"δ²H against δ¹⁸O of {n} samples with the global and the local meteoric water line "
            "and the lines of the waters that are described.",
            "Waters in the plane of the two isotopes.",
        )
    yield TableBlock(
        "waters",
        _lean(waters),
        "All waters: mean, standard deviation (sd), standard error (se) and number of values (n).",
        4,
    )
    if n:
        yield _box_figure(samples.data)
    if len(summary.data) > 1:
        yield FigureBlock(
            "means",
            partial(figures.draw_means_by_group, summary.data),
            f"Means by group and period with 95 % intervals; {int(summary.data['n'].min())} to "
            f"{int(summary.data['n'].max())} samples each, taken as independent.",
            "Means of δ¹⁸O, δ²H, d-excess and lc-excess by group and period.",
        )
    yield TableBlock("table-1", _lean(summary.data), "Means by group and period.", 4)
    if "excess" in results:
        words = "Regression of d-excess on δ¹⁸O by group, of all periods and of each."
        yield TableBlock("excess", _pick(results["excess"].data, [*_PLACE, *_FIT]), words)
    if "tests" in results:
        tests: pd.DataFrame = results["tests"].data
        whole = tests[tests["group_a"] == "all groups"]
        columns = ["compared", "quantity", "within", "n_a", "p_mean", "p_rank"]
        yield TableBlock(
            "tests",
            whole[columns].rename(columns={"n_a": "n"}).reset_index(drop=True),
            "Whether groups or periods differ: Welch's analysis of variance (p mean) and "
            "Kruskal-Wallis (p rank). All pairs are in samples/tests.csv of the results.",
        )


def _box_figure(table: pd.DataFrame) -> FigureBlock:
    return FigureBlock(
        "boxes",
        partial(site_figures.draw_boxes, table),
        "Isotopes of each water: boxes hold the middle half of samples, whiskers reach 1.5 times "
        "as far, points lie beyond; n: samples.",
        "Box plots of isotopes by water.",
    )


def _lean(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out what is empty, said twice, or only of use to a machine."""
    apart = [name for name in ("group", "covariance") if name in table]
    normalised = [str(c) for c in table if str(c).startswith("lc_excess_normalised")]
    apart += [name for name in normalised if not name.endswith("_mean")]
    lean = table.drop(columns=apart).dropna(axis=1, how="all")
    if "period" in lean and not lean["period"].astype(bool).any():
        lean = lean.drop(columns="period")
    lean.attrs = dict(table.attrs)
    return lean


def _dual_isotope(results: Mapping[str, Result]) -> Any:
    samples: Any = results["table"]
    given: dict[str, Any] = {}
    if "meteoric" in results:
        given["lmwl"] = results["meteoric"].lines()[0]  # type: ignore[attr-defined]
    if "lines" in results:
        lines: Any = results["lines"]
        whole = lines.data[lines.data["grouping"] == "all"].head(_MOST_LINES)
        named = replace(lines, data=whole.assign(label=whole["group"].replace("", "all")))
        given["lines"] = named.lines()
    if "crossings" in results:
        points: pd.DataFrame = results["crossings"].data
        given["crossings"] = points[points["grouping"] == "all"].head(_MOST_LINES)
    table = samples.data.assign(water=samples.data["water"].fillna("unknown"))
    return replace(samples, data=table).plot(**given)


def _line_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "lines" not in results:
        yield TextBlock(
            "No water lines: fewer than three of the described samples have both isotopes."
        )
        return
    lines: pd.DataFrame = results["lines"].data
    if "meteoric" in results:
        words = (
            "Local meteoric water line, and what other estimators make of the same samples (PW: "
            "weighted by precipitation)."
        )
        columns = ["method", "used", *_LINE]
        yield TableBlock("meteoric", _pick(results["meteoric"].data, columns), words)
    if (lines["status"] == "ok").sum() > 1:
        yield _line_figure(results, lines[lines["status"] == "ok"])
        yield from _panel_blocks(results, lines[lines["status"] == "ok"])
    columns = [*_PLACE, *_LINE, "status"]
    yield TableBlock("table-2", _pick(lines, columns), "Water lines δ²H = slope δ¹⁸O + intercept.")
    if "slopes" in results:
        tests: pd.DataFrame = results["slopes"].data
        whole = tests[tests["group_a"] == "all groups"]
        columns = ["compared", "within", "statistic", "dof_1", "dof_2", "p"]
        words = "Analysis of covariance: whether the lines of groups or periods are parallel (F)."
        yield TableBlock("slopes", _pick(whole, columns), words)


def _line_figure(results: Mapping[str, Result], fitted: pd.DataFrame) -> FigureBlock:
    points, lmwl, envelope = None, None, None
    caption = "Slopes of the lines by group and period, with 95 % intervals."
    if "crossings" in results:
        points = results["crossings"].data
        first = results["meteoric"].data.iloc[0]
        lmwl = float(first["slope"]), float(first["slope_se"])
        envelope = tuple(results["verdicts"].data.attrs["envelope"])
        low, high, seasonal = envelope
        caption += (
            f" Green: what evaporation alone can draw ({low:.1f} to {high:.1f}); orange: with "
            f"vapour that hardly follows the rain (to {seasonal:.1f}). Below: where the lines "
            "cross the meteoric one, by Fieller; hollow: near-parallel or no line of evaporation; "
            "intervals beyond the frame are cut."
        )
    return FigureBlock(
        "lines",
        partial(figures.draw_lines_by_group, fitted, points, lmwl, envelope),
        caption,
        "Slopes of water lines and their crossings by group and period.",
    )


def _panel_blocks(results: Mapping[str, Result], fitted: pd.DataFrame) -> Iterator[Block]:
    """Draw the lines of each grouping over the samples that they describe."""
    table: pd.DataFrame = results["table"].data
    soil = table["water"] == "soil"
    described = table[soil] if soil.any() else table
    lmwl: Any = results["meteoric"].lines()[0] if "meteoric" in results else None  # type: ignore[attr-defined]
    for grouping in site_figures.group_columns(fitted, described):
        yield FigureBlock(
            f"lines-{grouping.replace('_', '-')}",
            partial(site_figures.draw_lines_in_panels, described, fitted, grouping, lmwl),
            f"Samples and their lines by {_words(grouping)}; numbers: slope and n of each line.",
            f"Water lines in panels by {_words(grouping)}.",
        )


def _crossing_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "crossings" not in results:
        return
    table: pd.DataFrame = results["crossings"].data
    usable = int(((table["status"] == "ok") & ~table["verdict"].str.startswith("mixing")).sum())
    yield TextBlock(
        "Where a line of evaporation leaves the meteoric line stands the water before it "
        f"evaporated, if the line is one of evaporation. Here {usable} of {len(table)} crossings "
        "may be read so; a line steeper than evaporation joins waters of different seasons, and "
        "its crossing is no source. The initial water below does not depend on fitted slopes: it "
        "follows the slopes that evaporation has in the stated climates."
    )
    points = ["d18O", "d18O_low", "d18O_high", "boot_low", "boot_high", "d2H", "d2H_sd"]
    yield TableBlock(
        "crossings",
        _pick(table, [*_PLACE, "n", *points, "slope_gap", "status", "verdict"]),
        "Crossings: δ¹⁸O with intervals by Fieller (low, high) "
        "and by bootstrap (boot), δ²H, and what the line is.",
    )
    if "initial" in results:
        initial: pd.DataFrame = results["initial"].data
        shown = initial[initial["quantity"].isin(["d18O", "d2H", "enrichment"])]
        yield TableBlock(
            "initial",
            _pick(shown, [*_PLACE, "quantity", "mean", "sd", "low", "high", "n"]),
            "Water before evaporation on the meteoric line "
            "(δ¹⁸O, δ²H) and enrichment since, in ‰, along slopes that evaporation can have.",
        )


def _mixing_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "mixing" not in results:
        return
    if "identifiability" in results:
        found: pd.DataFrame = results["identifiability"].data
        parts = found.groupby("period", sort=False)["sentence"]
        yield TextBlock(
            " ".join(f"{'' if when == 'all' else f'{when}: '}{' '.join(s)}" for when, s in parts)
        )
    yield from _share_blocks(results)
    yield from _combined_blocks(results)
    yield from _posterior_blocks(results)
    yield from _comparison_blocks(results)
    yield from _model_blocks(results)
    yield from _end_member_blocks(results)


def _share_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    """Draw the sources, and the shares of the groups."""
    table: pd.DataFrame = results["mixing"].data
    if "mixing-diagram" in results:
        yield FigureBlock(
            "mixing-diagram",
            partial(figures.draw_diagrams, results["mixing-diagram"].data),
            "Mean of each source with the standard deviation of its samples, the polygon of the "
            "means, and the mean of the mixtures"
            + (", now and before it evaporated." if "mixing-evaporation" in results else "."),
            "Mixing diagram by period.",
        )
    yield FigureBlock(
        "stacked",
        partial(mixing_figures.draw_stacked, table),
        "Mean share of each source by group and period; the intervals are in the next figure.",
        "Stacked bars of the shares of the sources by group and period.",
    )
    yield FigureBlock(
        "fractions",
        partial(figures.draw_shares, table),
        f"Share of each source by group{_periods(table)}, with 95 % intervals of the posterior.",
        "Shares of the sources by group and period.",
    )
    values = ["fraction", "sd", "low", "median", "high", "n", "effective_draws", "status"]
    columns = [*_PLACE, "source", *values]
    yield TableBlock("fractions", _pick(table, columns), "Posterior fractions of the sources.", 2)


def _combined_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "mixing-combined" in results:
        found = results["mixing-combined"]
        columns = [*_PLACE, "source", "of", "fraction", "sd", "low", "median", "high"]
        yield TableBlock("combined", _pick(found.data, columns), found.method, 2)


def _posterior_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    """Draw what the posterior of all samples together looks like, period by period."""
    if "mixing-draws" not in results:
        return
    draws: Any = results["mixing-draws"]
    sources = [name for name in draws.data if name not in ("label", "period")]
    n = len(draws.data) // len(draws.data[["label", "period"]].drop_duplicates())
    of = f"all samples; {n} draws each"
    yield FigureBlock(
        "densities",
        draws.plot,
        f"Posterior densities of the fractions, {of}.",
        "Posterior densities of the fractions by period.",
    )
    yield FigureBlock(
        "matrix",
        draws.plot_matrix,
        f"Fractions against each other, {of}: regions hold 50 % and 95 % of the draws; r is their "
        "correlation: near −1, the data know the sum of two sources better than either.",
        "Matrix of pairs of fractions.",
        wide=False,
    )
    if len(sources) == 3:
        means = _group_means(results["mixing"].data, sources)
        yield FigureBlock(
            "triangles",
            partial(draws.plot_triangles, means),
            f"Fractions of three sources, {of}; where a period lacks a source, on the edge of the "
            "triangle. Small marks: means of the groups.",
            "Triangles of the fractions of three sources by period.",
        )
    yield _concept(results)


def _concept(results: Mapping[str, Result]) -> FigureBlock:
    evaporation = results.get("mixing-evaporation")
    lost = None if evaporation is None else evaporation.data
    return FigureBlock(
        "concept",
        partial(mixing_figures.draw_concept, results["mixing"].data, lost),
        "Where the water came from, period by period: width of an arrow by the mean share of its "
        "source, with its 95 % interval"
        + (", and what evaporation has since done to δ¹⁸O." if evaporation is not None else "."),
        "Concept diagram of the sources of the water by period.",
    )


def _group_means(table: pd.DataFrame, sources: list[str]) -> pd.DataFrame | None:
    groups = table[(table["grouping"] != "all") & table["fraction"].notna()]
    if groups.empty:
        return None
    return (
        groups.pivot_table(index=_PLACE, columns="source", values="fraction", sort=False)
        .reset_index()[["grouping", "period", *sources]]
        .dropna()
    )


def _model_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    """Report whether a hierarchical model converged, and whether it could have made the data."""
    if "mixing-diagnostics" in results:
        chains = results["mixing-diagnostics"]
        yield TableBlock(
            "convergence",
            _pick(
                chains.data, ["period", "quantity", "r_hat", "ess_bulk", "ess_tail", "divergences"]
            ),
            chains.method,
            4,
        )
    if "mixing-checks" in results:
        check = results["mixing-checks"]
        columns = ["period", "tracer", "statistic", "observed", "low", "high", "p"]
        yield TableBlock("predictive", _pick(check.data, columns), check.method, 4)


def _end_member_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    """Ask whether the named sources are the end members: MIX, and EMMA with three tracers."""
    if "mixing-likelihood" in results:
        likely = results["mixing-likelihood"].data
        columns = ["label", "period", "source", "fraction", "low", "high", "sd", "n"]
        yield TableBlock(
            "likelihood",
            _pick(likely, columns),
            "Maximum likelihood with uncertain end members "
            "(MIX): mean fraction of the single samples with a 95 % interval by bootstrap, and the "
            "standard deviation between samples.",
        )
        moved = results["mixing-end-members"].data
        yield TableBlock(
            "end-members",
            moved.round(3),
            "End members as measured and as the mixtures ask for (MIX); shift: in standard "
            "deviations of the source's samples.",
        )
    if "emma-scores" not in results:
        return
    emma: Any = results["emma"]
    ranks = ", ".join(f"{name} {rank}" for name, rank in emma.ranks.items())
    yield TextBlock(f"End members are one more than the rank. Rank by criterion: {ranks}.")
    full = replace(emma, scores=results["emma-scores"].data)
    yield FigureBlock(
        "emma",
        full.plot,
        "Eigenvalues of the tracers of the mixtures with four "
        "criteria, and the mixtures in the space of the first components.",
        "End-member mixing analysis of the mixtures.",
    )
    for name, words in (
        ("emma-residuals", results["emma-residuals"].method),
        ("emma-screening", results["emma-screening"].method),
        ("emma-archetypes", results["emma-archetypes"].method),
    ):
        if len(results[name].data):
            yield TableBlock(name, results[name].data, f"{words.rstrip('.')}.")


def _comparison_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    if "mixing-differences" in results:
        gaps: pd.DataFrame = results["mixing-differences"].data
        sure = gaps[(gaps["low"] > 0.0) | (gaps["high"] < 0.0)]
        yield TextBlock(
            f"{len(sure)} of {len(gaps)} differences of fractions between groups or periods have a "
            "95 % interval without zero"
            + ("." if len(sure) else ": these samples cannot distinguish the groups.")
        )
        if len(sure):
            words = "Differences with an interval without zero; probability: that group a has more."
            yield TableBlock("differences", sure.reset_index(drop=True), words, 2)
    if "mixing-closed" in results:
        closed: pd.DataFrame = results["mixing-closed"].data
        values = ["fraction", "sd", "low", "high", "unconstrained", "status"]
        yield TableBlock(
            "closed-form",
            _pick(closed, [*_PLACE, "source", *values]),
            "The same in closed form; unconstrained: where nothing holds it between 0 and 1.",
            2,
        )
    if "polygon" in results:
        yield TableBlock(
            "polygon",
            results["polygon"].data.drop(columns=["mixture"]),
            "Chance that a mixture lies within the polygon of its sources.",
        )
    if "mixing-evaporation" in results:
        yield TableBlock(
            "evaporation",
            results["mixing-evaporation"].data,
            "Slope and enrichment of "
            "evaporation in the mixing model, and the mixture before it evaporated.",
        )


def _quality_blocks(results: Mapping[str, Result]) -> Iterator[Block]:
    table: pd.DataFrame = results["quality"].data
    if table.empty:
        yield TextBlock("No sample raises a doubt: values, signs, precision, dates, duplicates.")
        return
    yield TableBlock("quality", table, f"{results['quality'].method}; row: of the file.", 4)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _periods(table: pd.DataFrame) -> str:
    periods = [p for p in dict.fromkeys(table["period"].dropna()) if p]
    if len(periods) < 2:
        return ""
    return f"; within a group bars are {', '.join(periods)}, pale to dark"


def _pick(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    names = [name for name in columns if name in table and table[name].notna().any()]
    if "period" in names and not table["period"].astype(bool).any():
        names.remove("period")
    picked = table[names].reset_index(drop=True)
    picked.attrs = dict(table.attrs)
    return picked


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _title(name: object) -> str:
    text = _words(name)
    return text[:1].upper() + text[1:]
