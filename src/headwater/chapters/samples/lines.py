"""Tables 1 and 2 of a study of samples: quality and means, then lines, crossings and belief."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.chapters.samples.table import (
    chosen,
    comparisons,
    described,
    groupings,
    impossible,
    period_column,
    stacked,
)
from headwater.errors import DataError
from headwater.results import Result, TableResult

if TYPE_CHECKING:
    from headwater.chapters.samples.options import ClimateOptions, SamplesOptions
    from headwater.isotopes import WaterLine
    from headwater.isotopes.intersection import Envelope
    from headwater.isotopes.results import LineTable, SampleTable
    from headwater.results import Result

__all__ = [
    "Evaporation",
    "describe",
    "evaporation_of",
    "line_results",
    "meteoric_line",
]

_FEWEST, _ENOUGH = 3, 10
"""Samples that a line needs, and that a bootstrap of it needs."""
_METHODS = ("ols", "rma", "ma", "huber", "theil-sen")
_DRAWS, _FEW_DRAWS = 4000, 8
_LEAST_SLOPE_SD = 0.2
_REFERENCES = (
    "Crawford, Hughes & Lykoudis (2014), J. Hydrol. 519:2331 (DOI recalled, unchecked), "
    "doi:10.1016/j.jhydrol.2014.10.033",
)
_ROUNDING = 1e-9
"""Spread of δ and d-excess below which there is no line, only the rounding of numbers [‰]."""
_FEWEST_IN_A_GROUP = 3
_EXCESS = ("slope", "slope_se", "intercept", "intercept_se", "r2", "n")


def meteoric_line(
    table: pd.DataFrame, options: SamplesOptions
) -> tuple[WaterLine | None, tuple[str, ...]]:
    """Fit or take the local meteoric water line; None, and why, where there is none.

    Parameters
    ----------
    table : DataFrame
        From :func:`read_table`.
    options : SamplesOptions
        Table ``[samples]``.

    Returns
    -------
    tuple of (WaterLine or None, tuple of str)
        The line and cautions.
    """
    from headwater.isotopes import WaterLine, fit_line

    wanted = options.lmwl
    if wanted.slope is not None and wanted.intercept is not None:
        return WaterLine(wanted.slope, wanted.intercept), ()
    rain = table[table["water"] == wanted.water]
    needed = ["d18O", "d2H"]
    needed += ["d18O_sd", "d2H_sd"] if wanted.method == "york" else []
    needed += ["amount"] if wanted.weighted else []
    if rain[needed].notna().all(axis=1).sum() < _FEWEST:
        also = f" and {' and '.join(needed[2:])}" if needed[2:] else ""
        words = f"there are not {_FEWEST} samples of {wanted.water} with both isotopes{also}"
        return None, (f"No local meteoric water line: {words}. No lc-excess, no crossings.",)
    given: dict[str, Any] = {"amount": rain["amount"]} if wanted.weighted else {}
    if wanted.method == "york":
        given = {"d18O_sd": rain["d18O_sd"], "d2H_sd": rain["d2H_sd"]}
    try:
        line = fit_line(rain["d18O"], rain["d2H"], method=wanted.method, label="LMWL", **given)
    except DataError as error:
        words = f"none can be fitted to {wanted.water}, {error.found}"
        return None, (f"No local meteoric water line: {words}. No lc-excess, no crossings.",)
    return line, ()


def line_results(
    table: pd.DataFrame,
    options: SamplesOptions,
    *,
    rng: np.random.Generator,
    thorough: bool = True,
) -> dict[str, Result]:
    """Fit the lines of every group, cross them with the meteoric line, and judge their slopes.

    Parameters
    ----------
    table : DataFrame
        From :func:`read_table`.
    options : SamplesOptions
        Table ``[samples]``.
    rng : Generator
        For the bootstrap of the crossings.
    thorough : bool
        False for a check: without what refuses nothing, tests and resampling.

    Returns
    -------
    dict of Result
        ``meteoric`` (the local line, first, and other estimators), ``lines``, ``slopes``, and with
        a meteoric line ``crossings``, ``verdicts`` and, where that line was fitted, ``initial``
        (the water before evaporation, along slopes that evaporation can have); empty where an
        isotope is missing.
    """
    rows = chosen(table, options)
    if rows[["d18O", "d2H"]].notna().all(axis=1).sum() < _FEWEST:
        return {}
    lmwl, cautions = meteoric_line(table, options)
    lines = _lines(rows, options)
    results: dict[str, Result] = {"lines": replace(lines, cautions=(*lines.cautions, *cautions))}
    slopes = _slopes(rows, options) if thorough else None
    if slopes is not None:
        results["slopes"] = slopes
    if lmwl is not None and lines.lines():
        results["meteoric"] = _meteoric(table, options, lmwl)
        results |= _judged(table, options, lmwl, lines, rng if thorough else None)
        draws = _DRAWS if thorough else _FEW_DRAWS
        results |= _initial(table, options, lmwl, rng, draws)
    return results


def _lines(rows: pd.DataFrame, options: SamplesOptions) -> LineTable:
    from headwater.isotopes import fit_lines

    period, first, parts = period_column(rows, options), None, []
    notes: dict[str, None] = {}
    for grouping, columns in groupings(rows, options, options.groups):
        found = fit_lines(rows, columns, method=options.method)
        first = first or found
        notes |= dict.fromkeys(c for c in found.cautions if c not in set(found.data["status"]))
        part = described(found.data, grouping, columns, period)
        parts.append(part.assign(group=found.data["label"]))
    assert first is not None
    joined: LineTable = stacked(first, parts)
    short = int((joined.data["status"] != "ok").sum())
    words = (
        f"{short} of {len(joined.data)} groups have no line: fewer than three samples that differ."
    )
    return replace(joined, cautions=(*((words,) if short else ()), *notes))


def _slopes(rows: pd.DataFrame, options: SamplesOptions) -> Result | None:
    from headwater.isotopes.samples import group_label, group_rows
    from headwater.isotopes.slopes import equal_slopes

    first, parts = None, []
    for by, within in comparisons(rows, options):
        for keys, part in group_rows(rows, within):
            try:
                found = equal_slopes(part, [by])
            except DataError:
                continue
            first = first or found
            front = {"compared": by, "within": group_label(keys)}
            parts.append(pd.DataFrame(front, index=found.data.index).join(found.data))
    return None if first is None else stacked(first, parts)


def _meteoric(table: pd.DataFrame, options: SamplesOptions, lmwl: WaterLine) -> Result:
    """Put the line that is used first, and what other estimators give of the same samples after."""
    from headwater.isotopes import fit_line
    from headwater.isotopes.results import LineTable

    found = [lmwl]
    rain = table[table["water"] == options.lmwl.water].dropna(subset=["d18O", "d2H"])
    if len(rain) >= _FEWEST and np.ptp(rain["d18O"]) > 0:
        forms: list[tuple[Any, dict[str, Any]]] = [(name, {}) for name in _METHODS]
        if (rain["amount"] > 0).sum() >= _FEWEST:
            forms += [(name, {"amount": rain["amount"]}) for name in ("ols", "rma", "ma")]
        if rain[["d18O_sd", "d2H_sd"]].notna().all(axis=None):
            forms.append(("york", {"d18O_sd": rain["d18O_sd"], "d2H_sd": rain["d2H_sd"]}))
        lines = (fit_line(rain["d18O"], rain["d2H"], method=m, **given) for m, given in forms)
        found += [line for line in lines if line.method != lmwl.method]
    data = pd.DataFrame([{**line.to_row(), "status": "ok"} for line in found])
    data["used"] = [True, *[False] * (len(data) - 1)]
    data.attrs["units"] = dict.fromkeys(("intercept", "intercept_se", "rmse"), "‰")
    how = "given" if lmwl.method == "given" else f"fitted by {lmwl.method}"
    words = f"The local meteoric water line was {how}; other estimators stand next to it"
    return LineTable(data, words, _REFERENCES)


@dataclass(frozen=True, slots=True)
class Evaporation:
    """The water that evaporates first, and the climates in which it does.

    Attributes
    ----------
    d18O, d2H : float
        Before evaporation [‰ VSMOW].
    climate : ClimateOptions
        Ranges.
    """

    d18O: float
    d2H: float
    climate: ClimateOptions

    def envelope(self) -> Envelope:
        """Compute the slopes that evaporation can have."""
        from headwater.isotopes.intersection import slope_envelope

        climate = self.climate
        return slope_envelope(
            self.d18O,
            self.d2H,
            temperature=climate.temperature,
            humidity=climate.humidity,
            turbulence=climate.turbulence,
            lost=climate.lost,
        )

    def slope(self) -> tuple[float, float]:
        """Mean and standard deviation of the slope to expect [1], all climates equally likely.

        The middle of the envelope's ends would be too steep: few climates reach the upper end.
        """
        found = self.envelope()
        return round(found.mean, 2), round(max(found.sd, _LEAST_SLOPE_SD), 2)


def evaporation_of(
    table: pd.DataFrame, lmwl: WaterLine | None, options: SamplesOptions
) -> Evaporation:
    """Say which water evaporates: the mean of the rain, in the climates of the study file.

    Parameters
    ----------
    table : DataFrame
        From :func:`read_table`.
    lmwl : WaterLine, optional
        On which the water is taken where there is no rain in the table.
    options : SamplesOptions
        Table ``[samples]``.

    Returns
    -------
    Evaporation
    """
    from headwater.isotopes import GMWL

    rain = table[table["water"] == options.lmwl.water][["d18O", "d2H"]].dropna()
    if rain.empty:
        d18O = float(table["d18O"].quantile(0.1))
        return Evaporation(d18O, float((lmwl or GMWL)(d18O)), options.climate)
    return Evaporation(float(rain["d18O"].mean()), float(rain["d2H"].mean()), options.climate)


def _judged(
    table: pd.DataFrame,
    options: SamplesOptions,
    lmwl: WaterLine,
    fitted: LineTable,
    rng: np.random.Generator | None,
) -> dict[str, Result]:
    """Cross every line with the meteoric one, and say which crossing may be believed."""
    from headwater.isotopes.intersection import crossings, judge_lines

    own = fitted.data[fitted.data["status"] == "ok"].reset_index(drop=True)
    named = [
        replace(line, label=name) for line, name in zip(fitted.lines(), own["group"], strict=True)
    ]
    envelope = evaporation_of(table, lmwl, options).envelope()
    verdicts = judge_lines([_widened(line) for line in named], envelope)
    points = crossings(lmwl, named)
    front = own[["grouping", "label", "period", "n"]]
    data = front.join(points.data.drop(columns="label")).assign(verdict=verdicts.data["verdict"])
    data[["boot_low", "boot_high"]] = _resampled(table, options, own, rng) if rng else np.nan
    data.attrs["units"] = dict.fromkeys(
        ("d18O", "d2H", "d18O_sd", "d2H_sd", "d18O_low", "d18O_high", "boot_low", "boot_high"), "‰"
    )
    judged = front.join(verdicts.data.drop(columns="label")).assign(slope_se=own["slope_se"])
    judged.attrs["envelope"] = [envelope.low, envelope.high, envelope.seasonal_high]
    band = f"Evaporation alone draws slopes of {envelope.low:.1f} to {envelope.high:.1f}, up to "
    band += f"{envelope.seasonal_high:.1f} with seasonal vapour ({envelope.climate})."
    refused = points.data["status"].value_counts()
    refusals = [f"{n} of {len(data)} crossings are {s}." for s, n in refused.items() if s != "ok"]
    if not lmwl.n:
        refusals.append(
            "The meteoric line was given without errors: the intervals of the crossings, which "
            "know those of the other lines alone, are too narrow."
        )
    return {
        "crossings": replace(points, data=data, cautions=tuple(refusals)),
        "verdicts": TableResult(
            judged,
            verdicts.method,
            verdicts.references,
            choices=(band,),
            cautions=verdicts.cautions,
        ),
    }


def _widened(line: WaterLine) -> WaterLine:
    """Widen a slope's error to that of Student's t, for a judgement at 1.96 standard errors."""
    from scipy.special import stdtrit

    return replace(line, slope_se=line.slope_se * float(stdtrit(max(line.n - 2, 1), 0.975)) / 1.96)


def _resampled(
    table: pd.DataFrame, options: SamplesOptions, own: pd.DataFrame, rng: np.random.Generator
) -> Any:
    """Bootstrap intervals of δ¹⁸O of the crossings, of all samples of a period alone."""
    from headwater.isotopes.intersection import bootstrap_crossing
    from headwater.isotopes.samples import group_label, group_rows

    lmwl, none = options.lmwl, np.full((len(own), 2), np.nan)
    plain = lmwl.slope is None and lmwl.method == options.method == "ols" and not lmwl.weighted
    if not plain:
        return none
    rain = table.loc[table["water"] == lmwl.water, ["d18O", "d2H"]].dropna().to_numpy(dtype=float)
    rows = chosen(table, options)
    clouds = {
        (grouping, group_label(keys)): part[["d18O", "d2H"]].dropna().to_numpy(dtype=float)
        for grouping, columns in groupings(rows, options, options.groups)
        for keys, part in group_rows(rows, columns)
    }
    for at, key in enumerate(zip(own["grouping"], own["group"], strict=True)):
        if key[0] == "all" and min(len(clouds[key]), len(rain)) >= _ENOUGH:
            none[at] = bootstrap_crossing(rain, clouds[key], rng=rng, n_resamples=1000)[1]
    return none


def _initial(
    table: pd.DataFrame,
    options: SamplesOptions,
    lmwl: WaterLine,
    rng: np.random.Generator,
    draws: int,
) -> dict[str, Result]:
    """Lead each group back to the meteoric line along a slope of evaporation."""
    from headwater.isotopes.mixing.composition import compose
    from headwater.isotopes.mixing.evaporated_water import evaporated_source
    from headwater.isotopes.samples import group_label, group_rows

    if not lmwl.n:
        return {}  # a given line has no scatter of its own
    slope = evaporation_of(table, lmwl, options).slope()
    rows = chosen(table, options).dropna(subset=["d18O", "d2H"])
    period, first, parts = period_column(rows, options), None, []
    for grouping, columns in groupings(rows, options, options.groups):
        waters = compose(rows, ["d18O", "d2H"], by=columns)
        # two samples scatter along a line: no covariance of the two isotopes
        several = [g for g, n in zip(waters.labels, waters.n[:, 0], strict=True) if n >= _FEWEST]
        if not several:
            continue
        found = evaporated_source(
            waters.take(several), lmwl, rng=rng, slope=slope, kind="mean", n_resamples=draws
        )
        first = first or found
        names = {group_label(keys): keys for keys, _ in group_rows(rows, columns)}
        own = pd.DataFrame([names[name] for name in found.data["sample"]])
        front = described(own, grouping, columns, period)
        parts.append(front.join(found.data.drop(columns="sample")))
    return {} if first is None else {"initial": stacked(first, parts)}


def describe(
    samples: SampleTable, options: SamplesOptions, *, thorough: bool = True
) -> dict[str, Result]:
    """Judge the samples' quality, and summarise them by group and period.

    Parameters
    ----------
    samples : SampleTable
        From :func:`read_table`.
    options : SamplesOptions
        Table ``[samples]``.
    thorough : bool
        False for a check: without ``excess`` and ``tests``, which refuse nothing.

    Returns
    -------
    dict of Result
        ``table``, ``quality``, ``waters``, ``summary``, ``excess`` (d-excess on δ¹⁸O by group, of
        all periods and of each), and ``tests`` where groups can be compared.
    """
    from headwater.isotopes import check_quality, summarise
    from headwater.isotopes.summary import add_excess

    lmwl, no_line = meteoric_line(samples.data, options)
    rows = add_excess(chosen(samples.data, options), lmwl)
    how: dict[str, Any] = {"lmwl": lmwl, "weighted": options.weighted}
    period = period_column(rows, options)
    parts, first = [], None
    for grouping, columns in groupings(rows, options, options.groups):
        found = summarise(rows, columns, **how)
        first = first or found
        parts.append(described(found.data, grouping, columns, period))
    named = samples.data.assign(water=samples.data["water"].fillna("unknown"))
    weigh = options.weighted and bool((named["amount"] > 0).groupby(named["water"]).any().all())
    results: dict[str, Result] = {
        "table": replace(
            samples, data=add_excess(samples.data, lmwl).rename_axis("row").reset_index()
        ),
        "quality": replace(
            check_quality(samples.data), cautions=(*impossible(samples.data), *no_line)
        ),
        "waters": summarise(named, ["water"], lmwl=lmwl, weighted=weigh),
        "summary": stacked(first, parts),
    }
    if not thorough:
        return results
    excess = _excess_lines(rows, options)
    results |= {"excess": excess} if len(excess.data) else {}
    tests = _tests(rows, options)
    return results | ({"tests": tests} if tests is not None else {})


def _excess_lines(rows: pd.DataFrame, options: SamplesOptions) -> TableResult:
    """Regress d-excess on δ¹⁸O by group, for all periods together and for each."""
    from headwater.isotopes import fit_line
    from headwater.isotopes.samples import group_rows

    period, parts = period_column(rows, options), []
    whole = rows.dropna(subset=["d18O", "d_excess"])
    for grouping, columns in groupings(rows, options, options.groups):
        apart = tuple(name for name in columns if name not in period)
        for own in dict.fromkeys((apart, columns)):
            named = whole.dropna(subset=list(own))
            for keys, part in group_rows(named, own) if len(named) else ():
                spread = np.ptp(part[["d18O", "d_excess"]].to_numpy(), axis=0)
                if len(part) < _FEWEST_IN_A_GROUP or not (spread > _ROUNDING).all():
                    continue
                line = fit_line(part["d18O"], part["d_excess"])
                place = pd.DataFrame([keys], columns=list(own), index=[0])
                front = described(place, grouping, own, period if set(period) <= set(own) else ())
                parts.append(front.assign(**{name: getattr(line, name) for name in _EXCESS}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table.attrs["units"] = {"intercept": "‰", "intercept_se": "‰"}
    return TableResult(table, "Regression of d-excess on δ¹⁸O by least squares.")


def _tests(rows: pd.DataFrame, options: SamplesOptions) -> Result | None:
    """Compare periods, and the groups of each grouping within a period."""
    from headwater.isotopes.summary import compare_groups

    first, parts = None, []
    for by, within in comparisons(rows, options):
        for quantity in ("d18O", "d_excess"):
            try:
                found = compare_groups(rows, by, quantity, within=within)
            except DataError:
                # no two groups with two samples each: there is nothing to compare
                continue
            first = first or found
            data = found.data
            held = data[list(within)].astype(str).agg(", ".join, axis=1) if within else "all"
            front = {"compared": by, "quantity": quantity, "within": held}
            parts.append(
                pd.DataFrame(front, index=data.index).join(data.drop(columns=list(within)))
            )
    if first is None:
        return None
    method = "Differences between groups and periods: Welch and rank tests, pairs adjusted by Holm"
    tests: Result = replace(stacked(first, parts), method=method)
    return tests
