"""Water lines by group, and whether their slopes differ."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.inference.significance import holm
from headwater.isotopes.lines import Method, WaterLine, fit_line
from headwater.isotopes.results import LineTable, SlopeTests
from headwater.isotopes.samples import group_label, group_rows
from headwater.results import of_inputs

__all__ = ["equal_slopes", "fit_lines"]


@of_inputs
def fit_lines(
    samples: pd.DataFrame, by: Iterable[str] = (), *, method: Method = "ols", weighted: bool = False
) -> LineTable:
    """Fit a water line to each group (the study's Table 2).

    Parameters
    ----------
    samples : DataFrame
        The sample table.
    by : iterable of str
        Columns that make the groups; none fits one line to all.
    method : str
        As in :func:`~headwater.isotopes.lines.fit_line`; ``york`` takes the samples' own errors.
    weighted : bool
        Whether to weight by ``amount``.

    Returns
    -------
    LineTable
        A group through which no line can be drawn has ``status`` saying why, and NaN.

    Examples
    --------
    >>> frame = pd.DataFrame({"water": "soil", "d18O": [-12., -11, -9], "d2H": [-90., -86, -76]})
    >>> fit_lines(frame, ["water"]).data[["label", "slope", "n"]].round(2).values.tolist()
    [['soil', 4.71, 3]]
    """
    names, rows = list(by), []
    for keys, group in group_rows(samples, names):
        label = group_label(keys)
        options = {"amount": group["amount"]} if weighted else {}
        if method == "york":
            options = {"d18O_sd": group["d18O_sd"], "d2H_sd": group["d2H_sd"]}
        try:
            line = fit_line(group["d18O"], group["d2H"], method=method, label=label, **options)
            rows.append({**keys, **line.to_row(), "status": "ok"})
        except DataError as refusal:
            nothing = WaterLine(np.nan, np.nan, np.nan, np.nan, np.nan, rmse=np.nan, label=label)
            rows.append({**keys, **nothing.to_row(), "status": str(refusal)})
    table = pd.DataFrame(rows)
    table.attrs["units"] = dict.fromkeys(("intercept", "intercept_se", "rmse"), "‰")
    refused = tuple(table.loc[table["status"] != "ok", "status"])
    notes = {f"{row['label']}: {row['note']}" for row in rows if row["note"]}
    title = next((m for m in table["method"] if m != "given"), method)
    return LineTable(
        table,
        f"Water lines δ²H on δ¹⁸O by {title}{', per ' + ' and '.join(names) if names else ''}",
        (
            "Crawford, Hughes & Lykoudis (2014), J. Hydrol. 519:2331 (DOI recalled, unchecked), "
            "doi:10.1016/j.jhydrol.2014.10.033",
        ),
        cautions=(*refused, *sorted(notes)),
    )


_INDEPENDENT = (
    "The tests of slopes take samples as independent: of equal slopes, with four profiles a group, "
    "4 to 36 % were said to differ at 5 %.",
)


@of_inputs
def equal_slopes(samples: pd.DataFrame, by: Iterable[str], *, level: float = 0.95) -> SlopeTests:
    """Test whether the lines of groups are parallel (analysis of covariance), then each pair.

    Parameters
    ----------
    samples : DataFrame
        The sample table.
    by : iterable of str
        Columns that make the groups.
    level : float
        Of the intervals of the differences [1].

    Returns
    -------
    SlopeTests
        The first row tests all slopes at once: ``F`` with ``dof_1``, ``dof_2``. Pairs: Welch's t of
        the two slopes (each group its own scatter), adjusted by Holm.

    Raises
    ------
    DataError
        If fewer than two groups have a line.

    Notes
    -----
    ``F = ((SSE_common - SSE_own) / (k-1)) / (SSE_own / (N-2k))``: one slope and k intercepts
    against k slopes and k intercepts, by least squares.

    Examples
    --------
    >>> frame = pd.DataFrame({"month": ["June"] * 4 + ["May"] * 4, "d18O": [-12., -11, -9, -8] * 2,
    ...                       "d2H": [-90., -86, -76, -72, -90, -81, -67, -58]})
    >>> equal_slopes(frame, ["month"]).data.loc[0, "p"].round(4)
    np.float64(0.0005)
    """
    from scipy.special import fdtrc

    parts, lines = {}, []
    for keys, group in group_rows(samples, by):
        whole = group[["d18O", "d2H"]].dropna().to_numpy(dtype=float)
        if len(whole) >= 3 and np.ptp(whole[:, 0]) > 0 and np.ptp(whole[:, 1]) > 0:
            parts[group_label(keys)] = whole
            lines.append(fit_line(whole[:, 0], whole[:, 1], label=group_label(keys)))
    if len(lines) < 2:
        raise DataError(
            "slopes need two groups to be compared",
            found=f"{len(lines)} group with a line",
            do="Group by a column with more values",
        )
    centred = np.concatenate([points - points.mean(axis=0) for points in parts.values()])
    common = centred[:, 0] @ centred[:, 1] / (centred[:, 0] @ centred[:, 0])
    sse_common = float(((centred[:, 1] - common * centred[:, 0]) ** 2).sum())
    sse_own = sum(line.rmse**2 * (line.n - 2) for line in lines)
    dof_1, dof_2 = len(lines) - 1, len(centred) - 2 * len(lines)
    ratio = (sse_common - sse_own) / dof_1 / (sse_own / dof_2) if sse_own > 0 else np.inf
    first = {
        "group_a": "all groups",
        "group_b": "",
        "difference": np.nan,
        "low": np.nan,
        "high": np.nan,
        "statistic": ratio,
        "dof_1": dof_1,
        "dof_2": dof_2,
        "p": float(fdtrc(dof_1, dof_2, ratio)),
    }
    table = pd.DataFrame([first, *(_pair(a, b, level) for a, b in combinations(lines, 2))])
    table["p_holm"] = [table["p"].iloc[0], *holm(table["p"].iloc[1:])]
    return SlopeTests(
        table,
        "Analysis of covariance of equal slopes; pairs by Welch's t, adjusted by Holm",
        ("Holm (1979), Scand. J. Stat. 6:65 (no DOI)",),
        cautions=_INDEPENDENT,
    )


def _pair(a: WaterLine, b: WaterLine, level: float) -> dict[str, Any]:
    """Welch's t of two slopes, by their own standard errors."""
    from scipy.special import stdtr, stdtrit

    one, two = a.slope_se**2, b.slope_se**2
    spread, gap = np.sqrt(one + two), a.slope - b.slope
    pooled = one**2 / max(a.n - 2, 1) + two**2 / max(b.n - 2, 1)
    dof = (one + two) ** 2 / pooled if pooled > 0 else np.inf
    t = gap / spread if spread > 0 else np.copysign(np.inf, gap)
    half = float(stdtrit(dof, 0.5 + level / 2.0)) * spread
    return {
        "group_a": a.label,
        "group_b": b.label,
        "difference": gap,
        "low": gap - half,
        "high": gap + half,
        "statistic": t,
        "dof_1": dof,
        "dof_2": np.nan,
        "p": float(2.0 * stdtr(dof, -abs(t))),
    }
