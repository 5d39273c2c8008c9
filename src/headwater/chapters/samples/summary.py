"""Table 1 of a study of samples: their quality, their means by group and period, and tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.chapters.samples.lines import meteoric_line
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
from headwater.results import TableResult

if TYPE_CHECKING:
    from headwater.chapters.samples.options import SamplesOptions
    from headwater.isotopes.results import SampleTable
    from headwater.results import Result

__all__ = ["describe"]

_FEWEST = 3
_EXCESS = ("slope", "slope_se", "intercept", "intercept_se", "r2", "n")


def describe(samples: SampleTable, options: SamplesOptions) -> dict[str, Result]:
    """Judge the samples' quality, and summarise them by group and period.

    Parameters
    ----------
    samples : SampleTable
        From :func:`read_table`.
    options : SamplesOptions
        Table ``[samples]``.

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
                if len(part) < _FEWEST or not np.ptp(part["d18O"]) > 0.0:
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
