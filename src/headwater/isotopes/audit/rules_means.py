"""Rules of the audit about means, fractions, counts and sentences: A1-A3, A6, A10-A12."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.isotopes.audit.tables import SLACK, Case, Finding
from headwater.isotopes.excess import d_excess
from headwater.isotopes.samples import water

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "annual_means",
    "d_excess_of_means",
    "hull_misfit",
    "parts_and_totals",
    "pooled_within_parts",
    "precision_swapped",
    "signs_and_ranges",
    "trends",
    "whole_period",
]

Found = tuple[int, list[Finding]]


def signs_and_ranges(case: Case) -> Found:
    """A1: signs and ranges; restores lost signs for the rules that follow.

    A sign is lost where one flip turns an impossible deuterium excess into a possible one, or into
    the printed one.
    """
    like, found = water(case.water), []
    ranges = {"d18O": like.d18O, "d2H": like.d2H}
    for at, (_, row) in enumerate(case.means.iterrows()):
        now = d_excess(row["d18O"], row["d2H"])
        if not np.isfinite(now):
            continue
        slips = [] if _agrees(row, now) else _slips(row, like)
        for name, value in slips:
            case.means.loc[at, name] = value
            why = f"a lost minus: d-excess would be {now:.1f} ‰, with the sign it is "
            restored = d_excess(*(dict(slips).get(n, float(row[n])) for n in ("d18O", "d2H")))
            found.append(_finding("A1", row, name, f"{value:g}", f"{why}{restored:.2f} ‰"))
        for name, (low, high) in ranges.items():
            if not slips and not low <= row[name] <= high:
                why = f"{like.long_name} has {name} between {low:g} and {high:g} ‰"
                found.append(_finding("A1", row, name, f"{low:g} to {high:g}", why))
    return 2 * len(case.means), found


def _agrees(row: Any, d: float) -> bool:
    """Whether the printed d-excess is this one, within rounding."""
    return bool(abs(row["d_excess"] - d) <= _tolerance(row))


def _tolerance(row: Any) -> float:
    own = 8.0 * row["d18O_half"] + row["d2H_half"]
    return SLACK * float(own + np.nan_to_num(row["d_excess_half"]))


def _slips(row: Any, like: Any) -> list[tuple[str, float]]:
    low, high = like.d_excess
    o, h = float(row["d18O"]), float(row["d2H"])
    broken = not low <= d_excess(o, h) <= high
    flips = [("d18O", -o, d_excess(-o, h)), ("d2H", -h, d_excess(o, -h))]
    # where d-excess is near 0 both flips restore it: a lost minus is likelier than a gained one
    for name, value, flipped in sorted(flips, key=lambda flip: flip[1] > 0):
        if _agrees(row, flipped) or (broken and low <= flipped <= high and value < 0):
            return [(name, value)]
    return []


def _finding(
    rule: str, row: Any, quantity: str, consistent: str, reason: str, severity: str = "impossible"
) -> Finding:
    return Finding(
        rule,
        severity,
        "means",
        row["label"],
        row["period"],
        quantity,
        row.get(f"{quantity}_text", ""),
        consistent,
        reason,
    )


def d_excess_of_means(case: Case) -> Found:
    """A2: the mean d-excess is that of the means, because it is linear."""
    rows = case.means[case.means[["d18O", "d2H", "d_excess"]].notna().all(axis=1)]
    found = []
    for _, row in rows.iterrows():
        now = float(d_excess(row["d18O"], row["d2H"]))
        if not _agrees(row, now):
            why = (
                f"mean δ²H - 8 mean δ¹⁸O is {now:.2f} ‰, {abs(row['d_excess'] - now):.2f} ‰ from "
                f"the printed one; rounding explains {_tolerance(row):.2f}"
            )
            found.append(_finding("A2", row, "d_excess", f"{now:.2f}", why))
    return len(rows), found


def whole_period(case: Case) -> Found:
    """A3: one period whose d-excess disagrees in nearly all groups, while other periods agree."""
    rows = case.means[case.means[["d18O", "d2H", "d_excess"]].notna().all(axis=1)]
    wrong = pd.Series(
        [not _agrees(row, d_excess(row["d18O"], row["d2H"])) for _, row in rows.iterrows()],
        rows.index,
        dtype=bool,
    )
    found = []
    for period, some in rows.groupby("period", sort=False):
        here, elsewhere = wrong[some.index], wrong.drop(some.index)
        calm = len(elsewhere) > 0 and elsewhere.mean() <= 0.2
        if len(some) >= 4 and here.mean() >= 0.75 and calm:
            why = (
                f"{here.sum()} of {len(some)} groups disagree in this period, {elsewhere.sum()} of "
                f"{len(elsewhere)} in the others: the column comes from other samples, or from "
                "outliers that the means do not have"
            )
            found.append(
                Finding(
                    "A3",
                    "impossible",
                    "means",
                    "all groups",
                    str(period),
                    "d_excess",
                    "whole column",
                    "recompute from the means",
                    why,
                )
            )
    return rows["period"].nunique(), found


def pooled_within_parts(case: Case) -> Found:
    """A6: a pooled mean lies among the means of its parts (linear programme)."""
    found, n = [], 0
    pooled = case.means[case.means["grouping"] == "all"]
    for _, whole in pooled.iterrows():
        parts = case.means[
            (case.means["period"] == whole["period"]) & (case.means["grouping"] != "all")
        ]
        for grouping, some in parts.groupby("grouping", sort=False):
            points = some[["d18O", "d2H"]].dropna()
            if len(points) < 2 or points.shape[0] < len(some):
                continue
            n += 1
            target = whole[["d18O", "d2H"]].to_numpy(dtype=float)
            misfit, nearest_point = hull_misfit(points.to_numpy(dtype=float), target)
            halves = ["d18O_half", "d2H_half"]
            allowed = SLACK * float(whole[halves].sum() + some[halves].max().sum())
            if misfit > allowed:
                why = f"no mixture of the {len(points)} groups of '{grouping}' has this mean: the "
                why += f"nearest is {misfit:.2f} ‰ away"
                text = f"{nearest_point[0]:.2f} / {nearest_point[1]:.2f}"
                found.append(_finding("A6", whole, "d18O", text, why))
    return n, found


def hull_misfit(points: Any, target: Any) -> tuple[float, Any]:
    """Least sum of absolute misfits of any mixture of points, and that mixture.

    Parameters
    ----------
    points : array of shape (n, p)
        Means of the parts.
    target : array of shape (p,)
        The pooled mean.

    Returns
    -------
    misfit : float
        0 inside the convex hull.
    nearest : array of shape (p,)
    """
    from scipy.optimize import linprog

    n, p = points.shape
    cost = np.r_[np.zeros(n), np.ones(2 * p)]
    equal = np.block([[points.T, np.eye(p), -np.eye(p)], [np.ones((1, n)), np.zeros((1, 2 * p))]])
    best = linprog(cost, A_eq=equal, b_eq=np.r_[target, 1.0], method="highs")
    return float(best.fun), points.T @ best.x[:n]


def precision_swapped(case: Case) -> Found:
    """A10: analytical precision of δ¹⁸O is better than of δ²H."""
    (o, _), (h, _) = case.fact("precision", "d18O_sd"), case.fact("precision", "d2H_sd")
    if not o > h:
        return int(np.isfinite(o + h)), []
    worse, better = np.hypot(h, 8.0 * o), np.hypot(o, 8.0 * h)
    why = (
        f"no instrument measures δ¹⁸O worse than δ²H; as printed σ of d-excess would be "
        f"{worse:.1f} ‰, exchanged it is {better:.1f} ‰"
    )
    return 1, [
        Finding(
            "A10",
            "doubtful",
            "facts",
            "precision",
            "",
            "d18O_sd / d2H_sd",
            f"{o:g} / {h:g}",
            f"{h:g} / {o:g}",
            why,
        )
    ]


def parts_and_totals(case: Case) -> Found:
    """A11: fractions make a whole, and counts add up to their totals."""
    facts, found, n = case.facts, [], 0
    for period, rows in facts[facts["kind"] == "fraction"].groupby("period", sort=False):
        n += 1
        whole = 1.0 if rows["number"].max() <= 1.0 else 100.0
        total, rounding = float(rows["number"].sum()), float(rows["half"].sum())
        if abs(total - whole) > rounding + 1e-9:
            why = f"{len(rows)} fractions must make {whole:g}; rounding explains {rounding:g}"
            place = ("facts", "fractions", str(period), "sum")
            found.append(Finding("A11", "impossible", *place, f"{total:g}", f"{whole:g}", why))
    counts = facts[facts["kind"] == "count"]
    for _, row in facts[facts["kind"] == "total"].iterrows():
        n += 1
        parts = counts if row["label"] == "all" else counts[counts["label"] == row["label"]]
        total = float(parts["number"].sum())
        if len(parts) and total != row["number"]:
            place = ("facts", row["label"], row["period"], row["quantity"])
            printed, why = f"{row['number']:g}", f"the {len(parts)} parts add to this"
            found.append(Finding("A11", "impossible", *place, printed, f"{total:g}", why))
    years, more = annual_means(case)
    return n + years, found + more


_BARELY = (
    "; only if those years equal it and the stated figures were all rounded the same way by nearly "
    "half a unit could they be true"
)


def annual_means(case: Case) -> Found:
    """A11: a mean of years lies where its lowest, highest and other years allow.

    Impossible where not even the worst rounding saves it; doubtful where only rounding errors that
    all point the same way would (beyond two of their standard deviations).
    """
    mean, half = case.fact("annual_mean")
    years = case.fact("annual_years")[0]
    (low, low_half), (high, high_half) = case.fact("annual_min"), case.fact("annual_max")
    if not np.isfinite(mean + years + low + high):
        return 0, []
    stated = case.facts[case.facts["kind"].isin(["annual", "annual_min", "annual_max"])]
    rest, known = years - len(stated), float(stated["number"].sum())
    if rest < 1:
        return 1, []
    needed = (years * mean - known) / rest
    spread = (years * half) / rest
    # how far the years' sum misses, and how far rounding could carry it
    for bound, bound_half, side in ((low, low_half, 1.0), (high, high_half, -1.0)):
        gap = side * (rest * bound - (years * mean - known))
        halves = [years * half, (rest + 1) * bound_half, *stated["half"].iloc[1:]]
        worst, usual = sum(halves), float(np.sqrt(np.square(halves).sum() / 3.0))
        if gap > 2.0 * usual:
            extreme, reach = ("lowest", "at least") if side > 0 else ("highest", "at most")
            why = (
                f"the other {rest:g} of {years:g} years would average {needed - spread:.4f} to "
                f"{needed + spread:.4f}, beyond the stated {extreme} {bound:g}"
            )
            why += "" if gap > worst else _BARELY
            severity = "impossible" if gap > worst else "doubtful"
            least = f"{reach} {(known + rest * bound) / years:.4f}"
            quantity = str(stated["quantity"].iloc[0])
            place = ("facts", "annual mean", "", quantity)
            return 1, [Finding("A11", severity, *place, f"{mean:g}", least, why)]
    return 1, []


_SHAPES = {
    "rising": "rises",
    "falling": "falls",
    "peak": "rises, then falls",
    "dip": "falls, then rises",
}


def trends(case: Case) -> Found:
    """A12: a sentence about a trend says what the numbers say."""
    rows = case.facts[case.facts["kind"] == "trend"]
    found = []
    for _, row in rows.iterrows():
        table = case.lines if row["quantity"] in ("slope", "intercept") else case.means
        table = table.assign(
            **({"d_excess": d_excess(table["d18O"], table["d2H"])} if table is case.means else {})
        )
        picked = table[table["label"] == row["label"]].drop_duplicates("period").set_index("period")
        periods = [p.strip() for p in row["period"].split(">")]
        if not set(periods) <= set(picked.index):
            continue
        values = picked.loc[periods, row["quantity"]].to_numpy(dtype=float)
        rounding = picked.loc[periods, f"{row['quantity']}_half"].fillna(0.0).to_numpy(dtype=float)
        shape = _shape(np.diff(values), rounding[:-1] + rounding[1:], str(row["value"]))
        if shape:
            text = " > ".join(f"{value:.2f}" for value in values)
            found.append(
                Finding(
                    "A12",
                    "impossible",
                    "facts",
                    row["label"],
                    row["period"],
                    row["quantity"],
                    _SHAPES[str(row["value"])],
                    shape,
                    f"the numbers are {text}",
                )
            )
    return len(rows), found


def _shape(steps: Any, rounding: NDArray[Any], claimed: str) -> str:
    """Say what the steps do, empty where that is what was claimed, within rounding."""
    up, down = steps > rounding, steps < -rounding
    middle = len(steps) // 2
    against = {
        "rising": down.any(),
        "falling": up.any(),
        "peak": down[:middle].any() or up[middle:].any(),
        "dip": up[:middle].any() or down[middle:].any(),
    }[claimed]
    if not against:
        return ""
    words = ["rises" if step > 0 else "falls" for step in steps]
    return ", then ".join(w for i, w in enumerate(words) if i == 0 or w != words[i - 1])
