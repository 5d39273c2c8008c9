"""Rules of the audit about lines and sources: A4, A5, A7-A9."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from headwater.isotopes.audit.tables import SLACK, Case, Finding
from headwater.isotopes.intersection import Envelope, slope_envelope
from headwater.isotopes.lines import WaterLine, fit_line

__all__ = [
    "line_crossings",
    "means_on_lines",
    "recover_labels",
    "recovered_labels",
    "slopes_of_evaporation",
    "sources_on_line",
    "stated_crossings",
]

Found = tuple[int, list[Finding]]
LEAST_GAP = 0.5


def means_on_lines(case: Case) -> Found:
    """A4: a least-squares line passes through the mean of its samples."""
    both = case.lines.merge(case.means, on=["label", "period"], suffixes=("", "_mean"))
    found = []
    for _, row in both.iterrows():
        misfit = row["d2H"] - row["slope"] * row["d18O"] - row["intercept"]
        allowed = SLACK * (
            row["d2H_half"]
            + abs(row["slope"]) * row["d18O_half"]
            + abs(row["d18O"]) * row["slope_half"]
            + row["intercept_half"]
        )
        if abs(misfit) > allowed:
            why = (
                f"the mean ({row['d18O']:g}, {row['d2H']:g}) lies {misfit:+.2f} ‰ off the line; "
                f"rounding explains {allowed:.2f}. A least-squares line cannot miss the mean of "
                "its own samples"
            )
            right = row["d2H"] - row["slope"] * row["d18O"]
            found.append(
                Finding(
                    "A4",
                    "doubtful",
                    "lines",
                    row["label"],
                    row["period"],
                    "intercept",
                    row["intercept_text"],
                    f"{right:.2f}",
                    why,
                )
            )
    return len(both), found


def recover_labels(case: Case) -> pd.DataFrame:
    """Give each printed row of lines to the group whose means it passes through.

    Parameters
    ----------
    case : Case
        From :func:`~headwater.isotopes.audit.tables.prepare`, signs restored.

    Returns
    -------
    DataFrame
        One row per group that has means: ``row``, ``label`` (recovered), ``printed`` (label of the
        row), ``cost`` (sum of absolute misfits over the periods, ‰), ``runner_up`` (cost of the
        next best row), ``printed_cost``.
    """
    from scipy.optimize import linear_sum_assignment

    asked = set(case.lines.get("grouping", case.means["grouping"]))
    labels = [
        label
        for label, some in case.means.groupby("label", sort=False)
        if set(some["grouping"]) <= asked - {"all"} and some[["d18O", "d2H"]].notna().all(axis=None)
    ]
    rows = list(dict.fromkeys(case.lines["row"]))
    means = {(r["label"], r["period"]): (r["d18O"], r["d2H"]) for _, r in case.means.iterrows()}
    cost = np.full((len(rows), len(labels)), np.inf)
    for i, row in enumerate(rows):
        lines = case.lines[case.lines["row"] == row]
        for j, label in enumerate(labels):
            points = [means.get((label, period)) for period in lines["period"]]
            if points and all(points):
                o, h = np.array(points, dtype=float).T
                cost[i, j] = np.abs(h - lines["slope"] * o - lines["intercept"]).sum()
    use = [j for j in range(len(labels)) if np.isfinite(cost[:, j]).any()]
    if not use:
        return pd.DataFrame(columns=["row", "label", "printed", "cost", "runner_up"])
    cost, labels = np.where(np.isfinite(cost), cost, 1e6)[:, use], [labels[j] for j in use]
    own = case.lines.drop_duplicates("row").set_index("row")["label"]
    found = []
    for i, j in zip(*linear_sum_assignment(cost), strict=True):
        others = np.delete(cost[:, j], i)
        said = str(own[rows[i]])
        found.append(
            {
                "row": rows[i],
                "label": labels[j],
                "printed": said,
                "cost": float(cost[i, j]),
                "runner_up": float(others.min()) if len(others) else np.inf,
                "printed_cost": float(cost[i, labels.index(said)]) if said in labels else np.nan,
            }
        )
    return pd.DataFrame(found)


def recovered_labels(case: Case) -> Found:
    """A5: labels of lines, recovered from the means that the lines pass through."""
    table = recover_labels(case)
    found = []
    for row in table.to_dict("records"):
        known = row["printed"] == row["label"]
        clear = row["runner_up"] > 2.0 * row["cost"] + 0.5
        wrong = not row["printed"] or row["printed_cost"] > 2.0 * row["cost"] + 0.5
        if not known and clear and wrong:
            why = (
                f"the lines of row {row['row']} miss the means of '{row['label']}' by "
                f"{row['cost']:.2f} ‰ in all, the next best row by {row['runner_up']:.2f}"
            )
            found.append(
                Finding(
                    "A5",
                    "doubtful",
                    "lines",
                    row["printed"] or f"row {row['row']}",
                    "all",
                    "label",
                    row["printed"],
                    row["label"],
                    why,
                )
            )
    return len(table), found


def line_crossings(lines: pd.DataFrame, meteoric: WaterLine, half: float = 0.0) -> pd.DataFrame:
    """Recompute where printed lines cross the meteoric line, and how far rounding moves it.

    Parameters
    ----------
    lines : DataFrame
        ``slope``, ``intercept`` and, for the rounding, ``slope_half``, ``intercept_half``.
    meteoric : WaterLine
        The stated local meteoric line.
    half : float
        Half a unit of the last digit of the meteoric line's coefficients.

    Returns
    -------
    DataFrame
        ``d18O``, ``d2H``, ``d18O_low``, ``d18O_high`` [‰], ``slope_gap`` [1]: the interval holds
        all crossings of coefficients that round to the printed ones.

    Examples
    --------
    >>> frame = pd.DataFrame({"slope": [5.7], "intercept": [-21.18], "slope_half": 0.005,
    ...                       "intercept_half": 0.005})
    >>> line_crossings(frame, WaterLine(7.9, 12.43)).round(2).values.tolist()
    [[-15.28, -108.26, -15.31, -15.24, 2.2]]
    """
    gap, lift = meteoric.slope - lines["slope"], lines["intercept"] - meteoric.intercept
    d18O = lift / gap
    corners = [
        (lift + i * (lines["intercept_half"] + half)) / (gap + s * (lines["slope_half"] + half))
        for i in (-1, 1)
        for s in (-1, 1)
    ]
    edges = np.array(corners, dtype=float)
    return pd.DataFrame(
        {
            "d18O": d18O,
            "d2H": meteoric(d18O),
            "d18O_low": edges.min(axis=0),
            "d18O_high": edges.max(axis=0),
            "slope_gap": gap,
        }
    )


def stated_crossings(case: Case) -> Found:
    """A7: crossings recomputed; those of nearly parallel lines say nothing."""
    meteoric = _meteoric(case)
    if meteoric is None or case.lines.empty:
        return 0, []
    points, found = line_crossings(case.lines, meteoric), []
    for (_, row), (_, point) in zip(case.lines.iterrows(), points.iterrows(), strict=True):
        where = ("lines", row["label"], row["period"])
        if abs(point["slope_gap"]) < LEAST_GAP:
            why = (
                f"slopes {row['slope']:g} and {meteoric.slope:g} differ by "
                f"{abs(point['slope_gap']):.2f}: the crossing at {point['d18O']:.1f} ‰ is no water "
                f"(rounding alone moves it from {point['d18O_low']:.1f} to "
                f"{point['d18O_high']:.1f})"
            )
            found.append(
                Finding("A7", "doubtful", *where, "crossing", row["slope_text"], "none", why)
            )
        stated = row["d18O_crossing"]
        slack = SLACK * np.nan_to_num(row["d18O_crossing_half"])
        if stated < point["d18O_low"] - slack or stated > point["d18O_high"] + slack:
            found.append(
                Finding(
                    "A7",
                    "impossible",
                    *where,
                    "d18O_crossing",
                    f"{stated:g}",
                    f"{point['d18O']:.2f}",
                    "the printed lines do not cross there",
                )
            )
    return len(points), found


def _meteoric(case: Case) -> WaterLine | None:
    slope, intercept = case.fact("meteoric", "slope")[0], case.fact("meteoric", "intercept")[0]
    return WaterLine(slope, intercept) if np.isfinite(slope + intercept) else None


def sources_on_line(case: Case) -> Found:
    """A8: initial waters lie on the meteoric line that they were found with."""
    meteoric = _meteoric(case)
    points = case.facts[case.facts["kind"] == "source"].pivot_table(
        index="period", columns="quantity", values=["number", "half"], sort=False
    )
    if meteoric is None or points.empty:
        return 0, []
    o, h = (points["number", name].to_numpy(dtype=float) for name in ("d18O", "d2H"))
    o_half, h_half = (points["half", name].to_numpy(dtype=float) for name in ("d18O", "d2H"))
    halves = case.fact("meteoric", "slope")[1], case.fact("meteoric", "intercept")[1]
    allowed = SLACK * (h_half + meteoric.slope * o_half + np.abs(o) * halves[0] + halves[1])
    misfit, found = h - meteoric(o), []
    used = fit_line(o, h) if len(o) > 2 and np.ptp(o) > 0 else None
    for i, period in enumerate(points.index):
        if abs(misfit[i]) > allowed[i]:
            why = f"lies {misfit[i]:+.2f} ‰ off the stated line {meteoric.equation()}"
            if used is not None and used.rmse < float(allowed.min()):
                why += f"; all {len(o)} lie on {used.equation()}, the line that was really used"
            why += _implied(case, meteoric, str(period), float(o[i]), float(h[i]))
            found.append(
                Finding(
                    "A8",
                    "impossible",
                    "facts",
                    "initial water",
                    str(period),
                    "d2H",
                    f"{h[i]:.2f}",
                    f"{meteoric(o[i]):.2f}",
                    why,
                )
            )
    return len(o), found


def _implied(case: Case, meteoric: WaterLine, period: str, o: float, h: float) -> str:
    """Where the line through the pooled mean and the stated source meets the stated line."""
    pooled = case.means[(case.means["grouping"] == "all") & (case.means["period"] == period)]
    if len(pooled) != 1:
        return ""
    mean_o, mean_h = float(pooled["d18O"].iloc[0]), float(pooled["d2H"].iloc[0])
    slope = (mean_h - h) / (mean_o - o)
    crossing = (mean_h - slope * mean_o - meteoric.intercept) / (meteoric.slope - slope)
    return (
        f"; the line from the pooled mean through it (slope {slope:.2f}) meets the stated line at "
        f"δ¹⁸O {crossing:.2f} ‰"
    )


def slopes_of_evaporation(case: Case) -> Found:
    """A9: lines steeper than evaporation draws join waters of different seasons."""
    if case.lines.empty:
        return 0, []
    envelope: Envelope = case.envelope or _default_envelope(case)
    least = case.lines["slope"] - case.lines["slope_half"]
    steep, beyond = least > envelope.high, int((least > envelope.seasonal_high).sum())
    if not steep.any():
        return len(case.lines), []
    some = case.lines.loc[steep, "slope"]
    why = (
        f"{steep.sum()} of {len(case.lines)} lines are steeper than the {envelope.high:.1f} that "
        f"evaporation reaches ({envelope.climate}); {beyond} exceed even the "
        f"{envelope.seasonal_high:.1f} of vapour that hardly follows the rain. They are mixing "
        "lines, and their crossings are not the initial water"
    )
    labels = ", ".join(dict.fromkeys(case.lines.loc[steep, "label"]))
    return len(case.lines), [
        Finding(
            "A9",
            "doubtful",
            "lines",
            labels if steep.sum() < 4 else "all or most lines",
            "",
            "slope",
            f"{some.min():g} to {some.max():g}",
            f"{envelope.low:.1f} to {envelope.high:.1f}",
            why,
        )
    ]


def _default_envelope(case: Case) -> Envelope:
    """Evaporation from the stated meteoric line, at the δ¹⁸O of the means."""
    meteoric: Any = _meteoric(case) or WaterLine(8.0, 10.0)
    middle = float(case.means["d18O"].median()) if len(case.means) else -12.0
    return slope_envelope(middle, meteoric(middle))
